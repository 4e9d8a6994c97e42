# SPDX-License-Identifier: BSD-3-Clause
"""weir's UDP beyond a datagram and its answer: ports that sockets share, against sockets of Linux."""

import socket
from collections.abc import Iterator

import pytest

from weir.caps import Cap, requires
from weir.lab import Lab
from weir.router import LAN, LAN6, LEFT, LEFT6, RIGHT, RIGHT6, WAN, WAN6, Routed, give_addresses, routed

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

PORT = 7
SHARED = 4
PEERS = ((LEFT, 5000), (LEFT, 5001), (LEFT6, 5000))


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """weir-echo whose UDP port several sockets share, with a host at each of its two ports."""
    config = {
        "runtime": {"workers": [0], "poll": "adaptive"},
        "echo": {
            "udp": PORT,
            "sockets": SHARED,
            "peers": [{"address": address, "port": port} for address, port in PEERS],
        },
        "stack": {"memory": "8MiB"},
    }
    with Lab() as lab:
        line = lab.line(ipv6=True)
        give_addresses(line.left, (LEFT, LEFT6), (WAN, WAN6))
        give_addresses(line.right, (RIGHT, RIGHT6), (LAN, LAN6))
        with routed(tmp_path_factory.mktemp("udp"), line, config, "weir-echo") as made:
            yield made


def host(net: Routed, address: str, port: int = 0) -> socket.socket:
    """A UDP socket of the host at the left, bound to one of its addresses."""
    with net.line.left.netns.inside():
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(5)
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
