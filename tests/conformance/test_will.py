# SPDX-License-Identifier: MIT
"""Will messages: when they are published, how, and when not."""
import pytest

from lib import mqtt as wire
from lib.clock import Stopwatch, elapse
from lib.marks import V5, every_qos, every_version, only_5, spec, version_3
from lib.mqtt import Prop, Will


def watch(mqtt, v, topic, qos=2):
    watcher = mqtt.connect(v)
    watcher.subscribe(f"{topic}/#", qos=qos)
    return watcher


@spec("MQTT3 3.1.2-8", "MQTT5 3.1.2-7", "MQTT5 3.1.2-8")
@every_version
@every_qos
def test_will_is_published_when_the_connection_breaks(mqtt, v, topic, qos):
    watcher = watch(mqtt, v, topic)
    mqtt.connect(v, will=Will(f"{topic}/will", b"gone", qos=qos)).reset()
    watcher.receive(f"{topic}/will", b"gone", qos=qos, retain=False)


@spec("MQTT3 3.1.2-8", "MQTT5 3.1.2-8")
@every_version
def test_will_is_published_when_the_client_just_closes(mqtt, v, topic):
    watcher = watch(mqtt, v, topic)
    mqtt.connect(v, will=Will(f"{topic}/will", b"gone", qos=1)).close()
    watcher.receive(f"{topic}/will", b"gone")


@spec("MQTT3 3.1.2-8", "MQTT5 3.1.2-8")
@every_version
def test_will_is_published_after_a_protocol_error(mqtt, v, topic):
    watcher = watch(mqtt, v, topic)
    peer = mqtt.connect(v, will=Will(f"{topic}/will", b"gone", qos=1))
    peer.send(wire.publish(v, "a/#", b"wildcard"))
    peer.expect_end()
    watcher.receive(f"{topic}/will", b"gone")


@spec("MQTT3 3.1.2-8", "MQTT5 3.1.2-8")
@every_version
def test_will_is_published_on_takeover(mqtt, v, topic, client_id):
    watcher = watch(mqtt, v, topic)
    name = client_id()
    mqtt.connect(v, name, will=Will(f"{topic}/will", b"taken over", qos=1))
    mqtt.connect(v, name)
    watcher.receive(f"{topic}/will", b"taken over")


@spec("MQTT3 3.1.2-10", "MQTT3 3.14.4-3", "MQTT5 3.1.2-10", "MQTT5 3.14.4-3")
@every_version
def test_disconnect_discards_the_will(mqtt, v, topic):
    watcher = watch(mqtt, v, topic)
    mqtt.connect(v, will=Will(f"{topic}/will", b"no", qos=1)).disconnect()
    mqtt.connect(v).publish(f"{topic}/sentinel", b"sentinel", qos=1)
    watcher.receive(f"{topic}/sentinel")
    watcher.expect_nothing()


@spec("MQTT3 3.1.2-10", "MQTT5 3.1.2-10")
@every_version
def test_will_is_published_once(mqtt, v, topic, client_id):
    """Published wills are gone: a session that comes back without one does not publish it again."""
    watcher = watch(mqtt, v, topic)
    name = client_id()
    mqtt.connect(v, name, clean=False, will=Will(f"{topic}/will", b"gone", qos=1)).reset()
    watcher.receive(f"{topic}/will", b"gone")
    mqtt.connect(v, name, clean=False).reset()
    mqtt.connect(v).publish(f"{topic}/sentinel", b"sentinel", qos=1)
    watcher.receive(f"{topic}/sentinel")
    watcher.expect_nothing()


@spec("MQTT3 3.1.2-12")
@version_3
def test_without_will_nothing_is_published(mqtt, v, topic):
    watcher = watch(mqtt, v, topic)
    mqtt.connect(v).reset()
    mqtt.connect(v).publish(f"{topic}/sentinel", b"sentinel", qos=1)
    watcher.receive(f"{topic}/sentinel")
    watcher.expect_nothing()


@spec("MQTT3 3.1.2-16", "MQTT5 3.1.2-14")
@every_version
def test_will_that_is_not_retained(mqtt, v, topic):
    watcher = watch(mqtt, v, topic)
    mqtt.connect(v, will=Will(f"{topic}/will", b"gone", qos=1)).reset()
    watcher.receive(f"{topic}/will", b"gone", retain=False)
    late = watch(mqtt, v, topic)
    late.expect_nothing()


