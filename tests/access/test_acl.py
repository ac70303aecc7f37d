# SPDX-License-Identifier: MIT
"""Rights from an ACL file: who may publish, subscribe and receive, and what a reload takes away."""
import signal
import subprocess
import time

import pytest

from lib import broker as brokers
from lib.marks import V5, V311
from lib.mqtt import PacketType as T
from lib.mqtt import Prop, Will

NOT_AUTHORIZED = 0x87

ACL = """
# Everybody without a name
topic read public/#
user ada
topic public/#
topic write in/ada
topic read out/#
topic deny out/secret
pattern readwrite devices/%c/%u/#
"""


@pytest.fixture
def acl(tmp_path):
    file = tmp_path / "acl"
    file.write_text(ACL)
    file.chmod(0o600)
    return file


@pytest.fixture
def broker(start_broker, acl):
    return start_broker({"auth.acl_file": acl})


def reload(broker, applied):
    """SIGHUP, and waits until `applied()` says that it has taken effect."""
    broker.process.send_signal(signal.SIGHUP)
    until = time.monotonic() + 10
    while not applied():
        assert time.monotonic() < until, "the reload took no effect"


def may_publish(peer, topic):
    pid = peer.send_publish(topic, b"?", qos=1)
    return peer.await_packet(T.PUBACK, pid=pid).reason != NOT_AUTHORIZED


def granted(peer, filter):
    pid = peer.send_subscribe([(filter, 1)])
    return peer.await_packet(T.SUBACK, pid=pid).reasons[0]


@pytest.mark.parametrize("user, topic, allowed", [
    ("", "public/x", False), ("", "in/ada", False), ("ada", "public/x", True), ("ada", "in/ada", True),
    ("ada", "out/x", False), ("ada", "$SYS/x", False), ("bob", "public/x", False)])
def test_publish(broker, mqtt, user, topic, allowed):
    peer = mqtt.at(broker).connect(V5, **({"username": user} if user else {}))
    assert may_publish(peer, topic) == allowed


def test_patterns(broker, mqtt, client_id):
    own, other = client_id(), client_id()
    peer = mqtt.at(broker).connect(V5, own, username="bob")
    assert may_publish(peer, f"devices/{own}/bob/x")
    assert not may_publish(peer, f"devices/{other}/bob/x")
    assert not may_publish(peer, f"devices/{own}/ada/x")


def test_names_with_wildcards_gain_nothing(broker, mqtt):
    peer = mqtt.at(broker).connect(V5, "+", username="#")
    assert not may_publish(peer, "devices/x/y/z")
    assert granted(peer, "devices/#") >= 0x80


@pytest.mark.parametrize("version, refused", [(V311, 0x80), (V5, NOT_AUTHORIZED)])
def test_subscribe(broker, mqtt, version, refused):
    peer = mqtt.at(broker).connect(version, username="ada")
    assert granted(peer, "out/#") == 1
    assert granted(peer, "#") == 1
    assert granted(peer, "out/secret") == refused
    assert granted(peer, "elsewhere/#") == refused


def test_a_wildcard_brings_what_may_be_read(broker, mqtt):
    there = mqtt.at(broker)
    reader = there.connect(V5)
    assert granted(reader, "#") == 1
    writer = there.connect(V5, username="ada")
    assert may_publish(writer, "in/ada")
    assert may_publish(writer, "public/news")
    packet = reader.expect(T.PUBLISH)
    assert packet.topic == "public/news"


def test_will_without_the_right(broker, mqtt, client_id):
    peer = mqtt.at(broker).open(V5)
    peer.send_connect(client_id(), will=Will("public/x", b"gone"))
    peer.expect(T.CONNACK, reason=NOT_AUTHORIZED)


@pytest.mark.parametrize("connected", [True, False], ids=["between_two_messages", "while_away"])
def test_rights_withdrawn_while_messages_wait(broker, mqtt, acl, client_id, connected):
    """What was stored for a session, and may not be read any more, is not delivered."""
    there, own = mqtt.at(broker), client_id()
    reader = there.open(V5)
    reader.connect(own, username="ada", expiry=300, props=[(Prop.RECEIVE_MAXIMUM, 1)])
    assert granted(reader, "public/#") == 1
    writer = there.connect(V5, username="ada")
    for payload in (b"1", b"2", b"3"):
        pid = writer.send_publish("public/x", payload, qos=1)
        writer.expect(T.PUBACK, pid=pid)
    first = reader.expect(T.PUBLISH)
    if not connected:
        reader.close()
    acl.write_text("user ada\ntopic other\ntopic write public/#\n")
    reload(broker, lambda: not may_publish(writer, "in/ada"))
    if connected:
        reader.send_ack(T.PUBACK, first.pid)
    else:
        reader = there.open(V5)
        reader.connect(own, clean=False, username="ada", expiry=300)
        assert reader.connack.session_present
    assert granted(reader, "other") == 1
    pid = writer.send_publish("other", b"fine", qos=1)
    packet = reader.await_packet(T.PUBLISH)
    assert packet.payload == b"fine"


def test_a_reload_of_a_bad_file_changes_nothing(broker, mqtt, acl):
    peer = mqtt.at(broker).connect(V5, username="ada")
    acl.write_text("user ada\ntopic reed x\n")
    reload(broker, lambda: "the rights stay as they were" in broker.errors())
    assert may_publish(peer, "in/ada") and not may_publish(peer, "out/x")


def test_a_bad_file_at_the_start(tmp_path):
    bad = tmp_path / "acl"
    bad.write_text("topic read ok\n\nuser ada\ntopic a/#/b\n")
    done = subprocess.run([brokers.binary(), "broker", "--set", f"auth.acl_file={bad}", "--set", f"store.path={tmp_path / 's'}",
                           "--set", "listeners.mqtt.bind=127.0.0.1:0", "--set", "listeners.ws.bind=", "--set", "admin.bind="],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
    assert f"auth.acl_file: {bad}" in done.stderr and "line 4" in done.stderr and "a/#/b" in done.stderr
