# SPDX-License-Identifier: MIT
"""`./run cluster`, without what it installs and builds."""
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib import broker as brokers
from lib.cluster import need_redis_store
from tools.cluster.launch import ports_of
from tools.cluster.ports import FIRST, is_free
from tools.cluster.resp import ask

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 40

# A broker that listens, says so, and ends when it is told to.
STAND_IN = '''#!{python}
import signal, socket, sys, time
keys = dict(word.split("=", 1) for word in sys.argv if "=" in word)
host, _, port = keys["listeners.mqtt.bind"].partition(":")
if keys["node.name"] == "{refuses}":
    sys.exit("store: this broker does not want to")
listener = socket.create_server((host, int(port)))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("listening mqtt", keys["listeners.mqtt.bind"], flush=True)
print("ready", flush=True)
while True:
    time.sleep(1)
'''


class Launched:
    """The launcher, with what it has said."""

    def __init__(self, *arguments, program: Path, base: int):
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(program.parent)}
        command = [sys.executable, "-m", "tools.cluster", "--program", program, "--port", base, *arguments]
        self.base = base
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, env=environment, start_new_session=True)
        self.said = ""

    def until(self, words: str) -> None:
        """Reads until it says this."""
        for line in self.process.stdout:
            self.said += line
            if words in line:
                return
        pytest.fail(f"it ended and never said {words!r}: {self.said}")

    def pids(self) -> list[int]:
        """Of its children."""
        found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.said += self.process.stdout.read()
        return self.process.wait(TIMEOUT)

    def redis_ports(self) -> list[int]:
        return [int(port) for port in re.findall(r"(?:redis|sentinel)\d :(\d+)", self.said)]


def free_base() -> int:
    """A --port for three nodes whose ports are all free, and below those that the system gives to clients."""
    while True:
        base = random.SystemRandom().randrange(FIRST, 16_500)
        if all(is_free(port) for i in range(3) for port in ports_of(base, i).values()):
            return base


@pytest.fixture
def launch(tmp_path):
    """launch("--redis", "single"): the launcher over brokers that stand in for ours."""
    started = []

    def start(*arguments, refuses: str = "", program: Path | None = None, base: int | None = None) -> Launched:
        if not program:
            program = tmp_path / "signalbox"
            program.write_text(STAND_IN.format(python=sys.executable, refuses=refuses))
            program.chmod(0o755)
        started.append(Launched(*arguments, program=program, base=base or free_base()))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + TIMEOUT
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("kind, servers, number", [("single", 1, signal.SIGINT), ("sentinel", 6, signal.SIGTERM),
                                                   ("cluster", 9, signal.SIGHUP)])
def test_starts_and_leaves_nothing(launch, tmp_path, kind, servers, number):
    run = launch("--redis", kind)
    run.until("cluster: ready")
    ports, pids = run.redis_ports(), run.pids()
    assert len(ports) == servers and len(pids) == servers + 3
    assert all(ask(("127.0.0.1", port), "PING") == "PONG" for port in ports)
    for i in range(3):
        socket.create_connection(("127.0.0.1", run.base + i), 5).close()
    for words in (f"sub -p {run.base + 2}", f"pub -p {run.base}", f"ctl --url http://127.0.0.1:{run.base + 16200} status"):
        assert words in run.said
    assert run.end(number) == 0
    assert gone(pids) and all(map(is_free, ports)) and not list(tmp_path.glob("signalbox-cluster-*"))


def test_a_second_start_at_once(launch):
    run = launch()
    run.until("cluster: ready")
    assert run.end() == 0
    again = launch(base=run.base)
    again.until("cluster: ready")
    assert again.end() == 0


def test_says_who_dies_and_goes_on(launch):
    run = launch("--redis", "single", "--nodes", "2")
    run.until("n2:")
    pid = int(run.said.rpartition("pid ")[2])
    run.until("cluster: ready")
    os.kill(pid, signal.SIGKILL)
    run.until("n2 has ended with signal SIGKILL")
    assert ask(("127.0.0.1", run.redis_ports()[0]), "PING") == "PONG"
    socket.create_connection(("127.0.0.1", run.base), 5).close()
    assert run.end() == 0


def test_a_killed_launcher_takes_all_with_it(launch):
    run = launch("--redis", "single")
    run.until("cluster: ready")
    pids = run.pids()
    run.end(signal.SIGKILL)
    assert gone(pids)


def test_a_broker_that_does_not_start(launch, tmp_path):
    run = launch("--redis", "single", refuses="n2")
    run.until("n2 ended with exit code 1 before it said `ready`")
    run.until("this broker does not want to")
    assert run.process.wait(TIMEOUT) == 1
    assert not list(tmp_path.glob("signalbox-cluster-*"))


def test_directory_is_used_again(launch, tmp_path):
    where = tmp_path / "kept"
    for redis in ("single", "cluster"):
        run = launch("--redis", redis, "--dir", where / redis)
        run.until("cluster: ready")
        first = run.redis_ports()
        assert ask(("127.0.0.1", first[0]), "SET", "{06S}", "1") == "OK"  # a slot of the first server
        second = launch("--redis", redis, "--dir", where / redis)
        second.until("another cluster runs in")
        assert run.end() == 0
        again = launch("--redis", redis, "--dir", where / redis)
        again.until("cluster: ready")
        assert again.redis_ports() == first and ask(("127.0.0.1", first[0]), "GET", "{06S}") == "1"
        assert again.end() == 0
    other = launch("--redis", "sentinel", "--dir", where / "single")
    other.until("belongs to --redis single")
    assert other.process.wait(TIMEOUT) == 2


@pytest.mark.parametrize("arguments, words", [
    (["--redis", "two"], "is none of single, sentinel, cluster"), (["--nodes", "0"], "--nodes"), (["--nodes", "x"], "--nodes"),
    (["--port", "60000"], "--port"), (["--shards", "-1"], "--shards"), (["--dir", __file__], "is no directory"),
    (["--what"], "--what"), (["more"], "more")], ids=lambda a: " ".join(a) if isinstance(a, list) else "")
def test_refusals(launch, arguments, words):
    run = launch(*arguments)
    run.until(words)
    assert run.process.wait(TIMEOUT) == 2


def test_a_port_in_use(launch):
    base = free_base()
    with socket.create_server(("127.0.0.1", base + 1)):
        run = launch(base=base)
        run.until(f"port {base + 1} of 127.0.0.1 is in use")
        assert run.process.wait(TIMEOUT) == 2


@pytest.mark.parametrize("kind", ["single", "sentinel", "cluster"])
def test_a_message_from_node_to_node(launch, kind):
    need_redis_store()
    run = launch("--redis", kind, program=brokers.binary())
    run.until("cluster: ready")
    subscriber = subprocess.Popen([brokers.binary(), "sub", "-p", str(run.base + 2), "-t", "hello/#", "-v", "-C", "1", "-d"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in subscriber.stderr:
        if "subscribed to" in line:
            break
    subprocess.run([brokers.binary(), "pub", "-p", str(run.base), "-t", "hello/world", "-m", "hi"], check=True)
    assert subscriber.communicate(timeout=TIMEOUT)[0] == "hello/world hi\n"
    assert run.end() == 0
