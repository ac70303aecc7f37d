# SPDX-License-Identifier: MIT
"""Users and their rights in Redis: who comes in, what a change takes away, and what happens without Redis."""
import json
import subprocess

import pytest

from lib import broker as brokers
from lib import redis as servers
from lib.clock import eventually
from lib.marks import V5, V311
from lib.mqtt import PacketType as T
from lib.mqtt import Prop, Will

BAD, NOT_AUTHORIZED, UNAVAILABLE = 0x86, 0x87, 0x88
PASSWORD = b"correct horse"
EVERYTHING = {"all": ["#"]}

pytestmark = pytest.mark.skipif(not servers.available(), reason="needs the program redis-server in PATH")


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """What `signalbox passwd` writes for ada (two lines, one of them for SCRAM) and bob, who have the same password."""
    out = {}
    for name, kind in (("ada", "both"), ("bob", "scrypt")):
        file = tmp_path_factory.mktemp("users") / "users"
        subprocess.run([brokers.binary(), "passwd", file, name, "--password-stdin", "--kind", kind], input=PASSWORD,
                       check=True, capture_output=True)
        out[name] = file.read_text().strip()
    return out


@pytest.fixture
def redis():
    server = servers.Redis()
    yield server
    server.stop()


@pytest.fixture
def start(start_broker, redis):
    """Starts a broker that asks it, and remembers users for as short a time as is possible."""
    def start(login="", **settings):
        keys = {"sys.interval": "1s", "auth.redis.url": f"redis://{login}127.0.0.1:{redis.port}", "auth.redis.cache": 2,
                "auth.redis.timeout": "1000ms", "auth.allow_anonymous": "no"}
        return start_broker(keys | {key.replace("__", "."): value for key, value in settings.items()})
    return start


def put(redis, name, line=None, acl=None, **fields):
    values = fields | ({"password": line} if line else {}) | ({"acl": json.dumps(acl)} if acl is not None else {})
    redis.ask("HSET", f"sb:{{u:{name}}}", *(word for pair in values.items() for word in pair))


def answer(there, client_id, name, password=PASSWORD, version=V5):
    """The reason code of CONNACK."""
    peer = there.open(version)
    peer.send_connect(client_id(), username=name, password=password)
    return peer.expect(T.CONNACK).reason


def may_publish(peer, topic):
    pid = peer.send_publish(topic, b"?", qos=1)
    return peer.await_packet(T.PUBACK, pid=pid).reason != NOT_AUTHORIZED


def granted(peer, filter):
    pid = peer.send_subscribe([(filter, 1)])
    return peer.await_packet(T.SUBACK, pid=pid).reasons[0]


def test_who_comes_in(start, redis, mqtt, client_id, lines):
    put(redis, "ada", lines["ada"], EVERYTHING)
    put(redis, "bob", lines["bob"].removeprefix("bob:"), EVERYTHING, disabled="1")  # the hash alone will do
    put(redis, "eve", lines["ada"], EVERYTHING)  # the line of somebody else
    put(redis, "carl", acl=EVERYTHING)  # who has no password
    put(redis, "dora", "no hash", EVERYTHING)
    broker = start()
    there = mqtt.at(broker)
    assert answer(there, client_id, "ada") == 0
    assert answer(there, client_id, "ada", version=V311) == 0
    assert answer(there, client_id, "bob") == NOT_AUTHORIZED
    assert answer(there, client_id, "bob", b"wrong") == BAD  # who is disabled is told to those who know the password
    for name, password in [("ada", b"wrong"), ("ada", None), ("ada", b""), ("ada", PASSWORD + b"\0"), ("Ada", PASSWORD),
                           ("nobody", PASSWORD), ("eve", PASSWORD), ("carl", PASSWORD), ("dora", PASSWORD),
                           ("{x}", PASSWORD), ("ada}", PASSWORD)]:
        assert answer(there, client_id, name, password) == BAD, (name, password)
    assert answer(there, client_id, "") == NOT_AUTHORIZED  # no name at all
    assert "password: the line is another user's" in broker.errors() and "no hash" not in broker.errors()


def test_names_have_braces_encoded(start, redis, mqtt, client_id, lines):
    put(redis, "%7Ba%7D%25", lines["ada"].replace("ada:", "{a}%:"), EVERYTHING)
    assert answer(mqtt.at(start()), client_id, "{a}%") == 0


