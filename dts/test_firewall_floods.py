# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall in a flood: limits by prefix, bogons, drop rules in the driver, a million addresses."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.firewall import (
    IN,
    OUT,
    Firewall,
    firewall_between_hosts,
    firewall_between_silent_ends,
    listening,
    rule,
    steered,
)
from weir.router import LEFT, RIGHT, Config
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

PAGE = packets.payload(20_000)
WEB = rule("web", from_="wan", to="lan", proto="tcp", dport="8080")
FLOOD = rule("flood", "drop", from_="wan", proto="udp", dport="9999")
HERE = FLOOD | {"destination": RIGHT}
MILLION = 1_000_000


@pytest.fixture(scope="module")
def fw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    """A firewall between hosts, with a file server inside."""
    pages = tmp_path_factory.mktemp("pages")
    (pages / "file").write_bytes(PAGE)
    with firewall_between_hosts(tmp_path_factory.mktemp("floods")) as made:
        with peers.http_server(made.inside, pages):
            yield made


def fetches(fw: Firewall) -> bool:
    return peers.curl(fw.outside, f"http://{RIGHT}:8080/file") == PAGE


class Flood:
    """Frames from the left at about 8,000 a second, until the end; how many is told then."""

    def __init__(self, fw: Firewall, frames: list[bytes]) -> None:
        self.sent = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(fw, frames), daemon=True)
        self._thread.start()

    def _run(self, fw: Firewall, frames: list[bytes]) -> None:
        with TrafficGenerator() as tg:
            while not self._end.is_set():
                at = self.sent % len(frames)
                self.sent += tg.send(fw.line.left, frames[at : at + 40])
                self._end.wait(0.005)

    def stop(self) -> int:
        self._end.set()
        self._thread.join(10)
        return self.sent


@contextmanager
def flooding(fw: Firewall, frames: list[bytes]) -> Iterator[Flood]:
    flood = Flood(fw, frames)
    try:
        yield flood
    finally:
        flood.stop()


def frames_to(
    fw: Firewall, layer: Any, sources: Callable[[int], str], vlan: int = 0
) -> list[bytes]:
    macs = fw.macs()
    head = Ether(src=macs[0], dst=macs[1])
    if vlan:
        head /= Dot1Q(vlan=vlan)
    return [bytes(head / IP(src=sources(n), dst=RIGHT) / layer) for n in range(1000)]


