# SPDX-License-Identifier: BSD-3-Clause
"""Packets that lie: each is dropped under its name, nothing of it comes out, and the router lives on."""

import random
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest

from weir import packets
from weir.caps import Cap, requires
from weir.firewall import ALL, Firewall, firewall_between_silent_ends
from weir.router import LEFT, LEFT6, RIGHT, RIGHT6, WAN, WAN6, Routed, between_silent_ends
from weir.sut import DROPS
from weir.tg import Match
from weir.wait import until

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

COPIES = 3
# Buffers that a device may keep until it sends again.
SLACK = 64


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """A router between silent ends, which soon gives up fragments."""
    config = {"limits": {"fragment_timeout": "300ms"}}
    with between_silent_ends(tmp_path_factory.mktemp("malformed"), config) as made:
        yield made


def ether(net: Routed, kind: int = 0x0800) -> Packet:
    return Ether(src=net.inward[0], dst=net.inward[1], type=kind)


def ip4(**more: object) -> Packet:
    return IP(**({"src": LEFT, "dst": RIGHT} | more))


def ip6(**more: object) -> Packet:
    return IPv6(**({"src": LEFT6, "dst": RIGHT6} | more))


def cut(packet: Packet, size: int) -> bytes:
    """The first bytes of a frame."""
    return bytes(packet)[:size]


BODY = UDP(sport=1, dport=2) / (b"x" * 26)
HOP = IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])
DEST = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])
GROUP_MAC = "33:33:ff:00:00:01"

Make = Callable[[Routed], Packet | bytes]


def nd(net: Routed, message: Packet, dst: str = WAN6, **more: object) -> Packet:
    return ether(net, 0x86DD) / ip6(dst=dst, **({"hlim": 255} | more)) / message


def arp(net: Routed, **more: object) -> Packet:
    asked = {"op": 1, "hwsrc": net.inward[0], "psrc": LEFT, "pdst": WAN}
    return Ether(src=net.inward[0], dst=packets.BROADCAST) / ARP(**(asked | more))


