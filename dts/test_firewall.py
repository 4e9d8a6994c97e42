# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall: what rules let pass, and what they say to what they do not."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from weir import mmdb, packets
from weir.caps import Cap, requires
from weir.firewall import (
    ALL,
    IN,
    OUT,
    PING,
    Firewall,
    firewall_between_silent_ends,
    rule,
)
from weir.router import LAN, LEFT, LEFT6, RIGHT, RIGHT6, WAN, WAN6, Config
from weir.wait import until

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

BOTH = pytest.mark.parametrize("six", [False, True], ids=["ip4", "ip6"])


@pytest.fixture(scope="module")
def fw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    """A firewall between silent ends; each test sets its policy."""
    with firewall_between_silent_ends(tmp_path_factory.mktemp("fw")) as made:
        yield made


def pair(six: bool, inwards: bool = True) -> tuple[str, str]:
    ends = (LEFT6, RIGHT6) if six else (LEFT, RIGHT)
    return ends if inwards else ends[::-1]


def udp(fw: Firewall, six: bool = False, inwards: bool = True, **more: int) -> Packet:
    return packets.udp(fw.macs(inwards), pair(six, inwards), **more)


def syn(fw: Firewall, six: bool = False, flags: str = "S", **more: int) -> Packet:
    return packets.tcp(fw.macs(), pair(six), flags=flags, **more)


def sports(seen: list[Packet]) -> list[int]:
    return [p[UDP].sport if UDP in p else p[TCP].sport for p in seen]


@BOTH
@pytest.mark.parametrize("default", ["drop", "accept"])
def test_the_default_decides_where_no_rule_matches(fw: Firewall, default: str, six: bool) -> None:
    """Silence, or passage.

    Steps: with no rule at all, send UDP and a SYN.
    Check: both arrive, or neither does and both are counted as rule; the default has counted them.
    """
    fw.policy([], default)
    before = fw.counted()["default"]
    want = 2 if default == "accept" else 0
    seen = fw.sent([udp(fw, six, sport=3001), syn(fw, six, sport=3002)], want=want)
    assert sports(seen) == ([3001, 3002] if want else [])
    fw.app.expect_drops({} if want else {"rule": 2})
    assert fw.counted()["default"] == before + 2


@BOTH
@pytest.mark.parametrize("by", ["rule", "default"])
def test_a_rejected_connection_is_reset(fw: Firewall, by: str, six: bool) -> None:
    """The client must not wait (RFC 9293 section 3.10.7.1).

    Steps: send a SYN to what is rejected.
    Check: a RST with ACK of the SYN comes from the server's address; nothing arrives there.
    """
    by_rule = by == "rule"
    fw.policy([rule("no", "reject")] if by_rule else [], "accept" if by_rule else "reject")
    sent = syn(fw, six, sport=3003, dport=81)
    sent[TCP].seq = 7000
    with fw.tg.capture(fw.line.right) as leaked:
        answer = fw.tg.ask(fw.line.left, sent, lambda p: TCP in p)
    assert answer is not None and len(leaked) == 0
    layer = IPv6 if six else IP
    assert (answer[layer].src, answer[layer].dst) == pair(six, inwards=False)
    assert (answer[TCP].sport, answer[TCP].dport) == (81, 3003)
    assert answer[TCP].flags == "RA" and answer[TCP].ack == 7001
    fw.app.expect_drops({"rule_reject": 1})


@pytest.mark.parametrize("what", ["udp", "ping"])
def test_what_else_is_rejected_is_told_so_by_icmp(fw: Firewall, what: str) -> None:
    """Communication administratively prohibited (RFC 1812 section 5.2.7.1, RFC 4443 section 3.1).

    Steps: send UDP or an echo request of both families to what is rejected.
    Check: type 3 code 13, or type 1 code 1, from the firewall's address.
    """
    fw.policy([rule("no", "reject")])
    sent = {
        six: udp(fw, six) if what == "udp" else packets.echo_request(fw.macs(), pair(six))
        for six in (False, True)
    }
    four = fw.tg.ask(fw.line.left, sent[False], lambda p: ICMP in p)
    assert four is not None and (four[IP].src, four[IP].dst) == (WAN, LEFT)
    assert (four[ICMP].type, four[ICMP].code) == (3, 13)
    answer = fw.tg.ask(fw.line.left, sent[True], lambda p: ICMPv6DestUnreach in p)
    assert answer is not None and (answer[IPv6].src, answer[IPv6].dst) == (WAN6, LEFT6)
    assert answer[ICMPv6DestUnreach].code == 1
    fw.app.expect_drops({"rule_reject": 2})


