# SPDX-License-Identifier: BSD-3-Clause
"""A writer of MaxMind databases of countries, as small as the suites need it.

MaxMind DB file format specification 2.0: a tree, 16 zeros, the records, a mark, the metadata.
"""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path
from typing import Any

Tree = list[list[Any]]  # of each node two records: None, the number of a node, or a country


def write(path: Path, countries: dict[str, str]) -> None:
    """{"192.0.2.0/24": "DE"}: prefixes of both families; what comes later goes before."""
    tree: Tree = [[None, None]]
    for prefix, country in countries.items():
        _insert(tree, _bits(prefix), country)
    records, places = b"", {}
    for country in dict.fromkeys(countries.values()):
        places[country] = len(tree) + 16 + len(records)
        records += _value({"country": {"iso_code": country}})
    packed = b"".join(_record(r, len(tree), places) for node in tree for r in node)
    path.write_bytes(packed + bytes(16) + records + b"\xab\xcd\xefMaxMind.com" + _metadata(tree))


def _bits(prefix: str) -> str:
    """The way to it in a tree of IPv6, where IPv4 is below 96 zeros."""
    net = ipaddress.ip_network(prefix)
    width = net.max_prefixlen
    way = f"{int(net.network_address):0{width}b}"[: net.prefixlen]
    return way if net.version == 6 else "0" * 96 + way


def _insert(tree: Tree, bits: str, country: str) -> None:
    at = 0
    for bit in map(int, bits[:-1]):
        if not isinstance(tree[at][bit], int):
            tree.append([tree[at][bit]] * 2)  # what stood above it is handed down
            tree[at][bit] = len(tree) - 1
        at = tree[at][bit]
    tree[at][int(bits[-1])] = country


def _record(record: Any, nodes: int, places: dict[str, int]) -> bytes:
    if record is None:
        return struct.pack(">I", nodes)
    return struct.pack(">I", record if isinstance(record, int) else places[record])


def _value(value: Any) -> bytes:
    """Maps, lists and texts of fewer than 29 parts; bytes are a value already."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        pairs = b"".join(_value(k) + _value(v) for k, v in value.items())
        return bytes([7 << 5 | len(value)]) + pairs
    if isinstance(value, list):
        return bytes([len(value), 11 - 7]) + b"".join(map(_value, value))
    text = value.encode()
    return bytes([2 << 5 | len(text)]) + text


def _u16(number: int) -> bytes:
    return b"\xa2" + struct.pack(">H", number)


def _u32(number: int) -> bytes:
    return b"\xc4" + struct.pack(">I", number)


def _u64(number: int) -> bytes:
    return b"\x08\x02" + struct.pack(">Q", number)


def _metadata(tree: Tree) -> bytes:
    return _value(
        {
            "node_count": _u32(len(tree)),
            "record_size": _u16(32),
            "ip_version": _u16(6),
            "database_type": "Toy-Country",
            "languages": [],
            "binary_format_major_version": _u16(2),
            "binary_format_minor_version": _u16(0),
            "build_epoch": _u64(42),
            "description": {},
        }
    )
