# SPDX-License-Identifier: MIT
"""3.1.2.10 Keep Alive."""
import pytest

from lib import mqtt as wire
from lib.clock import Stopwatch
from lib.marks import every_version, spec
from lib.mqtt import PacketType as T
from lib.mqtt import Will


@spec("MQTT3 3.1.2-24", "MQTT5 3.1.2-22")
@every_version
@pytest.mark.parametrize("keep_alive", [1, 2])
def test_silent_client_is_disconnected_after_one_and_a_half_times(mqtt, v, keep_alive):
    peer = mqtt.connect(v, keep_alive=keep_alive)
    watch = Stopwatch()
    peer.expect_error(0x8D, timeout=keep_alive * 1.5 + 2)
    assert keep_alive * 1.5 - 0.3 <= watch.seconds() <= keep_alive * 1.5 + 1.5


@spec("MQTT3 3.1.2-24", "MQTT3 3.1.2-8", "MQTT5 3.1.2-22", "MQTT5 3.1.2-8")
@every_version
def test_will_of_a_silent_client_is_published(mqtt, v, topic):
    watcher = mqtt.connect(v)
    watcher.subscribe(topic)
    mqtt.connect(v, keep_alive=1, will=Will(topic, b"silent"))
    watcher.receive(topic, b"silent", timeout=4)


@spec("MQTT3 3.1.2-23", "MQTT5 3.1.2-20")
@every_version
def test_pings_keep_the_connection(mqtt, v):
    peer = mqtt.connect(v, keep_alive=1)
    for _ in range(4):
        peer.expect_silence(0.8)
        peer.send(wire.pingreq())
        peer.expect(T.PINGRESP)


@spec("MQTT3 3.1.2-23", "MQTT5 3.1.2-20")
@every_version
def test_any_packet_keeps_the_connection(mqtt, v, topic):
    peer = mqtt.connect(v, keep_alive=1)
    for _ in range(4):
        peer.expect_silence(0.8)
        peer.send_publish(topic, b"alive")
    peer.barrier()


@spec("MQTT3 3.1.2-24", "MQTT5 3.1.2-22")
@every_version
def test_what_the_server_sends_does_not_keep_the_connection(mqtt, v, topic):
    peer = mqtt.connect(v, keep_alive=1)
    peer.subscribe(topic)
    publisher = mqtt.connect(v)
    watch = Stopwatch()
    with pytest.raises(AssertionError, match="closed|DISCONNECT"):
        while watch.seconds() < 5:
            publisher.publish(topic, b"to a silent client")
            peer.expect(T.PUBLISH)
            publisher.expect_silence(0.2)


@spec("MQTT3 3.1.2-24", "MQTT5 3.1.2-22")
@every_version
def test_keep_alive_0_is_no_limit(mqtt, v):
    peer = mqtt.connect(v, keep_alive=0)
    peer.expect_silence(3)
    peer.barrier()
