# SPDX-License-Identifier: BSD-3-Clause
"""The kernel behind a TAP: what weir does not serve, the kernel does; what it routes, weir forwards."""

import shutil
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.lab import Lab
from weir.netns import Netns
from weir.router import (
    LAN,
    LAN6,
    LEFT,
    LEFT6,
    RIGHT,
    RIGHT6,
    WAN,
    WAN6,
    Routed,
    give_addresses,
    give_ports_addresses,
    ports,
    routed,
)
from weir.wait import until

from scapy.layers.inet import UDP
from scapy.layers.l2 import Ether

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

TO_KERNEL = "weir_punt_to_kernel_packets_total"
FROM_KERNEL = "weir_punt_from_kernel_packets_total"


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """A router whose ports the kernel sees as kwan and klan, and follows the kernel's routes.

    The kernel's side of each TAP has the addresses of the port, as a routing daemon needs them.
    """
    with Lab() as lab:
        line = lab.line(ipv6=True)
        give_addresses(line.left, (LEFT, LEFT6), (WAN, WAN6))
        give_addresses(line.right, (RIGHT, RIGHT6), (LAN, LAN6))
        config = {
            "ports": ports(wan={"kernel": "kwan"}, lan={"kernel": "klan"}),
            "kernel_routes": True,
        }
        with routed(tmp_path_factory.mktemp("punt"), line, config) as made:
            give_ports_addresses(line.sut)
            yield made


def test_the_tap_looks_like_the_port(net: Routed) -> None:
    """The kernel's side has the port's MAC address and MTU, and is up.

    Steps: look at kwan.
    Check: address, MTU and state.
    """
    shown = net.line.sut.run("ip", "link", "show", "dev", "kwan").stdout
    assert net.line.wan.mac in shown and "mtu 1500" in shown and "UP" in shown


@pytest.mark.parametrize("to", [WAN, f"[{WAN6}]"])
def test_a_server_of_the_kernel_is_reached_through_weir(
    counted: Routed, tmp_path: Path, to: str
) -> None:
    """TCP for an address of the port goes to the kernel, which has a server there.

    Steps: serve a file of 500 kB on the kernel beside weir; fetch it with curl from the left.
    Check: the bytes are the same; the packets are counted both ways.
    """
    content = packets.payload(500_000)
    (tmp_path / "file").write_bytes(content)
    with peers.http_server(counted.line.sut, tmp_path):
        assert peers.curl(counted.line.left.netns, f"http://{to}:8080/file") == content
    assert counted.app.rose(TO_KERNEL) >= 20 and counted.app.rose(FROM_KERNEL) >= 340


@pytest.mark.parametrize("to", [LEFT, RIGHT, LEFT6, RIGHT6])
def test_the_kernel_reaches_the_neighbours_of_the_ports(counted: Routed, to: str) -> None:
    """What the kernel sends into the TAP leaves by the port, ARP and ND included.

    Steps: ping both hosts from the kernel beside weir.
    Check: 3 answers each.
    """
    assert peers.ping(counted.line.sut, to).received == 3


def test_forwarding_does_not_touch_the_kernel(counted: Routed) -> None:
    """Packets that pass through are weir's alone.

    Steps: ping the right host from the left one, once to have the neighbours found, then 20 times.
    Check: 20 answers; the kernel got none of these packets.
    """
    left = counted.line.left.netns
    assert peers.ping(left, RIGHT).received == 3
    counted.app.mark()
    assert peers.ping(left, RIGHT, count=20).received == 20
    assert counted.app.rose(TO_KERNEL) < 20


def test_a_ping_of_the_router_is_answered_by_weir(counted: Routed) -> None:
    """Echo requests are weir's own business also where the kernel has the address.

    Steps: ping wan 10 times from the left.
    Check: 10 answers, fewer than 10 packets to the kernel.
    """
    assert peers.ping(counted.line.left.netns, WAN, count=10).received == 10
    assert counted.app.rose(TO_KERNEL) < 10


def probe(net: Routed, dst: str) -> list[str]:
    """The MAC addresses that a packet of the left end is forwarded to on the right."""
    sent = packets.udp(net.inward, (LEFT6 if ":" in dst else LEFT, dst), dport=7777)
    match = lambda p: UDP in p and p[UDP].dport == 7777  # noqa: E731
    with net.tg.capture(net.line.right, 1, match, timeout=0.3) as seen:
        net.tg.send(net.line.left, sent)
    return [p.dst for p in seen]


@pytest.mark.parametrize("to, via", [("198.51.100.0/24", RIGHT), ("2001:db8:51::/48", RIGHT6)])
def test_a_route_of_the_kernel_comes_and_goes(counted: Routed, to: str, via: str) -> None:
    """kernel_routes: `ip route` drives the forwarding.

    Steps: send a packet to a network without a route; add one to the kernel; delete it.
    Check: the packet is forwarded while the route is there, and not before or after; weirctl lists
    the route as the kernel's.
    """
    dst = str(ip_network(to)[9])
    kernel = counted.line.sut
    assert probe(counted, dst) == []
    kernel.run("ip", "route", "add", to, "via", via, "dev", "klan")
    until(lambda: probe(counted, dst) == [counted.line.right.mac], what="the route")
    (listed,) = [route for route in counted.app.ctl("routes") if route["to"] == to]
    assert (listed["source"], listed["active"]) == ("kernel", True)
    assert listed["hops"] == [{"via": via, "dev": "lan"}]
    kernel.run("ip", "route", "del", to)
    until(lambda: probe(counted, dst) == [], what="the end of the route")


