# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall: connections. What belongs to one passes, what only looks so does not."""

import fcntl
import random
import socket
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.firewall import (
    CONNTRACK,
    FAR,
    FAR6,
    IN,
    NARROW,
    OUT,
    Conversation,
    Firewall,
    connected,
    firewall_between_hosts,
    firewall_between_silent_ends,
    listening,
    passes,
    read_exactly,
    rule,
)
from weir.router import LEFT, LEFT6, RIGHT, RIGHT6, neighbour
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrFragment,
    fragment6,
)
from scapy.layers.l2 import Ether
from scapy.layers.sctp import SCTP, SCTPChunkInit, SCTPChunkInitAck
from scapy.packet import Packet, Raw

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

TCP_REPAIR = 19  # linux/tcp.h; the module socket does not have it

BOTH = pytest.mark.parametrize("six", [False, True], ids=["ip4", "ip6"])


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    """A firewall between silent ends that lets connections in from the left alone."""
    with firewall_between_silent_ends(tmp_path_factory.mktemp("flows")) as made:
        yield made


@pytest.fixture
def fw(made_up: Firewall) -> Firewall:
    made_up.policy([IN])
    return made_up


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    """A firewall between hosts that lets connections out alone."""
    with firewall_between_hosts(tmp_path_factory.mktemp("hosts")) as made:
        yield made


@pytest.fixture
def hosts(real: Firewall) -> Firewall:
    real.policy([OUT])
    return real


@BOTH
def test_a_rule_lets_in_a_port_of_sctp(fw: Firewall, six: bool) -> None:
    """Ports of SCTP are those of its header, and a flow is of its ports.

    Steps: let in port 9 of SCTP; send INIT to it and to port 10; answer both.
    Check: the first and its answer pass as they were, the others are dropped by the policy.
    """
    fw.policy([rule("s", proto="sctp", dport="9")])
    ends = (LEFT6, RIGHT6) if six else (LEFT, RIGHT)
    ip = IPv6 if six else IP
    there, back = (Ether(src=m[0], dst=m[1]) for m in (fw.macs(), fw.macs(False)))
    for port, passed in ((9, 1), (10, 0)):
        go = ip(src=ends[0], dst=ends[1]) / SCTP(sport=5000, dport=port, tag=0) / SCTPChunkInit()
        got = fw.sent(there / go, want=passed)
        assert [bytes(p[SCTP]) for p in got] == [bytes(go[SCTP])] * passed
        reply = ip(src=ends[1], dst=ends[0]) / SCTP(sport=port, dport=5000) / SCTPChunkInitAck()
        assert len(fw.sent(back / reply, False, want=passed)) == passed
    fw.app.expect_drops({"rule": 2})


@pytest.mark.parametrize("server", [LEFT, LEFT6, FAR, FAR6])
def test_connections_go_out_and_their_replies_come_in(
    hosts: Firewall, tmp_path: Path, server: str
) -> None:
    """One rule for one direction is all that a client needs.

    Steps: fetch 300 kB by curl and ping, from the inside; then try curl from the outside.
    Check: all bytes and all answers; what is tried from the outside is dropped as rule.
    """
    (tmp_path / "file").write_bytes(packets.payload(300_000))
    name = f"[{server}]" if ":" in server else server
    with peers.http_server(hosts.server(server), tmp_path):
        got = peers.curl(hosts.inside, f"http://{name}:8080/file")
    assert got == packets.payload(300_000)
    assert peers.ping(hosts.inside, server).received == 3
    hosts.app.expect_drops({})
    back = RIGHT6 if ":" in server else RIGHT
    assert peers.ping(hosts.outside, back, count=1, wait=0.2).received == 0
    hosts.app.expect_drops({"rule": 1})


