# SPDX-License-Identifier: BSD-3-Clause
"""usage: exports.py FOLDER LIBRARY: a library exports what its public headers declare, and no more."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tree import ROOT, include_options, public_headers

# A line of gcc -aux-info: /* FILE:LINE:KIND */ [static] TYPE NAME (
_FUNCTION = re.compile(r"/\* (\S+?):(\d+):\w+ \*/ extern .*?\b(weir_\w+) \(")
_OBJECT = re.compile(r"^extern [^(]*?\b(weir_\w+)(?:\[\w*\])?;", re.MULTILINE)


def declared(folder: str) -> dict[str, str]:
    """Functions and objects that the folder's public headers declare, with file and line."""
    found = {}
    headers = public_headers(folder + "/")
    source = "".join(f"#include <{path.split('/include/')[1]}>\n" for path in headers)
    with tempfile.NamedTemporaryFile("r", suffix=".aux") as aux:
        subprocess.run(
            [
                "gcc",
                "-std=gnu11",
                *include_options(),
                "-fsyntax-only",
                "-aux-info",
                aux.name,
                "-xc",
                "-",
            ],
            input=source,
            text=True,
            check=True,
            cwd=ROOT,
        )
        for path, line, name in _FUNCTION.findall(aux.read()):
            if path in headers:
                found[name] = f"{path}:{line}"
    for path in headers:
        text = (ROOT / path).read_text(encoding="utf-8")
        for match in _OBJECT.finditer(text):
            found[match[1]] = f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
    return found


def exported(library: Path) -> set[str]:
    shown = subprocess.run(
        ["nm", "--dynamic", "--defined-only", "--format=posix", str(library)],
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.split()[0] for line in shown.stdout.splitlines()}


def main(folder: str, library: Path) -> int:
    promised, given = declared(folder), exported(library)
    for name in sorted(given - promised.keys()):
        print(
            f"{library.name}: {name} is exported but in no public header: make it static, or hide it"
        )
    for name in sorted(promised.keys() - given):
        print(
            f"{promised[name]}: {name} is declared but {library.name} does not export it: define it"
        )
    return 1 if given ^ promised.keys() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
