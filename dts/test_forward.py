# SPDX-License-Identifier: BSD-3-Clause
"""Forwarding: where packets go, how they look behind the router, and what is said of those that stay."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.router import (
    LAN,
    LEFT,
    LEFT6,
    RIGHT,
    RIGHT6,
    WAN,
    WAN6,
    Routed,
    between_silent_ends,
    known,
    neighbour,
    routed,
)
from weir.lab import Line
from weir.netns import Netns
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.layers.inet import ICMP, IP, UDP, IPerror, UDPerror
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6TimeExceeded,
    IPv6,
    UDPerror as UDPerror6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

GATEWAYS = {f"10.0.2.{n}": f"02:00:00:00:02:{n:02x}" for n in range(10, 14)}
GATEWAYS6 = {f"2001:db8:2::{n}": f"02:00:00:00:06:{n:02x}" for n in range(10, 14)}

ROUTES = [
    {"to": "198.18.0.0/16", "via": RIGHT},
    {"to": "198.18.1.0/24", "via": "10.0.2.10"},
    {"to": "198.18.1.128/25", "via": "10.0.2.11"},
    {"to": "198.18.1.200/32", "via": "10.0.2.12"},
    {"to": "198.18.2.0/24", "kind": "blackhole"},
    {"to": "198.18.3.0/24", "kind": "unreachable"},
    {"to": "198.18.4.0/24", "kind": "prohibit"},
    {"to": "198.19.0.0/16", "via": list(GATEWAYS)},
    {"to": "2001:db8:100::/40", "via": RIGHT6},
    {"to": "2001:db8:101::/48", "via": "2001:db8:2::10"},
    {"to": "2001:db8:101:8000::/49", "via": "2001:db8:2::11"},
    {"to": "2001:db8:101:8000::c8/128", "via": "2001:db8:2::12"},
    {"to": "2001:db8:102::/48", "kind": "blackhole"},
    {"to": "2001:db8:103::/48", "kind": "unreachable"},
    {"to": "2001:db8:104::/48", "kind": "prohibit"},
    {"to": "2001:db8:200::/40", "via": list(GATEWAYS6)},
]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """A router between silent ends, with routes of every kind."""
    directory = tmp_path_factory.mktemp("forward")
    gateways = [neighbour("lan", ip, mac) for ip, mac in (GATEWAYS | GATEWAYS6).items()]
    with between_silent_ends(directory, {"routes": ROUTES}, gateways) as made:
        yield made


def udp(net: Routed, dst: str, **more: int) -> Packet:
    return packets.udp(net.inward, (LEFT6 if ":" in dst else LEFT, dst), **more)


def is_ip(packet: Packet) -> bool:
    return IP in packet or IPv6 in packet


@pytest.mark.parametrize("dst", [RIGHT, RIGHT6])
def test_a_forwarded_packet_differs_in_addresses_of_the_link_and_ttl_alone(
    counted: Routed, dst: str
) -> None:
    """A router changes the Ethernet addresses, the TTL and the header's checksum, and nothing else.

    Steps: send 60 packets of 0 to 1472 bytes of payload and of different TTL from left to right.
    Check: each arrives, in order, byte for byte as it must be; nothing was asked for, nothing dropped.
    """
    sent = [udp(counted, dst, size=size, ttl=2 + size % 250) for size in range(0, 1452, 25)]
    with counted.tg.capture(counted.line.right, count=len(sent)) as seen:
        counted.tg.send(counted.line.left, sent)
    assert [bytes(p)[: len(s)] for p, s in zip(seen, sent)] == [
        bytes(counted.forwarded(p)) for p in sent
    ]
    assert len(seen) == len(sent)
    counted.app.expect_drops({})


def test_ttl_that_runs_out_is_told_to_the_sender(counted: Routed) -> None:
    """TTL 1 and 0 end here (RFC 1812 section 5.3.1).

    Steps: send UDP with TTL 1 and with TTL 0 to the right.
    Check: "time exceeded" from the address of wan to each, quoting the packet; counted as ttl; nothing
    comes out on the right.
    """
    tg, line = counted.tg, counted.line
    with tg.capture(line.right) as leaked, tg.capture(line.left, count=2) as answers:
        tg.send(line.left, [udp(counted, RIGHT, ttl=ttl, sport=5000 + ttl) for ttl in (1, 0)])
    assert len(leaked) == 0
    assert [(a[IP].src, a[IP].dst, a[ICMP].type, a[ICMP].code) for a in answers] == [
        (WAN, LEFT, 11, 0)
    ] * 2
    assert [a[UDPerror].sport for a in answers] == [5001, 5000]
    assert all(Ether(bytes(a))[IP].chksum == checked(a)[IP].chksum for a in answers)
    counted.app.expect_drops({"ttl": 2})


def checked(packet: Packet) -> Packet:
    """The packet with the checksums that scapy would give it."""
    again = Ether(bytes(packet))
    for layer in (IP, ICMP, UDP):
        if layer in again:
            del again[layer].chksum
    return Ether(bytes(again))


def test_hop_limit_that_runs_out_is_told_to_the_sender(counted: Routed) -> None:
    """The same of IPv6 (RFC 4443 section 3.3).

    Steps: send UDP with hop limit 1 to the right.
    Check: "time exceeded" from the address of wan, quoting the packet; counted as ttl.
    """
    with counted.tg.capture(counted.line.left, count=1) as answers:
        counted.tg.send(counted.line.left, udp(counted, RIGHT6, ttl=1, sport=5006))
    (answer,) = answers
    assert (answer[IPv6].src, answer[IPv6].dst) == (WAN6, LEFT6)
    assert answer[ICMPv6TimeExceeded].code == 0 and answer[UDPerror6].sport == 5006
    counted.app.expect_drops({"ttl": 1})


@pytest.mark.parametrize(
    "dst, code, reason",
    [
        ("203.0.113.1", 0, "no_route"),
        ("198.18.3.1", 0, "no_route"),
        ("198.18.4.1", 13, "prohibited"),
        ("2001:db8:ffff::1", 0, "no_route"),
        ("2001:db8:103::1", 0, "no_route"),
        ("2001:db8:104::1", 1, "prohibited"),
    ],
)
def test_a_packet_that_leads_nowhere_is_answered(
    counted: Routed, dst: str, code: int, reason: str
) -> None:
    """No route, an unreachable and a prohibited one: the sender is told.

    Steps: send one UDP packet.
    Check: "destination unreachable" with the code, from the address of wan; counted under its name;
    nothing comes out on the right.
    """
    tg, line = counted.tg, counted.line
    with tg.capture(line.right) as leaked, tg.capture(line.left, count=1) as answers:
        tg.send(line.left, udp(counted, dst))
    assert len(leaked) == 0
    (answer,) = answers
    if ":" in dst:
        assert (answer[IPv6].src, answer[ICMPv6DestUnreach].code) == (WAN6, code)
    else:
        assert (answer[IP].src, answer[ICMP].type, answer[ICMP].code) == (WAN, 3, code)
        assert answer[IPerror].dst == dst
    counted.app.expect_drops({reason: 1})


@pytest.mark.parametrize("dst", ["198.18.2.1", "2001:db8:102::1"])
def test_a_blackhole_is_silent(counted: Routed, dst: str) -> None:
    """What a blackhole swallows is counted, and nobody is told.

    Steps: send 3 UDP packets into a blackhole.
    Check: nothing comes out at either side; counted as blackhole.
    """
    tg, line = counted.tg, counted.line
    with tg.capture(line.right) as leaked, tg.capture(line.left) as answers:
        tg.send(line.left, [udp(counted, dst)] * 3)
    assert len(leaked) == 0 and len(answers) == 0
    counted.app.expect_drops({"blackhole": 3})


def test_the_longest_prefix_wins(counted: Routed) -> None:
    """Of several prefixes that contain a destination, the longest says where it goes.

    Steps: send to addresses at the edges of /16, /24, /25, /32 and of their IPv6 likes.
    Check: each packet goes to the MAC address of the gateway of its longest prefix.
    """
    right = counted.line.right.mac
    want = {
        "198.18.0.255": right,
        "198.18.5.0": right,
        "198.18.1.0": "02:00:00:00:02:0a",
        "198.18.1.127": "02:00:00:00:02:0a",
        "198.18.1.128": "02:00:00:00:02:0b",
        "198.18.1.255": "02:00:00:00:02:0b",
        "198.18.1.200": "02:00:00:00:02:0c",
        "2001:db8:100::1": right,
        "2001:db8:101::1": "02:00:00:00:06:0a",
        "2001:db8:101:8000::c7": "02:00:00:00:06:0b",
        "2001:db8:101:8000::c8": "02:00:00:00:06:0c",
    }
    with counted.tg.capture(counted.line.right, count=len(want)) as seen:
        counted.tg.send(counted.line.left, [udp(counted, dst) for dst in want])
    assert {(p[IP] if IP in p else p[IPv6]).dst: p.dst for p in seen} == want
    counted.app.expect_drops({})


@pytest.mark.parametrize(
    "dst, gateways", [("198.19.7.7", GATEWAYS), ("2001:db8:200::7", GATEWAYS6)]
)
def test_equal_paths_share_the_flows_and_keep_each_on_one(
    counted: Routed, dst: str, gateways: dict[str, str]
) -> None:
    """ECMP: each of four gateways gets its share of the flows; a flow never changes its path.

    Steps: send 3 packets of each of 400 flows, interleaved.
    Check: all arrive; the packets of a flow at one gateway; each gateway has at least 60 flows.
    """
    flows = [udp(counted, dst, sport=10_000 + n, dport=53) for n in range(400)]
    with counted.tg.capture(counted.line.right, count=3 * len(flows), match=is_ip) as seen:
        for _ in range(3):
            counted.tg.send(counted.line.left, flows)
    paths: dict[int, set[str]] = defaultdict(set)
    for packet in seen:
        paths[packet[UDP].sport].add(packet.dst)
    assert len(seen) == 3 * len(flows)
    assert all(len(macs) == 1 for macs in paths.values())
    share = Counter(mac for macs in paths.values() for mac in macs)
    assert set(share) == set(gateways.values()) and min(share.values()) >= 60


def test_a_known_neighbour_is_not_asked_for(counted: Routed) -> None:
    """A neighbour from the configuration needs no ARP.

    Steps: send one packet through each gateway of the configuration.
    Check: only these packets come out on the right, no ARP request, no solicitation.
    """
    with counted.tg.capture(counted.line.right, count=3) as seen:
        counted.tg.send(
            counted.line.left,
            [udp(counted, dst) for dst in (RIGHT, "198.18.1.1", "2001:db8:101::1")],
        )
    assert len(seen) == 3 and all(UDP in p and ARP not in p for p in seen)


def test_frames_for_others_and_for_all_are_not_forwarded(counted: Routed) -> None:
    """Only what was sent to the port's own MAC address is passed on (RFC 1812 section 5.3.4).

    Steps: send a packet for the right in frames to another MAC, to all, and to a group; send
    multicast, a directed and a limited broadcast.
    Check: nothing comes out on the right; each counted under its name.
    """
    tg, line = counted.tg, counted.line
    to = {mac: udp(counted, RIGHT) for mac in ("02:ff:ff:ff:ff:01", "ff:ff:ff:ff:ff:ff")}
    for mac, packet in to.items():
        packet[Ether].dst = mac
    groups = [udp(counted, dst) for dst in ("239.1.2.3", "ff0e::7", "10.0.2.255")]
    with tg.capture(line.right) as leaked:
        tg.send(line.left, [*to.values(), *groups])
    assert len(leaked) == 0
    counted.app.expect_drops({"not_ours": 1, "l2_group_fwd": 1, "multicast": 3})


def test_link_local_addresses_stay_on_their_link(counted: Routed) -> None:
    """RFC 4291 section 2.5.6: neither from nor to a link-local address is anything forwarded.

    Steps: send from fe80::9 to the right, and from the left to fe80::9.
    Check: nothing comes out on the right; counted as link_local.
    """
    tg, line = counted.tg, counted.line
    sent = [packets.udp(counted.inward, ("fe80::9", RIGHT6)), udp(counted, "fe80::9")]
    with tg.capture(line.right) as leaked:
        tg.send(line.left, sent)
    assert len(leaked) == 0
    counted.app.expect_drops({"link_local": 2})


def test_errors_are_limited_and_those_not_sent_are_counted(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """No flood of packets makes a flood of errors.

    Steps: allow 40 errors a second, which lets 2 through at once; send 200 packets with TTL 1.
    Check: all are counted as ttl; those answered and those over the limit add up to 200; at most half
    of them were answered, the first ones were.
    """
    config = {"neighbours": known(line), "limits": {"icmp_errors": "40pps"}}
    with routed(tmp_path, line, config) as net:
        with tg.capture(line.left) as answers:
            tg.send(line.left, [udp(net, RIGHT, ttl=1)] * 200)
            until(lambda: net.app.drops_since_start().get("ttl") == 200, what="all to be dropped")
        assert 2 <= len(answers) <= 100
        net.app.expect_drops({"ttl": 200, "error_limit": 200 - len(answers)})
        assert net.app.rose("weir_icmp_errors_sent_packets_total") == len(answers)


@pytest.mark.parametrize("to", [RIGHT, RIGHT6])
def test_ping_goes_through_and_loses_nothing(hosts: Routed, to: str) -> None:
    """The kernel's own ping, which also needs the neighbours found on both links.

    Steps: ping the right host from the left one 20 times.
    Check: 20 answers.
    """
    assert peers.ping(hosts.line.left.netns, to, count=20).received == 20


@pytest.mark.parametrize("to", [RIGHT, f"[{RIGHT6}]"])
def test_a_file_comes_through_http_unchanged(hosts: Routed, tmp_path: Path, to: str) -> None:
    """TCP of two kernels through the router.

    Steps: serve a file of 2 MB on the right; fetch it with curl from the left.
    Check: the bytes are the same.
    """
    content = packets.payload(2_000_000)
    (tmp_path / "file").write_bytes(content)
    with peers.http_server(hosts.line.right.netns, tmp_path):
        assert peers.curl(hosts.line.left.netns, f"http://{to}:8080/file") == content


def full_sockets(netns: Netns) -> int:
    """Datagrams that a kernel dropped because their socket's buffer was full."""
    four = netns.run("cat", "/proc/self/net/snmp").stdout
    names, values = (x.split() for x in four.splitlines() if x.startswith("Udp:"))
    six = dict(x.split() for x in netns.run("cat", "/proc/self/net/snmp6").stdout.splitlines())
    return int(dict(zip(names, values))["RcvbufErrors"]) + int(six["Udp6RcvbufErrors"])


