# SPDX-License-Identifier: MIT
"""Bounds of retained messages, and filters that ask for all of them again and again."""
import pytest

from bounds.conftest import stores, versions
from lib import mqtt as wire
from lib.crowd import Crowd
from lib.marks import V5
from lib.mqtt import PacketType as T
from lib.process import Watch

NOBODY, QUOTA = 0x10, 0x97


def put_marker(mqtt, broker) -> None:
    """The retained message that ends what `retained` reads; it takes one place."""
    mqtt.at(broker).connect(V5).publish("marker", b"x", qos=1, retain=True)


def retained(mqtt, broker, filter_) -> dict[str, bytes]:
    """What a new subscriber gets: its filters are looked up one after the other."""
    peer = mqtt.at(broker).connect(V5)
    peer.subscribe((filter_, 0), ("marker", 0))
    found = {}
    while (packet := peer.await_packet(T.PUBLISH)).topic != "marker":
        assert packet.retain
        found[packet.topic] = packet.payload
    return found


@stores
@versions
def test_retained_messages(start, mqtt, innocents, counters, topic, v, store):
    broker = start({"limits.retained_messages": 101, "store.kind": store})
    refused = counters(broker, "refused/retained")
    put_marker(mqtt, broker)
    with innocents(broker) as others:
        watcher, publisher = mqtt.at(broker).connect(V5), mqtt.at(broker).connect(v)
        watcher.subscribe(f"{topic}/#", qos=1)
        reasons = [publisher.publish(f"{topic}/{i}", b"x", qos=1, retain=True).reason for i in range(1000)]
        assert reasons == [0] * 100 + [QUOTA if v == V5 else 0] * 900
        refused.expect("refused/retained", lambda n: n == 900)
        for i in range(100 if v == V5 else 1000):  # version 3 cannot be told: it is delivered, and not retained
            watcher.receive(f"{topic}/{i}")
        assert set(retained(mqtt, broker, f"{topic}/#")) == {f"{topic}/{i}" for i in range(100)}
        publisher.publish(f"{topic}/7", b"another", qos=1, retain=True)
        publisher.publish(f"{topic}/8", b"", qos=1, retain=True)
        publisher.publish(f"{topic}/new", b"x", qos=1, retain=True)
        now = retained(mqtt, broker, f"{topic}/#")
        assert now[f"{topic}/7"] == b"another" and f"{topic}/new" in now and f"{topic}/8" not in now and len(now) == 100
        others.go_on()
    assert refused.read("refused/retained") == 900


@stores
@versions
def test_retained_bytes(start, mqtt, innocents, counters, topic, v, store):
    bound, size, total = 1 << 20, 10_240, 1024
    broker = start({"limits.retained_bytes": bound, "store.kind": store})
    refused = counters(broker, "refused/retained")
    put_marker(mqtt, broker)
    with innocents(broker) as others, Watch(broker.process.pid) as cost:
        publisher = mqtt.at(broker).connect(v)

        def publish(name, payload):
            return publisher.publish(f"{topic}/{name}", payload, qos=1, retain=True).reason

        reasons = [publish(i, bytes(size)) for i in range(total)]
        kept = set(retained(mqtt, broker, f"{topic}/#"))
        assert kept == {f"{topic}/{i}" for i in range(len(kept))}, "the first ones"
        assert 0.8 * bound <= len(kept) * size <= bound
        refused.expect("refused/retained", lambda n: n == total - len(kept))
        if v == V5:
            assert reasons == [NOBODY] * len(kept) + [QUOTA] * (total - len(kept))
        kept_anyway = {0: b"y" * size, 1: b"smaller"}  # what is there may be changed
        for i, payload in kept_anyway.items():
            publish(i, payload)
        for i in range(2, 12):
            publish(i, b"")
        publish("new", b"z" * size)
        now = retained(mqtt, broker, f"{topic}/#")
        assert all(now[f"{topic}/{i}"] == payload for i, payload in kept_anyway.items())
        assert now[f"{topic}/new"] == b"z" * size
        others.go_on()
    cost.expect(megabytes=32)


def test_a_retained_message_that_grows(start, mqtt, counters, topic):
    """One topic may not grow beyond the bound either."""
    broker = start({"limits.retained_bytes": 1 << 20, "limits.max_packet_size": "16MiB"})
    refused = counters(broker, "refused/retained")
    publisher = mqtt.at(broker).connect(V5)
    assert publisher.publish(topic, b"small", qos=1, retain=True).reason == NOBODY
    assert publisher.publish(topic, bytes(10 << 20), qos=1, retain=True).reason == QUOTA
    refused.expect("refused/retained", lambda n: n == 1)


@pytest.mark.timeout(300)
@stores
def test_a_storm_of_wildcards(start, mqtt, innocents, store):
    """Twenty clients ask for 100,000 retained messages, again and again, and read what they get."""
    count, clients, again = 100_000, 20, 3
    broker = start({"store.kind": store, "store.write_concern": "none", "limits.inflight": 65535})
    loader = mqtt.at(broker).connect(V5)
    for at in range(0, count, 1000):
        loader.send(*[wire.publish(V5, f"r/{i % 100}/{i}", b"%d" % i, retain=True) for i in range(at, at + 1000)])
        loader.barrier()
    pid = loader.send_publish("r/last", b"x", qos=1, retain=True)
    loader.await_packet(T.PUBACK, 60, pid=pid)  # behind all others
    with innocents(broker) as others, Watch(broker.process.pid) as cost, Crowd(broker.listeners["mqtt"]) as crowd:
        members = crowd.add_all([wire.connect(V5, f"storm{i}", keep_alive=0) for i in range(clients)])
        read = dict.fromkeys(members, 0)

        def all_have(size) -> bool:
            for member in members:
                assert not member.ended
                read[member] += len(member.got)  # and is not kept
                member.got = b""
            return min(read.values()) >= size

        for round_ in range(1, again + 1):
            for i, member in enumerate(members):
                crowd.say(member, wire.subscribe(V5, round_, [(("#", "+/+/+", "r/#", "r/+/+")[i % 4], 0)]))
            others.go_on()
            crowd.run(lambda n=round_: all_have(n * count * 15), timeout=120)
        others.go_on()
    cost.expect(megabytes=64)
