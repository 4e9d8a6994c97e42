# SPDX-License-Identifier: BSD-3-Clause
"""rte_flow of net_weir_xdp from testpmd's prompt: rules that the XDP program carries out."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from weir import peers
from weir.lab import Lab, Line
from weir.testpmd import NEEDED, Received, Testpmd, prompt
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

pytestmark = NEEDED

PEER, OURS = "198.51.100.1", "198.51.100.2"
PEER6, OURS6 = "2001:db8::1", "2001:db8::2"
END = "02:00:00:00:00:ee"  # the source of a frame that no rule of these tests matches


@dataclass(frozen=True)
class Ruled:
    """testpmd in rxonly with 4 queues at the end of a veth; its kernel has an address, too."""

    line: Line
    tg: TrafficGenerator
    pmd: Testpmd

    def frame(self, *layers: Packet, **ether: object) -> Packet:
        whole = Ether(**{"src": self.line.left.mac, "dst": self.line.wan.mac} | ether)
        for layer in layers:
            whole /= layer
        return whole

    def udp(self, dport: int = 9, sport: int = 1024) -> Packet:
        return self.frame(IP(src=PEER, dst=OURS), UDP(sport=sport, dport=dport), Raw(bytes(18)))

    def deliver(self, *sent: Packet) -> list[Received]:
        """Send, and return what testpmd says of those that reached it."""
        begin = self.pmd.here()
        self.tg.send(self.line.left, sent)
        for n in (1, 2):  # what another queue got before the first is there at the second
            self.tg.send(self.line.left, self.frame(Raw(bytes(46)), src=END, type=0x88B5))
            until(lambda: self.pmd.read(begin).lower().count(END) >= n, what="the last frame")
        return [packet for packet in self.pmd.received(2, begin) if packet.src != END]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ruled]:
    with ExitStack() as stack:
        line = stack.enter_context(Lab()).line()
        ends = ((line.left, PEER, OURS, line.wan), (line.wan, OURS, PEER, line.left))
        for port, own, other, peer in ends:
            port.add_address(f"{own}/24")
            port.netns.run("ip", "neigh", "replace", other, "lladdr", peer.mac, "dev", port.name)
        tg = stack.enter_context(TrafficGenerator())
        options = ["--forward-mode=rxonly", "--rxq=4", "--txq=4", "--rxd=256", "--txd=256"]
        options += ["--rss-udp"]
        directory = tmp_path_factory.mktemp("flow")
        devargs = "iface=wan,steer=all,queues=4"
        pmd = stack.enter_context(prompt(line.sut, directory, devargs, *options))
        pmd.tell_all("set verbose 1", "start")
        yield Ruled(line, tg, pmd)


@pytest.fixture
def ruled(made: Ruled) -> Iterator[Ruled]:
    """The module's testpmd without rules."""
    yield made
    made.pmd.tell("flow flush 0")
    made.pmd.tell("flow isolate 0 0")


# ---- items ----


def _tagged(tag: int) -> Packet:
    return Dot1Q(vlan=tag & 0xFFF, prio=tag >> 13) / IP(src=PEER, dst=OURS) / UDP()


def _v4(src: str = PEER, dst: str = OURS, proto: int = 99) -> Packet:
    return IP(src=src, dst=dst, proto=proto) / Raw(bytes(26))


def _v6(src: str = PEER6, dst: str = OURS6, proto: int = 99) -> Packet:
    return IPv6(src=src, dst=dst, nh=proto) / Raw(bytes(26))


def _udp(sport: int = 1024, dport: int = 9, over: Packet | None = None) -> Packet:
    return (over or IP(src=PEER, dst=OURS)) / UDP(sport=sport, dport=dport) / Raw(bytes(18))


def _tcp(sport: int = 1024, dport: int = 80, over: Packet | None = None) -> Packet:
    return (over or IP(src=PEER, dst=OURS)) / TCP(sport=sport, dport=dport) / Raw(bytes(18))


