# SPDX-License-Identifier: BSD-3-Clause
"""weir-bench io and macswap against testpmd over AF_XDP on a veth pair, packets sent back.

One namespace has the generator (testpmd txonly, core 0), the other the program under test (core 1),
which sends each packet back by the port it came in by. What is delivered is counted by the kernel:
neither program is believed.
"""

import time
from functools import partial
from pathlib import Path

import weir.lab
from perf.programs import running, scratch, testpmd, weir_bench, worker_cpu_ns
from perf.trials import Comparison, Plan, Side, Trial, compare
from weir.lab import Lab, Port, remove_leftovers
from weir.netns import Netns
from weir.wait import until

MODES = ["io", "macswap"]
# The same for both: descriptors, burst, no busy polling by the kernel.
SAME = ["--rxd=1024", "--txd=1024", "--burst=32"]
# Packets that must have come back before a trial counts.
WARM = 20000


def _xdp(port: Port) -> str:
    return f"net_af_xdp0,iface={port.name},start_queue=0,queue_count=1,busy_budget=0"


def _generator(port: Port, size: int) -> list[str]:
    pmd = testpmd(
        [_xdp(port)], "txonly", *SAME, f"--txpkts={size}", "--total-num-mbufs=16384",
        cores="0@1,1@0", mib=128,
    )  # fmt: skip
    return port.netns.command(*pmd)


def _sent(port: Port) -> int:
    return port.counter("tx_packets")


def _window(pid: int, port: Port, seconds: float, rest: object) -> Trial:
    start = _sent(port)
    until(lambda: _sent(port) > start + WARM, timeout=20, what="packets sent back")
    before, packets, cpu = time.monotonic(), _sent(port), worker_cpu_ns(pid)
    rest(seconds)  # type: ignore[operator]
    after, packets_after, cpu_after = time.monotonic(), _sent(port), worker_cpu_ns(pid)
    n = packets_after - packets
    return {
        "pps": n / (after - before),
        "pps_cpu": n / ((cpu_after - cpu) / 1e9),
        "packets": n,
        "seconds": after - before,
        "cpu_ns": cpu_after - cpu,
    }


def _testpmd(mode: str, port: Port, seconds: float, directory: Path) -> Trial:
    pmd = testpmd([_xdp(port)], mode, *SAME, "--total-num-mbufs=16384", mib=128)
    with running(port.netns.command(*pmd), directory) as program:
        program.until_it_says("testpmd> ")
        program.say("start")
        trial = _window(program.pid, port, seconds, program.rest)
        program.say("quit")
        program.wait()
    return trial


def _weir(mode: str, port: Port, seconds: float, directory: Path) -> Trial:
    bench = weir_bench([port.name], mode, directory, *SAME, "--cores=1")
    with running(port.netns.command(*bench), directory) as program:
        trial = _window(program.pid, port, seconds, program.rest)
        program.end()
    return trial


def _links(lab: Lab) -> tuple[Port, Port]:
    gen: Netns = lab.netns("gen", ipv6=False)
    dut: Netns = lab.netns("dut", ipv6=False)
    return lab.veth((gen, "gen"), (dut, "dut"))


def run(plan: Plan) -> list[Comparison]:
    weir.lab.PREFIX = "weir-bench-"
    remove_leftovers()
    done = []
    with Lab() as lab, scratch() as directory:
        gen, dut = _links(lab)
        with running(_generator(gen, 64), directory) as generator:
            generator.until_it_says("testpmd> ")
            generator.say("start")
            for mode in MODES:
                done.append(
                    compare(
                        Comparison(
                            f"{mode} over AF_XDP on veth",
                            "weir-bench",
                            "testpmd",
                            {"pps": "packets a second", "pps_cpu": "packets a CPU second"},
                            {"pps": (">=", 1.0)},
                        ),
                        Side("weir-bench", partial(_weir, mode, dut, plan.seconds, directory)),
                        Side("testpmd", partial(_testpmd, mode, dut, plan.seconds, directory)),
                        plan,
                    )
                )
    return done
