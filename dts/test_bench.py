# SPDX-License-Identifier: BSD-3-Clause
"""weir-bench while it runs: reloads, commands, workers, modes, and what it says of what it did."""

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from weir import packets, peers, prometheus
from weir.caps import Cap, requires
from weir.lab import Lab, Line, Port
from weir.router import LEFT, LEFT6, RIGHT, RIGHT6, Config
from weir.sut import App, Sut, program
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

SOURCES = {"ip4": "198.18.0.1,198.18.0.2", "ip6": "2001:db8::1,2001:db8::2"}


def bench(mode: str, *ports: str, worker: int = 1, **section: Any) -> Config:
    """A configuration that rests between packets."""
    return {
        "runtime": {"poll": "adaptive", "workers": [worker]},
        "ports": {name: {"interface": name, "promiscuous": True} for name in ports},
        "bench": {"mode": mode} | section,
    }


def started(sut: Sut, line: Line, config: Config) -> App:
    """weir-bench at work, for /ready says so: what comes from now on is counted."""
    app = sut.start("weir-bench", config, line.sut)
    assert app.metric("weir_bench_forwarding") == 1
    return app


def frame(line: Line, size: int = 100) -> Packet:
    return packets.udp((line.left.mac, "02:00:00:00:00:aa"), (LEFT, RIGHT), size=size)


def mode_of(app: App) -> str:
    """The mode in force, by its metric."""
    modes = [dict(key[1])["mode"] for key in app.metrics() if key[0] == "weir_bench_mode"]
    assert len(modes) == 1
    return modes[0]


def tell(app: App, line: str) -> str:
    """A line of the prompt through weirctl. Returns what it printed."""
    text: str = app.ctl("bench", f"line={line}")
    return text


def with_good_sums(packet: Packet) -> bytes:
    """The packet with every checksum as scapy makes it."""
    again = Ether(bytes(packet))
    for layer, field in ((IP, "chksum"), (UDP, "chksum"), (TCP, "chksum")):
        if layer in again:
            again[layer].delfieldval(field)
    return bytes(again)


# ---- modes ----


def test_mac_sets_both_addresses(line: Line, sut: Sut, tg: TrafficGenerator) -> None:
    """mac sends to the peer, from the port.

    Steps: tell it the peer of the port on the right; send 10 frames.
    Check: the same frames come, from the port's MAC address to the peer's.
    """
    peer = {"port": 1, "mac": "02:00:00:00:00:77"}
    started(sut, line, bench("mac", "wan", "lan", peers=[peer]))
    sent = [frame(line, 40 + n) for n in range(10)]
    with tg.capture(line.right, count=10) as seen:
        tg.send(line.left, sent)
    for packet in sent:
        packet.src, packet.dst = line.lan.mac, peer["mac"]
    assert [bytes(p) for p in seen] == [bytes(p) for p in sent]


@pytest.mark.parametrize("addresses", [(LEFT, RIGHT), (LEFT6, RIGHT6)])
def test_csum_makes_wrong_checksums_right(
    line: Line, sut: Sut, tg: TrafficGenerator, addresses: tuple[str, str]
) -> None:
    """Whatever the checksums were.

    Steps: send UDP and TCP frames of even and odd lengths with wrong checksums at each layer.
    Check: all come with the checksums that scapy makes, and the payload untouched.
    """
    started(sut, line, bench("csum", "wan", "lan"))
    macs = (line.left.mac, "02:00:00:00:00:aa")
    good = [packets.udp(macs, addresses, size=size) for size in (18, 19, 400, 1401)]
    good += [packets.tcp(macs, addresses) / packets.payload(size) for size in (10, 11)]
    bad = []
    for packet in (Ether(bytes(p)) for p in good):
        if IP in packet:
            packet[IP].chksum ^= 0x5555
        packet[UDP if UDP in packet else TCP].chksum ^= 0x1111
        bad.append(packet)
    with tg.capture(line.right, count=len(bad)) as seen:
        tg.send(line.left, bad)
    assert [bytes(p)[12:] for p in seen] == [bytes(p)[12:] for p in good]


def test_5tswap_turns_ipv6_round(line: Line, sut: Sut, tg: TrafficGenerator) -> None:
    """MAC and IPv6 addresses and ports change places.

    Steps: send 10 UDP frames over IPv6.
    Check: each comes back from its destination to its source, with checksums as scapy makes them.
    """
    started(sut, line, bench("5tswap", "wan"))
    macs = (line.left.mac, "02:00:00:00:00:aa")
    sent = [packets.udp(macs, (LEFT6, RIGHT6), size=18 + n) for n in range(10)]
    with tg.capture(line.left, count=10) as seen:
        tg.send(line.left, sent)
    assert [(p[IPv6].src, p[IPv6].dst) for p in seen] == [(RIGHT6, LEFT6)] * 10
    assert [(p[UDP].sport, p[UDP].dport) for p in seen] == [(9, 1024)] * 10
    assert [with_good_sums(p) for p in seen] == [bytes(p) for p in seen]


