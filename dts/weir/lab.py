# SPDX-License-Identifier: BSD-3-Clause
"""A lab: namespaces and the veth pairs between them, all gone when it ends.

Every name begins with `weir-dts-` and the number of the process that made it. A run holds a lock as
long as it lives, so the next one knows what a killed run left, and removes it.
"""

import fcntl
import itertools
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path
from types import TracebackType

from weir.netns import Netns
from weir.wait import until

PREFIX = "weir-dts-"
_RUN = Path("/run/weir-dts")
# A host tells routers of the groups it is in a while after an address is added, whenever its kernel
# gets to it. Nothing here listens to that, and what counts packets would count it too.
_NO_GROUPS = (
    "table ip6 lab { chain out { type filter hook output priority 0; ip6 daddr ff02::16 drop; }; }"
)
_serial = itertools.count(1)
_locks: dict[int, int] = {}


def _ip(*args: str) -> str:
    done = subprocess.run(["ip", *args], capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def names() -> list[str]:
    """The namespaces of all labs on this machine, whoever made them."""
    lines = _ip("netns", "list").splitlines()
    return [line.split()[0] for line in lines if line.startswith(PREFIX)]


def _own() -> None:
    """Take this process's lock, once; the kernel drops it when the process ends, however it ends."""
    pid = os.getpid()
    if pid not in _locks:
        _RUN.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(_RUN / str(pid), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _locks[pid] = fd


def _is_alive(owner: str) -> bool:
    try:
        fd = os.open(_RUN / owner, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _pids(name: str) -> list[int]:
    return [int(pid) for pid in _ip("netns", "pids", name).split()]


def _is_empty(name: str) -> bool:
    """Whether nothing runs inside; what does is killed."""
    pids = _pids(name)
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return not pids


def _remove(name: str) -> None:
    """Kill what runs inside, wait for its end, and delete."""
    until(lambda: _is_empty(name), what=f"the end of the processes in {name}")
    _ip("netns", "delete", name)


def remove_leftovers() -> list[str]:
    """Remove what killed runs left. Returns the names of the namespaces removed."""
    left = [name for name in names() if not _is_alive(name.removeprefix(PREFIX).split("-")[0])]
    for name in left:
        _remove(name)
    if _RUN.is_dir():
        for lock in _RUN.iterdir():
            if not _is_alive(lock.name):
                lock.unlink(missing_ok=True)
    return left


@dataclass(frozen=True)
class Port:
    """One end of a veth pair."""

    netns: Netns
    name: str
    mac: str

    def sysctl(self, key: str, value: int, family: str = "ipv6") -> None:
        self.netns.run("sysctl", "-qw", f"net.{family}.conf.{self.name}.{key}={value}")

    def set(self, *args: str) -> None:
        """`ip link set` on this port: up, down, mtu 9000, address ..."""
        self.netns.run("ip", "link", "set", self.name, *args)

    def add_address(self, address: str) -> None:
        """`192.0.2.1/24` or `2001:db8::1/64`; usable at once, without duplicate address detection."""
        nodad = ["nodad"] if ip_interface(address).version == 6 else []
        self.netns.run("ip", "address", "add", address, "dev", self.name, *nodad)

    def counter(self, name: str) -> int:
        """One of the kernel's counters of the port, such as rx_packets or tx_dropped."""
        shown = self.netns.run("ip", "-json", "-stats", "link", "show", "dev", self.name).stdout
        direction, what = name.split("_")
        return int(json.loads(shown)[0]["stats64"][direction][what])


@dataclass(frozen=True)
class Line:
    """left === wan [sut] lan === right: a system under test between two ports of the traffic."""

    left: Port
    wan: Port
    lan: Port
    right: Port

    @property
    def sut(self) -> Netns:
        return self.wan.netns


class Lab:
    """Makes namespaces and links, and removes them in __exit__."""

    def __init__(self) -> None:
        _own()
        self._tag = f"{PREFIX}{os.getpid()}-{next(_serial)}"
        self._made: list[Netns] = []

    def __enter__(self) -> "Lab":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._made:
            _remove(self._made.pop().name)

    def netns(self, label: str, ipv6: bool = True) -> Netns:
        """A new namespace. Without ipv6 its kernel sends nothing that was not asked for."""
        ns = Netns(f"{self._tag}-{label}")
        _ip("netns", "add", ns.name)
        self._made.append(ns)
        settings = [
            "net.ipv6.conf.default.accept_dad=0",
            "net.ipv6.conf.default.router_solicitations=0",
        ]
        if not ipv6:
            settings += ["net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"]
        set_up = f"sysctl -qw {' '.join(settings)} && nft '{_NO_GROUPS}' && ip link set lo up"
        ns.run("sh", "-c", set_up)
        return ns

    def veth(
        self,
        left: tuple[Netns, str],
        right: tuple[Netns, str],
        mtu: int = 1500,
        queues: int = 1,
        offloads: bool = False,
    ) -> tuple[Port, Port]:
        """A veth pair, both ends up.

        Unless offloads are asked for, both ends finish their checksums and leave VLAN tags in the
        packet, because what crosses a veth crosses no wire that would do either.
        """
        ends = (left, right)
        count = ["numrxqueues", str(queues), "numtxqueues", str(queues)]
        _ip(
            "link", "add", left[1], "netns", left[0].name, *count, "mtu", str(mtu), "type", "veth",
            "peer", "name", right[1], "netns", right[0].name, *count, "mtu", str(mtu),
        )  # fmt: skip
        for ns, name in ends:
            finish = f"ethtool -K {name} tx off txvlan off rxvlan off && "
            ns.run("sh", "-c", f"{'' if offloads else finish}ip link set {name} up")
        one, two = (
            Port(ns, name, until(lambda: _mac(ns, name), what=f"the carrier of {name}"))
            for ns, name in ends
        )
        return one, two

    def line(self, mtu: int = 1500, queues: int = 1, ipv6: bool = False) -> Line:
        """A system under test between two namespaces that are silent unless ipv6 is asked for.

        The system's own namespace has no IPv6 of the kernel's, because it is to answer itself.
        """
        west, sut, east = (
            self.netns("left", ipv6),
            self.netns("sut", ipv6=False),
            self.netns("right", ipv6),
        )
        left, wan = self.veth((west, "left"), (sut, "wan"), mtu, queues)
        lan, right = self.veth((sut, "lan"), (east, "right"), mtu, queues)
        return Line(left, wan, lan, right)


def _mac(ns: Netns, name: str) -> str:
    """The address of a port that has a carrier; "" of one that has none yet."""
    shown = ns.run("ip", "-o", "link", "show", "dev", name).stdout
    flags = shown[shown.index("<") + 1 : shown.index(">")].split(",")
    words = shown.split()
    has_carrier = "LOWER_UP" in flags and "NO-CARRIER" not in flags
    return words[words.index("link/ether") + 1] if has_carrier else ""
