# SPDX-License-Identifier: MIT
"""MQTT over TLS and over WebSocket over TLS; client certificates."""
import ssl

import pytest

from lib import transport
from lib.broker import Broker
from lib.certs import Authority
from lib.marks import V5, every_qos, every_version, spec
from lib.mqtt import PacketType as T
from lib.peer import Peer


@pytest.fixture(scope="module")
def server(authority):
    cert, key = authority.issue("server")
    settings = {}
    for listener in ("mqtts", "wss"):
        settings |= {f"listeners.{listener}.bind": "127.0.0.1:0", f"listeners.{listener}.cert": cert, f"listeners.{listener}.key": key}
    broker = Broker(settings)
    yield broker
    broker.stop()


@pytest.fixture
def over_tls(mqtt, authority):
    def open_(broker, v, listener="mqtts", **options):
        stream = transport.tls(broker.listeners[listener], authority.cert, **options)
        if listener == "wss":
            stream = transport.WebSocket(stream, "localhost")
        return mqtt.adopt(Peer(stream, v))
    return open_


@spec("MQTT3 7.1.1-1", "MQTT5 4.2.0-1")
@every_version
@every_qos
@pytest.mark.parametrize("listener", ["mqtts", "wss"])
def test_round_trip(server, over_tls, v, topic, client_id, qos, listener):
    peer = over_tls(server, v, listener)
    peer.connect(client_id())
    peer.subscribe(topic, qos=qos)
    peer.publish(topic, b"secret", qos=qos)
    peer.receive(topic, b"secret", qos=qos)


@spec("MQTT3 7.1.1-1", "MQTT5 4.2.0-1")
@pytest.mark.parametrize("listener", ["mqtts", "wss"])
def test_large_message(server, over_tls, topic, client_id, listener):
    peer = over_tls(server, V5, listener)
    peer.connect(client_id())
    peer.subscribe(topic)
    payload = bytes(i % 251 for i in range(500_000))
    peer.publish(topic, payload)
    peer.receive(topic, payload)


@spec("MQTT3 7.1.1-1", "MQTT5 4.2.0-1")
def test_plain_text_on_the_tls_port(server, mqtt, client_id):
    peer = mqtt.adopt(Peer(transport.tcp(server.listeners["mqtts"]), V5))
    peer.send_connect(client_id())
    answer = peer.stream.recv(5)
    assert answer[:1] in (b"", b"\x15"), "a TLS alert at most"


def mutual(authority, **extra):
    cert, key = authority.issue("server")
    return {"listeners.mqtts.bind": "127.0.0.1:0", "listeners.mqtts.cert": cert, "listeners.mqtts.key": key,
            "listeners.mqtts.client_ca": authority.cert} | extra


@spec("MQTT5 3.1.4-2")
def test_client_certificate_is_required(start_broker, over_tls, authority, client_id):
    broker = start_broker(mutual(authority, **{"listeners.mqtts.require_client_cert": True}))
    cert, key = authority.issue("device-1")
    over_tls(broker, V5, cert=cert, key=key).connect(client_id())
    with pytest.raises((ssl.SSLError, AssertionError, OSError)):
        over_tls(broker, V5).connect(client_id())


@spec("MQTT5 3.1.4-2")
def test_client_certificate_of_a_stranger(start_broker, over_tls, authority, client_id, tmp_path):
    broker = start_broker(mutual(authority, **{"listeners.mqtts.require_client_cert": True}))
    cert, key = Authority(tmp_path, "somebody else").issue("device-1")
    with pytest.raises((ssl.SSLError, AssertionError, OSError)):
        over_tls(broker, V5, cert=cert, key=key).connect(client_id())


@spec("MQTT5 3.1.4-2")
def test_name_in_the_client_certificate_is_the_user_name(start_broker, over_tls, authority, client_id):
    """Where anonymous clients are not allowed, the certificate is who the client is."""
    broker = start_broker(mutual(authority, **{"listeners.mqtts.identity_as_username": "cn", "auth.allow_anonymous": "no"}))
    cert, key = authority.issue("device-1")
    over_tls(broker, V5, cert=cert, key=key).connect(client_id())
    peer = over_tls(broker, V5)
    peer.send_connect(client_id())
    assert peer.expect(T.CONNACK).reason in (0x86, 0x87)
    peer.expect_closed()
