# SPDX-License-Identifier: BSD-3-Clause
"""Benchmarks: each module named in BENCHMARKS compares two programs and says a ratio.

A benchmark is a module with a docstring, whose first line is what `scripts/bench --list` prints, and

    def run(plan: Plan) -> list[Comparison]

trials.py has the runner that all of them share, programs.py the programs. Nothing here is a test:
absolute figures of a shared machine mean nothing, so a benchmark prints ratios of interleaved trials.
"""

# Names for scripts/bench, in the order in which `all` runs them.
BENCHMARKS = {
    "null": "perf.null",
    "veth": "perf.veth",
    "graph": "perf.graph",
    "router-memory": "perf.router_memory",
    "instructions": "perf.instructions",
    "router-xdp": "perf.router_xdp",
    "idle": "perf.idle",
    "pmd": "perf.pmd",
    "growth": "perf.growth",
    "firewall": "perf.firewall",
    "stack": "perf.stack",
    "c10m": "perf.c10m",
}
