# SPDX-License-Identifier: BSD-3-Clause
"""Packets with numbers that go on while a test does something else, and all of which must arrive."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from weir.router import LEFT, RIGHT, Routed
from weir.tg import Capture, TrafficGenerator
from weir.wait import until

BURST = 16
PACE_S = 0.004


class Stream:
    """Packets with numbers, some 4,000 a second, from the left end until it is stopped."""

    def __init__(self, net: Routed, dst: str) -> None:
        self.sent = 0
        self._net = net
        self._head = bytes(Ether(src=net.inward[0], dst=net.inward[1], type=0x0800))
        self._dst = dst
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _frame(self, number: int) -> bytes:
        body = UDP(sport=number % 1000, dport=9) / number.to_bytes(4, "big")
        return bytes(Ether(self._head) / IP(src=LEFT, dst=self._dst) / body)

    def _run(self) -> None:
        with TrafficGenerator() as tg:
            while not self._end.is_set():
                batch = [self._frame(self.sent + n) for n in range(BURST)]
                tg.send(self._net.line.left, batch)
                self.sent += BURST
                self._end.wait(PACE_S)

    def __enter__(self) -> "Stream":
        self._thread.start()
        until(lambda: self.sent >= 10 * BURST, what="the stream")
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(5)

    def goes_on(self) -> None:
        """Return when more of it was sent."""
        mark = self.sent
        until(lambda: self.sent >= mark + 4 * BURST, what="more of the stream")


def numbers(seen: Capture) -> list[int]:
    return [int.from_bytes(bytes(p[UDP].payload)[:4], "big") for p in seen]


@contextmanager
def under_load(net: Routed, dst: str = RIGHT) -> Iterator[Stream]:
    """A stream during the block; after it every packet must have arrived, once and in order."""
    stream = Stream(net, dst)
    with net.tg.capture(net.line.right) as seen:
        with stream:
            yield stream
        seen.wait(stream.sent, timeout=30)
    assert numbers(seen) == list(range(stream.sent))
    net.app.expect_drops({})
