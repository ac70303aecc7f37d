# SPDX-License-Identifier: MIT
"""Who may come in, and what clients may do, as a server says that is asked over HTTP. Whatever goes wrong there lets
nobody in."""
import signal
import subprocess

import pytest

from lib import broker as brokers
from lib import scram
from lib import transport
from lib.auth_server import BROKEN, DENY, IGNORE, Answer, AuthServer, allow
from lib.clock import eventually
from lib.marks import V5, V311
from lib.mqtt import PacketType as T
from lib.mqtt import Prop, Will
from lib.peer import Peer

BAD, NOT_AUTHORIZED, UNAVAILABLE, BUSY, CONNECTION_TIME = 0x86, 0x87, 0x88, 0x89, 0xA0
SECRET = "correct-horse-battery"


@pytest.fixture
def server():
    one = AuthServer()
    yield one
    one.close()


def settings(server, **http):
    return {"auth.http.url": server.url("login")} | {f"auth.http.{key}": value for key, value in http.items()}


def rights_of(server, **http):
    """Clients come in without being asked who they are; what they may do is asked."""
    return {"auth.http.acl_url": server.url("rights")} | {f"auth.http.{key}": value for key, value in http.items()}


def answer(there, client_id, version=V5, **fields):
    """The reason code of CONNACK."""
    peer = there.open(version)
    peer.send_connect(client_id(), **fields)
    return peer.expect(T.CONNACK).reason


def ada(there, client_id, version=V5, password=SECRET):
    return answer(there, client_id, version, username="ada", password=password.encode())


def may_publish(peer, topic):
    pid = peer.send_publish(topic, b"?", qos=1)
    return peer.await_packet(T.PUBACK, pid=pid).reason != NOT_AUTHORIZED


def granted(peer, filter):
    return peer.await_packet(T.SUBACK, pid=peer.send_subscribe([(filter, 1)])).reasons[0]


# ---------------------------------------------------------------- who may come in

def test_what_is_asked(start_broker, mqtt, client_id, server, tmp_path):
    token = tmp_path / "token"
    token.write_text("t0k3n\n")
    token.chmod(0o600)
    server.login = lambda question: allow()
    there, own = mqtt.at(start_broker(settings(server, token_file=token))), client_id()
    assert answer(there, lambda: own, username="ada", password="p\"ä\\".encode()) == 0
    assert answer(there, lambda: own, username="ada") == 0
    (_, first), (_, second) = server.asked
    assert first.pop("peer").startswith("127.0.0.1:")
    assert first == {"client_id": own, "username": "ada", "password": "p\"ä\\"}
    assert second["password"] is None
    assert server.headers[0]["Authorization"] == "Bearer t0k3n"
    assert server.headers[0]["Content-Type"] == "application/json"


@pytest.mark.parametrize("given, expected, v3", [
    (allow(), 0, 0), (Answer(204), 0, 0), (Answer(200), 0, 0),
    (DENY, BAD, 4), (Answer(401), BAD, 4), (Answer(403, b"<html>"), BAD, 4), (IGNORE, BAD, 4),
    (BROKEN, UNAVAILABLE, 3), (Answer(404), UNAVAILABLE, 3), (Answer(302), UNAVAILABLE, 3),
    (Answer(200, b"{\"result\":\"allow\""), UNAVAILABLE, 3), (Answer(200, b"allow"), UNAVAILABLE, 3),
    (Answer(200, {"result": "yes"}), UNAVAILABLE, 3), (Answer(200, {"result": "allow", "acl": 1}), UNAVAILABLE, 3),
    (Answer(200, b" " * 200_000), UNAVAILABLE, 3)],
    ids=["allow", "204", "200", "deny", "401", "403", "ignore", "500", "404", "redirect", "half", "text", "other", "bad_acl", "huge"])
def test_answers(start_broker, mqtt, client_id, server, given, expected, v3):
    server.login = lambda question: given
    there = mqtt.at(start_broker(settings(server, cache="0s")))
    assert ada(there, client_id) == expected
    assert ada(there, client_id, V311) == v3
    assert server.count() == 2


