# SPDX-License-Identifier: BSD-3-Clause
"""weir-httpd and nginx behind one veth, and wrk at its other end.

near === far [server]. wrk has core 0, the server core 1: nginx one worker, weir-httpd one worker over
AF_XDP. Both serve the same small file from memory. Both ends finish their checksums in software, for
AF_XDP cannot hand that to a veth; so nginx's kernel does, too.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from perf import cards
from perf.programs import Program, running, tsc_hz, urgent, worker_cpu_ns
from perf.trials import Trial
from weir.lab import Lab, Port
from weir.sut import App, Sut
from weir.wait import until

CORE = 1  # the server's; wrk has core 0
SERVER, CLIENT, LENGTH = "192.0.2.1", "192.0.2.2", 24
BODY = b"0123456789abcdef" * 4
URL = f"http://{SERVER}/small.txt"
# A client that polls so often wakes for many packets at once, at nobody's cost but its own.
CLIENT_POLL_US = 50
_TICKS = 100  # a second, of /proc/stat

_NGINX = """
daemon off; user root; pid {folder}/nginx.pid; error_log {folder}/error.log;
worker_processes 1; worker_cpu_affinity {mask:b}; worker_rlimit_nofile 65536;
events {{ worker_connections 16384; multi_accept on; }}
http {{
	access_log off; server_tokens off; etag off; max_ranges 0; add_header Last-Modified "";
	default_type text/plain; charset utf-8; sendfile on; tcp_nodelay on;
	keepalive_requests 1000000000; keepalive_timeout 600s;
	open_file_cache max=100 inactive=600s; open_file_cache_valid 600s;
	client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
	uwsgi_temp_path {folder}; scgi_temp_path {folder};
	server {{ listen {server}:80 backlog=4096; root {root}; }}
}}
"""


@dataclass(frozen=True)
class Load:
    """What wrk does."""

    connections: int
    closes: bool = False
    """Each request has a connection of its own."""


@dataclass(frozen=True)
class Site:
    """The two ports, and what is served."""

    near: Port
    far: Port
    folder: Path
    clean: bool
    """All of the kernel's receiving is on the core of who receives, and wakes nobody in vain."""

    @property
    def root(self) -> Path:
        return self.folder / "root"


def _napi(port: Port, core: int) -> int:
    """The thread that receives for a port: on a core, as urgent as the programs."""
    thread = cards.napi_thread(port, core)
    os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, 0))
    return thread


@contextmanager
def site(lab: Lab, folder: Path, clean: bool) -> Iterator[Site]:
    near, far = lab.veth((lab.netns("wrk", ipv6=False), "wrk0"), (lab.netns("web", False), "web0"))
    near.add_address(f"{CLIENT}/{LENGTH}")
    near.netns.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535")
    if clean:
        for port in (near, far):
            # Without this a veth has no NAPI, and the sender's core receives.
            port.netns.run("ethtool", "-K", port.name, "gro", "on")
        _napi(near, core=0)
        cards.moderate(near, CLIENT_POLL_US)
    made = Site(near, far, folder, clean)
    made.root.mkdir(parents=True)
    (made.root / "small.txt").write_bytes(BODY)
    yield made


# ---- the servers ----


@dataclass(frozen=True)
class Server:
    """What a server's work costs, in ns since it began."""

    cpu_ns: Callable[[], int]
    """Its own CPU time, with its system calls."""
    busy_ns: Callable[[], float]
    """Of its core, with all that the kernel does there."""


def _core_ns() -> float:
    """Time that the server's core has worked: user, nice, system, interrupts."""
    for line in Path("/proc/stat").read_text().splitlines():
        words = line.split()
        if words[0] == f"cpu{CORE}":
            user, nice, system, _, _, irq, softirq = map(int, words[1:8])
            return (user + nice + system + irq + softirq) * 1e9 / _TICKS
    raise RuntimeError(f"there is no core {CORE}")


def _answers(site: Site) -> bool:
    curl = ("curl", "-s", "--max-time", "1", URL)
    return site.near.netns.run(*curl, check=False).stdout.encode() == BODY


