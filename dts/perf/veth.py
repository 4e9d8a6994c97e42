# SPDX-License-Identifier: BSD-3-Clause
"""weir-bench io and macswap against testpmd over AF_XDP on a veth pair, packets sent back.

The program under test (core 1) sends each packet back by the port it came in by. What it delivers is
counted by the kernel: neither program is believed. Packets come from the other end of the pair:

- loop: an XDP program there sends every frame back at once, so that a few frames go round and round
  through the program under test, which is all that limits them. This is the sharper measure, because
  all of the work is on its core.
- generator: testpmd txonly on core 0. Its own work, and the receiving side's of the veth, limit it
  before they limit the program under test, so this shows that nothing is lost, rather than who is faster.
"""

import socket
import subprocess
import sysconfig
import time
from functools import partial
from pathlib import Path

import weir.lab
from perf.programs import Program, running, scratch, testpmd, weir_bench, worker_cpu_ns
from perf.trials import Comparison, Plan, Side, Trial, compare
from weir.lab import Lab, Port, remove_leftovers
from weir.netns import Netns
from weir.wait import until

MODES = ["io", "macswap"]
# The same for both: descriptors, burst, no busy polling by the kernel.
SAME = ["--rxd=1024", "--txd=1024", "--burst=32"]
# Packets that must have come back before a trial counts.
WARM = 20000
# Frames in the loop: full bursts, and fewer than any ring on the way holds, so that none is lost.
LOOP_FRAMES = 128
FRAME = bytes.fromhex("020000000002020000000001") + b"\x88\xb5" + bytes(50)


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


def _reflect(port: Port, directory: Path) -> None:
    """Frames that reach this port go back."""
    source, program = Path(__file__).with_name("reflect.bpf.c"), directory / "reflect.o"
    include = f"-I/usr/include/{sysconfig.get_config_var('MULTIARCH')}"
    build = ["clang", "-O2", "-g", "-target", "bpf", include, "-c", str(source), "-o", str(program)]
    subprocess.run(build, check=True, timeout=60)
    port.set("xdpdrv", "obj", str(program), "sec", "xdp")


def _inject(port: Port) -> None:
    with port.netns.inside():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with wire:
        wire.bind((port.name, 0))
        for _ in range(LOOP_FRAMES):
            wire.send(FRAME)


def _window(program: Program, port: Port, loop: Port | None, seconds: float) -> Trial:
    """The figures of some seconds, once packets go round."""
    pid = program.pid
    if loop is not None:
        _inject(loop)
    start = _sent(port)
    until(lambda: _sent(port) > start + WARM, timeout=20, what="packets sent back")
    before, packets, cpu = time.monotonic(), _sent(port), worker_cpu_ns(pid)
    program.rest(seconds)
    after, packets_after, cpu_after = time.monotonic(), _sent(port), worker_cpu_ns(pid)
    n = packets_after - packets
    return {
        "pps": n / (after - before),
        "pps_cpu": n / ((cpu_after - cpu) / 1e9),
        "packets": n,
        "seconds": after - before,
        "cpu_ns": cpu_after - cpu,
    }


def _testpmd(mode: str, port: Port, loop: Port | None, seconds: float, directory: Path) -> Trial:
    options = ["--total-num-mbufs=16384", "--no-flush-rx"]
    pmd = testpmd([_xdp(port)], mode, *SAME, *options, mib=128)
    with running(port.netns.command(*pmd), directory) as program:
        program.until_it_says("testpmd> ")
        program.say("start")
        program.until_it_says("io packet forwarding|macswap packet forwarding")
        trial = _window(program, port, loop, seconds)
        program.say("quit")
        program.wait()
    return trial


def _weir(mode: str, port: Port, loop: Port | None, seconds: float, directory: Path) -> Trial:
    bench = weir_bench([port.name], mode, directory, *SAME, "--cores=1", "-i")
    with running(port.netns.command(*bench), directory) as program:
        program.say("start\nshow config")
        program.until_it_says("mode .* forwarding")
        trial = _window(program, port, loop, seconds)
        program.end()
    return trial


def _links(lab: Lab) -> tuple[Port, Port]:
    gen: Netns = lab.netns("gen", ipv6=False)
    dut: Netns = lab.netns("dut", ipv6=False)
    return lab.veth((gen, "gen"), (dut, "dut"))


def _compare(
    mode: str, source: str, dut: Port, loop: Port | None, plan: Plan, directory: Path
) -> Comparison:
    return compare(
        Comparison(
            f"{mode} over AF_XDP on veth, {source}",
            "weir-bench",
            "testpmd",
            {"pps": "packets a second", "pps_cpu": "packets a CPU second"},
            {"pps": (">=", 1.0)},
        ),
        Side("weir-bench", partial(_weir, mode, dut, loop, plan.seconds, directory)),
        Side("testpmd", partial(_testpmd, mode, dut, loop, plan.seconds, directory)),
        plan,
    )


def _run_loop(plan: Plan, directory: Path) -> list[Comparison]:
    with Lab() as lab:
        gen, dut = _links(lab)
        _reflect(gen, directory)
        return [_compare(mode, "loop", dut, gen, plan, directory) for mode in MODES]


def _run_generator(plan: Plan, directory: Path) -> list[Comparison]:
    with Lab() as lab:
        gen, dut = _links(lab)
        with running(_generator(gen, 64), directory) as generator:
            generator.until_it_says("testpmd> ")
            generator.say("start")
            return [_compare(mode, "generator", dut, None, plan, directory) for mode in MODES]


def run(plan: Plan) -> list[Comparison]:
    weir.lab.PREFIX = "weir-bench-"
    remove_leftovers()
    with scratch() as directory:
        return _run_loop(plan, directory) + _run_generator(plan, directory)