SIX = IPv6(src=PEER6, dst=OURS6)
ETHER = {"src": "02:00:00:00:01:01"}

# pattern, what it matches, what it does not: layers behind the Ethernet header
ITEMS = {
    "any ethernet": ("eth", [_udp(), _v6(), Raw(bytes(46))], []),
    "vlan id": ("eth / vlan vid is 5", [_tagged(5), _tagged(0x6005)], [_tagged(6), _udp()]),
    "vlan tag": ("eth / vlan tci is 0x6005", [_tagged(0x6005)], [_tagged(5)]),
    "ipv4": ("eth / ipv4", [_v4(), _udp()], [_v6(), ARP()]),
    "ipv4 source": (f"eth / ipv4 src is {PEER}", [_v4()], [_v4(src="198.51.100.3")]),
    "ipv4 destination": ("ipv4 dst is 192.0.2.1", [_v4(dst="192.0.2.1")], [_v4(), _v6()]),
    "ipv4 prefix": (
        "eth / ipv4 dst spec 192.0.2.64 dst prefix 26",
        [_v4(dst="192.0.2.64"), _v4(dst="192.0.2.127")],
        [_v4(dst="192.0.2.63"), _v4(dst="192.0.2.128")],
    ),
    "ipv4 protocol": ("eth / ipv4 proto is 47", [_v4(proto=47)], [_v4(), _v6(proto=47)]),
    "ipv6": ("eth / ipv6", [_v6(), _udp(over=SIX)], [_v4(), ARP()]),
    "ipv6 source": ("eth / ipv6 src is 2001:db8::1", [_v6()], [_v6(src="2001:db8::3")]),
    "ipv6 prefix": (
        "eth / ipv6 dst spec 2001:db8:7:: dst prefix 47",
        [_v6(dst="2001:db8:6::1"), _v6(dst="2001:db8:7:ffff::")],
        [_v6(dst="2001:db8:5::1"), _v6(dst="2001:db8:8::1")],
    ),
    "ipv6 protocol": ("eth / ipv6 proto is 47", [_v6(proto=47)], [_v6(), _v4(proto=47)]),
    "udp port": ("eth / ipv4 / udp dst is 53", [_udp(dport=53)], [_udp(), _tcp(dport=53)]),
    "udp ports": (
        "eth / ipv4 / udp src is 5 dst is 6", [_udp(5, 6)], [_udp(5, 7), _udp(6, 6), _udp(6, 5)],
    ),
    "udp over ipv6": (
        "eth / ipv6 / udp dst is 53", [_udp(dport=53, over=SIX)], [_udp(dport=53), _udp(over=SIX)],
    ),
    "udp range": (
        "eth / ipv4 / udp dst spec 1000 dst last 2000 dst mask 0xffff",
        [_udp(dport=1000), _udp(dport=1500), _udp(dport=2000)],
        [_udp(dport=999), _udp(dport=2001), _tcp(dport=1500)],
    ),
    "tcp port": ("eth / ipv4 / tcp dst is 80", [_tcp()], [_tcp(dport=81), _udp(dport=80)]),
    "tcp range": (
        "eth / ipv6 / tcp src spec 1 src last 1023 src mask 0xffff",
        [_tcp(1, over=SIX), _tcp(1023, over=SIX)],
        [_tcp(1024, over=SIX), _tcp(5)],
    ),
    "five fields": (
        f"eth / ipv4 src is {PEER} dst is {OURS} proto is 17 / udp src is 5 dst is 6",
        [_udp(5, 6)],
        [_udp(5, 7), _udp(5, 6, IP(src=PEER, dst=PEER)), _tcp(5, 6)],
    ),
    "icmp": (
        "eth / ipv4 / icmp type is 8",
        [IP(src=PEER, dst=OURS) / ICMP(type=8)],
        [IP(src=PEER, dst=OURS) / ICMP(type=0), _udp()],
    ),
    "icmp code": (
        "eth / ipv4 / icmp type is 3 code is 4",
        [IP(src=PEER, dst=OURS) / ICMP(type=3, code=4)],
        [IP(src=PEER, dst=OURS) / ICMP(type=3, code=1)],
    ),
    "icmp6": ("eth / ipv6 / icmp6 type is 128", [SIX / ICMPv6EchoRequest()], [_udp(over=SIX)]),
}  # fmt: skip


