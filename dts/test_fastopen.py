# SPDX-License-Identifier: BSD-3-Clause
"""TCP fast open (RFC 7413) with Linux's TCP at the other end: who connects brings its request with the SYN."""

import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from weir.caps import Cap, requires
from weir.lab import Lab
from weir.netns import Netns
from weir.router import LAN, LAN6, LEFT, LEFT6, RIGHT, RIGHT6, WAN, WAN6
from weir.router import Config, Routed, give_addresses, routed
from weir.wait import until

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

REQUEST = b"GET /health HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n"
SYN_DATA = 32  # TCPI_OPT_SYN_DATA
PENDING = 4


def kernel_counter(netns: Netns, name: str) -> int:
    """A counter of the kernel's TCP (/proc/net/netstat)."""
    lines = netns.run("cat", "/proc/self/net/netstat").stdout.splitlines()
    return int(dict(zip(lines[0].split(), lines[1].split()))[name])


@contextmanager
def between_kernels(directory: Path, config: Config, program: str) -> Iterator[Routed]:
    """A program on two workers, between two kernels that speak fast open both ways."""
    base = {
        "runtime": {"workers": [0, 1], "poll": "adaptive"},
        "stack": {"memory": "8MiB", "connections": 4096, "fastopen": PENDING},
    }
    with Lab() as lab:
        line = lab.line(ipv6=True)
        give_addresses(line.left, (LEFT, LEFT6), (WAN, WAN6))
        give_addresses(line.right, (RIGHT, RIGHT6), (LAN, LAN6))
        for port in (line.left, line.right):
            port.netns.run("sysctl", "-qw", "net.ipv4.tcp_fastopen=3")
        with routed(directory, line, base | config, program) as made:
            yield made


@pytest.fixture(scope="module")
def httpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    with between_kernels(tmp_path_factory.mktemp("httpd"), {"httpd": {}}, "weir-httpd") as made:
        yield made


def rose(net: Routed, name: str) -> int:
    return net.app.rose(f"weir_stack_tcp_{name}_total")


@contextmanager
def only_syns(netns: Netns) -> Iterator[None]:
    """Drop what a kernel sends to port 80, but SYNs, during the block."""
    head = "type filter hook output priority 0;"
    rule = "tcp dport 80 tcp flags & syn == 0 drop;"
    netns.run("nft", "-f", "-", stdin=f"table inet t {{ chain c {{ {head} {rule} }}; }}")
    try:
        yield
    finally:
        netns.run("nft", "delete", "table", "inet", "t")


def fast(net: Routed, address: str) -> socket.socket:
    """A connection of Linux's that has brought REQUEST with its SYN, if Linux has a cookie."""
    with net.line.left.netns.inside():
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 10, 0))
    assert made.sendto(REQUEST, socket.MSG_FASTOPEN, (address, 80)) == len(REQUEST)
    made.settimeout(10)
    return made


def answer(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def syn_had_data(sock: socket.socket) -> bool:
    """Linux's own word that the SYN-ACK has acknowledged data (TCP_INFO)."""
    options = struct.unpack_from("B", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 16), 5)
    return bool(options[0] & SYN_DATA)


@pytest.mark.parametrize("address", (WAN, WAN6))
def test_a_request_comes_with_the_syn(httpd: Routed, address: str) -> None:
    """Linux as the client.

    Steps: one connection, which gets a cookie; then five with a request in the SYN, on both workers.
    Check: the answers; Linux says of the first that its data waited, of the others that the SYN-ACK
    has acknowledged them; one cookie was given, five connections began so.
    """
    httpd.app.mark()
    for first in (True, False, False, False, False, False):
        with fast(httpd, address) as sock:
            assert answer(sock).endswith(b"ok\n")
            assert syn_had_data(sock) is not first
    assert rose(httpd, "fastopen_cookies") == 1
    assert rose(httpd, "fastopen_in_connections") == 5
    until(lambda: rose(httpd, "accepted_connections") == 6, what="the end of all handshakes")
    assert rose(httpd, "fastopen_bad_cookies") == rose(httpd, "fastopen_full_segments") == 0


