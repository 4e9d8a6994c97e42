# SPDX-License-Identifier: BSD-3-Clause
"""The frame itself: what the other suites stand on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from weir import lab as labs
from weir import packets, peers
from weir.caps import Cap, requires
from weir.lab import Lab, Port
from weir.sut import parse_metrics
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.layers.inet import UDP
from scapy.layers.l2 import Dot1Q, Ether

pytestmark = requires(Cap.NETNS)

ADDRESSES = ("192.0.2.1", "192.0.2.2")


def pair(lab: Lab, mtu: int = 1500, queues: int = 1) -> tuple[Port, Port]:
    west, east = lab.netns("west", ipv6=False), lab.netns("east", ipv6=False)
    return lab.veth((west, "west"), (east, "east"), mtu, queues)


def macs(ports: tuple[Port, Port]) -> tuple[str, str]:
    return ports[0].mac, ports[1].mac


def test_a_packet_crosses_a_veth_unchanged(lab: Lab, tg: TrafficGenerator) -> None:
    """What is sent at one end of a veth pair is captured at the other, and nothing else.

    Steps: make two namespaces and a pair; send 50 different UDP packets.
    Check: exactly these bytes arrive, in order, with finished checksums.
    """
    ports = pair(lab)
    sent = [packets.udp(macs(ports), ADDRESSES, sport=1000 + i, size=18 + i) for i in range(50)]
    with tg.capture(ports[1], count=50) as seen:
        tg.send(ports[0], sent)
    assert [bytes(p) for p in seen] == [bytes(p) for p in sent]
    assert seen.unfinished == 0


def test_vlan_tags_arrive_as_they_were_sent(lab: Lab, tg: TrafficGenerator) -> None:
    """The kernel takes a tag out of a captured packet; the capture puts it back.

    Steps: send one packet with one tag, one with two.
    Check: both arrive byte for byte.
    """
    ports = pair(lab)
    plain = packets.udp(macs(ports), ADDRESSES)
    one, two = plain.copy(), plain.copy()
    one[Ether].type = 0x8100
    one = Ether(bytes(one)[:14]) / Dot1Q(vlan=5, prio=3, type=0x0800) / plain.payload
    two = Ether(bytes(one)[:12] + b"\x88\xa8\x00\x07" + bytes(one)[12:])
    with tg.capture(ports[1], count=2) as seen:
        tg.send(ports[0], [one, two])
    assert [bytes(p) for p in seen] == [bytes(one), bytes(two)]


def test_a_capture_counts_what_is_too_many_and_ignores_what_does_not_match(
    lab: Lab, tg: TrafficGenerator
) -> None:
    """A capture that expects two packets still sees the third.

    Steps: send 3 packets to port 53 and 2 to port 54; expect 2 of port 53.
    Check: 3 are seen, none of port 54.
    """
    ports = pair(lab)
    sent = [packets.udp(macs(ports), ADDRESSES, dport=dport) for dport in (53, 54, 53, 54, 53)]
    with tg.capture(ports[1], count=2, match=lambda p: p[UDP].dport == 53) as seen:
        tg.send(ports[0], sent)
    assert len(seen) == 3


def test_jumbo_frames_cross_where_the_mtu_is_9000(lab: Lab, tg: TrafficGenerator) -> None:
    """A lab can have an MTU of 9000.

    Steps: make a pair with MTU 9000; send a packet of 9000 bytes of IP; ping with 8972 bytes unfragmented.
    Check: the packet arrives whole, the ping is answered.
    """
    ports = pair(lab, mtu=9000)
    big = packets.udp(macs(ports), ADDRESSES, size=9000 - 28)
    with tg.capture(ports[1], count=1) as seen:
        tg.send(ports[0], big)
    assert [bytes(p) for p in seen] == [bytes(big)]
    for port, address in zip(ports, ADDRESSES):
        port.add_address(f"{address}/24")
    assert (
        peers.ping(ports[0].netns, ADDRESSES[1], count=2, size=8972, dont_fragment=True).received
        == 2
    )


def test_a_port_has_the_queues_that_were_asked_for(lab: Lab) -> None:
    """RSS suites need more than one queue.

    Steps: make a pair with 2 queues.
    Check: the kernel shows 2 receive and 2 transmit queues.
    """
    port, _ = pair(lab, queues=2)
    shown = port.netns.run("ip", "-details", "link", "show", "dev", port.name).stdout
    assert "numtxqueues 2" in shown and "numrxqueues 2" in shown


def test_real_programs_talk_across_a_line(lab: Lab, tmp_path: Path) -> None:
    """ping, curl and iperf3 work between two namespaces, over IPv4 and IPv6.

    Steps: make a pair with addresses; ping; fetch a file of 100 kB; run iperf3 for one second.
    Check: no ping lost, the file is the same, iperf3 moved bytes.
    """
    ports = lab.veth((lab.netns("client"), "client"), (lab.netns("server"), "server"))
    for port, address, address6 in zip(ports, ADDRESSES, ("2001:db8::1", "2001:db8::2")):
        port.add_address(f"{address}/24")
        port.add_address(f"{address6}/64")
    client, server = ports[0].netns, ports[1].netns
    content = packets.payload(100_000)
    (tmp_path / "file").write_bytes(content)
    for to in (ADDRESSES[1], "2001:db8::2"):
        assert peers.ping(client, to).received == 3
    with peers.http_server(server, tmp_path):
        assert peers.curl(client, "http://192.0.2.2:8080/file") == content
        assert peers.curl(client, "http://[2001:db8::2]:8080/file") == content
    assert peers.iperf3(server, client, ADDRESSES[1])["sum_received"]["bytes"] > 0


def test_a_lab_leaves_nothing_behind(tg: TrafficGenerator) -> None:
    """Removal takes namespaces, interfaces and programs, also after an exception inside.

    Steps: make a lab with a pair and a program that would run for an hour; raise an exception.
    Check: no namespace of it, no such process.
    """
    with pytest.raises(ZeroDivisionError):
        with Lab() as lab:
            ports = pair(lab)
            process = ports[0].netns.popen("sleep", "3600")
            assert ports[0].netns.name in labs.names()
            raise ZeroDivisionError
    assert process.wait(20) == -signal.SIGKILL
    assert [name for name in labs.names() if name.startswith(f"{labs.PREFIX}{os.getpid()}-")] == []


KILLED = """
import sys, time
from weir.lab import Lab
with Lab() as lab:
    ns = lab.netns("killed")
    process = ns.popen("sleep", "3600")
    print(ns.name, process.pid, flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_run_left_is_removed_and_a_living_one_is_kept(lab: Lab) -> None:
    """kill -9 gives a run no chance to clean up; the next run does.

    Steps: start another process with a lab and kill it; remove leftovers.
    Check: while it lives its lab is kept; once killed its program is dead and its lab removed; ours is kept.
    """
    ours = lab.netns("ours").name
    argv = [sys.executable, "-c", KILLED]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent
    ) as other:
        assert other.stdout is not None
        theirs, pid = other.stdout.readline().split()
        assert labs.remove_leftovers() == []
        assert theirs in labs.names()
        other.kill()
        other.wait(20)
    until(
        lambda: not Path(f"/proc/{pid}").exists(), what="the end of the program in the killed lab"
    )
    assert labs.remove_leftovers() == [theirs]
    assert theirs not in labs.names() and ours in labs.names()


