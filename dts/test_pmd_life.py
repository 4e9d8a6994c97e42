# SPDX-License-Identifier: BSD-3-Clause
"""A port of net_weir_xdp from its start to its end, and whatever may come between."""

import json
import os
import signal
import subprocess
import sysconfig
from pathlib import Path

import pytest

from weir import packets
from weir.lab import Line, Port
from weir.testpmd import NEEDED, prompt
from weir.tg import TrafficGenerator
from weir.wait import until

pytestmark = NEEDED

PEER, OURS = "198.51.100.1", "198.51.100.2"
ALL = "iface=wan,steer=all"
MACSWAP = "--forward-mode=macswap"
NOBODY = 65534


def link_of(port: Port) -> dict[str, object]:
    shown = port.netns.run("ip", "-json", "-d", "link", "show", "dev", port.name).stdout
    return dict(json.loads(shown)[0])


def program_of(port: Port) -> str | None:
    """The XDP program of an interface, by name; None: it has none."""
    found = link_of(port).get("xdp")
    assert found is None or isinstance(found, dict)
    return str(found["prog"].get("name", found["prog"]["id"])) if found else None


def no_programs(port: Port) -> bool:
    """As bpftool sees it."""
    shown = port.netns.run("bpftool", "-j", "net").stdout
    return bool(json.loads(shown)[0]["xdp"] == [])


def comes_back(line: Line, tg: TrafficGenerator, count: int = 20) -> bool:
    """Whether macswap at wan sends frames back."""
    macs = (line.left.mac, line.wan.mac)
    sent = [packets.udp(macs, (PEER, OURS), sport=1 + n) for n in range(count)]
    with tg.capture(line.left, count=count, quiet=0.0) as seen:
        tg.send(line.left, sent)
    return len(seen) == count


# ---- stop, start, reconfigure ----


