# SPDX-License-Identifier: BSD-3-Clause
"""Our AF_XDP driver against DPDK's net_af_xdp in the same testpmd; rules that drop; rest.

Speed. testpmd has core 1, on a veth pair whose other end makes or takes the frames. Four drivers take
turns: ours with its defaults (it reads each packet for the host's own), ours with steer=all, and
net_af_xdp with its defaults (busy polling) and with busy_budget=0. Each has its own rings.

- rxonly: another testpmd sends 64-byte frames from core 0, as fast as it can; testpmd says what came.
- txonly: an XDP program at the other end drops what comes.
- macswap, io: an XDP program there sends every frame back, so that 128 frames go round and round.

System calls are counted by perf, in runs of their own.

Drops. What a packet costs the receiving side when a flow rule drops it in XDP, and when it goes to a
program that drops it, at about a million a second. Frames come as from a network card's driver (BPF's
test run with live frames), since the packets that the kernel makes of what a program sends cost more
than all that is compared. The kernel's part is the CPU time of the thread that runs the interface's NAPI. All CPU
time of weir-bench is added, which rests as it does by default (the target is of that), or sleeps in
the kernel whenever there is no packet. Of testpmd, which never rests, only those polls are added that
found packets: the least that any program in user space could take. The sender is not in it.

Rest. weir-router idles; then weir-bench receives a packet each millisecond, one a sleep, adaptive and
busy in turn: what sleeping adds to the latency. Since much of that is the machine's (an idle core of a virtual one has to be
given back by its host), the same beside a thread that sleeps in read() of a pipe. Then packets until it has slept 100,000 times.
"""

import itertools
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import weir.lab
from perf import cards, idle
from perf.programs import Program, running, scratch, testpmd, tsc_hz, worker_cpu_ns
from perf.trials import Comparison, Plan, Side, Trial, compare
from weir import packets
from weir.lab import Lab, Port, remove_leftovers
from weir.sut import App, Sut
from weir.testpmd import PLUGIN
from weir.tg import TrafficGenerator
from weir.wait import until

from scapy.packet import Packet

OURS = {
    "weir_xdp": "net_weir_xdp0,iface={}",
    "weir_xdp all": "net_weir_xdp0,iface={},steer=all",
}
STOCK = {
    "af_xdp": "net_af_xdp0,iface={},start_queue=0,queue_count=1",
    "af_xdp bb=0": "net_af_xdp0,iface={},start_queue=0,queue_count=1,busy_budget=0",
}
DRIVERS = OURS | STOCK
SAME = ["--burst=32", "--txpkts=64", "--total-num-mbufs=16384"]
# Packets that must have passed before a trial counts.
WARM = 20000
# Frames in the loop: full bursts, and fewer than any ring on the way holds, so that none is lost.
LOOP_FRAMES = 128
ADDRESSES = ("198.51.100.1", "198.51.100.2")
DPORT = 9  # of testpmd's txonly, and of the rule that drops
SLEEPS = 100_000
ALLOWED_US = 100
BUSY, RESTS, READY = "busy", "adaptive", "adaptive, at once"
RUNTIME = {
    BUSY: {"poll": "busy"},
    RESTS: {"poll": "adaptive"},
    READY: {"poll": "adaptive", "wakeup": "fast", "priority": 1},
}


def _pmd(port: Port, driver: str, mode: str, *options: str, cores: str = "0@0,1@1") -> list[str]:
    argv = testpmd([DRIVERS[driver].format(port.name)], mode, *SAME, *options, cores=cores, mib=128)
    at = argv.index("dpdk-testpmd") + 1
    argv[at:at] = ["-d", str(PLUGIN)]
    return port.netns.command(*argv)


@contextmanager
def _sender(port: Port, directory: Path) -> Iterator[Program]:
    """64-byte UDP frames from core 0, by the same driver whoever receives."""
    argv = _pmd(port, "af_xdp bb=0", "txonly", f"--tx-udp=1024,{DPORT}", cores="0@1,1@0")
    with running(argv, directory) as made:
        made.until_it_says("testpmd> ")
        made.say("start")
        yield made


def _frame(port: Port, dut: Port) -> Packet:
    """64 bytes."""
    return packets.udp((port.mac, dut.mac), ADDRESSES, dport=DPORT, size=22)


def _inject(port: Port, dut: Port) -> None:
    with TrafficGenerator() as tg:
        tg.send(port, [_frame(port, dut)] * LOOP_FRAMES)


_DELIVERED = r"RX-packets: (\d+)"


def _delivered(program: Program) -> int:
    """Packets that testpmd has received."""
    known = len(re.findall(_DELIVERED, program.words))
    program.say("show port stats 0")
    said = until(lambda: re.findall(_DELIVERED, program.words)[known:], 10, "testpmd's statistics")
    return int(said[0])


