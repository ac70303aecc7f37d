# SPDX-License-Identifier: MIT
"""`signalbox ctl` and the API are about the whole cluster, whichever node is asked."""
import json
import subprocess
import time

import pytest

from lib.admin import Admin
from lib.broker import Endpoint
from lib.cluster import Cluster, need_redis_store, running
from lib.marks import V5, V311
from tools.cluster.process import wait_until

SOON = 15  # seconds
SECONDS = 5  # an answer takes no longer, whatever is dead
TOO_LATE = 10  # seconds after which nobody does any more what he was asked
ADMINISTRATIVE, SHUTTING_DOWN = 0x98, 0x8B
NAMES = ["n1", "n2", "n3"]


def admin_of(cluster: Cluster, index: int) -> Admin:
    return Admin(Endpoint({"admin": ("127.0.0.1", cluster.brokers[index].ports["admin"])}))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    yield from running(tmp_path_factory.mktemp("ctl"))


@pytest.fixture
def cluster(shared):
    """Three brokers without clients, who know each other and what each other wants."""
    def settled(n: dict) -> bool:
        c = n["cluster"]
        return n["clients"] == 0 and n["redis"][0]["role"] == "primary" and c["fresh"] and len(c["members"]) == 2

    for i in range(3):
        wait_until(lambda i=i: [settled(n) for n in status(admin_of(shared, i))] == [True] * 3, SOON,
                   lambda i=i: f"not settled: {status(admin_of(shared, i))}")
    return shared


def status(admin: Admin) -> list[dict]:
    return admin.get("/api/v1/status").json["nodes"]


def knows_all(admin: Admin) -> bool:
    return all(admin.get(f"/api/v1/status?node={name}").status == 200 for name in NAMES)


def within(ask, seconds=SECONDS):
    begin = time.monotonic()
    answer = ask()
    assert time.monotonic() - begin < seconds, answer
    return answer


# ---------------------------------------------------------------- looking

def test_status_of_all_from_any(cluster, mqtt, topic):
    for i in range(3):
        for j in range(i + 1):
            mqtt.at(cluster.at(i)).connect(V5, f"{topic}-{i}-{j}").subscribe(f"{topic}/{i}/{j}")
    epochs = set()
    for i in range(3):
        admin = admin_of(cluster, i)
        wait_until(lambda admin=admin, i=i: status(admin)[i]["cluster"]["routes"] == {"own": i + 1, "others": 5 - i}, SOON,
                   lambda admin=admin: f"routes: {status(admin)}")
        answer = admin.get("/api/v1/status").json
        assert answer["node"] == NAMES[i] and answer["silent"] == [] and answer["refused"] == []
        nodes = answer["nodes"]
        assert [n["node"] for n in nodes] == NAMES
        assert [(n["clients"], n["connections"], n["subscriptions"]) for n in nodes] == [(k, k, k) for k in (1, 2, 3)]
        for n in nodes:
            c = n["cluster"]
            assert c["member"] and c["fresh"] and 0 < c["lease"] <= cluster.lease * 1000 and c["name"] == "default"
            assert 0 <= c["bus"]["heard"] < 2000 and c["bus"]["dropped"] == 0
            assert {m["node"]: m["epoch"] for m in c["members"]} == \
                {m["node"]: m["cluster"]["epoch"] for m in nodes if m is not n}
            (redis,) = n["redis"]
            assert redis["role"] == "primary" and redis["replicas"] == [] and redis["reason"] == ""
            assert n["store"]["kind"] == "redis"
        epochs.add(tuple(n["cluster"]["epoch"] for n in nodes))
        (one,) = admin.get("/api/v1/status", node="n2").json["nodes"]
        assert one["node"] == "n2" and one["clients"] == 2
        printed = admin.ctl("status")
        assert printed.returncode == 0, printed.stderr
        for n in nodes:
            assert f"node        {n['node']}, version" in printed.stdout
            assert f"member with epoch {n['cluster']['epoch']}" in printed.stdout
    assert len(epochs) == 1 and all(epochs.pop())
    assert admin.get("/api/v1/status", node="n4").status == 404


