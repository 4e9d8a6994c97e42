# SPDX-License-Identifier: BSD-3-Clause
"""weir-proxy: a client and a server of the kernel's, with weir's TCP between them."""

import hashlib
import json
import random
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from weir import peers
from weir.caps import Cap, requires
from weir.lab import Lab
from weir.router import Config, LAN, LAN6, LEFT, LEFT6, RIGHT, RIGHT6, WAN, WAN6, Routed, give_addresses, routed
from weir.wait import until

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

Between = tuple[Routed, str]

PORT, BACKEND = 80, 8080
WAYS = ("client", "backend")
BIG = random.Random(5).randbytes(10_000_000)


@contextmanager
def proxied(directory: Path, config: Config) -> Iterator[Routed]:
    """weir-proxy between a client at the left and a backend at the right."""
    with Lab() as lab:
        line = lab.line(ipv6=True)
        give_addresses(line.left, (LEFT, LEFT6), (WAN, WAN6))
        give_addresses(line.right, (RIGHT, RIGHT6), (LAN, LAN6))
        with routed(directory, line, config, "weir-proxy") as made:
            yield made


@pytest.fixture(scope="module", params=(1, 2), ids=("one worker", "two workers"))
def net(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """On one worker and on two."""
    config = {
        "runtime": {"workers": list(range(request.param)), "poll": "adaptive"},
        "proxy": {"port": PORT, "to": RIGHT, "to_port": BACKEND},
        "stack": {"memory": "8MiB", "connections": 4096},
    }
    with proxied(tmp_path_factory.mktemp("proxy"), config) as made:
        yield made


@pytest.fixture(params=(1, 2), ids=("one worker", "two workers"))
def hasty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Routed]:
    """One that does not wait for the silent."""
    config = {
        "runtime": {"workers": list(range(request.param)), "poll": "adaptive"},
        "proxy": {"port": PORT, "to": RIGHT, "to_port": BACKEND, "idle": "3s"},
        "stack": {"memory": "4MiB", "connections": 64},
    }
    with proxied(tmp_path, config) as made:
        yield made


FEW: Config = {
    "proxy": {"port": PORT, "to": RIGHT, "to_port": BACKEND, "connections": 4, "wait": "4s"},
    "stack": {"memory": "4MiB", "connections": 64},
}


def few(**keys: Any) -> Config:
    """FEW with other keys of proxy."""
    return FEW | {"proxy": FEW["proxy"] | keys}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Routed]:
    """Four connections to the backend at most."""
    with proxied(tmp_path, few()) as made:
        yield made


def small_ports(net: Routed) -> Config:
    """What a reload has to leave as it is: ports and workers."""
    before = json.loads(net.app.config_file.read_text())
    return {key: value for key, value in before.items() if key not in FEW}


def backend(net: Routed) -> socket.socket:
    """A socket of the kernel's that listens where the proxy connects to."""
    with net.line.right.netns.inside():
        made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((RIGHT, BACKEND))
    made.listen(128)
    made.settimeout(30)
    return made


def client(net: Routed, address: str = WAN) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with net.line.left.netns.inside():
        made = socket.socket(family)
    made.settimeout(30)
    made.connect((address, PORT))
    return made


def both(net: Routed, listener: socket.socket, address: str = WAN) -> tuple[socket.socket, socket.socket]:
    """The client's end and the backend's of one connection through the proxy."""
    near = client(net, address)
    far, _ = listener.accept()
    far.settimeout(30)
    return near, far


def in_thread(job: Callable[[], object]) -> threading.Thread:
    made = threading.Thread(target=job)
    made.start()
    return made