def _sent(port: Port) -> int:
    return port.counter("tx_packets")


@contextmanager
def _at_work(argv: list[str], mode: str, directory: Path) -> Iterator[Program]:
    with running(argv, directory) as program:
        program.until_it_says("testpmd> ")
        program.say("start")
        program.until_it_says(f"{mode} packet forwarding")
        yield program
        program.say("quit")
        program.wait()


_run = itertools.count()


@contextmanager
def _bench(directory: Path) -> Iterator[Sut]:
    """What starts weir-bench, and ends it."""
    own = directory / f"bench-{next(_run)}"
    own.mkdir()
    sut = Sut(own)
    try:
        yield sut
    finally:
        sut.close()


def _config(mode: str, port: Port, poll: str, core: int, **section: Any) -> dict[str, Any]:
    return {
        "runtime": {"poll": poll, "workers": [core]},
        "ports": {port.name: {"interface": port.name, "promiscuous": True, "steer": "all"}},
        "bench": {"mode": mode} | section,
    }


# ---- speed ----


def _system_calls(pid: int, seconds: float) -> int:
    """How many a program makes meanwhile."""
    watch = ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", str(pid)]
    done = subprocess.run(
        [*watch, "sleep", str(seconds)], capture_output=True, text=True, timeout=seconds + 30
    )
    found = re.search(r"(?m)^(\d+),", done.stderr)
    if found is None:
        raise RuntimeError(f"perf stat: {done.stderr}")
    return int(found[1])


def _measure(
    program: Program, counted: Callable[[], int], pids: Sequence[int], seconds: float, calls: bool
) -> Trial:
    """The figures of some seconds, once packets pass."""
    start = counted()
    until(lambda: counted() > start + WARM, timeout=20, what="packets")
    before, first, cpu = time.monotonic(), counted(), sum(map(worker_cpu_ns, pids))
    if calls:
        made = _system_calls(program.pid, seconds)
    else:
        program.rest(seconds)
    after, last, cpu_after = time.monotonic(), counted(), sum(map(worker_cpu_ns, pids))
    n = last - first
    trial = {"packets": n, "seconds": after - before, "cpu_ns": cpu_after - cpu}
    if calls:
        # One more than there were, so that none can be compared with none.
        return trial | {"calls": made, "calls_a_packet": (made + 1) / n}
    return trial | {"pps": n / (after - before), "pps_cpu": n / ((cpu_after - cpu) / 1e9)}


def _trial(
    mode: str, gen: Port, dut: Port, sender: Program | None, directory: Path, seconds: float,
    calls: bool, driver: str,
) -> Trial:  # fmt: skip
    argv = _pmd(dut, driver, mode, "--no-flush-rx")
    with _at_work(argv, mode, directory) as program:
        if mode in ("macswap", "io"):
            _inject(gen, dut)
        pids = [program.pid] + ([sender.pid] if sender else [])
        counted = partial(_delivered, program) if mode == "rxonly" else partial(_sent, dut)
        return _measure(program, counted, pids, seconds, calls)


def _rounds(
    sides: dict[str, Callable[[], Trial]], title: str, pairs: int
) -> list[dict[str, Trial]]:
    """Each driver once a round, each time in another order."""
    names, done = list(sides), []
    for number in range(pairs):
        shift = number % len(names)
        order = names[shift:] + names[:shift]
        order = order if number % 2 == 0 else order[::-1]
        done.append({name: sides[name]() for name in order})
        if sys.stderr.isatty():
            print(f"{title}: round {number + 1} of {pairs}", file=sys.stderr)
    return done


def _target(mode: str, peer: str) -> float:
    """Of packets a second, by issue 3: 1.05 of the better of stock's settings is 1.05 of both."""
    return 1.25 if (mode, peer) == ("rxonly", "af_xdp") else 1.05


def _speed(mode: str, gen: Port, dut: Port, sender: Program | None, plan: Plan, directory: Path
           ) -> list[Comparison]:  # fmt: skip

    def sides(seconds: float, calls: bool) -> dict[str, Callable[[], Trial]]:
        return {
            driver: partial(_trial, mode, gen, dut, sender, directory, seconds, calls, driver)
            for driver in DRIVERS
        }

    timed = _rounds(sides(plan.seconds, False), mode, plan.pairs)
    called = _rounds(sides(1.0, True), f"{mode}, system calls", plan.pairs)
    figures = {"pps": "packets a second", "pps_cpu": "packets a CPU second"}
    calls = {"calls_a_packet": "system calls a packet"}
    made = []
    for ours, peer in itertools.product(OURS, STOCK):
        target = {"pps": (">=", _target(mode, peer))}
        made.append(Comparison(f"{mode} in testpmd", ours, peer, figures, target))
        made[-1].pairs = [(done[ours], done[peer]) for done in timed]
        pairs = [(done[ours], done[peer]) for done in called]
        some = any(trial["calls"] for pair in pairs for trial in pair)
        fewer = {"calls_a_packet": ("<=", 1.0)} if some else {}
        made.append(Comparison(f"{mode}, system calls", ours, peer, calls, fewer, pairs))
    return made


