# SPDX-License-Identifier: BSD-3-Clause
"""Two workers: flows are shared between them, and each flow stays with one, in both directions."""

from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.lab import Line
from weir.router import (
    LEFT,
    LEFT6,
    RIGHT,
    RIGHT6,
    WAN6,
    Config,
    Routed,
    between_hosts,
    between_silent_ends,
    ports,
)
from weir.sut import Sut
from weir.wait import until

from scapy.layers.inet import UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrFragment,
    fragment6,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

FANOUT = {"driver": "af_packet", "queues": 2}

# How two workers come by their packets.
LAYOUTS: dict[str, Config] = {
    # The kernel's fanout hash shares the packets between two queues, one of each worker.
    "two queues": {"ports": ports(wan=FANOUT, lan=FANOUT)},
    # Two queues of our driver on a device with one: the driver's hash shares the packets.
    "two queues of one": {"ports": ports(wan={"queues": 2}, lan={"queues": 2})},
    # One AF_XDP queue a port: its worker hands what is not its own to the other one over a ring.
    "one queue": {"ports": ports()},
    # One of each kind.
    "two queues and one": {"ports": ports(wan=FANOUT)},
}

EACH = pytest.mark.parametrize("layout", LAYOUTS, indirect=True)


def with_two_workers(layout: str) -> Config:
    runtime, limits = {"workers": [0, 1]}, {"neighbour_queue": 64}
    return LAYOUTS[layout] | {"runtime": runtime, "limits": limits}


@pytest.fixture(scope="module")
def layout(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Routed]:
    """A router with two workers between silent ends."""
    config = with_two_workers(request.param)
    with between_silent_ends(tmp_path_factory.mktemp("rss"), config) as made:
        yield made


def by_worker(net: Routed) -> Counter[str]:
    """Packets that each worker has routed."""
    routed: Counter[str] = Counter()
    for (name, labels), value in net.app.metrics().items():
        if name == "weir_stage_packets_total" and ("stage", "60_route") in labels:
            routed[dict(labels)["worker"]] += int(value)
    return routed


def routed_since(net: Routed, before: Counter[str], count: int) -> Counter[str]:
    """The same since before, once it is so many: what has come was not counted yet, perhaps."""
    until(lambda: (by_worker(net) - before).total() >= count, what=f"{count} to be counted")
    return by_worker(net) - before


def there(net: Routed, n: int, six: bool = False) -> Packet:
    pair = (LEFT6, RIGHT6) if six else (LEFT, RIGHT)
    return packets.udp(net.inward, pair, sport=20_000 + n, dport=5000 + n % 7, size=40)


def back(net: Routed, n: int, six: bool = False) -> Packet:
    macs = (net.line.right.mac, net.line.lan.mac)
    pair = (RIGHT6, LEFT6) if six else (RIGHT, LEFT)
    return packets.udp(macs, pair, sport=5000 + n % 7, dport=20_000 + n, size=40)


@EACH
@pytest.mark.parametrize("six", [False, True])
def test_all_flows_go_through_in_order_and_both_workers_have_some(
    layout: Routed, six: bool
) -> None:
    """100 flows of 4 packets, interleaved.

    Steps: send them from the left to the right.
    Check: every packet arrives; within a flow in order; each worker has routed a fifth or more.
    """
    before = by_worker(layout)
    sent = [there(layout, n, six) for n in range(100)]
    with layout.tg.capture(layout.line.right, count=400) as seen:
        for turn in range(4):
            for packet in sent:
                packet[UDP].payload.load = bytes([turn]) * 40
            layout.tg.send(layout.line.left, sent)
    turns: dict[int, list[int]] = defaultdict(list)
    for packet in seen:
        turns[packet[UDP].sport].append(bytes(packet[UDP].payload)[0])
    assert len(turns) == 100 and all(order == [0, 1, 2, 3] for order in turns.values())
    routed = routed_since(layout, before, 400)
    assert routed.total() == 400 and min(routed["0"], routed["1"]) >= 80, routed
    assert layout.app.drops_since_start() == {}


