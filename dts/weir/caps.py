# SPDX-License-Identifier: BSD-3-Clause
"""What a test needs of the machine. A test that cannot run here is skipped, and says why."""

import importlib.util
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from enum import Enum
from functools import cache
from pathlib import Path

import pytest

AF_XDP = 44
_PATH = f"{os.environ['PATH']}:/usr/sbin"  # where daemons are, too


def _root() -> bool:
    return os.geteuid() == 0


def _netns() -> bool:
    return (
        _root()
        and subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0
    )


def _af_xdp() -> bool:
    try:
        socket.socket(AF_XDP, socket.SOCK_RAW).close()
    except OSError:
        return False
    return True


def _hugepages() -> bool:
    free = [
        line for line in Path("/proc/meminfo").read_text().splitlines() if "HugePages_Free" in line
    ]
    return bool(free) and int(free[0].split()[1]) > 0


def _testpmd() -> bool:
    return shutil.which("dpdk-testpmd") is not None


def _tcpdump() -> bool:
    return shutil.which("tcpdump", path=_PATH) is not None


def _nfdump() -> bool:
    return shutil.which("nfcapd") is not None and shutil.which("nfdump") is not None


def _radvd() -> bool:
    return shutil.which("radvd", path=_PATH) is not None


def _dnsmasq() -> bool:
    return shutil.which("dnsmasq", path=_PATH) is not None


def _clients() -> bool:
    programs = ("dig", "hping3", "nmap", "ssh", "traceroute")
    servers = [importlib.util.find_spec(name) for name in ("asyncssh", "pyftpdlib")]
    return all(shutil.which(name, path=_PATH) for name in programs) and None not in servers


class Cap(Enum):
    """A capability: how it is found, and what to do where it is missing."""

    ROOT = ("not root: run as root", _root)
    NETNS = ("no network namespaces: run as root, in a privileged container if in one", _netns)
    AF_XDP = ("no AF_XDP: boot a kernel with CONFIG_XDP_SOCKETS=y, run as root", _af_xdp)
    HUGEPAGES = ("no free hugepages: echo 512 > /proc/sys/vm/nr_hugepages", _hugepages)
    TESTPMD = ("no dpdk-testpmd: apt-get install dpdk", _testpmd)
    TCPDUMP = ("no tcpdump: apt-get install tcpdump", _tcpdump)
    NFDUMP = ("no nfcapd: scripts/fetch-nfdump, and its usr/bin into PATH", _nfdump)
    RADVD = ("no radvd: apt-get install radvd", _radvd)
    DNSMASQ = ("no dnsmasq: apt-get install dnsmasq-base", _dnsmasq)
    CLIENTS = ("programs of users and of attackers are missing: apt-get install bind9-dnsutils hping3 "
               "nmap openssh-client python3-asyncssh python3-pyftpdlib traceroute", _clients)  # fmt: skip

    def __init__(self, remedy: str, found: Callable[[], bool]) -> None:
        self.remedy = remedy
        self.found = cache(found)


def requires(*caps: Cap) -> pytest.MarkDecorator:
    """Mark a test, or with `pytestmark = requires(...)` a file, with what it needs."""
    return pytest.mark.requires(*caps)
