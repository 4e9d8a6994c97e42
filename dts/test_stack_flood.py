# SPDX-License-Identifier: BSD-3-Clause
"""Many connections of Linux's to weir's TCP: held, in storms, on few ports, and SYNs of nobody."""

import re
import resource
import select
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from weir.beyond import CHARGEN, ECHO, LONG, Beyond, beyond, dialled, digest_of, goes_round
from weir.beyond import nothing_is_left, received, sending, shown_by_ss
from weir.caps import Cap, requires
from weir.flood import NOWHERE, flooded
from weir.netns import Netns
from weir.router import LEFT, WAN, WAN6, ports
from weir.wait import until

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

MIB = 1 << 20
HALF_OPEN = 64


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beyond]:
    """weir-echo behind a gate, with few places for connections that begin."""
    with beyond(tmp_path_factory.mktemp("flood"), {"stack": {"half_open": HALF_OPEN}}) as made:
        made.gate.run("ip", "route", "add", "blackhole", NOWHERE)
        yield made


@pytest.fixture(scope="module")
def httpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beyond]:
    """weir-httpd, and a client with few ports."""
    root = tmp_path_factory.mktemp("root")
    config = {"httpd": {"root": str(root)}, "stack": {"time_wait": 4096}}
    with beyond(tmp_path_factory.mktemp("storm"), config, "weir-httpd") as made:
        made.far.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=20000 20499")
        yield made


def is_forgotten(netns: Netns, port: int) -> bool:
    """Whether the kernel has nothing of a port, not even in TIME-WAIT."""
    return netns.run("ss", "-Htan", f"sport = :{port}").stdout == ""


