# SPDX-License-Identifier: BSD-3-Clause
"""usage: driver.py SERIES GENERATED CC... -- FILE...: each file of the driver compiles against DPDK SERIES.

GENERATED is the folder of the skeleton. The headers are those that scripts/fetch-dpdk-sdk --series keeps.
"""

import os
import subprocess
import sys
from pathlib import Path

from tree import ROOT, SKIPPED

WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wmissing-prototypes", "-Wstrict-prototypes", "-Wvla"]
WARNINGS += ["-Wno-unused-parameter", "-Wno-missing-field-initializers", "-Werror"]
DEFINES = ["-D_GNU_SOURCE", "-DALLOW_EXPERIMENTAL_API", "-DALLOW_INTERNAL_API"]


def output(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main(args: list[str]) -> int:
    series, generated, *compiler = args[: args.index("--")]
    fetch = ROOT / "scripts" / "fetch-dpdk-sdk"
    sdk = Path(output(fetch, "--where", "--series", series).strip())
    public = sdk / "public"
    if not (sdk / "series").is_file() or not (public / "rte_config.h").is_file():
        print(f"no headers of DPDK {series}: run scripts/fetch-dpdk-sdk --series {series}")
        return SKIPPED
    machine = [
        word for word in output("pkg-config", "--cflags", "libdpdk").split() if word[:2] == "-m"
    ]
    options = [*compiler, "-std=gnu11", *WARNINGS, *DEFINES, *machine, "-fsyntax-only"]
    options += [f"-I{ROOT}/pmd-xdp", f"-I{generated}", f"-I{ROOT}/lib/base/include"]
    options += ["-isystem", public, "-include", "rte_config.h", "-idirafter", sdk]
    status = 0
    for file in args[args.index("--") + 1 :]:
        file = os.path.relpath(os.path.realpath(file), ROOT)
        if subprocess.run([*options, file], cwd=ROOT).returncode != 0:
            print(f"{file}:1: does not compile against DPDK {series}: use what both releases have")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
