# SPDX-License-Identifier: BSD-3-Clause
"""What every suite has: fixtures, capabilities that are checked, and a limit on each test's time."""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from weir.caps import Cap
from weir.lab import Lab, Line, remove_leftovers
from weir.router import Routed, between_hosts, between_silent_ends
from weir.sut import Sut
from weir.tg import TrafficGenerator

_LIMIT_S = 120


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(f"signal {number}")


def pytest_sessionstart(session: pytest.Session) -> None:
    """SIGTERM ends a run as Ctrl-C does, with every lab removed."""
    signal.signal(signal.SIGTERM, _stop)
    if Cap.NETNS.found() and not session.config.option.collectonly:
        for name in remove_leftovers():
            print(f"removed {name}, which a killed run left")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("requires"):
        for cap in marker.args:
            if not cap.found():
                pytest.skip(cap.remedy)


def _backlog_drops() -> int:
    """Packets that the kernel dropped because a CPU's backlog, which all namespaces share, was full."""
    lines = Path("/proc/net/softnet_stat").read_text().splitlines()
    return sum(int(cpu.split()[1], 16) for cpu in lines)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test that does not end fails, and the next one runs.

    Of one that fails while the kernel's backlog overflows, the report says so.
    """
    marker = item.get_closest_marker("limit")
    seconds = marker.args[0] if marker else _LIMIT_S
    if "WEIR_TEST_LONG" in os.environ:
        seconds *= 10

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"the test took more than {seconds} s")

    before, drops = signal.signal(signal.SIGALRM, late), _backlog_drops()
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        if lost := _backlog_drops() - drops:
            text = f"{lost} packets of this machine were lost meanwhile: does something flood it?"
            item.add_report_section("call", "the kernel's backlog", text)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, None]:
    """A failure's report has the logs of the apps."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        used = getattr(item, "funcargs", {}).values()
        reports = {one.report() for one in used if isinstance(one, (Sut, Routed))}
        report.sections += [("logs of the apps", text) for text in reports]


@pytest.fixture
def lab() -> Iterator[Lab]:
    """An empty lab."""
    with Lab() as made:
        yield made


@pytest.fixture
def line(lab: Lab) -> Line:
    """left === wan [sut] lan === right."""
    return lab.line()


@pytest.fixture
def tg() -> Iterator[TrafficGenerator]:
    with TrafficGenerator() as made:
        yield made


@pytest.fixture
def sut(lab: Lab, tmp_path: Path) -> Iterator[Sut]:
    """Depends on the lab, so that apps end before their interfaces go."""
    made = Sut(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """A router between silent ends; a module that wants it configured otherwise has its own."""
    with between_silent_ends(tmp_path_factory.mktemp("net")) as made:
        yield made


@pytest.fixture
def counted(net: Routed) -> Routed:
    """The module's router between silent ends, its figures counted from here on."""
    net.app.mark()
    return net


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """A router between two hosts of the kernel's; a module may have its own, as of net."""
    with between_hosts(tmp_path_factory.mktemp("hosts")) as made:
        yield made