@pytest.mark.parametrize("name", ITEMS)
def test_a_rule_matches_what_it_says(ruled: Ruled, name: str) -> None:
    """Each item, exact, by prefix or by range.

    Steps: a rule with the pattern that marks, counts and sends to queue 2; packets that match and
    packets that do not.
    Check: all come; those that match, and only they, are marked, in queue 2, and counted.
    """
    pattern, good, bad = ITEMS[name]
    rule = ruled.pmd.create(
        f"pattern {pattern} / end actions queue index 2 / mark id 7 / count / end"
    )
    matching = [ruled.frame(layer, src="02:00:00:00:01:01") for layer in good]
    others = [ruled.frame(layer, src="02:00:00:00:01:02") for layer in bad]
    came = ruled.deliver(*matching, *others)
    marked = [packet for packet in came if packet.mark is not None]
    assert len(came) == len(matching) + len(others)
    assert {(p.src, p.queue, p.mark) for p in marked} == {("02:00:00:00:01:01", 2, 7)}
    ends = 2 if pattern == "eth" else 0  # the frames that end a delivery match, too
    assert len(marked) == len(matching)
    packet_bytes = sum(len(frame) for frame in matching) + ends * 60
    assert ruled.pmd.hits(rule) == (len(matching) + ends, packet_bytes)


@pytest.mark.parametrize("field", ["src", "dst", "type"])
def test_a_rule_matches_the_ethernet_header(ruled: Ruled, field: str) -> None:
    """Addresses and type.

    Steps: a rule for one field with a mark; a frame with that value, and one without.
    Check: only the first is marked.
    """
    value = 0x88B6 if field == "type" else "02:00:00:00:02:02"
    told = f"{value:#x}" if isinstance(value, int) else value
    ruled.pmd.create(f"pattern eth {field} is {told} / end actions queue index 1 / mark id 1 / end")
    like = ruled.frame(Raw(bytes(46)), **{"type": 0x88B7} | {field: value})
    came = ruled.deliver(like, ruled.frame(Raw(bytes(46)), type=0x88B7))
    assert [packet.mark for packet in sorted(came, key=lambda p: p.mark is None)] == [1, None]


# ---- actions ----


def test_a_million_dropped_packets_cost_user_space_nothing(ruled: Ruled) -> None:
    """DROP and COUNT, exactly.

    Steps: a rule that drops UDP to port 9; 1,000,000 packets that match, 1,000 others among them.
    Check: the rule counts 1,000,000 and their bytes; the queues got 1,000 packets and lost none.
    """
    rule = ruled.pmd.create("pattern eth / ipv4 / udp dst is 9 / end actions drop / count / end")
    ruled.pmd.tell("set verbose 0")
    ruled.pmd.clear()
    try:
        bad, good = bytes(ruled.udp()), bytes(ruled.udp(dport=10))
        for _ in range(1000):
            ruled.tg.send(ruled.line.left, [*[bad] * 1000, good])
        until(lambda: ruled.pmd.counts().rx_packets >= 1000, what="the others")
        counts = ruled.pmd.counts()
    finally:
        ruled.pmd.tell("set verbose 1")
    assert ruled.pmd.hits(rule) == (1_000_000, 1_000_000 * len(bad))
    assert (counts.rx_packets, counts.rx_bytes) == (1000, 1000 * len(good))
    assert counts.rx_missed == 0


