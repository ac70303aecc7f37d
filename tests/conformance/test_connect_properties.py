# SPDX-License-Identifier: MIT
"""3.1.2.11 CONNECT properties and what they make the server do or leave."""
import pytest

from lib import mqtt as wire
from lib.marks import V5, spec
from lib.mqtt import PacketType as T
from lib.mqtt import Prop, Will

CONNECT_ONCE = [(Prop.SESSION_EXPIRY, 1), (Prop.RECEIVE_MAXIMUM, 1), (Prop.MAXIMUM_PACKET_SIZE, 1000),
                (Prop.TOPIC_ALIAS_MAXIMUM, 1), (Prop.REQUEST_RESPONSE_INFO, 0), (Prop.REQUEST_PROBLEM_INFO, 1),
                (Prop.AUTH_METHOD, "m"), (Prop.AUTH_DATA, b"d")]
WILL_ONCE = [(Prop.WILL_DELAY, 0), (Prop.PAYLOAD_FORMAT, 0), (Prop.MESSAGE_EXPIRY, 1), (Prop.CONTENT_TYPE, "c"),
             (Prop.RESPONSE_TOPIC, "r"), (Prop.CORRELATION_DATA, b"d")]


def by_name(pair):
    return pair[0].name.lower()


@spec("MQTT5 4.13.1-1", "MQTT5 3.1.4-1")
@pytest.mark.parametrize("pair", CONNECT_ONCE, ids=by_name)
def test_connect_property_twice(mqtt, client_id, pair):
    peer = mqtt.open(V5)
    peer.send_connect(client_id(), props=[pair, pair])
    peer.expect_refused(0x82, 0x81)


@spec("MQTT5 4.13.1-1", "MQTT5 3.1.4-1")
@pytest.mark.parametrize("pair", WILL_ONCE, ids=by_name)
def test_will_property_twice(mqtt, topic, client_id, pair):
    peer = mqtt.open(V5)
    peer.send_connect(client_id(), will=Will(topic, props=[pair, pair]))
    peer.expect_refused(0x82, 0x81)


@spec("MQTT5 4.13.1-1", "MQTT5 3.1.4-1")
@pytest.mark.parametrize("pair", [(Prop.RECEIVE_MAXIMUM, 0), (Prop.MAXIMUM_PACKET_SIZE, 0), (Prop.REQUEST_RESPONSE_INFO, 2),
                                  (Prop.REQUEST_PROBLEM_INFO, 2), (Prop.AUTH_DATA, b"data without a method")], ids=by_name)
def test_connect_property_out_of_range(mqtt, client_id, pair):
    peer = mqtt.open(V5)
    peer.send_connect(client_id(), props=[pair])
    peer.expect_refused(0x82, 0x81)


@spec("MQTT5 4.13.1-1", "MQTT5 3.1.4-1")
@pytest.mark.parametrize("pair", [(Prop.TOPIC_ALIAS, 1), (Prop.SUBSCRIPTION_ID, 1), (Prop.SERVER_KEEP_ALIVE, 1),
                                  (Prop.REASON_STRING, "r"), (Prop.WILL_DELAY, 1), (Prop.PAYLOAD_FORMAT, 1)], ids=by_name)
def test_property_that_is_not_for_connect(mqtt, client_id, pair):
    peer = mqtt.open(V5)
    peer.send_connect(client_id(), props=[pair])
    peer.expect_refused(0x82, 0x81)


@spec("MQTT5 4.13.1-1", "MQTT5 3.1.4-1")
@pytest.mark.parametrize("pair", [(Prop.TOPIC_ALIAS, 1), (Prop.SUBSCRIPTION_ID, 1), (Prop.SESSION_EXPIRY, 1)], ids=by_name)
def test_property_that_is_not_for_a_will(mqtt, topic, client_id, pair):
    peer = mqtt.open(V5)
    peer.send_connect(client_id(), will=Will(topic, props=[pair]))
    peer.expect_refused(0x82, 0x81)


@spec("MQTT5 4.13.1-1", "MQTT5 3.1.4-1")
@pytest.mark.parametrize("field", [b"\x02\x00\x00", b"\x02\x7f\x00", b"\x03\x04\x00\x00", b"\x02\x80\x01"],
                         ids=["identifier_0", "identifier_0x7f", "identifier_4", "identifier_128"])
