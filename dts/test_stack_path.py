# SPDX-License-Identifier: BSD-3-Clause
"""weir's stack over a path that is narrower in its middle: path MTU discovery and fragments."""

import random
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from weir.beyond import ECHO, FAR, FAR6, Beyond, beyond, dialled, goes_round, nftables
from weir.beyond import nothing_is_left, reordering, shown_by_ss
from weir.caps import Cap, requires
from weir.netns import Netns
from weir.router import WAN, WAN6, Config
from weir.wait import until

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

MIB = 1 << 20
NARROW = 1300
DARK, DARK6 = "203.0.113.3", "2001:db8:f::3"
DUSK, DUSK6 = "203.0.113.4", "2001:db8:f::4"
# What a router that cannot pass a packet says, and a bad firewall hides.
TOO_BIG = "icmp type destination-unreachable drop; icmpv6 type packet-too-big drop"


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beyond]:
    """weir-echo, and a far host with more addresses: weir remembers what it learns of each."""
    with beyond(tmp_path_factory.mktemp("path"), {}) as made:
        for more in (DARK, DARK6, DUSK, DUSK6):
            made.end.add_address(f"{more}/{64 if ':' in more else 24}")
        yield made


@contextmanager
def narrow(net: Beyond, address: str) -> Iterator[None]:
    """What the gate passes on to this address of the far host has at most 1300 bytes."""
    mtu = "dev", net.near.name, "mtu", "lock", str(NARROW)
    net.gate.run("ip", "route", "add", address, *mtu)
    try:
        yield
    finally:
        net.gate.run("ip", "route", "del", address)


def echoed(sock: socket.socket, size: int) -> None:
    """So many bytes go to the echo and come back while they do."""
    data = random.Random(size).randbytes(size)
    sender = threading.Thread(target=sock.sendall, args=(data,), daemon=True)
    sender.start()
    back = bytearray()
    while len(back) < size:
        part = sock.recv(1 << 16)
        assert part, "the end"
        back += part
    sender.join(10)
    assert back == data


def rcvmss(far: Netns, sock: socket.socket) -> int:
    """How long the segments are that Linux gets, by its own estimate."""
    found = re.search(r"rcvmss:(\d+)", shown_by_ss(far, sock))
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("ends", ((WAN, FAR), (WAN6, FAR6)), ids=("ip4", "ip6"))
def test_a_narrow_path_is_found_by_what_its_router_says(net: Beyond, ends: tuple[str, str]) -> None:
    """RFC 1191 and RFC 8201: "fragmentation needed", "packet too big".

    Steps: let the gate pass 1300 bytes towards the far host; send megabytes to the echo and back;
    then again.
    Check: the checksum; weir has heard of it, and the second connection begins with segments that
    fit.
    """
    net.app.mark()
    with narrow(net, ends[1]):
        goes_round(net.far, ends[0], 2 * MIB, source=ends[1])
        heard = net.rose("icmp_errors")
        assert heard > 0
        goes_round(net.far, ends[0], 2 * MIB, source=ends[1])
        assert net.rose("icmp_errors") == heard
    nothing_is_left(net)


@pytest.mark.parametrize("ends", ((WAN, DARK), (WAN6, DARK6)), ids=("ip4", "ip6"))
def test_a_black_hole_is_found_by_silence(net: Beyond, ends: tuple[str, str]) -> None:
    """Packetisation layer discovery (RFC 4821): ICMP is filtered.

    Steps: let the gate pass 1300 bytes towards the far host and say nothing about it; send
    megabytes to the echo and back; then again.
    Check: the checksum; timers have run out, probes have found what passes, and ICMP has told
    nothing; the second connection needs no timer.
    """
    net.app.mark()
    with narrow(net, ends[1]), nftables(net.gate, "output priority 0", TOO_BIG):
        goes_round(net.far, ends[0], 8 * MIB, source=ends[1])
        silence = net.rose("tcp_rto")
        assert silence >= 3 and net.rose("tcp_mtu_raised") > 0 and net.rose("tcp_mtu_lost") > 0
        goes_round(net.far, ends[0], MIB, source=ends[1])
    assert net.rose("icmp_errors") == 0 and net.rose("tcp_rto") == silence


