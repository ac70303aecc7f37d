# SPDX-License-Identifier: MIT
"""Bounds of how many connections there are, of each address, half open, and in a second."""
import pytest

from bounds.conftest import versions
from lib import mqtt as wire
from lib.crowd import Crowd, need_descriptors
from lib.marks import V5, V311
from lib.mqtt import Prop

SERVER_BUSY_RATE = 0x9F
OTHERS = "127.0.0.9"  # where the innocents come from


def came_in(member) -> bool:
    return member.got[:1] == b"\x20" and member.got[3] == 0


def connects(count: int, prefix: str, v=V5, **fields) -> list[bytes]:
    return [wire.connect(v, f"{prefix}{i}", **fields) for i in range(count)]


def settled(members, inside: int):
    """All but so many were closed, and these have their CONNACK."""
    return lambda: sum(m.ended for m in members) == len(members) - inside and sum(map(came_in, members)) >= inside


@versions
def test_connections_of_the_node(start, mqtt, innocents, counters, v):
    broker = start({"limits.connections": 13, "log.level": "info"})
    refused = counters(broker, "refused/connections")  # one connection; the innocents are two
    with innocents(broker) as others, Crowd(broker.listeners["mqtt"]) as crowd:
        members = crowd.add_all(connects(100, "m", v))
        crowd.run(settled(members, 10))
        assert all(came_in(m) for m in members[:10]) and not any(came_in(m) for m in members[10:])
        refused.expect("refused/connections", lambda n: n == 90)
        crowd.say(members[0], wire.disconnect(v))
        crowd.run(lambda: members[0].ended)
        mqtt.at(broker).connect(v)  # a place that became free
        others.go_on()
    assert broker.errors().count("limits.connections") < 20, "the log has a bound as well"


def test_connections_of_a_listener(start, mqtt, innocents, counters):
    broker = start({"listeners.ws.bind": "127.0.0.1:0", "listeners.ws.max_connections": 5})
    refused = counters(broker, "refused/connections")
    with innocents(broker) as others, Crowd(broker.listeners["ws"]) as crowd:
        members = crowd.add_all([b""] * 50)
        crowd.run(lambda: sum(m.ended for m in members) == 45)
        refused.expect("refused/connections", lambda n: n == 45)
        others.go_on()  # on the other listener
        mqtt.at(broker).connect(V5)


@versions
def test_connections_of_an_address(start, mqtt, innocents, counters, v):
    broker = start({"limits.connections_per_address": 5, "log.level": "info"})
    refused = counters(broker, "refused/address")
    with innocents(broker, OTHERS) as others, Crowd(broker.listeners["mqtt"]) as crowd:
        for source in ("127.0.0.2", "127.0.0.3"):
            members = crowd.add_all(connects(50, source, v), [source])
            crowd.run(settled(members, 5))
            assert all(came_in(m) for m in members[:5])
        refused.expect("refused/address", lambda n: n == 90)
        crowd.say(members[0], wire.disconnect(v))
        crowd.run(lambda: members[0].ended)
        again = crowd.add(connects(1, "again", v)[0], "127.0.0.3")
        crowd.run(lambda: came_in(again))
        others.go_on()
    assert broker.errors().count("127.0.0.2") < 20, "the log has a bound as well"


def proxy_1(address: str) -> bytes:
    return f"PROXY TCP4 {address} 192.0.2.200 40000 1883\r\n".encode()


def proxy_2(address: str) -> bytes:
    four = bytes(map(int, address.split("."))) + bytes([192, 0, 2, 200]) + b"\x9c\x40\x07\x5b"
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + four


@pytest.mark.parametrize("proxy", [proxy_1, proxy_2])
def test_connections_of_an_address_behind_a_balancer(start, mqtt, innocents, counters, proxy):
    """It is the address in the header that counts, not that of the balancer."""
    broker = start({"limits.connections_per_address": 5, "listeners.mqtt.proxy_protocol": "optional"})
    refused = counters(broker, "refused/address")
    with innocents(broker, OTHERS) as others, Crowd(broker.listeners["mqtt"]) as crowd:
        for address in ("192.0.2.1", "192.0.2.2"):
            members = crowd.add_all([proxy(address) + c for c in connects(50, address)], ["127.0.0.2"])
            crowd.run(settled(members, 5))
        refused.expect("refused/address", lambda n: n == 90)
        others.go_on()


def test_addresses_are_forgotten(start, innocents, counters):
    """Who has left is not counted any more: the bound is of connections, not of visits."""
    broker = start({"limits.connections_per_address": 5})
    refused = counters(broker, "refused/address")
    with innocents(broker, OTHERS), Crowd(broker.listeners["mqtt"]) as crowd:
        for i in range(50):
            member = crowd.add(wire.connect(V5, f"m{i}") + wire.disconnect(V5), "127.0.0.2")
            crowd.run(lambda m=member: m.ended)
            assert came_in(member)
    assert refused.read("refused/address") == 0


# ---------------------------------------------------------------- half open

CUT = wire.connect(V5, "half-open")[:-3]
half_open = pytest.mark.parametrize("hello", [b"", b"\x10", CUT], ids=["nothing", "a_byte", "a_cut_connect"])


