# SPDX-License-Identifier: MIT
"""`signalbox verify` with several nodes. Two listeners of one broker are nodes that share all that a cluster shares, and die
together."""
import json
import signal
import subprocess

import pytest

from durability import tamper
from durability.conftest import mosquitto_at
from lib import broker as brokers
from lib.clock import elapse
from lib.ports import free_ports

CALM = ["--cut", "0", "--away", "0"]
KILLS = ["--kills", "3", "--kill-every", "0.4..1.2", "--duration", "4", "--settle", "1"]
ALL_KINDS = ["--volatile", "6", "--margin", "0.3", "--volatile-publishers", "3", "--shared", "3", "--overlap"]


@pytest.fixture
def two_listeners(signalbox, port):
    """The command of a broker with two listeners, and the options that make two nodes of it."""
    web_socket = free_ports(1)[0]

    def make(settings: dict) -> tuple[str, list[str]]:
        command = signalbox({"listeners.ws.bind": f"127.0.0.1:{web_socket}"} | settings)
        return command, ["--node", f"127.0.0.1:{port},ws://127.0.0.1:{web_socket}/mqtt"]

    return make


def test_sessions_that_move_while_both_nodes_die(verify, two_listeners, tmp_path):
    broker, nodes = two_listeners({"store.kind": "embedded", "store.path": tmp_path / "store"})
    r = verify(*nodes, "--broker-cmd", broker, *KILLS, *ALL_KINDS)
    assert r["ok"], r
    assert r["kills"] == 3 and r["acknowledged"] == r["sent"] > 0 and r["resent"] > 0 and r["unacknowledged"] == 0
    assert r["owed"] > 0 and r["owed_volatile"] > 0 and r["lost"] == r["lost_volatile"] == 0
    assert len(r["connects_by_node"]) == 2 and sum(r["connects_by_node"].values()) == r["connects"] > r["reconnects"]
    assert r["refused"]["Connection refused"] > 0 and sum(r["closed"].values()) > 0
    assert 0 < r["pauses"]["median"] <= r["pauses"]["worst"] <= r["seconds"] * 1000


def test_two_nodes_that_forget(verify, two_listeners):
    """What is kept in memory only: subscribers' and publishers' sessions are gone, and each is named with its nodes."""
    broker, nodes = two_listeners({"store.kind": "memory"})
    r = verify(*nodes, "--broker-cmd", broker, *KILLS, *CALM, "--seed", 7)
    assert not r["ok"] and r["seed"] == 7 and r["lost"] > 0
    forgotten = [f for f in r["findings"] if f.startswith("forgotten session")]
    assert r["forgotten_sessions"] >= len(forgotten) == 20
    assert any("subscriber v" in f for f in forgotten) and any("publisher v" in f for f in forgotten)
    lost = next(f for f in r["findings"] if f.startswith("lost:"))
    for word in ("publisher", "number", "QoS", "topic verify/", "sent by v", "on connection", "acknowledged 20", "127.0.0.1:", "Z"):
        assert word in lost


def test_mosquitto_is_found_out(verify, tmp_path):
    """The same with a broker that saves once a second: what it loses is seen through two nodes as through one."""
    ports = free_ports(2)
    nodes = [word for port in ports for word in ("--node", f"127.0.0.1:{port}")]
    r = verify(*nodes, "--broker-cmd", mosquitto_at(tmp_path, *ports), *KILLS, "--rate", 1000)
    assert not r["ok"] and r["kills"] == 3 and r["lost"] > 0
    assert r["forged"] == r["misrouted"] == 0


@pytest.mark.parametrize("fault, breach", [(tamper.Lose, "lost_volatile"), (tamper.Swap, "reordered")])
def test_subscribers_without_sessions_are_owed_something(broker, verify, fault, breach):
    proxy = tamper.Proxy(broker.listeners["mqtt"], fault(1))
    r = verify("-p", proxy.port, *CALM, "-q", 1, "--subscribers", 0, "--volatile", 2, "--publishers", 2, "--topics", 2, "--rate", 500,
               "--duration", 2, "--settle", 0.5)
    proxy.close()
    assert not r["ok"] and r[breach] == len(r["findings"]) == 1
    assert breach != "lost_volatile" or "sent by v" in r["findings"][0] and f"127.0.0.1:{proxy.port}" in r["findings"][0]
    assert r["owed"] == r["lost"] == 0 and r["owed_volatile"] == r["acknowledged"] * 2


def test_a_node_that_is_not_there(broker, verify):
    """Its clients go to the other one, and what is owed to them comes there."""
    nobody = free_ports(1)[0]
    good = "{}:{}".format(*broker.listeners["mqtt"])
    r = verify("--node", f"127.0.0.1:{nobody},{good}", "--duration", 1, "--settle", 0.5, "--volatile", 3)
    assert r["ok"], r
    assert r["connects_by_node"] == {good: r["connects"]} and r["refused"]["Connection refused"] >= 10


def test_a_node_that_hangs(broker):
    """Nothing is owed to a subscriber without a session behind a node that says nothing, although its connection stands until
    the keep alive has run out; all others go on, and those of the node elsewhere."""
    proxy = tamper.Proxy(broker.listeners["mqtt"], tamper.Freeze())
    nodes = ["--node", "127.0.0.1:{},{}:{}".format(proxy.port, *broker.listeners["mqtt"])]
    run = subprocess.Popen([str(brokers.binary()), "verify", *nodes, *CALM, "--until-signal", "--settle", "0.5", "--volatile", "8",
                            "--margin", "0.5", "-k", "2", "--connect-timeout", "1", "--json"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert "everybody has connected" in run.stderr.readline()
        elapse(2)
        proxy.fault.moving.clear()
        elapse(6)
        proxy.fault.moving.set()
        elapse(1)
        run.send_signal(signal.SIGUSR1)
        report, _ = run.communicate(timeout=60)
    finally:
        run.kill()
        proxy.fault.moving.set()
        proxy.close()
    r = json.loads(report)
    assert run.returncode == 0 and r["ok"], r
    assert r["closed"]["the broker does not answer"] > 0 and r["resent"] > 0 and r["owed_volatile"] > 0
    assert 2000 < r["pauses"]["worst"] < 7000


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGINT], ids=["SIGUSR1", "SIGINT"])
def test_an_outside_program_says_when_it_is_over(two_listeners, tmp_path, number):
    command, nodes = two_listeners({"store.kind": "embedded", "store.path": tmp_path / "store"})
    broker = subprocess.Popen(["sh", "-c", f"exec {command}"])
    run = subprocess.Popen([str(brokers.binary()), "verify", *nodes, *CALM, "--until-signal", "--duration", "0.1", "--settle", "0.5",
                            "--volatile", "4", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert "everybody has connected" in run.stderr.readline()
        broker.kill()
        broker.wait(20)
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(1)
        broker = subprocess.Popen(["sh", "-c", f"exec {command}"])
        run.send_signal(number)
        report, _ = run.communicate(timeout=60)
    finally:
        run.kill()
        broker.terminate()
        broker.wait(20)
    r = json.loads(report)
    assert run.returncode == 0 and r["ok"] and r["acknowledged"] == r["sent"] > 0, r
    assert r["seconds"] > 1 and r["closed"]