def test_the_chain(start, redis, mqtt, client_id, lines, tmp_path):
    """A file comes before Redis, and its users have the rights of the ACL file."""
    file, acl = tmp_path / "users", tmp_path / "acl"
    file.write_text(lines["ada"] + "\n")
    acl.write_text("user ada\ntopic file/#\nuser bob\ntopic file/#\n")
    for path in (file, acl):
        path.chmod(0o600)
    put(redis, "ada", lines["bob"], {"all": ["redis/#"]})
    put(redis, "bob", lines["bob"], {"all": ["redis/#"]})
    there = mqtt.at(start(auth__password_file=file, auth__acl_file=acl))
    ada = there.connect(V5, username="ada", password=PASSWORD)
    bob = there.connect(V5, username="bob", password=PASSWORD)
    assert [may_publish(ada, t) for t in ("file/x", "redis/x")] == [True, False]
    assert [may_publish(bob, t) for t in ("file/x", "redis/x")] == [False, True]
    assert answer(there, client_id, "nobody") == BAD


def test_rights(start, redis, mqtt, client_id, lines):
    put(redis, "ada", lines["ada"], {"pub": ["up/%c"], "sub": ["down/%u/#"], "all": ["both"]})
    put(redis, "bob", lines["bob"])
    there, own = mqtt.at(start()), client_id()
    ada = there.connect(V5, own, username="ada", password=PASSWORD)
    assert [may_publish(ada, t) for t in (f"up/{own}", "up/other", "both", "down/ada/x")] == [True, False, True, False]
    assert [granted(ada, f) for f in ("down/ada/#", "both", f"up/{own}")] == [1, 1, NOT_AUTHORIZED]
    bob = there.connect(V5, username="bob", password=PASSWORD)  # no field `acl`
    assert not may_publish(bob, "both") and granted(bob, "both") == NOT_AUTHORIZED
    peer = there.open(V5)
    peer.send_connect(client_id(), username="ada", password=PASSWORD, will=Will("elsewhere", b"gone"))
    peer.expect(T.CONNACK, reason=NOT_AUTHORIZED)


def test_a_change_takes_effect_while_connected(start, redis, mqtt, client_id, lines):
    put(redis, "ada", lines["ada"], EVERYTHING)
    put(redis, "bob", lines["bob"], EVERYTHING)
    there = mqtt.at(start())
    reader = there.connect(V5, username="ada", password=PASSWORD)
    writer = there.connect(V5, username="bob", password=PASSWORD)
    assert granted(reader, "secret/#") == 1
    put(redis, "ada", acl={"all": ["open/#"]})
    eventually(lambda: not may_publish(reader, "secret/x"), "the old rights stayed")
    reader.take_messages()  # what came before
    assert may_publish(writer, "secret/y")
    assert granted(reader, "secret/#") == NOT_AUTHORIZED and granted(reader, "open/#") == 1
    assert may_publish(writer, "open/x")
    assert reader.await_packet(T.PUBLISH).topic == "open/x"

    put(redis, "ada", disabled="yes")
    eventually(lambda: not may_publish(reader, "open/x"), "a user who was disabled kept rights")
    assert answer(there, client_id, "ada") == NOT_AUTHORIZED
    redis.ask("DEL", "sb:{u:bob}")
    eventually(lambda: not may_publish(writer, "open/x"), "a user who was deleted kept rights")
    assert answer(there, client_id, "bob") == BAD
    put(redis, "bob", lines["bob"], EVERYTHING)
    eventually(lambda: may_publish(writer, "open/x"), "rights that were given again did not come")


def test_a_change_takes_effect_while_away(start, redis, mqtt, client_id, lines):
    put(redis, "ada", lines["ada"], EVERYTHING)
    there, own = mqtt.at(start()), client_id()
    login = {"username": "ada", "password": PASSWORD, "expiry": 300}
    reader = there.open(V5)
    reader.connect(own, **login, props=[(Prop.RECEIVE_MAXIMUM, 1)])
    assert granted(reader, "secret/#") == 1 and granted(reader, "open/#") == 1
    reader.close()
    writer = there.connect(V5, username="ada", password=PASSWORD)
    for topic in ("secret/1", "open/1", "secret/2"):
        assert may_publish(writer, topic)
    put(redis, "ada", acl={"sub": ["open/#"]})
    eventually(lambda: not may_publish(writer, "secret/3"), "the old rights stayed")
    reader = there.open(V5)
    reader.connect(own, clean=False, **login)
    assert reader.connack.session_present
    assert reader.await_packet(T.PUBLISH).topic == "open/1"
    assert granted(reader, "open/#") == 1
    assert reader.take_messages() == []


