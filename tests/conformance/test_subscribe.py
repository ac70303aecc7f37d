# SPDX-License-Identifier: MIT
"""3.8 SUBSCRIBE, 3.9 SUBACK, subscription options and identifiers."""
import pytest

from lib import mqtt as wire
from lib.marks import V5, every_version, only_5, since_311, spec
from lib.mqtt import PacketType as T
from lib.mqtt import Prop


def identified(number):
    return [(Prop.SUBSCRIPTION_ID, number)]


@spec("MQTT3 3.8.4-1", "MQTT3 3.8.4-5", "MQTT5 3.8.4-1", "MQTT5 3.8.4-6", "MQTT5 3.8.4-7", "MQTT5 3.9.3-2")
@every_version
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_subscribe_is_answered_with_the_granted_qos(mqtt, v, topic, qos):
    peer = mqtt.connect(v)
    peer.send_subscribe([(topic, qos)], pid=1)
    peer.expect(T.SUBACK, pid=1, reasons=[qos])


@spec("MQTT3 3.9.3-1", "MQTT3 3.9.3-2", "MQTT3 3.8.4-4", "MQTT3 3.8.4-5", "MQTT5 3.9.3-1", "MQTT5 3.8.4-5", "MQTT5 3.8.4-6",
      "MQTT5 3.9.3-2")
@every_version
def test_one_suback_has_the_codes_in_the_order_of_the_filters(mqtt, v, topic):
    peer = mqtt.connect(v)
    wanted = [2, 0, 1, 1, 2, 0]
    peer.send_subscribe([(f"{topic}/{i}", qos) for i, qos in enumerate(wanted)], pid=1)
    peer.expect(T.SUBACK, pid=1, reasons=wanted)
    peer.expect_nothing()


