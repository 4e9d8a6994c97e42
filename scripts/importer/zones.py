# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces, and the zones that they are in."""

import re
from fnmatch import fnmatchcase

from importer.box import SELF, Untranslated, WHOLE
from importer.model import Unusable
from importer.spans import Spans

ZONES_MAX = 31  # beside self
NAME_BYTES = 31
_INTERFACE = re.compile(r"[!-.0-9;-~]{1,15}")


def _check(name: str, what: str) -> str:
    if not _INTERFACE.fullmatch(name) or name in (".", ".."):
        raise Unusable(f"{what} {name!r} is no name of an interface")
    return name


class Zones:
    """A zone for each interface, but for those that --zone puts together."""

    def __init__(self, options: list[str], found: set[str]) -> None:
        self._zone: dict[str, str] = {}
        for option in options:
            zone, _, members = option.partition("=")
            if not zone or not members or zone == "self" or len(zone.encode()) > NAME_BYTES:
                raise Unusable(f"--zone is {option!r}, must be NAME=INTERFACE,INTERFACE")
            for name in members.split(","):
                if self._zone.setdefault(_check(name, "--zone:"), zone) != zone:
                    raise Unusable(f"--zone: {name} is in {self._zone[name]} and in {zone}")
        for name in sorted(found - {"lo", ""}):
            if "*" not in name:
                self._zone.setdefault(_check(name, "the interface"), name)
        if "self" in self._zone.values():
            raise Unusable("an interface is called self, which is us: put it into a zone")
        self.interfaces = list(self._zone)
        self._at = {name: SELF + 1 + i for i, name in enumerate(self.interfaces)}
        self.all = Spans(((SELF + 1, SELF + len(self._at)),) if self._at else ())
        if len(set(self._zone.values())) > ZONES_MAX:
            raise Unusable(f"more than {ZONES_MAX} zones: put interfaces together with --zone")

    def spans(self, pattern: str) -> Spans:
        """Those that a name is of, or a pattern that ends in `*`. lo is none of ours."""
        if pattern == "lo":
            return Spans(())
        if not pattern.endswith("*"):
            at = self._at[pattern]
            return Spans(((at, at),))
        if pattern == "*":
            return WHOLE["from"]
        escaped = pattern[:-1].replace("[", "[[]").replace("?", "[?]").replace("*", "[*]") + "*"
        found = [at for name, at in self._at.items() if fnmatchcase(name, escaped)]
        if not found:
            raise Untranslated(f"no interface is known that {pattern} is of; name them with --zone")
        return Spans.of((at, at) for at in found)

    def words(self, spans: Spans) -> list[str]:
        """The zones of interfaces."""
        inside = {name for name, at in self._at.items() if spans & Spans(((at, at),))}
        zones = list(dict.fromkeys(self._zone[name] for name in self._zone if name in inside))
        for name, zone in self._zone.items():
            if zone in zones and name not in inside:
                raise Untranslated(f"it is about a part of zone {zone}, without {name}")
        return zones

    def members(self) -> dict[str, list[str]]:
        """Zones with their interfaces."""
        out: dict[str, list[str]] = {}
        for name, zone in self._zone.items():
            out.setdefault(zone, []).append(name)
        return out
