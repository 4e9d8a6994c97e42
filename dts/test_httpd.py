# SPDX-License-Identifier: BSD-3-Clause
"""weir-httpd: HTTP/1.1 over weir's own TCP, against curl, wrk, and sockets that do as they like."""

import hashlib
import json
import http.client
import random
import re
import resource
import selectors
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from weir import peers
from weir.caps import Cap, requires
from weir.lab import Lab, Port
from weir.router import LAN, LAN6, LEFT, LEFT6, RIGHT, RIGHT6, WAN, WAN6
from weir.router import Routed, give_addresses, routed
from weir.wait import until

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

# The block that /bytes/N repeats.
PATTERN = b"".join(b"%04x" % n + b"0" * 59 + b"\n" for n in range(1024))
BIG = random.Random(1).randbytes((24 << 20) + 12345)
OK = b"GET /health HTTP/1.1\r\nHost: weir\r\n\r\n"


@pytest.fixture(scope="module", params=(1, 2), ids=("one worker", "two workers"))
def net(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """weir-httpd with a few files and a host at each of its two ports."""
    root = tmp_path_factory.mktemp("root")
    (root / "sub").mkdir()
    (root / "big.bin").write_bytes(BIG)
    (root / "page.html").write_text("<p>page</p>\n")
    (root / "sub" / "index.html").write_text("<p>index</p>\n")
    (root / "with space.txt").write_text("space\n")
    (root / ".secret").write_text("secret\n")
    (root / "link").symlink_to("/etc/passwd")
    config = {
        "runtime": {"workers": list(range(request.param)), "poll": "adaptive"},
        "stack": {"memory": "8MiB", "connections": 16384},
        "httpd": {"root": str(root), "bytes": "64MiB"},
    }
    with Lab() as lab:
        line = lab.line(ipv6=True)
        give_addresses(line.left, (LEFT, LEFT6), (WAN, WAN6))
        give_addresses(line.right, (RIGHT, RIGHT6), (LAN, LAN6))
        with routed(tmp_path_factory.mktemp("httpd"), line, config, "weir-httpd") as made:
            yield made


def url(address: str, path: str) -> str:
    return f"http://[{address}]{path}" if ":" in address else f"http://{address}{path}"


def connected(port: Port, address: str = WAN, timeout: float = 30.0) -> socket.socket:
    """A TCP connection of the kernel's to the server."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with port.netns.inside():
        made = socket.socket(family, socket.SOCK_STREAM)
    made.settimeout(timeout)
    made.connect((address, 80))
    return made


def read_all(sock: socket.socket) -> bytes:
    """What comes until the peer ends."""
    parts = []
    while part := sock.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def said(net: Routed, request: bytes, address: str = WAN) -> bytes:
    """All that a connection answers to these bytes, to its end."""
    with connected(net.line.left, address) as sock:
        sock.sendall(request)
        return read_all(sock)


def statuses(answer: bytes) -> list[int]:
    """Of all answers in a row."""
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def connections(net: Routed) -> int:
    """Those that are open; each worker's port that listens is not one."""
    found = {k: v for k, v in net.app.metrics().items() if k[0] == "weir_stack_tcp_open_sockets"}
    return int(sum(found.values())) - len(found)


@pytest.mark.parametrize("address", (WAN, WAN6))
def test_curl_gets_files_and_routes(net: Routed, address: str) -> None:
    """A client as anybody has it, over both families.

    Steps: get each route, a folder's index, a name with a blank, and 24 MiB.
    Check: the bodies are those of the files; the long one by its checksum.
    """
    def get(path: str) -> bytes:
        return peers.curl(net.line.left.netns, url(address, path))

    assert get("/") == b"weir-httpd\n"
    assert get("/health") == b"ok\n"
    assert get("/page.html?x=y") == b"<p>page</p>\n"
    assert get("/sub/") == get("/sub/../sub/./index.html") == b"<p>index</p>\n"
    assert get("/with%20space.txt") == b"space\n"
    assert hashlib.sha256(get("/big.bin")).digest() == hashlib.sha256(BIG).digest()
    assert get("/bytes/1000000") == (PATTERN * 16)[:1000000]
    assert get("/bytes/0") == b""


def test_one_connection_serves_many_requests(net: Routed) -> None:
    """Keep-alive, HEAD, types and dates.

    Steps: ask for several things over one connection of http.client; then let curl reuse one.
    Check: statuses, fields and bodies; curl says that it has connected once.
    """
    with connected(net.line.left) as sock:
        client = http.client.HTTPConnection(WAN)
        client.sock = sock
        for method, path, status, kind, length in (
            ("GET", "/page.html", 200, "text/html; charset=utf-8", 12),
            ("HEAD", "/big.bin", 200, "application/octet-stream", len(BIG)),
            ("HEAD", "/bytes/99", 200, "application/octet-stream", 99),
            ("GET", "/missing", 404, "text/plain", 14),
            ("DELETE", "/page.html", 405, "text/plain", 23),
            ("GET", "/bytes/99999999999", 404, "text/plain", 14),
        ):
            client.request(method, path)
            answer = client.getresponse()
            body = answer.read()
            assert (answer.status, answer.getheader("Content-Type")) == (status, kind)
            assert answer.getheader("Content-Length") == str(length)
            assert len(body) == (0 if method == "HEAD" else length)
            assert answer.getheader("Allow") == ("GET, HEAD" if status == 405 else None)
            date = answer.getheader("Date")
            assert date is not None and abs(http_age(date)) < 5
        client.request("POST", "/missing", body=b"x" * 5000)
        assert client.getresponse().read() == b"404 Not Found\n"
        client.request("PUT", "/page.html", body=iter([b"a" * 100, b"b"]), encode_chunked=True)
        assert client.getresponse().read() == b"405 Method Not Allowed\n"
    many = [url(WAN, f"/bytes/{n}") for n in range(20)]
    done = net.line.left.netns.run(
        "curl", "-sS", "-o", "/dev/null", "-w", "%{num_connects} ", *(f"{u}" for u in many)
    )
    assert done.stdout.split().count("1") == 1


def http_age(date: str) -> float:
    """Seconds since a date in a field."""
    import email.utils
    import time

    return time.time() - email.utils.parsedate_to_datetime(date).timestamp()


def test_requests_in_a_row_are_answered_in_their_order(net: Routed) -> None:
    """Pipelining, whole and in pieces of any size.

    Steps: send 500 requests at once; send three byte by byte; ask to close at the end.
    Check: as many answers, in order, and the end.
    """
    asked = b"".join(b"GET /bytes/%d HTTP/1.1\r\nHost: w\r\n\r\n" % n for n in range(499))
    last = b"GET / HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n"
    answer = said(net, asked + last)
    assert statuses(answer) == [200] * 500
    lengths = [int(p.split(b"\r\n")[0]) for p in answer.split(b"Content-Length: ")[1:]]
    assert lengths == [*range(499), 11]
    with connected(net.line.left, WAN6) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in OK + OK + last:
            sock.send(bytes([byte]))
        assert statuses(read_all(sock)) == [200] * 3


def test_http_1_0_and_half_closed_clients_are_served(net: Routed) -> None:
    """Old clients, and nc.

    Steps: ask by HTTP/1.0 with and without keep-alive; let nc end its direction at once.
    Check: the connection ends after the answer, or stays and says so; nc has its answer.
    """
    assert said(net, b"GET /health HTTP/1.0\r\n\r\n").endswith(b"Connection: close\r\n\r\nok\n")
    both = said(net, b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                     b"GET /health HTTP/1.0\r\n\r\n")  # fmt: skip
    assert statuses(both) == [200, 200] and b"Connection: keep-alive\r\n" in both
    done = net.line.left.netns.run(
        "nc", "-N", "-w", "15", WAN, "80", stdin="GET /health HTTP/1.1\r\nHost: w\r\n\r\n"
    )
    assert done.stdout.endswith("\n\nok\n")


def test_what_is_no_request_is_refused(net: Routed) -> None:
    """Strictness and limits: each refusal has its status, and ends the connection.

    Steps: send each, with more behind it.
    Check: one answer of that status, then the end; the client is not reset before it has read it.
    """
    host = b"Host: w\r\n"
    for status, request in (
        (400, b"GET / HTTP/1.1\r\n\r\n"),
        (400, b"GET /%zz HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n"),
        (400, b"nonsense\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost : w\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (405, b"CONNECT a:1 HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n"),
        (413, b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 99999999\r\n\r\n"),
        (414, b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + host + b"\r\n"),
        (417, b"GET / HTTP/1.1\r\n" + host + b"Expect: wonders\r\n\r\n"),
        (431, b"GET / HTTP/1.1\r\n" + host + b"X: y\r\n" * 200 + b"\r\n"),
        (431, b"GET / HTTP/1.1\r\n" + host + (b"X: " + b"y" * 998 + b"\r\n") * 9),
        (501, b"BREW / HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n"),
        (501, b"GET / HTTP/1.1\r\n" + host + b"Transfer-Encoding: gzip\r\n\r\n"),
        (505, b"GET / HTTP/2.0\r\n" + host + b"\r\n"),
    ):
        answer = said(net, request + OK)
        assert statuses(answer) == [status], request
        assert b"\r\nConnection: close\r\n" in answer
    for path in (b"/.secret", b"/link", b"/../etc/passwd", b"/%2e%2e/etc/passwd"):
        answer = said(net, b"GET " + path + b" HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n")
        assert statuses(answer) == [404]


def test_a_slow_reader_gets_all_and_holds_nothing_up(net: Routed) -> None:
    """Back pressure: a peer with a tiny window, and another one at the same time.

    Steps: ask for 8 MiB with a small buffer and read a little; ask for a file meanwhile; read on.
    Check: the other one is served at once; all bytes come.
    """
    with net.line.left.netns.inside():
        slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.settimeout(30)
    with slow:
        slow.connect((WAN, 80))
        slow.sendall(b"GET /big.bin HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n")
        first = slow.recv(1000)
        assert peers.curl(net.line.left.netns, url(WAN, "/page.html")) == b"<p>page</p>\n"
        rest = bytearray(first)
        while len(rest) < 1 << 20:
            rest += slow.recv(1000)
        assert bytes(rest).split(b"\r\n\r\n", 1)[1] == BIG[: len(rest) - rest.index(b"\r\n\r\n") - 4]


def test_a_peer_that_is_killed_leaves_nothing(net: Routed) -> None:
    """Resets in the middle of answers.

    Steps: ask for 24 MiB from 50 connections and reset each after some bytes.
    Check: no connection is left; buffers are back.
    """
    until(lambda: connections(net) == 0, what="none open")
    net.app.mark()
    for n in range(50):
        with connected(net.line.left, (WAN, WAN6)[n % 2]) as sock:
            sock.sendall(b"GET /big.bin HTTP/1.1\r\nHost: w\r\n\r\n")
            sock.recv(5000)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: connections(net) == 0, what="none open")
    resets = "weir_stack_tcp_reset_connections_total"
    until(lambda: net.app.rose(resets) == 50, what="the resets to be counted")
    assert peers.curl(net.line.left.netns, url(WAN, "/health")) == b"ok\n"


def test_ten_thousand_connections_at_once(net: Routed) -> None:
    """Many clients, each with one connection that it keeps.

    Steps: open 10,000; ask on each; ask again on each.
    Check: all are answered, twice; that many are open meanwhile.
    """
    n = 10_000
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (n + 500, max(n + 500, most)))
    poll = selectors.EpollSelector()
    socks: list[socket.socket] = []
    try:
        with net.line.left.netns.inside():
            for i in range(n):
                sock = socket.socket()
                sock.setblocking(False)
                sock.connect_ex((WAN, 80))
                poll.register(sock, selectors.EVENT_WRITE)
                socks.append(sock)
        left = dict.fromkeys(socks, 2)
        while left:
            events = poll.select(30)
            assert events, f"{len(left)} connections get no answer"
            for key, mask in events:
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                if mask & selectors.EVENT_WRITE:
                    sock.send(OK)
                    poll.modify(sock, selectors.EVENT_READ)
                    continue
                assert sock.recv(4096).endswith(b"ok\n")  # it is one segment
                left[sock] -= 1
                if left[sock] > 0:
                    poll.modify(sock, selectors.EVENT_WRITE)
                else:
                    poll.unregister(sock)
                    del left[sock]
        assert connections(net) == n
    finally:
        poll.close()
        for sock in socks:
            sock.close()
    until(lambda: connections(net) == 0, what="all gone")


def test_wrk_is_answered_without_errors(net: Routed) -> None:
    """Load, over connections that stay and over new ones.

    Steps: wrk with 32 connections for a second, with keep-alive from one side, without from the
    other.
    Check: no socket error, no answer but 200.
    """
    wrk = ("wrk", "-t1", "-c32", "-d1s", "--timeout", "20s")
    keeps = net.line.left.netns.popen(*wrk, url(WAN, "/page.html"), stdout=subprocess.PIPE)
    closes = net.line.right.netns.popen(
        *wrk, "-H", "Connection: close", url(LAN6, "/page.html"), stdout=subprocess.PIPE
    )
    for said_ in (keeps.communicate(timeout=40)[0], closes.communicate(timeout=40)[0]):
        assert "Socket errors" not in said_ and "Non-2xx" not in said_, said_
        assert "Requests/sec" in said_


@pytest.mark.parametrize("address", (WAN, WAN6))
@pytest.mark.parametrize("keeps", (True, False), ids=("keep-alive", "new connections"))
def test_ab_is_answered_without_errors(net: Routed, address: str, keeps: bool) -> None:
    """ApacheBench: HTTP/1.0, which keeps a connection only if it asks for that and is told so.

    Steps: 5,000 requests over 32 connections at a time, with -k and without.
    Check: all are complete, none failed, and with -k all went over connections that were kept.
    """
    n = 5000
    options = ("-k",) if keeps else ()
    said_ = net.line.left.netns.run(
        "ab", "-q", "-n", str(n), "-c", "32", *options, url(address, "/page.html"), timeout=50
    ).stdout
    counts = {k: int(v) for k, v in re.findall(r"^([^:\n]+):\s+(\d+)(?: bytes)?$", said_, re.M)}
    assert counts["Complete requests"] == n and counts["Failed requests"] == 0, said_
    assert counts["HTML transferred"] == n * len("<p>page</p>\n"), said_
    assert "Non-2xx responses" not in counts, said_
    assert counts.get("Keep-Alive requests", 0) == (n if keeps else 0), said_


@pytest.mark.parametrize("poll", ("busy", "interrupt"))
def test_what_comes_in_a_row_gathers(tmp_path: Path, poll: str) -> None:
    """runtime.gather: several at once are worth a wait, one alone is not.

    Steps: wrk with 16 connections for a second, a millisecond to gather; then curl.
    Check: no errors; packets come by five and more, as they do not without (1 to 2); curl is answered,
    and a worker that may sleep naps meanwhile.
    """
    with Lab() as lab:
        line = lab.line(ipv6=True)
        give_addresses(line.left, (LEFT, LEFT6), (WAN, WAN6))
        runtime = {"poll": poll, "gather": "1ms"}
        with routed(tmp_path, line, {"runtime": runtime}, "weir-httpd") as net:
            wrk = line.left.netns.run(
                "wrk", "-t1", "-c16", "-d1s", "--timeout", "20s", url(WAN, "/health")
            ).stdout
            rx = {name: net.app.since_start(f"weir_stage_{name}_total", "stage")["00_rx"]
                  for name in ("packets", "bursts")}
            naps = net.app.since_start("weir_worker_rests_total", "kind").get("nap", 0)
            assert peers.curl(line.left.netns, url(WAN, "/health")) == b"ok\n"
    assert "Socket errors" not in wrk and "Non-2xx" not in wrk and "Requests/sec" in wrk
    assert rx["packets"] >= 5 * rx["bursts"]
    assert (naps > rx["bursts"] / 2) == (poll == "interrupt")


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Routed]:
    """A server that waits for nobody, with few places for requests in pieces."""
    config = {
        "stack": {"memory": "4MiB"},
        "httpd": {"request": "3s", "idle": "4s", "unacked": "4s", "partial": 8},
    }
    with Lab() as lab:
        line = lab.line(ipv6=True)
        give_addresses(line.left, (LEFT, LEFT6), (WAN, WAN6))
        with routed(tmp_path, line, config, "weir-httpd") as made:
            yield made


