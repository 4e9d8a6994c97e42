# SPDX-License-Identifier: BSD-3-Clause
"""weir-router's whole path in memory, IPv4 and IPv6, against the cycles that it may take.

tests/perf/perf_router routes 64-byte packets to random destinations; a trial is its minimum at the
default burst. The stages' own figures are in the trials that are kept.
"""

from perf.memory import measured
from perf.trials import Comparison, Plan

ALLOWED_CYCLES = {4: 75.0, 6: 95.0}
BURST = 64


def run(plan: Plan) -> list[Comparison]:
    done = {
        family: Comparison(
            f"IPv{family}, burst {BURST}: cycles a packet",
            "weir-router", "allowed", {"cycles": "cycles a packet"}, {"cycles": ("<=", 1.0)},
        )
        for family in ALLOWED_CYCLES
    }  # fmt: skip
    for _ in range(plan.pairs):
        rows = measured("perf_router")["rows"]
        for family, allowed in ALLOWED_CYCLES.items():
            bursts = {r["burst"]: r for r in rows if r["family"] == family}
            ours = {"cycles": bursts[BURST]["min"], "bursts": bursts}
            done[family].pairs.append((ours, {"cycles": allowed}))
    return list(done.values())
