# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's own testpmd, as its package has it, with our driver as a plug-in, driven by its prompt."""

import itertools
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from weir.caps import Cap, requires
from weir.netns import Netns
from weir.sut import BUILD
from weir.wait import until

PLUGIN = BUILD / "pmd-xdp" / "librte_net_weir_xdp.so"
PROMPT = "testpmd> "
SAYS = "net_weir_xdp: "
"""What begins each line of the driver."""

# What each suite of the driver needs: pytestmark = NEEDED
NEEDED = [
    requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES, Cap.TESTPMD),
    pytest.mark.skipif(
        not PLUGIN.is_file(), reason="the driver is not built: scripts/fetch-dpdk-sdk"
    ),
]

_runs = itertools.count()


@dataclass(frozen=True)
class Counts:
    """`show port stats`."""

    rx_packets: int
    rx_missed: int
    rx_bytes: int
    rx_errors: int
    rx_nombuf: int
    tx_packets: int
    tx_errors: int
    tx_bytes: int


@dataclass(frozen=True)
class Received:
    """A packet as rxonly tells it after `set verbose 1`."""

    src: str
    dst: str
    length: int
    segments: int
    queue: int
    rss_hash: int | None
    mark: int | None
    flags: frozenset[str]
    """RTE_MBUF_F_RX_... without that."""


@dataclass(frozen=True)
class Flow:
    """A line of `flow list`."""

    number: int
    priority: int
    rule: str


