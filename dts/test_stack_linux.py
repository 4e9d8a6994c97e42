# SPDX-License-Identifier: BSD-3-Clause
"""weir's TCP against Linux's: what both agree on, how connections end, and peers that are odd."""

import hashlib
import re
import select
import signal
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from weir.beyond import CHARGEN, DISCARD, ECHO, FAR, LONG, Beyond, beyond, dialled, digest_of
from weir.beyond import goes_round, lossy, nftables, nothing_is_left, pieces, received
from weir.beyond import sending, shown_by_ss
from weir.caps import Cap, requires
from weir.router import WAN, WAN6
from weir.wait import until

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

MIB = 1 << 20
BOTH = pytest.mark.parametrize("address", (WAN, WAN6))


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beyond]:
    """weir-echo behind a gate."""
    with beyond(tmp_path_factory.mktemp("linux"), {}) as made:
        yield made


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beyond]:
    """One that lets a connection be silent for three seconds."""
    echo = {"udp": 0, "tcp": ECHO, "discard": DISCARD, "chargen": CHARGEN, "idle": "3s"}
    with beyond(tmp_path_factory.mktemp("impatient"), {"echo": echo}) as made:
        yield made


def pause(seconds: float) -> None:
    """Of a peer whose slowness is what is tested."""
    threading.Event().wait(seconds)


def echoes(sock: socket.socket, data: bytes = b"hello") -> bool:
    sock.sendall(data)
    back = b""
    while len(back) < len(data) and (more := sock.recv(len(data) - len(back))):
        back += more
    return back == data


# ---- what is agreed on ----


@BOTH
@pytest.mark.parametrize("without", ("", "timestamps", "sack", "window_scaling"))
def test_options_are_agreed_on(net: Beyond, address: str, without: str) -> None:
    """RFC 7323, RFC 2018: what Linux offers is taken, what it does not is not used.

    Steps: send a megabyte to the echo and back, with all options and without each.
    Check: `ss -ti` at Linux shows those that it offered, scaled windows both ways, and the MSS of
    the link; the checksum.
    """
    settings = {key: int(key != without) for key in ("timestamps", "sack", "window_scaling")}
    net.far.run("sysctl", "-qw", *(f"net.ipv4.tcp_{k}={v}" for k, v in settings.items()))
    try:
        with dialled(net.far, address) as sock:
            assert echoes(sock)
            shown = shown_by_ss(net.far, sock)
        goes_round(net.far, address, MIB)
    finally:
        net.far.run("sysctl", "-qw", *(f"net.ipv4.tcp_{k}=1" for k in settings))
    assert (" ts " in shown) == (without != "timestamps"), shown
    assert (" sack " in shown) == (without != "sack"), shown
    scale = re.search(r"wscale:(\d+),(\d+)", shown)
    assert (scale is None) == (without == "window_scaling"), shown
    assert scale is None or int(scale[1]) > 0, shown
    mss = 1500 - (60 if address == WAN6 else 40) - (0 if without == "timestamps" else 12)
    assert re.search(rf" mss:{mss} .*advmss:{mss} ", shown), shown


@BOTH
def test_marks_are_heeded_instead_of_losses(net: Beyond, address: str) -> None:
    """ECN (RFC 3168), both directions.

    Steps: let Linux ask for it; let the gate mark one packet of 50 of those that may be marked;
    send megabytes to the echo and back, and hold the connection.
    Check: Linux has agreed, has heard of marks from us, and has seen marked packets of ours; nothing
    was lost, so nothing was sent again.
    """
    net.app.mark()
    marks = "; ".join(
        f"{ip} ecn {ect} numgen random mod 50 0 {ip} ecn set ce"
        for ip in ("ip", "ip6")
        for ect in ("ect0", "ect1")
    )
    before = net.far.run("sysctl", "-n", "net.ipv4.tcp_ecn").stdout.strip()
    net.far.run("sysctl", "-qw", "net.ipv4.tcp_ecn=1")
    try:
        with nftables(net.gate, "forward priority 0", marks), dialled(net.far, address) as sock:
            data = b"".join(pieces(4 * MIB))
            sender = threading.Thread(target=sock.sendall, args=(data,), daemon=True)
            sender.start()
            back = bytearray()
            while len(back) < len(data):
                back += sock.recv(1 << 18)
            sender.join(20)
            shown = shown_by_ss(net.far, sock)
    finally:
        net.far.run("sysctl", "-qw", f"net.ipv4.tcp_ecn={before}")
    assert bytes(back) == data
    assert " ecn " in shown and "ecnseen" in shown, shown
    told = re.search(r"delivered_ce:(\d+)", shown)
    assert told is not None and int(told[1]) > 0, shown
    counts = net.far.run("nstat", "-asz", "IpExtInCEPkts", "Ip6InCEPkts").stdout
    assert sum(int(n) for n in re.findall(r"InCEPkts\s+(\d+)", counts)) > 0, counts
    assert net.rose("tcp_resent_segments") == 0