# What is sent, and the name under which it is counted. The address of the router where the packet
# must be for it, so that nothing else can be wrong with it.
LIES: dict[str, tuple[str, Make]] = {
    "a VLAN tag cut short": ("l2_short", lambda n: cut(ether(n, 0x8100) / b"\0\5\x08\0", 16)),
    "a frame for another station": (
        "not_ours",
        lambda n: Ether(src=n.inward[0], dst="02:00:00:00:00:77") / ip4() / BODY,
    ),
    "an unknown VLAN": ("vlan_unknown", lambda n: ether(n, 0x8100) / Dot1Q(vlan=9) / ip4() / BODY),
    "IPv4 with version 5": ("ip4_header", lambda n: ether(n) / ip4(version=5) / BODY),
    "IPv4 with version 6": ("ip4_header", lambda n: ether(n) / ip4(version=6) / BODY),
    "IPv4 with a header of 16 bytes": ("ip4_header", lambda n: ether(n) / ip4(ihl=4) / BODY),
    "IPv4 with a header beyond its end": (
        "ip4_header",
        lambda n: cut(ether(n) / ip4(ihl=15, len=40) / BODY, 54),
    ),
    "IPv4 longer than the frame": ("ip4_header", lambda n: ether(n) / ip4(len=200) / BODY),
    "IPv4 shorter than its header": ("ip4_header", lambda n: ether(n) / ip4(len=19) / BODY),
    "IPv4 cut in the header": ("ip4_header", lambda n: cut(ether(n) / ip4() / BODY, 30)),
    "an IPv4 fragment beyond 65535 bytes": (
        "ip4_header",
        lambda n: ether(n) / ip4(frag=8190) / (b"x" * 64),
    ),
    "an IPv4 header that does not sum up": (
        "ip4_csum",
        lambda n: ether(n) / ip4(chksum=0x1234) / BODY,
    ),
    "a source route of IPv4": (
        "source_route",
        lambda n: ether(n) / ip4(options=[IPOption(b"\x83\x07\x04\x0a\x00\x02\x02")]) / BODY,
    ),
    "a source route of IPv6": (
        "source_route",
        lambda n: ether(n, 0x86DD) / ip6() / IPv6ExtHdrRouting(addresses=["2001:db8:9::1"]) / BODY,
    ),
    "an IPv4 option of no length": (
        "ip_option",
        lambda n: ether(n) / ip4(options=[IPOption(b"\x44\x00\x00\x00")]) / BODY,
    ),
    "a fragment over flags of TCP": (
        "frag_bad",
        lambda n: ether(n) / ip4(frag=1, proto=6) / (b"x" * 26),
    ),
    "IPv6 with version 4": ("ip6_header", lambda n: ether(n, 0x86DD) / ip6(version=4) / BODY),
    "IPv6 longer than the frame": ("ip6_header", lambda n: ether(n, 0x86DD) / ip6(plen=99) / BODY),
    "IPv6 cut in the header": ("ip6_header", lambda n: cut(ether(n, 0x86DD) / ip6() / BODY, 50)),
    "an IPv6 jumbogram": ("ip6_header", lambda n: ether(n, 0x86DD) / ip6(plen=0) / HOP / BODY),
    "too many IPv6 extension headers": ("ip6_ext", lambda n: chain(n, 10)),
    "hop-by-hop options not in front": (
        "ip6_ext",
        lambda n: ether(n, 0x86DD) / ip6() / DEST / HOP / BODY,
    ),
    "two IPv6 fragment headers": (
        "ip6_ext",
        lambda n: ether(n, 0x86DD) / ip6() / IPv6ExtHdrFragment() / IPv6ExtHdrFragment() / BODY,
    ),
    "an IPv6 extension header beyond the end": (
        "ip6_ext",
        lambda n: ether(n, 0x86DD) / ip6(nh=60) / bytes([17, 200]) / (b"\0" * 30),
    ),
    "an IPv6 extension header cut short": (
        "ip6_ext",
        lambda n: ether(n, 0x86DD) / ip6(nh=43) / b"\x11\0\0\0",
    ),
    "an IPv6 fragment beyond 65535 bytes": (
        "ip6_ext",
        lambda n: ether(n, 0x86DD) / ip6() / IPv6ExtHdrFragment(offset=8191) / (b"x" * 64),
    ),
    "TCP cut short": ("l4_header", lambda n: ether(n) / ip4(proto=6, len=39) / (b"x" * 19)),
    "TCP with a header of 16 bytes": ("l4_header", lambda n: ether(n) / ip4() / TCP(dataofs=4)),
    "TCP with a header beyond its end": ("l4_header", lambda n: ether(n) / ip4() / TCP(dataofs=9)),
    "UDP cut short": ("l4_header", lambda n: ether(n) / ip4(proto=17, len=27) / (b"x" * 7)),
    "UDP shorter than its header": (
        "l4_header",
        lambda n: ether(n) / ip4() / UDP(len=7) / (b"x" * 26),
    ),
    "UDP longer than the packet": ("l4_header", lambda n: ether(n) / ip4() / UDP(len=99) / b"x"),
    "ICMP cut short": ("l4_header", lambda n: ether(n) / ip4(proto=1, len=24) / b"\x08\0\0\0"),
    "a first fragment without its TCP header": (
        "l4_header",
        lambda n: ether(n) / ip4(proto=6, flags="MF") / (b"x" * 16),
    ),
    "TCP over IPv6 with a header beyond its end": (
        "l4_header",
        lambda n: ether(n, 0x86DD) / ip6() / TCP(dataofs=15),
    ),
    "UDP over IPv6 longer than the packet": (
        "l4_header",
        lambda n: ether(n, 0x86DD) / ip6() / DEST / UDP(len=99) / b"x",
    ),
    "ICMPv6 cut short": ("l4_header", lambda n: ether(n, 0x86DD) / ip6(nh=58) / b"\x80\0"),
    "a damaged ping for us": (
        "l4_csum",
        lambda n: ether(n) / ip4(dst=WAN) / ICMP(chksum=0x1234) / b"abc",
    ),
    "a damaged ping of IPv6 for us": (
        "l4_csum",
        lambda n: ether(n, 0x86DD) / ip6(dst=WAN6) / ICMPv6EchoRequest(cksum=0x1234),
    ),
    "ARP of another hardware": ("arp_bad", lambda n: arp(n, hwtype=6)),
    "ARP of another protocol": ("arp_bad", lambda n: arp(n, ptype=0x86DD)),
    "ARP with addresses of 8 bytes": ("arp_bad", lambda n: arp(n, hwlen=8)),
    "ARP of an unknown operation": ("arp_bad", lambda n: arp(n, op=3)),
    "ARP from a group": ("arp_bad", lambda n: arp(n, hwsrc="01:00:5e:00:00:01")),
    "ARP from no station": ("arp_bad", lambda n: arp(n, hwsrc="00:00:00:00:00:00")),
    "ARP from loopback": ("arp_bad", lambda n: arp(n, psrc="127.0.0.1")),
    "ARP from multicast": ("arp_bad", lambda n: arp(n, psrc="224.0.0.1")),
    "ARP cut short": ("arp_bad", lambda n: cut(arp(n), 14 + 27)),
    "a solicitation from off link": (
        "nd_bad",
        lambda n: nd(n, ICMPv6ND_NS(tgt=WAN6), hlim=254),
    ),
    "a solicitation for a group": ("nd_bad", lambda n: nd(n, ICMPv6ND_NS(tgt="ff02::1"))),
    "a solicitation with a code": ("nd_bad", lambda n: nd(n, ICMPv6ND_NS(tgt=WAN6, code=1))),
    "a solicitation that is damaged": ("nd_bad", lambda n: nd(n, ICMPv6ND_NS(tgt=WAN6, cksum=1))),
    "a solicitation with an empty option": (
        "nd_bad",
        lambda n: nd(n, ICMPv6ND_NS(tgt=WAN6) / bytes([1, 0, 0, 0, 0, 0, 0, 0])),
    ),
    "a solicitation with an option beyond its end": (
        "nd_bad",
        lambda n: nd(n, ICMPv6ND_NS(tgt=WAN6) / bytes([1, 9, 0, 0, 0, 0, 0, 0])),
    ),
    "a solicitation of nobody with an address": (
        "nd_bad",
        lambda n: nd(
            n,
            ICMPv6ND_NS(tgt=WAN6) / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:01"),
            dst="ff02::1:ff00:1",
            src="::",
        ),
    ),
    "an advertisement of our own address": ("nd_bad", lambda n: nd(n, ICMPv6ND_NA(tgt=WAN6))),
    "a solicited advertisement to all": (
        "nd_bad",
        lambda n: nd(n, ICMPv6ND_NA(tgt=LEFT6, S=1), dst="ff02::1"),
    ),
}


