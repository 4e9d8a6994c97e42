# SPDX-License-Identifier: BSD-3-Clause
"""Fragments: passed on, put together, cut; and the MTU of a path, as real TCP finds it."""

from collections.abc import Iterator

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.router import (
    LEFT,
    LEFT6,
    RIGHT,
    RIGHT6,
    WAN,
    WAN6,
    Routed,
    between_hosts,
    between_silent_ends,
    ports,
)
from weir.wait import until

from scapy.layers.inet import ICMP, IP, UDP, IPerror
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrFragment,
    fragment6,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

NARROW = 1280
LIMITS = {"fragments": 16, "fragment_timeout": "300ms"}


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """Silent ends, a narrow link on the right, and room for 16 datagrams in pieces."""
    config = {"limits": LIMITS, "ports": ports(lan={"mtu": NARROW})}
    with between_silent_ends(tmp_path_factory.mktemp("frag"), config) as made:
        yield made


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """Two hosts of the kernel's, a narrow link on the right."""
    config = {"ports": ports(lan={"mtu": NARROW})}
    with between_hosts(tmp_path_factory.mktemp("hosts"), config) as made:
        yield made


def pieces(net: Routed, dst: str, bytes_each: int, size: int = 3000) -> list[Packet]:
    """An echo request in fragments: of IPv4 or of IPv6."""
    whole = packets.echo_request(net.inward, (LEFT6 if ":" in dst else LEFT, dst), size=size)
    if ":" not in dst:
        whole[IP].id = 4711
        return packets.fragments(whole, bytes_each)
    head = whole[IPv6].copy()
    head.remove_payload()
    cut = fragment6(head / IPv6ExtHdrFragment(id=4711) / whole[IPv6].payload, bytes_each + 48)
    return [Ether(src=whole.src, dst=whole.dst) / piece for piece in cut]


@pytest.mark.parametrize("dst", [RIGHT, RIGHT6])
def test_fragments_that_only_pass_stay_as_they_are(counted: Routed, dst: str) -> None:
    """A router puts together what is for itself alone (RFC 1812 section 4.2.2.7).

    Steps: send a packet of 3000 bytes in fragments of 1000, the last first.
    Check: the same fragments arrive, in the order in which they were sent.
    """
    sent = list(reversed(pieces(counted, dst, 1000)))
    with counted.tg.capture(counted.line.right, count=len(sent)) as seen:
        counted.tg.send(counted.line.left, sent)
    assert [bytes(p) for p in seen] == [bytes(counted.forwarded(p)) for p in sent]
    counted.app.expect_drops({})


@pytest.mark.parametrize("order", ["forward", "backward"])
@pytest.mark.parametrize("dst", [WAN, WAN6])
def test_fragments_for_the_router_are_put_together(counted: Routed, dst: str, order: str) -> None:
    """An echo request that comes in pieces is answered, in whatever order they come.

    Steps: send an echo request of 1200 bytes in fragments of 400.
    Check: one reply with the same bytes; one packet counted as put together; nothing held any more.
    """
    sent = pieces(counted, dst, 400, size=1200)
    assert len(sent) >= 3
    if order == "backward":
        sent.reverse()
    kind = ICMPv6EchoReply if ":" in dst else ICMP
    with counted.tg.capture(counted.line.left, count=1) as seen:
        counted.tg.send(counted.line.left, sent)
    (reply,) = seen
    assert kind in reply and bytes(reply)[-1200:] == packets.payload(1200)
    assert counted.app.rose("weir_reassembled_packets_total") == 1
    counted.app.expect_drops({})


@pytest.mark.parametrize("to", [WAN, WAN6])
def test_ping_with_4000_bytes_is_answered(hosts: Routed, to: str) -> None:
    """The reply is larger than the link, too, so it leaves in fragments that the kernel accepts.

    Steps: ping -s 4000 to wan.
    Check: 3 answers.
    """
    assert peers.ping(hosts.line.left.netns, to, size=4000).received == 3


