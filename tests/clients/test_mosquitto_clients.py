# SPDX-License-Identifier: MIT
"""mosquitto_pub and mosquitto_sub."""
import subprocess

import pytest

from clients.conftest import tool
from lib.marks import every_qos, spec

every_version = pytest.mark.parametrize("version", ["mqttv31", "mqttv311", "mqttv5"])


class Subscriber:
    """mosquitto_sub; it ends after `count` messages and prints each as "message QoS payload"."""

    def __init__(self, options, topic, qos, count=1):
        command = ["stdbuf", "-oL", tool("mosquitto_sub"), *options, "-t", topic, "-q", str(qos), "-C", str(count), "-W", "15",
                   "-d", "-F", "message %q %p"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []

    def subscribed(self):
        """Returns once the SUBACK has come."""
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith("Subscribed"):
                return self
        raise AssertionError(f"no SUBACK: {self.lines}")

    def messages(self):
        output, _ = self.process.communicate(timeout=20)
        self.lines += output.splitlines(keepends=True)
        assert self.process.returncode == 0, self.lines
        return [line.removeprefix("message ").strip() for line in self.lines if line.startswith("message ")]


def publish(options, topic, qos, payload, *more):
    done = subprocess.run([tool("mosquitto_pub"), *options, "-t", topic, "-q", str(qos), "-m", payload, *more],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr


def at(address, version, *more):
    return ["-h", address[0], "-p", str(address[1]), "-V", version, *more]


@spec("MQTT3 7.0.0-2", "MQTT3 7.1.1-1", "MQTT5 4.2.0-1")
@every_version
@every_qos
def test_round_trip(broker, topic, version, qos):
    options = at(broker.listeners["mqtt"], version)
    process = Subscriber(options, topic, qos).subscribed()
    publish(options, topic, qos, "hello")
    assert process.messages() == [f"{qos} hello"]


@spec("MQTT3 7.0.0-2", "MQTT3 7.1.1-1", "MQTT5 4.2.0-1")
@every_version
@every_qos
def test_round_trip_over_tls(tls_broker, authority, topic, version, qos):
    options = at(("localhost", tls_broker.listeners["mqtts"][1]), version, "--cafile", authority.cert)
    process = Subscriber(options, topic, qos).subscribed()
    publish(options, topic, qos, "hello")
    assert process.messages() == [f"{qos} hello"]


@spec("MQTT3 3.3.1-6", "MQTT5 3.3.1-9")
@every_version
def test_retained_message(broker, topic, version):
    options = at(broker.listeners["mqtt"], version)
    publish(options, topic, 1, "kept", "-r")
    assert Subscriber(options, topic, 1).messages() == ["1 kept"]
    publish(options, topic, 1, "", "-r")


@spec("MQTT3 3.1.2-5", "MQTT5 3.1.2-5")
@every_version
def test_messages_for_a_session_that_was_away(broker, topic, client_id, version):
    options = at(broker.listeners["mqtt"], version)
    session = [*options, "-i", client_id(), "-c"] + (["-x", "60"] if version == "mqttv5" else [])
    first = Subscriber(session, topic, 1).subscribed()
    publish(options, topic, 1, "connected")
    assert first.messages() == ["1 connected"]
    for i in range(5):
        publish(options, topic, 1, f"away {i}")
    assert Subscriber(session, topic, 1, count=5).messages() == [f"1 away {i}" for i in range(5)]