def chain(net: Routed, headers: int) -> Packet:
    """A packet with so many extension headers."""
    packet = ether(net, 0x86DD) / ip6()
    for _ in range(headers):
        packet = packet / DEST.copy()
    return packet / BODY


def udp4(**addresses: str) -> Make:
    return lambda net: ether(net) / ip4(**addresses) / BODY


def udp6(**addresses: str) -> Make:
    return lambda net: ether(net, 0x86DD) / ip6(**addresses) / BODY


def impossible() -> Iterator[tuple[str, Make]]:
    """Source and destination addresses that cannot be."""
    for src in ("224.0.0.5", "127.0.0.1", "0.0.0.0", "0.1.2.3", "240.0.0.1", "255.255.255.255"):
        yield f"source {src}", udp4(src=src)
    for src in ("::1", "::", "ff02::1"):
        yield f"source {src}", udp6(src=src)
    for dst in ("127.0.0.1", "0.0.0.0"):
        yield f"destination {dst}", udp4(dst=dst)
    for dst in ("::1", "::", "ff01::1", "ff00::1"):
        yield f"destination {dst}", udp6(dst=dst)


LIES |= {
    what: ("ip_source" if what.startswith("source") else "ip_martian", make)
    for what, make in impossible()
}


def is_no_question(packet: Packet) -> bool:
    return ARP not in packet and ICMPv6ND_NS not in packet


