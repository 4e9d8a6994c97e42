# SPDX-License-Identifier: BSD-3-Clause
"""weir-router between two networks, as most suites want it: addresses, configurations, a running one.

left 10.0.1.2 === 10.0.1.1 wan [weir-router] lan 10.0.2.1 === 10.0.2.2 right, and the same in IPv6.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from weir.lab import Lab, Line, Port
from weir.netns import Netns
from weir.sut import App, Sut
from weir.tg import TrafficGenerator

LEFT, WAN, LAN, RIGHT = "10.0.1.2", "10.0.1.1", "10.0.2.1", "10.0.2.2"
LEFT6, WAN6, LAN6, RIGHT6 = "2001:db8:1::2", "2001:db8:1::1", "2001:db8:2::1", "2001:db8:2::2"

Config = dict[str, Any]

# Small tables, so that several routers fit the hugepages of a small machine.
SMALL: Config = {"routes4": 1000, "routes6": 1000}


def ports(wan: Config | None = None, lan: Config | None = None) -> Config:
    """The section `ports` for a line; the arguments are further keys of each."""
    return {
        "wan": {"interface": "wan", "addresses": [f"{WAN}/24", f"{WAN6}/64"]} | (wan or {}),
        "lan": {"interface": "lan", "addresses": [f"{LAN}/24", f"{LAN6}/64"]} | (lan or {}),
    }


def neighbour(dev: str, address: str, mac: str) -> Config:
    return {"dev": dev, "address": address, "mac": mac}


def known(line: Line) -> list[Config]:
    """The section `neighbours` that makes both silent ends known, so that nobody is asked."""
    return [
        neighbour("wan", LEFT, line.left.mac),
        neighbour("wan", LEFT6, line.left.mac),
        neighbour("lan", RIGHT, line.right.mac),
        neighbour("lan", RIGHT6, line.right.mac),
    ]


@dataclass(frozen=True)
class Routed:
    """A line with a running weir-router, and who sends and captures."""

    line: Line
    app: App
    tg: TrafficGenerator
    sut: Sut

    @property
    def inward(self) -> tuple[str, str]:
        """The MAC addresses of a frame from the left end to the router."""
        return self.line.left.mac, self.line.wan.mac

    @property
    def outward(self) -> tuple[str, str]:
        """The MAC addresses of a frame from the router to the right end."""
        return self.line.lan.mac, self.line.right.mac

    def forwarded(self, packet: Packet) -> Packet:
        """What the right end must get of a packet that the left end sent."""
        sent = Ether(bytes(packet))
        sent.src, sent.dst = self.outward
        if IP in sent:
            sent[IP].ttl -= 1
            del sent[IP].chksum
        else:
            sent[IPv6].hlim -= 1
        return Ether(bytes(sent))

    def report(self) -> str:
        return self.sut.report()


@contextmanager
def routed(
    directory: Path, line: Line, config: Config, program: str = "weir-router"
) -> Iterator[Routed]:
    """weir-router on a line, with any configuration; its ports are wan and lan if it says nothing."""
    sut = Sut(directory)
    try:
        with TrafficGenerator() as tg:
            small = {"limits": SMALL | config.get("limits", {})}
            app = sut.start(program, {"ports": ports()} | config | small, line.sut)
            yield Routed(line, app, tg, sut)
    finally:
        sut.close()


def give_addresses(port: Port, addresses: tuple[str, str], gateways: tuple[str, str]) -> None:
    """Make the kernel behind a port a host of both families with a default route each."""
    for address, gateway, bits in zip(addresses, gateways, (24, 64)):
        port.add_address(f"{address}/{bits}")
        port.netns.run("ip", "route", "add", "default", "via", gateway)


def give_ports_addresses(host: Netns) -> None:
    """Let the kernel beside be a host: kwan and klan, its side of the ports, have their addresses."""
    host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0")
    for tap, ip4, ip6 in (("kwan", WAN, WAN6), ("klan", LAN, LAN6)):
        host.run("ip", "address", "add", f"{ip4}/24", "dev", tap)
        host.run("ip", "address", "add", f"{ip6}/64", "dev", tap, "nodad")


@contextmanager
def between_silent_ends(
    directory: Path,
    config: Config | None = None,
    neighbours: Sequence[Config] = (),
    mtu: int = 1500,
) -> Iterator[Routed]:
    """The ends are for made-up packets: they have no address, say nothing, and are known."""
    with Lab() as lab:
        line = lab.line(mtu=mtu)
        whole = {"neighbours": [*known(line), *neighbours]} | (config or {})
        with routed(directory, line, whole) as made:
            yield made


@contextmanager
def between_hosts(
    directory: Path, config: Config | None = None, mtu: int = 1500
) -> Iterator[Routed]:
    """The ends are the kernel's, with addresses and default routes: for real programs."""
    with Lab() as lab:
        line = lab.line(mtu=mtu, ipv6=True)
        give_addresses(line.left, (LEFT, LEFT6), (WAN, WAN6))
        give_addresses(line.right, (RIGHT, RIGHT6), (LAN, LAN6))
        with routed(directory, line, config or {}) as made:
            yield made
