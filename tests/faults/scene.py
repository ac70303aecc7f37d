# SPDX-License-Identifier: MIT
"""What a fault has to work with: a cluster under load, and chance that a seed repeats."""
import random
import time

from lib.cluster import Cluster
from tools.cluster.broker import Broker
from tools.cluster.process import describe
from tools.cluster.server import Server


class Scene:
    def __init__(self, cluster: Cluster, seed: int):
        self.cluster, self.redis, self.network = cluster, cluster.redis, cluster.network
        self.lease, self.random = cluster.lease, random.Random(seed)
        self.broker: Broker = self.random.choice(cluster.brokers)  # the victim, if it is a broker's turn
        self.complaints: list[str] = []
        self._ended: set[str] = set()  # brokers that were ended on purpose

    @property
    def outlasting(self) -> float:
        """Seconds after which a lease is over for everybody."""
        return self.lease * 1.5 + 0.5

    def primary(self) -> Server:
        """The victim, if it is the turn of a Redis that takes writes."""
        return self.random.choice(self.redis.primaries())

    def wait(self, seconds: float) -> None:
        """Lets the fault last, or the time between two of its steps pass."""
        time.sleep(seconds)

    def kill(self, broker: Broker) -> None:
        self._ended.add(broker.name)
        broker.kill()

    def drain(self, broker: Broker) -> None:
        """Ends it as an operator would."""
        self._ended.add(broker.name)
        code = broker.drain()
        if code != 0:
            self.complain(f"{broker.name} was asked to end, and ended with {describe(code)}:\n{broker.tail()}")

    def complain(self, text: str) -> None:
        self.complaints.append(text)

    def look_for_crashes(self) -> None:
        """Brokers that have ended, although nobody has ended them."""
        for broker in self.cluster.brokers:
            if not broker.alive and broker.name not in self._ended:
                self._ended.add(broker.name)
                self.complain(f"{broker.name} has died by itself, with {describe(broker.code)}:\n{broker.tail()}")
