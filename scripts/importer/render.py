# SPDX-License-Identifier: BSD-3-Clause
"""A box in the words of weir's rules."""

from collections.abc import Iterator
from itertools import product

from importer.box import PROTOS_MAX, WITH_PORTS, Box
from importer.page import Value
from importer.spans import ADDRESSES, ADDRESSES4, ADDRESSES6, Spans, port_words, prefixes
from importer.words import WEIR_ICMP, WEIR_ICMP6, WEIR_PROTOS, flag_words

PORTS_MAX = 64
ADDRESSES_MAX = 64  # more become a set

_EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
_FAMILIES = {4: ADDRESSES4, 6: ADDRESSES6}
_PINNED = {1: 4, 58: 6}  # protocols of one family


def as_value(words: list[str]) -> Value:
    return words[0] if len(words) == 1 else words


def chunks(words: list[str], most: int) -> list[list[str]]:
    """Lists of at most so many; of no words one empty list."""
    return [words[i : i + most] for i in range(0, len(words), most)] or [[]]


class Addresses:
    """Words for addresses; long lists become sets."""

    def __init__(self, sets: dict[str, list[str]]) -> None:
        self.made: dict[str, list[str]] = {}
        self._used: set[str] = set()
        self._sets = sets
        self._lists: dict[tuple[str, ...], str] = {}

    def used(self) -> dict[str, list[str]]:
        """The sets that rules speak of."""
        return {n: s for n, s in (self._sets | self.made).items() if n in self._used}

    def sides(self, box: Box, protos: Spans) -> tuple[list[str], list[str]] | None:
        """Words of source and destination; None: no packet is of the box."""
        both = (box.get("source"), box.get("destination"))
        pinned = {_PINNED.get(number) for number in _few(protos)}
        families = [
            f
            for f, span in _FAMILIES.items()
            if all(side.pairs == () or side & span for side in both)
            and (None in pinned or f in pinned)
        ]
        if not families:
            return None
        wide = ADDRESSES if len(families) == 2 else _FAMILIES[families[0]]
        words = [self._words(side, wide) for side in both]
        if len(families) == 1 and pinned != {families[0]} and not any(map(_confines, words)):
            self._confine(words, both, wide, _EVERYWHERE[families[0]])
        return self._listed(words[0]), self._listed(words[1])

    def _words(self, side: Spans, wide: Spans) -> list[str]:
        if side.name:
            return [side.name]
        inside = side & wide
        if inside.pairs == wide.pairs:
            return []
        words, others = prefixes(inside), prefixes(wide - inside)
        return words if len(words) <= len(others) else ["!" + word for word in others]

    def _confine(
        self, words: list[list[str]], both: tuple[Spans, Spans], wide: Spans, everywhere: str
    ) -> None:
        """Make one side say of which family the box is."""
        for i in (0, 1):
            if not words[i]:
                words[i] = [everywhere]
                return
        words[0] = prefixes(both[0] & wide)

    def _listed(self, words: list[str]) -> list[str]:
        no = "!" if words and words[0][0] == "!" else ""
        if len(words) > ADDRESSES_MAX:
            key = tuple(word[len(no) :] for word in words)
            name = self._lists.setdefault(key, f"list-{len(self._lists) + 1}")
            while name in self._sets:
                name += "-"
            self.made[name] = list(key)
            words = [no + name]
        self._used.update(word[len(no) :] for word in words)
        return words


def _confines(words: list[str]) -> bool:
    """Whether packets of one family only can match."""
    return bool(words) and words[0][0] != "!"


def _few(protos: Spans) -> list[int]:
    return list(protos.values())


def proto_words(protos: Spans) -> list[str]:
    if len(_few(protos)) >= 255:
        return []
    return [WEIR_PROTOS.get(number, str(number)) for number in protos.values() if number != 0]


def _icmp_words(spans: Spans, six: bool) -> list[str]:
    names = WEIR_ICMP6 if six else WEIR_ICMP
    out = []
    for lo, hi in spans.pairs:
        while lo <= hi:
            kind, code = divmod(lo, 256)
            if code == 0 and lo + 255 <= hi:
                out.append(names.get(kind, str(kind)))
                lo += 256
            else:
                out.append(f"{kind}/{code}")
                lo += 1
    return out


def layers(box: Box) -> Iterator[dict[str, Value]]:
    """What a box says of protocols, ports, types, flags, classes and VLANs: a record for each of
    weir's rules that are needed."""
    protos = box.get("proto")
    if not (box.is_whole("sport") and box.is_whole("dport")):
        protos = protos & WITH_PORTS
    if not box.is_whole("flags"):
        protos = protos & Spans(((6, 6),))
    if not box.is_whole("icmp"):
        protos = protos & Spans.of([(1, 1), (58, 58)])
    parts = [protos] if box.is_whole("icmp") else [Spans(((n, n),)) for n in protos.values()]
    for part in parts:
        if not part:
            continue
        words = proto_words(part)
        types = [""] if box.is_whole("icmp") else _icmp_words(box.get("icmp"), 58 in _few(part))
        flags = [""] if box.is_whole("flags") else flag_words(box.get("flags"))
        yield from _product(box, chunks(words, PROTOS_MAX), types, flags)


def _product(
    box: Box, protos: list[list[str]], types: list[str], flags: list[str]
) -> Iterator[dict[str, Value]]:
    ports = [[] if box.is_whole(side) else port_words(box.get(side)) for side in ("sport", "dport")]
    numbers = [
        [-1] if box.is_whole(side) else list(box.get(side).values()) for side in ("dscp", "vlan")
    ]
    lists = [chunks(words, PORTS_MAX) for words in ports]
    for proto, sport, dport, kind, flag, dscp, vlan in product(
        protos, *lists, types, flags, *numbers
    ):
        out: dict[str, Value] = {}
        for key, words in (("proto", proto), ("sport", sport), ("dport", dport)):
            if words:
                out[key] = as_value(words)
        out |= {key: word for key, word in (("icmp", kind), ("tcp_flags", flag)) if word}
        if dscp >= 0:
            out["dscp"] = str(dscp)
        if vlan >= 0:
            out["vlan"] = vlan
        yield out
