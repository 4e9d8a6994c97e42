# SPDX-License-Identifier: BSD-3-Clause
"""Who may connect to weir's TCP, and how much of one source: stack.sources."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from weir import peers
from weir.caps import Cap, requires
from weir.lab import Lab
from weir.router import LEFT, LEFT6, WAN, WAN6, Config, Routed, give_addresses, routed
from weir.wait import until

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

SOURCES: Config = {
    "at_once": 3,
    "connections": 4,
    "rate": "20/s",
    "burst": 6,
    "block": "1s",
    "half_open": 16,
    "allow": ["10.0.1.128/26", "10.0.1.66/32"],
    "deny": "10.0.1.64/26",
}
ANYBODY = [f"10.0.1.{host}" for host in (10, 11, 12)]
TRUSTED, DENIED, NOBODY = "10.0.1.130", "10.0.1.65", "10.0.1.40"


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Routed]:
    """weir-httpd, and one host with many addresses."""
    config = {"stack": {"memory": "4MiB", "connections": 256, "sources": SOURCES}}
    with Lab() as lab:
        line = lab.line(ipv6=True)
        give_addresses(line.left, (LEFT, LEFT6), (WAN, WAN6))
        for address in (*ANYBODY, TRUSTED, DENIED, "10.0.1.66"):
            line.left.add_address(f"{address}/32")
        with routed(tmp_path, line, config, "weir-httpd") as made:
            yield made


def connected(net: Routed, address: str, timeout: float = 20) -> socket.socket:
    """A connection from an address of the left host."""
    with net.line.left.netns.inside():
        made = socket.socket()
    made.settimeout(timeout)
    made.bind((address, 0))
    try:
        made.connect((WAN, 80))
    except OSError:
        made.close()
        raise
    return made


def counted(net: Routed, what: str) -> int:
    return int(sum(n for (name, _), n in net.app.metrics().items() if name == f"weir_stack_{what}"))


def is_silent(net: Routed, address: str) -> bool:
    try:
        connected(net, address, 0.3).close()
    except TimeoutError:
        return True
    return False


def test_a_source_has_as_many_connections_as_it_may(net: Routed) -> None:
    """connections: 4, and who is trusted or denied.

    Steps: connect five times from one address and once from another; end one of the five and
    connect again; ten times from one that is allowed; once from one that is denied, and once from
    an address inside of that prefix that is allowed.
    Check: the fifth is not answered, after an end there is room; the others as the lists say.
    """
    held = [connected(net, ANYBODY[0]) for _ in range(4)]
    assert is_silent(net, ANYBODY[0])
    until(lambda: counted(net, "tcp_source_connections_total") > 0, what="the fifth to be counted")
    held.append(connected(net, ANYBODY[1]))
    held.pop(0).close()
    held.append(connected(net, ANYBODY[0]))
    held += [connected(net, TRUSTED) for _ in range(10)]
    assert is_silent(net, DENIED)
    until(lambda: counted(net, "tcp_source_denied_total") > 0, what="the denied one to be counted")
    held.append(connected(net, "10.0.1.66"))
    for sock in held:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: w\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
        sock.close()


def test_no_more_sources_than_may_be_at_once(net: Routed) -> None:
    """at_once: 3.

    Steps: connect from three addresses, then from a fourth; end one; try the fourth again.
    Check: it is not answered while the others are there.
    """
    held = [connected(net, address) for address in ANYBODY]
    assert is_silent(net, LEFT)
    until(lambda: counted(net, "tcp_sources_full_total") > 0, what="the fourth to be counted")
    held.pop().close()
    connected(net, LEFT).close()
    for sock in held:
        sock.close()


def test_who_opens_too_many_in_a_second_is_blocked(net: Routed) -> None:
    """rate: 20/s, burst: 6, block: 1s.

    Steps: connect and end, again and again, from one address, until it is not answered; connect
    from another; connect from the first one.
    Check: the first is blocked after its burst, the other is not; the block ends.
    """
    opened = 0
    while counted(net, "tcp_source_blocks_total") == 0:
        while not is_silent(net, ANYBODY[0]):
            opened += 1
            assert opened < 200
    assert opened > 6
    assert counted(net, "tcp_source_blocks_total") == 1
    connected(net, ANYBODY[1]).close()
    connected(net, ANYBODY[0]).close()  # Linux says its SYN again after a second
    assert counted(net, "tcp_source_blocked_total") > 0


@requires(Cap.CLIENTS)
def test_a_flood_of_one_source_is_answered_by_cookies(net: Routed) -> None:
    """half_open: 16, and hping3 in the name of an address that nobody has.

    Steps: send 400 SYNs from there; get a page from another address meanwhile and afterwards.
    Check: 16 are half open at most, the others got cookies; nothing is kept against that source.
    """
    argv = ("hping3", "-q", "-c", "400", "-i", "u1000", "-S", "-p", "80", "-a", NOBODY, WAN)
    with peers.running(net.line.left.netns, *argv) as flood:
        assert peers.curl(net.line.left.netns, f"http://{WAN}/health")
        flood.wait(20)
    until(lambda: counted(net, "tcp_source_challenged_total") >= 300, what="the challenges")
    assert counted(net, "tcp_half_open_connections") <= 16
    assert peers.curl(net.line.left.netns, f"http://{WAN}/health")
    assert counted(net, "tcp_source_blocks_total") == 0


def test_limits_that_would_do_nothing_are_refused(net: Routed) -> None:
    """Nobody believes in a limit that is none.

    Steps: reload with connections but no at_once, with block but no rate.
    Check: one sentence each, with the key.
    """
    before = json.loads(net.app.config_file.read_text())
    for sources, sentence in (
        ({"connections": 4}, "stack.sources.connections has no effect without stack.sources.at_once"),
        ({"at_once": 4, "block": "1s"}, "stack.sources.block has no effect without stack.sources.rate"),
    ):
        net.app.write(before | {"stack": before["stack"] | {"sources": sources}})
        assert sentence in net.app.refused("reload")
