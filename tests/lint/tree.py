# SPDX-License-Identifier: BSD-3-Clause
"""The project's files, for the lint tests."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SKIPPED = 77  # meson's exit status for a test that cannot run here


def files(*patterns: str) -> list[str]:
    """The tracked files that are there, relative to the root."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z", *patterns],
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def public_headers(folder: str = "") -> list[str]:
    """The public headers below a folder."""
    return [name for name in files("*.h") if name.startswith(folder) and "/include/weir/" in name]


def include_options() -> list[str]:
    """Compiler options that find every public header, with DPDK's as a system header."""
    folders = sorted({name.split("/weir/")[0] for name in public_headers()})
    dpdk = subprocess.run(
        ["pkg-config", "--cflags", "libdpdk"], capture_output=True, text=True, check=True
    )
    options = ["-D_GNU_SOURCE", "-DALLOW_EXPERIMENTAL_API", *(f"-I{folder}" for folder in folders)]
    return options + [
        "-isystem" + word[2:] if word.startswith("-I") else word for word in dpdk.stdout.split()
    ]
