# SPDX-License-Identifier: BSD-3-Clause
"""Programs that are not ours, for traffic as the world sends it, and to compare with."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weir.netns import Netns
from weir.wait import until


@contextmanager
def running(netns: Netns, *argv: str, grace: float = 20.0) -> Iterator[subprocess.Popen[str]]:
    """A program that runs during the block, and is ended after it."""
    process = netns.popen(*argv)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(grace)


def listens(netns: Netns, port: int) -> bool:
    """Whether a server of TCP listens."""
    return netns.run("ss", "-Hltn", f"sport = :{port}").stdout.strip() != ""


@dataclass(frozen=True)
class Ping:
    sent: int
    received: int
    rtt_avg_ms: float | None


def ping(
    netns: Netns,
    to: str,
    count: int = 3,
    size: int = 56,
    dont_fragment: bool = False,
    wait: float = 5,
) -> Ping:
    """ping to its end, wait seconds for an answer. What was lost is in the result, not an error.

    Once it was answered, ping waits for the last answer no longer than for its interval: hence a
    long one, and most requests in one burst, which is below what waits for a neighbour.
    """
    options = ["-M", "do"] if dont_fragment else []
    burst = min(count, 12)
    interval = "3" if count == burst else "0.25"
    done = netns.run(
        "ping", "-n", "-c", str(count), "-l", str(burst), "-i", interval, "-W", str(wait),
        "-s", str(size), *options, to, check=False, timeout=30 + count,
    )  # fmt: skip
    counts = re.search(r"(\d+) packets transmitted, (\d+) received", done.stdout)
    if counts is None:
        raise AssertionError(f"ping {to}: {done.stdout}{done.stderr}")
    rtt = re.search(r"= [\d.]+/([\d.]+)/", done.stdout)
    return Ping(int(counts[1]), int(counts[2]), float(rtt[1]) if rtt else None)


@contextmanager
def http_server(netns: Netns, directory: Path, port: int = 8080) -> Iterator[None]:
    """Python's file server over a directory, listening on every address of a namespace."""
    argv = (
        "/usr/bin/python3",
        "-m",
        "http.server",
        str(port),
        "--bind",
        "::",
        "--directory",
        str(directory),
    )
    with running(netns, *argv) as process:
        until(lambda: process.poll() is not None or listens(netns, port), what="the HTTP server")
        assert process.poll() is None, f"http.server ended with status {process.returncode}"
        yield


def curl(netns: Netns, url: str, timeout: float = 40.0) -> bytes:
    """The body of a URL; any failure is an AssertionError."""
    done = subprocess.run(
        netns.command("curl", "-sSfg", "--max-time", str(timeout), url),
        capture_output=True,
        timeout=timeout + 5,
    )
    assert done.returncode == 0, f"curl {url}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def iperf3(
    server: Netns, client: Netns, to: str, *options: str, size: str = "16M"
) -> dict[str, Any]:
    """iperf3 of so many bytes from client to server; what it reports at the end."""
    with running(server, "iperf3", "--server", "--one-off") as process:
        until(
            lambda: process.poll() is not None or listens(server, 5201), what="the iperf3 server"
        )
        done = client.run(
            "iperf3",
            "--client",
            to,
            "--bytes",
            size,
            "--json",
            *options,
            check=False,
            timeout=60,
        )
    report = json.loads(done.stdout)
    assert "error" not in report, f"iperf3 to {to}: {report['error']}"
    return dict(report["end"])


@contextmanager
def testpmd(
    netns: Netns, log: Path, vdevs: list[str], mode: str = "io", cores: str = "0@0,1@1"
) -> Iterator[None]:
    """dpdk-testpmd forwarding between virtual devices during the block; its words are in the log."""
    eal = ["--no-pci", "--in-memory", "-m", "256", "--lcores", cores]
    for vdev in vdevs:
        eal += ["--vdev", vdev]
    with log.open("w", encoding="utf-8") as out:
        process = netns.popen(
            "dpdk-testpmd", *eal, "--", f"--forward-mode={mode}", "--auto-start", "--stats-period=1",
            stdout=out, stderr=out,
        )  # fmt: skip
        try:
            until(
                lambda: process.poll() is not None
                or "NIC statistics for port" in log.read_text(errors="replace"),
                timeout=40,
                what="testpmd",
            )
            assert process.poll() is None, f"testpmd ended:\n{log.read_text(errors='replace')}"
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
