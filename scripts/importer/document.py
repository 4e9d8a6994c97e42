# SPDX-License-Identifier: BSD-3-Clause
"""From a ruleset to a configuration of weir-firewall, as text."""

import re
from collections.abc import Iterator

from importer.filters import Filters, Out
from importer.model import Report, Ruleset
from importer.nat import Translation
from importer.page import comment, flow, item, pair, text
from importer.render import Addresses
from importer.spans import with_length
from importer.zones import Zones

ENTRIES_DEFAULT = 65536

_VLAN = re.compile(r"(.+)\.([1-9][0-9]{0,3}(?:\.[1-9][0-9]{0,3})?)")


def _ports(zones: Zones) -> Iterator[str]:
    """A port for each interface; NAME.ID is a VLAN of another."""
    vlans: dict[str, list[str]] = {}
    for name in zones.interfaces:
        match = _VLAN.fullmatch(name)
        if match:
            vlans.setdefault(match[1], []).append(match[2])
        else:
            vlans.setdefault(name, [])
    yield "ports:"
    for name, ids in vlans.items():
        tail = ", ".join(f'"{one}": {{}}' for one in ids)
        more = f", vlans: {{{tail}}}" if ids else ""
        yield f"  {text(name)}: {{interface: {text(name)}{more}}}"


def _records(indent: str, outs: list[Out]) -> Iterator[str]:
    for out in outs:
        yield from comment(indent, out.about)
        for note in out.notes:
            yield from comment(indent, note)
        for record in out.records:
            yield from item(indent, record)


def _sets(sets: dict[str, list[str]]) -> Iterator[str]:
    yield "sets:"
    for name, addresses in sets.items():
        yield f"  {text(name)}:"
        if len(addresses) > ENTRIES_DEFAULT:
            yield f"    entries: {2 * len(addresses)}"
        yield from pair("    addresses:", [with_length(word) for word in addresses])


def document(ruleset: Ruleset, zones: Zones, report: Report) -> str:
    for chain in ruleset.chains.values():
        if chain.is_foreign():
            for rule in chain.rules:
                for what in rule.lost:
                    report.lost(rule.where, what)
    addresses = Addresses({name: list(words) for name, words in ruleset.sets.items()})
    filters = Filters(ruleset, zones, addresses, report)
    filters.translate()
    nat = Translation(ruleset, zones, addresses, report)
    nat.translate()
    lines = [f"# Written by {ruleset.tool}. Addresses and routes are yours to add."]
    for note in filters.notes:
        lines += comment("", note)
    if zones.interfaces:
        lines += ["", *_ports(zones), "", "zones:"]
        for zone, members in zones.members().items():
            lines.append(f"  {text(zone)}: {flow({'interfaces': members})}")
    if addresses.used():
        lines += ["", *_sets(addresses.used())]
    lines += ["", "firewall:", f"  default: {filters.default}"]
    if any(out.records for out in filters.out):
        lines.append("  rules:")
    lines += _records("    ", filters.out)
    if any(nat.out.values()):
        lines += ["", "nat:"]
        for name, outs in nat.out.items():
            if outs:
                lines += [f"  {name}:", *_records("    ", outs)]
    return "\n".join(lines) + "\n"
