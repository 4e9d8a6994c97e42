# SPDX-License-Identifier: BSD-3-Clause
"""weir-firewall with firewall.stateless: each packet is judged by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from weir import packets, peers
from weir.caps import Cap, requires
from weir.firewall import ALL, Firewall, firewall_between_hosts, rule
from weir.router import RIGHT, RIGHT6

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)

WEB = rule("web", from_="wan", to="lan", proto="tcp", dport="8080")
ANSWERS = rule("answers", from_="lan", to="wan", proto="tcp", sport="8080", tcp_flags="ack")


@pytest.fixture(scope="module")
def fw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    directory = tmp_path_factory.mktemp("stateless")
    first = {"firewall": {"stateless": True, "default": "accept"}}
    with firewall_between_hosts(directory, first) as made:
        yield made


def set_rules(fw: Firewall, *rules: dict[str, object]) -> None:
    fw.app.reload(fw.first | {"firewall": {"stateless": True, "rules": list(rules)}})
    fw.app.mark()


@pytest.mark.parametrize("server", [RIGHT, RIGHT6], ids=["ip4", "ip6"])
def test_a_connection_needs_a_rule_for_each_direction(
    fw: Firewall, tmp_path: Path, server: str
) -> None:
    """No flow brings answers back.

    Steps: fetch 300 kB by curl through a rule for questions and one for answers; then without
    that for answers.
    Check: the file is whole and both rules have counted; then curl gives up, and answers are
    dropped as rule.
    """
    name = f"[{server}]" if ":" in server else server
    (tmp_path / "file").write_bytes(packets.payload(300_000))
    with peers.http_server(fw.inside, tmp_path):
        set_rules(fw, WEB, ANSWERS)
        got = peers.curl(fw.outside, f"http://{name}:8080/file")
        assert got == packets.payload(300_000)
        counts = fw.counted()
        assert counts["web"] > 10 and counts["answers"] > 200
        set_rules(fw, WEB)
        with pytest.raises(AssertionError, match="timed out"):
            peers.curl(fw.outside, f"http://{name}:8080/file", timeout=1)
        assert fw.app.drops_since_start()["rule"] >= 1


def test_fragments_pass_in_pieces_and_nothing_is_tracked(fw: Firewall) -> None:
    """They are not put together, so rules without ports let them pass.

    Steps: ping with 4,000 bytes while all may pass; ask for flows.
    Check: answers come; weirctl says that nothing is tracked.
    """
    set_rules(fw, ALL)
    assert peers.ping(fw.outside, RIGHT, size=4000).received == 3
    assert "nothing is tracked" in fw.app.refused("flows")


def test_a_reload_cannot_begin_to_track(fw: Firewall) -> None:
    """The stages are those of the start.

    Steps: reload with stateless false, and with translation.
    Check: both are refused in a sentence with the line, and packets pass as before.
    """
    set_rules(fw, ALL)
    for config, why in (
        ({"firewall": {"default": "accept"}}, "stateless has changed"),
        (
            {
                "firewall": {"stateless": True},
                "nat": {"source": [{"name": "m", "to": "wan", "action": "masquerade"}]},
            },
            "needs flows",
        ),
    ):
        with pytest.raises(AssertionError, match=why):
            fw.app.reload(fw.first | config)
    assert peers.ping(fw.outside, RIGHT).received == 3
