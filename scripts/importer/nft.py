# SPDX-License-Identifier: BSD-3-Clause
"""`nft -j list ruleset` (libnftables-json(5)) as a Ruleset."""

import json
import re
from collections.abc import Iterator
from typing import Any

from importer.box import Box, Limit, Untranslated
from importer.fields import Fields, Json, keyed
from importer.model import Branch, Chain, Rule, Ruleset, Unusable, Verdict
from importer.model import add_log, add_synproxy, fold_logs, product
from importer.spans import Spans, prefix, prefixes, address_range
from importer.words import port, whole

PER_SECOND = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}

# What a rule does beside its verdict, and weir does not.
_SIDE_EFFECTS = {
    "mangle", "notrack", "ct helper", "ct timeout", "ct expectation", "dup", "secmark", "tproxy",
}  # fmt: skip
_PLAIN_VERDICTS = {"accept", "drop", "return", "reject"}


def read(text: str) -> list[dict[str, Any]]:
    """The objects of a ruleset."""
    try:
        objects = json.loads(text)["nftables"]
    except RecursionError:
        raise Unusable("the JSON is nested too deeply") from None
    except (ValueError, KeyError, TypeError) as why:
        raise Unusable(f"this is not what `nft -j list ruleset` prints: {why}") from None
    if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
        raise Unusable("this is not what `nft -j list ruleset` prints: nftables is no list")
    return objects


def interfaces(node: Json) -> Iterator[str]:
    """All names of interfaces that rules and sets speak of."""
    if isinstance(node, list):
        for one in node:
            yield from interfaces(one)
    elif isinstance(node, dict):
        for left, right in (("left", "right"), ("key", "data"), ("type", "elem")):
            if left in node and right in node:
                yield from _names(node[right], _places(node[left]))
        for one in node.values():
            yield from interfaces(one)


def _places(left: Json) -> list[bool]:
    """Which parts of what is read, or of a set's type, are interfaces."""
    if isinstance(left, dict) and "concat" in left:
        left = left["concat"]
    parts = left if isinstance(left, list) else [left]
    return [part == "ifname" or _is_interface(part) for part in parts]


def _is_interface(left: Json) -> bool:
    meta = left.get("meta") if isinstance(left, dict) else None
    return isinstance(meta, dict) and meta.get("key") in ("iif", "oif", "iifname", "oifname")


def _names(right: Json, places: list[bool]) -> Iterator[str]:
    """Names in the right side of a match, and in the keys of a map."""
    if isinstance(right, str):
        if places == [True] and right[:1] != "@":
            yield right
    elif isinstance(right, list):
        for one in right:
            yield from _names(one[0] if isinstance(one, list) and one else one, places)
    elif isinstance(right, dict) and isinstance(right.get("concat"), list):
        for part, is_name in zip(right["concat"], places):
            yield from _names(part, [is_name])
    elif isinstance(right, dict):
        for name in ("set", "elem", "val"):
            yield from _names(right.get(name), places)