@spec("MQTT3 3.1.2-17", "MQTT5 3.1.2-15")
@every_version
def test_will_that_is_retained(mqtt, v, topic):
    watcher = watch(mqtt, v, topic)
    mqtt.connect(v, will=Will(f"{topic}/will", b"gone", qos=1, retain=True)).reset()
    watcher.receive(f"{topic}/will", b"gone", retain=False)
    late = watch(mqtt, v, topic)
    late.receive(f"{topic}/will", b"gone", retain=True)


@spec("MQTT3 3.1.2-9", "MQTT5 3.1.2-9")
@every_version
@pytest.mark.parametrize("payload", [b"", b"\x00\xff\xfe binary", b"x" * 60_000], ids=["empty", "binary", "long"])
def test_will_payloads(mqtt, v, topic, payload):
    watcher = watch(mqtt, v, topic)
    mqtt.connect(v, will=Will(f"{topic}/will", payload, qos=1)).reset()
    watcher.receive(f"{topic}/will", payload)


@spec("MQTT3 4.7.1-1", "MQTT5 4.7.0-1")
@every_version
@pytest.mark.parametrize("bad", ["t/#", "t/+/x", "#", ""], ids=["hash", "plus", "only_hash", "empty"])
def test_will_topic_is_a_topic_name(mqtt, v, client_id, bad):
    peer = mqtt.open(v)
    peer.send_connect(client_id(), will=Will(bad, b"1"))
    peer.expect_refused(*((0x81, 0x82, 0x90) if v == V5 else (1, 2, 4, 5)))


@every_version
def test_will_may_not_go_where_the_client_may_not_publish(mqtt, v, client_id):
    """$SYS is the broker's own voice."""
    peer = mqtt.open(v)
    peer.send_connect(client_id(), will=Will("$SYS/broker/version", b"forged", retain=True))
    peer.expect_refused(0x87 if v == V5 else 5)


@spec("MQTT5 3.1.2-8", "MQTT5 3.14.4-3")
@pytest.mark.parametrize("reason", [0x04, 0x80, 0x81, 0x93, 0x99])
def test_disconnect_with_another_reason_publishes_the_will(mqtt, topic, reason):
    watcher = watch(mqtt, V5, topic)
    mqtt.connect(V5, will=Will(f"{topic}/will", b"gone", qos=1)).disconnect(reason)
    watcher.receive(f"{topic}/will", b"gone")


@spec("MQTT5 3.1.3-9")
@only_5
def test_will_delay(mqtt, v, topic):
    watcher = watch(mqtt, v, topic)
    mqtt.connect(v, expiry=60, will=Will(f"{topic}/will", b"late", qos=1, props=[(Prop.WILL_DELAY, 2)])).reset()
    watch_ = Stopwatch()
    watcher.receive(f"{topic}/will", b"late", timeout=6)
    assert 1.0 <= watch_.seconds() <= 3.5


@spec("MQTT5 3.1.3-9")
@only_5
def test_client_that_is_back_before_the_will_delay(mqtt, v, topic, client_id):
    watcher = watch(mqtt, v, topic)
    name = client_id()
    mqtt.connect(v, name, expiry=60, will=Will(f"{topic}/will", b"no", qos=1, props=[(Prop.WILL_DELAY, 1)])).reset()
    assert mqtt.connect(v, name, clean=False).connack.session_present
    watcher.expect_silence(2.5)


@spec("MQTT5 3.1.2-8", "MQTT5 3.1.2-10")
@only_5
def test_takeover_within_the_will_delay(mqtt, v, topic, client_id):
    """A takeover that goes on with the session is no death either."""
    watcher = watch(mqtt, v, topic)
    name = client_id()
    mqtt.connect(v, name, expiry=60, will=Will(f"{topic}/will", b"no", qos=1, props=[(Prop.WILL_DELAY, 1)]))
    mqtt.connect(v, name, clean=False)
    watcher.expect_silence(2.5)


@spec("MQTT5 3.1.2-8")
@only_5
def test_clean_start_during_the_will_delay_publishes_the_will(mqtt, v, topic, client_id):
    watcher = watch(mqtt, v, topic)
    name = client_id()
    mqtt.connect(v, name, expiry=60, will=Will(f"{topic}/will", b"ended", qos=1, props=[(Prop.WILL_DELAY, 60)])).reset()
    mqtt.connect(v, name, clean=True)
    watcher.receive(f"{topic}/will", b"ended")


