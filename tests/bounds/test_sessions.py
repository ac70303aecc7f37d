# SPDX-License-Identifier: MIT
"""Bounds of one session, and of how many there are."""
import pytest

from bounds.conftest import stores, versions
from lib import mqtt as wire
from lib.clock import elapse
from lib.marks import V5, V311, acknowledged_qos
from lib.mqtt import PacketType as T
from lib.mqtt import Prop, options

QUOTA = 0x97


@versions
@pytest.mark.parametrize("durable", [False, True], ids=["volatile", "durable"])
def test_subscriptions(start, mqtt, innocents, counters, client_id, topic, v, durable):
    broker = start({"limits.subscriptions": 100})
    refused_so_far = counters(broker, "refused/subscriptions")
    with innocents(broker) as others:
        peer = mqtt.at(broker).connect(v, client_id(), clean=not durable)
        pid = peer.send_subscribe([(f"{topic}/{i}", 1) for i in range(1000)])
        refused = QUOTA if v == V5 else 0x80
        assert peer.expect(T.SUBACK, pid=pid).reasons == [1] * 100 + [refused] * 900
        refused_so_far.expect("refused/subscriptions", 900)

        peer.publish(f"{topic}/99", b"granted", qos=1)
        peer.receive(f"{topic}/99", b"granted")
        peer.publish(f"{topic}/100", b"refused", qos=1)
        peer.subscribe((f"{topic}/0", options(0)))  # what is there may be changed
        peer.unsubscribe(f"{topic}/0")
        peer.subscribe(f"{topic}/100", qos=1)  # and a place that is free be taken
        peer.expect_nothing()
        others.go_on()
    assert refused_so_far.read("refused/subscriptions") == 900


@acknowledged_qos
@versions
def test_messages_under_way_to_a_client(start, mqtt, innocents, topic, v, qos):
    """`limits.inflight`: what is beyond waits, and comes in order as the client acknowledges."""
    broker = start({"limits.inflight": 10})
    with innocents(broker) as others:
        peer, publisher = mqtt.at(broker).connect(v), mqtt.at(broker).connect(V5)
        peer.subscribe(topic, qos=qos)
        for i in range(100):
            publisher.publish(topic, b"%d" % i, qos=qos)
        under_way = [peer.expect(T.PUBLISH, payload=b"%d" % i) for i in range(10)]
        peer.expect_nothing()
        for message in under_way:
            peer.acknowledge(message)
        got = [b"%d" % i for i in range(10)]
        while len(got) < 100:
            packet = peer.await_packet(T.PUBLISH)
            peer.acknowledge(packet)
            got.append(packet.payload)
        assert got == [b"%d" % i for i in range(100)]
        others.go_on()


def test_messages_under_way_from_a_client(start, mqtt, innocents, topic):
    broker = start({"limits.receive_maximum": 10})
    with innocents(broker) as others:
        peer = mqtt.at(broker).connect(V5)
        peer.send(*[wire.publish(V5, topic, b"x", qos=2, pid=pid) for pid in range(1, 101)])
        for pid in range(1, 11):
            peer.expect(T.PUBREC, pid=pid)
        peer.expect_error(0x93)
        others.go_on()


@pytest.mark.parametrize("store", ["memory", "embedded"])
def test_messages_under_way_from_an_old_client(start, mqtt, innocents, topic, client_id, store):
    """Version 3 is not told of a bound: it is read no further, and gets all its acknowledgements, in order."""
    broker = start({"limits.receive_maximum": 10, "store.kind": store})
    with innocents(broker) as others:
        away = mqtt.at(broker).connect(V5, client_id(), clean=False)
        away.subscribe(topic, qos=1)
        away.disconnect()
        peer = mqtt.at(broker).connect(V311)
        peer.send(*[wire.publish(V311, topic, b"x", qos=1, pid=pid) for pid in range(1, 1001)])
        for pid in range(1, 1001):
            peer.expect(T.PUBACK, pid=pid)
        others.go_on()