def test_queue_and_rss_choose_the_queue(ruled: Ruled) -> None:
    """QUEUE names one, RSS a list that flows are spread over.

    Steps: UDP to port 1 into queue 3, to port 2 over queues 1 and 3; 64 flows of each.
    Check: the first are all in queue 3; the others in 1 and 3, each at least 16 times; and a flow
    that is sent again is in its queue again.
    """
    ruled.pmd.create("pattern eth / ipv4 / udp dst is 1 / end actions queue index 3 / end")
    ruled.pmd.create("pattern eth / ipv4 / udp dst is 2 / end actions rss queues 1 3 end / end")
    one = ruled.deliver(*[ruled.udp(1, 5000 + n) for n in range(64)])
    assert [packet.queue for packet in one] == [3] * 64
    flows = [ruled.frame(_udp(5000 + n, 2), src=f"02:00:00:00:03:{n:02x}") for n in range(64)]
    first, again = ({p.src: p.queue for p in ruled.deliver(*flows)} for _ in range(2))
    assert len(first) == 64 and set(first.values()) == {1, 3}
    assert min(list(first.values()).count(queue) for queue in (1, 3)) >= 16
    assert again == first


def test_passthru_leaves_packets_to_the_kernel(ruled: Ruled) -> None:
    """The kernel behind the port answers what the rule leaves it; the rest comes here.

    Steps: ping: no answer, for testpmd takes it. A rule with PASSTHRU for ICMP; ping again, and send
    UDP.
    Check: every answer; the UDP packets are testpmd's; the rule counts 5.
    """
    left = ruled.line.left.netns
    assert left.run("ping", "-n", "-c1", "-W1", OURS, check=False).returncode == 1
    rule = ruled.pmd.create("pattern eth / ipv4 / icmp / end actions passthru / count / end")
    assert peers.ping(left, OURS, count=5).received == 5
    assert len(ruled.deliver(*[ruled.udp()] * 5)) == 5
    assert ruled.pmd.hits(rule)[0] == 5


@pytest.mark.parametrize("mark", [0, 1, 0xFFFFFFFF])
def test_a_mark_arrives_as_it_was_given(ruled: Ruled, mark: int) -> None:
    """MARK with QUEUE, with RSS, and 0 is a mark as well."""
    ruled.pmd.create(f"pattern eth / ipv4 / udp / end actions queue index 0 / mark id {mark} / end")
    ruled.pmd.create(
        f"pattern eth / ipv6 / udp / end actions mark id {mark} / rss queues end / end"
    )
    for packet in ruled.deliver(ruled.udp(), ruled.frame(_udp(over=SIX))):
        assert packet.mark == mark and {"FDIR", "FDIR_ID"} <= packet.flags


@pytest.mark.parametrize("order", [(0, 5), (5, 0)])
def test_the_lowest_priority_number_wins(ruled: Ruled, order: tuple[int, int]) -> None:
    """Whichever rule came first, and however wide it is; when it goes, the other one is at work.

    Steps: two rules that match the same packets, of priority 0 and 5, in both orders; destroy the
    first.
    Check: the mark is that of priority 0, then that of 5.
    """
    wide, narrow = "eth / ipv4", "eth / ipv4 / udp dst is 9"
    for priority, pattern in zip(order, (wide, narrow)):
        actions = f"queue index 0 / mark id {100 + priority} / end"
        number = ruled.pmd.create(f"priority {priority} pattern {pattern} / end actions {actions}")
        if priority == 0:
            first = number
    assert [packet.mark for packet in ruled.deliver(ruled.udp())] == [100]
    ruled.pmd.tell(f"flow destroy 0 rule {first}")
    assert [packet.mark for packet in ruled.deliver(ruled.udp())] == [105]


def test_of_equal_priorities_the_older_wins(ruled: Ruled) -> None:
    """So that adding a rule never changes what the others do."""
    for n, pattern in enumerate(("eth / ipv4", "eth / ipv4 / udp", "eth / ipv4 / udp dst is 9")):
        ruled.pmd.create(f"pattern {pattern} / end actions queue index 0 / mark id {n} / end")
    assert [packet.mark for packet in ruled.deliver(ruled.udp())] == [0]