def _links(lab: Lab) -> tuple[Port, Port]:
    gen, dut = lab.netns("gen", ipv6=False), lab.netns("dut", ipv6=False)
    return lab.veth((gen, "gen"), (dut, "dut"))


def _run_speed(plan: Plan, directory: Path) -> list[Comparison]:
    done = []
    with Lab() as lab:
        gen, dut = _links(lab)
        with _sender(gen, directory) as sender:
            done += _speed("rxonly", gen, dut, sender, plan, directory)
    with Lab() as lab:
        gen, dut = _links(lab)
        with cards.xdp(gen, "drop", directory):
            done += _speed("txonly", gen, dut, None, plan, directory)
        with cards.xdp(gen, "reflect", directory):
            for mode in ("macswap", "io"):
                done += _speed(mode, gen, dut, None, plan, directory)
    return done


# ---- rules that drop ----

RULE = f"flow create 0 ingress pattern eth / ipv4 / udp dst is {DPORT} / end actions drop / end"
_BUSY = r"CPU cycles/packet=[\d.]+ \(total cycles=(\d+) / total \w+ packets=(\d+)\)"


def _received_ns(dut: Port, seconds: float, worker_ns: Callable[[], int]) -> Trial:
    """What the packets of some seconds cost the receiving side: the kernel, and a worker."""
    thread = cards.napi_thread(dut)
    seen = partial(cards.counted, dut, "xdp_packets")
    start = seen()
    until(lambda: seen() > start + WARM, timeout=20, what="packets")
    before, first, napi, worker = time.monotonic(), seen(), cards.thread_ns(thread), worker_ns()
    time.sleep(seconds)  # the length of the trial, not a wait for anything
    after, last, napi_after, worker_after = (
        time.monotonic(),
        seen(),
        cards.thread_ns(thread),
        worker_ns(),
    )
    n = last - first
    return {
        "kernel_ns": (napi_after - napi) / n, "user_ns": (worker_after - worker) / n,
        "ns": (napi_after - napi + worker_after - worker) / n,
        "packets": n, "pps": n / (after - before), "seconds": after - before,
    }  # fmt: skip


def _by_rule(dut: Port, directory: Path, seconds: float) -> Trial:
    """Of the program nothing is counted: it gets no packet, and may sleep."""
    argv = _pmd(dut, "weir_xdp all", "rxonly")
    with _at_work(argv, "rxonly", directory) as program:
        program.say(RULE)
        program.until_it_says("Flow rule #0 created")
        return _received_ns(dut, seconds, lambda: 0)


def _in_testpmd(dut: Port, directory: Path, seconds: float) -> Trial:
    """Of the program the polls that found packets are counted."""
    argv = _pmd(dut, "weir_xdp all", "rxonly", "--record-core-cycles")
    with _at_work(argv, "rxonly", directory) as program:
        trial = _received_ns(dut, seconds, lambda: 0)
        program.say("stop")
        busy = program.until_it_says(_BUSY)
    user = int(busy[1]) / int(busy[2]) / tsc_hz() * 1e9
    return trial | {"user_ns": user, "ns": trial["kernel_ns"] + user}


def _in_weir(poll: str, dut: Port, directory: Path, seconds: float) -> Trial:
    """Of the program all is counted."""
    with _bench(directory) as sut:
        app = sut.start("weir-bench", _config("rxonly", dut, poll, 1), dut.netns)
        return _received_ns(dut, seconds, lambda: worker_cpu_ns(app.pid))


# How to receive, and what is to hold of it.
Receiver = tuple[Callable[[Port, Path, float], Trial], dict[str, tuple[str, float]]]


def _run_drops(plan: Plan, directory: Path) -> list[Comparison]:
    figures = {
        "ns": "ns a packet",
        "kernel_ns": "of these, the kernel's",
        "pps": "packets a second",
    }
    ours = "by a rule"
    peers: dict[str, Receiver] = {
        "in weir-bench": (partial(_in_weir, "adaptive"), {"ns": ("<=", 1 / 3)}),
        "in weir-bench, poll: interrupt": (partial(_in_weir, "interrupt"), {}),
        "in testpmd's polls with packets": (_in_testpmd, {}),
    }
    done = []
    with Lab() as lab:
        gen, dut = _links(lab)
        with cards.live(gen, "reflect", bytes(_frame(gen, dut)), directory):
            for peer, (run_peer, target) in peers.items():
                done.append(
                    compare(
                        Comparison(
                            "dropping a packet: CPU time of the receiving side",
                            ours, peer, figures, target,
                        ),
                        Side(ours, partial(_by_rule, dut, directory, plan.seconds)),
                        Side(peer, partial(run_peer, dut, directory, plan.seconds)),
                        plan,
                    )
                )  # fmt: skip
    return done


