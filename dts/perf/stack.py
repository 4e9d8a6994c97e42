# SPDX-License-Identifier: BSD-3-Clause
"""weir-httpd against nginx over one veth, and the stack alone in memory.

Rates. wrk at one connection and at 32, and at 32 with a new connection for each request. The veth is as
the kernel makes it, for both: whoever sends runs the receiver's part of the kernel, up to its socket.
weir-httpd never rests. Busy is what its worker published, and what nginx's core worked.

CPU time. The same at 32, with each interface's receiving in a thread on its own side's core, so that all
that a server costs is its process and that thread, and nothing of wrk's. weir-httpd sleeps when
there is nothing to do, so that all of its CPU time counts.

In memory. tests/perf/perf_stack: two stacks on one core that hand each other packets, both sides
counted, its medians against what issue 5 allows.
"""

from functools import partial
from pathlib import Path

import weir.lab
from perf import web
from perf.memory import measured
from perf.programs import scratch, urgent
from perf.trials import Comparison, Plan, Side, Trial, compare
from perf.web import Load
from weir.lab import Lab, remove_leftovers

PEERS = {"weir-httpd": web.weir, "nginx": web.nginx}
RATES: dict[str, tuple[Load, dict[str, tuple[str, float]]]] = {
    "1 connection": (Load(1), {"rate": (">=", 3.6), "p99_us": ("<=", 1.0)}),
    "32 connections": (
        Load(32), {"rate": (">=", 1.34), "busy_us": ("<=", 0.43), "p99_us": ("<=", 1.0)},
    ),
    "a connection for each request, 32 at once": (
        Load(32, closes=True),
        {"rate": (">=", 1.8), "busy_us": ("<=", 0.5), "p99_us": ("<=", 1.0)},
    ),
}  # fmt: skip
CPU = {
    "32 connections": (Load(32), 0.43),
    "a connection for each request, 32 at once": (Load(32, closes=True), 0.5),
}
# In memory: what is to be reached a second (Gbit/s of bulk), if anything is.
ALLOWED: dict[str, float | None] = {
    "request_1": None, "request_64": 1.5e6, "request_4096": None, "connect_64": 4e5,
    "connect_1024": None, "bulk_1": 20, "bulk_16": None, "bulk_long_1": 60, "bulk_long_16": None,
    "bulk_cut_1": None,
}  # fmt: skip
ROUNDS = 3


# ---- beside nginx ----


def _against_nginx(
    title: str, figures: dict[str, str], targets: dict[str, tuple[str, float]], site: web.Site,
    load: Load, plan: Plan,
) -> Comparison:  # fmt: skip
    seconds = max(1, round(plan.seconds))
    ours, peer = (
        Side(name, partial(web.trial, site, serve, load, seconds)) for name, serve in PEERS.items()
    )
    return compare(Comparison(title, ours.name, peer.name, figures, targets), ours, peer, plan)


def _rates(lab: Lab, plan: Plan, directory: Path) -> list[Comparison]:
    figures = {
        "rate": "requests a second", "busy_us": "busy us a request", "p50_us": "median latency, us",
        "p99_us": "p99 latency, us", "answer_bytes": "bytes of an answer",
    }  # fmt: skip
    with web.site(lab, directory, clean=False) as site:
        return [
            _against_nginx(what, figures, targets, site, load, plan)
            for what, (load, targets) in RATES.items()
        ]


def _cpu(lab: Lab, plan: Plan, directory: Path) -> list[Comparison]:
    figures = {
        "cpu_us": "CPU us a request", "own_us": "of these, the process", "napi_us": "and receiving",
        "rate": "requests a second",
    }  # fmt: skip
    with web.site(lab, directory, clean=True) as site:
        return [
            _against_nginx(
                f"all CPU time, {what}", figures, {"cpu_us": ("<=", most)}, site, load, plan
            )
            for what, (load, most) in CPU.items()
        ]


# ---- in memory ----


def _a_second(case: str, figure: float) -> Trial:
    """Of nanoseconds each; bulk is a rate already."""
    return {"rate": figure if case.startswith("bulk") else 1e9 / figure, "median": figure}


def _in_memory(plan: Plan) -> list[Comparison]:
    done = {
        case: Comparison(
            f"two stacks in memory, {case}", "stack", "wanted" if least else "itself",
            {"rate": "Gbit/s" if case.startswith("bulk") else "a second"},
            {"rate": (">=", 1.0)} if least else {},
        )
        for case, least in ALLOWED.items()
    }  # fmt: skip
    for _ in range(plan.pairs):
        now = measured("perf_stack", rounds=ROUNDS)
        for case, least in ALLOWED.items():
            ours = _a_second(case, now[case])
            done[case].pairs.append((ours, {"rate": least} if least else ours))
    return list(done.values())


def run(plan: Plan) -> list[Comparison]:
    urgent()  # all that is started, for both sides
    weir.lab.PREFIX = "weir-bench-"
    remove_leftovers()
    with Lab() as lab, scratch() as directory:
        rates = _rates(lab, plan, directory / "rates")
    with Lab() as lab, scratch() as directory:
        cpu = _cpu(lab, plan, directory / "cpu")
    return [*rates, *cpu, *_in_memory(plan)]
