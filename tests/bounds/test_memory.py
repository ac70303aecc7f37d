# SPDX-License-Identifier: MIT
"""`limits.memory`: when the process has taken that much, nothing new is taken on, and what is there goes on."""
import pytest

from bounds.conftest import versions
from lib import mqtt as wire
from lib.crowd import Crowd, need_descriptors
from lib.marks import V5, V311
from lib.mqtt import PacketType as T
from lib.mqtt import Prop
from lib.process import MIB, Watch, resident, sanitized

QUOTA, SIZE = 0x97, 4096
ROOM = 32  # MiB that the broker may take beyond what it has at its start
# The queues of sessions, which are the way to fill it, have no bound of their own here. The ends of logs have one that is
# larger than what is left here, and do not shrink when memory is full.
NO_OTHER = {"limits.queued_bytes": "16GiB", "limits.queued_messages": 1_000_000, "limits.inflight": 65535,
            "limits.output_bytes": "1GiB", "limits.log_bytes": "1GiB", "limits.tail_caches_bytes": "1MiB"}
NAMES = ("memory/full", "dropped/memory", "refused/memory")


@pytest.fixture(params=["memory", "embedded"])
def store(request):
    return request.param


@pytest.fixture
def broker(start, store):
    """With a bound that leaves some room above what an idle one takes."""
    idle = start({"store.kind": store})
    pid = idle.process.pid
    if sanitized(pid):
        pytest.skip("what is freed is kept: memory says nothing")
    return start(NO_OTHER | {"store.kind": store, "limits.memory": resident(pid) + ROOM * MIB})


def hoarder(mqtt, broker, topic):
    """A subscriber that acknowledges nothing, so that all of it waits in the broker."""
    peer = mqtt.at(broker).connect(V5, keep_alive=0, props=[(Prop.RECEIVE_MAXIMUM, 10)])
    peer.subscribe(topic, qos=1)
    return peer


def fill(mqtt, broker, topics, qos=1, meanwhile=lambda: None) -> None:
    """Ten times as much as there is room for; each message small enough to come in one piece."""
    publisher, pids = mqtt.at(broker).connect(V5), range(1, 101)
    for at in range(0, 10 * ROOM * MIB // SIZE, len(pids)):
        publisher.send(*[wire.publish(V5, topics[(at + pid) % len(topics)], bytes(SIZE), qos=qos, pid=pid if qos else None)
                         for pid in pids])
        for pid in pids if qos else []:
            publisher.expect(T.PUBACK, pid=pid)
        meanwhile()
    publisher.barrier()
    publisher.close()


@pytest.mark.timeout(300)
@versions
def test_ten_times_as_much_as_there_is_room_for(broker, store, mqtt, innocents, counters, client_id, topic, v):
    there = mqtt.at(broker)
    count = counters(broker, *NAMES)
    assert count.read("memory/full") == 0
    inside = there.connect(v)
    inside.subscribe(f"{topic}/inside", qos=1)
    with innocents(broker) as others, Watch(broker.process.pid) as cost:
        greedy = hoarder(mqtt, broker, f"{topic}/greedy")
        fill(mqtt, broker, [f"{topic}/greedy"])
        count.expect("memory/full", lambda n: n == 1)
        count.expect("dropped/memory", 5 * ROOM * MIB // SIZE)
        others.go_on()

        for refused in (V311, V5):
            peer = there.open(refused)
            peer.send_connect(client_id())
            peer.expect_refused(QUOTA if refused == V5 else 3)
        count.expect("refused/memory", 2)
        reasons = inside.expect(T.SUBACK, pid=inside.send_subscribe([(f"{topic}/more", 0)])).reasons
        assert reasons == [QUOTA if v == V5 else 0x80]
        # What goes to the disk takes no memory. Version 3 cannot be told, and what it publishes is not retained.
        nobody = 0x10 if v == V5 else 0
        answer = inside.publish(f"{topic}/retained", b"x", qos=1, retain=True).reason
        assert answer == (QUOTA if store == "memory" and v == V5 else nobody)
        inside.publish(f"{topic}/inside", b"still", qos=1)
        inside.receive(f"{topic}/inside", b"still")
        others.go_on()
    cost.expect(megabytes=ROOM + 64)

    greedy.close()
    count.expect("memory/full", lambda n: n == 0, timeout=30)
    there.connect(v).subscribe(f"{topic}/more")
    assert inside.publish(f"{topic}/later", b"x", qos=1, retain=True).reason == nobody


@pytest.mark.timeout(300)
@pytest.mark.parametrize("qos", [0, 1])
def test_a_client_that_is_behind(broker, mqtt, innocents, counters, topic, qos):
    """Its output may hold a gigabyte, but not when there is no memory for it."""
    count = counters(broker, *NAMES)
    with innocents(broker) as others, Watch(broker.process.pid) as cost:
        asleep = mqtt.at(broker).connect(V5, keep_alive=0)
        asleep.subscribe(f"{topic}/#", qos=qos)
        fill(mqtt, broker, [f"{topic}/x"], qos=qos)
        count.expect("dropped/memory", 5 * ROOM * MIB // SIZE)
        others.go_on()
    cost.expect(megabytes=ROOM + 64)


@pytest.mark.timeout(300)
def test_packets_that_stay_incomplete(broker, mqtt, innocents):
    """Clients that are in, and half of a large packet from each of them: that is memory too."""
    need_descriptors(1000)
    with innocents(broker) as others, Watch(broker.process.pid) as cost:
        half = bytes.fromhex("30808038") + bytes(800 * 1024)  # of a PUBLISH of 896 KiB
        peers = [mqtt.at(broker).connect(V5, keep_alive=0) for _ in range(10 * ROOM)]
        for i, peer in enumerate(peers):
            if i % 2 == 0:
                others.go_on(1)  # how much there is is looked at every now and then
            try:
                peer.send(half)
            except OSError:
                pass  # closed, or read no further
        others.go_on()
    cost.expect(megabytes=ROOM + 64)


@pytest.mark.timeout(300)
def test_connects_that_stay_incomplete(broker, mqtt, innocents):
    """A stranger may send a CONNECT of a quarter of a mebibyte; ten times the room of them, and none of them whole."""
    need_descriptors(2000)
    cut = bytes.fromhex("1080800f") + b"\0\4MQTT\5\2\0\0\0\xff\xff" + bytes(230 * 1024)
    with innocents(broker) as others, Watch(broker.process.pid) as cost:
        for i in range(10 * ROOM * 4):
            if i % 50 == 0:
                others.go_on(1)
            peer = mqtt.at(broker).open(V5)
            try:
                peer.send(cut)
            except OSError:
                pass  # closed already
        others.go_on()
    cost.expect(megabytes=ROOM + 64)


@pytest.mark.timeout(300)
def test_durable_clients_that_never_acknowledge(broker, mqtt, innocents, client_id, topic):
    """They read all that they are sent, and what was sent may have to be sent again."""
    clients = 20
    with innocents(broker) as others, Watch(broker.process.pid) as cost, Crowd(broker.listeners["mqtt"]) as crowd:
        for i in range(clients):
            crowd.add(wire.connect(V311, client_id(), clean=False, keep_alive=0) +
                      wire.subscribe(V311, 1, [(f"{topic}/{i}", 1)]))
        crowd.run(lambda: all(b"\x90\x03\0\1\1" in m.got for m in crowd.members))
        fill(mqtt, broker, [f"{topic}/{i}" for i in range(clients)], meanwhile=crowd.forget)
        others.go_on()
    cost.expect(megabytes=ROOM + 64)