def test_the_first_rule_that_matches_decides(fw: Firewall) -> None:
    """Order is meaning.

    Steps: with "accept UDP 53" before "drop UDP" and behind it, send UDP 53 and 54.
    Check: 53 passes only in the first order; the rule that decided counts, the other does not.
    """
    dns, no = rule("dns", proto="udp", dport="53"), rule("no", "drop", proto="udp")
    sent = [udp(fw, sport=3010, dport=53), udp(fw, sport=3011, dport=54)]
    fw.policy([dns, no])
    assert sports(fw.sent(sent, want=1)) == [3010]
    fw.app.expect_drops({"rule": 1})
    counts = fw.counted()
    assert (counts["dns"], counts["no"]) == (1, 1)
    fw.policy([no, dns])
    assert fw.sent(sent, want=0) == []
    fw.app.expect_drops({"rule": 2})
    after = fw.counted()
    assert (after["dns"] - counts["dns"], after["no"] - counts["no"]) == (0, 2)


def test_a_rule_counts_packets_and_bytes_of_its_flows(fw: Firewall) -> None:
    """And of a rule that only counts, what matched it on its way to the one that decides.

    Steps: with "count" before "accept", send 5 packets of 100 bytes of IP in one flow.
    Check: "accept" has 5 packets and 500 bytes; "count" has the first packet of the flow.
    """
    fw.policy([rule("look", "count", comment="all of it"), rule("let", dport="77", proto="udp")])
    before = fw.counted()
    for count in (1, 4):
        assert len(fw.sent([udp(fw, sport=3012, dport=77, size=72)] * count)) == count
    after = {one["name"]: one for one in fw.app.ask("rules")}
    assert after["let"]["packets"] - before["let"] == 5
    assert after["let"]["bytes"] == 500 and after["let"]["idle_s"] < 5
    assert after["look"]["packets"] - before["look"] == 1
    rows = fw.app.since_start("weir_rule_packets_total", "rule")
    assert rows == {"let": 5, "look": 1}


def test_hundreds_of_rules_between_two_zones_count_or_have_limits(fw: Firewall) -> None:
    """More than fit a word of 64 bits, and as many sets: a packet meets all that it matches.

    Steps: 200 rules count UDP to ports from 1000, 1001, ... on, 100 what is from a set of their
    own, 70 accept a port of their own with a limit; accept all behind. Send a flow to each of some
    ports, and from each of some sets, and one to each limited port.
    Check: each rule has counted what is for it, and nothing else.
    """
    hosts = [f"198.51.100.{n}" for n in range(100)]
    rules = [rule(f"port{n}", "count", proto="udp", dport=f"{1000 + n}-1999") for n in range(200)]
    rules += [rule(f"host{n}", "count", source=f"set{n}") for n in range(100)]
    rules += [
        rule(f"few{n}", proto="udp", dport=f"{3000 + n}", limit={"rate": "1/s", "burst": 4})
        for n in range(70)
    ]
    fw.policy(
        [*rules, ALL], sets={f"set{n}": {"addresses": [f"{hosts[n]}/32"]} for n in range(100)}
    )
    flows = [(LEFT, port) for port in (999, 1000, 1063, 1064, 1127, 1199, 1999, 2000)]
    flows += [(hosts[n], 1150) for n in (0, 63, 64, 99)]
    flows += [(LEFT, 3000 + n) for n in range(70)]
    macs = fw.macs()
    sent = [
        packets.udp(macs, (src, RIGHT), sport=3100 + n, dport=port)
        for n, (src, port) in enumerate(flows)
    ]
    assert len(fw.sent(sent)) == len(flows)
    want = {f"port{n}": sum(1000 + n <= port <= 1999 for _, port in flows) for n in range(200)}
    want |= {f"host{n}": int(n in (0, 63, 64, 99)) for n in range(100)}
    want |= {f"few{n}": 1 for n in range(70)} | {"all": 12}
    counts = fw.counted()
    assert {name: counts[name] for name in want} == want
    fw.app.expect_drops({})


