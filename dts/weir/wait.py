# SPDX-License-Identifier: BSD-3-Clause
"""Waiting for a condition: the only place in the suites that lets time pass."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_STEP_S = 0.01


def until(predicate: Callable[[], T], timeout: float = 20.0, what: str = "") -> T:
    """The first true value of predicate(), asked every 10 ms.

    Raises TimeoutError, which names what was waited for and the last value, after timeout seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            name = what or predicate.__name__
            raise TimeoutError(f"{name}: not within {timeout:g} s, last value {value!r}")
        time.sleep(_STEP_S)