# ---- how it ends ----


@BOTH
def test_a_direction_that_has_ended_leaves_the_other_open(net: Beyond, address: str) -> None:
    """Half close, as Linux sees it.

    Steps: send to the echo with a full pipe, end our direction, and read only then.
    Check: Linux is in FIN-WAIT meanwhile; all comes, then the end; Linux has it in TIME-WAIT, and
    weir has nothing.
    """
    data = b"".join(pieces(300_000))
    with dialled(net.far, address) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert "FIN-WAIT" in shown_by_ss(net.far, sock)
        assert received(sock) == (len(data), hashlib.blake2b(data).hexdigest())
        port = sock.getsockname()[1]
    assert "TIME-WAIT" in net.far.run("ss", "-Htan", f"sport = :{port}").stdout
    nothing_is_left(net)


@BOTH
def test_a_reset_ends_a_connection_at_once(net: Beyond, address: str) -> None:
    """SO_LINGER with 0, in the middle of bytes both ways.

    Steps: reset 20 connections to the source of bytes, each after some of them.
    Check: each was reset; none is left.
    """
    net.app.mark()
    for _ in range(20):
        with dialled(net.far, address, CHARGEN) as sock:
            sock.sendall(b"x" * 1000)
            assert sock.recv(5000)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    nothing_is_left(net)
    until(lambda: net.rose("tcp_reset_connections") == 20, what="the resets to be counted")


@BOTH
def test_a_peer_that_is_killed_leaves_nothing(net: Beyond, address: str) -> None:
    """SIGKILL: its kernel ends what it had.

    Steps: let socat read the source slowly and write the sink; kill both.
    Check: no connection is left, on either side.
    """
    host = f"[{address}]" if ":" in address else address
    commands = (
        ("sh", "-c", f"exec socat -u TCP:{host}:{CHARGEN},rcvbuf=4096 EXEC:'sleep 60'"),
        ("socat", "-u", "OPEN:/dev/zero", f"TCP:{host}:{DISCARD}"),
    )
    net.app.mark()
    running = [net.far.popen(*command) for command in commands]
    try:
        until(lambda: net.connections() == 2, what="both connections")
        until(lambda: net.rose("tcp_in_bytes") > MIB, what="bytes on their way")
    finally:
        for process in running:
            process.send_signal(signal.SIGKILL)
            process.wait(20)
    nothing_is_left(net)


@BOTH
def test_a_wire_that_is_cut_ends_in_silence(impatient: Beyond, address: str) -> None:
    """The far host is gone: nobody says so.

    Steps: let bytes flow both ways; lose all packets.
    Check: within the time that a connection may be silent all is forgotten; when the wire is whole
    again, the peer who goes on is told by a reset.
    """
    with dialled(impatient.far, address) as sock, dialled(impatient.far, address, CHARGEN) as deaf:
        assert echoes(sock)
        assert deaf.recv(1000)
        with nftables(impatient.gate, "forward priority 0", "drop"):
            sock.send(b"lost")
            nothing_is_left(impatient)
        with pytest.raises(ConnectionResetError):
            for _ in range(1000):
                sock.send(b"x")
                sock.recv(1)


