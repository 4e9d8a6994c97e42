# SPDX-License-Identifier: BSD-3-Clause
"""weir's UDP beyond a datagram and its answer: ports that sockets share, against sockets of Linux."""

import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from weir.caps import Cap, requires
from weir.lab import Lab
from weir.wait import until

from scapy.contrib.igmp import IGMP
from scapy.contrib.igmpv3 import IGMPv3, IGMPv3gr, IGMPv3mq, IGMPv3mr
from scapy.layers.inet import IP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    ICMPv6MLDMultAddrRec,
    ICMPv6MLQuery,
    ICMPv6MLQuery2,
    ICMPv6MLReport,
    ICMPv6MLReport2,
    IPv6,
    IPv6ExtHdrHopByHop,
    RouterAlert,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw
from weir.router import LAN, LAN6, LEFT, LEFT6, RIGHT, RIGHT6, WAN, WAN6, Routed, give_addresses, routed

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

PORT = 7
SHARED = 4
GROUP, GROUP6 = "239.1.2.3", "ff15::1"
BROADCAST = "10.0.1.255"
PEERS = ((LEFT, 5000), (LEFT, 5001), (LEFT6, 5000))


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """weir-echo whose UDP port several sockets share, with a host at each of its two ports."""
    config = {
        "runtime": {"workers": [0], "poll": "adaptive"},
        "echo": {
            "udp": PORT,
            "sockets": SHARED,
            "groups": [GROUP, GROUP6],
            "peers": [{"address": address, "port": port} for address, port in PEERS],
        },
        "stack": {"memory": "8MiB"},
    }
    with Lab() as lab:
        line = lab.line(ipv6=True)
        give_addresses(line.left, (LEFT, LEFT6), (WAN, WAN6))
        give_addresses(line.right, (RIGHT, RIGHT6), (LAN, LAN6))
        with routed(tmp_path_factory.mktemp("udp"), line, config, "weir-echo") as made:
            # Two groups, each told twice: no more reports come but those that are asked for.
            until(lambda: made.app.metric("weir_stack_group_reports_total") == 4, 15, "the joins")
            yield made


def host(net: Routed, address: str, port: int = 0) -> socket.socket:
    """A UDP socket of the host at the left, bound to one of its addresses."""
    with net.line.left.netns.inside():
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(20)
    made.bind((address, port))
    return made


def echoed_by(net: Routed) -> dict[str, int]:
    """Datagrams sent back since mark(), by socket."""
    return net.app.since_start("weir_echo_socket_packets_total", "socket")


def test_a_peer_has_the_socket_that_is_connected_to_it(net: Routed) -> None:
    """Several sockets at one port, each connected to another peer, beside those for all.

    Steps: from each peer's port send as many datagrams as its number says, and one from a port that
    is no peer's.
    Check: all come back, and each was sent back by the socket of its peer; the stranger's by one of
    those that share the port.
    """
    net.app.mark()
    for n, (address, port) in enumerate((*PEERS, (LEFT, 5002)), start=1):
        with host(net, address, port) as sock:
            for k in range(n):
                sock.sendto(b"%d" % k, (WAN6 if ":" in address else WAN, PORT))
                assert sock.recv(100) == b"%d" % k
    by = echoed_by(net)
    assert {k: by.pop(str(SHARED + k)) for k in range(len(PEERS))} == {0: 1, 1: 2, 2: 3}
    assert list(by.values()) == [4], "one of those that share the port has had the stranger's"


def test_clients_are_spread_over_sockets_that_share_a_port(net: Routed) -> None:
    """SO_REUSEPORT: a hash of both ends chooses.

    Steps: send two datagrams from each of 60 sockets.
    Check: each socket of weir-echo has had some; both of a client went to the same.
    """
    net.app.mark()
    for _ in range(60):
        with host(net, LEFT) as sock:
            before = echoed_by(net)
            for data in (b"one", b"two"):
                sock.sendto(data, (WAN, PORT))
                assert sock.recv(100) == data
            after = echoed_by(net)
            rose = {k: n - before.get(k, 0) for k, n in after.items() if n != before.get(k, 0)}
            assert list(rose.values()) == [2]
    assert set(echoed_by(net)) == {str(k) for k in range(SHARED)}


