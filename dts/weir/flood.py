# SPDX-License-Identifier: BSD-3-Clause
"""SYNs of nobody, as many as a line takes."""

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from weir.lab import Port
from weir.tg import TrafficGenerator

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

NOWHERE = "198.18.0.0/15"  # whom a flood comes from
FLOOD = 20_000  # its sources


def less(checksum: int, n: int) -> int:
    """A checksum after a word of what it covers grew from 0 to n."""
    total = (checksum ^ 0xFFFF) + n
    return ((total & 0xFFFF) + (total >> 16)) ^ 0xFFFF


def syns(macs: tuple[str, str], dst: str, dport: int) -> list[bytes]:
    """SYNs of as many sources, of a frame that scapy makes; the checksums are of a carry's length."""
    made = Ether(src=macs[0], dst=macs[1]) / IP(src="198.18.0.0", dst=dst)
    first = bytes(made / TCP(sport=1024, dport=dport, flags="S", seq=7))
    ip_sum, tcp_sum = (struct.unpack_from(">H", first, at)[0] for at in (24, 50))
    frames = []
    for n in range(FLOOD):
        frame = bytearray(first)
        for at, value in ((24, less(ip_sum, n)), (28, n), (50, less(tcp_sum, n))):
            struct.pack_into(">H", frame, at, value)
        frames.append(bytes(frame))
    return frames


@contextmanager
def flooded(
    tg: TrafficGenerator, out: Port, macs: tuple[str, str], dst: str, dport: int
) -> Iterator[None]:
    """As many SYNs to an address and a port as a port sends, during the block."""
    frames, over = syns(macs, dst, dport), threading.Event()

    def send() -> None:
        while not over.is_set():
            for begin in range(0, FLOOD, 200):
                tg.send(out, frames[begin : begin + 200])
                if over.is_set():
                    break

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join(10)