@pytest.mark.parametrize("drop_oldest", [False, True], ids=["drop_new", "drop_oldest"])
@acknowledged_qos
@versions
def test_a_queue_in_messages(start, mqtt, innocents, counters, topic, v, qos, drop_oldest):
    broker = start({"limits.inflight": 10, "limits.queued_messages": 100, "limits.drop_oldest": drop_oldest})
    dropped = counters(broker, "dropped/queue_full")
    with innocents(broker) as others:
        peer, publisher = mqtt.at(broker).connect(v), mqtt.at(broker).connect(V5)
        peer.subscribe(topic, qos=qos)
        total = 1010
        for i in range(total):
            publisher.publish(topic, b"%d" % i, qos=qos)
        dropped.expect("dropped/queue_full", lambda n: n == 900)
        waits = range(total - 100, total) if drop_oldest else range(10, 110)
        for i in [*range(10), *waits]:
            packet = peer.await_packet(T.PUBLISH)
            assert packet.payload == b"%d" % i
            peer.acknowledge(packet)
        publisher.publish(topic, b"and on", qos=qos)
        packet = peer.await_packet(T.PUBLISH)
        assert packet.payload == b"and on"
        peer.acknowledge(packet)
        peer.expect_nothing()
        others.go_on()
    assert dropped.read("dropped/queue_full") == 900


@versions
def test_a_queue_in_bytes(start, mqtt, innocents, counters, topic, v):
    size, bound = 1024, 64 * 1024
    broker = start({"limits.inflight": 10, "limits.queued_bytes": bound})
    dropped = counters(broker, "dropped/queue_full")
    with innocents(broker) as others:
        peer, publisher = mqtt.at(broker).connect(v), mqtt.at(broker).connect(V5)
        peer.subscribe(topic, qos=1)
        total = 10 + 10 * bound // size
        for i in range(total):
            publisher.publish(topic, i.to_bytes(4, "big") + bytes(size - 4), qos=1)
        gone = dropped.expect("dropped/queue_full", 1)
        came = 0
        while came < total - gone:
            packet = peer.await_packet(T.PUBLISH)
            assert int.from_bytes(packet.payload[:4], "big") == came, "the first ones, in order"
            peer.acknowledge(packet)
            came += 1
        peer.expect_nothing()
        assert 32 <= came - 10 <= bound // size, "the bound counts what a message takes in memory"
        others.go_on()


@stores
@versions
@pytest.mark.parametrize("filter_", ["{}", "$share/g/{}"], ids=["own", "shared"])
def test_bytes_under_way_to_a_durable_session(start, mqtt, innocents, client_id, topic, v, store, filter_):
    """It may be sent again, so it is kept: ten times as much as may be kept waits, and nothing of it is lost."""
    size, bound = 10 * 1024, 1 << 20
    total = 10 * bound // size
    broker = start({"limits.queued_bytes": bound, "limits.inflight": 65535, "store.kind": store})
    with innocents(broker) as others:
        peer, publisher = mqtt.at(broker).connect(v, client_id(), clean=False), mqtt.at(broker).connect(V5)
        peer.subscribe(filter_.format(topic), qos=1)
        for i in range(total):
            publisher.publish(topic, i.to_bytes(4, "big") + bytes(size - 4), qos=1)
        messages = peer.take_messages()
        assert 0 < len(messages) * size <= bound + size
        others.go_on()
        for i in range(total):
            packet = messages.pop(0) if messages else peer.await_packet(T.PUBLISH)
            assert int.from_bytes(packet.payload[:4], "big") == i
            peer.acknowledge(packet)
        peer.expect_nothing()
        others.go_on()