@spec("MQTT3 3.8.4-4", "MQTT5 3.8.4-5")
@every_version
def test_each_filter_of_one_subscribe_counts(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe((f"{topic}/a", 0), (f"{topic}/b", 1), (f"{topic}/c", 2))
    publisher = mqtt.connect(v)
    for qos, name in enumerate("abc"):
        publisher.publish(f"{topic}/{name}", b"1", qos=2)
        peer.receive(f"{topic}/{name}", qos=qos)


@spec("MQTT3 3.8.4-4", "MQTT3 3.8.4-3", "MQTT5 3.8.4-5")
@every_version
def test_last_of_equal_filters_in_one_subscribe_counts(mqtt, v, topic):
    peer = mqtt.connect(v)
    assert peer.subscribe((topic, 2), (topic, 0)).reasons == [2, 0]
    mqtt.connect(v).publish(topic, b"1", qos=2)
    peer.receive(topic, qos=0)
    peer.expect_nothing()


@spec("MQTT3 3.8.3-3", "MQTT5 3.8.3-2")
@every_version
def test_subscribe_without_filters(mqtt, v):
    peer = mqtt.connect(v)
    peer.send_subscribe([])
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 4.8.0-1", "MQTT5 4.13.1-1")
@every_version
def test_subscribe_cut_short(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.send(wire.frame(0x82, b"\0\1" + (b"\0" if v == V5 else b"") + wire.utf8(topic)))
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 3.8.3-4", "MQTT5 3.8.3-5")
@since_311
@pytest.mark.parametrize("option", [0x40, 0x80, 0x03, 0x30], ids=["bit_6", "bit_7", "qos_3", "retain_handling_3"])
def test_reserved_bits_and_values_of_the_options(mqtt, v, topic, option):
    peer = mqtt.connect(v)
    peer.send_subscribe([(topic, option)])
    peer.expect_error(0x81, 0x82)


@spec("MQTT3 3.8.3-4")
@pytest.mark.parametrize("option", [0x04, 0x08, 0x10, 0x20])
def test_options_of_version_5_are_reserved_in_311(mqtt, topic, option):
    peer = mqtt.connect(wire.Version.V311)
    peer.send_subscribe([(topic, option)])
    peer.expect_closed()


@spec("MQTT3 3.8.4-3", "MQTT5 3.8.4-3")
@every_version
def test_same_filter_again_replaces_the_subscription(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe(topic, qos=2)
    peer.subscribe(topic, qos=0)
    mqtt.connect(v).publish(topic, b"1", qos=2)
    peer.receive(topic, b"1", qos=0)
    peer.expect_nothing()


@spec("MQTT3 3.8.4-3", "MQTT5 3.8.4-4")
@every_version
def test_replacing_a_subscription_loses_nothing(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe(topic, qos=1)
    publisher = mqtt.connect(v)
    for i in range(20):
        publisher.publish(topic, b"%d" % i, qos=1)
        peer.subscribe(topic, qos=1)
    for i in range(20):
        peer.receive(topic, b"%d" % i)


@spec("MQTT5 3.8.4-3")
@only_5
def test_same_filter_again_replaces_the_options(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe((topic, wire.options(1, no_local=True)), props=identified(1))
    peer.subscribe((topic, wire.options(1)), props=identified(2))
    peer.publish(topic, b"own", qos=1)
    assert peer.receive(topic, b"own").props.all(Prop.SUBSCRIPTION_ID) == [2]


@spec("MQTT5 3.8.4-3")
@only_5
def test_same_filter_again_may_drop_the_identifier(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe(topic, props=identified(1))
    peer.subscribe(topic)
    mqtt.connect(v).publish(topic, b"1")
    assert peer.receive(topic, b"1").props == []


@spec("MQTT3 3.3.5-1", "MQTT5 3.3.4-2")
@every_version
@pytest.mark.parametrize("order", [(0, 2, 1), (2, 1, 0), (1, 0, 2)])
def test_overlapping_filters_deliver_once_at_the_highest_qos(mqtt, v, topic, order):
    peer = mqtt.connect(v)
    for qos, filter_ in zip(order, (f"{topic}/a", f"{topic}/+", f"{topic}/#")):
        peer.subscribe(filter_, qos=qos)
    mqtt.connect(v).publish(f"{topic}/a", b"1", qos=2)
    peer.receive(f"{topic}/a", b"1", qos=2)
    peer.expect_nothing()


@spec("MQTT3 3.3.5-1", "MQTT5 3.3.4-2")
@every_version
def test_overlapping_filters_deliver_once_after_waiting(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe((f"{topic}/a", 1), (f"{topic}/+", 2), (f"{topic}/#", 0))
    peer.disconnect()
    publisher = mqtt.connect(v)
    for i in range(5):
        publisher.publish(f"{topic}/a", b"%d" % i, qos=2)
    again = mqtt.connect(v, name, clean=False)
    for i in range(5):
        again.receive(f"{topic}/a", b"%d" % i, qos=2)
    again.expect_nothing()


@spec("MQTT5 3.3.4-3", "MQTT5 3.3.4-4")
@only_5
def test_one_delivery_has_all_subscription_identifiers(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe(f"{topic}/a", props=identified(1))
    peer.subscribe(f"{topic}/+", props=identified(268_435_455))
    peer.subscribe(f"{topic}/#")
    peer.subscribe(f"{topic}/b", props=identified(5))
    mqtt.connect(v).publish(f"{topic}/a", b"1")
    packet = peer.receive(f"{topic}/a", b"1")
    assert sorted(packet.props.all(Prop.SUBSCRIPTION_ID)) == [1, 268_435_455]
    peer.expect_nothing()


@spec("MQTT5 3.3.4-3", "MQTT5 3.3.4-5")
@only_5
def test_identifier_comes_with_every_message_of_its_subscription(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe(f"{topic}/a", f"{topic}/b", props=identified(7))
    publisher = mqtt.connect(v)
    for name in ("a", "b"):
        publisher.publish(f"{topic}/{name}", b"1")
        assert peer.receive(f"{topic}/{name}").props.all(Prop.SUBSCRIPTION_ID) == [7]


@spec("MQTT5 3.3.4-3")
@only_5
def test_identifiers_are_kept_with_the_session(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe((topic, 1), props=identified(9))
    peer.disconnect()
    publisher = mqtt.connect(v)
    publisher.publish(topic, b"while away", qos=1)
    again = mqtt.connect(v, name, clean=False)
    publisher.publish(topic, b"after", qos=1)
    for payload in (b"while away", b"after"):
        assert again.receive(topic, payload).props.all(Prop.SUBSCRIPTION_ID) == [9]


@spec("MQTT5 3.3.4-3", "MQTT5 3.3.1-9")
@only_5
def test_retained_message_has_the_identifier_of_the_new_subscription(mqtt, v, topic):
    mqtt.connect(v).publish(topic, b"kept", qos=1, retain=True)
    peer = mqtt.connect(v)
    peer.subscribe(topic, props=identified(3))
    assert peer.receive(topic, b"kept", retain=True).props.all(Prop.SUBSCRIPTION_ID) == [3]


@spec("MQTT5 4.13.1-1")
@only_5
def test_subscription_identifier_zero(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.send_subscribe([(topic, 0)], props=identified(0))
    peer.expect_error(0x82, 0x81)


@spec("MQTT5 4.13.1-1")
@only_5
def test_two_subscription_identifiers(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.send_subscribe([(topic, 0)], props=identified(1) + identified(2))
    peer.expect_error(0x82, 0x81)


@spec("MQTT5 4.13.1-1")
@only_5
@pytest.mark.parametrize("pair", [(Prop.TOPIC_ALIAS, 1), (Prop.REASON_STRING, "r"), (Prop.SESSION_EXPIRY, 1)], ids=lambda p: p[0].name.lower())
def test_property_that_is_not_for_subscribe(mqtt, v, topic, pair):
    peer = mqtt.connect(v)
    peer.send_subscribe([(topic, 0)], props=[pair])
    peer.expect_error(0x82, 0x81)


@spec("MQTT5 3.8.3-3")
@only_5
def test_no_local(mqtt, v, topic):
    peer, other = mqtt.connect(v), mqtt.connect(v)
    peer.subscribe((topic, wire.options(1, no_local=True)))
    peer.publish(topic, b"own", qos=1)
    other.publish(topic, b"other", qos=1)
    peer.receive(topic, b"other")
    peer.expect_nothing()


@spec("MQTT5 3.8.3-3")
@only_5
def test_no_local_holds_across_connections_of_the_client(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe((topic, wire.options(1, no_local=True)))
    peer.disconnect()
    again = mqtt.connect(v, name, clean=False)
    again.publish(topic, b"own", qos=1)
    again.expect_nothing()


@spec("MQTT5 3.8.3-3")
@only_5
def test_no_local_and_another_subscription_of_the_client(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe((f"{topic}/+", wire.options(1, no_local=True)))
    peer.subscribe((f"{topic}/a", wire.options(0)))
    peer.publish(f"{topic}/a", b"own", qos=1)
    peer.receive(f"{topic}/a", b"own", qos=0)
    peer.expect_nothing()


@spec("MQTT5 3.8.3-4")
@only_5
def test_no_local_on_a_shared_subscription(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.send_subscribe([(f"$share/group/{topic}", wire.options(0, no_local=True))])
    peer.expect_error(0x82)


@spec("MQTT5 3.9.3-2", "MQTT5 3.8.4-7")
@only_5
@pytest.mark.parametrize("key, filter_, props, reason", [
    ("features.wildcard_subscriptions", "t/#", [], 0xA2), ("features.shared_subscriptions", "$share/g/t", [], 0x9E),
    ("features.subscription_identifiers", "t", identified(1), 0xA1)], ids=["wildcard", "shared", "identifier"])
def test_subscription_to_what_is_switched_off(mqtt, start_broker, v, key, filter_, props, reason):
    peer = mqtt.at(start_broker({key: False})).connect(v)
    peer.send_subscribe([(filter_, 0)], props=props)
    answer = peer.recv()
    if answer.type == T.SUBACK:
        assert answer.reasons == [reason]
        peer.barrier()
    else:
        assert answer.type == T.DISCONNECT and answer.reason == reason
        peer.expect_closed()


@spec("MQTT3 3.8.3-2", "MQTT3 3.9.3-2", "MQTT3 3.8.4-5")
def test_refused_subscription_in_311_has_0x80(mqtt, start_broker, topic):
    peer = mqtt.at(start_broker({"features.wildcard_subscriptions": False})).connect(wire.Version.V311)
    peer.send_subscribe([(f"{topic}/#", 1), (topic, 1)], pid=1)
    peer.expect(T.SUBACK, pid=1, reasons=[0x80, 1])
    peer.publish(topic, b"1", qos=1)
    peer.receive(topic, b"1")
