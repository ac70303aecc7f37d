# SPDX-License-Identifier: MIT
"""Clients that publish more than they may are read more slowly. Nothing of it is dropped."""
import pytest

from bounds.conftest import versions
from lib import mqtt as wire
from lib.clock import Stopwatch
from lib.marks import V5, V311
from lib.mqtt import PacketType as T

every_qos = pytest.mark.parametrize("qos", [0, 1, 2])


def all_come(watcher, topic, count) -> None:
    for i in range(count):
        packet = watcher.expect(T.PUBLISH, timeout=20)
        assert (packet.topic, packet.payload[:4]) == (topic, i.to_bytes(4, "big"))


@every_qos
@versions
def test_messages_in_a_second(start, mqtt, innocents, counters, topic, v, qos):
    rate, total = 200, 1000  # a burst of one second, so it takes four more
    broker = start({"limits.publish_rate": rate})
    limited = counters(broker, "limited/publish")
    with innocents(broker) as others:
        watcher, publisher = mqtt.at(broker).connect(V5), mqtt.at(broker).connect(v)
        watcher.subscribe(topic)
        time = Stopwatch()
        publisher.send(*[wire.publish(v, topic, i.to_bytes(4, "big"), qos=qos, pid=i + 1 if qos else None)
                         for i in range(total)])
        all_come(watcher, topic, total)
        assert time.seconds() >= 3.5
        for i in range(total if qos else 0):
            publisher.await_packet(T.PUBACK if qos == 1 else T.PUBREC, pid=i + 1)
        limited.expect("limited/publish", 1)
        others.go_on()


@versions
def test_bytes_in_a_second(start, mqtt, innocents, counters, topic, v):
    rate, size, total = 100 * 1024, 10 * 1024, 50
    broker = start({"limits.publish_bytes": rate})
    limited = counters(broker, "limited/publish")
    with innocents(broker) as others:
        watcher, publisher = mqtt.at(broker).connect(V5), mqtt.at(broker).connect(v)
        watcher.subscribe(topic)
        time = Stopwatch()
        publisher.send(*[wire.publish(v, topic, i.to_bytes(4, "big") + bytes(size - 4)) for i in range(total)])
        all_come(watcher, topic, total)
        assert time.seconds() >= 3.5
        limited.expect("limited/publish", 1)
        others.go_on()


@versions
def test_one_message_of_more_than_a_second(start, mqtt, innocents, topic, v):
    """It comes in all the same, and whoever sent it is not taken for dead while it is the broker that does not read."""
    broker = start({"limits.publish_bytes": 100 * 1024})
    with innocents(broker) as others:
        watcher, publisher = mqtt.at(broker).connect(V5), mqtt.at(broker).connect(v, keep_alive=1)
        watcher.subscribe(topic)
        for i in range(3):
            publisher.send_publish(topic, i.to_bytes(4, "big") + bytes(500 * 1024))
            publisher.send(wire.pingreq())
        all_come(watcher, topic, 3)
        for _ in range(3):
            publisher.expect(T.PINGRESP, timeout=20)
        others.go_on()


def test_many_clients_that_publish_too_much(start, mqtt, innocents, counters, topic):
    """Each has a rate of its own."""
    rate, clients, total = 100, 10, 300
    broker = start({"limits.publish_rate": rate})
    limited = counters(broker, "limited/publish")
    with innocents(broker) as others:
        watcher = mqtt.at(broker).connect(V5)
        watcher.subscribe(f"{topic}/+")
        publishers = [mqtt.at(broker).connect(V311) for _ in range(clients)]
        for n, publisher in enumerate(publishers):
            publisher.send(*[wire.publish(V311, f"{topic}/{n}", b"%d" % i) for i in range(total)])
        seen = [0] * clients
        for _ in range(clients * total):
            packet = watcher.expect(T.PUBLISH, timeout=20)
            n = int(packet.topic.rsplit("/", 1)[1])
            assert int(packet.payload) == seen[n]
            seen[n] += 1
        limited.expect("limited/publish", clients)
        others.go_on()


def test_within_the_rate_nobody_waits(start, mqtt, innocents, counters, topic):
    broker = start({"limits.publish_rate": 1000, "limits.publish_bytes": "1MiB"})
    limited = counters(broker, "limited/publish")
    with innocents(broker) as others:
        publisher = mqtt.at(broker).connect(V5)
        for i in range(500):
            publisher.publish(topic, bytes(100), qos=i % 3)
        others.go_on()
    assert limited.read("limited/publish") == 0


def test_a_client_that_leaves_while_it_waits(start, mqtt, innocents, topic):
    """What it has sent is published as far as it was read, and a normal end is no reason for a will."""
    broker = start({"limits.publish_rate": 50})
    with innocents(broker) as others:
        watcher = mqtt.at(broker).connect(V5)
        watcher.subscribe(f"{topic}/#")
        publisher = mqtt.at(broker).connect(V5, will=wire.Will(f"{topic}/will", b"?"))
        publisher.send(*[wire.publish(V5, topic, i.to_bytes(4, "big")) for i in range(150)], wire.disconnect(V5))
        all_come(watcher, topic, 150)
        publisher.expect_closed()
        watcher.expect_nothing()
        for _ in range(20):
            gone = mqtt.at(broker).connect(V5)
            gone.send(*[wire.publish(V5, f"{topic}/gone", b"x")] * 500)
            gone.reset()
        others.go_on()
