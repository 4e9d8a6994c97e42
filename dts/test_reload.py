# SPDX-License-Identifier: BSD-3-Clause
"""Reload: a new configuration takes effect between two packets, and a bad one changes nothing."""

import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from weir import packets
from weir.caps import Cap, requires
from weir.router import (
    LEFT,
    RIGHT,
    SMALL,
    Config,
    Routed,
    between_silent_ends,
    known,
    neighbour,
    ports,
)
from weir.stream import Stream, numbers, under_load
from weir.wait import until

from scapy.layers.inet import IP

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

OTHER = ("10.0.2.9", "02:00:00:00:02:09")


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """A router between silent ends."""
    with between_silent_ends(tmp_path_factory.mktemp("reload")) as made:
        yield made


@pytest.fixture
def fresh(net: Routed) -> Iterator[Routed]:
    """The router with its first configuration, its figures counted from here on."""
    net.app.reload(config(net))
    net.app.mark()
    yield net


def config(net: Routed, **sections: Any) -> Config:
    """The first configuration with other sections."""
    neighbours = [*known(net.line), neighbour("lan", *OTHER)]
    return {"ports": ports(), "neighbours": neighbours, "limits": SMALL} | sections


def default_via(address: str) -> list[Config]:
    return [{"to": "198.18.0.0/16", "via": address}]


def test_reloads_by_signal_lose_no_packet(fresh: Routed) -> None:
    """SIGHUP under load, with a table that changes each time.

    Steps: send a stream; 15 times, write a configuration with other routes and send SIGHUP.
    Check: each reload is counted; every packet arrives once and in order.
    """
    with under_load(fresh) as stream:
        for n in range(15):
            done = fresh.app.metric("weir_reloads_total")
            routes = [{"to": f"198.18.{n}.{m}/32", "via": RIGHT} for m in range(n + 1)]
            fresh.app.write(config(fresh, routes=routes))
            fresh.app.signal(signal.SIGHUP)
            until(lambda: fresh.app.metric("weir_reloads_total") == done + 1, what="the reload")
            stream.goes_on()


def test_reloads_by_weirctl_lose_no_packet(fresh: Routed) -> None:
    """The same by `weirctl reload`, while addresses and VLANs come and go.

    Steps: send a stream; 10 times, reload with and without a VLAN and an address of lan.
    Check: every packet arrives once and in order.
    """
    vlans = {"100": {"addresses": "10.100.0.1/24"}}
    more = ports(wan={"vlans": vlans})
    more["lan"]["addresses"] = [*more["lan"]["addresses"], "10.77.0.1/24"]
    with under_load(fresh) as stream:
        for n in range(10):
            fresh.app.reload(config(fresh, ports=ports() if n % 2 else more))
            stream.goes_on()


def test_a_route_that_moves_under_load_moves_every_packet(fresh: Routed) -> None:
    """A packet goes by the old route or by the new one, and never by none.

    Steps: send a stream to a network by one gateway; reload with another one.
    Check: every packet arrives; those before some number at the first gateway, all others at the
    second.
    """
    fresh.app.reload(config(fresh, routes=default_via(RIGHT)))
    stream = Stream(fresh, "198.18.7.7")
    with fresh.tg.capture(fresh.line.right) as seen:
        with stream:
            fresh.app.reload(config(fresh, routes=default_via(OTHER[0])))
            stream.goes_on()
        seen.wait(stream.sent, timeout=30)
    assert numbers(seen) == list(range(stream.sent))
    went = [p.dst for p in seen]
    change = went.index(OTHER[1])
    assert 0 < change < len(went)
    assert set(went[:change]) == {fresh.line.right.mac} and set(went[change:]) == {OTHER[1]}


def test_a_new_route_address_and_neighbour_take_effect(fresh: Routed) -> None:
    """What a reload brings is there when weirctl has answered.

    Steps: reload with a route, an address of wan and a neighbour that were not there; and back.
    Check: packets follow the route, and are counted as no_route after it went; the address answers,
    and not any more.
    """
    line, tg = fresh.line, fresh.tg
    probe = packets.udp(fresh.inward, (LEFT, "198.18.0.1"))
    ping = packets.echo_request(fresh.inward, (LEFT, "10.50.0.1"))
    more = ports()
    more["wan"]["addresses"] = [*more["wan"]["addresses"], "10.50.0.1/32"]
    fresh.app.reload(config(fresh, routes=default_via(OTHER[0]), ports=more))
    with tg.capture(line.right, count=1) as seen, tg.capture(line.left, count=1) as answers:
        tg.send(line.left, [probe, ping])
    assert [p.dst for p in seen] == [OTHER[1]]
    assert [p[IP].src for p in answers] == ["10.50.0.1"]
    fresh.app.reload(config(fresh))
    fresh.app.mark()
    tg.send(line.left, [probe, ping])
    fresh.app.expect_drops({"no_route": 2})


