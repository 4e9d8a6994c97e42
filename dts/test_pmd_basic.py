# SPDX-License-Identifier: BSD-3-Clause
"""net_weir_xdp in testpmd: frames in and out as they are, each of them counted."""

from pathlib import Path

import pytest

from weir import packets, peers
from weir.lab import Lab, Line
from weir.testpmd import NEEDED, Testpmd, prompt
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.layers.l2 import Ether
from scapy.packet import Packet

pytestmark = NEEDED

ADDRESSES = ("198.51.100.1", "198.51.100.2")
BOTH = ["iface=wan,steer=all", "iface=lan,steer=all"]
# Frames of several mbufs, both ways, as testpmd asks for them: SCATTER and MULTI_SEGS.
SEGMENTS = ("--enable-scatter", "--rx-offloads=0x2000", "--tx-offloads=0x8000")


def frames(line: Line, sizes: list[int]) -> list[Packet]:
    """A UDP frame of each size, all different."""
    macs = (line.left.mac, line.wan.mac)
    return [
        packets.udp(macs, ADDRESSES, sport=1024 + n, size=size - 42) for n, size in enumerate(sizes)
    ]


def raw(sent: list[Packet]) -> list[bytes]:
    return [bytes(packet) for packet in sent]


def wait_for(pmd: Testpmd, count: int) -> None:
    until(lambda: pmd.counts().rx_packets >= count, what=f"{count} packets")


