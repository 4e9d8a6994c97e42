# SPDX-License-Identifier: BSD-3-Clause
"""A generator, a router and a sink in three namespaces, and weir-router as the router.

The generator is testpmd txonly on core 0. The router has core 1. What is delivered is counted by the
sink's kernel, which then throws it away: no program is believed, and the sink costs all alike.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from perf.programs import Program, running, testpmd
from weir.lab import Line, Port
from weir.router import LEFT, RIGHT, known, ports
from weir.sut import App, Sut
from weir.wait import until

# The same for all: descriptors, no busy polling by the kernel.
DESCRIPTORS = ["--rxd=1024", "--txd=1024"]
WARM = 20000  # packets that must have arrived before a trial counts


def xdp(port: Port, number: int = 0) -> str:
    return f"net_af_xdp{number},iface={port.name},start_queue=0,queue_count=1,busy_budget=0"


@contextmanager
def generator(line: Line, directory: Path) -> Iterator[Program]:
    """64-byte UDP packets from left to right, as many as go, until the end."""
    pmd = testpmd(
        [xdp(line.left)], "txonly", *DESCRIPTORS, "--burst=32", "--txpkts=64",
        "--total-num-mbufs=16384", f"--eth-peer=0,{line.wan.mac}", f"--tx-ip={LEFT},{RIGHT}",
        cores="0@1,1@0", mib=128,
    )  # fmt: skip
    with running(line.left.netns.command(*pmd), directory) as made:
        made.until_it_says("testpmd> ")
        made.say("start")
        yield made


def arrived(line: Line) -> int:
    return line.right.counter("rx_packets")


def until_warm(line: Line) -> None:
    start = arrived(line)
    until(lambda: arrived(line) > start + WARM, timeout=30, what="packets at the sink")


@contextmanager
def router(line: Line, directory: Path, **runtime: Any) -> Iterator[App]:
    """A running weir-router on core 1 that knows both ends."""
    directory.mkdir(exist_ok=True)
    sut = Sut(directory)
    same = {"rxd": 1024, "txd": 1024}
    config = {
        "runtime": {"workers": [1]} | runtime,
        "ports": ports(same, same),
        "neighbours": known(line),
    }
    try:
        yield sut.start("weir-router", config, line.sut)
    except Exception as error:
        raise RuntimeError(f"{error}\n{sut.report()}") from error
    finally:
        sut.close()