def test_no_answer_in_time(start_broker, mqtt, client_id, server):
    server.login = lambda question: server.hold()
    there = mqtt.at(start_broker(settings(server, timeout="200ms")))
    assert ada(there, client_id) == UNAVAILABLE


def test_nobody_there(start_broker, mqtt, client_id, server):
    server.close()
    broker = start_broker(settings(server))
    assert ada(mqtt.at(broker), client_id) == UNAVAILABLE
    assert "auth.http.url" in broker.errors()


def test_too_many_at_once(start_broker, mqtt, client_id, server):
    server.login = lambda question: server.hold()
    there = mqtt.at(start_broker(settings(server, timeout="3s", max_pending=1)))
    waiting = [there.open(V5) for _ in range(30)]
    for i, peer in enumerate(waiting):
        peer.send_connect(client_id(), username="ada", password=b"%d" % i)
    answers = [peer.expect(T.CONNACK).reason for peer in waiting]
    assert answers.count(BUSY) == 30 - 17 and answers.count(UNAVAILABLE) == 17, "16 connections, and one that waits"


def test_the_next_method(start_broker, mqtt, client_id, server, tmp_path):
    """The file first; who is not in it is asked about; whom the server ignores nobody knows."""
    users = tmp_path / "users"
    subprocess.run([brokers.binary(), "passwd", users, "bob", "--password-stdin"], input="battery", text=True, check=True,
                   capture_output=True)
    server.login = lambda question: {"ada": allow(), "eve": IGNORE}.get(question["username"], DENY)
    there = mqtt.at(start_broker(settings(server) | {"auth.password_file": users}))
    assert answer(there, client_id, username="bob", password=b"battery") == 0
    assert answer(there, client_id, username="bob", password=b"wrong") == BAD
    assert answer(there, client_id) == 0, "without a name, where that is allowed"
    assert server.count() == 0
    assert ada(there, client_id) == 0
    assert answer(there, client_id, username="eve", password=b"x") == BAD
    assert answer(there, client_id, username="joe", password=b"x") == BAD
    assert [question["username"] for _, question in server.asked] == ["ada", "eve", "joe"]


def test_a_password_that_is_not_text(start_broker, mqtt, client_id, server):
    server.login = lambda question: allow()
    there = mqtt.at(start_broker(settings(server)))
    for password in (b"\xff\xfe", b"a\0b"):
        assert answer(there, client_id, username="ada", password=password) == BAD
    assert server.count() == 0


def test_breaker(start_broker, mqtt, client_id, server):
    server.login = lambda question: BROKEN
    broker = start_broker(settings(server, failures=3, retry_after="1s", cache="0s"))
    there = mqtt.at(broker)
    for _ in range(10):
        assert ada(there, client_id) == UNAVAILABLE
    assert server.count() == 3, "then it is left alone"
    assert "is not asked for 1000 ms" in broker.errors()
    server.login = lambda question: allow()
    eventually(lambda: ada(there, client_id) == 0, "it is never asked again")
    before = server.count()
    assert ada(there, client_id) == 0 and server.count() == before + 1


def test_answers_are_remembered(start_broker, mqtt, client_id, server):
    server.login = lambda question: allow() if question["password"] == SECRET else DENY
    there, own = mqtt.at(start_broker(settings(server))), client_id()
    for _ in range(5):
        assert ada(there, lambda: own) == 0
        assert ada(there, lambda: own, password="wrong") == BAD
    assert server.count() == 2
    assert ada(there, client_id) == 0
    assert server.count() == 3, "another client id is another question"
    server.login = lambda question: DENY if question["client_id"] == "never" else allow(ttl=0)
    for _ in range(3):
        assert answer(there, lambda: own, username="joe", password=b"x") == 0
    assert server.count() == 6, "the answer said that it is not to be remembered"


