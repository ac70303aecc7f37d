# SPDX-License-Identifier: MIT
"""Clusters of a test: Redis in one of its topologies, and brokers over it."""
import functools
import subprocess
from pathlib import Path

import pytest

from lib.broker import SANITIZERS, Endpoint, binary
from lib.redis import available
from tools.cluster.broker import Broker, settings_for, wait_healthy
from tools.cluster.parties import Parties
from tools.cluster.ports import free_ports
from tools.cluster.relay import Network
from tools.cluster.topologies import TOPOLOGIES, WRITE_CONCERN
from tools.cluster.topology import Topology

NODES = 3
LEASE = 3  # seconds; short, so that a test can outlast it
KINDS = tuple(TOPOLOGIES)


@functools.cache
def knows_redis() -> bool:
    """The program can be a node of a cluster."""
    command = [str(binary()), "config", "print", "--set", "store.kind=redis", "--set", "redis.url=redis://127.0.0.1:6379"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def need_redis_store() -> None:
    """Skips a test whose brokers need store.kind = "redis" when the program does not know it."""
    if not knows_redis():
        pytest.skip(f'{binary()} does not know store.kind = "redis"')


def need_redis() -> None:
    if not available():
        pytest.skip("there is no redis-server on this machine")


class Cluster:
    """Redis and brokers n1, n2 ... With `relayed`, relays stand between all of them, and between clients and brokers, see
    `network`; the names of its ends are those of the brokers and of `redis.names`, and clients are "outside"."""

    def __init__(self, kind: str, directory: Path, *, relayed: bool = False, nodes: int = NODES,
                 settings: dict[str, object] | None = None, lease: float = LEASE):
        self.kind, self.directory = kind, directory
        self.network = Network(Parties()) if relayed else None
        self.redis: Topology = TOPOLOGIES[kind](directory / "redis", network=self.network)
        self.lease = lease
        self.brokers = [self._broker(f"n{i + 1}", settings or {}) for i in range(nodes)]
        self._doors: dict[str, tuple[str, int]] = {}

    def _broker(self, name: str, settings: dict[str, object]) -> Broker:
        broker = Broker(name, binary(), self.directory, self.settings(name) | settings)
        if self.network:
            self.network.parties.introduce(name, lambda: broker.pid if broker.alive else None)
        return broker

    def settings(self, name: str) -> dict[str, object]:
        """The keys of this broker. Its ports are not the system's choice, so that nobody takes them while it is dead."""
        mqtt, admin = free_ports(2)
        return settings_for(name, self.redis.url, WRITE_CONCERN[self.kind]) | {
            "listeners.mqtt.bind": f"127.0.0.1:{mqtt}", "listeners.ws.bind": "", "admin.bind": f"127.0.0.1:{admin}",
            "node.shards": 1, "cluster.lease": self.lease}

    @property
    def names(self) -> list[str]:
        return [broker.name for broker in self.brokers]

    def start(self) -> None:
        """Returns when everybody is healthy."""
        self.redis.start()
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.wait_ready()
        self.wait_healthy()

    def address(self, broker: Broker) -> tuple[str, int]:
        """Where clients reach this broker, which has started."""
        if not self.network:
            return broker.mqtt
        if broker.name not in self._doors:
            self._doors[broker.name] = self.network.relay(broker.name, broker.mqtt)
        return self._doors[broker.name]

    def at(self, index: int) -> Endpoint:
        """Where the peers of a test connect to node index + 1."""
        return Endpoint({"mqtt": self.address(self.brokers[index])})

    def heal(self, hurry: bool = True) -> None:
        """Lifts every fault and starts who is dead; does not wait."""
        if self.network:
            self.network.heal()
        self.redis.heal(hurry)
        for broker in self.brokers:
            broker.heal()

    def wait_healthy(self) -> None:
        self.redis.wait_healthy()
        wait_healthy(self.brokers)

    def stop(self) -> list[str]:
        """Ends all. What there is to say about how the brokers ended: nothing, when all is well."""
        if self.network:
            self.network.heal()
        for broker in self.brokers:
            broker.terminate()
        ends = [(broker, broker.wait()) for broker in self.brokers if broker.alive or broker.code is not None]
        self.redis.kill_all()
        if self.network:
            self.network.close()
        said = [f"{b.name} ended with {code}:\n{b.tail()}" for b, code in ends if code != 0]
        return said + [f"{b.name}:\n{b.tail(60)}" for b, _ in ends if SANITIZERS.search(b.output())]


def running(directory: Path, kind: str = "single", **options):
    """For a fixture: a cluster while it is used, of which every process ends as it should. Skips where there can be none."""
    need_redis_store()
    need_redis()
    made = Cluster(kind, directory, **options)
    try:
        made.start()
        yield made
    finally:
        ends = made.stop()
    assert not ends, "\n".join(ends)