def _nginx_ns(master: Program) -> int:
    """Of its worker."""
    (worker,) = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
    return cards.thread_ns(int(worker))


@contextmanager
def nginx(site: Site) -> Iterator[Server]:
    if shutil.which("nginx") is None:
        raise RuntimeError("nginx is not there: apt-get install nginx")
    folder = site.folder / f"nginx-{time.monotonic_ns()}"
    folder.mkdir()
    conf = folder / "nginx.conf"
    text = _NGINX.format(folder=folder, mask=1 << CORE, server=SERVER, root=site.root)
    conf.write_text(text, encoding="utf-8")
    site.far.add_address(f"{SERVER}/{LENGTH}")
    try:
        argv = ["nginx", "-p", str(folder), "-c", str(conf), "-e", str(folder / "error.log")]
        with running(site.far.netns.command(*argv), folder) as master:
            urgent(master.pid)  # it has a session of its own
            until(lambda: _answers(site), timeout=20, what="nginx")
            yield Server(lambda: _nginx_ns(master), _core_ns)
    finally:
        site.far.netns.run("ip", "address", "flush", "dev", site.far.name)


def config(site: Site) -> dict[str, object]:
    """Never resting where rates are compared; asleep when idle where all CPU time counts.

    Several packets at once say that there is a row of them: they may gather.
    """
    rest = {"poll": "interrupt", "gather": "100us"} if site.clean else {"poll": "busy", "gather": "50us"}
    return {
        "runtime": {"workers": [CORE], **rest},
        "ports": {"web": {"interface": site.far.name, "addresses": [f"{SERVER}/{LENGTH}"]}},
        "stack": {"connections": 16384},
        "httpd": {"port": 80, "root": str(site.root)},
    }


def _busy_ns(app: App) -> float:
    """As the program publishes it."""
    return app.metric("weir_worker_busy_cycles_total") / tsc_hz() * 1e9


@contextmanager
def weir(site: Site) -> Iterator[Server]:
    folder = site.folder / f"weir-{time.monotonic_ns()}"
    folder.mkdir()
    sut = Sut(folder)
    try:
        app = sut.start("weir-httpd", config(site), site.far.netns)
        until(lambda: _answers(site), timeout=20, what="weir-httpd")
        yield Server(lambda: worker_cpu_ns(app.pid), lambda: _busy_ns(app))
    except Exception as error:
        raise RuntimeError(f"{error}\n{sut.report()}") from error
    finally:
        sut.close()


# ---- the client ----


def wrk(site: Site, load: Load, seconds: int) -> Trial:
    """One run. An answer that is none is an error; so is a connection that failed."""
    script = Path(__file__).with_name("wrk.lua")
    closes = ("-H", "Connection: close") if load.closes else ()
    done = site.near.netns.run(
        "taskset", "-c", "0", "wrk", "-t1", f"-c{load.connections}", f"-d{seconds}s", *closes,
        "-s", str(script), URL, timeout=seconds + 30,
    )  # fmt: skip
    told = dict(json.loads(done.stdout.splitlines()[-1]))
    if told["requests"] == 0 or any(told[f"{e}_errors"] for e in ("connect", "write", "status")):
        raise RuntimeError(f"wrk: {done.stdout}")
    return told


Serve = Callable[[Site], AbstractContextManager[Server]]


def trial(site: Site, serve: Serve, load: Load, seconds: int) -> Trial:
    """A server of its own, some seconds of wrk, and what they cost."""
    with serve(site) as server:
        thread = _napi(site.far, core=CORE) if site.clean else None

        def figures() -> tuple[float, float, float]:
            return server.cpu_ns(), server.busy_ns(), cards.thread_ns(thread) if thread else 0

        before = figures()
        told = wrk(site, load, seconds)
        cpu, busy, napi = (b - a for a, b in zip(before, figures()))
    n = told["requests"]
    return told | {
        "rate": n / (told["microseconds"] / 1e6), "answer_bytes": told["bytes"] / n,
        "busy_us": busy / n / 1e3, "cpu_us": (cpu + napi) / n / 1e3, "napi_us": napi / n / 1e3,
        "own_us": cpu / n / 1e3,
    }  # fmt: skip
