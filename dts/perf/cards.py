# SPDX-License-Identifier: BSD-3-Clause
"""Frames as a network card's driver has them, and what the kernel's part of receiving them costs.

XDP programs of this folder at a port, live.py as a generator, and the thread that runs a port's NAPI.
"""

import json
import re
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from perf.programs import Program, running
from weir.lab import Port


def build(name: str, directory: Path) -> Path:
    """One of the XDP programs of this folder, built once."""
    source, program = Path(__file__).with_name(f"{name}.bpf.c"), directory / f"{name}.o"
    if program.is_file():
        return program
    include = f"-I/usr/include/{sysconfig.get_config_var('MULTIARCH')}"
    argv = ["clang", "-O2", "-g", "-target", "bpf", include, "-c", str(source), "-o", str(program)]
    subprocess.run(argv, check=True, timeout=60)
    return program


@contextmanager
def xdp(port: Port, name: str, directory: Path) -> Iterator[None]:
    """Such a program at a port."""
    port.set("xdpdrv", "obj", str(build(name, directory)), "sec", "xdp")
    try:
        yield
    finally:
        port.set("xdpdrv", "off")


@contextmanager
def live(port: Port, name: str, frame: bytes, directory: Path, *options: str) -> Iterator[Program]:
    """A frame again and again from core 0, for which the kernel makes no packet: see live.py."""
    script, program = Path(__file__).with_name("live.py"), build(name, directory)
    argv = ["/usr/bin/python3", str(script), str(program), port.name, frame.hex(), *options]
    with running(port.netns.command("taskset", "-c", "0", *argv), directory) as made:
        yield made


def counted(port: Port, name: str) -> int:
    """One of the counters that a veth has for XDP, over its queues."""
    shown = port.netns.run("ethtool", "-S", port.name).stdout
    return sum(int(n) for n in re.findall(rf"rx_queue_\d+_{name}: (\d+)", shown))


def overflown(port: Port) -> int:
    """Frames sent through a veth that its peer's ring had no room for."""
    (link,) = json.loads(port.netns.run("ip", "-j", "-s", "link", "show", port.name).stdout)
    return int(link["stats64"]["tx"]["dropped"])


def _set(port: Port, name: str, value: int) -> None:
    """A file of the interface in sysfs."""
    on = f"mount -t sysfs none /sys && echo {value} > /sys/class/net/{port.name}/{name}"
    port.netns.run("unshare", "-m", "sh", "-c", on)


def moderate(port: Port, every_us: int) -> None:
    """Poll the interface so often while packets come, so that no sender has to wake anyone."""
    _set(port, "napi_defer_hard_irqs", 1000)
    _set(port, "gro_flush_timeout", every_us * 1000)


def napi_thread(port: Port, core: int = 0) -> int:
    """The thread that runs the interface's NAPI from now on, on that core: its number."""
    _set(port, "threaded", 1)
    (thread,) = [
        int(task.parent.name)
        for task in Path("/proc").glob("[0-9]*/comm")
        if task.read_text().startswith(f"napi/{port.name}-")
    ]
    subprocess.run(["taskset", "-pc", str(core), str(thread)], check=True, capture_output=True)
    return thread


def thread_ns(thread: int) -> int:
    """CPU time of a thread of the kernel."""
    return int(Path(f"/proc/{thread}/schedstat").read_text().split()[0])
