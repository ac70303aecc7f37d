# SPDX-License-Identifier: MIT
"""`signalbox verify` against brokers of our own. What each run showed is printed as a table at the end."""
import json
import os
import shlex
import shutil
import subprocess

import pytest

from durability.limits import LIMIT
from lib import broker as brokers
from lib.ports import free_ports

COLUMNS = ("kills", "seconds", "sent", "acknowledged", "deliveries", "lost", "qos2_duplicates", "reordered", "overtaken", "forged",
           "unacknowledged", "forgotten_sessions", "reconnects", "longest_pause_seconds", "longest_restart_seconds")


@pytest.fixture
def verify(record_property):
    """Runs `signalbox verify` with these options; the report. The exit code has to say the same."""

    def run(*options, name: str | None = None) -> dict:
        command = [str(brokers.binary()), "verify", *map(str, options), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
        assert not brokers.SANITIZERS.search(done.stderr), done.stderr
        assert done.stdout, f"exit code {done.returncode}: {done.stderr}"
        report = json.loads(done.stdout)
        assert done.returncode == (0 if report["ok"] else 1)
        if name:
            record_property("verify", json.dumps({"name": name} | report))
        return report

    return run


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def signalbox(tmp_path, port):
    """The command of a broker of ours in the foreground: signalbox({"store.kind": "memory"})."""

    def command(settings: dict[str, object]) -> str:
        every = {"listeners.mqtt.bind": f"127.0.0.1:{port}", "listeners.ws.bind": "", "admin.bind": "",
                 "log.level": "warn"} | settings
        words = [str(brokers.binary()), "broker"]
        for key, value in every.items():
            words += ["--set", f"{key}={value}"]
        return f"{shlex.join(words)} >>{tmp_path}/broker.log 2>&1"

    return command


@pytest.fixture
def mosquitto(tmp_path, port) -> str:
    """The command of a mosquitto that keeps what it has on disk, saving it each second: the shortest that it knows."""
    return mosquitto_at(tmp_path, port)


def mosquitto_at(tmp_path, *ports: int) -> str:
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    assert os.path.exists(program), "mosquitto is not installed: ./test installs what the tests need"
    config = tmp_path / "mosquitto.conf"
    config.write_text("user root\nset_tcp_nodelay true\nmax_queued_messages 0\npersistence true\nautosave_interval 1\n"
                      f"persistence_location {tmp_path}/\nallow_anonymous true\n" +
                      "".join(f"listener {port} 127.0.0.1\n" for port in ports))
    return f"{shlex.join([program, '-c', str(config)])} >>{tmp_path}/broker.log 2>&1"


def reports(terminalreporter):
    for outcome in ("passed", "failed"):
        for test in terminalreporter.stats.get(outcome, []):
            yield from (json.loads(value) for key, value in getattr(test, "user_properties", []) if key == "verify")


def pytest_terminal_summary(terminalreporter):
    rows = list(reports(terminalreporter))
    if not rows:
        return
    terminalreporter.section("what signalbox verify has seen")
    width = max(len(name) for name in COLUMNS) + 2
    terminalreporter.write_line(" " * width + "  ".join(f"{row['name']:>24}" for row in rows))
    for column in COLUMNS:
        terminalreporter.write_line(f"{column:{width}}" + "  ".join(f"{row[column]:>24}" for row in rows))
