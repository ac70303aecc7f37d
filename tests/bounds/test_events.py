# SPDX-License-Identifier: MIT
"""What the broker tells of clients that come, go and are refused: JSON on $SYS/brokers/events, and lines in the log."""
import json
import subprocess
import time

import pytest

from bounds.conftest import versions
from lib import broker as brokers
from lib import mqtt as wire
from lib.crowd import Crowd
from lib.marks import V5, V311
from lib.mqtt import PacketType as T

PREFIX = "$SYS/brokers/events/"
ON = {"events.topics": True, "node.name": "one"}
NOT_AUTHORIZED = 0x87


class Listener:
    """Hears all events, or those of some kinds."""

    def __init__(self, peer, *kinds: str):
        self._peer = peer
        peer.subscribe(*[PREFIX + kind for kind in kinds or ("#",)])

    def next(self, kind: str, **wanted) -> dict:
        """The next event of that kind with these fields. Every event on the way there is well-formed."""
        while True:
            packet = self._peer.expect(T.PUBLISH, timeout=10)
            event = json.loads(packet.payload)
            assert event["node"] == "one"
            assert abs(event["ts"] / 1000 - time.time()) < 60
            assert {"client", "user", "peer", "reason"} <= event.keys()
            if packet.topic == PREFIX + kind and all(event[k] == v for k, v in wanted.items()):
                return event


@pytest.fixture
def listen(mqtt):
    return lambda broker, *kinds: Listener(mqtt.at(broker).connect(V5), *kinds)


@versions
def test_coming_and_going(start, mqtt, listen, client_id, v):
    broker = start(ON)
    events, name = listen(broker), client_id()
    peer = mqtt.at(broker).connect(v, name, username="ada")
    port = peer.stream.sock.getsockname()[1]
    assert events.next("client/connected", client=name)["user"] == "ada"
    peer.disconnect()
    gone = events.next("client/disconnected", client=name)
    assert gone["user"] == "ada" and gone["peer"] == f"127.0.0.1:{port}"

    lost = mqtt.at(broker).connect(v, name)
    lost.reset()
    assert events.next("client/disconnected", client=name)["reason"] != gone["reason"]


@versions
def test_a_takeover(start, mqtt, listen, client_id, v):
    broker = start(ON)
    events, name = listen(broker), client_id()
    first = mqtt.at(broker).connect(v, name)
    second = mqtt.at(broker).connect(v, name)
    first.expect_error(0x8E)
    events.next("client/taken_over", client=name)
    second.barrier()


@versions
def test_a_refusal(start, mqtt, listen, client_id, tmp_path, v):
    users = tmp_path / "users"
    subprocess.run([brokers.binary(), "passwd", users, "ada", "--password-stdin"], input="correct", text=True, check=True,
                   capture_output=True)
    broker = start(ON | {"auth.password_file": users, "log.level": "info"})
    events, name = listen(broker), client_id()
    peer = mqtt.at(broker).open(v)
    peer.send_connect(name, username="ada", password=b"a secret guess")
    peer.expect(T.CONNACK)
    event = events.next("client/refused", client=name)
    assert event["reason"] and event["peer"].startswith("127.0.0.1:")
    assert "a secret guess" not in json.dumps(event) + broker.errors()


def test_a_quota(start, mqtt, listen, client_id):
    broker = start(ON | {"limits.subscriptions": 5})
    events, name = listen(broker), client_id()
    peer = mqtt.at(broker).connect(V5, name)
    peer.expect(T.SUBACK, pid=peer.send_subscribe([(f"q/{i}", 0) for i in range(50)]))
    assert events.next("quota", client=name)["reason"]


def test_what_is_denied(start, mqtt, listen, client_id, tmp_path):
    acl = tmp_path / "acl"
    acl.write_text("topic read $SYS/#\ntopic write fine\n")
    acl.chmod(0o600)
    broker = start(ON | {"auth.acl_file": acl})
    events, name = listen(broker), client_id()
    peer = mqtt.at(broker).connect(V5, name)
    assert peer.publish("secret", b"x", qos=1).reason == NOT_AUTHORIZED
    events.next("denied/publish", client=name)
    assert peer.expect(T.SUBACK, pid=peer.send_subscribe([("secret", 0)])).reasons == [NOT_AUTHORIZED]
    events.next("denied/subscribe", client=name)


def test_a_ban(start, mqtt, listen, client_id, tmp_path):
    broker = start(ON | {"bans.flapping": 5})
    events, name = listen(broker, "client/banned"), client_id()
    for _ in range(10):
        peer = mqtt.at(broker).open(V5)
        peer.send_connect(name)
        peer.expect(T.CONNACK)
    assert events.next("client/banned", client=name)["peer"].startswith("127.0.0.1")


@pytest.mark.parametrize("name", ['"quoted"', "back\\slash", "two\nlines\x1b[31m \u2028 \x1f", "\u00e4\u4e2d\U0001F600", "x" * 60_000])
def test_names_of_every_kind(start, mqtt, listen, name):
    """What a client calls itself does not break out of the JSON or of the log's lines."""
    broker = start(ON | {"events.log": "all", "log.level": "info"})
    events = listen(broker, "client/#")
    mqtt.at(broker).connect(V5, name, username=name)
    event = events.next("client/connected", client=name)
    assert event["user"] == name
    assert all(" info " in line or " warning " in line for line in broker.errors().rstrip("\n").split("\n"))


@versions
def test_events_are_not_for_clients_to_make(start, mqtt, listen, v):
    broker = start(ON)
    events = mqtt.at(broker).connect(V5)
    events.subscribe(PREFIX + "forged")
    peer = mqtt.at(broker).connect(v)
    answer = peer.publish(PREFIX + "forged", b"{}", qos=1)
    assert answer.reason == (NOT_AUTHORIZED if v == V5 else 0)
    events.expect_nothing()


def test_events_are_not_retained_and_off_by_default(start, mqtt):
    silent, loud = start({"node.name": "one"}), start(ON)
    for broker in (silent, loud):
        there = mqtt.at(broker)
        before = there.connect(V5)
        before.subscribe(PREFIX + "#")
        there.connect(V311).disconnect()
        after = there.connect(V5)
        after.subscribe(PREFIX + "client/disconnected")
        after.expect_nothing()
    assert [p for p in before.take_messages()], "this one tells"
    silent_peer = mqtt.at(silent).connect(V5)
    silent_peer.subscribe(PREFIX + "#")
    mqtt.at(silent).connect(V5)
    silent_peer.expect_nothing()


@pytest.mark.parametrize("kind", ["refused", "garbage", "denied"])
def test_a_storm_does_not_fill_the_log(start, mqtt, innocents, tmp_path, kind):
    """A thousand refusals of one kind are a few lines, and the lines say how many they stand for."""
    acl, bans = tmp_path / "acl", tmp_path / "bans"
    acl.write_text("topic readwrite innocents/#\n")
    acl.chmod(0o600)
    bans.write_text("client evil\n")
    broker = start({"auth.acl_file": acl, "bans.file": bans, "log.level": "info"})
    with innocents(broker) as others, Crowd(broker.listeners["mqtt"]) as crowd:
        if kind == "denied":
            peer = mqtt.at(broker).connect(V5)
            for _ in range(1000):
                peer.send_publish("secret", b"x", qos=0)
            peer.barrier()
        else:
            hello = wire.connect(V5, "evil") if kind == "refused" else b"\xff\xff"
            members = crowd.add_all([hello] * 1000)
            crowd.run(lambda: all(m.ended for m in members))
        others.go_on()
    assert len(broker.errors().splitlines()) < 60
