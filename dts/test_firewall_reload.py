# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall: a policy that changes while packets pass, and sets that change without it."""

import itertools
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.firewall import (
    ALL,
    IN,
    OUT,
    Conversation,
    Firewall,
    connected,
    firewall_between_hosts,
    firewall_between_silent_ends,
    forsaken,
    listening,
    passes,
    rule,
)
from weir.router import LEFT, LEFT6, RIGHT, WAN, Config
from weir.stream import under_load
from weir.sut import program
from weir.tg import Capture
from weir.wait import until

from scapy.layers.inet import UDP

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)


@pytest.fixture(scope="module")
def fw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    """A firewall between silent ends."""
    with firewall_between_silent_ends(tmp_path_factory.mktemp("reload")) as made:
        yield made


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    """A firewall between hosts."""
    with firewall_between_hosts(tmp_path_factory.mktemp("hosts")) as made:
        yield made


def many(count: int) -> list[Config]:
    """Rules that match nothing of these tests, one after the other."""
    return [
        rule(f"many-{n}", "drop", proto="tcp", dport=str(n + 1), source=f"192.0.{n % 250}.0/24")
        for n in range(count)
    ]


def test_policies_that_change_under_load_lose_no_packet(fw: Firewall) -> None:
    """Every flow of the stream is judged again after each reload, and lets no packet fall.

    Steps: send a stream of 1,000 flows; 12 times, reload with other rules, sets and translation, by
    signal and by weirctl in turn.
    Check: every packet arrives once and in order; nothing was dropped.
    """
    fw.policy([IN])
    with under_load(fw) as stream:
        for n in range(12):
            done = fw.app.metric("weir_reloads_total")
            sets = {"some": {"addresses": [f"198.18.{n}.{m}/32" for m in range(50)]}}
            nat = {"destination": [rule("x", "dnat", destination=f"10.9.9.{n}", forward=RIGHT)]}
            fw.app.write(
                fw.config([*many(30 * n), rule("s", "drop", source="some"), IN], sets=sets, nat=nat)
            )
            if n % 2:
                fw.app.signal(signal.SIGHUP)
            else:
                fw.app.ctl("reload")
            until(lambda: fw.app.metric("weir_reloads_total") == done + 1, what="the reload")
            stream.goes_on()


CHUNK = packets.payload(20_000)


@contextmanager
def giving(listener: socket.socket) -> Iterator[None]:
    """Who connects gets CHUNK again and again until the end of the block, 10 MB/s at most."""
    over = threading.Event()

    def serve() -> None:
        with listener.accept()[0] as peer:
            peer.settimeout(20)
            peer.recv(1000)
            peer.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            while not over.wait(0.002):
                peer.sendall(CHUNK)
            peer.sendall(CHUNK)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(20)


