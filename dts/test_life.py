# SPDX-License-Identifier: BSD-3-Clause
"""A program's life: options, a start that fails, signals, management, its end, and what it leaves."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from weir import peers, prometheus
from weir.caps import Cap, requires
from weir.lab import Lab, Line
from weir.router import RIGHT, SMALL, WAN, Routed, between_hosts, ports, routed
from weir.sut import App, Sut, program
from weir.wait import until

pytestmark = requires(Cap.NETNS, Cap.AF_XDP, Cap.HUGEPAGES)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routed]:
    """A router between two hosts, for tests that leave it as it was."""
    with between_hosts(tmp_path_factory.mktemp("life")) as made:
        yield made


@pytest.fixture
def app(line: Line, sut: Sut) -> App:
    """A router with a good configuration, not started."""
    return sut.prepare("weir-router", {"ports": ports()}, line.sut)


def one_sentence(done: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    """It ended with this status and said one line that begins with its name and has these words."""
    assert done.returncode == status, f"status {done.returncode}: {done.stdout}{done.stderr}"
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("weir-router: "), done.stderr
    for word in words:
        assert word in lines[0], f"no {word!r} in: {lines[0]}"


def assert_nothing_left(app: App, line: Line) -> None:
    """No XDP program, no TAP, no socket file, no process."""
    shown = line.sut.run("ip", "link", "show").stdout
    assert "xdp" not in shown and "kwan" not in shown, shown
    assert not app.socket.exists()
    assert line.sut.run("ss", "-Hlt").stdout == ""


# ---- the command line ----


def test_a_good_configuration_is_checked_without_a_start(app: App, line: Line) -> None:
    """--check tells good from bad, needs no port to be there, and touches nothing.

    Steps: --check a good configuration, and one whose interface does not exist; then a bad one.
    Check: status 0 and "ok" for both; for the bad one status 2 and file, line and key.
    """
    done = app.run("--check")
    assert (done.returncode, done.stderr) == (0, "") and "ok" in done.stdout
    app.write({"ports": {"wan": {"interface": "nosuch0", "addresses": f"{WAN}/24"}}})
    assert app.run("--check").returncode == 0
    app.write({"ports": ports(), "routes": [{"to": "0.0.0.0/0", "via": "203.0.113.1"}]})
    one_sentence(app.run("--check"), 2, f"{app.config_file.name}:", "0.0.0.0/0", "203.0.113.1")
    assert_nothing_left(app, line)


def test_the_plan_is_arithmetic_about_cores_queues_and_memory(app: App, line: Line) -> None:
    """--plan prints what a start would take, and takes nothing.

    Steps: --plan with one worker, with the default limits, and with 16,384 and 4,096 buffers.
    Check: status 0; worker, core, both ports, buffers and MiB are named; fewer buffers, less memory;
    fewer than the descriptors and workers need are refused with the least that will do.
    """

    def megabytes(text: str) -> int:
        found = re.search(r"in all +(\d+) MiB", text)
        assert found is not None, text
        return int(found[1])

    whole = app.run("--plan")
    assert whole.returncode == 0
    for word in ("worker 0", "core 1", "wan/0", "lan/0", "buffers"):
        assert word in whole.stdout
    app.write({"ports": ports()})
    default = app.run("--plan")
    app.write({"ports": ports(), "runtime": {"mbufs": 16384}})
    assert megabytes(app.run("--plan").stdout) < megabytes(default.stdout)
    app.write({"ports": ports(), "runtime": {"mbufs": 4096}})
    refused = app.run("--plan")
    assert refused.returncode == 2
    assert re.search(r"runtime.mbufs is 4096, must be 0 or at least \d+", refused.stderr)
    assert_nothing_left(app, line)


@pytest.mark.parametrize(
    "args, word",
    [
        (("--version",), r"weir-router \d+\.\d+\.\d+"),
        (("--help",), "--check"),
        (("-h",), "Status: 0 done"),
        (("--manual",), r"`runtime"),
        (("--manual=config",), "hugepages"),
        (("--manual=drops",), "`no_route`"),
        (("--manual=metrics",), "weir_drops_packets_total"),
    ],
)
def test_questions_about_the_program_are_answered(
    line: Line, args: tuple[str, ...], word: str
) -> None:
    """What a user asks first, without a configuration and without root's rights.

    Steps: run it with the option.
    Check: status 0, the answer on stdout, nothing on stderr.
    """
    done = line.sut.run(program("weir-router"), *args, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(word, done.stdout), done.stdout


@pytest.mark.parametrize(
    "args, words",
    [
        (("--nosuch",), ("--nosuch", "--help")),
        (("-x",), ("-x", "--help")),
        (("-c",), ("-c", "needs a value")),
        (("stray",), ("stray",)),
        ((), ("-c FILE",)),
        (("--manual=nosuch",), ("nosuch", "config, drops, metrics")),
        (("-c", "/nosuch.yaml"), ("/nosuch.yaml",)),
        (("-c", "/"), ("/",)),
    ],
)
def test_a_wrong_command_line_is_refused(
    line: Line, args: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """Usage errors have status 2 and one sentence.

    Steps: run it with the words.
    Check: status 2; one line that names what is wrong.
    """
    done = line.sut.run(program("weir-router"), *args, check=False)
    one_sentence(done, 2, *words)


# ---- a start that fails ----


def test_a_missing_interface_is_named(app: App, line: Line) -> None:
    """The second port does not exist; the first one was taken already.

    Steps: start with an interface that is not there.
    Check: status 1, its name and a remedy; nothing left.
    """
    app.write({"ports": ports(lan={"interface": "nosuch0"}, wan={"kernel": "kwan"})})
    one_sentence(app.run(), 1, "lan", "nosuch0", "ip link")
    assert_nothing_left(app, line)


def test_an_interface_that_is_down_is_named(app: App, line: Line) -> None:
    """A port that is down at the start.

    Steps: set lan down; start.
    Check: status 1, and how to bring it up; nothing left.
    """
    line.lan.set("down")
    one_sentence(app.run(), 1, "lan", "is down", "ip link set dev lan up")
    assert_nothing_left(app, line)


def test_an_interface_of_another_program_is_left_to_it(hosts: Routed, sut: Sut) -> None:
    """A second weir on the same interfaces does not take them, and does the first no harm.

    Steps: start a second router beside a running one; ping through the first.
    Check: status 1, the interface and the reason; 3 answers; the first one's program is still there.
    """
    second = sut.prepare("weir-router", {"ports": ports(), "control": {}}, hosts.line.sut)
    second.write({"ports": ports(), "control": {"socket": str(second.socket)}})
    one_sentence(second.run(), 1, "wan", "another")
    assert not second.socket.exists()
    assert peers.ping(hosts.line.left.netns, RIGHT).received == 3
    assert "xdp" in hosts.line.sut.run("ip", "link", "show", "dev", "wan").stdout


FOREIGN = """
__attribute__((section("xdp"), used)) int weir_foreign(void *ctx) { return 2; }
char _license[] __attribute__((section("license"))) = "GPL";
"""


@pytest.mark.skipif(shutil.which("clang") is None, reason="no clang: apt-get install clang")
@pytest.mark.parametrize("driver", ["auto", "af_xdp"])
def test_an_xdp_program_of_somebody_else_is_never_replaced(
    app: App, line: Line, tmp_path: Path, driver: str
) -> None:
    """Who has put a program on the interface wants it there.

    Steps: attach a program that passes everything with `ip link`; start, with either driver.
    Check: status 1, its name and how to take it off; the same program is still attached.
    """
    source, target = tmp_path / "foreign.c", tmp_path / "foreign.o"
    source.write_text(FOREIGN)
    compiler = ["clang", "-O2", "-target", "bpf", "-c", str(source), "-o", str(target)]
    subprocess.run(compiler, check=True, timeout=30)
    line.sut.run("ip", "link", "set", "dev", "lan", "xdp", "obj", str(target), "sec", "xdp")
    before = line.sut.run("ip", "link", "show", "dev", "lan").stdout
    app.write({"ports": ports(wan={"driver": driver}, lan={"driver": driver})})
    one_sentence(app.run(), 1, "port lan: ", "weir_foreign", "ip link set", "lan xdp off")
    assert line.sut.run("ip", "link", "show", "dev", "lan").stdout == before
    assert "xdp" not in line.sut.run("ip", "link", "show", "dev", "wan").stdout


def test_too_few_hugepages_are_told_with_the_number_that_is_needed(app: App, line: Line) -> None:
    """The commonest mistake of all.

    Steps: start with 16 million buffers.
    Check: status 1; MiB, and the command that reserves pages; nothing left.
    """
    app.write({"ports": ports(), "runtime": {"mbufs": 16_000_000}})
    one_sentence(app.run(), 1, "MiB", "nr_hugepages")
    assert_nothing_left(app, line)


def run_without(capability: str, app: App, line: Line) -> subprocess.CompletedProcess[str]:
    return line.sut.run(
        "setpriv", f"--bounding-set=-{capability}", f"--inh-caps=-{capability}",
        program("weir-router"), "-c", str(app.config_file), check=False,
    )  # fmt: skip


@pytest.mark.parametrize("driver", ["auto", "af_xdp", "af_packet"])
def test_without_rights_it_says_which_ones(app: App, line: Line, driver: str) -> None:
    """Started without capabilities.

    Steps: start with all capabilities dropped.
    Check: status 1; the capabilities by name; nothing left.
    """
    app.write({"ports": ports(wan={"driver": driver}, lan={"driver": driver})})
    one_sentence(run_without("all", app, line), 1, "no permission", "CAP_NET_RAW")
    assert_nothing_left(app, line)


def test_a_priority_that_it_may_not_have_is_named(app: App, line: Line) -> None:
    """runtime.priority without CAP_SYS_NICE.

    Steps: start with a priority, and without that capability.
    Check: status 1; the priority and the capability; nothing left.
    """
    app.write({"ports": ports(), "runtime": {"priority": 7}})
    one_sentence(run_without("sys_nice", app, line), 1, "real-time priority 7", "CAP_SYS_NICE")
    assert_nothing_left(app, line)


def test_a_management_address_that_is_taken_is_named(app: App, line: Line) -> None:
    """Everything else was open already, and is closed again.

    Steps: listen on the management address; start.
    Check: status 1, the address; nothing left.
    """
    with line.sut.inside(), socket.socket() as taken:
        taken.bind(("127.0.0.1", App.HTTP_PORT))
        taken.listen()
        done = app.run()
    one_sentence(done, 1, f"127.0.0.1:{App.HTTP_PORT}")
    assert_nothing_left(app, line)


def test_a_control_socket_of_another_program_is_left_to_it(hosts: Routed, sut: Sut) -> None:
    """A socket that somebody answers on is not replaced.

    Steps: start on interfaces of its own with the socket of a running router.
    Check: status 1, the path; the running one still answers there.
    """
    with Lab() as lab:
        line = lab.line()
        app = sut.prepare("weir-router", None, line.sut)
        app.write({"ports": ports(), "control": {"socket": str(hosts.app.socket)}})
        done = line.sut.run(program("weir-router"), "-c", str(app.config_file), check=False)
    one_sentence(done, 1, str(hosts.app.socket))
    assert hosts.app.ctl("status")["pid"] == hosts.app.pid


# ---- signals ----


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_end_drains_and_sums_up(app: App, line: Line, number: signal.Signals) -> None:
    """SIGTERM and Ctrl-C.

    Steps: start; send the signal.
    Check: status 0 soon; a table with both ports; nothing left.
    """
    app.start()
    app.signal(number)
    assert app.wait(20) == 0
    assert re.search(r"^port +received +sent", app.log, re.M)
    assert re.search(r"^wan +\d+", app.log, re.M) and re.search(r"^lan +\d+", app.log, re.M)
    assert_nothing_left(app, line)


@pytest.mark.parametrize("driver", ["auto", "af_xdp"])
def test_after_kill_9_it_starts_again_at_once(hosts: Routed, driver: str) -> None:
    """A crash leaves sockets that the kernel frees late, and a socket file; a start copes with both.

    Steps: with either driver, 3 times: kill -9; start without waiting; ping through it.
    Check: each start is ready; 3 answers each.
    """
    for _ in range(3):
        hosts.app.kill()
        ours = ports(wan={"driver": driver}, lan={"driver": driver})
        hosts.app.write({"ports": ours, "limits": SMALL})
        hosts.app.start()
        assert peers.ping(hosts.line.left.netns, RIGHT).received == 3


def test_a_log_file_is_opened_anew_after_its_rename(app: App, tmp_path: Path) -> None:
    """SIGUSR1, as logrotate sends it.

    Steps: log to a file; rename it; SIGUSR1; reload.
    Check: a new file has the lines from then on, and the renamed one none of them.
    """
    file, old = tmp_path / "weir.log", tmp_path / "weir.log.1"
    app.write({"ports": ports(), "log": {"to": str(file)}})
    app.start()
    until(lambda: "is running" in file.read_text(), what="the line of the start")
    file.rename(old)
    app.signal(signal.SIGUSR1)
    until(file.exists, what="the new log file")
    app.ctl("reload")
    until(lambda: "reloaded" in file.read_text(), what="the line of the reload")
    assert "reloaded" not in old.read_text()


@pytest.mark.parametrize("log_format", ["json", "keyvalue"])
def test_a_log_can_be_read_by_programs(app: App, tmp_path: Path, log_format: str) -> None:
    """log.format: one object, or key=value pairs, a line.

    Steps: start and end with the format.
    Check: every line is one; one of them says that it runs.
    """
    file = tmp_path / "weir.log"
    app.write({"ports": ports(), "log": {"to": str(file), "format": log_format}})
    app.start()
    assert app.stop() == 0
    lines = file.read_text().splitlines()
    if log_format == "json":
        assert any("is running" in json.loads(line)["msg"] for line in lines)
    else:
        pair = r'\w[\w.-]*=(?:"(?:[^"\\]|\\.)*"|[^" ]*)'
        assert all(re.fullmatch(rf"{pair}(?: {pair})*", line) for line in lines), lines
        assert any("is running" in line for line in lines)


def test_signals_while_it_sleeps_do_not_wake_it_for_good(app: App, line: Line) -> None:
    """System calls that a signal interrupts (EINTR) are no errors.

    Steps: in interrupt mode, stop and continue the process 50 times; then ask for /health and ping.
    Check: it is well, the answer to an ARP request comes, no line of the log is a warning.
    """
    app.write({"ports": ports(), "runtime": {"poll": "interrupt"}})
    app.start()
    for _ in range(50):
        app.signal(signal.SIGSTOP)
        until(lambda: state_of(app.pid) == "T", what="the stop")
        app.signal(signal.SIGCONT)
        until(lambda: state_of(app.pid) != "T", what="the continuation")
    assert app.get("/health")[0] == 200
    line.left.add_address("10.0.1.2/24")
    assert peers.ping(line.left.netns, WAN).received == 3
    assert not re.search(r" (warn|error|fatal) ", app.log)
    assert app.stop() == 0


def state_of(pid: int) -> str:
    """The letter of the process's state in /proc."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


