# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall --offline: what a policy would do with a capture is what it does with the packets."""

import json
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from weir import packets
from weir.caps import Cap, requires
from weir.firewall import OUT, Firewall, firewall_between_silent_ends, rule, steered
from weir.lab import Lab
from weir.netns import Netns
from weir.router import LAN, LEFT, LEFT6, RIGHT, RIGHT6, WAN, Config
from weir.sut import App, program

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw
from scapy.utils import wrpcap

pytestmark = requires(Cap.NETNS)

LEFT_MAC, WAN_MAC = "02:00:00:00:01:02", "02:00:00:00:01:01"
RIGHT_MAC, LAN_MAC = "02:00:00:00:02:02", "02:00:00:00:02:01"

WEB = rule("web", from_="wan", to="lan", destination=RIGHT, proto="tcp", dport="8080")
POLICY: list[Config] = [
    rule("ping", to="self", proto="icmp", icmp="echo-request"),
    rule("telnet", "reject", proto="tcp", dport="23"),
    rule("six", from_="wan", proto="udp", dport="53", source="2001:db8:1::/64"),
    WEB,
    OUT,
]
NAT: Config = {
    "source": [rule("masq", "masquerade", from_="lan", to="wan", source=f"{RIGHT}/32")],
    "destination": [
        rule(
            "web",
            "dnat",
            from_="wan",
            destination=WAN,
            proto="tcp",
            dport="80",
            forward=f"{RIGHT}:8080",
        )
    ],
}

Judged = list[dict[str, Any]]


@pytest.fixture(scope="module")
def host() -> Iterator[Netns]:
    """A namespace without any interface: there is nothing to be had of the machine."""
    with Lab() as lab:
        yield lab.netns("offline", ipv6=False)


class Offline:
    """One configuration, and runs of it over captures without a single capability."""

    def __init__(self, netns: Netns, directory: Path, config: Config) -> None:
        self._netns = netns
        self._app = App("weir-firewall", config, netns, directory)

    def run(self, *captures: str) -> subprocess.CompletedProcess[str]:
        wanted = [word for one in captures for word in ("--offline", one)]
        return self._netns.run(
            *("setpriv", "--bounding-set=-all", "--inh-caps=-all"),
            *(program("weir-firewall"), "-c", str(self._app.config_file), *wanted, "--json"),
            check=False,
        )

    def refused(self, capture: str, option: str) -> str:
        """What it says to an option that it refuses beside a capture."""
        done = self._netns.run(
            *(program("weir-firewall"), "-c", str(self._app.config_file)),
            *("--offline", capture, option),
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, "")
        return done.stderr.rstrip("\n")

    def judged(self, *captures: str) -> Judged:
        """The lines of a run that went well, the summary at the end."""
        done = self.run(*captures)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def offline(host: Netns, tmp_path: Path) -> Offline:
    return Offline(host, tmp_path, config(POLICY, nat=NAT))


def config(rules: list[Config], **sections: Any) -> Config:
    return {"ports": steered(), "firewall": {"default": "drop", "rules": rules}} | sections


def inward(packet: Packet, at: float, macs: tuple[str, str] = (LEFT_MAC, WAN_MAC)) -> Packet:
    """A packet of IP in a frame of the capture."""
    made = Ether(bytes(Ether(src=macs[0], dst=macs[1]) / packet))
    made.time = at
    return made


def outward(packet: Packet, at: float) -> Packet:
    return inward(packet, at, (RIGHT_MAC, LAN_MAC))


def verdicts(lines: Judged) -> list[str]:
    return [line["verdict"] for line in lines if "packet" in line]


# ---- as live ----


