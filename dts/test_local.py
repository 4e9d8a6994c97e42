# SPDX-License-Identifier: BSD-3-Clause
"""Packets for the router itself: what it answers, what it refuses, and what it must not answer."""

from collections.abc import Callable

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.router import (
    LAN,
    LAN6,
    LEFT,
    LEFT6,
    WAN,
    WAN6,
    Routed,
)

from scapy.layers.inet import ICMP, IP, TCP, UDP, UDPerror
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6ParamProblem, IPv6
from scapy.packet import Packet

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)


def between(net: Routed, dst: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """The MAC and IP addresses from the left end to an address."""
    return net.inward, (LEFT6 if ":" in dst else LEFT, dst)


@pytest.mark.parametrize("to", [WAN, LAN, WAN6, LAN6])
@pytest.mark.parametrize("size", [0, 56, 1400])
def test_the_router_answers_ping(hosts: Routed, to: str, size: int) -> None:
    """Every address of the router, also that of the far port, in several sizes.

    Steps: ping it 3 times from the left host.
    Check: 3 answers; the kernel has checked what came back.
    """
    assert peers.ping(hosts.line.left.netns, to, size=size).received == 3


@pytest.mark.parametrize("dst", [WAN, WAN6])
def test_an_echo_has_the_bytes_and_the_addresses_turned_round(counted: Routed, dst: str) -> None:
    """RFC 792, RFC 4443 section 4.2: identifier, sequence and data come back as they went.

    Steps: send one echo request of 200 bytes.
    Check: the reply's addresses, numbers, data and checksums.
    """
    line, request = counted.line, packets.echo_request(*between(counted, dst), seq=77, size=200)
    kind = ICMPv6EchoReply if ":" in dst else ICMP
    reply = counted.tg.ask(line.left, request, lambda p: kind in p)
    assert reply is not None
    assert (reply.src, reply.dst) == (line.wan.mac, line.left.mac)
    network = reply[IPv6] if ":" in dst else reply[IP]
    assert (network.src, network.dst) == (dst, between(counted, dst)[1][0])
    assert (reply[kind].id, reply[kind].seq) == (7, 77)
    assert bytes(reply)[-200:] == packets.payload(200)
    if kind is ICMP:
        assert reply[ICMP].type == 0
    again = reply.__class__(bytes(reply))
    checksum = "cksum" if ":" in dst else "chksum"
    delattr(again[kind], checksum)
    assert getattr(reply.__class__(bytes(again))[kind], checksum) == getattr(reply[kind], checksum)
    counted.app.expect_drops({})


def spoiled(packet: Packet) -> Packet:
    """The packet with the last byte of its payload changed after the checksum was made."""
    raw = bytearray(bytes(packet))
    raw[-1] ^= 0xFF
    return packet.__class__(bytes(raw))


def echo(net: Routed, dst: str) -> Packet:
    return packets.echo_request(*between(net, dst))


def datagram(net: Routed, dst: str) -> Packet:
    return packets.udp(*between(net, dst), dport=4000)


def syn(net: Routed, dst: str) -> Packet:
    packet = packets.tcp(*between(net, dst)) / b"payload."
    return packet.__class__(bytes(packet))


@pytest.mark.parametrize("dst", [WAN, WAN6])
@pytest.mark.parametrize("make", [echo, datagram, syn])
def test_a_packet_for_us_with_a_wrong_checksum_is_dropped(
    counted: Routed, make: Callable[[Routed, str], Packet], dst: str
) -> None:
    """What was damaged on its way is not answered.

    Steps: send one echo request, datagram or SYN with a byte changed.
    Check: no answer; counted as l4_csum.
    """
    with counted.tg.capture(counted.line.left) as seen:
        counted.tg.send(counted.line.left, spoiled(make(counted, dst)))
    assert [p.summary() for p in seen] == []
    counted.app.expect_drops({"l4_csum": 1})


@pytest.mark.parametrize("dst", [WAN, WAN6])
def test_a_closed_udp_port_is_unreachable(counted: Routed, dst: str) -> None:
    """RFC 1122 section 4.1.3.1, RFC 4443 section 3.1: nothing serves the port, and the sender is told.

    Steps: send UDP to port 4000.
    Check: "port unreachable" from the address that was asked, quoting it; counted as no_service.
    """
    with counted.tg.capture(counted.line.left, count=1) as seen:
        counted.tg.send(counted.line.left, datagram(counted, dst))
    (answer,) = seen
    if ":" in dst:
        assert (answer[IPv6].src, answer[ICMPv6DestUnreach].code) == (dst, 4)
    else:
        assert (answer[IP].src, answer[ICMP].type, answer[ICMP].code) == (dst, 3, 3)
        assert answer[UDPerror].dport == 4000
    counted.app.expect_drops({"no_service": 1})


def test_udp_without_a_checksum_is_good_in_ipv4_and_bad_in_ipv6(counted: Routed) -> None:
    """RFC 768 allows it, RFC 8200 section 8.1 does not.

    Steps: send UDP with checksum 0 to a closed port, over IPv4 and IPv6.
    Check: IPv4 is answered (no_service), IPv6 is not (l4_csum).
    """
    sent = [datagram(counted, dst) for dst in (WAN, WAN6)]
    for packet in sent:
        packet[UDP].chksum = 0
    with counted.tg.capture(counted.line.left, count=1) as seen:
        counted.tg.send(counted.line.left, sent)
    assert [p[ICMP].type for p in seen] == [3]
    counted.app.expect_drops({"no_service": 1, "l4_csum": 1})


@pytest.mark.parametrize("dst", [WAN, WAN6])
def test_a_syn_to_a_closed_port_is_reset(counted: Routed, dst: str) -> None:
    """RFC 9293 section 3.10.7.1: a reset that the sender will believe.

    Steps: send a SYN with sequence number 1000, then a stray ACK of 5000.
    Check: RST and ACK of 1001 with sequence 0; then RST with sequence 5000.
    """
    first = packets.tcp(*between(counted, dst), flags="S")
    stray = packets.tcp(*between(counted, dst), flags="A")
    first[TCP].seq, stray[TCP].ack = 1000, 5000
    with counted.tg.capture(counted.line.left, count=2) as seen:
        counted.tg.send(counted.line.left, [first, stray])
    assert [(str(p[TCP].flags), p[TCP].seq) for p in seen] == [("RA", 0), ("R", 5000)]
    assert seen[0][TCP].ack == 1001
    assert all(p[TCP].sport == 80 and p[TCP].dport == 1024 for p in seen)
    counted.app.expect_drops({"no_service": 2})


def test_a_reset_is_not_answered_by_a_reset(counted: Routed) -> None:
    """RFC 9293: or two machines would reset each other for ever.

    Steps: send a RST to wan.
    Check: no answer; counted as no_service.
    """
    with counted.tg.capture(counted.line.left) as seen:
        counted.tg.send(counted.line.left, packets.tcp(*between(counted, WAN), flags="R"))
    assert len(seen) == 0
    counted.app.expect_drops({"no_service": 1})


def test_curl_is_told_at_once_that_the_port_is_closed(hosts: Routed) -> None:
    """The kernel of the client believes the reset.

    Steps: curl port 80 of wan.
    Check: curl ends with "could not connect" (status 7), not with a timeout (28).
    """
    for url in (f"http://{WAN}/", f"http://[{WAN6}]/"):
        done = hosts.line.left.netns.run("curl", "-sSg", "--max-time", "10", url, check=False)
        assert done.returncode == 7, done.stderr


def test_an_unknown_protocol_is_refused(counted: Routed) -> None:
    """RFC 1122 section 3.2.2.1, RFC 4443 section 3.4.

    Steps: send protocol 253 to wan, over IPv4 and IPv6.
    Check: "protocol unreachable", and "parameter problem" that points at the next header's field.
    """
    sent = [packets.udp(*between(counted, dst)) for dst in (WAN, WAN6)]
    sent[0][IP].proto, sent[1][IPv6].nh = 253, 253
    with counted.tg.capture(counted.line.left, count=2) as seen:
        counted.tg.send(counted.line.left, sent)
    assert (seen[0][ICMP].type, seen[0][ICMP].code) == (3, 2)
    problem = seen[1][ICMPv6ParamProblem]
    assert (problem.code, problem.ptr) == (1, 6)
    counted.app.expect_drops({"no_service": 2})


def test_a_ping_to_all_is_not_answered(counted: Routed) -> None:
    """RFC 1122 section 3.2.2.6 lets a router be silent: no amplifier.

    Steps: send echo requests to the subnet's and the limited broadcast address, and one to wan in a
    frame to all.
    Check: nothing comes back; the last is counted as l2_group_fwd (RFC 1122 section 3.3.6).
    """
    line = counted.line
    to_all = [
        packets.echo_request((line.left.mac, packets.BROADCAST), (LEFT, dst))
        for dst in ("10.0.1.255", "255.255.255.255", WAN)
    ]
    with counted.tg.capture(line.left) as seen:
        counted.tg.send(line.left, to_all)
    assert [p.summary() for p in seen] == []
    counted.app.expect_drops({"l2_group_fwd": 1})


def test_a_ping_to_all_nodes_is_answered_from_an_address_of_the_port(counted: Routed) -> None:
    """RFC 4291 section 2.8, RFC 4443 section 4.2: `ping ff02::1` finds us.

    Steps: send an echo request to ff02::1.
    Check: a reply from wan's address to the sender's.
    """
    line = counted.line
    request = packets.echo_request((line.left.mac, "33:33:00:00:00:01"), (LEFT6, "ff02::1"))
    reply = counted.tg.ask(line.left, request, lambda p: ICMPv6EchoReply in p)
    assert reply is not None and (reply[IPv6].src, reply[IPv6].dst) == (WAN6, LEFT6)


def test_no_error_is_sent_about_an_error(counted: Routed) -> None:
    """RFC 1122 section 3.2.2: an ICMP error that leads nowhere is dropped in silence.

    Steps: send "port unreachable" to a destination without a route, and one with TTL 1.
    Check: nothing comes back.
    """
    error = ICMP(type=3, code=3) / bytes(packets.udp(*between(counted, WAN)).payload)[:28]
    head = packets.udp(*between(counted, "203.0.113.9"))
    head[IP].remove_payload()
    lost = head / error
    short = lost.copy()
    short[IP].dst, short[IP].ttl = "10.0.2.2", 1
    for packet in (lost, short):
        packet[IP].proto = 1
    with counted.tg.capture(counted.line.left) as seen:
        counted.tg.send(counted.line.left, [lost, short])
    assert [p.summary() for p in seen] == []
    counted.app.expect_drops({"no_route": 1, "ttl": 1})
