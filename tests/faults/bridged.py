# SPDX-License-Identifier: MIT
"""What others offer instead of a cluster, for comparison: two Mosquittos with a bridge between them."""
import shutil
import socket
from pathlib import Path

from tools.cluster.ports import free_ports
from tools.cluster.process import Process, StartError, wait_until

KIND = "bridged"
FAULTS = ("broker-kill", "broker-pause", "broker-hiccup", "broker-drain")  # those that need neither Redis nor relays
STARTING = 10  # seconds


class Mosquitto(Process):
    """With durable sessions and everything of QoS 1 and 2 on its disk, saved each second: the shortest that it knows."""

    def __init__(self, name: str, port: int, other: int | None, directory: Path):
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        if not Path(program).exists():
            raise StartError("mosquitto is not installed: ./test installs what the tests need")
        self.port, data = port, directory / name
        data.mkdir(parents=True)
        lines = ["user root", "allow_anonymous true", "set_tcp_nodelay true", "max_queued_messages 0", "persistence true",
                 "autosave_interval 1", f"persistence_location {data}/", f"listener {port} 127.0.0.1"]
        if other:
            lines += ["connection other", f"address 127.0.0.1:{other}", "topic # both 2", "cleansession false",
                      "bridge_protocol_version mqttv50", "try_private true", "restart_timeout 1"]
        (data / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        super().__init__(name, [program, "-c", str(data / "mosquitto.conf")], directory / f"{name}.log")

    def accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def start(self) -> None:
        self.spawn()
        self.wait_for(self.accepts, "accepted connections", STARTING)

    def drain(self) -> int | None:
        self.terminate()
        return self.wait()

    def heal(self) -> None:
        if not self.alive:
            self.start()
        elif self.paused:
            self.resume()


class NoRedis:
    def heal(self, hurry: bool) -> None:
        pass


class Bridged:
    """As lib.cluster.Cluster, in so far as FAULTS need it."""

    kind, network, redis = KIND, None, NoRedis()

    def __init__(self, directory: Path, lease: float):
        self.directory, self.lease = directory, lease
        first, second = free_ports(2)
        self.brokers = [Mosquitto("m1", first, None, directory), Mosquitto("m2", second, first, directory)]

    def start(self) -> None:
        for broker in self.brokers:
            broker.start()
        wait_until(lambda: "Connecting bridge" in self.brokers[1].output(), STARTING, self.brokers[1].tail)

    def address(self, broker: Mosquitto) -> tuple[str, int]:
        return "127.0.0.1", broker.port

    def heal(self, hurry: bool = True) -> None:
        for broker in self.brokers:
            broker.heal()

    def wait_healthy(self) -> None:
        for broker in self.brokers:
            wait_until(broker.accepts, STARTING, broker.tail)

    def stop(self) -> list[str]:
        for broker in self.brokers:
            broker.kill()
        return []
