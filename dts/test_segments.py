# SPDX-License-Identifier: BSD-3-Clause
"""TCP segments of many packets: sent to a port that cuts them, and merged when they come in a burst.

host (Linux) === testpmd [net_vhost] ~~~ vhost-user ~~~ net_virtio_user wan [weir-httpd]

virtio is a port that cuts. Its back end, testpmd, either passes long segments on as they are, over a
link of 65,535 bytes, or has DPDK's net_tap cut them for a link of 1,500.
"""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from weir import peers
from weir.beyond import beyond, goes_round, nftables, nothing_is_left
from weir.lab import Lab
from weir.netns import Netns
from weir.router import LEFT, LEFT6, SMALL, WAN, WAN6
from weir.sut import App, Sut
from weir.testpmd import NEEDED, Testpmd, prompt

pytestmark = NEEDED

MIB = 1 << 20
FILE = random.Random(5).randbytes(4 * MIB + 321)
# What net_tap takes: its pieces have at most 1,500 bytes, with their Ethernet header.
TAP_MTU = 1480
PIECE = TAP_MTU - 20 - 32  # IPv4, TCP with timestamps
# net_af_packet takes no frame longer than 15 pages; 64 pieces of this MSS are not.
SMALL_MSS = 900


@dataclass(frozen=True)
class Cutting:
    """weir-httpd behind virtio, its back end, and the Linux host behind that."""

    app: App
    pmd: Testpmd
    host: Netns

    def fetch(self, address: str = WAN) -> bytes:
        at = f"[{address}]" if ":" in address else address
        return peers.curl(self.host, f"http://{at}/file")

    def rose(self, name: str) -> int:
        """How far a counter of the stack rose since the last mark."""
        return self.app.rose(f"weir_stack_{name}_total")

    def kernel(self, name: str) -> int:
        """One of the host's counters, as nstat has them."""
        found = re.search(rf"(?m)^{name} +(\d+)", self.host.run("nstat", "-asz", name).stdout)
        assert found is not None
        return int(found[1])


def back_end(socket: Path, other: str) -> tuple[str, ...]:
    """EAL's arguments: port 0 is vhost-user's, port 1 the other."""
    vhost = f"net_vhost0,iface={socket},tso=1"
    return "--in-memory", "--vdev", vhost, "--vdev", other


@contextmanager
def httpd(directory: Path, own: Netns, socket: Path, mtu: int) -> Iterator[App]:
    """weir-httpd with the file, once the back end listens at its socket."""
    root = directory / "root"
    root.mkdir()
    (root / "file").write_bytes(FILE)
    wan = {
        "device": f"net_virtio_user0,path={socket},queue_size=1024",
        "addresses": [f"{WAN}/24", f"{WAN6}/64"],
        "mtu": mtu,
    }
    config = {
        # The back end maps our memory, at most eight pieces of it.
        "runtime": {"workers": [0], "poll": "adaptive", "eal": ["--single-file-segments"]},
        "ports": {"wan": wan},
        "limits": SMALL,
        "stack": {"memory": "8MiB", "connections": 1024},
        "httpd": {"root": str(root)},
    }
    sut = Sut(directory)
    try:
        yield sut.start("weir-httpd", config, own)
    finally:
        sut.close()


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Cutting]:
    """Long segments reach Linux as they left weir. vhost finishes their checksums from what weir has
    put in, so Linux refuses them if that is wrong."""
    socket = tmp_path / "vhost"
    packet = "net_af_packet0,iface=mid,framesz=61440,blocksz=61440,framecnt=64"
    with Lab() as lab:
        host, own = lab.netns("host"), lab.netns("own", ipv6=False)
        left, _ = lab.veth((host, "left"), (own, "mid"), mtu=65535)
        for address, net in ((f"{LEFT}/24", "10.0.1.0/24"), (f"{LEFT6}/64", "2001:db8:1::/64")):
            left.add_address(address)
            host.run("ip", "route", "del", net, "dev", "left")
            host.run("ip", "route", "add", net, "dev", "left", "advmss", str(SMALL_MSS))
        how = {"eal": back_end(socket, packet), "mib": 128, "mbufs": 1100}
        with prompt(own, tmp_path, [], "--mbuf-size=65535", **how) as pmd:
            pmd.tell("start")
            with httpd(tmp_path, own, socket, 1500) as app:
                yield Cutting(app, pmd, host)


