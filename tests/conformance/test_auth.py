# SPDX-License-Identifier: MIT
"""3.15 AUTH and 4.12 enhanced authentication, with SCRAM-SHA-256."""
import pytest

from lib import mqtt as wire
from lib import scram
from lib.marks import V5, V311, spec
from lib.mqtt import PacketType as T
from lib.mqtt import Prop

NAME, PASSWORD = "ada", "correct horse"
CONTINUE, AGAIN = 0x18, 0x19


def method(data=None, name=scram.METHOD):
    return [(Prop.AUTH_METHOD, name)] + ([] if data is None else [(Prop.AUTH_DATA, data)])


@pytest.fixture
def there(mqtt, start_broker, tmp_path):
    users = tmp_path / "users"
    users.write_text(scram.user_line(NAME, PASSWORD))
    users.chmod(0o600)
    return mqtt.at(start_broker({"auth.scram_file": users, "auth.allow_anonymous": "no"}))


def begin(there, client_id, client, **fields):
    """CONNECT with the first message, up to the server's challenge."""
    peer = there.open(V5)
    peer.send_connect(client_id(), props=method(client.first()), **fields)
    return peer, peer.expect(T.AUTH, reason=CONTINUE)


def authenticated(there, client_id):
    client = scram.Client(NAME, PASSWORD)
    peer, challenge = begin(there, client_id, client)
    peer.send(wire.auth(CONTINUE, method(client.final(challenge.props.get(Prop.AUTH_DATA)))))
    connack = peer.expect(T.CONNACK, reason=0)
    assert connack.props.get(Prop.AUTH_METHOD) == scram.METHOD
    assert client.server_is_known(connack.props.get(Prop.AUTH_DATA))
    return peer


@spec("MQTT5 4.12.0-2", "MQTT5 4.12.0-5", "MQTT5 3.15.2-1", "MQTT5 3.2.0-1")
def test_authentication_in_two_steps(there, client_id, topic):
    peer = authenticated(there, client_id)
    peer.subscribe(topic)
    peer.publish(topic, b"1")
    peer.receive(topic, b"1")


@spec("MQTT5 4.12.0-5", "MQTT5 4.12.0-2")
def test_challenge_names_the_method(there, client_id):
    _, challenge = begin(there, client_id, scram.Client(NAME, PASSWORD))
    assert challenge.props.get(Prop.AUTH_METHOD) == scram.METHOD


@spec("MQTT5 4.12.0-4", "MQTT5 3.1.4-2", "MQTT5 4.13.2-1")
@pytest.mark.parametrize("name, password", [(NAME, "wrong"), ("nobody", PASSWORD)], ids=["password", "name"])
def test_wrong_password_or_name(there, client_id, name, password):
    client = scram.Client(name, password)
    peer = there.open(V5)
    peer.send_connect(client_id(), props=method(client.first()))
    answer = peer.recv()
    if answer.type == T.AUTH:
        peer.send(wire.auth(CONTINUE, method(client.final(answer.props.get(Prop.AUTH_DATA)))))
        answer = peer.recv()
    assert answer.type == T.CONNACK and answer.reason in (0x86, 0x87)
    peer.expect_closed()


@spec("MQTT5 4.12.0-4", "MQTT5 3.1.4-2")
@pytest.mark.parametrize("data", [b"nonsense", b"n,,n=ada", b"\xff\xfe"])
def test_first_message_that_is_none(there, client_id, data):
    peer = there.open(V5)
    peer.send_connect(client_id(), props=method(data))
    peer.expect_refused(0x80, 0x81, 0x82, 0x83, 0x86, 0x87)


@spec("MQTT5 4.12.0-2", "MQTT5 4.12.0-5")
@pytest.mark.parametrize("data", [None, b""], ids=["absent", "empty"])
def test_first_message_comes_with_auth_instead_of_connect(there, client_id, data):
    """SASL lets a server ask for it with an empty challenge; the server may refuse such a CONNECT as well."""
    client = scram.Client(NAME, PASSWORD)
    peer = there.open(V5)
    peer.send_connect(client_id(), props=method(data))
    answer = peer.recv()
    if answer.type == T.CONNACK:
        assert answer.reason in (0x80, 0x82, 0x83, 0x86, 0x87)
        peer.expect_closed()
        return
    assert answer.type == T.AUTH and answer.reason == CONTINUE and not answer.props.get(Prop.AUTH_DATA)
    peer.send(wire.auth(CONTINUE, method(client.first())))
    challenge = peer.expect(T.AUTH, reason=CONTINUE)
    peer.send(wire.auth(CONTINUE, method(client.final(challenge.props.get(Prop.AUTH_DATA)))))
    peer.expect(T.CONNACK, reason=0)


@spec("MQTT5 4.12.0-1", "MQTT5 4.13.2-1")
def test_method_that_the_server_does_not_offer(mqtt, client_id):
    peer = mqtt.open(V5)
    peer.send_connect(client_id(), props=method(b"data", "NO-SUCH-METHOD"))
    peer.expect_refused(0x8C)


@spec("MQTT5 4.12.0-3", "MQTT5 3.15.2-1")
@pytest.mark.parametrize("reason", [0x00, AGAIN, 0x01, 0x87])
def test_answer_with_another_reason_than_continue(there, client_id, reason):
    client = scram.Client(NAME, PASSWORD)
    peer, challenge = begin(there, client_id, client)
    peer.send(wire.auth(reason, method(client.final(challenge.props.get(Prop.AUTH_DATA)))))
    peer.expect_refused(0x81, 0x82, 0x86, 0x87)


