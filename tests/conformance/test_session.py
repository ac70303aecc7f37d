# SPDX-License-Identifier: MIT
"""Sessions: clean start, what is kept, and for how long."""
import pytest

from lib import mqtt as wire
from lib.clock import elapse
from lib.marks import V5, V311, acknowledged_qos, every_version, only_5, spec, version_3
from lib.mqtt import PacketType as T
from lib.mqtt import Prop

FOREVER = 0xFFFFFFFF


@spec("MQTT3 3.1.2-4", "MQTT3 3.1.4-3", "MQTT3 4.1.0-1", "MQTT5 3.1.2-5", "MQTT5 3.1.4-4", "MQTT5 3.1.2-23")
@every_version
def test_subscriptions_are_kept(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=1)
    peer.disconnect()
    again = mqtt.connect(v, name, clean=False)
    mqtt.connect(v).publish(topic, b"1", qos=1)
    again.receive(topic, b"1", qos=1)


@spec("MQTT3 3.1.2-5", "MQTT3 4.5.0-1", "MQTT5 3.1.2-5", "MQTT5 4.5.0-1")
@every_version
@acknowledged_qos
def test_messages_are_kept_while_the_client_is_away(mqtt, v, topic, client_id, qos):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=2)
    peer.disconnect()
    publisher = mqtt.connect(v)
    for i in range(20):
        publisher.publish(topic, b"%d" % i, qos=qos)
    again = mqtt.connect(v, name, clean=False)
    for i in range(20):
        again.receive(topic, b"%d" % i, qos=qos, dup=False)
    again.expect_nothing()


@spec("MQTT3 3.1.2-5", "MQTT5 4.5.0-1")
@every_version
def test_messages_are_kept_when_the_connection_breaks(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=1)
    peer.reset()
    mqtt.connect(v).publish(topic, b"1", qos=1)
    mqtt.connect(v, name, clean=False).receive(topic, b"1", qos=1)


@spec("MQTT3 3.1.2-4", "MQTT5 3.1.2-6")
@every_version
def test_without_a_session_a_new_one_begins(mqtt, v):
    peer = mqtt.connect(v, clean=False)
    assert not peer.connack.session_present
    peer.expect_nothing()


@spec("MQTT3 3.1.2-6", "MQTT5 3.1.2-4", "MQTT5 3.1.4-4")
@every_version
def test_clean_start_drops_subscriptions_and_messages(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=1)
    peer.disconnect()
    publisher = mqtt.connect(v)
    publisher.publish(topic, b"while away", qos=1)
    again = mqtt.connect(v, name, clean=True)
    publisher.publish(topic, b"after", qos=1)
    again.subscribe(f"{topic}/sentinel", qos=1)
    publisher.publish(f"{topic}/sentinel", b"sentinel", qos=1)
    again.receive(f"{topic}/sentinel", b"sentinel")


@spec("MQTT3 3.1.2-6", "MQTT5 3.1.2-4")
@every_version
def test_state_of_a_clean_session_is_not_used_again(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=True)
    peer.subscribe(topic, qos=1)
    peer.disconnect()
    mqtt.connect(v).publish(topic, b"while away", qos=1)
    again = mqtt.connect(v, name, clean=False)
    assert not again.connack.session_present
    again.expect_nothing()


@spec("MQTT3 3.1.2-6", "MQTT5 3.1.2-4")
@every_version
def test_clean_start_forgets_a_half_done_qos_2(mqtt, v, topic, client_id):
    """The identifier of the old session's PUBLISH is new to the new session: its message is delivered."""
    watcher = mqtt.connect(v)
    watcher.subscribe(topic, qos=2)
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.send_publish(topic, b"old", qos=2, pid=9)
    peer.expect(T.PUBREC, pid=9)
    peer.close()
    again = mqtt.connect(v, name, clean=True)
    again.publish(topic, b"new", qos=2, pid=9, dup=True)
    if watcher.receive(topic).payload == b"old":  # delivered on PUBLISH rather than on PUBREL; both are allowed
        watcher.receive(topic, b"new")
    watcher.expect_nothing()