@pytest.fixture
def cut(tmp_path: Path) -> Iterator[Cutting]:
    """Long segments are cut behind virtio, by librte_gso, which knows IPv4 alone."""
    socket = tmp_path / "vhost"
    with Lab() as lab:
        host, own = lab.netns("host"), lab.netns("own", ipv6=False)
        how = {"eal": back_end(socket, "net_tap0,iface=tap"), "mbufs": 4096}
        with prompt(host, tmp_path, [], "--forward-mode=csum", **how) as pmd:
            pmd.tell_all("port stop all", f"tso set {PIECE} 1")
            pmd.tell_all(*(f"csum set {layer} hw 1" for layer in ("ip", "tcp", "udp")))
            pmd.tell_all(*(f"csum mac-swap off {port}" for port in (0, 1)), "port start all")
            host.run("ip", "address", "add", f"{LEFT}/24", "dev", "tap")
            pmd.tell("start")
            with httpd(tmp_path, own, socket, TAP_MTU) as app:
                yield Cutting(app, pmd, host)


def test_long_segments_leave_in_one_piece(whole: Cutting) -> None:
    """TSO: the port gets up to 64 packets' worth with one header, and the sum that virtio wants.

    Steps: fetch 4 MiB with curl, over IPv4, then over IPv6.
    Check: the bytes; testpmd has got frames of ten times the MSS and more, on an average; none was
    cut by weir, and Linux found no checksum wrong.
    """
    net = whole
    for address in (WAN, WAN6):
        net.app.mark()
        net.pmd.clear()
        assert net.fetch(address) == FILE
        came = net.pmd.counts(0)
        assert came.rx_bytes > 10 * SMALL_MSS * came.rx_packets
        assert net.rose("tcp_long_packets") > 0 and net.app.rose("weir_tx_cut_packets_total") == 0
        assert "tx_refused" not in net.app.drops_since_start()
    assert [net.kernel(name) for name in ("TcpInCsumErrors", "IpInHdrErrors")] == [0, 0]


def test_long_segments_say_where_they_are_to_be_cut(cut: Cutting) -> None:
    """virtio's header has the size of the pieces, and Linux takes what they are.

    Steps: let testpmd tell of each packet; fetch 4 MiB with curl.
    Check: the bytes; each long segment was to be cut to the MSS, and has an Ethernet header of 14
    bytes, an IPv4 one of 20 and a TCP one of 32; more packets left testpmd than came.
    """
    net = cut
    since = net.pmd.here()
    net.pmd.tell("set verbose 1")
    net.pmd.clear()
    try:
        assert net.fetch() == FILE
    finally:
        net.pmd.tell("set verbose 0")
    said = net.pmd.read(since)
    heads = re.findall(
        r"rx: l2_len=(\d+) ethertype=\w+ l3_len=(\d+) l4_proto=6 l4_len=(\d+) .*\s+"
        r"rx: m->lro_segsz=(\d+)", said,
    )  # fmt: skip
    assert set(heads) == {("14", "20", "32", str(PIECE))}
    assert net.pmd.counts(1).tx_packets > 3 * net.pmd.counts(0).rx_packets


def test_a_piece_that_is_lost_is_sent_again_alone(cut: Cutting) -> None:
    """What is lost behind the port is a part of what TCP sent as one.

    Steps: let the host lose 1 % of the pieces; fetch 4 MiB.
    Check: the bytes; segments were sent again, at most 3 % of them, and most without a timer.
    """
    net = cut
    net.app.mark()
    rule = "tcp sport 80 numgen random mod 100 == 0 counter drop"
    with nftables(net.host, "prerouting priority raw", rule):
        assert net.fetch() == FILE
    sent, again = net.rose("tcp_out_segments"), net.rose("tcp_resent_segments")
    assert sent / 300 < again < sent / 33, f"{again} of {sent} were sent again"
    assert net.rose("tcp_long_packets") > 0 and net.rose("tcp_rto") < again / 2


def test_bursts_are_merged(tmp_path: Path) -> None:
    """What Linux sends in bulk comes in bursts over AF_XDP.

    Steps: send 4 MiB to weir-echo and back, over IPv4, then over IPv6.
    Check: their checksum; segments were merged, a tenth of those that came and more; no buffer is
    left over.
    """
    with beyond(tmp_path, {}) as net:
        for address in (WAN, WAN6):
            net.app.mark()
            goes_round(net.far, address, 4 * MIB)
            came, merged = net.rose("tcp_in_segments"), net.rose("tcp_merged_segments")
            assert came > merged > came / 10, f"{merged} of {came} were merged"
        nothing_is_left(net)
