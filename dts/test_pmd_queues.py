# SPDX-License-Identifier: BSD-3-Clause
"""Queues of net_weir_xdp: as many as wanted on any device, and what goes to which."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from weir import packets
from weir.lab import Lab, Line
from weir.testpmd import NEEDED, Received, Testpmd, prompt
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

pytestmark = NEEDED

FLOWS = 256
HERE, THERE = "198.51.100.1", "198.51.100.2"
# The key of Microsoft's RSS specification, and one that is not.
KEY = bytes.fromhex(
    "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
)
OTHER_KEY = bytes(range(1, 41))
FORWARD = ("--forward-mode=rxonly", "--rss-udp", "--rxd=256", "--txd=256")

TAKEN = "The reta size of port 0 is 128"  # what testpmd answers when it is content


def flow(line: Line, n: int, back: bool = False) -> Packet:
    """A packet of flow n, known by its source MAC address; or one of the way back."""
    ends, ports = (HERE, THERE), (1024 + n, 4000 + 7 * n)
    if back:
        ends, ports = ends[::-1], ports[::-1]
    source = f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}"
    udp = UDP(sport=ports[0], dport=ports[1])
    return Ether(src=source, dst=line.wan.mac) / IP(src=ends[0], dst=ends[1]) / udp / Raw(bytes(18))


def deliver(pmd: Testpmd, tg: TrafficGenerator, line: Line, sent: list[Packet]) -> list[Received]:
    """What rxonly says of these packets, of which none is lost."""
    begin = pmd.here()
    for at in range(0, len(sent), 64):
        tg.send(line.left, sent[at : at + 64])
        pmd.received(min(at + 64, len(sent)), begin)
    return pmd.received(len(sent), begin)


def queues_of(pmd: Testpmd, tg: TrafficGenerator, line: Line, back: bool = False) -> dict[str, int]:
    """The queue of each flow, by its source MAC address."""
    return {
        packet.src: packet.queue
        for packet in deliver(pmd, tg, line, [flow(line, n, back) for n in range(FLOWS)])
    }


def toeplitz(key: bytes, data: bytes) -> int:
    """The hash of RSS: the key's 32 bits from each set bit of the data on, added without carry."""
    bits, result = int.from_bytes(key, "big"), 0
    for n in range(len(data) * 8):
        if data[n // 8] & (0x80 >> n % 8):
            result ^= bits >> (len(key) * 8 - 32 - n) & 0xFFFFFFFF
    return result


def hashed(packet: Packet) -> bytes:
    """What is hashed of a packet: addresses and ports."""
    return bytes(packet[IP])[12:24]


def table(pmd: Testpmd) -> list[int]:
    """The indirection table."""
    text = pmd.tell("show port 0 rss reta 128 (0xffffffffffffffff,0xffffffffffffffff)")
    found = re.findall(r"hash index=(\d+), queue=(\d+)", text)
    assert [int(index) for index, _ in found] == list(range(128)), text
    return [int(queue) for _, queue in found]


def set_table(pmd: Testpmd, queues: list[int]) -> None:
    for at in range(0, 128, 8):  # testpmd's words are not longer
        pairs = ",".join(f"({n},{queues[n]})" for n in range(at, at + 8))
        assert pmd.tell(f"port config 0 rss reta {pairs}").strip() == TAKEN


@pytest.fixture
def wide(lab: Lab) -> Iterator[Line]:
    """Veth pairs of 4 queues."""
    yield lab.line(queues=4)


# ---- the program's RSS ----


@pytest.mark.parametrize("queues", [1, 2, 3, 5, 8])
def test_one_hardware_queue_feeds_several(
    line: Line, tg: TrafficGenerator, tmp_path: Path, queues: int
) -> None:
    """Software RSS on a veth with one queue.

    Steps: one packet of each of 256 flows, twice.
    Check: all arrive; each queue gets at least half of its share; each flow is where it was.
    """
    options = [*FORWARD, f"--rxq={queues}", f"--txq={queues}"]
    with prompt(line.sut, tmp_path, f"iface=wan,steer=all,queues={queues}", *options) as pmd:
        pmd.tell_all("set verbose 1", "start")
        first = queues_of(pmd, tg, line)
        again = queues_of(pmd, tg, line)
        counted = pmd.xstats()
    assert len(first) == FLOWS and again == first
    share = {queue: list(first.values()).count(queue) for queue in range(queues)}
    assert min(share.values()) >= FLOWS / queues / 2
    assert [counted[f"rx_q{n}_packets"] for n in range(queues)] == [2 * k for k in share.values()]


def test_both_directions_meet_when_symmetric(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """symmetric=1: the way back is in the queue of the way forth.

    Steps: 256 flows, then their answers.
    Check: the same queue for both, and all four queues are used.
    """
    options = [*FORWARD, "--rxq=4", "--txq=4"]
    with prompt(line.sut, tmp_path, "iface=wan,steer=all,queues=4,symmetric=1", *options) as pmd:
        pmd.tell_all("set verbose 1", "start")
        forth = queues_of(pmd, tg, line)
        assert queues_of(pmd, tg, line, back=True) == forth
    assert set(forth.values()) == {0, 1, 2, 3}


def test_the_table_is_changed_while_packets_come(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """`port config 0 rss reta` and `show port 0 rss reta`.

    Steps: read the table; send all to queue 3; then to 1 and 2 by the parity of the entry; then an
    entry to a queue that is not there.
    Check: the table reads as written, flows are where it says; what is refused changes nothing.
    """
    options = [*FORWARD, "--rxq=4", "--txq=4"]
    with prompt(line.sut, tmp_path, "iface=wan,steer=all,queues=4", *options) as pmd:
        pmd.tell_all("set verbose 1", "start")
        assert table(pmd) == [n % 4 for n in range(128)]
        set_table(pmd, [3] * 128)
        assert table(pmd) == [3] * 128
        assert set(queues_of(pmd, tg, line).values()) == {3}
        mixed = [1 + n % 2 for n in range(128)]
        set_table(pmd, mixed)
        for packet in deliver(pmd, tg, line, [flow(line, n) for n in range(FLOWS)]):
            wire = hashed(flow(line, int(packet.src[-2:], 16)))
            assert packet.queue == mixed[toeplitz(KEY, wire) % 128]
        assert pmd.tell("port config 0 rss reta (5,4)").strip() != TAKEN
        assert table(pmd) == mixed


def test_the_hash_is_the_one_of_the_key(line: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """mbuf.hash.rss is Toeplitz over addresses and ports, with the key in force.

    Steps: with the hash offload, 256 flows; another key at the prompt; again.
    Check: every hash is the one computed here; `show port 0 rss-hash key` has the key.
    """
    options = [*FORWARD, "--rxq=4", "--txq=4", "--rx-offloads=0x80000"]
    with prompt(line.sut, tmp_path, "iface=wan,steer=all,queues=4", *options) as pmd:
        pmd.tell_all("set verbose 1", "start")
        for key in (KEY, OTHER_KEY):
            if key is OTHER_KEY:
                pmd.tell(f"port config 0 rss-hash-key ipv4-udp {key.hex()}")
            assert key.hex().upper() in pmd.tell("show port 0 rss-hash key").upper()
            sent = [flow(line, n) for n in range(FLOWS)]
            wires = {p.src: hashed(p) for p in sent}
            for packet in deliver(pmd, tg, line, sent):
                assert packet.rss_hash == toeplitz(key, wires[packet.src])
                assert "RSS_HASH" in packet.flags


def test_what_is_not_hashed_goes_to_the_first_queue(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """And has no hash: the flag is set for real ones only.

    Steps: with the hash offload for UDP, frames of no IP, ICMP, and fragments.
    Check: all in queue 0, without flag.
    """
    options = [*FORWARD, "--rxq=4", "--txq=4", "--rx-offloads=0x80000"]
    macs = (line.left.mac, line.wan.mac)
    whole = packets.udp(macs, (HERE, THERE), size=1000)
    sent = [Ether(src=macs[0], dst=macs[1], type=0x88B5) / Raw(bytes(46))] * 4
    sent += [packets.echo_request(macs, (HERE, THERE), n) for n in range(4)]
    sent += packets.fragments(whole, 400)
    with prompt(line.sut, tmp_path, "iface=wan,steer=all,queues=4", *options) as pmd:
        pmd.tell_all("set verbose 1", "start")
        came = deliver(pmd, tg, line, sent)
    assert {(p.queue, p.rss_hash, "RSS_HASH" in p.flags) for p in came} == {(0, None, False)}


# ---- the device's queues ----


@pytest.mark.parametrize("queues", [1, 3, 4])
def test_a_multi_queue_device_gives_all_its_queues(
    wide: Line, tg: TrafficGenerator, tmp_path: Path, queues: int
) -> None:
    """Whatever queue of the device a packet comes by, there is an rx queue that polls it.

    Steps: 256 flows, which the sending kernel spreads over 4 queues.
    Check: all arrive; the hardware queues' counters and those of the rx queues add up.
    """
    options = [*FORWARD, f"--rxq={queues}", f"--txq={queues}"]
    with prompt(wide.sut, tmp_path, "iface=wan,steer=all,rss=auto", *options) as pmd:
        pmd.tell_all("set verbose 1", "start")
        assert len(queues_of(pmd, tg, wide)) == FLOWS
        counted = pmd.xstats()
    seen = [counted[f"hwq{n}_seen"] for n in range(4)]
    assert sum(seen) == FLOWS == sum(counted[f"rx_q{n}_packets"] for n in range(queues))
    assert sum(n > 0 for n in seen) > 1


def test_every_tx_queue_sends(wide: Line, tmp_path: Path) -> None:
    """txonly on 8 tx queues of a device with 4.

    Steps: send until each queue has sent; stop the port.
    Check: the queues' counters add up to what the kernel of the other end counts, and what its own
    could not hand over; the pool is full.
    """
    before, lost = wide.left.counter("rx_packets"), wide.wan.counter("tx_dropped")
    options = ["--forward-mode=txonly", "--rxq=4", "--txq=8", "--rxd=256", "--txd=256"]
    with prompt(wide.sut, tmp_path, "iface=wan,steer=all", *options) as pmd:
        pmd.tell("start")

        def all_sent() -> bool:
            counted = pmd.xstats()
            return all(counted[f"tx_q{n}_packets"] > 100 for n in range(4))

        until(all_sent, what="packets of each queue")
        pmd.tell_all("stop", "port stop 0")
        counted = pmd.xstats()
        assert pmd.free_mbufs() == 8192
    sent = sum(counted[f"tx_q{n}_packets"] for n in range(8))
    lost = wide.wan.counter("tx_dropped") - lost
    assert wide.left.counter("rx_packets") - before + lost == sent


def test_other_hardware_queues_stay_with_the_kernel(
    wide: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """start_queue and hw_queues: a window of the device's queues.

    Steps: two of four queues for us; 256 flows; count what the kernel gets of them.
    Check: each packet is in one place; both got some; those of one flow are in the same place.
    """
    sent = [flow(wide, n) for n in range(FLOWS)]
    devargs = "iface=wan,steer=all,start_queue=1,hw_queues=2"
    with prompt(wide.sut, tmp_path, devargs, *FORWARD, "--rxq=2", "--txq=2") as pmd:
        pmd.tell_all("set verbose 1", "start")
        begin = pmd.here()
        with tg.capture(wide.wan, match=lambda p: UDP in p) as kernels:

            def told() -> int:
                kernels.settle(0, 1)
                return len(kernels) + len(pmd.received(0, begin))

            for at in range(0, 2 * FLOWS, 64):  # the rings have room for these
                tg.send(wide.left, [*sent, *sent][at : at + 64])
                until(lambda: told() >= at + 64, what="each to be in one place")
        ours = [p.src for p in pmd.received(0, begin)]
        counted = pmd.xstats()
    theirs = [p.src for p in kernels]
    assert len(ours) + len(theirs) == 2 * FLOWS
    assert ours and theirs and not set(ours) & set(theirs)
    assert counted["hwq1_seen"] + counted["hwq2_seen"] == len(ours)
    assert "hwq0_seen" not in counted and "hwq3_seen" not in counted


def test_two_ports_of_one_device_are_refused(
    wide: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """Even of different queues: an interface has one program.

    Check: the second port is refused with one line, the first one works.
    """
    windows = [f"iface=wan,steer=all,start_queue={n},hw_queues=2" for n in (0, 2)]
    with prompt(wide.sut, tmp_path, windows) as pmd:
        assert len(pmd.complaints()) == 1
        assert pmd.info("Link status") == "up"


def test_software_rss_on_many_hardware_queues(
    wide: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """More rx queues than the device has: a socket for each on each hardware queue.

    Steps: 8 rx queues on 4; 256 flows, twice.
    Check: each of the 8 gets its share; a flow stays where it is.
    """
    options = [*FORWARD, "--rxq=8", "--txq=8"]
    devargs = "iface=wan,steer=all,queues=8"
    with prompt(wide.sut, tmp_path, devargs, *options, mbufs=32768, mib=128) as pmd:
        pmd.tell_all("set verbose 1", "start")
        first = queues_of(pmd, tg, wide)
        assert queues_of(pmd, tg, wide) == first
    share = [list(first.values()).count(queue) for queue in range(8)]
    assert sum(share) == FLOWS and min(share) >= FLOWS / 8 / 2


def test_more_queues_than_offered_are_refused(line: Line, tmp_path: Path) -> None:
    """queues= is what the port offers, and testpmd asks.

    Check: 3 of 2 is refused at the prompt; 2 works.
    """
    with prompt(line.sut, tmp_path, "iface=wan,steer=all,queues=2") as pmd:
        pmd.tell("port stop 0")
        assert "can't be greater" in pmd.tell("port config all rxq 3")
        pmd.tell_all("port config all rxq 2", "port config all txq 2", "port start 0")
        assert pmd.info("Current number of RX queues") == "2"
        assert pmd.info("Link status") == "up"


def test_rss_of_a_device_that_has_none_is_refused(line: Line, tmp_path: Path) -> None:
    """rss=hw on a veth.

    Check: the port does not start, one line says why, and testpmd ends in order.
    """
    options = ["--rxq=2", "--txq=2"]
    with prompt(line.sut, tmp_path, "iface=wan,steer=all,queues=2,rss=hw", *options) as pmd:
        assert any("no indirection table" in said for said in pmd.complaints())
        assert pmd.info("Link status") == "down"
        assert pmd.quit() == 0