def test_rules_know_zones_and_the_firewall_itself(fw: Firewall) -> None:
    """from, to; a zone of a section, one that an interface is by itself, and self.

    Steps: accept from "outside" (wan) to lan, and ping of self from lan alone; send all kinds.
    Check: UDP inwards passes and outwards does not; lan's ping is answered, wan's is not.
    """
    ours = rule("ping", from_="lan", to="self", proto="icmp", icmp="echo-request")
    zones = {"outside": {"interfaces": ["wan"]}}
    fw.policy([rule("in", from_="outside", to="lan"), ours], zones=zones)
    assert sports(fw.sent(udp(fw, sport=3020))) == [3020]
    assert fw.sent(udp(fw, inwards=False, sport=3021), inwards=False, want=0) == []
    fw.app.expect_drops({"rule": 1})
    inner = packets.echo_request(fw.macs(False), (RIGHT, LAN))
    outer = packets.echo_request(fw.macs(), (LEFT, WAN))
    assert fw.tg.ask(fw.line.right, inner, lambda p: ICMP in p and p[ICMP].type == 0)
    fw.tg.send(fw.line.left, outer)
    fw.app.expect_drops({"rule": 2})


def test_sets_hold_addresses_prefixes_and_files(fw: Firewall, tmp_path: Path) -> None:
    """One name for many, in both families, and with "!" for all others.

    Steps: drop a set (an address, a prefix, and a file with comments), accept what is not in
    another; send from inside and outside of each.
    Check: only what is in neither passes.
    """
    listed = tmp_path / "bad.txt"
    listed.write_text("# bad ones\n198.51.100.7\n2001:db8:bad::/48 # all of it\n")
    sets = {
        "bad": {"addresses": ["198.51.100.64/26", "192.0.2.9/32"], "file": str(listed)},
        "home": {"addresses": ["10.0.0.0/8"]},
    }
    rules = [
        rule("bad", "drop", source="bad"),
        rule("strangers", source="!home"),
    ]
    fw.policy(rules, sets=sets)
    good = ["198.51.100.6", "198.51.100.63", "192.0.2.8", "2001:db8:bae::1"]
    bad = ["198.51.100.7", "198.51.100.64", "198.51.100.127", "192.0.2.9", "2001:db8:bad:1::1"]
    macs = fw.macs()
    sent = [
        packets.udp(macs, (src, RIGHT6 if ":" in src else RIGHT), sport=3100 + n)
        for n, src in enumerate(good + bad + [LEFT])
    ]
    assert sports(fw.sent(sent, want=len(good))) == [3100, 3101, 3102, 3103]
    fw.app.expect_drops({"rule": len(bad) + 1})
    counts = fw.counted()
    assert counts["bad"] == len(bad) and counts["strangers"] == len(good)


def test_countries_come_from_a_database_that_a_reload_reads_anew(
    fw: Firewall, tmp_path: Path
) -> None:
    """country:XX, in both families.

    Steps: drop what comes from DE, accept the others; send from three countries and from none; move
    a prefix from one country to another in the file, reload, and send again.
    Check: what is from DE by the file of the time does not pass.
    """
    path = tmp_path / "countries.mmdb"
    where = {"198.51.100.0/24": "DE", "192.0.2.0/24": "FR", "2001:db8:de::/48": "DE"}
    sources = ["198.51.100.9", "192.0.2.9", "2001:db8:de::9", "203.0.113.9"]
    for turn, german in enumerate(([0, 2], [1, 2])):
        mmdb.write(path, where)
        firewall = {
            "geo": str(path),
            "default": "drop",
            "rules": [rule("de", "drop", source="country:DE"), ALL],
        }
        fw.policy([], firewall=firewall)
        sent = [
            packets.udp(
                fw.macs(), (src, RIGHT6 if ":" in src else RIGHT), sport=3150 + 10 * turn + n
            )
            for n, src in enumerate(sources)
        ]
        passes = [3150 + 10 * turn + n for n in range(4) if n not in german]
        assert sports(fw.sent(sent, want=2)) == passes
        fw.app.expect_drops({"rule": 2})
        where |= {"198.51.100.0/24": "FR", "192.0.2.0/24": "DE"}


