# SPDX-License-Identifier: BSD-3-Clause
"""What an idle adaptive weir-router takes of its core, against one that never rests.

No traffic comes for 10 seconds a trial. The share is the worker thread's CPU time as the scheduler
counts it, by the wall's.
"""

import itertools
import time
from functools import partial
from pathlib import Path

import weir.lab
from perf.line import router
from perf.programs import scratch, worker_cpu_ns
from perf.trials import Comparison, Plan, Side, Trial, compare
from weir.lab import Lab, Line, remove_leftovers

SECONDS = {"adaptive": 10.0, "busy": 1.0}
ALLOWED = 0.02

_run = itertools.count()


def _idle(poll: str, line: Line, directory: Path) -> Trial:
    with router(line, directory / f"{poll}-{next(_run)}", poll=poll) as app:
        time.sleep(1.0)  # what comes at start (neighbours, timers) is over
        before, cpu = time.monotonic(), worker_cpu_ns(app.pid)
        time.sleep(SECONDS[poll])
        wall, used = time.monotonic() - before, worker_cpu_ns(app.pid) - cpu
    return {"percent": 100 * used / 1e9 / wall, "cpu_ns": used, "seconds": wall}


def run(plan: Plan) -> list[Comparison]:
    weir.lab.PREFIX = "weir-bench-"
    remove_leftovers()
    comparison = Comparison(
        "idle weir-router on AF_XDP: its worker's share of a core",
        "adaptive", "busy", {"percent": "% of a core"}, {"percent": ("<=", ALLOWED)},
    )  # fmt: skip
    with Lab() as lab, scratch() as directory:
        line = lab.line()
        sides = [Side(poll, partial(_idle, poll, line, directory)) for poll in SECONDS]
        return [compare(comparison, sides[0], sides[1], plan)]
