# SPDX-License-Identifier: BSD-3-Clause
"""Rest: an idle worker lets its core sleep, and no packet pays for it but with a little time."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.router import (
    LEFT,
    RIGHT,
    RIGHT6,
    Config,
    Routed,
    between_hosts,
    between_silent_ends,
    ports,
)
from weir.wait import until

from scapy.layers.inet import UDP

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

SLEEPY = ("adaptive", "interrupt")
PACKET = {"driver": "af_packet"}


@pytest.fixture(scope="module")
def net(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Routed]:
    """A router between silent ends, with a mode of polling, or that and a driver."""
    poll, *driver = request.param.split()
    config: Config = {"runtime": {"poll": poll}}
    if driver:
        config["ports"] = ports(wan=PACKET, lan=PACKET)
    with between_silent_ends(tmp_path_factory.mktemp("rest"), config) as made:
        yield made


def in_modes(*modes: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("net", modes, indirect=True)


def rests(net: Routed, kind: str) -> int:
    """How often the worker has rested in this way."""
    return sum(
        int(value)
        for (name, labels), value in net.app.metrics().items()
        if name == "weir_worker_rests_total" and ("kind", kind) in labels
    )


def worker_of(net: Routed) -> Path:
    """The only worker's thread in /proc."""
    tasks = Path(f"/proc/{net.app.pid}/task").iterdir()
    (worker,) = [task for task in tasks if "worker" in (task / "comm").read_text()]
    return worker


def stat_of(task: Path) -> list[str]:
    """The fields of proc(5)'s stat from the state on."""
    return (task / "stat").read_text().rsplit(")", 1)[1].split()


def is_asleep(task: Path) -> bool:
    return stat_of(task)[0] == "S"


def cpu_seconds(net: Routed) -> float:
    """What the worker's thread has used of its core."""
    fields = stat_of(worker_of(net))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@in_modes(*SLEEPY, "adaptive af_packet")
def test_an_idle_worker_uses_little_of_its_core(net: Routed) -> None:
    """The figure of 2 % is a benchmark's; this bound only tells a worker that rests from one that
    does not.

    Steps: let no packet come for a second.
    Check: the worker's thread used less than a fifth of it, and has slept in the kernel.
    """
    used, began = cpu_seconds(net), time.monotonic()
    until(lambda: time.monotonic() - began >= 1, what="an idle second")
    assert (cpu_seconds(net) - used) / (time.monotonic() - began) < 0.2
    assert rests(net, "block") > 0


@pytest.mark.long
@in_modes(*SLEEPY, "adaptive af_packet", "interrupt af_packet")
def test_no_packet_is_lost_however_often_it_naps(net: Routed) -> None:
    """Falling asleep just as a packet comes is the race that a sleeping worker must win.

    Steps: send 300 packets (3,000 with WEIR_TEST_LONG=1), each when the worker sleeps, 2 ms or more
    after the one before.
    Check: every packet arrives in order; it has slept four times for five; nothing was dropped.
    """
    count = 3000 if "WEIR_TEST_LONG" in os.environ else 300
    slept, pace, worker = rests(net, "block"), threading.Event(), worker_of(net)
    with net.tg.capture(net.line.right, count=count) as seen:
        for n in range(count):
            net.tg.send(net.line.left, packets.udp(net.inward, (LEFT, RIGHT), sport=n + 1))
            pace.wait(0.002)
            while not is_asleep(worker):
                pace.wait(0.001)
    assert [p[UDP].sport for p in seen] == list(range(1, count + 1))
    assert rests(net, "block") - slept >= count * 4 // 5
    assert net.app.drops_since_start() == {}


