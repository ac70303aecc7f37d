# SPDX-License-Identifier: MIT
"""One redis-server, or one Sentinel, on 127.0.0.1."""
import shutil
import subprocess
import time
from pathlib import Path

from . import resp
from .process import STOP_TIMEOUT, Process, StartError
from .resp import Address

# PROTOCOLS, section 14. A stream with one small entry would take 4.4 KB without the last one.
SETTINGS = {"appendonly": "yes", "appendfsync": "everysec", "save": '""', "maxmemory-policy": "noeviction",
            "repl-diskless-sync-delay": "0", "stream-node-max-bytes": "512"}
WITH_REPLICAS = {"min-replicas-to-write": "1", "min-replicas-max-lag": "2"}
PATIENCE = 1.0  # seconds for a question, so that a paused server holds up nobody


def program() -> str:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    raise StartError("there is no redis-server (nor valkey-server) on this machine")


class Server(Process):
    """With its files in `directory`. `address` is its own; `announced` is the one that it tells others, which may lead
    through a relay.

    Its configuration file is written when there is none: Redis and Sentinel change theirs, and a restart goes by that.
    """

    def __init__(self, name: str, directory: Path, port: int, announced: Address | None = None, sentinel: bool = False):
        self.directory, self.address, self.config = directory, ("127.0.0.1", port), directory / "redis.conf"
        self.announced = announced or self.address
        self._connection: resp.Connection | None = None
        super().__init__(name, [program(), str(self.config)] + ["--sentinel"] * sentinel, directory / "log")

    def write_config(self, settings: dict[str, str] | list[str]) -> None:
        """`settings`: names with values, or whole lines."""
        if self.config.exists():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        lines = [f"port {self.address[1]}", "bind 127.0.0.1", f'dir "{self.directory.resolve()}"', "protected-mode no"]
        lines += [f"{name} {value}" for name, value in settings.items()] if isinstance(settings, dict) else settings
        self.config.write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        """Returns once it answers; it may still be loading."""
        self._hang_up()
        self.spawn()
        self.wait_for(self.answers, "answered a PING")

    def ask(self, *words, timeout: float = PATIENCE):
        """On a connection that is kept; an OSError when the server does not answer in time."""
        if not self._connection:
            self._connection = resp.Connection(self.address, timeout)
        try:
            return self._connection.ask(*words, timeout=timeout)
        except OSError:
            self._hang_up()
            raise

    def _hang_up(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def wait(self, timeout: float = STOP_TIMEOUT) -> int | None:
        """While it writes its first AOF, as a replica that has just followed does, it refuses to end, and goes on."""
        end = time.monotonic() + timeout
        while self.alive and time.monotonic() < end:
            try:
                return self._child.wait(0.3)
            except subprocess.TimeoutExpired:
                self.terminate()
        return super().wait(0.1)

    def kill(self) -> None:
        super().kill()
        self._hang_up()

    def answers(self) -> bool:
        """To anything, be it LOADING."""
        try:
            self.ask("PING")
        except resp.ReplyError:
            pass
        except OSError:
            return False
        return True

    def info(self, section: str) -> dict[str, str]:
        return resp.info(self.ask("INFO", section))

    def configure(self, name: str, value) -> None:
        self.ask("CONFIG", "SET", name, value)

    def empty(self) -> None:
        """Deletes what a server that does not run has stored: AOF and RDB. Its part in the cluster stays known to it."""
        assert not self.alive, f"{self.name} is running"
        shutil.rmtree(self.directory / "appendonlydir", ignore_errors=True)  # since Redis 7
        for name in ("appendonly.aof", "dump.rdb"):
            (self.directory / name).unlink(missing_ok=True)