def test_what_an_acknowledgement_means(cluster):
    """What makes it worth less is named with its remedy, by each node, until it is mended."""
    server = cluster.redis.primary()
    def weak(i: int) -> list[str]:
        health = admin_of(cluster, i).get("/health").json["acknowledgement"]
        assert health["means"].startswith("the primary of Redis")
        assert status(admin_of(cluster, (i + 1) % 3))[i]["acknowledgement"]["means"] == health["means"]
        return [why for why in health["weak"] if "maxmemory-policy" in why]

    assert [weak(i) for i in range(3)] == [[]] * 3
    server.ask("CONFIG", "SET", "maxmemory", "1gb", "maxmemory-policy", "allkeys-lru")
    try:
        wait_until(lambda: all(weak(i) for i in range(3)), SOON, "nobody has noticed")
        assert weak(0) == ["redis %s:%d: maxmemory-policy is allkeys-lru: it may throw stored messages away when its memory is full; "
                           "set it to noeviction" % server.announced]
        assert "            but redis" in admin_of(cluster, 1).ctl("status").stdout
    finally:
        server.ask("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction")
    wait_until(lambda: not any(weak(i) for i in range(3)), SOON, "it is still said")


def test_logs_and_messages(cluster, mqtt, topic):
    durable = mqtt.at(cluster.at(0)).connect(V5, f"{topic}-d", clean=False, expiry=100)
    durable.subscribe(topic, qos=1)
    durable.disconnect()
    publisher = mqtt.at(cluster.at(1)).connect(V5)
    for n in range(5):
        publisher.publish(topic, b"%d" % n, qos=1)
    admin = admin_of(cluster, 2)
    wait_until(lambda: status(admin)[1]["logs"]["messages"] >= 5, SOON, lambda: f"logs: {status(admin)}")
    logs = status(admin)[1]["logs"]
    assert logs["count"] >= 1 and logs["bytes"] > 0 and logs["waiting"] == 0
    publisher.disconnect()
    back = mqtt.at(cluster.at(2)).connect(V5, f"{topic}-d", clean=True)
    assert not back.connack.session_present


def test_replicas_of_redis(tmp_path):
    """Role and lag, with replicas; and a node without an admin listener is one of all."""
    need_redis_store()
    made = Cluster("sentinel", tmp_path, nodes=2, settings={})
    made.brokers[1].settings["admin.bind"] = ""
    try:
        made.start()
        admin = admin_of(made, 0)
        wait_until(lambda: [len(n["redis"][0]["replicas"]) for n in status(admin) if n["redis"]] == [2, 2], SOON,
                   lambda: f"replicas: {status(admin)}")
        for n in status(admin):
            (primary,) = n["redis"]
            assert primary["role"] == "primary"
            assert {r["address"] for r in primary["replicas"]} == {"%s:%d" % s.address for s in made.redis.replicas()}
            assert all(r["state"] == "online" and r["seconds"] < 5 and r["behind"] < 1 << 20 for r in primary["replicas"])
    finally:
        ends = made.stop()
    assert not ends, "\n".join(ends)


def test_clients_of_all_from_any(cluster, mqtt, topic):
    wanted = {}
    for i in range(3):
        for j in range(5):
            mqtt.at(cluster.at(i)).connect(V311 if j % 2 else V5, f"{topic}-{i}-{j}", username=f"user{j}")
            wanted[f"{topic}-{i}-{j}"] = NAMES[i]
    for i in range(3):
        admin = admin_of(cluster, i)
        for limit in (1, 4, 5, 1000):
            found = admin.clients(limit=limit)
            assert [(c["client_id"], c["node"]) for c in found] == list(dict.fromkeys((c["client_id"], c["node"]) for c in found))
            assert {c["client_id"]: c["node"] for c in found} == wanted
        assert {c["client_id"] for c in admin.clients(filter=f"{topic}-1-", limit=2)} == {f"{topic}-1-{j}" for j in range(5)}
        assert {c["node"] for c in admin.clients(node="n3")} == {"n3"}
        assert {c["client_id"][-1] for c in admin.clients(filter="user3")} == {"3"}
        shown = json.loads(admin.ctl("clients", "--json", "--limit", 0).stdout)
        assert {c["client_id"] for c in shown["clients"]} == set(wanted) and shown["silent"] == [] and shown["next"] == ""
        one = next(c for c in shown["clients"] if c["client_id"] == f"{topic}-2-1")
        assert (one["protocol"], one["username"], one["session"]) == ("3.1.1", "user1", "volatile")
        assert one["address"].startswith("127.0.0.1:") and one["connected_since"].startswith("20")
    few = admin.ctl("clients", "--limit", 7)
    assert len(few.stdout.splitlines()) == 8 and "may be more" in few.stderr