class Testpmd:
    """A testpmd at its prompt. Make one by prompt() below."""

    __test__ = False  # not a test, whatever pytest makes of the name

    def __init__(self, argv: list[str], log: Path, prefix: str) -> None:
        self.prefix = prefix
        self.log_file = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=out, stderr=out, text=True
            )
        self._at = 0
        self.greeting = ""

    @property
    def pid(self) -> int:
        return self._process.pid

    def read(self, since: int = 0) -> str:
        """All that it said, from a byte of the log on."""
        with self.log_file.open("rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")

    def here(self) -> int:
        """The end of what it said so far, for until_it_says()."""
        return self.log_file.stat().st_size

    def until_it_says(self, pattern: str, since: int = 0, timeout: float = 30.0) -> re.Match[str]:
        """The first match; its end before that is an error."""

        def said() -> re.Match[str] | None:
            status = self._process.poll()
            found = re.search(pattern, self.read(since))
            if found is None and status is not None:
                raise AssertionError(f"testpmd ended with status {status}:\n{self.read()}")
            return found

        found = until(said, timeout, f"testpmd to say {pattern!r}")
        assert found is not None
        return found

    def _answer(self, timeout: float) -> str:
        """What came before the next prompt."""
        found = self.until_it_says(f"(?s)(.*?){PROMPT}", self._at, timeout)
        self._at += len(found[0].encode(errors="replace"))
        return found[1]

    def wait_for_prompt(self, timeout: float = 60.0) -> None:
        self.greeting = self._answer(timeout)

    def tell(self, line: str, timeout: float = 60.0) -> str:
        """Give a command, and return what it answered once there is a prompt again."""
        assert self._process.stdin is not None
        self._at = self.here()  # what packets made it say meanwhile is no answer
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._answer(timeout)
        return answer.split("\n", 1)[1] if "\n" in answer else answer  # without the echo

    def tell_all(self, *lines: str) -> str:
        return "".join(self.tell(line) for line in lines)

    # ---- what it knows ----

    def counts(self, port: int = 0) -> Counts:
        text = self.tell(f"show port stats {port}")
        found = dict(re.findall(r"((?:RX|TX)-\w+): +(\d+)", text))
        assert found, text
        return Counts(**{key.replace("-", "_").lower(): int(value) for key, value in found.items()})

    def xstats(self, port: int = 0) -> dict[str, int]:
        text = self.tell(f"show port xstats {port}")
        return {name: int(value) for name, value in re.findall(r"(?m)^(\w+): (\d+)\r?$", text)}

    def clear(self) -> None:
        self.tell_all("clear port stats all", "clear port xstats all", "clear fwd stats all")

    def info(self, key: str, port: int = 0) -> str:
        """What stands behind a key in `show port info`."""
        text = self.tell(f"show port info {port}")
        found = re.search(rf"(?m)^{re.escape(key)}: *(.*?)\r?$", text)
        assert found is not None, f"no {key} in:\n{text}"
        return found[1]

    def received(self, count: int, since: int, timeout: float = 30.0) -> list[Received]:
        """What came since a byte of the log, once count packets did; `set verbose 1` before."""

        def came() -> list[Received]:
            text = self.read(since)  # its last line may be under way
            return read_verbose(text[: text.rfind("\n") + 1])

        until(lambda: len(came()) >= count, timeout, f"{count} packets in testpmd's words")
        return came()

    def flows(self, port: int = 0) -> list[Flow]:
        text = self.tell(f"flow list {port}")
        lines = re.findall(r"(?m)^(\d+)\t(\d+)\t(\d+)\t\S+\t(.*?)\r?$", text)
        return [Flow(int(n), int(priority), rule) for n, _, priority, rule in lines]

    def create(self, rule: str, port: int = 0) -> int:
        """`flow create`, which must work: the number of the new rule."""
        text = self.tell(f"flow create {port} ingress {rule}")
        found = re.search(r"Flow rule #(\d+) created", text)
        assert found is not None, f"{rule}: {text}"
        return int(found[1])

    def hits(self, rule: int, port: int = 0) -> tuple[int, int]:
        """Packets and bytes of a rule with a COUNT."""
        text = self.tell(f"flow query {port} {rule} count")
        found = re.search(r"hits: (\d+)\s+bytes: (\d+)", text)
        assert found is not None, text
        return int(found[1]), int(found[2])

    def free_mbufs(self, pool: str = "mb_pool_0") -> int:
        """Mbufs that nobody holds, in the pool or in the caches of its threads."""
        text = self.tell(f"dump_mempool {pool}")
        numbers = dict(re.findall(r"(\w+)=(\d+)", text))
        return int(numbers["common_pool_count"]) + int(numbers["total_cache_count"])

    def complaints(self) -> list[str]:
        """The lines of the driver, without its name."""
        lines = self.read().splitlines()
        return [line.split(SAYS, 1)[1] for line in lines if SAYS in line]

    # ---- its end ----

    def quit(self, timeout: float = 20.0) -> int:
        """Leave by the prompt. Returns the exit status."""
        assert self._process.stdin is not None
        if self._process.poll() is None:
            self._process.stdin.write("quit\n")
            self._process.stdin.flush()
        return self._process.wait(timeout)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, timeout: float = 20.0) -> int:
        """The exit status, which must come in time."""
        return self._process.wait(timeout)

    def kill(self) -> None:
        """kill -9, as a crash would."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)

    def close(self) -> None:
        if self._process.stdin is not None and self._process.poll() is None:
            try:
                self.quit(10)
            except (subprocess.TimeoutExpired, BrokenPipeError):
                self.kill()


_VERBOSE = re.compile(
    r"src=(?P<src>\S+) - dst=(?P<dst>\S+) - (?:pool=\S+ - )?type=0x\w+ - length=(?P<length>\d+)"
    r" - nb_segs=(?P<segments>\d+)(?P<rest>.*?) - Receive queue=0x(?P<queue>\w+)\s+ol_flags: (?P<flags>.*)"
)


def read_verbose(text: str) -> list[Received]:
    found = []
    for packet in _VERBOSE.finditer(text):
        rss = re.search(r"RSS hash=0x(\w+)", packet["rest"])
        mark = re.search(r"FDIR matched ID=0x(\w+)", packet["rest"])
        found.append(
            Received(
                packet["src"].lower(), packet["dst"].lower(),
                int(packet["length"]), int(packet["segments"]), int(packet["queue"], 16),
                int(rss[1], 16) if rss else None, int(mark[1], 16) if mark else None,
                frozenset(re.findall(r"RTE_MBUF_F_RX_(\w+)", packet["flags"])),
            )
        )  # fmt: skip
    return found


def command(
    netns: Netns,
    devargs: Sequence[str],
    options: Sequence[str] = (),
    *,
    eal: Sequence[str] = ("--in-memory",),
    wrap: Sequence[str] = (),
    prefix: str = "weir-dts",
    cores: str = "0@0,1@1",
    mib: int = 64,
    mbufs: int = 8192,
) -> list[str]:
    """testpmd's command line, for one port for each of devargs ("iface=wan,queues=2")."""
    ports = [w for n, args in enumerate(devargs) for w in ("--vdev", f"net_weir_xdp{n},{args}")]
    # stdbuf: what it says must not wait in a buffer until it ends
    return netns.command(
        *wrap, "stdbuf", "-o0", "dpdk-testpmd", "--no-pci", "-m", str(mib), "--lcores", cores,
        "--file-prefix", prefix, *eal, "-d", str(PLUGIN), *ports, "--", "-i",
        f"--total-num-mbufs={mbufs}", "--disable-link-check", *options,
    )  # fmt: skip


@contextmanager
def prompt(
    netns: Netns, directory: Path, devargs: str | Sequence[str], *options: str, **how: object
) -> Iterator[Testpmd]:
    """A testpmd at its prompt, its ports started; it quits at the end. `how` is as of command()."""
    number = next(_runs)
    prefix = f"weir-dts-{os.getpid()}-{number}"
    ports = [devargs] if isinstance(devargs, str) else devargs
    argv = command(netns, ports, options, prefix=prefix, **how)  # type: ignore[arg-type]
    made = Testpmd(argv, directory / f"testpmd-{number}.log", prefix)
    try:
        made.wait_for_prompt()
        yield made
    except BaseException:
        text = re.sub(r" +cache_count\[\d+\]=0\n", "", made.read())
        print(f"--- {' '.join(argv)}\n{text[-8000:]}")  # for the report of the failure
        raise
    finally:
        made.close()