def test_rxonly_takes_and_counts(line: Line, sut: Sut, tg: TrafficGenerator) -> None:
    """rxonly sends nothing.

    Steps: send 200 frames from the left; SIGTERM.
    Check: metrics and the JSON report count what the kernel counted at the other end of the veth;
    nothing comes out.
    """
    app = sut.prepare("weir-bench", None, line.sut)
    report = app.config_file.with_name("report.json")
    app = started(sut, line, bench("rxonly", "wan", "lan", report=str(report)))
    before = line.left.counter("tx_packets")
    with tg.capture(line.right) as leaked, tg.capture(line.left) as answers:
        tg.send(line.left, [frame(line)] * 200)
        sent = line.left.counter("tx_packets") - before
        until(lambda: app.rose("weir_bench_rx_packets_total") >= sent, what="the frames")
    assert len(leaked) == 0 and len(answers) == 0
    assert app.since_start("weir_bench_rx_packets_total", "port") == {"wan": sent}
    assert app.stop() == 0
    port = json.loads(report.read_text())["ports"][0]
    assert (port["name"], port["rx"], port["tx"], port["dropped"]) == ("wan", sent, 0, 0)
    assert port["device"]["rx_pkts"] == sent == 200


def test_icmpecho_frees_what_is_no_question(line: Line, sut: Sut, tg: TrafficGenerator) -> None:
    """The kernel's ping is answered; UDP is not.

    Steps: ping an address of the subnet 10 times; send 5 UDP frames.
    Check: 10 answers; the 5 are counted as not for the mode.
    """
    app = started(sut, line, bench("icmpecho", "wan"))
    line.left.add_address("192.0.2.1/24")
    assert peers.ping(line.left.netns, "192.0.2.77", count=10).received == 10
    tg.send(line.left, [frame(line)] * 5)
    until(lambda: app.rose("weir_bench_strange_packets_total") == 5, what="the UDP frames")
    assert app.rose("weir_bench_tx_packets_total") >= 11  # one of them for ARP


# ---- txonly and sink ----


def judged(sut: Sut, lab: Lab, **section: Any) -> tuple[App, Port, Callable[[], None]]:
    """A sink, and a function that has txonly send to it and returns when all has come."""
    maker, judge = lab.veth(
        (lab.netns("maker", ipv6=False), "maker"), (lab.netns("judge", ipv6=False), "judge")
    )
    sink = started(sut, Line(maker, judge, judge, maker), bench("sink", "judge"))

    def send() -> None:
        config = bench("txonly", "maker", worker=0, **section)
        done = sut.prepare("weir-bench", config, maker.netns).run()
        assert done.returncode == 0, done.stderr
        count = section["packets"]
        until(lambda: sink.metric("weir_bench_sink_packets_total") >= count, what="the packets")

    return sink, judge, send


@pytest.mark.parametrize("family", SOURCES)
def test_a_paced_sender_loses_nothing(lab: Lab, sut: Sut, family: str) -> None:
    """txonly to sink at a low rate, in both families.

    Steps: send 2,000 packets of 4 flows at 5,000 a second in sizes of an internet mix.
    Check: /metrics and `weirctl report` have 2,000 packets, none lost, doubled or out of order, and
    a latency for each, with quantiles that rise.
    """
    source, destination = SOURCES[family].split(",")
    section = {"packets": 2000, "rate": "5kpps", "flows": 4, "sizes": "imix"}
    sink, _, send = judged(sut, lab, source=source, destination=destination, **section)
    send()
    report = sink.ctl("report")
    found = report["ports"][0]["sink"]
    figures = [found[key] for key in ("unique", "lost", "duplicates", "reordered")]
    assert figures == [2000, 0, 0, 0]
    assert [flow["unique"] for flow in found["flows"]] == [500] * 4
    latency = report["latency_ns"]
    steps = [latency[key] for key in ("p50", "p75", "p90", "p95", "p99", "p999", "max")]
    assert latency["count"] == 2000 and 0 < steps[0] and steps == sorted(steps)
    assert sink.metric("weir_bench_sink_lost_packets") == 0
    assert sink.metric("weir_bench_sink_flows") == 4
    assert sink.metric("weir_bench_latency_seconds_count") == 2000
    prometheus.check(sink.get("/metrics")[1])