def test_ctrl_c_removes_the_lab(tmp_path: Path) -> None:
    """A run that is interrupted removes its lab.

    Steps: run a suite that makes a lab and waits; send SIGTERM to it, as `timeout` does.
    Check: it ends as interrupted, and its namespace is gone.
    """
    suite = tmp_path / "test_waits.py"
    suite.write_text(
        "import signal\n"
        "def test_waits(lab):\n"
        "    print(lab.netns('waits').name, flush=True)\n"
        "    signal.pause()\n"
    )
    here = Path(__file__).parent
    (tmp_path / "conftest.py").write_text((here / "conftest.py").read_text())
    argv = [sys.executable, "-m", "pytest", "-s", "-q", "-c", str(here / "pytest.ini"), str(suite)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=here) as run:
        assert run.stdout is not None
        name = next(line.split()[-1] for line in run.stdout if "-waits" in line)
        assert name in labs.names()
        run.terminate()
        run.communicate(timeout=40)
    assert run.returncode == pytest.ExitCode.INTERRUPTED
    assert name not in labs.names()


def test_waiting_ends_with_the_reason() -> None:
    """A condition that never comes is a failure that says what was waited for.

    Steps: wait 50 ms for something that stays false.
    Check: TimeoutError names it and its last value.
    """
    with pytest.raises(TimeoutError, match="the moon: not within 0.05 s, last value 0"):
        until(lambda: 0, timeout=0.05, what="the moon")


def test_prometheus_text_is_read_by_name_and_labels() -> None:
    """The figures of an app come as Prometheus text.

    Steps: parse a text with comments, labels and escapes.
    Check: each sample is found under its name and labels.
    """
    text = '# TYPE weir_drops counter\nweir_drops_total{reason="ttl",node="a\\"b"} 5\nweir_up 1\n'
    assert parse_metrics(text) == {
        ("weir_drops_total", frozenset({("reason", "ttl"), ("node", 'a\\"b')})): 5.0,
        ("weir_up", frozenset()): 1.0,
    }
