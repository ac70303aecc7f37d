# SPDX-License-Identifier: MIT
"""4.3 The three delivery protocols, on both sides of the server."""
import pytest

from lib import mqtt as wire
from lib.clock import elapse
from lib.marks import every_qos, every_version, only_5, spec
from lib.mqtt import PacketType as T
from lib.mqtt import Prop


def under_way(mqtt, v, topic, qos, payload=b"1", **publish):
    """A subscriber to whom the server has sent one message, not acknowledged yet, and that message."""
    peer = mqtt.connect(v)
    peer.subscribe(topic, qos=qos)
    mqtt.connect(v).publish(topic, payload, qos=qos, **publish)
    return peer, peer.expect(T.PUBLISH, payload=payload, qos=qos, dup=False)


@spec("MQTT3 4.3.1-1", "MQTT3 3.3.1-2", "MQTT5 4.3.1-1", "MQTT5 3.3.1-2")
@every_version
def test_qos_0_out(mqtt, v, topic):
    peer, message = under_way(mqtt, v, topic, 0)
    assert message.pid is None and not message.dup
    peer.expect_nothing()


@spec("MQTT3 4.3.2-1", "MQTT5 4.3.2-2", "MQTT5 4.3.2-3")
@every_version
def test_qos_1_out(mqtt, v, topic):
    peer, message = under_way(mqtt, v, topic, 1)
    peer.send_ack(T.PUBACK, message.pid)
    peer.expect_nothing()


@spec("MQTT3 4.3.3-1", "MQTT5 4.3.3-2", "MQTT5 4.3.3-3", "MQTT5 4.3.3-4", "MQTT5 4.3.3-5", "MQTT5 3.6.2-1")
@every_version
def test_qos_2_out(mqtt, v, topic):
    peer, message = under_way(mqtt, v, topic, 2)
    peer.expect_nothing()
    peer.send_ack(T.PUBREC, message.pid)
    peer.expect(T.PUBREL, pid=message.pid, reason=0)
    peer.send_ack(T.PUBCOMP, message.pid)
    peer.expect_nothing()


@spec("MQTT5 4.4.0-1")
@only_5
@pytest.mark.parametrize("qos", [1, 2])
def test_nothing_is_sent_again_while_the_connection_lasts(mqtt, v, topic, qos):
    peer, _ = under_way(mqtt, v, topic, qos)
    peer.expect_silence(3)


@spec("MQTT3 4.3.2-2", "MQTT5 4.3.2-4", "MQTT5 3.4.2-1")
@every_version
def test_qos_1_in(mqtt, v, topic):
    watcher = mqtt.connect(v)
    watcher.subscribe(topic, qos=1)
    peer = mqtt.connect(v)
    peer.send_publish(topic, b"1", qos=1, pid=5)
    peer.expect(T.PUBACK, pid=5)
    watcher.receive(topic, b"1", qos=1)


@spec("MQTT3 4.3.2-2", "MQTT5 4.3.2-5")
@every_version
@pytest.mark.parametrize("dup", [False, True], ids=["dup_0", "dup_1"])
def test_qos_1_identifier_is_free_after_the_puback(mqtt, v, topic, dup):
    watcher = mqtt.connect(v)
    watcher.subscribe(topic, qos=1)
    peer = mqtt.connect(v)
    for payload in (b"1", b"2"):
        peer.send_publish(topic, payload, qos=1, pid=5, dup=dup)
        peer.expect(T.PUBACK, pid=5)
        watcher.receive(topic, payload)


@spec("MQTT3 4.3.3-2", "MQTT5 4.3.3-8", "MQTT5 4.3.3-11", "MQTT5 3.5.2-1", "MQTT5 3.7.2-1")
@every_version
def test_qos_2_in(mqtt, v, topic):
    watcher = mqtt.connect(v)
    watcher.subscribe(topic, qos=2)
    peer = mqtt.connect(v)
    peer.send_publish(topic, b"1", qos=2, pid=5)
    peer.expect(T.PUBREC, pid=5)
    peer.send_ack(T.PUBREL, 5)
    peer.expect(T.PUBCOMP, pid=5, reason=0)
    watcher.receive(topic, b"1", qos=2)
    watcher.expect_nothing()


