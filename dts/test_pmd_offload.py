# SPDX-License-Identifier: BSD-3-Clause
"""What net_weir_xdp does to packets on request: checksums both ways, times; and what it claims."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from weir import packets, peers
from weir.lab import Lab, Line
from weir.testpmd import NEEDED, Received, Testpmd, prompt
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw

pytestmark = NEEDED

LEFT, RIGHT = "198.51.100.1", "198.51.100.2"
LEFT6, RIGHT6 = "2001:db8::1", "2001:db8::2"
BOTH = ["iface=wan,steer=all", "iface=lan,steer=all"]
# Offloads as testpmd takes them: IPV4, UDP and TCP checksums; times.
TX_SUMS, RX_SUMS, RX_TIMES = "--tx-offloads=0xe", "--rx-offloads=0xe", "--rx-offloads=0x4000"
PORT = 5353


@pytest.fixture(params=["finished", "left to the kernel"])
def linked(request: pytest.FixtureRequest, lab: Lab) -> Line:
    """left === wan, lan === right; the latter finishes checksums that it is asked for, or leaves
    them unfinished to its peer, as a veth does by default."""
    sut = lab.netns("sut", ipv6=False)
    left, wan = lab.veth((lab.netns("left", ipv6=False), "left"), (sut, "wan"))
    offloads = request.param != "finished"
    lan, right = lab.veth((sut, "lan"), (lab.netns("right"), "right"), offloads=offloads)
    return Line(left, wan, lan, right)


@contextmanager
def summing(line: Line, directory: Path, *options: str, sums: str = "hw") -> Iterator[Testpmd]:
    """testpmd's csum between left and right: it asks the driver for every checksum."""
    peers_of = [f"--eth-peer=0,{line.left.mac}", f"--eth-peer=1,{line.right.mac}"]
    with prompt(
        line.sut, directory, BOTH, "--forward-mode=csum", TX_SUMS, *peers_of, *options
    ) as pmd:
        pmd.tell("port stop all")
        for port in (0, 1):
            for layer in ("ip", "udp", "tcp"):
                pmd.tell(f"csum set {layer} {sums} {port}")
        pmd.tell_all("port start all", "start")
        yield pmd


def samples(line: Line) -> list[Packet]:
    """UDP and TCP over both families, of even and odd lengths, tagged too."""
    macs = (line.left.mac, line.wan.mac)
    made = [
        make
        for ends in ((LEFT, RIGHT), (LEFT6, RIGHT6))
        for size in (18, 19, 400, 1401)
        for make in (
            packets.udp(macs, ends, dport=PORT, size=size),
            packets.tcp(macs, ends) / Raw(packets.payload(size)),
        )
    ]
    tagged = Ether(src=macs[0], dst=macs[1]) / Dot1Q(vlan=5) / IP(src=LEFT, dst=RIGHT)
    return [*made, tagged / UDP(sport=1, dport=2) / Raw(packets.payload(33))]


def spoiled(packet: Packet) -> Packet:
    """The packet with each of its checksums wrong, and none 0."""
    bad = Ether(bytes(packet))
    for layer in (IP, UDP, TCP):
        if layer in bad:
            bad[layer].chksum = (bad[layer].chksum ^ 0x5555) or 1
    return bad


