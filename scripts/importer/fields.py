# SPDX-License-Identifier: BSD-3-Clause
"""Matches of nft: what the left side reads of a packet, and the values on the right."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from importer.box import STATES, WHOLE, WITH_PORTS, Box, Untranslated
from importer.model import ALTERNATIVES_MAX, Report
from importer.spans import ADDRESSES4, ADDRESSES6, Spans, prefix, prefixes
from importer.spans import address_range
from importer.words import DSCPS, FLAGS, ICMP6_CODES, ICMP6_TYPES, ICMP_CODES, ICMP_TYPES
from importer.words import flag_spans, named, port, proto, whole
from importer.zones import Zones

Json = Any

SET_NAME_MAX = 31
_FAMILIES = {"ip": ADDRESSES4, "ip6": ADDRESSES6, "ipv4": ADDRESSES4, "ipv6": ADDRESSES6}
_TCP = Box.of("proto", Spans(((6, 6),)))
_RELATIONS = {"<": (0, -1), "<=": (0, 0), ">": (1, 1), ">=": (1, 0)}


@dataclass(frozen=True)
class Field:
    """A property that is read: its name, one of its values, and what packets have it at all."""

    name: str
    parse: Callable[[Json], Spans]
    base: Box = Box()


def _points(number: Callable[[Json], int]) -> Callable[[Json], Spans]:
    """Values and ranges of numbers."""

    def parse(value: Json) -> Spans:
        if isinstance(value, dict) and "range" in value:
            lo, hi = (number(one) for one in value["range"])
            if lo > hi:
                raise ValueError(f"{lo}-{hi} is no range")
            return Spans(((lo, hi),))
        at = number(value)
        return Spans(((at, at),))

    return parse


def _address(family: Spans) -> Callable[[Json], Spans]:
    def parse(value: Json) -> Spans:
        if isinstance(value, dict) and "range" in value:
            found = address_range(*(str(one) for one in value["range"]))
        elif isinstance(value, dict):
            part = value["prefix"]
            found = prefix(f"{part['addr']}/{whole(part['len'], 128)}")
        else:
            found = prefix(str(value))
        if found & family != found:
            raise ValueError(f"{value} is of another family")
        return found

    return parse


def _icmp(types: dict[str, int], codes: dict[str, int], what: str) -> Callable[[Json], Spans]:
    number = _points(lambda value: named(value, types if what == "type" else codes, 255))

    def parse(value: Json) -> Spans:
        spans = number(value)
        if what == "type":
            return Spans.of((lo * 256, hi * 256 + 255) for lo, hi in spans.pairs)
        return Spans.of((t * 256 + lo, t * 256 + hi) for t in range(256) for lo, hi in spans.pairs)

    return parse


def _flags(value: Json) -> int:
    """A word, a number, or several together."""
    if isinstance(value, dict):
        value = value["|"]
    if isinstance(value, list):
        bits = 0
        for one in value:
            bits |= _flags(one)
        return bits
    return named(value, FLAGS, 255)


def _states(value: Json) -> Spans:
    words = value if isinstance(value, list) else [value]
    return Spans.of((STATES.index(word), STATES.index(word)) for word in words)


def keyed(elements: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Keys and values of a map; the one for all others comes last."""
    pairs = [(plain(key), plain(value)) for key, value in elements]
    yield from sorted(pairs, key=lambda pair: bool(pair[0] == "*"))


def plain(element: Json) -> Json:
    """An element without what nft says about it."""
    return element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element


