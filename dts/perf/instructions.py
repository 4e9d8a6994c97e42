# SPDX-License-Identifier: BSD-3-Clause
"""Instructions a packet of weir-router's path, by callgrind, against those of the last time it was kept.

They repeat to the last digit for one binary, whatever else the machine does, so a stage that grew
shows. valgrind has no AVX-512: IPv6 routes are looked up one by one here, as on older processors.
To keep new figures after a change that is worth it: scripts/bench instructions, then write the
figures of dts/results/ into dts/perf/instructions.json.
"""

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from perf.trials import Comparison, Plan
from weir.sut import BUILD

KEPT = Path(__file__).with_suffix(".json")
BURST = 64
GROWTH = 1.03
STAGES = {
    "path": "weir_graph_run", "00_rx": "rx_process", "10_parse": "parse_process",
    "15_neigh_in": "neigh_in_process", "20_defrag": "defrag_process",
    "60_route": "route_process", "80_neigh_out": "neigh_out_process", "90_tx": "tx_process",
}  # fmt: skip


def inclusive(profile: str) -> dict[str, int]:
    """Instructions of each function with all that it calls, from callgrind's file of calls."""
    names: dict[str, str] = {}
    cost: dict[str, int] = {}
    callee, called = "", False
    for line in profile.splitlines():
        if called:
            cost[names[callee]] = cost.get(names[callee], 0) + int(line.split()[1])
            called = False
        elif match := re.match(r"(c?fn)=\((\d+)\)(?: (.*))?", line):
            if match[3]:
                names[match[2]] = match[3]
            if match[1] == "cfn":
                callee = match[2]
        elif line.startswith("calls="):
            called = True
    return cost


def instructions(family: int) -> dict[str, float]:
    """Instructions a packet of each stage and of the path."""
    if shutil.which("valgrind") is None:
        raise RuntimeError("valgrind is not there: apt-get install valgrind")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        argv = [
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
            "--toggle-collect=weir_graph_run", str(BUILD / "tests" / "perf" / "perf_router"),
            "--no-huge", "--json", "--rounds=1", f"--family={family}", f"--burst={BURST}",
        ]  # fmt: skip
        done = subprocess.run(argv, capture_output=True, text=True, timeout=180)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}\n{done.stderr}")
        cost = inclusive(out.read_text(encoding="utf-8"))
    pkts = json.loads(done.stdout)["pkts"]
    return {stage: round(cost[function] / pkts, 2) for stage, function in STAGES.items()}


def run(plan: Plan) -> list[Comparison]:
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    done = []
    for family in (4, 6):
        now = instructions(family)
        for stage in STAGES:
            comparison = Comparison(
                f"IPv{family}, {stage}: instructions a packet",
                "now", "kept", {"instructions": "instructions"}, {"instructions": ("<=", GROWTH)},
            )  # fmt: skip
            ours = {"instructions": now[stage]}
            comparison.pairs.append((ours, {"instructions": kept[f"IPv{family}"][stage]}))
            done.append(comparison)
    return done