BAD: dict[str, tuple[Callable[[Config], object], str]] = {
    "an unknown key": (lambda c: c.update(routse=[]), "routse"),
    "a wrong type": (lambda c: c["ports"]["wan"].update(mtu="large"), "mtu"),
    "a number out of range": (lambda c: c["ports"]["wan"].update(mtu=67), "67"),
    "a route without a way": (lambda c: c.update(routes=[{"to": "198.18.0.0/16"}]), "198.18.0.0"),
    "a route with host bits": (
        lambda c: c.update(routes=[{"to": "198.18.0.1/16", "via": RIGHT}]),
        "198.18.0.0/16",
    ),
    "a gateway that no subnet has": (
        lambda c: c.update(routes=[{"to": "198.18.0.0/16", "via": "203.0.113.1"}]),
        "203.0.113.1",
    ),
    "an address that is none": (
        lambda c: c["ports"]["wan"].update(addresses=["10.0.1.256/24"]),
        "10.0.1.256",
    ),
    "an unknown port": (
        lambda c: c["neighbours"].append(neighbour("dmz", "10.9.9.9", OTHER[1])),
        "dmz",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_configuration_changes_nothing(fresh: Routed, what: str) -> None:
    """It is refused with file and key, by weirctl and in the log, and the old one goes on.

    Steps: send a stream; write a bad configuration; `weirctl reload`, and SIGHUP.
    Check: weirctl ends with status 1 and a sentence with file and word; the log has it twice; the
    generation is the old one; every packet arrives.
    """
    spoil, word = BAD[what]
    bad = config(fresh)
    spoil(bad)
    generation = fresh.app.metric("weir_generation")
    refused = fresh.app.metric("weir_reloads_refused_total")
    with under_load(fresh):
        fresh.app.write(bad)
        sentence = fresh.app.refused("reload")
        assert fresh.app.config_file.name in sentence and word in sentence
        fresh.app.signal(signal.SIGHUP)
        until(
            lambda: fresh.app.metric("weir_reloads_refused_total") == refused + 2,
            what="the refusal",
        )
    assert fresh.app.metric("weir_generation") == generation
    told = "reload refused, the old configuration stays"
    until(lambda: fresh.app.log.count(told) >= 2, what="the lines of the log")
    assert word in fresh.app.log


def test_broken_yaml_is_refused_with_its_line(fresh: Routed) -> None:
    """What is no YAML at all.

    Steps: write a file whose third line is broken; `weirctl reload`.
    Check: the sentence names file and line 3.
    """
    fresh.app.config_file.write_text("ports:\n  wan: {interface: wan}\n  lan: {interface: [\n")
    sentence = fresh.app.refused("reload")
    assert re.search(rf"{fresh.app.config_file.name}:[34]\b", sentence), sentence


def test_a_configuration_that_is_gone_is_refused(fresh: Routed) -> None:
    """The file was deleted.

    Steps: delete it; `weirctl reload`.
    Check: a sentence with its name; packets are forwarded.
    """
    fresh.app.config_file.unlink()
    assert fresh.app.config_file.name in fresh.app.refused("reload")
    with under_load(fresh):
        pass


@pytest.mark.parametrize(
    "change, key",
    [
        ({"runtime": {"workers": [0]}}, "runtime.workers"),
        ({"runtime": {"poll": "busy"}}, "runtime.poll"),
        ({"limits": SMALL | {"neighbours": 77}}, "limits.neighbours"),
        ({"ports": ports(wan={"kernel": "weir-wan"}), "kernel_routes": True}, "ports.wan.kernel"),
        ({"ports": ports(lan={"mtu": 1400})}, "ports.lan.mtu"),
        ({"ports": ports(wan={"driver": "af_packet"})}, "ports.wan.driver"),
        ({"ports": {"wan": ports()["wan"]}, "neighbours": []}, "ports"),
    ],
)
def test_what_needs_a_restart_is_named(fresh: Routed, change: Config, key: str) -> None:
    """Some keys cannot change while running, and nobody must wonder why they did not.

    Steps: reload with another value of such a key.
    Check: refused, with the key and the word "restart"; packets are forwarded as before.
    """
    fresh.app.write(config(fresh) | change)
    sentence = fresh.app.refused("reload")
    assert key in sentence and "restart" in sentence
    with under_load(fresh):
        pass
