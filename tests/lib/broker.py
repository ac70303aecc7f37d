# SPDX-License-Identifier: MIT
"""Starts and stops the broker under test."""
import os
import queue
import re
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

from . import transport
from .mqtt import Version
from .peer import Peer

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT = 20
STOP_TIMEOUT = 20
# Words with which the sanitizers report.
SANITIZERS = re.compile(r"(Address|Thread|Leak|Memory|UndefinedBehavior)Sanitizer|runtime error:")


def binary() -> Path:
    path = Path(os.environ.get("SIGNALBOX_BIN", ROOT / "build/release/signalbox"))
    return path if path.is_absolute() else ROOT / path


def address(text: str) -> tuple[str, int]:
    """Host and port; of a unix socket its path."""
    if text.startswith("unix:"):
        return text.removeprefix("unix:"), 0
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class Endpoint:
    """Where a broker listens: listener name ("mqtt", "ws", "mqtts", "wss") to address."""

    def __init__(self, listeners: dict[str, tuple[str, int]]):
        self.listeners = listeners

    def open(self, version: Version) -> Peer:
        """A connection over TCP on which nothing was sent yet."""
        return Peer(transport.tcp(self.listeners["mqtt"]), version)

    def web_socket(self, **options) -> transport.WebSocket:
        host, port = self.listeners["ws"]
        return transport.WebSocket(transport.tcp((host, port)), f"{host}:{port}", **options)


class Broker(Endpoint):
    """A broker process of our own. Keys that are not given keep the values that suit a test."""

    DEFAULTS = {"listeners.mqtt.bind": "127.0.0.1:0", "listeners.ws.bind": "", "listeners.mqtts.bind": "",
                "listeners.wss.bind": "", "admin.bind": "", "node.shards": "2", "log.level": "warn"}

    def __init__(self, settings: dict[str, object] | None = None, config: Path | None = None):
        program = binary()
        assert program.exists(), f"no broker at {program}: build it, or set SIGNALBOX_BIN"
        command = [str(program), "broker"] + (["--config", str(config)] if config else [])
        self._store = tempfile.TemporaryDirectory(prefix="signalbox-store-")
        for key, value in (self.DEFAULTS | {"store.path": self._store.name} | (settings or {})).items():
            command += ["--set", f"{key}={str(value).lower() if isinstance(value, bool) else value}"]
        self._stderr = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._stderr, text=True)
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._drain, daemon=True).start()
        super().__init__(self._listening())

    def _drain(self) -> None:
        for line in self.process.stdout:
            self._lines.put(line.strip())
        self._lines.put(None)

    def _listening(self) -> dict[str, tuple[str, int]]:
        listeners = {}
        while True:
            try:
                line = self._lines.get(timeout=START_TIMEOUT)
            except queue.Empty:
                line = None
            if line is None:
                self.process.kill()
                raise AssertionError(f"the broker did not become ready: {self.errors()}")
            if line == "ready":
                return listeners
            if line.startswith("listening "):
                _, name, where = line.split()
                listeners[name] = address(where)

    def errors(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")

    def stop(self) -> None:
        """SIGTERM ends it with code 0, and no sanitizer had anything to say."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the broker did not end within {STOP_TIMEOUT} s of SIGTERM") from None
        self._store.cleanup()
        errors = self.errors()
        assert code == 0, f"exit code {code}: {errors[-4000:]}"
        assert not SANITIZERS.search(errors), errors[-8000:]


def external() -> Endpoint | None:
    """The broker of SIGNALBOX_TEST_BROKER (host:port; SIGNALBOX_TEST_BROKER_WS for WebSocket), if one is set."""
    mqtt = os.environ.get("SIGNALBOX_TEST_BROKER")
    if not mqtt:
        return None
    listeners = {"mqtt": address(mqtt)}
    if ws := os.environ.get("SIGNALBOX_TEST_BROKER_WS"):
        listeners["ws"] = address(ws)
    return Endpoint(listeners)
