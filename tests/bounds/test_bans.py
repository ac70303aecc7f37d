# SPDX-License-Identifier: MIT
"""Who is banned: by a file, by connecting again and again, by guessing passwords."""
import signal
import subprocess
from datetime import datetime, timedelta, timezone

import pytest

from bounds.conftest import versions
from lib import broker as brokers
from lib import mqtt as wire
from lib import transport
from lib.clock import eventually
from lib.crowd import Crowd
from lib.marks import V5, V311
from lib.mqtt import PacketType as T
from lib.peer import Closed, Peer
from lib.process import Watch

BANNED, ADMINISTRATIVE, BAD_LOGIN = 0x8A, 0x98, 0x86
OTHERS = "127.0.0.9"  # where the innocents come from


def stamp(seconds: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def answer(mqtt, broker, v=V5, client_id="", source=None, **fields) -> int | None:
    """The reason code of CONNACK; None when the connection is closed without one."""
    try:
        peer = mqtt.adopt(Peer(transport.tcp(broker.listeners["mqtt"], source), v))
        peer.send_connect(client_id, **fields)
        return peer.expect(T.CONNACK).reason
    except (Closed, ConnectionError):
        return None


@pytest.fixture
def bans(tmp_path):
    return tmp_path / "bans"


# ---------------------------------------------------------------- the file

@versions
def test_clients_users_and_addresses(start, mqtt, innocents, counters, bans, v):
    bans.write_text("# who is not wanted\nclient evil\n\nuser mallory\n"
                    "address 127.0.0.2\naddress 127.0.4.0/24\n")
    broker = start({"bans.file": bans})
    refused = counters(broker, "refused/banned")
    code = BANNED if v == V5 else 5
    with innocents(broker, OTHERS) as others:
        for _ in range(10):
            assert answer(mqtt, broker, v, "evil") == code
            assert answer(mqtt, broker, v, "c1", username="mallory") == code
            assert answer(mqtt, broker, v, "c2", source="127.0.0.2") is None
            assert answer(mqtt, broker, v, "c3", source="127.0.4.77") is None
        assert answer(mqtt, broker, v, "evil2") == 0
        assert answer(mqtt, broker, v, "mallory") == 0
        assert answer(mqtt, broker, v, "c4", username="evil") == 0
        assert answer(mqtt, broker, v, "c5", source="127.0.5.1") == 0
        refused.expect("refused/banned", lambda n: n == 40)
        others.go_on()


def test_bans_that_end(start, mqtt, bans):
    bans.write_text(f"client past until {stamp(-60)}\nclient soon until {stamp(3)}\nclient later until {stamp(3600)}\n"
                    f"address 127.0.0.2 until {stamp(-60)}\naddress 127.0.0.3 until {stamp(3)}\n")
    broker = start({"bans.file": bans})
    assert answer(mqtt, broker, client_id="past") == 0 and answer(mqtt, broker, source="127.0.0.2") == 0
    assert answer(mqtt, broker, client_id="later") == BANNED
    eventually(lambda: answer(mqtt, broker, client_id="soon") == 0, "the ban of the client does not end")
    eventually(lambda: answer(mqtt, broker, source="127.0.0.3") == 0, "the ban of the address does not end")
    assert answer(mqtt, broker, client_id="later") == BANNED


@versions
def test_who_is_up_and_becomes_banned(start, mqtt, innocents, bans, v):
    """SIGHUP reads the file again: those who are in it now have to go, their wills are published, and others stay."""
    bans.write_text("")
    broker = start({"bans.file": bans, "node.shards": 3})
    with innocents(broker, OTHERS) as others:
        watcher = mqtt.at(broker).connect(V5)
        watcher.subscribe("wills/+")
        def up(client_id, source=None, **fields):
            peer = mqtt.adopt(Peer(transport.tcp(broker.listeners["mqtt"], source), v))
            peer.connect(client_id, will=wire.Will(f"wills/{client_id}", b"gone"), **fields)
            return peer
        going = [up("evil"), up("c1", username="mallory"), up("c2", "127.0.0.2"), up("c3", "127.0.4.77")]
        staying = [up("good"), up("c5", username="evil"), up("c6", "127.0.5.1")]
        bans.write_text("client evil\nuser mallory\naddress 127.0.0.2\naddress 127.0.4.0/24\n")
        broker.process.send_signal(signal.SIGHUP)
        for peer in going:
            peer.expect_error(ADMINISTRATIVE, timeout=15)
        assert {watcher.expect(T.PUBLISH).topic for _ in going} == {f"wills/{c}" for c in ("evil", "c1", "c2", "c3")}
        for peer in staying:
            peer.barrier()
        bans.write_text("")
        broker.process.send_signal(signal.SIGHUP)
        eventually(lambda: answer(mqtt, broker, v, "evil") == 0, "the ban is not lifted")
        assert answer(mqtt, broker, v, "c2", source="127.0.0.2") == 0
        others.go_on()


def test_a_session_of_a_banned_client_is_kept(start, mqtt, bans, topic):
    """A ban closes the door; what the client left inside ends as its expiry says."""
    bans.write_text("")
    broker = start({"bans.file": bans})
    peer, publisher = mqtt.at(broker).connect(V5, "evil", clean=False), mqtt.at(broker).connect(V5)
    peer.subscribe(topic, qos=1)
    bans.write_text("client evil\n")
    broker.process.send_signal(signal.SIGHUP)
    peer.expect_error(ADMINISTRATIVE, timeout=15)
    publisher.publish(topic, b"meanwhile", qos=1)
    bans.write_text("")
    broker.process.send_signal(signal.SIGHUP)
    durable = {"clean": False, "props": [(wire.Prop.SESSION_EXPIRY, 300)]}
    eventually(lambda: answer(mqtt, broker, client_id="evil", **durable) == 0, "the ban is not lifted")
    back = mqtt.at(broker).connect(V5, "evil", clean=False)
    assert back.connack.session_present
    back.receive(topic, b"meanwhile")


@pytest.mark.parametrize("line", ["client", "user", "address 300.1.1.1", "address 10.0.0.0/33", "adress 10.0.0.1",
                                  "client x until tomorrow"])
def test_a_bad_file(start, mqtt, bans, tmp_path, line):
    bans.write_text(f"client evil\n# two\n{line}\n")
    done = subprocess.run([brokers.binary(), "broker", "--set", f"bans.file={bans}", "--set", f"store.path={tmp_path / 's'}",
                           "--set", "listeners.mqtt.bind=127.0.0.1:0", "--set", "listeners.ws.bind=", "--set", "admin.bind="],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and str(bans) in done.stderr and "line 3" in done.stderr, done.stderr

    bans.write_text("client evil\n")
    broker = start({"bans.file": bans})
    bans.write_text(f"client other\n# two\n{line}\n")
    broker.process.send_signal(signal.SIGHUP)
    eventually(lambda: "line 3" in broker.errors(), "the log does not say which line")
    assert answer(mqtt, broker, client_id="evil") == BANNED, "a file that is wrong changes nothing"
    assert answer(mqtt, broker, client_id="other") == 0


# ---------------------------------------------------------------- of itself

@versions
def test_a_client_that_connects_again_and_again(start, mqtt, innocents, counters, v):
    """Ten connects within the window are a ban of that id at that address, for a while; nobody else is banned."""
    broker = start({"bans.flapping": 10, "bans.flapping_window": "60s", "bans.time": "5s"})
    refused = counters(broker, "refused/banned")
    code = BANNED if v == V5 else 5
    with innocents(broker, OTHERS) as others:
        answers = [answer(mqtt, broker, v, "flapper", "127.0.0.2") for _ in range(100)]
        inside = answers.count(0)
        assert answers == [0] * inside + [code] * (100 - inside) and inside in (9, 10)
        refused.expect("refused/banned", lambda n: n == 100 - inside)
        assert answer(mqtt, broker, v, "flapper", "127.0.0.3") == 0, "somebody else with the same id"
        assert answer(mqtt, broker, v, "neighbour", "127.0.0.2") == 0, "somebody else at the same address"
        others.go_on()
        eventually(lambda: answer(mqtt, broker, v, "flapper", "127.0.0.2") == 0, "the ban does not end", 30)


def test_clients_that_come_back_now_and_then(start, mqtt, counters):
    """A hundred of them behind one address, each a few times, are no flapping."""
    broker = start({"bans.flapping": 10})
    refused = counters(broker, "refused/banned")
    for _ in range(5):
        for i in range(100):
            assert answer(mqtt, broker, client_id=f"c{i}") == 0
    assert refused.read("refused/banned") == 0


def test_the_memory_of_who_connected(start, innocents):
    """A new client id with each connect: what is remembered of them has a bound."""
    broker = start({"bans.flapping": 10, "bans.flapping_window": "3600s"})
    with innocents(broker, OTHERS) as others, Watch(broker.process.pid) as cost:
        for round_ in range(20):
            with Crowd(broker.listeners["mqtt"]) as crowd:
                members = crowd.add_all([wire.connect(V311, f"{round_}-{i}-" + "x" * 1000) + wire.disconnect(V311)
                                         for i in range(500)])
                crowd.run(lambda: all(m.ended for m in members))
        others.go_on()
    cost.expect(megabytes=32)


@pytest.fixture
def users(tmp_path):
    file = tmp_path / "users"
    subprocess.run([brokers.binary(), "passwd", file, "ada", "--password-stdin", "--kind", "both"], input="correct", text=True,
                   check=True, capture_output=True)
    return file


@versions
def test_an_address_that_guesses(start, mqtt, innocents, counters, users, v):
    broker = start({"bans.failures": 5, "bans.failures_window": "60s", "bans.time": "10s", "auth.password_file": users})
    count = counters(broker, "refused/banned", "refused/credentials")
    wrong = BAD_LOGIN if v == V5 else 4
    with innocents(broker, OTHERS) as others:
        answers = [answer(mqtt, broker, v, username="ada", password=b"%d" % i, source="127.0.0.2") for i in range(50)]
        assert answers == [wrong] * 5 + [None] * 45
        assert answer(mqtt, broker, v, username="ada", password=b"correct", source="127.0.0.2") is None
        count.expect("refused/credentials", lambda n: n == 5)
        count.expect("refused/banned", lambda n: n == 46)
        assert answer(mqtt, broker, v, username="ada", password=b"correct", source="127.0.0.3") == 0
        others.go_on()
        eventually(lambda: answer(mqtt, broker, v, username="ada", password=b"correct", source="127.0.0.2") == 0,
                   "the ban does not end", 30)


def test_refused_credentials(start, mqtt, innocents, counters, users):
    broker = start({"auth.password_file": users})
    count = counters(broker, "refused/credentials")
    with innocents(broker) as others:
        for i in range(10):
            assert answer(mqtt, broker, username="ada", password=b"%d" % i) == BAD_LOGIN
            assert answer(mqtt, broker, V311, username="nobody", password=b"x") == 4
        assert answer(mqtt, broker, username="ada", password=b"correct") == 0
        count.expect("refused/credentials", lambda n: n == 20)
        others.go_on()
