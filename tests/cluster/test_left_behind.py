# SPDX-License-Identifier: MIT
"""What a node leaves behind that died, hung or was cut off: the wills of its clients come once, whoever publishes them, and
nothing of what it does later counts."""
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lib.clock import elapse
from lib.cluster import LEASE
from lib.marks import V5
from lib.mqtt import PacketType, Prop, Will
from lib.peer import Peer
from tools.cluster.process import wait_until

SOON = 5 * LEASE  # seconds: a lease that runs out, another that it is missed for, and the clean-up
QUIET = 2  # seconds in which a second one would come


def takes_sessions(cluster, node: int) -> bool:
    peer = cluster.at(node).open(V5)
    peer.send_connect("probe", clean=False, props=[(Prop.SESSION_EXPIRY, 1)])
    with suppress(AssertionError, ConnectionError):
        return peer.expect(PacketType.CONNACK).reason == 0
    return False


def wait_healthy(cluster) -> None:
    cluster.wait_healthy()
    for node in range(3):
        wait_until(lambda: takes_sessions(cluster, node), SOON, f"node {node} took no session")


@pytest.fixture
def cluster(nodes):
    yield nodes
    nodes.heal()
    wait_healthy(nodes)


@pytest.fixture
def connect(cluster, request):
    """connect(node, name, **fields) → a peer that is connected; names are those of the test."""
    peers = []

    def connect(node: int, name: str, **fields) -> Peer:
        peer = cluster.at(node).open(V5)
        peer.connect(f"{request.node.name}-{name}", **fields)
        peers.append(peer)
        return peer
    yield connect
    for peer in peers:
        peer.close()


@pytest.fixture
def topic(request):
    return f"left/{request.node.name}"


class Watchers:
    """Of `topic`: volatile ones on the second and the third node, and a durable one that is away."""

    def __init__(self, connect, topic: str):
        self.connect, self.topic = connect, topic
        self.here = [connect(node, f"watcher{node}") for node in (1, 2)]
        for watcher in self.here:
            watcher.subscribe(f"{topic}/#", qos=1)
        away = connect(1, "away", clean=False)
        away.subscribe(f"{topic}/#", qos=1)
        away.disconnect()

    def see_once(self, *payloads: bytes) -> None:
        for watcher in self.here:
            assert {watcher.receive(timeout=SOON).payload for _ in payloads} == set(payloads)
            watcher.expect_nothing(QUIET)
        self.had(*payloads)

    def see_nothing(self, seconds: float) -> None:
        elapse(seconds)
        for watcher in self.here:
            watcher.expect_nothing()
        self.had()

    def had(self, *payloads: bytes) -> None:
        """By the durable one's log."""
        away = self.connect(1, "away", clean=False)
        assert {away.receive().payload for _ in payloads} == set(payloads)
        away.expect_nothing(1)
        away.disconnect()


def will(topic: str, payload: bytes = b"gone", delay: int = 0, **fields) -> Will:
    return Will(f"{topic}/will", payload, qos=1, props=[(Prop.WILL_DELAY, delay)] if delay else [], **fields)


def stands_still(pid: int) -> bool:
    """All threads of it: a signal takes its time."""
    states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    return set(states) == {"T"}


def buried(cluster, node: int) -> None:
    """The others have cleaned up behind it."""
    redis = cluster.redis.primary_of("sb:{default}:nodes")
    wait_until(lambda: redis.ask("HEXISTS", "sb:{default}:nodes", cluster.brokers[node].name) == 0, SOON, "it was not buried")


def ended(peer: Peer, timeout: float = SOON) -> None:
    with suppress(ConnectionError):
        peer.expect_end(timeout)


def test_clients_of_a_node_that_is_killed(cluster, connect, topic):
    watchers = Watchers(connect, topic)
    connect(0, "a", will=will(topic, b"a"))
    connect(0, "b", will=will(topic, b"b", retain=True))
    connect(0, "left", will=will(topic, b"left in order")).disconnect()
    connect(0, "durable", will=will(topic, b"durable"), clean=False)
    elapse(0.2)
    cluster.brokers[0].kill()
    watchers.see_once(b"a", b"b", b"durable")
    late = connect(2, "late")
    late.subscribe(f"{topic}/will")
    late.receive(f"{topic}/will", b"b", retain=True)


def test_will_delay_counts_from_the_death(cluster, connect, topic):
    watchers = Watchers(connect, topic)
    delay = 2 * SOON
    connect(0, "durable", will=will(topic, b"late", delay), clean=False)
    cluster.brokers[0].kill()
    died = time.monotonic()
    buried(cluster, 0)
    watchers.see_nothing(QUIET)
    packet = watchers.here[0].receive(timeout=delay + SOON)
    assert packet.payload == b"late" and time.monotonic() - died > delay - 1
    watchers.here[1].receive(timeout=SOON)
    for watcher in watchers.here:
        watcher.expect_nothing(QUIET)
    watchers.had(b"late")