def test_a_blackhole_of_the_kernel_is_one_of_ours(counted: Routed) -> None:
    """Also the routes that drop.

    Steps: add a blackhole and a prohibit route to the kernel; send packets there.
    Check: counted as blackhole and as prohibited.
    """
    kernel = counted.line.sut
    kernel.run("ip", "route", "add", "blackhole", "192.0.2.0/25")
    kernel.run("ip", "route", "add", "prohibit", "192.0.2.128/25")

    def drops() -> dict[str, int]:
        probe(counted, "192.0.2.1"), probe(counted, "192.0.2.129")
        return counted.app.drops_since_start()

    until(lambda: {"blackhole", "prohibited"} <= set(drops()), what="the routes")
    kernel.run("ip", "route", "del", "blackhole", "192.0.2.0/25")
    kernel.run("ip", "route", "del", "prohibit", "192.0.2.128/25")


BIRD = """
log stderr all;
router id {id};
protocol device {{ scan time 1; }}
protocol kernel {{ ipv4 {{ import none; export {export}; }}; learn off; persist off; }}
protocol static {{ ipv4; {static} }}
protocol bgp peer {{
    local {local} as {ours};
    neighbor {remote} as {theirs};
    direct; connect delay time 1; hold time 9;
    ipv4 {{ import all; export where source = RTS_STATIC; }};
}}
"""


def bird(directory: Path, name: str, **values: Any) -> list[str]:
    """The command line of a BIRD with a configuration of its own."""
    file = directory / f"{name}.conf"
    file.write_text(BIRD.format(**values), encoding="utf-8")
    socket = str(directory / f"{name}.sock")
    return ["bird", "-f", "-c", str(file), "-s", socket, "-P", str(directory / f"{name}.pid")]


def established(kernel: Netns, socket: Path) -> bool:
    shown = kernel.run("birdc", "-s", str(socket), "show", "protocols", "peer", check=False)
    return "Established" in shown.stdout


@pytest.mark.skipif(shutil.which("bird") is None, reason="no bird: apt-get install bird2")
def test_bird_drives_the_forwarding_by_bgp(counted: Routed, tmp_path: Path) -> None:
    """A routing daemon beside weir learns a route from its peer; weir forwards by it.

    Steps: run BIRD beside weir and on the right host; BGP goes through weir's port and TAP; the right
    one announces 198.51.100.0/24. Then end the right one.
    Check: the session comes up, packets to the network are forwarded to the right host; once the peer
    is gone they are not.
    """
    here = dict(id="10.0.2.1", export="all", static="", local=LAN, ours=65001, remote=RIGHT)
    there = dict(id="10.0.2.2", export="none", local=RIGHT, ours=65002, remote=LAN, theirs=65001)
    announced = "route 198.51.100.0/24 blackhole;"
    ours = bird(tmp_path, "here", theirs=65002, **here)
    peer = bird(tmp_path, "there", static=announced, **there)
    with peers.running(counted.line.sut, *ours):
        with peers.running(counted.line.right.netns, *peer):
            socket = tmp_path / "here.sock"
            until(lambda: established(counted.line.sut, socket), 30, "the BGP session")
            right = counted.line.right.mac
            until(lambda: probe(counted, "198.51.100.9") == [right], what="the route by BGP")
        until(lambda: probe(counted, "198.51.100.9") == [], 20, "the withdrawal")


def test_without_a_kernel_path_its_packets_are_counted(tmp_path: Path) -> None:
    """A port without `kernel` has nobody to give such packets to.

    Steps: send LLDP to a router without TAPs.
    Check: counted as punt_off.
    """
    with Lab() as lab, routed(tmp_path, lab.line(), {}) as made:
        frame = Ether(src=made.inward[0], dst="01:80:c2:00:00:0e", type=0x88CC) / (b"x" * 46)
        made.tg.send(made.line.left, frame)
        made.app.expect_drops({"punt_off": 1})


def test_the_kernel_gets_no_more_than_its_limit(tmp_path: Path) -> None:
    """limits.punt_pps, so that a flood cannot drown the kernel.

    Steps: allow 100 a second, which lets 1 through at once; send 200 datagrams for the router.
    Check: what the kernel got and what was counted as punt_full add up; most was dropped.
    """
    with Lab() as lab:
        line = lab.line()
        config = {"ports": ports(wan={"kernel": "kwan"}), "limits": {"punt_pps": "100pps"}}
        with routed(tmp_path, line, config) as made:
            flood = packets.udp(made.inward, (LEFT, WAN))
            made.tg.send(line.left, [flood] * 200)
            until(
                lambda: made.app.rose(TO_KERNEL) + made.app.drops_since_start().get("punt_full", 0)
                == 200,
                what="200 packets, given or dropped",
            )
            assert made.app.drops_since_start()["punt_full"] > 150


def test_the_taps_go_with_the_router(tmp_path: Path) -> None:
    """Nothing is left in the namespace, also after kill -9.

    Steps: start with a TAP; kill -9; start again; end it.
    Check: no TAP after either end; the second start finds no obstacle.
    """
    with Lab() as lab:
        line = lab.line()
        with routed(tmp_path, line, {"ports": ports(wan={"kernel": "kwan"})}) as made:
            made.app.kill()
            until(lambda: "kwan" not in line.sut.run("ip", "link").stdout, what="no TAP")
            made.app.start()
            assert "kwan" in line.sut.run("ip", "link").stdout
            assert made.app.stop() == 0
            assert "kwan" not in line.sut.run("ip", "link").stdout