class Fields:
    """Reads matches. It knows the zones, the sets, and addresses of this machine."""

    def __init__(self, zones: Zones, local: list[str], report: Report) -> None:
        self.sets: dict[str, list[str]] = {}
        self._zones = zones
        self._local = Spans.of(pair for word in local for pair in prefix(word).pairs)
        self._report = report
        self._made: dict[str, dict[str, Json]] = {}
        self._spans: dict[str, Spans] = {}

    def of_family(self, family: str) -> Box:
        return Box.of("source", _FAMILIES[family]) if family in _FAMILIES else Box()

    def add_set(self, made: dict[str, Json]) -> None:
        self._made[f"{made.get('family')} {made.get('table')} {made.get('name')}"] = made

    def elements(self, table: str, data: Json) -> list[Json]:
        """Of a set or map on the right: without those that expire."""
        if isinstance(data, dict):
            found = data["set"]
        else:
            where = f"{table} {str(data)[1:]}"
            if str(data)[:1] != "@" or where not in self._made:
                raise Untranslated(f"set {data} is not there")
            found = self._made[where].get("elem", [])
            lasting = [one for one in found if not _expires(one)]
            if len(lasting) < len(found):
                self._report.lost(
                    f"set {where}",
                    f"{len(found) - len(lasting)} of its elements have a timeout and are left "
                    "out; `weirctl set add` takes them with theirs",
                )
            found = lasting
        if not isinstance(found, list):
            raise ValueError("a set is no list")
        return found

    def match(self, table: str, what: dict[str, Json]) -> list[Box]:
        op, left, right = what["op"], what["left"], what["right"]
        if isinstance(left, dict) and "concat" in left:
            return self._concatenation(table, op, left, right)
        mask = None
        if isinstance(left, dict) and "&" in left:
            left, mask = left["&"]
        field = self._field(left)
        if field.name == "flags":
            values = self._flag_values(table, op, right, None if mask is None else _flags(mask))
        elif mask is not None:
            raise Untranslated("a mask has no equivalent")
        else:
            values = self._values(table, op, field, right)
        met = field.base.meet(Box.of(field.name, values))
        return [] if met is None else [met]

    def element(self, table: str, left: Json, value: Json) -> list[Box]:
        """The packets that have one key of a map."""
        if isinstance(left, dict) and "concat" in left:
            if value == "*":
                return [Box()]
            return self._joined(left["concat"], value)
        field = self._field(left)
        values = WHOLE[field.name] if value == "*" else field.parse(value)
        met = field.base.meet(Box.of(field.name, values))
        return [] if met is None else [met]

    def _joined(self, lefts: list[Json], value: Json) -> list[Box]:
        """One element of a concatenation; none of a packet that cannot be."""
        met: Box | None = Box()
        parts = value["concat"]
        if len(parts) != len(lefts):
            raise ValueError("an element has other parts than its set")
        for left, part in zip(lefts, parts):
            field = self._field(left)
            if met is not None:
                met = met.meet(field.base)
            if met is not None:
                met = met.meet(Box.of(field.name, field.parse(part)))
        return [] if met is None else [met]

    def _concatenation(self, table: str, op: str, left: Json, right: Json) -> list[Box]:
        if op not in ("==", "in"):
            raise Untranslated("not to be in a set of concatenations has no equivalent")
        if isinstance(right, dict) and "concat" in right:
            return self._joined(left["concat"], right)
        found = self.elements(table, right)
        if len(found) > ALTERNATIVES_MAX:
            raise Untranslated(f"a set of more than {ALTERNATIVES_MAX} concatenations")
        return [box for one in found for box in self._joined(left["concat"], plain(one))]

    def _values(self, table: str, op: str, field: Field, right: Json) -> Spans:
        if op in _RELATIONS:
            values = field.parse(right)
            upper, step = _RELATIONS[op]
            at, last = values.pairs[0][0] + step, WHOLE[field.name].pairs[0][1]
            ends = (max(at, 0), last) if upper else (0, at)
            return Spans((ends,) if ends[0] <= ends[1] else ())
        if isinstance(right, str) and right[:1] == "@":
            values = self._set(table, field, right)
        elif isinstance(right, dict) and "set" in right:
            values = Spans.of(
                pair for one in right["set"] for pair in field.parse(plain(one)).pairs
            )
        else:
            values = field.parse(right)
        if op in ("==", "in"):
            return values
        if op != "!=":
            raise Untranslated(f"the comparison {op} has no equivalent")
        whole_side = field.base.get(field.name) if field.base.sides else WHOLE[field.name]
        return whole_side - values

    def _flag_values(self, table: str, op: str, right: Json, mask: int | None) -> Spans:
        """Of flags, `in` is one of them at least."""
        if isinstance(right, dict) and "set" in right:
            words = [plain(one) for one in right["set"]]
        elif isinstance(right, str) and right[:1] == "@":
            words = [plain(one) for one in self.elements(table, right)]
        else:
            words = [right]
        values = Spans(())
        for word in words:
            bits = _flags(word)
            if op == "in":
                values |= WHOLE["flags"] - flag_spans(bits, 0)
            else:
                values |= flag_spans(255 if mask is None else mask, bits)
        if op not in ("==", "!=", "in"):
            raise Untranslated(f"the comparison {op} of flags has no equivalent")
        return WHOLE["flags"] - values if op == "!=" else values

    def _set(self, table: str, field: Field, right: str) -> Spans:
        """The values of a named set; sets of addresses stay sets."""
        key = f"{table} {right[1:]} {field.name}"
        if key not in self._spans:
            found = self.elements(table, right)
            values = Spans.of(pair for one in found for pair in field.parse(plain(one)).pairs)
            if field.name in ("source", "destination"):
                values = Spans(values.pairs, self._name(f"{table} {right[1:]}", values))
            self._spans[key] = values
        return self._spans[key]

    def _name(self, key: str, values: Spans) -> str:
        words = prefixes(values)
        table, name = key.split(" ", 1)[1].rsplit(" ", 1)
        for wish in (name, f"{table}-{name}", f"{key}"):
            safe = set_name(wish)
            if self.sets.setdefault(safe, words) == words:
                return safe
        raise Untranslated(f"two sets would be called {safe}")

    def _field(self, left: Json) -> Field:
        ((kind, what),) = left.items()
        if kind == "meta":
            return self._meta(what["key"])
        if kind == "ct" and what["key"] == "state":
            return Field("state", _states)
        if kind == "payload" and "protocol" in what:
            return _payload(what["protocol"], what["field"])
        if kind == "fib" and what.get("result") == "type" and what.get("flags") == ["daddr"]:
            return Field("destination", self._local_addresses)
        if kind == "ct":
            raise Untranslated(f"ct {what['key']} has no equivalent")
        if kind == "fib":
            raise Untranslated("fib has no equivalent; zones have antispoof")
        raise Untranslated(f"{kind} has no equivalent")

    def _meta(self, key: str) -> Field:
        if key in ("iif", "iifname"):
            return Field("from", lambda value: self._zones.spans(str(value)))
        if key in ("oif", "oifname"):
            return Field("to", lambda value: self._zones.spans(str(value)))
        if key == "l4proto":
            return Field("proto", _points(proto))
        if key in ("nfproto", "protocol"):
            return Field("source", _family)
        raise Untranslated(f"meta {key} has no equivalent")

    def _local_addresses(self, value: Json) -> Spans:
        if value != "local":
            raise Untranslated(f"addresses of type {value} have no equivalent")
        if not self._local:
            raise Untranslated("it needs this machine's addresses: give them with --local")
        return self._local


