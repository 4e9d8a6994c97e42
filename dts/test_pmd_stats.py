# SPDX-License-Identifier: BSD-3-Clause
"""What net_weir_xdp counts and tells, to its own process and to others."""

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from weir import packets
from weir.lab import Line
from weir.testpmd import NEEDED, PLUGIN, Testpmd, prompt
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.packet import Packet

pytestmark = NEEDED

ALL = "iface=wan,steer=all"
RXONLY = "--forward-mode=rxonly"
MACSWAP = "--forward-mode=macswap"
TINY = ("--rxd=64", "--txd=64")
LOST = ("xdp_rx_dropped", "xdp_rx_ring_full", "truncated", "left")


def frame(line: Line, dport: int = 9) -> Packet:
    macs = (line.left.mac, line.wan.mac)
    return packets.udp(macs, ("198.51.100.1", "198.51.100.2"), dport=dport)


def check_sums(counted: dict[str, int], rx_queues: int = 1) -> int:
    """Whether every packet that was seen is in one place. Returns how many were."""
    hw = {key: counted[f"hwq0_{key}"] for key in ("seen", "passed", "dropped", "failed")}
    redirected = counted["hwq0_redirected"]
    assert hw["seen"] == hw["passed"] + hw["dropped"] + hw["failed"] + redirected
    rx = [
        sum(counted[f"rx_q{n}_{key}"] for key in ("packets", "waiting", *LOST))
        for n in range(rx_queues)
    ]
    assert redirected == sum(rx)
    return hw["seen"]


# ---- sums ----