def test_a_link_that_comes_back_goes_on(net: Beyond) -> None:
    """The peer's link is down for less than anybody's patience.

    Steps: set the link of the far host down in the middle of a transfer, for half a second
    (10 s in the long run), and up.
    Check: the checksum of what came back; timers have run out meanwhile.
    """
    size = 256 * MIB if LONG else 32 * MIB

    def flap() -> None:
        for _ in range(2):  # the second time only if it was down before there were bytes
            net.near.set("down")
            pause(10 if LONG else 0.5)
            net.near.set("up")
            until(lambda: net.rose("tcp_out_bytes") > 0, 20, "bytes on their way")
            if net.rose("tcp_rto") > 0:
                break

    net.app.mark()
    with dialled(net.far, WAN, timeout=60) as sock, sending(sock, size):
        flapping = threading.Thread(target=flap, daemon=True)
        flapping.start()
        assert received(sock) == (size, digest_of(size))
        flapping.join(20)
    assert net.rose("tcp_rto") > 0
    nothing_is_left(net)


# ---- odd peers ----


@pytest.mark.long
@BOTH
def test_a_window_that_stays_shut_opens_again(net: Beyond, address: str) -> None:
    """Zero window: the client stops reading for some time (two minutes in the long run).

    Steps: send megabytes to the echo without reading, until nothing moves; then read.
    Check: Linux has advertised no window meanwhile; weir holds no more than its buffers; all comes.
    """
    size = 32 * MIB if LONG else 6 * MIB
    with dialled(net.far, address, timeout=180 if LONG else 60) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        with sending(sock, size):
            pause(120 if LONG else 1)
            # Our window is shut for the sender in turn, who probes it.
            words = ("timer:(persist", "rwnd_limited")
            until(lambda: any(w in shown_by_ss(net.far, sock) for w in words), 20, "a shut window")
            assert received(sock) == (size, digest_of(size))
    nothing_is_left(net)


@pytest.mark.long
def test_a_lost_update_of_a_window_is_no_stall(net: Beyond) -> None:
    """RFC 9293 section 3.8.6.1: the window is probed, because what opens it may be lost.

    Steps: let the window of the client fill up; lose all that it says while it reads on; let it speak again.
    Check: all comes.
    """
    size = 8 * MIB
    net.app.mark()
    with dialled(net.far, WAN) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        with sending(sock, size):
            pause(0.5)
            with nftables(net.gate, "forward priority 0", f"ip saddr {FAR} drop"):
                head = bytearray()
                while select.select([sock], [], [], 0.3)[0]:
                    head += sock.recv(1 << 18)
            digest, total = hashlib.blake2b(head), len(head)
            while more := sock.recv(1 << 18):
                digest.update(more)
                total += len(more)
    assert (total, digest.hexdigest()) == (size, digest_of(size))


@pytest.mark.long
@BOTH
def test_a_slow_reader_gets_all_in_the_end(net: Beyond, address: str) -> None:
    """Some bytes at a time (one a second, two minutes in the long run), with a tiny buffer.

    Steps: send 128 KiB to the echo; read slowly for a time, and then the rest; another client is
    served meanwhile.
    Check: all bytes are right.
    """
    data = b"".join(pieces(MIB))[: 1 << 17]
    with dialled(net.far, address) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        with sending(sock, len(data)):
            back = bytearray()
            for _ in range(120 if LONG else 100):
                back += sock.recv(1 if LONG else 512)
                pause(1 if LONG else 0.01)
            with dialled(net.far, address) as other:
                assert echoes(other)
            while more := sock.recv(512):
                back += more
    assert bytes(back) == data
    nothing_is_left(net)


@BOTH
def test_single_bytes_by_nagle_and_without(net: Beyond, address: str) -> None:
    """Interactive traffic: many small calls, with loss.

    Steps: echo 300 single bytes one after the other, with TCP_NODELAY and without, while 2 % are
    lost; send 20,000 bytes one by one without waiting.
    Check: all come back in order; no connection is left.
    """
    with lossy(net.gate, 2):
        for nodelay in (0, 1):
            with dialled(net.far, address) as sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
                for n in range(30):
                    assert echoes(sock, bytes([n % 256]))
    with dialled(net.far, address) as sock:
        data = bytes(n % 251 for n in range(20_000))
        for n in range(len(data)):
            sock.send(data[n : n + 1])
        sock.shutdown(socket.SHUT_WR)
        assert received(sock) == (len(data), hashlib.blake2b(data).hexdigest())
    nothing_is_left(net)