def test_services_and_port_ranges_have_exact_edges(fw: Firewall) -> None:
    """A service is protocols and ports by one name; ranges stay ranges.

    Steps: accept a service (UDP 1000 to 2000 and 53, from ports 5000 to 5002), send around its edges.
    Check: what is within passes.
    """
    services = {"game": {"proto": "udp", "sport": "5000-5002", "dport": ["1000-2000", "53"]}}
    fw.policy(
        [rule("game", service="game"), rule("web", proto="tcp", dport="0-79")], services=services
    )
    ports = [
        (5000, 999),
        (5000, 1000),
        (5001, 2000),
        (5001, 2001),
        (5002, 53),
        (4999, 53),
        (5003, 53),
    ]
    sent = [udp(fw, sport=s, dport=d) for s, d in ports]
    sent += [syn(fw, sport=5000, dport=d) for d in (79, 80, 1000)]
    seen = fw.sent(sent, want=4)
    assert [(p[UDP].sport, p[UDP].dport) for p in seen if UDP in p] == [
        (5000, 1000),
        (5001, 2000),
        (5002, 53),
    ]
    assert [p[TCP].dport for p in seen if TCP in p] == [79]
    fw.app.expect_drops({"rule": 6})


def test_icmp_is_told_apart_by_type(fw: Firewall) -> None:
    """The same name means another number in IPv6.

    Steps: accept echo-request of both families; send it, and an IPv4 timestamp request.
    Check: the pings arrive; the timestamp does not.
    """
    fw.policy([
        rule("ping4", proto="icmp", icmp="echo-request"),
        rule("ping6", proto="icmp6", icmp="echo-request"),
    ])  # fmt: skip
    stamp = Ether(src=fw.macs()[0], dst=fw.macs()[1]) / IP(src=LEFT, dst=RIGHT) / ICMP(type=13)
    sent = [stamp, *(packets.echo_request(fw.macs(), pair(six)) for six in (False, True))]
    seen = fw.sent(sent, want=2)
    assert [ICMP in p or ICMPv6EchoRequest in p for p in seen] == [True, True]
    assert seen[0][ICMP].type == 8
    fw.app.expect_drops({"rule": 1})


def test_tcp_flags_are_matched_set_and_unset(fw: Firewall) -> None:
    """A connection's first packet with ECN, and without.

    Steps: accept "syn,!ece"; send SYN and SYN with ECE and CWR.
    Check: the first passes.
    """
    fw.policy([rule("plain", proto="tcp", tcp_flags="syn,!ece")])
    sent = [syn(fw, sport=3201, flags="SEC"), syn(fw, sport=3202)]
    assert sports(fw.sent(sent, want=1)) == [3202]
    fw.app.expect_drops({"rule": 1})


@BOTH
def test_dscp_is_matched_and_set(fw: Firewall, six: bool) -> None:
    """Of the first packet, and of all packets of the flow, replies too.

    Steps: accept ef as af41; send ef, cs0 and, in the accepted flow, a reply.
    Check: ef passes as af41 with its ECN bits kept and right checksums; cs0 does not; the reply has
    af41.
    """
    fw.policy([rule("voice", dscp="ef", set_dscp="af41")])
    ef, plain = udp(fw, six, sport=3301), udp(fw, six, sport=3302)
    set_tos(ef, 46 << 2 | 1)
    (seen,) = fw.sent([ef, plain], want=1)
    assert seen[UDP].sport == 3301 and tos(seen) == 34 << 2 | 1
    if not six:
        assert seen[IP].chksum == Ether(bytes(rebuilt(seen)))[IP].chksum
    fw.app.expect_drops({"rule": 1})
    (reply,) = fw.sent(udp(fw, six, inwards=False, sport=9, dport=3301), inwards=False)
    assert tos(reply) == 34 << 2


def rebuilt(packet: Packet) -> Packet:
    again = Ether(bytes(packet))
    del again[IP].chksum
    return again


def set_tos(packet: Packet, value: int) -> None:
    if IPv6 in packet:
        packet[IPv6].tc = value
    else:
        packet[IP].tos = value


def tos(packet: Packet) -> int:
    return int(packet[IPv6].tc if IPv6 in packet else packet[IP].tos)


def test_marks_are_on_the_flows(fw: Firewall) -> None:
    """weirctl flows shows them.

    Steps: accept with mark 77 and without; send a packet of each.
    Check: the mark is on the one flow, and each flow has the name of its rule.
    """
    fw.policy([rule("marked", proto="udp", dport="7", mark=77), ALL])
    assert len(fw.sent([udp(fw, sport=3401, dport=7), udp(fw, sport=3402, dport=8)])) == 2
    found = {f["orig"]["sport"]: (f["rule"], f.get("mark")) for f in fw.flows()}
    assert found == {3401: ("marked", 77), 3402: ("all", None)}


