# SPDX-License-Identifier: BSD-3-Clause
"""One network namespace: programs inside it, and sockets of our own inside it."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd: int) -> None:
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"setns: {os.strerror(code)}")


@dataclass(frozen=True)
class Netns:
    """A namespace by its name. It lives as long as the lab that made it."""

    name: str

    @property
    def path(self) -> str:
        return f"/run/netns/{self.name}"

    def command(self, *argv: str) -> list[str]:
        """The command line that runs argv inside.

        nsenter and not `ip netns exec`, which would hide the BPF file system behind a new /sys. The
        kernel kills the program when we die, so that even a killed run leaves nothing running.
        """
        return ["nsenter", f"--net={self.path}", "setpriv", "--pdeathsig", "KILL", *argv]

    def run(
        self, *argv: str, check: bool = True, timeout: float = 60.0, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end. A failure raises AssertionError with all that it said."""
        done = subprocess.run(
            self.command(*argv), input=stdin or "", capture_output=True, text=True, timeout=timeout
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"{' '.join(argv)} in {self.name}: status {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def popen(
        self,
        *argv: str,
        stdout: int | IO[Any] = subprocess.DEVNULL,
        stderr: int | IO[Any] = subprocess.DEVNULL,
    ) -> subprocess.Popen[str]:
        """Start a program inside; the caller ends it."""
        return subprocess.Popen(
            self.command(*argv), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, text=True
        )

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread in the namespace: a socket opened meanwhile belongs to it for good."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            there = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _setns(there)
            finally:
                os.close(there)
            try:
                yield
            finally:
                _setns(home)
        finally:
            os.close(home)
