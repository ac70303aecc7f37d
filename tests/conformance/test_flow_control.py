# SPDX-License-Identifier: MIT
"""4.9 Flow control and the Receive Maximum of either side."""
import pytest

from lib.marks import V5, V311, acknowledged_qos, spec
from lib.mqtt import PacketType as T
from lib.mqtt import Prop

SERVER_MAXIMUM = 20


def subscriber(mqtt, topic, qos, maximum):
    peer = mqtt.connect(V5, props=[(Prop.RECEIVE_MAXIMUM, maximum)])
    peer.subscribe(topic, qos=qos)
    return peer


@spec("MQTT5 3.3.4-9", "MQTT5 4.9.0-1", "MQTT5 4.9.0-2")
@acknowledged_qos
@pytest.mark.parametrize("maximum", [1, 3])
def test_server_waits_at_the_receive_maximum_and_drops_nothing(mqtt, topic, qos, maximum):
    peer = subscriber(mqtt, topic, qos, maximum)
    publisher = mqtt.connect(V5)
    for i in range(10):
        publisher.publish(topic, b"%d" % i, qos=qos)
    under_way = [peer.expect(T.PUBLISH, payload=b"%d" % i) for i in range(maximum)]
    peer.expect_nothing()
    for message in under_way:
        peer.acknowledge(message)
    for i in range(maximum, 10):
        peer.receive(topic, b"%d" % i)
    peer.expect_nothing()


@spec("MQTT5 4.9.0-2", "MQTT5 3.3.4-9")
@acknowledged_qos
def test_each_acknowledgement_lets_one_more_message_go(mqtt, topic, qos):
    peer = subscriber(mqtt, topic, qos, 2)
    publisher = mqtt.connect(V5)
    for i in range(6):
        publisher.publish(topic, b"%d" % i, qos=qos)
    window = [peer.expect(T.PUBLISH), peer.expect(T.PUBLISH)]
    for i in range(2, 6):
        peer.expect_nothing()
        peer.acknowledge(window.pop(0))
        window.append(peer.expect(T.PUBLISH, payload=b"%d" % i))


@spec("MQTT5 3.3.4-9", "MQTT5 4.9.0-2")
def test_pubrec_does_not_open_the_window(mqtt, topic):
    peer = subscriber(mqtt, topic, 2, 1)
    publisher = mqtt.connect(V5)
    publisher.publish(topic, b"1", qos=2)
    publisher.publish(topic, b"2", qos=2)
    first = peer.expect(T.PUBLISH, payload=b"1")
    peer.send_ack(T.PUBREC, first.pid)
    peer.expect(T.PUBREL, pid=first.pid)
    peer.expect_nothing()
    peer.send_ack(T.PUBCOMP, first.pid)
    peer.receive(topic, b"2")


@spec("MQTT5 3.3.4-9", "MQTT5 4.4.0-2")
def test_pubrec_with_an_error_opens_the_window(mqtt, topic):
    peer = subscriber(mqtt, topic, 2, 1)
    publisher = mqtt.connect(V5)
    publisher.publish(topic, b"1", qos=2)
    publisher.publish(topic, b"2", qos=2)
    peer.send_ack(T.PUBREC, peer.expect(T.PUBLISH, payload=b"1").pid, 0x80)
    peer.receive(topic, b"2")


@spec("MQTT5 3.3.4-10", "MQTT5 4.9.0-3")
def test_everything_else_goes_on_while_the_window_is_full(mqtt, topic):
    peer = subscriber(mqtt, topic, 1, 1)
    publisher = mqtt.connect(V5)
    publisher.publish(topic, b"1", qos=1)
    publisher.publish(topic, b"2", qos=1)
    peer.expect(T.PUBLISH, payload=b"1")
    peer.subscribe(f"{topic}/other")
    peer.unsubscribe(f"{topic}/other")
    peer.publish(f"{topic}/out", b"1", qos=1)
    peer.publish(f"{topic}/out", b"1", qos=2)
    peer.expect_nothing()


