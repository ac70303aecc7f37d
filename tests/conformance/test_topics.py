# SPDX-License-Identifier: MIT
"""4.7 Topic names and filters."""
import pytest

from lib.marks import V5, every_version, spec
from lib.mqtt import PacketType as T

# Filter, topic, whether they match. ROOT stands for a prefix that is the test's own.
MATCHES = [
    ("a", "a", True), ("a", "b", False), ("a", "a/", False), ("a/", "a", False), ("a", "/a", False), ("a", "A", False),
    ("a/b", "a/b", True), ("a//b", "a//b", True), ("a//b", "a/b", False), ("a/b", "a//b", False), ("a b", "a b", True),
    ("#", "", True), ("#", "a", True), ("#", "a/b/c", True), ("a/#", "a", True), ("a/#", "a/", True), ("a/#", "a/b/c", True),
    ("a/#", "ab", False), ("a/#", "b/a", False), ("a/#", "A/b", False),
    ("+", "a", True), ("+", "", True), ("+", "a/b", False), ("+", "a/", False), ("+/+", "a/b", True), ("+/+", "/", True),
    ("+/+", "a", False), ("+/b", "a/b", True), ("+/b", "a/c", False), ("a/+", "a/b", True), ("a/+", "a", False),
    ("a/+", "a/", True), ("a/+", "a/b/c", False), ("a/+/c", "a/b/c", True), ("a/+/c", "a//c", True),
    ("a/+/c", "a/b/b/c", False), ("+/+/+", "a/b/c", True), ("+/#", "a", True), ("+/#", "a/b/c", True), ("a/+/#", "a/b", True),
    ("a/+/#", "a/b/c/d", True), ("a/+/#", "a", False), ("+/b/#", "a/b", True), ("+/b/#", "a/c", False),
    ("$a", "$a", True), ("+", "$a", True), ("b/$a/#", "b/$a/c", True),
]


@spec("MQTT3 3.3.2-3", "MQTT3 4.7.1-2", "MQTT3 4.7.1-3", "MQTT3 4.7.3-4", "MQTT5 3.3.2-3", "MQTT5 4.7.1-1", "MQTT5 4.7.1-2",
      "MQTT5 4.7.3-4")
@every_version
@pytest.mark.parametrize("filter_, name, matches", MATCHES, ids=[f"{f}-{n}" for f, n, _ in MATCHES])
def test_matching(mqtt, v, topic, filter_, name, matches):
    peer = mqtt.connect(v)
    peer.subscribe(f"{topic}/{filter_}")
    peer.subscribe(f"{topic}-sentinel")
    publisher = mqtt.connect(v)
    publisher.publish(f"{topic}/{name}", b"1")
    publisher.publish(f"{topic}-sentinel", b"sentinel")
    if matches:
        peer.receive(f"{topic}/{name}", b"1")
    peer.receive(f"{topic}-sentinel", b"sentinel")


BAD_FILTERS = ["#/", "a/#/b", "a#", "a/b#", "#a", "##", "a/##", "+a", "a+", "a/+b", "a/b+/c", "++", "a/++"]


@spec("MQTT3 4.7.1-2", "MQTT3 4.7.1-3", "MQTT5 4.7.1-1", "MQTT5 4.7.1-2")
@every_version
@pytest.mark.parametrize("bad", BAD_FILTERS)
def test_subscribe_to_a_filter_that_is_none(mqtt, v, bad):
    """Closed, or in version 5 refused with Topic Filter invalid (0x8F); never granted."""
    peer = mqtt.connect(v)
    peer.send_subscribe([(bad, 0)])
    refused(peer, v)


@spec("MQTT3 4.7.3-1", "MQTT5 4.7.3-1")
@every_version
def test_subscribe_to_an_empty_filter(mqtt, v):
    peer = mqtt.connect(v)
    peer.send_subscribe([("", 0)])
    refused(peer, v)


