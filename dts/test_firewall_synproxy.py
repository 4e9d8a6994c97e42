# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall: the SYN proxy between real hosts. The client is on the left, the server right."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.firewall import (
    WAIT_S,
    Firewall,
    connected,
    dialled,
    firewall_between_hosts,
    listening,
    passes,
    read_exactly,
    rule,
    steered,
)
from weir.flood import FLOOD, NOWHERE, flooded
from weir.netns import Netns
from weir.router import LEFT, RIGHT, RIGHT6, WAN, WAN6
from weir.sut import DROPS
from weir.wait import until

from scapy.layers.inet import TCP

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

MEGABYTE = packets.payload(1 << 20)
PROXY = rule("proxy", "synproxy", from_="wan", to="lan", proto="tcp")


@pytest.fixture(scope="module")
def fw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    """A firewall between hosts, with a file server on the right."""
    directory = tmp_path_factory.mktemp("synproxy")
    (directory / "file").write_bytes(MEGABYTE)
    with firewall_between_hosts(directory) as made:
        made.outside.run("ip", "route", "add", "blackhole", NOWHERE)
        with peers.http_server(made.inside, directory):
            yield made


@contextmanager
def sysctl(netns: Netns, **values: str) -> Iterator[None]:
    """net.ipv4 settings of a namespace during the block."""
    before = {key: netns.run("sysctl", "-n", f"net.ipv4.{key}").stdout.strip() for key in values}
    netns.run("sysctl", "-qw", *(f"net.ipv4.{key}={value}" for key, value in values.items()))
    try:
        yield
    finally:
        netns.run("sysctl", "-qw", *(f"net.ipv4.{key}={value}" for key, value in before.items()))


@contextmanager
def nftables(netns: Netns, rules: str) -> Iterator[None]:
    """A chain of the input hook in a namespace during the block."""
    head = "type filter hook input priority 0;"
    netns.run("nft", "-f", "-", stdin=f"table inet t {{ chain c {{ {head} {rules}; }}; }}")
    try:
        yield
    finally:
        netns.run("nft", "delete", "table", "inet", "t")


def kernel_counter(netns: Netns, name: str) -> int:
    """A counter of the kernel's TCP (/proc/net/netstat)."""
    lines = netns.run("cat", "/proc/self/net/netstat").stdout.splitlines()
    names, values = lines[0].split(), lines[1].split()
    return int(dict(zip(names, values))[name])


def cookies(fw: Firewall) -> dict[str, int]:
    """Cookies of all workers since the last mark, by what became of them."""
    return {
        key: int(value) for key, value in fw.app.since_start("weir_syn_cookies_total", "cookie").items()
    }


def fetched(fw: Firewall, address: str, port: int = 8080) -> bytes:
    name = f"[{address}]" if ":" in address else address
    return peers.curl(fw.outside, f"http://{name}:{port}/file", timeout=30)


@pytest.mark.parametrize("server", ["ip4", "ip6", "forward4", "forward6"])
def test_a_megabyte_comes_through(fw: Firewall, server: str) -> None:
    """A real client and a real server, with every number between them translated.

    Steps: fetch a megabyte by curl, direct and by a forwarded port, over both families.
    Check: all its bytes (so all checksums too); one cookie was sent and accepted, and nothing was
    lost.
    """
    six, forward = server.endswith("6"), server.startswith("forward")
    inner, outer = (RIGHT6, WAN6) if six else (RIGHT, WAN)
    to = rule("fwd", "dnat", from_="wan", destination=outer, proto="tcp", dport="81",
              forward=f"[{inner}]:8080" if six else f"{inner}:8080")  # fmt: skip
    fw.policy([PROXY], nat={"destination": [to]})
    assert fetched(fw, *((outer, 81) if forward else (inner, 8080))) == MEGABYTE
    assert cookies(fw) == {"sent": 1, "accepted": 1}
    fw.app.expect_drops({})
    assert fw.counted()["proxy"] > 20


@pytest.mark.parametrize(
    "which", ["client timestamps", "client sack", "client scaling", "server scaling", "server sack",
              "server timestamps", "ecn"],
)  # fmt: skip
def test_what_one_side_cannot_do_is_no_harm(fw: Firewall, which: str) -> None:
    """Options that a host does not offer are not invented for it.

    Steps: switch one off on one side (ecn: on at the client), and fetch a megabyte.
    Check: all its bytes.
    """
    side, _, option = which.partition(" ")
    settings = {"timestamps": {"tcp_timestamps": "0"}, "sack": {"tcp_sack": "0"},
                "scaling": {"tcp_window_scaling": "0"}, "": {"tcp_ecn": "1"}}  # fmt: skip
    fw.policy([PROXY])
    with sysctl(fw.inside if side == "server" else fw.outside, **settings[option]):
        assert fetched(fw, RIGHT) == MEGABYTE
    fw.app.expect_drops({})