@spec("MQTT3 4.3.3-2", "MQTT5 4.3.3-10")
@every_version
def test_qos_2_repeated_before_pubrel_is_delivered_once(mqtt, v, topic):
    watcher = mqtt.connect(v)
    watcher.subscribe(topic, qos=2)
    peer = mqtt.connect(v)
    for dup in (False, True, True):
        peer.send_publish(topic, b"1", qos=2, pid=5, dup=dup)
        peer.expect(T.PUBREC, pid=5)
    peer.send_ack(T.PUBREL, 5)
    peer.expect(T.PUBCOMP, pid=5)
    watcher.receive(topic, b"1")
    peer.publish(topic, b"sentinel", qos=2)
    watcher.receive(topic, b"sentinel")


@spec("MQTT3 4.3.3-2", "MQTT5 4.3.3-10")
@every_version
def test_qos_2_repeated_on_a_new_connection_is_delivered_once(mqtt, v, topic, client_id):
    watcher = mqtt.connect(v)
    watcher.subscribe(topic, qos=2)
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.send_publish(topic, b"1", qos=2, pid=5)
    peer.expect(T.PUBREC, pid=5)
    peer.close()
    again = mqtt.connect(v, name, clean=False)
    again.publish(topic, b"1", qos=2, pid=5, dup=True)
    watcher.receive(topic, b"1")
    again.publish(topic, b"sentinel", qos=2)
    watcher.receive(topic, b"sentinel")


@spec("MQTT3 4.3.3-2", "MQTT5 4.3.3-12")
@every_version
def test_qos_2_identifier_is_free_after_the_pubcomp(mqtt, v, topic):
    watcher = mqtt.connect(v)
    watcher.subscribe(topic, qos=2)
    peer = mqtt.connect(v)
    for payload in (b"1", b"1", b"2"):
        peer.publish(topic, payload, qos=2, pid=5)
        watcher.receive(topic, payload)


@spec("MQTT3 4.3.3-2", "MQTT5 4.3.3-11")
@every_version
def test_pubrel_repeated_is_answered_each_time(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.publish(topic, b"1", qos=2, pid=5)
    peer.send_ack(T.PUBREL, 5)
    peer.expect(T.PUBCOMP, pid=5)


@spec("MQTT5 3.7.2-1", "MQTT5 4.3.3-11")
@only_5
def test_pubrel_of_an_unknown_identifier(mqtt, v):
    peer = mqtt.connect(v)
    peer.send_ack(T.PUBREL, 4711)
    assert peer.expect(T.PUBCOMP, pid=4711).reason in (0, 0x92)
    peer.barrier()


@spec("MQTT5 3.6.2-1")
@only_5
def test_pubrec_of_an_unknown_identifier(mqtt, v):
    peer = mqtt.connect(v)
    peer.send_ack(T.PUBREC, 4711)
    assert peer.expect(T.PUBREL, pid=4711).reason in (0, 0x92)
    peer.barrier()


@spec("MQTT3 4.3.2-2")
@every_version
@pytest.mark.parametrize("kind", [T.PUBACK, T.PUBCOMP], ids=lambda k: k.name)
def test_acknowledgement_of_an_unknown_identifier_is_harmless(mqtt, v, kind):
    """A client that lost its state acknowledges what the server does not know."""
    peer = mqtt.connect(v)
    peer.send_ack(kind, 4711)
    peer.barrier()


@spec("MQTT3 4.3.3-1", "MQTT5 4.3.3-4")
@every_version
def test_pubrec_repeated_gets_its_pubrel_again(mqtt, v, topic):
    peer, message = under_way(mqtt, v, topic, 2)
    for _ in range(2):
        peer.send_ack(T.PUBREC, message.pid)
        peer.expect(T.PUBREL, pid=message.pid)
    peer.send_ack(T.PUBCOMP, message.pid)
    peer.expect_nothing()


@spec("MQTT5 4.4.0-2", "MQTT5 4.3.3-4")
@only_5
@pytest.mark.parametrize("kind, qos", [(T.PUBACK, 1), (T.PUBREC, 2)], ids=["PUBACK", "PUBREC"])
def test_message_that_the_client_refused_is_done_with(mqtt, v, topic, client_id, kind, qos):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False, props=[(Prop.RECEIVE_MAXIMUM, 1)])
    peer.subscribe(topic, qos=qos)
    publisher = mqtt.connect(v)
    publisher.publish(topic, b"refused", qos=qos)
    publisher.publish(topic, b"next", qos=qos)
    message = peer.expect(T.PUBLISH, payload=b"refused")
    peer.send_ack(kind, message.pid, 0x80)
    peer.receive(topic, b"next")
    peer.barrier()
    peer.disconnect()
    mqtt.connect(v, name, clean=False).expect_nothing()


