# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall: what is in the payload. Clients are inside, servers outside, names are blocked."""

import json
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from weir import peers
from weir.caps import Cap, requires
from weir.firewall import (
    OUT,
    Firewall,
    connected,
    firewall_between_hosts,
    forsaken,
    listening,
    read_exactly,
    rule,
)
from weir.netns import Netns
from weir.router import LEFT, RIGHT, Config
from weir.wait import until

from scapy.layers.dns import DNS, DNSQR

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

SIZES: Config = {"flows": 256, "early_blocks": 64, "messages": 16}
INSPECTED: Config = OUT | {"inspect": True}
REQUEST = b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n"
PATTERNS = "1001:/evil[0-9]+pattern/\n1002:/odd.*word/s\n"


def blocking(action: str, *names: str) -> Config:
    """A section `dpi` with one set of domains."""
    return SIZES | {"domains": {"no": {"names": list(names), "action": action}}}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dpi")


@pytest.fixture(scope="module")
def fw(place: Path) -> Iterator[Firewall]:
    """A firewall between hosts that may inspect, and records what it finds."""
    records: Config = {"alerts": str(place / "alerts.json")}
    with firewall_between_hosts(place, {"dpi": SIZES, "records": records}) as made:
        yield made


@pytest.fixture(autouse=True)
def no_alerts_of_before(fw: Firewall, place: Path) -> None:
    (place / "alerts.json").write_text("")  # it is appended to


def hears_nothing(end: socket.socket) -> bool:
    end.settimeout(0.2)
    try:
        return end.recv(100) is None
    except TimeoutError:
        return True


def alert(place: Path, **members: Any) -> dict[str, Any]:
    """The line of an alert whose member `alert` has all these."""

    def find() -> dict[str, Any] | None:
        text = (place / "alerts.json").read_text()  # its last line may be under way
        lines = map(json.loads, text[: text.rfind("\n") + 1].splitlines())
        found = [one for one in lines if members.items() <= one["alert"].items()]
        return found[-1] if found else None

    found = until(find, what=f"an alert with {members}")
    assert found is not None
    return found