def test_iperf3_fills_the_line_both_ways(hosts: Firewall) -> None:
    """Windows grow, segments are lost and come twice: none of it is out of the window.

    Steps: 64 MB of iperf3 to the outside, and 64 MB in reverse, 4 streams each.
    Check: all streams moved bytes; nothing was dropped as flow_invalid.
    """
    for options in (("--parallel", "4"), ("--parallel", "4", "--reverse")):
        report = peers.iperf3(hosts.outside, hosts.inside, LEFT, *options, size="64M")
        assert len(report["streams"]) == 4
        assert all(one["receiver"]["bytes"] > 100_000 for one in report["streams"])
    assert "flow_invalid" not in hosts.app.drops_since_start()


@BOTH
@pytest.mark.parametrize("flags", ["A", "SA", "FA", "R", "PA", "", "SF", "FPU"])
def test_tcp_without_a_handshake_fits_no_connection(fw: Firewall, flags: str, six: bool) -> None:
    """Only a SYN begins one: scans by odd flags see nothing.

    Steps: send a segment with other flags to what the rules allow.
    Check: it is dropped as flow_invalid; no flow.
    """
    said = Conversation(fw, sport=40001, six=six)
    sent = said.packet(flags)
    assert fw.sent(sent, want=0) == []
    reasons = until(fw.app.drops_since_start, what="the drop")
    assert sum(reasons.values()) == 1 and set(reasons) <= {"flow_invalid", "l4_flags", "tcp_flags"}
    assert fw.flows() == []


def test_a_connection_that_was_there_before_is_taken_up_if_wanted(fw: Firewall) -> None:
    """conntrack.loose, for a firewall that starts in front of running servers.

    Steps: with loose, send an ACK with data from the left, and one from the right.
    Check: both pass.
    """
    fw.policy([IN], conntrack=CONNTRACK | {"loose": True})
    said = Conversation(fw, sport=40002)
    assert said.say("PA", data=b"more")
    assert said.say("A", left=False, ack=4)


@BOTH
def test_segments_out_of_the_window_are_dropped(fw: Firewall, six: bool) -> None:
    """Who does not see a connection cannot write into it, nor end it.

    Steps: play a connection; send data, ACK and RST from both sides that are far from its windows.
    Check: each is dropped as flow_invalid; what is in the window passes before and after.
    """
    c = Conversation(fw, sport=40003, six=six).open()
    assert c.say("PA", data=b"x" * 100)
    c.seq += 100
    assert c.say("A", left=False)
    for left in (True, False):
        assert c.is_refused("PA", left, b"evil", seq=1_000_000)
        assert c.is_refused("PA", left, b"evil", seq=-1_000_000)
        assert c.is_refused("A", left, ack=1_000_000)
        assert c.is_refused("R", left, seq=200_000)
        assert c.is_refused("R", left, seq=-200_000)
    assert [f["state"] for f in fw.flows()] == ["ESTABLISHED"]
    fw.app.mark()
    assert c.say("PA", data=b"y" * 10) and c.say("A", left=False, ack=10)
    fw.app.expect_drops({})


def test_a_true_reset_ends_the_connection(fw: Firewall) -> None:
    """What was under way may still pass, but the entry goes soon, and the ports are free.

    Steps: play a connection; send the RST that is exactly next; begin anew from the same port.
    Check: the RST passes; the flow is closed and has 10 s at most; the new connection is established.
    """
    c = Conversation(fw, sport=40004).open()
    assert c.say("R")
    (flow,) = fw.flows()
    assert flow["state"] == "CLOSE" and flow["left_s"] <= 10
    Conversation(fw, sport=40004, seq=7, ack=70_000_000).open()
    assert [f["state"] for f in fw.flows()] == ["ESTABLISHED"]


