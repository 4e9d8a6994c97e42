# SPDX-License-Identifier: BSD-3-Clause
"""Two programs joined over memif, DPDK's shared memory between processes: no kernel between them.

left === wan [west] link ~~~ memif ~~~ link [east] lan === right
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.lab import Lab, Port
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
    give_addresses,
    neighbour,
    ports,
)
from weir.sut import App, Sut
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

WEST, EAST = ("10.0.9.1", "2001:db8:9::1"), ("10.0.9.2", "2001:db8:9::2")


ADDRESS = {"server": "127.0.0.1:9180", "client": "127.0.0.1:9181"}
WEST_MAC, EAST_MAC = "02:00:00:00:09:01", "02:00:00:00:09:02"


def memif(role: str, socket: Path) -> str:
    """A socket in the file system, because abstract ones do not cross network namespaces.

    With a MAC address of its own, because the driver makes up another one at each start.
    """
    mac = WEST_MAC if role == "server" else EAST_MAC
    return f"net_memif0,role={role},socket={socket},socket-abstract=no,mac={mac}"


def answers(app: App) -> bool:
    """Up, but perhaps not ready: a memif has no link before its peer is there."""
    try:
        return app.get("/health")[0] == 200
    except OSError:
        return False


def router(name: str, role: str, socket: Path, own: tuple[str, str], routes: Config) -> Config:
    """The port of this name to a network of the lab, one to the other router, and routes by that."""
    link = {"device": memif(role, socket), "addresses": [f"{own[0]}/24", f"{own[1]}/64"]}
    return {
        "runtime": {"poll": "adaptive"},
        "ports": {name: ports()[name], "link": link},
        "routes": [{"to": to, "via": via} for to, via in routes.items()],
        "limits": SMALL,
    }


@dataclass(frozen=True)
class Joined:
    """The ends of both lines, and the routers between them."""

    left: Port
    wan: Port
    lan: Port
    right: Port
    west: App
    east: App

    def link_up(self) -> None:
        until(lambda: self.west.is_ready() and self.east.is_ready(), timeout=20, what="the link")

    def mark(self) -> None:
        self.west.mark()
        self.east.mark()

    def crossed(self) -> dict[str, int]:
        """Packets that each router counted at each side of each port since mark()."""
        return {
            f"{name} {port} {way}": n
            for name, app in (("west", self.west), ("east", self.east))
            for way in ("rx", "tx")
            for port, n in app.since_start(f"weir_port_{way}_packets_total", "port").items()
        }


def join(directory: Path, lab: Lab, sut: Sut, ipv6: bool, known: bool = False) -> Joined:
    """Both routers, ready; known: nobody has to ask for a MAC address."""
    left, wan = lab.veth((lab.netns("left", ipv6), "left"), (lab.netns("west", False), "wan"))
    lan, right = lab.veth((lab.netns("east", False), "lan"), (lab.netns("right", ipv6), "right"))
    socket = directory / "memif.sock"
    there = {f"{RIGHT}/32": EAST[0], f"{RIGHT6}/128": EAST[1]}
    back = {f"{LEFT}/32": WEST[0], f"{LEFT6}/128": WEST[1]}
    west_conf = router("wan", "server", socket, WEST, there)
    east_conf = router("lan", "client", socket, EAST, back)
    if known:
        west_conf["neighbours"] = [neighbour("link", address, EAST_MAC) for address in EAST]
        east_conf["neighbours"] = [
            neighbour("lan", address, right.mac) for address in (RIGHT, RIGHT6)
        ]
    west = sut.start("weir-router", west_conf, wan.netns, ready=answers)
    assert west.get("/ready") == (503, "port link is down\n")
    east = sut.start("weir-router", east_conf, lan.netns)
    made = Joined(left, wan, lan, right, west, east)
    made.link_up()
    made.mark()
    return made


@pytest.fixture
def hosts(tmp_path: Path, lab: Lab, sut: Sut) -> Joined:
    """Between two hosts of the kernel's."""
    made = join(tmp_path, lab, sut, ipv6=True)
    give_addresses(made.left, (LEFT, LEFT6), (WAN, WAN6))
    give_addresses(made.right, (RIGHT, RIGHT6), (LAN, LAN6))
    return made


def test_real_programs_reach_each_other_through_both(hosts: Joined, tmp_path: Path) -> None:
    """Ping, curl and iperf3 in both families, in both directions.

    Steps: ping with 0 to 1472 bytes; fetch a file of 3 MB with curl; send TCP for a second each way.
    Check: no ping is lost, the file is whole, at least 1 MB of TCP arrives; what one router sent by
    memif the other received, to the packet.
    """
    left, right = hosts.left.netns, hosts.right.netns
    body = packets.payload(3_000_000)
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "file").write_bytes(body)
    for to in (RIGHT, RIGHT6):
        for size in (0, 56, 1452):
            assert peers.ping(left, to, size=size).received == 3
    with peers.http_server(right, tmp_path / "www"):
        for host in (RIGHT, f"[{RIGHT6}]"):
            assert peers.curl(left, f"http://{host}:8080/file") == body
    for server, client, to in ((right, left, RIGHT), (left, right, LEFT6)):
        assert peers.iperf3(server, client, to)["sum_received"]["bytes"] > 1_000_000

    def adds_up() -> bool:
        n = hosts.crossed()
        there = n["west link tx"] == n["east link rx"]
        return there and n["east link tx"] == n["west link rx"] and n["west link tx"] > 2000

    until(adds_up, what="the same figures at both ends of the memif")


