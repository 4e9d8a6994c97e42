# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall between two networks, and what lies behind: hosts, sockets, made-up connections.

far 203.0.113.2 === [gate] 10.0.1.2 === 10.0.1.1 wan [weir-firewall] lan 10.0.2.1 === 10.0.2.2 right

The outside is on the left: the gate is a router of the kernel's, and the link behind it is narrow.
IPv6 is the same in 2001:db8:1::/64, 2001:db8:2::/64 and 2001:db8:f::/64.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weir.lab import Lab, Line, Port
from weir.netns import Netns
from weir.router import (
    LAN,
    LAN6,
    LEFT,
    LEFT6,
    RIGHT,
    RIGHT6,
    SMALL,
    WAN,
    WAN6,
    Config,
    Routed,
    give_addresses,
    known,
    ports,
    routed,
)

from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from weir import packets
from weir.wait import until

FAR, FAR6 = "203.0.113.2", "2001:db8:f::2"
NARROW = 1280
WAIT_S = 15
"""How long a socket of ours waits for what must come."""

_CLOSING = ("FIN_WAIT", "CLOSE_WAIT", "LAST_ACK")

# What outlives a test but not the module's patience; weir-firewall reads these at its start alone.
CONNTRACK: Config = {"flows": 8192}

ALL: Config = {"name": "all", "action": "accept"}
OUT: Config = {"name": "out", "from": "lan", "to": "wan", "action": "accept"}
IN: Config = {"name": "in", "from": "wan", "to": "lan", "action": "accept"}
PING: Config = {"name": "ping", "to": "self", "proto": ["icmp", "icmp6"], "action": "accept"}


def rule(name: str, action: str = "accept", **more: Any) -> Config:
    """One rule; `from_` is its key "from"."""
    return {"name": name, "action": action} | {k.rstrip("_"): v for k, v in more.items()}


def steered(wan: Config | None = None, lan: Config | None = None) -> Config:
    """The section `ports`: all that comes in is the firewall's."""
    everything: Config = {"steer": "all"}
    return ports(everything | (wan or {}), everything | (lan or {}))


@dataclass(frozen=True)
class Firewall(Routed):
    """A running weir-firewall, whose policy a test sets in one line."""

    first: Config = field(default_factory=dict)
    """The configuration that it was started with, less what is a policy."""
    beyond: Netns | None = None
    """Who is beyond the gate, if there is one."""

    @property
    def far(self) -> Netns:
        assert self.beyond is not None, "between silent ends there is no gate"
        return self.beyond

    @property
    def outside(self) -> Netns:
        return self.line.left.netns

    @property
    def inside(self) -> Netns:
        return self.line.right.netns

    def server(self, address: str) -> Netns:
        """Whose address it is: the far host's, or the gate's."""
        return self.far if address in (FAR, FAR6) else self.outside

    def config(self, rules: list[Config], default: str = "drop", **sections: Any) -> Config:
        return self.first | {"firewall": {"default": default, "rules": rules}} | sections

    def policy(self, rules: list[Config], default: str = "drop", **sections: Any) -> None:
        """A policy by reload, no flow left of before, and figures that count from here on.

        Connections that are about to end may do so first, for their last packets are drops without
        them.
        """
        until(lambda: not self._closing(), what="the end of connections of before")
        self.app.reload(self.config(rules, default, **sections))
        self.app.ask("flows_kill", all=True)
        self.app.mark()

    def _closing(self) -> list[dict[str, Any]]:
        return [f for f in self.flows(proto="tcp") if f["state"] in _CLOSING]

    def flows(self, **which: Any) -> list[dict[str, Any]]:
        """Flows of all workers, by addr, proto and port."""
        return list(self.app.ask("flows", **which))

    def counted(self) -> dict[str, int]:
        """Packets that each rule has counted since it was made, "default" too."""
        return {one["name"]: one["packets"] for one in self.app.ask("rules")}

    def sent(
        self, packets_: list[Packet] | Packet, inwards: bool = True, want: int | None = None
    ) -> list[Packet]:
        """Send from the left to the right, or back: what arrives there of IP."""
        a, b = (self.line.left, self.line.right) if inwards else (self.line.right, self.line.left)
        batch = packets_ if isinstance(packets_, list) else [packets_]
        count = len(batch) if want is None else want
        quiet = 0.02 if count else 0.1
        with self.tg.capture(b, count, is_ip, timeout=10, quiet=quiet) as seen:
            self.tg.send(a, batch)
        return seen.packets

    def macs(self, inwards: bool = True) -> tuple[str, str]:
        """Of a frame to the firewall."""
        line = self.line
        return (line.left.mac, line.wan.mac) if inwards else (line.right.mac, line.lan.mac)