def test_sources_that_the_internet_does_not_have_are_dropped_by_name(fw: Firewall) -> None:
    """RFC 6890, but not of a network that the zone is connected to.

    Steps: with bogons: true on the outside send from private, reserved and good sources; fetch a
    file from the connected network, which is private.
    Check: bogon for each bad one; the good one passes, and the file arrives.
    """
    rules = [rule("in", from_="outside", to="lan")]
    fw.policy(rules, zones={"outside": {"interfaces": ["wan"], "bogons": True}})
    bad = ["10.9.9.9", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.51.100.1"]
    bad6 = ["2001:db8:bad::1", "fd00::1"]
    macs = fw.macs()
    sent = [packets.udp(macs, (src, RIGHT), sport=4000) for src in bad]
    sent += [packets.udp(macs, (src, "2001:db8:2::2"), sport=4000) for src in bad6]
    sent.append(packets.udp(macs, ("8.8.8.8", RIGHT), sport=4001))
    # Who listens sends no ICMP error, which the gate would send back to us.
    with listening(fw.inside, RIGHT, sent[-1][UDP].dport, socket.SOCK_DGRAM):
        fw.tg.send(fw.line.left, sent)
        fw.app.expect_drops({"bogon": len(bad) + len(bad6)})
    assert fetches(fw)
    assert len(fw.flows(addr="8.8.8.8")) == 1


# ---- drop rules in the driver ----


def pushed(fw: Firewall, rules: list[Config]) -> Config:
    whole = fw.config(rules)
    whole["firewall"]["push_down"] = {"above": "1kpps", "rules": 8}
    return whole


def state(fw: Firewall, name: str = "flood") -> Config:
    """What weirctl says of a hot rule."""
    return next((one for one in fw.app.ctl("rules", "push") if one["rule"] == name), {})


def in_driver(fw: Firewall) -> bool:
    return bool(state(fw).get("pushed", False))


def counted(fw: Firewall) -> int:
    return fw.counted()["flood"]


def missed(fw: Firewall) -> int:
    return int(fw.app.metric("weir_port_rx_missed_packets_total"))


def test_a_hot_drop_rule_goes_into_the_driver_and_comes_back(fw: Firewall) -> None:
    """Its packets cost the workers nothing then, and not one is counted twice or lost.

    Steps: flood a drop rule; fetch files meanwhile; when the driver has it, watch what comes to the
    worker; reload in the middle of it; end the flood.
    Check: the driver drops, and the worker sees next to nothing of it; each file arrives; when the
    rule is cold it is back, after the reload it went down again, and its counter is what was sent.
    """
    fw.policy([FLOOD, WEB])
    before, lost = counted(fw), missed(fw)
    udp = frames_to(fw, UDP(sport=1, dport=9999) / Raw(b"x" * 72), lambda n: f"8.8.{n % 250}.1")
    fw.app.reload(pushed(fw, [FLOOD, WEB]))
    with flooding(fw, udp) as flood:
        until(lambda: in_driver(fw), what="the rule in the driver")
        assert fetches(fw)
        fw.app.mark()
        there = state(fw)["packets"]
        until(lambda: state(fw).get("packets", 0) > there + 5000, what="drops in the driver")
        assert fetches(fw)
        assert fw.app.drops_since_start() == {}
        assert fw.app.rose("weir_port_rx_packets_total") < 1000
        assert fw.app.metric("weir_driver_rules") == 2  # of both families
        came_back = fw.app.log.count("rule flood: back from the driver")
        fw.app.ctl("reload")  # once a second it is thought about: it may be there again at once
        until(
            lambda: fw.app.log.count("rule flood: back from the driver") == came_back + 1,
            what="the rule to come back",
        )
        until(lambda: in_driver(fw), what="the rule in the driver once more")
        assert fetches(fw)
        sent = flood.stop()

    def is_told_of() -> bool:
        return counted(fw) - before == sent - (missed(fw) - lost)

    until(is_told_of, what="the counter to be what was sent")
    (row,) = [one for one in fw.app.ask("rules") if one["name"] == "flood"]
    assert row["driver_rules"] == 2 and row["idle_s"] < 5
    until(lambda: not in_driver(fw), what="the cold rule to come back")
    assert is_told_of()
    (row,) = [one for one in fw.app.ask("rules") if one["name"] == "flood"]
    assert "driver_rules" not in row and row["bytes"] == row["packets"] * 100
    assert fw.app.metric("weir_driver_rules") == 0


def test_a_hot_drop_rule_of_a_vlan_leaves_other_frames_of_the_port_alone(tmp_path: Path) -> None:
    """The same packets come with the VLAN's tag, with another tag, and with none.

    Steps: flood a rule whose zone is the VLAN wan.100; when the driver has it, send the same
    packets untagged, where a rule accepts them, and with a tag that no interface has.
    Check: the driver drops those of the VLAN; the untagged ones arrive, all of them; the others are
    still dropped by their own name; the rule has counted those of its VLAN alone.
    """
    first: Config = {
        "ports": steered(wan={"vlans": {"100": {"addresses": "10.0.7.1/24"}}}),
        "zones": {z: {"interfaces": z} for z in ("wan", "lan")} | {"dmz": {"interfaces": "wan.100"}},
        "routes": [{"to": "8.8.0.0/16", "via": LEFT}],
    }
    rules = [HERE | {"from": "dmz"}, rule("in", from_="wan", to="lan", proto="udp", dport="9999")]
    with firewall_between_silent_ends(tmp_path, first | {"firewall": {"rules": rules}}) as fw:
        fw.app.reload(pushed(fw, rules))
        plain = UDP(sport=1, dport=9999)
        untagged = frames_to(fw, plain, lambda n: f"8.8.{n % 250}.1")[:50]
        tagged = frames_to(fw, plain, lambda n: f"8.8.{n % 250}.1", vlan=100)
        strange = frames_to(fw, plain, lambda n: f"8.8.{n % 250}.1", vlan=101)[:50]
        with flooding(fw, tagged) as flood:
            until(lambda: in_driver(fw), what="the rule in the driver")
            there = state(fw)["packets"]
            until(lambda: state(fw).get("packets", 0) > there + 1000, what="drops there")
            fw.app.mark()
            assert len(fw.sent(untagged)) == 50
            fw.sent(strange, want=0)
            fw.app.expect_drops({"vlan_unknown": 50})
            sent = flood.stop()
        until(lambda: counted(fw) == sent - missed(fw), what="the counter to be what was sent")


def test_a_port_whose_driver_cannot_drop_keeps_its_hot_rules_and_says_so(tmp_path: Path) -> None:
    """af_packet knows no rules.

    Steps: flood a drop rule over such a port.
    Check: weirctl and one line of the log say it; workers drop all that was sent.
    """
    first: Config = {"ports": steered(wan={"driver": "af_packet"}, lan={"driver": "af_packet"})}
    for port in first["ports"].values():
        del port["steer"]
    with firewall_between_silent_ends(tmp_path, first | {"firewall": {"rules": [HERE]}}) as fw:
        fw.app.reload(pushed(fw, [HERE]))
        udp = frames_to(fw, UDP(sport=1, dport=9999), lambda n: f"8.8.{n % 250}.1")
        with flooding(fw, udp) as flood:
            until(lambda: "why" in state(fw), what="the reason")
            sent = flood.stop()
        assert "cannot drop by rules" in state(fw)["why"] and not in_driver(fw)
        until(lambda: counted(fw) == sent - missed(fw), what="the counter to be what was sent")
        told = "push_down: port wan: net_af_packet cannot drop packets by rules"
        assert fw.app.log.count(told) == 1


def test_a_hot_rule_stays_with_the_workers_where_answers_may_match_it(fw: Firewall) -> None:
    """And it is said why.

    Steps: flood the rule while another one lets connections out.
    Check: weirctl names that one; the counter is what was sent; with the other one gone by a
    reload, the rule goes down.
    """
    fw.policy([FLOOD, WEB])
    before, lost = counted(fw), missed(fw)
    udp = frames_to(fw, UDP(sport=1, dport=9999), lambda n: f"8.8.{n % 250}.2")
    fw.app.reload(pushed(fw, [FLOOD, WEB, OUT]))
    with flooding(fw, udp) as flood:
        until(lambda: "why" in state(fw), what="the reason")
        assert "rule out lets flows begin" in state(fw)["why"] and not in_driver(fw)
        assert "not left to the driver: rule out" in fw.app.log
        fw.app.reload(pushed(fw, [FLOOD, WEB]))
        until(lambda: in_driver(fw), what="the rule in the driver")
        sent = flood.stop()
    until(
        lambda: counted(fw) - before == sent - (missed(fw) - lost),
        what="the counter to be what was sent",
    )


def test_a_prefix_that_floods_leaves_room_for_others(fw: Firewall) -> None:
    """limit: {per: prefix}: what one network may not, another one still may.

    Steps: let connections in at 20 a second and prefix of 24 bits; send SYNs from the 250 hosts of
    one network, and fetch files from another one by curl meanwhile.
    Check: each file arrives; of the flood the rule takes its burst and rate, the rest is dropped.
    """
    few = WEB | {"limit": {"rate": "20pps", "burst": 20, "per": "prefix", "prefix4": 24}}
    fw.policy([few])
    syns = frames_to(fw, TCP(sport=7, dport=8080, seq=9), lambda n: f"198.18.7.{n % 250 + 1}")
    begun, lost = time.monotonic(), missed(fw)
    with flooding(fw, syns) as flood:
        until(lambda: fw.app.drops_since_start().get("rule", 0) > 2000, what="the flood")
        for _ in range(5):
            assert fetches(fw)
        sent = flood.stop()
    ended = time.monotonic()

    def let_in() -> list[int]:
        """Packets of each flow of that network: its SYN, again and again."""
        flows = [f for f in fw.flows() if f["orig"]["src"].startswith("198.18.7.")]
        return [f["packets"] for f in flows]

    def all_told() -> bool:
        arrived = sent - (missed(fw) - lost)
        return fw.app.drops_since_start().get("rule", 0) + sum(let_in()) == arrived

    until(all_told, what="each SYN in a flow or a drop")
    assert 20 <= len(let_in()) <= 20 * (ended - begun + 2)


def test_a_million_addresses_are_listed_and_dropped(tmp_path: Path) -> None:
    """One set, one lookup, seconds to load.

    Steps: start with a set of 1,000,000 addresses in a file; send from some of them, and from
    others.
    Check: it is there, in less than 128 MiB; the first ones are dropped, others pass.
    """
    listed = tmp_path / "listed.txt"
    with listed.open("w", encoding="ascii") as out:
        for high in range(16):
            out.write("".join(f"20.{high}.{n >> 8}.{n & 255}\n" for n in range(MILLION // 16)))
    begun = time.monotonic()
    first = {
        "sets": {"listed": {"file": str(listed), "entries": MILLION}},
        "firewall": {"default": "drop", "rules": [rule("listed", "drop", source="listed"), IN]},
    }
    with firewall_between_silent_ends(tmp_path, first) as fw:
        took = time.monotonic() - begun
        (row,) = fw.app.ask("sets")
        print(f"{row['entries']} entries, {took:.1f} s to be ready, {row['bytes'] >> 20} MiB")
        assert row["entries"] == MILLION and row["bytes"] < 128 << 20
        bad = ["20.0.0.0", "20.15.244.35", "20.7.99.9"]
        good = ["20.15.244.36", "20.16.0.0", "21.0.0.0", LEFT]
        macs = fw.macs()
        sent = [packets.udp(macs, (src, RIGHT), sport=n + 1) for n, src in enumerate(bad + good)]
        assert [p[UDP].sport for p in fw.sent(sent, want=len(good))] == [4, 5, 6, 7]
        fw.app.expect_drops({"rule": len(bad)})
