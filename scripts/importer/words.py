# SPDX-License-Identifier: BSD-3-Clause
"""Names of protocols, types, classes and flags, as the tools print them and as weir has them."""

import re
import socket
from functools import cache

from importer.box import Untranslated
from importer.spans import Spans

PROTOS = {
    "icmp": 1, "igmp": 2, "ipencap": 4, "ipip": 4, "ipv4": 4, "tcp": 6, "udp": 17, "dccp": 33,
    "ipv6": 41, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58, "ipv6-icmp": 58, "ospf": 89,
    "pim": 103, "comp": 108, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "sctp": 132,
    "udplite": 136,
}  # fmt: skip

# Of fw_names.c.
WEIR_PROTOS = {
    1: "icmp", 4: "ipip", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 51: "ah", 58: "icmp6",
    132: "sctp", 136: "udplite",
}  # fmt: skip
WEIR_ICMP = {
    0: "echo-reply", 3: "unreachable", 5: "redirect", 8: "echo-request", 11: "time-exceeded",
    12: "parameter-problem", 13: "timestamp-request", 14: "timestamp-reply",
}  # fmt: skip
WEIR_ICMP6 = {
    1: "unreachable", 2: "packet-too-big", 3: "time-exceeded", 4: "parameter-problem",
    128: "echo-request", 129: "echo-reply",
}  # fmt: skip

ICMP_TYPES = {
    "echo-reply": 0, "pong": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5,
    "echo-request": 8, "ping": 8, "router-advertisement": 9, "router-solicitation": 10,
    "time-exceeded": 11, "ttl-exceeded": 11, "parameter-problem": 12, "timestamp-request": 13,
    "timestamp-reply": 14, "info-request": 15, "info-reply": 16, "address-mask-request": 17,
    "address-mask-reply": 18,
}  # fmt: skip
ICMP6_TYPES = {
    "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "ttl-exceeded": 3,
    "parameter-problem": 4, "echo-request": 128, "ping": 128, "echo-reply": 129, "pong": 129,
    "mld-listener-query": 130, "mld-listener-report": 131, "mld-listener-done": 132,
    "mld-listener-reduction": 132, "nd-router-solicit": 133, "router-solicitation": 133,
    "nd-router-advert": 134, "router-advertisement": 134, "nd-neighbor-solicit": 135,
    "neighbour-solicitation": 135, "neighbor-solicitation": 135, "nd-neighbor-advert": 136,
    "neighbour-advertisement": 136, "neighbor-advertisement": 136, "nd-redirect": 137,
    "redirect": 137, "router-renumbering": 138, "ind-neighbor-solicit": 141,
    "ind-neighbor-advert": 142, "mld2-listener-report": 143,
}  # fmt: skip
ICMP_CODES = {
    "net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3,
    "frag-needed": 4, "net-prohibited": 9, "host-prohibited": 10, "admin-prohibited": 13,
}  # fmt: skip
ICMP6_CODES = {
    "no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4,
    "policy-fail": 5, "reject-route": 6,
}  # fmt: skip

FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
FLAGS["ece"] = 64
_WEIR_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr")

DSCPS = (
    {"ef": 46, "be": 0, "df": 0, "lephb": 1}
    | {f"cs{i}": i << 3 for i in range(8)}
    | {f"af{i}{k}": i << 3 | k << 1 for i in range(1, 5) for k in range(1, 4)}
)


def whole(text: object, most: int) -> int:
    """A number as text: decimal or hexadecimal."""
    if isinstance(text, int) and not isinstance(text, bool) and 0 <= text <= most:
        return text
    if isinstance(text, str) and re.fullmatch(r"0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10}", text):
        value = int(text, 16 if text[:2] in ("0x", "0X") else 10)
        if value <= most:
            return value
    raise ValueError(f"{text!r} is no number of at most {most}")


def named(text: object, names: dict[str, int], most: int) -> int:
    """A name of a table, or a number."""
    if isinstance(text, str) and text.lower() in names:
        return names[text.lower()]
    return whole(text, most)


def proto(text: object) -> int:
    try:
        return named(text, PROTOS, 255)
    except ValueError:
        if not isinstance(text, str):
            raise
    try:
        return socket.getprotobyname(text)
    except (OSError, UnicodeError):
        raise Untranslated(f"protocol {text} is not known") from None


def port(text: object) -> int:
    try:
        return whole(text, 65535)
    except ValueError:
        if not isinstance(text, str):
            raise
    try:
        return socket.getservbyname(text)
    except (OSError, UnicodeError):
        raise Untranslated(f"port {text} is not known") from None


def flag_spans(mask: int, value: int) -> Spans:
    """The combinations of flags of which those of the mask are just those of the value."""
    return Spans.of((v, v) for v in range(256) if v & mask == value)


@cache
def _cubes() -> list[tuple[int, int, frozenset[int]]]:
    """All texts of flags as mask, value and the combinations that they mean, the widest first."""
    masks = sorted(range(256), key=lambda mask: (mask.bit_count(), mask))
    pairs = [(mask, value) for mask in masks for value in range(256) if value & ~mask == 0]
    return [(m, v, frozenset(flag_spans(m, v).values())) for m, v in pairs]


@cache
def flag_words(spans: Spans) -> list[str]:
    """The fewest texts that say these combinations: `syn,!ack`, found greedily."""
    wanted = frozenset(spans.values())
    left, out = wanted, []
    for mask, value, inside in _cubes():
        if inside <= wanted and inside & left:
            left -= inside
            out.append(
                ",".join(
                    ("" if value >> bit & 1 else "!") + name
                    for bit, name in enumerate(_WEIR_FLAGS)
                    if mask >> bit & 1
                )
            )
    return out
