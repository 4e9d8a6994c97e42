# SPDX-License-Identifier: BSD-3-Clause
"""The programs that are compared, started, watched and ended."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from weir.sut import program
from weir.wait import until

_LIMIT_S = 120  # no program may live longer, whatever happens
NICE = -20


def urgent(pid: int | None = None) -> None:
    """Let others wait for a process (for us, and what we start), and for all of its session.

    Where the kernel groups processes by session, niceness counts within a session only: between
    them the group's counts. A program in a session of its own has a group of its own.
    """
    os.setpriority(os.PRIO_PROCESS, pid or 0, NICE)
    group = Path(f"/proc/{pid or 'self'}/autogroup")
    if group.exists() and group.read_text():  # empty: sessions are not grouped
        group.write_text(str(NICE))


def here(*argv: str) -> list[str]:
    """A command in this namespace, ended by the kernel if we die. Netns.command is the other kind."""
    return ["setpriv", "--pdeathsig", "KILL", *argv]


def worker_cpu_ns(pid: int) -> int:
    """CPU time of the worker threads of a DPDK program: preemption is not in it."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        if "worker" in (task / "comm").read_text():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def tsc_hz() -> float:
    """Cycles a second of the TSC, as the kernel found it (needed to turn testpmd's CPU time)."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("cpu MHz"):
            return float(line.split(":")[1]) * 1e6
    raise RuntimeError("/proc/cpuinfo has no cpu MHz")


class Program:
    """A running program with its words in a file and its commands by a pipe."""

    def __init__(self, argv: list[str], directory: Path) -> None:
        self._log = directory / f"log-{time.monotonic_ns()}"
        with self._log.open("w", encoding="utf-8") as out:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=out, stderr=out, text=True,
                start_new_session=True,
            )  # fmt: skip
        self._since = time.monotonic()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def words(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def until_it_says(self, pattern: str, timeout: float = 30.0) -> re.Match[str]:
        def said() -> re.Match[str] | None:
            found = re.search(pattern, self.words)
            if found is None and self._process.poll() is not None:
                raise RuntimeError(f"ended with status {self._process.returncode}:\n{self.words}")
            return found

        found = until(said, timeout, pattern)
        assert found is not None
        return found

    def rest(self, seconds: float) -> None:
        """Let it run: there is nothing to wait for but time. Its end would be an error."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        raise RuntimeError(f"ended with status {status}:\n{self.words}")

    def wait(self, timeout: float = _LIMIT_S) -> None:
        status = self._process.wait(timeout)
        if status != 0:
            raise RuntimeError(f"ended with status {status}:\n{self.words}")

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)


@contextmanager
def running(argv: list[str], directory: Path) -> Iterator[Program]:
    made = Program(argv, directory)
    try:
        yield made
    finally:
        made.end()


@contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        yield Path(name)


def testpmd(
    vdevs: list[str], mode: str, *options: str, cores: str = "0@0,1@1", mib: int = 256
) -> list[str]:
    """The command line of testpmd with a prompt."""
    eal = ["--no-pci", "--in-memory", "-m", str(mib), "--lcores", cores]
    for vdev in vdevs:
        eal += ["--vdev", vdev]
    # stdbuf: its words must not wait in a buffer until it ends
    return ["stdbuf", "-oL", "dpdk-testpmd", *eal, "--", "-i", f"--forward-mode={mode}", *options]


def weir_bench(ports: list[str], mode: str, directory: Path, *options: str) -> list[str]:
    named = [word for port in ports for word in ("--port", port)]
    return [
        program("weir-bench"), *named, f"--forward-mode={mode}",
        f"--socket={directory}/bench.sock", *options,
    ]  # fmt: skip


def report(path: Path) -> dict[str, Any]:
    """A report of weir-bench."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def need_root() -> None:
    if os.geteuid() != 0:
        raise SystemExit("scripts/bench: this needs root. Run it with sudo.")