def refused(peer, v):
    if v != V5:
        peer.expect_closed()
        return
    answer = peer.recv()
    if answer.type == T.SUBACK:
        assert answer.reasons == [0x8F]
    else:
        assert answer.type == T.DISCONNECT and answer.reason in (0x81, 0x82, 0x8F)
        peer.expect_closed()


@spec("MQTT3 4.7.2-1", "MQTT5 4.7.2-1")
@every_version
@pytest.mark.parametrize("filter_", ["#", "+/#", "+/{0}", "+/+"])
def test_leading_wildcard_does_not_match_a_dollar_topic(mqtt, v, topic, filter_):
    own = topic.replace("/", "-")
    peer = mqtt.connect(v)
    peer.subscribe(filter_.format(own))
    publisher = mqtt.connect(v)
    publisher.publish(f"$dollar/{own}", b"1")
    publisher.publish(f"sentinel/{own}", b"sentinel")
    peer.await_packet(T.PUBLISH, topic=f"sentinel/{own}", payload=b"sentinel")
    assert not [p for p in peer.take_messages() if p.topic.startswith("$")]


@spec("MQTT3 4.7.2-1", "MQTT5 4.7.2-1")
@every_version
@pytest.mark.parametrize("filter_", ["$dollar/#", "$dollar/+", "$dollar/{0}"])
def test_dollar_topic_is_matched_by_its_own_filters(mqtt, v, topic, filter_):
    own = topic.replace("/", "-")
    peer = mqtt.connect(v)
    peer.subscribe(filter_.format(own))
    mqtt.connect(v).publish(f"$dollar/{own}", own.encode())
    peer.await_packet(T.PUBLISH, topic=f"$dollar/{own}", payload=own.encode())


@spec("MQTT3 4.7.2-1", "MQTT5 4.7.2-1")
@every_version
def test_topics_of_the_broker_itself_are_not_in_hash(mqtt, start_broker, v):
    there = mqtt.at(start_broker({"sys.interval": "1s"}))
    everything, system = there.connect(v), there.connect(v)
    everything.subscribe("#", "+/#")
    system.subscribe("$SYS/#")
    assert system.expect(T.PUBLISH, timeout=5).topic.startswith("$SYS/")
    everything.expect_silence(2)


@spec("MQTT3 4.7.3-3", "MQTT5 4.7.3-3")
@every_version
def test_longest_topic(mqtt, v, topic):
    name = topic + "/" + "x" * (65_535 - len(topic) - 1)
    peer = mqtt.connect(v)
    peer.subscribe(name)
    mqtt.connect(v).publish(name, b"1")
    peer.receive(name, b"1")
    peer.expect_nothing()


@spec("MQTT3 4.7.3-4", "MQTT5 4.7.3-4")
@every_version
@pytest.mark.parametrize("one, other", [("Å", "A\u030a"), ("é", "e\u0301"), ("ﬁ", "fi"), ("a", "ａ"), ("ß", "ss"), ("a", "A"),
                                        ("a", " a"), ("a", "a ")])
def test_names_are_not_normalised(mqtt, v, topic, one, other):
    peer = mqtt.connect(v)
    peer.subscribe(f"{topic}/{one}")
    publisher = mqtt.connect(v)
    publisher.publish(f"{topic}/{other}", b"other")
    publisher.publish(f"{topic}/{one}", b"one")
    peer.receive(f"{topic}/{one}", b"one")


@spec("MQTT3 4.7.3-1", "MQTT5 4.7.3-1")
@every_version
def test_deep_topics(mqtt, v, topic):
    depth = 100
    name = topic + "/x" * depth
    peer = mqtt.connect(v)
    peer.subscribe(topic + "/+" * depth)
    mqtt.connect(v).publish(name, b"1")
    peer.receive(name, b"1")


@spec("MQTT3 4.7.3-1", "MQTT5 4.7.3-1")
@every_version
def test_one_character_topics(mqtt, v):
    peer = mqtt.connect(v)
    peer.subscribe("/")
    mqtt.connect(v).publish("/", b"1")
    peer.receive("/", b"1")
