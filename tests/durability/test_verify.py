# SPDX-License-Identifier: MIT
"""`signalbox verify` itself: a good broker passes, and whatever a bad one does is noticed."""
import subprocess

import pytest

from durability import tamper
from lib import broker as brokers

SHORT = ["--duration", "2", "--settle", "0.5"]
CALM = ["--cut", "0", "--away", "0"]
BREACHES = ("lost", "lost_volatile", "qos2_duplicates", "reordered", "forged", "misrouted", "wrong_qos", "unacknowledged",
            "forgotten_sessions", "unreachable")


def at(endpoint) -> list[str]:
    return ["--node", "{}:{}".format(*endpoint.listeners["mqtt"])]


@pytest.mark.parametrize("options", [
    [], ["--overlap"], ["--shared", "4"], ["--volatile-publishers", "5"], ["-q", "1", "-V", "mqttv311"],
    ["-q", "2", "-V", "mqttv5"], ["--payload", "48..5000"], ["--rate", "0", "--publishers", "3", "--window", "50"]], ids=lambda o: " ".join(o) or "default")
@pytest.mark.concurrent
def test_what_is_kept_in_memory(broker, verify, options):
    r = verify(*at(broker), *SHORT, *options)
    assert r["ok"], r
    assert r["acknowledged"] == r["sent"] > 0 and r["deliveries"] == r["owed"] > 0
    assert r["cuts"] > 0 and r["absences"] > 0 and r["reconnects"] > 0
    assert not any(r[b] for b in BREACHES) and not r["complaints"]


def test_subscribers_without_sessions_that_come_and_go(broker, verify):
    """More comes than is owed: what is under way when a connection ends is nobody's fault."""
    r = verify(*at(broker), *SHORT, "--volatile", 8, "--margin", 0.2, "--cut", "0.02..0.05")
    assert r["ok"], r
    assert r["deliveries"] > r["owed"] + r["owed_volatile"] > r["owed"] > 0


@pytest.mark.parametrize("qos, fault, breaches", [
    (1, tamper.Lose, {"lost": 1}), (2, tamper.Repeat, {"qos2_duplicates": 1}), (1, tamper.Swap, {"reordered": 1}),
    (1, tamper.Change, {"forged": 1, "lost": 1}), (2, tamper.Change, {"forged": 1, "lost": 1})],
    ids=["lost", "twice", "swapped", "changed 1", "changed 2"])
def test_a_bad_broker_is_found_out(broker, verify, qos, fault, breaches):
    proxy = tamper.Proxy(broker.listeners["mqtt"], fault(qos))
    r = verify("-p", proxy.port, *SHORT, *CALM, "-q", qos, "--publishers", 2, "--topics", 2, "--rate", 500)
    proxy.close()
    assert not r["ok"] and r["complaints"]
    assert {b: r[b] for b in BREACHES if r[b]} == breaches
    assert len(r["findings"]) == sum(breaches.values())


def test_silence_is_not_the_end(broker, verify):
    """A broker that owes an answer is waited for, however quiet it is."""
    proxy = tamper.Proxy(broker.listeners["mqtt"], tamper.Stall(1, at=900))
    r = verify("-p", proxy.port, *SHORT, *CALM, "-q", "1", "--subscribers", 1, "--rate", 500)
    proxy.close()
    assert r["ok"] and r["drain_seconds"] > 3, r


def test_nothing_arrives(broker, verify):
    proxy = tamper.Proxy(broker.listeners["mqtt"], tamper.LoseAll(1, at=0))
    r = verify("-p", proxy.port, *SHORT, *CALM, "-q", "1")
    proxy.close()
    assert not r["ok"] and r["deliveries"] == 0 and "nothing was delivered" in r["complaints"]
    assert r["lost"] == r["owed"] > 0


def test_a_broker_that_forgets_when_it_dies(verify, signalbox, port):
    """What is kept in memory only is lost with the process, and that has to show. The same QoS 2 message may come twice:
    a broker that forgot the packet id cannot know the repeated PUBLISH."""
    r = verify("-p", port, "--broker-cmd", signalbox({"store.kind": "memory"}), "--kills", "2", "--kill-every", "0.5..1",
               *SHORT)
    assert not r["ok"] and r["kills"] == 2 and r["forgotten_sessions"] > 0 and r["lost"] > 0
    assert r["forged"] == 0 and r["unacknowledged"] == 0


def test_pid_file_and_restart_command(verify, signalbox, port, tmp_path):
    """A broker that others started is killed by its pid and started again by a command that ends."""
    pid = tmp_path / "pid"
    start = f"{signalbox({'store.kind': 'memory'})} & echo $! >{pid}"
    subprocess.run(["sh", "-c", start], check=True)
    try:
        r = verify("-p", port, "--kill-pid-file", pid, "--restart-cmd", start, "--kills", "2", "--kill-every", "0.3..0.6",
                   *SHORT)
    finally:
        subprocess.run(["kill", pid.read_text().strip()], check=True)
    assert r["kills"] == 2 and r["reconnects"] > 0 and r["unacknowledged"] == 0


def test_fault_command(broker, verify, tmp_path):
    log = tmp_path / "log"
    r = verify(*at(broker), *SHORT, "--fault-cmd", f"echo fault >>{log}; false", "--fault-every", "0.2..0.4")
    assert r["ok"] and r["fault_commands"] == r["failed_fault_commands"] > 1
    assert log.read_text().count("fault") == r["fault_commands"]


def test_nodes(start_broker, verify):
    """Clients are spread over the nodes and move; two brokers that know nothing of each other are no cluster."""
    nodes = [option for _ in range(2) for option in at(start_broker())]
    r = verify(*nodes, *SHORT)
    assert not r["ok"] and r["lost"] > 0 and r["forgotten_sessions"] > 0


@pytest.mark.parametrize("options, code, words", [
    (["--payload", "3"], 2, "--payload"), (["--cut", "3..1"], 2, "--cut"), (["--kills", "3"], 2, "--broker-cmd"),
    (["--node", "here:there"], 2, "--node"),
    (["--node", "a:1,b:x"], 2, "b:x"), (["--subscribers", "0"], 2, "--volatile"), (["--volatile-publishers", "11"], 2, "--publishers"), (["--qos", "0"], 2, "--qos"),
    (["--broker-cmd", "false", "--kills", "1", "-p", "1"], 1, "ended by itself")],
    ids=lambda o: o[0] if isinstance(o, list) else "")
def test_refusals(options, code, words):
    done = subprocess.run([str(brokers.binary()), "verify", *options], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code and words in done.stderr and not done.stdout


def test_table(broker):
    done = subprocess.run([str(brokers.binary()), "verify", *at(broker), *SHORT], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 0, done.stderr
    for word in ("sent", "delivered", "lost", "duplicates", "disorder", "forged", "reconnects", "all promises held"):
        assert word in done.stdout