class Reader:
    """Objects of nft to rules."""

    def __init__(self, objects: list[dict[str, Any]], fields: Fields) -> None:
        self.ruleset = Ruleset(tool="import-nft")
        self._fields = fields
        for one in objects:
            for kind in ("set", "map"):
                if isinstance(one.get(kind), dict):
                    fields.add_set(one[kind])
            if isinstance(one.get("chain"), dict):
                self._chain(one["chain"])
        for one in objects:
            if isinstance(one.get("rule"), dict):
                self._rule(one["rule"])
        for chain in self.ruleset.chains.values():
            fold_logs(chain)
        self.ruleset.sets = fields.sets

    def _chain(self, made: dict[str, Any]) -> None:
        where = f"{made.get('family')} {made.get('table')} {made.get('name')}"
        priority = made.get("prio", 0)
        self.ruleset.chains[where] = Chain(
            key=where,
            where=where,
            kind=str(made.get("type", "")),
            hook=str(made.get("hook", "")),
            family=str(made.get("family")),
            priority=priority if isinstance(priority, int) else 0,
            policy="drop" if made.get("policy") == "drop" else "accept",
        )

    def _rule(self, made: dict[str, Any]) -> None:
        table = f"{made.get('family')} {made.get('table')}"
        chain = self.ruleset.chains.get(f"{table} {made.get('chain')}")
        if chain is None:
            raise Unusable(f"rule {made.get('handle')} is in a chain that is not there")
        comment = made.get("comment")
        rule = Rule(
            where=f"{chain.where}, handle {made.get('handle')}",
            name=f"{made.get('chain')}-{made.get('handle')}",
            comment=comment if isinstance(comment, str) else "",
        )
        chain.rules.append(rule)
        if chain.is_foreign():
            rule.lost.append(
                f"a chain of type {chain.kind} and hook {chain.hook} of family {chain.family} "
                "has no equivalent"
            )
            return
        try:
            self._statements(rule, table, made.get("expr"))
        except Untranslated as why:
            rule.lost.append(f"{why}; it is left out")
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as why:
            rule.lost.append(f"it is not understood ({why}); it is left out")
        if rule.lost and rule.lost[-1].endswith("left out"):
            rule.branches = []

    def _statements(self, rule: Rule, table: str, expr: Any) -> None:
        family = table.split(" ", 1)[0]
        boxes, kinds, logs = [self._fields.of_family(family)], [], False
        if not isinstance(expr, list):
            raise Untranslated("it has no expressions")
        for statement in expr:
            ((kind, what),) = statement.items() if isinstance(statement, dict) else ()
            kinds.append(kind)
            if kind == "match":
                boxes = product(boxes, self._fields.match(table, what))
            elif kind == "limit":
                boxes = product(boxes, [Box(limit=_limit(what))])
            elif kind == "log":
                logs = True
            elif kind == "flow":
                rule.remarks.append("weir forwards all flows itself.")
            elif kind == "set" and not what.get("stmt") or kind in _SIDE_EFFECTS:
                rule.lost.append(f"{_effect(kind, what)} has no equivalent")
            elif kind in ("vmap", "jump", "goto", "masquerade", "snat", "dnat"):
                rule.branches = list(self._fates(table, boxes, kind, what))
            elif kind == "synproxy":
                rule.branches = [Branch(box, Verdict(kind)) for box in boxes]
                add_synproxy(rule, _offers(what))
            elif kind in _PLAIN_VERDICTS:
                rule.branches = [Branch(box, Verdict(kind)) for box in boxes]
            elif kind not in ("counter", "continue", "comment"):
                raise Untranslated(f"{_effect(kind, what)} has no equivalent")
        if not rule.branches and (logs or kinds[-1:] == ["counter"]):
            rule.branches = [Branch(box, Verdict("log" if logs else "count")) for box in boxes]
        elif logs:
            add_log(rule)

    def _fates(self, table: str, boxes: list[Box], kind: str, what: Any) -> Iterator[Branch]:
        """The branches of a statement that ends a rule."""
        if kind in ("jump", "goto"):
            yield from (Branch(box, self._jump(table, kind, what)) for box in boxes)
        elif kind == "vmap":
            for key, value in keyed(self._fields.elements(table, what["data"])):
                ((verdict, more),) = value.items()
                if verdict in ("jump", "goto"):
                    fate = self._jump(table, verdict, more)
                elif verdict in ("accept", "drop", "return"):
                    fate = Verdict(verdict)
                elif verdict == "continue":
                    continue
                else:
                    raise Untranslated(f"{verdict} in a map has no equivalent")
                met = product(boxes, self._fields.element(table, what["key"], key))
                yield from (Branch(box, fate) for box in met)
        elif kind == "masquerade":
            ports = _ports(what.get("port")) if isinstance(what, dict) else ""
            yield from (Branch(box, Verdict(kind, ports=ports)) for box in boxes)
        else:
            yield from self._translations(table, boxes, kind, what)

    def _jump(self, table: str, kind: str, what: Any) -> Verdict:
        key = f"{table} {what['target']}"
        if key not in self.ruleset.chains:
            raise Unusable(f"{key}: a rule jumps to this chain, which is not there")
        return Verdict(kind, key)

    def _translations(self, table: str, boxes: list[Box], kind: str, what: Any) -> Iterator[Branch]:
        address, ports = what.get("addr"), _ports(what.get("port"))
        if not isinstance(address, dict) or "map" not in address:
            fate = _translate(kind, address, ports)
            yield from (Branch(box, fate) for box in boxes)
            return
        key = address["map"]["key"]
        for one, value in keyed(self._fields.elements(table, address["map"]["data"])):
            if "prefix" in (what.get("type_flags") or ()) or "netmap" in (what.get("flags") or ()):
                yield from (Branch(box, _net_map(kind, one, value)) for box in boxes)
                continue
            if isinstance(value, dict) and "concat" in value:
                value, port_of = value["concat"]
                fate = _translate(kind, value, _ports(port_of))
            else:
                fate = _translate(kind, value, ports)
            met = product(boxes, self._fields.element(table, key, one))
            yield from (Branch(box, fate) for box in met)