def test_a_limited_rule_matches_only_so_often(fw: Firewall) -> None:
    """The first packets of flows count; what is over goes on with the next rule.

    Steps: accept at most 6 at once and 1/s; send the first packets of 40 flows, then 20 more of an
    accepted flow.
    Check: the first 6 pass and one more a second; the others meet the default; the flow is not limited.
    """
    begun = time.monotonic()
    fw.policy([rule("few", proto="udp", limit={"rate": "1/s", "burst": 6})])
    sent = [udp(fw, sport=4000 + n) for n in range(40)]
    with fw.tg.capture(fw.line.right, 6) as seen:
        fw.tg.send(fw.line.left, sent)
    most = 6 + time.monotonic() - begun
    assert sports(seen.packets)[:6] == list(range(4000, 4006)) and 6 <= len(seen) <= most
    fw.app.expect_drops({"rule": 40 - len(seen)})
    assert len(fw.sent([sent[0]] * 20)) == 20


def test_a_limit_can_be_of_each_source(fw: Firewall) -> None:
    """One who asks too often does not disturb others; what is over can be the match, too.

    Steps: drop what is over 4 at once of each source, accept all; send 10 flows from each of 3.
    Check: 4 of each pass, one more for each second that went by; the others are dropped by the rule.
    """
    over = rule("over", "drop", limit={"rate": "1/s", "burst": 4, "per": "source", "over": True})
    begun = time.monotonic()
    fw.policy([over, ALL])
    sources = ["198.51.100.1", "198.51.100.2", "198.51.100.3"]
    sent = [
        packets.udp(fw.macs(), (src, RIGHT), sport=4100 + n) for n in range(10) for src in sources
    ]
    with fw.tg.capture(fw.line.right, 12) as seen:
        fw.tg.send(fw.line.left, sent)
    by_source = [sum(p[IP].src == src for p in seen) for src in sources]
    most = 4 + time.monotonic() - begun
    assert all(4 <= n <= most for n in by_source)
    fw.app.expect_drops({"rule": 30 - len(seen)})
    assert fw.counted()["over"] == 30 - len(seen)


@BOTH
def test_a_source_from_elsewhere_is_spoofed(fw: Firewall, six: bool) -> None:
    """Strict reverse path (RFC 3704): only of zones that ask for it.

    Steps: with antispoof of wan and not of lan, send from either side with an address of the other,
    and of nobody.
    Check: wan's are dropped as spoofed, lan's pass; an honest one passes.
    """
    fw.policy([ALL], zones={"w": {"interfaces": "wan", "antispoof": True}})
    liar, nobody = (RIGHT6, "2001:db8:ffff::1") if six else ("10.0.2.77", "172.16.0.1")
    to = RIGHT6 if six else RIGHT
    sent = [packets.udp(fw.macs(), (src, to), sport=4200) for src in (liar, nobody)]
    assert sports(fw.sent([*sent, udp(fw, six, sport=4201)], want=1)) == [4201]
    fw.app.expect_drops({"spoofed": 2})
    back = packets.udp(fw.macs(False), (nobody, LEFT6 if six else LEFT), sport=4202)
    assert sports(fw.sent(back, inwards=False)) == [4202]


def test_a_source_has_no_more_flows_than_its_zone_allows(fw: Firewall) -> None:
    """zones.NAME.source_flows and .flows.

    Steps: allow 5 flows of a source and 8 of the zone; begin 10 from one source and 10 from another.
    Check: 5 pass of the first and 3 of the second; each other is a drop with the name of its limit;
    packets of known flows pass; after a flow was ended, another begins.
    """
    fw.policy([ALL], zones={"w": {"interfaces": "wan", "source_flows": 5, "flows": 8}})
    one = [packets.udp(fw.macs(), ("198.51.100.1", RIGHT), sport=4300 + n) for n in range(10)]
    two = [packets.udp(fw.macs(), ("198.51.100.2", RIGHT), sport=4320 + n) for n in range(10)]
    assert sports(fw.sent(one, want=5)) == list(range(4300, 4305))
    assert sports(fw.sent(two, want=3)) == list(range(4320, 4323))
    fw.app.expect_drops({"flow_source": 5, "zone_full": 7})
    assert len(fw.sent(one[:5] + two[:3])) == 8
    assert fw.app.ask("flows_kill", port=4300, addr="198.51.100.1") == {"killed": 1}
    assert sports(fw.sent(one[9])) == [4309]


