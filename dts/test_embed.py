# SPDX-License-Identifier: BSD-3-Clause
"""weir-embed: the stack in a foreign epoll loop, over a TUN device whose other end is the kernel."""

import random
import socket
import threading
from collections.abc import Iterator

import pytest

from weir.caps import Cap, requires
from weir.lab import Lab
from weir.netns import Netns
from weir.sut import App, Sut
from weir.wait import until

pytestmark = requires(Cap.NETNS)

OURS = {4: ("10.9.0.1/24", "10.9.0.2"), 6: ("fd09::1/64", "fd09::2")}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Netns]:
    """A namespace with weir-embed behind tun0."""
    sut = Sut(tmp_path_factory.mktemp("embed"))

    def there(_: App) -> bool:
        return netns.run("ip", "link", "show", "tun0", check=False).returncode == 0

    with Lab() as lab:
        netns = lab.netns("host")
        try:
            sut.start("weir-embed", None, netns, args=("tun0",), ready=there)
            for address, _ in OURS.values():
                nodad = ("nodad",) if ":" in address else ()
                netns.run("ip", "address", "add", address, "dev", "tun0", *nodad)
            netns.run("ip", "link", "set", "tun0", "up")
            yield netns
        finally:
            sut.close()


def connected(host: Netns, family: int) -> socket.socket:
    with host.inside():
        made = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET)
    made.settimeout(30)
    made.connect((OURS[family][1], 7))
    return made


def exchanged(sock: socket.socket, data: bytes) -> bytes:
    """Send and end, and read to the end at the same time."""
    sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
    sender.start()
    parts = []
    while part := sock.recv(1 << 16):
        parts.append(part)
    sender.join()
    return b"".join(parts)


@pytest.mark.parametrize("family", (4, 6))
def test_a_stream_comes_back_whole(host: Netns, family: int) -> None:
    """The echo in a foreign loop.

    Steps: send 4 MiB to an address that is routed to the device, and end.
    Check: the same bytes come back, and the end.
    """
    data = random.Random(family).randbytes(4 << 20)
    with connected(host, family) as sock:
        assert exchanged(sock, data) == data


def test_what_the_kernel_loses_is_sent_again(host: Netns) -> None:
    """The next-timeout of the loop: without it nothing would be sent after the last loss.

    Steps: lose one packet in 20 in both directions; exchange 256 KiB.
    Check: all of it comes back.
    """
    rules = "\n".join(
        f"add chain ip lossy {hook} {{ type filter hook {hook} priority 0; }}\n"
        f"add rule ip lossy {hook} {way} tun0 numgen random mod 20 0 drop"
        for hook, way in (("input", "iifname"), ("output", "oifname"))
    )
    host.run("nft", "-f", "-", stdin=f"add table ip lossy\n{rules}\n")
    try:
        data = random.Random(9).randbytes(256 << 10)
        with connected(host, 4) as sock:
            assert exchanged(sock, data) == data
    finally:
        host.run("nft", "delete", "table", "ip", "lossy")


def test_many_connections_at_once_and_none_left(host: Netns) -> None:
    """Connections of a program that keeps something for each.

    Steps: hold 200; exchange on each; close them.
    Check: each gets its own; the kernel has no connection left that waits for an end.
    """
    socks = [connected(host, 4 + 2 * (n % 2)) for n in range(200)]
    try:
        for n, sock in enumerate(socks):
            sock.sendall(b"number %d" % n)
        assert [s.recv(100) for s in socks] == [b"number %d" % n for n in range(200)]
    finally:
        for sock in socks:
            sock.close()

    def states() -> bool:
        return host.run("ss", "-Htn", "state", "fin-wait-1", "state", "fin-wait-2").stdout == ""

    until(states, what="the ends of all connections")
