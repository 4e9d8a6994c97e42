# SPDX-License-Identifier: BSD-3-Clause
"""Whether weir-router's memory grows in ten minutes of full load: the second half by the first.

Resident memory and buffers in use are sampled 120 times; --seconds shortens the run. The slope is of
a straight line through all samples.
"""

import statistics
import time
from pathlib import Path

import weir.lab
from perf.line import arrived, generator, router, until_warm
from perf.programs import scratch
from perf.trials import Comparison, Plan, Trial
from weir.lab import Lab, Line, remove_leftovers
from weir.sut import App

SECONDS = 600.0
SAMPLES = 120
FIGURES = {"rss_kib": "resident, KiB", "pool_used": "buffers in use"}


def _rss_kib(pid: int) -> int:
    for row in Path(f"/proc/{pid}/status").read_text().splitlines():
        if row.startswith("VmRSS:"):
            return int(row.split()[1])
    raise RuntimeError(f"process {pid} has no VmRSS")


def _sample(app: App, line: Line, start: float) -> Trial:
    return {
        "at_s": time.monotonic() - start,
        "rss_kib": _rss_kib(app.pid),
        "pool_used": app.metric("weir_pool_used_mbufs"),
        "packets": arrived(line),
    }


def _load(seconds: float) -> list[Trial]:
    with Lab() as lab, scratch() as directory:
        line = lab.line()
        with generator(line, directory), router(line, directory / "weir", poll="busy") as app:
            until_warm(line)
            start = time.monotonic()
            samples = []
            for number in range(SAMPLES):
                time.sleep(max(0.0, start + (number + 1) * seconds / SAMPLES - time.monotonic()))
                samples.append(_sample(app, line, start))
            return samples


def run(plan: Plan) -> list[Comparison]:
    weir.lab.PREFIX = "weir-bench-"
    remove_leftovers()
    seconds = SECONDS if plan.seconds == Plan.seconds else plan.seconds
    samples = _load(seconds)
    comparison = Comparison(
        f"weir-router under full load for {seconds:.0f} s", "second half", "first half",
        FIGURES, {"rss_kib": ("<=", 1.002), "pool_used": ("<=", 1.05)},
    )  # fmt: skip
    half = SAMPLES // 2
    comparison.pairs = list(zip(samples[half:], samples[:half]))
    packets = samples[-1]["packets"] - samples[0]["packets"]
    print(f"\n{packets} packets routed in {seconds:.0f} s")
    for figure, unit in FIGURES.items():
        slope, _ = statistics.linear_regression(
            [s["at_s"] for s in samples], [s[figure] for s in samples]
        )
        print(f"{unit}: {slope * 60:+.2f} a minute")
    return [comparison]
