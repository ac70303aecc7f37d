# SPDX-License-Identifier: MIT
"""`signalbox bench`: every scenario measures something, and what it says adds up."""
import json

import pytest

SHORT = ["--duration", "0.5", "--warmup", "0.2"]


def measured(run, *arguments) -> dict:
    out, _ = run("bench", *arguments, "--json")
    return json.loads(out)


@pytest.mark.parametrize("scenario, receivers", [
    (["fanout", "--subs", "20"], 20), (["fanin", "--pubs", "20", "--subs", "2"], 2), (["pairs", "--pubs", "5"], 1),
    (["shared", "--pubs", "4", "--subs", "4"], 1)], ids=["fanout", "fanin", "pairs", "shared"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_flows(server, run, scenario, receivers, qos):
    r = measured(run, *scenario, *server.at(), *SHORT, "-q", qos)
    assert r["published"] > 0 and r["delivered"] > 0
    assert r["delivered"] == pytest.approx(r["published"] * receivers, rel=0.5)
    assert r["lost"] == 0 and r["duplicates"] == 0 and r.get("reordered", 0) == 0 and r["disconnects"] == 0
    assert 0 < r["latency_p50_us"] <= r["latency_p99_us"] <= r["latency_p999_us"] <= r["latency_max_us"]


def test_pace(server, run):
    r = measured(run, "pairs", *server.at(), "--rate", "1000", "--duration", "1", "--warmup", "0.2")
    assert r["published"] == pytest.approx(1000, rel=0.1) and r["lost"] == 0


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
def test_versions_and_threads(server, run, version):
    r = measured(run, "fanin", *server.at(), *SHORT, "-V", version, "--threads", "2", "--pubs", "10", "--subs", "3")
    assert r["delivered"] > 0 and r["lost"] == 0 and r["reordered"] == 0


@pytest.mark.parametrize("listener, flags", [("mqtts", []), ("ws", ["--ws"]), ("wss", ["--ws"])])
def test_transports(server, run, listener, flags):
    tls = ["--cafile", server.authority.cert] if "s" == listener[-1] and listener != "ws" else []
    r = measured(run, "pairs", *server.at(listener), *flags, *tls, *SHORT, "-q", "1")
    assert r["delivered"] > 0 and r["lost"] == 0


def test_connect(server, run):
    r = measured(run, "connect", *server.at(), *SHORT, "--conns", "10", "--pid", server.pid)
    assert r["connects"] > 0 and r["latency_p50_us"] > 0 and r["broker_rss_bytes"] > 0


@pytest.mark.parametrize("subscribe", [[], ["--subscribe"]])
def test_idle(server, run, subscribe):
    r = measured(run, "idle", *server.at(), "--conns", "300", "--duration", "0.3", "--pid", server.pid, *subscribe)
    assert r["connections"] == 300 and r["disconnects"] == 0 and "broker_bytes_per_connection" in r


def test_table(server, run):
    out, _ = run("bench", "fanout", *server.at(), *SHORT, "--subs", "10", "--pid", server.pid)
    for word in ("published", "delivered", "lost", "latency", "p99.9", "broker", "us CPU per delivered message", "generator"):
        assert word in out
