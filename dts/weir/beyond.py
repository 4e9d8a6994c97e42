# SPDX-License-Identifier: BSD-3-Clause
"""weir's TCP servers and a host of the kernel's, with a router between that harms packets.

far 203.0.113.2 === 203.0.113.1 [gate] 10.0.1.2 === 10.0.1.1 wan [weir-echo, weir-httpd]

IPv6 is the same in 2001:db8:f::/64 and 2001:db8:1::/64. The gate is the left end of the line. What it
drops in its forward hook is lost for both ends, as on a wire; a host's own hooks would tell TCP.
"""

import fcntl
import hashlib
import os
import random
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from weir.lab import Lab, Port
from weir.netns import Netns
from weir.router import LEFT, LEFT6, Config, Routed, ports, routed
from weir.wait import until

FAR, FAR6 = "203.0.113.2", "2001:db8:f::2"
NEAR, NEAR6 = "203.0.113.1", "2001:db8:f::1"

ECHO, DISCARD, CHARGEN = 7, 9, 19
LONG = "WEIR_TEST_LONG" in os.environ

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_CHUNK = 1 << 18
_OPEN = "weir_stack_tcp_open_sockets"


@dataclass(frozen=True)
class Beyond(Routed):
    """A running server, and the host beyond the gate."""

    near: Port
    """The gate's port towards the far host."""
    end: Port
    """The far host's."""

    @property
    def far(self) -> Netns:
        return self.end.netns

    @property
    def gate(self) -> Netns:
        return self.line.left.netns

    def metric(self, name: str) -> int:
        """One of the stack's figures, all workers together."""
        return int(self.app.metric(f"weir_stack_{name}"))

    def rose(self, name: str) -> int:
        """How far one of the stack's counters rose since the last mark."""
        return self.app.rose(f"weir_stack_{name}_total")

    def connections(self) -> int:
        """Those that are open; ports that listen are none, nor what is in TIME-WAIT."""
        found = {k: v for k, v in self.app.metrics().items() if k[0] == _OPEN}
        listening = [s for s in self.app.ctl("sockets", "proto", "tcp", "state", "LISTEN")]
        return int(sum(found.values())) - len(listening)