def test_clients_that_are_back_before_anybody_noticed(cluster, connect, topic):
    watchers = Watchers(connect, topic)
    connect(0, "volatile", will=will(topic, b"no"))
    connect(0, "plain", will=will(topic, b"no"))
    connect(0, "durable", will=will(topic, b"no", delay=60), clean=False)
    elapse(0.2)
    cluster.brokers[0].kill()
    connect(1, "volatile", will=will(topic, b"no"))
    connect(2, "plain")
    assert connect(2, "durable", clean=False).connack.session_present
    buried(cluster, 0)
    watchers.see_nothing(QUIET)


def test_a_node_that_is_back_before_anybody_noticed(cluster, connect, topic):
    watchers = Watchers(connect, topic)
    connect(0, "a", will=will(topic, b"a"))
    connect(0, "durable", will=will(topic, b"durable"), clean=False)
    elapse(0.2)
    cluster.brokers[0].kill()
    cluster.brokers[0].start()
    watchers.see_once(b"a", b"durable")


@pytest.mark.parametrize("closed", [False, True], ids=["connected", "closed_meanwhile"])
def test_a_node_that_hangs_for_longer_than_its_lease(cluster, connect, topic, closed):
    watchers = Watchers(connect, topic)
    volatile = connect(0, "volatile", will=will(topic, b"volatile"))
    durable = connect(0, "durable", will=will(topic, b"durable"), clean=False)
    durable.subscribe(f"{topic}/to/durable", qos=1)
    elapse(0.2)
    cluster.brokers[0].pause()
    wait_until(lambda: stands_still(cluster.brokers[0].pid), 5, "it went on")
    if closed:  # the first that the node hears when it goes on
        volatile.close()
        durable.close()
    watchers.see_once(b"volatile", b"durable")
    again = connect(1, "durable", clean=False)
    assert again.connack.session_present
    publisher = connect(2, "publisher")
    publisher.publish(f"{topic}/to/durable", b"1", qos=1)
    again.receive(f"{topic}/to/durable", b"1")
    for watcher in watchers.here:
        watcher.receive(payload=b"1")

    cluster.brokers[0].resume()
    if not closed:
        ended(volatile)
        ended(durable)
    wait_healthy(cluster)
    for watcher in watchers.here:
        watcher.expect_nothing(QUIET)
    publisher.publish(f"{topic}/to/durable", b"2", qos=1)
    again.receive(f"{topic}/to/durable", b"2")
    again.expect_nothing()
    watchers.had(b"1", b"2")
    back = connect(0, "durable", clean=False)
    assert back.connack.session_present
    publisher.publish(f"{topic}/to/durable", b"3", qos=1)
    back.receive(f"{topic}/to/durable", b"3")


def test_a_node_that_is_cut_off_from_redis(cluster, connect, topic):
    watchers = Watchers(connect, topic)
    here = connect(0, "here")
    here.subscribe(f"{topic}/#", f"local/{topic}", qos=1)
    stays, breaks = connect(0, "stays", will=will(topic, b"stays")), connect(0, "breaks", will=will(topic, b"breaks"))
    elapse(0.2)
    cluster.network.separate(["n1"], cluster.redis.names)
    elapse(1)  # in which the node notices it
    breaks.reset()
    assert here.receive(timeout=SOON).payload == b"breaks", "its own clients are served"
    stays.publish(f"local/{topic}", b"goes on")
    here.receive(f"local/{topic}", b"goes on")
    watchers.see_once(b"stays", b"breaks")
    here.expect_nothing()
    stays.barrier()
    cluster.network.heal()
    for peer in (here, stays):
        ended(peer)
    wait_healthy(cluster)
    for watcher in watchers.here:
        watcher.expect_nothing(QUIET)
    watchers.had()


def test_redis_alone_is_away(cluster, connect, topic):
    """Nobody is buried, nobody has to go, and what waited is done."""
    watchers = Watchers(connect, topic)
    here, publisher = connect(0, "here", clean=False), connect(0, "publisher", will=will(topic, b"no"))
    breaks = connect(0, "breaks", will=will(topic, b"breaks"))
    here.subscribe(f"{topic}/local")
    elapse(0.2)
    redis = cluster.redis.primary_of("sb:{default}:nodes")
    redis.pause()
    breaks.reset()
    end = time.monotonic() + 2.5 * LEASE
    n = 0
    while time.monotonic() < end:
        publisher.publish(f"{topic}/local", str(n).encode())
        here.receive(f"{topic}/local", str(n).encode())
        n += 1
        elapse(0.2)
    redis.resume()
    wait_healthy(cluster)
    for peer in (here, publisher):
        peer.barrier()
    for watcher in watchers.here:
        while (packet := watcher.receive(timeout=SOON)).topic == f"{topic}/local":
            assert packet.qos == 0
        assert packet.payload == b"breaks"
        watcher.barrier()
    here.subscribe(f"{topic}/more", qos=1)
    watchers.had(b"breaks")
