# SPDX-License-Identifier: MIT
"""Taking a node out of service and into it again."""
import signal
import socket
import time

import pytest

from lib import mqtt as wire
from lib.crowd import Crowd
from lib.marks import V5, V311, every_version
from lib.mqtt import Prop

SHUTTING_DOWN, ANOTHER_SERVER = 0x8B, 0x9C
PACE = 200  # connections a second


def refused(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=5).close()
        return False
    except ConnectionRefusedError:
        return True


def came_in(crowd: Crowd):
    return lambda: all(m.got[:1] == b"\x20" for m in crowd.members)


@pytest.mark.concurrent
@every_version
def test_drain_and_undrain(start, mqtt, v):
    broker, admin = start({"node.name": "n1", "listeners.ws.bind": "127.0.0.1:0"})
    peer = mqtt.at(broker).connect(v)
    drained = admin.post("/api/v1/nodes/n1/drain")
    assert drained.status == 200 and drained.json["node"] == "n1"
    peer.expect_error(SHUTTING_DOWN)
    node = admin.until(lambda n: n["state"] == "drained", "it does not drain")
    assert not any(listener["open"] for listener in node["listeners"])
    ready = admin.get("/ready")
    assert ready.status == 503 and ready.json == {"ready": False, "reason": "drained"}
    assert admin.get("/health").status == 200
    assert refused(broker.listeners["mqtt"]) and refused(broker.listeners["ws"])
    assert admin.post("/api/v1/nodes/n1/drain").json["state"] == "drained", "once more changes nothing"

    back = admin.post("/api/v1/nodes/n1/undrain")
    assert back.status == 200 and back.json["state"] == "serving"
    assert admin.get("/ready").status == 200
    mqtt.at(broker).connect(v).barrier()
    assert not refused(broker.listeners["ws"])
    assert admin.post("/api/v1/nodes/n1/undrain").json["state"] == "serving"
    assert admin.post("/api/v1/nodes/n2/drain").status == 404


def test_where_to_go_instead(start, mqtt):
    broker, admin = start({"node.name": "n1", "server.reference": "broker-2.example"})
    peer = mqtt.at(broker).connect(V5)
    admin.post("/api/v1/nodes/n1/drain")
    said = peer.expect_error(ANOTHER_SERVER)
    assert said.props.get(Prop.SERVER_REFERENCE) == "broker-2.example"


@pytest.mark.parametrize("store", ["memory", "embedded"])
@every_version
def test_a_durable_session_gets_its_messages(start, mqtt, topic, v, store):
    """What was under way, and what was in the log, is there when the client comes back."""
    broker, admin = start({"node.name": "n1", "store.kind": store})
    publisher = mqtt.at(broker).connect(V5)
    peer = mqtt.at(broker).connect(v, "durable", clean=False)
    peer.subscribe(topic, qos=1)
    for i in range(5):
        publisher.publish(topic, b"%d" % i, qos=1)
    for i in range(5):
        unacknowledged = peer.expect(wire.PacketType.PUBLISH, payload=b"%d" % i)
        if i < 2:
            peer.acknowledge(unacknowledged)
    peer.barrier()
    admin.post("/api/v1/nodes/n1/drain")
    peer.expect_error(SHUTTING_DOWN)
    publisher.expect_error(SHUTTING_DOWN)
    admin.until(lambda n: n["state"] == "drained", "it does not drain")
    admin.post("/api/v1/nodes/n1/undrain")
    publisher = mqtt.at(broker).connect(V5)
    publisher.publish(topic, b"5", qos=1)
    back = mqtt.at(broker).connect(v, "durable", clean=False)
    if v != wire.Version.V31:
        assert back.connack.session_present
    for i in range(2, 6):
        assert back.receive(topic, b"%d" % i).dup == (i < 5)


def test_a_store_on_the_disk_has_it(start, mqtt, topic, tmp_path):
    broker, admin = start({"node.name": "n1", "store.path": tmp_path / "s"})
    peer = mqtt.at(broker).connect(V5, "durable", clean=False)
    peer.subscribe(topic, qos=1)
    mqtt.at(broker).connect(V5).publish(topic, b"x", qos=1)
    peer.expect(wire.PacketType.PUBLISH)
    admin.post("/api/v1/nodes/n1/drain")
    peer.expect_error(SHUTTING_DOWN)
    admin.until(lambda n: n["state"] == "drained", "it does not drain")
    broker.stop()
    broker.stop = lambda: None
    again, _ = start({"node.name": "n1", "store.path": tmp_path / "s"})
    back = mqtt.at(again).connect(V5, "durable", clean=False)
    assert back.connack.session_present
    assert back.receive(topic, b"x").dup