@pytest.mark.parametrize("family", SOURCES)
def test_packets_are_made_with_right_checksums(
    line: Line, sut: Sut, tg: TrafficGenerator, family: str
) -> None:
    """The option --tx-ip takes either family.

    Steps: send 40 packets of 3 flows in sizes from 80 to 1500.
    Check: scapy makes the same checksums, none of UDP is 0; addresses and ports are those told.
    """
    app = sut.prepare("weir-bench", bench("txonly", "wan", packets=40, flows=3), line.sut)
    with tg.capture(line.left, count=40) as seen:
        done = app.run(f"--tx-ip={SOURCES[family]}", "--tx-udp=7,8", "--txpkts=80-1500", "--seed=5")
    assert done.returncode == 0 and len(seen) == 40, done.stderr
    source, destination = SOURCES[family].split(",")
    kind = IPv6 if family == "ip6" else IP
    for n, packet in enumerate(seen):
        assert (packet[kind].src, packet[kind].dst) == (source, destination)
        assert (packet[UDP].sport, packet[UDP].dport) == (7 + n % 3, 8)
        assert packet[UDP].chksum != 0 and with_good_sums(packet) == bytes(packet)
    assert len({len(packet) for packet in seen}) > 20


@pytest.mark.parametrize(
    "words, sentence",
    [
        (("--nosuch-flag",), "--nosuch-flag"),
        (("--tx-ip=192.0.2.1,2001:db8::1",), "two IPv4 or two IPv6 addresses"),
        (("--tx-ip=2001:db8::1,2001:db8::2", "--txpkts=64"), "a stamped packet of IPv6 has 80"),
        (("--forward-mode=nosuch",), "one of io mac"),
    ],
)
def test_what_it_does_not_know_is_refused(
    line: Line, words: tuple[str, ...], sentence: str
) -> None:
    """Before anything is opened.

    Steps: run it with such words.
    Check: status 2, and a sentence that has what is wrong.
    """
    null = ("--port", "net_null0", "--socket", f"/run/weir-dts-{line.sut.name}.sock")
    done = line.sut.run(program("weir-bench"), *null, *words, check=False)
    assert done.returncode == 2 and sentence in done.stderr


# ---- while it runs ----


def test_a_reload_changes_the_mode(line: Line, sut: Sut, tg: TrafficGenerator) -> None:
    """SIGHUP with another section bench; ports and workers stay.

    Steps: io between two ports, send 20; SIGHUP to icmpecho, ping 5 times; a bad mode; SIGHUP to
    io, send 10.
    Check: each mode does its work; the report after each begins anew and no counter wraps; the bad
    one changes nothing.
    """
    app = started(sut, line, bench("io", "wan", "lan"))
    with tg.capture(line.right, count=20) as seen:
        tg.send(line.left, [frame(line)] * 20)
    assert len(seen) == 20

    def change(mode: str) -> None:
        app.write(bench(mode, "wan", "lan"))
        app.signal(signal.SIGHUP)

    change("icmpecho")
    until(lambda: mode_of(app) == "icmpecho", what="icmpecho")
    line.left.add_address("192.0.2.1/24")
    assert peers.ping(line.left.netns, "192.0.2.77", count=5).received == 5


    def all_answered() -> bool:
        wan = app.ctl("report")["ports"][0]
        return bool(wan["rx"] == wan["tx"] >= 6)

    until(all_answered, what="as many out as in")
    wan, lan = app.ctl("report")["ports"]
    assert lan["tx"] == 0
    sent = app.since_start("weir_bench_tx_packets_total", "port")
    assert sent == {"wan": wan["tx"], "lan": 20}
    change("nosuch")
    until(lambda: app.metric("weir_reloads_refused_total") == 1, what="the refusal")
    assert mode_of(app) == "icmpecho"
    change("io")
    until(lambda: mode_of(app) == "io", what="io")
    with tg.capture(line.right, count=10, match=lambda p: UDP in p) as again:
        tg.send(line.left, [frame(line)] * 10)
    assert len(again) == 10
    assert app.ctl("report")["ports"][1]["tx"] >= 10
    assert app.since_start("weir_bench_tx_packets_total", "port")["wan"] == wan["tx"]