def _far(lab: Lab, left: Port, mtu: int) -> tuple[Port, Port]:
    """The far host, and the left end made a router."""
    far = lab.netns("far")
    near, end = lab.veth((left.netns, "far0"), (far, "far"), mtu)
    forwarding = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    # What a router says of itself by ICMP is limited to one a second, which two tests may share.
    unlimited = ("net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
    left.netns.run("sysctl", "-qw", *forwarding, *unlimited)
    for port, ip4, ip6 in ((left, LEFT, LEFT6), (near, NEAR, NEAR6), (end, FAR, FAR6)):
        port.sysctl("keep_addr_on_down", 1)
        port.add_address(f"{ip4}/24")
        port.add_address(f"{ip6}/64")
    for gateway in (NEAR, NEAR6):
        far.run("ip", "route", "add", "default", "via", gateway)
    return near, end


@contextmanager
def beyond(
    directory: Path, config: Config, program: str = "weir-echo", mtu: int = 1500
) -> Iterator[Beyond]:
    """A server behind the gate. mtu is of both links, and of the server's port."""
    whole: Config = {
        "ports": ports({"mtu": mtu}),
        "routes": [{"to": "0.0.0.0/0", "via": LEFT}, {"to": "::/0", "via": LEFT6}],
    }
    if program == "weir-echo":
        whole["echo"] = {"udp": ECHO, "tcp": ECHO, "discard": DISCARD, "chargen": CHARGEN}
    with Lab() as lab:
        line = lab.line(mtu=mtu, ipv6=True)
        near, end = _far(lab, line.left, mtu)
        with routed(directory, line, whole | config, program) as r:
            yield Beyond(r.line, r.app, r.tg, r.sut, near, end)


# ---- harm ----


@contextmanager
def nftables(netns: Netns, chain: str, rules: str) -> Iterator[None]:
    """A chain of a namespace during the block: its hook with its priority, and its rules."""
    text = f"table inet harm {{ chain c {{ type filter hook {chain}; {rules}; }}; }}"
    netns.run("nft", "-f", "-", stdin=text)
    try:
        yield
    finally:
        netns.run("nft", "delete", "table", "inet", "harm")


@contextmanager
def lossy(gate: Netns, percent: int) -> Iterator[None]:
    """The gate loses so many percent of the packets, in each direction, at random."""
    rules = f"numgen random mod 100 < {percent} counter drop" if percent > 0 else "accept"
    with nftables(gate, "forward priority 0", rules):
        yield


class _Detour:
    """A thread that gives packets back to the kernel a little later than it got them."""

    def __init__(self, gate: Netns) -> None:
        self._stop, self._stopped = os.pipe()
        with gate.inside():
            self._tun = os.open("/dev/net/tun", os.O_RDWR)
            name = struct.pack("16sH22x", b"detour", _IFF_TUN | _IFF_NO_PI)
            fcntl.ioctl(self._tun, _TUNSETIFF, name)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.packets = 0

    def _run(self) -> None:
        while select.select([self._tun, self._stop], [], [])[0] == [self._tun]:
            os.write(self._tun, os.read(self._tun, 1 << 16))
            self.packets += 1

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        os.write(self._stopped, b"x")
        self._thread.join(5)
        for fd in (self._tun, self._stop, self._stopped):
            os.close(fd)


@contextmanager
def reordering(gate: Netns, one_of: int, what: str = "meta l4proto tcp") -> Iterator[_Detour]:
    """One of so many packets goes by a detour through a program, and is overtaken by others."""
    detour = _Detour(gate)
    off = " && ".join(f"sysctl -qw net.ipv4.conf.{name}.rp_filter=0" for name in ("all", "detour"))
    ways = " && ".join(
        f"ip {family} route add default dev detour table 100 && "
        f"ip {family} rule add fwmark 1 lookup 100"
        for family in ("-4", "-6")
    )
    gate.run("sh", "-c", f"ip link set detour mtu 9000 up && {off} && {ways}")
    rules = f'iifname != "detour" {what} numgen random mod {one_of} 0 meta mark set 1'
    detour.start()
    try:
        with nftables(gate, "prerouting priority raw", rules):
            yield detour
    finally:
        detour.close()
        for family in ("-4", "-6"):
            gate.run("ip", family, "rule", "del", "fwmark", "1")


# ---- a client of the kernel's ----


def dialled(
    netns: Netns, address: str, port: int = ECHO, timeout: float = 40.0, source: str = ""
) -> socket.socket:
    """A TCP connection from inside a namespace; the caller closes it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with netns.inside():
        made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.settimeout(timeout)
        if source:
            made.bind((source, 0))
        made.connect((address, port))
    except BaseException:
        made.close()
        raise
    return made


_RANDOM = random.Random(5).randbytes(1 << 20)


def pieces(size: int) -> Iterator[memoryview]:
    """So many bytes, none of which is easily taken for another: a megabyte, a byte further each time."""
    block = memoryview(_RANDOM * 2)
    for n, begin in enumerate(range(0, size, 1 << 20)):
        shift = n % (1 << 20)
        yield block[shift : shift + min(1 << 20, size - begin)]


def digest_of(size: int) -> str:
    digest = hashlib.blake2b()
    for piece in pieces(size):
        digest.update(piece)
    return digest.hexdigest()


def received(sock: socket.socket) -> tuple[int, str]:
    """How many bytes come until the end, and their digest."""
    digest, total, buffer = hashlib.blake2b(), 0, memoryview(bytearray(_CHUNK))
    while n := sock.recv_into(buffer):
        digest.update(buffer[:n])
        total += n
    return total, digest.hexdigest()


@contextmanager
def sending(sock: socket.socket, size: int) -> Iterator[None]:
    """A thread sends so many bytes and ends our direction, during the block."""
    failed: list[OSError] = []

    def run() -> None:
        try:
            for piece in pieces(size):
                sock.sendall(piece)
            sock.shutdown(socket.SHUT_WR)
        except OSError as e:
            failed.append(e)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    thread.join(30)
    assert not thread.is_alive() and not failed, f"not all was sent: {failed}"


def goes_round(netns: Netns, address: str, size: int, source: str = "") -> None:
    """So many bytes go to the echo and come back, both ways at once; their checksum is right."""
    with dialled(netns, address, ECHO, source=source) as sock, sending(sock, size):
        assert received(sock) == (size, digest_of(size))


def shown_by_ss(netns: Netns, sock: socket.socket) -> str:
    """What `ss -ti` says of a connection of this namespace."""
    port = sock.getsockname()[1]
    return netns.run("ss", "-Htinoa", f"sport = :{port}").stdout


def nothing_is_left(net: Beyond, timeout: float = 30.0) -> None:
    """All connections are gone, and no buffer is held by what was."""
    until(lambda: net.connections() == 0, timeout, "the end of all connections")
