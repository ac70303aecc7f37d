# SPDX-License-Identifier: MIT
"""Chapter 6: MQTT over WebSocket, and what RFC 6455 asks of the server."""
import struct

import pytest

from lib import mqtt as wire
from lib import transport
from lib.marks import V5, every_qos, every_version, spec
from lib.mqtt import PacketType as T
from lib.mqtt import Version
from lib.peer import Peer


@pytest.fixture
def over_ws(mqtt, broker):
    """A peer over WebSocket on which nothing was sent yet."""
    return lambda v, **options: mqtt.adopt(Peer(broker.web_socket(**options), v))


def next_frame(peer):
    try:
        return peer.stream.recv_frame()
    except TimeoutError:
        raise AssertionError("neither a frame nor the end of the stream") from None


def expect_close(peer, *codes):
    """A close frame with one of the codes, then the end of the stream."""
    while (frame := next_frame(peer)) is not None:
        opcode, data = frame
        if opcode == transport.CLOSE:
            code = struct.unpack(">H", data[:2])[0] if data else 1005
            assert code in codes
            assert next_frame(peer) is None
            return
    raise AssertionError("the server closed without a close frame")


@spec("MQTT3 6.0.0-1", "MQTT3 7.1.1-1", "MQTT5 6.0.0-1", "MQTT5 4.2.0-1")
@every_version
@every_qos
def test_round_trip(over_ws, v, topic, client_id, qos):
    peer = over_ws(v)
    peer.connect(client_id())
    peer.subscribe(topic, qos=qos)
    peer.publish(topic, b"over websocket", qos=qos)
    peer.receive(topic, b"over websocket", qos=qos)


@spec("MQTT3 6.0.0-1", "MQTT5 6.0.0-1")
@every_version
def test_text_frame(over_ws, v, client_id):
    peer = over_ws(v)
    peer.connect(client_id())
    peer.stream.send_frame(transport.TEXT, wire.pingreq())
    expect_close(peer, 1002, 1003)


@spec("MQTT3 6.0.0-1", "MQTT5 6.0.0-1")
def test_text_frame_before_connect(over_ws, client_id):
    peer = over_ws(V5)
    peer.stream.send_frame(transport.TEXT, wire.connect(V5, client_id()))
    expect_close(peer, 1002, 1003)


@spec("MQTT3 6.0.0-2", "MQTT5 6.0.0-2")
@every_version
@pytest.mark.parametrize("size", [1, 2, 7])
def test_packets_across_frames(over_ws, v, topic, client_id, size):
    peer = over_ws(v)
    data = wire.connect(v, client_id()) + wire.subscribe(v, 1, [(topic, 0)]) + wire.publish(v, topic, b"in pieces")
    for i in range(0, len(data), size):
        peer.send(data[i:i + size])
    peer.expect(T.CONNACK, reason=0)
    peer.await_packet(T.SUBACK, pid=1)
    peer.receive(topic, b"in pieces")


@spec("MQTT3 6.0.0-2", "MQTT5 6.0.0-2")
@every_version
def test_many_packets_in_one_frame(over_ws, v, topic, client_id):
    peer = over_ws(v)
    peer.send(wire.connect(v, client_id()), wire.subscribe(v, 1, [(topic, 0)]), *[wire.publish(v, topic, b"%d" % i) for i in range(50)])
    peer.expect(T.CONNACK, reason=0)
    peer.await_packet(T.SUBACK, pid=1)
    for i in range(50):
        peer.receive(topic, b"%d" % i)


@spec("MQTT3 6.0.0-2", "MQTT5 6.0.0-2")
def test_fragmented_message_with_a_ping_between(over_ws, client_id):
    peer = over_ws(V5)
    data = wire.connect(V5, client_id())
    peer.stream.send_frame(transport.BINARY, data[:5], fin=False)
    peer.stream.send_frame(transport.PING, b"between")
    peer.stream.send_frame(transport.CONTINUATION, data[5:9], fin=False)
    peer.stream.send_frame(transport.CONTINUATION, b"", fin=False)
    peer.stream.send_frame(transport.CONTINUATION, data[9:])
    peer.expect(T.CONNACK, reason=0)
    assert peer.stream.pongs == [b"between"]


@spec("MQTT3 6.0.0-2", "MQTT5 6.0.0-2")
@pytest.mark.parametrize("size", [100, 125, 126, 127, 65_000, 65_535, 65_536, 300_000])
def test_frame_sizes(over_ws, topic, client_id, size):
    peer = over_ws(V5)
    peer.connect(client_id())
    peer.subscribe(topic)
    payload = bytes(i % 251 for i in range(size))
    peer.publish(topic, payload)
    peer.receive(topic, payload)


@spec("MQTT3 6.0.0-4", "MQTT5 6.0.0-4")
@pytest.mark.parametrize("offer, chosen", [("mqtt", "mqtt"), ("mqttv3.1", "mqttv3.1"), ("mqtt, mqttv3.1", "mqtt"), ("mqttv3.1, mqtt", "mqtt"),
                                           ("chat, mqtt", "mqtt"), ("chat,mqtt,other", "mqtt")])