def test_a_reload_changes_the_rate(line: Line, sut: Sut) -> None:
    """txonly follows the rate of the file, and says what it reached.

    Steps: send at 200 a second; SIGHUP to 4,000; SIGHUP to 100 over IPv6.
    Check: the rate wanted is the new one, and the rate reached comes within 10 % of it.
    """

    def settled(pps: int) -> bool:
        reached = app.metrics()[("weir_bench_tx_rate_pps", frozenset({("port", "wan")}))]
        return abs(reached - pps) <= pps * 0.1

    app = started(sut, line, bench("txonly", "wan", rate="200pps"))
    until(lambda: settled(200), what="200 a second")
    six = {"source": "2001:db8::1", "destination": "2001:db8::2"}
    for pps, more in ((4000, {}), (100, six)):
        app.write(bench("txonly", "wan", rate=f"{pps}pps", **more))
        app.signal(signal.SIGHUP)
        until(lambda: app.metric("weir_bench_wanted_rate_pps") == pps, what="the reload")
        until(lambda: settled(pps), what=f"{pps} a second")
    assert app.ctl("report")["config"]["size_min"] == 80


def test_the_prompt_through_the_control_socket(line: Line, sut: Sut, tg: TrafficGenerator) -> None:
    """`weirctl bench line=...` and `weirctl report`.

    Steps: ask for the configuration; set another burst, a mode while it forwards, a wrong word;
    stop, set the mode, start; send 10.
    Check: each answers as the prompt does; the new mode is at work and counts from its start.
    """
    app = started(sut, line, bench("io", "wan", "lan"))
    assert "mode io, forwarding" in tell(app, "show config")
    tell(app, "set burst 16")
    assert app.ctl("report")["config"]["burst"] == 16
    assert "stop first" in app.refused("bench", "line=set fwd rxonly")
    assert "is no command" in app.refused("bench", "line=frobnicate")
    assert "args.line must be" in app.refused("bench")
    assert "forward statistics" in tell(app, "stop")
    assert app.metric("weir_bench_forwarding") == 0
    tell(app, "set fwd rxonly")
    tell(app, "start")
    assert mode_of(app) == "rxonly" and app.metric("weir_bench_forwarding") == 1
    with tg.capture(line.right) as leaked:
        tg.send(line.left, [frame(line)] * 10)
        until(lambda: app.ctl("report")["ports"][0]["rx"] == 10, what="the frames")
    assert len(leaked) == 0
    assert "already started" in app.refused("bench", "line=start")


# ---- workers ----


def test_two_workers_share_two_queues(line: Line, sut: Sut, tg: TrafficGenerator) -> None:
    """A queue of each port for each worker (--cores=0,1 --rxq=2), by DPDK's af_packet.

    Steps: send 300 frames of 60 flows from the left.
    Check: all come out on the right, once each; both workers worked; the report adds up.
    """
    config = bench("io", "wan", "lan")
    for port in config["ports"].values():
        port["driver"] = "af_packet"
    app = sut.prepare("weir-bench", config, line.sut)
    app.start(("--cores=0,1", "--rxq=2", "--poll=adaptive"))
    macs = (line.left.mac, "02:00:00:00:00:aa")
    sent = [
        packets.udp(macs, (LEFT, RIGHT), sport=1024 + n % 60, size=100 + n // 60)
        for n in range(300)
    ]
    with tg.capture(line.right, count=300) as seen:
        tg.send(line.left, sent)
    assert sorted(bytes(p) for p in seen) == sorted(bytes(p) for p in sent)
    work = app.since_start("weir_worker_work_total", "worker")
    assert set(work) == {"0", "1"}, work

    def counted() -> bool:
        wan, lan = app.ctl("report")["ports"]
        return (wan["rx"], lan["tx"]) == (300, 300)

    until(counted, what="the report to add up")


def test_two_workers_make_what_was_asked_for(line: Line, sut: Sut) -> None:
    """Packets and rate are shared out among workers and ports, with nothing left over.

    Steps: two workers, two ports, exactly 1,001 packets of 64 flows.
    Check: the report has 1,001 sent, over both ports, and the kernel counts as many.
    """
    config = bench("txonly", "wan", "lan", packets=1001, flows=64, rate="5kpps")
    for port in config["ports"].values():
        port["driver"] = "af_packet"
    app = sut.prepare("weir-bench", config, line.sut)
    report = app.config_file.with_name("report.json")
    before = [port.counter("rx_packets") for port in (line.left, line.right)]
    done = app.run("--cores=0,1", "--rxq=2", f"--report={report}")
    assert done.returncode == 0, done.stderr
    sent = [port["tx"] for port in json.loads(report.read_text())["ports"]]
    assert sum(sent) == 1001 and min(sent) >= 500
    came = [port.counter("rx_packets") for port in (line.left, line.right)]
    assert [b - a for a, b in zip(before, came)] == sent
