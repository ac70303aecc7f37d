# SPDX-License-Identifier: MIT
"""`signalbox ctl`: what it prints, and its exit codes."""
import json
import subprocess
import threading

import pytest

from lib import broker as brokers
from lib import mqtt as wire
from lib.crowd import Crowd
from lib.marks import V5, V311
from lib.ports import free_ports


def ctl(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([str(brokers.binary()), "ctl", *map(str, arguments)], capture_output=True, text=True, timeout=50,
                          check=False)


def test_status(start, mqtt):
    broker, admin = start({"node.name": "n1"})
    mqtt.at(broker).connect(V5)
    done = admin.ctl("status")
    assert done.returncode == 0, done.stderr
    for words in ("node        n1, version ", "state       serving", "store       embedded, up", "1 on 1 connections",
                  "mqtt %s:%d (1)" % broker.listeners["mqtt"]):
        assert words in done.stdout, done.stdout
    assert json.loads(admin.ctl("status", "--json").stdout)["nodes"][0]["node"] == "n1"
    assert json.loads(ctl("status", "--json", "--url", admin.url + "/").stdout)["node"] == "n1"


def test_clients(start, mqtt):
    broker, admin = start({"node.name": "n1"})
    at = mqtt.at(broker)
    at.connect(V5, "one")
    at.connect(V311, "two \x1b[31m\x9b1m", clean=False, username="ada")
    done = admin.ctl("clients")
    assert done.returncode == 0 and not done.stderr, done.stderr
    header, *rows = done.stdout.splitlines()
    assert header.split()[:7] == ["CLIENT", "USER", "ADDRESS", "PROTOCOL", "NODE", "SESSION", "SINCE"]
    by_name = {row.split()[0]: row for row in rows}
    assert set(by_name) == {"one", "two"} and " n1 " in by_name["one"] and " 3.1.1 " in by_name["two"]
    assert "two ?[31m?1m" in by_name["two"] and "\x1b" not in done.stdout, "no client paints the operator's terminal"
    assert " - " in by_name["one"] and " ada " in by_name["two"]
    assert by_name["one"].index("127.0.0.1") == by_name["two"].index("127.0.0.1") == header.index("ADDRESS")
    assert len(admin.ctl("clients", "--filter", "ada").stdout.splitlines()) == 2
    few = admin.ctl("clients", "--limit", 1)
    assert len(few.stdout.splitlines()) == 2 and "may be more" in few.stderr and few.returncode == 0
    everybody = json.loads(admin.ctl("clients", "--json").stdout)
    assert {c["client_id"] for c in everybody["clients"]} == {"one", "two \x1b[31m\x9b1m"} and everybody["next"] == ""


def test_more_than_a_page(start):
    broker, admin = start()
    with Crowd(broker.listeners["mqtt"]) as crowd:
        crowd.add_all(wire.connect(V5, f"c{i}") for i in range(1200))
        crowd.run(lambda: all(m.got[:1] == b"\x20" for m in crowd.members))
        for limit, wanted in ((0, 1200), (1100, 1100), (1000, 1000)):
            found = json.loads(admin.ctl("clients", "--json", "--limit", limit).stdout)["clients"]
            assert len({c["client_id"] for c in found}) == len(found) == wanted


def test_kick(start, mqtt):
    broker, admin = start({"node.name": "n1"})
    peer = mqtt.at(broker).connect(V5, "-x /%é")
    done = admin.ctl("kick", "--", "-x /%é")
    assert (done.returncode, done.stdout) == (0, "kicked -x /%é from n1\n"), done.stderr
    peer.expect_error(0x98)
    again = admin.ctl("kick", "--", "-x /%é")
    assert again.returncode == 1 and "no client" in again.stderr and not again.stdout
    assert admin.ctl("kick").returncode == 2


def test_drain(start, mqtt):
    broker, admin = start({"node.name": "n1", "node.drain_rate": 100})
    with Crowd(broker.listeners["mqtt"]) as crowd:
        crowd.add_all(wire.connect(V5, f"c{i}") for i in range(100))
        crowd.run(lambda: all(m.got[:1] == b"\x20" for m in crowd.members))
        out = []
        waiting = threading.Thread(target=lambda: out.append(admin.ctl("drain", "--wait")))
        waiting.start()
        crowd.run(lambda: all(m.ended for m in crowd.members))
        waiting.join()
    assert (out[0].returncode, out[0].stdout) == (0, "n1 is drained, 0 connections\n"), out[0].stderr
    assert "state       drained" in admin.ctl("status").stdout and "(closed)" in admin.ctl("status").stdout
    assert admin.ctl("undrain", "n1").stdout == "n1 is serving, 0 connections\n"
    unknown = admin.ctl("drain", "n2")
    assert unknown.returncode == 1 and "no node n2" in unknown.stderr
    mqtt.at(broker).connect(V5).barrier()
    assert json.loads(admin.ctl("drain", "n1", "--json").stdout)["node"] == "n1"


def test_the_token(start, token_file):
    _, admin = start({"admin.token_file": token_file})
    without = admin.ctl("status")
    assert without.returncode == 1 and "--token-file" in without.stderr
    assert admin.ctl("status", token_file=token_file).returncode == 0
    other = token_file.with_name("other")
    other.write_text("something-else")
    assert admin.ctl("status", token_file=other).returncode == 1
    missing = admin.ctl("status", token_file="/nonexistent")
    assert missing.returncode == 2 and "/nonexistent" in missing.stderr


@pytest.mark.parametrize("command", [("status",), ("clients",), ("kick", "x"), ("drain",), ("undrain", "n1")])
def test_nobody_is_there(command):
    done = ctl("--url", f"http://127.0.0.1:{free_ports(1)[0]}", *command)
    assert done.returncode == 2 and not done.stdout
    assert "no admin listener at http://127.0.0.1" in done.stderr and "is admin.bind set?" in done.stderr


def test_somebody_else_is_there(start):
    broker, _ = start({"listeners.ws.bind": "127.0.0.1:0"})
    done = ctl("--url", "http://127.0.0.1:%d" % broker.listeners["ws"][1], "status")
    assert done.returncode == 2 and done.stderr


@pytest.mark.parametrize("arguments", [("--url", "localhost:18083", "status"), ("--url", "http://x/?a", "status"), ("stats",), (),
                                       ("status", "--no-such"), ("clients", "--limit", "-1")])
def test_wrong_use(arguments):
    done = ctl(*arguments)
    assert done.returncode == 2 and done.stderr and not done.stdout


def test_help_and_completion():
    for command in ("status", "clients", "kick", "drain", "undrain"):
        assert "Examples:" in ctl(command, "--help").stdout
    script = subprocess.run([brokers.binary(), "completion", "bash"], capture_output=True, text=True, check=True).stdout
    assert "'signalbox ctl clients'" in script and "--filter" in script
    page = subprocess.run([brokers.binary(), "man"], capture_output=True, text=True, check=True).stdout
    assert "ctl" in page and "undrain" in page
