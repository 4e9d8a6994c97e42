# SPDX-License-Identifier: BSD-3-Clause
"""The command line of both programs."""

import argparse
import signal
import sys
from pathlib import Path

from importer import iptables, nft
from importer.document import document
from importer.fields import Fields
from importer.ipset import Sets
from importer.model import Report, Ruleset, Unusable
from importer.spans import prefix
from importer.zones import Zones

DONE, LOST, REFUSED = 0, 3, 2
INPUT_MAX = 256 << 20


def _text(name: str) -> str:
    try:
        if name == "-":
            data = sys.stdin.buffer.read(INPUT_MAX + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(INPUT_MAX + 1)
        if len(data) > INPUT_MAX:
            raise Unusable(f"{name}: more than {INPUT_MAX >> 20} MiB")
        return data.decode()
    except OSError as why:
        raise Unusable(f"{name}: {why.strerror}") from None
    except UnicodeDecodeError:
        raise Unusable(f"{name}: this is not text in UTF-8") from None


def _local(words: list[str]) -> list[str]:
    found = [one for word in words for one in word.split(",")]
    for one in found:
        try:
            prefix(one)
        except ValueError:
            raise Unusable(f"--local: {one!r} is no address") from None
    return found


def _arguments(about: str, several: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about, allow_abbrev=False)
    parser.add_argument("--zone", action="append", default=[], metavar="NAME=IF,IF",
                        help="interfaces of one zone; any other is a zone of its own")  # fmt: skip
    parser.add_argument("--local", action="append", default=[], metavar="ADDRESS,...",
                        help="this machine's addresses, for rules about local ones")  # fmt: skip
    parser.add_argument("file", nargs="*" if several else "?", default=None,
                        help="default: standard input")  # fmt: skip
    return parser


def _nft(args: argparse.Namespace, report: Report) -> tuple[Ruleset, Zones]:
    objects = nft.read(_text(args.file or "-"))
    try:
        zones = Zones(args.zone, set(nft.interfaces(objects)))
    except RecursionError:
        raise Unusable("the JSON is nested too deeply") from None
    reader = nft.Reader(objects, Fields(zones, _local(args.local), report))
    return reader.ruleset, zones


def _iptables(args: argparse.Namespace, report: Report) -> tuple[Ruleset, Zones]:
    names = args.file or ["-"]
    dumps = [iptables.read(name, _text(name)) for name in names]
    if len({dump.family for dump in dumps}) < len(dumps):
        raise Unusable(f"{' '.join(names)}: want one file of each family at most")
    sets = Sets(report)
    for name in args.ipset:
        sets.read(name, _text(name))
    zones = Zones(args.zone, {name for dump in dumps for name in iptables.interfaces(dump)})
    return iptables.Reader(dumps, zones, sets, _local(args.local)).ruleset, zones


def main(tool: str, about: str) -> int:
    """Read, translate, write. @return the exit status."""
    parser = _arguments(about, tool == "import-iptables")
    if tool == "import-iptables":
        parser.add_argument("--ipset", action="append", default=[], metavar="FILE",
                            help="what `ipset save` prints, for -m set")  # fmt: skip
    args, report = parser.parse_args(), Report()
    for number in (signal.SIGPIPE, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    try:
        ruleset, zones = (_iptables if tool == "import-iptables" else _nft)(args, report)
        text = document(ruleset, zones, report)
    except Unusable as why:
        words = "".join(c if c.isprintable() else "?" for c in str(why))
        print(f"{tool}: {words}.", file=sys.stderr)
        return REFUSED
    for sentence in report.sentences:
        print(sentence, file=sys.stderr)
    sys.stdout.write(text)
    return LOST if report.sentences else DONE
