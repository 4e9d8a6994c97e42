# SPDX-License-Identifier: BSD-3-Clause
"""UDP flows through a firewall between two veth pairs: the kernel's with nftables, or weir-firewall.

left === wan [firewall] lan === right. Frames come as from a network card's driver (live.py with
flows.bpf.c), 64 bytes, from one of so many flows in turn or each from a new one; at the far end an
XDP program drops them. Core 0 has the generator and the far end. The firewall has core 1: the thread
that runs the NAPI of wan, which is all of the kernel's forwarding, and weir's worker.
"""

import random
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from perf import cards
from perf.programs import Program, worker_cpu_ns
from perf.trials import Trial
from weir import packets
from weir.firewall import steered
from weir.lab import Line
from weir.router import LAN, LEFT, RIGHT, SMALL, WAN, Config, known
from weir.sut import App, Sut
from weir.wait import until

CLIENTS = "198.18.0.0/15"  # of flows.bpf.c
DPORT = 9
BATCH = 128  # of flows.bpf.c
ENDLESS = 1 << 30  # frames: most of them are dropped before their time
SIZE = 22  # of the payload, so that a frame has 64 bytes
FAR_POLL_US = 50  # its ring has 256 entries
# Packets that must have passed before a trial counts.
WARM = 10_000
# Flows that both have room for: the host's nf_conntrack_max, which no namespace can exceed.
TABLE = 262_144
# Of new flows a trial takes no more, so that no table is ever full.
NEW_MOST = 200_000

# libnetfilter_conntrack: IPCTNL_MSG_CT_DELETE without a tuple, to be acknowledged.
_NETLINK_NETFILTER = 12
_DELETE_ALL = struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 1 | 4, 1, 0, socket.AF_INET, 0, 0)


@dataclass(frozen=True)
class Load:
    """What is sent."""

    flows: int = 0
    """How many take turns; 0: each packet begins one."""
    rules: int = 0
    """That a new flow is compared with, none of which it meets."""
    pps: int = 0
    """At most so many; 0: all that go."""


def _frame(line: Line, load: Load, back: bool) -> bytes:
    a, b = (line.right, line.lan) if back else (line.left, line.wan)
    heads = bytes(packets.udp((a.mac, b.mac), (RIGHT, RIGHT), dport=DPORT, size=SIZE))[:-SIZE]
    gap_ns = BATCH * 1_000_000_000 // load.pps if load.pps else 0
    return heads + heads[:12] + struct.pack("<IIBB", load.flows, gap_ns, back, DPORT)


@contextmanager
def sending(line: Line, load: Load, directory: Path, back: bool = False) -> Iterator[Program]:
    port = line.right if back else line.left
    with cards.live(port, "flows", _frame(line, load, back), directory, str(ENDLESS)) as made:
        yield made


def arrived(line: Line) -> int:
    return cards.counted(line.right, "xdp_packets")


@contextmanager
def far_ends(line: Line, directory: Path) -> Iterator[None]:
    """Both ends drop what comes, in threads of their own; nothing on core 0 may hold those up."""
    with ExitStack() as stack:
        for port in (line.left, line.right):
            stack.enter_context(cards.xdp(port, "drop", directory))
            cards.moderate(port, FAR_POLL_US)
            thread = str(cards.napi_thread(port))
            subprocess.run(["chrt", "-f", "-p", "1", thread], check=True, capture_output=True)
        yield


def _answer_all(line: Line, load: Load, directory: Path) -> None:
    """A packet of each flow in both directions."""
    slow = Load(load.flows, load.rules, 100_000)
    for back, port in ((False, line.right), (True, line.left)):
        seen = partial(cards.counted, port, "xdp_packets")
        with sending(line, slow, directory, back):
            start = seen()
            until(lambda: seen() > start + 2 * load.flows, timeout=30, what="packets of each flow")


def made_rules(count: int) -> list[tuple[str, str]]:
    """Sources and ports of rules that no frame meets.

    They are the kindest to nftables: four bytes, compared in one instruction, decide. With a prefix
    of 24 bits or with ports alone a rule costs it four to six times as much.
    """
    rng = random.Random(1)
    made = []
    for _ in range(count):
        low = rng.randrange(1024, 60000)
        source = ".".join(str(byte) for byte in (20, *rng.randbytes(3)))
        made.append((source, f"{low}-{low + rng.randrange(1, 1000)}"))
    return made


# ---- the kernel ----


def _ruleset(load: Load, rest: str) -> str:
    drops = [
        f"ip saddr {source} udp dport {ports} drop" for source, ports in made_rules(load.rules)
    ]
    rules = "\n".join(["ct state established accept", *drops, rest])
    hook = "type filter hook forward priority 0; policy drop;"
    return f"flush ruleset\ntable ip t {{ chain f {{ {hook}\n{rules}\n}}\n}}\n"