def test_a_vlan_is_a_zone_and_a_match(fw: Firewall) -> None:
    """`wan.7` is an interface like any other.

    Steps: accept what comes by VLAN 7; send the same packet with the tag and without.
    Check: the tagged one arrives, and the other does not.
    """
    vlan = {"7": {"addresses": ["10.7.0.1/24"]}}
    config: Config = fw.first["ports"]
    both = config | {"wan": config["wan"] | {"vlans": vlan}}
    fw.policy([rule("seven", from_="wan.7", vlan=7)], ports=both)
    macs = fw.macs()
    plain = packets.udp(macs, ("10.7.0.2", RIGHT), sport=4401)
    tagged = Ether(src=macs[0], dst=macs[1]) / Dot1Q(vlan=7) / plain[IP].copy()
    tagged[UDP].sport = 4402
    assert sports(fw.sent([plain, tagged], want=1)) == [4402]
    fw.app.expect_drops({"rule": 1})


def test_judge_knows_vlan_dscp_type_and_flags(fw: Firewall) -> None:
    """The packet that is explained is the one that comes.

    Steps: rules that look at VLAN, DSCP, ICMP type and TCP flags; ask weirctl about such packets.
    Check: each is decided by its rule; what begins no flow by none.
    """
    config: Config = fw.first["ports"]
    vlan = {"7": {"addresses": ["10.7.0.1/24"]}}
    fw.policy(
        [
            rule("voice", dscp="ef"),
            rule("stamp", proto="icmp", icmp="timestamp-request"),
            rule("urgent", proto="tcp", tcp_flags="syn,urg"),
            rule("seven", vlan=7),
        ],
        ports=config | {"wan": config["wan"] | {"vlans": vlan}},
    )
    asked = ("src", "10.7.0.2", "dst", RIGHT)
    for words, decides in (
        (("from", "wan"), "default"),
        (("from", "wan.7"), "seven"),
        (("from", "wan", "dscp", "ef"), "voice"),
        (("from", "wan", "proto", "icmp", "icmp", "13"), "stamp"),
        (("from", "wan", "flags", "syn,urg"), "urgent"),
    ):
        assert fw.app.ctl("explain", *words, *asked)["rule"] == decides
    assert fw.app.ctl("explain", "from", "wan.7", "flags", "ack", *asked)["drop"] == "flow_invalid"


def test_judge_says_what_would_become_of_a_packet(fw: Firewall) -> None:
    """The same answer as the packet gets, without sending one.

    Steps: ask about packets that a rule accepts, drops, and that none matches.
    Check: each names the rule, what it says, and why those before it did not match.
    """
    fw.policy([rule("web", proto="tcp", dport="443"), rule("no", "drop", source="198.51.100.0/24")])
    ask = {"from": "wan", "src": "198.51.100.1", "dst": RIGHT, "proto": "tcp", "sport": 9}
    found = {d: fw.app.ask("judge", dport=d, **ask) for d in (443, 80)}
    assert (found[443]["rule"], found[443]["action"], found[443]["to"]) == ("web", "accept", "lan")
    assert (found[80]["rule"], found[80]["action"]) == ("no", "drop")
    assert [one["rule"] for one in found[80]["passed"]] == ["web"]
    other = fw.app.ask("judge", **(ask | {"src": LEFT, "dport": 1}))
    assert (other["rule"], other["action"]) == ("default", "drop")


def _any_match(rng: random.Random) -> dict[str, Any]:
    """Some ports of a protocol, and one thing more that a rule can say of a packet."""
    low = rng.randint(1, 8)
    other = {
        "from_": rng.choice(["wan", "lan"]),
        "source": rng.choice(["10.0.1.0/25", "198.51.100.0/24", "!10.0.0.0/8", "2001:db8:1::/64"]),
        "destination": rng.choice([f"{RIGHT}/32", "10.0.2.0/24", "2001:db8:2::/48"]),
    }
    one = rng.choice(list(other))
    ports = {"proto": rng.choice(["udp", "tcp"]), "dport": f"{low}-{low + rng.randint(0, 2)}"}
    return ports | {one: other[one]}


