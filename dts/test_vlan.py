# SPDX-License-Identifier: BSD-3-Clause
"""VLANs and QinQ: interfaces by tags, routed between each other and to untagged links."""

import itertools
from collections.abc import Iterator

import pytest

from weir import packets
from weir.caps import Cap, requires
from weir.router import LEFT, RIGHT, Routed, between_silent_ends, neighbour, ports

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

# A host in each VLAN of wan: its address, the router's, its MAC, and its tags from the outside in.
HOSTS = {
    "100": ("10.100.0.2", "10.100.0.1", "02:00:00:00:01:00", [100]),
    "200": ("10.200.0.2", "10.200.0.1", "02:00:00:00:02:00", [200]),
    "300.7": ("10.37.0.2", "10.37.0.1", "02:00:00:00:03:07", [300, 7]),
}


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """wan with two VLANs and a VLAN in a VLAN, lan without."""
    vlans = {vlan: {"addresses": f"{ours}/24"} for vlan, (_, ours, _, _) in HOSTS.items()}
    config = {"ports": ports(wan={"vlans": vlans})}
    hosts = [neighbour(f"wan.{vlan}", ip, mac) for vlan, (ip, _, mac, _) in HOSTS.items()]
    # A veth lets one tag more than its MTU pass, not two.
    with between_silent_ends(tmp_path_factory.mktemp("vlan"), config, hosts, mtu=1508) as made:
        yield made


def tagged(packet: Packet, tags: list[int], prio: int = 0) -> Packet:
    """The frame with these tags, a service tag outside if there are two (IEEE 802.1ad)."""
    head = Ether(src=packet.src, dst=packet.dst)
    for n, vlan in enumerate(tags):
        kind = Dot1AD if len(tags) > 1 and n == 0 else Dot1Q
        head = head / kind(vlan=vlan, prio=prio)
    return Ether(bytes(head / packet.payload))


def from_vlan(net: Routed, vlan: str, dst: str, **more: int) -> Packet:
    """UDP of the host in a VLAN."""
    ip, _, mac, tags = HOSTS[vlan]
    return tagged(packets.udp((mac, net.line.wan.mac), (ip, dst), **more), tags)


def tags_of(packet: Packet) -> list[tuple[int, int]]:
    """(Ethernet type, VLAN) of each tag."""
    found, layer, kind = [], packet.payload, packet.type
    while isinstance(layer, Dot1Q):
        found.append((kind, layer.vlan))
        kind, layer = layer.type, layer.payload
    return found


TAGS = {"100": [(0x8100, 100)], "200": [(0x8100, 200)], "300.7": [(0x88A8, 300), (0x8100, 7)]}


@pytest.mark.parametrize("size", [18, 1472])
@pytest.mark.parametrize("origin, to", itertools.permutations(HOSTS, 2))
def test_vlans_of_one_port_are_routed_between(
    counted: Routed, origin: str, to: str, size: int
) -> None:
    """A router on a stick: tags are taken off and put on, the payload stays where it is.

    Steps: send a packet from a host in one VLAN to a host in another, small and as large as the MTU.
    Check: it comes back out of the port with the other VLAN's tags and host, its bytes untouched.
    """
    dst, _, mac, _ = HOSTS[to]
    sent = from_vlan(counted, origin, dst, size=size)
    with counted.tg.capture(counted.line.left, count=1) as seen:
        counted.tg.send(counted.line.left, sent)
    (packet,) = seen
    assert (packet.src, packet.dst) == (counted.line.wan.mac, mac)
    assert tags_of(packet) == TAGS[to]
    assert packet[IP].ttl == 63
    assert bytes(packet[UDP]) == bytes(sent[UDP])
    counted.app.expect_drops({})


@pytest.mark.parametrize("vlan", list(HOSTS))
def test_a_vlan_reaches_the_untagged_link_and_is_reached_from_it(
    counted: Routed, vlan: str
) -> None:
    """Between a VLAN of wan and lan, which has none.

    Steps: send a packet from a host in the VLAN to the right, and one the other way.
    Check: the first arrives without tags, the second with them.
    """
    ip, _, mac, _ = HOSTS[vlan]
    line, tg = counted.line, counted.tg
    back = packets.udp((line.right.mac, line.lan.mac), (RIGHT, ip), size=1472)
    with tg.capture(line.right, count=1) as there, tg.capture(line.left, count=1) as here:
        tg.send(line.left, from_vlan(counted, vlan, RIGHT, size=1472))
        tg.send(line.right, back)
    assert [(p.dst, tags_of(p), p[IP].dst) for p in there] == [(line.right.mac, [], RIGHT)]
    assert [(p.dst, tags_of(p), p[IP].dst) for p in here] == [(mac, TAGS[vlan], ip)]
    assert bytes(here[0][UDP]) == bytes(back[UDP])
    counted.app.expect_drops({})