def test_destroy_and_flush_take_rules_out(ruled: Ruled) -> None:
    """One, then all.

    Steps: 300 rules that drop a port each; destroy one; flush.
    Check: each step lets through the packets of the rules that went, and no others; a new rule
    begins to count at 0.
    """
    for port in range(1, 301):
        drop = f"pattern eth / ipv4 / udp dst is {port} / end actions drop / count / end"
        assert ruled.pmd.create(drop) == port - 1
    assert len(ruled.pmd.flows()) == 300
    sent = [ruled.udp(port) for port in (1, 150, 300, 301)]
    assert len(ruled.deliver(*sent)) == 1
    ruled.pmd.tell("flow destroy 0 rule 149")
    assert len(ruled.deliver(*sent)) == 2
    ruled.pmd.tell("flow flush 0")
    assert len(ruled.deliver(*sent)) == 4 and ruled.pmd.flows() == []
    assert ruled.pmd.hits(ruled.pmd.create(drop)) == (0, 0)


def test_an_isolated_port_gets_what_rules_name(ruled: Ruled) -> None:
    """`flow isolate 0 1`: all else is the kernel's.

    Steps: isolate; a rule for UDP to port 9; ping, and UDP to ports 9 and 10; end the isolation.
    Check: the kernel answers; only port 9 is here; afterwards both are.
    """
    ruled.pmd.tell("flow isolate 0 1")
    ruled.pmd.create("pattern eth / ipv4 / udp dst is 9 / end actions queue index 0 / end")
    ruled.pmd.create(f"pattern eth src is {END} / end actions queue index 0 / end")
    assert peers.ping(ruled.line.left.netns, OURS, count=3).received == 3
    assert len(ruled.deliver(ruled.udp(9), ruled.udp(10))) == 1
    ruled.pmd.tell("flow isolate 0 0")
    assert len(ruled.deliver(ruled.udp(9), ruled.udp(10))) == 2


def test_a_query_can_reset(ruled: Ruled) -> None:
    """Packets and bytes since the last reset, which testpmd's query never asks for: they only grow.

    Steps: 10 packets, query twice, 5 more, query.
    Check: 10, 10, 15.
    """
    rule = ruled.pmd.create("pattern eth / ipv4 / udp / end actions queue index 0 / count / end")
    ruled.deliver(*[ruled.udp()] * 10)
    assert ruled.pmd.hits(rule) == ruled.pmd.hits(rule) == (10, 600)
    ruled.deliver(*[ruled.udp()] * 5)
    assert ruled.pmd.hits(rule) == (15, 900)


def test_a_rule_can_come_before_the_start(ruled: Ruled) -> None:
    """A stopped port takes rules (testpmd flushes those from before at its stop).

    Steps: stop the port; a rule that drops; start; a packet that matches, one that does not.
    Check: the second alone comes.
    """
    ruled.pmd.tell_all("stop", "port stop 0")
    ruled.pmd.create("pattern eth / ipv4 / udp dst is 9 / end actions drop / end")
    ruled.pmd.tell_all("port start 0", "start")
    assert len(ruled.deliver(ruled.udp(9), ruled.udp(10))) == 1


# ---- refused ----

