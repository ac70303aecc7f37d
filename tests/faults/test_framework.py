# SPDX-License-Identifier: MIT
"""The faults' framework itself: what is broken is found, and what is well is not complained of. One broker that keeps all in
memory takes the place of the cluster, beside a Redis that it does not use."""
import os
import random
import signal
import socket
import threading
from pathlib import Path

import pytest

from faults import bridged, fault, table
from faults.catalogue import FAULTS, EVERYWHERE, Fault, every
from faults.fault import Outcome
from faults.fight import Fight
from faults.traffic import read
from lib.broker import ROOT
from lib.cluster import Cluster
from lib.redis import available
from tools.cluster.ports import free_ports
from tools.cluster.process import StartError

pytestmark = [pytest.mark.once, pytest.mark.timeout(180)]
every()  # fills FAULTS


class Alone(Cluster):
    def settings(self, name):
        return {"store.kind": "memory", "listeners.mqtt.bind": f"127.0.0.1:{free_ports(1)[0]}", "listeners.ws.bind": "",
                "admin.bind": f"127.0.0.1:{free_ports(1)[0]}",
                "node.shards": 1}


@pytest.fixture
def alone(tmp_path):
    if not available():
        pytest.skip("there is no redis-server on this machine")
    made = Alone("single", tmp_path, relayed=True, nodes=1, lease=1)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def inflict(cluster, what) -> Outcome:
    return fault.run(Fault("trial", EVERYWHERE, what, ""), cluster, seed=7)


@pytest.mark.parametrize("name, pause", [("broker-hiccup", 0.8), ("cut-clients", 2), ("redis-full", 0), ("slow-redis", 0)])
def test_a_good_broker(alone, name, pause):
    outcome = fault.run(FAULTS[name], alone, seed=7)
    assert outcome.ok and not outcome.lost, outcome.explain()
    assert outcome.acknowledged > 300 and pause <= outcome.pause < pause + 4


def test_what_is_lost_is_found(alone):
    """A broker that forgets all."""
    outcome = fault.run(FAULTS["broker-kill"], alone, seed=7)
    assert not outcome.ok and outcome.lost > 0 and "lost" in outcome.explain()


def test_a_broker_that_dies_by_itself(alone):
    outcome = inflict(alone, lambda s: (os.kill(s.broker.pid, signal.SIGABRT), s.wait(0.2)))
    assert any("n1 has died by itself, with signal SIGABRT" in c for c in outcome.complaints), outcome.explain()


def test_a_fault_that_cannot_be_done(alone):
    def fails(_):
        raise StartError("nobody takes over")
    outcome = inflict(alone, fails)
    assert outcome.complaints == ["trial could not be done: nobody takes over"]


def test_everything_is_healed(alone):
    def breaks_all(s):
        s.redis.fill_up()
        s.network.separate(s.cluster.names, s.redis.names)
        s.redis.servers[0].kill()
        s.broker.pause()
        s.wait(0.5)
    outcome = inflict(alone, breaks_all)
    assert outcome.ok, outcome.explain()
    assert alone.redis.servers[0].ask("SET", "a", "1") == "OK" and alone.brokers[0].healthy()


def test_a_fight_at_one_broker(alone):
    assert Fight([alone.brokers[0].mqtt] * 3, random.Random(7)).run(seconds=2) == []


def test_a_fight_that_nobody_settles(alone, tmp_path):
    """Two brokers that know nothing of each other."""
    other = Alone("single", tmp_path / "other", nodes=1)
    other.start()
    complaints = Fight([alone.brokers[0].mqtt, other.brokers[0].mqtt], random.Random(7)).run(seconds=3)
    other.stop()
    for words in ("the session was gone", "after another was accepted", "were lost"):
        assert any(words in c for c in complaints), complaints


def test_a_fight_with_somebody_who_answers_nothing():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
        assert Fight([listener.getsockname()], random.Random(7)).run(seconds=1) == ["the first connection was not accepted"]


REPORT = {"ok": True, "complaints": [], "acknowledged": 5, "lost": 0, "qos2_duplicates": 0, "reordered": 0, "findings": [],
          "pauses": {"median": 10, "worst": 1500, "subscriber": 900}}


@pytest.mark.parametrize("change, pause, complaints", [
    ({}, 1.5, 0), ({"pauses": {"median": 10, "worst": 2500, "subscriber": 9000}}, 2.5, 0),
    ({"ok": False, "complaints": ["1 lost"], "findings": ["that"]}, 1.5, 2), ({"ok": False}, 1.5, 1)])
def test_reports_of_verify(change, pause, complaints):
    report = read(REPORT | change)
    assert report.pause == pause and len(report.complaints) == complaints and report.acknowledged == 5


def test_table():
    runs = [Outcome("a", "single", 1, acknowledged=5, pause=1, recovery=0.5), Outcome("a", "cluster", 1, lost=2, complaints=["2 lost"]),
            Outcome("a", "single", 2, acknowledged=6, pause=3)]
    assert table.rows(runs) == [("a", "single", "2", "0", "11", "0", "0", "0", "2.00 s", "3.00 s", "0.25 s", "0.50 s"),
                                ("a", "cluster", "1", "1", "0", "2", "0", "0", "0.00 s", "0.00 s", "0.00 s", "0.00 s")]
    assert "BROKEN" in runs[1].line() and "2 lost" in runs[1].explain()


def test_the_page_keeps_what_was_not_run():
    def run(fault, topology, lost):
        return Outcome(fault, topology, 1, lost=lost)
    page = table.document([run("broker-kill", "single", 1), run("broker-kill", "cluster", 2), run("broker-kill", bridged.KIND, 3)])
    again = table.document([run("broker-kill", "cluster", 0), run("broker-drain", "single", 4)], page)
    assert [(row[0], row[1], row[5]) for row in table.rows_of(again)] == [
        ("broker-kill", "single", "1"), ("broker-kill", "cluster", "0"), ("broker-drain", "single", "4"),
        ("broker-kill", bridged.KIND, "3")]
    assert again.startswith(table.document([]))


def test_the_page_names_every_fault():
    """docs/faults.md is that of ./dev faults --doc, whatever the results in it."""
    page = Path(ROOT, "docs/faults.md").read_text(encoding="utf-8")
    assert page.startswith(table.document([])), "run ./dev faults --doc"