def test_an_orderly_end_is_followed_and_the_ports_can_be_used_again(fw: Firewall) -> None:
    """FIN from both sides, TIME-WAIT, and a new SYN with the same ports (RFC 9293 section 3.6.1).

    Steps: play a connection to its end; begin another one from the same port.
    Check: each state has its name; the new connection is established.
    """
    c = Conversation(fw, sport=40005).open()
    assert c.say("FA")
    assert [f["state"] for f in fw.flows()] == ["FIN_WAIT"]
    c.seq += 1
    assert c.say("FA", left=False)
    c.ack += 1
    assert c.say("A")
    assert [f["state"] for f in fw.flows()] == ["TIME_WAIT"]
    Conversation(fw, sport=40005, seq=90_000_000, ack=1).open()
    assert [f["state"] for f in fw.flows()] == ["ESTABLISHED"]


@pytest.mark.parametrize("server", [LEFT, LEFT6])
def test_forged_segments_do_not_disturb_a_running_connection(hosts: Firewall, server: str) -> None:
    """Two kernels talk, and a third one knows their addresses and ports.

    Steps: while a connection is open, send 100 forged RST and 100 forged data segments at each end,
    with random sequence numbers; then talk on.
    Check: none of them comes out, but RSTs that hit the window by chance; the connection goes on.
    """
    rng = random.Random(4)
    with connected(hosts.inside, hosts.outside, server, 7007) as (client, accepted):
        assert passes(client, accepted)
        ends = client.getsockname(), accepted.getsockname()
        for inwards in (True, False):
            a, b = (ends[1], ends[0]) if inwards else (ends[0], ends[1])
            macs = hosts.macs(inwards)
            forged = [
                Ether(src=macs[0], dst=macs[1])
                / packets.ip(a[0], b[0])
                / TCP(sport=a[1], dport=b[1], flags=flags, seq=rng.getrandbits(32),
                      ack=rng.getrandbits(32), window=99)
                / Raw(b"evil" if flags == "PA" else b"")
                for flags in ("R", "PA") for _ in range(100)
            ]  # fmt: skip
            seen = hosts.sent(forged, inwards, want=0)
            assert [p for p in seen if TCP in p and bytes(p[TCP].payload)[:4] == b"evil"] == []
            assert len([p for p in seen if TCP in p and p[TCP].flags == "R"]) <= 2
        until(
            lambda: hosts.app.drops_since_start().get("flow_invalid", 0) >= 390,
            what="the drops of what is not in the window",
        )
        assert passes(client, accepted, b"still here")


def unacknowledged(end: socket.socket) -> int:
    """Bytes that a socket has sent and its peer has not acknowledged (SIOCOUTQ)."""
    (n,) = struct.unpack("i", fcntl.ioctl(end, termios.TIOCOUTQ, bytes(4)))
    return n


def lose(end: socket.socket) -> None:
    """Take a kernel's end of a connection away, so that the other one is told nothing.

    Not before all that it has sent is acknowledged: a late ACK would meet nobody, and be answered.
    """
    until(lambda: unacknowledged(end) == 0, what="its peer to acknowledge")
    end.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    end.close()


@pytest.mark.parametrize("unread", [False, True], ids=["all-read", "unread"])
@pytest.mark.parametrize("lost", ["server", "client"])
@pytest.mark.parametrize("server", [LEFT, LEFT6])
def test_the_reset_of_who_has_lost_its_connection_ends_it(
    hosts: Firewall, server: str, lost: str, unread: bool
) -> None:
    """Who was started anew answers data with a RST that has the number which they acknowledge (RFC
    9293 section 3.5.2, group 1).

    Steps: open a connection; take one end away without a word, with all that it has sent read or
    not; send from the other end.
    Check: that end is reset; the flow is closed; nothing was dropped.
    """
    with connected(hosts.inside, hosts.outside, server, 7008) as (client, accepted):
        stays, goes = (client, accepted) if lost == "server" else (accepted, client)
        assert passes(stays, goes)
        if unread:
            goes.sendall(bytes(3000))
        lose(goes)
        stays.sendall(b"is anybody there?")
        with pytest.raises(ConnectionResetError):
            while True:
                assert stays.recv(1) != b"", "an orderly end"
        assert [f["state"] for f in hosts.flows(port=7008)] == ["CLOSE"]
    hosts.app.expect_drops({})