def is_ip(packet: Packet) -> bool:
    """No ARP, no neighbour discovery."""
    return packet.type in (0x0800, 0x86DD) and "ICMPv6ND" not in packet.summary()


@contextmanager
def _started(
    directory: Path, line: Line, config: Config, far: Netns | None = None
) -> Iterator[Firewall]:
    whole: Config = {"ports": steered(), "conntrack": CONNTRACK} | config
    whole["limits"] = SMALL | config.get("limits", {})
    with routed(directory, line, whole, "weir-firewall") as r:
        yield Firewall(r.line, r.app, r.tg, r.sut, whole, far)


@contextmanager
def firewall_between_silent_ends(
    directory: Path, config: Config | None = None
) -> Iterator[Firewall]:
    """For made-up packets: both ends are known and say nothing by themselves."""
    with Lab() as lab:
        line = lab.line()
        with _started(directory, line, {"neighbours": known(line)} | (config or {})) as made:
            yield made


def _gate(lab: Lab, left: Port) -> Netns:
    """The far network behind the left host, over a narrow link; large segments are not agreed on
    from the start, so that someone must say that they are too large."""
    far = lab.netns("far")
    near, end = lab.veth((left.netns, "far0"), (far, "far"), mtu=NARROW)
    left.netns.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    for port, host in ((near, 1), (end, 2)):
        port.add_address(f"203.0.113.{host}/24")
        port.add_address(f"2001:db8:f::{host}/64")
    for gateway in ("203.0.113.1", "2001:db8:f::1"):
        far.run("ip", "route", "add", "default", "via", gateway, "advmss", "1440")
    return far


@contextmanager
def firewall_between_hosts(directory: Path, config: Config | None = None) -> Iterator[Firewall]:
    """For real programs: the ends are the kernel's, and the left one is the gate to a far host."""
    with Lab() as lab:
        line = lab.line(ipv6=True)
        far = _gate(lab, line.left)
        give_addresses(line.left, (LEFT, LEFT6), (WAN, WAN6))
        give_addresses(line.right, (RIGHT, RIGHT6), (LAN, LAN6))
        routes = [{"to": "0.0.0.0/0", "via": LEFT}, {"to": "::/0", "via": LEFT6}]
        with _started(directory, line, {"routes": routes} | (config or {}), far) as made:
            yield made


@contextmanager
def listening(
    netns: Netns, address: str, port: int = 0, kind: socket.SocketKind = socket.SOCK_STREAM
) -> Iterator[socket.socket]:
    """A socket of ours that is bound inside a namespace; of TCP it listens."""
    with netns.inside():
        made = socket.socket(_family(address), kind)
    with made:
        made.settimeout(WAIT_S)
        if kind == socket.SOCK_STREAM:  # of UDP two could have the port then, and one of them starve
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        if kind == socket.SOCK_STREAM:
            made.listen(64)
        yield made


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def dialled(netns: Netns, address: str, port: int, source: str = "") -> socket.socket:
    """A TCP connection from inside a namespace; the caller closes it."""
    with netns.inside():
        made = socket.socket(_family(address), socket.SOCK_STREAM)
    try:
        made.settimeout(WAIT_S)
        if source:
            made.bind((source, 0))
        made.connect((address, port))
    except BaseException:
        made.close()
        raise
    return made


