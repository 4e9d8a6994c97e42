# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall: programs of users and of attackers, as the policy lets them see the other side."""

import resource
import select
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.firewall import (
    FAR,
    FAR6,
    OUT,
    Firewall,
    connected,
    firewall_between_hosts,
    listening,
    passes,
    rule,
)
from weir.netns import Netns
from weir.router import LAN, LAN6, LEFT, LEFT6, RIGHT, RIGHT6, WAN
from weir.wait import until

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES, Cap.CLIENTS)

ROOM = 1024
MISSED = "weir_port_rx_missed_packets_total"
MASQUERADE = {"source": [rule("masq", "masquerade", from_="lan", to="wan")]}


@pytest.fixture(scope="module")
def fw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    """A firewall between hosts with room for 1,024 flows."""
    config = {"conntrack": {"flows": ROOM}}
    with firewall_between_hosts(tmp_path_factory.mktemp("programs"), config) as made:
        made.outside.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
        made.inside.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
        # What answers a made-up source must not go round between the gate and the firewall.
        made.outside.run("ip", "route", "add", "10.0.2.0/24", "via", WAN)
        made.outside.run("ip", "route", "replace", "blackhole", "default")
        yield made


# ---- users ----


def ends(fw: Firewall, six: bool) -> tuple[Netns, str]:
    """A server outside, masqueraded to in IPv4, and its address."""
    fw.policy([OUT], nat=MASQUERADE if not six else {})
    return (fw.far, FAR6) if six else (fw.far, FAR)


BOTH = pytest.mark.parametrize("six", [False, True], ids=["ip4", "ip6"])