def read_all(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def counted(net: Routed, metric: str, label: tuple[str, str]) -> int:
    found = net.app.metrics()
    return int(sum(n for (name, labels), n in found.items() if name == metric and label in labels))


def ended(net: Routed, how: str) -> int:
    return counted(net, "weir_proxy_over_connections_total", ("end", how))


def to_backend(net: Routed, state: str) -> int:
    return counted(net, "weir_proxy_backend_connections", ("state", state))


def passed_on(net: Routed) -> int:
    return counted(net, "weir_proxy_bytes_total", ("to", "backend"))


@pytest.mark.parametrize("address", (WAN, WAN6))
def test_curl_gets_a_file_through_it(net: Routed, address: str, tmp_path: Path) -> None:
    """A client and a server as anybody has them; IPv6 on one side, IPv4 on the other.

    Steps: get 10 MB from Python's server through the proxy.
    Check: the checksum is that of the file.
    """
    (tmp_path / "big.bin").write_bytes(BIG)
    url = f"http://[{address}]/big.bin" if ":" in address else f"http://{address}/big.bin"
    with peers.http_server(net.line.right.netns, tmp_path, BACKEND):
        got = peers.curl(net.line.left.netns, url)
    assert hashlib.sha256(got).digest() == hashlib.sha256(BIG).digest()


def test_ten_megabytes_go_both_ways_at_once(net: Routed) -> None:
    """Both directions are spliced by themselves.

    Steps: send 10 MB from each end at the same time and end; read to the end.
    Check: checksums; the proxy has counted the bytes and the end in order.
    """
    before = ended(net, "ended")
    with backend(net) as listener:
        near, far = both(net, listener)
        with near, far:
            senders = [in_thread(lambda s=s: (s.sendall(BIG), s.shutdown(socket.SHUT_WR)))
                       for s in (near, far)]  # fmt: skip
            got: list[bytes] = []
            reader = in_thread(lambda: got.append(read_all(far)))
            assert hashlib.sha256(read_all(near)).digest() == hashlib.sha256(BIG).digest()
            for thread in (*senders, reader):
                thread.join()
            assert hashlib.sha256(got[0]).digest() == hashlib.sha256(BIG).digest()
    until(lambda: ended(net, "ended") == before + 1, what="the end in order")


def test_an_end_of_one_direction_leaves_the_other(net: Routed) -> None:
    """Half close, by nc and socat: the answer comes behind the question's end.

    Steps: a backend reads to the end, then answers; ask it through nc -N and socat.
    Check: each prints the answer to the whole question.
    """
    def answer_one(listener: socket.socket) -> None:
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(30)
            sock.sendall(b"you said " + read_all(sock))

    for argv in (("nc", "-N", "-w", "15", WAN, str(PORT)), ("socat", "-t15", "-", f"TCP:{WAN}:{PORT}")):
        with backend(net) as listener:
            thread = in_thread(lambda: answer_one(listener))
            done = net.line.left.netns.run("timeout", "20", *argv, stdin="hello\n", check=False)
            thread.join()
            assert done.stdout == "you said hello\n", argv


def test_a_reset_is_carried_over(net: Routed) -> None:
    """Errors of one side are errors of the other.

    Steps: reset from either end (SO_LINGER 0).
    Check: the other end gets ECONNRESET.
    """
    linger = (1).to_bytes(4, "little") + bytes(4)
    with backend(net) as listener:
        for who in (0, 1):
            ends = both(net, listener)
            ends[who].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            ends[who].close()
            with ends[1 - who] as other, pytest.raises(ConnectionResetError):
                other.recv(1)


def test_a_backend_that_is_gone_and_comes_back(net: Routed, tmp_path: Path) -> None:
    """Nobody waits for a backend that was killed.

    Steps: connect to a backend, kill it; connect while it is gone; start it again.
    Check: the first connection ends, the second is reset, the third is served.
    """
    (tmp_path / "file").write_bytes(b"here\n")
    before = passed_on(net)
    with peers.http_server(net.line.right.netns, tmp_path, BACKEND):
        first = client(net)
        first.sendall(b"GET /file HTTP/1.0\r\nX: ")
        until(lambda: passed_on(net) > before, what="the backend to have it")
    with first:
        try:
            assert first.recv(1) == b""
        except ConnectionResetError:
            pass
    before = counted(net, "weir_proxy_asks_total", ("what", "failed"))
    with pytest.raises(ConnectionResetError), client(net) as second:
        second.recv(1)
    until(
        lambda: counted(net, "weir_proxy_asks_total", ("what", "failed")) == before + 1,
        what="the failure to be counted",
    )
    with peers.http_server(net.line.right.netns, tmp_path, BACKEND):
        assert peers.curl(net.line.left.netns, f"http://{WAN}/file") == b"here\n"


# iperf3's own connection and all that carry bytes go to this port.
IPERF = 5201


@pytest.fixture(scope="module", params=(WAN, WAN6), ids=("IPv4", "IPv6"))
def between(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Between]:
    """weir-proxy with the same IP version on both sides, for iperf3."""
    to = RIGHT6 if request.param == WAN6 else RIGHT
    config = {
        "proxy": {"port": IPERF, "to": to, "to_port": IPERF},
        "stack": {"memory": "8MiB", "connections": 1024},
    }
    with Lab() as lab:
        line = lab.line(ipv6=True)
        give_addresses(line.left, (LEFT, LEFT6), (WAN, WAN6))
        give_addresses(line.right, (RIGHT, RIGHT6), (LAN, LAN6))
        with routed(tmp_path_factory.mktemp("iperf3"), line, config, "weir-proxy") as made:
            yield made, request.param


@pytest.mark.parametrize(
    "options",
    ((), ("-R",), ("-P", "8"), ("-R", "-P", "8"), ("--bidir",)),
    ids=("up", "down", "8 up", "8 down", "both ways"),
)
def test_iperf3_is_served_and_asked(between: Between, options: tuple[str, ...]) -> None:
    """weir is iperf3's server to the client, and its client to the server.

    Steps: iperf3 of 64 MiB with that many streams in that direction, through the proxy.
    Check: neither end reports an error; most of it has come (a sender stops when so much was taken
    from it, the other way then, too, and nobody reads what is on its way), some each way, in as many
    streams as were asked for; the proxy has passed it on, and no connection is left.
    """
    net, address = between
    size, n = 64 << 20, int(options[-1]) if "-P" in options else 1
    before = {way: counted(net, "weir_proxy_bytes_total", ("to", way)) for way in WAYS}
    end = peers.iperf3(
        net.line.right.netns, net.line.left.netns, address, "-w", "256K", *options, size=str(size)
    )
    ways = {"client" if "-R" in options else "backend": "sum_received"}
    if "--bidir" in options:
        ways["client"] = "sum_received_bidir_reverse"
        n = 2
    assert len(end["streams"]) == n, end
    assert sum(end[sum_]["bytes"] for sum_ in ways.values()) > size / 2, end
    for way, sum_ in ways.items():
        assert end[sum_]["bytes"] > size / 32, end[sum_]
        passed = counted(net, "weir_proxy_bytes_total", ("to", way)) - before[way]
        assert passed >= end[sum_]["bytes"], passed
    begun = net.app.metric("weir_proxy_begun_connections_total")
    until(
        lambda: net.app.metric("weir_proxy_over_connections_total") == begun, what="the end of all"
    )


def test_who_is_silent_for_too_long_is_reset(hasty: Routed) -> None:
    """The deadline of the configuration, 3 s.

    Steps: say something, then nothing.
    Check: both ends are reset, and the proxy says why.
    """
    with backend(hasty) as listener:
        near, far = both(hasty, listener)
        with near, far:
            near.sendall(b"x")
            assert far.recv(1) == b"x"
            for sock in (near, far):
                with pytest.raises(ConnectionResetError):
                    sock.recv(1)
    until(lambda: ended(hasty, "idle") == 1, what="the reason to be counted")


def test_many_connections_and_weirctl_ends_them(net: Routed) -> None:
    """As many as a browser's page has, and an operator who has had enough.

    Steps: open 200 connections, say something over each; end all with weirctl.
    Check: each gets its own answer; all are reset, and no connection is left.
    """
    with backend(net) as listener:
        pairs = [both(net, listener) for _ in range(200)]
        for number, (near, far) in enumerate(pairs):
            near.sendall(b"%d" % number)
            assert far.recv(16) == b"%d" % number
        net.app.ctl("sockets", "kill", "port", str(PORT))
        for near, far in pairs:
            with near, far:
                for sock in (near, far):
                    with pytest.raises(ConnectionResetError):
                        sock.recv(1)


def test_more_clients_than_connections_wait_for_their_turn(small: Routed) -> None:
    """proxy.connections: 4, proxy.wait: 4s.

    Steps: connect 6 clients, each says its number; end the first; wait.
    Check: 4 reach the backend, then the fifth; the sixth is reset after its wait, and counted.
    """
    with backend(small) as listener:
        clients = [client(small) for _ in range(6)]
        served = []
        for number, near in enumerate(clients):
            near.sendall(b"%d" % number)
        for number in range(4):
            far, _ = listener.accept()
            assert far.recv(16) == b"%d" % number
            served.append(far)
        until(lambda: counted(small, "weir_proxy_waiting_clients", ("worker", "0")) == 2, what="two wait")
        clients[0].close()
        served[0].close()
        far, _ = listener.accept()
        assert far.recv(16) == b"4"
        with pytest.raises(ConnectionResetError):
            clients[5].recv(1)
        for sock in (*clients, *served, far):
            sock.close()
    for metric, label in (
        ("weir_proxy_asks_total", ("what", "timed_out")),
        ("weir_proxy_refused_connections_total", ("worker", "0")),
    ):
        until(lambda: counted(small, metric, label) == 1, what=f"one of {metric}")
    until(lambda: to_backend(small, "used") == 0, what="all to be over")


def test_connections_are_made_in_advance(small: Routed) -> None:
    """proxy.ready, and a reload that sets it.

    Steps: reload with ready: 2; take both; connect a client; end one that is ready at the backend,
    and one by weirctl; kill the backend and start another; reload with ready: 0 and ready_idle.
    Check: two come without a client; the client's first bytes come over one of those, and another
    is made; one that has ended is replaced, and so are all when the backend is back; at last none is.
    """
    def arrived(listener: socket.socket, n: int) -> list[socket.socket]:
        return [listener.accept()[0] for _ in range(n)]

    with backend(small) as listener:
        small.app.reload(few(ready=2) | small_ports(small))
        ready = arrived(listener, 2)
        until(lambda: to_backend(small, "ready") == 2, what="two that are ready")
        with client(small) as near:
            near.sendall(b"hello")
            readable, _, _ = select.select(ready, [], [], 30)
            assert readable[0].recv(16) == b"hello"
            (third,) = arrived(listener, 1)
            until(lambda: to_backend(small, "ready") == 2, what="another one")
            used = readable[0]
            ready = [third, *(sock for sock in ready if sock is not used)]
            used.close()
            assert near.recv(1) == b""
        ready.pop().close()
        ready += arrived(listener, 1)
        assert small.app.ctl("sockets", "kill", "addr", RIGHT)
        fresh = arrived(listener, 2)
        for sock in ready:
            with sock, pytest.raises(ConnectionResetError):
                sock.recv(1)
    for sock in fresh:
        sock.close()
    until(lambda: counted(small, "weir_proxy_backend_closed_connections_total", ("why", "failure")) > 0,
          what="a refusal")  # fmt: skip
    with backend(small) as listener:
        again = arrived(listener, 2)
        until(lambda: to_backend(small, "ready") == 2, what="two that are ready again")
        small.app.reload(few(ready=2, ready_idle="100ms") | small_ports(small))
        assert small.app.ctl("sockets", "kill", "addr", RIGHT)
        again += arrived(listener, 6)  # each is kept for 100 ms
        small.app.reload(few(ready=0, ready_idle="100ms") | small_ports(small))
        until(lambda: to_backend(small, "ready") == 0, what="none that is ready")
        for sock in again:
            sock.close()
    assert counted(small, "weir_proxy_backend_closed_connections_total", ("why", "idle")) > 3


def test_more_in_advance_than_there_may_be_are_refused(small: Routed) -> None:
    """A configuration that could not be kept.

    Steps: reload with ready: 5 of 4 connections; with another port.
    Check: sentences with the key; nothing has changed.
    """
    for keys, sentence in (
        ({"ready": 5}, "proxy.ready: 5 connections in advance, but there may be 4"),
        ({"port": 81}, "proxy.port has changed, which needs a restart"),
    ):
        small.app.write(few(**keys) | small_ports(small))
        assert sentence in small.app.refused("reload")
    assert to_backend(small, "ready") == 0


NAME = "backend.weir.test"
# Nobody has it: an attempt to connect is not answered.
GONE6 = "2001:db8:2::dead"


@contextmanager
def dns(net: Routed, *records: str) -> Iterator[None]:
    """dnsmasq at the right: A and AAAA records, each NAME=ADDRESS,..."""
    argv = ["dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--user=root",
            f"--listen-address={RIGHT}", "--bind-interfaces", "--local=/test/", "--local-ttl=1"]  # fmt: skip
    argv += [f"--host-record={record}" for record in records]
    with peers.running(net.line.right.netns, *argv):
        until(lambda: f"{RIGHT}:53" in net.line.right.netns.run("ss", "-Hlun").stdout, what="dnsmasq")
        yield


def listening(net: Routed, address: str) -> socket.socket:
    """A socket of the kernel's that listens at the backend's port of one address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with net.line.right.netns.inside():
        made = socket.socket(family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, BACKEND))
    made.listen(16)
    made.settimeout(30)
    return made


@pytest.fixture
def by_name(tmp_path: Path) -> Iterator[Routed]:
    """A backend with a name, and a DNS server at the right that does not run yet."""
    config = FEW | {"proxy": {"port": PORT, "to": NAME, "to_port": BACKEND, "dns": RIGHT, "connect": "3s"}}
    with proxied(tmp_path, config) as made:
        yield made


def dials(net: Routed, what: str) -> int:
    return counted(net, "weir_proxy_dials_total", ("what", what))


def names(net: Routed, what: str) -> int:
    return counted(net, "weir_proxy_names_total", ("what", what))


def asked_again(net: Routed) -> None:
    """Connect until the name is asked for again: the answer from before has aged."""
    before = names(net, "questions")

    def tried() -> bool:
        try:
            with client(net) as near:
                near.recv(1)
        except ConnectionResetError:
            pass
        return names(net, "questions") >= before + 2

    until(tried, 30, "questions")


def serves(net: Routed, listener: socket.socket) -> None:
    """A client reaches this one."""
    with listener, client(net) as near:
        far, _ = listener.accept()
        with far:
            near.sendall(b"hello")
            assert far.recv(16) == b"hello"
            far.sendall(b"you")
            assert near.recv(16) == b"you"


@requires(Cap.DNSMASQ)
def test_a_backend_with_a_name_is_found_by_dns(by_name: Routed) -> None:
    """Happy Eyeballs (RFC 8305) with a real DNS server.

    Steps: let the name have both families, and serve at IPv6; then at IPv4 alone; then let it have an
    IPv6 address that nobody has.
    Check: IPv6 is taken first; IPv4 when IPv6 refuses, and when it is silent; answers are kept.
    """
    with dns(by_name, f"{NAME},{RIGHT},{RIGHT6}"):
        serves(by_name, listening(by_name, RIGHT6))
        assert (dials(by_name, "ip6"), dials(by_name, "ip4")) == (1, 0)
        assert (names(by_name, "asked"), names(by_name, "answered")) == (2, 2)
        serves(by_name, listening(by_name, RIGHT))
        assert (dials(by_name, "ip6"), dials(by_name, "ip4")) == (1, 1)
    with dns(by_name, f"{NAME},{RIGHT},{GONE6}"):
        asked_again(by_name)
        before = dials(by_name, "ip4"), dials(by_name, "attempts")
        serves(by_name, listening(by_name, RIGHT))
        assert (dials(by_name, "ip4"), dials(by_name, "attempts")) == (before[0] + 1, before[1] + 2)
    assert names(by_name, "cached") > 0


@requires(Cap.DNSMASQ)
def test_a_name_that_nobody_knows(by_name: Routed) -> None:
    """What a client sees, and how it is counted.

    Steps: connect without a DNS server, and with one that does not know the name.
    Check: the client is reset each time, and the reason is counted.
    """
    def refused() -> None:
        with pytest.raises(ConnectionResetError), client(by_name) as near:
            near.recv(1)

    refused()
    until(lambda: dials(by_name, "failed") == 1, what="the failure to be counted")
    with dns(by_name, f"other.weir.test,{RIGHT}"):
        refused()
        assert names(by_name, "negative") == 2
    until(lambda: dials(by_name, "failed") == 2, what="the second one")
    assert counted(by_name, "weir_proxy_refused_connections_total", ("worker", "0")) == 2


def test_a_name_that_cannot_be_asked_for_is_refused(by_name: Routed) -> None:
    """What a name needs, and what it excludes.

    Steps: --check of configurations.
    Check: one sentence each, with file, line and key.
    """
    proxy = json.loads(by_name.app.config_file.read_text())["proxy"]
    for keys, sentence in (
        ({"to": "no name"}, "proxy.to: no name is neither an address nor a name"),
        ({"dns": []}, f"proxy.to: {NAME} is a name, and there is no proxy.dns to ask"),
        ({"ready": 1}, "proxy.ready needs an address in proxy.to, not a name"),
        ({"connections": 1}, "proxy.connections needs an address in proxy.to, not a name"),
        ({"to": RIGHT}, "proxy.dns: there is nothing to ask, proxy.to is an address"),
    ):
        by_name.app.write({"proxy": proxy | keys} | small_ports(by_name))
        assert sentence in by_name.app.refused("reload")