@contextmanager
def many(net: Beyond, count: int) -> Iterator[list[socket.socket]]:
    """So many connections to the echo at once, of both families."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 500, max(count + 500, most)))
    socks: list[socket.socket] = []
    try:
        with net.far.inside():
            for n in range(count):
                sock = socket.socket((socket.AF_INET, socket.AF_INET6)[n % 2])
                sock.setblocking(False)
                sock.connect_ex(((WAN, WAN6)[n % 2], ECHO))
                socks.append(sock)
        yield socks
    finally:
        for sock in socks:
            sock.close()


def all_echo(socks: list[socket.socket], text: bytes) -> None:
    """Each sends its own text and gets it back."""
    poll = select.epoll()
    by_fd = {sock.fileno(): sock for sock in socks}
    want = {fd: b"%s of %d" % (text, fd) for fd in by_fd}
    for fd in by_fd:
        poll.register(fd, select.EPOLLOUT)
    while want:
        events = poll.poll(30)
        assert events, f"{len(want)} connections get no answer"
        for fd, mask in events:
            if mask & select.EPOLLOUT:
                assert by_fd[fd].send(want[fd]) == len(want[fd])
                poll.modify(fd, select.EPOLLIN)
            else:
                assert by_fd[fd].recv(4096) == want.pop(fd)  # it is one segment
                poll.unregister(fd)
    poll.close()


@pytest.mark.long
def test_many_connections_are_held_and_each_echoes(net: Beyond) -> None:
    """2,000 clients at once (10,000 in the long run), more than may be half open.

    Steps: open them all at once; echo a text of its own over each, twice.
    Check: each gets its own; that many are open; all end.
    """
    count = 10_000 if LONG else 2_000
    with many(net, count) as socks:
        all_echo(socks, b"first")
        assert net.connections() == count
        all_echo(socks, b"second")
    nothing_is_left(net, timeout=30)


@pytest.mark.long
@pytest.mark.parametrize("address", (WAN, WAN6))
def test_a_storm_of_short_connections_reuses_ports(httpd: Beyond, address: str) -> None:
    """The server ends each, and holds it in TIME-WAIT; the client has 500 ports.

    Steps: wrk with 32 connections and without keep-alive for a second (a minute in the long run).
    Check: several connections on each port, and no error; TIME-WAIT entries are within their limit.
    """
    host = f"[{address}]" if ":" in address else address
    seconds = 60 if LONG else 1
    total = 0
    while total <= 1000:  # in the first second, unless the machine stood still
        done = httpd.far.run(
            "wrk", "-t1", "-c32", f"-d{seconds}s", "--timeout", "20s", "-H", "Connection: close",
            f"http://{host}/health", timeout=20 + seconds,
        )  # fmt: skip
        assert "Socket errors" not in done.stdout and "Non-2xx" not in done.stdout, done.stdout
        served = re.search(r"(\d+) requests in", done.stdout)
        assert served is not None, done.stdout
        total += int(served[1])
    assert httpd.metric("tcp_time_wait_connections") <= 4096
    nothing_is_left(httpd)


@pytest.mark.parametrize("address", (WAN, WAN6))
def test_a_port_in_time_wait_takes_a_new_connection(httpd: Beyond, address: str) -> None:
    """RFC 6191: the same four numbers again, at once.

    Steps: ask 30 times from one and the same port; the server ends each.
    Check: each is answered; weir holds one in TIME-WAIT and no more for it.
    """
    until(lambda: httpd.connections() == 0, what="none open")
    begun = httpd.metric("tcp_time_wait_connections")
    for n in range(30):
        with httpd.far.inside():
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        with sock:
            sock.settimeout(20)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("", 30000))
            sock.connect((address, 80))
            sock.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            answer = b""
            while more := sock.recv(4096):
                answer += more
            assert answer.endswith(b"ok\n"), n
        until(lambda: is_forgotten(httpd.far, 30000), what="the end of it at Linux")
    nothing_is_left(httpd)
    assert httpd.metric("tcp_time_wait_connections") <= begun + 1


# ---- SYNs of nobody ----


@pytest.mark.long
def test_a_client_is_served_while_syns_flood(net: Beyond) -> None:
    """SYN cookies (RFC 4987): what is half open is bounded, and who is real gets in.

    Steps: send SYNs of 20,000 sources as fast as the line takes them; let a client send 100 KB to
    the echo and back meanwhile, twice over each family (ten megabytes in the long run).
    Check: all bytes; cookies were sent, and made the client's connections; as many were half open as
    may be, and no more; the client's connection has its options.
    """
    rounds, size = (10, MIB) if LONG else (2, 100_000)
    net.app.mark()
    with flooded(net.tg, net.line.left, net.inward, WAN, ECHO):
        until(lambda: net.rose("tcp_cookies_out") > 1000, what="a flood")
        for _ in range(rounds):
            goes_round(net.far, WAN, size)
            goes_round(net.far, WAN6, size)
            assert net.metric("tcp_half_open_connections") <= HALF_OPEN
        with dialled(net.far, WAN, CHARGEN) as sock:
            assert sock.recv(1000)
            shown = shown_by_ss(net.far, sock)
    assert net.rose("tcp_cookies_in") > rounds
    assert net.rose("tcp_accepted_connections") == 2 * rounds + 1
    assert all(option in shown for option in (" ts ", " sack ", "wscale:")), shown
    print(f"{net.rose('tcp_cookies_out')} cookies sent, {net.rose('tcp_cookies_in')} came back")


def test_guessed_cookies_make_no_connection(net: Beyond) -> None:
    """An ACK without a handshake is no way in, even while cookies are given.

    Steps: send 500 ACKs of as many ports with random numbers.
    Check: no connection was made of them; each was answered by a reset.
    """
    net.app.mark()
    head = Ether(src=net.inward[0], dst=net.inward[1]) / IP(src=LEFT, dst=WAN)
    acks = [
        head / TCP(sport=5000 + n, dport=ECHO, flags="A", seq=1000 + n, ack=n * 0x1234567 % 2**32)
        for n in range(500)
    ]
    net.tg.send(net.line.left, acks)
    until(lambda: net.rose("tcp_resets_out") == 500, what="the resets")
    assert net.rose("tcp_cookies_in") == 0 and net.rose("tcp_accepted_connections") == 0


MBUFS = 5120
# What is short, and the counter that says so. The pool is the least there may be; memory could take more.
SHORT = {
    "buffers": (
        {
            "runtime": {"mbufs": MBUFS},
            "ports": ports({"mtu": 1500, "rxd": 512, "txd": 512}),
            "stack": {"memory": "64MiB"},
        },
        "buffers_short",
    ),
    "memory": ({"stack": {"memory": "2MiB"}}, "tcp_memory_segments"),
}


@pytest.mark.parametrize("short", SHORT if LONG else ["buffers"])
def test_who_runs_out_of_memory_stays_manageable_and_recovers(
    short: str, tmp_path: Path
) -> None:
    """More bytes than the program can hold, from senders that do not read what comes back.

    Steps: send a megabyte to the echo over each of 24 connections without reading, until nothing moves;
    ask weirctl and the metrics; then read.
    Check: it is counted what was short; control answers and knows all connections; each client gets
    all its bytes; a new one is served, and as many buffers are free as before.
    """
    config, counter = SHORT[short]
    size, n = MIB, 24
    with beyond(tmp_path, config) as net, ExitStack() as stack:
        before = net.app.metric("weir_pool_used_mbufs")
        net.app.mark()
        clients = [
            stack.enter_context(dialled(net.far, (WAN, WAN6)[i % 2], timeout=60)) for i in range(n)
        ]
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            stack.enter_context(sending(client, size))
        until(lambda: net.rose(counter) > 0, 30, "something to be short")
        which = ("sockets", "proto", "tcp", "state", "ESTAB")
        until(lambda: len(net.app.ctl(*which)) == n, what="the last handshake")
        used = net.app.metric("weir_pool_used_mbufs")
        if short == "buffers":  # between the marks: short until a quarter is free, and never dry
            assert MBUFS * 3 / 4 < used < MBUFS * 31 / 32
        else:
            assert used - before > 700
        with ThreadPoolExecutor(n) as pool:
            assert list(pool.map(received, clients)) == [(size, digest_of(size))] * n
        goes_round(net.far, WAN, MIB)
        nothing_is_left(net)
        cached = 512  # between the port's rings and the workers' caches
        until(lambda: net.app.metric("weir_pool_used_mbufs") < before + cached, what="free buffers")
