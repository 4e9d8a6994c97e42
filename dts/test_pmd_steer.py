# SPDX-License-Identifier: BSD-3-Clause
"""What net_weir_xdp leaves to the kernel: steer= and owns=, with real programs at the other end."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from weir import packets, peers
from weir.lab import Lab, Line
from weir.testpmd import NEEDED, Testpmd, prompt
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.layers.l2 import ARP

pytestmark = NEEDED

PEER, OURS = "198.51.100.1", "198.51.100.2"
PEER6, OURS6 = "2001:db8::1", "2001:db8::2"


@pytest.fixture
def hosts(lab: Lab) -> Iterator[Line]:
    """Both kernels at the ends of left === wan have addresses of both families."""
    line = lab.line(ipv6=True)
    line.sut.run("sysctl", "-qw", "net.ipv6.conf.wan.disable_ipv6=0")
    for port, addresses in ((line.left, (PEER, PEER6)), (line.wan, (OURS, OURS6))):
        for address, bits in zip(addresses, (24, 64)):
            port.add_address(f"{address}/{bits}")
    yield line


@contextmanager
def server(line: Line, port: int, address: str = OURS) -> Iterator[None]:
    """A TCP server of the kernel's behind wan."""
    with line.sut.inside():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listening = socket.create_server((address, port), family=family)
    with listening:
        yield


def connects(line: Line, port: int, address: str = OURS, wait_s: int = 1) -> bool:
    done = line.left.netns.run("nc", "-z", "-w", str(wait_s), address, str(port), check=False)
    return done.returncode == 0


def check(line: Line, port: int, mine: bool, address: str = OURS) -> None:
    """Whether a connection is the kernel's; what is not gets a second to become one."""
    assert connects(line, port, address, 15 if mine else 1) == mine, f"{address} {port}"


def seen_by(pmd: Testpmd, line: Line, tg: TrafficGenerator, **ports: int) -> int:
    """How many of 10 UDP frames testpmd's rxonly got, by its words (`set verbose 1`)."""
    begin, source = pmd.here(), "02:00:00:00:0a:0a"
    frame = packets.udp((source, line.wan.mac), (PEER, OURS), **ports)
    tg.send(line.left, [frame] * 10)
    tg.send(line.left, packets.udp(("02:00:00:00:0b:0b", line.wan.mac), (PEER, OURS), dport=7777))
    until(lambda: "02:00:00:00:0B:0B" in pmd.read(begin), what="the last frame")
    return sum(packet.src == source for packet in pmd.received(1, begin))


@contextmanager
def watching(line: Line, directory: Path, devargs: str) -> Iterator[Testpmd]:
    with prompt(line.sut, directory, devargs, "--forward-mode=rxonly") as pmd:
        pmd.tell_all("set verbose 1", "start")
        yield pmd


def test_by_default_the_host_keeps_its_own(
    hosts: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """Neighbours, ssh and BGP stay with the kernel; the rest is ours.

    Steps: without steer=: connect to ports 22, 179 and 80 over both families; send UDP.
    Check: ARP and ND are answered; 22 and 179 connect, 80 does not (its SYNs are testpmd's); the UDP
    frames are testpmd's.
    """
    with watching(hosts, tmp_path, "iface=wan") as pmd:
        for address in (OURS, OURS6):
            for port, mine in ((22, True), (179, True), (80, False)):
                with server(hosts, port, address):
                    check(hosts, port, mine, address)
        assert seen_by(pmd, hosts, tg) == 10


def test_an_address_that_comes_later_is_the_hosts_too(
    hosts: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """The kernel's addresses are followed.

    Steps: add an address while it runs; connect to its port 22; delete it; ask for it with ARP.
    Check: it connects; then the question is testpmd's.
    """
    later = "198.51.100.77"
    with watching(hosts, tmp_path, "iface=wan") as pmd:
        hosts.wan.add_address(f"{later}/24")
        with server(hosts, 22, later):
            until(lambda: connects(hosts, 22, later), timeout=20, what="port 22 of the new address")
        hosts.sut.run("ip", "address", "delete", f"{later}/24", "dev", "wan")
        begin = pmd.here()

        def asked() -> bool:
            tg.send(hosts.left, packets.who_has("02:00:00:00:0c:0c", (PEER, later)))
            return "02:00:00:00:0C:0C" in pmd.read(begin)

        until(asked, what="the question to reach testpmd")


def test_owns_takes_an_address_away_from_the_host(hosts: Line, tmp_path: Path) -> None:
    """owns=: what the kernel has is ours all the same.

    Steps: owns= our address; connect to port 22 over both families.
    Check: not over IPv4, over IPv6 it does.
    """
    with watching(hosts, tmp_path, f"iface=wan,owns={OURS}"):
        for address, mine in ((OURS, False), (OURS6, True)):
            with server(hosts, 22, address):
                check(hosts, 22, mine, address)


def test_steer_all_leaves_nothing(hosts: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """Not even ARP."""
    with watching(hosts, tmp_path, "iface=wan,steer=all") as pmd:
        with server(hosts, 22):
            assert not connects(hosts, 22)
        ask = packets.who_has(hosts.left.mac, (PEER, OURS))
        assert tg.ask(hosts.left, ask, lambda p: ARP in p and p[ARP].op == 2, 0.5) is None
        assert seen_by(pmd, hosts, tg) == 10


def test_steer_kernel_names_what_stays(hosts: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """The kernel's by name, the rest ours.

    Steps: steer=kernel:arp+icmp+tcp/8000-8001+udp/53+ip/198.51.100.64/26: each of these, and others.
    Check: those are the kernel's, others are testpmd's.
    """
    words = "kernel:arp+icmp+tcp/8000-8001+udp/53+ip/198.51.100.64/26"
    with watching(hosts, tmp_path, f"iface=wan,steer={words}") as pmd:
        assert peers.ping(hosts.left.netns, OURS).received == 3
        for port, mine in ((8000, True), (8001, True), (8002, False), (22, False)):
            with server(hosts, port):
                check(hosts, port, mine)
        assert seen_by(pmd, hosts, tg, dport=53) == 0
        assert seen_by(pmd, hosts, tg, dport=54) == 10


def test_steer_user_names_what_is_ours(hosts: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """Ours by name, the rest the kernel's.

    Steps: steer=user:udp/53+udp/7777+eth/0x88b5: these, ping and a connection.
    Check: those are testpmd's, the others work with the kernel.
    """
    with watching(hosts, tmp_path, "iface=wan,steer=user:udp/53+udp/7777+eth/0x88b5") as pmd:
        for address in (OURS, OURS6):
            assert peers.ping(hosts.left.netns, address).received == 3
        with server(hosts, 80):
            check(hosts, 80, True)
        assert seen_by(pmd, hosts, tg, dport=53) == 10
        assert seen_by(pmd, hosts, tg, dport=54) == 0
