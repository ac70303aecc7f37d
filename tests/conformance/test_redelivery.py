# SPDX-License-Identifier: MIT
"""4.4 Redelivery on a new connection, and 4.6 order."""
import pytest

from lib.marks import acknowledged_qos, every_qos, every_version, only_5, spec
from lib.mqtt import PacketType as T
from lib.mqtt import Prop


@spec("MQTT3 4.4.0-1", "MQTT3 3.3.1-1", "MQTT3 2.3.1-4", "MQTT3 4.3.2-1", "MQTT5 4.4.0-1", "MQTT5 3.3.1-1", "MQTT5 4.3.2-3",
      "MQTT5 4.3.3-3")
@every_version
@acknowledged_qos
@pytest.mark.parametrize("end", ["close", "reset", "disconnect"])
def test_unacknowledged_message_is_sent_again_with_dup(mqtt, v, topic, client_id, qos, end):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=qos)
    mqtt.connect(v).publish(topic, b"1", qos=qos)
    pid = peer.expect(T.PUBLISH, payload=b"1", dup=False).pid
    getattr(peer, end)()
    again = mqtt.connect(v, name, clean=False)
    again.receive(topic, b"1", dup=True, pid=pid, qos=qos)
    again.expect_nothing()


@spec("MQTT3 4.4.0-1", "MQTT3 4.3.3-1", "MQTT5 4.4.0-1", "MQTT5 4.3.3-5", "MQTT5 4.3.3-6")
@every_version
def test_unacknowledged_pubrel_is_sent_again_and_not_its_publish(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=2)
    mqtt.connect(v).publish(topic, b"1", qos=2)
    pid = peer.expect(T.PUBLISH, payload=b"1").pid
    peer.send_ack(T.PUBREC, pid)
    peer.expect(T.PUBREL, pid=pid)
    peer.close()
    again = mqtt.connect(v, name, clean=False)
    again.expect(T.PUBREL, pid=pid)
    again.send_ack(T.PUBCOMP, pid)
    again.expect_nothing()


@spec("MQTT3 4.4.0-1", "MQTT5 4.4.0-1")
@every_version
@acknowledged_qos
def test_acknowledged_message_is_not_sent_again(mqtt, v, topic, client_id, qos):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=qos)
    mqtt.connect(v).publish(topic, b"1", qos=qos)
    peer.receive(topic, b"1")
    peer.barrier()
    peer.close()
    mqtt.connect(v, name, clean=False).expect_nothing()


@spec("MQTT3 4.4.0-1", "MQTT5 4.4.0-1")
@every_version
def test_only_what_is_unacknowledged_is_sent_again(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=1)
    publisher = mqtt.connect(v)
    for i in range(6):
        publisher.publish(topic, b"%d" % i, qos=1)
    messages = [peer.expect(T.PUBLISH, payload=b"%d" % i) for i in range(6)]
    for i in (1, 3, 4):
        peer.send_ack(T.PUBACK, messages[i].pid)
    peer.barrier()
    peer.close()
    again = mqtt.connect(v, name, clean=False)
    for i in (0, 2, 5):
        again.receive(topic, b"%d" % i, pid=messages[i].pid, dup=True)
    again.expect_nothing()


@spec("MQTT3 4.6.0-1", "MQTT3 4.6.0-6", "MQTT5 4.6.0-1", "MQTT5 4.6.0-5")
@every_version
@acknowledged_qos
def test_messages_are_sent_again_in_their_order(mqtt, v, topic, client_id, qos):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=qos)
    publisher = mqtt.connect(v)
    for i in range(10):
        publisher.publish(topic, b"%d" % i, qos=qos)
    pids = [peer.expect(T.PUBLISH, payload=b"%d" % i).pid for i in range(10)]
    peer.close()
    again = mqtt.connect(v, name, clean=False)
    got = [again.expect(T.PUBLISH, dup=True) for _ in range(10)]
    assert [p.payload for p in got] == [b"%d" % i for i in range(10)]
    assert [p.pid for p in got] == pids


@spec("MQTT3 4.6.0-5", "MQTT3 4.6.0-6", "MQTT5 4.6.0-5", "MQTT5 4.6.0-6")
@every_version
@every_qos
def test_messages_of_a_publisher_arrive_in_their_order(mqtt, v, topic, qos):
    peer = mqtt.connect(v)
    peer.subscribe(topic, qos=qos)
    publisher = mqtt.connect(v)
    for start in range(0, 300, 10):
        pids = [publisher.send_publish(topic, b"%d" % i, qos=qos) for i in range(start, start + 10)]
        for pid in pids if qos else []:
            publisher.await_packet(T.PUBACK if qos == 1 else T.PUBREC, pid=pid)
            if qos == 2:
                publisher.send_ack(T.PUBREL, pid)
                publisher.await_packet(T.PUBCOMP, pid=pid)
        publisher.barrier()
        for i in range(start, start + 10):
            peer.receive(topic, b"%d" % i, qos=qos)