def _effect(kind: str, what: Any) -> str:
    if kind == "mangle" and isinstance(what, dict):
        return f"setting {json.dumps(what.get('key'))}"
    if kind in ("set", "meter", "map"):
        return "changing or metering a set by packets"
    if kind == "xt":
        return "what iptables put there (import what iptables-save prints)"
    if kind == "redirect":
        return "redirect to this machine"
    return kind


def _limit(what: Any) -> Limit:
    if not isinstance(what, dict) or what.get("rate_unit", "packets") != "packets":
        raise Untranslated("a limit other than of packets a time has no equivalent")
    return per_time(
        whole(what["rate"], 1 << 32),
        str(what.get("per", "second")),
        whole(what.get("burst", 5), 1 << 32) or 5,
        bool(what.get("inv")),
    )


def per_time(rate: int, per: str, burst: int, over: bool, of: str = "rule") -> Limit:
    """Rates of weir are whole packets a second."""
    if per not in PER_SECOND or rate == 0 or rate % PER_SECOND[per]:
        raise Untranslated(f"its limit of {rate}/{per} is not a whole number of packets a second")
    return Limit(rate // PER_SECOND[per], burst, of, over)


def _ports(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        lo, hi = value["range"]
        return f"{port(lo)}-{port(hi)}"
    return str(port(value))


def _offers(what: Any) -> set[str]:
    """{"mss": 1460, "wscale": 7, "flags": ["timestamp", "sack-perm"]}"""
    if not isinstance(what, dict):
        return set()
    flags = what.get("flags", [])
    found = {str(flag) for flag in (flags if isinstance(flags, list) else [flags])}
    return found | {f"{key} {what[key]}" for key in ("mss", "wscale") if key in what}


def pool_of(value: Any) -> tuple[str, ...]:
    """Prefixes of an address, a prefix or a range."""
    if isinstance(value, dict) and "range" in value:
        return tuple(prefixes(address_range(*value["range"])))
    return tuple(prefixes(prefix(prefix_text(value))))


def prefix_text(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['prefix']['addr']}/{whole(value['prefix']['len'], 128)}"
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no address")
    return value


def _translate(kind: str, address: Any, ports: str) -> Verdict:
    if address is None:
        raise Untranslated("translation to this machine, of ports alone, has no equivalent")
    pool = pool_of(address)
    if kind == "snat":
        if ports and "-" not in ports:
            ports = f"{ports}-{ports}"
        return Verdict(kind, pool=pool, ports=ports)
    if len(pool) != 1 or "/" in pool[0]:
        raise Untranslated("a forward to several addresses has no equivalent")
    return Verdict(kind, to=pool[0], ports=ports)


def net_map(kind: str, before: Spans, after: Spans) -> Verdict:
    """Prefix to prefix: inside is what a source was, or what a destination becomes."""
    words = prefixes(before), prefixes(after)
    if any(len(one) != 1 for one in words):
        raise Untranslated("a map of what is no prefix has no equivalent")
    lengths = [re.search(r"/\d+$", one[0]) for one in words]
    if [m and m[0] for m in lengths][0] != [m and m[0] for m in lengths][1]:
        raise Untranslated("a map between prefixes of different lengths has no equivalent")
    inside, outside = (words[0], words[1]) if kind == "snat" else (words[1], words[0])
    return Verdict("one_to_one", inside=inside[0], pool=tuple(outside))


def _net_map(kind: str, before: Any, after: Any) -> Verdict:
    return net_map(kind, prefix(prefix_text(before)), prefix(prefix_text(after)))
