# SPDX-License-Identifier: BSD-3-Clause
"""Trials of two programs in turn, the ratio of each pair, and an interval for their median."""

import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"

Trial = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How long and how often."""

    pairs: int = 7
    seconds: float = 2.0
    connections: int = 1_000_000
    """Of c10m."""


@dataclass(frozen=True)
class Side:
    """One of the two: a name, and what runs one trial and returns its figures."""

    name: str
    run: Callable[[], Trial]


@dataclass(frozen=True)
class Ratio:
    """The median of the pairs' ratios, and where it lies with 95 % confidence."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ratios: Sequence[float], draws: int = 10000) -> "Ratio":
        """By bootstrap: medians of samples drawn with replacement. The same pairs give the same."""
        rng = random.Random(1)
        medians = sorted(
            statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(draws)
        )
        return cls(
            statistics.median(ratios),
            medians[int(draws * 0.025)],
            medians[int(draws * 0.975) - 1],
        )

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass
class Comparison:
    """Pairs of trials of `ours` and `peer`, and the figures of them that are to be compared."""

    title: str
    ours: str
    peer: str
    figures: dict[str, str]
    """Figure of a trial: its unit."""
    targets: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Figure: ("<=" or ">=", ratio)."""
    pairs: list[tuple[Trial, Trial]] = field(default_factory=list)

    def ratio(self, figure: str) -> Ratio:
        return Ratio.of([ours[figure] / peer[figure] for ours, peer in self.pairs])

    def median(self, side: int, figure: str) -> float:
        return float(statistics.median(pair[side][figure] for pair in self.pairs))

    def verdict(self, figure: str) -> str:
        """Whether a target holds. What the interval reaches across is neither proven nor refuted."""
        sign, limit = self.targets[figure]
        ratio = self.ratio(figure)
        if sign == ">=":
            met, reached = ratio.median >= limit, ratio.high >= limit
        else:
            met, reached = ratio.median <= limit, ratio.low <= limit
        return "holds" if met else "open" if reached else "FAILS"


def compare(comparison: Comparison, ours: Side, peer: Side, plan: Plan) -> Comparison:
    """Run the pairs: A B, B A, A B, ... so that neither is always the second."""
    for number in range(plan.pairs):
        order = (ours, peer) if number % 2 == 0 else (peer, ours)
        done = {side.name: side.run() for side in order}
        comparison.pairs.append((done[ours.name], done[peer.name]))
        if sys.stderr.isatty():
            print(
                f"\r{comparison.title}: pair {number + 1} of {plan.pairs}",
                end="\n" if number + 1 == plan.pairs else "",
                file=sys.stderr,
            )
    return comparison


def show(comparison: Comparison) -> bool:
    """Print the table; False if a target fails."""
    print(
        f"\n{comparison.title}: {comparison.ours} / {comparison.peer}, {len(comparison.pairs)} pairs"
    )
    print(f"{'':26}{comparison.ours:>14}{comparison.peer:>14}  ratio (95 % interval)")
    good = True
    for figure, unit in comparison.figures.items():
        verdict = ""
        if figure in comparison.targets:
            sign, limit = comparison.targets[figure]
            said = comparison.verdict(figure)
            good = good and said != "FAILS"
            verdict = f"  {said}: {sign} {limit:.2f}"
        print(
            f"{unit:26}{comparison.median(0, figure):14.4g}{comparison.median(1, figure):14.4g}"
            f"  {comparison.ratio(figure)}{verdict}"
        )
    return good


def save(name: str, comparisons: Sequence[Comparison]) -> Path:
    """Keep every trial, as JSON."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    whole = [
        asdict(c) | {"ratios": {f: asdict(c.ratio(f)) for f in c.figures}} for c in comparisons
    ]
    path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return path