def test_property_that_does_not_exist(mqtt, client_id, field):
    peer = mqtt.open(V5)
    peer.send_connect(client_id(), props=field)
    peer.expect_refused(0x81, 0x82)


@spec("MQTT5 3.1.3-10")
def test_user_properties_of_connect_may_repeat(mqtt):
    mqtt.connect(V5, props=[(Prop.USER_PROPERTY, ("a", "1")), (Prop.USER_PROPERTY, ("a", "1")), (Prop.USER_PROPERTY, ("", ""))])


@spec("MQTT5 3.1.2-24", "MQTT5 3.1.2-25")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_message_larger_than_the_maximum_packet_size_is_left_out(mqtt, topic, qos):
    peer = mqtt.connect(V5, props=[(Prop.MAXIMUM_PACKET_SIZE, 128)])
    peer.subscribe(topic, qos=qos)
    publisher = mqtt.connect(V5)
    publisher.publish(topic, b"x" * 200, qos=qos)
    publisher.publish(topic, b"fits", qos=qos)
    assert peer.receive(topic, b"fits").size <= 128


@spec("MQTT5 3.1.2-24")
def test_message_of_exactly_the_maximum_packet_size_arrives(mqtt, topic):
    size = 128
    payload = b"x" * (size - 2 - 2 - len(topic) - 1)
    peer = mqtt.connect(V5, props=[(Prop.MAXIMUM_PACKET_SIZE, size)])
    peer.subscribe(topic)
    publisher = mqtt.connect(V5)
    publisher.publish(topic, payload + b"x")
    publisher.publish(topic, payload)
    assert peer.receive(topic, payload).size == size


@spec("MQTT5 3.1.2-25")
def test_messages_too_large_do_not_use_up_the_receive_maximum(mqtt, topic):
    peer = mqtt.connect(V5, props=[(Prop.MAXIMUM_PACKET_SIZE, 128), (Prop.RECEIVE_MAXIMUM, 1)])
    peer.subscribe(topic, qos=1)
    publisher = mqtt.connect(V5)
    for _ in range(3):
        publisher.publish(topic, b"x" * 200, qos=1)
    publisher.publish(topic, b"fits", qos=1)
    peer.receive(topic, b"fits")


@spec("MQTT5 3.1.2-24", "MQTT5 3.1.2-25")
def test_retained_message_larger_than_the_maximum_packet_size(mqtt, topic):
    publisher = mqtt.connect(V5)
    publisher.publish(f"{topic}/large", b"x" * 200, qos=1, retain=True)
    publisher.publish(f"{topic}/small", b"fits", qos=1, retain=True)
    peer = mqtt.connect(V5, props=[(Prop.MAXIMUM_PACKET_SIZE, 128)])
    peer.subscribe(f"{topic}/#")
    peer.receive(f"{topic}/small", b"fits")
    peer.expect_nothing()


@spec("MQTT5 3.1.2-27")
@pytest.mark.parametrize("props", [[], [(Prop.TOPIC_ALIAS_MAXIMUM, 0)]], ids=["absent", "zero"])
def test_no_topic_alias_without_permission(mqtt, topic, props):
    peer = mqtt.connect(V5, props=props)
    peer.subscribe(topic)
    publisher = mqtt.connect(V5)
    for i in range(5):
        publisher.publish(topic, b"%d" % i)
        assert Prop.TOPIC_ALIAS not in peer.receive(topic, b"%d" % i).props


@spec("MQTT5 3.1.2-26", "MQTT5 3.3.2-11", "MQTT5 3.3.2-8")
@pytest.mark.parametrize("maximum", [1, 3])
def test_topic_aliases_of_the_server_stay_within_the_maximum(mqtt, topic, maximum):
    peer = mqtt.connect(V5, props=[(Prop.TOPIC_ALIAS_MAXIMUM, maximum)])
    peer.subscribe(f"{topic}/#")
    publisher = mqtt.connect(V5)
    known: dict[int, str] = {}
    for turn in range(3):
        for i in range(5):
            publisher.publish(f"{topic}/{i}", b"%d" % turn)
            packet = peer.receive(payload=b"%d" % turn)
            alias = packet.props.get(Prop.TOPIC_ALIAS)
            assert alias is None or 1 <= alias <= maximum
            if alias and packet.topic:
                known[alias] = packet.topic
            assert (packet.topic or known[alias]) == f"{topic}/{i}"


