# SPDX-License-Identifier: BSD-3-Clause
"""So many idle connections between two stacks in one process: their memory and CPU time.

tests/perf/perf_connections; both ends are in the process, so CPU time is of both, with the handshakes
and five quiet seconds of its clock. Memory is what became resident, tables and all, by 2 ends a
connection. Allowed: 10 s of CPU for a million, 256 bytes an end, and no packet buffer held.
"""

from perf.memory import measured
from perf.trials import Comparison, Plan

ALLOWED_CPU_US, ALLOWED_BYTES = 10.0, 256.0


def run(plan: Plan) -> list[Comparison]:
    done = Comparison(
        f"{plan.connections} connections", "stack", "allowed",
        {"cpu_s": "CPU seconds", "bytes_each_end": "bytes an end", "mib": "MiB in all"},
        {"cpu_s": ("<=", 1.0), "bytes_each_end": ("<=", 1.0)},
    )  # fmt: skip
    allowed = {
        "cpu_s": ALLOWED_CPU_US * plan.connections / 1e6,
        "bytes_each_end": ALLOWED_BYTES,
        "mib": ALLOWED_BYTES * 2 * plan.connections / 2**20,
    }
    for _ in range(plan.pairs):
        ours = measured("perf_connections", f"--connections={plan.connections}", rounds=None)
        done.pairs.append((ours | {"mib": ours["bytes"] / 2**20}, allowed))
    return [done]
