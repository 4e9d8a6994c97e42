# SPDX-License-Identifier: BSD-3-Clause
"""An imported ruleset beside its source: the kernel with nftables, and weir-firewall."""

import json
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weir.caps import Cap, requires
from weir.firewall import firewall_between_silent_ends
from weir.lab import Lab, Line, Port
from weir.router import LAN, LAN6, WAN, WAN6, Config, neighbour
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

SCRIPTS = Path(__file__).parents[1] / "scripts"
RULES = (Path(__file__).parent / "rulesets" / "lab.nft").read_text()

COUNT = 800  # packets each way
FIRST = 1000  # a packet is known again by its number: of TCP the sequence number
OUTSIDE = [f"10.0.1.{n}" for n in (2, 33, 40, 50, 66, 70, 71, 100, 120, 130, 200)]
INSIDE = [f"10.0.2.{n}" for n in (2, 10, 11)]
OUTSIDE6 = ["2001:db8:1::2", "2001:db8:1::8000:0:0:3"]
INSIDE6 = ["2001:db8:2::2", "2001:db8:2::10"]
PORTS = (
    22,
    22,
    25,
    53,
    80,
    443,
    587,
    1000,
    1500,
    1600,
    1601,
    2000,
    3050,
    8081,
    8082,
    8443,
    8443,
    8443,
)

# Who it came from and went to, and the port that it went to.
Seen = dict[int, tuple[str, str, int]]


def _packet(rng: random.Random, number: int, inwards: bool, macs: tuple[str, str]) -> Packet:
    six = rng.random() < 0.25
    ends = (OUTSIDE6, INSIDE6) if six else (OUTSIDE, INSIDE)
    src, dst = (rng.choice(end) for end in (ends if inwards else ends[::-1]))
    if inwards and not six and rng.random() < 0.3:
        dst = WAN
    tos = rng.choice([0, 0, 0, 0, 8 << 2, 46 << 2, 10 << 2])
    head = IPv6(src=src, dst=dst, tc=tos) if six else IP(src=src, dst=dst, tos=tos)
    ports = {"sport": 3000 + number % 500, "dport": rng.choice(PORTS)}
    kind = rng.choice(["tcp", "tcp", "udp", "udp", "ping"])
    body: Packet
    if kind == "tcp":
        body = TCP(seq=number, flags="S", **ports)
    elif kind == "udp":
        body = UDP(**ports) / Raw(number.to_bytes(4, "big") * 8)
    elif six:
        body = ICMPv6EchoRequest(id=number, seq=number)
    else:
        body = ICMP(id=number, seq=number)
    return Ether(src=macs[0], dst=macs[1]) / head / body


def _number(packet: Packet) -> int:
    if TCP in packet:
        return int(packet[TCP].seq)
    if UDP in packet:
        return int.from_bytes(bytes(packet[UDP].payload)[:4], "big")
    if ICMP in packet:
        return int(packet[ICMP].seq or 0)
    return int(packet[ICMPv6EchoRequest].seq) if ICMPv6EchoRequest in packet else 0


def _about(packet: Packet) -> tuple[str, str, int]:
    ip = packet[IPv6] if IPv6 in packet else packet[IP]
    ports = packet[TCP] if TCP in packet else packet[UDP] if UDP in packet else None
    return str(ip.src), str(ip.dst), 0 if ports is None else int(ports.dport)


def _pass(line: Line, tg: TrafficGenerator, seed: int, want: Seen | None) -> Seen:
    """Send the seed's packets both ways, and say which arrived as what."""
    rng = random.Random(seed)
    out: Seen = {}
    for inwards in (True, False):
        a, b = (line.left, line.right) if inwards else (line.right, line.left)
        macs = (line.left.mac, line.wan.mac) if inwards else (line.right.mac, line.lan.mac)
        begin = FIRST + (0 if inwards else 10_000)
        sent = {n: _packet(rng, n, inwards, macs) for n in range(begin, begin + COUNT)}
        due = sum(n in sent for n in want) if want else 0

        def ours(packet: Packet, of: dict[int, Packet] = sent) -> bool:
            return (IP in packet or IPv6 in packet) and _number(packet) in of

        near = line.wan if inwards else line.lan
        before = near.counter("rx_packets")
        with tg.capture(b, due, ours, quiet=0.5) as seen:
            tg.send(a, sent.values())
            if want is None:
                until(lambda: near.counter("rx_packets") - before >= COUNT, what="all to be judged")
        out |= {_number(packet): _about(packet) for packet in seen}
    return out


def _neighbours(left: Port, right: Port) -> list[Config]:
    outside = [neighbour("wan", ip, left.mac) for ip in OUTSIDE + OUTSIDE6]
    return outside + [neighbour("lan", ip, right.mac) for ip in INSIDE + INSIDE6]


@contextmanager
def _kernel() -> Iterator[Line]:
    """The kernel with nftables between silent ends."""
    with Lab() as lab:
        sut = lab.netns("sut")
        left, wan = lab.veth((lab.netns("left", ipv6=False), "left"), (sut, "wan"))
        right, lan = lab.veth((lab.netns("right", ipv6=False), "right"), (sut, "lan"))
        for port, addresses in ((wan, (WAN, WAN6)), (lan, (LAN, LAN6))):
            for address, bits in zip(addresses, (24, 64)):
                port.add_address(f"{address}/{bits}")
        sut.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for one in _neighbours(left, right):
            to = (one["address"], "lladdr", one["mac"], "dev", one["dev"], "nud", "permanent")
            sut.run("ip", "neigh", "replace", *to)
        sut.run("nft", "-f", "-", stdin=f"flush ruleset; {RULES}")
        yield Line(left, wan, lan, right)


def _imported(listed: str) -> str:
    done = subprocess.run(
        ["/usr/bin/python3", "-B", SCRIPTS / "import-nft"],
        input=listed,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def _without_ports(text: str) -> str:
    """Zones and what follows: the ports of the lab have addresses."""
    return text[text.index("\nzones:\n") :]


def test_the_kernel_and_weir_let_the_same_packets_pass(tmp_path: Path) -> None:
    """Sets, maps of verdicts, gotos, returns, a second chain, port forwards and masquerading.

    Steps: 1,600 packets of both families through the kernel with the ruleset; import what nft lists;
        the same packets through weir-firewall with what was written.
    Check: the same ones arrive, with the same addresses and destination ports; of both there are
        some that do and some that do not.
    """
    with _kernel() as line, TrafficGenerator() as tg:
        listed = line.sut.run("nft", "-j", "list", "ruleset").stdout
        kernel = _pass(line, tg, seed=1, want=None)
    assert COUNT / 4 < len(kernel) < COUNT
    with firewall_between_silent_ends(tmp_path) as fw:
        base = json.loads(fw.app.config_file.read_text())
        base["neighbours"] = _neighbours(fw.line.left, fw.line.right)
        whole = [f"{name}: {json.dumps(section)}\n" for name, section in base.items()]
        fw.app.config_file.write_text("".join(whole) + _without_ports(_imported(listed)))
        fw.app.ctl("reload")
        ours = _pass(fw.line, fw.tg, seed=1, want=kernel)
    wrong = {n for n in kernel.keys() | ours.keys() if kernel.get(n) != ours.get(n)}
    assert not wrong, [(n, kernel.get(n), ours.get(n)) for n in sorted(wrong)][:10]