def _family(value: Json) -> Spans:
    if value not in _FAMILIES:
        raise Untranslated(f"protocol {value} has no equivalent")
    return _FAMILIES[value]


def _payload(protocol: str, what: str) -> Field:
    side = {"saddr": "source", "daddr": "destination", "sport": "sport", "dport": "dport"}
    if protocol in ("ip", "ip6"):
        base = Box.of("source", _FAMILIES[protocol])
        if what in ("saddr", "daddr"):
            family = _FAMILIES[protocol]
            return Field(side[what], _address(family), Box.of(side[what], family))
        if what in ("protocol", "nexthdr"):
            return Field("proto", _points(proto), base)
        if what == "dscp":
            return Field("dscp", _points(lambda value: named(value, DSCPS, 63)), base)
    ports = {"tcp": 6, "udp": 17, "sctp": 132}
    if protocol in (*ports, "th") and what in ("sport", "dport"):
        of = WITH_PORTS if protocol == "th" else Spans(((ports[protocol],) * 2,))
        return Field(side[what], _points(port), Box.of("proto", of))
    if (protocol, what) == ("tcp", "flags"):
        return Field("flags", _points(_flags), _TCP)
    if protocol in ("icmp", "icmpv6") and what in ("type", "code"):
        six = protocol == "icmpv6"
        tables = (ICMP6_TYPES, ICMP6_CODES) if six else (ICMP_TYPES, ICMP_CODES)
        number = 58 if six else 1
        return Field("icmp", _icmp(*tables, what), Box.of("proto", Spans(((number, number),))))
    if (protocol, what) == ("vlan", "id"):
        return Field("vlan", _points(lambda value: whole(value, 4095)))
    raise Untranslated(f"{protocol} {what} has no equivalent")


def _expires(element: Json) -> bool:
    if isinstance(element, list) and element:
        element = element[0]
    about = element.get("elem") if isinstance(element, dict) else None
    return isinstance(about, dict) and ("timeout" in about or "expires" in about)


def set_name(wish: str) -> str:
    """A name that is no address and no country."""
    safe = re.sub(r"[^A-Za-z0-9_-]", "-", wish)[:SET_NAME_MAX]
    try:
        ip_address(safe)
    except ValueError:
        return safe if safe[:1].isalpha() else f"set-{safe}"[:SET_NAME_MAX]
    return f"set-{safe}"
