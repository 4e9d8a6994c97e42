# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall: what its records say of the traffic of real programs."""

import json
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import pytest

from weir import ipfix, packets, peers
from weir.caps import Cap, requires
from weir.firewall import (
    OUT,
    Firewall,
    connected,
    firewall_between_hosts,
    listening,
    passes,
    rule,
)
from weir.netns import Netns
from weir.router import LEFT, LEFT6, RIGHT, RIGHT6, WAN, Config
from weir.wait import until

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet
from scapy.utils import rdpcap

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

COLLECTOR = 4739
RULE_RATE = 50
SNAPLEN = 256
BODY = packets.payload(300_000)
MASQUERADE: Config = {"source": [rule("masq", "masquerade", from_="lan", to="wan")]}
# Room for what all tests write, and soon full.
DISK_MIB = 8

NEW, DELETED = 1, 2  # firewallEvent
ENDED = 3  # flowEndReason
SYN = 0x02

BOTH = pytest.mark.parametrize("six", [False, True], ids=["ip4", "ip6"])


@contextmanager
def disk(at: Path) -> Iterator[Path]:
    """A small file system, which a test may fill."""
    at.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "weir-dts", str(at)], check=True
    )
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with disk(tmp_path_factory.mktemp("records") / "disk") as at:
        yield at