def _frames(fw: Firewall) -> list[tuple[bool, Packet]]:
    """Inwards or not, and the frame: some of each verdict, in an order that makes flows."""

    def tcp(inwards: bool, ends: tuple[str, str], sport: int, dport: int, flags: str) -> Packet:
        layer = IPv6 if ":" in ends[0] else IP
        frame = packets.tcp(fw.macs(inwards), ends, sport=sport, dport=dport, flags=flags)
        frame[layer].remove_payload()
        return frame / TCP(sport=sport, dport=dport, flags=flags, seq=1000, ack=0)

    def udp(inwards: bool, ends: tuple[str, str], sport: int, dport: int, **more: int) -> Packet:
        return packets.udp(fw.macs(inwards), ends, sport=sport, dport=dport, **more)

    broken = udp(True, (LEFT, RIGHT), 4000, 53)
    broken[IP].chksum = 1
    return [
        (False, udp(False, (RIGHT, LEFT), 4001, 7)),
        (True, udp(True, (LEFT, WAN), 7, 4001)),
        (True, udp(True, (LEFT, WAN), 7, 4002)),
        (False, udp(False, (RIGHT6, LEFT6), 4003, 7)),
        (True, udp(True, (LEFT6, RIGHT6), 4004, 53)),
        (True, udp(True, (LEFT6, RIGHT6), 4005, 54)),
        (True, udp(True, (LEFT, RIGHT), 4006, 54)),
        (True, tcp(True, (LEFT, WAN), 4007, 80, "S")),
        (True, tcp(True, (LEFT, WAN), 4008, 81, "S")),
        (True, tcp(True, (LEFT, RIGHT), 4009, 8080, "S")),
        (True, tcp(True, (LEFT, RIGHT), 4010, 8080, "A")),
        (False, tcp(False, (RIGHT, LEFT), 4011, 443, "S")),
        (False, tcp(False, (RIGHT, LEFT), 4012, 23, "S")),
        (False, tcp(False, (RIGHT6, LEFT6), 4013, 23, "S")),
        (True, packets.echo_request(fw.macs(), (LEFT, WAN))),
        (False, packets.echo_request(fw.macs(False), (RIGHT, LEFT))),
        (False, udp(False, (RIGHT, "192.0.2.77"), 4014, 7)),
        (False, udp(False, (RIGHT, LEFT), 4015, 7, ttl=1)),
        (True, broken),
    ]


MARK = 4242


def _is_mark(packet: Packet) -> bool:
    return ICMP in packet and packet[ICMP].seq == MARK


def _live(fw: Firewall, inwards: bool, frame: Packet) -> tuple[str, Packet | None]:
    """What became of a frame, and as what it left."""
    here, there = (fw.line.left, fw.line.right) if inwards else (fw.line.right, fw.line.left)

    def is_ours(packet: Packet) -> bool:
        return packet.type in (0x0800, 0x86DD) and not _is_mark(packet)

    # The answer to the second mark is of a later round than all that the frame led to.
    ends = (RIGHT, LAN) if not inwards else (LEFT, WAN)
    mark = packets.echo_request(fw.macs(inwards), ends, seq=MARK)
    with fw.tg.capture(here, match=is_ours) as back, fw.tg.capture(there, match=is_ours) as through:
        fw.tg.send(here, frame)
        for _ in range(2):
            assert fw.tg.ask(here, mark, _is_mark) is not None
    if len(through) > 0:
        return "forward", through[0]
    if len(back) == 0:
        return "drop", None
    error = TCP in back[0] or ICMPv6DestUnreach in back[0]
    error = error or (ICMP in back[0] and back[0][ICMP].type != 0)
    return ("reject" if error else "local"), back[0]


def _ends(frame: Packet) -> tuple[str, str, int, int]:
    ip = frame[IPv6 if IPv6 in frame else IP]
    l4 = next((frame[kind] for kind in (TCP, UDP) if kind in frame), None)
    return ip.src, ip.dst, l4.sport if l4 else 0, l4.dport if l4 else 0


def _told(line: dict[str, Any]) -> tuple[str, str, int, int]:
    """As what a line says that a packet leaves."""
    to = line.get("nat", line)
    return to["src_ip"], to["dest_ip"], to.get("src_port", 0), to.get("dest_port", 0)