@pytest.mark.long
def test_a_port_stops_and_starts_many_times(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """Each time with frames on their way.

    Steps: 20 times (200 with WEIR_TEST_LONG=1): frames, stop, start; then macswap of 20 frames.
    Check: the pool is full at every stop; the frames come back.
    """
    flood = [bytes(packets.udp((line.left.mac, line.wan.mac), (PEER, OURS)))] * 50
    with prompt(line.sut, tmp_path, ALL, MACSWAP, "--rxd=256", "--txd=256", mbufs=2048) as pmd:
        for n in range(200 if "WEIR_TEST_LONG" in os.environ else 20):
            pmd.tell("start")
            tg.send(line.left, flood)
            pmd.tell_all("stop", "port stop 0")
            if n % 10 == 0:
                assert pmd.free_mbufs() == 2048
            pmd.tell("port start 0")
        pmd.tell("start")
        assert comes_back(line, tg)
        assert pmd.complaints() == []


def test_a_port_changes_its_rings_and_queues(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """Everything but the interface may be another at the next start.

    Steps: other numbers of descriptors, of queues, of both.
    Check: the numbers are those asked for, frames go through, no buffer is missing.
    """
    with prompt(line.sut, tmp_path, ALL + ",queues=8", MACSWAP, mbufs=16384) as pmd:
        for rings, queues in ((512, 1), (64, 4), (1024, 8), (128, 2), (4096, 1)):
            pmd.tell_all("stop", "port stop 0")
            assert pmd.free_mbufs() == 16384
            for what, number in (("rxd", rings), ("txd", rings), ("rxq", queues), ("txq", queues)):
                pmd.tell(f"port config all {what} {number}")
            pmd.tell_all("port start 0", "start")
            assert pmd.info("Current number of RX queues") == str(queues)
            assert f"Number of RXDs: {rings}" in pmd.tell("show rxq info 0 0")
            assert comes_back(line, tg)
        assert pmd.complaints() == []


def test_a_port_is_attached_and_detached_at_the_prompt(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """A port that is closed leaves nothing behind and can come again.

    Steps: `port detach`; look; `port attach` the same.
    Check: the program goes and comes; the other port works all the time.
    """
    with prompt(line.sut, tmp_path, [ALL, "iface=lan,steer=all"]) as pmd:
        for _ in range(3):
            pmd.tell_all("port stop 1", "port detach 1")
            assert program_of(line.lan) is None and program_of(line.wan) is not None
            pmd.tell_all("port attach net_weir_xdp1,iface=lan,steer=all", "port start 1")
            assert program_of(line.lan) is not None
        assert pmd.info("Link status", port=1) == "up"


# ---- the end ----


def test_nothing_stays_after_a_quit(line: Line, tmp_path: Path) -> None:
    """Program, promiscuous mode, MTU and MAC address are as before.

    Steps: start; promiscuous (testpmd's default), another MTU and MAC address; quit.
    Check: each is seen while it runs, and gone after it.
    """
    before = link_of(line.wan)
    with prompt(line.sut, tmp_path, ALL) as pmd:
        pmd.tell_all("port stop 0", "port config mtu 0 1400", "port start 0")
        pmd.tell("mac_addr set 0 02:00:00:00:00:99")
        during = link_of(line.wan)
        assert program_of(line.wan) is not None
        assert (during["promiscuity"], during["mtu"]) == (1, 1400)
        assert during["address"] == "02:00:00:00:00:99"
        assert pmd.quit() == 0
    after = link_of(line.wan)
    for key in ("promiscuity", "mtu", "address", "flags"):
        assert after[key] == before[key], key
    assert program_of(line.wan) is None and no_programs(line.wan)


def test_a_killed_program_leaves_nothing(line: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """kill -9, and the next start at once, though the kernel frees the queue a moment later.

    Steps: 5 times: start, kill -9 under load.
    Check: no XDP program and no promiscuous mode afterwards; the last start forwards.
    """
    flood = [bytes(packets.udp((line.left.mac, line.wan.mac), (PEER, OURS)))] * 100
    for _ in range(5):
        with prompt(line.sut, tmp_path, ALL, MACSWAP) as pmd:
            pmd.tell("start")
            tg.send(line.left, flood)
            pmd.kill()
        until(lambda: program_of(line.wan) is None, what="the program's end")
        assert no_programs(line.wan) and link_of(line.wan)["promiscuity"] == 0
    with prompt(line.sut, tmp_path, ALL, MACSWAP) as pmd:
        pmd.tell("start")
        assert comes_back(line, tg)


def test_it_ends_by_a_signal(line: Line, tmp_path: Path) -> None:
    """SIGTERM to a testpmd that forwards: as a quit."""
    with prompt(line.sut, tmp_path, ALL) as pmd:
        pmd.tell("start")
        pmd.signal(signal.SIGTERM)
        pmd.wait()
    assert program_of(line.wan) is None and link_of(line.wan)["promiscuity"] == 0


def test_no_bpf_file_system_is_needed(line: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """Nothing is pinned.

    Steps: start it where nothing is mounted on /sys/fs/bpf.
    Check: it forwards, and says nothing about it.
    """
    bare = ("unshare", "-m", "sh", "-c", 'mount -t sysfs none /sys && exec "$@"', "sh")
    with prompt(line.sut, tmp_path, ALL, MACSWAP, wrap=bare) as pmd:
        pmd.tell("start")
        assert comes_back(line, tg)
        assert pmd.complaints() == []


# ---- what is not allowed, not there, or somebody else's ----


def as_nobody(*caps: str) -> tuple[str, ...]:
    """Without root, and with no capabilities but these."""
    kept = ",".join(["-all", *(f"+{cap}" for cap in caps)])
    user = ("--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    return ("setpriv", *user, "--inh-caps", kept, "--ambient-caps", kept)


def refused(line: Line, directory: Path, devargs: str, **how: object) -> str:
    """Start with what cannot be: testpmd comes to its prompt without a port, and ends in order.

    Returns the driver's line, for there is one.
    """
    with prompt(line.sut, directory, devargs, **how) as pmd:
        assert "No probed ethernet devices" in pmd.greeting
        said = pmd.complaints()
        assert pmd.quit() == 0
    assert len(said) == 1, said
    return said[0]


CAPS = ("net_raw", "net_admin", "bpf", "perfmon", "ipc_lock")


def test_it_needs_no_root(line: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """Four capabilities, and one for the memory that it locks, or a high RLIMIT_MEMLOCK.

    Steps: start as nobody with CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON and
    CAP_IPC_LOCK.
    Check: it forwards.
    """
    with prompt(line.sut, tmp_path, ALL, MACSWAP, wrap=as_nobody(*CAPS)) as pmd:
        pmd.tell("start")
        assert comes_back(line, tg)


@pytest.mark.parametrize("missing", ["net_raw", "net_admin", "bpf", "all"])
def test_without_permission_it_says_what_it_needs(line: Line, tmp_path: Path, missing: str) -> None:
    """As nobody, with a capability too few.

    Check: one line names it, testpmd does not crash, and nothing is attached.
    """
    has = [cap for cap in CAPS if missing not in (cap, "all")]
    said = refused(line, tmp_path, ALL, wrap=as_nobody(*has))
    assert f"CAP_{'net_raw' if missing == 'all' else missing}".upper() in said
    assert program_of(line.wan) is None


def test_a_program_that_the_verifier_refuses_is_told(line: Line, tmp_path: Path) -> None:
    """Without CAP_PERFMON: known only when the program is loaded, at the start."""
    has = [cap for cap in CAPS if cap != "perfmon"]
    with prompt(line.sut, tmp_path, ALL, wrap=as_nobody(*has)) as pmd:
        assert ["CAP_PERFMON" in said for said in pmd.complaints()] == [True]
        assert pmd.quit() == 0
    assert program_of(line.wan) is None


DEVARGS = {
    "iface=nosuch0": "nosuch0",
    "steer=all": "iface is missing",
    "iface=": "iface is empty",
    "iface=a/b": "iface is",
    "iface=wan,iface=lan": "twice",
    "iface=wan,nosuch=1": "nosuch is no key",
    "iface=wan,queues=0": "queues is",
    "iface=wan,queues=65": "queues is",
    "iface=wan,queues=two": "queues is",
    "iface=wan,start_queue=1": "start_queue",
    "iface=wan,hw_queues=2": "hw_queues",
    "iface=wan,mode=native": "mode is",
    "iface=wan,zerocopy=yes": "zerocopy is",
    "iface=wan,mode=skb,zerocopy=on": "zerocopy is on",
    "iface=wan,busy_poll=1": "busy_poll is",
    "iface=wan,busy_budget=0": "busy_budget is",
    "iface=wan,busy_usecs=-1": "busy_usecs is",
    "iface=wan,rss=toeplitz": "rss is",
    "iface=wan,symmetric=yes": "symmetric is",
    "iface=wan,rxcsum=good": "rxcsum is",
    "iface=wan,rx_ts=ptp": "rx_ts is",
    "iface=wan,coexist=2": "coexist is",
    "iface=wan,need_wakeup=": "need_wakeup is",
    "iface=wan,steer=everything": "steer=",
    "iface=wan,steer=kernel:": "steer=",
    "iface=wan,steer=kernel:tcp/0x": "tcp/0x",
    "iface=wan,steer=user:ip/300.0.0.0/8": "300.0.0.0/8",
    "iface=wan,steer=user:tcp/22+": "steer=",
    "iface=wan,owns=198.51.100": "198.51.100",
}


def test_bad_devargs_are_refused(line: Line, tmp_path: Path) -> None:
    """Each with one line that names the key; testpmd lives, and no port of them does.

    Steps: `port attach` with each, at one prompt.
    Check: one line of the driver, which has what is wrong; nothing is attached; then a good one is.
    """
    with prompt(line.sut, tmp_path, ()) as pmd:
        for devargs, word in DEVARGS.items():
            begin = len(pmd.complaints())
            pmd.tell(f"port attach net_weir_xdp7,{devargs}")
            said = pmd.complaints()[begin:]
            assert len(said) == 1 and word in said[0], f"{devargs}: {said}"
            assert program_of(line.wan) is None, devargs
        pmd.tell_all(f"port attach net_weir_xdp7,{ALL}", "port start all")
        assert program_of(line.wan) is not None
        assert pmd.quit() == 0


def test_an_interface_that_is_not_there_is_named(line: Line, tmp_path: Path) -> None:
    """On the command line: testpmd goes on without the port."""
    assert "nosuch0" in refused(line, tmp_path, "iface=nosuch0")


def test_zero_copy_that_cannot_be_had_is_refused(line: Line, tmp_path: Path) -> None:
    """zerocopy=on on a veth, which copies.

    Check: the start fails with a line that says why; the next one, without, works.
    """
    with prompt(line.sut, tmp_path, f"{ALL},zerocopy=on") as pmd:
        assert "Fail to start port 0" in pmd.greeting
        assert any("zero" in said or "bind" in said for said in pmd.complaints())
        assert program_of(line.wan) is None
        pmd.tell_all("port detach 0", f"port attach net_weir_xdp0,{ALL}", "port start 0")
        assert program_of(line.wan) is not None


def build(name: str, directory: Path) -> str:
    """An XDP program of somebody else's, who lets every packet pass."""
    source, program = directory / f"{name}.c", directory / f"{name}.o"
    source.write_text(
        f"""#include <linux/bpf.h>
        __attribute__((section("xdp"), used)) int {name}(struct xdp_md *ctx) {{ return XDP_PASS; }}
        char terms[] __attribute__((section("license"), used)) = "Dual BSD/GPL";""",
        encoding="utf-8",
    )
    include = f"-I/usr/include/{sysconfig.get_config_var('MULTIARCH')}"
    argv = ["clang", "-O2", "-g", "-target", "bpf", include, "-c", str(source), "-o", str(program)]
    subprocess.run(argv, check=True, timeout=60)
    return str(program)


@pytest.mark.parametrize("mode", ["xdpdrv", "xdpgeneric"])
def test_somebody_elses_program_is_never_replaced(line: Line, tmp_path: Path, mode: str) -> None:
    """Whoever has it, has it.

    Steps: attach a program with ip; start.
    Check: the refusal has its name; it is still there.
    """
    line.wan.set(mode, "obj", build("gatekeeper", tmp_path), "sec", "xdp")
    assert "gatekeeper" in refused(line, tmp_path, ALL)
    found = link_of(line.wan)["xdp"]
    assert isinstance(found, dict) and found["prog"]["name"] == "gatekeeper"


def test_a_program_that_comes_meanwhile_is_never_replaced(line: Line, tmp_path: Path) -> None:
    """Between a stop and a start the interface is free for others.

    Steps: stop the port; attach a program with ip; start.
    Check: the start fails and names it; it is still there; without it the port starts.
    """
    program = build("gatekeeper", tmp_path)
    with prompt(line.sut, tmp_path, ALL) as pmd:
        pmd.tell("port stop 0")
        line.wan.set("xdpdrv", "obj", program, "sec", "xdp")
        pmd.tell("port start 0")
        assert any("gatekeeper" in said for said in pmd.complaints())
        assert program_of(line.wan) == "gatekeeper"
        line.wan.set("xdpdrv", "off")
        pmd.tell("port start 0")
        assert program_of(line.wan) not in (None, "gatekeeper")


# Puts a program on an interface as other users of libxdp do: argv is its file and the interface.
SHARE = """
import ctypes, socket, sys
xdp = ctypes.CDLL("libxdp.so.1")
xdp.xdp_program__open_file.restype = ctypes.c_void_p
program = xdp.xdp_program__open_file(sys.argv[1].encode(), b"xdp", None)
native = 1
index = socket.if_nametoindex(sys.argv[2])
sys.exit(xdp.xdp_program__attach(ctypes.c_void_p(program), index, native, 0) != 0)
"""


def test_it_coexists_through_the_dispatcher(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """coexist=1: libxdp's dispatcher runs ours beside a program of somebody else's.

    Steps: in a mount namespace with a BPF file system of its own: put a program there by libxdp; start
    ours with coexist=1; forward; quit.
    Check: the interface has the dispatcher, before and after; frames come back.
    """
    program = build("gatekeeper", tmp_path)
    share = tmp_path / "share.py"
    share.write_text(SHARE, encoding="utf-8")
    first = f"mount -t bpf none /sys/fs/bpf && /usr/bin/python3 {share} {program} wan && exec "
    own = ("unshare", "-m", "sh", "-c", first + '"$@"', "sh")
    line.sut.run(*own, "true")
    if program_of(line.wan) != "xdp_dispatcher":
        pytest.skip("libxdp makes no dispatcher: this kernel refuses programs of type EXT")
    line.wan.set("xdpdrv", "off")
    with prompt(line.sut, tmp_path, f"{ALL},coexist=1", MACSWAP, wrap=own) as pmd:
        pmd.tell("start")
        assert program_of(line.wan) == "xdp_dispatcher"
        assert comes_back(line, tg)
        assert pmd.quit() == 0
    assert program_of(line.wan) == "xdp_dispatcher"


def test_coexist_without_a_bpf_file_system_is_refused(line: Line, tmp_path: Path) -> None:
    """The dispatcher's programs are pinned there; the line says how to mount it."""
    bare = ("unshare", "-m", "sh", "-c", 'mount -t sysfs none /sys && exec "$@"', "sh")
    said = refused(line, tmp_path, f"{ALL},coexist=1", wrap=bare)
    assert "mount -t bpf" in said and program_of(line.wan) is None


# ---- the interface changes ----


def test_the_link_is_what_it_is(line: Line, tg: TrafficGenerator, tmp_path: Path) -> None:
    """Link state, and the event of each change (testpmd prints it).

    Steps: take the peer down and up; our end down and up; twice.
    Check: an event each time; `show port info` says the same; frames go through at the end.
    """
    with prompt(line.sut, tmp_path, ALL, MACSWAP) as pmd:
        pmd.tell("start")
        for port in (line.left, line.wan) * 2:
            for state in ("down", "up"):
                begin = pmd.here()
                port.set(state)
                pmd.until_it_says("link state change event", begin)
                until(lambda: pmd.info("Link status") == state, what=f"link {state}")
        assert comes_back(line, tg)


def test_a_link_that_is_down_at_the_start_comes_up_later(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """The peer need not be there yet."""
    line.left.set("down")
    with prompt(line.sut, tmp_path, ALL, MACSWAP) as pmd:
        pmd.tell("start")
        assert pmd.info("Link status") == "down"
        line.left.set("up")
        until(lambda: pmd.info("Link status") == "up", what="the link")
        assert comes_back(line, tg)


def test_the_link_is_set_at_the_prompt(line: Line, tmp_path: Path) -> None:
    """`set link-down` is the interface's, too."""
    with prompt(line.sut, tmp_path, ALL) as pmd:
        for state in ("down", "up"):
            pmd.tell(f"set link-{state} port 0")
            flags = link_of(line.wan)["flags"]
            assert isinstance(flags, list) and ("UP" in flags) == (state == "up")
            until(lambda: pmd.info("Link status") == state, what=f"link {state}")


def test_an_interface_may_be_deleted_while_it_runs(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """An event of removal, upon which testpmd lets go of the port; the other one goes on.

    Steps: delete the interface of one of two ports under a forwarding testpmd.
    Check: it is told in one line; testpmd detaches the port; the other forwards; the pool is full at
    the end.
    """
    with prompt(line.sut, tmp_path, ["iface=lan,steer=all", ALL], MACSWAP) as pmd:
        pmd.tell("start")
        begin = pmd.here()
        line.lan.netns.run("ip", "link", "delete", "lan")
        pmd.until_it_says("lan: the interface is gone", begin)
        pmd.until_it_says("Now total ports is 1", begin)
        pmd.tell("start")
        assert comes_back(line, tg)
        pmd.tell_all("stop", "port stop all")
        assert pmd.free_mbufs() == 8192
        assert len(pmd.complaints()) == 1
        assert pmd.quit() == 0


def test_an_interface_may_be_renamed_while_it_runs(
    line: Line, tg: TrafficGenerator, tmp_path: Path
) -> None:
    """It is known by its index.

    Steps: rename it; stop and start; forward.
    """
    with prompt(line.sut, tmp_path, ALL, MACSWAP) as pmd:
        line.sut.run("ip", "link", "set", "wan", "down")
        line.sut.run("ip", "link", "set", "wan", "name", "other")
        line.sut.run("ip", "link", "set", "other", "up")
        pmd.tell_all("port stop 0", "port start 0", "start")
        until(lambda: pmd.info("Link status") == "up", what="the link")
        assert comes_back(line, tg)


def test_mtu_and_mac_address_are_the_interfaces(line: Line, tmp_path: Path) -> None:
    """Set at the prompt, seen by the kernel; set with ip, seen at the prompt.

    Check: both ways; an MTU that the device does not have is refused.
    """
    with prompt(line.sut, tmp_path, ALL) as pmd:
        pmd.tell("port stop 0")
        pmd.tell("port config mtu 0 1280")
        assert link_of(line.wan)["mtu"] == 1280
        pmd.tell("port config mtu 0 20000")
        assert link_of(line.wan)["mtu"] == 1280
        pmd.tell("port start 0")
        pmd.tell("mac_addr set 0 02:00:00:00:00:77")
        assert link_of(line.wan)["address"] == "02:00:00:00:00:77"
        assert pmd.info("MAC address") == "02:00:00:00:00:77"


def test_promiscuous_mode_is_on_and_off(line: Line, tmp_path: Path) -> None:
    """As often as it is asked for; multicast alike."""
    with prompt(line.sut, tmp_path, ALL) as pmd:
        for state, count in (("off", 0), ("on", 1), ("on", 1), ("off", 0)):
            pmd.tell(f"set promisc 0 {state}")
            assert link_of(line.wan)["promiscuity"] == count
        pmd.tell("set allmulti 0 on")
        assert link_of(line.wan)["allmulti"] == 1
