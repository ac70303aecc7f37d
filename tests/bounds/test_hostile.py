# SPDX-License-Identifier: MIT
"""Clients that mean harm: slow ones, loud ones, and ones that do not speak MQTT at all."""
import random
import ssl
import time

import pytest

from bounds.conftest import versions
from lib import mqtt as wire
from lib.clock import eventually
from lib.crowd import Crowd, need_descriptors
from lib.marks import V5, V311
from lib.mqtt import PacketType as T
from lib.mqtt import Prop
from lib.process import Watch, descriptors

HALF_HTTP = b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nX-Slow: " + b"y" * 4000


# ---------------------------------------------------------------- slow ones

def drip(crowd, members, text: bytes, every: float = 0.05, seconds: float = 20) -> None:
    """A byte to each at a time, until all of them were closed."""
    for byte in text:
        if all(m.ended for m in members):
            return
        for member in members:
            if not member.ended:
                crowd.say(member, bytes([byte]))
        until = time.monotonic() + every
        crowd.run(lambda: time.monotonic() >= until)
    crowd.run(lambda: all(m.ended for m in members), seconds)


@pytest.mark.parametrize("listener, text", [
    ("mqtt", wire.connect(V5, "x" * 2000)), ("ws", HALF_HTTP),
    ("proxy", b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 1883 " + b" " * 60)], ids=["CONNECT", "HTTP", "PROXY"])
def test_slow_connects(start, mqtt, innocents, listener, text):
    """`limits.connect_timeout` is until the CONNECT is complete, however often a byte of it comes."""
    settings = {"limits.connect_timeout": "2s", "listeners.ws.bind": "127.0.0.1:0"}
    if listener == "proxy":
        settings["listeners.ws.proxy_protocol"], listener = "required", "ws"
    broker = start(settings)
    pid = broker.process.pid
    with innocents(broker) as others, Watch(pid) as cost:
        before = descriptors(pid)
        with Crowd(broker.listeners[listener]) as crowd:
            members = crowd.add_all([b""] * 200)
            drip(crowd, members, text)
            assert not any(m.got[:1] == b"\x20" and m.got[3] == 0 for m in members)
        eventually(lambda: descriptors(pid) <= before, "descriptors are still open")
        others.go_on()
    cost.expect(megabytes=16)


@versions
def test_slow_packets(start, mqtt, innocents, topic, v):
    """A client that is in has to complete a packet within one and a half keep alives, however often a byte comes."""
    broker = start()
    with innocents(broker) as others, Crowd(broker.listeners["mqtt"]) as crowd:
        members = crowd.add_all([wire.connect(v, f"slow{i}", keep_alive=1) for i in range(100)])
        crowd.run(lambda: all(m.got for m in members))
        drip(crowd, members, wire.publish(v, topic, bytes(2000)))
        others.go_on()


# ---------------------------------------------------------------- garbage

def tls_hello() -> bytes:
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        ssl.create_default_context().wrap_bio(into, out, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def garbage(count: int, seed: int) -> list[bytes]:
    rng = random.Random(seed)
    whole = [wire.connect(V5, "half", props=[(Prop.USER_PROPERTY, ("a", "b"))]), wire.connect(V311, "half", username="u"),
             wire.publish(V5, "t", b"x"), wire.subscribe(V5, 1, [("#", 0)]), HALF_HTTP, tls_hello(),
             b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"SSH-2.0-x\r\n", b"\0" * 100, b"\xff" * 100]
    out = []
    for i in range(count):
        text = bytearray(rng.choice(whole))
        match i % 4:
            case 0:
                text = rng.randbytes(rng.randrange(1, 300))
            case 1:
                text = text[:rng.randrange(1, len(text))]
            case 2:
                for _ in range(rng.randrange(1, 5)):
                    text[rng.randrange(len(text))] = rng.randrange(256)
        out.append(bytes(text))
    return out


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("listener", ["mqtt", "ws", "mqtts", "wss"])
def test_garbage(start, mqtt, innocents, authority, listener, seed):
    """A thousand of them leave no connection, no memory and no thousand lines in the log."""
    settings = {"limits.connect_timeout": "2s", "log.level": "info"}
    if listener != "mqtt":
        settings[f"listeners.{listener}.bind"] = "127.0.0.1:0"
    if listener in ("mqtts", "wss"):
        cert, key = authority.issue("localhost")
        settings |= {f"listeners.{listener}.cert": cert, f"listeners.{listener}.key": key}
    broker = start(settings)
    pid = broker.process.pid
    with innocents(broker) as others, Watch(pid) as cost, Crowd(broker.listeners[listener]) as crowd:
        before = descriptors(pid)
        members = crowd.add_all(garbage(1000, seed))
        crowd.run(lambda: all(m.ended or (m.got[:1] == b"\x20" and m.got[3] == 0) for m in members))
        for member in members:
            if not member.ended:  # a CONNECT that changed in nothing that matters
                crowd.say(member, b"\xe0\0")
        crowd.run(lambda: all(m.ended for m in members))
        eventually(lambda: descriptors(pid) <= before, "descriptors are still open")
        others.go_on()
    cost.expect(megabytes=64)
    assert len(broker.errors().splitlines()) < 100


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_garbage_behind_a_connect(start, mqtt, innocents, seed):
    broker = start({"log.level": "info"})
    with innocents(broker) as others, Watch(broker.process.pid) as cost, Crowd(broker.listeners["mqtt"]) as crowd:
        rng = random.Random(seed)
        members = crowd.add_all([wire.connect(rng.choice((V5, V311)), f"g{i}", keep_alive=1) + text
                                 for i, text in enumerate(garbage(1000, seed))])
        crowd.run(lambda: all(m.ended for m in members))  # by what they sent, or by their keep alive
        others.go_on()
    cost.expect(megabytes=64)
    # Whoever was up and went silent is one of the disconnects, which the log may have all of.
    assert len([line for line in broker.errors().splitlines() if "keep alive" not in line]) < 100


# ---------------------------------------------------------------- greedy ones

def filters_of(count: int, each: int, v):
    """SUBSCRIBE packets for so many filters."""
    for at in range(0, count, each):
        yield at // each + 1, wire.subscribe(v, at // each + 1, [(f"s/{i}/+", 0) for i in range(at, at + each)])


@pytest.mark.timeout(300)
@versions
def test_a_million_subscriptions_of_one_client(start, mqtt, innocents, counters, v):
    """Nine in ten are refused, and cost nothing."""
    count, bound, each = 1_000_000, 100_000, 10_000
    broker = start()
    refused = counters(broker, "refused/subscriptions")
    with innocents(broker) as others, Watch(broker.process.pid) as cost:
        peer, reasons = mqtt.at(broker).connect(v, keep_alive=0), []
        for pid, packet in filters_of(count, each, v):
            peer.send(packet)
            reasons += peer.expect(T.SUBACK, timeout=20, pid=pid).reasons
            others.go_on(1)
        assert reasons == [0] * bound + [0x97 if v == V5 else 0x80] * (count - bound)
        refused.expect("refused/subscriptions", lambda n: n == count - bound)
        peer.publish("s/99999/x", b"there")
        peer.receive("s/99999/x", b"there")
        others.go_on()
        peer.close()
        others.go_on()
    cost.expect(megabytes=80)


@pytest.mark.timeout(300)
def test_filters_that_all_match(start, mqtt, innocents):
    """4,096 filters of one client match each message, with an identifier of their own: it is delivered once, with all."""
    levels = 12
    broker = start({"limits.subscriptions": 1 << levels})
    with innocents(broker) as others, Watch(broker.process.pid) as cost:
        peer, publisher = mqtt.at(broker).connect(V5, keep_alive=0), mqtt.at(broker).connect(V5)
        for n in range(1 << levels):
            filter_ = "/".join("+a"[n >> level & 1] for level in range(levels)) + "/+"
            peer.send_subscribe([(filter_, 0)], props=[(Prop.SUBSCRIPTION_ID, n + 1)])
        for n in range(1 << levels):
            peer.expect(T.SUBACK)
        for i in range(100):
            publisher.publish("a/" * levels + str(i), b"%d" % i, qos=1)
            got = peer.expect(T.PUBLISH, payload=b"%d" % i)
            assert len(got.props.all(Prop.SUBSCRIPTION_ID)) == 1 << levels
        others.go_on()
    cost.expect(megabytes=24, cpu=10)


@pytest.mark.timeout(300)
def test_what_is_remembered_of_topics(start, mqtt, innocents):
    """Two thousand subscribers of everything and ten thousand topics: what the broker remembers of who gets which of them
    is bounded in bytes. The subscribers do not read, which makes it quick."""
    subscribers, topics = 2000, 10_000
    need_descriptors(subscribers + 1000)
    broker = start({"limits.output_bytes": "4KiB", "limits.output_stall": "0s"})
    with innocents(broker) as others, Crowd(broker.listeners["mqtt"]) as crowd:
        asleep = crowd.add_all([wire.connect(V5, f"all{i}", keep_alive=0) + wire.subscribe(V5, 1, [("topics/#", 0)])
                                for i in range(subscribers)])
        crowd.run(lambda: all(b"\x90\x04" in m.got for m in asleep))
        publisher = mqtt.at(broker).connect(V5)
        with Watch(broker.process.pid) as cost:
            for at in range(0, topics, 100):
                publisher.send(*[wire.publish(V5, f"topics/{i}", bytes(1000)) for i in range(at, at + 100)])
                publisher.barrier()
            others.go_on()
    cost.expect(megabytes=112)


def test_subscribing_and_unsubscribing(start, mqtt, innocents):
    """A hundred thousand filters that come and go leave nothing behind."""
    broker = start()
    with innocents(broker) as others:
        peer = mqtt.at(broker).connect(V5, keep_alive=0)

        def once() -> None:
            for pid, packet in filters_of(20_000, 5000, V5):
                peer.send(packet)
                peer.expect(T.SUBACK, pid=pid)
            for at in range(0, 20_000, 5000):
                peer.unsubscribe(*[f"s/{i}/+" for i in range(at, at + 5000)])

        once()
        with Watch(broker.process.pid) as cost:
            for _ in range(10):
                once()
            others.go_on()
    cost.expect(megabytes=32)


def test_sessions_that_come_and_go(start, mqtt, innocents):
    """Ten thousand client ids, durable, that end with a clean start: what is known of them goes."""
    broker = start({"store.kind": "memory"})
    durable = {"clean": False, "props": [(Prop.SESSION_EXPIRY, 300)]}
    with innocents(broker) as others:
        def once(prefix) -> None:
            for fields in (durable, {"clean": True}):
                with Crowd(broker.listeners["mqtt"]) as crowd:
                    members = crowd.add_all([wire.connect(V5, f"{prefix}{i}", **fields) +
                                             wire.subscribe(V5, 1, [(f"{prefix}/{i}", 1)]) + wire.disconnect(V5)
                                             for i in range(1000)])
                    crowd.run(lambda ms=members: all(m.ended for m in ms))

        once("warm")
        with Watch(broker.process.pid) as cost:
            for n in range(5):
                once(f"r{n}")
            others.go_on()
    cost.expect(megabytes=24)


# ---------------------------------------------------------------- half open, and large

@pytest.mark.timeout(300)
def test_half_a_large_connect(start, mqtt, innocents):
    """What strangers make a broker keep is bounded, however many they are: 4,000 times 230 KiB of a CONNECT."""
    need_descriptors(6000)
    broker = start({"limits.connect_timeout": "600s"})
    cut = bytes.fromhex("1080800f") + b"\0\4MQTT\5\2\0\0\0\xff\xff" + bytes(230 * 1024)
    with innocents(broker) as others, Watch(broker.process.pid) as cost, Crowd(broker.listeners["mqtt"]) as crowd:
        crowd.add_all([cut] * 4000)
        others.go_on()
    # Ten thousand times 4 KiB may stay, and what malloc makes of it. All of it would be 900 MiB.
    cost.expect(megabytes=300)
