# SPDX-License-Identifier: MIT
"""Eclipse Paho for Python, over every transport."""
import queue

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from lib.marks import every_qos, spec

TIMEOUT = 10
every_version = pytest.mark.parametrize("version", [paho.MQTTv31, paho.MQTTv311, paho.MQTTv5], ids=["v3.1", "v3.1.1", "v5"])


class Client:
    """A Paho client whose callbacks end up in a queue."""

    def __init__(self, client_id, version, transport="tcp", ca=None):
        self.events: queue.Queue[tuple] = queue.Queue()
        self.paho = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version, transport=transport)
        if transport == "websockets":
            self.paho.ws_set_options(path="/mqtt")
        if ca:
            self.paho.tls_set(ca_certs=ca)
        self.paho.on_connect = lambda c, u, flags, reason, props: self.events.put(("connect", reason))
        self.paho.on_subscribe = lambda c, u, mid, reasons, props: self.events.put(("subscribe", reasons))
        self.paho.on_message = lambda c, u, message: self.events.put(("message", message))

    def next(self, kind):
        got, value = self.events.get(timeout=TIMEOUT)
        assert got == kind, f"{kind} expected, got {got} {value}"
        return value

    def connect(self, address):
        self.paho.connect(*address)
        self.paho.loop_start()
        assert not self.next("connect").is_failure
        return self

    def subscribe(self, topic, qos):
        self.paho.subscribe(topic, qos)
        assert self.next("subscribe")[0].value == qos

    def close(self):
        self.paho.disconnect()
        self.paho.loop_stop()


@pytest.fixture
def connect(client_id):
    made = []

    def connect_(address, version, **options):
        made.append(Client(client_id(), version, **options))
        return made[-1].connect(address)

    yield connect_
    for client in made:
        client.close()


def round_trip(client, topic, qos):
    client.subscribe(topic, qos)
    client.paho.publish(topic, b"hello", qos).wait_for_publish(TIMEOUT)
    message = client.next("message")
    assert (message.topic, message.payload, message.qos, message.retain) == (topic, b"hello", qos, False)


@spec("MQTT3 7.0.0-2", "MQTT3 7.1.1-1", "MQTT5 4.2.0-1")
@every_version
@every_qos
def test_tcp(broker, connect, topic, version, qos):
    round_trip(connect(broker.listeners["mqtt"], version), topic, qos)


@spec("MQTT3 6.0.0-4", "MQTT5 6.0.0-4")
@every_version
@every_qos
def test_websocket(broker, connect, topic, version, qos):
    round_trip(connect(broker.listeners["ws"], version, transport="websockets"), topic, qos)


@spec("MQTT3 7.1.1-1", "MQTT5 4.2.0-1")
@every_version
@every_qos
@pytest.mark.parametrize("listener", ["mqtts", "wss"])
def test_tls(tls_broker, authority, connect, topic, version, qos, listener):
    transport = "websockets" if listener == "wss" else "tcp"
    address = ("localhost", tls_broker.listeners[listener][1])
    round_trip(connect(address, version, transport=transport, ca=authority.cert), topic, qos)


@spec("MQTT5 3.3.2-15", "MQTT5 3.3.2-16", "MQTT5 3.3.2-18")
def test_properties(broker, connect, topic):
    client = connect(broker.listeners["mqtt"], paho.MQTTv5)
    client.subscribe(topic, 1)
    sent = Properties(PacketTypes.PUBLISH)
    sent.ResponseTopic, sent.CorrelationData, sent.ContentType = "answers", b"\x00\x01", "text/plain"
    sent.UserProperty = [("b", "1"), ("a", "2")]
    client.paho.publish(topic, b"hello", 1, properties=sent).wait_for_publish(TIMEOUT)
    assert client.next("message").properties.json() == sent.json()


@spec("MQTT3 4.5.0-1", "MQTT5 4.5.0-1")
@every_qos
def test_versions_together(broker, connect, topic, qos):
    clients = [connect(broker.listeners["mqtt"], v) for v in (paho.MQTTv31, paho.MQTTv311, paho.MQTTv5)]
    for client in clients:
        client.subscribe(topic, qos)
    clients[0].paho.publish(topic, b"to all", qos).wait_for_publish(TIMEOUT)
    for client in clients:
        assert client.next("message").payload == b"to all"


@spec("MQTT3 4.6.0-6", "MQTT5 4.6.0-5")
@every_version
@every_qos
def test_many_messages_in_order(broker, connect, topic, version, qos):
    client = connect(broker.listeners["mqtt"], version)
    client.subscribe(topic, qos)
    for i in range(200):
        client.paho.publish(topic, b"%d" % i, qos)
    assert [client.next("message").payload for _ in range(200)] == [b"%d" % i for i in range(200)]