@BOTH
def test_errors_about_a_flow_come_back_and_others_do_not(fw: Firewall, six: bool) -> None:
    """ICMP errors are tied to the flow whose packet they quote, whoever sends them.

    Steps: send UDP inwards; from the right, send "port unreachable" that quotes it, one that quotes
    what was never sent, and one from a router behind.
    Check: the first and the last come out on the left, as they were; the other is flow_invalid.
    """
    (there,) = fw.sent(
        packets.udp(fw.macs(), (LEFT6, RIGHT6) if six else (LEFT, RIGHT), sport=5001)
    )
    other = there.copy()
    other[UDP].sport = 5002
    router = "2001:db8:ffff::9" if six else "172.16.9.9"
    sent = [
        error(fw, RIGHT6 if six else RIGHT, there),
        error(fw, RIGHT6 if six else RIGHT, other),
        error(fw, router, there),
    ]
    seen = fw.sent(sent, inwards=False, want=2)
    assert [p[IPv6 if six else IP].src for p in seen] == [RIGHT6 if six else RIGHT, router]
    kind = ICMPv6DestUnreach if six else ICMP
    assert all(bytes(p[kind])[4:] == bytes(sent[0][kind])[4:] for p in seen)
    fw.app.expect_drops({"flow_invalid": 1})


def test_an_error_about_a_fragment_reaches_the_sender_of_the_datagram(fw: Firewall) -> None:
    """We cut it, but its sender alone can send smaller ones (RFC 8200 section 4.5).

    Steps: send 3000 bytes by IPv6 UDP inwards; from a router behind, send "packet too big" that
    quotes the first fragment that came out.
    Check: it comes out on the left.
    """
    whole = packets.udp(fw.macs(), (LEFT6, RIGHT6), sport=5003, size=3000)
    first, *_ = fw.sent(pieces(whole, True, 9), want=3)
    assert IPv6ExtHdrFragment in first and first[IPv6ExtHdrFragment].offset == 0
    macs = fw.macs(inwards=False)
    head = Ether(src=macs[0], dst=macs[1]) / IPv6(src="2001:db8:ffff::9", dst=LEFT6)
    too_big = head / ICMPv6PacketTooBig(mtu=1300) / bytes(first[IPv6])[:1200]
    (seen,) = fw.sent(too_big, inwards=False)
    assert seen[ICMPv6PacketTooBig].mtu == 1300
    fw.app.expect_drops({})


def error(fw: Firewall, src: str, about: Packet) -> Packet:
    """ "Port unreachable" from the right side about a packet that came there."""
    macs = fw.macs(inwards=False)
    if IPv6 in about:
        body = ICMPv6DestUnreach(code=4) / bytes(about[IPv6])
        return Ether(bytes(Ether(src=macs[0], dst=macs[1]) / IPv6(src=src, dst=LEFT6) / body))
    quoted = bytes(about[IP])[:28]
    return Ether(
        bytes(
            Ether(src=macs[0], dst=macs[1]) / IP(src=src, dst=LEFT) / ICMP(type=3, code=3) / quoted
        )
    )


@pytest.mark.parametrize("server", [FAR, FAR6])
def test_a_narrow_link_on_the_way_is_found_out(hosts: Firewall, server: str) -> None:
    """Path MTU discovery needs the errors of routers that no rule names.

    Steps: send 400 kB by TCP to a host behind a link with an MTU of 1280.
    Check: all arrives; the sender's kernel has learned the MTU, which only the error tells it.
    """
    data = packets.payload(400_000)
    with connected(hosts.inside, hosts.far, server, 7008) as (client, accepted):
        sender = threading.Thread(target=client.sendall, args=(data,), daemon=True)
        sender.start()
        assert read_exactly(accepted, len(data)) == data
        sender.join(5)
    learned = hosts.inside.run("ip", "route", "get", server).stdout
    assert f"mtu {NARROW}" in learned
    hosts.app.expect_drops({})