def assert_alive(
    net: Routed, before: Sequence[Packet | bytes] = (), match: Match | None = None
) -> None:
    """A good packet of each family goes through, and of what is sent before them nothing."""
    good = [packets.udp(net.inward, pair) for pair in ((LEFT, RIGHT), (LEFT6, RIGHT6))]
    with net.tg.capture(net.line.right, count=2, match=match, quiet=0.02) as seen:
        net.tg.send(net.line.left, [*before, *good])
    assert [bytes(p) for p in seen] == [bytes(net.forwarded(p)) for p in good]


@pytest.mark.parametrize("what", LIES)
def test_a_lie_is_dropped_under_its_name(net: Routed, what: str) -> None:
    """One lie at a time, all else in the packet being right.

    Steps: send it 3 times; then a good packet of each family.
    Check: 3 counted under its name and nothing under another; nothing comes out at either side but
    the good packets.
    """
    reason, make = LIES[what]
    net.app.mark()
    with net.tg.capture(net.line.left, quiet=0.02) as answers:
        assert_alive(net, [make(net)] * COPIES)
        net.app.expect_drops({reason: COPIES})
    assert [p.summary() for p in answers] == []


def test_what_is_neither_ip_nor_arp_is_left_to_the_kernel_that_there_is_none(net: Routed) -> None:
    """Another Ethernet type is the kernel's business; without a kernel path it is counted.

    Steps: send 3 frames of LLDP's type and 3 of 802.3 with a length.
    Check: 6 counted as punt_off.
    """
    net.app.mark()
    net.tg.send(net.line.left, [ether(net, kind) / (b"x" * 46) for kind in (0x88CC, 46)] * COPIES)
    net.app.expect_drops({"punt_off": 6})


def garbage(net: Routed, seed: int, count: int) -> Iterator[bytes]:
    """Frames of noise, and good frames with some bytes changed or the end cut off."""
    rng = random.Random(seed)
    good = [
        bytes(packet)
        for packet in (
            packets.udp(net.inward, (LEFT, RIGHT), size=100),
            packets.tcp(net.inward, (LEFT, RIGHT)),
            packets.udp(net.inward, (LEFT6, RIGHT6), size=100),
            packets.echo_request(net.inward, (LEFT, WAN)),
            packets.echo_request(net.inward, (LEFT6, WAN6)),
            packets.who_has(net.inward[0], (LEFT, WAN)),
            nd(net, ICMPv6ND_NS(tgt=WAN6)),
            ether(net, 0x86DD) / ip6() / HOP / IPv6ExtHdrRouting() / IPv6ExtHdrFragment() / BODY,
            ether(net) / ip4(dst=WAN, flags="MF") / BODY,
        )
    ]
    for n in range(count):
        frame = bytearray(rng.choice(good))
        if n % 4 == 0:
            frame[12:] = rng.randbytes(rng.randrange(2, 1500))
            frame[12:14] = rng.choice([b"\x08\0", b"\x86\xdd", b"\x08\x06", b"\x81\0", b"\x88\xa8"])
        else:
            for _ in range(rng.randrange(1, 6)):
                frame[rng.randrange(12, len(frame))] = rng.randrange(256)
            frame = frame[: rng.randrange(14, len(frame) + 1)] if n % 3 == 0 else frame
        yield bytes(frame)


