# SPDX-License-Identifier: BSD-3-Clause
"""Packets in one line each. Lengths and checksums are scapy's, unless a test sets them wrong."""

import random

from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

BROADCAST = "ff:ff:ff:ff:ff:ff"


def payload(size: int, seed: int = 1) -> bytes:
    """Bytes that differ from one seed to the next, and repeat with the same one."""
    return random.Random(seed).randbytes(size)


def ip(src: str, dst: str, ttl: int = 64) -> Packet:
    """The header of either version, by the addresses."""
    return IPv6(src=src, dst=dst, hlim=ttl) if ":" in dst else IP(src=src, dst=dst, ttl=ttl)


def udp(
    macs: tuple[str, str],
    addresses: tuple[str, str],
    sport: int = 1024,
    dport: int = 9,
    size: int = 18,
    ttl: int = 64,
) -> Packet:
    """UDP between (source, destination) MACs and addresses."""
    data = Raw(payload(size, sport))
    return (
        Ether(src=macs[0], dst=macs[1]) / ip(*addresses, ttl) / UDP(sport=sport, dport=dport) / data
    )


def tcp(
    macs: tuple[str, str],
    addresses: tuple[str, str],
    sport: int = 1024,
    dport: int = 80,
    flags: str = "S",
) -> Packet:
    """TCP without payload between (source, destination) MACs and addresses."""
    return (
        Ether(src=macs[0], dst=macs[1])
        / ip(*addresses)
        / TCP(sport=sport, dport=dport, flags=flags)
    )


def echo_request(
    macs: tuple[str, str], addresses: tuple[str, str], seq: int = 1, size: int = 56
) -> Packet:
    """A ping of either version."""
    kind = ICMPv6EchoRequest if ":" in addresses[1] else ICMP
    message = (
        kind(id=7, seq=seq, data=payload(size))
        if kind is ICMPv6EchoRequest
        else ICMP(id=7, seq=seq) / Raw(payload(size))
    )
    return Ether(src=macs[0], dst=macs[1]) / ip(*addresses) / message


def who_has(mac: str, addresses: tuple[str, str]) -> Packet:
    """An ARP request of mac and addresses[0] for addresses[1]."""
    return Ether(src=mac, dst=BROADCAST) / ARP(
        op="who-has", hwsrc=mac, psrc=addresses[0], pdst=addresses[1]
    )


def fragments(packet: Packet, size: int) -> list[Packet]:
    """An IPv4 packet in fragments of at most size bytes of payload."""
    return list(fragment(packet, fragsize=size))