def test_the_server_sees_the_clients_own_options(fw: Firewall) -> None:
    """As if nobody stood between them.

    Steps: connect with timestamps and scaling; read TCP_INFO of the server's end.
    Check: timestamps, SACK and scaling are in use there, with the client's scale.
    """
    fw.policy([PROXY])
    with connected(fw.outside, fw.inside, RIGHT, 7001) as (client, server):
        assert passes(client, server)
        ours, theirs = (s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8) for s in (client, server))
    timestamps, sack, scaling = 1, 2, 4
    assert ours[5] & 7 == theirs[5] & 7 == timestamps | sack | scaling
    sent_scale = (ours[6] >> 4, theirs[6] & 15)  # its own at the client, the peer's at the server
    assert sent_scale[0] == sent_scale[1]


def test_lost_segments_are_reported_by_their_right_numbers(fw: Firewall) -> None:
    """SACK blocks name bytes of the server by the numbers that the client knows.

    Steps: lose every 50th segment before the client, which fetches a megabyte.
    Check: all bytes; the server has recovered by SACK and has discarded none of its blocks.
    """
    fw.policy([PROXY])
    before = {k: kernel_counter(fw.inside, k) for k in ("TCPSackRecovery", "TCPSACKDiscard")}
    with nftables(fw.outside, "tcp sport 8080 meta length > 500 numgen inc mod 50 0 drop"):
        assert fetched(fw, RIGHT) == MEGABYTE
    assert kernel_counter(fw.inside, "TCPSackRecovery") > before["TCPSackRecovery"]
    assert kernel_counter(fw.inside, "TCPSACKDiscard") == before["TCPSACKDiscard"]


@pytest.mark.parametrize("server", [RIGHT, RIGHT6])
def test_a_closed_port_resets_the_connection(fw: Firewall, server: str) -> None:
    """The client has been let in by then: it hears of it as soon as the server says so.

    Steps: connect to a port where nobody listens, and read.
    Check: the connection is reset.
    """
    fw.policy([PROXY])
    with pytest.raises(ConnectionResetError):  # as early as by connect()
        with dialled(fw.outside, server, 7999) as client:
            client.recv(1)
    assert cookies(fw) == {"sent": 1, "accepted": 1}


@pytest.mark.parametrize("lost", ["syn", "syn-ack"])
def test_a_first_packet_that_is_lost_comes_again(fw: Firewall, lost: str) -> None:
    """Nobody here keeps a timer: the client's probes of the closed window are one.

    Steps: drop the first SYN at the server, or our first acknowledgement of its SYN-ACK; fetch.
    Check: all bytes.
    """
    first = {"syn": "tcp flags syn / syn,ack quota until 70 bytes drop",
             "syn-ack": "tcp dport 8080 tcp flags ack / syn,ack,psh,fin quota until 60 bytes drop"}  # fmt: skip
    fw.policy([PROXY])
    with nftables(fw.inside, first[lost]):
        assert fetched(fw, RIGHT) == MEGABYTE
        assert " used " in fw.inside.run("nft", "list", "table", "inet", "t").stdout
    fw.app.expect_drops({})


def test_a_flood_of_syns_begins_no_flow_while_a_client_is_served(fw: Firewall) -> None:
    """What the proxy is for.

    Steps: send SYNs of 20,000 sources, as fast as the line takes them, until as many were answered,
    and fetch a megabyte meanwhile, three times.
    Check: all bytes; there never was a flow but the client's, and the server knows no other.
    """
    fw.policy([PROXY])
    most = 0
    with flooded(fw.tg, fw.line.left, fw.macs(), RIGHT, 8080):
        for _ in range(3):
            assert fetched(fw, RIGHT) == MEGABYTE
            most = max(most, len(fw.flows()))
        until(lambda: cookies(fw)["sent"] > FLOOD, what="the answers to the flood")
        most = max(most, len(fw.flows()))
    counts = cookies(fw)
    print(f"{counts['sent']} SYNs answered, {most} flows at most")
    assert counts["accepted"] == 3 and most <= 3
    assert fw.app.since_start(DROPS, "reason")["synproxy_done"] >= counts["sent"]
    assert "198.18" not in fw.inside.run("ss", "-Htan", "sport = :8080").stdout