@spec("MQTT5 4.12.0-5", "MQTT5 4.12.0-4")
def test_answer_with_another_method(there, client_id):
    client = scram.Client(NAME, PASSWORD)
    peer, challenge = begin(there, client_id, client)
    peer.send(wire.auth(CONTINUE, method(client.final(challenge.props.get(Prop.AUTH_DATA)), "OTHER")))
    peer.expect_refused(0x82, 0x8C)


@spec("MQTT5 3.1.2-30", "MQTT5 3.2.0-1")
@pytest.mark.parametrize("kind", ["publish", "subscribe", "pingreq"])
def test_other_packets_before_the_connack(there, client_id, topic, kind):
    packet = {"publish": wire.publish(V5, topic, b"1"), "subscribe": wire.subscribe(V5, 1, [(topic, 0)]),
              "pingreq": wire.pingreq()}[kind]
    peer, _ = begin(there, client_id, scram.Client(NAME, PASSWORD))
    peer.send(packet)
    peer.expect_refused(0x82)


@spec("MQTT5 3.1.2-30")
def test_disconnect_before_the_connack(there, client_id):
    peer, _ = begin(there, client_id, scram.Client(NAME, PASSWORD))
    peer.send(wire.disconnect(V5))
    peer.expect_closed()


@spec("MQTT5 4.12.0-6")
def test_no_auth_without_a_method(mqtt, client_id):
    """Neither an AUTH packet nor a method in the CONNACK."""
    peer = mqtt.open(V5)
    assert Prop.AUTH_METHOD not in peer.connect(client_id()).props
    peer.expect_nothing()


@spec("MQTT5 4.12.0-6")
def test_client_without_a_method_where_one_is_needed(there, client_id):
    peer = there.open(V5)
    peer.send_connect(client_id())
    packet = peer.expect(T.CONNACK)
    assert packet.reason in (0x86, 0x87) and Prop.AUTH_METHOD not in packet.props
    peer.expect_closed()


@spec("MQTT5 4.12.0-7")
@pytest.mark.parametrize("reason", [CONTINUE, AGAIN], ids=["continue", "again"])
def test_auth_from_a_client_without_a_method(mqtt, reason):
    peer = mqtt.connect(V5)
    peer.send(wire.auth(reason, method(b"data")))
    peer.expect_error(0x82)


@spec("MQTT5 4.12.1-1", "MQTT5 4.12.0-5", "MQTT5 3.15.2-1")
def test_authentication_again(there, client_id, topic):
    peer = authenticated(there, client_id)
    peer.subscribe(topic)
    client = scram.Client(NAME, PASSWORD)
    peer.send(wire.auth(AGAIN, method(client.first())))
    challenge = peer.expect(T.AUTH, reason=CONTINUE)
    peer.publish(topic, b"meanwhile")
    peer.receive(topic, b"meanwhile")
    peer.send(wire.auth(CONTINUE, method(client.final(challenge.props.get(Prop.AUTH_DATA)))))
    done = peer.expect(T.AUTH, reason=0)
    assert done.props.get(Prop.AUTH_METHOD) == scram.METHOD
    assert client.server_is_known(done.props.get(Prop.AUTH_DATA))
    peer.barrier()


@spec("MQTT5 4.12.1-1")
def test_authentication_again_with_another_method(there, client_id):
    peer = authenticated(there, client_id)
    peer.send(wire.auth(AGAIN, method(b"data", "OTHER")))
    peer.expect_error(0x82, 0x8C)


@spec("MQTT5 4.12.1-2", "MQTT5 4.13.2-1")
def test_authentication_again_that_fails(there, client_id):
    peer = authenticated(there, client_id)
    client = scram.Client(NAME, "wrong")
    peer.send(wire.auth(AGAIN, method(client.first())))
    challenge = peer.expect(T.AUTH, reason=CONTINUE)
    peer.send(wire.auth(CONTINUE, method(client.final(challenge.props.get(Prop.AUTH_DATA)))))
    peer.expect_error(0x87, 0x86)


@spec("MQTT5 3.15.2-1", "MQTT5 4.13.1-1")
def test_auth_with_a_property_that_is_not_for_it(there, client_id):
    peer = authenticated(there, client_id)
    peer.send(wire.auth(AGAIN, method(b"data") + [(Prop.SESSION_EXPIRY, 1)]))
    peer.expect_error(0x81, 0x82)


@spec("MQTT5 3.15.2-2", "MQTT5 3.15.2-3", "MQTT5 3.1.2-24")
def test_auth_fits_into_the_maximum_packet_size(there, client_id):
    """The challenge needs its method and data; no words are added to it beyond what the client takes."""
    first, challenge = begin(there, client_id, scram.Client(NAME, PASSWORD))
    limit = challenge.size + 16
    client = scram.Client(NAME, PASSWORD)
    peer = there.open(V5)
    peer.send_connect(client_id(), props=method(client.first()) + [(Prop.MAXIMUM_PACKET_SIZE, limit)])
    assert peer.expect(T.AUTH, reason=CONTINUE).size <= limit


@spec("MQTT5 4.12.0-4")
def test_older_clients_cannot_come_in_without_it(there, client_id):
    peer = there.open(V311)
    peer.send_connect(client_id())
    assert peer.expect(T.CONNACK).reason in (4, 5)
    peer.expect_closed()