@contextmanager
def https_server(netns: Netns, place: Path, port: int) -> Iterator[list[Any]]:
    """TLS with a certificate of its own, one word for each client; what became of each is kept."""
    key, cert, ended = place / "key.pem", place / "cert.pem", []
    if not cert.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", "/CN=any", "-keyout", str(key), "-out", str(cert)],
            check=True, capture_output=True,
        )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.settimeout(5)
            try:
                with context.wrap_socket(client, server_side=True) as tls:
                    tls.recv(4096)
                    tls.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")
                ended.append(None)
            except OSError as error:
                ended.append(error)

    with listening(netns, LEFT, port) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield ended
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def curl(netns: Netns, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """curl with a name that is the outside host's; any status."""
    name = url.split("/")[2].split(":")[0]
    return netns.run(
        "curl", "-sSk", "--http1.1", "--connect-to", f"{name}::{LEFT}:", *options, url, check=False
    )


def test_tls_is_let_through_or_reset_by_the_name_that_is_asked_for(
    fw: Firewall, place: Path
) -> None:
    """The server name of the ClientHello decides; both ends are told at once.

    Steps: with blocked.example to be reset, curl https://good.example and https://www.blocked.example.
    Check: the first has its answer; of the second curl and the server see a reset; the record of it.
    """
    fw.policy([INSPECTED], dpi=blocking("reset", "blocked.example"))
    with https_server(fw.outside, place, 8443) as ended:
        good = curl(fw.inside, "https://good.example:8443/")
        assert (good.returncode, good.stdout) == (0, "hello"), good.stderr
        bad = curl(fw.inside, "https://www.blocked.example:8443/", "--max-time", "5")
        assert bad.returncode == 35 and "reset" in bad.stderr.lower(), bad.stderr
        until(lambda: len(ended) == 2, what="the server's end of both")
    assert ended[0] is None and isinstance(ended[1], ConnectionResetError)
    fw.app.expect_drops({"inspect_reset": 1})
    told = alert(place, signature="no", action="blocked", verdict="reject", gid=2)
    assert told["tls"]["sni"] == "www.blocked.example"
    assert (told["src_ip"], told["dest_port"]) == (RIGHT, 8443)
    assert (told["rule"]["name"], told["proto"]) == ("out", "TCP")


def test_http_is_dropped_by_its_host(fw: Firewall, place: Path) -> None:
    """Dropped means silence: the client waits.

    Steps: with bad.example to be dropped, ask a server for a page of good.example and of bad.example.
    Check: the first comes; the second does not; the drops have their name.
    """
    fw.policy([INSPECTED], dpi=blocking("drop", "bad.example"))
    (place / "page").write_text("hello")
    with peers.http_server(fw.outside, place):
        assert curl(fw.inside, "http://good.example:8080/page").stdout == "hello"
    with connected(fw.inside, fw.outside, LEFT, 8081) as (client, server):
        forsaken(client, server)
        client.sendall(REQUEST % b"bad.example")
        told = alert(place, signature="no", verdict="drop")
        assert hears_nothing(server)
    assert set(fw.app.drops_since_start()) == {"inspect"}
    assert (told["http"]["hostname"], told["dest_port"]) == ("bad.example", 8081)


def question(name: str) -> bytes:
    return bytes(DNS(id=7, rd=1, qd=DNSQR(qname=name)))


def test_a_question_of_dns_is_refused_by_its_name(fw: Firewall, place: Path) -> None:
    """Each question is judged by itself, also those of one socket.

    Steps: with blocked.example to be reset, ask a server over one socket for it and for another name.
    Check: the other is answered before and after; the blocked one is told to be prohibited at once.
    """
    fw.policy([INSPECTED], dpi=blocking("reset", "blocked.example"))
    udp = socket.SOCK_DGRAM
    with listening(fw.outside, LEFT, 53, udp) as server, listening(fw.inside, RIGHT, 0, udp) as asks:
        asks.connect((LEFT, 53))
        for name in ("good.example", "blocked.example", "good.example"):
            asks.send(question(name))
            if name.startswith("blocked"):
                with pytest.raises(OSError, match="No route to host"):  # ICMP type 3 code 13
                    asks.recv(512)
                continue
            asked, peer = server.recvfrom(512)
            server.sendto(asked, peer)
            assert DNS(asks.recv(512)).qd.qname == b"good.example."
    fw.app.expect_drops({"inspect_reset": 1})
    assert alert(place, verdict="reject", gid=2)["dns"]["rrname"] == "blocked.example"


def test_names_of_later_messages_are_met_too(fw: Firewall) -> None:
    """A connection may carry many requests; each has its name.

    Steps: with blocked.example to be reset, send two HTTP requests over one connection, the first
        with a body, and two DNS questions over another; each time the second is for that name.
    Check: the first arrives, the second resets both ends.
    """
    fw.policy([INSPECTED], dpi=blocking("reset", "blocked.example"))
    post = b"POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: 3\r\n\r\nabc"
    asked = [struct.pack("!H", len(q)) + q for q in map(question, ("good.example", "blocked.example"))]
    messages = {8082: [post, REQUEST % b"blocked.example"], 53: asked}
    for port, (first, second) in messages.items():
        with connected(fw.inside, fw.outside, LEFT, port) as (client, server):
            client.sendall(first)
            assert read_exactly(server, len(first)) == first
            client.sendall(second)
            for end in (client, server):
                with pytest.raises(ConnectionResetError):
                    end.recv(100)


def unreadable(fw: Firewall) -> int:
    return int(fw.app.ask("dpi")["counters"]["unreadable"])


@pytest.mark.parametrize("action", ["accept", "drop"])
def test_what_cannot_be_read_is_counted_and_passes_or_not(
    fw: Firewall, place: Path, action: str
) -> None:
    """Servers differ in which of two hosts they take: the operator decides.

    Steps: with dpi.unreadable accept and drop, send a request with two Host fields, and a datagram
        to port 53 that is no query.
    Check: it is counted; both arrive, or neither does and alerts say so.
    """
    fw.policy([INSPECTED], dpi=blocking("reset", "blocked.example") | {"unreadable": action})
    before = unreadable(fw)
    request = b"GET / HTTP/1.1\r\nHost: a.example\r\nHost: blocked.example\r\n\r\n"
    with connected(fw.inside, fw.outside, LEFT, 8083) as (client, server):
        forsaken(client, server)
        client.sendall(request)
        if action == "accept":
            assert read_exactly(server, len(request)) == request
        else:
            alert(place, signature="unreadable", verdict="drop")
            assert hears_nothing(server)
    udp = socket.SOCK_DGRAM
    with listening(fw.outside, LEFT, 53, udp) as server, listening(fw.inside, RIGHT, 0, udp) as asks:
        asks.sendto(b"no query of any kind", (LEFT, 53))
        if action == "accept":
            assert server.recv(100) == b"no query of any kind"
        until(lambda: unreadable(fw) >= before + 2, what="both to be counted")
        assert hears_nothing(server)
    assert unreadable(fw) == before + 2
    assert set(fw.app.drops_since_start()) == ({"inspect"} if action == "drop" else set())


@pytest.mark.parametrize("action", ["alert", "drop"])
def test_a_pattern_is_found_across_segments(fw: Firewall, place: Path, action: str) -> None:
    """A stream is a stream, however it is cut.

    Steps: over a connection, send a pattern in three segments, each after the last has arrived.
    Check: all of it arrives with alert; the last segment does not with drop; the record names it.
    """
    file = place / "patterns"
    file.write_text(PATTERNS)
    patterns = {"local": {"file": str(file), "action": action}}
    fw.policy([INSPECTED], dpi=SIZES | {"patterns": patterns})
    with connected(fw.inside, fw.outside, LEFT, 7000) as (client, server):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        forsaken(client, server)
        for part in (b"so ev", b"il12"):
            client.sendall(part)
            assert read_exactly(server, len(part)) == part
        client.sendall(b"34pattern")
        verdict = "accept" if action == "alert" else "drop"
        told = alert(place, signature_id=1001, verdict=verdict)
        if action == "alert":
            assert read_exactly(server, 9) == b"34pattern"
            fw.app.expect_drops({})
        else:
            assert hears_nothing(server)
    assert told["alert"]["signature"] == "evil[0-9]+pattern" and told["dest_port"] == 7000


def test_a_reload_swaps_the_domains_under_open_connections(fw: Firewall) -> None:
    """What is open goes on; what is asked for next meets the new names.

    Steps: open a connection under one set, reload with another, use it, then ask for both names.
    Check: bytes pass; the name of the old set is let through, that of the new one is not.
    """
    fw.policy([INSPECTED], dpi=blocking("reset", "one.example"))
    with connected(fw.inside, fw.outside, LEFT, 7001) as (client, server):
        fw.app.reload(fw.config([INSPECTED], dpi=blocking("reset", "two.example")))
        client.sendall(REQUEST % b"one.example")
        assert len(read_exactly(server, 37)) == 37
        assert fw.app.ask("dpi")["counters"]["begun_anew"] > 0
    with connected(fw.inside, fw.outside, LEFT, 7002) as (client, server):
        client.sendall(REQUEST % b"two.example")
        for end in (client, server):
            with pytest.raises(ConnectionResetError):
                end.recv(100)


def test_behind_the_syn_proxy_both_ends_are_reset_by_their_own_numbers(fw: Firewall) -> None:
    """The two ends know the server's stream by different numbers.

    Steps: with synproxy and inspection of what comes in, ask a server inside for two names.
    Check: the first request and its answer arrive; the blocked one resets both ends.
    """
    proxied = rule("in", "synproxy", from_="wan", to="lan", proto="tcp", inspect=True)
    fw.policy([proxied], dpi=blocking("reset", "blocked.example"))
    with connected(fw.outside, fw.inside, RIGHT, 7005) as (client, server):
        client.sendall(REQUEST % b"good.example")
        assert read_exactly(server, 38) == REQUEST % b"good.example"
        server.sendall(b"answer")
        assert read_exactly(client, 6) == b"answer"
    with connected(fw.outside, fw.inside, RIGHT, 7006) as (client, server):
        client.sendall(REQUEST % b"blocked.example")
        for end in (client, server):
            with pytest.raises(ConnectionResetError):
                end.recv(100)


def test_rules_ask_for_applications(fw: Firewall) -> None:
    """A flow is let in until it is known what it is, then the rules are asked again.

    Steps: with "http is rejected" before "all is inspected", speak HTTP and something else.
    Check: the first connection is reset at its next packet, the other goes on; weirctl says so.
    """
    no_http = rule("no-http", "reject", application="http")
    fw.policy([no_http, rule("tls", application="tls", proto="tcp", dport="443"), INSPECTED])
    with connected(fw.inside, fw.outside, LEFT, 7003) as (client, server):
        client.sendall(REQUEST % b"a.example")
        with pytest.raises(ConnectionResetError):  # what it acknowledges is the next packet
            while server.recv(100):
                pass
    until(lambda: fw.app.drops_since_start().get("rule_reject", 0) > 0, what="the rejection")
    with connected(fw.inside, fw.outside, LEFT, 7004) as (client, server):
        client.sendall(b"SSH-2.0-weir\r\n")
        assert read_exactly(server, 14) == b"SSH-2.0-weir\r\n"
        server.sendall(b"SSH-2.0-also\r\n")
        assert read_exactly(client, 14) == b"SSH-2.0-also\r\n"
        assert [f["application"] for f in fw.flows(port=7004)] == ["ssh"]
    packet: Config = {"from": "lan", "src": RIGHT, "dst": LEFT, "dport": 443}
    waits = fw.app.ask("judge", **packet)
    assert (waits["rule"], waits["waits_for"]) == ("tls", "tls")
    known = fw.app.ask("judge", **packet, app="http")
    assert (known["action"], known["rule"]) == ("reject", "no-http")


def test_the_second_start_reads_what_the_first_has_compiled(fw: Firewall, place: Path) -> None:
    """The cache is of the patterns, by their content.

    Steps: load patterns with a cache; stop; start again; change a pattern and reload.
    Check: written, then read, then written; --check names the rule of Snort that is left out.
    """
    file, rules, cache = place / "patterns", place / "snort.rules", place / "cache"
    cache.mkdir(mode=0o700)
    file.write_text(PATTERNS)
    rules.write_text(
        'alert tcp any any -> any any (msg:"a word"; content:"zebra"; sid:9;)\n'
        'alert tcp any any -> any any (msg:"no"; content:"x"; dsize:1; sid:10;)\n'
    )
    patterns: Config = {"local": {"file": str(file)}, "bought": {"file": str(rules), "format": "snort"}}
    dpi = SIZES | {"cache": str(cache), "patterns": patterns}
    fw.policy([INSPECTED], dpi=dpi)
    first = fw.app.ask("dpi")
    assert (first["cache"], first["patterns"], first["left_out"]) == ("written", 3, 1)
    check = fw.app.run("--check")
    assert check.returncode == 0 and "rule 10 is left out" in check.stdout
    assert fw.app.stop() == 0
    fw.app.start()
    assert fw.app.ask("dpi")["cache"] == "hit"
    file.write_text(PATTERNS + "1003:/more/\n")
    fw.app.ctl("reload")
    again = fw.app.ask("dpi")
    assert (again["cache"], again["patterns"]) == ("written", 4)
    assert fw.app.log.count("rule 10 is left out") == 2  # once by each of the two programs
