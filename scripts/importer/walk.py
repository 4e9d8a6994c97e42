# SPDX-License-Identifier: BSD-3-Clause
"""Walk the chains of a hook, in the order in which a packet meets their rules.

Jumps are flattened: a rule in a chain that was jumped to becomes one that matches what both match.
What a `return` matches is taken out of what the rest of its chain is asked about, where that is one
box; else what comes behind the jump is written for it first, with what decides in the end.
"""

from collections.abc import Callable
from typing import Protocol

from importer.box import NEW, Box, Untranslated
from importer.model import Branch, Chain, Report, Rule, Unusable, Verdict

DEPTH_MAX = 16  # nftables' own
STEPS_MAX = 500_000

Decide = Callable[[Box], None]
Accept = Callable[[Rule, Box, Verdict], None]


class Sink(Protocol):
    """Who takes what was found."""

    def rule(self, rule: Rule, box: Box, verdict: Verdict) -> None:
        """A rule that is met by the packets of a box."""

    def policy(self, chain: Chain, box: Box, final: bool) -> None:
        """The end of the last chain is met by them; final: no rule comes behind."""

    def remark(self, rule: Rule) -> None:
        """What of it needs no translation, or what has none."""


class Walk:
    """The base chains of one hook and family, in the order of their priorities."""

    def __init__(
        self, chains: dict[str, Chain], bases: list[Chain], sink: Sink, report: Report
    ) -> None:
        self._chains = chains
        self._bases = bases
        self._sink = sink
        self._report = report
        self._steps = 0

    def run(self, box: Box) -> None:
        self._base(0, box, True)

    def _base(self, at: int, box: Box, final: bool) -> None:
        """What a base chain accepts goes on to the next one."""
        base = self._bases[at]
        last = at + 1 == len(self._bases)

        def accept(rule: Rule, met: Box, verdict: Verdict) -> None:
            if last or not met.get("state") & NEW:  # of known flows weir asks nobody else
                self._sink.rule(rule, met, verdict)
            else:
                self._base(at + 1, met, False)

        def policy(met: Box, tail: bool = False) -> None:
            if last or base.policy != "accept":
                self._sink.policy(base, met, tail)
            else:
                self._base(at + 1, met, tail)

        if not self._rules(base, 0, box, policy, accept, 0):
            policy(box, final)

    def _rules(
        self, chain: Chain, begin: int, box: Box, back: Decide, accept: Accept, depth: int
    ) -> bool:
        """@return whether all of the box was decided."""
        if depth > DEPTH_MAX:
            raise Unusable(f"{chain.where}: jumps go deeper than {DEPTH_MAX} chains")
        whole = True
        for at in range(begin, len(chain.rules)):
            rule = chain.rules[at]
            self._step(chain)
            self._sink.remark(rule)
            for branch in rule.branches:
                met, verdict = self._meet(rule, box, branch), branch.verdict
                if met is None:
                    continue
                same = met.same(box)
                if verdict.kind in ("jump", "goto"):
                    target = self._chains[verdict.chain]
                    away = back
                    if verdict.kind == "jump":
                        away = self._rest(chain, at + 1, back, accept, depth)
                    done = self._rules(target, 0, met, away, accept, depth + 1)
                    if same and (done or verdict.kind == "goto"):
                        return whole and done
                    if verdict.kind == "goto" and not done:
                        back(met)
                elif verdict.kind == "return":
                    if same:
                        return False
                    left = box.minus(met)
                    if left is None:
                        back(met)
                    else:
                        box, whole = left, False
                else:
                    (accept if verdict.kind == "accept" else self._sink.rule)(rule, met, verdict)
                    if same and verdict.kind != "count" and met.limit is None:
                        return whole
        return False

    def _meet(self, rule: Rule, box: Box, branch: Branch) -> Box | None:
        try:
            return box.meet(branch.box)
        except Untranslated as why:
            self._report.lost(rule.where, f"{why}; it is left out")
            return None

    def _rest(self, chain: Chain, begin: int, back: Decide, accept: Accept, depth: int) -> Decide:
        """What a packet meets that returns to a chain."""

        def rest(box: Box) -> None:
            if not self._rules(chain, begin, box, back, accept, depth):
                back(box)

        return rest

    def _step(self, chain: Chain) -> None:
        self._steps += 1
        if self._steps > STEPS_MAX:
            raise Unusable(f"{chain.where}: its jumps lead to too many rules to flatten them")