@pytest.mark.parametrize("to", [RIGHT, RIGHT6])
def test_iperf3_moves_bytes_over_tcp_and_udp(hosts: Routed, to: str) -> None:
    """Some of each, with UDP at a rate that loses nothing.

    Steps: iperf3 of 16 MB over TCP, and of 1 MB over UDP at 20 Mbit/s.
    Check: at least 1 MB over TCP; of UDP nothing lost.
    """
    right, left = hosts.line.right.netns, hosts.line.left.netns
    tcp = peers.iperf3(right, left, to)
    before = full_sockets(right)
    udp_report = peers.iperf3(right, left, to, "--udp", "--bitrate", "20M", size="1M")
    assert tcp["sum_received"]["bytes"] > 1_000_000
    lost_there = full_sockets(right) - before  # by an iperf3 that was slow to read
    assert udp_report["sum"]["packets"] > 300
    assert udp_report["sum"]["lost_packets"] == lost_there


def test_each_hop_of_the_way_answers_as_traceroute_expects(hosts: Routed) -> None:
    """Traceroute sees the router, then the destination.

    Steps: send UDP to a high port of the right host with TTL 1 and 2.
    Check: "time exceeded" from wan, then "port unreachable" from the right host.
    """

    def hop(ttl: int) -> tuple[str, int, int]:
        probe = packets.udp(hosts.inward, (LEFT, RIGHT), sport=40_000, dport=33_434 + ttl, ttl=ttl)
        answer = hosts.tg.ask(hosts.line.left, probe, lambda p: ICMP in p and UDPerror in p)
        assert answer is not None, f"no answer to TTL {ttl}"
        return answer[IP].src, answer[ICMP].type, answer[ICMP].code

    assert [hop(1), hop(2)] == [(WAN, 11, 0), (RIGHT, 3, 3)]


def test_the_way_back_is_found_without_being_asked(hosts: Routed) -> None:
    """An answer takes the connected route of the other port.

    Steps: ping the left host and lan's address from the right one.
    Check: both answer.
    """
    for to in (LEFT, LAN, WAN):
        assert peers.ping(hosts.line.right.netns, to).received == 3
