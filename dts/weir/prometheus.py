# SPDX-License-Identifier: BSD-3-Clause
"""A strict reader of Prometheus' text format: whatever its specification forbids is an error.

https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4.
"""

import re

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
_SAMPLE = re.compile(rf"^({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)?\}})? (\S+)$")
_HELP = re.compile(rf"^# HELP ({_NAME}) (?:[^\\\n]|\\\\|\\n)*$")
_TYPE = re.compile(rf"^# TYPE ({_NAME}) (counter|gauge|histogram|summary|untyped)$")
_NUMBER = re.compile(r"^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|NaN|[+-]Inf)$")
_PARTS = {"summary": ("", "_sum", "_count"), "histogram": ("_bucket", "_sum", "_count")}


def _family(sample: str, types: dict[str, str]) -> str:
    """The metric that a sample belongs to."""
    for name, kind in types.items():
        if sample in [name + part for part in _PARTS.get(kind, ("",))]:
            return name
    raise ValueError(f"{sample} has no TYPE before it")


def check(text: str) -> dict[str, str]:
    """Read a whole text. Returns the type of each metric; ValueError says what is wrong with it."""
    types: dict[str, str] = {}
    helps: set[str] = set()
    seen: set[tuple[str, str]] = set()
    done: list[str] = []
    if not text.endswith("\n"):
        raise ValueError("the last line does not end")
    for line in text.splitlines():
        if typed := _TYPE.match(line):
            if typed[1] in types:
                raise ValueError(f"a second TYPE of {typed[1]}")
            types[typed[1]] = typed[2]
        elif helped := _HELP.match(line):
            if helped[1] in helps:
                raise ValueError(f"a second HELP of {helped[1]}")
            helps.add(helped[1])
        else:
            _check_sample(line, types, seen, done)
    if set(types) != helps:
        raise ValueError(f"HELP or TYPE alone: {set(types) ^ helps}")
    return types


def _check_sample(
    line: str, types: dict[str, str], seen: set[tuple[str, str]], done: list[str]
) -> None:
    sample = _SAMPLE.match(line)
    if sample is None or not _NUMBER.match(sample[3]):
        raise ValueError(f"no sample: {line}")
    labels = sample[2] or ""
    names = re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', labels)
    if len(names) != len(set(names)):
        raise ValueError(f"a label twice: {line}")
    if (sample[1], labels) in seen:
        raise ValueError(f"a sample twice: {line}")
    seen.add((sample[1], labels))
    family = _family(sample[1], types)
    if types[family] == "counter" and not family.endswith("_total"):
        raise ValueError(f"a counter without _total: {family}")
    if types[family] == "counter" and float(sample[3]) < 0:
        raise ValueError(f"a negative counter: {line}")
    if family in done[:-1]:
        raise ValueError(f"the samples of {family} are not together")
    if not done or done[-1] != family:
        done.append(family)