def test_a_reload_forgets_answers_and_takes_another_server(start_broker, mqtt, client_id, server, tmp_path):
    config, other = tmp_path / "signalbox.toml", AuthServer()
    try:
        server.login = other.login = lambda question: allow()
        config.write_text(f"[auth.http]\nurl = \"{server.url('login')}\"\n")
        broker = start_broker(config=config)
        there, own = mqtt.at(broker), client_id()
        assert ada(there, lambda: own) == 0 and server.count() == 1
        config.write_text(f"[auth.http]\nurl = \"{other.url('login')}\"\n")
        broker.process.send_signal(signal.SIGHUP)
        eventually(lambda: ada(there, lambda: own) == 0 and other.count() == 1, "the new server is never asked")
        config.write_text("[auth.http]\nurl = \"nonsense\"\n")
        broker.process.send_signal(signal.SIGHUP)
        eventually(lambda: "configuration not reloaded" in broker.errors(), "a wrong URL is not refused")
        assert ada(there, client_id) == 0 and other.count() == 2
    finally:
        other.close()


def test_the_answer_may_name_the_user_and_an_end(start_broker, mqtt, client_id, server):
    server.login = lambda question: allow(username="device-7", expires_in=2, acl={"all": ["u/%u"]})
    peer = mqtt.at(start_broker(settings(server))).connect(V5, client_id(), username="ada", password=b"x")
    assert may_publish(peer, "u/device-7") and not may_publish(peer, "u/ada")
    assert peer.await_disconnect(timeout=10).reason == CONNECTION_TIME


def test_rights_with_the_answer(start_broker, mqtt, client_id, server):
    who = {"ada": allow(acl={"pub": ["up/%c/#"], "sub": ["down/#"]}), "root": allow(superuser=True)}
    server.login = lambda question: who[question["username"]]
    there, own = mqtt.at(start_broker(settings(server) | rights_of(server))), client_id()
    peer = there.connect(V5, own, username="ada", password=b"x")
    assert may_publish(peer, f"up/{own}/x") and not may_publish(peer, "up/other/x")
    assert granted(peer, "down/x") == 1 and granted(peer, "#") == NOT_AUTHORIZED
    root = there.connect(V5, client_id(), username="root", password=b"x")
    assert may_publish(root, "up/other/x") and granted(root, "#") == 1
    assert server.count("rights") == 0, "nobody is asked for what is there"


# ---------------------------------------------------------------- TLS

@pytest.mark.parametrize("host, trusted, expected", [("localhost", True, 0), ("127.0.0.1", True, 0), ("127.0.0.2", True, UNAVAILABLE),
                                                     ("localhost", False, UNAVAILABLE)])
def test_tls(start_broker, mqtt, client_id, authority, host, trusted, expected):
    """A server that is not who it should be is not told a password."""
    server = AuthServer("127.0.0.2" if host == "127.0.0.2" else "127.0.0.1", tls=authority.issue("auth-server"))
    server.login = lambda question: allow()
    try:
        there = mqtt.at(start_broker({"auth.http.url": server.url("login", host)} |
                                     ({"auth.http.ca_file": authority.cert} if trusted else {})))
        assert ada(there, client_id) == expected
        assert server.count() == (1 if expected == 0 else 0)
    finally:
        server.close()


# ---------------------------------------------------------------- what they may do

def test_rights_are_asked_for_once(start_broker, mqtt, client_id, server):
    server.rights = lambda question: allow(acl={"pub": ["up/%c"], "sub": ["down"]})
    there, own = mqtt.at(start_broker(rights_of(server))), client_id()
    peer = there.connect(V5, own, username="ada")
    for _ in range(5):
        assert may_publish(peer, f"up/{own}") and not may_publish(peer, "down")
    assert granted(peer, "down") == 1 and granted(peer, "up/x") == NOT_AUTHORIZED
    assert server.asked == [("rights", {"client_id": own, "username": "ada"})]
    there.connect(V5, client_id())
    assert server.asked[1][1]["username"] is None


@pytest.mark.parametrize("given, expected", [(BROKEN, UNAVAILABLE), (Answer(204), UNAVAILABLE), (IGNORE, UNAVAILABLE),
                                             (Answer(200, b"{}"), UNAVAILABLE), (DENY, NOT_AUTHORIZED), (Answer(403), NOT_AUTHORIZED)],
                         ids=["500", "204", "ignore", "empty", "deny", "403"])
def test_without_rights_nobody_comes_in(start_broker, mqtt, client_id, server, given, expected):
    server.rights = lambda question: given
    there = mqtt.at(start_broker(rights_of(server)))
    assert ada(there, client_id) == expected