def test_every_packet_of_a_flood_is_in_one_place(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """Rings of 64, and nobody who polls.

    Steps: 5,000 packets while it forwards; 5,000 while it does not, of which a ring has room for
    few; rules that drop and pass some; 5,000 more; stop the port with packets in the ring.
    Check: after each step what the kernel of the other end sent is what the program saw, that is
    what it passed, dropped and redirected, and that is what was received, waits, and was lost.
    """
    some = [frame(line, port) for port in range(10)] * 500
    with prompt(line.sut, tmp_path, ALL, RXONLY, *TINY) as pmd:
        before = line.left.counter("tx_packets")

        def settled() -> dict[str, int]:
            """The counters, twice the same: nothing is under way."""
            last: dict[str, int] = {}
            while True:
                now = pmd.xstats()
                if now == last:
                    return now
                last = now

        def look() -> dict[str, int]:
            sent = line.left.counter("tx_packets") - before
            until(lambda: pmd.xstats()["hwq0_seen"] >= sent, what="the program to see all")
            counted = settled()
            assert check_sums(counted) == sent
            return counted

        pmd.tell("start")
        tg.send(line.left, some)
        look()
        pmd.tell("stop")
        tg.send(line.left, some)
        lost = sum(look()[f"rx_q0_{key}"] for key in LOST)
        assert lost >= 4500 and lost == pmd.counts().rx_missed
        pmd.create("pattern eth / ipv4 / udp dst is 3 / end actions drop / end")
        pmd.create("pattern eth / ipv4 / udp dst is 4 / end actions passthru / end")
        pmd.tell("start")
        tg.send(line.left, some)
        counted = look()
        assert (counted["hwq0_dropped"], counted["hwq0_passed"]) == (500, 500)
        pmd.tell("stop")
        tg.send(line.left, some[:20])
        pmd.tell("port stop 0")
        counted = look()
        assert counted["rx_q0_left"] > 0 and counted["rx_q0_waiting"] == 0


def test_what_is_sent_adds_up_with_tiny_rings(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """macswap with rings of 64.

    Steps: 5,000 packets at full speed; stop the port.
    Check: received and not sent is what testpmd calls dropped; the other end's kernel got what was
    sent, less what ours could not hand over; the wake-ups are counted, and are fewer than the packets.
    """
    came, lost = line.left.counter("rx_packets"), line.wan.counter("tx_dropped")
    with prompt(line.sut, tmp_path, ALL, MACSWAP, *TINY) as pmd:
        pmd.tell("start")
        tg.send(line.left, [frame(line)] * 5000)
        text = pmd.tell("stop")
        pmd.tell("port stop 0")
        counts, counted = pmd.counts(), pmd.xstats()
    dropped = int(re.findall(r"TX-dropped: (\d+)", text)[-1])
    assert counts.rx_packets == counts.tx_packets + dropped
    assert counted["tx_q0_left"] == 0 and counted["tx_q0_copied"] == 0
    lost = line.wan.counter("tx_dropped") - lost
    assert line.left.counter("rx_packets") - came + lost == counts.tx_packets
    assert 0 < counted["tx_q0_wakeups"] <= counts.tx_packets


def test_a_pool_that_runs_dry_is_counted(line: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """Nothing breaks when there are no buffers, and all goes on when there are again.

    Steps: a pool just large enough for the rings of two ports; io with the peer of the second one
    down, so that what is sent is held; flood; bring it up, send again.
    Check: the sums hold; packets go through afterwards.
    """
    ports = [ALL, "iface=lan,steer=all"]
    with prompt(line.sut, tmp_path, ports, "--rxd=512", "--txd=512", mbufs=1100) as pmd:
        pmd.tell("start")
        line.right.set("down")
        tg.send(line.left, [frame(line)] * 3000)
        line.right.set("up")
        until(lambda: pmd.info("Link status", 1) == "up", what="the link")
        before = pmd.counts(1).tx_packets
        tg.send(line.left, [frame(line)] * 100)
        until(lambda: pmd.counts(1).tx_packets > before, what="packets again")
        pmd.tell_all("stop", "port stop all")
        check_sums(pmd.xstats())
        assert pmd.free_mbufs() == 1100


def test_counters_begin_anew_when_cleared(line: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """`clear port stats` and `clear port xstats`; a stop and a start do not.

    Steps: 10 packets; stop, start; 10 more; clear; 5 more.
    Check: 20, then 0, then 5.
    """
    with prompt(line.sut, tmp_path, ALL, RXONLY) as pmd:

        def send(count: int, total: int) -> None:
            tg.send(line.left, [frame(line)] * count)
            until(lambda: pmd.counts().rx_packets == total, what=f"{total} packets")

        pmd.tell_all("start")
        send(10, 10)
        pmd.tell_all("stop", "port stop 0", "port start 0")
        assert pmd.xstats()["hwq0_seen"] == 10
        pmd.tell("clear port stats all")
        pmd.tell("start")
        send(10, 10)
        pmd.tell("clear port xstats all")
        assert {n for key, n in pmd.xstats().items() if "packets" in key or "seen" in key} == {0}
        send(5, 5)
        assert check_sums(pmd.xstats()) == 5


def test_all_statistics_have_their_names(line: Line, tmp_path: Path) -> None:
    """For each queue the six of the socket, and the driver's; for each hardware queue the program's.

    Check: with 2 rx and 3 tx queues, all of them once, and nothing of a third rx queue.
    """
    rx = ["packets", "bytes", "errors", "no_mbuf", "wakeups", "xdp_rx_dropped"]
    rx += ["xdp_rx_ring_full", "xdp_fill_ring_empty", "xdp_rx_invalid_descs", "left", "waiting"]
    tx = ["packets", "bytes", "wakeups", "wakeup_again", "wakeup_error", "copied", "no_mbuf"]
    tx += ["ring_full", "soft_cksum", "xdp_tx_invalid_descs", "xdp_tx_ring_empty", "left"]
    hw = ["seen", "passed", "dropped", "redirected", "failed", "too_short", "bytes"]
    devargs = f"{ALL},queues=2"
    with prompt(line.sut, tmp_path, devargs, "--rxq=2", "--txq=3", "--rxd=256") as pmd:
        names = set(pmd.xstats())
    wanted = {f"rx_q{n}_{key}" for n in range(2) for key in rx}
    wanted |= {f"tx_q{n}_{key}" for n in range(3) for key in tx}
    wanted |= {f"hwq0_{key}" for key in hw} | {"bind_retries", "mode_native", "zero_copy"}
    assert wanted <= names
    assert not any(key.startswith(("rx_q2_", "tx_q3_", "hwq1_")) for key in names)


# ---- telemetry ----


def ask(pmd: Testpmd, command: str) -> Any:
    """What DPDK's telemetry answers, as dpdk-telemetry.py asks."""
    (path,) = Path(f"/var/run/dpdk/{pmd.prefix}").glob("dpdk_telemetry.v2*")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(15)
        sock.connect(str(path))
        sock.recv(65536)
        sock.send(command.encode())
        answer = json.loads(sock.recv(65536))
    return answer[command.split(",")[0]]


def test_telemetry_tells_what_the_port_got(line: Line, tmp_path: Path) -> None:
    """/weir/xdp/list and /weir/xdp/info.

    Check: mode, memory, program and sockets, as ip and bpftool know them; of a stopped port there is
    no program; a port that is none is told in words.
    """
    options = ["--rxq=2", "--txq=2", "--rxd=256"]
    with prompt(line.sut, tmp_path, f"{ALL},queues=2", *options) as pmd:
        assert ask(pmd, "/weir/xdp/list") == [0]
        info = ask(pmd, "/weir/xdp/info,0")
        shown = line.sut.run("ip", "-json", "-d", "link", "show", "dev", "wan").stdout
        link = json.loads(shown)[0]
        assert (info["interface"], info["ifindex"]) == ("wan", link["ifindex"])
        assert (info["attach_mode"], info["memory"], info["started"]) == ("native", "copy", 1)
        assert info["program_id"] == link["xdp"]["prog"]["id"]
        assert {sock["rx_queue"] for sock in info["sockets"].values()} == {0, 1}
        assert info["software_rss"] == 1 and info["busy_poll"] == 0
        pmd.tell("port stop 0")
        info = ask(pmd, "/weir/xdp/info,0")
        assert (info["attach_mode"], info["program_id"], info["started"]) == ("none", 0, 0)
        assert info["sockets"] == {}
        for bad in ("", ",7", ",x", ",-1", ",0x0"):
            assert "must be a port" in str(ask(pmd, f"/weir/xdp/info{bad}"))


# ---- secondary processes ----


@pytest.fixture
def hugepages(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """EAL's options for memory that a second process can map."""
    folder = tmp_path / "huge"
    folder.mkdir()
    subprocess.run(["mount", "-t", "hugetlbfs", "none", str(folder)], check=True, timeout=10)
    try:
        yield ("--huge-dir", str(folder))
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=10)


def test_proc_info_sees_all_statistics(
    line: Line, tg: TrafficGenerator, tmp_path: Path, hugepages: tuple[str, ...]
) -> None:
    """dpdk-proc-info is a secondary process.

    Steps: 50 packets; ask it for the extended statistics; afterwards 50 more.
    Check: they are those of the prompt; the primary goes on receiving.
    """
    with prompt(line.sut, tmp_path, ALL, RXONLY, eal=hugepages) as pmd:
        pmd.tell("start")
        tg.send(line.left, [frame(line)] * 50)
        until(lambda: pmd.counts().rx_packets == 50, what="the packets")
        eal = ["--no-pci", "--file-prefix", pmd.prefix, "-d", str(PLUGIN)]
        done = line.sut.run("dpdk-proc-info", *eal, "--", "--xstats", "-p", "1", check=False)
        told = dict(re.findall(r"(?m)^(\w+): (\d+)$", done.stdout))
        mine = pmd.xstats()
        assert {key: int(told[key]) for key in mine} == mine, done.stdout + done.stderr
        assert mine["rx_q0_packets"] == 50
        tg.send(line.left, [frame(line)] * 50)
        until(lambda: pmd.counts().rx_packets == 100, what="more packets")


def test_a_secondary_process_polls_a_queue(
    line: Line, tg: TrafficGenerator, tmp_path: Path, hugepages: tuple[str, ...]
) -> None:
    """testpmd's own way of sharing: each of two processes has one of two queues.

    Steps: macswap in both, 128 flows; end the secondary.
    Check: every frame comes back; both queues sent some; the primary's queue works on alone.
    """
    macs = (line.left.mac, line.wan.mac)
    flows = [packets.udp(macs, ("198.51.100.1", "198.51.100.2"), sport=n) for n in range(1, 129)]
    share = ["--rxq=2", "--txq=2", "--rxd=256", "--rss-udp", "--num-procs=2", MACSWAP]
    devargs = f"{ALL},queues=2"
    with prompt(line.sut, tmp_path, devargs, *share, "--proc-id=0", eal=hugepages) as first:
        second = ("--proc-type=secondary", "--file-prefix", first.prefix)
        both = prompt(line.sut, tmp_path, (), *share, "--proc-id=1", eal=second, cores="0@1,1@0")
        with both as other:
            first.tell("start")
            other.tell("start")
            with tg.capture(line.left, count=128) as seen:
                tg.send(line.left, flows)
            assert len(seen) == 128

            def sent() -> int:
                now = first.xstats()
                return now["tx_q0_packets"] + now["tx_q1_packets"]

            until(lambda: sent() == 128, what="all to be counted")
            counted = first.xstats()
            assert min(counted["tx_q0_packets"], counted["tx_q1_packets"]) > 32
            other.tell("stop")
            assert other.quit() == 0
        with tg.capture(line.left, counted["tx_q0_packets"]) as seen:
            tg.send(line.left, flows)
        assert len(seen) == counted["tx_q0_packets"]
