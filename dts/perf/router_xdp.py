# SPDX-License-Identifier: BSD-3-Clause
"""weir-router over AF_XDP on veth against testpmd between the same two ports, and the kernel's own.

testpmd forwards in mode mac with the sink's address, so that the same frames leave; it looks at
nothing else. The kernel's forwarding stands beside it for context: copy-mode AF_XDP pays for an skb a
packet that a NIC with zero copy does not. Its work is steered to core 1 (RPS), where the others run.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import weir.lab
from perf.line import DESCRIPTORS, arrived, generator, router, until_warm, xdp
from perf.programs import running, scratch, testpmd, worker_cpu_ns
from perf.trials import Comparison, Plan, Side, Trial, compare
from weir.lab import Lab, Line, remove_leftovers
from weir.router import LAN, LEFT, RIGHT, WAN

BURST = 64


def _window(line: Line, seconds: float, cpu_ns: Callable[[], int]) -> Trial:
    until_warm(line)
    before, packets, cpu = time.monotonic(), arrived(line), cpu_ns()
    time.sleep(seconds)  # the length of the trial, not a wait for anything
    after, packets_after, cpu_after = time.monotonic(), arrived(line), cpu_ns()
    n = packets_after - packets
    return {
        "pps": n / (after - before),
        "pps_cpu": n / ((cpu_after - cpu) / 1e9),
        "packets": n,
        "seconds": after - before,
        "cpu_ns": cpu_after - cpu,
    }


_run = itertools.count()


def _weir(line: Line, seconds: float, directory: Path) -> Trial:
    with router(line, directory / f"weir-{next(_run)}", poll="busy", burst=BURST) as app:
        return _window(line, seconds, lambda: worker_cpu_ns(app.pid))


def _testpmd(line: Line, seconds: float, directory: Path) -> Trial:
    pmd = testpmd(
        [xdp(line.wan, 0), xdp(line.lan, 1)], "mac", *DESCRIPTORS, f"--burst={BURST}",
        "--total-num-mbufs=16384", f"--eth-peer=0,{line.left.mac}",
        f"--eth-peer=1,{line.right.mac}", mib=128,
    )  # fmt: skip
    with running(line.sut.command(*pmd), directory) as program:
        program.until_it_says("testpmd> ")
        program.say("start")
        trial = _window(line, seconds, lambda: worker_cpu_ns(program.pid))
        program.say("quit")
        program.wait()
    return trial


@contextmanager
def _kernel_routes(line: Line) -> Iterator[None]:
    """The kernel forwards between wan and lan, on core 1, and knows both ends."""
    ns = line.sut
    steer = "mount -t sysfs sysfs /sys && echo 2 > /sys/class/net/wan/queues/rx-0/rps_cpus"
    ns.run("unshare", "-m", "sh", "-c", steer)
    ns.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    ends = ((line.wan, WAN, LEFT, line.left), (line.lan, LAN, RIGHT, line.right))
    for port, address, end, peer in ends:
        port.add_address(f"{address}/24")
        ns.run("ip", "neigh", "replace", end, "lladdr", peer.mac, "dev", port.name)
    try:
        yield
    finally:
        ns.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
        for port, *_ in ends:
            ns.run("ip", "address", "flush", "dev", port.name)


def _core_busy_ns(core: int = 1) -> int:
    """What a core did that was not idle, from /proc/stat, in ticks of 10 ms."""
    for row in Path("/proc/stat").read_text().splitlines():
        name, *ticks = row.split()
        if name == f"cpu{core}":
            user, nice, system, _, _, irq, softirq = (int(t) for t in ticks[:7])
            return (user + nice + system + irq + softirq) * 10_000_000
    raise RuntimeError(f"/proc/stat has no cpu{core}")


def _kernel(line: Line, seconds: float) -> Trial:
    with _kernel_routes(line):
        return _window(line, seconds, _core_busy_ns)


def run(plan: Plan) -> list[Comparison]:
    weir.lab.PREFIX = "weir-bench-"
    remove_leftovers()
    figures = {"pps": "packets a second", "pps_cpu": "packets a CPU second"}
    with Lab() as lab, scratch() as directory:
        line = lab.line()
        ours = Side("weir-router", partial(_weir, line, plan.seconds, directory))
        peers = [
            (Side("testpmd", partial(_testpmd, line, plan.seconds, directory)), (">=", 0.95)),
            (Side("kernel", partial(_kernel, line, plan.seconds)), None),
        ]
        with generator(line, directory):
            return [
                compare(
                    Comparison(
                        f"forwarding over AF_XDP on veth, burst {BURST}",
                        ours.name, peer.name, figures, {"pps": target} if target else {},
                    ),
                    ours, peer, plan,
                )
                for peer, target in peers
            ]  # fmt: skip
