# SPDX-License-Identifier: BSD-3-Clause
"""weir's TCP and Linux's over a path that loses, reorders and carries little or much at once."""

from collections.abc import Iterator

import pytest

from weir import peers
from weir.beyond import LONG, Beyond, beyond, dialled, digest_of, goes_round, lossy
from weir.beyond import DISCARD, nftables, nothing_is_left, received, reordering, sending
from weir.caps import Cap, requires
from weir.netns import Netns
from weir.router import WAN, WAN6
from weir.wait import until

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

MIB = 1 << 20
# Of a bulk transfer, by percent of loss. The long run has 1 GiB each.
SIZES = {0: 32 * MIB, 1: 8 * MIB, 5: MIB}
GIB = 1 << 30
JUMBO = 9000


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beyond]:
    """weir-echo behind a gate, over links of 1500 bytes."""
    with beyond(tmp_path_factory.mktemp("loss"), {}) as made:
        yield made


@pytest.fixture(scope="module")
def jumbo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beyond]:
    """The same with 9000 bytes."""
    with beyond(tmp_path_factory.mktemp("jumbo"), {}, mtu=JUMBO) as made:
        yield made


@pytest.fixture(scope="module")
def httpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beyond]:
    """weir-httpd behind a gate."""
    root = tmp_path_factory.mktemp("root")
    config = {"httpd": {"root": str(root)}}
    with beyond(tmp_path_factory.mktemp("httpd"), config, "weir-httpd") as made:
        yield made


@pytest.mark.long
@pytest.mark.limit(180)  # of the long run: half an hour, for 1 GiB at 5 %
@pytest.mark.parametrize("percent", SIZES)
@pytest.mark.parametrize("address", (WAN, WAN6))
def test_all_bytes_go_and_come_back_over_a_lossy_path(
    net: Beyond, address: str, percent: int
) -> None:
    """Loss recovery of both ends, data and acknowledgements lost alike.

    Steps: lose so many percent of the packets in each direction; send megabytes (1 GiB in the long
    run) to the echo while they come back.
    Check: the checksum of what comes back; weir has sent again if there was loss; no connection is
    left.
    """
    net.app.mark()
    with lossy(net.gate, percent):
        goes_round(net.far, address, GIB if LONG else SIZES[percent])
    assert (net.rose("tcp_resent_segments") > 0) or percent == 0
    nothing_is_left(net)


@pytest.mark.long
@pytest.mark.limit(180)  # of the long run: half an hour, for 1 GiB at 5 %
@pytest.mark.parametrize("percent", SIZES)
def test_uploads_arrive_over_a_lossy_path(net: Beyond, percent: int) -> None:
    """The sink alone: Linux's recovery by our SACK blocks.

    Steps: send to discard with so much loss, and end.
    Check: it ends without a byte; as many bytes have come as were sent; with loss, some came early
    (without, too, where the kernel sends by two CPUs and its veth keeps no order between them).
    """
    size = GIB if LONG else SIZES[percent]
    net.app.mark()
    with lossy(net.gate, percent), dialled(net.far, WAN6, DISCARD) as sock:
        with sending(sock, size):
            assert received(sock)[0] == 0
    assert net.rose("tcp_in_bytes") == size
    assert net.rose("tcp_disordered_segments") > 0 or percent == 0


def _of_kernel(netns: Netns, counter: str) -> int:
    return int(netns.run("nstat", "-asz", counter).stdout.split()[-2])


def test_linux_is_told_what_it_has_sent_again_for_nothing(net: Beyond) -> None:
    """Duplicates from long below the window (RFC 2883): what Linux's recovery is undone by.

    Steps: send five segments whose acknowledgements the gate drops, until Linux has run into a
    timeout; let them pass.
    Check: Linux sends the first one again, and is told by a DSACK that we had it.
    """
    with dialled(net.far, WAN, DISCARD) as sock:
        timeouts = _of_kernel(net.far, "TcpExtTCPTimeouts")
        with nftables(net.gate, "forward priority 0", f"tcp sport {DISCARD} counter drop"):
            sock.sendall(bytes(5 * 1448))
            until(lambda: _of_kernel(net.far, "TcpExtTCPTimeouts") > timeouts, what="a timeout")
            told = _of_kernel(net.far, "TcpExtTCPDSACKRecv")
        until(lambda: _of_kernel(net.far, "TcpExtTCPDSACKRecv") > told, what="a DSACK")
    nothing_is_left(net)


@pytest.mark.long
@pytest.mark.limit(180)  # of the long run: half an hour, for 1 GiB at 5 %
@pytest.mark.parametrize("percent", SIZES)
def test_downloads_come_over_a_lossy_path(httpd: Beyond, percent: int) -> None:
    """The source alone, with curl: our recovery by Linux's SACK blocks.

    Steps: get bytes of weir-httpd with so much loss.
    Check: they are those that it says it gives.
    """
    size = 16 * SIZES[percent] if LONG else SIZES[percent]
    block = b"".join(b"%04x" % n + b"0" * 59 + b"\n" for n in range(1024))
    with lossy(httpd.gate, percent):
        body = peers.curl(httpd.far, f"http://{WAN}/bytes/{size}", timeout=500 if LONG else 60)
    assert body == (block * (size // len(block) + 1))[:size]


@pytest.mark.long
@pytest.mark.parametrize("address", (WAN, WAN6))
def test_reordering_is_not_taken_for_loss(net: Beyond, address: str) -> None:
    """One packet of twenty is overtaken, in both directions.

    Steps: send megabytes to the echo while they come back.
    Check: the checksum; packets took the detour and segments came early; retransmissions are few,
    because RACK waits, and DSACKs have told of those that were not needed.
    """
    size = GIB if LONG else 8 * MIB
    net.app.mark()
    with reordering(net.gate, one_of=20) as detour:
        goes_round(net.far, address, size)
        assert detour.packets > size // 1500 // 20
    assert net.rose("tcp_disordered_segments") > 0
    resent, sent = net.rose("tcp_resent_segments"), net.rose("tcp_out_segments")
    assert resent < sent * 0.05, f"{resent} of {sent} segments sent again"


@pytest.mark.long
@pytest.mark.parametrize("percent", (0, 1))
@pytest.mark.parametrize("address", (WAN, WAN6))
def test_jumbo_segments_go_and_come_back(jumbo: Beyond, address: str, percent: int) -> None:
    """Segments of 8948 bytes over chains of buffers.

    Steps: send megabytes to the echo while they come back, with and without loss.
    Check: the checksum; the segments were that large.
    """
    size = GIB if LONG else SIZES[percent]
    jumbo.app.mark()
    with lossy(jumbo.gate, percent):
        goes_round(jumbo.far, address, size)
    # Acknowledgements without bytes are segments, too: at most as many as came.
    assert jumbo.rose("tcp_out_segments") < 3 * size // 8000
    nothing_is_left(jumbo)


def test_the_bytes_are_not_easily_mistaken() -> None:
    """The checksum of a transfer that lost, doubled or swapped a piece would differ.

    Steps: compare digests of sizes around a piece.
    Check: all differ.
    """
    sizes = (0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB)
    assert len({digest_of(size) for size in sizes}) == len(sizes)