SSHD = """
import asyncio, asyncssh, sys

async def echo(process):
    process.stdout.write(await process.stdin.read())
    process.exit(0)

async def main():
    key = asyncssh.generate_private_key("ssh-ed25519")
    await asyncssh.listen("", 2222, server_host_keys=[key], authorized_client_keys=sys.argv[1],
                          process_factory=echo, encoding=None)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@contextmanager
def sshd(netns: Netns, directory: Path) -> Iterator[Path]:
    """A server of ssh on port 2222 that sends back what it gets; yields the key that opens it."""
    key = directory / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with peers.running(netns, "/usr/bin/python3", "-c", SSHD, f"{key}.pub"):
        until(lambda: peers.listens(netns, 2222), 30, "the server of ssh")
        yield key


@BOTH
def test_ssh_carries_files_both_ways(fw: Firewall, tmp_path: Path, six: bool) -> None:
    """An interactive protocol with a long handshake.

    Steps: log in from the inside, send 300 kB and read them back.
    Check: the same bytes; nothing was dropped.
    """
    server, address = ends(fw, six)
    data = packets.payload(300_000)
    with sshd(server, tmp_path) as key:
        options = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
        argv = ("ssh", "-q", "-p", "2222", "-i", str(key), *options, f"root@{address}", "echo")
        done = subprocess.run(fw.inside.command(*argv), input=data, capture_output=True, timeout=40)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == data
    fw.app.expect_drops({})


@BOTH
def test_passive_ftp_needs_no_helper(fw: Firewall, tmp_path: Path, six: bool) -> None:
    """The client opens the second connection too (RFC 959, RFC 2428): it is one more that goes out.

    Steps: curl a directory and a file by FTP from the inside.
    Check: both arrive.
    """
    server, address = ends(fw, six)
    (tmp_path / "file").write_bytes(packets.payload(100_000))
    name = f"[{address}]" if six else address
    argv = ("/usr/bin/python3", "-W", "ignore", "-m", "pyftpdlib", "-i", address, "-p", "2121",
            "-d", str(tmp_path))  # fmt: skip
    with peers.running(server, *argv):
        until(lambda: peers.listens(server, 2121), 30, "the FTP server")
        assert b"file" in peers.curl(fw.inside, f"ftp://{name}:2121/")
        assert peers.curl(fw.inside, f"ftp://{name}:2121/file") == packets.payload(100_000)
    fw.app.expect_drops({})


def answer(query: bytes, size: int) -> bytes:
    """A DNS response: one TXT record of so many bytes, in strings of 200."""
    text = b"".join(b"\xc8" + b"x" * 200 for _ in range(size // 200))
    head = query[:2] + struct.pack("!5H", 0x8580, 1, 1, 0, 0)
    question = query[12 : query.index(b"\0", 12) + 5]
    return head + question + struct.pack("!HHHIH", 0xC00C, 16, 1, 60, len(text)) + text


@contextmanager
def name_server(netns: Netns, address: str, size: int) -> Iterator[None]:
    """Answers every question, by UDP and by TCP; what goes wrong in it fails the test."""
    done = threading.Event()
    failed: list[Exception] = []

    def by_udp(udp: socket.socket) -> None:
        query, peer = udp.recvfrom(1000)
        udp.sendto(answer(query, size), peer)

    def by_tcp(tcp: socket.socket) -> None:
        with tcp.accept()[0] as stream, stream.makefile("rb") as questions:
            (length,) = struct.unpack("!H", questions.read(2))
            reply = answer(questions.read(length), size)
            stream.sendall(struct.pack("!H", len(reply)) + reply)

    def serve(udp: socket.socket, tcp: socket.socket) -> None:
        try:
            while not done.is_set():
                ready = select.select([udp, tcp], [], [], 0.05)[0]
                for one in ready:
                    (by_udp if one is udp else by_tcp)(one)
        except (OSError, ValueError, struct.error) as error:
            failed.append(error)

    with (
        listening(netns, address, 53, socket.SOCK_DGRAM) as udp,
        listening(netns, address, 53) as tcp,
    ):
        thread = threading.Thread(target=serve, args=(udp, tcp), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(10)
    assert not thread.is_alive() and failed == []


@BOTH
def test_dig_is_answered_by_udp_in_fragments_and_by_tcp(fw: Firewall, six: bool) -> None:
    """A large answer by UDP comes in fragments, of which the later ones have no ports.

    Steps: ask for a TXT record of 3000 bytes, by UDP with EDNS, and by TCP.
    Check: dig prints all of it each time.
    """
    server, address = ends(fw, six)
    with name_server(server, address, 3000):
        for how in ("+notcp", "+tcp"):
            done = fw.inside.run(
                "dig",
                f"@{address}",
                "example.org",
                "TXT",
                "+bufsize=4000",
                "+tries=1",
                "+time=15",
                "+short",
                how,
            )
            assert done.stdout.count("x") == 3000
    fw.app.expect_drops({})


@BOTH
@pytest.mark.parametrize("how", ["-U", "-I", "-T"])
def test_traceroute_sees_each_router(fw: Firewall, six: bool, how: str) -> None:
    """By UDP, by ICMP and by SYNs: whatever is sent, the errors about it come back to who sent it.

    Steps: traceroute to the far host, from the inside.
    Check: the firewall, the gate, the host.
    """
    _, address = ends(fw, six)
    argv = ("traceroute", "-n", how, "-q", "1", "-w", "8", "-m", "5", address)
    lines = fw.inside.run(*argv).stdout.splitlines()[1:]
    assert [line.split()[1] for line in lines] == ([LAN6, LEFT6, FAR6] if six else [LAN, LEFT, FAR])


# ---- attackers ----

SEEN = [
    rule("open", from_="wan", to="lan", proto="tcp", dport=["80", "81"]),
    rule("no", "reject", from_="wan", to="lan", dport="443", proto=["tcp", "udp"]),
    rule("dns", from_="wan", to="lan", proto="udp", dport="53"),
]
TCP_PORTS, UDP_PORTS = "80,81,443,8443", "53,443,8443"


def scanned(fw: Firewall, kind: str, ports: str, to: str) -> dict[int, str]:
    """What nmap says of the ports of a host inside, as seen from the outside."""
    family = ("-6",) if ":" in to else ()
    argv = ("nmap", *family, kind, "-n", "-Pn", "-p", ports, "--max-retries", "1", "-T4", "--reason",
            "--initial-rtt-timeout", "100ms", "--max-rtt-timeout", "200ms", "-oX", "-", to)  # fmt: skip
    tree = ElementTree.fromstring(fw.outside.run(*argv).stdout)
    return {
        int(port.attrib["portid"]): port.find("state").attrib["state"]  # type: ignore[union-attr]
        for port in tree.iter("port")
    }


def comes_to_see(fw: Firewall, kind: str, ports: str, to: str, want: dict[int, str]) -> None:
    """Scan until all answers came in the 200 ms that nmap waits; more than is wanted it never sees."""

    def sees() -> bool:
        found = scanned(fw, kind, ports, to)
        unheard = {"filtered", "open|filtered"}
        assert found.keys() == want.keys()
        assert all(found[port] in {state, *unheard} for port, state in want.items()), found
        return found == want

    until(sees, 30, f"{want} by nmap {kind}")


@pytest.mark.parametrize("to", [RIGHT, RIGHT6])
@pytest.mark.parametrize("kind", ["-sS", "-sT"])
def test_scans_that_connect_see_what_the_policy_opens(fw: Firewall, kind: str, to: str) -> None:
    """A scan by SYNs, and one by whole handshakes.

    Steps: scan a port that is served, one that nobody serves, one that is rejected, one that is
    dropped.
    Check: open, closed, closed, filtered.
    """
    fw.policy(SEEN)
    with listening(fw.inside, to, 80):
        want = {80: "open", 81: "closed", 443: "closed", 8443: "filtered"}
        comes_to_see(fw, kind, TCP_PORTS, to, want)


@pytest.mark.parametrize("kind", ["-sF", "-sN", "-sX", "-sA"])
def test_scans_by_odd_flags_see_nothing(fw: Firewall, kind: str) -> None:
    """FIN, nothing, FIN with PSH and URG, ACK: none begins a connection.

    Steps: scan the same ports.
    Check: no port differs from another, and each packet was dropped as one that fits no connection.
    """
    fw.policy(SEEN)
    with listening(fw.inside, RIGHT, 80):
        found = scanned(fw, kind, TCP_PORTS, RIGHT)
    state = "filtered" if kind == "-sA" else "open|filtered"
    assert found == dict.fromkeys((80, 81, 443, 8443), state)
    until(lambda: fw.app.drops_since_start().get("flow_invalid", 0) >= 4, what="the drops")
    assert set(fw.app.drops_since_start()) == {"flow_invalid"}


def test_a_scan_by_udp_sees_what_is_rejected(fw: Firewall) -> None:
    """ICMP errors of the host come out, for they are about a flow that was let in.

    Steps: scan a port that nobody serves, one that is rejected, one that is dropped.
    Check: closed, filtered by an answer, open or filtered.
    """
    fw.policy(SEEN)
    want = {53: "closed", 443: "filtered", 8443: "open|filtered"}
    comes_to_see(fw, "-sU", UDP_PORTS, RIGHT, want)


FLOODS = {
    "UDP": ("--udp", "-p", "++1", "--rand-source"),
    "ICMP": ("--icmp", "--rand-source"),
    "RST": ("--rst", "-p", "80", "-a", FAR),
    "SYN": ("--syn", "-p", "82", "--rand-source"),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_client_works_through_a_flood(fw: Firewall, tmp_path: Path, kind: str) -> None:
    """The table has 1,024 places; what is let in fills it many times over.

    Steps: hold a connection from the far host to a server inside; flood the server with 10,000
    packets; meanwhile fetch files, one after the other.
    Check: each file arrives; the connection works; the flood's packets were counted, as flows, as
    drops, or as what the port had no room for.
    """
    fw.policy([rule("all", from_="wan", to="lan")])
    (tmp_path / "file").write_bytes(packets.payload(20_000))
    argv = ("hping3", "-q", "-n", "-i", "u100", "-c", "10000", *FLOODS[kind], RIGHT)
    with peers.http_server(fw.inside, tmp_path):
        with connected(fw.far, fw.inside, RIGHT, 80) as (client, accepted):
            assert passes(client, accepted)
            with peers.running(fw.outside, *argv) as flood:
                fetched = 0
                while flood.poll() is None or fetched == 0:
                    url = f"http://{RIGHT}:8080/file"
                    assert peers.curl(fw.outside, url) == packets.payload(20_000)
                    fetched += 1
            assert passes(client, accepted, b"still here")

    def counted() -> int:
        begun, missed = map(fw.app.rose, ("weir_flows_begun_total", MISSED))
        return begun + missed + sum(fw.app.drops_since_start().values())

    until(lambda: counted() >= 9_000, what="the flood to be counted")
    assert "established" not in fw.app.since_start("weir_flows_evicted_total", "class")
    assert fw.app.metric("weir_flows") <= ROOM


# ---- a full table ----


@contextmanager
def many_files() -> Iterator[None]:
    was = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, max(8192, was[1])))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, was)


def test_a_table_full_of_open_connections_refuses_and_says_so(fw: Firewall) -> None:
    """Nothing that is open makes room for who comes late.

    Steps: open 1,024 connections from the inside; try one more; use the first ones; end 10; try
    again.
    Check: the one more is dropped as flow_full; the first ones work; then it is let in.
    """
    fw.policy([OUT])
    clients: list[socket.socket] = []
    accepted: list[socket.socket] = []
    with many_files(), listening(fw.outside, LEFT, 7200) as server:
        try:
            with fw.inside.inside():
                clients += [socket.socket() for _ in range(ROOM + 2)]
            refused, late = clients[ROOM:]
            for client in clients[:ROOM]:
                client.settimeout(20)
                client.connect((LEFT, 7200))
                accepted.append(server.accept()[0])
            refused.settimeout(0.3)
            with pytest.raises(TimeoutError):
                refused.connect((LEFT, 7200))
            refused.close()
            until(fw.app.drops_since_start, what="the drop")
            assert set(fw.app.drops_since_start()) == {"flow_full"}
            assert passes(clients[0], accepted[0]) and passes(clients[ROOM - 1], accepted[-1])
            for client, peer in zip(clients[:10], accepted[:10]):
                client.close()
                peer.close()
            late.settimeout(20)
            late.connect((LEFT, 7200))
        finally:
            for each in clients + accepted:
                each.close()
    assert fw.app.since_start("weir_flows_evicted_total", "class") == {"closed": 1}
