# SPDX-License-Identifier: MIT
"""`$share` groups whose members are connected to different nodes: each message goes to one member of all nodes, and to another
one when that is lost; a group outlives the node that hands it out."""
import itertools
import threading
import time

import pytest

from lib.cluster import running
from lib.marks import V5
from lib.mqtt import PacketType as T

SOON = 20  # seconds
QUIET = 0.5  # seconds in which what should not come would come
LOAD = 2  # seconds of traffic before something happens
topics = map("group{}/t".format, itertools.count())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    yield from running(tmp_path_factory.mktemp("groups"))


@pytest.fixture
def nodes(cluster):
    yield cluster
    cluster.heal()
    cluster.wait_healthy()


@pytest.fixture
def topic():
    return next(topics)


class Member:
    """Acknowledges all that it gets, and notes it. What it has acknowledged the broker has read when `stop` returns."""

    def __init__(self, endpoint, name: str, topic: str, *, qos: int = 1, durable: bool = True):
        self.name, self.topic, self.qos, self.durable = name, topic, qos, durable
        self.got: list[bytes] = []
        self._known: set[int] = set()  # packet ids of QoS 2 between PUBLISH and PUBREL: a repeat is the same message
        self._come(endpoint)

    def _come(self, endpoint) -> None:
        self.peer = endpoint.open(V5)
        self.peer.connect(self.name, clean=not self.durable, expiry=1000 if self.durable else None)
        self.peer.send_subscribe([(f"$share/g/{self.topic}", self.qos)])
        self._end, self._subscribed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self._subscribed.wait(SOON), "no SUBACK"

    def _read(self) -> None:
        try:
            while not self._end.is_set():
                try:
                    packet = self.peer.recv(0.1)
                except (TimeoutError, AssertionError):
                    continue
                if packet.type == T.PUBLISH:
                    if packet.pid not in self._known or packet.qos != 2:
                        self.got.append(packet.payload)
                    if packet.qos == 2:
                        self._known.add(packet.pid)
                    if packet.qos:
                        self.peer.send_ack(T.PUBREC if packet.qos == 2 else T.PUBACK, packet.pid)
                elif packet.type == T.SUBACK:
                    self._subscribed.set()
                elif packet.type == T.PUBREL:
                    self._known.discard(packet.pid)
                    self.peer.send_ack(T.PUBCOMP, packet.pid)
        except (ConnectionError, EOFError, OSError):
            pass

    def stop(self) -> None:
        self._end.set()
        self._thread.join()
        self.peer.close()

    def move(self, endpoint) -> None:
        self.stop()
        self._come(endpoint)


def members(nodes, topic, per_node=1, **options) -> list[list[Member]]:
    return [[Member(nodes.at(i), f"{topic} {i} {k}", topic, **options) for k in range(per_node)] for i in range(3)]


def flat(groups):
    return [m for group in groups for m in group]


def received(all_members) -> list[bytes]:
    return [payload for m in all_members for payload in m.got]


def wait_for(all_members, wanted: set[bytes], seconds: float = SOON) -> None:
    deadline = time.monotonic() + seconds
    while missing := wanted - set(received(all_members)):
        assert time.monotonic() < deadline, f"{len(missing)} of {len(wanted)} did not come"
        time.sleep(0.05)


def publish(endpoint, topic, count, qos=1, prefix=b"") -> set[bytes]:
    peer = endpoint.open(V5)
    peer.connect()
    sent = [prefix + b"%d" % i for i in range(count)]
    for payload in sent:
        peer.publish(topic, payload, qos=qos)
    peer.disconnect()
    return set(sent)


def owner(nodes, topic) -> int:
    """Index of the node that hands the group out: it has claimed its session."""
    words = nodes.redis.primary().ask("HGET", f"sb:{{s:%00$share/g/{topic}}}", "o")
    return nodes.names.index((words.decode() if isinstance(words, bytes) else words).split()[-1])