@spec("MQTT5 3.1.2-28")
@pytest.mark.parametrize("props", [[], [(Prop.REQUEST_RESPONSE_INFO, 0)]], ids=["absent", "zero"])
def test_no_response_information_unless_asked_for(mqtt, props):
    assert Prop.RESPONSE_INFO not in mqtt.connect(V5, props=props).connack.props


@spec("MQTT5 3.1.2-29")
def test_no_problem_information_if_not_wanted(mqtt, topic):
    """With Request Problem Information 0, acknowledgements carry neither reason string nor user property."""
    peer = mqtt.connect(V5, props=[(Prop.REQUEST_PROBLEM_INFO, 0)])
    answers = [peer.publish(topic, b"no subscriber", qos=1), peer.publish(topic, b"no subscriber", qos=2),
               peer.subscribe(topic), peer.unsubscribe(f"{topic}/not/subscribed")]
    peer.send_ack(T.PUBREL, 0x7777)
    answers.append(peer.expect(T.PUBCOMP, pid=0x7777))
    peer.send_ack(T.PUBREC, 0x7778)
    answers.append(peer.expect(T.PUBREL, pid=0x7778))
    for answer in answers:
        assert Prop.REASON_STRING not in answer.props and Prop.USER_PROPERTY not in answer.props, answer


@spec("MQTT5 3.1.2-29")
def test_refused_subscription_has_no_problem_information_if_not_wanted(mqtt, topic, start_broker):
    broker = start_broker({"features.shared_subscriptions": False})
    peer = mqtt.at(broker).connect(V5, props=[(Prop.REQUEST_PROBLEM_INFO, 0)])
    peer.send_subscribe([(f"$share/group/{topic}", 0)])
    answer = peer.expect(T.SUBACK, reasons=[0x9E])
    assert not answer.props


@spec("MQTT5 3.4.2-2", "MQTT5 3.4.2-3", "MQTT5 3.5.2-2", "MQTT5 3.5.2-3", "MQTT5 3.6.2-2", "MQTT5 3.6.2-3", "MQTT5 3.7.2-2",
      "MQTT5 3.7.2-3", "MQTT5 3.9.2-1", "MQTT5 3.9.2-2", "MQTT5 3.11.2-1", "MQTT5 3.11.2-2", "MQTT5 3.1.2-24")
def test_problem_information_never_breaks_the_maximum_packet_size(mqtt, topic):
    """A client that takes hardly more than the CONNACK still gets every answer, none of them larger."""
    limit = max(8, mqtt.connect(V5).connack.size)
    small = mqtt.connect(V5, props=[(Prop.MAXIMUM_PACKET_SIZE, limit)])
    answers = [small.publish(topic, b"1", qos=1), small.publish(topic, b"1", qos=2), small.subscribe(topic),
               small.unsubscribe(f"{topic}/not/subscribed")]
    small.send_ack(T.PUBREL, 0x7777)
    answers.append(small.expect(T.PUBCOMP, pid=0x7777))
    small.send_ack(T.PUBREC, 0x7778)
    answers.append(small.expect(T.PUBREL, pid=0x7778))
    for answer in answers:
        assert answer.size <= limit, answer


@spec("MQTT5 3.14.2-3", "MQTT5 3.14.2-4", "MQTT5 3.1.2-24")
def test_disconnect_fits_into_the_maximum_packet_size(mqtt):
    first = mqtt.connect(V5)
    limit = max(8, first.connack.size)
    peer = mqtt.connect(V5, props=[(Prop.MAXIMUM_PACKET_SIZE, limit)])
    peer.send(wire.frame(0x8F, b"\0\1"))
    assert peer.expect_error(0x81).size <= limit


@spec("MQTT5 3.2.2-19", "MQTT5 3.2.2-20", "MQTT5 3.1.2-24")
def test_refusal_fits_into_the_maximum_packet_size(mqtt, client_id):
    peer = mqtt.open(V5)
    peer.send_connect(client_id(), props=[(Prop.MAXIMUM_PACKET_SIZE, 8), (Prop.AUTH_METHOD, "no such method")])
    said = peer.expect_refused(0x8C)
    assert said is None or said.size <= 8
