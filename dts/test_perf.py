# SPDX-License-Identifier: BSD-3-Clause
"""That the benchmarks of the stack run and say what they should; how fast is theirs to tell."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from perf import c10m, stack, trials, web
from perf.programs import running, scratch, urgent
from perf.trials import Comparison, Plan
from weir.caps import Cap, requires
from weir.lab import Lab
from weir.sut import BUILD

pytestmark = requires(Cap.NETNS)
BENCH = Path(__file__).parents[1] / "scripts" / "bench"


def test_the_command_knows_its_benchmarks() -> None:
    """By name, with a line about each; what it does not know it refuses.

    Steps: scripts/bench --list; scripts/bench with a name that is none.
    Check: stack and c10m are there; status 2 and the name.
    """
    listed = subprocess.run([BENCH, "--list"], capture_output=True, text=True, timeout=20)
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert listed.returncode == 0 and {"stack", "c10m"} <= set(names)
    refused = subprocess.run([BENCH, "stcak"], capture_output=True, text=True, timeout=20)
    assert refused.returncode == 2 and "stcak is none of" in refused.stderr


def test_a_target_holds_is_missed_or_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The median decides; what only the interval reaches is open. Every trial is kept.

    Steps: five pairs with the ratios 1 to 5; targets below, within and above; save them.
    Check: holds, open and FAILS, for both directions; the file has the pairs and the ratio.
    """
    made = Comparison("made", "a", "b", {"n": "n"})
    made.pairs = [({"n": float(n)}, {"n": 1.0}) for n in range(1, 6)]
    for target, verdict in (
        ((">=", 2.0), "holds"), ((">=", 4.0), "open"), ((">=", 9.0), "FAILS"),
        (("<=", 4.0), "holds"), (("<=", 2.0), "open"), (("<=", 0.5), "FAILS"),
    ):  # fmt: skip
        made.targets = {"n": target}
        assert made.verdict("n") == verdict
    monkeypatch.setattr(trials, "RESULTS", tmp_path)
    (kept,) = json.loads(trials.save("made", [made]).read_text())
    assert len(kept["pairs"]) == 5 and kept["ratios"]["n"]["median"] == 3.0


def test_others_wait_for_a_program_in_a_session_of_its_own(tmp_path: Path) -> None:
    """By its own niceness, and by that of its session where the kernel groups by session.

    Steps: sleep; urgent().
    Check: both say -20.
    """
    with running(["sleep", "60"], tmp_path) as sleeper:
        urgent(sleeper.pid)
        assert os.getpriority(os.PRIO_PROCESS, sleeper.pid) == -20
        group = Path(f"/proc/{sleeper.pid}/autogroup").read_text()
        assert not group or group.endswith(" nice -20\n")


@requires(Cap.AF_XDP)
@pytest.mark.parametrize("clean", [False, True], ids=["rates", "cpu"])
@pytest.mark.parametrize("name", stack.PEERS)
def test_a_trial_counts_what_was_answered(lab: Lab, name: str, clean: bool) -> None:
    """A second of wrk against either server, in either layout.

    Steps: wrk with 4 connections that close.
    Check: answers with the whole body; a cost for each, of which receiving is a part if told apart.
    """
    for needed in ("wrk", *(["nginx"] if name == "nginx" else [])):
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} is not there")
    with scratch() as folder, web.site(lab, folder, clean) as site:
        trial = web.trial(site, stack.PEERS[name], web.Load(4, closes=True), 1)
    assert trial["requests"] > 0 and trial["answer_bytes"] > len(web.BODY)
    assert trial["cpu_us"] > 0 and trial["busy_us"] > 0
    assert (0 < trial["napi_us"] < trial["cpu_us"]) == clean


def test_idle_connections_are_weighed() -> None:
    """c10m with few of them.

    Steps: two runs of 20,000 connections.
    Check: no buffer held; memory and time, by the number of connections.
    """
    if not (BUILD / "tests" / "perf" / "perf_connections").is_file():
        pytest.skip("perf_connections is not built")
    (done,) = c10m.run(Plan(pairs=2, connections=20_000))
    for ours, allowed in done.pairs:
        assert ours["connections"] == 20_000 and ours["buffers_held"] == 0
        assert ours["cpu_s"] > 0 and ours["bytes_each_end"] > 64 and allowed["cpu_s"] == 0.2