def test_checksums_are_computed_on_request(
    linked: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """What goes out is what scapy makes, or what the kernel is still to finish.

    Steps: frames with wrong checksums through testpmd's csum with all of them left to the driver.
    Check: where the other end finishes, each has the right ones; where it does not, those of TCP
    and UDP are marked as unfinished, and IPv4's are right.
    """
    good = samples(linked)
    with summing(linked, tmp_path):
        with tg.capture(
            linked.right, count=len(good), match=lambda p: IP in p or IPv6 in p
        ) as seen:
            tg.send(linked.left, [spoiled(packet) for packet in good])
    assert len(seen) == len(good)
    if seen.unfinished:
        assert seen.unfinished == len(good)
    for came, wanted in zip(seen, good):
        if IP in came:
            assert came[IP].chksum == Ether(bytes(wanted))[IP].chksum
        if not seen.unfinished:
            assert bytes(came)[12:] == bytes(wanted)[12:]


def test_a_kernel_takes_what_was_asked_to_be_finished(
    linked: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """A UDP socket of the kernel's gets every datagram, however its checksum was to be made.

    Steps: 100 datagrams with wrong checksums; then as many that testpmd forwards as they are.
    Check: the first 100 arrive, and of the others none.
    """
    linked.right.add_address(f"{RIGHT}/24")
    macs = (linked.left.mac, linked.right.mac)
    bad = [spoiled(packets.udp(macs, (LEFT, RIGHT), dport=PORT, size=100 + n)) for n in range(100)]
    with linked.right.netns.inside():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver:
        receiver.bind((RIGHT, PORT))
        receiver.settimeout(15)
        with summing(linked, tmp_path):
            tg.send(linked.left, bad)
            assert [len(receiver.recv(2000)) for _ in range(100)] == list(range(100, 200))
        with prompt(linked.sut, tmp_path, BOTH) as pmd:
            pmd.tell("start")
            tg.send(linked.left, bad)
            until(lambda: pmd.counts(1).tx_packets == 100, what="the others")
        receiver.settimeout(0.2)
        with pytest.raises(TimeoutError):
            receiver.recv(2000)


def test_tcp_of_two_kernels_goes_through(linked: Line, tmp_path: Path) -> None:
    """Real connections between kernels that leave their checksums unfinished or not.

    Steps: iperf3 for a second between the ends, through testpmd's csum.
    Check: bytes moved, in both directions.
    """
    for port, address, peer, mac in (
        (linked.left, LEFT, RIGHT, linked.right.mac),
        (linked.right, RIGHT, LEFT, linked.left.mac),
    ):
        port.add_address(f"{address}/24")
        port.netns.run("ip", "neigh", "replace", peer, "lladdr", mac, "dev", port.name)
    with summing(linked, tmp_path):
        for options in ((), ("--reverse",)):
            few = ("-w", "128K", *options)  # what is in buffers at the end does not arrive
            end = peers.iperf3(linked.right.netns, linked.left.netns, RIGHT, *few, size="4M")
            assert end["sum_received"]["bytes"] > 100_000


def test_software_computes_where_the_kernel_does_not(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """Of packets in pieces as well: csum with frames of several mbufs.

    Steps: jumbo frames with wrong checksums.
    Check: right ones.
    """
    for port in (line.left, line.wan, line.lan, line.right):
        port.set("mtu", "9000")
    macs = (line.left.mac, line.wan.mac)
    good = [packets.udp(macs, (LEFT, RIGHT), size=size) for size in (3000, 5001, 8958)]
    options = ["--enable-scatter", "--rx-offloads=0x2000", "--max-pkt-len=9018"]
    options += ["--tx-offloads=0x800e"]
    with summing(line, tmp_path, *options):
        with tg.capture(line.right, count=len(good)) as seen:
            tg.send(line.left, [spoiled(packet) for packet in good])
    assert [bytes(p)[12:] for p in seen] == [bytes(p)[12:] for p in good]


# ---- received ----


@contextmanager
def reading(line: Line, directory: Path, devargs: str, *options: str) -> Iterator[Testpmd]:
    whole = ",".join(filter(None, ["iface=wan,steer=all", devargs]))
    with prompt(line.sut, directory, whole, "--forward-mode=rxonly", *options) as pmd:
        pmd.tell_all("set verbose 1", "start")
        yield pmd


def claims(
    pmd: Testpmd, tg: TrafficGenerator, line: Line, sent: list[Packet]
) -> list[tuple[str, str]]:
    """What is said of the checksums of each packet: IP, L4."""
    begin = pmd.here()
    tg.send(line.left, sent)

    def of(packet: Received, layer: str) -> str:
        found = [flag for flag in packet.flags if flag.startswith(layer)]
        return found[0].removeprefix(layer) if found else ""

    came = pmd.received(len(sent), begin)
    return [(of(packet, "IP_CKSUM_"), of(packet, "L4_CKSUM_")) for packet in came]


def flipped(packet: Packet, at: int) -> bytes:
    raw = bytearray(bytes(packet))
    raw[at] ^= 0x10
    return bytes(raw)


def test_nothing_is_claimed_that_was_not_looked_at(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """Without rxcsum= checksums are UNKNOWN, and their offload is not offered.

    Check: of right and wrong ones alike; asking for the offload is refused.
    """
    packet = packets.udp((line.left.mac, line.wan.mac), (LEFT, RIGHT))
    with reading(line, tmp_path, "") as pmd:
        assert claims(pmd, tg, line, [packet, flipped(packet, 45)]) == [("UNKNOWN", "UNKNOWN")] * 2
        offered = pmd.tell("show port 0 rx_offload capabilities")
        assert "CKSUM" not in offered


def test_verify_says_good_or_bad(line: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """rxcsum=verify computes.

    Steps: good packets of every kind; the same with a byte of the payload flipped; with a byte of
    the IPv4 header flipped; UDP without a checksum; no IP at all.
    Check: GOOD, BAD, BAD for the header, NONE, UNKNOWN; the bad ones are counted and delivered.
    """
    good = samples(line)
    with reading(line, tmp_path, "rxcsum=verify", RX_SUMS) as pmd:
        for ip, l4 in claims(pmd, tg, line, good):
            assert l4 == "GOOD" and ip in ("GOOD", "UNKNOWN")
        bad = [flipped(packet, len(bytes(packet)) - 1) for packet in good]
        assert {l4 for _, l4 in claims(pmd, tg, line, bad)} == {"BAD"}
        counted = pmd.xstats()["rx_q0_bad_cksum"]
        assert counted == len(bad)
        header = claims(pmd, tg, line, [flipped(good[0], 14 + 8)])  # its TTL
        assert header == [("BAD", "GOOD")]
        none = packets.udp((line.left.mac, line.wan.mac), (LEFT, RIGHT))
        none[UDP].chksum = 0
        assert claims(pmd, tg, line, [none])[0][1] == "NONE"
        other = Ether(src=line.left.mac, dst=line.wan.mac, type=0x88B5) / Raw(bytes(46))
        assert claims(pmd, tg, line, [other]) == [("UNKNOWN", "UNKNOWN")]


@pytest.mark.parametrize("offloads, verdict", [(True, "BAD"), (False, "GOOD")])
def test_a_kernels_unfinished_checksums_are_not_called_good(
    lab: Lab, tmp_path: Path, offloads: bool, verdict: str
) -> None:
    """A veth peer that leaves checksums to a network card that is not there.

    Steps: a datagram of the sending kernel's own, with its tx offload on, and off.
    Check: BAD as it is on the wire; GOOD when it was finished.
    """
    sut, west = lab.netns("sut", ipv6=False), lab.netns("left", ipv6=False)
    left, wan = lab.veth((west, "left"), (sut, "wan"), offloads=offloads)
    left.add_address(f"{LEFT}/24")
    west.run("ip", "neigh", "replace", RIGHT, "lladdr", wan.mac, "dev", "left")
    line = Line(left, wan, wan, left)
    with reading(line, tmp_path, "rxcsum=verify", RX_SUMS) as pmd:
        begin = pmd.here()
        with west.inside():
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sender:
            sender.sendto(packets.payload(100), (RIGHT, PORT))
        (came,) = pmd.received(1, begin)
    assert f"L4_CKSUM_{verdict}" in came.flags


def test_jumbo_frames_are_verified_whole(line: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """Checksums over several mbufs.

    Steps: 8,000 bytes, right; with a byte of the last mbuf flipped.
    Check: GOOD, BAD.
    """
    for port in (line.left, line.wan):
        port.set("mtu", "9000")
    good = packets.udp((line.left.mac, line.wan.mac), (LEFT, RIGHT), size=8001)
    options = ["--enable-scatter", "--rx-offloads=0x200e", "--max-pkt-len=9018"]
    with reading(line, tmp_path, "rxcsum=verify", *options) as pmd:
        told = claims(pmd, tg, line, [good, flipped(good, len(bytes(good)) - 1)])
    assert told == [("GOOD", "GOOD"), ("GOOD", "BAD")]


# ---- times ----


def times(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"- timestamp (\d+)", text)]


def test_a_packets_time_is_the_kernels(line: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """rx_ts=sw: CLOCK_MONOTONIC when the program saw it.

    Steps: 20 packets, with the clock read before and after.
    Check: 20 times, none earlier than the one before, all between the readings.
    """
    packet = packets.udp((line.left.mac, line.wan.mac), (LEFT, RIGHT))
    with reading(line, tmp_path, "rx_ts=sw", RX_TIMES) as pmd:
        begin, before = pmd.here(), time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        tg.send(line.left, [packet] * 20)
        pmd.received(20, begin)
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        told = times(pmd.read(begin))
    assert len(told) == 20 and told == sorted(told)
    assert before <= told[0] and told[-1] <= after


def test_a_time_that_the_device_does_not_have_is_not_told(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """rx_ts=hw on a veth: it offers times, and has 0 for each of these packets."""
    packet = packets.udp((line.left.mac, line.wan.mac), (LEFT, RIGHT))
    with reading(line, tmp_path, "rx_ts=hw", RX_TIMES) as pmd:
        begin = pmd.here()
        tg.send(line.left, [packet] * 5)
        assert len(pmd.received(5, begin)) == 5
        assert times(pmd.read(begin)) == []


@pytest.mark.parametrize("offload", [RX_SUMS, RX_TIMES])
def test_what_is_not_offered_is_refused(line: Line, tmp_path: Path, offload: str) -> None:
    """testpmd asks for an offload that the port was not told to have.

    Check: the port is not configured, and nothing is attached.
    """
    with prompt(line.sut, tmp_path, "iface=wan,steer=all", offload) as pmd:
        assert "Start ports failed" in pmd.greeting
        assert pmd.info("Link status") == "down"
        assert pmd.quit() == 0