@pytest.mark.parametrize("shards", [1, 2])
@half_open
def test_half_open_connections(start, mqtt, innocents, counters, hello, shards):
    """The oldest have to go; who means it gets in all the while."""
    broker = start({"limits.half_open": 100, "limits.connect_timeout": "600s", "node.shards": shards})
    closed = counters(broker, "refused/half_open")
    with innocents(broker) as others, Crowd(broker.listeners["mqtt"]) as crowd:
        members = []
        for _ in range(10):
            members += crowd.add_all([hello] * 100)
            mqtt.at(broker).connect(V5).barrier()
        crowd.run(lambda: sum(m.ended for m in members) >= 900)
        assert closed.expect("refused/half_open", 900) <= 900 + 10, "an honest one may have been the one too many"
        assert not any(m.ended for m in members[-90 // shards:]), "the youngest stay; each shard has its part"
        assert shards > 1 or all(m.ended for m in members[:900]), "the oldest"
        others.go_on()


def test_half_open_connections_that_become_whole(start, innocents, counters):
    broker = start({"limits.half_open": 100, "limits.connect_timeout": "600s"})
    closed = counters(broker, "refused/half_open")
    with innocents(broker) as others, Crowd(broker.listeners["mqtt"]) as crowd:
        for i in range(10):
            members = crowd.add_all([b"\x10"] * 90)
            for n, member in enumerate(members):
                crowd.say(member, wire.connect(V5, f"m{i}x{n}")[1:])
            crowd.run(lambda ms=members: all(map(came_in, ms)))
        others.go_on()
    assert closed.read("refused/half_open") == 0, "900 connections are up, and none of them is half open"


# ---------------------------------------------------------------- in a second

@versions
def test_connects_in_a_second(start, mqtt, innocents, counters, v):
    """Twenty a second may come in, four hundred come: durable ones first, and who waited too long is told."""
    broker = start({"limits.connect_rate": 20, "limits.connect_timeout": "3s"})
    count = counters(broker, "refused/connect_rate", "connects/waiting")
    with innocents(broker) as others, Crowd(broker.listeners["mqtt"]) as crowd:
        volatile = crowd.add_all(connects(380, "v", v))
        count.expect("connects/waiting", 200)
        props = {"props": [(Prop.SESSION_EXPIRY, 300)]} if v == V5 else {}
        durable = crowd.add_all(connects(20, "d", v, clean=False, **props))
        crowd.run(lambda: all(m.got for m in volatile + durable), timeout=30)
        crowd.run(lambda: all(m.ended or came_in(m) for m in volatile + durable))
        code = SERVER_BUSY_RATE if v == V5 else 3
        assert all(map(came_in, durable)), "these were the last to come"
        refused = [m for m in volatile if not came_in(m)]
        assert {m.got[3] for m in refused} == {code} and all(m.ended for m in refused)
        assert len(refused) >= 200, "380 wanted in, and there is time for 60 and a burst"
        assert count.expect("refused/connect_rate", len(refused)) == len(refused)
        count.expect("connects/waiting", lambda n: n == 0)
        others.go_on()


def test_connects_that_wait_and_leave(start, mqtt, innocents, counters):
    """They take nobody's turn, and no memory is touched that is gone."""
    broker = start({"limits.connect_rate": 5, "limits.connect_timeout": "60s"})
    count = counters(broker, "refused/connect_rate", "connects/waiting")
    with innocents(broker) as others:
        with Crowd(broker.listeners["mqtt"]) as crowd:
            crowd.add_all(connects(200, "m"))
            count.expect("connects/waiting", 100)
        count.expect("connects/waiting", lambda n: n == 0)
        mqtt.at(broker).connect(V311)
        others.go_on()
    assert count.read("refused/connect_rate") == 0


def test_no_bound_of_connects(start, innocents, counters):
    broker = start({"limits.connect_rate": 0})
    count = counters(broker, "refused/connect_rate", "connects/waiting")
    with innocents(broker), Crowd(broker.listeners["mqtt"]) as crowd:
        members = crowd.add_all(connects(1000, "m"))
        crowd.run(lambda: all(map(came_in, members)))
    assert count.read("refused/connect_rate") == 0


def test_one_client_id_for_ever(start, mqtt, innocents, client_id):
    """Each throws out the one before."""
    broker, name = start(), client_id()
    with innocents(broker) as others:
        peers = []
        for _ in range(200):
            peer = mqtt.at(broker).open(V5)
            peer.connect(name)
            if peers:
                peers[-1].expect_error(0x8E)
            peers.append(peer)
        others.go_on()


@pytest.mark.timeout(300)
def test_ten_thousand_half_open_connections(start, mqtt, innocents, counters):
    """At the defaults, from many addresses; honest clients come in while they hang there."""
    need_descriptors(12_000)
    broker = start({"limits.connect_timeout": "600s"})
    sources = [f"127.0.1.{i}" for i in range(1, 51)]
    closed = counters(broker, "refused/half_open")
    with innocents(broker) as others, Crowd(broker.listeners["mqtt"]) as crowd:
        hellos = [(b"", b"\x10", CUT)[i % 3] for i in range(10_100)]
        members = crowd.add_all(hellos, sources, timeout=120)
        for _ in range(50):
            mqtt.at(broker).connect(V5).barrier()
        closed.expect("refused/half_open", 100)
        crowd.run(lambda: sum(m.ended for m in members) >= 100)
        others.go_on()
