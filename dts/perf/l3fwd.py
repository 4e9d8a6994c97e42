# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall without connection tracking beside l3fwd's ACL mode, DPDK's own packet filter.

l3fwd is built from DPDK's source package (scripts/fetch-dpdk-sdk --l3fwd) as its authors ship it, but for
one option: net_pcap offers no checksum offload, which l3fwd asks for. Both programs link the same DPDK,
have core 1, the same rules and the same route, take the same packets from a file again and again
(net_pcap, infinite_rx) and send them into net_null. The feed copies each packet into a buffer of a pool;
what it costs by itself is measured by weir-bench and testpmd in io mode, in bursts as large as the
program's in question takes them, in the same pair.
"""

import ipaddress
import json
import random
import re
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from perf import flows
from perf.null import by_testpmd, by_weir_bench
from perf.programs import here, running, tsc_hz, worker_cpu_ns
from perf.trials import Comparison, Plan, Side, Trial, compare
from scapy.utils import wrpcap
from weir import packets
from weir.lab import Line
from weir.wait import until

ROOT = Path(__file__).parents[2]
RULES, PACKETS = 1000, 1024
PREFIX = "weir-bench-l3fwd"  # of the files that l3fwd's EAL makes
MAC_IN, MAC_NEXT, MAC_FROM = "02:70:63:61:70:00", "02:00:00:00:01:01", "02:00:00:00:01:00"
GATEWAY, EVERYWHERE, DPORT = "203.0.113.2", "0.0.0.0/0", 443
# How many packets each takes at once, as it is shipped.
BURST_WEIR, BURST_L3FWD = 64, 32
WARM = 1_000_000
# Whether packets go to networks of rules, which differ from them in the port.
CASES = {False: "no packet near one", True: "each packet misses one by its port"}


@dataclass(frozen=True)
class Drop:
    """A rule that no packet meets."""

    to: str
    ports: tuple[int, int]
    proto: str


def made_rules() -> list[Drop]:
    """Networks of all lengths, ranges of ports, TCP and UDP in turn."""
    rng = random.Random(7)
    made = []
    for number in range(RULES - 1):
        length = rng.choice([16, 20, 24, 24, 24, 28, 32])
        address = (20 + number % 100) << 24 | rng.getrandbits(24)
        address &= -1 << (32 - length)
        low = rng.randrange(60000)
        to = ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))
        ports = (low, low + rng.randrange(4096))
        made.append(Drop(f"{to}/{length}", ports, "udp" if number % 2 == 0 else "tcp"))
    return made


def _is_dropped(server: int, rules: list[Drop]) -> bool:
    """Whether a rule takes UDP to DPORT of this address."""
    return any(
        one.proto == "udp" and one.ports[0] <= DPORT <= one.ports[1] and _is_in(server, one.to)
        for one in rules
    )


def _is_in(server: int, prefix: str) -> bool:
    network = ipaddress.ip_network(prefix)
    return server & int(network.netmask) == int(network.network_address)


def _servers(near: bool) -> list[str]:
    """Of the networks of rules, whose ports the packets miss; or of a network that no rule names."""
    rng, rules = random.Random(9), made_rules()
    servers: list[int] = []
    while len(servers) < PACKETS:
        network = ipaddress.ip_network(rng.choice(rules).to if near else "198.18.0.0/15")
        server = int(network.network_address) + rng.randrange(network.num_addresses)
        if not _is_dropped(server, rules):
            servers.append(server)
    return [str(ipaddress.ip_address(server)) for server in servers]


def _ports(directory: Path, near: bool) -> tuple[str, str]:
    """UDP in 64-byte frames from clients of 10/8, and a sink."""
    feed = directory / f"l3fwd-{'near' if near else 'far'}.pcap"
    if not feed.is_file():
        rng = random.Random(8)
        frames = [
            packets.udp(
                (MAC_FROM, MAC_IN),
                (str(ipaddress.ip_address((10 << 24) + rng.getrandbits(24))), server),
                rng.randrange(1024, 65535),
                DPORT,
            )
            for server in _servers(near)
        ]
        wrpcap(str(feed), frames)
    return f"net_pcap0,rx_pcap={feed},infinite_rx=1", "net_null0,no-rx=1"


def sources() -> Path | None:
    """The source of l3fwd, fetched if it is not there; None, and a line that says why, without it."""
    fetch = str(ROOT / "scripts" / "fetch-dpdk-sdk")
    done = subprocess.run([fetch, "--l3fwd"], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        print(f"skipped, for l3fwd cannot be had: {' '.join(done.stderr.split())}", flush=True)
        return None
    where = subprocess.run([fetch, "--l3fwd", "--where"], capture_output=True, text=True, check=True)
    return Path(where.stdout.strip())


def build(source: Path, directory: Path) -> Path:
    """The program, by its own Makefile."""
    subprocess.run(["cp", "-r", f"{source}/l3fwd", f"{source}/common", directory], check=True)
    main = directory / "l3fwd" / "main.c"
    text, changed = re.subn(r"(\.offloads = )RTE_ETH_RX_OFFLOAD_CHECKSUM", r"\g<1>0", main.read_text())
    if changed != 1:
        raise RuntimeError(f"{main}: the offloads to be left out are not where they were")
    main.write_text(text)
    argv = ["make", "-s", "-C", str(main.parent), "shared"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"l3fwd does not build:\n{done.stderr}")
    return main.parent / "build" / "l3fwd-shared"


def _write_rules(directory: Path) -> list[str]:
    """The rules as l3fwd reads them, and its options that name them."""
    drops = [
        f"@0.0.0.0/0 {one.to} 0 : 65535 {one.ports[0]} : {one.ports[1]} "
        f"{6 if one.proto == 'tcp' else 17}/0xff"
        for one in made_rules()
    ]
    ways = [f"R0.0.0.0/0 {EVERYWHERE} 0 : 65535 0 : 65535 0x00/0x00 1"]
    ways6 = ["R0:0:0:0:0:0:0:0/0 0:0:0:0:0:0:0:0/0 0 : 65535 0 : 65535 0x00/0x00 1"]
    four, six = directory / "l3fwd.rules4", directory / "l3fwd.rules6"
    four.write_text("\n".join([*drops, *ways]) + "\n", encoding="ascii")
    six.write_text("\n".join(ways6) + "\n", encoding="ascii")
    return [f"--rule_ipv4={four}", f"--rule_ipv6={six}"]


def _sent(stats: Path) -> int:
    """What l3fwd's second port has sent, by its telemetry."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(5)
        client.connect(str(stats))
        client.recv(65536)
        client.send(b"/ethdev/stats,1")
        return int(json.loads(client.recv(65536))["/ethdev/stats"]["opackets"])