@pytest.mark.parametrize("dst", [WAN, WAN6])
def test_fragments_that_overlap_are_dropped(counted: Routed, dst: str) -> None:
    """RFC 5722, RFC 1858: what overlaps is an attack, and the whole datagram goes.

    Steps: send an echo request in 3 fragments, the second one 8 bytes too early.
    Check: no answer; the 3 counted as frag_bad.
    """
    sent = pieces(counted, dst, 400, size=1000)
    assert len(sent) == 3
    if ":" in dst:
        sent[1][IPv6ExtHdrFragment].offset -= 1
        sent[1][IPv6ExtHdrFragment].id = sent[0][IPv6ExtHdrFragment].id
    else:
        sent[1][IP].frag -= 1
    with counted.tg.capture(counted.line.left) as seen:
        counted.tg.send(counted.line.left, sent)
    assert [p.summary() for p in seen] == []
    counted.app.expect_drops({"frag_bad": 3})


def test_a_fragment_that_no_sender_makes_is_dropped(counted: Routed) -> None:
    """All but the last carry a multiple of 8 bytes (RFC 791), and none is empty.

    Steps: send a first fragment of 401 bytes.
    Check: counted as frag_bad.
    """
    head = IP(src=LEFT, dst=WAN, id=9, flags="MF", proto=17)
    frame = Ether(src=counted.inward[0], dst=counted.inward[1]) / head
    counted.tg.send(counted.line.left, frame / UDP(dport=9, len=900) / packets.payload(401 - 8))
    counted.app.expect_drops({"frag_bad": 1})


def test_a_datagram_that_stays_incomplete_is_given_up(counted: Routed) -> None:
    """limits.fragment_timeout, here 300 ms, also if nothing else comes.

    Steps: send two of three fragments.
    Check: both counted as frag_timeout, soon.
    """
    counted.tg.send(counted.line.left, pieces(counted, WAN, 1200)[:2])
    counted.app.expect_drops({"frag_timeout": 2})


def test_a_flood_of_first_fragments_fills_no_more_than_its_table(counted: Routed) -> None:
    """limits.fragments datagrams are held, here 16; the flood's others are a named drop.

    Steps: send the first fragments of 100 datagrams from 20 sources; then, when they are old, a whole
    ping in pieces.
    Check: at least 60 counted as frag_full, all as frag_full or frag_timeout; the ping is answered.
    """
    flood = []
    for n in range(100):
        (first, *_) = pieces(counted, WAN, 1200)
        first[IP].id = n
        first[IP].src = f"10.0.1.{10 + n % 20}"
        flood.append(first)
    counted.tg.send(counted.line.left, flood)
    until(lambda: sum(counted.app.drops_since_start().values()) == 100, what="the end of the flood")
    drops = counted.app.drops_since_start()
    assert set(drops) == {"frag_full", "frag_timeout"} and drops["frag_full"] >= 60
    with counted.tg.capture(counted.line.left, count=1) as seen:
        counted.tg.send(counted.line.left, pieces(counted, WAN, 400, size=1000))
    assert len(seen) == 1


def test_one_source_has_no_more_than_its_part_of_the_table(counted: Routed) -> None:
    """Eight fragments of one source wait, here; others have room.

    Steps: send the first fragments of 30 datagrams from one source, and a whole ping in pieces from
    another one; if both have the same of 64 numbers, by a hash with a secret, once more from a third.
    Check: 22 counted as frag_source, and later 8 as frag_timeout; the ping is answered before.
    """
    for source in ("10.0.1.9", "10.0.1.10", "10.0.1.11"):
        counted.app.mark()
        flood = []
        for n in range(30):
            (first, *_) = pieces(counted, WAN, 1200)
            first[IP].id = n
            first[IP].src = source
            flood.append(first)
        ping = pieces(counted, WAN, 400, size=1000)
        with counted.tg.capture(counted.line.left, count=1, timeout=5) as seen:
            counted.tg.send(counted.line.left, [*flood, *ping])
        if len(seen) == 1:
            break
        counted.app.expect_drops({"frag_source": 22 + len(ping), "frag_timeout": 8})
    counted.app.expect_drops({"frag_source": 22, "frag_timeout": 8})


