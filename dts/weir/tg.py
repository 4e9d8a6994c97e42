# SPDX-License-Identifier: BSD-3-Clause
"""The traffic generator: packets that scapy builds, through AF_PACKET sockets inside a namespace.

The sockets are our own, because a capture must be ready when capture() returns: the kernel queues
from bind() on, so no thread has to be waited for. The kernel takes VLAN tags out of what it gives to
such a socket, and names them beside the packet; they are put back.
"""

import errno
import itertools
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from scapy.layers.l2 import Ether
from scapy.packet import Packet

from weir.lab import Port
from weir.wait import until

_ETH_P_ALL = 0x0003
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_AUXDATA = 8
_PACKET_IGNORE_OUTGOING = 23
_PACKET_MR_PROMISC = 1
_SO_RCVBUFFORCE = 33
_RCVBUF_BYTES = 64 << 20
_MTU_MAX = 65536
_PART = 64
_BUSY_S = 5.0  # how long a capture goes on where it never gets quiet

# struct tpacket_auxdata of linux/if_packet.h: status, length, snapped, mac, net, VLAN tag and type.
_AUXDATA = struct.Struct("=IIIHHHH")
_CSUM_NOT_READY = 1 << 3
_VLAN_VALID = 1 << 4

Match = Callable[[Packet], bool]


def _open(port: Port, protocol: int) -> socket.socket:
    """A socket bound to the port; with protocol 0 it only sends."""
    with port.netns.inside():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        index = socket.if_nametoindex(port.name)
        sock.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RCVBUF_BYTES)
        promiscuous = struct.pack("=iHH8s", index, _PACKET_MR_PROMISC, 0, b"")
        sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, promiscuous)
        sock.bind((port.name, protocol))
    return sock


class Capture:
    """What came in at one port since the capture was opened."""

    def __init__(self, port: Port, match: Match | None) -> None:
        self._sock = _open(port, _ETH_P_ALL)
        self._match = match
        self.packets: list[Packet] = []
        self.unfinished = 0
        """Packets whose sender left the checksum to a network card."""

    def __len__(self) -> int:
        return len(self.packets)

    def __iter__(self) -> Iterator[Packet]:
        return iter(self.packets)

    def __getitem__(self, index: int) -> Packet:
        return self.packets[index]

    def close(self) -> None:
        self._sock.close()

    def _take(self, timeout: float) -> bool:
        """One packet from the queue; False if none came in time."""
        if not select.select([self._sock], [], [], max(timeout, 0.0))[0]:
            return False
        data, ancillary, _, _ = self._sock.recvmsg(_MTU_MAX, socket.CMSG_SPACE(_AUXDATA.size))
        status, tag, ethertype = 0, 0, 0
        for level, kind, value in ancillary:
            if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
                status, _, _, _, _, tag, ethertype = _AUXDATA.unpack(value[: _AUXDATA.size])
        if status & _VLAN_VALID:
            data = data[:12] + struct.pack(">HH", ethertype or 0x8100, tag) + data[12:]
        packet = Ether(data)
        packet.time = time.time()
        if self._match is None or self._match(packet):
            self.unfinished += bool(status & _CSUM_NOT_READY)
            self.packets.append(packet)
        return True

    def wait(self, count: int, timeout: float) -> None:
        """Until count packets matched, or the timeout. Fewer is for the test to judge."""
        deadline = time.monotonic() + timeout
        while len(self.packets) < count and self._take(deadline - time.monotonic()):
            pass

    def settle(self, quiet: float, timeout: float) -> None:
        """Until nothing came for quiet seconds, so that what is too many is seen as well."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._take(quiet):
            pass


class TrafficGenerator:
    """Sends and captures at any port of a lab. Close it at the end, or use it by `with`."""

    def __init__(self) -> None:
        self._senders: dict[Port, socket.socket] = {}

    def __enter__(self) -> "TrafficGenerator":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        while self._senders:
            self._senders.popitem()[1].close()

    def send(self, port: Port, packets: Iterable[Packet | bytes] | Packet | bytes) -> int:
        """Send packets out of a port, in order. Returns how many."""
        if port not in self._senders:
            self._senders[port] = _open(port, 0)
        sock = self._senders[port]
        batch = iter([packets] if isinstance(packets, (Packet, bytes)) else packets)
        count = 0
        # Those of a part are made before the first of it is sent: they come close together.
        while part := [bytes(packet) for packet in itertools.islice(batch, _PART)]:
            for frame in part:
                until(lambda: _try_send(sock, frame), what=f"room to send at {port.name}")
            count += len(part)
        return count

    @contextmanager
    def capture(
        self,
        port: Port,
        count: int = 0,
        match: Match | None = None,
        timeout: float = 15.0,
        quiet: float = 0.1,
    ) -> Iterator[Capture]:
        """Capture what comes in at a port during the block and shortly after it.

        After the block it waits for count matching packets, at most timeout seconds, and then until
        nothing more came for quiet seconds.
        """
        seen = Capture(port, match)
        try:
            yield seen
            seen.wait(count, timeout)
            seen.settle(quiet, min(timeout, _BUSY_S))
        finally:
            seen.close()

    def ask(self, port: Port, packet: Packet, match: Match, timeout: float = 15.0) -> Packet | None:
        """Send one packet, and return the first one that matches, None if none came in time."""
        with self.capture(port, 1, match, timeout, quiet=0.0) as seen:
            self.send(port, packet)
        return seen[0] if len(seen) > 0 else None


def _try_send(sock: socket.socket, frame: bytes) -> bool:
    try:
        return sock.send(frame) == len(frame)
    except OSError as error:
        if error.errno != errno.ENOBUFS:
            raise
        return False