@contextmanager
def connected(
    client: Netns, server: Netns, address: str, port: int
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """An established connection of two kernels: its client's end and its server's."""
    with listening(server, "::" if ":" in address else "0.0.0.0", port) as listener:
        with dialled(client, address, port) as one:
            two, _ = listener.accept()
            with two:
                two.settimeout(WAIT_S)
                yield one, two


def forsaken(*ends: socket.socket) -> None:
    """They close by a RST, and send nothing again that was dropped."""
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def passes(a: socket.socket, b: socket.socket, data: bytes = b"hello") -> bool:
    """Whether bytes go both ways over a connection."""
    for x, y in ((a, b), (b, a)):
        x.sendall(data)
        if read_exactly(y, len(data)) != data:
            return False
    return True


def seen_from(
    server: Netns, client: Netns, address: str, port: int, at: str = "", there: int = 0
) -> tuple[str, int]:
    """As whom a server sees a client that connects to an address, and that both hear each other.

    at and there: the server's own address and port, if they are others.
    """
    with listening(
        server, "::" if ":" in (at or address) else "0.0.0.0", there or port
    ) as listener:
        with dialled(client, address, port) as one:
            two, peer = listener.accept()
            with two:
                two.settimeout(WAIT_S)
                assert passes(one, two)
    return peer[0], peer[1]


def asked(
    server: Netns,
    client: Netns,
    source: str,
    address: str,
    port: int,
    sport: int = 0,
    there: int = 0,
    sizes: tuple[int, ...] = (10,),
) -> tuple[str, int]:
    """As whom a server sees a client that asks by UDP and gets answers of the same sizes."""
    udp = socket.SOCK_DGRAM
    with listening(server, "::" if ":" in address else "0.0.0.0", there or port, udp) as s:
        with listening(client, source, sport, udp) as c:
            for size in sizes:
                c.sendto(b"q" * size, (address, port))
                question, peer = s.recvfrom(65536)
                s.sendto(b"a" * size, peer)
                assert (question, c.recv(65536)) == (b"q" * size, b"a" * size)
    return peer[0], peer[1]


def read_exactly(s: socket.socket, size: int) -> bytes:
    """So many bytes; fewer, if the other side ends."""
    got = b""
    while len(got) < size:
        more = s.recv(size - len(got))
        if not more:
            break
        got += more
    return got


@dataclass
class Conversation:
    """A TCP connection that the test plays itself, both ends: left asks, right answers."""

    fw: Firewall
    sport: int = 40000
    dport: int = 80
    six: bool = False
    seq: int = 1000
    ack: int = 500000

    def packet(
        self, flags: str, left: bool = True, data: bytes = b"", seq: int = 0, ack: int = 0
    ) -> Packet:
        """A segment of the left end, or of the right one; seq and ack are moved by these."""
        pair = (LEFT6, RIGHT6) if self.six else (LEFT, RIGHT)
        there, back = (self.sport, self.dport), (self.seq + seq, self.ack + ack)
        if not left:
            pair, there = pair[::-1], there[::-1]
            back = (self.ack + seq, self.seq + ack)
        head = TCP(
            sport=there[0],
            dport=there[1],
            flags=flags,
            seq=back[0] % 2**32,
            ack=back[1] % 2**32 if "A" in flags else 0,
            window=8192,
        )
        macs = self.fw.macs(left)
        return Ether(src=macs[0], dst=macs[1]) / packets.ip(*pair) / head / Raw(data)

    def say(
        self, flags: str, left: bool = True, data: bytes = b"", seq: int = 0, ack: int = 0
    ) -> bool:
        """Send one; whether it came out on the other side."""
        want = (self.sport, self.dport) if left else (self.dport, self.sport)
        seen = self.fw.sent(self.packet(flags, left, data, seq, ack), left, want=1)
        return [(p[TCP].sport, p[TCP].dport) for p in seen if TCP in p] == [want]

    def is_refused(
        self, flags: str, left: bool = True, data: bytes = b"", seq: int = 0, ack: int = 0
    ) -> bool:
        """Send one; whether it was dropped as one that fits no connection, and nothing came out."""
        self.fw.app.mark()
        seen = self.fw.sent(self.packet(flags, left, data, seq, ack), left, want=0)
        self.fw.app.expect_drops({"flow_invalid": 1})
        return seen == []

    def open(self) -> "Conversation":
        """The handshake."""
        assert self.say("S")
        self.seq += 1
        assert self.say("SA", left=False)
        self.ack += 1
        assert self.say("A")
        return self