@EACH
@pytest.mark.parametrize("six", [False, True])
def test_both_directions_of_a_flow_have_one_worker(layout: Routed, six: bool) -> None:
    """What a service knows of a flow is one worker's alone, so its replies must come to that one.

    Steps: of each of 12 flows, send 5 packets there and 5 back.
    Check: all arrive; one worker has routed all 10; not the same one for all flows.
    """
    owners: list[str] = []
    for n in range(12):
        before = by_worker(layout)
        with layout.tg.capture(layout.line.right, count=5, quiet=0.0) as went:
            layout.tg.send(layout.line.left, [there(layout, n, six)] * 5)
        with layout.tg.capture(layout.line.left, count=5, quiet=0.0) as came:
            layout.tg.send(layout.line.right, [back(layout, n, six)] * 5)
        assert (len(went), len(came)) == (5, 5)
        routed = routed_since(layout, before, 10)
        assert list(routed.values()) == [10], f"flow {n}: {routed}"
        owners += routed
    assert set(owners) == {"0", "1"}


@pytest.fixture(scope="module")
def hosts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Routed]:
    """A router with two workers between two hosts."""
    config = with_two_workers(request.param)
    with between_hosts(tmp_path_factory.mktemp("hosts"), config) as made:
        yield made


HOSTS = pytest.mark.parametrize("hosts", LAYOUTS, indirect=True)


@HOSTS
def test_what_one_worker_learns_of_a_neighbour_helps_the_other(hosts: Routed) -> None:
    """An ARP answer reaches one worker; both have packets for that neighbour.

    Steps: send 60 flows to the right host, whom nobody knows yet.
    Check: all 60 arrive; both workers list the host with its MAC address.
    """
    flows = [there(hosts, n) for n in range(60)]
    with hosts.tg.capture(hosts.line.right, 60, lambda p: UDP in p) as seen:
        hosts.tg.send(hosts.line.left, flows)
    assert len({p[UDP].sport for p in seen}) == 60

    def known() -> set[tuple[int, str]]:
        all_ = hosts.app.ctl("neighbours")
        return {(one["worker"], one["mac"]) for one in all_ if one["address"] == RIGHT}

    want = {(worker, hosts.line.right.mac) for worker in (0, 1)}
    until(lambda: known() == want, what="both to list it")


@HOSTS
@pytest.mark.parametrize("to", [RIGHT, RIGHT6])
def test_real_connections_over_two_workers(hosts: Routed, to: str) -> None:
    """Eight TCP connections at once, and ping.

    Steps: ping; run iperf3 with 8 streams.
    Check: no answer missing; each stream moved bytes.
    """
    left, right = hosts.line.left.netns, hosts.line.right.netns
    assert peers.ping(left, to, count=10).received == 10
    report = peers.iperf3(right, left, to, "--parallel", "8")
    assert all(stream["receiver"]["bytes"] > 0 for stream in report["streams"])
    assert len(report["streams"]) == 8


@HOSTS
def test_fragments_find_the_worker_of_their_datagram(hosts: Routed) -> None:
    """Only the first fragment has ports, yet all must meet in one table.

    Steps: ping the router with 1400 bytes in fragments of at most 600 from the left, 20 times, with
    other addresses each time. IPv6, for net_af_packet has the kernel put IPv4 fragments together.
    Check: 20 replies.
    """
    with hosts.tg.capture(hosts.line.left, 20, lambda p: ICMPv6EchoReply in p) as seen:
        for n in range(20):
            hosts.tg.send(hosts.line.left, pinged(hosts, f"2001:db8:1::{n + 256:x}"))
    assert len(seen) == 20


def pinged(net: Routed, src: str) -> list[Packet]:
    """The sender's address made known, and an echo request in fragments."""
    head = IPv6(src=src, dst=WAN6)
    whole = head / IPv6ExtHdrFragment(id=77) / ICMPv6EchoRequest(data=packets.payload(1400))
    ether = Ether(src=net.inward[0], dst=net.inward[1])
    target = ICMPv6ND_NS(tgt=WAN6) / ICMPv6NDOptSrcLLAddr(lladdr=net.inward[0])
    solicitation = ether / IPv6(src=src, dst=WAN6, hlim=255) / target
    return [solicitation, *(ether / piece for piece in fragment6(whole, 600))]


def test_more_queues_than_the_device_has_are_refused(line: Line, sut: Sut) -> None:
    """net_af_xdp and a device with one queue pair.

    Steps: start with 2 queues on a veth of one.
    Check: status 1 and a sentence that names the port, 2 and the remedy.
    """
    two = {"queues": 2, "driver": "af_xdp"}
    config = {"ports": ports(wan=two, lan=two)}
    done = sut.prepare("weir-router", config, line.sut).run()
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "wan" in done.stderr and "2 queues" in done.stderr and "lower queues" in done.stderr