def test_judge_agrees_with_what_becomes_of_any_packet(fw: Firewall) -> None:
    """Random rules, random packets, and a port that is forwarded.

    Steps: ask about 80 packets, then send them.
    Check: those arrive that judge lets pass, and each rule has counted what judge said it would.
    """
    rng = random.Random(4)
    actions = ["drop", "accept", "drop", "count"]
    rules = [rule(f"r{n}", actions[n % 4], **_any_match(rng)) for n in range(20)] + [ALL]
    forward = rule(
        "f", "dnat", from_="wan", destination=WAN, proto="udp", dport="1-4", forward=RIGHT
    )
    fw.policy(rules, nat={"destination": [forward]})
    before, expected, passes = fw.counted(), Counter[str](), []
    sent = []
    for sport in range(9000, 9080):
        six = rng.random() < 0.3
        src = LEFT6 if six else rng.choice([LEFT, "10.0.1.200", "198.51.100.7", "192.0.2.77"])
        dst = RIGHT6 if six else rng.choice([RIGHT, RIGHT, WAN])
        proto, dport = rng.choice(["udp", "tcp"]), rng.randint(1, 10)
        make = packets.udp if proto == "udp" else packets.tcp
        sent.append(make(fw.macs(), (src, dst), sport=sport, dport=dport))
        said = fw.app.ask("judge", **{"from": "wan", "src": src, "dst": dst, "proto": proto},
                          sport=sport, dport=dport)  # fmt: skip
        expected[said["rule"]] += 1
        if (said["action"], said["to"]) == ("accept", "lan"):
            passes.append(sport)
    assert 10 < len(passes) < 70 and len(expected) > 4
    assert sports(fw.sent(sent, want=len(passes))) == passes
    counting = {one["name"] for one in rules if one["action"] == "count"}

    def found() -> dict[str, int]:
        counts = fw.counted()
        grown = {n: counts[n] - before.get(n, 0) for n in counts if n not in counting}
        return {name: n for name, n in grown.items() if n}

    until(lambda: sum(found().values()) >= len(sent), what="each packet to be judged")
    assert found() == dict(expected)


def test_check_names_rules_that_can_never_match(fw: Firewall) -> None:
    """Before the policy is in force, with nothing running.

    Steps: --check of rules of which an earlier one takes everything, of one that two earlier ones
    take together, and of one with a name that is nowhere.
    Check: a warning with file, line and the names, status 0; a refusal with the name, status 2.
    """
    first = rule("dns", "drop", proto="udp", dport="50-60", source="10.0.0.0/8")
    inner = rule("inner", proto="udp", dport="53", source="10.1.0.0/16")
    app = fw.sut.prepare("weir-firewall", fw.config([first, inner, ALL]), fw.line.sut)
    done = app.run("--check")
    assert done.returncode == 0
    (warning,) = [x for x in (done.stdout + done.stderr).splitlines() if "warning" in x]
    assert f"{app.config_file.name}:" in warning and "inner" in warning and "dns" in warning
    halves = [rule(f"half{i}", "drop", source=f"10.{128 * i}.0.0/9") for i in (0, 1)]
    app.write(fw.config([*halves, rule("whole", source="10.0.0.0/8"), ALL]))
    done = app.run("--check")
    assert done.returncode == 0
    (warning,) = [x for x in (done.stdout + done.stderr).splitlines() if "warning" in x]
    assert "rule whole never matches: rules half0" in warning and "half1" in warning
    app.write(fw.config([rule("lost", source="nowhere")]))
    done = app.run("--check")
    assert done.returncode == 2 and "nowhere" in done.stderr and done.stderr.count("\n") == 1


def test_what_is_for_the_firewall_itself_is_judged_by_packet(fw: Firewall) -> None:
    """No flow is kept for what ends here.

    Steps: accept echo requests to self; ping it, and send UDP to it.
    Check: an answer; the UDP meets the default; no flow.
    """
    fw.policy([PING, IN, OUT])
    for six, ours in ((False, WAN), (True, WAN6)):
        sent = packets.echo_request(fw.macs(), (pair(six)[0], ours))
        answer = fw.tg.ask(
            fw.line.left,
            sent,
            lambda p: (p[0].summary().count("reply") > 0 or "Reply" in p.summary()),
        )
        assert answer is not None
    fw.tg.send(fw.line.left, packets.udp(fw.macs(), (LEFT, WAN)))
    fw.app.expect_drops({"rule": 1})
    assert fw.flows() == []