def test_a_packet_too_large_for_the_next_link_is_cut(counted: Routed) -> None:
    """RFC 791 section 3.2: without DF the router makes fragments of it.

    Steps: send 1472 bytes of UDP without DF to the link with an MTU of 1280.
    Check: two fragments of at most 1280 bytes with one id, which make up the packet; TTL one lower.
    """
    sent = packets.udp(counted.inward, (LEFT, RIGHT), size=1472)
    sent[IP].id = 99
    with counted.tg.capture(counted.line.right, count=2) as seen:
        counted.tg.send(counted.line.left, sent)
    assert len(seen) == 2 and all(p[IP].len <= NARROW and p[IP].id == 99 for p in seen)
    assert [(p[IP].ttl, int(p[IP].flags)) for p in seen] == [(63, 1), (63, 0)]
    body = b"".join(bytes(p[IP].payload)[: p[IP].len - 20] for p in seen)
    assert body == bytes(sent[IP].payload)
    assert seen[1][IP].frag * 8 == seen[0][IP].len - 20
    for packet in seen:
        assert packet[IP].chksum == IP(bytes(IP(bytes(packet[IP])[:20], chksum=None))[:20]).chksum
    assert counted.app.rose("weir_fragmented_packets_total") == 1
    counted.app.expect_drops({})


def test_a_packet_that_may_not_be_cut_is_answered_with_the_mtu(counted: Routed) -> None:
    """RFC 1191: "fragmentation needed" tells what would fit.

    Steps: send 1400 bytes with DF to the link with an MTU of 1280, and 1280 bytes with DF.
    Check: the large one is answered from wan with 1280 and counted as frag_needed; the other arrives.
    """
    large, fits = (packets.udp(counted.inward, (LEFT, RIGHT), size=n - 28) for n in (1400, NARROW))
    large[IP].flags = fits[IP].flags = "DF"
    tg, line = counted.tg, counted.line
    with tg.capture(line.right, count=1) as passed, tg.capture(line.left, count=1) as answers:
        tg.send(line.left, [large, fits])
    assert [p[IP].len for p in passed] == [NARROW]
    (answer,) = answers
    assert (answer[IP].src, answer[ICMP].type, answer[ICMP].code) == (WAN, 3, 4)
    assert (answer[ICMP].nexthopmtu, answer[IPerror].len) == (NARROW, 1400)
    counted.app.expect_drops({"frag_needed": 1})


def test_an_ipv6_packet_too_large_is_answered_with_the_mtu(counted: Routed) -> None:
    """RFC 8200 section 5: a router never cuts IPv6.

    Steps: send 1281 and 1280 bytes to the link with an MTU of 1280.
    Check: "packet too big" from wan with 1280 for the first; the second arrives.
    """
    sent = [packets.udp(counted.inward, (LEFT6, RIGHT6), size=n - 48) for n in (NARROW + 1, NARROW)]
    tg, line = counted.tg, counted.line
    with tg.capture(line.right, count=1) as passed, tg.capture(line.left, count=1) as answers:
        tg.send(line.left, sent)
    assert [p[IPv6].plen + 40 for p in passed] == [NARROW]
    (answer,) = answers
    assert (answer[IPv6].src, answer[ICMPv6PacketTooBig].mtu) == (WAN6, NARROW)
    counted.app.expect_drops({"frag_needed": 1})


@pytest.mark.parametrize("to", [RIGHT, RIGHT6])
def test_tcp_finds_the_mtu_of_the_path(hosts: Routed, to: str) -> None:
    """Path MTU discovery of the kernel's TCP, which starts with packets of 1500 bytes.

    Steps: send for a second with iperf3 from the left to the right, through the link of 1280.
    Check: at least 500 kB arrive; the kernel has learned an MTU of 1280; the router said so.
    """
    left, right = hosts.line.left.netns, hosts.line.right.netns
    hosts.app.mark()
    # With small buffers: what is in them when all was written does not arrive any more.
    report = peers.iperf3(right, left, to, "-w", "128K", size="2M")
    assert report["sum_received"]["bytes"] > 500_000
    assert f"mtu {NARROW}" in left.run("ip", "route", "get", to).stdout
    assert hosts.app.drops_since_start().get("frag_needed", 0) >= 1