def test_scram_clients_have_rights_too(start_broker, mqtt, client_id, server, tmp_path):
    users = tmp_path / "users"
    subprocess.run([brokers.binary(), "passwd", users, "bob", "--password-stdin", "--kind", "scram"], input="battery", text=True,
                   check=True, capture_output=True)
    server.rights = lambda question: allow(acl={"pub": ["of/" + question["username"]]})
    there = mqtt.at(start_broker(rights_of(server) | {"auth.password_file": users}))
    peer = there.open(V5)
    scram.log_in(peer, client_id(), "bob", "battery")
    assert may_publish(peer, "of/bob") and not may_publish(peer, "of/ada")


@pytest.mark.concurrent
@pytest.mark.parametrize("connected", [True, False], ids=["connected", "while_away"])
def test_rights_withdrawn(start_broker, mqtt, client_id, server, connected):
    """What was stored for a session, and may not be received any more, is not delivered."""
    writer_rights, reader_rights = {"all": ["#"]}, {"sub": ["news/#", "other"]}
    now = {"acl": reader_rights}
    own = client_id()
    server.rights = lambda question: allow(acl=now["acl"] if question["client_id"] == own else writer_rights)
    broker = start_broker(rights_of(server, acl_ttl="4s") | {"log.level": "info"})
    there = mqtt.at(broker)
    reader = there.open(V5)
    reader.connect(own, username="ada", expiry=300, props=[(Prop.RECEIVE_MAXIMUM, 1)])
    assert granted(reader, "news/#") == 1
    writer = there.connect(V5)
    for payload in (b"1", b"2", b"3"):
        assert may_publish_payload(writer, "news/x", payload)
    first = reader.expect(T.PUBLISH)
    if not connected:
        reader.close()
    now["acl"] = {"sub": ["other"]}
    if connected:
        eventually(lambda: reader.barrier() or 'reason="withdrawn"' in broker.errors(), "the rights were never asked for again")
        assert "could not be renewed" not in broker.errors()
        reader.send_ack(T.PUBACK, first.pid)
    else:
        reader = there.open(V5)
        reader.connect(own, clean=False, username="ada", expiry=300)
        assert reader.connack.session_present
    assert granted(reader, "other") == 1
    assert may_publish_payload(writer, "news/x", b"4") and may_publish_payload(writer, "other", b"fine")
    assert reader.await_packet(T.PUBLISH).payload == b"fine"


def may_publish_payload(peer, topic, payload):
    pid = peer.send_publish(topic, payload, qos=1)
    return peer.await_packet(T.PUBACK, pid=pid).reason != NOT_AUTHORIZED


def test_rights_that_cannot_be_renewed_end(start_broker, mqtt, client_id, server):
    server.rights = lambda question: allow(acl={"all": ["#"]})
    broker = start_broker(rights_of(server, acl_ttl="4s", retry_after="1s"))
    peer = mqtt.at(broker).connect(V5, client_id())
    assert may_publish(peer, "a") and granted(peer, "a") == 1
    server.rights = lambda question: BROKEN
    eventually(lambda: not may_publish(peer, "a"), "they never ended")
    assert granted(peer, "a") == NOT_AUTHORIZED
    assert "could not be renewed" in broker.errors()
    server.rights = lambda question: allow(acl={"all": ["#"]})
    eventually(lambda: may_publish(peer, "a"), "they never came back")
    assert granted(peer, "a") == 1


def test_nobody_asks_for_those_who_left(start_broker, mqtt, client_id, server):
    server.rights = lambda question: allow(acl={})
    there, stays, leaves = mqtt.at(start_broker(rights_of(server, acl_ttl="4s"))), client_id(), client_id()
    peer = there.connect(V5, leaves)
    alive = there.connect(V5, stays)
    peer.close()

    def asked(who):
        alive.barrier()
        return sum(question["client_id"] == who for _, question in server.asked)

    eventually(lambda: asked(stays) >= 4, "rights are not renewed")
    assert asked(leaves) <= 2, "the end of its connection and a question may have met"