@spec("MQTT5 3.3.4-9", "MQTT5 4.9.0-2")
def test_qos_0_is_not_counted(mqtt, topic):
    peer = subscriber(mqtt, topic, 1, 1)
    publisher = mqtt.connect(V5)
    publisher.publish(topic, b"under way", qos=1)
    peer.expect(T.PUBLISH, payload=b"under way")
    for i in range(5):
        publisher.publish(topic, b"%d" % i)
        peer.receive(topic, b"%d" % i, qos=0)


@spec("MQTT5 3.3.4-7")
@acknowledged_qos
def test_client_may_use_up_the_receive_maximum_of_the_server(mqtt, topic, qos):
    """Only QoS 2 can stay open on the client's side: PUBREL is withheld."""
    peer = mqtt.connect(V5)
    assert peer.connack.props.get(Prop.RECEIVE_MAXIMUM) == SERVER_MAXIMUM
    for round_ in range(3):
        pids = [peer.send_publish(topic, b"1", qos=qos) for _ in range(SERVER_MAXIMUM)]
        for pid in pids:
            peer.expect(T.PUBACK if qos == 1 else T.PUBREC, pid=pid)
        for pid in pids if qos == 2 else []:
            peer.send_ack(T.PUBREL, pid)
            peer.expect(T.PUBCOMP, pid=pid)


@spec("MQTT5 3.3.4-7", "MQTT5 4.13.1-1")
def test_client_that_overruns_the_receive_maximum(mqtt, topic):
    peer = mqtt.connect(V5)
    for _ in range(SERVER_MAXIMUM):
        peer.expect(T.PUBREC, pid=peer.send_publish(topic, b"1", qos=2))
    peer.send_publish(topic, b"one too many", qos=2)
    peer.expect_error(0x93)


@spec("MQTT5 3.3.4-8", "MQTT5 4.9.0-3")
def test_other_packets_are_taken_while_the_client_has_used_up_its_quota(mqtt, topic):
    peer = mqtt.connect(V5)
    for _ in range(SERVER_MAXIMUM):
        peer.expect(T.PUBREC, pid=peer.send_publish(topic, b"1", qos=2))
    peer.subscribe(f"{topic}/other")
    peer.publish(f"{topic}/other", b"qos 0")
    peer.receive(f"{topic}/other", b"qos 0")
    peer.unsubscribe(f"{topic}/other")


@spec("MQTT5 4.9.0-1")
def test_receive_maximum_starts_anew_with_each_connection(mqtt, topic, client_id):
    name = client_id()
    peer = mqtt.connect(V5, name, clean=False)
    for pid in range(1, SERVER_MAXIMUM + 1):
        peer.send_publish(topic, b"1", qos=2, pid=pid)
        peer.expect(T.PUBREC, pid=pid)
    peer.close()
    again = mqtt.connect(V5, name, clean=True)
    for pid in range(1, SERVER_MAXIMUM + 1):
        again.send_publish(topic, b"1", qos=2, pid=pid)
        again.expect(T.PUBREC, pid=pid)
    again.barrier()


@spec("MQTT3 4.3.2-1", "MQTT5 4.9.0-2")
@pytest.mark.parametrize("v", [V311, V5], ids=["v3.1.1", "v5"])
def test_slow_consumer_gets_everything_in_the_end(mqtt, topic, client_id, v):
    """Nothing is acknowledged until all was published; then all of it comes, in order."""
    peer = mqtt.connect(v, client_id(), clean=False)
    peer.subscribe(topic, qos=1)
    publisher = mqtt.connect(v)
    for i in range(90):
        publisher.publish(topic, b"%d" % i, qos=1)
    for i in range(90):
        peer.receive(topic, b"%d" % i)


@spec("MQTT5 4.9.0-2")
def test_server_limits_what_is_under_way_on_its_own_account(mqtt, start_broker, topic):
    there = mqtt.at(start_broker({"limits.inflight": 4}))
    peer = there.connect(V5)
    peer.subscribe(topic, qos=1)
    publisher = there.connect(V5)
    for i in range(10):
        publisher.publish(topic, b"%d" % i, qos=1)
    under_way = [peer.expect(T.PUBLISH) for _ in range(4)]
    peer.expect_nothing()
    for message in under_way:
        peer.acknowledge(message)
    for i in range(4, 10):
        peer.receive(topic, b"%d" % i)
