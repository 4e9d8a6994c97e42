# SPDX-License-Identifier: BSD-3-Clause
"""The system under test: one of weir's apps, inside a namespace of the lab."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weir.netns import Netns
from weir.wait import until

BUILD = Path(os.environ.get("WEIR_BUILD", Path(__file__).parents[2] / "build"))
_FOLDERS = {
    "weir-router": "router",
    "weir-firewall": "firewall",
    "weir-bench": "bench",
    "weir-pump": "pump",
    "weir-echo": "echo",
    "weir-embed": "embed",
    "weir-httpd": "httpd",
    "weir-proxy": "proxy",
    "weirctl": "ctl",
}

# The metric that counts dropped packets, with the label "reason".
DROPS = "weir_drops_packets_total"

# One line of Prometheus text: name{label="value",...} number
_METRIC = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Metrics = dict[tuple[str, frozenset[tuple[str, str]]], float]


def program(name: str) -> str:
    """The path of one of our programs in the build directory."""
    path = BUILD / "apps" / _FOLDERS[name] / name
    assert path.is_file(), f"{path} is not built: ninja -C {BUILD}, or set WEIR_BUILD"
    return str(path)


def parse_metrics(text: str) -> Metrics:
    """Prometheus text as a dictionary of (name, labels)."""
    found: Metrics = {}
    for line in text.splitlines():
        metric = _METRIC.match(line)
        if metric and not line.startswith("#"):
            labels = frozenset((label[1], label[2]) for label in _LABEL.finditer(metric[2] or ""))
            found[metric[1], labels] = float(metric[3])
    return found


class App:
    """A running app. Its figures are counted from start() on."""

    HTTP_PORT = 9180

    def __init__(
        self, name: str, config: dict[str, Any] | None, netns: Netns, directory: Path
    ) -> None:
        self.name = name
        self.netns = netns
        self.socket = directory / "control.sock"
        self.config_file = directory / "config.yaml"
        self.log_file = directory / "log"
        self._process: subprocess.Popen[str] | None = None
        self._before: Metrics = {}
        self._has_config = config is not None
        if config is not None:
            self.write(config)

    def write(self, config: dict[str, Any]) -> None:
        """The configuration file; JSON is YAML. The control section is ours unless it is given.

        Addresses are not probed unless a port says so: tests count every packet.
        """
        control = {"socket": str(self.socket), "http": f"127.0.0.1:{self.HTTP_PORT}"}
        whole = {"control": control, "log": {"level": "info", "to": "stderr"}} | config
        if isinstance(ports := whole.get("ports"), dict):
            whole["ports"] = {name: {"dad": 0} | port for name, port in ports.items()}
        self.config_file.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")

    @property
    def log(self) -> str:
        return (
            self.log_file.read_text(encoding="utf-8", errors="replace")
            if self.log_file.exists()
            else ""
        )

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    def waits(self) -> str:
        """How long each of its threads has had a processor, and has waited for one.

        A worker that waits for seconds answers late, whatever it does: the machine is busy.
        """
        if self._process is None:
            return ""
        found = []
        for task in Path(f"/proc/{self.pid}").glob("task/*"):
            try:
                ran, waited = (task / "schedstat").read_text().split()[:2]
                name = (task / "comm").read_text().strip()
            except OSError:
                continue  # it has ended meanwhile
            found.append(f"{name} ran {int(ran) / 1e9:.1f} s, waited {int(waited) / 1e9:.1f} s")
        return "; ".join(found)

    def start(
        self,
        args: tuple[str, ...] = (),
        timeout: float = 40.0,
        ready: Callable[["App"], bool] | None = None,
        env: tuple[str, ...] = (),
    ) -> None:
        """Start, and return when it is ready: by /ready, or by the condition of a program without.

        Its end before that is an error, and is told with its log. The environment has env ("A=b").
        """
        config = ("-c", str(self.config_file)) if self._has_config else ()
        with self.log_file.open("a", encoding="utf-8") as log:
            self._process = self.netns.popen(
                "env", *env, program(self.name), *config, *args, stdout=log, stderr=log
            )
        until(lambda: self._is_up(ready or App.is_ready), timeout, f"{self.name} to be ready")
        self._before = {} if ready else self.metrics()

    def run(self, *args: str, timeout: float = 40.0) -> subprocess.CompletedProcess[str]:
        """Run it to its end, which is due soon; any status."""
        config = ("-c", str(self.config_file)) if self._has_config else ()
        return self.netns.run(program(self.name), *config, *args, check=False, timeout=timeout)

    def _is_up(self, ready: Callable[["App"], bool]) -> bool:
        assert self._process is not None
        status = self._process.poll()
        assert status is None, f"{self.name} ended with status {status}:\n{self.log}"
        return ready(self)

    def is_ready(self) -> bool:
        """Whether /ready says so."""
        try:
            return self.get("/ready")[0] == 200
        except OSError:
            return False

    def get(self, path: str) -> tuple[int, str]:
        """GET from the management address: status and body."""
        with self.netns.inside():
            connection = http.client.HTTPConnection("127.0.0.1", self.HTTP_PORT, timeout=15)
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                return response.status, response.read().decode()
            finally:
                connection.close()

    def ctl(self, *command: str, timeout: float = 30.0) -> Any:
        """What `weirctl --json COMMAND` answers."""
        answer = self.netns.run(
            program("weirctl"), "-s", str(self.socket), "--json", *command, timeout=timeout
        )
        return json.loads(answer.stdout)

    def refused(self, *command: str) -> str:
        """The sentence with which the app refuses a command of weirctl."""
        done = self.netns.run(program("weirctl"), "-s", str(self.socket), *command, check=False)
        assert done.returncode == 1, f"status {done.returncode}: {done.stdout}{done.stderr}"
        return done.stderr

    def ask(self, command: str, **args: Any) -> Any:
        """What the control socket answers to a command; a refusal is an AssertionError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(30)
            client.connect(str(self.socket))
            client.sendall(json.dumps({"cmd": command, "args": args}).encode() + b"\n")
            answer = json.loads(client.makefile().readline())
        assert answer["ok"], f"{command}: {answer['error']}"
        return answer["data"]

    def metrics(self) -> Metrics:
        status, text = self.get("/metrics")
        assert status == 200, f"/metrics: status {status}"
        return parse_metrics(text)

    def metric(self, name: str) -> float:
        """One metric, summed over all its labels."""
        return sum(value for key, value in self.metrics().items() if key[0] == name)

    def mark(self) -> None:
        """Count from here on, for a test that shares an app with others."""
        self._before = self.metrics()

    def since_start(self, name: str, label: str) -> dict[str, int]:
        """How far each counter rose since start() or mark(), by one of its labels; the others summed."""
        rose: dict[str, int] = {}
        for key, value in self.metrics().items():
            labels = dict(key[1])
            grown = int(value - self._before.get(key, 0))
            if key[0] == name and label in labels and grown != 0:
                rose[labels[label]] = rose.get(labels[label], 0) + grown
        return rose

    def rose(self, name: str) -> int:
        """How far a counter rose since start() or mark(), all labels summed."""
        before = sum(value for key, value in self._before.items() if key[0] == name)
        return int(self.metric(name) - before)

    def drops_since_start(self) -> dict[str, int]:
        """Dropped packets by reason; not in it is what dropped nothing, or (..._done) is no loss."""
        drops = self.since_start(DROPS, "reason")
        return {reason: n for reason, n in drops.items() if not reason.endswith("_done")}

    def expect_drops(self, expected: dict[str, int], timeout: float = 15.0) -> None:
        """These drops and no others, once the packets that are under way have arrived."""
        try:
            until(lambda: self.drops_since_start() == expected, timeout, "the drops")
        except TimeoutError:
            pass
        drops = self.drops_since_start()
        assert drops == expected, f"dropped {drops}, must be {expected}"

    def reload(self, config: dict[str, Any]) -> Any:
        """Write a new configuration and have it loaded. Returns weirctl's answer."""
        self.write(config)
        return self.ctl("reload")

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None, f"{self.name} was not started"
        self._process.send_signal(number)

    def wait(self, timeout: float = 30.0) -> int:
        """The exit status, which must come in time."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.wait(timeout)

    def stop(self, timeout: float = 30.0) -> int:
        """SIGTERM: it drains and ends. Returns the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self) -> None:
        """kill -9, as a crash would."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)


class Sut:
    """Starts apps for one test, and ends those that the test left running."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._apps: list[App] = []

    def start(
        self,
        name: str,
        config: dict[str, Any] | None,
        netns: Netns,
        args: tuple[str, ...] = (),
        timeout: float = 40.0,
        ready: Callable[[App], bool] | None = None,
    ) -> App:
        """An app with a configuration (None: it takes none), ready for traffic. See App.start()."""
        app = self.prepare(name, config, netns)
        app.start(args, timeout, ready)
        return app

    def prepare(self, name: str, config: dict[str, Any] | None, netns: Netns) -> App:
        """An app with its files written, not started."""
        directory = self._directory / f"{name}-{len(self._apps)}"
        directory.mkdir()
        app = App(name, config, netns, directory)
        self._apps.append(app)
        return app

    def close(self) -> None:
        for app in self._apps:
            app.kill()

    def report(self) -> str:
        """What the apps of this test logged, and whether they had to wait for a processor."""
        return "\n".join(
            f"--- {app.name}: {app.log_file}\n{app.log[-8000:]}{app.waits()}" for app in self._apps
        )