def assert_sound(net: Routed, packet: Packet) -> None:
    """What comes out of a router: our MAC, a header that sums up, lengths that fit."""
    raw = bytes(packet)
    assert packet.src == net.line.lan.mac
    if packet.type == 0x0800:
        header = raw[14 : 14 + (raw[14] & 15) * 4]
        words = sum(struct.unpack(f"!{len(header) // 2}H", header))
        assert (words % 0xFFFF) == 0 and len(header) >= 20 and raw[14] >> 4 == 4
        assert struct.unpack("!H", raw[16:18])[0] <= len(raw) - 14
    elif packet.type == 0x86DD:
        assert raw[14] >> 4 == 6 and struct.unpack("!H", raw[18:20])[0] + 40 <= len(raw) - 14
    else:
        assert packet.type == 0x0806


def test_a_flood_of_garbage_changes_nothing(net: Routed) -> None:
    """Noise and damaged packets, the same ones in each run, without a leak.

    Steps: send 4,000 such frames; wait until what they made the router hold has been given up.
    Check: what comes out is sound; no more buffers are in use than before; /health is well; good
    packets go through.
    """
    assert_alive(net)
    before = net.app.metric("weir_pool_used_mbufs")
    with net.tg.capture(net.line.right) as seen:
        for frame in garbage(net, 1, 4000):
            net.tg.send(net.line.left, frame)
    for packet in seen:
        assert_sound(net, packet)
    assert_alive(net, match=is_no_question)  # neighbours that noise was for are asked for anew
    assert net.app.get("/health")[0] == 200
    until(
        lambda: net.app.metric("weir_pool_used_mbufs") <= before + SLACK,
        timeout=20,
        what=f"as few buffers in use as before ({before:g})",
    )


# ---- the firewall ----


@pytest.fixture(scope="module")
def fw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    """A firewall that lets everything pass which is no lie."""
    config = {"limits": {"fragment_timeout": "300ms"}}
    with firewall_between_silent_ends(tmp_path_factory.mktemp("firewall"), config) as made:
        made.policy([ALL])
        yield made


def test_the_firewall_drops_the_same_lies_under_the_same_names(fw: Firewall) -> None:
    """Before any of them could become a flow.

    Steps: send each lie once, then a good packet of each family.
    Check: each is counted under its name; the good packets alone come out; they are the only flows.
    """
    fw.app.ask("flows_kill", all=True)  # those of tests before
    assert fw.flows() == []
    fw.app.mark()
    assert_alive(fw, [make(fw) for _, make in LIES.values()])
    fw.app.expect_drops(dict(Counter(reason for reason, _ in LIES.values())))
    assert len(fw.flows()) == 2


def test_what_comes_in_goes_out_or_is_dropped_under_a_name(fw: Firewall) -> None:
    """Noise and damaged packets: no packet is lost track of.

    Steps: send 2,000 such frames; wait until fragments, and neighbours that do not answer, have been
    given up.
    Check: packets received and made are as many as those sent and dropped; what came out is sound.
    """

    def figures() -> dict[str, int]:
        rose = fw.app.rose
        return {
            "came": rose("weir_port_rx_packets_total"),
            "errors made": rose("weir_icmp_errors_sent_packets_total"),
            "requests made": rose("weir_neighbour_requests_packets_total"),
            "went": rose("weir_port_tx_packets_total"),
        } | fw.app.since_start(DROPS, "reason")

    def adds_up() -> bool:
        now = figures()
        came = now.pop("came")
        made = now.pop("errors made") + now.pop("requests made")
        now.pop("error_limit", None)  # answers that were not made, counted beside their packets
        return came >= 2000 and came + made == sum(now.values())

    fw.app.mark()
    with fw.tg.capture(fw.line.right) as seen:
        for frame in garbage(fw, 2, 2000):
            fw.tg.send(fw.line.left, frame)
    for packet in seen:
        assert_sound(fw, packet)
    try:
        until(adds_up, timeout=20, what="as many in as out")
    except TimeoutError:
        raise AssertionError(f"not as many in as out: {figures()}") from None
