# SPDX-License-Identifier: MIT
"""4.8.2 Shared subscriptions."""
import pytest

from lib import mqtt as wire
from lib.clock import Stopwatch
from lib.marks import V5, V311, every_qos, only_5, spec
from lib.mqtt import PacketType as T
from lib.mqtt import Prop


def members(mqtt, topic, count, qos=1, group="group", **fields):
    peers = [mqtt.connect(V5, **fields) for _ in range(count)]
    for peer in peers:
        peer.subscribe(f"$share/{group}/{topic}", qos=qos)
    return peers


def gather(peers, count):
    """What reaches each of the peers until it is `count` in all, everything acknowledged, and what came too much."""
    got = [[] for _ in peers]
    watch = Stopwatch()
    while sum(map(len, got)) < count and watch.seconds() < 5:
        take_all(peers, got)
    take_all(peers, got)
    return got


def take_all(peers, got):
    for peer, mine in zip(peers, got):
        for packet in peer.take_messages():
            peer.acknowledge(packet)
            mine.append(packet)


@spec("MQTT5 4.8.2-1", "MQTT5 4.8.2-2")
@only_5
@pytest.mark.parametrize("bad", ["$share/", "$share/group", "$share/group/", "$share//t", "$share/gr+oup/t", "$share/gr#oup/t",
                                 "$share/+/t", "$share/#", "$share/group/a/#/b", "$share/group/a+"])
def test_malformed_shared_filter(mqtt, v, bad):
    peer = mqtt.connect(v)
    peer.send_subscribe([(bad, 0)])
    answer = peer.recv()
    if answer.type == T.SUBACK:
        assert answer.reasons == [0x8F]
    else:
        assert answer.type == T.DISCONNECT and answer.reason in (0x81, 0x82, 0x8F)
        peer.expect_closed()


@spec("MQTT5 4.8.2-1", "MQTT5 4.8.2-2")
@only_5
@pytest.mark.parametrize("group, filter_", [("g", ""), ("group with blanks", ""), ("g", "/+"), ("g", "/#"), ("é", "/a")])
def test_shared_filter(mqtt, v, topic, group, filter_):
    peer = mqtt.connect(v)
    peer.subscribe(f"$share/{group}/{topic}{filter_}")
    name = topic + filter_.replace("#", "x/y").replace("+", "x")
    mqtt.connect(v).publish(name, b"1")
    peer.receive(name, b"1")


@spec("MQTT5 4.8.2-3")
@every_qos
def test_each_message_goes_to_one_member(mqtt, topic, qos):
    peers = members(mqtt, topic, 3, qos)
    publisher = mqtt.connect(V5)
    for i in range(30):
        publisher.publish(topic, b"%d" % i, qos=qos)
    got = gather(peers, 30)
    assert sorted(int(p.payload) for mine in got for p in mine) == list(range(30))
    assert all(p.qos == qos for mine in got for p in mine)


@spec("MQTT5 4.8.2-3")
def test_load_is_shared(mqtt, topic):
    peers = members(mqtt, topic, 3)
    publisher = mqtt.connect(V5)
    for i in range(60):
        publisher.publish(topic, b"%d" % i, qos=1)
    assert all(len(mine) >= 5 for mine in gather(peers, 60))


@spec("MQTT5 4.8.2-3")
@pytest.mark.parametrize("granted", [0, 1, 2])
def test_delivery_at_the_granted_qos_of_the_member(mqtt, topic, granted):
    peer, = members(mqtt, topic, 1, granted)
    mqtt.connect(V5).publish(topic, b"1", qos=2)
    peer.receive(topic, b"1", qos=granted)


@spec("MQTT5 4.8.2-3")
def test_each_group_gets_the_message(mqtt, topic):
    first, = members(mqtt, topic, 1, group="first")
    second, = members(mqtt, topic, 1, group="second")
    plain = mqtt.connect(V5)
    plain.subscribe(topic, qos=1)
    mqtt.connect(V5).publish(topic, b"1", qos=1)
    for peer in (first, second, plain):
        peer.receive(topic, b"1")
        peer.expect_nothing()


@spec("MQTT5 4.8.2-3")
def test_shared_and_plain_subscription_of_one_client(mqtt, topic):
    """They are separate: the client gets a copy of each."""
    peer, = members(mqtt, topic, 1)
    peer.subscribe(topic, qos=1)
    mqtt.connect(V5).publish(topic, b"1", qos=1)
    peer.receive(topic, b"1")
    peer.receive(topic, b"1")
    peer.expect_nothing()


@spec("MQTT5 4.8.2-3", "MQTT5 3.3.4-3")
def test_shared_subscription_carries_its_identifier(mqtt, topic):
    peer = mqtt.connect(V5)
    peer.subscribe(f"$share/group/{topic}", props=[(Prop.SUBSCRIPTION_ID, 4)])
    mqtt.connect(V5).publish(topic, b"1")
    assert peer.receive(topic, b"1").props.all(Prop.SUBSCRIPTION_ID) == [4]


