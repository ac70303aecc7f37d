# SPDX-License-Identifier: MIT
"""What tools/cluster does to Redis really happens to it."""
import time

import pytest

from tools.cluster.process import wait_until
from tools.cluster.redis_cluster import slot_of
from tools.cluster.resp import Connection, ReplyError, ask

SOON = 15  # seconds


@pytest.fixture
def redis(redis):
    yield redis
    redis.network.heal()
    redis.heal(hurry=True)
    redis.wait_healthy()


@pytest.fixture
def sentinel(sentinel):
    yield sentinel
    sentinel.network.heal()
    sentinel.heal(hurry=True)
    sentinel.wait_healthy()


@pytest.fixture
def redis_cluster(redis_cluster):
    yield redis_cluster
    redis_cluster.network.heal()
    redis_cluster.heal(hurry=True)
    redis_cluster.wait_healthy()


def set_and_copy(redis, key: str, value: str) -> None:
    """Every replica has it."""
    with Connection(redis.primary_of(key).address) as one:
        one.ask("SET", key, value)
        replicas = len(redis.replicas(redis.primary_of(key)))
        assert one.ask("WAIT", replicas, 5000) == replicas


def read(redis, key: str):
    return redis.primary_of(key).ask("GET", key)


def refused(server, *words) -> str:
    """The error with which it answers."""
    with pytest.raises(ReplyError) as error:
        server.ask(*words)
    return str(error.value)


def answer_of(server, *words) -> str:
    try:
        return str(server.ask(*words))
    except ReplyError as error:
        return str(error)


def test_settings(redis):
    """PROTOCOLS, section 14."""
    primary = redis.primary()
    wanted = {"appendonly": "yes", "maxmemory-policy": "noeviction", "repl-diskless-sync-delay": "0"}
    if redis.replicas():
        wanted |= {"min-replicas-to-write": "1", "min-replicas-max-lag": "2"}
    for name, value in wanted.items():
        assert primary.ask("CONFIG", "GET", name) == [name, value]


def test_url(redis):
    scheme, _, rest = redis.url.partition("://")
    hosts = rest.partition("/")[0].split(",")
    assert scheme == {"single": "redis", "sentinel": "redis+sentinel", "cluster": "redis+cluster"}[redis.kind]
    for host in hosts:
        name, _, port = host.rpartition(":")
        assert ask((name, int(port)), "PING") == "PONG"


def test_restart_keeps_what_was_written(redis):
    set_and_copy(redis, "kept", "1")
    redis.restart_all()
    redis.wait_healthy()
    assert read(redis, "kept") == "1"


def test_restart_empty(redis):
    set_and_copy(redis, "gone", "1")
    redis.restart_all(empty=True)
    redis.wait_healthy()
    assert read(redis, "gone") is None
    assert all(server.ask("DBSIZE") == 0 for server in redis.servers)


def test_primary_that_returns_empty_empties_its_replicas(sentinel):
    set_and_copy(sentinel, "gone", "1")
    primary = sentinel.primary()
    sentinel.restart(primary, empty=True)
    sentinel.wait_healthy()
    assert sentinel.primary() is primary and all(s.ask("DBSIZE") == 0 for s in sentinel.servers)


def test_full(redis):
    primary = redis.primary_of("full")
    redis.fill_up()
    assert refused(primary, "SET", "full", "1").startswith("OOM")
    redis.heal()
    assert primary.ask("SET", "full", "1") == "OK"


def test_flush_scripts(redis):
    primary = redis.primary()
    sha = primary.ask("SCRIPT", "LOAD", "return 1")
    assert primary.ask("EVALSHA", sha, 0) == 1
    redis.flush_scripts()
    assert refused(primary, "EVALSHA", sha, 0).startswith("NOSCRIPT")


def test_pause(redis):
    primary = redis.primary()
    primary.pause()
    with pytest.raises(OSError):
        primary.ask("PING", timeout=0.3)
    primary.resume()
    assert primary.ask("PING") == "PONG"


@pytest.mark.parametrize("topology", ["sentinel", "redis_cluster"])
def test_manual_failover(request, topology):
    redis = request.getfixturevalue(topology)
    set_and_copy(redis, "kept", "1")
    old = redis.primary()
    new = redis.failover()
    assert new is not old and new.ask("ROLE")[0] == "master" and new is redis.primary()
    wait_until(lambda: read(redis, "kept") == "1", SOON, "the new primary has not what the old one had")


@pytest.mark.parametrize("topology", ["sentinel", "redis_cluster"])
def test_killed_primary_is_replaced(request, topology):
    redis = request.getfixturevalue(topology)
    set_and_copy(redis, "kept", "1")
    old = redis.primary_of("kept")
    old.kill()
    new = redis.await_other_primary(old)
    assert new is not old and new.ask("GET", "kept") == "1"
    redis.heal(hurry=True)
    redis.wait_healthy()
    assert old.ask("ROLE")[0] == "slave"


def test_takeover_loses_what_the_replica_had_not(redis_cluster):
    key, primary = "lost", redis_cluster.primary_of("lost")
    replicas = redis_cluster.replicas(primary)
    ends = [r.name for r in replicas]
    redis_cluster.network.cut([primary.name], ends)
    primary.ask("SET", key, "1")
    new = redis_cluster.takeover(primary)
    redis_cluster.network.heal()
    redis_cluster.wait_healthy()
    assert new in replicas and redis_cluster.primary_of(key) is new and read(redis_cluster, key) is None


def test_move_slots(redis_cluster):
    source, _, target = redis_cluster.primaries()
    owned = redis_cluster.owned(source)
    mine = [key for key in map(str, range(200)) if slot_of(key) in owned][:20]
    for key in mine:
        source.ask("SET", key, key)
    slots = redis_cluster.slots_in_use(source, 10)
    assert len(slots) == 10 and redis_cluster.move_slots(slots, source, target) >= 10
    redis_cluster.wait_healthy()
    for key in mine:
        moved = slot_of(key) in slots
        assert redis_cluster.primary_of(key) is (target if moved else source) and read(redis_cluster, key) == key
        if moved:
            assert refused(source, "GET", key) == "MOVED {} {}:{}".format(slot_of(key), *target.announced)


def test_island(sentinel):
    """The primary is cut off from everybody but us: it takes no writes after a while, and another one is made."""
    old = sentinel.primary()
    sentinel.network.separate([old.name], [n for n in sentinel.names if n != old.name])
    assert old.ask("SET", "stale", "1") == "OK"
    new = sentinel.await_other_primary(old)
    assert old.ask("ROLE")[0] == new.ask("ROLE")[0] == "master"
    deadline = time.monotonic() + SOON
    while not (answer := answer_of(old, "SET", "stale", "2")).startswith("NOREPLICAS"):
        assert time.monotonic() < deadline, answer
    sentinel.network.heal()
    sentinel.heal(hurry=True)
    sentinel.wait_healthy()
    assert sentinel.primary() is new and read(sentinel, "stale") is None


@pytest.mark.parametrize("key", ["", "123456789", "{123456789}x", "a{12}345", "a{}b", "{", "a{{b}}c", "sb:{l:ä}:p"])
def test_slot_of(redis_cluster, key):
    assert slot_of(key) == redis_cluster.servers[0].ask("CLUSTER", "KEYSLOT", key)
