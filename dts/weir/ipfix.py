# SPDX-License-Identifier: BSD-3-Clause
"""A strict reader of IPFIX messages (RFC 7011): whatever the specification forbids is an error.

    collector = Collector()
    for record in collector.take(datagram):
        assert record["sourceIPv4Address"] == "10.0.0.2"
        assert record["reverse packetDeltaCount"] == 8
"""

import ipaddress
import struct
from dataclasses import dataclass, field

REVERSE = 29305
"""The enterprise of elements of the other direction (RFC 5103)."""

VARIABLE = 65535

# IANA's registry, as far as weir writes it: how to read a value, by the element's number and name.
_UNSIGNED = {
    1: "octetDeltaCount",
    2: "packetDeltaCount",
    4: "protocolIdentifier",
    6: "tcpControlBits",
    7: "sourceTransportPort",
    10: "ingressInterface",
    11: "destinationTransportPort",
    14: "egressInterface",
    85: "octetTotalCount",
    86: "packetTotalCount",
    95: "applicationId",
    136: "flowEndReason",
    148: "flowId",
    152: "flowStartMilliseconds",
    153: "flowEndMilliseconds",
    227: "postNAPTSourceTransportPort",
    228: "postNAPTDestinationTransportPort",
    230: "natEvent",
    233: "firewallEvent",
    239: "biflowDirection",
    302: "selectorId",
    323: "observationTimeMilliseconds",
    361: "portRangeStart",
    362: "portRangeEnd",
}
_ADDRESSES = {
    8: "sourceIPv4Address",
    12: "destinationIPv4Address",
    27: "sourceIPv6Address",
    28: "destinationIPv6Address",
    225: "postNATSourceIPv4Address",
    226: "postNATDestinationIPv4Address",
    281: "postNATSourceIPv6Address",
    282: "postNATDestinationIPv6Address",
}
_STRINGS = {82: "interfaceName"}


@dataclass(frozen=True)
class Field:
    element: int
    enterprise: int
    length: int

    @property
    def name(self) -> str:
        name = (_UNSIGNED | _ADDRESSES | _STRINGS).get(self.element)
        if name is None or self.enterprise not in (0, REVERSE):
            raise ValueError(f"element {self.enterprise}/{self.element} is not known")
        return f"reverse {name}" if self.enterprise == REVERSE else name

    def value(self, raw: bytes) -> int | str:
        if self.element in _STRINGS:
            return raw.decode("utf-8")
        if self.element in _ADDRESSES:
            return str(ipaddress.ip_address(raw))
        return int.from_bytes(raw, "big")


@dataclass(frozen=True)
class Template:
    fields: tuple[Field, ...]
    scopes: int
    """The first so many say what the rest is about; 0: no options."""


class Record(dict[str, int | str]):
    """A data record: values by the names of their elements."""

    def __init__(self, template: int, options: bool) -> None:
        super().__init__()
        self.template = template
        self.options = options


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, n: int) -> bytes:
        if n > self.left():
            raise ValueError(f"{n} bytes wanted, {self.left()} left")
        self.at += n
        return self.data[self.at - n : self.at]

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")


@dataclass
class Domain:
    """What a collector knows of one observation domain."""

    templates: dict[int, Template] = field(default_factory=dict)
    sequence: int | None = None
    """What the next message's number is to be."""
    lost: int = 0
    """Data records that are missing between the messages that came."""
    zones: dict[int, str] = field(default_factory=dict)
    """Names that options data give to interfaces, which weir's zones are told as."""


class Collector:
    """Takes the messages of one exporter."""

    def __init__(self) -> None:
        self.domains: dict[int, Domain] = {}
        self.messages = 0

    def take(self, message: bytes) -> list[Record]:
        """Read a message. Returns its data records, options data left out; ValueError if it is wrong."""
        if len(message) < 16:
            raise ValueError("no room for a header")
        version, length, _exported, sequence, number = struct.unpack("!HHIII", message[:16])
        if version != 10 or length != len(message):
            raise ValueError(f"version {version}, length {length} of {len(message)} bytes")
        domain = self.domains.setdefault(number, Domain())
        if domain.sequence is not None:
            domain.lost += (sequence - domain.sequence) & 0xFFFFFFFF
        records = []
        rest = _Cursor(message[16:])
        while rest.left() > 0:
            records += self._take_set(domain, rest)
        domain.sequence = (sequence + len(records)) & 0xFFFFFFFF
        self.messages += 1
        return [record for record in records if not record.options]

    def _take_set(self, domain: Domain, rest: _Cursor) -> list[Record]:
        number, length = rest.u16(), rest.u16()
        if length <= 4:
            raise ValueError(f"set {number} is empty")
        data = _Cursor(rest.take(length - 4))
        if number in (2, 3):
            while data.left() > 3:
                _take_template(domain, data, options=number == 3)
            return []
        template = domain.templates.get(number)
        if template is None:
            raise ValueError(f"set {number} has no template (yet)")
        least = sum(1 if f.length == VARIABLE else f.length for f in template.fields)
        records = []
        while data.left() >= least:
            records.append(_take_record(domain, data, number, template))
        if any(data.take(data.left())):
            raise ValueError(f"set {number} ends in bytes that are no padding")
        return records


def _take_template(domain: Domain, data: _Cursor, options: bool) -> None:
    number, count = data.u16(), data.u16()
    scopes = data.u16() if options else 0
    if number < 256 or count == 0 or (options and not 0 < scopes <= count):
        raise ValueError(f"template {number} of {count} fields, {scopes} scopes")
    fields = []
    for _ in range(count):
        element, length = data.u16(), data.u16()
        enterprise = data.u32() if element & 0x8000 else 0
        fields.append(Field(element & 0x7FFF, enterprise, length))
    template = Template(tuple(fields), scopes)
    if domain.templates.get(number, template) != template:
        raise ValueError(f"template {number} has changed without being withdrawn")
    domain.templates[number] = template


def _take_record(domain: Domain, data: _Cursor, number: int, template: Template) -> Record:
    record = Record(number, options=template.scopes > 0)
    for each in template.fields:
        length = each.length
        if length == VARIABLE:
            length = data.u8()
            if length == 255:
                length = data.u16()
        if each.name in record:
            raise ValueError(f"template {number} has {each.name} twice")
        record[each.name] = each.value(data.take(length))
    if record.options and "interfaceName" in record:
        domain.zones[int(record["ingressInterface"])] = str(record["interfaceName"])
    return record