@pytest.mark.parametrize("to", [LEFT, LEFT6])
def test_pings_in_fragments_pass_as_one_packet(hosts: Firewall, to: str) -> None:
    """Only the first fragment says what it is.

    Steps: ping with 4000 bytes from the inside.
    Check: 3 answers; one flow.
    """
    assert peers.ping(hosts.inside, to, size=4000).received == 3
    assert hosts.app.rose("weir_reassembled_packets_total") == 6
    hosts.app.expect_drops({})


@BOTH
def test_rules_see_the_ports_of_all_fragments(fw: Firewall, six: bool) -> None:
    """What may not pass does not in pieces either, whichever comes first.

    Steps: accept UDP 53; send datagrams of 3000 bytes to 53 and to 54 in fragments, the last first.
    Check: all bytes of the first come out; of the second nothing, dropped as rule.
    """
    fw.policy([rule("dns", proto="udp", dport="53")])
    got: list[Packet] = []
    for dport in (54, 53):
        whole = packets.udp(fw.macs(), (LEFT6, RIGHT6) if six else (LEFT, RIGHT), 5100, dport, 3000)
        got += fw.sent(list(reversed(pieces(whole, six, dport))), want=3 if dport == 53 else 0)
    data = b"".join(part(p, six) for p in got)
    assert len(got) == 3 and data[8:] == packets.payload(3000, 5100)
    fw.app.expect_drops({"rule": 1})


def pieces(whole: Packet, six: bool, ident: int) -> list[Packet]:
    if not six:
        whole[IP].id = ident
        return packets.fragments(whole, 1200)
    head = whole[IPv6].copy()
    head.remove_payload()
    cut = fragment6(head / IPv6ExtHdrFragment(id=ident) / whole[IPv6].payload, 1280)
    return [Ether(src=whole.src, dst=whole.dst) / piece for piece in cut]


def part(packet: Packet, six: bool) -> bytes:
    """The bytes of the datagram that a fragment carries."""
    if six:
        return bytes(packet[IPv6])[48 : 40 + packet[IPv6].plen]
    return bytes(packet[IP])[20 : packet[IP].len]


@BOTH
def test_a_flow_has_its_two_sides_and_no_third(fw: Firewall, six: bool) -> None:
    """Replies come from where the flow went; whoever sends them from elsewhere is no part of it.

    Steps: begin a flow from the left; send its reply from the left too, and then from the right.
    Check: the first is dropped as flow_zone, the second arrives.
    """
    fw.policy([IN])
    pair = (LEFT6, RIGHT6) if six else (LEFT, RIGHT)
    assert len(fw.sent(packets.udp(fw.macs(), pair, sport=5200))) == 1
    forged = packets.udp(fw.macs(), pair[::-1], sport=9, dport=5200)
    assert fw.sent(forged, want=0) == []
    fw.app.expect_drops({"flow_zone": 1})
    reply = packets.udp(fw.macs(False), pair[::-1], sport=9, dport=5200)
    assert len(fw.sent(reply, inwards=False)) == 1


# A host inside that answers nothing: a SYN to it stays half-open.
SILENT = "10.0.2.99"
SHORT = {
    "flows": 1024,
    "timeouts": {"half_open": "1s", "unanswered": "1s", "icmp": "1s", "udp": "4s", "closed": "1s"},
}


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    """A firewall between hosts with room for 1,024 flows that forgets them in seconds."""
    config = {"conntrack": SHORT, "neighbours": [neighbour("lan", SILENT, "02:00:00:00:00:99")]}
    with firewall_between_hosts(tmp_path_factory.mktemp("impatient"), config) as made:
        yield made