def _forget_flows(line: Line) -> None:
    """The kernel's connection table, emptied by netlink."""
    with line.sut.inside():
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    with netlink:
        netlink.settimeout(30)
        netlink.send(_DELETE_ALL)
        (status,) = struct.unpack_from("=i", netlink.recv(4096), 16)
    if status != 0:
        raise RuntimeError(f"the connection table is not to be emptied: error {-status}")


@contextmanager
def _kernel(line: Line, load: Load) -> Iterator[None]:
    ns = line.sut
    ns.run("nft", "-f", "-", stdin=_ruleset(load, "accept"), timeout=60)
    ns.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    for port, address, end, peer in (
        (line.wan, WAN, LEFT, line.left),
        (line.lan, LAN, RIGHT, line.right),
    ):
        # With it a veth has a NAPI, as a network card has.
        ns.run("ethtool", "-K", port.name, "gro", "on")
        port.add_address(f"{address}/24")
        ns.run("ip", "neigh", "replace", end, "lladdr", peer.mac, "dev", port.name)
    ns.run("ip", "route", "replace", CLIENTS, "via", LEFT)
    try:
        yield
    finally:
        ns.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
        for port in (line.wan, line.lan):
            ns.run("ip", "address", "flush", "dev", port.name)
            ns.run("ethtool", "-K", port.name, "gro", "off")
        ns.run("nft", "flush", "ruleset")
        _forget_flows(line)


def by_kernel(line: Line, load: Load, directory: Path, seconds: float) -> Trial:
    """CPU time a packet of nftables with connection tracking."""
    with _kernel(line, load):
        if load.flows:
            _answer_all(line, load, directory)
            # Now those alone pass that are established: what arrives proves it.
            line.sut.run("nft", "-f", "-", stdin=_ruleset(load, "drop"))
        with sending(line, load, directory):
            return window(line, load, seconds, lambda: 0)


# ---- weir-firewall ----


def config(line: Line, rules: int, first: list[Config] | None = None, **more: Any) -> Config:
    """weir-firewall on core 1; it sleeps when there is nothing to do, so all its CPU time counts."""
    drops = [
        {"name": f"drop-{n}", "source": source, "proto": "udp", "dport": ports, "action": "drop"}
        for n, (source, ports) in enumerate(made_rules(rules))
    ]
    rest = {"name": "rest", "action": "accept"}
    return {
        "runtime": {"workers": [1], "poll": "interrupt"},
        "ports": steered(),
        "neighbours": known(line),
        "routes": [{"to": CLIENTS, "via": LEFT}],
        "conntrack": {"flows": TABLE},
        "limits": SMALL,
        "firewall": {"default": "drop", "rules": [*(first or []), *drops, rest]},
    } | more


@contextmanager
def weir(line: Line, config: Config, directory: Path) -> Iterator[App]:
    own = directory / f"weir-{time.monotonic_ns()}"
    own.mkdir()
    sut = Sut(own)
    try:
        yield sut.start("weir-firewall", config, line.sut, timeout=60)
    except Exception as error:
        raise RuntimeError(f"{error}\n{sut.report()}") from error
    finally:
        sut.close()


def by_weir(line: Line, load: Load, directory: Path, seconds: float) -> Trial:
    """CPU time a packet of weir-firewall: its worker's, and the kernel's for its sake."""
    with weir(line, config(line, load.rules), directory) as app:
        if load.flows:
            _answer_all(line, load, directory)
        with sending(line, load, directory):
            return window(line, load, seconds, lambda: worker_cpu_ns(app.pid))


# ---- both ----


def window(line: Line, load: Load, seconds: float, worker_ns: Callable[[], int]) -> Trial:
    """What the packets of some seconds cost the firewall."""
    thread = cards.napi_thread(line.wan, core=1)

    def figures() -> tuple[float, int, int, int, int]:
        entered = cards.counted(line.wan, "xdp_packets")
        return time.monotonic(), arrived(line), entered, cards.thread_ns(thread), worker_ns()

    begun, none = time.monotonic(), arrived(line)
    until(lambda: arrived(line) > none + WARM, timeout=20, what="packets at the far end")
    pps = (arrived(line) - none) / (time.monotonic() - begun)
    before = figures()
    # The length of the trial, not a wait for anything.
    time.sleep(seconds if load.flows else min(seconds, NEW_MOST / pps))
    after = figures()
    passed, n, entered, napi, worker = (b - a for a, b in zip(before, after))
    return {
        "ns": (napi + worker) / n, "kernel_ns": napi / n, "user_ns": worker / n,
        "pps_cpu": n / ((napi + worker) / 1e9), "pps": n / passed,
        "packets": n, "entered": entered, "seconds": passed,
    }  # fmt: skip