def test_a_download_goes_on_while_policies_change(hosts: Firewall, tmp_path: Path) -> None:
    """Real TCP through masquerade: the flow and its translation outlive its policy.

    Steps: fetch by curl what ends behind the last of 10 reloads, which begin at 2 MB.
    Check: the file is whole; no other port was used than at the start.
    """
    nat = {"source": [rule("masq", "masquerade", from_="lan", to="wan")]}
    hosts.policy([OUT], nat=nat)
    got = tmp_path / "got"
    fetch = ["curl", "-sSf", "-N", "--max-time", "40", "-o", str(got), f"http://{LEFT}:8080/"]

    def has_got(size: int) -> bool:
        return got.exists() and got.stat().st_size >= size

    with listening(hosts.outside, LEFT, 8080) as listener:
        with subprocess.Popen(hosts.inside.command(*fetch)) as client:
            with giving(listener):
                until(lambda: has_got(2_000_000), 20, "the first 2 MB")
                (before,) = hosts.flows(port=8080)
                for n in range(10):
                    hosts.app.reload(hosts.config([*many(n + 1), OUT], nat=nat))
                    size = got.stat().st_size
                    until(lambda: has_got(size + len(CHUNK)), what="more of it")
                (after,) = hosts.flows(port=8080)
            assert client.wait(20) == 0
    data = got.read_bytes()
    assert data == CHUNK * (len(data) // len(CHUNK))
    assert after["leaves"] == before["leaves"] and after["leaves"]["src"] == WAN
    hosts.app.expect_drops({})


def test_a_flow_whose_rule_is_gone_ends_at_its_next_packet(hosts: Firewall) -> None:
    """A new policy is for all, not only for those who come later.

    Steps: open two connections by two rules; reload without one of the rules; talk on both; reload
    with it again.
    Check: the one goes on; of the other nothing comes through, its packets are dropped as rule, its
    flow is gone; it does not come back, for it begins with no SYN.
    """
    one, two = (
        rule(name, proto="tcp", dport=port) for name, port in (("a", "7201"), ("b", "7202"))
    )
    hosts.policy([one, two])
    with connected(hosts.inside, hosts.outside, LEFT, 7201) as (stays, stays_too):
        with connected(hosts.inside, hosts.outside, LEFT, 7202) as (goes, goes_too):
            assert passes(stays, stays_too) and passes(goes, goes_too)
            hosts.app.reload(hosts.config([one]))
            hosts.app.mark()
            goes.sendall(b"into the dark")
            assert passes(stays, stays_too)
            until(lambda: hosts.app.drops_since_start().get("rule", 0) >= 1, what="the drop")
            assert [f["rule"] for f in hosts.flows(proto="tcp")] == ["a"]
            hosts.app.reload(hosts.config([one, two]))
            hosts.app.mark()
            until(lambda: "flow_invalid" in hosts.app.drops_since_start(), what="a retransmission")
            goes_too.settimeout(0.05)
            with pytest.raises(TimeoutError):
                goes_too.recv(1)
            forsaken(goes, goes_too)
            assert passes(stays, stays_too, b"on")


def test_a_limit_is_for_connections_that_begin(hosts: Firewall) -> None:
    """One that is judged again after a reload is not charged again.

    Steps: open a connection by a rule with a limit of one a second; reload 5 times, talk each time.
    Check: both ends hear each other after each reload; nothing was dropped.
    """
    few = OUT | {"limit": {"rate": "1pps", "burst": 1}}
    hosts.policy([few])
    with connected(hosts.inside, hosts.outside, LEFT, 7203) as (client, accepted):
        for n in range(5):
            assert passes(client, accepted, b"after %d reloads" % n)
            hosts.app.reload(hosts.config([*many(n + 1), few]))
        assert passes(client, accepted, b"the last")
        hosts.app.expect_drops({})


def test_a_flow_moves_to_the_rule_that_lets_it_pass_now(fw: Firewall) -> None:
    """It is judged again as if it began: zone, mark and counters are the new rule's.

    Steps: begin a flow by one rule; reload with another rule before it; send on.
    Check: the flow has the new rule's name and mark; the new rule counts.
    """
    fw.policy([IN])
    sent = packets.udp(fw.macs(), (LEFT, RIGHT), sport=7301, dport=9)
    assert len(fw.sent(sent)) == 1
    assert [(f["rule"], f.get("mark")) for f in fw.flows()] == [("in", None)]
    fw.app.reload(fw.config([rule("nine", proto="udp", dport="9", mark=9), IN]))
    assert len(fw.sent([sent] * 3)) == 3
    assert [(f["rule"], f.get("mark"), f["packets"]) for f in fw.flows()] == [("nine", 9, 4)]
    assert fw.counted()["nine"] == 3


def test_counters_stay_with_rules_that_say_the_same(fw: Firewall) -> None:
    """Their order, and what stands beside them, may change.

    Steps: count with two rules; reload with one of them changed, both moved, and others added.
    Check: the unchanged one goes on counting, the changed one begins at 0, and one that comes back
    after it was gone does, too.
    """
    a, b = rule("a", proto="udp", dport="1"), rule("b", proto="udp", dport="2")
    fw.policy([a, b])
    sent = [packets.udp(fw.macs(), (LEFT, RIGHT), sport=7310, dport=d) for d in (1, 2)]
    before = fw.counted()
    assert len(fw.sent(sent * 2)) == 4
    assert (fw.counted()["a"], fw.counted()["b"]) == (before["a"] + 2, before["b"] + 2)
    wider = rule("a", proto="udp", dport=["1", "3"])
    fw.app.reload(fw.config([*many(20), b | {"comment": "moved"}, wider]))
    assert (fw.counted()["a"], fw.counted()["b"]) == (0, before["b"] + 2)
    fw.app.reload(fw.config([wider]))
    fw.app.reload(fw.config([b, wider]))
    assert fw.counted()["b"] == 0


@pytest.mark.parametrize("loose", [True, False])
def test_connections_of_before_a_crash_go_on_if_the_policy_is_loose(
    hosts: Firewall, loose: bool
) -> None:
    """A new process knows no flow; conntrack.loose takes up those whose rule lets them pass.

    Steps: open a connection; kill -9; start anew; talk on.
    Check: with loose both hear each other; without it the segments are dropped as flow_invalid.
    """
    conntrack = hosts.first["conntrack"] | {"loose": loose}
    hosts.policy([OUT], conntrack=conntrack)
    with connected(hosts.inside, hosts.outside, LEFT, 7210 + loose) as (client, accepted):
        assert passes(client, accepted)
        hosts.app.kill()
        hosts.app.start()
        if loose:
            assert passes(client, accepted, b"still here")
            assert [f["rule"] for f in hosts.flows(proto="tcp")] == ["out"]
        else:
            forsaken(client, accepted)
            client.sendall(b"who is that?")
            until(lambda: "flow_invalid" in hosts.app.drops_since_start(), what="the drop")
            assert hosts.flows(proto="tcp") == []


BAD: dict[str, tuple[Config, str]] = {
    "action": ({"rules": [rule("x", "acept")]}, "action"),
    "zone": ({"rules": [rule("x", from_="wam")]}, "from is wam"),
    "set": ({"rules": [rule("x", source="nobody")]}, "source is nobody"),
    "port": ({"rules": [rule("x", proto="tcp", dport="80-70")]}, "dport is 80-70"),
    "ports without protocol": ({"rules": [rule("x", dport="80")]}, "proto"),
    "service": ({"rules": [rule("x", service="www")]}, "www"),
    "icmp": ({"rules": [rule("x", proto="icmp", icmp="echo")]}, "icmp is echo"),
    "flags": ({"rules": [rule("x", proto="tcp", tcp_flags="syn,syn")]}, "tcp_flags"),
    "dscp": ({"rules": [rule("x", dscp="af44")]}, "dscp is af44"),
    "prefix": ({"rules": [rule("x", source="10.0.0.1/8")]}, "10.0.0.1/8"),
    "half negated": ({"rules": [rule("x", source=["!10.0.0.0/8", "11.0.0.0/8"])]}, "!"),
    "name": ({"rules": [ALL, ALL]}, "all"),
    "key": ({"rules": [{"name": "x", "action": "drop", "dports": "1"}]}, "dports"),
    "country": ({"rules": [rule("x", source="country:DE")]}, "geo"),
    "counting": ({"rules": [rule(f"c{n}", "count", proto="udp") for n in range(1025)]}, "rule c1024: more than 1024 rules between two zones that count or have a limit"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_refused_policy_changes_nothing(fw: Firewall, what: str) -> None:
    """One sentence with the file, the line and the key; flows, rules and counters are as before.

    Steps: with a flow under way, reload a policy with one mistake.
    Check: refused, with a line that is in the file; the flow's packets pass by the old rules.
    """
    section, words = BAD[what]
    fw.policy([IN])
    sent = packets.udp(fw.macs(), (LEFT, RIGHT), sport=7320)
    assert len(fw.sent(sent)) == 1
    before, flows = fw.counted(), len(fw.flows())
    fw.app.write(fw.first | {"firewall": section})
    sentence = fw.app.refused("reload")
    assert words in sentence and len(sentence.splitlines()) == 1
    assert f"{fw.app.config_file.name}:" in sentence
    assert len(fw.sent([sent] * 2)) == 2
    assert fw.counted()["in"] == before["in"] + 2 and len(fw.flows()) == flows
    fw.app.expect_drops({})


BAD_NAT: dict[str, tuple[Config, str]] = {
    "wrong list": ({"source": [rule("x", "dnat", forward=RIGHT)]}, "destination"),
    "no forward": ({"destination": [rule("x", "dnat", dport="80")]}, "forward"),
    "bad forward": ({"destination": [rule("x", "dnat", forward="10.0.2.2:99999")]}, "forward"),
    "no pool": ({"source": [rule("x", "snat")]}, "x"),
    "unlike prefixes": ({"source": [rule("x", "one_to_one", inside="10.0.2.0/24", pool=["198.51.100.0/28"])]}, "x"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_NAT)
def test_a_refused_translation_changes_nothing(fw: Firewall, what: str) -> None:
    """The same of rules of translation.

    Steps: reload with one mistake in nat.
    Check: one sentence that names the rule or the key; packets pass as before.
    """
    section, words = BAD_NAT[what]
    fw.policy([IN])
    fw.app.write(fw.config([IN], nat=section))
    sentence = fw.app.refused("reload")
    assert words in sentence and len(sentence.splitlines()) == 1
    assert len(fw.sent(packets.udp(fw.macs(), (LEFT, RIGHT), sport=7330))) == 1


def test_sizes_need_a_restart(fw: Firewall) -> None:
    """And say so.

    Steps: reload with another value of conntrack.flows.
    Check: refused, with the section and the word "restart".
    """
    fw.policy([IN])
    fw.app.write(fw.config([IN], conntrack=fw.first["conntrack"] | {"flows": 16384}))
    sentence = fw.app.refused("reload")
    assert "conntrack" in sentence and "restart" in sentence


def test_timeouts_change_for_the_flows_that_there_are(fw: Firewall) -> None:
    """Who sees the table fill up need not restart.

    Steps: begin a flow; reload with a timeout of a second instead of 30.
    Check: the flow ends in the next seconds.
    """
    fw.policy([IN])
    assert len(fw.sent(packets.udp(fw.macs(), (LEFT, RIGHT), sport=7340))) == 1
    (flow,) = fw.flows()
    assert flow["left_s"] > 20
    short = fw.first["conntrack"] | {"timeouts": {"unanswered": "1s"}}
    fw.app.reload(fw.config([IN], conntrack=short))
    until(lambda: fw.flows() == [], 15, "the end of the flow")


# Another size each time: the set of an unchanged section would be kept, with what was added to it.
sizes = itertools.count(100)


def with_set(fw: Firewall) -> Config:
    """A policy that drops what is in the set "bad"."""
    sets: Config = {"bad": {"addresses": ["192.0.2.1/32"], "entries": next(sizes)}}
    config = fw.config([rule("bad", "drop", source="bad"), IN], sets=sets)
    fw.policy(config["firewall"]["rules"], sets=sets)
    return config


def arrives(fw: Firewall, src: str, sport: int) -> bool:
    """Whether the first packet of a new flow passes."""
    before = sum(fw.app.drops_since_start().values())
    with fw.tg.capture(fw.line.right, 0, quiet=0) as seen:
        fw.tg.send(fw.line.left, packets.udp(fw.macs(), (src, RIGHT), sport=sport))
        until(lambda: seen_or_dropped(fw, seen, sport, before), what="the packet, or its drop")
    return any(UDP in p and p[UDP].sport == sport for p in seen)


def seen_or_dropped(fw: Firewall, seen: Capture, sport: int, before: int) -> bool:
    seen.settle(0.005, 0.01)
    found = any(UDP in p and p[UDP].sport == sport for p in seen)
    return found or sum(fw.app.drops_since_start().values()) > before


def test_sets_change_without_a_reload(fw: Firewall) -> None:
    """What weirctl has answered is in force.

    Steps: add an address and a prefix to the set that is dropped; take the address out; empty it.
    Check: new flows of what is in it are dropped, of others not, after each answer; the list says the
    same; no generation was made.
    """
    config = with_set(fw)
    reloads = fw.app.metric("weir_reloads_total")
    assert not arrives(fw, "192.0.2.1", 7401) and arrives(fw, "198.51.100.7", 7402)
    added = fw.app.ctl("set", "add", "bad", "198.51.100.7", "203.0.113.0/24")
    assert added["added"] == 2
    assert not arrives(fw, "198.51.100.7", 7403) and not arrives(fw, "203.0.113.200", 7404)
    listed = {one["prefix"] for one in fw.app.ask("set_list", name="bad")}
    assert listed == {"192.0.2.1/32", "198.51.100.7/32", "203.0.113.0/24"}
    assert fw.app.ctl("set", "del", "bad", "198.51.100.7")["deleted"] == 1
    assert arrives(fw, "198.51.100.7", 7405) and not arrives(fw, "203.0.113.200", 7406)
    (one,) = fw.app.ask("sets")
    assert (one["name"], one["entries"], one["max"]) == ("bad", 2, config["sets"]["bad"]["entries"])
    fw.app.ctl("set", "flush", "bad")
    assert arrives(fw, "192.0.2.1", 7407)
    assert fw.app.metric("weir_reloads_total") == reloads
    assert fw.app.metric("weir_set_entries") == 0


def test_files_of_entries_are_bounded_and_a_set_is_always_asked_for(
    fw: Firewall, tmp_path: Path
) -> None:
    """weirctl set add NAME @FILE.

    Steps: a set that is not there with an empty file; a file without lines' ends; one that cannot be
    read; a file with comments and two entries.
    Check: the first three end with a sentence and not with status 0; the last adds two.
    """
    with_set(fw)
    empty, good = tmp_path / "empty", tmp_path / "good"
    empty.write_text("# nothing\n")
    good.write_text("198.51.100.1 # one\n\n198.51.100.2/31")
    assert "no set" in fw.app.refused("set", "add", "nosuch", f"@{empty}")
    assert fw.app.ctl("set", "add", "bad", f"@{empty}")["added"] == 0
    assert "cannot be read" in fw.app.refused("set", "add", "bad", f"@{tmp_path}")
    endless = fw.app.netns.run(
        program("weirctl"), "-s", str(fw.app.socket), "set", "add", "bad", "@/dev/zero", check=False
    )
    assert endless.returncode == 2 and "/dev/zero:1: a line of text has fewer" in endless.stderr
    assert fw.app.ctl("set", "add", "bad", f"@{good}")["added"] == 2


def test_an_entry_with_a_timeout_goes_by_itself(fw: Firewall) -> None:
    """For those who ban for a while.

    Steps: add for a minute, and once more for a second; ask until it is gone.
    Check: it is dropped at first, and passes later.
    """
    with_set(fw)
    fw.app.ask("set_add", name="bad", entries=["198.51.100.8"], timeout_s=60)
    assert not arrives(fw, "198.51.100.8", 7411)
    fw.app.ask("set_add", name="bad", entries=["198.51.100.8"], timeout_s=1)
    sport = iter(range(7412, 8412))
    until(lambda: arrives(fw, "198.51.100.8", next(sport)), what="its end")
    assert [one["prefix"] for one in fw.app.ask("set_list", name="bad")] == ["192.0.2.1/32"]


def test_what_was_added_outlives_a_reload_until_the_section_changes(fw: Firewall) -> None:
    """A reload for another reason does not unban anyone.

    Steps: add an address; reload with other rules; reload with another address in the section.
    Check: it is dropped after the first reload, and not after the second.
    """
    config = with_set(fw)
    fw.app.ask("set_add", name="bad", entries=["198.51.100.9"])
    rules = [*many(3), *config["firewall"]["rules"]]
    fw.app.reload(config | {"firewall": {"rules": rules}})
    assert not arrives(fw, "198.51.100.9", 7421)
    fw.app.reload(config | {"sets": {"bad": {"addresses": ["192.0.2.2/32"]}}})
    assert arrives(fw, "198.51.100.9", 7422) and not arrives(fw, "192.0.2.2", 7423)


def test_commands_about_sets_refuse_what_cannot_be(fw: Firewall) -> None:
    """All or nothing, with one sentence.

    Steps: add to a set that is not there, a word that is no prefix after a good one, and more than
    fits.
    Check: refused; of the list with a bad word nothing was added; the full set names its count.
    """
    with_set(fw)
    with pytest.raises(AssertionError, match='no set "good"'):
        fw.app.ask("set_add", name="good", entries=["192.0.2.9"])
    with pytest.raises(AssertionError, match="nonsense is no address"):
        fw.app.ask("set_add", name="bad", entries=["192.0.2.9", "nonsense"])
    assert len(fw.app.ask("set_list", name="bad")) == 1
    with pytest.raises(AssertionError, match="full"):
        fw.app.ask("set_add", name="bad", entries=[f"198.18.{n}.1" for n in range(200)])


def test_flows_are_listed_filtered_and_ended(fw: Firewall) -> None:
    """Addresses, ports, state, rule, counters and times; by what is asked for.

    Steps: begin UDP flows of both families and a TCP connection; list with filters; end some.
    Check: each filter finds its flows; what was ended is gone, and its next packet begins anew.
    """
    fw.policy([IN])
    c = Conversation(fw, sport=7501, dport=443).open()
    udp = packets.udp(fw.macs(), (LEFT, RIGHT), sport=7502, dport=53, size=72)
    assert len(fw.sent([udp] * 3)) == 3
    six = packets.udp(fw.macs(), (LEFT6, "2001:db8:2::2"), sport=7503, dport=53)
    assert len(fw.sent(six)) == 1
    assert len(fw.flows()) == 3 and len(fw.flows(limit=2)) == 2
    assert [f["state"] for f in fw.flows(proto="tcp")] == ["ESTABLISHED"]
    assert {f["orig"]["sport"] for f in fw.flows(port=53)} == {7502, 7503}
    assert [f["orig"]["sport"] for f in fw.flows(addr="2001:db8:1::/48")] == [7503]
    assert {f["orig"]["sport"] for f in fw.app.ctl("flows", "port", "53")} == {7502, 7503}
    (one,) = fw.flows(addr=LEFT, proto="udp")
    assert one["orig"] == {"src": LEFT, "sport": 7502, "dst": RIGHT, "dport": 53}
    assert (one["packets"], one["bytes"], one["reply_packets"]) == (3, 300, 0)
    assert (one["from"], one["to"], one["rule"]) == ("wan", "lan", "in")
    assert 0 <= one["idle_s"] <= one["age_s"] < 10 < one["left_s"]
    assert fw.app.ask("flows_kill", proto="tcp") == {"killed": 1}
    assert len(fw.flows()) == 2
    assert c.is_refused("PA", data=b"gone")
    with pytest.raises(AssertionError, match="say which"):
        fw.app.ask("flows_kill")
    assert fw.app.ask("flows_kill", all=True) == {"killed": 2} and fw.flows() == []
    assert len(fw.sent(udp)) == 1 and len(fw.flows()) == 1
