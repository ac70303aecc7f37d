# SPDX-License-Identifier: MIT
"""Bounds of one packet: its size, and the length and depth of the topics in it."""
import pytest

from bounds.conftest import versions
from lib import mqtt as wire
from lib.marks import V5
from lib.mqtt import PacketType as T
from lib.mqtt import Prop, Will
from lib.process import Watch

TOPIC_NAME_INVALID, PACKET_TOO_LARGE, QUOTA = 0x90, 0x95, 0x97
LONG, DEEP = "x" * 65535, "/".join("x" * 10_000)
too_much = pytest.mark.parametrize("name", [LONG, DEEP], ids=["65535_bytes", "10000_levels"])


@versions
def test_a_packet_that_is_too_large(start, mqtt, innocents, topic, v):
    broker = start({"limits.max_packet_size": 1000})
    with innocents(broker) as others:
        for _ in range(10):
            peer = mqtt.at(broker).connect(v)
            peer.send_publish(topic, bytes(10_000))
            peer.expect_error(PACKET_TOO_LARGE)
        others.go_on()


@pytest.mark.parametrize("packet", [b"\x30", b"\x32", b"\x82", b"\xa2"], ids=["PUBLISH", "PUBLISH_1", "SUBSCRIBE", "UNSUBSCRIBE"])
def test_256_megabytes_that_are_announced(start, mqtt, innocents, packet):
    """It is refused at its header, and costs nothing."""
    broker = start()
    with innocents(broker) as others, Watch(broker.process.pid) as cost:
        for _ in range(50):
            peer = mqtt.at(broker).connect(V5)
            peer.send(packet + b"\xff\xff\xff\x7f")
            peer.expect_error(PACKET_TOO_LARGE)
        others.go_on()
    cost.expect(megabytes=16)


@pytest.mark.parametrize("bound", ["1MiB", "256MiB"])
def test_a_connect_of_256_megabytes(start, mqtt, innocents, bound):
    """Nobody is known yet: a CONNECT has a bound of its own, whatever `limits.max_packet_size` says."""
    broker = start({"limits.max_packet_size": bound})
    with innocents(broker) as others, Watch(broker.process.pid) as cost:
        for _ in range(50):
            peer = mqtt.at(broker).open(V5)
            peer.send(b"\x10\xff\xff\xff\x7f\0\4MQTT\5\2\0\0\0\xff\xff")
            peer.expect_refused(PACKET_TOO_LARGE)
        others.go_on()
    cost.expect(megabytes=16)


@too_much
@versions
def test_publish(start, mqtt, innocents, v, name):
    broker = start()
    with innocents(broker) as others:
        watcher = mqtt.at(broker).connect(V5)
        watcher.subscribe("#")
        peer = mqtt.at(broker).connect(v)
        peer.send_publish(name, b"?", qos=1)
        peer.expect_error(TOPIC_NAME_INVALID)
        others.go_on()
    assert not [p for p in watcher.take_messages() if p.topic == name]


@too_much
@versions
def test_subscribe(start, mqtt, innocents, topic, v, name):
    """The filter is refused; the others in the same packet, and the connection, are not."""
    broker = start()
    with innocents(broker) as others:
        peer = mqtt.at(broker).connect(v)
        asked = [topic, name, name + "/#" if name == DEEP else name[:-2] + "/#", f"{topic}/+"]
        suback = peer.expect(T.SUBACK, pid=peer.send_subscribe([(f, 1) for f in asked]))
        refused = QUOTA if v == V5 else 0x80
        assert suback.reasons == [1, refused, refused, 1]
        peer.send_unsubscribe([name])
        peer.expect(T.UNSUBACK)
        peer.publish(topic, b"fine", qos=1)
        peer.receive(topic, b"fine")
        others.go_on()


@too_much
@versions
def test_a_will(start, mqtt, innocents, client_id, v, name):
    broker = start()
    with innocents(broker) as others:
        peer = mqtt.at(broker).open(v)
        peer.send_connect(client_id(), will=Will(name, b"gone"))
        said = peer.expect_refused(TOPIC_NAME_INVALID)
        assert (said is not None) == (v == V5), "version 3 has no code for it"
        others.go_on()