@pytest.mark.parametrize("ends", ((WAN, DUSK), (WAN6, DUSK6)), ids=("ip4", "ip6"))
def test_a_path_that_becomes_wider_is_found_by_a_probe(net: Beyond, ends: tuple[str, str]) -> None:
    """RFC 4821 section 7.6.1: segments grow again, without ICMP.

    Steps: let the gate pass 1300 bytes and say nothing; echo a little, until short segments have
    come; let it pass 1500; echo a megabyte on the same connection.
    Check: the far host gets short segments first and full ones in the end; one probe was sent, and
    none was lost.
    """
    net.app.mark()
    with dialled(net.far, ends[0], source=ends[1]) as sock:
        with narrow(net, ends[1]), nftables(net.gate, "output priority 0", TOO_BIG):
            echoed(sock, 8000)
        assert rcvmss(net.far, sock) <= 1024
        echoed(sock, MIB)
        assert rcvmss(net.far, sock) > 1400
    assert net.rose("tcp_mtu_probes") == net.rose("tcp_mtu_raised") == 1
    assert net.rose("icmp_errors") == 0


def test_connections_may_begin_short_and_grow(tmp_path: Path) -> None:
    """`mtu_probing: always`, as Linux's tcp_mtu_probing=2.

    Steps: start weir-echo with segments of 600 bytes to begin with; echo 20 bytes, then a megabyte.
    Check: one probe has made segments full; no timer ran out.
    """
    config: Config = {"stack": {"mtu_probing": "always", "base_mss": 600}}
    with beyond(tmp_path, config) as net, dialled(net.far, WAN) as sock:
        echoed(sock, 20)
        assert net.metric("tcp_mtu_probes_total") == 0
        echoed(sock, MIB)
        assert rcvmss(net.far, sock) > 1400
        assert net.metric("tcp_mtu_probes_total") == net.metric("tcp_mtu_raised_total") == 1
        assert net.metric("tcp_rto_total") == 0


@pytest.mark.parametrize("address", (WAN, WAN6))
def test_fragments_are_put_together_in_any_order(net: Beyond, address: str) -> None:
    """Datagrams longer than the path, sent by Linux as fragments.

    Steps: let one packet of three be overtaken; ask the UDP echo with datagrams of up to seven
    fragments, a few at a time.
    Check: each comes back as it went; fragments took the detour.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with net.far.inside():
        sock = socket.socket(family, socket.SOCK_DGRAM)
    kinds = "ip frag-off & 0x3fff != 0", "exthdr frag exists"
    with sock, reordering(net.gate, one_of=3, what=kinds[":" in address]) as detour:
        sock.settimeout(20)
        sock.connect((address, ECHO))
        for first in range(0, 60, 4):
            data = {random.Random(n).randbytes(1500 + n * 131) for n in range(first, first + 4)}
            for one in data:
                sock.send(one)
            assert {sock.recv(1 << 16) for _ in data} == data
        assert detour.packets > 0


def test_datagrams_are_cut_for_a_narrow_path(net: Beyond) -> None:
    """RFC 8200 section 4.5: nobody cuts IPv6 but its source, which learns of the path by ICMP.

    Steps: let the gate pass 1300 bytes towards an address; ask the UDP echo from there for 1400
    bytes; when weir has heard of it, twice more, for 4000 and for 100.
    Check: the first answer is lost and tells weir; from then on they arrive, in fragments.
    """
    net.app.mark()
    with narrow(net, DUSK6), net.far.inside():
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        with sock:
            sock.bind((DUSK6, 0))
            sock.sendto(bytes(1400), (WAN6, ECHO))
            until(lambda: net.rose("icmp_errors") == 1, what="weir to hear of it")
            sock.settimeout(20)
            for size in (1400, 1400, 4000, 100):
                data = random.Random(size).randbytes(size)
                sock.sendto(data, (WAN6, ECHO))
                assert sock.recv(5000) == data