def _window(sent: Callable[[], int], cpu_ns: Callable[[], int], seconds: float) -> Trial:
    """CPU cycles a packet, in some seconds after it has got warm."""
    until(lambda: sent() > WARM, timeout=20, what="packets that are sent")
    before = sent(), cpu_ns()
    # The length of the trial, not a wait for anything.
    time.sleep(seconds)
    n, ns = (b - a for a, b in zip(before, (sent(), cpu_ns())))
    return {"cycles": ns * tsc_hz() / 1e9 / n, "packets": n, "cpu_ns": ns}


def _less_feed(trial: Trial, feed: Trial) -> Trial:
    return trial | {"feed": feed["cycles"], "own": trial["cycles"] - feed["cycles"]}


def _by_l3fwd(program: Path, near: bool, directory: Path, seconds: float) -> Trial:
    feed, sink = _ports(directory, near)
    argv = [
        str(program), "-l", "1", "--no-pci", "--in-memory", "-m", "512", f"--file-prefix={PREFIX}",
        "--vdev", feed, "--vdev", sink, "--", "-p", "0x3", "--config=(0,0,1)", "--lookup=acl",
        f"--eth-dest=1,{MAC_NEXT}", "-P", "--parse-ptype", *_write_rules(directory),
    ]  # fmt: skip
    telemetry = Path("/var/run/dpdk") / PREFIX / "dpdk_telemetry.v2"
    with running(here(*argv), directory) as made:
        made.until_it_says("entering main loop")
        # Its only worker is its first thread.
        schedstat = Path(f"/proc/{made.pid}/task/{made.pid}/schedstat")
        trial = _window(
            partial(_sent, telemetry), lambda: int(schedstat.read_text().split()[0]), seconds
        )
    return _less_feed(trial, by_testpmd([feed, sink], "io", BURST_L3FWD, seconds, directory))


def _config(near: bool, directory: Path) -> dict[str, Any]:
    feed, sink = _ports(directory, near)
    drops = [
        {
            "name": f"drop-{number}", "from": "lan", "to": "wan", "destination": one.to,
            "proto": one.proto, "dport": f"{one.ports[0]}-{one.ports[1]}", "action": "drop",
        }
        for number, one in enumerate(made_rules())
    ]  # fmt: skip
    rest = {"name": "rest", "from": "lan", "to": "wan", "action": "accept"}
    return {
        "runtime": {"workers": [1], "poll": "busy"},
        "ports": {
            "lan": {"device": feed, "addresses": ["192.0.2.1/24"]},
            "wan": {"device": sink, "addresses": ["203.0.113.1/24"]},
        },
        "routes": [{"to": EVERYWHERE, "via": GATEWAY}],
        "neighbours": [{"address": GATEWAY, "mac": MAC_NEXT, "dev": "wan"}],
        "firewall": {"stateless": True, "default": "drop", "rules": [*drops, rest]},
    }


def _by_weir(line: Line, near: bool, directory: Path, seconds: float) -> Trial:
    with flows.weir(line, _config(near, directory), directory) as app:

        def sent() -> int:
            return app.rose("weir_port_tx_packets_total")

        trial = _window(sent, lambda: worker_cpu_ns(app.pid), seconds)
        drops = app.drops_since_start()
    if drops:
        raise RuntimeError(f"weir-firewall drops: {drops}")
    return _less_feed(
        trial, by_weir_bench(list(_ports(directory, near)), "io", BURST_WEIR, seconds, directory)
    )


def run(line: Line, plan: Plan, directory: Path) -> list[Comparison]:
    source = sources()
    if source is None:
        return []
    program = build(source, directory)
    figures = {
        "cycles": "CPU cycles a packet", "feed": "of these, the feed", "own": "without the feed",
    }  # fmt: skip
    return [
        compare(
            Comparison(
                f"stateless, {RULES} rules, {what}, both fed by net_pcap",
                "weir-firewall", "l3fwd-acl", figures, {"cycles": ("<=", 1.0)},
            ),
            Side("weir-firewall", partial(_by_weir, line, near, directory, plan.seconds)),
            Side("l3fwd-acl", partial(_by_l3fwd, program, near, directory, plan.seconds)),
            plan,
        )
        for near, what in CASES.items()
    ]  # fmt: skip
