# SPDX-License-Identifier: BSD-3-Clause
"""The benchmarks in C of tests/perf, run in turn and held against what is allowed."""

import json
import subprocess
from typing import Any

from weir.sut import BUILD

_LIMIT_S = 300
ROUNDS = 60


def measured(name: str, *options: str, rounds: int | None = ROUNDS) -> dict[str, Any]:
    """One run of tests/perf/NAME: what it printed as JSON."""
    path = BUILD / "tests" / "perf" / name
    assert path.is_file(), f"{path} is not built: ninja -C {BUILD}, or set WEIR_BUILD"
    argv = [str(path), "--json", *([f"--rounds={rounds}"] if rounds else []), *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_LIMIT_S)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}\n{done.stderr}")
    return dict(json.loads(done.stdout))
