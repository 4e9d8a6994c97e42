# SPDX-License-Identifier: BSD-3-Clause
"""Chains of the hooks forward, input and output as rules between zones."""

from dataclasses import dataclass, field
from itertools import islice

from importer.box import ESTABLISHED, INVALID, NEW, SELF, Box, Limit, Untranslated
from importer.model import ALTERNATIVES_MAX, Chain, Report, Rule, Ruleset, Unusable, Verdict
from importer.page import Value, printable
from importer.render import Addresses, as_value, layers
from importer.spans import ADDRESSES4, ADDRESSES6, Spans
from importer.walk import Walk
from importer.zones import Zones

RULES_MAX = 65534
NAME_MAX = 63
COMMENT_MAX = 255

HOOKS = ("forward", "input", "output")
_SELF = Spans(((SELF, SELF),))
_FAMILIES = {4: ("ip", ADDRESSES4), 6: ("ip6", ADDRESSES6)}


@dataclass
class Out:
    """What is to be written for a rule: comments, and records."""

    about: str
    notes: list[str] = field(default_factory=list)
    records: list[dict[str, Value]] = field(default_factory=list)


class Names:
    """Unique names of rules."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._count: dict[str, int] = {}

    def take(self, wish: str) -> str:
        base = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in wish)
        base = base[: NAME_MAX - 7]
        name = base
        while name in self._taken:
            self._count[base] = self._count.get(base, 1) + 1
            name = f"{base}.{self._count[base]}"
        self._taken.add(name)
        return name


def limit_record(limit: Limit) -> dict[str, Value]:
    out: dict[str, Value] = {"rate": limit.rate, "burst": limit.burst}
    if limit.per != "rule":
        out["per"] = limit.per
    if limit.over:
        out["over"] = True
    return out


class Filters:
    """The rules of all hooks; a Sink of Walk."""

    def __init__(
        self, ruleset: Ruleset, zones: Zones, addresses: Addresses, report: Report
    ) -> None:
        self.out: list[Out] = []
        self.default = "drop"
        self.notes: list[str] = []
        self._ruleset = ruleset
        self._zones = zones
        self._addresses = addresses
        self._report = report
        self._names = Names()
        self._hook = ""
        self._count = 0

    def translate(self) -> None:
        ends = {(hook, f): self._end(hook, f) for hook in HOOKS for f in self._ruleset.known}
        if set(ends.values()) == {"accept"} and len(self._ruleset.known) == 2:
            self.default = "accept"
        for hook in HOOKS:
            self._hook = hook
            bases = {f: self._bases(hook, f) for f in self._ruleset.known}
            if len(bases) == 2 and bases[4] == bases[6]:
                self._run(bases[4], self._where(hook))
                continue
            for f, chains in bases.items():
                self._run(chains, self._where(hook, _FAMILIES[f][1]))
        for f in {4, 6} - set(self._ruleset.known):
            self.notes.append(f"IPv{f}: its rules were not given, so weir drops it.")

    def _where(self, hook: str, family: Spans | None = None) -> Box | None:
        """The packets of a hook; None: there are none."""
        box: Box | None = Box()
        for name, values in (
            ("from", _SELF if hook == "output" else self._zones.all),
            ("to", _SELF if hook == "input" else self._zones.all),
        ):
            if values and box is not None:
                box = box.meet(Box.of(name, values))
        if family is not None and box is not None:
            box = box.meet(Box.of("source", family))
        return box

    def _bases(self, hook: str, family: int) -> list[Chain]:
        name = _FAMILIES[family][0]
        found = [
            chain
            for chain in self._ruleset.chains.values()
            if chain.kind == "filter" and chain.hook == hook and chain.family in (name, "inet")
        ]
        found.sort(key=lambda chain: chain.priority)
        deciding = [chain for chain in found if self._can_refuse(chain)]
        return deciding or found[:1]

    def _can_refuse(self, chain: Chain) -> bool:
        """Whether anything but accept can come of a chain; else a later one decides as well."""
        if chain.policy != "accept":
            return True
        seen, ahead = set(), [chain]
        while ahead:
            at = ahead.pop()
            if at.key in seen:
                continue
            seen.add(at.key)
            for rule in at.rules:
                if rule.lost or rule.remarks:
                    return True
                for branch in rule.branches:
                    if branch.verdict.kind in ("drop", "reject", "count"):
                        return True
                    if branch.verdict.chain:
                        ahead.append(self._ruleset.chains[branch.verdict.chain])
        return False

    def _end(self, hook: str, family: int) -> str:
        """What becomes in the end of what no rule decides."""
        policies = {chain.policy for chain in self._bases(hook, family)}
        return "accept" if policies <= {"accept"} else "drop"

    def _run(self, bases: list[Chain], box: Box | None) -> None:
        if box is None:
            return
        if self._hook == "forward" and not self._zones.interfaces and bases:
            raise Unusable(
                "the ruleset names no interface: say which there are with --zone NAME=INTERFACE"
            )
        if bases:
            Walk(self._ruleset.chains, bases, self, self._report).run(box)
        elif self.default != "accept":
            empty = Chain(self._hook, f"hook {self._hook} has no chain")
            self.policy(empty, box, True)

    def remark(self, rule: Rule) -> None:
        for what in rule.lost:
            self._report.lost(rule.where, what)
        for what in rule.remarks:
            self._note(rule, what)

    def _note(self, rule: Rule, what: str) -> None:
        about = self._about(rule)
        if what not in about.notes:
            about.notes.append(what)

    def _about(self, rule: Rule) -> Out:
        text = f"{rule.where}: {rule.text}" if rule.text else rule.where
        if not self.out or self.out[-1].about != text:
            self.out.append(Out(text))
        return self.out[-1]

    def policy(self, chain: Chain, box: Box, final: bool) -> None:
        if final and chain.policy == self.default:
            return
        rule = Rule(f"{chain.where}, policy", f"{self._hook}-policy")
        self.rule(rule, box, Verdict(chain.policy))

    def rule(self, rule: Rule, box: Box, verdict: Verdict) -> None:
        # Linux has the SYN proxy take untracked and invalid packets, weir those that begin a flow.
        if verdict.kind != "synproxy" and not box.get("state") & NEW:
            self._known_flows(rule, box, verdict)
            return
        try:
            records = self._records(rule, box, verdict)
        except Untranslated as why:
            self._report.lost(rule.where, f"{why}; it is left out")
            return
        if not records:
            return
        protos = [one.get("proto", "") for one in records]
        buckets = sum(len(one) if isinstance(one, list) else 1 for one in protos)
        if box.limit is not None and buckets > 1:
            self._report.lost(rule.where, f"its limit is one for each of {buckets} rules")
        self._about(rule).records += records

    def _known_flows(self, rule: Rule, box: Box, verdict: Verdict) -> None:
        """What matches no packet that begins a flow."""
        state = box.get("state")
        if verdict.kind == "accept" and (state - ESTABLISHED).pairs == ():
            self._note(rule, "weir lets packets of known flows pass without asking.")
        elif verdict.kind in ("drop", "reject") and (state - INVALID).pairs == ():
            self._note(rule, "weir drops what is invalid without asking.")
        elif verdict.kind != "count":
            self._report.lost(
                rule.where, f"weir cannot {verdict.kind} by this state; it is left out"
            )

    def _records(self, rule: Rule, box: Box, verdict: Verdict) -> list[dict[str, Value]]:
        ends = self._ends(box)
        sides = self._addresses.sides(box, box.get("proto"))
        if sides is None:
            return []
        found = list(islice(layers(box), ALTERNATIVES_MAX + 1))
        if len(found) > ALTERNATIVES_MAX:
            raise Untranslated(f"it needs more than {ALTERNATIVES_MAX} rules")
        self._count += len(found)
        if self._count > RULES_MAX:
            raise Unusable(f"{rule.where}: with it there are more than {RULES_MAX} rules")
        return [self._record(rule, ends, sides, layer, box, verdict) for layer in found]

    def _ends(self, box: Box) -> dict[str, Value]:
        """from and to. Forwarding names both, because all zones would be with self."""
        out: dict[str, Value] = {}
        for name in ("from", "to"):
            span = box.get(name)
            if span.pairs == _SELF.pairs:
                out[name] = "self"
            elif self._hook == "forward" or not (box.is_whole(name) or span == self._zones.all):
                out[name] = as_value(self._zones.words(span))
        return out

    def _record(
        self,
        rule: Rule,
        ends: dict[str, Value],
        sides: tuple[list[str], list[str]],
        layer: dict[str, Value],
        box: Box,
        verdict: Verdict,
    ) -> dict[str, Value]:
        record: dict[str, Value] = {"name": self._names.take(rule.name)}
        if rule.comment:
            record["comment"] = cut(rule.comment)
        record |= ends
        for key, words in zip(("source", "destination"), sides):
            if words:
                record[key] = as_value(words)
        record |= layer
        if box.limit is not None:
            record["limit"] = limit_record(box.limit)
        record["action"] = verdict.kind
        if verdict.log:
            record["log"] = True
        return record


def cut(comment: str) -> str:
    """A comment of a rule as long as weir takes it."""
    return printable(comment).encode()[:COMMENT_MAX].decode(errors="ignore")