@spec("MQTT5 4.8.2-1", "MQTT5 3.10.4-1")
def test_unsubscribe_from_a_group(mqtt, topic):
    first, second = members(mqtt, topic, 2)
    assert first.unsubscribe(f"$share/group/{topic}").reasons == [0]
    publisher = mqtt.connect(V5)
    for i in range(6):
        publisher.publish(topic, b"%d" % i, qos=1)
        second.receive(topic, b"%d" % i)
    first.expect_nothing()


@spec("MQTT5 4.8.2-3")
def test_members_that_left_get_nothing(mqtt, topic):
    first, second = members(mqtt, topic, 2)
    first.disconnect()
    publisher = mqtt.connect(V5)
    for i in range(6):
        publisher.publish(topic, b"%d" % i, qos=1)
        second.receive(topic, b"%d" % i)


@spec("MQTT5 4.8.2-3")
def test_qos_1_that_a_lost_member_did_not_acknowledge_goes_to_another(mqtt, topic):
    """The session of the lost member ended with its connection: another member gets what it had not acknowledged."""
    first, second = members(mqtt, topic, 2)
    publisher = mqtt.connect(V5)
    for i in range(10):
        publisher.publish(topic, b"%d" % i, qos=1)
    unacknowledged = first.take_messages()
    assert unacknowledged, "the first member was to have its share"
    first.reset()
    got, = gather([second], 10)
    assert {int(p.payload) for p in got} == set(range(10))


@spec("MQTT5 4.8.2-4")
def test_qos_2_under_way_is_completed_with_the_same_member(mqtt, topic, client_id):
    name = client_id()
    first = mqtt.connect(V5, name, clean=False)
    first.subscribe(f"$share/group/{topic}", qos=2)
    mqtt.connect(V5).publish(topic, b"1", qos=2)
    message = first.expect(T.PUBLISH, payload=b"1", qos=2)
    second, = members(mqtt, topic, 1, 2)
    first.send_ack(T.PUBREC, message.pid)
    first.expect(T.PUBREL, pid=message.pid)
    first.reset()
    again = mqtt.connect(V5, name, clean=False)
    again.expect(T.PUBREL, pid=message.pid)
    again.send_ack(T.PUBCOMP, message.pid)
    again.barrier()
    second.expect_nothing()


@spec("MQTT5 4.8.2-5")
def test_qos_2_under_way_goes_to_no_other_member_if_the_session_ends(mqtt, topic):
    first, = members(mqtt, topic, 1, 2)
    mqtt.connect(V5).publish(topic, b"1", qos=2)
    message = first.expect(T.PUBLISH, payload=b"1", qos=2)
    second, = members(mqtt, topic, 1, 2)
    first.send_ack(T.PUBREC, message.pid)
    first.expect(T.PUBREL, pid=message.pid)
    first.reset()
    second.expect_silence(0.5)
    mqtt.connect(V5).publish(topic, b"sentinel", qos=2)
    second.receive(topic, b"sentinel")


@spec("MQTT5 4.8.2-6")
@pytest.mark.parametrize("kind, qos", [(T.PUBACK, 1), (T.PUBREC, 2)], ids=["PUBACK", "PUBREC"])
def test_message_that_a_member_refuses_goes_to_no_other(mqtt, topic, kind, qos):
    first, = members(mqtt, topic, 1, qos)
    publisher = mqtt.connect(V5)
    publisher.publish(topic, b"refused", qos=qos)
    message = first.expect(T.PUBLISH, payload=b"refused")
    second, = members(mqtt, topic, 1, qos)
    first.send_ack(kind, message.pid, 0x80)
    first.barrier()
    first.disconnect()
    publisher.publish(topic, b"sentinel", qos=qos)
    second.receive(topic, b"sentinel")
    second.expect_nothing()


@spec("MQTT5 4.8.2-3", "MQTT5 4.9.0-2")
def test_member_with_a_full_window_does_not_hold_up_the_others(mqtt, topic):
    slow, = members(mqtt, topic, 1, 1, props=[(Prop.RECEIVE_MAXIMUM, 1)])
    fast, = members(mqtt, topic, 1, 1)
    publisher = mqtt.connect(V5)
    for i in range(20):
        publisher.publish(topic, b"%d" % i, qos=1)
    slow.expect(T.PUBLISH)
    slow.expect_nothing()
    got, = gather([fast], 19)
    assert len(got) == 19


@spec("MQTT5 4.8.2-1")
def test_older_versions_may_share_too(mqtt, topic):
    peers = [mqtt.connect(v) for v in (V311, V5)]
    for peer in peers:
        peer.subscribe(f"$share/group/{topic}", qos=1)
    publisher = mqtt.connect(V311)
    for i in range(20):
        publisher.publish(topic, b"%d" % i, qos=1)
    got = gather(peers, 20)
    assert sorted(int(p.payload) for mine in got for p in mine) == list(range(20))


@spec("MQTT5 3.8.4-3")
def test_same_shared_filter_again_replaces_the_membership(mqtt, topic):
    peer, = members(mqtt, topic, 1, 2)
    peer.subscribe((f"$share/group/{topic}", wire.options(0)))
    mqtt.connect(V5).publish(topic, b"1", qos=2)
    peer.receive(topic, b"1", qos=0)
    peer.expect_nothing()