def test_a_peers_socket_alone_is_told_of_icmp_errors(net: Routed) -> None:
    """Port unreachable is told to the socket that is connected to who says it, and to no other.

    Steps: a peer asks and closes its socket before the answer comes; then it asks twice, for its
    socket at weir-echo may have an error to tell, and others once.
    Check: all are answered.
    """
    for _ in range(3):
        with host(net, LEFT, 5000) as gone:
            gone.sendto(b"?", (WAN, PORT))
        for port, times in ((5001, 1), (5002, 1), (5000, 2)):
            with host(net, LEFT, port) as sock:
                for _ in range(times):
                    sock.sendto(b"again", (WAN, PORT))
                while sock.recv(100) != b"again":
                    pass


def ask_many(net: Routed, to: str, *options: tuple[int, int, bytes | int]) -> None:
    """One datagram from a socket of Linux to a group or by broadcast; weir-echo's first socket answers."""
    net.app.mark()
    six = ":" in to
    with host(net, LEFT6 if six else LEFT) as sock:
        for option in options:
            sock.setsockopt(*option)
        for data in (b"all of you", bytes(1400)):
            sock.sendto(data, (to, PORT))
            answer, address = sock.recvfrom(2000)
            assert (answer, address[0], address[1]) == (data, WAN6 if six else WAN, PORT)
    assert echoed_by(net) == {"0": 2}


def test_datagrams_to_a_group_that_was_joined_come_back(net: Routed) -> None:
    """Linux sends to a group of either family; the answer comes from an address of weir's.

    Steps: send to the group that weir-echo has joined, and to one that it has not.
    Check: its first socket alone answers; the other group's datagrams are the named drop.
    """
    left = socket.inet_aton(LEFT)
    with net.line.left.netns.inside():
        index = socket.if_nametoindex(net.line.left.name)
    ask_many(net, GROUP, (socket.IPPROTO_IP, socket.IP_MULTICAST_IF, left))
    ask_many(net, GROUP6, (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index))
    net.app.mark()
    with host(net, LEFT) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, left)
        sock.sendto(b"others", ("239.1.2.4", PORT))
    until(lambda: net.app.drops_since_start().get("multicast", 0) >= 1, 15, "the drop")


def test_broadcasts_come_back(net: Routed) -> None:
    """The subnet's broadcast address, and that of all.

    Steps: send to both from a socket of Linux with SO_BROADCAST.
    Check: the first socket of weir-echo answers from its own address.
    """
    on = (socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    ask_many(net, BROADCAST, on)
    ask_many(net, "255.255.255.255", on)


# ---- what routers ask ----

ALERT = {"options": [IPOption_Router_Alert()]}


def ask4(message: Packet, **head: Any) -> Packet:
    """IGMP as a router of the link sends it."""
    return Ether(dst="01:00:5e:00:00:01") / IP(**{"src": LEFT, "dst": "224.0.0.1", "ttl": 1, **ALERT, **head}) / message


def ask6(message: Packet, **head: Any) -> Packet:
    """The same for MLD; its source is link-local."""
    fields = {"src": "fe80::99", "dst": "ff02::1", "hlim": 1, **head}
    return (
        Ether(dst="33:33:00:00:00:01")
        / IPv6(**fields)
        / IPv6ExtHdrHopByHop(options=[RouterAlert()])
        / message
    )


def tell4(to: str, message: Packet) -> bytes:
    """What weir should say by IGMP, as scapy makes it."""
    return bytes(IP(src=WAN, dst=to, ttl=1, tos=0xC0, flags="DF", id=0, **ALERT) / message)


def tell6(source: str, to: str, message: Packet) -> bytes:
    return bytes(
        IPv6(src=source, dst=to, hlim=1) / IPv6ExtHdrHopByHop(options=[RouterAlert()]) / message
    )


def told(net: Routed, asked: Packet, is_report: Callable[[Packet], bool]) -> tuple[str, bytes]:
    """The one report that a question brings about: its MAC address and the bytes of its packet."""
    with net.tg.capture(net.line.left, 1, is_report, quiet=0.3) as seen:
        net.tg.send(net.line.left, [asked])
    assert len(seen.packets) == 1
    packet = seen.packets[0]
    size = packet.len if IP in packet else packet.plen + 40
    return packet[Ether].dst, bytes(packet.payload)[:size]


def link_local(mac: str) -> str:
    """The address that weir makes of a MAC address (RFC 4291 appendix A)."""
    b = bytes.fromhex(mac.replace(":", ""))
    eui = bytes([b[0] ^ 2, *b[1:3], 0xFF, 0xFE, *b[3:]])
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + eui))