@spec("MQTT3 4.6.0-5", "MQTT3 4.6.0-6", "MQTT5 4.6.0-5", "MQTT5 4.6.0-6")
@every_version
def test_messages_that_waited_arrive_before_newer_ones(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=1)
    peer.disconnect()
    publisher = mqtt.connect(v)
    for i in range(50):
        publisher.publish(topic, b"%d" % i, qos=1)
    again = mqtt.connect(v, name, clean=False)
    for i in range(50, 60):
        publisher.publish(topic, b"%d" % i, qos=1)
    for i in range(60):
        again.receive(topic, b"%d" % i)


@spec("MQTT3 4.6.0-5", "MQTT5 4.6.0-6", "MQTT5 4.6.0-5")
@every_version
@pytest.mark.parametrize("filters", [["+"], ["#"], ["a", "#"]], ids=["plus", "hash", "overlapping"])
def test_order_holds_for_wildcard_subscriptions(mqtt, v, topic, filters):
    peer = mqtt.connect(v)
    peer.subscribe(*[f"{topic}/{f}" for f in filters], qos=1)
    publisher = mqtt.connect(v)
    for i in range(30):
        publisher.publish(f"{topic}/a", b"%d" % i, qos=1)
    got = []
    while not got or got[-1] != 29:
        number = int(peer.receive(f"{topic}/a").payload)
        if number not in got:
            got.append(number)
    assert got == list(range(30))


@spec("MQTT3 4.6.0-2", "MQTT5 4.6.0-2")
@every_version
def test_pubacks_come_in_the_order_of_the_messages(mqtt, v, topic):
    peer = mqtt.connect(v)
    for start in (1, 11):
        pids = [peer.send_publish(topic, b"1", qos=1, pid=start + i) for i in range(10)]
        for pid in pids:
            peer.expect(T.PUBACK, pid=pid)


@spec("MQTT3 4.6.0-3", "MQTT3 4.6.0-4", "MQTT5 4.6.0-3", "MQTT5 4.6.0-4")
@every_version
def test_pubrecs_and_pubcomps_come_in_the_order_of_the_messages(mqtt, v, topic):
    peer = mqtt.connect(v)
    pids = [peer.send_publish(topic, b"1", qos=2) for _ in range(10)]
    for pid in pids:
        peer.expect(T.PUBREC, pid=pid)
    for pid in pids:
        peer.send_ack(T.PUBREL, pid)
    for pid in pids:
        peer.expect(T.PUBCOMP, pid=pid)


@spec("MQTT3 4.6.0-4", "MQTT5 4.6.0-4")
@every_version
def test_pubrels_of_the_server_come_in_the_order_of_the_pubrecs(mqtt, v, topic):
    peer = mqtt.connect(v)
    peer.subscribe(topic, qos=2)
    publisher = mqtt.connect(v)
    for i in range(5):
        publisher.publish(topic, b"%d" % i, qos=2)
    pids = [peer.expect(T.PUBLISH).pid for _ in range(5)]
    for pid in pids:
        peer.send_ack(T.PUBREC, pid)
    for pid in pids:
        peer.expect(T.PUBREL, pid=pid)


@spec("MQTT3 4.5.0-2", "MQTT5 4.5.0-2")
@every_version
def test_acknowledgements_of_a_client_may_come_in_any_order(mqtt, v, topic):
    """The client has to keep the order; a server takes what comes."""
    peer = mqtt.connect(v)
    peer.subscribe(topic, qos=1)
    publisher = mqtt.connect(v)
    for i in range(5):
        publisher.publish(topic, b"%d" % i, qos=1)
    pids = [peer.expect(T.PUBLISH).pid for _ in range(5)]
    for pid in reversed(pids):
        peer.send_ack(T.PUBACK, pid)
    publisher.publish(topic, b"next", qos=1)
    peer.receive(topic, b"next")


@spec("MQTT5 4.4.0-1", "MQTT5 3.3.4-9")
@only_5
def test_redelivery_keeps_to_a_smaller_receive_maximum(mqtt, v, topic, client_id):
    name = client_id()
    peer = mqtt.connect(v, name, clean=False)
    peer.subscribe(topic, qos=1)
    publisher = mqtt.connect(v)
    for i in range(5):
        publisher.publish(topic, b"%d" % i, qos=1)
    for i in range(5):
        peer.expect(T.PUBLISH, payload=b"%d" % i)
    peer.close()
    again = mqtt.connect(v, name, clean=False, props=[(Prop.RECEIVE_MAXIMUM, 2)])
    first, second = again.expect(T.PUBLISH, payload=b"0"), again.expect(T.PUBLISH, payload=b"1")
    again.expect_nothing()
    again.acknowledge(first)
    again.acknowledge(second)
    for i in range(2, 5):
        again.receive(topic, b"%d" % i)
