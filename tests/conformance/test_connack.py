# SPDX-License-Identifier: MIT
"""3.2 CONNACK: first answer, session present, and what the server announces."""
import pytest

from lib import mqtt as wire
from lib.marks import V5, V311, every_version, since_311, spec
from lib.mqtt import PacketType as T
from lib.mqtt import Prop, Will


@spec("MQTT3 3.1.4-4", "MQTT5 3.1.4-5", "MQTT5 3.2.2-8")
@every_version
def test_valid_connect_is_accepted(mqtt, v):
    assert mqtt.connect(v).connack.reason == 0


@spec("MQTT3 3.2.0-1", "MQTT5 3.2.0-1")
@every_version
def test_connack_comes_first_when_the_client_does_not_wait(mqtt, v, topic, client_id):
    peer = mqtt.open(v)
    peer.send(wire.connect(v, client_id()), wire.pingreq(), wire.subscribe(v, 1, [(topic, 1)]), wire.publish(v, topic, b"1", qos=1, pid=2))
    peer.expect(T.CONNACK, reason=0)
    peer.await_packet(T.PINGRESP)
    peer.await_packet(T.SUBACK, pid=1)
    peer.await_packet(T.PUBACK, pid=2)
    peer.receive(topic, b"1")


@spec("MQTT3 3.2.0-1", "MQTT5 3.2.0-1")
@every_version
def test_connack_comes_before_messages_that_wait(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=1)
    peer.disconnect()
    mqtt.connect(v).publish(topic, b"waiting", qos=1)
    again = mqtt.open(v)
    again.connect(name, clean=False)
    again.receive(topic, b"waiting")


@spec("MQTT5 3.2.0-2")
@every_version
def test_only_one_connack(mqtt, v):
    mqtt.connect(v).expect_nothing()


@spec("MQTT5 3.2.2-1", "MQTT3 2.2.2-1")
@every_version
def test_connack_flags(mqtt, v):
    """The decoder refuses reserved bits; here the whole byte is the session present flag, 0."""
    assert not mqtt.connect(v).connack.session_present


@spec("MQTT3 3.2.2-1", "MQTT5 3.2.2-2")
@since_311
def test_session_present_is_0_for_a_clean_start(mqtt, v, client_id):
    name = client_id()
    mqtt.connect(v, name, clean=False).disconnect()
    assert not mqtt.connect(v, name, clean=True).connack.session_present


@spec("MQTT3 3.2.2-3", "MQTT5 3.2.2-3")
@since_311
def test_session_present_is_0_without_a_session(mqtt, v):
    assert not mqtt.connect(v, clean=False).connack.session_present


@spec("MQTT3 3.2.2-2", "MQTT5 3.2.2-3")
@since_311
def test_session_present_is_1_for_a_kept_session(mqtt, v, client_id):
    name = client_id()
    mqtt.connect(v, name, clean=False).disconnect()
    assert mqtt.connect(v, name, clean=False).connack.session_present


@spec("MQTT3 3.2.2-2", "MQTT5 3.2.2-3")
@since_311
def test_session_present_is_1_after_takeover(mqtt, v, client_id):
    name = client_id()
    mqtt.connect(v, name, clean=False)
    assert mqtt.connect(v, name, clean=False).connack.session_present


@spec("MQTT3 3.2.2-6", "MQTT5 3.2.2-8")
@since_311
def test_violation_that_no_return_code_describes(mqtt, v, client_id):
    """3.1.1 has no code for a malformed CONNECT, so there is no CONNACK; version 5 may use 0x81."""
    peer = mqtt.open(v)
    peer.send_connect(client_id(), flags=0x03)
    if v == V5:
        peer.expect_refused(0x81)
    else:
        peer.expect_closed()


@spec("MQTT5 3.2.2-6", "MQTT5 3.2.2-7", "MQTT5 4.13.2-1")
def test_refusal_of_version_5_closes_and_has_no_session(mqtt, client_id):
    name = client_id()
    mqtt.connect(V5, name, clean=False).disconnect()
    peer = mqtt.open(V5)
    peer.send_connect(name, clean=False, props=[(Prop.AUTH_METHOD, "no such method")])
    peer.expect_refused(0x8C)


@spec("MQTT5 3.2.2-9", "MQTT5 3.2.2-10")
@pytest.mark.parametrize("maximum", [0, 1])
def test_lower_maximum_qos_is_announced_and_subscribe_still_accepted(mqtt, start_broker, topic, maximum):
    peer = mqtt.at(start_broker({"limits.max_qos": maximum})).connect(V5)
    assert peer.connack.props.get(Prop.MAXIMUM_QOS) == maximum
    assert all(qos <= maximum for qos in peer.subscribe((f"{topic}/0", 0), (f"{topic}/1", 1), (f"{topic}/2", 2)).reasons)


@spec("MQTT5 3.2.2-9")
def test_maximum_qos_2_is_not_announced(mqtt):
    """The property may only say 0 or 1."""
    assert mqtt.connect(V5).connack.props.get(Prop.MAXIMUM_QOS) in (None, 0, 1)


@spec("MQTT5 3.2.2-11")
@pytest.mark.parametrize("maximum, qos", [(0, 1), (0, 2), (1, 2)])
def test_publish_above_the_maximum_qos(mqtt, start_broker, topic, maximum, qos):
    peer = mqtt.at(start_broker({"limits.max_qos": maximum})).connect(V5)
    peer.send_publish(topic, b"1", qos=qos)
    peer.expect_error(0x9B)