def is_igmp(packet: Packet) -> bool:
    return IP in packet and packet[IP].proto == 2 and packet[IP].src == WAN


def is_mld(packet: Packet) -> bool:
    return IPv6ExtHdrHopByHop in packet and packet[IPv6].src not in ("fe80::99", LEFT6)


def test_routers_are_told_of_groups_by_igmpv3(net: Routed) -> None:
    """RFC 3376: a question for all groups, and one for the group.

    Steps: ask both, with a tenth of a second to answer in.
    Check: one report each, byte for byte scapy's: to 224.0.0.22 with a TTL of 1 and a router alert,
    the group is heard from all sources.
    """
    record = IGMPv3gr(rtype=2, maddr=GROUP)
    want = tell4("224.0.0.22", IGMPv3(type=0x22) / IGMPv3mr(numgrp=1, records=[record]))
    for group in ("0.0.0.0", GROUP):
        asked = ask4(IGMPv3(type=0x11, mrcode=1) / IGMPv3mq(gaddr=group), dst="224.0.0.1")
        assert told(net, asked, is_igmp) == ("01:00:5e:00:00:16", want)


def test_routers_are_told_of_groups_by_mldv2(net: Routed) -> None:
    """The same of RFC 3810: to ff02::16, from a link-local address.

    Steps: ask for all groups and for the group.
    Check: one report each, byte for byte scapy's.
    """
    record = ICMPv6MLDMultAddrRec(rtype=2, dst=GROUP6)
    want = tell6(link_local(net.line.wan.mac), "ff02::16", ICMPv6MLReport2(records=[record]))
    for group in ("::", GROUP6):
        asked = ask6(ICMPv6MLQuery2(mladdr=group, mrd=100))
        assert told(net, asked, is_mld) == ("33:33:00:00:00:16", want)


def test_questions_that_are_none_are_counted_and_not_answered(net: Routed) -> None:
    """Who is not on the link, or lies, learns nothing.

    Steps: ask with a TTL of 2, without a router alert, with a wrong checksum, for no group, of a
    length that no version has; by MLD with a hop limit of 2 and from a global address.
    Check: no report, and each is counted.
    """
    query = IGMPv3(type=0x11, mrcode=1) / IGMPv3mq(gaddr="0.0.0.0")
    bad = [
        ask4(query, ttl=2),
        ask4(query, options=[]),
        ask4(IGMPv3(type=0x11, mrcode=1, chksum=0x1234) / IGMPv3mq(gaddr="0.0.0.0")),
        ask4(IGMPv3(type=0x11, mrcode=1) / IGMPv3mq(gaddr="10.0.1.1")),
        ask4(Raw(bytes.fromhex("1101eefe000000000000")), proto=2),
        ask6(ICMPv6MLQuery2(mrd=10), hlim=2),
        ask6(ICMPv6MLQuery2(mrd=10), src=LEFT6),
    ]
    net.app.mark()
    with net.tg.capture(net.line.left, 0, lambda p: is_igmp(p) or is_mld(p), quiet=0.5) as seen:
        net.tg.send(net.line.left, bad)
        told = "weir_stack_group_bad_packets_total"
        until(lambda: net.app.rose(told) == len(bad), what="all to be counted")
    assert seen.packets == []


def test_routers_of_older_versions_are_told_in_theirs(net: Routed) -> None:
    """RFC 3376 section 7.2.1, RFC 3810 section 8.2.1: after a question of v2 or MLDv1.

    Steps: ask in the older version, then in the newer one.
    Check: each time a report of the older one goes to the group itself; byte for byte scapy's.
    """
    old = ask4(IGMP(type=0x11, mrcode=1, gaddr="0.0.0.0"))
    new = ask4(IGMPv3(type=0x11, mrcode=1) / IGMPv3mq(gaddr="0.0.0.0"))
    want = tell4(GROUP, IGMP(type=0x16, mrcode=0, gaddr=GROUP))
    for asked in (old, new):
        assert told(net, asked, is_igmp) == ("01:00:5e:01:02:03", want)
    want = tell6(link_local(net.line.wan.mac), GROUP6, ICMPv6MLReport(mladdr=GROUP6))
    for asked6 in (ask6(ICMPv6MLQuery(mrd=100)), ask6(ICMPv6MLQuery2(mrd=100))):
        assert told(net, asked6, is_mld) == ("33:33:00:00:00:01", want)