# ---- systemd, management, metrics ----


def test_systemd_is_told_of_start_reload_and_end(app: App, tmp_path: Path) -> None:
    """sd_notify(3) over a socket that the test has.

    Steps: start with NOTIFY_SOCKET; SIGHUP; SIGTERM.
    Check: READY=1; RELOADING=1 with the monotonic time, and READY=1; STOPPING=1.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.settimeout(15)
        told.bind(str(tmp_path / "notify"))
        app.start(env=(f"NOTIFY_SOCKET={tmp_path / 'notify'}",))
        assert "READY=1" in told.recv(4096).decode().splitlines()
        app.signal(signal.SIGHUP)
        reloading = told.recv(4096).decode().splitlines()
        assert "RELOADING=1" in reloading
        assert any(re.fullmatch(r"MONOTONIC_USEC=\d+", line) for line in reloading)
        assert "READY=1" in told.recv(4096).decode().splitlines()
        app.stop()
        assert "STOPPING=1" in told.recv(4096).decode().splitlines()


def test_systemd_is_told_over_an_abstract_socket_too(app: App, line: Line) -> None:
    """NOTIFY_SOCKET may begin with @, in the namespace of the program.

    Steps: start with an abstract socket.
    Check: READY=1.
    """
    with line.sut.inside(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.settimeout(15)
        told.bind("\0weir-dts-notify")
        app.start(env=("NOTIFY_SOCKET=@weir-dts-notify",))
        assert "READY=1" in told.recv(4096).decode().splitlines()


def test_readiness_follows_the_links(app: App, line: Line) -> None:
    """/ready is for who sends traffic here, /health for who restarts it.

    Steps: take the link of lan away; give it back.
    Check: /ready 503 naming lan, and 200 again; /health 200 all the time.
    """
    app.start()
    assert app.get("/ready") == (200, "ok\n") and app.get("/health") == (200, "ok\n")
    line.right.set("down")
    until(lambda: app.get("/ready")[0] == 503, what="/ready to be 503")
    assert "lan" in app.get("/ready")[1] and app.get("/health")[0] == 200
    line.right.set("up")
    until(lambda: app.get("/ready")[0] == 200, what="/ready to be 200")
    assert app.get("/health")[0] == 200


def test_curl_reads_the_management_address(hosts: Routed) -> None:
    """Plain HTTP for any client.

    Steps: curl /health, an unknown path, and a POST.
    Check: 200, 404 and 405.
    """
    base = f"http://127.0.0.1:{App.HTTP_PORT}"
    for path, more, status in (
        ("/health", (), "200"),
        ("/nosuch", (), "404"),
        ("/metrics", ("-X", "POST"), "405"),
    ):
        args = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *more, base + path)
        assert hosts.line.sut.run(*args).stdout == status


def test_the_metrics_are_prometheus_text_to_the_letter(hosts: Routed) -> None:
    """A strict parser of our own reads /metrics.

    Steps: ping through the router; get /metrics.
    Check: no rule broken; every family has HELP and TYPE; drops, stages, ports, workers are there.
    """
    assert peers.ping(hosts.line.left.netns, RIGHT).received == 3
    status, text = hosts.app.get("/metrics")
    assert status == 200
    types = prometheus.check(text)
    assert types["weir_drops_packets_total"] == types["weir_stage_packets_total"] == "counter"
    assert types["weir_port_up"] == types["weir_worker_busy_ratio"] == "gauge"
    assert hosts.app.since_start("weir_port_rx_packets_total", "port")["wan"] >= 3


def test_the_metrics_are_openmetrics_for_who_asks(hosts: Routed) -> None:
    """Prometheus itself asks for OpenMetrics.

    Steps: get /metrics with its Accept header.
    Check: the content type, and the text's end mark.
    """
    args = ("curl", "-si", "-H", "Accept: application/openmetrics-text; version=1.0.0")
    text = hosts.line.sut.run(*args, f"http://127.0.0.1:{App.HTTP_PORT}/metrics").stdout
    assert "application/openmetrics-text" in text and text.endswith("# EOF\n")


def test_statsd_gets_datagrams(app: App, line: Line) -> None:
    """control.statsd: the same metrics, pushed.

    Steps: listen on UDP; start with an interval of 100 ms; ping the router; read for two intervals.
    Check: every line is StatsD's; the packets of wan are counted.
    """
    with line.sut.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(15)
        where = f"127.0.0.1:{server.getsockname()[1]}"
        control = {"socket": str(app.socket), "http": f"127.0.0.1:{App.HTTP_PORT}"}
        control |= {"statsd": where, "statsd_interval": "100ms"}
        app.write({"ports": ports(), "control": control})
        app.start()
        line.left.add_address("10.0.1.2/24")
        assert peers.ping(line.left.netns, WAN).received == 3

        def lines_with_wan() -> list[str]:
            lines = server.recv(65536).decode().splitlines()
            for one in lines:
                assert re.fullmatch(r"[\w.:-]+:[+-]?[\d.e+-]+\|(c|g|ms)(\|#\S+)?", one), one
            return [one for one in lines if "port_rx_packets" in one and "wan" in one]

        assert until(lines_with_wan, what="the packets of wan")


# ---- workers ----


def worker_of(app: App) -> Path:
    """The folder in /proc of the only worker's thread."""
    tasks = Path(f"/proc/{app.pid}/task").iterdir()
    (worker,) = [t for t in tasks if "worker" in (t / "comm").read_text()]
    return worker