def test_each_packet_is_counted_once_at_each_port(
    tmp_path: Path, lab: Lab, sut: Sut, tg: TrafficGenerator
) -> None:
    """Nothing is lost, doubled or changed but for TTL and MAC addresses.

    Steps: send 300 UDP packets of 0 to 1448 bytes of both families from the left.
    Check: they arrive in order with a TTL lower by 2; each port of each router counted 300, and the
    first one's summary says so.
    """
    net = join(tmp_path, lab, sut, ipv6=False, known=True)
    ends, macs = ((LEFT, RIGHT), (LEFT6, RIGHT6)), (net.left.mac, net.wan.mac)
    sent = [packets.udp(macs, ends[n % 2], size=8 * (n % 182)) for n in range(300)]
    with tg.capture(net.right, count=300) as seen:
        tg.send(net.left, sent)
    for before, after in zip(sent, seen, strict=True):
        assert (after.src, after.dst) == (net.lan.mac, net.right.mac)
        if IP in after:
            assert after[IP].ttl == before[IP].ttl - 2
        else:
            assert after[IPv6].hlim == before[IPv6].hlim - 2
        body = bytes(before[UDP].payload)
        assert bytes(after[UDP].payload)[: len(body)] == body
    ways = ("west wan rx", "west link tx", "east link rx", "east lan tx")
    until(lambda: net.crossed() == {way: 300 for way in ways}, what="300 at each port")
    net.west.expect_drops({})
    net.east.expect_drops({})
    assert net.west.stop() == 0
    assert re.search(r"^link +0 +300 +0 +0$", net.west.log, re.MULTILINE), net.west.log


def test_a_killed_client_comes_back(hosts: Joined) -> None:
    """The server notices, says so, and takes the next one, while packets keep coming.

    Steps: kill -9 the client under a flow of UDP, three times; start it again.
    Check: the server is not ready in between; ping gets through after, once the neighbours are found
    again: until then the flow pushes it out of the queue of those who wait.
    """
    left, right = hosts.left.netns, hosts.right.netns
    flow = ("iperf3", "--udp", "--bitrate", "100M", "--time", "30", "--client", RIGHT)
    with peers.running(right, "iperf3", "--server"), peers.running(left, *flow):
        for _ in range(3):
            hosts.east.kill()
            until(lambda: not hosts.west.is_ready(), what="the loss of the link")
            assert hosts.west.get("/ready") == (503, "port link is down\n")
            hosts.east.start()
            hosts.link_up()
            until(lambda: peers.ping(left, RIGHT, count=1, wait=1).received == 1, 20, "a ping")
            assert peers.ping(left, RIGHT).received == 3


def test_a_killed_server_leaves_nothing_in_the_way(hosts: Joined, tmp_path: Path) -> None:
    """Its socket's file stays, and the next start takes it over; an orderly end removes it.

    Steps: kill -9 the server; start it again; restart the client, which does not dial again; stop both.
    Check: ping gets through; no file is left.
    """
    hosts.west.kill()
    assert (tmp_path / "memif.sock").is_socket()
    until(lambda: not hosts.east.is_ready(), what="the loss of the link")
    hosts.west.start(ready=answers)
    assert hosts.east.stop() == 0
    hosts.east.start()
    hosts.link_up()
    assert peers.ping(hosts.left.netns, RIGHT).received == 3
    assert hosts.east.stop() == 0 and hosts.west.stop() == 0
    assert not (tmp_path / "memif.sock").exists()


def test_a_bench_counts_what_another_one_sends(tmp_path: Path, lab: Lab, sut: Sut) -> None:
    """weir-bench at both ends, at a rate that a ring can take.

    Steps: a sink as server, txonly as client; 5000 packets of 7 flows.
    Check: the sink has each once, in order.
    """
    netns = lab.netns("bench", ipv6=False)

    def end(role: str, **section: Any) -> Config:
        return {
            "runtime": {"poll": "adaptive"},
            "ports": {"link": {"device": memif(role, tmp_path / "memif.sock")}},
            "control": {"socket": str(tmp_path / f"{role}.sock"), "http": ADDRESS[role]},
            "bench": section,
        }

    sink = sut.start("weir-bench", end("server", mode="sink"), netns, ready=answers)
    sink.mark()
    sender = sut.prepare(
        "weir-bench", end("client", mode="txonly", packets=5000, flows=7, rate="20kpps"), netns
    )
    done = sender.run()
    assert done.returncode == 0, done.stderr
    until(lambda: sink.metric("weir_bench_sink_packets_total") == 5000, what="the packets")
    for wrong in ("lost", "duplicates", "reordered"):
        total = "" if wrong == "lost" else "_total"
        assert sink.metric(f"weir_bench_sink_{wrong}_packets{total}") == 0