# ---------------------------------------------------------------- changing something

def test_kick_elsewhere(cluster, mqtt, topic):
    name = f"{topic} /é"
    for there in range(3):
        peer = mqtt.at(cluster.at(there)).connect(V5, name)
        asked = admin_of(cluster, (there + 1) % 3)
        if there == 1:
            done = asked.ctl("kick", name)
            assert (done.returncode, done.stdout) == (0, f"kicked {name} from n2\n"), done.stderr
        else:
            kicked = asked.kick(name)
            assert (kicked.status, kicked.json["node"]) == (200, NAMES[there]), kicked
        peer.expect_error(ADMINISTRATIVE)
        assert asked.kick(name).status == 404
    said = asked.ctl("kick", name)
    assert said.returncode == 1 and "no client" in said.stderr


def test_drain_from_another_node(cluster, mqtt):
    peer = mqtt.at(cluster.at(1)).connect(V5)
    here = mqtt.at(cluster.at(0)).connect(V5)
    admin = admin_of(cluster, 0)
    done = admin.ctl("drain", "n2", "--wait")
    assert (done.returncode, done.stdout) == (0, "n2 is drained, 0 connections\n"), done.stderr
    peer.expect_error(SHUTTING_DOWN)
    here.barrier()
    assert [n["state"] for n in status(admin_of(cluster, 2))] == ["serving", "drained", "serving"]
    assert not cluster.brokers[1].accepts()
    assert admin_of(cluster, 1).get("/ready").status == 503 and admin.get("/ready").status == 200
    back = admin_of(cluster, 2).post("/api/v1/nodes/n2/undrain")
    assert (back.status, back.json["state"]) == (200, "serving")
    assert cluster.brokers[1].accepts()
    assert admin.post("/api/v1/nodes/n4/drain").status == 404


def test_progress_of_a_drain(cluster, mqtt, topic, tmp_path):
    """A slow one is told of while it lasts."""
    for made in running(tmp_path, nodes=2, settings={"node.drain_rate": 4}):
        for _ in range(12):
            mqtt.at(made.at(1)).connect(V5)
        done = admin_of(made, 0).ctl("drain", "n2", "--wait")
        assert (done.returncode, done.stdout) == (0, "n2 is drained, 0 connections\n"), done.stderr
        told = [int(line.split()[3]) for line in done.stderr.splitlines() if line.startswith("n2 is draining, ")]
        assert len(told) >= 2 and told == sorted(told, reverse=True) and told[0] < 12, done.stderr


# ---------------------------------------------------------------- who does not answer