def test_a_response_topic_and_user_properties(start, mqtt, topic):
    """What has no bound of its own is bounded by the packet, and passed on."""
    there = mqtt.at(start({"limits.max_packet_size": "1MiB"}))
    peer = there.connect(V5)
    peer.subscribe(topic)
    props = [(Prop.RESPONSE_TOPIC, LONG)] + [(Prop.USER_PROPERTY, (str(i), "v" * 100)) for i in range(5000)]
    peer.publish(topic, b"x", props=props)
    got = peer.receive(topic, b"x")
    assert got.props.get(Prop.RESPONSE_TOPIC) == LONG and len(got.props.all(Prop.USER_PROPERTY)) == 5000


def test_the_deepest_topics_that_a_broker_may_allow(start, mqtt, innocents):
    """1,024 levels, and a thousand filters with wildcards at all of them: a message is still only a walk."""
    broker = start({"limits.topic_levels": 1024, "limits.topic_length": 65535})
    there, levels = mqtt.at(broker), 1024
    with innocents(broker) as others, Watch(broker.process.pid) as cost:
        peer = there.connect(V5)
        filters = ["/".join(["+"] * n + ["#"]) for n in range(1, levels)]
        for at in range(0, len(filters), 64):
            peer.subscribe(*filters[at:at + 64])
        publisher = there.connect(V5)
        for i in range(20):
            publisher.publish("/".join(["x"] * (levels - 1) + [str(i)]), b"%d" % i, qos=1)
            while True:  # the innocents' messages match too
                got = peer.expect(T.PUBLISH)
                if len(got.topic) > 2000:
                    assert got.payload == b"%d" % i
                    break
        others.go_on()
    cost.expect(megabytes=32, cpu=5)


@pytest.mark.parametrize("first", [0x10, 0x30, 0x82])
def test_a_length_that_never_ends(start, mqtt, innocents, first):
    broker = start()
    with innocents(broker) as others:
        peer = mqtt.at(broker).connect(V5)
        peer.send(bytes([first]) + b"\xff" * 100)
        peer.expect_error(0x81, 0x82, PACKET_TOO_LARGE)
        others.go_on()


def test_aliases(start, mqtt, innocents, topic):
    broker = start({"limits.topic_alias_maximum": 6})
    with innocents(broker) as others:
        peer = mqtt.at(broker).connect(V5)
        peer.send_publish(topic, b"x", props=[(Prop.TOPIC_ALIAS, 60)])
        peer.expect_error(0x94)
        others.go_on()


def test_the_broker_keeps_to_the_aliases_that_it_may_set(start, mqtt, topic):
    """`limits.topic_alias_maximum_out`, although the client allows ten times as many."""
    there = mqtt.at(start({"limits.topic_alias_maximum_out": 5}))
    peer, publisher = there.connect(V5, props=[(Prop.TOPIC_ALIAS_MAXIMUM, 50)]), there.connect(V5)
    peer.subscribe(f"{topic}/#")
    for i in range(50):
        publisher.publish(f"{topic}/{i}", b"x", qos=1)
    aliases = [peer.expect(T.PUBLISH).props.get(Prop.TOPIC_ALIAS) for _ in range(50)]
    assert aliases == [1, 2, 3, 4, 5] + [None] * 45


def test_bytes_behind_a_refused_packet_are_not_taken(start, mqtt, topic):
    broker = start({"limits.topic_length": 100})
    watcher = mqtt.at(broker).connect(V5)
    watcher.subscribe(f"{topic}/#")
    peer = mqtt.at(broker).connect(V5)
    peer.send(wire.publish(V5, "x" * 1000, b"?") + wire.publish(V5, f"{topic}/behind", b"?"))
    peer.expect_error(TOPIC_NAME_INVALID)
    watcher.expect_nothing()
