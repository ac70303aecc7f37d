# SPDX-License-Identifier: MIT
"""UTF-8 strings: 1.5.3 of 3.1.1, 1.5.4 and 1.5.7 of 5.0."""
import pytest

from lib import mqtt as wire
from lib.marks import V5, every_version, since_311, spec
from lib.mqtt import Prop, Will

ILL_FORMED = {
    "first surrogate": b"\xed\xa0\x80", "last surrogate": b"\xed\xbf\xbf", "surrogate pair": b"\xed\xa0\xbd\xed\xb8\x80",
    "overlong solidus": b"\xc0\xaf", "overlong in three bytes": b"\xe0\x80\xaf", "overlong NUL": b"\xc0\x80",
    "overlong in four bytes": b"\xf0\x80\x80\xaf", "lone continuation": b"\x80", "cut short": b"\xe2\x82",
    "bad continuation": b"\xe2\x28\xa1", "above U+10FFFF": b"\xf4\x90\x80\x80", "five bytes": b"\xf8\x88\x80\x80\x80",
    "0xFE": b"\xfe", "0xFF": b"\xff",
}
ill_formed = pytest.mark.parametrize("bad", ILL_FORMED.values(), ids=[k.replace(" ", "_") for k in ILL_FORMED])

MALFORMED = (0x81, 0x82)


def refused(peer):
    """A malformed CONNECT: version 5 may say so, 3.1.1 closes without a CONNACK [MQTT-3.1.4-1]."""
    if peer.version == V5:
        peer.expect_refused(*MALFORMED, 0x85)
    else:
        peer.expect_closed()


@spec("MQTT3 1.5.3-1", "MQTT3 3.3.2-1", "MQTT5 1.5.4-1", "MQTT5 3.3.2-1")
@since_311
@ill_formed
def test_ill_formed_topic_name(mqtt, v, bad):
    peer = mqtt.connect(v)
    peer.send_publish(b"t/" + bad + b"/x", b"payload")
    peer.expect_error(*MALFORMED, 0x90)


@spec("MQTT3 1.5.3-1", "MQTT3 3.8.3-1", "MQTT5 1.5.4-1", "MQTT5 3.8.3-1")
@since_311
@ill_formed
def test_ill_formed_filter_in_subscribe(mqtt, v, bad):
    peer = mqtt.connect(v)
    peer.send_subscribe([(b"t/" + bad, 0)])
    peer.expect_error(*MALFORMED, 0x8F)


@spec("MQTT3 1.5.3-1", "MQTT3 3.10.3-1", "MQTT5 1.5.4-1", "MQTT5 3.10.3-1")
@since_311
@ill_formed
def test_ill_formed_filter_in_unsubscribe(mqtt, v, bad):
    peer = mqtt.connect(v)
    peer.send_unsubscribe([b"t/" + bad])
    peer.expect_error(*MALFORMED, 0x8F)


@spec("MQTT3 1.5.3-1", "MQTT3 3.1.3-4", "MQTT5 1.5.4-1", "MQTT5 3.1.3-4", "MQTT5 3.1.3-8")
@since_311
@ill_formed
def test_ill_formed_client_id(mqtt, v, bad):
    peer = mqtt.open(v)
    peer.send_connect(b"id" + bad)
    refused(peer)


@spec("MQTT3 1.5.3-1", "MQTT3 3.1.3-10", "MQTT5 1.5.4-1", "MQTT5 3.1.3-11")
@since_311
@ill_formed
def test_ill_formed_will_topic(mqtt, v, bad, client_id):
    peer = mqtt.open(v)
    peer.send_connect(client_id(), will=Will(b"t/" + bad))
    refused(peer)


@spec("MQTT3 1.5.3-1", "MQTT3 3.1.3-11", "MQTT5 1.5.4-1", "MQTT5 3.1.3-12")
@since_311
@ill_formed
def test_ill_formed_user_name(mqtt, v, bad, client_id):
    peer = mqtt.open(v)
    peer.send_connect(client_id(), username=b"user" + bad, password=b"x")
    refused(peer)


