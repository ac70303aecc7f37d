# SPDX-License-Identifier: MIT
"""3.3.1.3 RETAIN and the subscription options about it."""
import pytest

from lib import mqtt as wire
from lib.clock import elapse
from lib.marks import V5, V311, every_qos, every_version, only_5, spec
from lib.mqtt import Prop


def retain(mqtt, v, topic, payload, qos=1, **fields):
    peer = mqtt.connect(v)
    peer.publish(topic, payload, qos=qos, retain=True, **fields)
    return peer


def reader(mqtt, v, topic, option=2):
    peer = mqtt.connect(v)
    peer.subscribe((topic, option))
    return peer


@spec("MQTT3 3.3.1-5", "MQTT3 3.3.1-6", "MQTT3 3.3.1-8", "MQTT5 3.3.1-5", "MQTT5 3.3.1-9")
@every_version
@every_qos
def test_retained_message_goes_to_a_new_subscription(mqtt, v, topic, qos):
    retain(mqtt, v, topic, b"kept", qos)
    peer = reader(mqtt, v, topic)
    peer.receive(topic, b"kept", qos=qos, retain=True, dup=False)
    peer.expect_nothing()


@spec("MQTT3 3.3.1-5", "MQTT3 3.8.4-6", "MQTT5 3.3.1-5", "MQTT5 3.8.4-8")
@every_version
@pytest.mark.parametrize("published", [0, 1, 2])
@pytest.mark.parametrize("granted", [0, 1, 2])
def test_retained_message_goes_at_the_lower_qos(mqtt, v, topic, published, granted):
    retain(mqtt, v, topic, b"kept", published)
    reader(mqtt, v, topic, granted).receive(topic, b"kept", qos=min(published, granted), retain=True)


@spec("MQTT3 3.3.1-5", "MQTT3 3.3.1-6", "MQTT5 3.3.1-5")
@every_version
def test_last_retained_message_replaces_the_one_before(mqtt, v, topic):
    retain(mqtt, v, topic, b"first")
    retain(mqtt, v, topic, b"last")
    peer = reader(mqtt, v, topic)
    peer.receive(topic, b"last", retain=True)
    peer.expect_nothing()


@spec("MQTT3 3.3.1-7", "MQTT5 3.3.1-5")
@every_version
def test_retained_message_of_qos_0_replaces_the_one_before(mqtt, v, topic):
    retain(mqtt, v, topic, b"first", qos=1)
    retain(mqtt, v, topic, b"last", qos=0)
    peer = reader(mqtt, v, topic)
    peer.receive(topic, b"last", retain=True, qos=0)
    peer.expect_nothing()


@spec("MQTT3 3.3.1-6", "MQTT5 3.3.1-9")
@every_version
@pytest.mark.parametrize("filter_, matched", [("#", 4), ("+", 2), ("+/x", 1), ("a/#", 2), ("a/x", 1), ("nothing", 0)])
def test_retained_messages_that_a_filter_matches(mqtt, v, topic, filter_, matched):
    names = {f"{topic}/{n}" for n in ("a", "b", "a/x", "c/d/e")}
    for name in names:
        retain(mqtt, v, name, name.encode())
    peer = mqtt.connect(v)
    peer.subscribe(f"{topic}/{filter_}")
    got = [peer.receive(retain=True) for _ in range(matched)]
    assert all(p.topic in names and p.payload == p.topic.encode() for p in got)
    assert len({p.topic for p in got}) == matched
    peer.expect_nothing()


@spec("MQTT3 3.3.1-9", "MQTT5 3.3.1-12")
@every_version
def test_established_subscription_sees_retain_0(mqtt, v, topic):
    peer = reader(mqtt, v, topic)
    retain(mqtt, v, topic, b"live")
    peer.receive(topic, b"live", retain=False)


@spec("MQTT3 3.3.1-10", "MQTT3 3.3.1-11", "MQTT5 3.3.1-6", "MQTT5 3.3.1-7")
@every_version
@every_qos
def test_empty_retained_message_deletes(mqtt, v, topic, qos):
    retain(mqtt, v, topic, b"kept")
    retain(mqtt, v, topic, b"", qos)
    reader(mqtt, v, topic).expect_nothing()


