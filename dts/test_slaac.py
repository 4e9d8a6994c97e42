# SPDX-License-Identifier: BSD-3-Clause
"""A host that a router tells its addresses: weir-httpd behind radvd."""

import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from weir import peers
from weir.caps import Cap, requires
from weir.lab import Lab
from weir.netns import Netns
from weir.router import Config, Routed, routed
from weir.wait import until

from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6NDOptPrefixInfo, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES, Cap.RADVD)

FIRST, SECOND, FAR = "2001:db8:a::", "2001:db8:c::", "2001:db8:b::2"

CONFIG: Config = {
    "runtime": {"workers": [0, 1]},
    "ports": {"wan": {"interface": "wan", "dad": 1, "slaac": True}, "lan": {"interface": "lan"}},
}


def advertised(prefix: str, preferred_s: int = 600) -> str:
    lifetimes = f"AdvValidLifetime 1200; AdvPreferredLifetime {preferred_s};"
    return f"prefix {prefix}/64 {{ AdvOnLink on; AdvAutonomous on; {lifetimes} }};"


def radvd_conf(*prefixes: str) -> str:
    times = "MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultPreference high; AdvLinkMTU 1400;"
    return f"interface left {{ AdvSendAdvert on; {times} {' '.join(prefixes)} }};\n"


@dataclass(frozen=True)
class Net:
    """weir-httpd === left, a router with radvd === far."""

    app: Routed
    radvd: subprocess.Popen[str]
    conf: Path
    far: Netns

    def tell(self, *prefixes: str) -> None:
        self.conf.write_text(radvd_conf(*prefixes), encoding="utf-8")
        self.radvd.send_signal(signal.SIGHUP)

    def learnt(self) -> dict[str, str]:
        """Addresses that a router told us, with their states."""
        shown = self.app.app.ctl("addresses")
        return {a["address"].split("/")[0]: a["state"] for a in shown if a["from"] == "router"}

    def default_routes(self) -> list[dict[str, Any]]:
        return [r for r in self.app.app.ctl("routes") if r["source"] == "ra"]

    def answers(self, address: str) -> bool:
        return peers.curl(self.far, f"http://[{address}]/health") == b"ok\n"


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    conf = tmp_path / "radvd.conf"
    conf.write_text(radvd_conf(advertised(FIRST)), encoding="utf-8")
    with Lab() as lab:
        line = lab.line(ipv6=True)
        router, far = line.left.netns, lab.netns("far")
        back, front = lab.veth((router, "back"), (far, "front"))
        router.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        for port, address in ((line.left, f"{FIRST}1/64"), (back, "2001:db8:b::1/64")):
            port.add_address(address)
        line.left.add_address(f"{SECOND}1/64")
        front.add_address(f"{FAR}/64")
        far.run("ip", "route", "add", "default", "via", "2001:db8:b::1")
        radvd = ("radvd", "-n", "-C", str(conf), "-p", str(tmp_path / "pid"), "-m", "stderr")
        with routed(tmp_path, line, CONFIG, "weir-httpd") as made:
            with peers.running(router, *radvd) as process:
                yield Net(made, process, conf, far)


def test_a_host_is_reached_at_the_address_that_radvd_told_it(net: Net) -> None:
    """RFC 4861 6.3, RFC 4862 5.5: no IPv6 address in the configuration, and curl from behind the router.

    Steps: start; let radvd tell another prefix and deprecate the first; send advertisements that must
    not be believed; end radvd.
    Check: one address of the prefix, preferred, that far reaches by the default route; with its
    preference, and the MTU; Linux takes us for a host. Then the old address is deprecated, the new one
    preferred, both are reached. What is forged changes nothing and is a named drop. At the end the
    default route goes, as the router says.
    """
    first = str(*until(net.learnt, what="an address"))
    assert first.startswith(FIRST[:-1]) and not first.endswith("ff:fe00:1")
    until(lambda: net.learnt()[first] == "preferred", what="its probes")
    assert net.answers(first)
    (route,) = net.default_routes()
    assert route["to"] == "::/0" and route["active"]
    assert route["metric"] == 0 and route["hops"][0]["via"].startswith("fe80:")
    assert net.app.app.ctl("explain", FAR)["hops"][0]["mtu"] == 1400
    known = net.app.line.left.netns.run("ip", "-6", "neigh", "show", first).stdout
    assert "lladdr" in known and "router" not in known

    net.tell(advertised(FIRST, 0), advertised(SECOND))
    until(lambda: sorted(net.learnt().values()) == ["deprecated", "preferred"], what="the second")
    second = next(a for a, state in net.learnt().items() if state == "preferred")
    assert second.startswith(SECOND[:-1]) and net.learnt()[first] == "deprecated"
    assert net.answers(first) and net.answers(second)
    assert net.app.app.metric("weir_router_advertisements_packets_total") >= 2

    net.app.app.mark()
    forged(net)
    net.app.app.expect_drops({"ra_bad": 4})
    assert len(net.learnt()) == 2 and len(net.default_routes()) == 1

    net.radvd.terminate()
    until(lambda: net.default_routes() == [], what="the end of the default route")
    assert len(net.learnt()) == 2


def forged(net: Net) -> None:
    """From off the link, by no link-local address, with an option of no length, with a wrong sum."""
    line = net.app.line
    told = ICMPv6NDOptPrefixInfo(prefix="2001:db8:bad::", prefixlen=64)

    def advert(src: str = "fe80::bad", hlim: int = 255) -> Ether:
        head = Ether(src=line.left.mac, dst="33:33:00:00:00:01")
        return head / IPv6(src=src, dst="ff02::1", hlim=hlim) / ICMPv6ND_RA(routerlifetime=1800)

    wrong = bytearray(bytes(advert() / told))
    wrong[14 + 40 + 2] ^= 1
    net.app.tg.send(
        line.left,
        [
            advert(hlim=64) / told,
            advert(src="2001:db8:a::1") / told,
            advert() / Raw(b"\x63\0" + bytes(6)),
            bytes(wrong),
        ],
    )


def test_that_linux_keeps_the_advertisements_is_said(tmp_path: Path) -> None:
    """With IPv6 addresses of its own on the interface Linux hears routers, and weir does not.

    Steps: give Linux beside weir-httpd an IPv6 address; start with slaac, then with steer: all.
    Check: the log warns the first time only.
    """
    with Lab() as lab:
        line = lab.line()
        line.wan.sysctl("disable_ipv6", 0)
        line.wan.add_address("2001:db8:e::1/64")
        for steer in ("kernel:host", "all"):
            wan = CONFIG["ports"]["wan"] | {"steer": steer}
            config = CONFIG | {"ports": CONFIG["ports"] | {"wan": wan}}
            (tmp_path / steer).mkdir()
            with routed(tmp_path / steer, line, config, "weir-httpd") as made:
                assert ("router advertisements stay" in made.app.log) == (steer != "all")