@pytest.mark.parametrize("durable", [False, True], ids=["volatile", "durable"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_each_message_goes_to_one_member_of_all_nodes(nodes, topic, qos, durable):
    groups = members(nodes, topic, per_node=2, qos=qos, durable=durable)
    sent = set()
    for i in range(3):
        sent |= publish(nodes.at(i), topic, 60, qos, prefix=b"%d." % i)
    wait_for(flat(groups), sent)
    time.sleep(QUIET)
    for m in flat(groups):
        m.stop()
    got = received(flat(groups))
    assert len(got) == len(sent), f"{len(got) - len(sent)} came twice"
    if qos < 2 or not durable:  # QoS 2 of a group with a log stays on the node of its owner
        assert all(received(group) for group in groups), [len(received(g)) for g in groups]


def test_what_a_member_has_not_acknowledged_goes_to_another_node(nodes, topic):
    silent = nodes.at(0).open(V5)
    silent.connect("silent " + topic, clean=False, expiry=1000)
    silent.subscribe(f"$share/g/{topic}", qos=1)
    publish(nodes.at(1), topic, 10)
    for _ in range(10):
        silent.expect(T.PUBLISH)
    other = Member(nodes.at(2), "other " + topic, topic)
    time.sleep(QUIET)
    assert not other.got
    silent.close()
    wait_for([other], {b"%d" % i for i in range(10)})
    other.stop()
    assert len(other.got) == 10


def test_a_member_moves_from_node_to_node(nodes, topic):
    mover = Member(nodes.at(0), "mover " + topic, topic)
    sent = set()
    for k in range(6):
        sent |= publish(nodes.at((k + 1) % 3), topic, 20, prefix=b"%d." % k)
        mover.move(nodes.at((k + 1) % 3))
    wait_for([mover], sent)
    mover.stop()


@pytest.mark.parametrize("durable", [False, True], ids=["volatile", "durable"])
def test_members_of_a_dead_node_get_nothing_more(nodes, topic, durable):
    groups = members(nodes, topic, durable=durable)
    nodes.brokers[2].kill()
    time.sleep(nodes.lease * 2 + 1)
    sent = publish(nodes.at(0), topic, 60)
    wait_for(groups[0] + groups[1], sent)
    for m in flat(groups):
        m.stop()
    assert len(received(groups[0] + groups[1])) == 60


@pytest.mark.parametrize("end", ["killed", "drained"])
@pytest.mark.parametrize("qos", [1, 2])
def test_the_owner_ends_under_load(nodes, topic, end, qos):
    """Nothing that was acknowledged is lost, and when the owner drains hardly anything comes twice. What members on a killed owner have
    acknowledged in the last second is not stored yet, and of QoS 2 a few messages were just being made their own: the records of
    both have them (ADR 17). What members of other nodes had comes once."""
    groups = members(nodes, topic, per_node=2, qos=qos)
    dies = owner(nodes, topic)
    alive = [i for i in range(3) if i != dies]
    sent, stop = set(), threading.Event()

    def load() -> None:
        peer = nodes.at(alive[0]).open(V5)
        peer.connect()
        for i in itertools.count():
            if stop.is_set():
                break
            if peer.publish(topic, b"%d" % i, qos=qos).reason == 0:
                sent.add(b"%d" % i)
        peer.disconnect()

    publisher = threading.Thread(target=load)
    publisher.start()
    time.sleep(LOAD)
    nodes.brokers[dies].kill() if end == "killed" else nodes.brokers[dies].drain()
    for m in groups[dies]:
        m.move(nodes.at(alive[1]))
    time.sleep(nodes.lease * 2 + 1)
    stop.set()
    publisher.join()
    wait_for(flat(groups), sent)
    time.sleep(QUIET)
    for m in flat(groups):
        m.stop()
    got = received(flat(groups))
    twice = {p for p in set(got) if got.count(p) > 1}
    print(f"{end} qos={qos}: {len(sent)} sent, {len(twice)} twice")
    if end == "drained":  # of QoS 1, what was on its way back from the members; of QoS 2, as when it is killed
        assert len(twice) <= 20
    else:
        assert twice <= set(received(groups[dies])), "of other nodes"
        assert len(twice) <= (len(sent) // 5 if qos == 1 else 100)
