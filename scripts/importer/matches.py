# SPDX-License-Identifier: BSD-3-Clause
"""Options of an iptables rule as boxes."""

import re
from collections.abc import Callable

from importer.box import STATES, WHOLE, WITH_PORTS, Box, Untranslated
from importer.ipset import Sets
from importer.nft import per_time
from importer.spans import ADDRESSES4, ADDRESSES6, Spans, address_range, prefix
from importer.words import DSCPS, FLAGS, ICMP6_TYPES, ICMP_CODES, ICMP_TYPES
from importer.words import flag_spans, named, port, proto, whole
from importer.zones import Zones

# Modules whose options are known here.
_MODULES = {
    "tcp", "udp", "sctp", "icmp", "icmp6", "multiport", "conntrack", "state", "comment", "limit",
    "hashlimit", "set", "iprange", "dscp", "addrtype",
}  # fmt: skip

# Options of targets, which say nothing about what a rule matches.
_TARGET_OPTIONS = {
    "--to-ports", "--to-source", "--to-destination", "--to", "--reject-with", "--log-prefix",
    "--log-level", "--nflog-prefix", "--nflog-group", "--ulog-prefix", "--log-tcp-options",
    "--log-ip-options", "--log-tcp-sequence", "--log-uid", "--nflog-threshold", "--random",
    "--random-fully", "--persistent", "--mss", "--wscale", "--timestamp", "--sack-perm", "--ecn",
}  # fmt: skip

_SECONDS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
_BURST = 5  # iptables' own


def _ports(words: str) -> Spans:
    """`80`, `1000:2000`, `22,80,1000:2000`, `1024:`."""
    pairs = []
    for word in words.split(","):
        low, colon, high = word.partition(":")
        lo = port(low) if low else 0
        pairs.append((lo, (port(high) if high else 65535) if colon else lo))
        if pairs[-1][0] > pairs[-1][1]:
            raise ValueError(f"{word} is no range of ports")
    return Spans.of(pairs)


def _rate(text: str) -> tuple[int, str]:
    """`10/sec`, `5/minute`, `100`."""
    form = re.fullmatch(r"(\d{1,9})(?:/(s|sec|second|m|min|minute|h|hour|d|day))?", text)
    if form is None:
        raise Untranslated(f"a limit of {text} has no equivalent")
    return int(form[1]), _SECONDS[(form[2] or "s")[0]]


