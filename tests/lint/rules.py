# SPDX-License-Identifier: BSD-3-Clause
"""The rules that read nothing but text. Each takes a file's path and text, and yields what is wrong.

A finding is (line, subject, what is wrong and how to mend it). The subject is what an exception in
tests/lint/allow names beside the file: a function, or nothing.
"""

import ast
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

FUNCTION_LINES = 70
FILE_LINES = 700

LIBRARY = ("lib/", "dataplane/", "pmd-xdp/", "stack/")
OWN_OUTPUT = re.compile(r"lib/base/log\w*\.c|dataplane/app/")


class Finding(NamedTuple):
    line: int
    subject: str
    message: str


Rule = Callable[[str, str], Iterator[Finding]]

_C_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def code(text: str) -> str:
    """C without its comments and the contents of its strings, line for line."""

    def blank(token: re.Match[str]) -> str:
        kept = "\n" * token[0].count("\n")
        return kept if token[0][0] == "/" else f'""{kept}'

    return _C_TOKEN.sub(blank, text)


def is_c(path: str) -> bool:
    return path.endswith((".c", ".h"))


def is_script(path: str, text: str) -> bool:
    return path.endswith((".py", ".sh")) or path.startswith(("scripts/", ".ci/")) and "\n" in text


def _calls(text: str, names: str) -> Iterator[tuple[int, re.Match[str]]]:
    """Where one of the functions is called: the line, and the match with the name and the rest."""
    pattern = re.compile(rf"(?<![\w.>])({names})\s*\(([^;]*)")
    for number, line in enumerate(code(text).splitlines(), 1):
        for call in pattern.finditer(line):
            yield number, call


def spdx(path: str, text: str) -> Iterator[Finding]:
    """The first line, or the one after #!, names the licence."""
    if path == "scripts/packages" or not (
        is_c(path) or path.endswith(".def") or is_script(path, text)
    ):
        return
    lines = text.splitlines()[:2]
    if lines and not lines[0].startswith("#!"):
        lines = lines[:1]
    if not any("SPDX-License-Identifier: " in line and "BSD-3-Clause" in line for line in lines):
        yield Finding(
            1, "", "begin the file with SPDX-License-Identifier: BSD-3-Clause in a comment"
        )


def unfinished(path: str, text: str) -> Iterator[Finding]:
    """No mark of unfinished work: finish it, or open an issue."""
    if path.startswith("tests/lint/"):
        return
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line)
        if mark:
            yield Finding(number, "", f"{mark[1]}: finish it, or take it out and open an issue")


def _c_functions(text: str) -> Iterator[tuple[str, int, int]]:
    """Name, first and last line of each function: in our layout its braces stand in column 1."""
    name, begin = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        head = re.match(r"[A-Za-z_].*?(\w+)\(", line)
        if head:
            name = head[1]
        if line == "{":
            begin = number
        elif line == "}" and begin:
            yield name, begin, number
            begin = 0


def _python_functions(text: str) -> Iterator[tuple[str, int, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno or node.lineno


def lengths(path: str, text: str) -> Iterator[Finding]:
    """A function fits on a screen, a file in a head."""
    functions: Iterator[tuple[str, int, int]] = iter(())
    if is_c(path):
        functions = _c_functions(text)
    elif path.endswith(".py") or is_script(path, text) and "python" in text.split("\n", 1)[0]:
        functions = _python_functions(text)
    elif not is_script(path, text):
        return
    for name, begin, end in functions:
        if end - begin + 1 > FUNCTION_LINES:
            message = (
                f"{name} has {end - begin + 1} lines, at most {FUNCTION_LINES}: take a part out"
            )
            yield Finding(begin, name, message)
    count = len(text.splitlines())
    if count > FILE_LINES:
        yield Finding(1, "", f"{count} lines, at most {FILE_LINES}: split the file by what it does")


def output(path: str, text: str) -> Iterator[Finding]:
    """A library does not talk to a terminal: it returns an error, or logs."""
    if not is_c(path) or not path.startswith(LIBRARY) or OWN_OUTPUT.match(path):
        return
    for line, call in _calls(text, "perror|v?printf|puts|putchar|v?dprintf"):
        yield Finding(line, "", f"{call[1]} in a library: return an error, or use weir_log")
    for line, call in _calls(text, "v?fprintf|fputs|fputc|putc|fwrite"):
        if re.search(r"\b(stderr|stdout)\b", call[2]):
            yield Finding(
                line, "", f"{call[1]} to a terminal in a library: return an error, or use weir_log"
            )


def panics(path: str, text: str) -> Iterator[Finding]:
    """No packet and no caller can end the process from inside a library."""
    if not is_c(path) or not path.startswith(LIBRARY):
        return
    for line, call in _calls(text, "abort|_?exit|_Exit|quick_exit|rte_panic|rte_exit"):
        yield Finding(line, "", f"{call[1]} in a library: return -errno and let the app decide")
    if path.startswith("dataplane/nodes/"):
        for line, call in _calls(text, "assert|RTE_ASSERT|RTE_VERIFY"):
            yield Finding(
                line, "", f"{call[1]} in a node: make it a counted drop, or a static_assert"
            )


_HANDLER = re.compile(
    r"(?<![\w.>])signal\s*\(\s*\w+\s*,\s*&?(\w+)|\bsa_(?:handler|sigaction)\s*=\s*&?(\w+)"
)
_SETS_A_FLAG = re.compile(r"\w+ = (\w+);|\(void\)\w+;|atomic_store(_explicit)?\(&\w+, [\w, ]+\);")


def signals(path: str, text: str) -> Iterator[Finding]:
    """A signal handler sets a flag and does no more; a program with a loop of its own has none."""
    if not is_c(path) or path.startswith("tests/"):
        return
    plain = code(text)
    lines = plain.splitlines()
    bodies = {name: lines[begin : end - 1] for name, begin, end in _c_functions(plain)}
    for installed in _HANDLER.finditer(plain):
        handler = installed[1] or installed[2]
        if handler in ("SIG_IGN", "SIG_DFL"):
            continue
        body = bodies.get(handler)
        if body is None or not all(_SETS_A_FLAG.fullmatch(line.strip()) for line in body):
            message = f"{handler} does more than set a flag: block the signal and read a signalfd"
            yield Finding(plain.count("\n", 0, installed.start()) + 1, handler, message)


RULES: dict[str, Rule] = {
    rule.__name__: rule for rule in (spdx, unfinished, lengths, output, panics, signals)
}
