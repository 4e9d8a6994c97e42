# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall: translation, as real clients and servers on both sides see it."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from weir import ipfix, packets, peers
from weir.caps import Cap, requires
from weir.firewall import (
    ALL,
    FAR,
    FAR6,
    IN,
    NARROW,
    OUT,
    WAIT_S,
    Firewall,
    asked,
    dialled,
    firewall_between_hosts,
    is_ip,
    listening,
    passes,
    read_exactly,
    rule,
    seen_from,
    steered,
)
from weir.router import LAN, LAN6, LEFT, LEFT6, RIGHT, RIGHT6, WAN, WAN6, Config
from weir.wait import until

from scapy.layers.inet import ICMP, IP, UDP, IPerror, UDPerror
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

# Addresses that are routed to the firewall and that nobody has.
POOL = "198.51.100.0/28"
NAT64 = "64:ff9b::"
IPFIX_PORT = 4739
BLOCK, UNBLOCK = 16, 17  # natEvent (RFC 8158)
ULA, ULA_GATE = "fd00:2::2", "fd00:2::1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    """Hosts that know no address of the other side but by routes to the pool and to prefixes."""
    directory = tmp_path_factory.mktemp("nat")
    export = {"to": f"127.0.0.1:{IPFIX_PORT}", "template_messages": 1}
    records = {"flows": str(directory / "flows.json"), "ipfix": export}
    with firewall_between_hosts(directory, {"records": records}) as fw:
        fw.line.right.add_address("10.0.2.3/24")
        fw.line.right.add_address(f"{ULA}/64")
        fw.inside.run("ip", "route", "add", "2001:db8:f::/64", "via", ULA_GATE, "src", ULA)
        fw.inside.run("ip", "route", "add", "64:ff9b::/96", "via", LAN6)
        yield fw


@pytest.fixture
def fw(made: Firewall) -> Firewall:
    return made


def translated(
    fw: Firewall,
    source: list[Config],
    destination: list[Config] | None = None,
    rules: list[Config] | None = None,
) -> None:
    """A policy with these rules of translation."""
    nat = {"source": source, "destination": destination or []}
    lan = {"addresses": [f"{LAN}/24", f"{LAN6}/64", f"{ULA_GATE}/64"]}
    fw.policy(rules or [OUT], nat=nat, ports=steered(lan=lan))


def masquerade(**more: object) -> Config:
    return rule("masq", "masquerade", from_="lan", to="wan", **more)


@pytest.mark.parametrize("server", [LEFT, LEFT6, FAR])
def test_masquerade_gives_clients_the_address_of_the_way_out(
    fw: Firewall, tmp_path: Path, server: str
) -> None:
    """TCP, UDP and ping; the port is kept if it is free.

    Steps: connect, ask by UDP, fetch by curl and ping from the inside.
    Check: the server sees wan's address; all replies arrive; nothing was dropped.
    """
    translated(fw, [masquerade()])
    outer, ours = (WAN6, RIGHT6) if ":" in server else (WAN, RIGHT)
    there = fw.server(server)
    assert seen_from(there, fw.inside, server, 7101)[0] == outer
    assert asked(there, fw.inside, ours, server, 7102, sport=4567) == (outer, 4567)
    (tmp_path / "file").write_bytes(packets.payload(100_000))
    name = f"[{server}]" if ":" in server else server
    with peers.http_server(there, tmp_path):
        assert peers.curl(fw.inside, f"http://{name}:8080/file") == packets.payload(100_000)
    with fw.tg.capture(
        fw.line.left, 3, lambda p: is_ip(p) and "request" in p.summary().lower()
    ) as seen:
        assert peers.ping(fw.inside, server).received == 3
    assert {p[IPv6 if ":" in server else IP].src for p in seen} == {outer}
    fw.app.expect_drops({})


def test_two_clients_with_one_port_get_two(fw: Firewall) -> None:
    """A port outside is one flow's towards each peer.

    Steps: from two addresses inside, ask the same server from the same port, by UDP and by ping.
    Check: the server sees one address and two ports; each client gets its own answer.
    """
    translated(fw, [masquerade()])
    with listening(fw.outside, LEFT, 7103, socket.SOCK_DGRAM) as server:
        with listening(fw.inside, RIGHT, 5555, socket.SOCK_DGRAM) as one:
            with listening(fw.inside, "10.0.2.3", 5555, socket.SOCK_DGRAM) as two:
                seen = []
                for client, word in ((one, b"one"), (two, b"two")):
                    client.sendto(word, (LEFT, 7103))
                    seen.append(server.recvfrom(100))
                for word, peer in reversed(seen):
                    server.sendto(word, peer)
                assert (one.recv(100), two.recv(100)) == (b"one", b"two")
    assert [peer[0] for _, peer in seen] == [WAN, WAN]
    assert seen[0][1][1] != seen[1][1][1] and 5555 in (seen[0][1][1], seen[1][1][1])


def test_a_pool_gives_each_client_one_address(fw: Firewall) -> None:
    """RFC 4787 section 4.1: paired.

    Steps: open 5 connections from each of two addresses inside, through a pool with a port range.
    Check: each has one address of the pool, and ports of the range; replies arrive.
    """
    translated(fw, [rule("pool", "snat", from_="lan", to="wan", pool=[POOL], ports="2000-2999")])
    fw.outside.run("ip", "route", "replace", POOL, "via", WAN)
    for source in (RIGHT, "10.0.2.3"):
        seen = {asked(fw.outside, fw.inside, source, LEFT, 7110 + n) for n in range(5)}
        assert len({address for address, _ in seen}) == 1
        assert all(a.startswith("198.51.100.") and int(a.split(".")[3]) < 16 for a, _ in seen)
        assert all(2000 <= port <= 2999 for _, port in seen)
    fw.app.expect_drops({})


def test_no_free_port_is_a_drop_with_a_name(fw: Firewall) -> None:
    """A range of two ports, and a third flow to the same peer.

    Steps: send from three ports to one peer, then from the third one to another peer.
    Check: two arrive, the third is dropped as nat_full; towards the other peer a port is free.
    """
    translated(fw, [masquerade(ports="3000-3001")])
    sent = [packets.udp(fw.macs(False), (RIGHT, LEFT), sport=6000 + n, dport=9) for n in range(3)]
    seen = fw.sent(sent, inwards=False, want=2)
    assert {p[UDP].sport for p in seen if UDP in p} == {3000, 3001}
    fw.app.expect_drops({"nat_full": 1})
    sent[2][UDP].dport = 10
    assert [p[UDP].sport in (3000, 3001) for p in fw.sent(sent[2], inwards=False)] == [True]


@pytest.mark.parametrize("six", [False, True], ids=["ip4", "ip6"])
def test_a_port_is_forwarded_to_a_server_inside(fw: Firewall, tmp_path: Path, six: bool) -> None:
    """To another port, and rules see where it really goes.

    Steps: forward port 80 of wan to 8080 of the server; allow 8080 inwards; fetch from the outside.
    Check: the file; the server sees the client's own address; port 81 is not forwarded.
    """
    ours, server = (WAN6, f"[{RIGHT6}]") if six else (WAN, RIGHT)
    forward = rule("fwd", "dnat", from_="wan", destination=ours, proto="tcp", dport="80",
                   forward=f"{server}:8080")  # fmt: skip
    web = rule("web", from_="wan", to="lan", proto="tcp", dport="8080")
    translated(fw, [masquerade()], [forward], [web])
    (tmp_path / "file").write_bytes(packets.payload(200_000))
    url = f"http://[{ours}]" if six else f"http://{ours}"
    with peers.http_server(fw.inside, tmp_path):
        assert peers.curl(fw.outside, f"{url}/file") == packets.payload(200_000)
        (one,) = [f for f in fw.flows(proto="tcp")]
    assert one["orig"]["dport"] == 80 and one["leaves"]["dport"] == 8080
    assert one["leaves"]["src"] == (LEFT6 if six else LEFT)
    fw.app.expect_drops({})
    fw.tg.send(fw.line.left, packets.tcp(fw.macs(), (LEFT6 if six else LEFT, ours), dport=81))
    fw.app.expect_drops({"rule": 1})


def test_a_range_of_ports_is_forwarded_one_to_one(fw: Firewall) -> None:
    """The n-th port of the one range to the n-th of the other.

    Steps: forward UDP 9000 to 9009 to 9100 and on; send to 8999, 9000, 9004, 9009, 9010.
    Check: those within arrive at 9100, 9104, 9109.
    """
    forward = rule("fwd", "dnat", from_="wan", destination=WAN, proto="udp", dport="9000-9009",
                   forward=f"{RIGHT}:9100")  # fmt: skip
    translated(fw, [], [forward], [IN])
    sent = [
        packets.udp(fw.macs(), (LEFT, WAN), sport=6100, dport=d)
        for d in (8999, 9000, 9004, 9009, 9010)
    ]
    seen = [p for p in fw.sent(sent, want=3) if UDP in p and p[IP].dst == RIGHT]
    assert [p[UDP].dport for p in seen] == [9100, 9104, 9109]
    fw.app.expect_drops({"rule": 2})


def test_a_server_is_reached_by_its_outer_address_from_the_inside(
    fw: Firewall, tmp_path: Path
) -> None:
    """Hairpin: else the server would answer the client directly, who would not know it.

    Steps: from the server's own network, fetch from wan's address.
    Check: the file; the server saw the firewall's inner address.
    """
    forward = rule("fwd", "dnat", from_="wan", destination=WAN, proto="tcp", dport="80",
                   forward=f"{RIGHT}:8080", hairpin=True)  # fmt: skip
    inner = rule("hairpin", from_="lan", to="lan")
    translated(fw, [masquerade()], [forward], [IN, inner])
    (tmp_path / "file").write_bytes(packets.payload(50_000))
    with peers.http_server(fw.inside, tmp_path):
        assert peers.curl(fw.inside, f"http://{WAN}/file") == packets.payload(50_000)
        (one,) = fw.flows(proto="tcp")
        assert (one["leaves"]["src"], one["leaves"]["dst"]) == (LAN, RIGHT)
        assert peers.curl(fw.outside, f"http://{WAN}/file") == packets.payload(50_000)
    fw.app.expect_drops({})


def test_one_to_one_works_in_both_directions(fw: Firewall) -> None:
    """A prefix for a prefix: each address has its own.

    Steps: map 10.0.2.0/28 to 198.51.100.0/28; ask from the inside and from the outside, and ping.
    Check: the outside sees 198.51.100.2 for 10.0.2.2 and reaches it by that.
    """
    pair = {"inside": "10.0.2.0/28", "pool": [POOL]}
    out = rule("out", "one_to_one", from_="lan", to="wan", **pair)
    back = rule("back", "one_to_one", from_="wan", **pair)
    translated(fw, [out], [back], [ALL])
    fw.outside.run("ip", "route", "replace", POOL, "via", WAN)
    assert asked(fw.outside, fw.inside, RIGHT, LEFT, 7120, sport=777) == ("198.51.100.2", 777)
    assert asked(fw.outside, fw.inside, "10.0.2.3", LEFT, 7121)[0] == "198.51.100.3"
    with listening(fw.inside, RIGHT, 7122) as server:
        with dialled(fw.outside, "198.51.100.2", 7122) as client:
            two, peer = server.accept()
            with two:
                two.settimeout(WAIT_S)
                assert peer[0] == LEFT and passes(client, two)
    assert peers.ping(fw.outside, "198.51.100.3").received == 3
    fw.app.expect_drops({})


NAT64_RULE = rule("nat64", "nat64", from_="lan", inside=f"{NAT64}/96")


@pytest.mark.parametrize("server", [LEFT, FAR])
def test_ip6_clients_reach_ip4_servers(fw: Firewall, tmp_path: Path, server: str) -> None:
    """NAT64 (RFC 6146): the address is in the prefix 64:ff9b::/96.

    Steps: curl a file and ping, by IPv6, from a client without a route to IPv4.
    Check: the file and the answers, small and in fragments; the server sees wan's IPv4 address.
    """
    translated(fw, [], [NAT64_RULE], [OUT])
    there = fw.server(server)
    address = f"{NAT64}{server}"
    (tmp_path / "file").write_bytes(packets.payload(200_000))
    with peers.http_server(there, tmp_path):
        assert peers.curl(fw.inside, f"http://[{address}]:8080/file") == packets.payload(200_000)
    assert seen_from(there, fw.inside, address, 7130, at=server)[0] == WAN
    assert peers.ping(fw.inside, address).received == 3
    assert peers.ping(fw.inside, address, size=3000).received == 3
    fw.app.expect_drops({})


def routers(fw: Firewall, to: str, ttl: int) -> list[str]:
    """Who tells ping that its hop limit ran out; ping prints what its kernel ties to its socket."""
    done = fw.inside.run(
        "ping", "-n", "-c", "1", "-W", "5", "-t", str(ttl), to, check=False, timeout=20
    )
    return re.findall(r"From ([\da-f.:]+):? icmp_seq=1 Time (?:to live )?exceeded", done.stdout)


def test_errors_of_ip4_routers_reach_ip6_clients(fw: Firewall) -> None:
    """RFC 7915 section 4.2: translated, with what they quote.

    Steps: ping through NAT64 with hop limits that end at the firewall and at the router behind.
    Check: the client's kernel takes each for its ping's; the router's address is in the prefix.
    """
    translated(fw, [], [NAT64_RULE], [OUT])
    to = f"{NAT64}{FAR}"
    assert routers(fw, to, 1) == [LAN6]
    (router,) = routers(fw, to, 2)
    assert ip_address(router) == ip_address(f"{NAT64}{LEFT}")


def test_errors_of_routers_behind_reach_masqueraded_clients(fw: Firewall) -> None:
    """A traceroute through translation: each error quotes the packet as its sender knows it.

    Steps: ping with hop limits of 1 and 2; send UDP with hop limits 1 to 3 and look at the errors.
    Check: the firewall, the gate and the far host answer in this order; each error quotes the
    client's own address and ports, with a right checksum.
    """
    translated(fw, [masquerade()])
    assert [routers(fw, FAR, ttl) for ttl in (1, 2)] == [[LAN], [LEFT]]
    answers = []
    for ttl in (1, 2, 3):
        probe = packets.udp(
            fw.macs(False), ("10.0.2.77", FAR), sport=6200 + ttl, dport=33434, ttl=ttl
        )
        fw.tg.send(fw.line.right, packets.who_has(fw.macs(False)[0], ("10.0.2.77", LAN)))
        answer = fw.tg.ask(fw.line.right, probe, lambda p: ICMP in p and p[IP].dst == "10.0.2.77")
        assert answer is not None
        answers.append(answer)
    assert [a[IP].src for a in answers] == [LAN, LEFT, FAR]
    assert [(a[ICMP].type, a[ICMP].code) for a in answers] == [(11, 0), (11, 0), (3, 3)]
    for ttl, answer in enumerate(answers, start=1):
        assert (answer[IPerror].src, answer[UDPerror].sport) == ("10.0.2.77", 6200 + ttl)
        assert (answer[IPerror].dst, answer[UDPerror].dport) == (FAR, 33434)
        again = answer.copy()
        del again[ICMP].chksum
        assert Ether(bytes(again))[ICMP].chksum == answer[ICMP].chksum


@pytest.mark.parametrize("address", [FAR, f"{NAT64}{FAR}"])
def test_a_narrow_link_is_found_out_through_translation(fw: Firewall, address: str) -> None:
    """Path MTU discovery through masquerade, and through NAT64 from one family to the other.

    Steps: send 400 kB by TCP to a host behind a link with an MTU of 1280.
    Check: all arrives; the client's kernel has learned the MTU: by IPv6 20 bytes more.
    """
    translated(fw, [masquerade()], [NAT64_RULE])
    fw.inside.run("ip", "route", "flush", "cache")
    data = packets.payload(400_000)
    with listening(fw.far, FAR, 7140) as listener, dialled(fw.inside, address, 7140) as client:
        accepted, _ = listener.accept()
        with accepted:
            accepted.settimeout(WAIT_S)
            sender = threading.Thread(target=client.sendall, args=(data,), daemon=True)
            sender.start()
            assert read_exactly(accepted, len(data)) == data
            sender.join(5)
    learned = fw.inside.run("ip", "route", "get", address).stdout
    assert f"mtu {NARROW + 20 if ':' in address else NARROW}" in learned
    fw.app.expect_drops({})


def test_npt_gives_private_ip6_a_prefix(fw: Firewall) -> None:
    """RFC 6296: a prefix for a prefix, both ways, without a change of checksums.

    Steps: map fd00:2::/48 to 2001:db8:99::/48; ask and ping from the inside, then come back by the
    address that was seen.
    Check: the outside sees a source in the prefix, the port kept; it reaches the host by it.
    """
    pair = {"inside": "fd00:2::/48", "pool": ["2001:db8:99::/48"]}
    out = rule("out", "npt", from_="lan", to="wan", **pair)
    back = rule("back", "npt", from_="wan", **pair)
    translated(fw, [out], [back], [ALL])
    address, port = asked(fw.far, fw.inside, ULA, FAR6, 7150, sport=888)
    assert ip_address(address) in ip_network("2001:db8:99::/48") and port == 888
    fw.outside.run("ip", "route", "replace", "2001:db8:99::/48", "via", WAN6)
    assert peers.ping(fw.inside, FAR6).received == 3
    assert peers.ping(fw.far, address).received == 3
    fw.app.expect_drops({})


def test_each_subscriber_has_a_block_of_ports(fw: Firewall) -> None:
    """CGNAT (RFC 7422): who it was is known from the port, without a log of flows.

    Steps: with blocks of 64 ports, open 40 flows from each of two subscribers; then end all flows.
    Check: all ports of one are in one block of 64, of the other in another one; each block is
    recorded once as allocated, and once as released after its last flow, as JSON and by IPFIX.
    """
    cgn = rule("cgn", "cgnat", from_="lan", to="wan", inside="10.0.2.0/28", pool=["198.51.100.9/32"],
               block=64)  # fmt: skip
    translated(fw, [cgn])
    with listening(fw.line.sut, "127.0.0.1", IPFIX_PORT, socket.SOCK_DGRAM) as collector:
        blocks = [block_of(fw, source) for source in (RIGHT, "10.0.2.3")]
        assert blocks[0] != blocks[1]
        told = [
            (source, "198.51.100.9", 1024 + 64 * block, 1024 + 64 * block + 63)
            for source, block in zip((RIGHT, "10.0.2.3"), blocks)
        ]
        until(lambda: block_events(fw, "ports_allocated") == told, what="the blocks' beginning")
        assert block_events(fw, "ports_released") == []
        fw.app.ask("flows_kill", all=True)
        until(lambda: sorted(block_events(fw, "ports_released")) == sorted(told), what="their end")
        want = {(event, *one) for event in (BLOCK, UNBLOCK) for one in told}
        taken: set[tuple[object, ...]] = set()
        reader = ipfix.Collector()
        until(lambda: taken.update(exported(reader, collector)) or taken == want, what="IPFIX")


def block_of(fw: Firewall, source: str) -> int:
    """The number of the one block that 40 flows of a subscriber have their ports of."""
    sent = [packets.udp(fw.macs(False), (source, LEFT), sport=6300 + n) for n in range(40)]
    seen = [p for p in fw.sent(sent, inwards=False) if UDP in p and p[UDP].dport == 9]
    assert {p[IP].src for p in seen} == {"198.51.100.9"} and len(seen) == 40
    used = {p[UDP].sport for p in seen}
    (block,) = {(port - 1024) // 64 for port in used}
    assert len(used) == 40
    return block


def exported(reader: ipfix.Collector, collector: socket.socket) -> list[tuple[object, ...]]:
    """Blocks in the next message: event, subscriber, address outside, first and last port."""
    try:
        records = reader.take(collector.recv(65536))
    except ValueError:
        assert reader.messages == 0  # from before the first templates that we heard
        return []
    return [
        (r["natEvent"], r["sourceIPv4Address"], r["postNATSourceIPv4Address"],
         r["portRangeStart"], r["portRangeEnd"])
        for r in records
        if "portRangeStart" in r
    ]  # fmt: skip


def block_events(fw: Firewall, event: str) -> list[tuple[str, str, int, int]]:
    """Subscriber, address outside, first and last port of each event, in their order."""
    text = Path(fw.first["records"]["flows"]).read_text(encoding="utf-8")
    lines = text[: text.rfind("\n") + 1].splitlines()  # the last one may be under way
    told = [r for r in map(json.loads, lines) if r.get("nat", {}).get("event") == event]
    return [
        (r["src_ip"], r["nat"]["src_ip"], r["nat"]["port_lo"], r["nat"]["port_hi"]) for r in told
    ]


def test_a_mapping_is_the_same_for_all_peers_if_asked_for(fw: Firewall) -> None:
    """RFC 4787 REQ-1: games and calls find each other; peers may begin.

    Steps: with endpoint_independent, send from one port inside to two peers; let a third one send
    to what they saw.
    Check: both saw one port; the third one's packet arrives inside, where rules allow it.
    """
    translated(fw, [masquerade(endpoint_independent=True, ports="20000-20999")], [], [OUT, IN])
    with listening(fw.inside, RIGHT, 5060, socket.SOCK_DGRAM) as phone:
        seen = []
        for there, address in ((fw.outside, LEFT), (fw.far, FAR)):
            with listening(there, address, 7160, socket.SOCK_DGRAM) as peer:
                phone.sendto(b"here", (address, 7160))
                seen.append(peer.recvfrom(100)[1])
        assert seen[0] == seen[1] and seen[0][0] == WAN and 20000 <= seen[0][1] <= 20999
        with listening(fw.far, FAR, 7161, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"hello", seen[0])
            assert phone.recvfrom(100) == (b"hello", (FAR, 7161))
            phone.sendto(b"well", (FAR, 7161))
            assert stranger.recvfrom(100) == (b"well", seen[0])
    fw.app.expect_drops({})


def test_what_is_excepted_is_not_translated(fw: Firewall) -> None:
    """action none, before the rule that would.

    Steps: except one client from masquerade; ask from it and from another.
    Check: the server sees the one as itself, the other as wan.
    """
    translated(fw, [rule("not", "none", source="10.0.2.3"), masquerade()])
    assert asked(fw.outside, fw.inside, "10.0.2.3", LEFT, 7170)[0] == "10.0.2.3"
    assert asked(fw.outside, fw.inside, RIGHT, LEFT, 7171)[0] == WAN