@pytest.mark.parametrize("vlan", list(HOSTS))
def test_the_router_answers_inside_a_vlan(counted: Routed, vlan: str) -> None:
    """ARP and ping for the address that the router has in the VLAN.

    Steps: ask for the address by ARP, and ping it, with the VLAN's tags.
    Check: both are answered with the same tags.
    """
    ip, ours, mac, tags = HOSTS[vlan]
    arp = tagged(packets.who_has(mac, (ip, ours)), tags)
    ping = tagged(packets.echo_request((mac, counted.line.wan.mac), (ip, ours)), tags)
    with counted.tg.capture(counted.line.left, count=2) as seen:
        counted.tg.send(counted.line.left, [arp, ping])
    assert [tags_of(p) for p in seen] == [TAGS[vlan]] * 2
    assert (seen[0][ARP].op, seen[0][ARP].hwsrc) == (2, counted.line.wan.mac)
    assert seen[1][ICMP].type == 0 and seen[1].dst == mac


def test_an_address_is_only_known_in_its_own_vlan(counted: Routed) -> None:
    """Who asks in one VLAN for the address of another is not answered.

    Steps: ask for the address of VLAN 200 in VLAN 100, and untagged.
    Check: nothing comes back.
    """
    arp = packets.who_has(counted.line.left.mac, ("10.200.0.9", "10.200.0.1"))
    with counted.tg.capture(counted.line.left) as seen:
        counted.tg.send(counted.line.left, [tagged(arp, [100]), arp])
    assert [p.summary() for p in seen] == []


@pytest.mark.parametrize("tags", [[101], [7], [300], [300, 8], [100, 7], [4094], [300, 7, 9]])
def test_an_unknown_vlan_is_dropped_under_its_name(counted: Routed, tags: list[int]) -> None:
    """A tag that no interface of the port has; also the right one inside a wrong one.

    Steps: send 2 packets for the right with such tags.
    Check: nothing arrives; 2 counted as vlan_unknown.
    """
    packet = tagged(packets.udp(counted.inward, (LEFT, RIGHT)), tags)
    with counted.tg.capture(counted.line.right) as leaked:
        counted.tg.send(counted.line.left, [packet, packet])
    assert len(leaked) == 0
    counted.app.expect_drops({"vlan_unknown": 2})


def test_a_priority_tag_is_no_vlan(counted: Routed) -> None:
    """IEEE 802.1Q: VLAN 0 says a priority only, the frame belongs to the untagged link.

    Steps: send a packet with tag 0 and priority 5.
    Check: it arrives on the right, untagged.
    """
    packet = tagged(packets.udp(counted.inward, (LEFT, RIGHT)), [0], prio=5)
    with counted.tg.capture(counted.line.right, count=1) as seen:
        counted.tg.send(counted.line.left, packet)
    assert [tags_of(p) for p in seen] == [[]]
    counted.app.expect_drops({})


def test_a_vlan_is_asked_for_neighbours_with_its_tag(counted: Routed) -> None:
    """An unknown neighbour in a VLAN is looked for there.

    Steps: send a packet from the right to an unknown host in VLAN 200; answer the request.
    Check: the request has tag 200 and asks from the address of that VLAN; the packet follows with it.
    """
    line, tg = counted.line, counted.tg
    mac, ip = "02:00:00:00:02:33", "10.200.0.33"
    with tg.capture(line.left, count=1) as asked:
        tg.send(line.right, packets.udp((line.right.mac, line.lan.mac), (RIGHT, ip)))
    question = asked[0]  # after a second it asks again
    assert tags_of(question) == TAGS["200"]
    assert (question[ARP].psrc, question[ARP].pdst) == ("10.200.0.1", ip)
    arp = ARP(op="is-at", hwsrc=mac, psrc=ip, hwdst=line.wan.mac, pdst="10.200.0.1")
    with tg.capture(line.left, count=1, match=lambda p: UDP in p) as seen:
        tg.send(line.left, tagged(Ether(src=mac, dst=line.wan.mac) / arp, [200]))
    assert [(p.dst, tags_of(p), p[IP].dst) for p in seen] == [(mac, TAGS["200"], ip)]