@spec("MQTT5 4.3.3-9")
@only_5
def test_identifier_is_free_after_a_pubrec_with_an_error(mqtt, v, topic):
    """The broker's own topics are not the clients' to write; if it says so in the PUBREC, that exchange is over."""
    watcher = mqtt.connect(v)
    watcher.subscribe(topic, qos=2)
    peer = mqtt.connect(v)
    peer.send_publish("$SYS/broker/forged", b"forged", qos=2, pid=5)
    if peer.expect(T.PUBREC, pid=5).reason < 0x80:
        peer.send_ack(T.PUBREL, 5)
        peer.expect(T.PUBCOMP, pid=5)
    peer.publish(topic, b"new", qos=2, pid=5)
    watcher.receive(topic, b"new")


@spec("MQTT5 4.3.3-7")
@only_5
def test_message_expiry_does_not_stop_a_message_that_was_sent(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=2)
    mqtt.connect(v).publish(topic, b"1", qos=2, props=[(Prop.MESSAGE_EXPIRY, 1)])
    message = peer.expect(T.PUBLISH, payload=b"1")
    elapse(2.5)
    peer.send_ack(T.PUBREC, message.pid)
    peer.expect(T.PUBREL, pid=message.pid)
    peer.send_ack(T.PUBCOMP, message.pid)
    peer.expect_nothing()


@spec("MQTT5 4.3.3-13")
@only_5
def test_message_expiry_does_not_stop_the_acknowledgements(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.send_publish(topic, b"1", qos=2, pid=5, props=[(Prop.MESSAGE_EXPIRY, 1)])
    peer.expect(T.PUBREC, pid=5)
    elapse(2.5)
    peer.send_ack(T.PUBREL, 5)
    peer.expect(T.PUBCOMP, pid=5, reason=0)


@spec("MQTT3 3.8.4-6", "MQTT5 3.8.4-8")
@every_version
@every_qos
@pytest.mark.parametrize("granted", [0, 1, 2])
def test_delivery_at_the_lower_qos(mqtt, v, topic, qos, granted):
    peer = mqtt.connect(v)
    peer.subscribe(topic, qos=granted)
    mqtt.connect(v).publish(topic, b"1", qos=qos)
    peer.receive(topic, b"1", qos=min(qos, granted))
    peer.expect_nothing()


@spec("MQTT3 4.5.0-1", "MQTT5 4.5.0-1")
@every_version
@every_qos
def test_every_subscriber_gets_the_message(mqtt, v, topic, qos):
    peers = [mqtt.connect(v) for _ in range(8)]
    for peer in peers:
        peer.subscribe(topic, qos=qos)
    mqtt.connect(v).publish(topic, b"1", qos=qos)
    for peer in peers:
        peer.receive(topic, b"1", qos=qos)


@spec("MQTT3 4.5.0-1", "MQTT5 4.5.0-1")
@every_version
def test_publisher_gets_its_own_message(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe(topic, qos=2)
    peer.publish(topic, b"1", qos=2)
    peer.receive(topic, b"1", qos=2)


@spec("MQTT3 4.5.0-1", "MQTT5 4.5.0-1")
@pytest.mark.parametrize("sender", list(wire.Version), ids=lambda v: v.name)
@pytest.mark.parametrize("receiver", list(wire.Version), ids=lambda v: v.name)
@every_qos
def test_messages_pass_between_versions(mqtt, topic, sender, receiver, qos):
    peer = mqtt.connect(receiver)
    peer.subscribe(topic, qos=qos)
    mqtt.connect(sender).publish(topic, b"payload", qos=qos)
    peer.receive(topic, b"payload", qos=qos)
