#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Run scripts that are wrong: each must end as it is said, for the reason that its first line gives.

usage: refuse.py WEIR-SCRIPT FOLDER failed|refused
"""

import re
import subprocess
import sys
from pathlib import Path

STATUS = {"failed": 1, "refused": 2}


def complaint(script: Path, run: subprocess.CompletedProcess[str], how: str) -> str | None:
    """What is not as it should be; None if all is."""
    reason = script.read_text().splitlines()[0].removeprefix("// ")
    name = re.escape(str(script))
    if not re.search(rf"^{name}: {how}$", run.stdout, re.MULTILINE):
        return f"has not {how}"
    if not re.search(rf"^{name}:\d+: .*{reason}", run.stderr, re.MULTILINE):
        return f"does not say '{reason}'"
    return None


def main() -> int:
    program, folder, how = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    scripts = sorted(folder.glob("*.pkt"))
    run = subprocess.run([program, "--verbose", folder], capture_output=True, text=True, timeout=60)
    complaints = [f"{s}: {c}" for s in scripts if (c := complaint(s, run, how))]
    if run.returncode != STATUS[how]:
        complaints.append(f"the exit status is {run.returncode}, not {STATUS[how]}")
    print(*complaints, run.stderr if complaints else "", sep="\n")
    return 1 if complaints or not scripts else 0


if __name__ == "__main__":
    sys.exit(main())
