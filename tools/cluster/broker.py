# SPDX-License-Identifier: MIT
"""One node: `signalbox broker` as a process."""
import http.client
import re
import socket
from pathlib import Path

from .process import Process, wait_until

# CONNECT of MQTT 3.1.1, clean session, keep alive 10 s, with an id that the broker chooses.
CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00"
ACCEPTED = b"\x20\x02\x00\x00"
LISTENING = re.compile(r"^listening (\S+) (\S+):(\d+)$", re.MULTILINE)
DRAIN_TIMEOUT = 30  # seconds


class Broker(Process):
    """Listens on 127.0.0.1. `settings` are configuration keys with their values; ports of 0 are chosen by the system at
    the first start and kept for the next ones."""

    def __init__(self, name: str, program: Path, directory: Path, settings: dict[str, object]):
        self.directory, self.settings = directory, settings
        self.ports: dict[str, int] = {}
        self._program = program
        super().__init__(name, [], directory / f"{name}.log")

    @property
    def mqtt(self) -> tuple[str, int]:
        """Where clients connect; known once it has started."""
        return "127.0.0.1", self.ports["mqtt"]

    def start(self) -> None:
        """Returns once it says `ready`; a StartError says what it printed instead."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Starts it and does not wait."""
        kept = {f"listeners.{name}.bind" if name != "admin" else "admin.bind": f"127.0.0.1:{port}"
                for name, port in self.ports.items()}
        settings = self.settings | {key: bind for key, bind in kept.items() if key in self.settings}
        self.command = [str(self._program), "broker"]
        for key, value in settings.items():
            self.command += ["--set", f"{key}={value}"]
        self.spawn()

    def wait_ready(self) -> None:
        self.wait_for(lambda: re.search(r"^ready$", self.output(), re.MULTILINE), "said `ready`")
        self.ports = {name: int(port) for name, _, port in LISTENING.findall(self.output())}

    def drain(self) -> int | None:
        """SIGTERM, and its exit code; one that takes too long is killed, and that is None."""
        self.terminate()
        return self.wait(DRAIN_TIMEOUT)

    def heal(self) -> None:
        """Resumes or starts it; does not wait."""
        if self.paused:
            self.resume()
        if not self.alive:
            self.launch()

    def healthy(self) -> bool:
        """It runs, takes clients and says itself that it is well (GET /ready), if it has an admin listener."""
        return self.alive and not self.paused and self.accepts() and ("admin" not in self.ports or self.status("/ready") == 200)

    def accepts(self) -> bool:
        """A client gets a CONNACK."""
        try:
            with socket.create_connection(self.mqtt, 1) as s:
                s.sendall(CONNECT)
                return s.recv(4, socket.MSG_WAITALL) == ACCEPTED
        except OSError:
            return False

    def status(self, path: str) -> int | None:
        """The HTTP status with which the admin listener answers; None = it does not."""
        try:
            return self._get(path)[0]
        except (OSError, http.client.HTTPException):
            return None

    def get(self, path: str) -> str:
        return self._get(path)[1]

    def _get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["admin"], timeout=2)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


def wait_healthy(brokers: list[Broker], timeout: float = 40) -> None:
    for broker in brokers:
        if not broker.ports:
            broker.wait_ready()
    wait_until(lambda: all(b.healthy() for b in brokers), timeout,
               lambda: "not healthy: " + ", ".join(f"{b.name}\n{b.tail()}" for b in brokers if not b.healthy()), every=0.1)


def settings_for(name: str, redis_url: str, write_concern: str | None = None) -> dict[str, object]:
    """The keys that make a broker a node of a cluster."""
    keys: dict[str, object] = {"node.name": name, "store.kind": "redis", "redis.url": redis_url}
    return keys | ({"store.write_concern": write_concern} if write_concern else {})