def test_who_takes_too_long_is_let_go(impatient: Routed) -> None:
    """Slow requests (slow loris), too many at a time, a silent connection, one that reads nothing.

    Steps: send parts of requests from 20 connections; keep one silent; ask one for much, and read
    nothing of it.
    Check: the 8 that found a place get 408, the others 503; the silent one and the one that does
    not read are reset.
    """
    line = impatient.line
    socks = [connected(line.left) for _ in range(20)]
    with connected(line.left, WAN6) as silent, connected(line.left) as deaf:
        deaf.sendall(b"GET /bytes/60000000 HTTP/1.1\r\nHost: w\r\n\r\n")
        try:
            for sock in socks:
                sock.send(b"GET / HTTP/1.1\r\nHo")
            found = [statuses(read_all(sock)) for sock in socks]
        finally:
            for sock in socks:
                sock.close()
        assert found == [[408]] * 8 + [[503]] * 12
        with pytest.raises(ConnectionResetError):
            silent.recv(1)
        until(lambda: connections(impatient) == 0, what="the one that does not read is gone")


def test_a_reload_of_what_needs_a_restart_is_refused(impatient: Routed) -> None:
    """Nobody believes that a port has changed when it has not.

    Steps: reload with another httpd.port, then with another stack.memory, then as it was.
    Check: both are refused by name, the old port serves; the last is taken.
    """
    before = json.loads(impatient.app.config_file.read_text())
    for section, key, value in (("httpd", "port", 8080), ("stack", "memory", "8MiB")):
        impatient.app.write(before | {section: before[section] | {key: value}})
        sentence = f"{section}.{key} has changed, which needs a restart"
        assert sentence in impatient.app.refused("reload")
        with connected(impatient.line.left) as sock:
            sock.sendall(OK)
            assert sock.recv(1000)
    impatient.app.reload(before)


def test_its_end_is_told_to_those_who_are_connected(impatient: Routed) -> None:
    """SIGTERM: no peer is left waiting.

    Steps: hold a connection; end the program.
    Check: status 0; the connection is reset.
    """
    with connected(impatient.line.left) as sock:
        sock.sendall(OK)
        sock.recv(1000)
        assert impatient.app.stop() == 0
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
