# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall against the kernel's nftables: from memory, over AF_XDP, and while its policy changes.

From memory. tests/perf/perf_firewall: the whole path of weir-firewall between ports in memory, its
minimum against the cycles that issue 4 allows, and against what nftables with connection tracking
takes of CPU time between two veth pairs in the same round. That is what it says: the kernel's packets
cross a veth (an skb each, and the driver's NAPI), weir's lie in memory. The kernel gets all that it
takes, which is its best case. Its flows are of UDP, and established: they were answered. Weir's are
of TCP, with windows to check, which is its worse case. A rule costs nftables the least that one can
(flows.made_rules); weir's rules of this part are random networks and port ranges.

Beside l3fwd. Where nothing is tracked, against DPDK's own packet filter: see l3fwd.py.

Over AF_XDP. weir-firewall between the same two pairs, in turn with the kernel; the same frames come
to both, with the same rules, at a rate that weir-firewall can take. It sleeps whenever there is
nothing to do, and all that its worker and the kernel's thread for its interface take is counted:
system calls for each batch sent, wake-ups, copies. Copy mode pays an skb a packet that is sent.

While the policy changes. 10,000 rules are replaced by others, again and again, while packets of known
flows, which are judged anew each time, come at the highest of RATES that loses none; each frame that
has entered is to arrive. The worker has `runtime.priority: 1`: else what runs on its core beside it can
hold it up for longer than its ring lasts, more so while the other core compiles. Lost frames are told
apart: those that the firewall did not take or send, and those that found the far end's ring full. Then
10,000 entries are added to a set by commands, the last of them the network that all packets of the
stream come from: from the first command sent to the rule's first hit, as its counter says when it is
asked. A set that were compiled anew would make a generation.
"""

import time
from functools import partial
from pathlib import Path
from typing import Any

import weir.lab
from perf import cards, flows, l3fwd
from perf.flows import CLIENTS, Load, by_kernel, by_weir
from perf.memory import measured
from perf.programs import scratch
from perf.trials import Comparison, Plan, Side, Trial, compare
from weir.lab import Lab, Line, remove_leftovers
from weir.sut import App
from weir.wait import until

# Of a trial: figures of CPU time need no more, and there are many.
SECONDS_MOST = 1.0
ALLOWED_CYCLES = {"known_64k": 110.0, "known_1m": 170.0, "new": 1000.0}
# In memory: the benchmark's case and its rules; in the kernel: the load; how often the speed.
FROM_MEMORY: dict[str, tuple[str, int, Load, float | None]] = {
    "1,000 established flows": ("known_1k", 1000, Load(1000), 12),
    "60,000 established flows": ("known_64k", 1000, Load(60_000), 12),
    "new flows": ("new", 1, Load(0), 5),
    "new flows, 100 linear rules": ("new", 100, Load(0, 100), None),
    "new flows, 1,000 linear rules": ("new", 1000, Load(0, 1000), None),
    "new flows, 10,000 linear rules": ("new", 10_000, Load(0, 10_000), 200),
}
PPS = 200_000
OVER_XDP: dict[str, tuple[Load, float | None]] = {
    "new flows": (Load(0, 0, PPS), 0.6),
    "new flows, 1,000 linear rules": (Load(0, 1000, PPS), 0.25),
    "new flows, 10,000 linear rules": (Load(0, 10_000, PPS), 0.03),
    "1,000 established flows": (Load(1000, 0, PPS), None),
}
RATES = (400_000, 300_000, 200_000, 150_000, 100_000, 70_000, 50_000, 30_000, 20_000, 10_000)
KNOWN = 1000
QUIET = 20  # looks at the counters, at least 10 ms apart
RELOADS, RELOADED_RULES = 3, 10_000
CALM_SECONDS = 5.0
UPDATE, CHUNK, UPDATE_MS = 10_000, 1000, 100.0


# ---- from memory ----


def _rows(*options: str) -> dict[str, Trial]:
    """Each case of one run: its minimum in cycles and ns."""
    run = measured("perf_firewall", *options)
    return {
        row["case"]: row
        | {
            "cycles": row["min"],
            "ns": row["min"] / run["tsc_hz"] * 1e9,
            "pps_cpu": run["tsc_hz"] / row["min"],
        }
        for row in run["rows"]
        if row["min"] > 0
    }


def _in_memory() -> dict[tuple[str, int], Trial]:
    """By case and rules."""
    made = {(case, 1000): trial for case, trial in _rows().items()}
    for rules in sorted({rules for _, rules, *_ in FROM_MEMORY.values()} - {1000}):
        made["new", rules] = _rows("--only=new", f"--rules={rules}")["new"]
    return made


def _run_memory(line: Line, plan: Plan, directory: Path) -> list[Comparison]:
    allowed = {
        case: Comparison(
            f"weir-firewall's path in memory, {case}", "weir-firewall", "allowed",
            {"cycles": "cycles a packet"}, {"cycles": ("<=", 1.0)},
        )
        for case in ALLOWED_CYCLES
    }  # fmt: skip
    figures = {"pps_cpu": "packets a CPU second", "ns": "ns a packet"}
    against = {
        what: Comparison(
            f"{what}: weir-firewall fed from memory, nftables between veths",
            "weir-firewall", "nftables", figures, {"pps_cpu": (">=", times)} if times else {},
        )
        for what, (*_, times) in FROM_MEMORY.items()
    }  # fmt: skip
    for _ in range(plan.pairs):
        ours = _in_memory()
        for case, cycles in ALLOWED_CYCLES.items():
            allowed[case].pairs.append((ours[case, 1000], {"cycles": cycles}))
        for what, (case, rules, load, _) in FROM_MEMORY.items():
            kernel = by_kernel(line, load, directory, plan.seconds)
            against[what].pairs.append((ours[case, rules], kernel))
    return [*allowed.values(), *against.values()]


# ---- over AF_XDP ----


def _run_xdp(line: Line, plan: Plan, directory: Path) -> list[Comparison]:
    figures = {"ns": "ns a packet", "kernel_ns": "of these, in NAPI", "pps": "packets a second"}
    return [
        compare(
            Comparison(
                f"{what}: weir-firewall over AF_XDP, both between veths",
                "weir-firewall", "nftables", figures, {"ns": ("<=", most)} if most else {},
            ),
            Side("weir-firewall", partial(by_weir, line, load, directory, plan.seconds)),
            Side("nftables", partial(by_kernel, line, load, directory, plan.seconds)),
            plan,
        )
        for what, (load, most) in OVER_XDP.items()
    ]  # fmt: skip


# ---- while the policy changes ----


def _counts(line: Line) -> tuple[int, int]:
    """Frames that have entered the firewall, and those that have come out."""
    return cards.counted(line.wan, "xdp_packets"), flows.arrived(line)


def _settled(line: Line) -> tuple[int, int]:
    """The counts when nothing is under way any more: they have stood still for a while."""
    seen = [_counts(line)]

    def is_quiet() -> bool:
        seen.append(_counts(line))
        return seen[-QUIET:] == [seen[-1]] * QUIET

    until(is_quiet, timeout=20, what="the end of what was sent")
    return seen[-1]


def _stream(line: Line, pps: int, directory: Path, app: App, reloads: int, seconds: float) -> Trial:
    """Packets at a rate, during some seconds or so many reloads: what entered and what arrived."""
    entered, arrived = _settled(line)
    overflown = cards.overflown(line.lan)
    begun = time.monotonic()
    with flows.sending(line, Load(KNOWN, 0, pps), directory) as sender:
        until(lambda: flows.arrived(line) > arrived + flows.WARM, timeout=20, what="packets")
        for number in range(reloads):
            app.write(_policy(line, number + 1))
            app.ctl("reload", timeout=60)
        sender.rest(seconds)
        passed = time.monotonic() - begun
    n, m = (after - before for after, before in zip(_settled(line), (entered, arrived)))
    return {
        "entered": n, "arrived": m, "lost": n - m, "pps": n / passed, "seconds": passed,
        "behind": cards.overflown(line.lan) - overflown, "drops": app.drops_since_start(),
    }  # fmt: skip


def _policy(line: Line, number: int) -> dict[str, Any]:
    """Another one for each number."""
    other = {"name": f"policy-{number}", "proto": "tcp", "dport": f"{number + 1}", "action": "drop"}
    runtime = {"workers": [1], "poll": "interrupt", "priority": 1}
    return flows.config(line, RELOADED_RULES - 2, [other], runtime=runtime)


def _lost(sums: dict[str, int]) -> dict[str, int]:
    """One more than was lost: the ratio of none to none says nothing."""
    return {"lost": 1 + sums["lost"], "inside": 1 + sums["lost"] - sums["behind"]}


def _reloads(line: Line, plan: Plan, directory: Path) -> Comparison:
    """At the highest of RATES that it takes in calm, in turn with as long a calm, all summed."""
    reload = Comparison(
        f"{RELOADS} reloads of {RELOADED_RULES} rules at full rate", "arrived", "entered",
        {
            "packets": "packets", "lost": "1 + lost; in calm",
            "inside": "1 + of these before the far end's ring", "pps": "packets a second",
        },
        {"packets": (">=", 1.0)},
    )  # fmt: skip
    with flows.weir(line, _policy(line, 0), directory) as app:
        cards.napi_thread(line.wan, core=1)
        for pps in RATES:
            calm = _stream(line, pps, directory, app, 0, CALM_SECONDS)
            if calm["lost"] == calm["behind"]:
                break
        else:
            raise RuntimeError(f"packets are lost without a reload, at {RATES[-1]} a second too")
        rounds = []
        for _ in range(plan.pairs):
            done = _stream(line, pps, directory, app, RELOADS, plan.seconds)
            rounds.append((done, _stream(line, pps, directory, app, 0, done["seconds"])))
        taken = app.metric("weir_reloads_total")
    if taken != RELOADS * plan.pairs:
        raise RuntimeError(f"{taken} of {RELOADS * plan.pairs} reloads were taken over")
    sums, calm = (
        {
            figure: sum(trial[figure] for trial in trials)
            for figure in ("entered", "arrived", "lost", "behind")
        }
        for trials in zip(*rounds)
    )
    common = {"pps": pps, "rounds": rounds}
    reload.pairs.append(
        (
            common | {"packets": sums["arrived"]} | _lost(sums),
            common | {"packets": sums["entered"]} | _lost(calm),
        )
    )
    return reload


def _entries() -> list[str]:
    """Addresses that no packet has, and at last the network that all have."""
    return [f"20.0.{n // 250}.{n % 250}" for n in range(UPDATE - 1)] + [CLIENTS]


def _update(line: Line, directory: Path) -> Trial:
    sets = {"bad": {"addresses": ["192.0.2.1/32"], "entries": 2 * UPDATE}}
    bad = {"name": "bad", "source": "bad", "action": "drop"}

    def hits() -> int:
        return next(int(one["packets"]) for one in app.ask("rules") if one["name"] == "bad")

    with flows.weir(line, flows.config(line, 1000, [bad], sets=sets), directory) as app:
        entries, arrived = _entries(), flows.arrived(line)
        with flows.sending(line, Load(0, 0, RATES[-1]), directory):
            until(lambda: flows.arrived(line) > arrived + 1000, timeout=20, what="packets")
            generation = app.metric("weir_generation")
            if hits() != 0:
                raise RuntimeError("the set has what was not added yet")
            begun = time.monotonic()
            for at in range(0, UPDATE, CHUNK):
                app.ask("set_add", name="bad", entries=entries[at : at + CHUNK])
            answered = time.monotonic()
            until(hits, timeout=10, what="a packet of the set")
            live = time.monotonic()
        made = app.metric("weir_generation") - generation
    # One more than was made: the ratio of none to none says nothing.
    return {
        "ms": (live - begun) * 1e3,
        "answered_ms": (answered - begun) * 1e3,
        "generations": 1 + made,
    }


def _run_changes(line: Line, plan: Plan, directory: Path) -> list[Comparison]:
    update = Comparison(
        f"{UPDATE} entries for a set: from the first command to a packet of the last entry",
        "weir-firewall", "allowed", {"ms": "ms", "generations": "generations"},
        {"ms": ("<=", 1.0), "generations": ("<=", 1.0)},
    )  # fmt: skip
    for _ in range(plan.pairs):
        ours = _update(line, directory)
        update.pairs.append((ours, {"ms": UPDATE_MS, "generations": 1}))
    return [_reloads(line, plan, directory), update]


def run(plan: Plan) -> list[Comparison]:
    weir.lab.PREFIX = "weir-bench-"
    remove_leftovers()
    short = Plan(plan.pairs, min(plan.seconds, SECONDS_MOST))
    with Lab() as lab, scratch() as directory:
        line = lab.line()
        with flows.far_ends(line, directory):
            return [
                *_run_memory(line, short, directory),
                *l3fwd.run(line, short, directory),
                *_run_xdp(line, short, directory),
                *_run_changes(line, short, directory),
            ]
