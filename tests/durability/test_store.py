# SPDX-License-Identifier: MIT
"""The embedded store of one broker: what a restart finds again, and what is said when something is wrong with it."""
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from lib import broker as brokers
from lib.clock import elapse
from lib.marks import V5, V31, V311, acknowledged_qos, every_version
from lib.mqtt import PacketType as T
from lib.mqtt import Prop, Will
from lib.peer import Closed
from lib.transport import TIMEOUT


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def start(start_broker, path):
    """Starts a broker on the store of this test."""
    return lambda **settings: start_broker({"store.kind": "embedded", "store.path": path} | settings)


@pytest.fixture(params=[signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def end(request):
    """Ends a broker in the way of this run."""

    def run(broker):
        broker.process.send_signal(request.param)
        broker.process.wait(20)
        broker.stop = lambda: None

    return run


def store(*arguments, **options) -> subprocess.CompletedProcess:
    return subprocess.run([str(brokers.binary()), "store", *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          check=False, **options)


def why_refused(path, program=None, **options) -> str:
    """Why a broker does not start on that store."""
    command = [str(program or brokers.binary()), "broker"]
    for setting in ("store.kind=embedded", f"store.path={path}", "listeners.mqtt.bind=127.0.0.1:0", "listeners.ws.bind=",
                    "admin.bind="):
        command += ["--set", setting]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)
    assert done.returncode == 1 and not done.stdout, done
    return done.stderr


# What a restart finds


@every_version
@acknowledged_qos
def test_sessions_and_what_waits_for_them(start, end, mqtt, v, qos):
    broker = start()
    peer = mqtt.at(broker).connect(v, "durable", clean=False)
    peer.subscribe("a/+", qos=2)
    peer.disconnect()
    publisher = mqtt.at(broker).connect(V5)
    for i in range(50):
        publisher.publish("a/b", b"%d" % i, qos=qos)
    end(broker)
    again = mqtt.at(start()).connect(v, "durable", clean=False)
    assert v == V31 or again.connack.session_present
    for i in range(50):
        again.receive("a/b", b"%d" % i, qos=qos)
    again.expect_nothing()


def test_what_is_under_way(start, end, mqtt):
    broker = start()
    peer = mqtt.at(broker).connect(V311, "c", clean=False)
    peer.subscribe("a", qos=2)
    publisher = mqtt.at(broker).connect(V5)
    publisher.publish("a", b"one", qos=2)
    publisher.publish("a", b"two", qos=2)
    first, second = peer.expect(T.PUBLISH, payload=b"one"), peer.expect(T.PUBLISH, payload=b"two")
    peer.send_ack(T.PUBREC, first.pid)
    peer.expect(T.PUBREL, pid=first.pid)
    end(broker)
    again = mqtt.at(start()).connect(V311, "c", clean=False)
    again.expect(T.PUBREL, pid=first.pid)
    again.expect(T.PUBLISH, pid=second.pid, payload=b"two", dup=True)


def test_a_qos_2_publish_sent_again_is_not_delivered_again(start, end, mqtt):
    broker = start()
    publisher, watcher = (mqtt.at(broker).connect(V311, name, clean=False) for name in ("publisher", "watcher"))
    watcher.subscribe("a", qos=1)
    publisher.send_publish("a", b"once", qos=2, pid=9)
    publisher.expect(T.PUBREC, pid=9)
    end(broker)
    broker = start()
    publisher, watcher = (mqtt.at(broker).connect(V311, name, clean=False) for name in ("publisher", "watcher"))
    publisher.send_publish("a", b"once", qos=2, pid=9, dup=True)
    publisher.expect(T.PUBREC, pid=9)
    publisher.send_ack(T.PUBREL, 9)
    publisher.expect(T.PUBCOMP, pid=9)
    got = watcher.receive("a", b"once")
    assert got.qos == 1
    watcher.expect_nothing()


def test_retained_messages(start, end, mqtt):
    broker = start()
    publisher = mqtt.at(broker).connect(V5)
    for i in range(500):
        publisher.send_publish(f"r/{i % 10}/{i}", b"%d" % i, qos=1, retain=True, pid=i + 1)
    for _ in range(500):
        publisher.expect(T.PUBACK)
    publisher.publish("r/3/3", b"", qos=1, retain=True)
    end(broker)
    peer = mqtt.at(start()).connect(V5)
    peer.subscribe("r/3/#")
    assert {p.payload for p in (peer.receive(retain=True) for _ in range(49))} == {b"%d" % i for i in range(13, 500, 10)}
    peer.expect_nothing()


def test_a_durable_shared_group(start, end, mqtt):
    broker = start()
    for name in ("one", "two"):
        member = mqtt.at(broker).connect(V5, name, clean=False)
        member.subscribe("$share/g/a", qos=2)
        member.disconnect()
    publisher = mqtt.at(broker).connect(V5)
    for i in range(20):
        publisher.publish("a", b"%d" % i, qos=1 + i % 2)
    end(broker)
    member = mqtt.at(start()).connect(V5, "one", clean=False)
    got = [member.receive("a") for _ in range(20)]
    for qos in (1, 2):  # messages of one QoS keep their order [MQTT-4.6.0-6]
        assert [int(p.payload) for p in got if p.qos == qos] == list(range(qos - 1, 20, 2))
    member.expect_nothing()


def test_wills_and_sessions_end_on_time(start, end, mqtt):
    broker = start()
    durable = mqtt.at(broker).connect(V5, "durable", clean=False)
    durable.subscribe("w/#", qos=1)
    durable.disconnect()
    one = mqtt.at(broker)
    one.connect(V5, "waits", expiry=2, will=Will("w/waits", b"gone", qos=1, props=[(Prop.WILL_DELAY, 1)])).stream.close()
    one.connect(V5, "returns", expiry=100, will=Will("w/returns", b"no", qos=1, props=[(Prop.WILL_DELAY, 60)])).stream.close()
    one.connect(V5, "short", expiry=1).disconnect()
    durable = mqtt.at(broker).connect(V5, "durable", clean=False)
    durable.disconnect()
    end(broker)
    broker = start()
    durable = mqtt.at(broker).connect(V5, "durable", clean=False)
    durable.receive("w/waits", b"gone", timeout=TIMEOUT)
    mqtt.at(broker).connect(V5, "returns", clean=False)
    elapse(1.5)
    durable.expect_nothing()
    assert not mqtt.at(broker).connect(V5, "short", clean=False).connack.session_present


def test_volatile_clients_leave_nothing(start, end, mqtt, path):
    broker = start()
    one, two = mqtt.at(broker).connect(V5), mqtt.at(broker).connect(V311)
    one.subscribe("a", qos=2)
    for i in range(10):
        two.publish("a", b"%d" % i, qos=2)
        one.receive("a", b"%d" % i)
    end(broker)
    left = json.loads(store("stats", path, "--json").stdout)
    assert not any(left[name] for name in ("sessions", "subscriptions", "packet_ids", "logs", "messages", "retained")), left


# What is wrong with it


def test_one_broker_at_a_time(start, path):
    start()
    why = why_refused(path)
    assert "store.path" in why and str(path) in why and "another process" in why


def test_a_newer_format(start, path):
    start().stop()
    (path / "FORMAT").write_text("signalbox 99\n")
    why = why_refused(path)
    assert "format 99" in why and "newer version" in why


def test_a_directory_of_somebody_else(path):
    path.mkdir()
    (path / "CURRENT").write_text("MANIFEST-000001\n")
    assert "not a store" in why_refused(path)
    assert sorted(p.name for p in path.iterdir()) == ["CURRENT"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_no_permission():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own cannot be looked into by others
        os.chmod(folder, 0o755)
        program = shutil.copy(brokers.binary(), folder)
        why = why_refused(f"{folder}/store", user="nobody", cwd="/", program=program)
    assert f"store.path: cannot make the store's directory {folder}/store: Permission denied" in why


def test_damage_is_found(start, mqtt, path):
    broker = start()
    publisher = mqtt.at(broker).connect(V5)
    for i in range(300):
        publisher.publish(f"r/{i}", os.urandom(2000).hex().encode(), qos=1, retain=True)
    broker.stop()
    broker.stop = lambda: None
    assert store("check", path).returncode == 0
    log = max(path.glob("*.log"), key=lambda p: p.stat().st_size)
    with log.open("r+b") as file:
        file.seek(log.stat().st_size // 2)
        file.write(b"damage")
    found = store("check", path)
    assert found.returncode == 1 and log.name in found.stdout + found.stderr
    assert log.name in why_refused(path)


# Full disks


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 48 MiB."""
    where = tmp_path / "disk"
    where.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", where], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield where
    subprocess.run(["umount", "--lazy", where], check=True)


def test_a_full_disk_stops_acknowledgements_until_there_is_room(small_disk, start_broker, mqtt):
    broker = start_broker({"store.kind": "embedded", "store.path": small_disk / "store", "sys.interval": 1, "log.level": "error"})
    durable = mqtt.at(broker).connect(V5, "durable", clean=False)
    durable.subscribe("a", qos=1)
    durable.disconnect()
    health = mqtt.at(broker).connect(V5)
    health.subscribe("$SYS/broker/store/state")
    health.await_packet(T.PUBLISH, payload=b"up")
    fill(small_disk)
    numbers, acknowledged = itertools.count(), []
    assert publish_until_refused(mqtt.at(broker), numbers, acknowledged) == 0x97
    while not health.await_packet(T.PUBLISH).payload.startswith(b"down: "):
        fill(small_disk)  # opening the store again may have made room
        publish_until_refused(mqtt.at(broker), numbers, acknowledged)
    assert mqtt_3_is_closed(mqtt.at(broker))
    (small_disk / "filler").unlink()
    publisher = mqtt.at(broker).connect(V5)
    deadline = time.monotonic() + TIMEOUT
    while publisher.publish("a", b"after", qos=1).reason == 0x97:
        assert time.monotonic() < deadline, "the broker does not come back"
        elapse(0.1)
    health.await_packet(T.PUBLISH, payload=b"up")
    again = mqtt.at(broker).connect(V5, "durable", clean=False)
    got = []
    while (payload := again.receive("a").payload) != b"after":
        got.append(int(payload[:8]))
    assert [n for n in got if n in acknowledged] == acknowledged, "what was acknowledged is there, in order, once"


def fill(where):
    """Leaves no byte."""
    with (where / "filler").open("ab", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                pass


def publish_until_refused(at, numbers, acknowledged: list[int]) -> int:
    """Publishes numbered messages; the reason of the first that was not acknowledged."""
    publisher = at.connect(V5)
    while (answer := publisher.publish("a", b"%08d" % (number := next(numbers)) + os.urandom(4000), qos=1)).reason < 0x80:
        acknowledged.append(number)
    return answer.reason


def mqtt_3_is_closed(at) -> bool:
    try:
        at.connect(V311).publish("a", b"99999999", qos=1)
    except Closed:
        return True
    return False


# signalbox store


def test_export_and_import(start, mqtt, path, tmp_path):
    broker = start()
    peer = mqtt.at(broker).connect(V5, "durable", clean=False)
    peer.subscribe("a", qos=1)
    peer.disconnect()
    publisher = mqtt.at(broker).connect(V5)
    publisher.publish("a", b"kept", qos=1)
    publisher.publish("r", b"retained", qos=1, retain=True)
    broker.stop()
    broker.stop = lambda: None
    text, copy = tmp_path / "store.jsonl", tmp_path / "copy"
    assert store("export", path, "--file", text).returncode == 0
    assert store("import", copy, "--file", text).returncode == 0
    assert store("import", copy, "--file", text).returncode == 1, "there is one already"
    assert store("check", copy).returncode == 0
    before, after = (json.loads(store("stats", p, "--json").stdout) for p in (path, copy))
    assert {k: n for k, n in before.items() if k != "disk_bytes"} == {k: n for k, n in after.items() if k != "disk_bytes"}
    assert before["sessions"] == before["messages"] == before["retained"] == 1
    broker = start(**{"store.path": copy})
    mqtt.at(broker).connect(V5, "durable", clean=False).receive("a", b"kept")


@pytest.mark.parametrize("command", ["check", "stats", "export"])
def test_no_store(command, tmp_path):
    done = store(command, tmp_path / "none")
    assert done.returncode == 1 and str(tmp_path / "none") in done.stderr and not done.stdout


def test_nothing_to_import(tmp_path):
    done = store("import", tmp_path / "new", input="something else\n")
    assert done.returncode == 1 and "line 1" in done.stderr
    assert not (tmp_path / "new").exists()


def test_the_configured_store_is_the_default(start, path):
    start()
    done = store("stats", "--set", f"store.path={path}")
    assert done.returncode == 0 and "sessions" in done.stdout
