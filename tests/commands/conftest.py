# SPDX-License-Identifier: MIT
"""Runs the commands of the program, against our broker and against mosquitto."""
import contextlib
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from lib import broker as brokers
from lib.ports import free_ports

TIMEOUT = 20


class Running:
    """A command that was started; its output is gathered as it comes."""

    def __init__(self, *arguments, stdin=subprocess.DEVNULL):
        self.process = subprocess.Popen([str(brokers.binary()), *map(str, arguments)], stdin=stdin,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.out, self.err = b"", b""
        self._threads = [threading.Thread(target=self._gather, args=(name,), daemon=True) for name in ("out", "err")]
        for thread in self._threads:
            thread.start()

    def _gather(self, name):
        stream = getattr(self.process, f"std{name}")
        while data := stream.read1(65536):
            setattr(self, name, getattr(self, name) + data)

    def until(self, condition, what="what was expected"):
        end = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < end, f"{what} did not come; stdout {self.out[-2000:]!r}, stderr {self.err[-2000:]!r}"
            time.sleep(0.005)
        return self

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def end(self) -> int:
        """Waits for its end; the exit code."""
        if self.process.stdin:
            self.process.stdin.close()
        code = self.process.wait(TIMEOUT)
        for thread in self._threads:
            thread.join(TIMEOUT)
        return code

    def ended(self, code=0) -> bytes:
        """Waits for its end with this exit code; what it wrote to stdout."""
        got = self.end()
        assert got == code, f"exit code {got}: {self.err.decode(errors='replace')}"
        assert not brokers.SANITIZERS.search(self.err.decode(errors="replace")), self.err.decode(errors="replace")
        return self.out


@pytest.fixture
def start():
    """Starts commands and ends what a test leaves behind."""
    started = []

    def one(*arguments, **options) -> Running:
        started.append(Running(*arguments, **options))
        return started[-1]

    yield one
    for command in started:
        if command.process.poll() is None:
            command.process.kill()
            command.process.wait()


@pytest.fixture
def run(start):
    """Runs a command to its end: run("pub", ..., code=1) gives stdout and stderr as text."""

    def one(*arguments, code=0, stdin=None):
        command = start(*arguments, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
        if stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                command.write(stdin)
        command.ended(code)
        return command.out.decode(errors="replace"), command.err.decode(errors="replace")

    return one


@pytest.fixture
def nobody() -> int:
    """A port on which nothing listens."""
    return free_ports(1)[0]


class Server:
    """A broker with all its listeners. `port["mqtt"]`, "mqtts", "ws", "wss" and "auth", where alice's password is secret;
    `path`: a unix socket, or None."""

    def __init__(self, authority):
        self.authority, self.port, self.path, self.pid = authority, {}, None, 0

    def at(self, listener="mqtt") -> list[str]:
        return ["-p", str(self.port[listener])]


class Mosquitto(Server):
    def __init__(self, authority, folder: Path):
        super().__init__(authority)
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        cert, key = authority.issue("localhost")
        ports = free_ports(5)
        self.port = dict(zip(("mqtt", "mqtts", "ws", "wss", "auth"), ports))
        self.path = str(folder / "mqtt.sock")
        passwords = folder / "passwords"
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "alice", "secret"], check=True)
        tls = f"certfile {cert}\nkeyfile {key}\ncafile {authority.cert}\n"
        anonymous = "allow_anonymous true\n"
        self.config = folder / "mosquitto.conf"
        self.config.write_text(
            "user root\nper_listener_settings true\nset_tcp_nodelay true\nmax_queued_messages 0\n"
            + f"listener {self.port['mqtt']} 127.0.0.1\n{anonymous}"
            + f"listener {self.port['mqtts']} 127.0.0.1\n{anonymous}{tls}"
            + f"listener {self.port['ws']} 127.0.0.1\nprotocol websockets\n{anonymous}"
            + f"listener {self.port['wss']} 127.0.0.1\nprotocol websockets\n{anonymous}{tls}"
            + f"listener {self.port['auth']} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
            + f"listener 0 {self.path}\n{anonymous}")
        self.command = [program, "-c", str(self.config)]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        end = time.monotonic() + TIMEOUT
        for port in self.port.values():
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert time.monotonic() < end and self.process.poll() is None, "mosquitto did not start"
                    time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        self.process.wait(TIMEOUT)


class Signalbox(Server):
    def __init__(self, authority, folder: Path):
        super().__init__(authority)
        cert, key = authority.issue("localhost")
        tls = {f"listeners.{kind}.{name}": value for kind in ("mqtts", "wss") for name, value in (("cert", cert), ("key", key))}
        anywhere = {f"listeners.{kind}.bind": "127.0.0.1:0" for kind in ("mqtt", "mqtts", "ws", "wss")}
        self.broker = brokers.Broker(anywhere | tls)
        self.port = {name: address[1] for name, address in self.broker.listeners.items()}
        self.pid = self.broker.process.pid

    def stop(self):
        self.broker.stop()


KINDS = {"mosquitto": Mosquitto, "signalbox": Signalbox}


@pytest.fixture(scope="session", params=KINDS)
def server(request, authority, tmp_path_factory):
    """Each of the brokers."""
    one = KINDS[request.param](authority, tmp_path_factory.mktemp(request.param))
    yield one
    one.stop()


@pytest.fixture
def mosquitto(authority, tmp_path):
    """A mosquitto of its own, which a test may stop and start."""
    one = Mosquitto(authority, tmp_path)
    yield one
    one.stop()


@pytest.fixture
def subscribed(start, server):
    """Starts `sub` on the shared broker; returns when the broker has accepted its subscriptions."""

    def one(*arguments, at="mqtt") -> Running:
        command = start("sub", *server.at(at), "-d", *arguments)
        return command.until(lambda: b"subscribed to" in command.err, "the SUBACK")

    return one


class ScriptedPeer:
    """A listener that answers each connection's first packets with given bytes, one after the other."""

    def __init__(self, *scripts: list[bytes]):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.received: list[bytes] = []
        threading.Thread(target=self._serve, args=(scripts,), daemon=True).start()

    def _serve(self, scripts):
        with contextlib.suppress(OSError):
            for script in scripts:
                connection, _ = self.listener.accept()
                with connection:
                    for answer in script:
                        data = connection.recv(65536)
                        self.received.append(data)
                        connection.sendall(answer)
                    if script:
                        while data := connection.recv(65536):
                            self.received.append(data)

    def close(self):
        self.listener.close()


@pytest.fixture
def scripted():
    peers = []

    def one(*scripts: list[bytes]) -> ScriptedPeer:
        peers.append(ScriptedPeer(*scripts))
        return peers[-1]

    yield one
    for peer in peers:
        peer.close()