@pytest.fixture(scope="module")
def made(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    """A firewall between hosts that records all there is, and a web server outside."""
    records: Config = {
        "flows": str(place / "flows.json"),
        "rules": str(place / "rules.json"),
        "capture": {"file": str(place / "capture.pcapng"), "snaplen": SNAPLEN},
        "ipfix": {"to": f"127.0.0.1:{COLLECTOR}", "template_messages": 1},
        "rule_log_rate": f"{RULE_RATE}/s",
        "updates": "200ms",
    }
    timeouts = {"closed": "1s", "icmp": "1s"}
    config: Config = {"records": records, "conntrack": {"flows": 8192, "timeouts": timeouts}}
    web = tmp_path_factory.mktemp("web")
    (web / "file").write_bytes(BODY)
    (web / "small").write_bytes(b"small")
    with firewall_between_hosts(tmp_path_factory.mktemp("firewall"), config) as fw:
        with peers.http_server(fw.outside, web):
            yield fw


@pytest.fixture
def fw(made: Firewall) -> Firewall:
    return made


def events(*files: Path) -> list[dict[str, Any]]:
    """What whole lines say; one that is no JSON object is an error."""
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    whole = text[: text.rfind("\n") + 1].splitlines()
    told = [json.loads(line) for line in whole]
    assert all(isinstance(one["event_type"], str) for one in told)
    return told


def of_flow(file: Path, port: int) -> list[dict[str, Any]]:
    """The lines of the flow that began last from a port, once it has ended."""

    def find() -> list[dict[str, Any]]:
        told = [one for one in events(file) if one.get("src_port") == port]
        told = [one for one in told if one["flow_id"] == told[-1]["flow_id"]]
        return told if "flow" in [one["event_type"] for one in told] else []

    return until(find, timeout=15, what=f"the end of the flow from port {port}")


@dataclass
class Fetched:
    """A transfer of curl, and the packets of it that came out of the firewall."""

    port: int
    source: str
    sport: int
    to_server: list[Packet]
    to_client: list[Packet]

    def counters(self) -> tuple[int, int, int, int]:
        """Packets and bytes of IP, both ways."""
        return (len(self.to_server), len(self.to_client),
                sum(map(ip_bytes, self.to_server)), sum(map(ip_bytes, self.to_client)))  # fmt: skip


    def flags(self) -> tuple[int, int]:
        """The TCP flags of all packets, both ways."""
        both = (self.to_server, self.to_client)
        to_server, to_client = (
            reduce(or_, (int(p[TCP].flags) & 0xFF for p in way)) for way in both
        )
        return to_server, to_client


def ip_bytes(packet: Packet) -> int:
    return int(packet[IP].len) if IP in packet else int(packet[IPv6].plen) + 40


def url(six: bool, file: str = "file") -> str:
    return f"http://[{LEFT6}]:8080/{file}" if six else f"http://{LEFT}:8080/{file}"


def fetched(fw: Firewall, six: bool = False, *options: str) -> Fetched:
    """Fetch the file from the outside, and look at both ends."""
    form = "%{size_download} %{local_port}"

    def of_web(packet: Packet) -> bool:
        return TCP in packet and 8080 in (packet[TCP].sport, packet[TCP].dport)

    with fw.tg.capture(fw.line.left, match=of_web) as server:
        with fw.tg.capture(fw.line.right, match=of_web) as client:
            done = fw.inside.run("curl", "-sSg", "-o", "/dev/null", "-w", form, *options, url(six))
            for end in (fw.outside, fw.inside):  # their last segments have come then
                until(lambda end=end: not open_to_web(end), what="the end of the connection")
    size, port = map(int, done.stdout.split())
    assert size == len(BODY)
    source = server[0][IPv6 if six else IP].src
    return Fetched(port, source, server[0][TCP].sport, server.packets, client.packets)


def open_to_web(netns: Netns) -> str:
    """Connections of the web server's or to it, TIME-WAIT left out."""
    return netns.run("ss", "-Htn", "sport = :8080 or dport = :8080").stdout


def counters(line: dict[str, Any]) -> tuple[int, int, int, int]:
    flow = line["flow"]
    return (flow["pkts_toserver"], flow["pkts_toclient"],
            flow["bytes_toserver"], flow["bytes_toclient"])  # fmt: skip


# ---- flows ----


@BOTH
def test_a_transfer_is_told_of_from_its_start_to_its_end(
    fw: Firewall, place: Path, six: bool
) -> None:
    """curl, masqueraded in IPv4, slow enough for updates.

    Steps: fetch 300 kB at 250 kB/s.
    Check: its start, updates that grow, and its end as closed, all with one flow_id; packets and
    bytes and TCP flags are those that both hosts saw; the address after translation is the server's client.
    """
    fw.policy([OUT], nat={} if six else MASQUERADE)
    got = fetched(fw, six, "--limit-rate", "250k")
    told = of_flow(place / "flows.json", got.port)
    start, *updates, end = [one for one in told if one["event_type"] != "nat"]
    assert start["event_type"] == "flow_start" and end["event_type"] == "flow"
    assert updates and {one["event_type"] for one in updates} == {"flow_update"}
    assert counters(end) == got.counters()
    series = [counters(one) for one in (*updates, end)]
    assert series == sorted(series)
    ends = (RIGHT6, LEFT6) if six else (RIGHT, LEFT)
    for one in told:
        assert (one["src_ip"], one["dest_ip"], one["dest_port"]) == (*ends, 8080)
        assert one["proto"] == "TCP"
        if not six:
            assert (one["nat"]["src_ip"], one["nat"]["src_port"]) == (got.source, got.sport)
    for one in (start, *updates, end):
        assert one["rule"]["name"] == "out" and one["zone"] == {"from": "lan", "to": "wan"}
    assert end["flow"]["reason"] == "closed" and end["flow"]["start"] < end["flow"]["end"]
    assert end["tcp"]["state"] == "TIME_WAIT"
    flags = (end["tcp"]["tcp_flags_ts"], end["tcp"]["tcp_flags_tc"])
    assert flags == tuple(f"{seen:02x}" for seen in got.flags())
    assert int(end["tcp"]["tcp_flags"], 16) == got.flags()[0] | got.flags()[1]
    assert [one["nat"]["event"] for one in told if one["event_type"] == "nat"] == (
        [] if six else ["nat44_session_create", "nat44_session_delete"]
    )


@BOTH
def test_a_ping_ends_by_its_timeout(fw: Firewall, place: Path, six: bool) -> None:
    """Steps: ping three times.
    Check: one flow of three packets each way, of as many bytes as ping sent, ended by timeout.
    """
    fw.policy([OUT])
    before = len(events(place / "flows.json"))
    assert peers.ping(fw.inside, LEFT6 if six else LEFT, size=100).received == 3

    def ended() -> list[dict[str, Any]]:
        told = events(place / "flows.json")[before:]
        return [one for one in told if one["event_type"] == "flow" and "ICMP" in one["proto"]]

    (end,) = until(ended, timeout=15, what="the end of the ping")
    size = 3 * (100 + 8 + (40 if six else 20))
    assert counters(end) == (3, 3, size, size)
    assert end["flow"]["reason"] == "timeout"
    assert end["flow"]["age"] >= 1


def test_a_flow_that_is_killed_is_told_as_such(fw: Firewall, place: Path) -> None:
    """weirctl flows kill.

    Steps: open a connection, kill all flows.
    Check: it ends as killed, with what it had carried.
    """
    fw.policy([OUT])
    with connected(fw.inside, fw.outside, LEFT, 7201) as (client, server):
        port = client.getsockname()[1]
        assert passes(client, server)
        fw.app.ask("flows_kill", all=True)
        end = of_flow(place / "flows.json", port)[-1]
        for one in (client, server):  # they close by a RST, and say nothing later
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert end["flow"]["reason"] == "killed"
    assert end["flow"]["pkts_toserver"] >= 3 and end["tcp"]["state"] == "ESTABLISHED"


def test_a_rotation_loses_no_line(fw: Firewall, place: Path) -> None:
    """As logrotate does: rename, SIGUSR1.

    Steps: while curl fetches 300 times, rename the file and signal, three times.
    Check: all files together have each flow's start and end once, whole.
    """
    fw.policy([OUT])
    file = place / "flows.json"
    before = len(events(file))
    parts = []
    again = f"http://{LEFT}:8080/small?[1-300]"
    curl = ("curl", "-sS", "--rate", "100/s", "-o", "/dev/null", again)
    with peers.running(fw.inside, *curl) as process:
        for n in range(3):
            size = file.stat().st_size
            until(lambda: file.stat().st_size > size, what="lines of the next flows")
            parts.append(file.rename(place / f"flows.json.{n}"))
            fw.app.signal(signal.SIGUSR1)
            until(file.exists, what="the new file")
        size = file.stat().st_size
        until(lambda: file.stat().st_size > size, what="lines behind the last rotation")
        assert process.wait(20) == 0

    def flows(kind: str) -> list[int]:
        told = [one for one in events(*parts, file)[before:] if one.get("dest_port") == 8080]
        return sorted(one["flow_id"] for one in told if one["event_type"] == kind)

    until(lambda: len(flows("flow")) >= 300, what="the end of each flow")
    assert len(set(flows("flow"))) == 300
    assert flows("flow_start") == flows("flow")
    for part in parts:
        part.unlink()


# ---- rules ----


def of_rules(place: Path, name: str) -> list[dict[str, Any]]:
    told = events(place / "rules.json")
    assert {one["event_type"] for one in told} <= {"rule"}
    return [one for one in told if one["rule"]["name"] == name]


def test_rules_that_log_tell_what_they_did(fw: Firewall, place: Path) -> None:
    """Accept and drop, and a rule that does not log.

    Steps: fetch from a port that is allowed, from one that is dropped, and ping.
    Check: a line for the first packet of each connection with ends, rule, action; none of ping.
    """
    web = rule("web", from_="lan", to="wan", proto="tcp", dport="8080", log=True)
    shut = rule("shut", "drop", from_="lan", to="wan", proto="tcp", dport="8081", log=True)
    fw.policy([web, shut, OUT])
    before = len(events(place / "rules.json"))
    got = fetched(fw)
    tried = fw.inside.run(
        "curl", "-sS", "--max-time", "0.5", "--local-port", "4444", f"http://{LEFT}:8081/",
        check=False,
    )  # fmt: skip
    assert tried.returncode == 28
    assert peers.ping(fw.inside, LEFT).received == 3
    # One SYN, unless curl was slow to give up.
    tries = until(lambda: fw.app.drops_since_start().get("rule", 0), what="the drop")
    until(lambda: len(of_rules(place, "shut")) >= tries, what="the line of each drop")
    (web_line,) = until(lambda: of_rules(place, "web"), what="the line of the connection")
    shut_lines = of_rules(place, "shut")
    assert len(shut_lines) == tries
    for line, port, dport, action in (
        (web_line, got.port, 8080, "accept"),
        *((line, 4444, 8081, "drop") for line in shut_lines),
    ):
        assert (line["src_ip"], line["src_port"]) == (RIGHT, port)
        assert (line["dest_ip"], line["dest_port"]) == (LEFT, dport)
        assert (line["rule"]["action"], line["tcp"]["tcp_flags"][1]) == (action, "2")  # SYN
    assert len(events(place / "rules.json")) == before + 1 + tries


def test_a_burst_is_told_of_at_the_rate_that_is_allowed(fw: Firewall, place: Path) -> None:
    """rule_log_rate: one second's worth at once, then as many a second.

    Steps: ping 300 times at once against a rule that drops and logs.
    Check: all are dropped; so many lines as the rate allows; the others are counted.
    """
    fw.policy([rule("loud", "drop", from_="lan", proto="icmp", log=True), OUT])
    begun = time.monotonic()
    fw.inside.run("ping", "-qn", "-c", "300", "-l", "300", "-W", "0.2", LEFT, check=False)
    fw.app.expect_drops({"rule": 300})
    most = RULE_RATE * (2 + time.monotonic() - begun)

    def told() -> int:
        return 300 - fw.app.rose("weir_records_limited_total")

    until(lambda: len(of_rules(place, "loud")) == told(), what="the lines")
    assert 0 < told() <= most
    until(
        lambda: fw.app.since_start("weir_records_written_total", "kind") == {"rule": told()},
        what="the lines to be counted",
    )


# ---- packets ----


def blocks(file: Path) -> Iterator[tuple[int, bytes]]:
    """Type and body of each block of a pcapng file, whose lengths must fit."""
    data = file.read_bytes()
    while len(data) >= 8:
        kind, size = struct.unpack_from("<II", data)
        if len(data) < size:
            break  # it is being written
        assert struct.unpack_from("<I", data, size - 4) == (size,)
        yield kind, data[8 : size - 4]
        data = data[size:]


def options(body: bytes) -> dict[int, bytes]:
    found = {}
    while body:
        code, size = struct.unpack_from("<HH", body)
        found[code] = body[4 : 4 + size]
        body = body[4 + size + -size % 4 :]
    return found


def labels(file: Path) -> list[tuple[str, str]]:
    """The interface and the comment of each packet."""
    interfaces, found = [], []
    for kind, body in blocks(file):
        if kind == 1:
            interfaces.append(options(body[8:])[2].decode())
        elif kind == 6:
            interface, _, _, size = struct.unpack_from("<IIII", body)
            comment = options(body[20 + size + -size % 4 :])[1].decode()
            found.append((interfaces[interface], comment))
    return found


@contextmanager
def tcpdump(netns: Netns, port: str, file: Path, what: str) -> Iterator[None]:
    """tcpdump writes what passes a port during the block."""
    # As root all the time: another user may not write where the test does.
    argv = ["tcpdump", "-Z", "root", "-i", port, "-U", "--immediate-mode", "-w", str(file), what]
    with peers.running(netns, *argv) as process:
        until(lambda: file.exists() and file.stat().st_size >= 24, what="tcpdump")
        yield
        process.terminate()
        assert process.wait(20) == 0


@requires(Cap.TCPDUMP)
def test_packets_of_a_rule_are_kept_as_they_came(fw: Firewall, place: Path, tmp_path: Path) -> None:
    """pcapng, which tcpdump and scapy read.

    Steps: begin a new file; with a rule that captures ping, ping by 400 bytes, and fetch a file.
    Check: requests by lan and replies by wan, cut to 256 bytes, with the rule's name; to the byte
    what tcpdump saw at the hosts; nothing of the transfer.
    """
    file = place / "capture.pcapng"
    file.rename(place / "old.pcapng")
    fw.app.signal(signal.SIGUSR1)
    until(file.exists, what="the new file")
    fw.policy([rule("kept", from_="lan", to="wan", proto="icmp", capture=True), OUT])
    with tcpdump(fw.inside, fw.line.right.name, tmp_path / "right", "icmp"):
        with tcpdump(fw.outside, fw.line.left.name, tmp_path / "left", "icmp"):
            assert peers.ping(fw.inside, LEFT, size=400).received == 3
            fetched(fw)
            # Its head, and three requests with their replies.
            whole = 24 + 6 * (16 + 14 + 20 + 8 + 400)
            for name in ("right", "left"):
                file_of = tmp_path / name
                until(lambda: file_of.stat().st_size >= whole, what=f"tcpdump on the {name}")
    sent = [p for p in rdpcap(str(tmp_path / "right")) if p[IP].src == RIGHT]
    sent += [p for p in rdpcap(str(tmp_path / "left")) if p[IP].src == LEFT]
    until(lambda: len(labels(file)) >= 6, what="the packets in the file")
    kept = rdpcap(str(file))
    assert sorted(map(bytes, kept)) == sorted(bytes(p)[:SNAPLEN] for p in sent)
    assert {p.wirelen for p in kept} == {14 + 20 + 8 + 400}
    assert labels(file) == [("lan" if p[IP].src == RIGHT else "wan", "rule kept") for p in kept]
    shown = subprocess.run(
        ["tcpdump", "-Z", "root", "-nr", str(file)], capture_output=True, text=True, timeout=20, check=True
    ).stdout
    for which in (f"{RIGHT} > {LEFT}: ICMP echo request", f"{LEFT} > {RIGHT}: ICMP echo reply"):
        assert shown.count(which) == 3, shown


# ---- a collector ----


class Collector:
    """A strict reader at the collector's address: what RFC 7011 forbids is an error."""

    def __init__(self, collector: socket.socket) -> None:
        collector.setblocking(False)
        self._socket = collector
        self._reader = ipfix.Collector()
        self._records: list[ipfix.Record] = []

    def _take(self) -> None:
        try:
            while True:
                self._records += self._reader.take(self._socket.recv(65536))
        except BlockingIOError:
            pass

    def of_flow(self, port: int) -> list[ipfix.Record]:
        """The start, the updates and the end of the flow from a port; no message was missing."""

        def find() -> list[ipfix.Record]:
            self._take()
            found = [r for r in self._records if r.get("sourceTransportPort") == port]
            found = [r for r in found if "firewallEvent" in r]
            return found if found and found[-1]["firewallEvent"] == DELETED else []

        found = until(find, timeout=15, what=f"the end of the flow from port {port}")
        assert [domain.lost for domain in self._reader.domains.values()] == [0]
        return found


@contextmanager
def collecting(fw: Firewall) -> Iterator[Collector]:
    with listening(fw.line.sut, "127.0.0.1", COLLECTOR, socket.SOCK_DGRAM) as collector:
        yield Collector(collector)


def is_exported(fw: Firewall, place: Path, port: int) -> None:
    """Wait for the end of a flow: who answers us has sent all that it has written to the file."""
    of_flow(place / "flows.json", port)
    fw.app.ask("flows")


@BOTH
def test_a_collector_is_told_of_a_transfer(fw: Firewall, six: bool) -> None:
    """IPFIX.

    Steps: fetch a file, masqueraded in IPv4.
    Check: its start and its end, with the ends, packets, bytes and TCP flags that both hosts saw.
    """
    fw.policy([OUT], nat={} if six else MASQUERADE)
    with collecting(fw) as collector:
        got = fetched(fw, six)
        start, *_, end = collector.of_flow(got.port)
    version, ends = ("IPv6", (RIGHT6, LEFT6)) if six else ("IPv4", (RIGHT, LEFT))
    for record in (start, end):
        seen = (record[f"source{version}Address"], record[f"destination{version}Address"])
        assert seen == ends and record["flowId"] == end["flowId"]
        assert (record["destinationTransportPort"], record["protocolIdentifier"]) == (8080, 6)
    assert start["firewallEvent"] == NEW and end["flowEndReason"] == ENDED
    names = [f"{way}{what}TotalCount" for what in ("packet", "octet") for way in ("", "reverse ")]
    assert tuple(end[name] for name in names) == got.counters()
    assert (end["tcpControlBits"], end["reverse tcpControlBits"]) == got.flags()
    assert start["tcpControlBits"] & SYN
    if not six:
        translated = (end["postNATSourceIPv4Address"], end["postNAPTSourceTransportPort"])
        assert translated == (got.source, got.sport) and got.source == WAN


@requires(Cap.NFDUMP)
@BOTH
def test_nfdump_reads_what_a_collector_was_told(
    fw: Firewall, place: Path, tmp_path: Path, six: bool
) -> None:
    """The same by a collector that others wrote.

    Steps: nfcapd listens; fetch a file; nfdump prints what nfcapd stored.
    Check: the ends, and packets and bytes both ways.
    """
    fw.policy([OUT])
    queue = ("ss", "-Hlun", f"sport = :{COLLECTOR}")
    argv = ("nfcapd", "-l", str(tmp_path), "-p", str(COLLECTOR), "-b", "127.0.0.1")
    with peers.running(fw.line.sut, *argv):
        until(lambda: fw.line.sut.run(*queue).stdout, what="nfcapd")
        got = fetched(fw, six)
        is_exported(fw, place, got.port)
        until(lambda: fw.line.sut.run(*queue).stdout.split()[1] == "0", what="nfcapd to read it")
    form = "fmt:%sa %sp %da %dp %ipkt %opkt %ibyt %obyt"
    shown = subprocess.run(
        ["nfdump", "-q", "-6", "-N", "-R", str(tmp_path), "-o", form, "-O", "tstart",
         f"src port {got.port} and packets > 0"],
        capture_output=True, text=True, timeout=20, check=True,
    ).stdout  # fmt: skip
    ends = (RIGHT6, str(got.port), LEFT6, "8080") if six else (RIGHT, str(got.port), LEFT, "8080")
    assert shown.splitlines()[-1].split() == [*ends, *map(str, got.counters())]


# ---- what goes wrong ----


def test_a_collector_that_is_away_costs_records_alone(fw: Firewall, place: Path) -> None:
    """Nobody listens at its port.

    Steps: fetch a file without a collector, and another one with a collector that has come.
    Check: the files arrive; what was refused is counted; nothing is missing of the second one.
    """
    fw.policy([OUT])
    is_exported(fw, place, fetched(fw).port)
    until(lambda: fw.app.rose("weir_ipfix_errors_total") >= 1, what="the refusal to be counted")
    with collecting(fw) as collector:
        got = fetched(fw)
        assert collector.of_flow(got.port)[0]["firewallEvent"] == NEW


def test_a_full_disk_stops_nothing(fw: Firewall, place: Path) -> None:
    """What waits is written when there is room, what is too much is counted.

    Steps: fill the disk, make 1,000 flows, fetch a file, make room.
    Check: all packets and the file pass; lines are lost and counted, the rest is in the file, whole.
    """
    fw.policy([OUT], nat=MASQUERADE)
    file = place / "flows.json"
    before = len(events(file))
    with (place / "filler").open("wb", buffering=0) as filler:
        with pytest.raises(OSError, match="No space left"):
            while True:
                filler.write(bytes(4096))
    sent = [
        packets.udp(fw.macs(False), (RIGHT, LEFT), sport=2000 + n, dport=9) for n in range(1000)
    ]
    for at in range(0, len(sent), 200):  # parts of what a ring has room for
        seen = fw.sent(sent[at : at + 200], inwards=False)
        assert len({p.sport for p in seen if p.dport == 9}) == 200
    got = fetched(fw)
    until(lambda: fw.app.metric("weir_record_file_failing") == 1, what="the disk to be full")
    (place / "filler").unlink()
    until(lambda: fw.app.metric("weir_record_file_failing") == 0, what="room")
    fw.app.ask("flows_kill", all=True)
    of_flow(file, got.port)

    def kept() -> int:
        wrote = sum(fw.app.since_start("weir_records_written_total", "kind").values())
        return wrote - fw.app.rose("weir_record_file_lost_total")

    assert fw.app.rose("weir_record_file_lost_total") > 0
    until(lambda: len(events(file)) - before == kept(), what="the lines that were not lost")