@in_modes(*SLEEPY, "adaptive af_packet", "interrupt af_packet")
def test_a_worker_that_sleeps_wakes_for_either_port(net: Routed) -> None:
    """Each queue's interrupt wakes it, also after a long sleep.

    Steps: 20 times, wait until it sleeps; send one packet, from the left and from the right in turn.
    Check: each arrives within a second.
    """
    line, worker = net.line, worker_of(net)
    there = packets.udp(net.inward, (LEFT, RIGHT))
    back = packets.udp((line.right.mac, line.lan.mac), (RIGHT, LEFT))
    for n in range(20):
        until(lambda: is_asleep(worker), what="sleep")
        sent, to, packet = (
            (line.left, line.right, there) if n % 2 else (line.right, line.left, back)
        )
        with net.tg.capture(to, quiet=0.0) as seen:
            net.tg.send(sent, packet)
            for _ in range(100):  # steps: a machine that stands still for a second makes one of them
                seen.wait(1, 0.01)
                if len(seen) > 0:
                    break
        assert len(seen) == 1, f"packet {n}"


@in_modes("busy")
def test_a_busy_worker_never_rests(net: Routed) -> None:
    """poll: busy, for who pays for latency with a core.

    Steps: look twice, with packets between.
    Check: the packets arrive; passes were made; no nap, no block.
    """
    passes = net.app.metric("weir_worker_passes_total")
    with net.tg.capture(net.line.right, count=10) as seen:
        net.tg.send(net.line.left, [packets.udp(net.inward, (LEFT, RIGHT))] * 10)
    assert len(seen) == 10
    until(lambda: net.app.metric("weir_worker_passes_total") > passes + 1000, what="passes")
    assert rests(net, "nap") == 0 and rests(net, "block") == 0


def core_latency_us() -> int:
    """What the kernel's PM QoS allows cores at most to wake up in now."""
    with open("/dev/cpu_dma_latency", "rb") as device:
        return int.from_bytes(device.read(4), "little", signed=True)


@pytest.mark.skipif(not os.path.exists("/dev/cpu_dma_latency"), reason="no PM QoS in this kernel")
def test_fast_wakeup_keeps_cores_from_deep_sleep_while_it_runs(tmp_path: Path) -> None:
    """runtime.wakeup: fast, and what a kill leaves of it.

    Steps: look at the kernel's limit; run a router with it, ping, kill it.
    Check: the limit is 0 us while it runs, and what it was after that.
    """
    before = core_latency_us()
    assert before > 0, "somebody else holds the cores awake"
    with between_hosts(tmp_path, {"runtime": {"poll": "adaptive", "wakeup": "fast"}}) as net:
        assert core_latency_us() == 0
        assert peers.ping(net.line.left.netns, RIGHT, count=3).received == 3
        net.app.kill()
        until(lambda: core_latency_us() == before, what="the limit from before")


def test_workers_alone_get_the_real_time_priority(tmp_path: Path) -> None:
    """runtime.priority, for a packet to wake its worker at once.

    Steps: run a router with two workers and priority 7, ping.
    Check: both workers' threads have it, no other thread; pings are answered.
    """
    runtime = {"workers": [0, 1], "poll": "adaptive", "priority": 7}
    with between_hosts(tmp_path, {"runtime": runtime}) as net:
        found = {}
        for task in Path(f"/proc/{net.app.pid}/task").iterdir():
            tid = int(task.name)
            given = (os.sched_getscheduler(tid), os.sched_getparam(tid).sched_priority)
            found[(task / "comm").read_text().strip(), tid] = given
        workers = [given for (name, _), given in found.items() if "worker" in name]
        others = [given for (name, _), given in found.items() if "worker" not in name]
        assert workers == [(os.SCHED_FIFO, 7)] * 2
        assert others == [(os.SCHED_OTHER, 0)] * len(others)
        assert peers.ping(net.line.left.netns, RIGHT, count=3).received == 3


@pytest.mark.parametrize("poll", ["busy", "adaptive", "interrupt"])
def test_real_traffic_flows_in_each_mode(tmp_path: Path, poll: str) -> None:
    """Ping and TCP, whatever the mode.

    Steps: ping over IPv4 and IPv6, run iperf3.
    Check: no answer missing; bytes moved.
    """
    with between_hosts(tmp_path, {"runtime": {"poll": poll}}) as net:
        left, right = net.line.left.netns, net.line.right.netns
        for to in (RIGHT, RIGHT6):
            assert peers.ping(left, to, count=10).received == 10
        assert peers.iperf3(right, left, RIGHT)["sum_received"]["bytes"] > 1_000_000