@spec("MQTT3 3.3.1-10", "MQTT5 3.3.1-6")
@every_version
def test_empty_retained_message_is_delivered_as_any_other(mqtt, v, topic):
    peer = reader(mqtt, v, topic)
    retain(mqtt, v, topic, b"")
    peer.receive(topic, b"", retain=False)


@spec("MQTT3 3.3.1-11", "MQTT5 3.3.1-7")
@every_version
def test_empty_retained_message_is_not_stored(mqtt, v, topic):
    retain(mqtt, v, topic, b"")
    reader(mqtt, v, topic).expect_nothing()


@spec("MQTT3 3.3.1-12", "MQTT5 3.3.1-8")
@every_version
@pytest.mark.parametrize("payload", [b"passing by", b""], ids=["payload", "empty"])
def test_message_without_retain_changes_nothing(mqtt, v, topic, payload):
    peer = retain(mqtt, v, topic, b"kept")
    peer.publish(topic, payload, qos=1)
    peer.publish(f"{topic}/never/retained", b"1", qos=1)
    late = reader(mqtt, v, f"{topic}/#")
    late.receive(topic, b"kept", retain=True)
    late.expect_nothing()


@spec("MQTT3 3.8.4-3", "MQTT5 3.8.4-4", "MQTT5 3.3.1-9")
@every_version
def test_subscribing_again_sends_retained_messages_again(mqtt, v, topic):
    retain(mqtt, v, topic, b"kept")
    peer = reader(mqtt, v, topic)
    peer.receive(topic, b"kept", retain=True)
    peer.subscribe(topic)
    peer.receive(topic, b"kept", retain=True)
    peer.expect_nothing()


@spec("MQTT3 3.3.1-6", "MQTT5 3.3.1-9")
@every_version
def test_resumed_session_gets_retained_messages_only_for_new_subscriptions(mqtt, v, topic, client_id):
    name = client_id()
    retain(mqtt, v, topic, b"kept")
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=1)
    peer.receive(topic, b"kept", retain=True)
    peer.disconnect()
    mqtt.connect(v, name, clean=False).expect_nothing()


@spec("MQTT3 3.3.1-6", "MQTT5 3.3.1-9")
@every_version
def test_overlapping_filters_in_one_subscribe(mqtt, v, topic):
    """Each subscription of its own gets the retained message; at least once it comes."""
    retain(mqtt, v, topic, b"kept")
    peer = mqtt.connect(v)
    peer.subscribe(topic, f"{topic}/#")
    peer.receive(topic, b"kept", retain=True)


@spec("MQTT3 3.3.1-9", "MQTT5 3.3.1-12")
@every_version
def test_message_that_waited_for_its_session_has_retain_0(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=1)
    peer.disconnect()
    retain(mqtt, v, topic, b"while away")
    mqtt.connect(v, name, clean=False).receive(topic, b"while away", retain=False)


@spec("MQTT5 3.3.1-10")
@only_5
def test_retain_handling_1_new_subscription(mqtt, v, topic):
    retain(mqtt, v, topic, b"kept")
    reader(mqtt, v, topic, wire.options(1, retain_handling=1)).receive(topic, b"kept", retain=True)


@spec("MQTT5 3.3.1-10")
@only_5
def test_retain_handling_1_subscription_that_exists(mqtt, v, topic):
    peer = reader(mqtt, v, topic)
    retain(mqtt, v, topic, b"kept")
    peer.receive(topic, b"kept")
    peer.subscribe((topic, wire.options(1, retain_handling=1)))
    peer.expect_nothing()


@spec("MQTT5 3.3.1-10")
@only_5
def test_retain_handling_1_after_unsubscribe(mqtt, v, topic):
    retain(mqtt, v, topic, b"kept")
    option = wire.options(1, retain_handling=1)
    peer = reader(mqtt, v, topic, option)
    peer.receive(topic, b"kept")
    peer.unsubscribe(topic)
    peer.subscribe((topic, option))
    peer.receive(topic, b"kept", retain=True)


