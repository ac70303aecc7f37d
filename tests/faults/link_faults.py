# SPDX-License-Identifier: MIT
"""The lines between brokers, Redis and clients break and get bad. What is held back arrives when they are whole again."""
from faults.catalogue import WITH_REPLICAS, fault
from faults.scene import Scene
from tools.cluster.parties import OUTSIDE

DELAY = 0.1   # seconds each way: an answer takes 200 ms
LOSS = 0.05


def outlast(s: Scene) -> None:
    """Until the broker's lease is over, then heals the lines."""
    s.wait(s.outlasting)
    s.network.heal()
    s.wait(1)


@fault()
def cut_redis(s: Scene) -> None:
    """A broker is cut off from all of Redis for longer than its lease."""
    s.network.separate([s.broker.name], s.redis.names)
    outlast(s)


@fault()
def cut_to_redis(s: Scene) -> None:
    """Nothing that a broker sends reaches Redis for longer than its lease; what was on its way arrives afterwards."""
    s.network.cut([s.broker.name], s.redis.names)
    outlast(s)


@fault()
def cut_from_redis(s: Scene) -> None:
    """What a broker sends reaches Redis, but no answer comes back for longer than its lease."""
    s.network.cut(s.redis.names, [s.broker.name])
    outlast(s)


@fault()
def cut_clients(s: Scene) -> None:
    """A broker is cut off from its clients for three seconds; some come back to it, some connect to another."""
    s.network.separate([s.broker.name], [OUTSIDE])
    s.wait(3)
    s.network.heal()
    s.wait(1)


@fault()
def slow_redis(s: Scene) -> None:
    """For five seconds every answer of Redis takes 200 ms."""
    s.network.slow(s.cluster.names, s.redis.names, DELAY)
    s.network.slow(s.redis.names, s.cluster.names, DELAY)
    s.wait(5)


@fault()
def lossy_redis(s: Scene) -> None:
    """For five seconds one packet in twenty between brokers and Redis is lost, and comes as late as TCP makes it."""
    s.network.lossy(s.cluster.names, s.redis.names, LOSS)
    s.network.lossy(s.redis.names, s.cluster.names, LOSS)
    s.wait(5)


@fault(*WITH_REPLICAS)
def slow_replicas(s: Scene) -> None:
    """For five seconds replicas are 300 ms behind their primary."""
    names = [server.name for server in s.redis.servers]
    s.network.slow(names, names, 1.5 * DELAY)
    s.wait(5)