def test_guessed_cookies_are_refused(fw: Firewall) -> None:
    """An ACK without a handshake is no way in.

    Steps: send 200 ACKs of one client with random numbers.
    Check: each is dropped as syn_cookie_wrong; no flow, and nothing reached the server.
    """
    fw.policy([PROXY])
    acks = [packets.tcp(fw.macs(), (LEFT, RIGHT), sport=5000 + n, flags="A") for n in range(200)]
    for n, ack in enumerate(acks):
        ack[TCP].seq, ack[TCP].ack = 1000 + n, n * 0x1234567 % 2**32
    with fw.tg.capture(fw.line.right, match=lambda p: TCP in p, quiet=0.1) as leaked:
        fw.tg.send(fw.line.left, acks)
        until(lambda: cookies(fw).get("wrong") == 200, what="the refusals")
    assert len(leaked) == 0 and fw.flows() == []
    fw.app.expect_drops({"syn_cookie_wrong": 200})


def test_bytes_go_both_ways_and_the_end_is_heard(fw: Firewall) -> None:
    """Servers that speak first, clients that close first, and the other way round.

    Steps: the server speaks, then the client sends a megabyte and shuts down; the server answers.
    Check: each hears all of the other, and its end.
    """
    fw.policy([PROXY])
    with connected(fw.outside, fw.inside, RIGHT6, 7002) as (client, server):
        server.sendall(b"220 hello")
        assert read_exactly(client, 9) == b"220 hello"
        thread = threading.Thread(target=client.sendall, args=(MEGABYTE,), daemon=True)
        thread.start()
        assert read_exactly(server, len(MEGABYTE)) == MEGABYTE
        thread.join(5)
        client.shutdown(socket.SHUT_WR)
        assert server.recv(1) == b""
        server.sendall(b"bye")
        server.close()
        assert client.recv(10) == b"bye" and client.recv(1) == b""


def test_an_open_connection_outlives_a_reload(fw: Firewall) -> None:
    """A flow of the proxy stays one, whatever lets it in now.

    Steps: open a connection; reload with accept in synproxy's place, and back.
    Check: bytes pass after each.
    """
    fw.policy([PROXY])
    with connected(fw.outside, fw.inside, RIGHT, 7003) as (client, server):
        for action in ("accept", "synproxy"):
            assert passes(client, server)
            fw.app.reload(fw.config([PROXY | {"action": action}]))
        assert passes(client, server)


def test_explain_says_what_a_rule_does(fw: Firewall) -> None:
    """The operator sees the proxy named.

    Steps: explain a packet that the rule lets in.
    Check: the action is synproxy, by that rule.
    """
    fw.policy([PROXY])
    said = fw.app.ask("judge", **{"from": "wan", "src": LEFT, "dst": RIGHT, "dport": 80})
    assert (said["action"], said["rule"]) == ("synproxy", "proxy")
    assert [r["action"] for r in fw.app.ask("rules")] == ["synproxy", "drop"]


def test_any_worker_knows_a_cookie(tmp_path: Path) -> None:
    """SYN and ACK come to the flow's worker, whichever that is; so do translated replies.

    Steps: two workers on one queue; connect 16 times, half of them to a forwarded port.
    Check: bytes pass each time; both workers have had some; nothing was wrong.
    """
    forward = rule("fwd", "dnat", from_="wan", destination=WAN, proto="tcp", dport="82",
                   forward=f"{RIGHT}:7100")  # fmt: skip
    config = {"ports": steered(), "runtime": {"workers": [0, 1]}}
    with firewall_between_hosts(tmp_path, config) as two:
        two.policy([PROXY], nat={"destination": [forward]})
        with listening(two.inside, "0.0.0.0", 7100) as listener:
            for n in range(16):
                with dialled(two.outside, *((WAN, 82) if n % 2 else (RIGHT, 7100))) as client:
                    server, peer = listener.accept()
                    with server:
                        server.settimeout(WAIT_S)
                        assert passes(client, server) and peer[0] == LEFT
        assert {flow["worker"] for flow in two.flows()} == {0, 1}
        assert cookies(two) == {"sent": 16, "accepted": 16}
        two.app.expect_drops({})