def test_the_pace(start):
    """So many a second, half-open connections too; the API says how far it is."""
    broker, admin = start({"node.name": "n1", "node.drain_rate": PACE})
    with Crowd(broker.listeners["mqtt"]) as crowd:
        crowd.add_all(wire.connect(V5, f"c{i}") for i in range(2 * PACE))
        crowd.run(came_in(crowd))
        silent = [socket.create_connection(broker.listeners["mqtt"]) for _ in range(10)]
        admin.until(lambda n: n["connections"] == 2 * PACE + 10, "not all are there")
        begin = time.monotonic()
        assert admin.post("/api/v1/nodes/n1/drain").json["state"] == "draining"
        assert admin.get("/ready").json == {"ready": False, "reason": "draining"}
        crowd.run(lambda: sum(m.ended for m in crowd.members) > PACE // 2)
        assert sum(m.ended for m in crowd.members) < 2 * PACE
        crowd.run(lambda: all(m.ended for m in crowd.members))
        admin.until(lambda n: n["state"] == "drained", "it does not end")
        seconds = time.monotonic() - begin
        assert 1.7 < seconds < 10, seconds
        assert all(b"\xe0" in m.got for m in crowd.members), "everybody was told"
        for sock in silent:
            assert sock.recv(1) == b""
            sock.close()


def test_undrain_in_the_middle(start, mqtt):
    broker, admin = start({"node.name": "n1", "node.drain_rate": 20})
    with Crowd(broker.listeners["mqtt"]) as crowd:
        crowd.add_all(wire.connect(V5, f"c{i}") for i in range(200))
        crowd.run(came_in(crowd))
        admin.post("/api/v1/nodes/n1/drain")
        crowd.run(lambda: any(m.ended for m in crowd.members))
        assert admin.post("/api/v1/nodes/n1/undrain").json["state"] == "serving"
        gone = sum(m.ended for m in crowd.members)
        mqtt.at(broker).connect(V5).barrier()
        for member in crowd.members:
            if not member.ended:
                member.got = b""
                crowd.say(member, wire.pingreq())
        crowd.run(lambda: all(m.ended or m.got == b"\xd0\x00" for m in crowd.members))
        assert sum(m.ended for m in crowd.members) <= gone + 5


def test_a_port_that_somebody_took(start, mqtt):
    broker, admin = start({"node.name": "n1", "listeners.ws.bind": "127.0.0.1:0"})
    admin.post("/api/v1/nodes/n1/drain")
    admin.until(lambda n: n["state"] == "drained", "it does not drain")
    with socket.create_server(broker.listeners["ws"]):
        failed = admin.post("/api/v1/nodes/n1/undrain")
        assert failed.status == 500 and "listeners.ws" in failed.json["error"] and "in use" in failed.json["error"]
        assert admin.node()["state"] == "drained" and refused(broker.listeners["mqtt"]), "all of it, or nothing"
    assert admin.post("/api/v1/nodes/n1/undrain").status == 200
    mqtt.at(broker).connect(V311).barrier()


def test_unix_sockets_too(start, tmp_path):
    path = tmp_path / "m.sock"
    broker, admin = start({"node.name": "n1", "listeners.mqtt.bind": f"unix:{path}"})
    for _ in range(2):
        admin.post("/api/v1/nodes/n1/drain")
        assert not path.exists()
        assert admin.post("/api/v1/nodes/n1/undrain").status == 200
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(wire.connect(V311, "c"))
            assert sock.recv(4) == b"\x20\x02\x00\x00"


def test_sigterm_has_its_own_time(start):
    """At a pace that would take minutes a process that is told to end does not."""
    broker, admin = start({"node.drain_rate": 1})
    with Crowd(broker.listeners["mqtt"]) as crowd:
        crowd.add_all(wire.connect(V5, f"c{i}") for i in range(300))
        crowd.run(came_in(crowd))
        begin = time.monotonic()
        broker.process.send_signal(signal.SIGTERM)
        crowd.run(lambda: any(m.ended for m in crowd.members))
        assert admin.get("/ready").json["reason"] == "draining", "who asks hears it until the end"
        crowd.run(lambda: all(m.ended for m in crowd.members))
        assert all(b"\xe0" in m.got for m in crowd.members), "everybody was told"
        broker.stop()
        assert time.monotonic() - begin < 8
    broker.stop = lambda: None


def test_sigterm_while_it_drains(start):
    broker, admin = start({"node.name": "n1", "node.drain_rate": 1})
    with Crowd(broker.listeners["mqtt"]) as crowd:
        crowd.add_all(wire.connect(V5, f"c{i}") for i in range(100))
        crowd.run(came_in(crowd))
        admin.post("/api/v1/nodes/n1/drain")
        broker.stop()
        crowd.run(lambda: all(m.ended for m in crowd.members))
    broker.stop = lambda: None