def expired(fw: Firewall, what: str) -> int:
    return fw.app.since_start("weir_flows_expired_total", "class").get(what, 0)


def is_answered(client: socket.socket, server: socket.socket) -> tuple[str, int] | None:
    """Ask: the peer that the server saw, None if the flow was forgotten before the answer."""
    client.settimeout(0.5)
    client.sendto(b"question", (LEFT, 7001))
    question, peer = server.recvfrom(100)
    server.sendto(b"answer", peer)
    try:
        return peer if (question, client.recv(100)) == (b"question", b"answer") else None
    except TimeoutError:
        return None


def test_silent_flows_are_forgotten(impatient: Firewall) -> None:
    """Each kind after its time: what was answered stays longer than what was not.

    Steps: send UDP that nobody answers and UDP that is answered, and ping; wait for their ends.
    Check: the unanswered one ends first; each is counted as expired; a late reply is dropped.
    """
    fw = impatient
    fw.policy([OUT])
    with listening(fw.outside, LEFT, 7001, socket.SOCK_DGRAM) as server:
        with listening(fw.inside, RIGHT, 7002, socket.SOCK_DGRAM) as client:
            client.sendto(b"nobody", (FAR, 9))
            peer = until(lambda: is_answered(client, server), what="an answer in time")
            assert peers.ping(fw.inside, LEFT, count=1).received == 1
            until(lambda: {f["orig"]["dport"] for f in fw.flows(proto="udp")} == {7001})
            until(lambda: fw.flows() == [], timeout=20, what="the end of all flows")
            fw.app.mark()
            server.sendto(b"late", peer)
            fw.app.expect_drops({"rule": 1})


def test_a_flood_of_syns_fills_the_table_and_a_client_does_not_notice(
    impatient: Firewall, tmp_path: Path
) -> None:
    """Half-open connections make room, established ones do not.

    Steps: hold an open connection; while 30,000 SYNs from made-up sources come in by the other side,
    fetch files by curl, one after the other, from the same server.
    Check: the flood is let in and evicts itself, counted as half-open; each file arrives, and no
    established flow was evicted; the open connection still works.
    """
    fw = impatient
    fw.policy([OUT, IN])
    (tmp_path / "file").write_bytes(packets.payload(20_000))
    with peers.http_server(fw.inside, tmp_path), flooding(fw, 30_000) as flood:
        with connected(fw.outside, fw.inside, RIGHT, 7009) as (client, accepted):
            assert passes(client, accepted)
            fetched = 0
            flood.set()
            while evicted(fw, "half-open") < 3000 or fetched < 5:
                assert peers.curl(fw.outside, f"http://{RIGHT}:8080/file") == packets.payload(
                    20_000
                )
                fetched += 1
            assert passes(client, accepted, b"still here")
    assert evicted(fw, "established") == 0
    assert fw.app.metric("weir_flows") <= 1024


def evicted(fw: Firewall, what: str) -> int:
    return fw.app.since_start("weir_flows_evicted_total", "class").get(what, 0)


@contextmanager
def flooding(fw: Firewall, count: int) -> Iterator[threading.Event]:
    """SYNs from the left, from sources that nobody has, in a thread, once the event is set."""
    macs = fw.macs()
    frames = []
    for n in range(count // 10):
        src = f"198.18.{n >> 8 & 255}.{n & 255}"
        syn = Ether(src=macs[0], dst=macs[1]) / IP(src=src, dst=SILENT) / TCP(dport=81, seq=n)
        frames.append(bytes(syn))
    go, end = threading.Event(), threading.Event()

    def run() -> None:
        go.wait()
        with TrafficGenerator() as tg:
            turn = 0
            while not end.is_set():
                at = turn * 64 % len(frames)
                tg.send(fw.line.left, frames[at : at + 64])
                end.wait(0.002)
                turn += 1

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield go
    finally:
        end.set()
        go.set()
        thread.join(10)
