# SPDX-License-Identifier: MIT
"""What the API shows of clients, and that it can end their connections."""
from datetime import datetime, timezone

import pytest

from lib import mqtt as wire
from lib.crowd import Crowd
from lib.marks import V5, V31, V311, every_version

ADMINISTRATIVE = 0x98


def test_status(start, mqtt, topic):
    broker, admin = start({"node.name": "n1", "store.kind": "memory"})
    peer = mqtt.at(broker).connect(V5)
    peer.subscribe(f"{topic}/#", f"{topic}/+")
    peer.publish(topic, b"x", qos=1, retain=True)
    status = admin.get("/api/v1/status").json
    assert status["node"] == "n1" and status["silent"] == []
    node = status["nodes"][0]
    assert (node["state"], node["store"]["kind"], node["clients"], node["connections"]) == ("serving", "memory", 1, 1)
    assert node["subscriptions"] == 2 and node["retained"] >= 1 and node["messages"]["received"] >= 1
    assert node["memory"]["bytes"] > 1 << 20 and node["memory"]["full"] is False and node["shards"] == 2
    (listener,) = node["listeners"]
    assert listener == {"kind": "mqtt", "address": "%s:%d" % broker.listeners["mqtt"], "open": True, "connections": 1}


def test_what_is_shown(start, mqtt, topic):
    broker, admin = start({"node.name": "n1"})
    at = mqtt.at(broker)
    at.connect(V31, "three")
    at.connect(V311, "durable 3.1.1 / é", clean=False, username="ada")
    five = at.connect(V5, "five", expiry=100)
    five.subscribe(topic, f"{topic}/2", qos=1)
    at.open(V5)  # without CONNECT: no client
    publisher = at.connect(V5, "p")
    publisher.publish(topic, b"1", qos=1)
    publisher.publish(topic, b"2", qos=1)
    for _ in range(2):
        five.expect(wire.PacketType.PUBLISH)
    clients = {c["client_id"]: c for c in admin.clients()}
    assert sorted(clients) == ["durable 3.1.1 / é", "five", "p", "three"]
    shown = {name: (c["protocol"], c["session"], c["username"], c["subscriptions"], c["in_flight"]) for name, c in clients.items()}
    assert shown == {"three": ("3.1", "volatile", "", 0, 0), "durable 3.1.1 / é": ("3.1.1", "durable", "ada", 0, 0),
                     "five": ("5", "durable", "", 2, 2), "p": ("5", "volatile", "", 0, 0)}
    for c in clients.values():
        assert c["node"] == "n1" and c["address"].startswith("127.0.0.1:")
        since = datetime.fromisoformat(c["connected_since"].replace("Z", "+00:00"))
        assert -2 < (datetime.now(timezone.utc) - since).total_seconds() < 60
    assert [c["client_id"] for c in admin.clients(filter="fiv")] == ["five"]
    assert [c["client_id"] for c in admin.clients(filter="ada")] == ["durable 3.1.1 / é"]
    assert len(admin.clients(filter="127.0.0.1:")) == 4 and admin.clients(filter="Five") == []


def test_a_thousand_clients_page_by_page(start, mqtt):
    """Those that stay are on one page each, while others come and go."""
    broker, admin = start()
    names = {f"stays-{i}" for i in range(1050)}
    with Crowd(broker.listeners["mqtt"]) as crowd:
        crowd.add_all(wire.connect(V5, name) for name in sorted(names))
        goes = crowd.add_all(wire.connect(V5, f"goes-{i}") for i in range(100))
        crowd.run(lambda: all(m.got[:1] == b"\x20" for m in crowd.members))
        for limit in (7, 100, 1000):
            found, after, pages = [], "", 0
            while True:
                page = admin.get("/api/v1/clients", limit=limit, **({"after": after} if after else {})).json
                assert len(page["clients"]) <= limit
                found += [c["client_id"] for c in page["clients"]]
                after, pages = page["next"], pages + 1
                if goes and limit == 7:
                    crowd.say(goes.pop(), wire.disconnect(V5))
                    crowd.run(lambda: True)
                if not after:
                    break
            assert pages >= len(names) // limit
            stay = [name for name in found if name in names]
            assert len(stay) == len(names) and set(stay) == names
        assert {c["client_id"] for c in admin.clients(filter="stays-104")} == {"stays-104"} | {f"stays-104{i}" for i in range(10)}
        assert admin.clients(filter="nobody") == []


@pytest.mark.concurrent
def test_listing_holds_nobody_up(start, mqtt, topic):
    """A client's messages go on while lists are made of thousands."""
    broker, admin = start({"node.shards": "1"})
    sub = mqtt.at(broker).connect(V5)
    sub.subscribe(topic)
    with Crowd(broker.listeners["mqtt"]) as crowd:
        crowd.add_all(wire.connect(V5, f"c{i}") for i in range(2000))
        crowd.run(lambda: all(m.got[:1] == b"\x20" for m in crowd.members))
        for _ in range(20):
            assert admin.clients(limit=1000, filter="nobody") == []
            sub.publish(topic, b"x", qos=0)
            sub.await_packet(wire.PacketType.PUBLISH)


@every_version
def test_kick(start, mqtt, v):
    broker, admin = start()
    odd = "a/b c%2Fd?e=é#"
    other = mqtt.at(broker).connect(V5, "other")
    peer = mqtt.at(broker).connect(v, odd)
    kicked = admin.kick(odd)
    assert kicked.status == 200 and kicked.json["kicked"] is True and kicked.json["client_id"] == odd
    peer.expect_error(ADMINISTRATIVE)
    assert admin.kick(odd).status == 404
    other.barrier()
    mqtt.at(broker).connect(v, odd)  # it may come back
    assert [c["client_id"] for c in admin.clients(filter=odd)] == [odd]


def test_a_kicked_client_has_its_will_and_its_session(start, mqtt, topic):
    broker, admin = start()
    watcher = mqtt.at(broker).connect(V5)
    watcher.subscribe(f"{topic}/will")
    peer = mqtt.at(broker).connect(V5, "durable", clean=False, will=wire.Will(f"{topic}/will", b"gone"))
    peer.subscribe(topic, qos=1)
    assert admin.kick("durable").status == 200
    peer.expect_error(ADMINISTRATIVE)
    watcher.receive(f"{topic}/will", b"gone")
    watcher.publish(topic, b"meanwhile", qos=1)
    back = mqtt.at(broker).connect(V5, "durable", clean=False)
    assert back.connack.session_present
    back.receive(topic, b"meanwhile")
