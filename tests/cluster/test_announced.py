# SPDX-License-Identifier: MIT
"""A broker of ours that asks Redis for users, behind the relays: it finds every server of each topology by the addresses that
they announce, and is cut off from all of them when its lines are cut."""
import itertools
import time

import pytest

from lib.broker import Endpoint, binary
from lib.marks import V5
from lib.mqtt import PacketType
from tools.cluster.broker import Broker
from tools.cluster.parties import OUTSIDE
from tools.cluster.process import describe, wait_until

UNKNOWN_USER, UNAVAILABLE = 0x86, 0x88
SOON = 20  # seconds
names = map("user{}".format, itertools.count())


@pytest.fixture
def broker(redis, tmp_path):
    made = Broker("n1", binary(), tmp_path, {
        "store.kind": "memory", "listeners.mqtt.bind": "127.0.0.1:0", "listeners.ws.bind": "", "admin.bind": "", "node.shards": 1,
        "auth.redis.url": redis.url, "auth.redis.timeout": "500ms", "auth.allow_anonymous": "no"})
    redis.network.parties.introduce("n1", lambda: made.pid if made.alive else None)
    made.start()
    yield made
    redis.network.heal()
    code = made.drain()
    assert code == 0, f"{describe(code)}:\n{made.tail()}"
    redis.heal(hurry=True)
    redis.wait_healthy()


def answer(broker) -> int:
    """To somebody whom Redis has to be asked for: the reason code of CONNACK."""
    peer = Endpoint({"mqtt": broker.mqtt}).open(V5)
    name = next(names)
    peer.send_connect(name, username=name, password=b"?")
    reason = peer.expect(PacketType.CONNACK, timeout=SOON).reason
    peer.close()
    return reason


def becomes(broker, wanted: int) -> None:
    deadline = time.monotonic() + SOON
    while (seen := answer(broker)) != wanted:
        assert time.monotonic() < deadline, f"CONNACK with {seen:#x} instead of {wanted:#x}"
        time.sleep(0.1)


def test_all_lines_of_a_broker_are_cut(redis, broker):
    network = redis.network
    becomes(broker, UNKNOWN_USER)
    assert sum(network.connections("n1", name) for name in redis.names) > 0
    wait_until(lambda: sum(network.connections(OUTSIDE, name) for name in redis.names) == 0, SOON,
               "not all connections were recognized")  # those of the launcher end soon
    for ends in ([(["n1"], redis.names), (redis.names, ["n1"])], [(["n1"], redis.names)], [(redis.names, ["n1"])]):
        for senders, receivers in ends:
            network.cut(senders, receivers)
        assert answer(broker) == UNAVAILABLE
        redis.wait_healthy()  # nobody else was cut off
        network.heal()
        becomes(broker, UNKNOWN_USER)


@pytest.mark.parametrize("redis", ["sentinel", "cluster"], indirect=True, scope="module")
def test_the_new_primary_is_found(redis, broker):
    becomes(broker, UNKNOWN_USER)
    old = redis.primary()
    old.kill()
    new = redis.await_other_primary(old)
    while not redis.network.connections("n1", new.name):
        becomes(broker, UNKNOWN_USER)
    becomes(broker, UNKNOWN_USER)