@spec("MQTT5 3.2.2-12")
def test_will_above_the_maximum_qos(mqtt, start_broker, topic, client_id):
    peer = mqtt.at(start_broker({"limits.max_qos": 1})).open(V5)
    peer.send_connect(client_id(), will=Will(topic, qos=2))
    peer.expect(T.CONNACK, reason=0x9B)
    peer.expect_closed()


@spec("MQTT5 3.2.2-14", "MQTT5 3.2.2-13")
def test_retain_switched_off(mqtt, start_broker, topic, client_id):
    there = mqtt.at(start_broker({"features.retain": False}))
    peer = there.connect(V5)
    assert peer.connack.props.get(Prop.RETAIN_AVAILABLE) == 0
    peer.send_publish(topic, b"1", retain=True)
    peer.expect_error(0x9A)
    peer = there.open(V5)
    peer.send_connect(client_id(), will=Will(topic, retain=True))
    peer.expect(T.CONNACK, reason=0x9A)
    peer.expect_closed()


@spec("MQTT5 3.2.2-15")
@pytest.mark.parametrize("v", [V311, V5], ids=["v3.1.1", "v5"])
def test_packet_larger_than_the_server_takes(mqtt, start_broker, topic, v):
    peer = mqtt.at(start_broker({"limits.max_packet_size": 1000})).connect(v)
    if v == V5:
        assert peer.connack.props.get(Prop.MAXIMUM_PACKET_SIZE) == 1000
    peer.send_publish(topic, b"x" * 1000)
    peer.expect_error(0x95)


@spec("MQTT5 3.2.2-15")
def test_packet_of_exactly_the_size_that_the_server_takes(mqtt, start_broker, topic):
    peer = mqtt.at(start_broker({"limits.max_packet_size": 1000})).connect(V5)
    peer.subscribe(topic)
    payload = b"x" * (1000 - 3 - 2 - len(topic) - 1)
    peer.publish(topic, payload)
    assert peer.receive(topic, payload).size == 1000


@spec("MQTT5 3.2.2-21")
def test_server_keep_alive_is_announced(mqtt, start_broker):
    there = mqtt.at(start_broker({"limits.keep_alive_max": "2s"}))
    assert there.connect(V5, keep_alive=60).connack.props.get(Prop.SERVER_KEEP_ALIVE) == 2
    assert there.connect(V5, keep_alive=0).connack.props.get(Prop.SERVER_KEEP_ALIVE) == 2
    assert there.connect(V5, keep_alive=1).connack.props.get(Prop.SERVER_KEEP_ALIVE) in (None, 1)


@spec("MQTT5 3.2.2-21", "MQTT5 3.1.2-21")
def test_server_keep_alive_is_enforced(mqtt, start_broker):
    peer = mqtt.at(start_broker({"limits.keep_alive_max": "1s"})).connect(V5, keep_alive=60)
    peer.expect_silence(1.2)
    peer.expect_error(0x8D, timeout=3)


@spec("MQTT5 3.2.2-22")
def test_no_server_keep_alive_means_that_of_the_client(mqtt):
    peer = mqtt.connect(V5, keep_alive=1)
    assert Prop.SERVER_KEEP_ALIVE not in peer.connack.props
    peer.expect_silence(1.2)
    peer.expect_error(0x8D, timeout=3)


@spec("MQTT5 3.1.2-23")
def test_shorter_session_expiry_of_the_server_is_announced(mqtt, start_broker):
    there = mqtt.at(start_broker({"limits.session_expiry_max": "5s"}))
    assert there.connect(V5, expiry=300).connack.props.get(Prop.SESSION_EXPIRY) == 5
    assert there.connect(V5, expiry=3).connack.props.get(Prop.SESSION_EXPIRY) in (None, 3)


@spec("MQTT5 3.3.4-7")
def test_receive_maximum_of_the_server_is_announced(mqtt, start_broker):
    assert mqtt.at(start_broker({"limits.receive_maximum": 7})).connect(V5).connack.props.get(Prop.RECEIVE_MAXIMUM) == 7


@spec("MQTT5 3.2.2-17", "MQTT5 3.2.2-18")
@pytest.mark.parametrize("maximum", [0, 4])
def test_topic_alias_maximum_of_the_server_is_announced(mqtt, start_broker, maximum):
    props = mqtt.at(start_broker({"limits.topic_alias_maximum": maximum})).connect(V5).connack.props
    assert props.get(Prop.TOPIC_ALIAS_MAXIMUM, 0) == maximum


@spec("MQTT5 3.2.2-8")
@pytest.mark.parametrize("key, prop", [("features.wildcard_subscriptions", Prop.WILDCARD_AVAILABLE),
                                       ("features.subscription_identifiers", Prop.SUBSCRIPTION_ID_AVAILABLE),
                                       ("features.shared_subscriptions", Prop.SHARED_AVAILABLE)])
def test_feature_switched_off_is_announced(mqtt, start_broker, key, prop):
    assert mqtt.at(start_broker({key: False})).connect(V5).connack.props.get(prop) == 0


@spec("MQTT5 3.2.2-8")
def test_everything_is_available_by_default(mqtt):
    props = mqtt.connect(V5).connack.props
    for prop in (Prop.RETAIN_AVAILABLE, Prop.WILDCARD_AVAILABLE, Prop.SUBSCRIPTION_ID_AVAILABLE, Prop.SHARED_AVAILABLE):
        assert props.get(prop, 1) == 1
    assert props.get(Prop.RECEIVE_MAXIMUM, 65535) >= 1