@spec("MQTT3 1.5.3-2", "MQTT3 4.7.3-2", "MQTT5 1.5.4-2", "MQTT5 4.7.3-2")
@since_311
def test_null_character_in_topic_name(mqtt, v):
    peer = mqtt.connect(v)
    peer.send_publish("t/\0/x", b"payload")
    peer.expect_error(*MALFORMED, 0x90)


@spec("MQTT3 1.5.3-2", "MQTT3 4.7.3-2", "MQTT5 1.5.4-2", "MQTT5 4.7.3-2")
@since_311
@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe"])
def test_null_character_in_topic_filter(mqtt, v, kind):
    peer = mqtt.connect(v)
    if kind == "subscribe":
        peer.send_subscribe([("t/\0", 0)])
    else:
        peer.send_unsubscribe(["t/\0"])
    peer.expect_error(*MALFORMED, 0x8F)


@spec("MQTT3 1.5.3-2", "MQTT5 1.5.4-2")
@since_311
@pytest.mark.parametrize("where", ["client id", "will topic", "user name"])
def test_null_character_in_connect(mqtt, v, where, client_id):
    fields = {"client id": {"client_id": "a\0b"},
              "will topic": {"client_id": client_id(), "will": Will("t/\0")},
              "user name": {"client_id": client_id(), "username": "a\0b", "password": b"x"}}[where]
    peer = mqtt.open(v)
    peer.send_connect(**fields)
    refused(peer)


@spec("MQTT3 1.5.3-3", "MQTT5 1.5.4-3")
@every_version
def test_byte_order_mark_is_kept_in_topic_name(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe(f"{topic}/#")
    name = f"{topic}/\ufeffa\ufeff"
    peer.publish(name, b"1")
    peer.receive(name, b"1")


@spec("MQTT3 1.5.3-3", "MQTT5 1.5.4-3")
@every_version
def test_byte_order_mark_counts_in_matching(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe(f"{topic}/\ufeffa")
    peer.publish(f"{topic}/a", b"without")
    peer.publish(f"{topic}/\ufeffa", b"with")
    peer.receive(payload=b"with")


@spec("MQTT3 1.5.3-1", "MQTT5 1.5.4-1")
@every_version
@pytest.mark.parametrize("text", ["é", "水", "😀", "\U0010ffee", "\ud7ff", "\ue000", "a\u0301"],
                         ids=["two_bytes", "three_bytes", "four_bytes", "plane_16", "below_surrogates", "above_surrogates",
                              "combining"])
def test_well_formed_strings_pass(mqtt, v, topic, text):
    peer = mqtt.connect(v)
    peer.subscribe(f"{topic}/{text}")
    peer.publish(f"{topic}/{text}", b"1")
    peer.receive(f"{topic}/{text}", b"1")


@spec("MQTT5 1.5.7-1")
@ill_formed
@pytest.mark.parametrize("part", ["name", "value"])
def test_ill_formed_user_property(mqtt, topic, bad, part):
    pair = (bad, "value") if part == "name" else ("name", bad)
    peer = mqtt.connect(V5)
    peer.send_publish(topic, props=[(Prop.USER_PROPERTY, pair)])
    peer.expect_error(*MALFORMED)


@spec("MQTT5 1.5.7-1", "MQTT5 1.5.4-2")
@pytest.mark.parametrize("pair", [("a\0", "b"), ("a", "\0b")], ids=["name", "value"])
def test_null_character_in_user_property(mqtt, client_id, pair):
    peer = mqtt.open(V5)
    peer.send(wire.connect(V5, client_id(), props=[(Prop.USER_PROPERTY, pair)]))
    refused(peer)


@spec("MQTT5 1.5.4-1", "MQTT5 3.3.2-13", "MQTT5 3.3.2-19")
@ill_formed
@pytest.mark.parametrize("prop", [Prop.RESPONSE_TOPIC, Prop.CONTENT_TYPE], ids=lambda p: p.name.lower())
def test_ill_formed_string_property(mqtt, topic, prop, bad):
    peer = mqtt.connect(V5)
    peer.send_publish(topic, props=[(prop, bad)])
    peer.expect_error(*MALFORMED, 0x90)
