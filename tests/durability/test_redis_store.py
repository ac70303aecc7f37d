# SPDX-License-Identifier: MIT
"""Messages of durable sessions in Redis: what happens to acknowledgements when it is slow, away, or has lost them."""
import signal
import subprocess
import threading
import time

import pytest

from lib import broker as brokers
from lib import redis as servers
from lib.clock import eventually
from lib.marks import V5, acknowledged_qos, every_version
from lib.mqtt import PacketType as T

pytestmark = pytest.mark.skipif(not servers.available(), reason="needs the program redis-server in PATH")


@pytest.fixture
def redis():
    server = servers.Redis()
    yield server
    server.stop()


def settings(server, **more) -> dict[str, object]:
    return {"store.kind": "redis", "redis.url": f"redis://127.0.0.1:{server.port}"} | more


@pytest.fixture
def start(start_broker, redis):
    return lambda **more: start_broker(settings(redis, **more))


@every_version
@acknowledged_qos
def test_a_durable_session_gets_what_came_while_it_was_away(start, mqtt, redis, v, qos):
    broker = mqtt.at(start())
    peer = broker.connect(v, "durable", clean=False)
    peer.subscribe("a/+", qos=2)
    peer.disconnect()
    publisher = broker.connect(V5)
    for i in range(50):
        publisher.publish("a/b", b"%d" % i, qos=qos)
    assert redis.ask("XLEN", "sb:{l:a/+}") > 0
    again = broker.connect(v, "durable", clean=False)
    for i in range(50):
        again.receive("a/b", b"%d" % i, qos=qos)
    again.expect_nothing()
    again.unsubscribe("a/+")
    eventually(lambda: redis.ask("EXISTS", "sb:{l:a/+}") == 0, "the log goes behind the record, and UNSUBACK before")


def test_acknowledgements_wait_for_redis(start, mqtt, redis):
    broker = mqtt.at(start())
    reader, publisher = broker.connect(V5, "reader", clean=False, expiry=1000), broker.connect(V5)
    reader.subscribe("a", qos=1)
    redis.pause()
    pid = publisher.send_publish("a", b"x", qos=1)
    publisher.expect_silence(1)
    redis.resume()
    assert publisher.expect(T.PUBACK, pid=pid).reason == 0
    reader.receive("a", b"x", qos=1)


def test_after_a_while_they_are_refusals(start, mqtt, redis):
    broker = mqtt.at(start(**{"redis.hold": "1s"}))
    reader, publisher = broker.connect(V5, "reader", clean=False, expiry=1000), broker.connect(V5)
    reader.subscribe("a", qos=1)
    redis.pause()
    assert publisher.publish("a", b"x", qos=1).reason == 0x97
    publisher.publish("a", b"volatile", qos=0)
    redis.resume()
    until = time.monotonic() + 20
    while publisher.publish("a", b"again", qos=1).reason != 0:
        assert time.monotonic() < until
    while reader.receive("a").payload != b"again":
        pass


def test_redis_comes_back_empty(start, mqtt, redis):
    broker = mqtt.at(start())
    reader, publisher = broker.connect(V5, "reader", clean=False, expiry=1000), broker.connect(V5)
    reader.subscribe("a", qos=1)
    for i in range(20):
        publisher.publish("a", b"%d" % i, qos=1)
    for i in range(20):
        reader.receive("a", b"%d" % i)
    redis.kill()
    redis.start()
    for i in range(20, 40):
        publisher.publish("a", b"%d" % i, qos=1)
    for i in range(20, 40):
        reader.receive("a", b"%d" % i)
    reader.expect_nothing()


def test_a_broker_waits_for_its_redis(start_broker, mqtt, redis):
    redis.kill()
    command = [str(brokers.binary()), "broker", "--set", "listeners.mqtt.bind=127.0.0.1:0", "--set", "listeners.ws.bind=",
               "--set", "admin.bind="]
    for key, value in settings(redis).items():
        command += ["--set", f"{key}={value}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "waiting for redis: cannot reach Redis" in line:
                break
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
        assert process.returncode == 0 and out == "", "nothing listens"
    threading.Timer(1, redis.start).start()
    broker = mqtt.at(start_broker(settings(redis)))
    peer = broker.connect(V5, "c", clean=False, expiry=1000)
    peer.subscribe("a", qos=1)
    peer.publish("a", b"x", qos=1)
    peer.receive("a", b"x")


@pytest.mark.parametrize("wrong, why", [
    ({"store.write_concern": "interval"}, "store.write_concern"),
    ({"store.write_concern": "fsync"}, "appendfsync"),
    ({"redis.url": "redis//nowhere"}, "redis.url"),
])
def test_what_cannot_be_is_said(redis, wrong, why):
    command = [str(brokers.binary()), "broker", "--set", "listeners.mqtt.bind=127.0.0.1:0", "--set", "listeners.ws.bind=",
               "--set", "admin.bind="]
    for key, value in (settings(redis) | wrong).items():
        command += ["--set", f"{key}={value}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0 and why in done.stderr, done