@pytest.mark.parametrize("may", [True, False], ids=["it_may", "it_may_not"])
def test_a_will_of_somebody_who_is_away(start_broker, mqtt, client_id, server, may):
    """It is published when its delay is over, if its client may do that then."""
    now, own = {"acl": {"pub": ["will/#"]}}, client_id()
    server.rights = lambda question: allow(acl=now["acl"]) if question["client_id"] == own else allow(acl={"all": ["#"]})
    there = mqtt.at(start_broker(rights_of(server)))
    watcher = there.connect(V5)
    watcher.subscribe("#", qos=1)
    peer = there.open(V5)
    peer.connect(own, expiry=300, will=Will("will/x", b"gone", props=[(Prop.WILL_DELAY, 1)]))
    now["acl"] = now["acl"] if may else {}
    before = server.count("rights")
    peer.reset()
    eventually(lambda: watcher.barrier() or server.count("rights") > before, "nobody asked whether it may")
    if may:
        assert watcher.await_packet(T.PUBLISH).payload == b"gone"
    else:
        watcher.publish("end", b"")
        assert watcher.await_packet(T.PUBLISH).topic == "end"


# ---------------------------------------------------------------- certificates

def test_certificates_have_users(start_broker, mqtt, client_id, authority, server, tmp_path):
    names = tmp_path / "map"
    names.write_text("# who is who\nCN=dev-* -> device/*\nCN=boss -> root\n")
    names.chmod(0o600)
    cert, key = authority.issue("broker-of-certificates")
    server.rights = lambda question: allow(acl={"pub": ["of/" + question["username"]]})
    broker = start_broker(rights_of(server) | {
        "auth.certificate_map": names, "listeners.mqtts.bind": "127.0.0.1:0", "listeners.mqtts.cert": cert,
        "listeners.mqtts.key": key, "listeners.mqtts.client_ca": authority.cert, "listeners.mqtts.identity_as_username": "dn"})

    def come(name):
        own_cert, own_key = authority.issue(name)
        peer = mqtt.adopt(Peer(transport.tls(broker.listeners["mqtts"], authority.cert, cert=own_cert, key=own_key), V5))
        peer.send_connect(client_id(), username="root", password=b"ignored")
        return peer, peer.expect(T.CONNACK).reason

    peer, reason = come("dev-7")
    assert reason == 0 and may_publish(peer, "of/device/7") and not may_publish(peer, "of/root")
    assert come("boss")[1] == 0
    assert come("stranger")[1] == NOT_AUTHORIZED
    assert [question["username"] for _, question in server.asked] == ["device/7", "root"]


# ---------------------------------------------------------------- logs and mistakes

@pytest.mark.parametrize("given", [allow(), DENY, BROKEN, Answer(200, {"result": SECRET})], ids=["allow", "deny", "500", "echo"])
def test_the_log_has_no_password(start_broker, mqtt, client_id, server, given):
    server.login = lambda question: given
    broker = start_broker(settings(server) | {"log.level": "trace"})
    ada(mqtt.at(broker), client_id)
    assert server.count() == 1
    assert "ready" in broker.errors() and SECRET not in broker.errors()


@pytest.mark.parametrize("key, value, wanted", [
    ("auth.http.url", "auth.example.org", "http:// or https://"), ("auth.http.url", "http://ada:x@h/", "auth.http.token_file"),
    ("auth.http.acl_url", "http://h:0/", "port"), ("auth.http.ca_file", "FILE", "authorities"),
    ("auth.http.token_file", "FILE", "one line"), ("auth.certificate_map", "FILE", "line 1")])
def test_mistakes_at_the_start(tmp_path, key, value, wanted):
    bad = tmp_path / "bad"
    bad.write_text("this is\nnothing\n")
    bad.chmod(0o600)
    arguments = {"auth.http.url": "https://localhost/", "store.path": tmp_path / "s", "listeners.mqtt.bind": "127.0.0.1:0",
                 "listeners.ws.bind": "", "admin.bind": ""} | {key: bad if value == "FILE" else value}
    command = [brokers.binary(), "broker"] + [part for k, v in arguments.items() for part in ("--set", f"{k}={v}")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and key in done.stderr and wanted in done.stderr, done.stderr