@requires(Cap.AF_XDP, Cap.HUGEPAGES)
def test_a_capture_meets_what_the_packets_met(tmp_path: Path) -> None:
    """The same policy over veth and over what was captured there, both directions and answers.

    Steps: send 19 packets through a running firewall, write what was sent and came back at each
    end to a capture, and judge both captures, merged by time.
    Check: each packet has the verdict that it had live, and leaves with the same addresses and
    ports; what the firewall itself sent is skipped.
    """
    live: list[tuple[str, Packet | None]] = []
    ends: dict[bool, list[Packet]] = {True: [], False: []}
    with firewall_between_silent_ends(tmp_path) as fw:
        fw.policy(POLICY, nat=NAT)
        for at, (inwards, frame) in enumerate(_frames(fw)):
            verdict, seen = _live(fw, inwards, frame)
            live.append((verdict, seen))
            sent = Ether(bytes(frame))
            sent.time = 1_700_000_000 + at
            ends[inwards].append(sent)
            if seen is not None:
                seen.time = sent.time + 0.001
                ends[inwards != (verdict == "forward")].append(seen)
        macs = {"wan": fw.line.wan.mac, "lan": fw.line.lan.mac}
        whole = fw.config(POLICY, nat=NAT)
    for inwards, name in ((True, "wan"), (False, "lan")):
        wrpcap(str(tmp_path / f"{name}.pcap"), ends[inwards])
    with Lab() as lab:
        run = Offline(lab.netns("offline", ipv6=False), tmp_path, whole)
        lines = run.judged(*(f"{n}@{mac}={tmp_path}/{n}.pcap" for n, mac in macs.items()))
    judged = [line for line in lines if line.get("verdict") not in (None, "skipped")]
    assert [line["verdict"] for line in judged] == [verdict for verdict, _ in live]
    for line, (verdict, seen) in zip(judged, live):
        if verdict == "forward":
            assert seen is not None and _told(line) == _ends(seen), line
    answers = sum(seen is not None for _, seen in live)
    assert lines[-1]["summary"]["verdicts"]["skipped"] == answers


# ---- by itself ----


def test_each_verdict_names_its_rule_and_its_line(offline: Offline, tmp_path: Path) -> None:
    """And the stage and the reason, where it is none that lets pass.

    Steps: judge one packet of each kind.
    Check: the line of each rule is that of the file; the summary has rules and reasons.
    """
    frames = [
        outward(IP(src=RIGHT, dst=LEFT) / UDP(sport=5000, dport=53), 10.0),
        inward(IP(src=LEFT, dst=WAN) / TCP(sport=5001, dport=22), 10.1),
        outward(IP(src=RIGHT, dst=LEFT) / TCP(sport=5002, dport=23), 10.2),
        inward(IP(src=LEFT, dst=WAN) / ICMP(), 10.3),
        outward(ARP(psrc=RIGHT, pdst=LAN, hwsrc=RIGHT_MAC), 10.4),
    ]
    wrpcap(str(tmp_path / "out.pcap"), [frames[0], frames[2], frames[4]])
    wrpcap(str(tmp_path / "in.pcap"), [frames[1], frames[3]])
    lines = offline.judged(f"lan={tmp_path}/out.pcap", f"wan={tmp_path}/in.pcap")
    assert verdicts(lines) == ["forward", "drop", "reject", "local", "local"]
    text = (tmp_path / "config.yaml").read_text(encoding="utf-8").splitlines()
    for line, name in ((lines[0], "out"), (lines[2], "telnet"), (lines[3], "ping")):
        assert line["rule"]["name"] == name
        assert any(f'"{name}"' in near for near in text[line["rule"]["line"] - 1 :][:3])
    assert (lines[0]["in_iface"], lines[0]["out_iface"]) == ("lan", "wan")
    assert (lines[1]["stage"], lines[1]["drop"]) == ("40_acl", "rule")
    assert lines[1]["rule"] == {"name": "default"}
    assert (lines[2]["stage"], lines[2]["drop"]) == ("40_acl", "rule_reject")
    assert lines[0]["timestamp"] == "1970-01-01T00:00:10.000000+0000"
    summary = lines[-1]["summary"]
    assert summary["drops"]["rule"] == 1
    assert {r["name"]: r["pkts"] for r in summary["rules"]}["out"] == 1


