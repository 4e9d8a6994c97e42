# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall and its own host: what the kernel beside it begins is answered without a rule."""

import socket
from collections.abc import Iterator

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.firewall import (
    FAR,
    FAR6,
    NARROW,
    Firewall,
    asked,
    connected,
    firewall_between_hosts,
    listening,
    passes,
    read_exactly,
    rule,
    seen_from,
    steered,
)
from weir.router import LEFT, LEFT6, WAN, WAN6, Config, give_ports_addresses
from weir.wait import until

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

TIMES = 8
SERVERS = pytest.mark.parametrize("server", [LEFT, LEFT6, FAR, FAR6])
BOTH = pytest.mark.parametrize("server", [LEFT, LEFT6])
UDP = socket.SOCK_DGRAM


@pytest.fixture(scope="module", params=[1, 2], ids=["one-worker", "two-workers"])
def started(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Firewall]:
    """A firewall whose kernel is a host at both ports; the gate is its way out."""
    config: Config = {
        "ports": steered({"kernel": "kwan"}, {"kernel": "klan"}),
        "runtime": {"workers": list(range(request.param))},
    }
    with firewall_between_hosts(tmp_path_factory.mktemp("own"), config) as made:
        give_ports_addresses(made.line.sut)
        for gateway in (LEFT, LEFT6):
            made.line.sut.run("ip", "route", "add", "default", "via", gateway, "dev", "kwan")
        yield made


@pytest.fixture
def fw(started: Firewall) -> Iterator[Firewall]:
    """It drops all that no rule accepts, and there is none. After a test connections may end."""
    started.policy([])
    yield started
    started.app.reload(started.config([], default="accept"))
    for end in (started.line.sut, started.outside):
        until(lambda end=end: end.run("ss", "-tnH").stdout == "", what="the end of connections")


def own(server: str) -> str:
    return WAN6 if ":" in server else WAN


@SERVERS
def test_what_the_host_begins_is_answered(fw: Firewall, server: str) -> None:
    """No rule is needed for the answers to the host's own ping, UDP and TCP.

    Steps: with no rules, from the host: ping, ask by UDP and connect by TCP, many times.
    Check: all is answered; flows from self to wan, of every worker; nothing was dropped.
    """
    host, there, ours = fw.line.sut, fw.server(server), own(server)
    for n in range(TIMES):
        assert peers.ping(host, server, count=1).received == 1
        assert asked(there, host, ours, server, 7100 + n)[0] == ours
        with connected(host, there, server, 7200 + n) as (client, accepted):
            assert passes(client, accepted)
    flows = fw.flows()
    owners = {flow["worker"] for flow in flows}
    assert {(flow["from"], flow["to"]) for flow in flows} == {("self", "wan")}
    assert [w for w in fw.first["runtime"]["workers"] if w not in owners] == []
    fw.app.expect_drops({})


@BOTH
def test_the_host_may_send_fragments(fw: Firewall, server: str) -> None:
    """The kernel's first fragment shows the flow; answers are put together and meet it.

    Steps: ping with 4000 bytes, and ask by UDP with as many, many times.
    Check: all is answered; flows from self alone; nothing was dropped.
    """
    assert peers.ping(fw.line.sut, server, size=4000).received == 3
    for n in range(TIMES):
        asked(fw.outside, fw.line.sut, own(server), server, 7150 + n, sizes=(4000,))
    assert {flow["from"] for flow in fw.flows()} == {"self"}
    fw.app.expect_drops({})


@BOTH
def test_what_nobody_asked_for_is_dropped(fw: Firewall, server: str) -> None:
    """An answer comes from who was asked, and no one else gets in by its ports.

    Steps: send to a UDP port of the host from the outside; ask from that port, send from another
    port than was asked, then answer; connect to the host by TCP.
    Check: the answer alone arrives; all else is dropped as rule.
    """
    with listening(fw.line.sut, own(server), 7300, UDP) as host:
        with listening(fw.outside, server, 7301, UDP) as one:
            with listening(fw.outside, server, 7302, UDP) as two:
                one.sendto(b"unasked", (own(server), 7300))
                fw.app.expect_drops({"rule": 1})
                host.sendto(b"question", (server, 7301))
                question, peer = one.recvfrom(100)
                two.sendto(b"unasked", peer)
                fw.app.expect_drops({"rule": 2})
                one.sendto(b"answer", peer)
                assert (question, host.recv(100)) == (b"question", b"answer")
    with listening(fw.line.sut, own(server), 7303):
        with fw.outside.inside():
            client = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET)
        with client:
            client.settimeout(0.2)
            with pytest.raises(TimeoutError):
                client.connect((own(server), 7303))
    until(lambda: fw.app.drops_since_start().get("rule", 0) >= 3, what="the SYN to be dropped")
    assert fw.flows(proto="tcp") == []


