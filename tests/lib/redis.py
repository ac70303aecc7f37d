# SPDX-License-Identifier: MIT
"""A redis-server of a test."""
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from .ports import free_ports

START_TIMEOUT = 20


def available() -> bool:
    return shutil.which("redis-server") is not None


class Redis:
    """With its files in a directory of its own. What a test tells it goes over a Unix socket, as the user `default`."""

    def __init__(self, *options: str):
        self._directory = tempfile.TemporaryDirectory(prefix="signalbox-redis-")
        self.port = free_ports(1)[0]
        self._socket = Path(self._directory.name, "socket")
        self._command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--unixsocket",
                         str(self._socket), "--dir", self._directory.name, *options]
        self.start()

    def start(self) -> None:
        """Also again, with the same port and nothing in it."""
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + START_TIMEOUT
        while True:
            try:
                assert self.ask("PING") == "PONG"
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < until, "redis-server does not answer"
                time.sleep(0.01)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.kill()
        self._directory.cleanup()

    def ask(self, *words: str):
        """A status, a text, a number or None; errors fail the test."""
        parts = [word.encode() for word in words]
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(str(self._socket))
            s.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
            with s.makefile("rb") as reader:
                line = reader.readline().decode().rstrip("\r\n")
                kind, rest = line[:1], line[1:]
                assert kind in "+:$", f"{words[0]}: {line}"
                if kind != "$":
                    return int(rest) if kind == ":" else rest
                return None if rest == "-1" else reader.read(int(rest)).decode()
