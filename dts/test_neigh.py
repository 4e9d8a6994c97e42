# SPDX-License-Identifier: BSD-3-Clause
"""Neighbours: ARP and neighbour discovery, both ways, and what becomes of packets that wait for them."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from weir import packets
from weir.caps import Cap, requires
from weir.lab import Lab, Line
from weir.router import LAN, LEFT, LEFT6, RIGHT, RIGHT6, WAN, WAN6, Routed, neighbour, routed
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.layers.inet import UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet
from scapy.utils6 import in6_getnsma, in6_getnsmac

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

OTHER_MAC = "02:00:00:00:00:99"


@pytest.fixture
def net(line: Line, tmp_path: Path) -> Iterator[Routed]:
    """A router that knows the left end and has to ask for everybody on the right."""
    config = {
        "neighbours": [
            neighbour("wan", LEFT, line.left.mac),
            neighbour("wan", LEFT6, line.left.mac),
        ]
    }
    with routed(tmp_path, line, config) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """A router for the tests that leave nothing behind in its table."""
    with Lab() as lab, routed(tmp_path_factory.mktemp("neigh"), lab.line(), {}) as made:
        yield made


def udp(net: Routed, dst: str, sport: int = 1024) -> Packet:
    return packets.udp(net.inward, (LEFT6 if ":" in dst else LEFT, dst), sport=sport)


def is_at(mac: str, address: str, to: tuple[str, str]) -> Packet:
    """An ARP reply of mac for address, to (MAC, address)."""
    arp = ARP(op="is-at", hwsrc=mac, psrc=address, hwdst=to[0], pdst=to[1])
    return Ether(src=mac, dst=to[0]) / arp


def gratuitous(mac: str, address: str) -> Packet:
    """RFC 5227 section 3: an ARP announcement."""
    return packets.who_has(mac, (address, address))


def group_of(address: str) -> tuple[str, str]:
    """The solicited-node group of an address: MAC and IP."""
    group = in6_getnsma(socket.inet_pton(socket.AF_INET6, address))
    return in6_getnsmac(group), socket.inet_ntop(socket.AF_INET6, group)


def solicit(mac: str, src: str, target: str) -> Packet:
    """A neighbour solicitation, without its option if the sender has no address."""
    to_mac, to = group_of(target)
    packet = Ether(src=mac, dst=to_mac) / IPv6(src=src, dst=to, hlim=255) / ICMPv6ND_NS(tgt=target)
    return packet if src == "::" else packet / ICMPv6NDOptSrcLLAddr(lladdr=mac)


def advertise(mac: str, target: str, to: tuple[str, str], solicited: int = 1) -> Packet:
    """A neighbour advertisement of mac for target, to (MAC, address)."""
    head = Ether(src=mac, dst=to[0]) / IPv6(src=target, dst=to[1], hlim=255)
    return head / ICMPv6ND_NA(tgt=target, R=0, S=solicited, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac)


def is_question(packet: Packet) -> bool:
    return (ARP in packet and packet[ARP].op == 1) or ICMPv6ND_NS in packet


def test_a_request_for_our_address_is_answered(shared: Routed) -> None:
    """RFC 826: who asks for the address of the port gets its MAC address.

    Steps: ask for wan's address; with an address, and without one as RFC 5227's probe does.
    Check: one reply each, straight to the asker, with the port's MAC address.
    """
    line = shared.line
    for psrc in (LEFT, "0.0.0.0"):
        answer = shared.tg.ask(
            line.left, packets.who_has(line.left.mac, (psrc, WAN)), lambda p: ARP in p
        )
        assert answer is not None
        assert (answer.src, answer.dst) == (line.wan.mac, line.left.mac)
        arp = answer[ARP]
        assert (arp.op, arp.hwsrc, arp.psrc) == (2, line.wan.mac, WAN)
        assert (arp.hwdst, arp.pdst) == (line.left.mac, psrc)


def test_arping_hears_us(shared: Routed) -> None:
    """The real program.

    Steps: arping wan's address twice from the left.
    Check: 2 answers from wan's MAC address.
    """
    line = shared.line
    line.left.add_address(f"{LEFT}/24")
    try:
        done = line.left.netns.run("arping", "-I", line.left.name, "-c", "2", "-w", "10", WAN)
    finally:
        line.left.netns.run("ip", "address", "flush", "dev", line.left.name)
    assert done.stdout.upper().count(line.wan.mac.upper()) == 2


def test_we_do_not_answer_for_others(shared: Routed) -> None:
    """A router is no ARP proxy.

    Steps: ask for another address of the subnet, for one of the other port, and for one far away; by
    ND for another address of the subnet.
    Check: nothing comes back.
    """
    line = shared.line
    others = ("10.0.1.77", LAN, "203.0.113.1")
    asked = [packets.who_has(line.left.mac, (LEFT, other)) for other in others]
    asked.append(solicit(line.left.mac, LEFT6, "2001:db8:1::77"))
    with shared.tg.capture(line.left) as seen:
        shared.tg.send(line.left, asked)
    assert [p.summary() for p in seen] == []


def test_a_solicitation_is_answered(shared: Routed) -> None:
    """RFC 4861 section 7.2.4: who asks for the port's address gets a solicited advertisement.

    Steps: solicit wan's address.
    Check: one advertisement to the asker: router, solicited, override, with the port's MAC address.
    """
    line = shared.line
    answer = shared.tg.ask(
        line.left, solicit(line.left.mac, LEFT6, WAN6), lambda p: ICMPv6ND_NA in p
    )
    assert answer is not None
    assert (answer.dst, answer[IPv6].src, answer[IPv6].dst) == (line.left.mac, WAN6, LEFT6)
    na = answer[ICMPv6ND_NA]
    assert (na.R, na.S, na.O, na.tgt, answer[IPv6].hlim) == (1, 1, 1, WAN6, 255)
    assert answer[ICMPv6NDOptDstLLAddr].lladdr == line.wan.mac


def test_a_probe_for_duplicates_is_told_to_all(shared: Routed) -> None:
    """RFC 4862: a node that wants our address must learn that it is taken.

    Steps: solicit wan's address from the unspecified address.
    Check: an advertisement to all nodes, not solicited.
    """
    line = shared.line
    answer = shared.tg.ask(
        line.left, solicit(line.left.mac, "::", WAN6), lambda p: ICMPv6ND_NA in p
    )
    assert answer is not None
    assert (answer.dst, answer[IPv6].dst) == ("33:33:00:00:00:01", "ff02::1")
    assert (answer[ICMPv6ND_NA].S, answer[ICMPv6ND_NA].tgt) == (0, WAN6)


@pytest.mark.parametrize("dst", [RIGHT, RIGHT6])
def test_packets_wait_for_the_answer_and_leave_in_order(net: Routed, dst: str) -> None:
    """The first packets to a neighbour wait until it is found, and none is lost.

    Steps: send 10 packets to an unknown neighbour; answer its request.
    Check: one request, with our addresses, and no packet before the answer; then the 10 in order.
    """
    tg, line = net.tg, net.line
    begun = time.monotonic()
    with tg.capture(line.right, count=1) as asked:
        tg.send(line.left, [udp(net, dst, sport=n) for n in range(2000, 2010)])
    question = asked[0]
    assert len(asked) <= 1 + time.monotonic() - begun  # it asks again after a second
    assert all(bytes(again) == bytes(question) for again in asked)
    assert question.src == line.lan.mac
    if ":" in dst:
        assert (question.dst, question[IPv6].dst) == group_of(dst)
        assert question[ICMPv6NDOptSrcLLAddr].lladdr == line.lan.mac
        answer = advertise(line.right.mac, dst, (line.lan.mac, question[IPv6].src))
    else:
        assert (question.dst, question[ARP].psrc) == (packets.BROADCAST, LAN)
        assert (question[ARP].hwsrc, question[ARP].pdst) == (line.lan.mac, dst)
        answer = is_at(line.right.mac, dst, (line.lan.mac, LAN))
    with tg.capture(line.right, count=10, match=lambda p: UDP in p) as seen:
        tg.send(line.right, answer)
    assert [p[UDP].sport for p in seen] == list(range(2000, 2010))
    assert all((p.src, p.dst) == net.outward for p in seen)
    net.app.expect_drops({})


def test_a_queue_that_is_full_drops_the_oldest_under_a_name(net: Routed) -> None:
    """limits.neighbour_queue packets wait for one neighbour, 16 if nothing else is said.

    Steps: send 20 packets to an unknown neighbour; answer its request.
    Check: the last 16 arrive in order; 4 counted as neigh_queue.
    """
    tg, line = net.tg, net.line
    with tg.capture(line.right, count=1):
        tg.send(line.left, [udp(net, RIGHT, sport=n) for n in range(3000, 3020)])
    net.app.expect_drops({"neigh_queue": 4})
    with tg.capture(line.right, count=16, match=lambda p: UDP in p) as seen:
        tg.send(line.right, is_at(line.right.mac, RIGHT, (line.lan.mac, LAN)))
    assert [p[UDP].sport for p in seen] == list(range(3004, 3020))
    net.app.expect_drops({"neigh_queue": 4})


def test_a_neighbour_that_does_not_answer_costs_the_packets_that_wait(net: Routed) -> None:
    """RFC 4861 section 7.3.3: three requests, a second apart, then it has failed.

    Steps: send 2 packets to an unknown neighbour, and do not answer; send another one afterwards.
    Check: 3 requests, no packet; 2 counted as neigh_failed; the later packet makes it ask anew.
    """
    tg, line = net.tg, net.line
    with tg.capture(line.right, count=3, quiet=1.5) as asked:
        tg.send(line.left, [udp(net, RIGHT)] * 2)
    assert len(asked) == 3 and all(is_question(p) for p in asked)
    net.app.expect_drops({"neigh_failed": 2})
    with tg.capture(line.right, count=1) as anew:
        tg.send(line.left, udp(net, RIGHT))
    assert [is_question(p) for p in anew] == [True]


def make_known(net: Routed, mac: str) -> None:
    """Have the router find the right end at a MAC address."""
    with net.tg.capture(net.line.right, count=1, match=is_question):
        net.tg.send(net.line.left, udp(net, RIGHT))
    with net.tg.capture(net.line.right, count=1):
        net.tg.send(net.line.right, is_at(mac, RIGHT, (net.line.lan.mac, LAN)))


def where_it_goes(net: Routed) -> list[str]:
    """The MAC addresses that a packet for the right end is sent to."""
    with net.tg.capture(net.line.right, count=1, match=lambda p: UDP in p) as seen:
        net.tg.send(net.line.left, udp(net, RIGHT))
    return [p.dst for p in seen]


def macs_of(net: Routed, address: str) -> list[str]:
    """The MAC addresses at which the router knows an address."""
    return [one["mac"] for one in net.app.ctl("neighbours") if one["address"] == address]


def test_an_announcement_moves_a_neighbour_that_we_know(net: Routed) -> None:
    """An address that moves to another machine is announced by gratuitous ARP.

    Steps: learn the right end at one MAC address; announce it at another.
    Check: packets go to the first, then to the second.
    """
    make_known(net, net.line.right.mac)
    assert where_it_goes(net) == [net.line.right.mac]
    net.tg.send(net.line.right, gratuitous(OTHER_MAC, RIGHT))
    until(lambda: OTHER_MAC in macs_of(net, RIGHT), what="the announcement to be believed")
    assert where_it_goes(net) == [OTHER_MAC]


def test_an_announcement_of_a_stranger_is_not_noted(net: Routed) -> None:
    """Nobody gets into the table uninvited.

    Steps: announce the right end, whom nobody has spoken to; send it a packet.
    Check: it is asked for all the same.
    """
    net.tg.send(net.line.right, gratuitous(OTHER_MAC, RIGHT))
    with net.tg.capture(net.line.right, count=1) as seen:
        net.tg.send(net.line.left, udp(net, RIGHT))
    assert [is_question(p) for p in seen] == [True]


def test_nobody_can_take_a_neighbour_of_the_configuration(net: Routed) -> None:
    """A permanent neighbour is not moved by ARP.

    Steps: announce the left end at another MAC address; send a packet from the right to it.
    Check: it goes to the MAC address of the configuration.
    """
    line = net.line
    net.tg.send(line.left, gratuitous(OTHER_MAC, LEFT))
    back = packets.udp((line.right.mac, line.lan.mac), (RIGHT, LEFT))
    with net.tg.capture(line.left, count=1) as seen:
        net.tg.send(line.right, back)
    assert [p.dst for p in seen] == [line.left.mac]


def test_who_claims_our_address_is_counted_and_not_believed(net: Routed) -> None:
    """A conflict: somebody announces the router's own address.

    Steps: announce lan's address at another MAC address.
    Check: counted as arp_bad; the router still answers for it.
    """
    net.tg.send(net.line.right, gratuitous(OTHER_MAC, LAN))
    net.app.expect_drops({"arp_bad": 1})
    question = packets.who_has(net.line.right.mac, (RIGHT, LAN))
    assert net.tg.ask(net.line.right, question, lambda p: ARP in p and p[ARP].op == 2) is not None


def test_a_flood_of_strangers_does_not_push_out_who_is_in_use(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """A table of 16 and 250 hosts that ask for us: those that we talk to stay.

    Steps: learn the right end; have 250 made-up hosts ask for lan's address by ARP and announce
    themselves; send packets to the right end during and after it.
    Check: each packet arrives at once, and the right end is not asked for again.
    """
    left = [neighbour("wan", LEFT, line.left.mac)]
    with routed(tmp_path, line, {"neighbours": left, "limits": {"neighbours": 16}}) as net:
        make_known(net, line.right.mac)
        with tg.capture(line.right, 10, match=lambda p: is_question(p) or UDP in p) as seen:
            for n in range(3, 253):
                mac, address = f"02:00:00:00:01:{n:02x}", f"10.0.2.{n}"
                tg.send(line.right, packets.who_has(mac, (address, LAN)))
                tg.send(line.right, gratuitous(mac, address))
                if n % 25 == 0:
                    tg.send(line.left, udp(net, RIGHT, sport=n))
        assert [p[UDP].sport for p in seen if UDP in p] == list(range(25, 253, 25))
        assert not any(is_question(p) for p in seen)
        assert where_it_goes(net) == [line.right.mac]


def test_a_scan_that_fills_the_table_is_counted(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """A scan of a connected subnet makes entries; those that wait for answers go first.

    Steps: a table of 16 with the right end in use; send a packet to each of 100 absent addresses.
    Check: the right end still gets its packets at once; packets of the scan are counted as
    neigh_full.
    """
    left = [neighbour("wan", LEFT, line.left.mac)]
    with routed(tmp_path, line, {"neighbours": left, "limits": {"neighbours": 16}}) as net:
        make_known(net, line.right.mac)
        tg.send(line.left, [udp(net, f"10.0.2.{n}") for n in range(100, 200)])
        assert where_it_goes(net) == [line.right.mac]
        assert net.app.drops_since_start()["neigh_full"] >= 100 - 16
