# SPDX-License-Identifier: BSD-3-Clause
"""`ipset save` (ipset(8)): what -m set looks in."""

import shlex
from dataclasses import dataclass, field

from importer.box import Box, Untranslated
from importer.fields import set_name
from importer.model import ALTERNATIVES_MAX, Report, Unusable
from importer.spans import ADDRESSES4, ADDRESSES6, Spans, address_range, prefix, prefixes
from importer.words import named, port, proto
from importer.words import ICMP6_TYPES, ICMP_TYPES

_KINDS = {"ip": "address", "net": "address", "port": "port"}


@dataclass
class Made:
    """A set."""

    parts: list[str]  # "address", "port", or another, which has no equivalent
    family: Spans
    elements: list[list[str]] = field(default_factory=list)
    excepted: list[list[str]] = field(default_factory=list)


def _address(text: str) -> Spans:
    low, dash, high = text.partition("-")
    return address_range(low, high) if dash else prefix(text)


class Sets:
    """All sets of a file."""

    def __init__(self, report: Report) -> None:
        self.words: dict[str, list[str]] = {}
        self._made: dict[str, Made] = {}
        self._names: dict[str, str] = {}
        self._report = report

    def read(self, name: str, text: str) -> None:
        for number, raw in enumerate(text.splitlines(), 1):
            try:
                words = shlex.split(raw, comments=True)
                if words:
                    self._line(words)
            except (ValueError, IndexError) as why:
                raise Unusable(f"{name}:{number}: this line is not understood: {why}") from None

    def _line(self, words: list[str]) -> None:
        if len(words) < 3:
            raise ValueError("too few words")
        if words[0] == "create":
            method, _, parts = words[2].partition(":")
            if method not in ("hash", "bitmap", "list"):
                raise ValueError(f"a set of type {words[2]}")
            six = "inet6" in words[3:]
            self._made[words[1]] = Made(
                [_KINDS.get(part, part) for part in parts.split(",")],
                ADDRESSES6 if six else ADDRESSES4,
            )
        elif words[0] == "add":
            self._add(words[1], words[2], words[3:])
        else:
            raise ValueError(f"{words[0]!r} is neither create nor add")

    def _add(self, name: str, element: str, about: list[str]) -> None:
        if name not in self._made:
            raise ValueError(f"set {name} is not there")
        if "timeout" in about and about[about.index("timeout") + 1] != "0":
            self._report.lost(
                f"set {name}",
                "its elements with a timeout are left out; `weirctl set add` takes them with theirs",
            )
            return
        made = self._made[name]
        (made.excepted if "nomatch" in about else made.elements).append(element.split(","))

    def boxes(self, name: str, sides: list[str], negated: bool) -> list[Box]:
        """What packets are in a set: sides are src or dst for each part of an element."""
        made = self._made.get(name)
        if made is None:
            raise Untranslated(f"set {name} is not known: give `ipset save` with --ipset")
        if any(part not in ("address", "port") for part in made.parts):
            raise Untranslated(f"set {name} of {','.join(made.parts)} has no equivalent")
        if len(sides) < len(made.parts) or any(side not in ("src", "dst") for side in sides):
            raise Untranslated(f"set {name} is asked about {','.join(sides)}")
        if made.parts == ["address"]:
            return self._addresses(name, made, sides[0], negated)
        if negated or made.excepted or len(made.elements) > ALTERNATIVES_MAX:
            raise Untranslated(f"set {name} of pairs, negated or too large, has no equivalent")
        found = [self._joined(made, element, sides) for element in made.elements]
        return [box for box in found if box is not None]

    def _addresses(self, name: str, made: Made, side: str, negated: bool) -> list[Box]:
        dimension = "source" if side == "src" else "destination"
        values = Spans.of(p for one in made.elements for p in _address(one[0]).pairs)
        values = values - Spans.of(p for one in made.excepted for p in _address(one[0]).pairs)
        if name not in self._names:
            safe = set_name(name)
            if safe in self.words:
                raise Untranslated(f"two sets would be called {safe}")
            self._names[name] = safe
            self.words[safe] = prefixes(values)
        values = Spans(values.pairs, self._names[name])
        return [Box.of(dimension, made.family - values if negated else values & made.family)]

    def _joined(self, made: Made, element: list[str], sides: list[str]) -> Box | None:
        if len(element) != len(made.parts):
            raise ValueError(f"element {','.join(element)} has other parts than its set")
        met: Box | None = Box()
        for part, value, side in zip(made.parts, element, sides):
            if part == "address":
                box = Box.of("source" if side == "src" else "destination", _address(value))
            else:
                box = _port("sport" if side == "src" else "dport", value)
            met = met.meet(box) if met is not None else None
        return met


def _port(side: str, text: str) -> Box:
    """`tcp:80`, `80`, `udp:1000-2000`, `icmp:8/0`; a bitmap of ports has no protocol."""
    protocol, _, number = text.rpartition(":")
    if protocol in ("icmp", "icmpv6"):
        kind, _, code = number.partition("/")
        at = named(kind, ICMP6_TYPES if protocol == "icmpv6" else ICMP_TYPES, 255) * 256
        ends = (at + int(code), at + int(code)) if code else (at, at + 255)
        box, values = Box.of("icmp", Spans((ends,))), proto(protocol)
    else:
        low, dash, high = number.partition("-")
        box = Box.of(side, Spans.of([(port(low), port(high) if dash else port(low))]))
        if not protocol:
            return box
        values = proto(protocol)
    met = box.meet(Box.of("proto", Spans(((values, values),))))
    assert met is not None, "they are different properties"
    return met
