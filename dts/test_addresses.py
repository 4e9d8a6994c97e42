# SPDX-License-Identifier: BSD-3-Clause
"""Addresses of ours: probed before others can have them, and told from others' (DAD, ACD)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from weir import packets
from weir.caps import Cap, requires
from weir.lab import Lab, Line
from weir.router import LEFT, WAN, WAN6, Config, Routed, ports, routed
from weir.wait import until

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet
from scapy.utils6 import in6_getnsma, in6_getnsmac

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)


@pytest.fixture
def linux() -> Iterator[Line]:
    """A line whose ends are Linux hosts with IPv6."""
    with Lab() as lab:
        yield lab.line(ipv6=True)


def probed(**keys: Any) -> Config:
    """The section `ports` with the default of everybody else, not of the lab: addresses are probed."""
    return {"ports": ports(wan={"dad": 1} | keys)}


def state_of(net: Routed, address: str) -> dict[str, str]:
    """What `weirctl addresses` says of an address."""
    (found,) = (a for a in net.app.ctl("addresses") if a["address"].split("/")[0] == address)
    return dict(found)


def is_(net: Routed, address: str, state: str) -> bool:
    return state_of(net, address)["state"] == state


def nothing_answers(net: Routed, packet: Packet, layer: type[Packet]) -> bool:
    with net.tg.capture(net.line.left, match=lambda p: layer in p) as seen:
        net.tg.send(net.line.left, packet)
    return len(seen) == 0


def test_an_address_that_linux_has_is_not_used(linux: Line, tmp_path: Path) -> None:
    """RFC 4862 5.4, RFC 5227 2.1: Linux answers our probes, so that its address stays its own.

    Steps: give Linux on the left both addresses of wan; start weir-httpd.
    Check: both are shown, logged with both MAC addresses and counted as duplicates; nobody is answered
    for them any more; the other port's are preferred.
    """
    linux.left.add_address(f"{WAN}/24")
    linux.left.add_address(f"{WAN6}/64")
    with routed(tmp_path, linux, probed(), "weir-httpd") as net:
        for address in (WAN, WAN6):
            until(lambda: is_(net, address, "duplicate"), what=f"{address} to be a duplicate")
            assert state_of(net, address)["also_at"] == linux.left.mac
            until(lambda: f"{address} is a dup" in net.app.log, what="the line of the log")
            (said,) = (line for line in net.app.log.splitlines() if f"{address} is a dup" in line)
            assert linux.left.mac in said and linux.wan.mac in said
        until(lambda: net.app.metric("weir_address_duplicates_total") == 2, what="both counted")
        who_has = packets.who_has(linux.left.mac, (LEFT, WAN))
        assert nothing_answers(net, who_has, ARP)


def test_linux_finds_our_addresses_taken(linux: Line, tmp_path: Path) -> None:
    """The other way round: Linux wants what we have.

    Steps: wait until our addresses are preferred; let Linux add the IPv6 one with its own detection,
    and ask by arping -D whether the IPv4 one is free.
    Check: Linux says dadfailed, arping that somebody has it; ours stay preferred.
    """
    left = linux.left
    left.sysctl("accept_dad", 1)
    with routed(tmp_path, linux, probed(), "weir-httpd") as net:
        until(lambda: is_(net, WAN6, "preferred"), what=f"{WAN6} to be preferred")
        left.netns.run("ip", "address", "add", f"{WAN6}/64", "dev", left.name)
        shown = ("ip", "-6", "address", "show", "dev", left.name)
        until(lambda: "dadfailed" in left.netns.run(*shown).stdout, what="dadfailed")
        until(lambda: is_(net, WAN, "preferred"), 15, f"{WAN} to be preferred")
        asked = left.netns.run("arping", "-D", "-I", left.name, "-c", "3", WAN, check=False)
        assert asked.returncode == 1, asked.stdout
        assert is_(net, WAN6, "preferred") and is_(net, WAN, "preferred")


def is_probe(packet: Packet) -> bool:
    return ICMPv6ND_NS in packet and packet[ICMPv6ND_NS].tgt == WAN6


def test_a_tentative_address_answers_nobody(linux: Line, tmp_path: Path) -> None:
    """Without `optimistic` an address waits for its probes, which are as RFC 4862 and 7527 say.

    Steps: start with three probes and solicit the address at once; send its probes back to it; wait.
    Check: no answer while it is tentative; probes come from :: with a nonce to the group; those that
    come back are counted, and the address becomes preferred; then it is answered for.
    """
    group = in6_getnsma(bytes(IPv6(dst=WAN6))[24:40])
    to = in6_getnsmac(group)
    who = Ether(src=linux.left.mac, dst=to) / IPv6(
        src="2001:db8:1::2", dst="ff02::1:ff00:1", hlim=255
    ) / ICMPv6ND_NS(tgt=WAN6)
    config = probed(dad=3, optimistic=False)
    with routed(tmp_path, linux, config, "weir-httpd") as net:
        assert nothing_answers(net, who, ICMPv6ND_NA)
        with net.tg.capture(linux.left, 1, is_probe) as probes:
            assert is_(net, WAN6, "tentative")
        (probe,) = probes
        assert (probe.src, probe.dst) == (linux.wan.mac, to)
        assert (probe[IPv6].src, probe[IPv6].dst) == ("::", "ff02::1:ff00:1")
        assert bytes(probe[ICMPv6ND_NS].payload)[:2] == b"\x0e\x01"
        net.tg.send(linux.left, probe)
        until(lambda: net.app.metric("weir_address_probes_looped_packets_total") == 1, what="loop")
        until(lambda: is_(net, WAN6, "preferred"), what=f"{WAN6} to be preferred")
        answer = net.tg.ask(linux.left, who, lambda p: ICMPv6ND_NA in p)
        assert answer is not None and answer[ICMPv6ND_NA].O == 1