@spec("MQTT5 3.1.2-8")
@only_5
def test_end_of_the_session_cuts_the_will_delay_short(mqtt, v, topic):
    watcher = watch(mqtt, v, topic)
    mqtt.connect(v, expiry=1, will=Will(f"{topic}/will", b"ended", qos=1, props=[(Prop.WILL_DELAY, 60)])).reset()
    watcher.receive(f"{topic}/will", b"ended", timeout=5)


@spec("MQTT5 3.1.2-8")
@only_5
def test_will_delay_without_session_expiry_is_none(mqtt, v, topic):
    """The session ends with the connection, and the will goes out at the end of the session at the latest."""
    watcher = watch(mqtt, v, topic)
    mqtt.connect(v, will=Will(f"{topic}/will", b"ended", qos=1, props=[(Prop.WILL_DELAY, 60)])).reset()
    watcher.receive(f"{topic}/will", b"ended")


@spec("MQTT5 3.1.3-10", "MQTT5 3.3.2-17", "MQTT5 3.3.2-18")
def test_user_properties_of_a_will_keep_their_order(mqtt, topic):
    pairs = [("b", "2"), ("a", "1"), ("b", "2"), ("a", "0"), ("", "")]
    watcher = watch(mqtt, V5, topic)
    mqtt.connect(V5, will=Will(f"{topic}/will", b"1", props=[(Prop.USER_PROPERTY, p) for p in pairs])).reset()
    assert watcher.receive(f"{topic}/will").props.all(Prop.USER_PROPERTY) == pairs


@spec("MQTT5 3.1.2-9")
def test_properties_of_a_will_go_with_it_and_the_delay_does_not(mqtt, topic):
    props = [(Prop.PAYLOAD_FORMAT, 1), (Prop.CONTENT_TYPE, "text/plain"), (Prop.RESPONSE_TOPIC, "answer/here"),
             (Prop.CORRELATION_DATA, b"\x00\x01")]
    watcher = watch(mqtt, V5, topic)
    mqtt.connect(V5, will=Will(f"{topic}/will", b"1", props=props + [(Prop.WILL_DELAY, 0)])).reset()
    assert sorted(watcher.receive(f"{topic}/will").props) == sorted(props)


@spec("MQTT5 3.3.2-5", "MQTT5 3.3.2-6")
def test_message_expiry_of_a_will_counts_from_its_publication(mqtt, topic):
    watcher = watch(mqtt, V5, topic)
    peer = mqtt.connect(V5, will=Will(f"{topic}/will", b"1", props=[(Prop.MESSAGE_EXPIRY, 1)]))
    elapse(2)
    peer.reset()
    assert watcher.receive(f"{topic}/will").props.get(Prop.MESSAGE_EXPIRY) == 1


@spec("MQTT5 3.8.3-3")
def test_no_local_holds_back_ones_own_will(mqtt, topic, client_id):
    """The session is the publisher of its will, and asked not to get what it published itself."""
    name = client_id()
    peer = mqtt.connect(V5, name, clean=False, will=Will(f"{topic}/will", b"own", qos=1))
    peer.subscribe((f"{topic}/#", wire.options(1, no_local=True)))
    peer.reset()
    again = mqtt.connect(V5, name, clean=False)
    mqtt.connect(V5).publish(f"{topic}/sentinel", b"sentinel", qos=1)
    again.receive(f"{topic}/sentinel")
    again.expect_nothing()


@spec("MQTT3 3.1.2-8", "MQTT5 3.1.2-8")
@every_version
def test_will_reaches_sessions_that_are_away(mqtt, v, topic, client_id):
    name = client_id()
    watcher = mqtt.connect(v, name, clean=False)
    watcher.subscribe(f"{topic}/#", qos=1)
    watcher.disconnect()
    live = watch(mqtt, v, topic)
    mqtt.connect(v, will=Will(f"{topic}/will", b"gone", qos=1)).reset()
    live.receive(f"{topic}/will", b"gone")
    mqtt.connect(v, name, clean=False).receive(f"{topic}/will", b"gone", qos=1)
