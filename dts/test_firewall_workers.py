# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall with two workers: what belongs to a flow reaches the worker that knows it."""

import threading
from collections.abc import Iterator

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.firewall import (
    ALL,
    FAR,
    FAR6,
    NARROW,
    OUT,
    WAIT_S,
    Conversation,
    Firewall,
    asked,
    dialled,
    firewall_between_hosts,
    firewall_between_silent_ends,
    listening,
    read_exactly,
    rule,
    seen_from,
    steered,
)
from weir.router import LAN6, LEFT, LEFT6, RIGHT, RIGHT6, WAN, WAN6, Config

from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

TIMES = 16
POOL = "198.51.100.0/28"
NAT64 = "64:ff9b::"

# How two workers come by their packets: over a ring alone, or by queues of their own too.
LAYOUTS: dict[str, Config] = {
    "one queue": steered(),
    "two queues": steered({"queues": 2}, {"queues": 2}),
}


def with_two_workers(layout: str) -> Config:
    return {"ports": LAYOUTS[layout], "runtime": {"workers": [0, 1]}}


@pytest.fixture(scope="module", params=LAYOUTS)
def fw(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Firewall]:
    """A firewall with two workers between hosts."""
    config = with_two_workers(request.param)
    with firewall_between_hosts(tmp_path_factory.mktemp("workers"), config) as made:
        made.inside.run("ip", "route", "add", "64:ff9b::/96", "via", LAN6)
        made.outside.run("ip", "route", "add", POOL, "via", WAN)
        made.outside.run("ip", "route", "add", "2001:db8:99::/48", "via", WAN6)
        yield made


def owners(fw: Firewall) -> set[int]:
    return {flow["worker"] for flow in fw.flows()}


MASQUERADE = rule("masq", "masquerade", from_="lan", to="wan")


@pytest.mark.parametrize("server", [LEFT, LEFT6, FAR])
def test_replies_to_masqueraded_flows_reach_their_worker(fw: Firewall, server: str) -> None:
    """The port outside is chosen so that they do.

    Steps: open connections, ask by UDP and ping, many times; run iperf3 with 8 streams.
    Check: each is answered, by flows of both workers; nothing was dropped.
    """
    fw.policy([OUT], nat={"source": [MASQUERADE]})
    there = fw.server(server)
    outer, ours = (WAN6, RIGHT6) if ":" in server else (WAN, RIGHT)
    for n in range(TIMES):
        assert seen_from(there, fw.inside, server, 7300 + n)[0] == outer
        assert asked(there, fw.inside, ours, server, 7300 + n)[0] == outer
        assert peers.ping(fw.inside, server, count=1).received == 1
    assert owners(fw) == {0, 1}
    fw.app.expect_drops({})
    report = peers.iperf3(there, fw.inside, server, "--parallel", "8")
    assert all(stream["receiver"]["bytes"] > 0 for stream in report["streams"])


def test_replies_to_forwarded_ports_reach_their_worker(fw: Firewall) -> None:
    """The client's port is changed, where its own would lead the reply elsewhere.

    Steps: forward a port to another one; connect and ask from the outside, many times.
    Check: each is answered, and the server sees the client's address.
    """
    forward = rule("fwd", "dnat", from_="wan", destination=WAN, dport="7000-7099",
                   forward=f"{RIGHT}:7400")  # fmt: skip
    udp, tcp = forward | {"name": "u", "proto": "udp"}, forward | {"name": "t", "proto": "tcp"}
    fw.policy([ALL], nat={"destination": [udp, tcp]})
    for n in range(TIMES):
        assert seen_from(fw.inside, fw.outside, WAN, 7000 + n, at=RIGHT, there=7400 + n)[0] == LEFT
        assert asked(fw.inside, fw.outside, LEFT, WAN, 7000 + n, there=7400 + n)[0] == LEFT
    assert owners(fw) == {0, 1}
    fw.app.expect_drops({})


def test_prefixes_for_prefixes_work_over_workers(fw: Firewall) -> None:
    """One to one and NPTv6: only addresses are translated, so ports must give way here too.

    Steps: map prefixes of both families; ask and ping from the inside, many times, and back.
    Check: each is answered; the outside sees the mapped address.
    """
    four = {"inside": "10.0.2.0/28", "pool": [POOL]}
    six = {"inside": "2001:db8:2::/48", "pool": ["2001:db8:99::/48"]}
    source = [rule("o4", "one_to_one", from_="lan", to="wan", **four),
              rule("o6", "npt", from_="lan", to="wan", **six)]  # fmt: skip
    back = [rule("i4", "one_to_one", from_="wan", **four), rule("i6", "npt", from_="wan", **six)]
    fw.policy([ALL], nat={"source": source, "destination": back})
    for n in range(TIMES):
        assert asked(fw.outside, fw.inside, RIGHT, LEFT, 7500 + n)[0] == "198.51.100.2"
        seen = asked(fw.outside, fw.inside, RIGHT6, LEFT6, 7500 + n)[0]
        assert seen.startswith("2001:db8:99")
        assert asked(fw.inside, fw.outside, LEFT, "198.51.100.2", 7500 + n)[0] == LEFT
        for to in ("198.51.100.2", seen):
            assert peers.ping(fw.outside, to, count=1).received == 1
        for to in (LEFT, LEFT6):
            assert peers.ping(fw.inside, to, count=1).received == 1
    assert owners(fw) == {0, 1}
    fw.app.expect_drops({})


