# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces taken by our own driver, the default, and by DPDK's: what differs, and what does not."""

from pathlib import Path

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.lab import Line
from weir.router import (
    LAN,
    LEFT,
    RIGHT,
    RIGHT6,
    SMALL,
    WAN,
    WAN6,
    Config,
    between_hosts,
    ports,
    routed,
)
from weir.sut import Sut, program
from weir.testpmd import PLUGIN
from weir.wait import until

pytestmark = [
    requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES),
    pytest.mark.skipif(
        not PLUGIN.is_file(), reason="the driver is not built: scripts/fetch-dpdk-sdk"
    ),
]

DRIVERS = {"auto": "net_weir_xdp", "weir_xdp": "net_weir_xdp", "af_xdp": "net_af_xdp"}


def both(keys: Config) -> Config:
    """The same keys for both ports."""
    return {"ports": ports(wan=keys, lan=keys)}


@pytest.mark.parametrize("driver", DRIVERS)
def test_each_driver_forwards_and_is_named(driver: str, tmp_path: Path) -> None:
    """The default is our own driver, and DPDK's is to be had by name.

    Steps: with each value of `driver`, ping in both families and fetch a file through the router.
    Check: all answered; weirctl names the driver; of ours also how it runs.
    """
    (tmp_path / "file").write_bytes(packets.payload(200_000))
    with between_hosts(tmp_path, both({"driver": driver})) as net:
        left = net.line.left.netns
        assert [peers.ping(left, to).received for to in (RIGHT, RIGHT6, WAN, WAN6)] == [3] * 4
        with peers.http_server(net.line.right.netns, tmp_path):
            assert peers.curl(left, f"http://{RIGHT}:8080/file") == packets.payload(200_000)
        status = {port["name"]: port for port in net.app.ctl("status")["ports"]}
        assert status["wan"]["driver"] == DRIVERS[driver]
        if driver != "af_xdp":
            modes = status["wan"]["modes"]
            assert (modes["attached"], modes["data"]) == ("native", "copy")
            shown = net.app.netns.run(
                program("weirctl"), "-s", str(net.app.socket), "ports", "wan"
            ).stdout
            assert "net_weir_xdp" in shown and "native, copy, one buffer" in shown
            assert net.app.metrics()[
                "weir_port_device_total", frozenset({("port", "wan"), ("counter", "mode_native")})
            ] == 1  # fmt: skip


def test_linux_keeps_its_own_addresses_and_gives_up_ours(line: Line, tmp_path: Path) -> None:
    """ARP for an address of Linux's stays with Linux, ARP for ours comes to us, also where both have it.

    Steps: give Linux on wan an address of its own, and ours; from the left ping ours, and fetch from
    port 22, ssh's, of the other.
    Check: the router has answered the pings, Linux the rest.
    """
    own = "10.0.1.7"
    for address in (own, WAN):
        line.wan.add_address(f"{address}/24")
    line.left.add_address(f"{LEFT}/24")
    with routed(tmp_path, line, {}) as net:
        left = line.left.netns
        assert peers.ping(left, WAN).received == 3
        until(
            lambda: net.app.ctl("ports", "wan")[0]["counters"]["tx_pkts"] >= 4,
            what="the answers to be counted",
        )
        (tmp_path / "note").write_text("of Linux")
        with peers.http_server(line.sut, tmp_path, port=22):
            assert peers.curl(left, f"http://{own}:22/note") == b"of Linux"


def test_steer_all_leaves_linux_nothing(line: Line, tmp_path: Path) -> None:
    """Everything comes to the router, as with net_af_xdp.

    Steps: give Linux on wan an address; start with steer: all; ask for it from the left.
    Check: no answer; the router's own address answers.
    """
    line.wan.add_address("10.0.1.7/24")
    line.left.add_address(f"{LEFT}/24")
    with routed(tmp_path, line, {"ports": ports(wan={"steer": "all"})}):
        assert peers.ping(line.left.netns, WAN).received == 3
        assert peers.ping(line.left.netns, "10.0.1.7", wait=1).received == 0


def test_a_reload_does_not_take_an_address_from_linux(line: Line, tmp_path: Path) -> None:
    """The driver learns of our addresses when it starts.

    Steps: give Linux on wan 10.0.1.7; reload with that address as ours, then with 10.0.1.8.
    Check: the first is refused with the address and the way out, the second is taken.
    """
    line.wan.add_address("10.0.1.7/24")
    with routed(tmp_path, line, {}) as net:
        for address, taken in (("10.0.1.7", False), ("10.0.1.8", True)):
            wan = {"addresses": [f"{WAN}/24", f"{address}/24"]}
            net.app.write({"ports": ports(wan=wan), "limits": SMALL})
            if taken:
                net.app.ctl("reload")
            else:
                refused = net.app.refused("reload")
                assert "10.0.1.7" in refused and "steer: all" in refused


@pytest.mark.parametrize(
    "keys, words",
    [
        ({"steer": "user:tpc/80"}, ("steer", "tpc/80")),
        ({"start_queue": 7}, ("start_queue=7",)),
        ({"zero_copy": "on"}, ("not supported",)),
        ({"driver": "af_xdp", "steer": "all"}, ("steer", "only driver weir_xdp")),
    ],
)
def test_what_the_driver_cannot_do_is_one_sentence(
    line: Line, sut: Sut, keys: Config, words: tuple[str, ...]
) -> None:
    """Whoever finds the fault, the driver or we, says it once.

    Steps: start with a key that cannot be had.
    Check: status 1 or 2; one line that names the port, the key and the reason; no program is left.
    """
    app = sut.prepare("weir-router", {"ports": ports(wan=keys), "limits": SMALL}, line.sut)
    done = app.run()
    assert done.returncode in (1, 2) and len(done.stderr.splitlines()) == 1, done.stderr
    for word in ("port wan: ", *words):
        assert word in done.stderr.lower(), done.stderr
    assert "xdp" not in line.sut.run("ip", "link", "show").stdout


def test_an_interface_that_goes_while_it_runs_is_told_once(line: Line, tmp_path: Path) -> None:
    """Its cable pulled for good.

    Steps: delete the veth pair of wan while the router runs.
    Check: one line of the log says so; /ready names wan; lan still answers.
    """
    line.right.add_address(f"{RIGHT}/24")
    with routed(tmp_path, line, {}) as net:
        line.left.netns.run("ip", "link", "delete", "left")
        until(lambda: "interface is gone" in net.app.log, what="the line")
        assert net.app.log.count("interface is gone") == 1
        until(lambda: "wan" in net.app.get("/ready")[1], what="/ready to name wan")
        assert peers.ping(line.right.netns, LAN).received == 3