def test_time_is_that_of_the_capture(host: Netns, tmp_path: Path) -> None:
    """Timeouts, limits and records, as if it had been live.

    Steps: judge a UDP flow with an answer soon and one a day later, and four packets of new flows
    under a limit of one a second, two of them at once; record flows.
    Check: the late answer is dropped; of the two at once one is; the flow's record has the times
    of the capture and its end by timeout.
    """
    flows = tmp_path / "flows.json"
    slow = rule("slow", from_="lan", proto="udp", dport="99", limit={"rate": "1pps"})
    rules = [slow, rule("dns", from_="lan", proto="udp", dport="53")]
    run = Offline(host, tmp_path, config(rules, records={"flows": str(flows)}))
    question = IP(src=RIGHT, dst=LEFT) / UDP(sport=5000, dport=53)
    answer = IP(src=LEFT, dst=RIGHT) / UDP(sport=53, dport=5000)

    def limited(sport: int) -> Packet:
        return IP(src=RIGHT, dst=LEFT) / UDP(sport=sport, dport=99)

    times = [100.0, 100.1, 102.0, 104.0]
    wrpcap(
        str(tmp_path / "lan.pcap"),
        [outward(question, 50.0)]
        + [outward(limited(6000 + n), at) for n, at in enumerate(times)],
    )
    wrpcap(str(tmp_path / "wan.pcap"), [inward(answer, 51.0), inward(answer, 86_451.0)])
    lines = run.judged(f"lan={tmp_path}/lan.pcap", f"wan={tmp_path}/wan.pcap")
    assert verdicts(lines) == ["forward"] * 3 + ["drop"] + ["forward"] * 2 + ["drop"]
    ends = [json.loads(line) for line in flows.read_text(encoding="utf-8").splitlines()]
    dns = next(r for r in ends if r["event_type"] == "flow" and r["dest_port"] == 53)
    assert dns["flow"]["start"].startswith("1970-01-01T00:00:50.000")
    assert dns["flow"]["reason"] == "timeout" and 120 <= dns["flow"]["age"] - 1 <= 160
    assert dns["flow"]["pkts_toclient"] == 1


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def _interface(name: str) -> bytes:
    text = name.encode()
    option = struct.pack("<HH", 2, len(text)) + text + bytes(-len(text) % 4)
    return _block(1, struct.pack("<HHI", 1, 0, 0) + option + bytes(4))


def _packet(interface: int, frame: Packet, flags: int = 0) -> bytes:
    data, at = bytes(frame), int(frame.time * 1_000_000)
    head = struct.pack("<IIIII", interface, at >> 32, at & 0xFFFFFFFF, len(data), len(data))
    option = struct.pack("<HHI", 2, 4, flags)
    return _block(6, head + data + bytes(-len(data) % 4) + option + bytes(4))


def test_pcapng_says_the_ports_itself(offline: Offline, tmp_path: Path) -> None:
    """Interfaces named like ports, and the way that packets went.

    Steps: judge a file of two interfaces with a packet each and one that was sent by the port;
    then one with an interface of another name.
    Check: each came by its port, the third is skipped; the other file is refused by its name, and
    its byte, with status 1.
    """
    head = _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    out = outward(IP(src=RIGHT, dst=LEFT) / UDP(sport=5000, dport=53), 1.0)
    back = inward(IP(src=LEFT, dst=WAN) / UDP(sport=53, dport=5000), 2.0)
    sent = inward(IP(src=WAN, dst=LEFT) / UDP(sport=5000, dport=53), 3.0)
    body = _packet(1, out) + _packet(0, back, flags=1) + _packet(0, sent, flags=2)
    file = tmp_path / "both.pcapng"
    file.write_bytes(head + _interface("wan") + _interface("lan") + body)
    lines = offline.judged(str(file))
    assert verdicts(lines) == ["forward", "forward", "skipped"]
    assert [line["in_iface"] for line in lines[:3]] == ["lan", "wan", "wan"]
    assert _told(lines[1]) == (LEFT, RIGHT, 53, 5000)
    file.write_bytes(head + _interface("eth7") + _packet(0, out))
    done = offline.run(str(file))
    assert done.returncode == 1
    assert "at byte 60: a packet of interface eth7, which is no port" in done.stderr


