# SPDX-License-Identifier: MIT
"""3.12 PINGREQ, 3.13 PINGRESP."""
from lib import mqtt as wire
from lib.marks import every_version, spec
from lib.mqtt import PacketType


@spec("MQTT3 3.12.4-1", "MQTT5 3.12.4-1")
@every_version
def test_pingreq_is_answered(mqtt, v):
    peer = mqtt.connect(v)
    for _ in range(3):
        peer.send(wire.pingreq())
        peer.expect(PacketType.PINGRESP)


@spec("MQTT3 3.12.4-1", "MQTT5 3.12.4-1")
@every_version
def test_each_of_many_pingreqs_in_one_write_is_answered(mqtt, v):
    peer = mqtt.connect(v)
    peer.send(*[wire.pingreq()] * 10)
    for _ in range(10):
        peer.expect(PacketType.PINGRESP)
    peer.expect_nothing()
