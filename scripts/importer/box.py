# SPDX-License-Identifier: BSD-3-Clause
"""Boxes: what a rule matches, as a product of sets."""

from dataclasses import dataclass, field, replace
from types import MappingProxyType

from importer.spans import ADDRESSES, Spans

# Of `from` and `to`: us, and behind it the interfaces in order.
SELF = 0
INTERFACES_MAX = 1 << 16

STATES = ("new", "established", "related", "invalid", "untracked")
NEW = Spans(((0, 0),))
ESTABLISHED = Spans(((1, 2),))
INVALID = Spans(((3, 3),))
PORTS = Spans(((0, 65535),))

# Each property of a packet with all its values. ICMP: type * 256 + code; flags: all combinations.
WHOLE = {
    "from": Spans(((0, INTERFACES_MAX),)),
    "to": Spans(((0, INTERFACES_MAX),)),
    "source": ADDRESSES,
    "destination": ADDRESSES,
    "proto": Spans(((0, 255),)),
    "sport": PORTS,
    "dport": PORTS,
    "icmp": PORTS,
    "flags": Spans(((0, 255),)),
    "dscp": Spans(((0, 63),)),
    "vlan": Spans(((0, 4095),)),
    "state": Spans(((0, 4),)),
}

WITH_PORTS = Spans.of([(6, 6), (17, 17), (132, 132)])
PROTOS_MAX = 16


class Untranslated(Exception):
    """What has no equivalent, as the end of a sentence."""


@dataclass(frozen=True)
class Limit:
    """How often a rule matches."""

    rate: int
    burst: int
    per: str = "rule"
    over: bool = False


@dataclass(frozen=True)
class Box:
    """Packets for which each property is one of a set; a property that is not there is any."""

    sides: MappingProxyType[str, Spans] = field(default_factory=lambda: MappingProxyType({}))
    limit: Limit | None = None

    @classmethod
    def of(cls, name: str, values: Spans) -> "Box":
        return cls(MappingProxyType({name: values & WHOLE[name]}))

    def get(self, name: str) -> Spans:
        return self.sides.get(name, WHOLE[name])

    def is_whole(self, name: str) -> bool:
        return self.get(name).same(WHOLE[name])

    def meet(self, other: "Box") -> "Box | None":
        """What is in both; None: nothing."""
        sides = dict(self.sides)
        for name, values in other.sides.items():
            sides[name] = self.get(name) & values
            if not sides[name]:
                return None
        if self.limit is not None and other.limit is not None and self.limit != other.limit:
            raise Untranslated("two limits hold at the same time")
        return Box(MappingProxyType(sides), self.limit or other.limit)

    def same(self, other: "Box") -> bool:
        names = self.sides.keys() | other.sides.keys()
        return self.limit == other.limit and all(self.get(n).same(other.get(n)) for n in names)

    def minus(self, part: "Box") -> "Box | None":
        """What is left without a part of it, if that is one box; None: it is several."""
        apart = [n for n in part.sides if not self.get(n).same(part.get(n))]
        limited = part.limit is not None and self.limit is None
        if not apart and limited and part.limit is not None:
            return replace(self, limit=replace(part.limit, over=not part.limit.over))
        if len(apart) != 1 or limited:
            return None
        left = self.get(apart[0]) - part.get(apart[0])
        if apart[0] == "proto" and sum(1 for _ in left.values()) > PROTOS_MAX:
            return None
        return replace(self, sides=MappingProxyType({**self.sides, apart[0]: left}))