@pytest.mark.parametrize("core", [0, 1])
def test_a_worker_is_pinned_to_its_core(app: App, core: int) -> None:
    """runtime.workers names cores.

    Steps: start with the worker on core 0, then on core 1.
    Check: the kernel lets its thread run on that core alone.
    """
    app.write({"ports": ports(), "runtime": {"workers": [core]}})
    app.start()
    allowed = os.sched_getaffinity(int(worker_of(app).name))
    assert allowed == {core}


def test_a_core_that_is_not_there_is_refused(app: App, line: Line) -> None:
    """A typing error in runtime.workers.

    Steps: start with a worker on core 1000.
    Check: status 1 or 2, the core; nothing left.
    """
    app.write({"ports": ports(), "runtime": {"workers": [1000]}})
    done = app.run()
    one_sentence(done, done.returncode, "1000")
    assert done.returncode in (1, 2)
    assert_nothing_left(app, line)


@pytest.mark.skipif(
    not Path("/usr/bin/strace").exists(), reason="no strace: apt-get install strace"
)
def test_a_busy_worker_makes_no_system_call_but_those_of_af_xdp(line: Line, tmp_path: Path) -> None:
    """AF_XDP in copy mode has to be told to send (sendto) and may be told to receive (recvfrom,
    poll); a worker under load makes no other system call: none allocates, locks or logs.

    Steps: in busy mode, watch the worker with strace for 2 seconds while pinging the router.
    Check: the pings are answered; the calls are among those three.
    """
    line.left.add_address("10.0.1.2/24")
    config = {"runtime": {"poll": "busy"}, "ports": ports()}
    with routed(tmp_path, line, config) as net:
        assert peers.ping(line.left.netns, WAN).received == 3
        out = tmp_path / "strace"
        tid = worker_of(net.app).name
        argv = ["strace", "-o", str(out), "-p", tid]
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as tracer:
            try:
                until(lambda: traced_by(worker_of(net.app)) == tracer.pid, what="strace")
                assert peers.ping(line.left.netns, WAN, count=20).received == 20
            finally:
                tracer.terminate()
                tracer.wait(20)
        calls = set(re.findall(r"^(\w+)\(", out.read_text(), re.M))
        assert calls and calls <= {"sendto", "recvfrom", "poll"}, calls


def traced_by(task: Path) -> int:
    found = re.search(r"^TracerPid:\s+(\d+)", (task / "status").read_text(), re.M)
    return int(found[1]) if found else 0