def test_nat64_works_over_workers(fw: Firewall) -> None:
    """The two families' tuples of one flow have one owner.

    Steps: connect and ping through NAT64 many times, small and in fragments.
    Check: each is answered.
    """
    nat64 = rule("nat64", "nat64", from_="lan", inside=f"{NAT64}/96")
    fw.policy([OUT], nat={"destination": [nat64]})
    for n in range(TIMES):
        assert seen_from(fw.outside, fw.inside, f"{NAT64}{LEFT}", 7600 + n, at=LEFT)[0] == WAN
        assert peers.ping(fw.inside, f"{NAT64}{LEFT}", count=1, size=3000).received == 1
    assert owners(fw) == {0, 1}
    fw.app.expect_drops({})


@pytest.mark.parametrize("server", [FAR, FAR6, f"{NAT64}{FAR}"])
def test_path_mtu_is_found_over_workers(fw: Firewall, server: str) -> None:
    """The router's error reaches the worker of the flow that it is about.

    Steps: through translation, send 200 kB by TCP to a host behind a narrow link, 4 times.
    Check: all arrives; the first time, the client's kernel has learned the MTU.
    """
    nat64 = rule("nat64", "nat64", from_="lan", inside=f"{NAT64}/96")
    fw.policy([OUT], nat={"source": [MASQUERADE], "destination": [nat64]})
    data, at = packets.payload(200_000), FAR6 if server == FAR6 else FAR
    for n in range(4):
        fw.inside.run("ip", "route", "flush", "cache")
        with listening(fw.far, at, 7700 + n) as listener:
            with dialled(fw.inside, server, 7700 + n) as client:
                accepted, _ = listener.accept()
                with accepted:
                    accepted.settimeout(WAIT_S)
                    sender = threading.Thread(target=client.sendall, args=(data,), daemon=True)
                    sender.start()
                    assert read_exactly(accepted, len(data)) == data
                    sender.join(5)
    learned = fw.inside.run("ip", "route", "get", server).stdout
    assert f"mtu {NARROW + 20 if server.startswith(NAT64) else NARROW}" in learned
    fw.app.expect_drops({})


@pytest.mark.parametrize("to", [LEFT, LEFT6])
def test_fragments_reach_the_worker_of_their_flow(fw: Firewall, to: str) -> None:
    """They meet by their addresses; the whole goes on to its flow's owner.

    Steps: ask by UDP with 3000 bytes each way, and ping with 3000, many times, masqueraded.
    Check: each is answered; small and large datagrams are of one flow.
    """
    fw.policy([OUT], nat={"source": [MASQUERADE]})
    for n in range(TIMES):
        ours = RIGHT6 if ":" in to else RIGHT
        asked(fw.outside, fw.inside, ours, to, 7800 + n, sizes=(10, 3000, 10))
        assert peers.ping(fw.inside, to, count=1, size=3000).received == 1
    flows = fw.flows(proto="udp")
    assert len(flows) == TIMES and all(flow["packets"] == 3 for flow in flows)
    assert owners(fw) == {0, 1}
    fw.app.expect_drops({})


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    """A firewall with two workers between silent ends."""
    config = with_two_workers("one queue")
    with firewall_between_silent_ends(tmp_path_factory.mktemp("silent"), config) as made:
        yield made


@pytest.mark.parametrize("six", [False, True], ids=["ip4", "ip6"])
def test_both_workers_track_and_list_connections(silent: Firewall, six: bool) -> None:
    """Each its own; the control socket asks both.

    Steps: play 12 connections; list them; send a segment out of the window in each; end them all.
    Check: 12 are listed, of both workers; each bad segment is dropped; 12 are ended.
    """
    silent.policy([rule("in", from_="wan", to="lan")])
    talks = [Conversation(silent, sport=41000 + n, six=six).open() for n in range(12)]
    flows = silent.flows()
    assert len(flows) == 12 and owners(silent) == {0, 1}
    assert {flow["state"] for flow in flows} == {"ESTABLISHED"}
    bad = [talk.packet("PA", data=b"evil", seq=1_000_000) for talk in talks]
    assert silent.sent(bad, want=0) == []
    silent.app.expect_drops({"flow_invalid": 12})
    assert silent.app.ask("flows_kill", proto="tcp") == {"killed": 12}


def test_protocols_without_ports_are_translated_too(silent: Firewall) -> None:
    """GRE has nothing that could be chosen; all of it has one worker.

    Steps: masquerade GRE to 12 peers, and send a reply of each.
    Check: all come out, with wan's address and the client's own.
    """
    silent.policy([OUT], nat={"source": [MASQUERADE]})
    gre, tail = b"\0\0\x08\0", b"payload"
    away, home = silent.macs(False), silent.macs()
    away_, home_ = ({"src": macs[0], "dst": macs[1]} for macs in (away, home))
    for n in range(12):
        peer = f"10.0.1.{n + 100}"
        neighbours = [*silent.first["neighbours"], {"dev": "wan", "address": peer, "mac": home[0]}]
        silent.app.reload(silent.config([OUT], nat={"source": [MASQUERADE]}, neighbours=neighbours))
        (out,) = silent.sent(Ether(**away_) / IP(src=RIGHT, dst=peer, proto=47) / gre / tail, False)
        assert (out[IP].src, out[IP].dst) == (WAN, peer)
        (back,) = silent.sent(Ether(**home_) / IP(src=peer, dst=WAN, proto=47) / gre / tail)
        assert (back[IP].src, back[IP].dst) == (peer, RIGHT)
    silent.app.expect_drops({})
