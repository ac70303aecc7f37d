# SPDX-License-Identifier: MIT
"""Many clients at once on a broker with several shards: what one thread at a time gets right has to stay right."""
import random
import threading
import time

import pytest

from lib.mqtt import PacketType as T
from lib.mqtt import Version
from lib.peer import Closed

pytestmark = pytest.mark.concurrent
V5, V311 = Version.V5, Version.V311


def run_all(*jobs):
    """Runs the jobs in threads of their own and raises the first error of any."""
    errors = []

    def guarded(job):
        try:
            job()
        except Exception as e:  # the thread has no other way to say so
            errors.append(e)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]


@pytest.fixture
def busy(start_broker, mqtt):
    return mqtt.at(start_broker({"node.shards": 3, "sys.interval": 1}))


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("v", [V311, V5])
def test_every_publisher_reaches_every_subscriber_in_order(busy, topic, v, qos):
    publishers, subscribers, each = 4, 6, 60
    receivers = [busy.connect(v) for _ in range(subscribers)]
    for peer in receivers:
        peer.subscribe(f"{topic}/#", qos=qos)
    senders = [busy.connect(v) for _ in range(publishers)]

    def publish(number):
        for i in range(each):
            senders[number].publish(f"{topic}/{number}", b"%d" % i, qos=qos)

    def receive(peer):
        seen = {n: 0 for n in range(publishers)}
        for _ in range(publishers * each):
            packet = peer.receive()
            number = int(packet.topic.rsplit("/", 1)[1])
            assert int(packet.payload) == seen[number], "in order, none missing, none twice"
            seen[number] += 1

    run_all(*[lambda n=n: publish(n) for n in range(publishers)], *[lambda p=p: receive(p) for p in receivers])


@pytest.mark.parametrize("v", [V311, V5])
def test_subscriptions_that_come_and_go_disturb_nobody(busy, topic, v):
    steady = busy.connect(v)
    steady.subscribe(f"{topic}/+", qos=1)
    publisher, churners = busy.connect(v), [busy.connect(v) for _ in range(4)]

    def publish():
        for i in range(150):
            publisher.publish(f"{topic}/{i % 5}", b"%d" % i, qos=1)

    def receive():
        assert [int(steady.receive().payload) for _ in range(150)] == list(range(150))

    def churn(peer, seed):
        rng = random.Random(seed)
        for _ in range(60):
            name = rng.choice([f"{topic}/#", f"{topic}/+", f"{topic}/{rng.randrange(5)}", f"other/{rng.randrange(9)}/+"])
            pid = peer.send_subscribe([(name, 0)])
            while (packet := peer.recv()).type != T.SUBACK:
                assert packet.type == T.PUBLISH
            assert packet.pid == pid
            pid = peer.send_unsubscribe([name])
            while (packet := peer.recv()).type != T.UNSUBACK:
                assert packet.type == T.PUBLISH

    run_all(publish, receive, *[lambda p=p, s=s: churn(p, s) for s, p in enumerate(churners)])


@pytest.mark.parametrize("v", [V311, V5])
def test_one_client_id_wanted_by_many_has_one_owner_and_loses_nothing(busy, topic, client_id, v):
    """Takeovers across shards while messages arrive: a durable session gets each QoS 1 message at least once."""
    name, count = client_id(), 120
    durable = dict(clean=False) if v == V311 else dict(clean=False, expiry=300)
    first = busy.connect(v, name, **durable)
    first.subscribe(topic, qos=1)
    publisher = busy.connect(v)
    seen, lock, done = set(), threading.Lock(), threading.Event()

    def publish():
        for i in range(count):
            publisher.publish(topic, b"%d" % i, qos=1)
        done.set()

    def own():
        """Takes the session, reads for a while, is thrown out by another, comes again."""
        while True:
            with lock:
                if len(seen) == count:
                    return
            peer = busy.open(v)
            try:
                peer.connect(name, **durable)
                while True:
                    packet = peer.recv(2.0)
                    if packet.type == T.DISCONNECT:
                        break
                    if packet.type == T.PUBLISH:
                        with lock:
                            seen.add(int(packet.payload))
                        peer.send_ack(T.PUBACK, packet.pid)
            except (Closed, OSError, AssertionError):
                pass  # thrown out, or nothing came for a while
            finally:
                peer.close()
            time.sleep(0.02)  # without a pause nobody has the session long enough to be sent anything

    run_all(publish, own, own, own)
    assert seen == set(range(count))


def test_retained_messages_change_while_clients_subscribe(busy, topic):
    writers = [busy.connect(V5) for _ in range(3)]

    def write(peer, number):
        for i in range(80):
            peer.publish(f"{topic}/{number}", b"%d" % i, qos=1, retain=True)

    def look():
        for _ in range(15):
            peer = busy.connect(V5)
            peer.subscribe(f"{topic}/#", qos=1)
            peer.send_subscribe([("elsewhere", 0)])
            latest = {}
            while (packet := peer.recv()).type != T.SUBACK:
                assert packet.type == T.PUBLISH
                value = int(packet.payload)
                assert value >= latest.get(packet.topic, 0), "an older value after a newer one"
                latest[packet.topic] = value
                peer.send_ack(T.PUBACK, packet.pid)
            peer.close()

    run_all(*[lambda p=p, n=n: write(p, n) for n, p in enumerate(writers)], look, look)
    last = busy.connect(V5)
    last.subscribe(f"{topic}/#", qos=1)
    assert sorted(int(last.receive().payload) for _ in writers) == [79, 79, 79]


def test_shared_group_members_come_and_go(busy, topic):
    """Every QoS 1 message of a group reaches a member although members leave with messages unacknowledged."""
    count, seen, lock = 150, set(), threading.Lock()
    publisher, anchor = busy.connect(V5), busy.connect(V5)
    anchor.subscribe(f"$share/g/{topic}", qos=1)
    finished = threading.Event()

    def publish():
        for i in range(count):
            publisher.publish(topic, b"%d" % i, qos=1)

    def stay():
        while not finished.is_set():
            try:
                packet = anchor.recv(0.5)
            except AssertionError:
                continue
            if packet.type == T.PUBLISH:
                with lock:
                    seen.add(int(packet.payload))
                    if len(seen) == count:
                        finished.set()
                anchor.send_ack(T.PUBACK, packet.pid)

    def visit():
        while not finished.is_set():
            peer = busy.connect(V5)
            peer.subscribe(f"$share/g/{topic}", qos=1)
            try:
                for _ in range(3):  # takes some, acknowledges only the first, and leaves
                    packet = peer.recv(0.2)
                    if packet.type == T.PUBLISH and _ == 0:
                        with lock:
                            seen.add(int(packet.payload))
                            if len(seen) == count:
                                finished.set()
                        peer.send_ack(T.PUBACK, packet.pid)
            except AssertionError:
                pass
            peer.close()

    run_all(publish, stay, visit, visit)
    assert seen == set(range(count))
