# SPDX-License-Identifier: BSD-3-Clause
"""weirctl, weir-pump and weir-bench: what they show and do, on real interfaces."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.lab import Lab, Line
from weir.router import (
    LEFT,
    LEFT6,
    RIGHT,
    RIGHT6,
    WAN,
    Config,
    Routed,
    between_silent_ends,
)
from weir.sut import App, Sut, program
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.utils import rdpcap

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

ROUTES = [
    {"to": "198.18.0.0/16", "via": RIGHT},
    {"to": "198.18.2.0/24", "kind": "blackhole"},
    {"to": "2001:db8:100::/48", "via": RIGHT6},
]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """A router between silent ends."""
    with between_silent_ends(tmp_path_factory.mktemp("tools"), {"routes": ROUTES}) as made:
        yield made


def ctl(net: Routed, *words: str) -> subprocess.CompletedProcess[str]:
    """weirctl as a person types it."""
    argv = (program("weirctl"), "-s", str(net.app.socket), *words)
    return net.line.sut.run(*argv, check=False)


def send(net: Routed, dst: str, count: int = 1, sport: int = 1024) -> None:
    """Packets from the left end, and return when the router has done with them."""
    source = LEFT6 if ":" in dst else LEFT
    came = in_stage(net, "00_rx")["pkts"]
    net.tg.send(net.line.left, [packets.udp(net.inward, (source, dst), sport=sport)] * count)
    until(lambda: in_stage(net, "00_rx")["pkts"] >= came + count, what="the packets")


def in_stage(net: Routed, name: str) -> Config:
    stages: dict[str, Config] = {one["stage"]: one for one in net.app.ctl("stages")["stages"]}
    return stages[name]


# ---- weirctl: what there is ----


def test_status_names_the_program_its_workers_and_its_ports(net: Routed) -> None:
    """weirctl status, for a person and as JSON.

    Steps: ask both ways.
    Check: process, readiness, generation, one worker, both ports up.
    """
    status = net.app.ctl("status")
    assert (status["name"], status["pid"], status["ready"]) == ("weir-router", net.app.pid, True)
    assert {p["name"]: p["up"] for p in status["ports"]} == {"wan": True, "lan": True}
    assert [w["core"] for w in status["workers"]] == [1] and status["generation"] >= 1
    text = ctl(net, "status").stdout
    assert f"process {net.app.pid}" in text and "ready" in text and "adaptive" in text


def test_ports_have_their_counters(net: Routed) -> None:
    """weirctl ports, of all and of one.

    Steps: send 5 packets; ask for wan and lan.
    Check: received by wan, sent by lan; MAC addresses and driver; an unknown port is refused.
    """
    before = {p["name"]: p["counters"] for p in net.app.ctl("ports")}
    with net.tg.capture(net.line.right, count=5):
        send(net, RIGHT, 5)


    def rose(port: str, counter: str) -> int:
        after = {p["name"]: p["counters"] for p in net.app.ctl("ports")}
        return int(after[port][counter] - before[port][counter])

    until(lambda: rose("lan", "tx_pkts") >= 5, what="the packets to be counted")
    assert (rose("wan", "rx_pkts"), rose("lan", "tx_pkts")) == (5, 5)
    after = {p["name"]: p for p in net.app.ctl("ports")}
    assert after["wan"]["mac"] == net.line.wan.mac and "xdp" in after["wan"]["driver"]
    assert [p["name"] for p in net.app.ctl("ports", "lan")] == ["lan"]
    refused = ctl(net, "ports", "dmz")
    assert refused.returncode == 1 and "dmz" in refused.stderr


def test_stages_tell_what_became_of_each_packet(net: Routed) -> None:
    """weirctl stages: packets, bursts, and verdicts by stage.

    Steps: send 7 packets that go out and 3 that a blackhole takes.
    Check: 60_route says OUT 7 times more and DROP 3 times more; 90_tx had 7 more; the drop is named.
    """
    route, tx = in_stage(net, "60_route")["verdicts"], in_stage(net, "90_tx")["pkts"]
    with net.tg.capture(net.line.right, count=7):
        send(net, RIGHT, 7)
        send(net, "198.18.2.1", 3)

    def became() -> tuple[int, int, int]:
        after = in_stage(net, "60_route")["verdicts"]
        sent = in_stage(net, "90_tx")["pkts"] - tx
        return after["OUT"] - route["OUT"], after["DROP"] - route["DROP"], sent

    until(lambda: became() == (7, 3, 7), what="each to be counted")
    assert "blackhole" in ctl(net, "stages").stdout


def test_drops_say_what_they_mean_and_what_to_do(net: Routed) -> None:
    """weirctl drops: with --all every reason of the manual.

    Steps: have a packet dropped; ask; compare with --manual=drops.
    Check: the reason has its meaning and remedy; --all has each reason of the manual.
    """
    send(net, "203.0.113.1")
    until(lambda: "no_route" in ctl(net, "drops").stdout, what="the drop")
    shown = ctl(net, "drops").stdout
    assert "no route to the destination" in shown
    assert "weirctl explain" in shown
    manual = net.line.sut.run(program("weir-router"), "--manual=drops").stdout
    reasons = set(re.findall(r"^\| `(\w+)`", manual, re.M))
    assert len(reasons) > 30
    assert {d["reason"] for d in net.app.ctl("drops")} == reasons


def test_top_shows_rates_stage_by_stage(net: Routed) -> None:
    """weirctl top, twice a fifth of a second.

    Steps: run it for two refreshes while packets pass.
    Check: each refresh has the stages, the ports and a rate above 0 for wan.
    """
    argv = (program("weirctl"), "-s", str(net.app.socket), "top", "-i", "0.3", "-n", "2")
    some, pace = [packets.udp(net.inward, (LEFT, RIGHT))] * 20, threading.Event()

    def rates() -> list[float]:
        """What two refreshes say of wan while we send."""
        with net.line.sut.popen(*argv, stdout=subprocess.PIPE) as top:
            while top.poll() is None:
                net.tg.send(net.line.left, some)
                pace.wait(0.01)
            assert top.stdout is not None
            text = top.stdout.read()
        assert top.returncode == 0
        assert text.count("60_route") == 2 and text.count("dropped") == 2
        found = re.findall(r"^wan +up +([\d.]+)", text, re.M)
        assert len(found) == 2
        return [float(rate) for rate in found]

    until(lambda: all(rate > 0 for rate in rates()), what="a sender that does not stand still")


def test_every_table_fits_100_columns_and_has_no_colours_in_a_pipe(net: Routed) -> None:
    """For terminals of 100 columns, and for grep.

    Steps: ask for each table.
    Check: status 0; no line is longer than 100 characters, but for the path of a file; no escape
    sequence.
    """
    path = str(net.app.config_file)
    for words in (
        ("status",), ("ports",), ("ports", "-x"), ("stages",), ("drops",), ("drops", "--all"),
        ("routes",), ("neighbours",), ("pool",), ("plan",), ("help",), ("explain", RIGHT),
        ("top", "-i", "0.1", "-n", "1"),
    ):  # fmt: skip
        done = ctl(net, *words)
        assert done.returncode == 0, done.stderr
        assert done.stdout != "" and "\033" not in done.stdout
        lines = done.stdout.replace(path, "FILE").splitlines()
        long = [line for line in lines if len(line) > 100]
        assert long == [], f"weirctl {' '.join(words)}"


@pytest.mark.parametrize(
    "dst, verdict, via",
    [
        ("198.18.9.9", "gateway", RIGHT),
        ("198.18.2.9", "blackhole", None),
        (RIGHT, "link", None),
        (WAN, "local", None),
        ("203.0.113.9", "none", None),
        ("2001:db8:100::9", "gateway", RIGHT6),
        ("10.0.2.255", "broadcast", None),
    ],
)
def test_explain_tells_where_a_packet_would_go(
    net: Routed, dst: str, verdict: str, via: str | None
) -> None:
    """weirctl explain asks the table that packets are forwarded by.

    Steps: ask for the address, as JSON and as a person would.
    Check: the kind of its route and the gateway; a sentence.
    """
    answer = net.app.ctl("explain", "--dst", dst)
    assert answer["verdict"] == verdict
    assert [hop.get("via") for hop in answer["hops"]][:1] in ([via], [])
    assert via is None or answer["hops"][0]["via"] == via
    assert ctl(net, "explain", dst).stdout.strip() != ""


def test_routes_and_neighbours_are_listed(net: Routed) -> None:
    """weirctl routes, neighbours.

    Steps: ask.
    Check: the configured routes with their source; both ends, permanent.
    """
    routes = {r["to"]: r for r in net.app.ctl("routes")}
    assert routes["198.18.0.0/16"]["hops"][0]["via"] == RIGHT
    assert (routes["198.18.2.0/24"]["kind"], routes["198.18.2.0/24"]["source"]) == (
        "blackhole",
        "static",
    )
    assert "10.0.1.0/24" in routes and "2001:db8:1::/64" in routes
    ends = {n["address"]: (n["mac"], n["state"]) for n in net.app.ctl("neighbours")}
    assert ends[LEFT] == (net.line.left.mac, "permanent")
    assert ends[RIGHT6] == (net.line.right.mac, "permanent")


def test_plan_and_configuration_are_those_in_force(net: Routed) -> None:
    """weirctl plan prints what --plan prints; weirctl config has the defaults, too.

    Steps: ask for both.
    Check: the same text as --plan; the configuration names what the file does not.
    """
    assert ctl(net, "plan").stdout == net.app.run("--plan").stdout
    shown = ctl(net, "config").stdout
    assert "adaptive" in shown and "neighbour_queue" in shown and "198.18.2.0/24" in shown


def test_the_level_of_the_log_can_be_changed_and_is_audited(net: Routed) -> None:
    """Commands that change state are logged with who and when.

    Steps: weirctl log-level debug, and back to info.
    Check: the log has the command, the user and the process.
    """
    assert ctl(net, "log-level", "debug").returncode == 0
    assert ctl(net, "log-level", "info").returncode == 0
    audited = [line for line in net.app.log.splitlines() if 'command="log-level"' in line]
    assert len(audited) >= 2 and all("uid=0" in line and "pid=" in line for line in audited)


@pytest.mark.parametrize(
    "words, status, word",
    [
        (("nosuch",), 1, "nosuch"),
        (("ports", "a", "b"), 2, "usage"),
        (("top", "-i", "nan"), 2, "usage"),
        (("explain", "nonsense"), 1, "nonsense"),
        (("pcap",), 1, "stage"),
        (("pcap", "--drop", "nosuch"), 1, "nosuch"),
        (("trace", "--src", "nonsense"), 1, "nonsense"),
        (("trace", "-n", "0"), 1, "count"),
    ],
)
def test_wrong_commands_are_refused_in_a_sentence(
    net: Routed, words: tuple[str, ...], status: int, word: str
) -> None:
    """1: the program refused; 2: usage.

    Steps: type it.
    Check: the status; the sentence names what is wrong; nothing on stdout.
    """
    done = ctl(net, *words)
    assert (done.returncode, done.stdout) == (status, "") and word in done.stderr, done.stderr


def test_a_program_that_is_not_there_is_told(line: Line, tmp_path: Path) -> None:
    """weirctl and a socket that nobody listens on.

    Steps: ask by a path that is not there.
    Check: status 1, the path.
    """
    gone = str(tmp_path / "gone.sock")
    done = line.sut.run(program("weirctl"), "-s", gone, "status", check=False)
    assert done.returncode == 1 and gone in done.stderr


# ---- weirctl: packets ----


@contextmanager
def watching(net: Routed, *words: str) -> Iterator[list[str]]:
    """weirctl trace or pcap, at work when the block begins, and ended when it is left.

    What it said is in the list then, line by line.
    """
    said: list[str] = []
    before = net.app.log.count("command=")
    argv = (program("weirctl"), "-s", str(net.app.socket), *words)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with net.line.sut.popen(*argv, **pipes) as client:
        until(lambda: net.app.log.count("command=") > before, what="the watch")
        yield said
        out, error = client.communicate(timeout=40)
    assert client.returncode == 0, error
    said += out.splitlines()


def test_trace_follows_a_packet_from_stage_to_stage(net: Routed) -> None:
    """weirctl trace with a filter.

    Steps: trace 2 packets to one address; send other packets, then these.
    Check: each goes 10_parse, 60_route OUT to lan, 80_neigh_out, 90_tx, in rising order; no other
    packet is shown.
    """
    with watching(net, "trace", "-n", "2", "--dst", "198.18.4.4/32") as lines:
        send(net, RIGHT, 5)
        send(net, "198.18.4.4", 2)
    assert all("198.18.4.4" in line or "10.0.2.2" not in line for line in lines)
    for packet in ("#1 ", "#2 "):
        mine = [line for line in lines if line.startswith(packet)]
        stages = [re.search(r"\b(\d\d)_\w+", line) for line in mine]
        order = [int(stage[1]) for stage in stages if stage]
        assert order == sorted(order) and {10, 60, 80, 90} <= set(order)
        assert any("60_route" in line and "OUT to lan" in line for line in mine)


def test_trace_shows_where_and_why_a_packet_is_dropped(net: Routed) -> None:
    """As JSON, one object a line.

    Steps: trace one packet into a blackhole.
    Check: the last record is 99_drop, or the stage that said DROP; it has the reason.
    """
    with watching(net, "--json", "trace", "-n", "1", "--proto", "udp") as lines:
        send(net, "198.18.2.7")
    records = [json.loads(line) for line in lines]
    assert ("60_route", "DROP", "blackhole") in [
        (r["stage"], r["verdict"], r.get("drop")) for r in records
    ]


def test_a_capture_of_a_stage_has_the_bytes_as_they_are_there(net: Routed, tmp_path: Path) -> None:
    """weirctl pcap --stage writes pcapng, which scapy reads.

    Steps: capture 3 packets at 60_route; send 3.
    Check: 3 packets with the TTL lowered and the payload untouched.
    """
    file = tmp_path / "route.pcapng"
    with watching(net, "pcap", "--stage", "60_route", "-n", "3", "-w", str(file)):
        send(net, RIGHT, 3, sport=3333)
    seen = rdpcap(str(file))
    assert [(p[IP].ttl, p[IP].dst, p[UDP].sport) for p in seen] == [(63, RIGHT, 3333)] * 3
    assert all(bytes(p[UDP].payload) == packets.payload(18, 3333) for p in seen)
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark: apt-get install tshark")
def test_a_capture_of_a_drop_reason_has_only_these_packets(net: Routed, tmp_path: Path) -> None:
    """weirctl pcap --drop, read by tshark with its comments.

    Steps: capture 2 packets dropped by TTL; send some with TTL 64 and 2 with TTL 1.
    Check: tshark shows 2 packets of TTL 1 with the reason in the comment.
    """
    file = tmp_path / "ttl.pcapng"
    with watching(net, "pcap", "--drop", "ttl", "-n", "2", "-w", str(file)):
        send(net, RIGHT, 3)
        spent = packets.udp(net.inward, (LEFT, RIGHT), ttl=1)
        net.tg.send(net.line.left, [spent, spent])
    argv = ["tshark", "-r", str(file), "-T", "fields", "-e", "ip.ttl", "-e", "frame.comment"]
    shown = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    lines = shown.stdout.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("1\t") and "drop=ttl" in line for line in lines), lines


@pytest.mark.parametrize(
    "port, direction, mac", [("wan", "rx", "left"), ("lan", "tx", "right"), ("wan", "tx", "")]
)
def test_a_capture_of_a_port_has_one_direction(
    net: Routed, tmp_path: Path, port: str, direction: str, mac: str
) -> None:
    """weirctl pcap --port --direction.

    Steps: capture 4 packets, or for a second, while 4 go from wan to lan.
    Check: 4 packets where they pass, none where they do not.
    """
    file = tmp_path / "port.pcapng"
    until_ = ("-n", "4", "--seconds", "30") if mac else ("--seconds", "1")
    words = ("--port", port, "--direction", direction, *until_, "-w", str(file))
    with watching(net, "pcap", *words):
        send(net, RIGHT, 4)
    seen = rdpcap(str(file))
    assert len(seen) == (4 if mac else 0)
    ends = {"left": net.line.left.mac, "right": net.line.right.mac}
    assert all(ends[mac] in (p.src, p.dst) for p in seen)


def test_a_capture_never_writes_over_a_file_or_through_a_link(net: Routed, tmp_path: Path) -> None:
    """Root's tool must not be led to overwrite something.

    Steps: capture into a file that exists, and into a symbolic link.
    Check: status 1; the file is as it was; with --overwrite it is replaced, the link never.
    """
    file, link = tmp_path / "precious", tmp_path / "link"
    file.write_text("precious")
    link.symlink_to(file)
    at = ("pcap", "--stage", "60_route", "--seconds", "1", "-w")
    for words in ((str(file),), (str(link),), (str(link), "--overwrite")):
        assert ctl(net, *at, *words).returncode == 1
        assert file.read_text() == "precious"
    assert ctl(net, *at, str(file), "--overwrite").returncode == 0
    assert file.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


def test_a_watch_ends_with_its_client(net: Routed) -> None:
    """A client that was killed says no goodbye.

    Steps: start a trace; try another one; kill the first, and try until one is let in.
    Check: while the first was there, refused with a sentence; then let in, within ten seconds.
    """
    before = net.app.log.count("command=")
    argv = (program("weirctl"), "-s", str(net.app.socket), "trace", "-n", "1000")
    with net.line.sut.popen(*argv) as client:
        until(lambda: net.app.log.count("command=") > before, what="the watch")
        refused = ctl(net, "trace", "-n", "1")
        assert refused.returncode == 1 and "only one" in refused.stderr
        client.kill()
        client.wait(20)
    once = ("trace", "-n", "1", "--seconds", "1")
    until(lambda: ctl(net, *once).returncode == 0, 10, "the end of the watch")
    with net.tg.capture(net.line.right, count=5) as seen:
        send(net, RIGHT, 5)
    assert len(seen) == 5


# ---- weir-pump ----


def attached(line: Line) -> bool:
    """Whether both ports have their XDP programs, which is when a program without /ready is up."""
    return line.sut.run("ip", "link", "show").stdout.count(" prog/xdp") == 2


def test_ping_goes_through_the_pump(lab: Lab, sut: Sut) -> None:
    """weir-pump joins two interfaces: what comes in by one leaves by the other.

    Steps: two hosts in one subnet with the pump between them; ping over IPv4 and IPv6; SIGTERM.
    Check: 10 answers each; status 0; a summary with what went through.
    """
    line = lab.line(ipv6=True)
    for port, n in ((line.left, 1), (line.right, 2)):
        port.add_address(f"192.0.2.{n}/24")
        port.add_address(f"2001:db8::{n}/64")
    pump = sut.start("weir-pump", None, line.sut, ("wan", "lan"), ready=lambda app: attached(line))
    for to in ("192.0.2.2", "2001:db8::2"):
        assert peers.ping(line.left.netns, to, count=10).received == 10
    assert pump.stop() == 0
    for name in ("wan", "lan"):
        counts = re.search(rf"^{name}: received (\d+), sent (\d+)", pump.log, re.M)
        assert counts is not None and int(counts[1]) >= 20 and int(counts[2]) >= 20
    assert "xdp" not in line.sut.run("ip", "link", "show").stdout


@pytest.mark.parametrize(
    "args, status",
    [((), 2), (("wan",), 2), (("--nosuch", "lan"), 2), (("wan", "nosuch0"), 1)],
)
def test_the_pump_refuses_what_it_cannot_do(line: Line, args: tuple[str, ...], status: int) -> None:
    """Usage, and an interface that is not there.

    Steps: run it with such words.
    Check: status 2 for usage, 1 for the interface, and something on stderr; no XDP program left.
    """
    done = line.sut.run(program("weir-pump"), *args, check=False)
    assert done.returncode == status and done.stderr != ""
    assert "xdp" not in line.sut.run("ip", "link", "show").stdout


# ---- weir-bench ----


def bench(mode: str, ports: tuple[str, ...], **section: Any) -> Config:
    """A configuration of weir-bench that rests between packets."""
    return {
        "runtime": {"poll": "adaptive"},
        "ports": {name: {"interface": name, "promiscuous": True} for name in ports},
        "bench": {"mode": mode} | section,
    }


def frame(line: Line, size: int = 100) -> Packet:
    return packets.udp((line.left.mac, "02:00:00:00:00:aa"), (LEFT, RIGHT), size=size)


def started(sut: Sut, line: Line, config: Config) -> App:
    """weir-bench at work: what comes from now on is counted."""
    app = sut.start("weir-bench", config, line.sut)
    until(lambda: app.metric("weir_bench_forwarding") == 1, what="weir-bench to be at work")
    return app


def test_bench_io_passes_frames_on_as_they_are(line: Line, sut: Sut, tg: TrafficGenerator) -> None:
    """testpmd's io between two ports.

    Steps: send 50 frames of different sizes from the left.
    Check: the same bytes arrive on the right; the report counts them; SIGTERM ends it with status 0.
    """
    _, report = sut_report(sut, line, bench("io", ("wan", "lan"), report="REPORT"))
    sent = [frame(line, size) for size in range(18, 1468, 29)]
    with tg.capture(line.right, count=len(sent)) as seen:
        tg.send(line.left, sent)
    assert [bytes(p) for p in seen] == [bytes(p) for p in sent]
    counts = {port["name"]: port for port in report()["ports"]}
    assert (counts["wan"]["rx"], counts["lan"]["tx"]) == (50, 50)


def sut_report(sut: Sut, line: Line, config: Config) -> tuple[App, Callable[[], Any]]:
    """Start weir-bench; returns it, and a function that ends it and reads its report."""
    app = sut.prepare("weir-bench", None, line.sut)
    file = app.config_file.with_name("report.json")
    config["bench"]["report"] = str(file)
    app = started(sut, line, config)

    def report() -> Any:
        assert app.stop() == 0
        return json.loads(file.read_text())

    return app, report


def test_bench_macswap_sends_frames_back(line: Line, sut: Sut, tg: TrafficGenerator) -> None:
    """A port without a partner sends back what it receives.

    Steps: send 20 frames.
    Check: each comes back with its MAC addresses swapped and else unchanged.
    """
    started(sut, line, bench("macswap", ("wan",)))
    sent = [frame(line, size) for size in range(18, 418, 20)]
    with tg.capture(line.left, count=len(sent)) as seen:
        tg.send(line.left, sent)
    for packet in sent:
        packet.src, packet.dst = packet.dst, packet.src
    assert [bytes(p) for p in seen] == [bytes(p) for p in sent]


def test_bench_5tswap_turns_flows_round(line: Line, sut: Sut, tg: TrafficGenerator) -> None:
    """Addresses and ports change places, and all checksums stay right.

    Steps: send 20 UDP frames.
    Check: each comes back from its destination to its source, with checksums as scapy makes them.
    """
    started(sut, line, bench("5tswap", ("wan",)))
    sent = [frame(line, 40 + n) for n in range(20)]
    with tg.capture(line.left, count=len(sent)) as seen:
        tg.send(line.left, sent)
    assert len(seen) == 20
    for packet in seen:
        assert (packet[IP].src, packet[IP].dst) == (RIGHT, LEFT)
        assert (packet[UDP].sport, packet[UDP].dport) == (9, 1024)
        again = Ether(bytes(packet))
        del again[IP].chksum, again[UDP].chksum
        assert bytes(again) == bytes(packet)


def test_bench_icmpecho_answers_arp_and_ping(line: Line, sut: Sut) -> None:
    """The kernel's ping gets its answers from weir-bench, for any address.

    Steps: ping an address of the subnet.
    Check: 10 answers.
    """
    started(sut, line, bench("icmpecho", ("wan",)))
    line.left.add_address("192.0.2.1/24")
    assert peers.ping(line.left.netns, "192.0.2.77", count=10).received == 10


def test_bench_sink_judges_what_txonly_made(lab: Lab, sut: Sut) -> None:
    """Two weir-bench, one at each end of a veth.

    Steps: send exactly 5,000 packets of 8 flows at 10,000 a second, in sizes of an internet mix.
    Check: the sender sent 5,000; the sink has each of them once, in order, of 8 flows, with a latency.
    """
    ends = lab.veth(
        (lab.netns("maker", ipv6=False), "maker"), (lab.netns("judge", ipv6=False), "judge")
    )
    judge, received = sut_report(
        sut,
        Line(ends[0], ends[1], ends[1], ends[0]),
        bench("sink", ("judge",)),
    )
    config = bench("txonly", ("maker",), packets=5000, rate="10kpps", flows=8, sizes="imix")
    config["runtime"]["workers"] = [0]
    sender = sut.prepare("weir-bench", config, ends[0].netns)
    done = sender.run(timeout=30)
    assert done.returncode == 0, done.stderr
    came = "weir_bench_sink_packets_total"
    until(lambda: judge.metric(came) >= 5000, what="the last packet")
    report = received()
    sink = report["ports"][0]["sink"]
    assert (sink["unique"], sink["lost"], sink["duplicates"], sink["reordered"]) == (5000, 0, 0, 0)
    assert len(sink["flows"]) == 8
    assert report["latency_ns"]["count"] == 5000 and report["latency_ns"]["max"] > 0


def test_bench_takes_the_words_of_testpmd(line: Line) -> None:
    """Flags that a testpmd user's fingers know, and those that there are not.

    Steps: run with testpmd's flags over net_null for half a second; run with an unknown one.
    Check: status 0 and a table of forward statistics; status 2 and the word.
    """
    null = ("--port", "net_null0", "--port", "net_null1", "--forward-mode=io", "--burst=64")
    more = ("--rxd=512", "--txd=512", "--nb-cores=1", "--total-num-mbufs=8192")
    socket = ("--socket", f"/run/weir-dts-{line.sut.name}.sock")
    done = line.sut.run(program("weir-bench"), *null, *more, *socket, "--time=500ms", timeout=20)
    assert "Mpps received" in done.stdout and "cycles a packet" in done.stdout
    refused = line.sut.run(program("weir-bench"), "--nosuch-flag", check=False)
    assert refused.returncode == 2 and "--nosuch-flag" in refused.stderr


def test_bench_has_a_prompt(line: Line) -> None:
    """Commands from standard input, as in testpmd.

    Steps: set a mode, start, show, stop, a wrong word, quit.
    Check: status 0; the mode, the statistics and the error are printed.
    """
    commands = "set fwd rxonly\nset burst 16\nshow config\nstart\nstop\nfrobnicate\nquit\n"
    null = ("--port", "net_null0", "-i", "--socket", f"/run/weir-dts-{line.sut.name}.sock")
    done = line.sut.run(program("weir-bench"), *null, stdin=commands, timeout=20)
    assert "rxonly" in done.stdout and "Mpps received" in done.stdout
    assert 'error: "frobnicate" is no command' in done.stdout


@requires(Cap.TESTPMD)
def test_bench_and_testpmd_send_to_each_other(
    line: Line, sut: Sut, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """weir-bench io in the middle, testpmd macswap at the far end.

    Steps: send 20 frames from the left.
    Check: they come back through both, with the MAC addresses swapped by testpmd.
    """
    started(sut, line, bench("io", ("wan", "lan")))
    vdev = f"net_af_packet0,iface={line.right.name}"
    sent = [frame(line, 60 + n) for n in range(20)]
    with peers.testpmd(line.right.netns, tmp_path / "testpmd", [vdev], "macswap"):
        with tg.capture(line.left, count=20) as seen:
            tg.send(line.left, sent)
    assert [(p.src, bytes(p[UDP])) for p in seen] == [(p.dst, bytes(p[UDP])) for p in sent]
