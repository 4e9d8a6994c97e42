# SPDX-License-Identifier: BSD-3-Clause
"""Sets of whole numbers as ranges: ports, protocols, flags, and addresses of both families.

All addresses lie on one axis, IPv6 first and IPv4 behind it, so that one set holds both.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Pair = tuple[int, int]


def _tidy(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    out: list[Pair] = []
    for lo, hi in sorted(pairs):
        if out and lo <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], hi))
        else:
            out.append((lo, hi))
    return tuple(out)


@dataclass(frozen=True)
class Spans:
    """Ranges in order, apart from each other. The name is of the set that has just these addresses,
    or `!` and that of the set that has all the others: it stays true when the set changes."""

    pairs: tuple[Pair, ...]
    name: str = ""

    @classmethod
    def of(cls, pairs: Iterable[Pair], name: str = "") -> "Spans":
        return cls(_tidy(pairs), name)

    def __bool__(self) -> bool:
        """A named set may be empty today."""
        return bool(self.pairs or self.name)

    def __and__(self, other: "Spans") -> "Spans":
        a, b = self.pairs, other.pairs
        if a and len(b) == 1 and b[0][0] <= a[0][0] and a[-1][1] <= b[0][1]:
            return self if self.name or a != b else other
        out: list[Pair] = []
        i = k = 0
        while i < len(a) and k < len(b):
            lo, hi = max(a[i][0], b[k][0]), min(a[i][1], b[k][1])
            if lo <= hi:
                out.append((lo, hi))
            if a[i][1] < b[k][1]:
                i += 1
            else:
                k += 1
        pairs = tuple(out)
        name = self.name if pairs == a and self.name else other.name if pairs == b else ""
        return Spans(pairs, name)

    def __sub__(self, other: "Spans") -> "Spans":
        rest = self & Spans(tuple(_gaps(other.pairs)))
        if other.name and self.pairs in (ADDRESSES.pairs, ADDRESSES4.pairs, ADDRESSES6.pairs):
            flipped = other.name[1:] if other.name[0] == "!" else "!" + other.name
            return Spans(rest.pairs, flipped)
        return rest

    def __or__(self, other: "Spans") -> "Spans":
        return Spans.of(self.pairs + other.pairs)

    def same(self, other: "Spans") -> bool:
        return self.pairs == other.pairs and self.name == other.name

    def values(self) -> Iterator[int]:
        for lo, hi in self.pairs:
            yield from range(lo, hi + 1)


def _gaps(pairs: tuple[Pair, ...]) -> Iterator[Pair]:
    at = 0
    for lo, hi in pairs:
        if lo > at:
            yield at, lo - 1
        at = hi + 1
    yield at, _END


_BASE4 = 1 << 128
_END = _BASE4 + (1 << 32) - 1
ADDRESSES6 = Spans(((0, _BASE4 - 1),))
ADDRESSES4 = Spans(((_BASE4, _END),))
ADDRESSES = Spans(((0, _END),))


def number(address: IPv4Address | IPv6Address) -> int:
    """The place of an address on the axis."""
    return int(address) + (_BASE4 if address.version == 4 else 0)


def prefix(text: str) -> Spans:
    """`10.0.0.0/8`, `2001:db8::1`, `10.0.0.0/255.0.0.0`. ValueError: it is none."""
    net = ip_network(text, strict=False)
    return Spans(((number(net.network_address), number(net.broadcast_address)),))


def address_range(first: str, last: str) -> Spans:
    lo, hi = ip_address(first), ip_address(last)
    if lo.version != hi.version or int(lo) > int(hi):
        raise ValueError(f"{first}-{last} is no range")
    return Spans(((number(lo), number(hi)),))


def prefixes(spans: Spans) -> list[str]:
    """The fewest prefixes that cover just these addresses, IPv4 first."""
    out: list[list[str]] = [[], []]
    for begin, end in spans.pairs:
        for base, bits, make in ((0, 128, IPv6Address), (_BASE4, 32, IPv4Address)):
            lo, hi = max(begin, base) - base, min(end, base + (1 << bits) - 1) - base
            while lo <= hi:
                room = lo & -lo or 1 << bits
                while room > hi - lo + 1:
                    room >>= 1
                length = bits - room.bit_length() + 1
                suffix = "" if length == bits else f"/{length}"
                out[bits == 128].append(f"{make(lo)}{suffix}")
                lo += room
    return out[0] + out[1]


def with_length(word: str) -> str:
    """An address as a prefix, where nothing else will do."""
    return word if "/" in word else f"{word}/{128 if ':' in word else 32}"


def port_words(spans: Spans) -> list[str]:
    """`80`, `1000-2000`."""
    return [f"{lo}" if lo == hi else f"{lo}-{hi}" for lo, hi in spans.pairs]