def test_the_answer_needs_no_handshake(httpd: Routed) -> None:
    """RFC 7413 section 4.2.2: the server may answer before it knows that it is heard.

    Steps: drop what Linux sends to port 80 but SYNs, and send a request with a SYN; let it pass then.
    Check: the answer comes meanwhile, to a connection that is not finished; then it is.
    """
    accepted = int(httpd.app.metric("weir_stack_tcp_accepted_connections_total"))
    with fast(httpd, WAN) as sock:
        answer(sock)
    until(
        lambda: httpd.app.metric("weir_stack_tcp_accepted_connections_total") == accepted + 1,
        what="the end of the first one's handshake",
    )
    httpd.app.mark()
    with only_syns(httpd.line.left.netns):
        sock = fast(httpd, WAN)
        assert sock.recv(1 << 16).endswith(b"ok\n")
        assert syn_had_data(sock)
        assert rose(httpd, "fastopen_in_connections") == 1
        assert rose(httpd, "accepted_connections") == 0
    with sock:
        assert answer(sock) == b""
    until(lambda: rose(httpd, "accepted_connections") == 1, what="the end of the handshake")


def test_curl_uses_it(httpd: Routed) -> None:
    """curl --tcp-fastopen, a program as anybody has it.

    Steps: three requests.
    Check: the answers; Linux counts that data of SYNs were taken, and so do we.
    """
    left = httpd.line.left.netns
    with fast(httpd, WAN) as sock:
        answer(sock)
    httpd.app.mark()
    before = kernel_counter(left, "TCPFastOpenActive")
    for _ in range(3):
        done = subprocess.run(
            left.command("curl", "-sSf", "--tcp-fastopen", "--max-time", "10", f"http://{WAN}/health"),
            capture_output=True,
            timeout=15,
        )
        assert (done.returncode, done.stdout) == (0, b"ok\n"), done.stderr
    assert kernel_counter(left, "TCPFastOpenActive") - before == 3
    assert rose(httpd, "fastopen_in_connections") == 3


def test_what_may_be_pending_is_bounded(httpd: Routed) -> None:
    """RFC 7413 section 5.1: SYNs of a client that never answers take no more than stack.fastopen.

    Steps: drop all that Linux sends to port 80 but SYNs; begin three times as many connections on
    each worker as may be pending; let it pass then.
    Check: no more began fast than may on two workers, the others are counted; all are answered.
    """
    with fast(httpd, WAN) as sock:
        answer(sock)
    httpd.app.mark()
    with only_syns(httpd.line.left.netns):
        socks = [fast(httpd, WAN) for _ in range(6 * PENDING)]
        until(
            lambda: rose(httpd, "fastopen_in_connections") + rose(httpd, "fastopen_full_segments")
            >= len(socks),
            what="all SYNs",
        )
        assert PENDING <= rose(httpd, "fastopen_in_connections") <= 2 * PENDING
    for sock in socks:
        with sock:
            assert answer(sock).endswith(b"ok\n")


def test_an_old_cookie_falls_back(httpd: Routed) -> None:
    """A cookie of before a restart: the usual handshake, and a good one with it.

    Steps: get a cookie; restart weir-httpd, whose secret is another then; connect twice with data.
    Check: both are answered; the first cookie was not good and a new one was given, the second was.
    """
    with fast(httpd, WAN) as sock:
        answer(sock)
    httpd.app.stop()
    httpd.app.start()
    httpd.app.mark()
    for first in (True, False):
        with fast(httpd, WAN) as sock:
            assert answer(sock).endswith(b"ok\n")
            assert syn_had_data(sock) is not first
    assert rose(httpd, "fastopen_bad_cookies") == 1
    assert rose(httpd, "fastopen_in_connections") == 1


# ---- Linux as the server ----