@pytest.mark.parametrize("server", [FAR, FAR6])
def test_errors_about_what_the_host_sent_reach_it(fw: Firewall, server: str) -> None:
    """Routers on the way and closed ports are heard.

    Steps: send 400 kB by TCP to a host behind a link with an MTU of 1280; UDP to a closed port.
    Check: all arrives and the kernel has learned the MTU; the port is refused.
    """
    data = packets.payload(400_000)
    with connected(fw.line.sut, fw.server(server), server, 7400) as (client, accepted):
        client.sendall(data)
        assert read_exactly(accepted, len(data)) == data
    assert f"mtu {NARROW}" in fw.line.sut.run("ip", "route", "get", server).stdout
    with listening(fw.line.sut, own(server), 7401, UDP) as host:
        host.connect((server, 9))
        host.send(b"is anybody there?")
        with pytest.raises(ConnectionRefusedError):
            host.recv(1)
    fw.app.expect_drops({})


@BOTH
def test_a_reload_keeps_what_the_host_has_begun(fw: Firewall, server: str) -> None:
    """Connections of the host are judged anew, and go on.

    Steps: connect from the host; reload; forbid it by a rule that names self, and reload.
    Check: bytes pass after the first reload; after the second none do, and the flow is gone.
    """
    with connected(fw.line.sut, fw.outside, server, 7500) as (client, accepted):
        assert passes(client, accepted)
        fw.app.reload(fw.config([]))
        assert passes(client, accepted)
        assert [f["state"] for f in fw.flows(port=7500)] == ["ESTABLISHED"]
        fw.app.expect_drops({})
        fw.app.reload(fw.config([rule("no", "drop", from_="self", dport="7500", proto="tcp")]))
        client.sendall(b"hello")
        until(lambda: fw.flows(port=7500) == [], what="the end of the flow")
    until(lambda: fw.app.drops_since_start().get("rule", 0) >= 1, what="the drop")


def test_rules_that_name_self_decide_what_the_host_may(fw: Firewall) -> None:
    """As for any other zone: what none of them accepts is the default's.

    Steps: let the host ask one UDP port and no other; do both. Translate all that leaves by wan.
    Check: the one is answered, counted by its rule, and keeps its address and port; the other is
    dropped.
    """
    masquerade = rule("masq", "masquerade", to="wan")
    dns = rule("dns", from_="self", to="wan", proto="udp", dport="7600")
    fw.policy([dns], nat={"source": [masquerade]})
    assert asked(fw.outside, fw.line.sut, WAN, LEFT, 7600, sport=7601) == (WAN, 7601)
    assert fw.counted()["dns"] == 2
    fw.app.expect_drops({})
    with listening(fw.line.sut, WAN, 0, UDP) as host:
        host.sendto(b"question", (LEFT, 7602))
        fw.app.expect_drops({"rule": 1})
    said = fw.app.ask("judge", **{"from": "self", "src": WAN, "dst": LEFT, "proto": "udp",
                                  "dport": 7602})  # fmt: skip
    assert (said["action"], said["rule"], said["to"]) == ("drop", "default", "wan")


@BOTH
def test_servers_of_the_host_are_reached_by_a_rule_to_self(fw: Firewall, server: str) -> None:
    """What a rule lets in is answered; datagrams are a flow, TCP is judged packet by packet.

    Steps: accept a UDP port to self, use it from the outside while a rule forbids the host to begin
    anything, take the rule back and send once more; accept a TCP port to self, and use it.
    Check: both work; the flow is one from wan to self, and is gone with its rule.
    """
    ssh = rule("ssh", from_="wan", to="self", proto="tcp", dport="7700")
    dns = rule("dns", from_="wan", to="self", proto="udp", dport="7701")
    no = rule("no", "drop", from_="self")
    fw.policy([dns, no])
    with listening(fw.line.sut, own(server), 7701, UDP) as host:
        with listening(fw.outside, server, 7702, UDP) as client:
            client.sendto(b"question", (own(server), 7701))
            host.sendto(b"answer", host.recvfrom(100)[1])
            assert client.recv(100) == b"answer"
            assert [(f["from"], f["to"]) for f in fw.flows()] == [("wan", "self")]
            fw.app.expect_drops({})
            fw.app.reload(fw.config([]))
            client.sendto(b"question", (own(server), 7701))
            fw.app.expect_drops({"rule": 1})
    assert fw.flows() == []
    fw.policy([ssh, no])
    assert seen_from(fw.line.sut, fw.outside, own(server), 7700)[0] == server
    fw.app.expect_drops({})