@pytest.mark.parametrize("may", [True, False], ids=["it_may", "it_may_not"])
def test_a_will_of_somebody_who_is_away(start, redis, mqtt, client_id, lines, may):
    """It is published when its delay is over, if its client may do that then."""
    put(redis, "ada", lines["ada"], {"pub": ["will/#"]})
    put(redis, "bob", lines["bob"], {"all": ["#", "$SYS/#"]})
    there, own = mqtt.at(start()), client_id()
    watcher = there.connect(V5, username="bob", password=PASSWORD)
    watcher.subscribe("#", qos=1)
    peer = there.open(V5)
    peer.connect(own, expiry=300, username="ada", password=PASSWORD, will=Will("will/x", b"gone", props=[(Prop.WILL_DELAY, 2)]))
    put(redis, "ada", acl={"pub": ["will/#" if may else "other"]})
    peer.reset()
    if may:
        assert watcher.await_packet(T.PUBLISH).payload == b"gone"
        return
    denied = "$SYS/broker/denied/publish"
    watcher.subscribe(denied)
    while watcher.await_packet(T.PUBLISH, timeout=20).payload != b"1":  # it was fired, and this came of it
        pass
    assert all(p.topic == denied for p in watcher.take_messages())


@pytest.mark.parametrize("fault", ["killed", "hung"])
def test_without_redis_nobody_comes_in_and_nothing_is_allowed(start, redis, mqtt, client_id, lines, fault):
    put(redis, "ada", lines["ada"], EVERYTHING)
    broker = start()
    there = mqtt.at(broker)
    peer = there.connect(V5, username="ada", password=PASSWORD)
    assert may_publish(peer, "x")
    redis.kill() if fault == "killed" else redis.pause()
    assert answer(there, client_id, "bob") == UNAVAILABLE
    assert answer(there, client_id, "bob", version=V311) == 3
    eventually(lambda: not may_publish(peer, "x"), "rights that nobody renews stayed")
    for _ in range(5):  # after which nobody is asked any more, and the answer comes at once
        assert answer(there, client_id, "ada") == UNAVAILABLE
    if fault == "killed":
        redis.start()
        put(redis, "ada", lines["ada"], EVERYTHING)
    else:
        redis.resume()
    eventually(lambda: answer(there, client_id, "ada") == 0, "nobody comes in although Redis is back")
    eventually(lambda: may_publish(peer, "x"), "the rights did not come back")
    assert "auth.redis does not answer" in broker.errors()


def test_a_wrong_password_of_redis_is_said(start, redis, mqtt, client_id, lines):
    put(redis, "ada", lines["ada"], EVERYTHING)
    redis.ask("CONFIG", "SET", "requirepass", "right")
    broker = start(login=":sesame@")
    assert answer(mqtt.at(broker), client_id, "ada") == UNAVAILABLE
    assert "WRONGPASS" in broker.errors() and "sesame" not in broker.errors()


def test_the_right_to_read_is_all_that_is_needed(start, redis, mqtt, client_id, lines):
    put(redis, "ada", lines["ada"], EVERYTHING)
    redis.ask("ACL", "SETUSER", "broker", "on", ">word", "-@all", "+hmget", "~sb:{u:*")
    there = mqtt.at(start(login="broker:word@"))
    assert answer(there, client_id, "ada") == 0
    peer = there.connect(V5, username="ada", password=PASSWORD)
    assert may_publish(peer, "x")
    put(redis, "ada", acl={})
    eventually(lambda: not may_publish(peer, "x"), "the rights were not asked for again")


def test_a_user_without_that_right_is_said(start, redis, mqtt, client_id, lines):
    put(redis, "ada", lines["ada"], EVERYTHING)
    redis.ask("ACL", "SETUSER", "broker", "on", ">word", "-@all", "+get", "~*")
    broker = start(login="broker:word@")
    assert answer(mqtt.at(broker), client_id, "ada") == UNAVAILABLE
    assert "NOPERM" in broker.errors()


def test_the_password_of_redis_is_not_shown():
    def run(url):
        return subprocess.run([brokers.binary(), "config", "print", "--set", f"auth.redis.url={url}"], capture_output=True,
                              text=True)
    shown = run("redis://ann:sesame@127.0.0.1:6379")
    assert shown.returncode == 0 and "redis://ann:***@127.0.0.1:6379" in shown.stdout and "sesame" not in shown.stdout
    wrong = run("redis://ann:sesame@127.0.0.1:x")
    assert wrong.returncode != 0 and '"x" is no port' in wrong.stderr and "sesame" not in wrong.stderr
    assert "was hidden when it was shown" in run("redis://ann:***@127.0.0.1:6379").stderr