def test_a_node_that_hangs(tmp_path, mqtt, topic):
    """It is named, and nobody waits long for it; what it was asked to do long ago it does not do when it wakes up."""
    for made in running(tmp_path, lease=60):
        first, last = admin_of(made, 0), admin_of(made, 2)
        wait_until(lambda: knows_all(first), SOON, "they do not know each other")
        mqtt.at(made.at(1)).connect(V5, f"{topic}-b")
        stuck = mqtt.at(made.at(2)).connect(V5, f"{topic}-c")
        made.brokers[2].pause()
        begin = time.monotonic()
        assert within(lambda: first.post("/api/v1/nodes/n3/drain")).text == '{"error":"n3: no answer; it may still drain"}\n'
        silent = within(lambda: first.kick(f"{topic}-c"))
        assert silent.status == 504 and "n3: no answer" in silent.text
        asked = time.monotonic()

        answer = within(lambda: first.get("/api/v1/status")).json
        assert [n["node"] for n in answer["nodes"]] == ["n1", "n2"] and answer["silent"] == ["n3"]
        answer = within(lambda: first.get("/api/v1/clients")).json
        assert [c["client_id"] for c in answer["clients"]] == [f"{topic}-b"]
        assert answer["silent"] == ["n3"] and answer["next"] == ""
        assert within(lambda: first.kick(f"{topic}-b")).json["node"] == "n2"
        printed = within(lambda: first.ctl("status"))
        assert printed.returncode == 1 and "\nn3: no answer\n" in printed.stdout and "n3: no answer" in printed.stderr
        assert within(lambda: first.get("/health"), 1).status == within(lambda: first.get("/ready"), 1).status == 200
        assert time.monotonic() - begin < 60

        time.sleep(max(0.0, asked + TOO_LATE + 1 - time.monotonic()))
        made.brokers[2].resume()
        wait_until(lambda: "n3" in [n["node"] for n in status(first)], SOON, "it does not come back")
        wait_until(lambda: made.brokers[2].output().count("is refused: this was asked") == 2, SOON, made.brokers[2].tail)
        assert [n["state"] for n in status(last)] == ["serving"] * 3
        stuck.barrier()


def test_a_node_that_is_killed(tmp_path):
    """It is silent until the others have buried it, and then it is lost, until it is back."""
    for made in running(tmp_path):
        admin = admin_of(made, 0)
        made.brokers[2].kill()
        assert within(lambda: admin.get("/api/v1/status")).json["silent"] == ["n3"]
        wait_until(lambda: admin.get("/api/v1/status").json["silent"] == [], SOON, "it is not buried")
        wait_until(lambda: [(n["cluster"]["lost"], len(n["cluster"]["members"])) for n in status(admin)] == [(["n3"], 1)] * 2,
                   SOON, lambda: f"it is not lost: {status(admin)}")
        assert "; lost: n3" in admin.ctl("status").stdout
        assert admin.post("/api/v1/nodes/n3/drain").status == 404
        made.brokers[2].heal()
        made.wait_healthy()
        wait_until(lambda: len(status(admin)) == 3 and not any(n["cluster"]["lost"] for n in status(admin)), SOON,
                   lambda: f"it is not back: {status(admin)}")
        made.brokers[1].drain()
        wait_until(lambda: [n["node"] for n in status(admin)] == ["n1", "n3"], SOON, "it has not left")
        assert status(admin)[0]["cluster"]["lost"] == [], "it said goodbye"


def test_without_redis(tmp_path, mqtt):
    """Every node speaks for itself, at once, and names all others."""
    for made in running(tmp_path):
        admin = admin_of(made, 0)
        wait_until(lambda: knows_all(admin), SOON, "they do not know each other")
        mqtt.at(made.at(0)).connect(V5, "here")
        made.redis.primary().pause()
        end = time.monotonic() + made.lease + 3
        while time.monotonic() < end:
            answer = within(lambda: admin.get("/api/v1/status")).json
            assert [n["node"] for n in answer["nodes"]] == ["n1"] and answer["silent"] == ["n2", "n3"]
            within(lambda: admin.get("/health"), 1)
        answer = within(lambda: admin.get("/api/v1/status"), 1).json
        (node,) = answer["nodes"]
        assert answer["silent"] == ["n2", "n3"] and node["clients"] == 1
        assert node["cluster"]["lease"] == 0 and node["cluster"]["fresh"] is False and node["store"]["state"] == "down"
        assert admin.get("/ready").status == admin.get("/health").status == 503
        assert node["cluster"]["bus"]["heard"] > 1000 and node["redis"][0]["reason"]
        page = within(lambda: admin.get("/api/v1/clients"), 1).json
        assert [c["client_id"] for c in page["clients"]] == ["here"] and page["silent"] == ["n2", "n3"]
        assert within(lambda: admin.post("/api/v1/nodes/n2/drain"), 1).status == 504
        assert within(lambda: admin.kick("here")).json["node"] == "n1"
        made.redis.primary().resume()
        wait_until(lambda: [n["state"] for n in status(admin)] == ["serving"] * 3, 2 * SOON,
                   lambda: f"nobody is drained behind its back: {status(admin)}")
        made.wait_healthy()
