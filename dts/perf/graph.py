# SPDX-License-Identifier: BSD-3-Clause
"""The pipeline of eight stages against plain calls and against DPDK's rte_graph, in memory.

tests/perf/perf_graph runs them in turn; a trial is its minimum. The first table has what the graph
adds to plain calls beside the 7 cycles that it may add.
"""

from typing import Any

from perf.memory import measured
from perf.trials import Comparison, Plan, Trial

ALLOWED_CYCLES = 7.0
BURSTS = [8, 32, 64, 256]


def _cycles(row: dict[str, Any], who: str) -> float:
    return float(row["cycles"][who]["min"])


def _by_burst(rows: list[dict[str, Any]], divergent: bool, who: str) -> Trial:
    return {str(r["burst"]): _cycles(r, who) for r in rows if r["divergent"] is divergent}


def _added(rows: list[dict[str, Any]]) -> tuple[Trial, Trial]:
    ours, calls = (_by_burst(rows, False, who)["64"] for who in ("weir", "calls"))
    return {"added": ours - calls}, {"added": ALLOWED_CYCLES}


def run(plan: Plan) -> list[Comparison]:
    names = {str(burst): f"cycles, burst {burst}" for burst in BURSTS}
    added = Comparison(
        "8 stages, burst 64: cycles a packet beyond plain calls",
        "weir_graph", "allowed", {"added": "cycles added"}, {"added": ("<=", 1.0)},
    )  # fmt: skip
    others = {
        (divergent, who): Comparison(
            f"8 stages, {'an eighth leaves twice' if divergent else 'all alike'}",
            "weir_graph", who, names,
        )
        for divergent in (False, True) for who in ("calls", "rte_graph")
    }  # fmt: skip
    for _ in range(plan.pairs):
        rows = measured("perf_graph")["rows"]
        added.pairs.append(_added(rows))
        for (divergent, who), comparison in others.items():
            ours, peer = (_by_burst(rows, divergent, name) for name in ("weir", who))
            comparison.pairs.append((ours, peer))
    return [added, *others.values()]
