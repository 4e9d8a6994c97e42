# SPDX-License-Identifier: BSD-3-Clause
"""weir-bench io against testpmd io over net_null: what the loop itself costs a packet.

net_null gives and takes packets without looking at them, so what is left is the loop. Cycles are of
the worker's CPU time, since other programs of a shared machine would be in what the TSC counts.
"""

from functools import partial
from pathlib import Path

from perf.programs import (
    here,
    report,
    running,
    scratch,
    testpmd,
    tsc_hz,
    weir_bench,
    worker_cpu_ns,
)
from perf.trials import Comparison, Plan, Side, Trial, compare

PORTS = ["net_null0", "net_null1"]
BURSTS = [32, 64]

_COST = r"CPU cycles/packet=([\d.]+) \(total cycles=(\d+) / total io packets=(\d+)\)"


def by_testpmd(
    ports: list[str], mode: str, burst: int, seconds: float, directory: Path
) -> Trial:
    argv = here(*testpmd(ports, mode, "--record-core-cycles", f"--burst={burst}"))
    with running(argv, directory) as pmd:
        pmd.until_it_says("testpmd> ")
        before = worker_cpu_ns(pmd.pid)
        pmd.say("start")
        pmd.rest(seconds)
        pmd.say("stop")
        said = pmd.until_it_says(_COST)
        cpu_ns = worker_cpu_ns(pmd.pid) - before
        pmd.say("quit")
        pmd.wait()
    packets = int(said[3])
    return {
        "cycles": cpu_ns * tsc_hz() / 1e9 / packets,
        "own_cycles": float(said[1]),
        "packets": packets,
        "cpu_ns": cpu_ns,
    }


def by_weir_bench(
    ports: list[str], mode: str, burst: int, seconds: float, directory: Path
) -> Trial:
    path = directory / "report.json"
    options = [f"--burst={burst}", f"--time={seconds * 1000:.0f}ms", f"--report={path}"]
    with running(here(*weir_bench(ports, mode, directory, *options)), directory) as bench:
        bench.wait()
    said = report(path)
    return {
        "cycles": said["cpu_ns"] * said["tsc_hz"] / 1e9 / said["packets"],
        "own_cycles": said["busy_cycles"] / said["packets"],
        "packets": said["packets"],
        "cpu_ns": said["cpu_ns"],
    }


def run(plan: Plan) -> list[Comparison]:
    done = []
    with scratch() as directory:
        for burst in BURSTS:
            done.append(
                compare(
                    Comparison(
                        f"io over net_null, burst {burst}",
                        "weir-bench",
                        "testpmd",
                        {"cycles": "CPU cycles a packet", "own_cycles": "TSC cycles a packet"},
                        {"cycles": ("<=", 1.10)},
                    ),
                    Side("weir-bench", partial(by_weir_bench, PORTS, "io", burst, plan.seconds, directory)),
                    Side("testpmd", partial(by_testpmd, PORTS, "io", burst, plan.seconds, directory)),
                    plan,
                )
            )
    return done