def test_io_hands_over_every_frame_as_it_came(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """Two ports that share a pool: what one receives the other sends, without a copy.

    Steps: forward 290 frames of 60 to 1514 bytes from left to right.
    Check: the same bytes come, in order; both ports count them and their bytes, and nothing else.
    """
    sent = frames(line, list(range(60, 1515, 5)))
    with prompt(line.sut, tmp_path, BOTH) as pmd:
        pmd.tell("start")
        with tg.capture(line.right, count=len(sent)) as seen:
            tg.send(line.left, sent)
        until(lambda: pmd.counts(1).tx_packets >= len(sent), what="all to be counted")
        wan, lan = pmd.counts(0), pmd.counts(1)
        copied = [value for key, value in pmd.xstats(1).items() if "copied" in key]
    assert raw(list(seen)) == raw(sent)
    size = sum(len(frame) for frame in raw(sent))
    assert (wan.rx_packets, wan.rx_bytes) == (lan.tx_packets, lan.tx_bytes) == (len(sent), size)
    assert (wan.tx_packets, lan.rx_packets) == (0, 0)
    assert (wan.rx_missed, wan.rx_errors, wan.rx_nombuf, lan.tx_errors) == (0, 0, 0, 0)
    assert copied and sum(copied) == 0


def test_macswap_sends_back(line: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """One port, both directions.

    Steps: 200 frames from the left.
    Check: each comes back with its MAC addresses swapped.
    """
    sent = frames(line, [60 + n for n in range(200)])
    with prompt(line.sut, tmp_path, BOTH[:1], "--forward-mode=macswap") as pmd:
        pmd.tell("start")
        with tg.capture(line.left, count=len(sent)) as seen:
            tg.send(line.left, sent)
    for frame in sent:
        frame.src, frame.dst = frame.dst, frame.src
    assert raw(list(seen)) == raw(sent)


@pytest.mark.parametrize(
    "devarg, stat, value",
    [
        ("mode=drv", "mode_native", 1),
        ("mode=skb", "mode_native", 0),
        ("zerocopy=off", "zero_copy", 0),
        ("busy_poll=auto", "busy_poll", 0),  # a veth copies
        ("busy_poll=on", "busy_poll", 1),
        ("busy_poll=on,busy_budget=8,busy_usecs=50", "busy_poll", 1),
        ("need_wakeup=0", "busy_poll", 0),
    ],
)
def test_every_way_of_working_forwards(
    line: Line, tg: TrafficGenerator, tmp_path: Path, devarg: str, stat: str, value: int
) -> None:
    """Whatever the kernel is asked to do otherwise.

    Steps: io of 200 frames, with the argument at both ports.
    Check: the same bytes come; the statistics tell the mode; the pool is full after a stop.
    """
    sent = frames(line, [60 + 7 * n for n in range(200)])
    with prompt(line.sut, tmp_path, [f"{port},{devarg}" for port in BOTH]) as pmd:
        pmd.tell("start")
        with tg.capture(line.right, count=len(sent)) as seen:
            tg.send(line.left, sent)
        assert pmd.xstats()[stat] == value
        pmd.tell_all("stop", "port stop all")
        assert pmd.free_mbufs() == 8192
    assert raw(list(seen)) == raw(sent)


def test_rxonly_takes_and_frees(line: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """Many times more frames than there are buffers.

    Steps: 20,480 frames into a pool of 2,048 buffers, half a ring at a time; stop the port.
    Check: all are counted, nothing comes out, and the pool is full.
    """
    burst = raw(frames(line, [100])) * 256
    options = ["--forward-mode=rxonly", "--rxd=512", "--txd=512"]
    with prompt(line.sut, tmp_path, BOTH[:1], *options, mbufs=2048) as pmd:
        pmd.tell("start")
        with tg.capture(line.left, quiet=0.05) as answers:
            for n in range(80):
                tg.send(line.left, burst)
                wait_for(pmd, 256 * (n + 1))
        counts = pmd.counts()
        pmd.tell_all("stop", "port stop 0")
        assert pmd.free_mbufs() == 2048
    assert (counts.rx_packets, counts.rx_bytes) == (20480, 2048000)
    assert len(answers) == 0


def test_txonly_counts_what_the_kernel_counts(line: Line, tmp_path: Path) -> None:
    """What was taken for sending and what arrived, judged by the other end's kernel.

    Steps: send until 50,000 packets of 200 bytes have arrived; stop; stop the port.
    Check: the port counts as many packets and bytes as the kernel of the left end, and those that
    its own kernel could not hand over.
    """
    before = line.left.counter("rx_packets"), line.left.counter("rx_bytes")
    lost = line.wan.counter("tx_dropped")
    options = ["--forward-mode=txonly", "--txpkts=200"]
    with prompt(line.sut, tmp_path, BOTH[:1], *options) as pmd:
        pmd.tell("start")
        until(lambda: line.left.counter("rx_packets") > before[0] + 50000, what="packets")
        pmd.tell_all("stop", "port stop 0")
        counts = pmd.counts()
        assert pmd.free_mbufs() == 8192
    lost = line.wan.counter("tx_dropped") - lost
    came = line.left.counter("rx_packets") - before[0], line.left.counter("rx_bytes") - before[1]
    assert counts.tx_packets == came[0] + lost and counts.tx_bytes == counts.tx_packets * 200
    assert came[1] == came[0] * 200
    assert counts.rx_packets == 0


@pytest.mark.parametrize("descriptors", [64, 192, 1024, 4096])
def test_rings_of_each_size_wrap(
    line: Line, tg: TrafficGenerator, tmp_path: Path, descriptors: int
) -> None:
    """The smallest and the largest, and both more often round than once.

    Steps: 24 bursts of half a ring (at most 256), each sent when the one before has come back.
    Check: every frame comes back, in order; the pool is full after the port stopped.
    """
    sent = raw(frames(line, [60 + n % 1000 for n in range(min(descriptors // 2, 256))]))
    options = ["--forward-mode=io", f"--rxd={descriptors}", f"--txd={descriptors}"]
    with prompt(line.sut, tmp_path, BOTH[:1], *options, mbufs=16384) as pmd:
        pmd.tell("start")
        for _ in range(24):
            with tg.capture(line.left, count=len(sent), quiet=0.0) as seen:
                tg.send(line.left, sent)
            assert raw(list(seen)) == sent
        until(lambda: pmd.counts().tx_packets >= 24 * len(sent), what="all to be counted")
        assert pmd.counts().rx_packets == pmd.counts().tx_packets == 24 * len(sent)
        pmd.tell_all("stop", "port stop 0")
        assert pmd.free_mbufs() == 16384


@pytest.mark.parametrize("descriptors", [32, 100, 8192])
def test_rings_of_other_sizes_are_refused(line: Line, tmp_path: Path, descriptors: int) -> None:
    """64 to 4096, in steps of 64.

    Steps: start with such a number of descriptors; ask for 512 at the prompt.
    Check: the port does not start, and no program is there; then it does.
    """
    with prompt(line.sut, tmp_path, BOTH[:1], f"--rxd={descriptors}") as pmd:
        assert "nb_rx_desc" in pmd.greeting
        assert "prog/xdp" not in line.sut.run("ip", "-d", "link", "show", "dev", "wan").stdout
        pmd.tell_all("port config all rxd 512", "port start 0")
        assert pmd.info("Link status") == "up"


# ---- frames of several buffers ----


@pytest.fixture
def jumbo(lab: Lab) -> Line:
    return lab.line(mtu=9000)


def test_jumbo_frames_go_through(jumbo: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """9,014 bytes are five buffers in and five descriptors out.

    Steps: io of frames with sizes around each multiple of a buffer up to 9,014 bytes.
    Check: the same bytes come out, in order; none was copied.
    """
    # a buffer holds 1,920: 2,176 less what the kernel keeps in front
    edges = [size + d for size in range(1920, 9000, 1920) for d in (-1, 0, 1)]
    sent = frames(jumbo, [60, 1514, *edges, 9013, 9014])
    options = [*SEGMENTS, "--max-pkt-len=9018"]
    with prompt(jumbo.sut, tmp_path, BOTH, *options) as pmd:
        pmd.tell("start")
        with tg.capture(jumbo.right, count=len(sent)) as seen:
            tg.send(jumbo.left, sent)
        counts = pmd.counts(0)
        pmd.tell_all("stop", "port stop all")
        assert pmd.free_mbufs() == 8192
    assert raw(list(seen)) == raw(sent)
    assert counts.rx_bytes == sum(len(frame) for frame in raw(sent))


def test_a_kernel_pings_with_jumbo_frames(jumbo: Line, tmp_path: Path) -> None:
    """The kernel's own frames, answered by testpmd's icmpecho.

    Steps: ping with 8,972 bytes of data, without fragments.
    Check: every answer comes with the data that was sent (ping looks).
    """
    jumbo.left.add_address("198.51.100.1/24")
    options = [*SEGMENTS, "--max-pkt-len=9018", "--forward-mode=icmpecho"]
    with prompt(jumbo.sut, tmp_path, BOTH[:1], *options) as pmd:
        pmd.tell("start")
        done = peers.ping(jumbo.left.netns, "198.51.100.2", 10, size=8972, dont_fragment=True)
    assert done.received == 10


@pytest.mark.parametrize("sizes", ["64,64", "2000,2000,2000,2000", "14," + ",".join(["100"] * 16)])
def test_packets_of_many_segments_leave_whole(
    jumbo: Line, tg: TrafficGenerator, tmp_path: Path, sizes: str
) -> None:
    """--txpkts with several sizes makes a packet of several mbufs.

    Steps: txonly of such packets until 100 have come.
    Check: each has the length of all its segments together, and testpmd's addresses.
    """
    total = sum(int(size) for size in sizes.split(","))
    options = [*SEGMENTS, "--max-pkt-len=9018", "--forward-mode=txonly", f"--txpkts={sizes}"]
    options += ["--burst=4", "--tx-ip=198.51.100.1,198.51.100.2"]
    with prompt(jumbo.sut, tmp_path, BOTH[:1], *options, mbufs=16384) as pmd:
        with tg.capture(jumbo.left, count=100, quiet=0.0) as seen:
            pmd.tell("start")
            until(lambda: pmd.counts().tx_packets >= 100, what="100 packets")
            pmd.tell("stop")
    assert len(seen) >= 100
    assert {len(packet) for packet in seen} == {total}
    assert {(packet["IP"].src, packet["IP"].dst) for packet in seen} == {ADDRESSES}


def test_a_frame_too_long_for_a_buffer_is_counted(
    jumbo: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """Without scatter there is one buffer a frame.

    Steps: 10 frames of 60 bytes and 10 of 4,000 into a port that has no scatter.
    Check: the 10 that fit come; the others are counted as missed; the next one still comes.
    """
    short, long = frames(jumbo, [60]) * 10, frames(jumbo, [4000]) * 10
    jumbo.left.set("mtu", "3500")  # or native mode would refuse a program without frags
    sent = raw([frame for pair in zip(short, long) for frame in pair])
    jumbo.left.set("mtu", "9000")
    with prompt(jumbo.sut, tmp_path, BOTH[:1], "--forward-mode=rxonly") as pmd:
        pmd.tell("start")
        tg.send(jumbo.left, sent)
        wait_for(pmd, 10)
        until(lambda: pmd.counts().rx_missed >= 10, what="the others to be counted")
        counts = pmd.counts()
    assert (counts.rx_packets, counts.rx_bytes, counts.rx_missed) == (10, 600, 10)


def test_the_shortest_frames_are_taken(line: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """An Ethernet header, and little behind it.

    Steps: frames of 14 to 59 bytes; io.
    Check: the same bytes come.
    """
    head = bytes(Ether(src=line.left.mac, dst=line.wan.mac, type=0x88B5))
    sent = [head + bytes(n) for n in range(46)]
    with prompt(line.sut, tmp_path, BOTH) as pmd:
        pmd.tell("start")
        with tg.capture(line.right, count=len(sent)) as seen:
            tg.send(line.left, sent)
    assert raw(list(seen)) == sent
