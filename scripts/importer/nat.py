# SPDX-License-Identifier: BSD-3-Clause
"""Chains of translation as the two lists of nat."""

from collections.abc import Iterator
from itertools import islice

from importer.box import NEW, Box, Untranslated
from importer.filters import Names, Out
from importer.model import ALTERNATIVES_MAX, Chain, Report, Rule, Ruleset, Unusable, Verdict
from importer.page import Value
from importer.render import Addresses, as_value, layers
from importer.spans import ADDRESSES4, ADDRESSES6, with_length
from importer.walk import Walk
from importer.zones import Zones

Records = Iterator[dict[str, Value]]

RULES_MAX = 2048  # in a list
POOL_MAX = 256

LISTS = {"prerouting": "destination", "postrouting": "source"}
_KINDS = {
    "source": ("none", "masquerade", "snat", "one_to_one"),
    "destination": ("none", "dnat", "one_to_one"),
}


class Translation:
    """The rules of one hook; a Sink of Walk."""

    def __init__(
        self, ruleset: Ruleset, zones: Zones, addresses: Addresses, report: Report
    ) -> None:
        self.out: dict[str, list[Out]] = {"source": [], "destination": []}
        self._ruleset = ruleset
        self._zones = zones
        self._addresses = addresses
        self._report = report
        self._names = Names()
        self._list = ""
        self._count = 0

    def translate(self) -> None:
        for hook, name in LISTS.items():
            self._list, self._count = name, 0
            bases = [
                chain
                for chain in self._ruleset.chains.values()
                if chain.kind == "nat" and chain.hook == hook
            ]
            for base in sorted(bases, key=lambda chain: chain.priority):
                if base.policy != "accept":
                    self._report.lost(base.where, "a policy that drops where it translates")
                box = Box()
                if base.family != "inet":
                    family = ADDRESSES4 if base.family == "ip" else ADDRESSES6
                    box = Box.of("source", family)
                Walk(self._ruleset.chains, [base], self, self._report).run(box)

    def remark(self, rule: Rule) -> None:
        for what in rule.lost:
            self._report.lost(rule.where, what)

    def policy(self, chain: Chain, box: Box, final: bool) -> None:
        if not final:
            self.rule(Rule(f"{chain.where}, policy", f"{self._list}-none"), box, Verdict("none"))

    def rule(self, rule: Rule, box: Box, verdict: Verdict) -> None:
        if verdict.kind == "count" or not box.get("state") & NEW:
            return
        kind = "none" if verdict.kind == "accept" else verdict.kind
        try:
            if kind not in _KINDS[self._list]:
                raise Untranslated(f"{kind} has no equivalent here")
            found = list(islice(self._records(rule, box, kind, verdict), ALTERNATIVES_MAX + 1))
            if len(found) > ALTERNATIVES_MAX:
                raise Untranslated(f"it needs more than {ALTERNATIVES_MAX} rules")
        except Untranslated as why:
            self._report.lost(rule.where, f"{why}; it is left out")
            return
        self._count += len(found)
        if self._count > RULES_MAX:
            raise Unusable(
                f"{rule.where}: with it nat.{self._list} has more than {RULES_MAX} rules"
            )
        text = f"{rule.where}: {rule.text}" if rule.text else rule.where
        notes = [rule.comment] if rule.comment else []
        if found:
            self.out[self._list].append(Out(text, notes, found))

    def _records(self, rule: Rule, box: Box, kind: str, verdict: Verdict) -> Records:
        if box.limit is not None:
            raise Untranslated("translation has no limit")
        for side in ("sport", "icmp", "flags", "dscp", "vlan"):
            if not box.is_whole(side):
                raise Untranslated(f"translation cannot match its {side}")
        ends = self._ends(box)
        sides = self._addresses.sides(box, box.get("proto"))
        if sides is None:
            return
        for layer in layers(box):
            for proto in _each(layer.get("proto")):
                for dport in _each(layer.get("dport")):
                    record: dict[str, Value] = {"name": self._names.take(rule.name)}
                    record |= ends
                    for key, words in zip(("source", "destination"), sides):
                        if words:
                            record[key] = as_value(words)
                    if proto:
                        record["proto"] = proto
                    if dport:
                        record["dport"] = dport
                    record["action"] = kind
                    yield record | self._what(kind, verdict, dport)

    def _ends(self, box: Box) -> dict[str, Value]:
        out: dict[str, Value] = {}
        for name in ("from", "to"):
            span = box.get(name)
            if box.is_whole(name):
                continue
            if name == "to" and self._list == "destination":
                raise Untranslated("where it leaves is not known before it is translated")
            words = self._zones.words(span & self._zones.all)
            if not words:
                raise Untranslated("no interface is known that it is about")
            out[name] = as_value(words)
        return out

    @staticmethod
    def _what(kind: str, verdict: Verdict, dport: str) -> dict[str, Value]:
        if kind == "dnat":
            address, port = verdict.to, verdict.ports
            if "-" in port:
                if port != dport:
                    raise Untranslated(f"it spreads over ports {port}")
                port = ""
            if port and "-" in dport:
                raise Untranslated("all of a range of ports become one port")
            if port:
                return {"forward": f"[{address}]:{port}" if ":" in address else f"{address}:{port}"}
            return {"forward": address}
        if kind == "one_to_one":
            return {"inside": with_length(verdict.inside), "pool": with_length(verdict.pool[0])}
        out: dict[str, Value] = {}
        if kind == "snat":
            if len(verdict.pool) > POOL_MAX:
                raise Untranslated(f"its pool is more than {POOL_MAX} prefixes")
            out["pool"] = as_value([with_length(word) for word in verdict.pool])
        if kind in ("snat", "masquerade") and verdict.ports:
            out["ports"] = verdict.ports
        return out


def _each(value: Value | None) -> list[str]:
    """The words of a record's list, [""] if there are none."""
    if value is None:
        return [""]
    return value if isinstance(value, list) else [str(value)]
