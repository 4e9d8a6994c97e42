# SPDX-License-Identifier: BSD-3-Clause
"""YAML as a person would write it: a line for a rule, where it fits."""

import re
from collections.abc import Iterable

WIDTH = 100

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*|[0-9]+(\.[0-9]+){3}(/[0-9]+)?|0|[1-9][0-9]{0,8}")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "none"}

Value = str | int | bool | list[str] | dict[str, "Value"]


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def text(word: str) -> str:
    """A scalar, quoted where it must be."""
    if _PLAIN.fullmatch(word) and word.lower() not in _WORDS:
        return word
    word = printable(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{word}"'


def flow(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return f"[{', '.join(text(word) for word in value)}]"
    return "{" + ", ".join(f"{text(key)}: {flow(one)}" for key, one in value.items()) + "}"


def _block_list(head: str, words: list[str]) -> Iterable[str]:
    """`key: [a, b,` and the rest below, within the width."""
    line = head + "["
    indent = " " * (len(head) - len(head.lstrip()) + 4)
    for i, word in enumerate(words):
        piece = text(word) + ("]" if i + 1 == len(words) else ",")
        if len(line) + 1 + len(piece) > WIDTH and line.strip():
            yield line
            line = indent + piece
        else:
            line += piece if line.endswith("[") else " " + piece
    yield line


def pair(head: str, value: Value) -> Iterable[str]:
    """`head: value`, over several lines where it is long."""
    line = f"{head} {flow(value)}"
    if len(line) <= WIDTH or not isinstance(value, list):
        yield line
    else:
        yield from _block_list(head + " ", value)


def item(indent: str, record: dict[str, Value]) -> Iterable[str]:
    """An item of a list."""
    line = f"{indent}- {flow(record)}"
    if len(line) <= WIDTH:
        yield line
        return
    lead = indent + "- "
    for key, value in record.items():
        yield from pair(f"{lead}{text(key)}:", value)
        lead = indent + "  "


def comment(indent: str, words: str) -> Iterable[str]:
    """A comment, broken at spaces."""
    line = indent + "#"
    for word in printable(words).split(" "):
        if len(line) + 1 + len(word) > WIDTH and not line.endswith("#"):
            yield line
            line = indent + "#  "
        line += " " + word
    yield line