@stores
@pytest.mark.parametrize("bound", ["limits.log_messages", "limits.log_bytes", "limits.logs_total_bytes"])
def test_a_durable_session_that_is_away(start, mqtt, innocents, counters, client_id, topic, store, bound):
    """The log keeps the newest; the session is told how many it missed, and everything else it gets in order."""
    settings = {"limits.log_messages": {bound: 100}, "limits.log_bytes": {bound: "100KiB"},
                "limits.logs_total_bytes": {bound: "1MiB"}}[bound]
    size = {"limits.log_messages": 100, "limits.log_bytes": 1024, "limits.logs_total_bytes": 10240}[bound]
    broker, total = start(settings | {"store.kind": store}), 1000
    dropped = counters(broker, "dropped/log_bound")
    with innocents(broker) as others:
        name, there = client_id(), mqtt.at(broker)
        peer = there.connect(V5, name, clean=False)
        peer.subscribe(topic, qos=1)
        peer.disconnect()
        publisher = there.connect(V5)
        for i in range(total):
            publisher.publish(topic, i.to_bytes(4, "big") + bytes(size - 4), qos=1)
        back = there.connect(V5, name, clean=False)
        assert back.connack.session_present
        first = back.receive(topic)
        number = int.from_bytes(first.payload[:4], "big")
        assert total - 110 <= number < total, "about the newest hundred"
        gap = dict(first.props.all(Prop.USER_PROPERTY)).get("gap")
        assert gap is not None and int(gap) == number, first.props
        for i in range(number + 1, total):
            assert int.from_bytes(back.receive(topic).payload[:4], "big") == i
        back.expect_nothing()
        dropped.expect("dropped/log_bound", lambda n: n == number)
        others.go_on()


def test_a_durable_session_that_is_away_for_long(start, mqtt, innocents, counters, client_id, topic):
    """`limits.log_age`: what is older goes, and the session is told."""
    broker, name = start({"limits.log_age": "1s", "store.kind": "embedded"}), client_id()
    dropped, there = counters(broker, "dropped/log_bound"), mqtt.at(broker)
    with innocents(broker) as others:
        peer, publisher = there.connect(V5, name, clean=False), there.connect(V5)
        peer.subscribe(topic, qos=1)
        peer.disconnect()
        for i in range(100):
            publisher.publish(topic, b"old", qos=1)
        elapse(10)
        publisher.publish(topic, b"new", qos=1)
        back = there.connect(V5, name, clean=False)
        packet = back.receive(topic, b"new")
        assert dict(packet.props.all(Prop.USER_PROPERTY)).get("gap") == "100"
        back.expect_nothing()
        dropped.expect("dropped/log_bound", lambda n: n == 100)
        others.go_on()


@stores
@versions
def test_durable_sessions(start, mqtt, innocents, counters, client_id, v, store):
    broker = start({"limits.sessions": 10, "store.kind": store})
    refused = counters(broker, "refused/sessions")
    there = mqtt.at(broker)
    with innocents(broker) as others:
        names = [client_id() for _ in range(100)]
        for i, name in enumerate(names):
            peer = there.open(v)
            props = [(Prop.SESSION_EXPIRY, 300)] if v == V5 else []
            peer.send_connect(name, clean=False, props=props)
            connack = peer.expect(T.CONNACK)
            assert connack.reason == (0 if i < 10 else QUOTA if v == V5 else 3)
            if i < 10:
                peer.disconnect()
        refused.expect("refused/sessions", lambda n: n == 90)
        assert there.connect(v, names[0], clean=False).connack.session_present, "who has one comes back"
        there.connect(v)  # and who wants none comes in
        there.connect(v, names[1], clean=True).disconnect()
        there.connect(v, names[50], clean=False)  # a place that became free
        others.go_on()


def test_the_longest_expiry(start, mqtt, client_id):
    """Ten times the bound is lowered and told; the session ends after the bound."""
    there, name = mqtt.at(start({"limits.session_expiry_max": "2s"})), client_id()
    peer = there.connect(V5, name, expiry=20)
    assert peer.connack.props.get(Prop.SESSION_EXPIRY) == 2
    peer.disconnect()
    old = there.connect(V311, old_name := client_id(), clean=False)
    old.disconnect()
    elapse(4)
    assert not there.connect(V5, name, clean=False).connack.session_present
    assert not there.connect(V311, old_name, clean=False).connack.session_present


def test_the_longest_keep_alive(start, mqtt, innocents):
    broker = start({"limits.keep_alive_max": "1s"})
    with innocents(broker) as others:
        for wanted in (10, 0):
            peer = mqtt.at(broker).connect(V5, keep_alive=wanted)
            assert peer.connack.props.get(Prop.SERVER_KEEP_ALIVE) == 1
            peer.expect_error(0x8D, timeout=5)
        others.go_on()
