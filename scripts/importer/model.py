# SPDX-License-Identifier: BSD-3-Clause
"""A ruleset as it was read, whichever tool wrote it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from importer.box import Box, Untranslated

ALTERNATIVES_MAX = 1000
NO_LOG = "weir logs what rules decide, and this one decides nothing; it is left out"

# Types and hooks of base chains that have an equivalent.
HOOKED = {
    ("filter", "forward"),
    ("filter", "input"),
    ("filter", "output"),
    ("nat", "prerouting"),
    ("nat", "postrouting"),
}


class Unusable(Exception):
    """The input is broken, or the command line is: nothing can be written."""


@dataclass(frozen=True)
class Verdict:
    """What becomes of a packet: accept, drop, reject, synproxy, count, return, jump, goto, a translation, or
    log, which decides nothing."""

    kind: str
    chain: str = ""  # of jump and goto: its key
    log: bool = False  # of what decides
    to: str = ""  # dnat
    pool: tuple[str, ...] = ()  # snat, one_to_one
    inside: str = ""  # one_to_one
    ports: str = ""  # snat, masquerade


@dataclass(frozen=True)
class Branch:
    """Some of the packets that a rule matches, and their fate."""

    box: Box
    verdict: Verdict


@dataclass
class Rule:
    where: str  # "ip filter FORWARD, line 12"
    name: str  # "forward-12", for weir
    branches: list[Branch] = field(default_factory=list)
    text: str = ""  # as the source has it, where it has one
    comment: str = ""
    remarks: list[str] = field(default_factory=list)  # what needed no translation
    lost: list[str] = field(default_factory=list)  # what could have none


@dataclass
class Chain:
    key: str
    where: str
    rules: list[Rule] = field(default_factory=list)
    kind: str = ""  # filter, nat, route; "": no base chain
    hook: str = ""
    family: str = "ip"  # ip, ip6, inet
    priority: int = 0
    policy: str = "accept"

    def is_foreign(self) -> bool:
        """Whether it is called where weir has no rules."""
        return self.hook != "" and (
            (self.kind, self.hook) not in HOOKED or self.family not in ("ip", "ip6", "inet")
        )


DECIDING = ("accept", "drop", "reject", "synproxy")

# What weir's SYN proxy offers by default, in the words of both tools.
OFFERS = {"mss 1460", "wscale 7", "timestamp", "sack-perm"}


def add_synproxy(rule: Rule, offers: set[str]) -> None:
    """What a rule's SYN proxy offers to clients, if it is not what weir's does."""
    if offers - {"ecn"} != OFFERS:
        said = ", ".join(sorted(offers)) or "nothing"
        rule.lost.append(f"its SYN proxy offers {said}; say so for all rules in firewall.synproxy")


def add_log(rule: Rule) -> None:
    """Log what a rule decides."""
    if any(branch.verdict.kind not in DECIDING for branch in rule.branches):
        rule.lost.append("weir logs what rules decide, and this one goes on")
    rule.branches = [
        replace(b, verdict=replace(b.verdict, log=b.verdict.kind in DECIDING))
        for b in rule.branches
    ]


def fold_logs(chain: Chain) -> None:
    """A rule that only logs, before one that matches the same and decides, is one with it."""
    for rule, after in zip(chain.rules, chain.rules[1:] + [Rule("", "")]):
        if not rule.branches or rule.branches[0].verdict.kind != "log":
            continue
        same = len(rule.branches) == len(after.branches) and all(
            a.box.same(b.box) and b.verdict.kind in DECIDING
            for a, b in zip(rule.branches, after.branches)
        )
        if same:
            add_log(after)
        else:
            rule.lost.append(NO_LOG)
        rule.branches = []


@dataclass
class Ruleset:
    chains: dict[str, Chain] = field(default_factory=dict)
    sets: Mapping[str, list[str]] = field(default_factory=dict)  # prefixes by the names of sets
    known: tuple[int, ...] = (4, 6)  # families that it speaks of
    tool: str = ""


class Report:
    """What could not be translated: each thing once."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self._said: set[str] = set()

    def lost(self, where: str, what: str) -> None:
        sentence = "".join(c if c.isprintable() else "?" for c in f"{where}: {what}.")
        if sentence not in self._said:
            self._said.add(sentence)
            self.sentences.append(sentence)


def product(boxes: list[Box], others: list[Box]) -> list[Box]:
    """Both at once: each of the one with each of the other."""
    if len(boxes) * len(others) > ALTERNATIVES_MAX:
        raise Untranslated(f"it has more than {ALTERNATIVES_MAX} combinations of elements")
    met = (one.meet(other) for one in boxes for other in others)
    return [box for box in met if box is not None]
