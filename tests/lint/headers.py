# SPDX-License-Identifier: BSD-3-Clause
"""usage: headers.py CC...: each public header compiles alone, and says what it is."""

import subprocess
import sys

from tree import ROOT, include_options, public_headers

WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wvla", "-Werror"]
WARNINGS += ["-Wno-unused-parameter", "-Wno-missing-field-initializers"]


def main(compiler: list[str]) -> int:
    options = [*compiler, "-std=gnu11", *WARNINGS, *include_options(), "-fsyntax-only", "-xc", "-"]
    status = 0
    for path in public_headers():
        name = path.split("/include/")[1]
        source = f"#include <{name}>\n#include <{name}>\n"
        done = subprocess.run(options, input=source, capture_output=True, text=True, cwd=ROOT)
        if done.returncode != 0:
            print(
                f"{path}:1: does not compile alone: include what its own text needs\n{done.stderr}"
            )
            status = 1
        text = (ROOT / path).read_text(encoding="utf-8")
        for needed, why in (
            ("#pragma once", "twice is once"),
            ("@file", "say what the header is for"),
        ):
            if needed not in text:
                print(f"{path}:1: has no {needed}: {why}")
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
