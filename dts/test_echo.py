# SPDX-License-Identifier: BSD-3-Clause
"""weir-echo: weir's own UDP and TCP, against sockets of Linux, nc, socat, and packets made up."""

import random
import socket
import threading
from collections.abc import Iterator

import pytest

from weir import peers
from weir.caps import Cap, requires
from weir.lab import Lab, Port
from weir.router import LEFT, RIGHT, RIGHT6, WAN, WAN6, LAN6, LEFT6, LAN
from weir.router import Routed, give_addresses, routed
from weir.wait import until

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

PORT = 7
# Around an MTU, and as many fragments as 20_defrag puts together (eight).
SIZES = {4: (0, 1, 2, 511, 1471, 1472, 1473, 4095, 11000), 6: (0, 1, 2, 1451, 1452, 1453, 10800)}


@pytest.fixture(scope="module", params=(1, 2), ids=("one worker", "two workers"))
def net(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """weir-echo with a host at each of its two ports."""
    config = {
        "runtime": {"workers": list(range(request.param)), "poll": "adaptive"},
        "echo": {"udp": PORT, "tcp": PORT, "discard": 9, "chargen": 19},
        "stack": {"memory": "8MiB"},
    }
    with Lab() as lab:
        line = lab.line(ipv6=True)
        give_addresses(line.left, (LEFT, LEFT6), (WAN, WAN6))
        give_addresses(line.right, (RIGHT, RIGHT6), (LAN, LAN6))
        with routed(tmp_path_factory.mktemp("echo"), line, config, "weir-echo") as made:
            yield made


def client(port: Port, address: str, timeout: float = 15.0) -> socket.socket:
    """A UDP socket of the kernel's, connected to the echo service."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with port.netns.inside():
        made = socket.socket(family, socket.SOCK_DGRAM)
    made.settimeout(timeout)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    made.connect((address, PORT))
    return made


def counted(net: Routed, name: str) -> int:
    return int(sum(net.app.since_start(name, "worker").values()))


@pytest.mark.parametrize("address", (WAN, WAN6, LAN, LAN6))
def test_datagrams_of_every_size_come_back_as_they_went(net: Routed, address: str) -> None:
    """Fragments both ways where a datagram is longer than the link, and checksums of odd bytes.

    Steps: send a datagram of each size from a connected socket of the kernel's, which takes answers
    from the address alone that it asked.
    Check: the same bytes come back.
    """
    port = net.line.left if address in (WAN, WAN6) else net.line.right
    with client(port, address) as sock:
        for size in SIZES[6 if ":" in address else 4]:
            data = random.Random(size).randbytes(size)
            sock.send(data)
            assert sock.recv(65536) == data, f"{size} bytes"


def test_an_address_of_another_port_is_ours_too(net: Routed) -> None:
    """The weak end system model (RFC 1122 section 3.3.4.2), as Linux has it.

    Steps: ask the far port's addresses from the left.
    Check: they answer.
    """
    for address in (LAN, LAN6):
        with client(net.line.left, address) as sock:
            sock.send(b"over there")
            assert sock.recv(100) == b"over there"


def test_many_clients_get_what_is_theirs(net: Routed) -> None:
    """Flows of 200 sockets, spread over the workers.

    Steps: send a datagram from each of 200 sockets, on both sides, then receive.
    Check: each gets its own; with two workers both have had some.
    """
    before = net.app.since_start("weir_echo_echoed_packets_total", "worker")
    socks = [client(side, address) for side, address in
             ((net.line.left, WAN), (net.line.right, LAN6)) for _ in range(100)]  # fmt: skip
    try:
        for n, sock in enumerate(socks):
            sock.send(b"%d" % n)
        assert [sock.recv(100) for sock in socks] == [b"%d" % n for n in range(len(socks))]
    finally:
        for sock in socks:
            sock.close()
    after = net.app.since_start("weir_echo_echoed_packets_total", "worker")
    assert all(after[worker] > before.get(worker, 0) for worker in after)


def test_nc_talks_to_it(net: Routed) -> None:
    """A program as anybody has it.

    Steps: echo a line through nc over both families.
    Check: nc prints it.
    """
    for address in (WAN, WAN6):
        done = net.line.left.netns.run(
            "timeout", "20", "nc", "-u", "-W", "1", address, str(PORT), stdin="hello\n", check=False
        )
        assert done.stdout == "hello\n"


def test_a_closed_port_is_refused_as_a_host_does(net: Routed) -> None:
    """ICMP port unreachable reaches the socket that asked.

    Steps: send to a port that nothing serves, over both families.
    Check: the kernel says ECONNREFUSED; it is the named drop.
    """
    net.app.mark()
    for address in (WAN, WAN6):
        with client(net.line.left, address) as sock:
            sock.connect((address, 4242))
            sock.send(b"anybody?")
            with pytest.raises(ConnectionRefusedError):
                sock.recv(100)
    net.app.expect_drops({"no_service": 2})


def test_a_host_forwards_nothing(net: Routed) -> None:
    """Packets for others that a wrong route brings.

    Steps: ping through it, and to it.
    Check: none comes through, each is the named drop; it answers for itself.
    """
    net.app.mark()
    for address in (RIGHT, RIGHT6):  # that they were dropped is counted, not waited for
        assert peers.ping(net.line.left.netns, address, count=2, wait=0.3).received == 0
    net.app.expect_drops({"no_forwarding": 4})
    assert peers.ping(net.line.left.netns, WAN, count=2).received == 2


def test_two_echo_services_do_not_talk_for_ever(net: Routed) -> None:
    """A datagram with the source port of a service that answers by itself (RFC 862 to 868).

    Steps: send from such ports, and from an ordinary one.
    Check: the ordinary one alone is answered; the others are counted.
    """
    before = counted(net, "weir_echo_ignored_packets_total")
    ports = (7, 13, 17, 19, 37, 4444)
    head = Ether(src=net.line.left.mac, dst=net.line.wan.mac) / IP(src=LEFT, dst=WAN)
    sent = [head / UDP(sport=port, dport=PORT) / Raw(b"x" * 20) for port in ports]
    with net.tg.capture(net.line.left, 1, lambda p: UDP in p and IP in p, quiet=0.2) as seen:
        net.tg.send(net.line.left, sent)
    assert [(p[IP].src, p[UDP].sport, p[UDP].dport) for p in seen.packets] == [(WAN, PORT, 4444)]
    until(lambda: counted(net, "weir_echo_ignored_packets_total") - before == 5, what="five ignored")


def test_lies_about_lengths_and_checksums_are_dropped_by_name(net: Routed) -> None:
    """What the stack is given was judged before, and what it judges itself.

    Steps: send a wrong checksum, no checksum (IPv4 may), a UDP length beyond the packet, one of
    less than a header, and padding behind the datagram.
    Check: the datagram without checksum and the padded one are answered, the latter without its
    padding; the others are named drops.
    """
    net.app.mark()
    head = Ether(src=net.line.left.mac, dst=net.line.wan.mac) / IP(src=LEFT, dst=WAN)
    data = Raw(b"0123456789")
    sent = [
        head / UDP(sport=5000, dport=PORT, chksum=1) / data,
        head / UDP(sport=5001, dport=PORT, chksum=0) / data,
        head / UDP(sport=5000, dport=PORT, len=60) / data,
        head / UDP(sport=5000, dport=PORT, len=4) / data,
        Ether(bytes(head / UDP(sport=5002, dport=PORT) / data)) / Raw(b"padding"),
    ]
    with net.tg.capture(net.line.left, 2, lambda p: UDP in p and IP in p, quiet=0.2) as seen:
        net.tg.send(net.line.left, sent)
    back = [(p[UDP].dport, bytes(p[UDP].payload)[:10], p[UDP].len) for p in seen.packets]
    assert sorted(back) == [(5001, b"0123456789", 18), (5002, b"0123456789", 18)]
    net.app.expect_drops({"l4_csum": 1, "l4_header": 2})


def test_a_burst_goes_back_whole(net: Routed) -> None:
    """Many passes in a row, each with its fill of datagrams.

    Steps: send 20,000 datagrams as fast as it goes; wait until nothing moves.
    Check: what sockets were given went out, and nothing was dropped for want of a buffer.
    """
    before = (counted(net, "weir_stack_udp_in_packets_total"),
              counted(net, "weir_echo_echoed_packets_total"))  # fmt: skip
    with client(net.line.left, WAN) as sock:
        for n in range(20_000):
            sock.send(b"%d" % n)

    def balance() -> bool:
        came = counted(net, "weir_stack_udp_in_packets_total") - before[0]
        went = counted(net, "weir_echo_echoed_packets_total") - before[1]
        return came == went and came > 0

    until(balance, what="as many out as in")
    assert counted(net, "weir_stack_no_mbuf_packets_total") == 0


# ---- TCP ----


def connected(port: Port, address: str, number: int = PORT, timeout: float = 30.0) -> socket.socket:
    """A TCP connection of the kernel's."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with port.netns.inside():
        made = socket.socket(family, socket.SOCK_STREAM)
    made.settimeout(timeout)
    made.connect((address, number))
    return made


def read_all(sock: socket.socket) -> bytes:
    """What comes until the peer ends."""
    parts = []
    while part := sock.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def exchanged(sock: socket.socket, data: bytes) -> bytes:
    """Send, end our direction, and read to the end at the same time."""
    sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
    sender.start()
    back = read_all(sock)
    sender.join()
    return back


@pytest.mark.parametrize("address", (WAN, WAN6, LAN, LAN6))
def test_a_stream_comes_back_and_ends_when_it_has_ended(net: Routed, address: str) -> None:
    """Echo by reference, with half-close (RFC 862).

    Steps: send 4 MiB and end, reading meanwhile.
    Check: the same bytes come back, then the end.
    """
    port = net.line.left if address in (WAN, WAN6) else net.line.right
    data = random.Random(address).randbytes(4 << 20)
    with connected(port, address) as sock:
        assert exchanged(sock, data) == data


def test_who_does_not_read_is_not_read_from(net: Routed) -> None:
    """Back pressure: the echo holds no more than its buffers.

    Steps: send without reading until nothing more is taken; then read all.
    Check: it stops within the buffers of both sides; all comes back.
    """
    with connected(net.line.left, WAN) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        data = random.Random(3).randbytes(32 << 20)
        sock.settimeout(0.5)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < len(data):
                sent += sock.send(data[sent : sent + (1 << 16)])
        assert sent < 16 << 20
        sock.settimeout(10)
        back = sock.recv(1 << 20)
        while len(back) < sent:
            back += sock.recv(1 << 20)
        assert back == data[:sent]


def test_discard_takes_all_and_chargen_gives_for_ever(net: Routed) -> None:
    """The sink and the source (RFC 863, RFC 864).

    Steps: send 4 MiB to discard and end; read from chargen 1 MiB, and go.
    Check: discard ends without a byte; chargen's lines are those of RFC 864.
    """
    with connected(net.line.left, WAN, 9) as sock:
        assert exchanged(sock, bytes(4 << 20)) == b""
    ring = bytes(range(32, 127)) * 2
    lines = b"".join(ring[n % 95 : n % 95 + 72] + b"\r\n" for n in range(95 * 150))
    with connected(net.line.left, WAN6, 19) as sock:
        got = b""
        while len(got) < 1 << 20:
            got += sock.recv(1 << 16)
    assert got[: 1 << 20] == lines[: 1 << 20]


def test_programs_as_anybody_has_them_talk_tcp_to_it(net: Routed) -> None:
    """nc and socat over both families.

    Steps: echo a text through each.
    Check: it comes back.
    """
    text = "".join(f"line {n}\n" for n in range(2000))
    for address in (WAN, WAN6):
        host = f"[{address}]" if ":" in address else address
        for command in (
            ("nc", "-N", "-w", "15", address, str(PORT)),
            ("socat", "-t15", "-", f"TCP:{host}:{PORT}"),
        ):
            done = net.line.left.netns.run("timeout", "20", *command, stdin=text)
            assert done.stdout == text, command[0]


def test_connections_are_listed_and_can_be_ended(net: Routed) -> None:
    """weirctl sockets, like ss.

    Steps: hold two connections; list; end one by its port; end all.
    Check: listeners and connections are there with their states; who was ended gets a reset.
    """
    with connected(net.line.left, WAN) as one, connected(net.line.left, WAN6) as two:
        listed = net.app.ctl("sockets")
        states = [s["state"] for s in listed]
        workers = len({s["worker"] for s in listed})
        assert states.count("LISTEN") == 3 * workers and states.count("UNCONN") == workers
        port = one.getsockname()[1]
        which = ("sockets", "port", str(port), "state", "ESTAB")
        mine = until(lambda: net.app.ctl(*which), what="the end of the handshake")
        assert [(s["ours"], s["peer"]) for s in mine] == [
            ({"addr": WAN, "port": PORT}, {"addr": LEFT, "port": port})
        ]
        assert net.app.ctl("sockets", "kill", "port", str(port)) == {"killed": 1}
        with pytest.raises(ConnectionResetError):
            one.recv(1)
        assert "say which" in net.app.refused("sockets_kill")
        assert net.app.ctl("sockets", "kill", "all")["killed"] >= 1
        with pytest.raises(ConnectionResetError):
            two.recv(1)
    assert net.app.ctl("sockets", "state", "ESTAB") == []
