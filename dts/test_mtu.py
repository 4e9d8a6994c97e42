# SPDX-License-Identifier: BSD-3-Clause
"""The largest packets: 1500 bytes anywhere, 9000 where the port can."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.lab import Lab, Line
from weir.router import (
    LEFT,
    LEFT6,
    RIGHT,
    RIGHT6,
    SMALL,
    WAN,
    WAN6,
    Routed,
    between_hosts,
    neighbour,
    ports,
)
from weir.sut import Sut
from weir.tg import TrafficGenerator

from scapy.layers.inet import IP, UDP

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

JUMBO = 9000
# As many large buffers as a machine with few hugepages has room for.
FEW = {"mbufs": 8192}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """AF_XDP with an MTU of 1500."""
    with between_hosts(tmp_path_factory.mktemp("usual")) as made:
        yield made


# Chains of usual buffers; one large buffer each; and packets that go from one kind to the other.
PAIRS = [("auto", "auto"), ("af_packet", "af_packet"), ("af_packet", "auto"), ("auto", "af_packet")]


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def jumbo(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Routed]:
    """Ports with an MTU of 9000."""
    wan, lan = ({"driver": driver, "mtu": JUMBO} for driver in request.param)
    config = {"ports": ports(wan=wan, lan=lan), "runtime": FEW}
    with between_hosts(tmp_path_factory.mktemp("jumbo"), config, mtu=JUMBO) as made:
        yield made


@pytest.fixture
def line_of_two(lab: Lab) -> Line:
    """A line whose interfaces could all carry 9000 bytes."""
    return lab.line(mtu=JUMBO)


@pytest.mark.parametrize("to, head", [(RIGHT, 28), (RIGHT6, 48), (WAN, 28), (WAN6, 48)])
def test_packets_of_1500_bytes_go_through_whole(usual: Routed, to: str, head: int) -> None:
    """The largest packet of Ethernet, through the router and to it.

    Steps: ping with packets of 1500 bytes that may not be cut.
    Check: 3 answers.
    """
    left = usual.line.left.netns
    done = peers.ping(left, to, size=1500 - head, dont_fragment=True)
    assert done.received == 3


@pytest.mark.parametrize("to, head", [(RIGHT, 28), (RIGHT6, 48), (WAN, 28), (WAN6, 48)])
@pytest.mark.parametrize("size", [1501, 2048, 4096, JUMBO])
def test_jumbo_packets_go_through_whole(jumbo: Routed, to: str, head: int, size: int) -> None:
    """Packets of up to 9000 bytes, through the router and to it.

    Steps: ping with packets that may not be cut.
    Check: 3 answers.
    """
    left = jumbo.line.left.netns
    done = peers.ping(left, to, size=size - head, dont_fragment=True)
    assert done.received == 3


@pytest.mark.parametrize("addresses", [(LEFT, RIGHT), (LEFT6, RIGHT6)])
def test_the_bytes_of_a_jumbo_packet_arrive_unchanged(
    jumbo: Routed, addresses: tuple[str, str]
) -> None:
    """9000 bytes, compared with what was sent.

    Steps: send one UDP packet of 9000 bytes.
    Check: it arrives byte for byte as it must be.
    """
    assert peers.ping(jumbo.line.left.netns, addresses[1]).received == 3  # all are neighbours now
    sent = packets.udp(jumbo.inward, addresses, size=JUMBO - (48 if ":" in addresses[0] else 28))
    with jumbo.tg.capture(jumbo.line.right, 1, lambda p: UDP in p and p[UDP].dport == 9) as seen:
        jumbo.tg.send(jumbo.line.left, sent)
    assert [bytes(p) for p in seen] == [bytes(jumbo.forwarded(sent))]


def test_a_file_comes_over_jumbo_frames(jumbo: Routed, tmp_path: Path) -> None:
    """TCP with segments of 8960 bytes.

    Steps: serve 2 MB on the right; fetch it with curl from the left.
    Check: the bytes are the same.
    """
    content = packets.payload(2_000_000)
    (tmp_path / "file").write_bytes(content)
    with peers.http_server(jumbo.line.right.netns, tmp_path):
        assert peers.curl(jumbo.line.left.netns, f"http://{RIGHT}:8080/file") == content


@pytest.mark.parametrize("driver", ["auto", "af_packet"])
def test_between_a_jumbo_and_a_usual_link_packets_are_cut(
    line_of_two: Line, sut: Sut, tg: TrafficGenerator, driver: str
) -> None:
    """9000 on one side, 1500 on the other.

    Steps: send 8000 bytes of UDP without DF from the jumbo side.
    Check: fragments of at most 1500 bytes arrive, which make up the packet.
    """
    config = {
        "ports": ports(wan={"driver": driver, "mtu": JUMBO}, lan={"driver": driver}),
        "neighbours": [neighbour("lan", RIGHT, line_of_two.right.mac)],
        "runtime": FEW,
        "limits": SMALL,
    }
    router = sut.start("weir-router", config, line_of_two.sut)
    sent = packets.udp((line_of_two.left.mac, line_of_two.wan.mac), (LEFT, RIGHT), size=8000)
    with tg.capture(line_of_two.right, count=6) as seen:
        tg.send(line_of_two.left, sent)
    assert len(seen) == 6 and all(p[IP].len <= 1500 for p in seen)
    body = b"".join(bytes(p[IP].payload)[: p[IP].len - 20] for p in seen)
    assert body == bytes(sent[IP].payload)
    router.expect_drops({})


@pytest.mark.parametrize(
    "driver, mtu, remedy",
    [
        ("af_xdp", JUMBO, "weir_xdp or af_packet"),
        ("af_xdp", 1400, "ip link set dev wan mtu"),
        ("auto", 1400, "ip link set dev wan mtu"),
    ],
)
def test_a_port_that_cannot_carry_the_mtu_says_so(
    lab: Lab, sut: Sut, driver: str, mtu: int, remedy: str
) -> None:
    """One sentence that names the port and what to do, and status 1.

    Steps: start on interfaces whose MTU is more than net_af_xdp can take, or less than what is asked.
    Check: status 1; the sentence names the port, the MTU and a remedy; no XDP program is left.
    """
    line = lab.line(mtu=mtu)
    config = {"ports": ports(wan={"driver": driver}, lan={"driver": driver})}
    done = sut.prepare("weir-router", config, line.sut).run()
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "wan" in done.stderr and str(mtu) in done.stderr and remedy in done.stderr
    assert "xdp" not in line.sut.run("ip", "link", "show").stdout