class Matches:
    """What a rule matches, an option at a time: each of found must hold, by any of its boxes."""

    def __init__(self, zones: Zones, sets: Sets, local: list[str], family: int) -> None:
        self.found: list[list[Box]] = []
        self.comment = ""
        self.target = ""
        self.target_options: dict[str, str] = {}
        self.goto = False
        self.source: Spans | None = None
        self.destination: Spans | None = None
        self._zones = zones
        self._sets = sets
        self._local = local
        self._six = family == 6
        self._family = ADDRESSES6 if family == 6 else ADDRESSES4
        self._limit: dict[str, str] = {}

    def take(self, negated: bool, option: str, words: list[str]) -> None:
        if option in ("-m", "--match"):
            if words[0] not in _MODULES:
                raise Untranslated(f"-m {words[0]} has no equivalent")
        elif option in ("-j", "--jump", "-g", "--goto"):
            self.target, self.goto = words[0], option in ("-g", "--goto")
        elif option == "--comment":
            self.comment = " ".join(words)
        elif self.target and option in _TARGET_OPTIONS:
            self.target_options[option] = " ".join(words)
        elif self.target:
            self._unknown(option)
        elif option.startswith(("--limit", "--hashlimit")):
            if negated:
                raise Untranslated("a limit that is negated has no equivalent")
            self._limit[option] = words[0]
        elif option in self._READERS:
            self._READERS[option](self, negated, words)
        else:
            raise Untranslated(f"{option} has no equivalent")

    def _unknown(self, option: str) -> None:
        raise Untranslated(f"{option} of target {self.target} has no equivalent")

    def end(self) -> None:
        """The limit is known when all of its options are."""
        if not self._limit:
            return
        of, rate, over = "rule", self._limit.get("--limit"), False
        burst = self._limit.get("--limit-burst")
        if rate is None:
            of = "source" if self._limit.get("--hashlimit-mode") == "srcip" else "rule"
            if self._limit.get("--hashlimit-mode", "srcip") != "srcip":
                raise Untranslated("a limit of other than each source has no equivalent")
            if self._limit.get("--hashlimit-srcmask", "32") not in ("32", "64"):
                raise Untranslated("a limit of prefixes has no equivalent")
            over = "--hashlimit-above" in self._limit
            rate = self._limit.get("--hashlimit-above" if over else "--hashlimit-upto")
            burst = self._limit.get("--hashlimit-burst")
        if rate is None:
            raise Untranslated("its limit has no rate")
        number, per = _rate(rate)
        count = whole(burst, 1 << 30) if burst else _BURST
        self.found.append([Box(limit=per_time(number, per, count, over, of))])

    def _add(
        self, name: str, values: Spans, negated: bool, whole_side: Spans | None = None
    ) -> None:
        rest = (whole_side or WHOLE[name]) - values if negated else values
        self.found.append([Box.of(name, rest)])

    def _source(self, negated: bool, words: list[str]) -> None:
        values = self._addresses(words[0])
        self.source = None if negated else values
        self._add("source", values, negated, self._family)

    def _destination(self, negated: bool, words: list[str]) -> None:
        values = self._addresses(words[0])
        self.destination = None if negated else values
        self._add("destination", values, negated, self._family)

    def _addresses(self, text: str) -> Spans:
        return Spans.of(pair for word in text.split(",") for pair in prefix(word).pairs)

    def _in(self, negated: bool, words: list[str]) -> None:
        self._add("from", self._zones.spans(words[0].replace("+", "*")), negated)

    def _out(self, negated: bool, words: list[str]) -> None:
        self._add("to", self._zones.spans(words[0].replace("+", "*")), negated)

    def _proto(self, negated: bool, words: list[str]) -> None:
        if words[0] in ("all", "0"):
            return
        at = proto(words[0])
        self._add("proto", Spans(((at, at),)), negated)

    def _port(self, side: str, negated: bool, words: list[str]) -> None:
        self.found.append([Box.of("proto", WITH_PORTS)])
        self._add(side, _ports(words[0]), negated)

    def _sport(self, negated: bool, words: list[str]) -> None:
        self._port("sport", negated, words)

    def _dport(self, negated: bool, words: list[str]) -> None:
        self._port("dport", negated, words)

    def _either_port(self, negated: bool, words: list[str]) -> None:
        self.found.append([Box.of("proto", WITH_PORTS)])
        values = _ports(words[0])
        if negated:
            self._add("sport", values, True)
            self._add("dport", values, True)
        else:
            self.found.append([Box.of("sport", values), Box.of("dport", values)])

    def _tcp_flags(self, negated: bool, words: list[str]) -> None:
        mask, value = (_flag_bits(word) for word in words)
        self.found.append([Box.of("proto", Spans(((6, 6),)))])
        self._add("flags", flag_spans(mask, value), negated)

    def _syn(self, negated: bool, words: list[str]) -> None:
        self._tcp_flags(negated, ["FIN,SYN,RST,ACK", "SYN"])

    def _icmp(self, negated: bool, words: list[str]) -> None:
        number = 58 if self._six else 1
        self.found.append([Box.of("proto", Spans(((number, number),)))])
        if words[0] in ("any", "255"):
            return
        kind, slash, code = words[0].partition("/")
        if not self._six and kind in _CODES_OF_UNREACHABLE:
            kind, slash, code = "3", "/", str(ICMP_CODES[_CODES_OF_UNREACHABLE[kind]])
        at = named(kind, ICMP6_TYPES if self._six else ICMP_TYPES, 255) * 256
        ends = (at + whole(code, 255), at + whole(code, 255)) if slash else (at, at + 255)
        self._add("icmp", Spans((ends,)), negated)

    def _state(self, negated: bool, words: list[str]) -> None:
        values = []
        for word in words[0].lower().split(","):
            if word not in STATES:
                raise Untranslated(f"state {word.upper()} has no equivalent")
            values.append((STATES.index(word), STATES.index(word)))
        self._add("state", Spans.of(values), negated)

    def _match_set(self, negated: bool, words: list[str]) -> None:
        self.found.append(self._sets.boxes(words[0], words[1].split(","), negated))

    def _range(self, side: str, negated: bool, words: list[str]) -> None:
        low, dash, high = words[0].partition("-")
        self._add(side, address_range(low, high if dash else low), negated, self._family)

    def _source_range(self, negated: bool, words: list[str]) -> None:
        self._range("source", negated, words)

    def _destination_range(self, negated: bool, words: list[str]) -> None:
        self._range("destination", negated, words)

    def _dscp(self, negated: bool, words: list[str]) -> None:
        at = named(words[0], DSCPS, 63)
        self._add("dscp", Spans(((at, at),)), negated)

    def _dst_type(self, negated: bool, words: list[str]) -> None:
        if words[0] != "LOCAL":
            raise Untranslated(f"addresses of type {words[0]} have no equivalent")
        local = Spans.of(pair for word in self._local for pair in prefix(word).pairs)
        if not local & self._family:
            raise Untranslated("it needs this machine's addresses: give them with --local")
        self._add("destination", local & self._family, negated, self._family)

    _READERS: dict[str, Callable[["Matches", bool, list[str]], None]] = {
        "-s": _source, "--source": _source, "-d": _destination, "--destination": _destination,
        "-i": _in, "--in-interface": _in, "-o": _out, "--out-interface": _out,
        "-p": _proto, "--protocol": _proto,
        "--sport": _sport, "--source-port": _sport, "--sports": _sport, "--source-ports": _sport,
        "--dport": _dport, "--destination-port": _dport, "--dports": _dport,
        "--destination-ports": _dport, "--ports": _either_port,
        "--tcp-flags": _tcp_flags, "--syn": _syn,
        "--icmp-type": _icmp, "--icmpv6-type": _icmp,
        "--state": _state, "--ctstate": _state,
        "--match-set": _match_set, "--src-range": _source_range, "--dst-range": _destination_range,
        "--dscp": _dscp, "--dscp-class": _dscp, "--dst-type": _dst_type,
    }  # fmt: skip


_CODES_OF_UNREACHABLE = {
    "network-unreachable": "net-unreachable", "host-unreachable": "host-unreachable",
    "protocol-unreachable": "prot-unreachable", "port-unreachable": "port-unreachable",
    "fragmentation-needed": "frag-needed", "communication-prohibited": "admin-prohibited",
}  # fmt: skip


def _flag_bits(text: str) -> int:
    if text == "NONE":
        return 0
    if text == "ALL":
        return 0x3F
    bits = 0
    for word in text.lower().split(","):
        bits |= named(word, FLAGS, 0)
    return bits