BACKEND = 8080


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    config = {
        "runtime": {"workers": [0], "poll": "adaptive"},
        "proxy": {"to": RIGHT, "to_port": BACKEND, "fastopen": True, "connect": "3s"},
    }
    with between_kernels(tmp_path_factory.mktemp("proxy"), config, "weir-proxy") as made:
        yield made


@pytest.fixture
def backend(proxy: Routed) -> Iterator[socket.socket]:
    """A socket of Linux's that takes data with SYNs."""
    with proxy.line.right.netns.inside():
        made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((RIGHT, BACKEND))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
    made.listen(16)
    made.settimeout(10)
    with made:
        yield made


def passes(proxy: Routed, backend: socket.socket) -> bool:
    """A request and its answer through the proxy; whether the backend got the request with the SYN."""
    with fast(proxy, WAN) as near:
        far, _ = backend.accept()
        far.settimeout(10)
        with far:
            assert far.recv(1 << 16) == REQUEST
            far.sendall(b"answer")
            early = syn_had_data(far)
        assert answer(near) == b"answer"
    return early


def test_a_request_goes_on_with_the_syn(proxy: Routed, backend: socket.socket) -> None:
    """weir-proxy as the client: TCP_FASTOPEN_CONNECT.

    Steps: let one client through, which brings weir the backend's cookie; then three more.
    Check: Linux says that the SYNs of the three had the request, so do its counters and ours.
    """
    right = proxy.line.right.netns
    proxy.app.mark()
    before = kernel_counter(right, "TCPFastOpenPassive")
    assert not passes(proxy, backend)
    assert [passes(proxy, backend) for _ in range(3)] == [True] * 3
    assert kernel_counter(right, "TCPFastOpenPassive") - before == 3
    until(lambda: rose(proxy, "fastopen_out_connections") == 3, what="our own count")
    assert rose(proxy, "fastopen_failures") == 0


def test_a_path_that_drops_such_syns_is_left_alone(proxy: Routed, backend: socket.socket) -> None:
    """RFC 7413 section 4.1.3.1.

    Steps: let one client through for the cookie; drop SYNs of more than 100 bytes on their way to the
    backend, and let two clients through.
    Check: the first gets its answer after a second SYN, which is counted; the second at once.
    """
    right = proxy.line.right.netns
    passes(proxy, backend)
    rule = "tcp flags & (syn | ack) == syn ip length > 100 counter drop"
    head = "type filter hook input priority 0"
    right.run("nft", "-f", "-", stdin=f"table inet t {{ chain c {{ {head}; {rule}; }}; }}")
    proxy.app.mark()
    try:
        assert not passes(proxy, backend)
        until(lambda: rose(proxy, "fastopen_failures") == 1, what="the failure to be counted")
        assert not passes(proxy, backend)
        assert "packets 1 " in right.run("nft", "list", "table", "inet", "t").stdout
    finally:
        right.run("nft", "delete", "table", "inet", "t")


def test_a_backend_that_is_gone_is_given_up(proxy: Routed, backend: socket.socket) -> None:
    """proxy.connect, for a connection that is in use before its SYN is answered.

    Steps: begin anew, without what is known of paths; let one client through for the cookie; drop all
    that comes to the backend, and connect; let it pass again.
    Check: that client is reset, because a connection timed out; the next one gets its answer.
    """
    right = proxy.line.right.netns
    proxy.app.stop()
    proxy.app.start()
    passes(proxy, backend)
    right.run("nft", "-f", "-", stdin="table inet t { chain c { type filter hook input priority 0; tcp dport 8080 drop; }; }")
    proxy.app.mark()
    try:
        with fast(proxy, WAN) as near, pytest.raises(ConnectionResetError):
            near.recv(1)
        until(lambda: rose(proxy, "timed_out_connections") == 1, what="the count")
    finally:
        right.run("nft", "delete", "table", "inet", "t")
    passes(proxy, backend)