@spec("MQTT3 3.1.2-7")
@version_3
def test_retained_messages_outlive_the_session(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.publish(topic, b"kept", qos=1, retain=True)
    peer.disconnect()
    mqtt.connect(v).publish(f"{topic}/other", b"1", qos=1)
    reader = mqtt.connect(v)
    reader.subscribe(topic)
    reader.receive(topic, b"kept", retain=True)


@spec("MQTT3 4.1.0-2", "MQTT5 4.1.0-1")
@every_version
def test_session_lasts_as_long_as_its_connection(mqtt, v, topic):
    """Session expiry runs from the end of the connection: one that ends with it is whole while it lasts."""
    peer = mqtt.connect(v, keep_alive=0, clean=True)
    peer.subscribe(topic, qos=1)
    peer.expect_silence(1.5)
    mqtt.connect(v).publish(topic, b"1", qos=1)
    peer.receive(topic, b"1", qos=1)


@spec("MQTT5 4.1.0-1", "MQTT5 4.1.0-2")
@only_5
def test_expiry_does_not_run_while_connected(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, expiry=1)
    peer.subscribe(topic, qos=1)
    peer.expect_silence(2.5)
    peer.disconnect()
    assert mqtt.connect(v, name, clean=False).connack.session_present


@spec("MQTT5 4.1.0-2")
@pytest.mark.parametrize("props", [[], [(Prop.SESSION_EXPIRY, 0)]], ids=["absent", "zero"])
def test_without_expiry_the_session_ends_with_the_connection(mqtt, client_id, props):
    name = client_id()
    mqtt.connect(V5, name, props=props).disconnect()
    assert not mqtt.connect(V5, name, clean=False).connack.session_present


@spec("MQTT5 4.1.0-2", "MQTT5 3.1.2-23")
def test_session_ends_when_its_expiry_has_passed(mqtt, topic, client_id):
    name = client_id()
    peer = mqtt.connect(V5, name, expiry=1)
    peer.subscribe(topic, qos=1)
    peer.disconnect()
    elapse(3)
    again = mqtt.connect(V5, name, clean=False)
    assert not again.connack.session_present
    mqtt.connect(V5).publish(topic, b"1", qos=1)
    again.expect_nothing()


@spec("MQTT5 3.1.2-23")
def test_session_is_kept_until_its_expiry_has_passed(mqtt, client_id):
    name = client_id()
    mqtt.connect(V5, name, expiry=4).disconnect()
    elapse(2)
    assert mqtt.connect(V5, name, clean=False).connack.session_present


@spec("MQTT5 3.1.2-23")
def test_each_connect_sets_the_expiry_anew(mqtt, client_id):
    name = client_id()
    mqtt.connect(V5, name, expiry=300).disconnect()
    mqtt.connect(V5, name, clean=False, expiry=0).disconnect()
    assert not mqtt.connect(V5, name, clean=False).connack.session_present


@spec("MQTT5 3.1.2-23")
def test_expiry_that_never_comes(mqtt, client_id):
    name = client_id()
    mqtt.connect(V5, name, expiry=FOREVER).disconnect()
    assert mqtt.connect(V5, name, clean=False).connack.session_present


@spec("MQTT5 3.1.2-23")
def test_disconnect_may_change_the_expiry(mqtt, client_id):
    name = client_id()
    mqtt.connect(V5, name, expiry=300).disconnect(0, [(Prop.SESSION_EXPIRY, 0)])
    assert not mqtt.connect(V5, name, clean=False).connack.session_present
    mqtt.connect(V5, name, expiry=1).disconnect(0, [(Prop.SESSION_EXPIRY, 300)])
    elapse(2)
    assert mqtt.connect(V5, name, clean=False).connack.session_present


@spec("MQTT5 4.13.1-1")
def test_disconnect_may_not_give_an_expiry_to_a_session_without_one(mqtt, client_id):
    name = client_id()
    peer = mqtt.connect(V5, name, expiry=0)
    peer.send(wire.disconnect(V5, 0, [(Prop.SESSION_EXPIRY, 10)]))
    peer.expect_error(0x82)
    assert not mqtt.connect(V5, name, clean=False).connack.session_present


@spec("MQTT3 3.1.3-2", "MQTT5 3.1.3-2")
@pytest.mark.parametrize("first, second", [(V311, V5), (V5, V311)], ids=["311_to_5", "5_to_311"])
def test_session_passes_between_versions(mqtt, topic, client_id, first, second):
    name = client_id()
    peer = mqtt.connect(first, name, clean=False)
    peer.subscribe(topic, qos=1)
    peer.disconnect()
    mqtt.connect(V311).publish(topic, b"1", qos=1)
    again = mqtt.connect(second, name, clean=False)
    assert again.connack.session_present
    again.receive(topic, b"1", qos=1)


@spec("MQTT3 3.1.3-2", "MQTT5 3.1.3-2")
@every_version
def test_sessions_are_told_apart_by_client_id(mqtt, v, topic, client_id):
    first, second = client_id(), client_id()
    peer = mqtt.connect(v, first, clean=False)
    peer.subscribe(topic, qos=1)
    peer.disconnect()
    mqtt.connect(v, second, clean=False).disconnect()
    mqtt.connect(v).publish(topic, b"1", qos=1)
    mqtt.connect(v, second, clean=False).expect_nothing()
    mqtt.connect(v, first, clean=False).receive(topic, b"1")


@spec("MQTT3 3.1.2-4", "MQTT5 3.1.2-5")
@every_version
def test_takeover_hands_on_what_was_not_acknowledged(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=1)
    mqtt.connect(v).publish(topic, b"1", qos=1)
    pid = peer.expect(T.PUBLISH, payload=b"1", dup=False).pid
    again = mqtt.connect(v, name, clean=False)
    again.receive(topic, b"1", dup=True, pid=pid)
    again.expect_nothing()


@spec("MQTT5 3.1.2-23", "MQTT5 4.1.0-1")
@only_5
def test_unsubscribed_filters_do_not_come_back(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, f"{topic}/kept", qos=1)
    peer.unsubscribe(topic)
    peer.disconnect()
    publisher = mqtt.connect(v)
    publisher.publish(topic, b"gone", qos=1)
    publisher.publish(f"{topic}/kept", b"kept", qos=1)
    again = mqtt.connect(v, name, clean=False)
    again.receive(f"{topic}/kept", b"kept")
    again.expect_nothing()