@spec("MQTT5 3.3.1-11")
@only_5
def test_retain_handling_2(mqtt, v, topic):
    publisher = retain(mqtt, v, topic, b"kept")
    peer = reader(mqtt, v, topic, wire.options(1, retain_handling=2))
    peer.expect_nothing()
    publisher.publish(topic, b"live", qos=1, retain=True)
    peer.receive(topic, b"live", retain=False)


@spec("MQTT5 3.3.1-13")
@only_5
@pytest.mark.parametrize("flag", [True, False], ids=["retain_1", "retain_0"])
def test_retain_as_published(mqtt, v, topic, flag):
    peer = reader(mqtt, v, topic, wire.options(1, retain_as_published=True))
    mqtt.connect(v).publish(topic, b"live", qos=1, retain=flag)
    peer.receive(topic, b"live", retain=flag)


@spec("MQTT5 3.3.1-13", "MQTT5 3.3.1-9")
@only_5
@pytest.mark.parametrize("option", [0, wire.options(0, retain_as_published=True)], ids=["not_as_published", "as_published"])
def test_retained_message_for_a_new_subscription_has_retain_1(mqtt, v, topic, option):
    retain(mqtt, v, topic, b"kept")
    reader(mqtt, v, topic, option).receive(topic, b"kept", retain=True)


@spec("MQTT5 3.3.2-4", "MQTT5 3.3.2-15", "MQTT5 3.3.2-16", "MQTT5 3.3.2-18", "MQTT5 3.3.2-20")
@only_5
def test_retained_message_keeps_its_properties_and_gains_none(mqtt, v, topic):
    props = [(Prop.PAYLOAD_FORMAT, 1), (Prop.CONTENT_TYPE, "text/plain"), (Prop.RESPONSE_TOPIC, "answer"),
             (Prop.CORRELATION_DATA, b"\x00\x01"), (Prop.USER_PROPERTY, ("b", "2")), (Prop.USER_PROPERTY, ("a", "1"))]
    retain(mqtt, v, topic, b"kept", props=props)
    assert sorted(reader(mqtt, v, topic).receive(topic, b"kept").props) == sorted(props)
    retain(mqtt, v, f"{topic}/plain", b"kept")
    assert reader(mqtt, v, f"{topic}/plain").receive(payload=b"kept").props == []


@spec("MQTT5 3.3.2-7")
@only_5
def test_topic_alias_is_not_kept_with_the_message(mqtt, v, topic):
    retain(mqtt, v, topic, b"kept", props=[(Prop.TOPIC_ALIAS, 1)])
    assert reader(mqtt, v, topic).receive(topic, b"kept").props == []


@spec("MQTT5 3.3.2-6")
@only_5
def test_retained_message_tells_what_is_left_of_its_life(mqtt, v, topic):
    retain(mqtt, v, topic, b"kept", props=[(Prop.MESSAGE_EXPIRY, 100)])
    elapse(2)
    left = reader(mqtt, v, topic).receive(topic, b"kept").props.get(Prop.MESSAGE_EXPIRY)
    assert 90 <= left <= 99


@spec("MQTT5 3.3.2-5")
@only_5
def test_retained_message_expires(mqtt, v, topic):
    retain(mqtt, v, topic, b"short", props=[(Prop.MESSAGE_EXPIRY, 1)])
    elapse(2.5)
    reader(mqtt, v, topic).expect_nothing()


@spec("MQTT5 3.8.4-4")
@only_5
def test_shared_subscription_gets_no_retained_messages(mqtt, v, topic):
    retain(mqtt, v, topic, b"kept")
    reader(mqtt, v, f"$share/group/{topic}").expect_nothing()


@spec("MQTT3 3.3.1-5", "MQTT5 3.3.1-5")
@pytest.mark.parametrize("writer, reading", [(V311, V5), (V5, V311)], ids=["311_to_5", "5_to_311"])
def test_retained_message_passes_between_versions(mqtt, topic, writer, reading):
    props = [(Prop.CONTENT_TYPE, "text/plain")] if writer == V5 else []
    retain(mqtt, writer, topic, b"kept", props=props)
    reader(mqtt, reading, topic).receive(topic, b"kept", retain=True)