def test_what_the_snaplen_cut_is_judged_by_its_headers(offline: Offline, tmp_path: Path) -> None:
    """And said to be cut.

    Steps: judge a packet of 1,000 bytes of which 60 were captured.
    Check: it is forwarded as if it were whole, and its line has both lengths.
    """
    whole = outward(IP(src=RIGHT, dst=LEFT) / UDP(sport=5000, dport=53) / Raw(bytes(958)), 1.0)
    cut = Ether(bytes(whole)[:60])
    cut.time, cut.wirelen = 1.0, len(whole)
    wrpcap(str(tmp_path / "cut.pcap"), [cut])
    lines = offline.judged(f"lan={tmp_path}/cut.pcap")
    assert verdicts(lines) == ["forward"]
    assert (lines[0]["captured_bytes"], lines[0]["wire_bytes"]) == (60, 1000)
    assert lines[-1]["summary"]["cut"] == 1


def test_fragments_are_judged_together(offline: Offline, tmp_path: Path) -> None:
    """The first two wait, the last one brings the verdict.

    Steps: judge a datagram in three fragments.
    Check: held, held, forward; the rule is known with the last.
    """
    datagram = Ether() / IP(src=RIGHT, dst=LEFT, id=7) / UDP(sport=5000, dport=53) / Raw(bytes(40))
    pieces = [outward(f[IP], 1.0 + n) for n, f in enumerate(packets.fragments(datagram, 16))]
    wrpcap(str(tmp_path / "frag.pcap"), pieces)
    lines = offline.judged(f"lan={tmp_path}/frag.pcap")
    assert verdicts(lines) == ["held"] * (len(pieces) - 1) + ["forward"]
    assert lines[len(pieces) - 1]["rule"]["name"] == "out"


def test_a_broken_capture_is_a_sentence_behind_what_came_before(
    offline: Offline, tmp_path: Path
) -> None:
    """File, byte, status 1; a file that cannot be of a port is a matter of usage, status 2.

    Steps: judge a capture whose last record is cut off, an empty one, none at all, and one of a
    port that is not there.
    Check: the first packet's line and the summary are there; each sentence names its file.
    """
    file = tmp_path / "a.pcap"
    frames = [outward(IP(src=RIGHT, dst=LEFT) / UDP(sport=5000, dport=53), n) for n in (1.0, 2.0)]
    wrpcap(str(file), frames)
    second = 24 + 16 + len(frames[0])
    file.write_bytes(file.read_bytes()[:-5])
    done = offline.run(f"lan={file}")
    assert done.returncode == 1 and len(done.stdout.splitlines()) == 2
    assert f"{file}: at byte {second}: the file ends in the middle of this" in done.stderr
    file.write_bytes(b"")
    done = offline.run(f"lan={file}")
    assert (done.returncode, f"{file}: the file is empty" in done.stderr) == (1, True)
    assert offline.run(f"lan={tmp_path}/none").returncode == 1
    done = offline.run(f"dmz={file}")
    assert (done.returncode, "no port is called dmz" in done.stderr) == (2, True)


def test_the_syn_proxy_accepts_what_is_in_a_capture(host: Netns, tmp_path: Path) -> None:
    """Nobody in it answers cookies of ours.

    Steps: judge a handshake under a rule with synproxy.
    Check: all three segments are forwarded.
    """
    proxy = Offline(host, tmp_path, config([rule("proxy", "synproxy", from_="wan")]))
    there = IP(src=LEFT, dst=RIGHT) / TCP(sport=4000, dport=80, flags="S", seq=10)
    back = IP(src=RIGHT, dst=LEFT) / TCP(sport=80, dport=4000, flags="SA", seq=90, ack=11)
    last = IP(src=LEFT, dst=RIGHT) / TCP(sport=4000, dport=80, flags="A", seq=11, ack=91)
    wrpcap(str(tmp_path / "wan.pcap"), [inward(there, 1), inward(last, 3)])
    wrpcap(str(tmp_path / "lan.pcap"), [outward(back, 2)])
    lines = proxy.judged(f"wan={tmp_path / 'wan.pcap'}", f"lan={tmp_path / 'lan.pcap'}")
    assert verdicts(lines) == ["forward"] * 3


@pytest.mark.parametrize("other", ["--check", "--plan"])
def test_what_does_not_go_with_offline_is_refused(offline: Offline, other: str) -> None:
    """Neither of two things that end is done in silence instead of the other.

    Steps: ask for both.
    Check: status 2, nothing printed but one sentence that names both options.
    """
    done = offline.refused("lan=/dev/null", other)
    assert done == f"weir-firewall: --offline does not go with {other}"