# ---- rest ----


def _blocks(app: App) -> int:
    return sum(
        int(value)
        for (name, labels), value in app.metrics().items()
        if name == "weir_worker_rests_total" and ("kind", "block") in labels
    )


def _received(gen: Port, dut: Port, directory: Path, how: str, count: int) -> Trial:
    """weir-bench txonly on core 0 sends a packet each millisecond to a sink on core 1."""
    config = _config("sink", dut, BUSY, 1)
    config["runtime"] |= RUNTIME[how]
    with _bench(directory) as sut:
        sink = sut.start("weir-bench", config, dut.netns)
        slept = _blocks(sink)
        section = {
            "packets": count,
            "rate": "1kpps",
            "source": ADDRESSES[0],
            "destination": ADDRESSES[1],
        }
        sender = sut.prepare("weir-bench", _config("txonly", gen, "busy", 0, **section), gen.netns)
        done = sender.run(timeout=600)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        time.sleep(0.5)  # what is still under way has come by then, or is lost
        report = sink.ctl("report")
        found = report["ports"][0]["sink"]
        return {
            "unique": found["unique"], "lost": count - found["unique"],
            "p50_us": report["latency_ns"]["p50"] / 1e3, "p99_us": report["latency_ns"]["p99"] / 1e3,
            "sleeps": _blocks(sink) - slept,
        }  # fmt: skip


def _with_allowance(trial: Trial) -> Trial:
    return trial | {"p99_us": trial["p99_us"] + ALLOWED_US, "p50_us": trial["p50_us"] + ALLOWED_US}


def _woken(directory: Path, count: int) -> Trial:
    """A thread that sleeps in read(), woken by another: what this machine takes for that alone."""
    program = directory / "wake"
    if not program.exists():
        argv = ["cc", "-O2", "-pthread", "-o", str(program), str(Path(__file__).with_name("wake.c"))]
        subprocess.run(argv, check=True)
    said = subprocess.run([program, str(count)], check=True, capture_output=True, text=True, timeout=60)
    p50, p99 = (int(ns) / 1e3 for ns in said.stdout.split())
    return {"p50_us": p50, "p99_us": p99}


def _latency(gen: Port, dut: Port, plan: Plan, directory: Path) -> list[Comparison]:
    """Beside packets that are polled for, and beside any wake-up of a thread here."""
    count = int(plan.seconds * 1000)
    busy = Side(f"busy + {ALLOWED_US} us", partial(_received, gen, dut, directory, BUSY, count))
    pipe = Side(f"a pipe's reader + {ALLOWED_US} us", partial(_woken, directory, count))
    return [
        compare(
            Comparison(
                "a packet each millisecond: latency when it wakes the receiver", rest, peer.name,
                {"p99_us": "us, 99 %", "p50_us": "us, median"}, {"p99_us": ("<=", 1.0)},
            ),
            Side(rest, partial(_received, gen, dut, directory, rest, count)),
            Side(peer.name, lambda run=peer.run: _with_allowance(run())),
            plan,
        )
        for rest, peer in ((RESTS, busy), (READY, busy), (RESTS, pipe))
    ]  # fmt: skip


def _sleeps(gen: Port, dut: Port, directory: Path) -> Comparison:
    """One long run; the peer is what should be."""
    count = SLEEPS * 5 // 4
    trial = _received(gen, dut, directory, RESTS, count)
    return Comparison(
        f"packets while the receiver falls asleep {SLEEPS} times", "received", "sent",
        {"unique": "packets", "sleeps": "sleeps"}, {"unique": (">=", 1.0), "sleeps": (">=", 1.0)},
        [(trial, {"unique": count, "sleeps": SLEEPS})],
    )  # fmt: skip


def _run_rest(plan: Plan, directory: Path) -> list[Comparison]:
    with Lab() as lab:
        gen, dut = _links(lab)
        return [*_latency(gen, dut, plan, directory), _sleeps(gen, dut, directory)]


def run(plan: Plan) -> list[Comparison]:
    weir.lab.PREFIX = "weir-bench-"
    remove_leftovers()
    with scratch() as directory:
        done = _run_speed(plan, directory) + _run_drops(plan, directory)
        return done + idle.run(plan) + _run_rest(plan, directory)