GOOD = "pattern eth / ipv4 / udp / end"
# rule: what the error must say
REFUSED = {
    "group 1 ingress pattern eth / end actions drop / end": "only group 0",
    "egress pattern eth / end actions drop / end": "received packets",
    "transfer pattern eth / end actions drop / end": "this port only",
    "pattern eth / end actions drop / end": "direction",
    "ingress priority 131072 pattern eth / end actions drop / end": "0 to 131071",
    "ingress pattern eth / vxlan / end actions drop / end": "only ETH, VLAN, IPV4",
    "ingress pattern ipv4 / eth / end actions drop / end": "upwards",
    "ingress pattern eth / udp / end actions drop / end": "IPV4 or IPV6 is missing",
    "ingress pattern eth / ipv4 ttl is 3 / end actions drop / end": "not matched here",
    "ingress pattern eth / ipv4 src spec 10.0.0.1 src last 10.0.0.9 src mask 255.255.255.255"
    " / end actions drop / end": "only ports have ranges",
    "ingress pattern eth / ipv4 proto is 6 / udp / end actions drop / end": "something else",
    f"ingress {GOOD} actions end": "is needed",
    f"ingress {GOOD} actions count / end": "is needed",
    f"ingress {GOOD} actions drop / queue index 0 / end": "one of QUEUE, RSS",
    f"ingress {GOOD} actions queue index 4 / end": "queue",
    f"ingress {GOOD} actions queue index 65535 / end": "no such queue",
    f"ingress {GOOD} actions rss queues 0 4 end / end": "queue",
    f"ingress {GOOD} actions drop / mark id 1 / end": "a mark is for",
    f"ingress {GOOD} actions set_ttl ttl_value 3 / drop / end": "only QUEUE, RSS, DROP",
}  # fmt: skip


@pytest.mark.parametrize("rule", REFUSED)
def test_a_rule_that_cannot_be_done_is_refused(ruled: Ruled, rule: str) -> None:
    """By validate and by create, with a reason; nothing of it stays.

    Steps: validate it, create it, beside a rule that counts.
    Check: both say why; the list has the other rule alone, which does its work.
    """
    other = ruled.pmd.create(f"{GOOD} actions queue index 0 / count / end")
    for verb in ("validate", "create"):
        text = ruled.pmd.tell(f"flow {verb} 0 {rule}")
        assert "Caught PMD error" in text and REFUSED[rule] in text, text
    assert [flow.number for flow in ruled.pmd.flows()] == [other]
    assert [packet.mark for packet in ruled.deliver(ruled.udp())] == [None]
    assert ruled.pmd.hits(other)[0] == 1


def test_the_same_rule_twice_is_refused(ruled: Ruled) -> None:
    """Of the same priority: the second could never match."""
    rule = f"ingress {GOOD} actions drop / end"
    ruled.pmd.create(f"{GOOD} actions drop / end")
    assert "Caught PMD error" in ruled.pmd.tell(f"flow validate 0 {rule}")
    assert "Caught PMD error" in ruled.pmd.tell(f"flow create 0 {rule}")
    ruled.pmd.create(f"priority 1 {GOOD} actions drop / end")


def test_a_query_of_what_is_not_counted_is_refused(ruled: Ruled) -> None:
    rule = ruled.pmd.create(f"{GOOD} actions drop / end")
    assert "no COUNT" in ruled.pmd.tell(f"flow query 0 {rule} count")


def test_too_many_rules_are_refused_and_the_rest_stays(ruled: Ruled) -> None:
    """More different sets of matched fields than the program looks at.

    Steps: rules with ever shorter prefixes of two addresses, until one is refused.
    Check: the refusal says why; the first and the last rule that were taken are at work.
    """
    taken = []
    for bits in range(1, 101):
        mask = f"src spec 203.0.113.0 src prefix {1 + bits % 32} dst spec 192.0.2.{bits} "
        text = ruled.pmd.tell(
            f"flow create 0 ingress pattern eth / ipv4 {mask} dst prefix {32 - bits // 32}"
            f" / end actions drop / count / end"
        )
        if "created" not in text:
            assert "Caught PMD error" in text
            break
        taken.append(int(text.split("#")[1].split()[0]))
    assert 32 <= len(taken) < 100 and len(ruled.pmd.flows()) == len(taken)
    assert len(ruled.deliver(ruled.frame(_v4("203.0.113.0", "192.0.2.1")))) == 0