def test_subprotocol_that_the_server_chooses(over_ws, client_id, offer, chosen):
    peer = over_ws(Version.V311, protocols=offer)
    answer = peer.stream.headers["sec-websocket-protocol"]
    assert answer == chosen or (offer == "mqttv3.1, mqtt" and answer == "mqttv3.1")
    peer.connect(client_id())


@spec("MQTT3 6.0.0-3", "MQTT5 6.0.0-3")
@pytest.mark.parametrize("offer", ["chat", None], ids=["other", "none"])
def test_client_that_does_not_offer_mqtt(over_ws, offer):
    """It is refused, or at least not told that this is MQTT."""
    try:
        headers = over_ws(V5, protocols=offer).stream.headers
    except transport.HandshakeError as refused:
        assert refused.status == 0 or 400 <= refused.status < 500
    else:
        assert "sec-websocket-protocol" not in headers


@spec("MQTT3 6.0.0-4", "MQTT5 6.0.0-4")
def test_other_path(over_ws):
    with pytest.raises(transport.HandshakeError) as error:
        over_ws(V5, path="/elsewhere")
    assert error.value.status == 404


@spec("MQTT3 6.0.0-4", "MQTT5 6.0.0-4")
def test_path_with_a_query(over_ws, client_id):
    over_ws(V5, path="/mqtt?token=1").connect(client_id())


@spec("MQTT3 6.0.0-4", "MQTT5 6.0.0-4")
def test_configured_path(mqtt, start_broker, client_id):
    broker = start_broker({"listeners.ws.bind": "127.0.0.1:0", "listeners.ws.path": "/messages"})
    mqtt.adopt(Peer(broker.web_socket(path="/messages"), V5)).connect(client_id())
    with pytest.raises(transport.HandshakeError):
        broker.web_socket(path="/mqtt")


@spec("MQTT3 4.8.0-1", "MQTT5 4.13.1-1")
@pytest.mark.parametrize("frame", [
    {"opcode": transport.BINARY, "data": b"\xc0\x00", "mask": False}, {"opcode": transport.BINARY, "data": b"\xc0\x00", "rsv": 4},
    {"opcode": 3}, {"opcode": 11}, {"opcode": transport.PING, "data": b"x" * 126}, {"opcode": transport.PING, "fin": False},
    {"opcode": transport.CONTINUATION, "data": b"\xc0\x00"}],
    ids=["unmasked", "reserved_bit", "opcode_3", "opcode_11", "long_ping", "fragmented_ping", "continuation_of_nothing"])
def test_frame_against_the_websocket_protocol(over_ws, client_id, frame):
    peer = over_ws(V5)
    peer.connect(client_id())
    peer.stream.send_frame(**frame)
    expect_close(peer, 1002)


@spec("MQTT3 7.1.1-1", "MQTT5 4.2.0-1")
def test_ping_of_websocket(over_ws, client_id):
    peer = over_ws(V5)
    peer.connect(client_id())
    peer.stream.send_frame(transport.PING, b"are you there")
    peer.barrier()
    assert peer.stream.pongs == [b"are you there"]


@spec("MQTT3 3.14.4-1", "MQTT5 3.14.4-2")
@every_version
def test_disconnect_closes_the_websocket(over_ws, v, client_id):
    peer = over_ws(v)
    peer.connect(client_id())
    peer.send(wire.disconnect(v))
    expect_close(peer, 1000, 1001)


@spec("MQTT3 3.1.2-8", "MQTT5 3.1.2-8")
@every_version
def test_close_frame_without_disconnect_publishes_the_will(mqtt, over_ws, v, topic, client_id):
    watcher = mqtt.connect(v)
    watcher.subscribe(topic)
    peer = over_ws(v)
    peer.connect(client_id(), will=wire.Will(topic, b"gone"))
    peer.stream.send_frame(transport.CLOSE, struct.pack(">H", 1000))
    expect_close(peer, 1000)
    watcher.receive(topic, b"gone")


@spec("MQTT3 4.8.0-1", "MQTT5 4.13.1-1")
@every_version
def test_mqtt_error_closes_the_websocket(over_ws, v, client_id):
    peer = over_ws(v)
    peer.connect(client_id())
    peer.send(wire.publish(v, "a/#", b"1"))
    expect_close(peer, 1000, 1002)


@spec("MQTT3 4.5.0-1", "MQTT5 4.5.0-1")
@every_version
def test_messages_pass_between_transports(mqtt, over_ws, v, topic, client_id):
    peer, other = over_ws(v), mqtt.connect(v)
    peer.connect(client_id())
    for one, two in ((peer, other), (other, peer)):
        one.subscribe(topic, qos=1)
        two.publish(topic, b"across", qos=1)
        one.receive(topic, b"across", qos=1)
        one.unsubscribe(topic)
