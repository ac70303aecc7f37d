# SPDX-License-Identifier: MIT
"""What happens to Redis itself. Times are those of its settings: failover after 2 to 4 seconds."""
from faults.catalogue import CLUSTER, WITH_REPLICAS, fault
from faults.scene import Scene
from lib.clock import Stopwatch


@fault(*WITH_REPLICAS)
def redis_kill(s: Scene) -> None:
    """A primary is killed, and a replica takes over; the old one comes back afterwards."""
    old = s.primary()
    old.kill()
    s.redis.await_other_primary(old)
    s.wait(1)


@fault(*WITH_REPLICAS)
def redis_failover(s: Scene) -> None:
    """An operator changes the primary: SENTINEL FAILOVER, or CLUSTER FAILOVER on a replica."""
    s.redis.failover(s.primary())
    s.wait(2)


@fault(CLUSTER)
def redis_takeover(s: Scene) -> None:
    """A replica makes itself the primary without asking (CLUSTER FAILOVER TAKEOVER): what it has not got is gone."""
    s.redis.takeover(s.primary())
    s.wait(2)


@fault(CLUSTER)
def redis_move_slots(s: Scene) -> None:
    """For four seconds slots that hold keys move from primary to primary, key by key."""
    watch = Stopwatch()
    while watch.seconds() < 4:
        source, target = s.random.sample(s.redis.primaries(), 2)
        slots = s.redis.slots_in_use(source, 1000)
        s.redis.move_slots(s.random.sample(slots, min(20, len(slots))), source, target)
        s.wait(0.1)


@fault(*WITH_REPLICAS)
def redis_pause(s: Scene) -> None:
    """A primary hangs until a replica has taken over, and then goes on and takes itself for the primary still."""
    old = s.primary()
    old.pause()
    s.redis.await_other_primary(old)
    s.wait(1)
    old.resume()
    s.wait(1)


@fault()
def redis_hiccup(s: Scene) -> None:
    """A primary hangs for a second: too short for a failover."""
    old = s.primary()
    old.pause()
    s.wait(1)
    old.resume()
    s.wait(1)


@fault(*WITH_REPLICAS)
def redis_island(s: Scene) -> None:
    """A primary is cut off from all other Redis servers, Sentinels and brokers but one, which goes on writing to it while
    the others have a new one."""
    old = s.primary()
    others = [name for name in s.redis.names + s.cluster.names if name not in (old.name, s.broker.name)]
    s.network.separate([old.name], others)
    s.redis.await_other_primary(old)
    s.wait(2)
    s.network.heal()
    s.wait(1)


@fault()
def redis_restart(s: Scene) -> None:
    """A primary is killed and comes back with what its AOF has before anybody takes over."""
    s.redis.restart(s.primary())
    s.wait(2)


@fault()
def redis_restart_empty(s: Scene) -> None:
    """A primary is killed and comes back with nothing before anybody takes over; its replicas follow it in that."""
    s.redis.restart(s.primary(), empty=True)
    s.wait(2)


@fault()
def redis_flush(s: Scene) -> None:
    """All Redis servers with data are killed and come back with nothing."""
    s.redis.restart_all(empty=True)
    s.wait(2)


@fault()
def redis_full(s: Scene) -> None:
    """For three seconds Redis has no memory left and refuses writes with OOM."""
    s.redis.fill_up()
    s.wait(3)
    s.redis.set_maxmemory(0)
    s.wait(1)


@fault()
def redis_scripts(s: Scene) -> None:
    """For three seconds the scripts are flushed twenty times a second."""
    watch = Stopwatch()
    while watch.seconds() < 3:
        s.redis.flush_scripts()
        s.wait(0.05)
