# SPDX-License-Identifier: MIT
"""Who may come in: passwords and JSON Web Tokens. The tokens are made by PyJWT."""
import signal
import subprocess
import time

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lib import broker as brokers
from lib import scram
from lib.marks import V5, V311
from lib.mqtt import PacketType as T

BAD, NOT_AUTHORIZED, CONNECTION_TIME = 0x86, 0x87, 0xA0
SECRET = b"0123456789abcdef0123456789abcdef"


def users_file(path, **users):
    for name, password in users.items():
        subprocess.run([brokers.binary(), "passwd", path, name, "--password-stdin", "--kind", "both"], input=password, text=True,
                       check=True, capture_output=True)
    return path


def answer(there, client_id, version=V5, **fields):
    """The reason code of CONNACK."""
    peer = there.open(version)
    peer.send_connect(client_id(), **fields)
    return peer.expect(T.CONNACK).reason


# ---------------------------------------------------------------- passwords

@pytest.fixture(scope="module")
def users(tmp_path_factory):
    return users_file(tmp_path_factory.mktemp("users") / "users", ada="correct horse", bob="battery")


def test_passwords(start_broker, mqtt, client_id, users):
    there = mqtt.at(start_broker({"auth.password_file": users, "auth.allow_anonymous": "no"}))
    assert answer(there, client_id, username="ada", password=b"correct horse") == 0
    assert answer(there, client_id, V311, username="bob", password=b"battery") == 0
    for name, password in [("ada", b"battery"), ("ada", b""), ("ada", None), ("nobody", b"battery"), ("Ada", b"correct horse"),
                           ("ada", b"correct horse\0"), ("ada", b"\xff\xfe")]:
        assert answer(there, client_id, username=name, password=password) == BAD, (name, password)
    assert answer(there, client_id, V311, username="ada", password=b"x") == 4
    assert answer(there, client_id) == NOT_AUTHORIZED


def test_a_file_of_mosquitto(start_broker, mqtt, client_id, tmp_path):
    """An entry of mosquitto_passwd, taken over by `signalbox passwd --import`."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    subprocess.run(["mosquitto_passwd", "-b", "-c", theirs, "ada", "secret"], check=True, capture_output=True)
    subprocess.run([brokers.binary(), "passwd", ours, "--import", theirs], check=True, capture_output=True)
    there = mqtt.at(start_broker({"auth.password_file": ours}))
    assert answer(there, client_id, username="ada", password=b"secret") == 0
    assert answer(there, client_id, username="ada", password=b"Secret") == BAD


def test_anonymous_beside_passwords(start_broker, mqtt, client_id, users):
    """Who has no name comes in where that is allowed; who says one has to prove it."""
    there = mqtt.at(start_broker({"auth.password_file": users}))
    assert answer(there, client_id) == 0
    assert answer(there, client_id, username="nobody") == BAD


def test_the_same_file_serves_scram(start_broker, mqtt, client_id, users):
    there = mqtt.at(start_broker({"auth.password_file": users}))
    peer = there.open(V5)
    scram.log_in(peer, client_id(), "ada", "correct horse")


def test_a_user_who_is_deleted(start_broker, mqtt, client_id, tmp_path):
    file = users_file(tmp_path / "users", ada="1", bob="2")
    broker = start_broker({"auth.password_file": file})
    there = mqtt.at(broker)
    assert answer(there, client_id, username="bob", password=b"2") == 0
    subprocess.run([brokers.binary(), "passwd", file, "bob", "--delete"], check=True, capture_output=True)
    broker.process.send_signal(signal.SIGHUP)
    until = time.monotonic() + 10
    while answer(there, client_id, username="bob", password=b"2") != BAD:
        assert time.monotonic() < until, "what was remembered of bob's password is still good"
    assert answer(there, client_id, username="ada", password=b"1") == 0


def test_many_wrong_passwords_do_not_hold_up_those_inside(start_broker, mqtt, client_id, users):
    there = mqtt.at(start_broker({"auth.password_file": users, "limits.connect_timeout": "120s"}))
    inside = there.connect(V5, client_id(), username="ada", password=b"correct horse")
    guessing = [there.open(V5) for _ in range(60)]
    for i, peer in enumerate(guessing):
        peer.send_connect(client_id(), username="ada", password=b"%d" % i)
    for _ in range(20):
        inside.barrier()
    answers = [peer.expect(T.CONNACK, timeout=50).reason for peer in guessing]
    assert answers.count(0x89) >= 20 and answers.count(BAD) >= 20, "checked in turn, and not more than there is time for"
    assert set(answers) == {0x89, BAD}


# ---------------------------------------------------------------- tokens

def pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def keys():
    return {"HS256": SECRET, "RS256": rsa.generate_private_key(65537, 2048), "ES256": ec.generate_private_key(ec.SECP256R1())}


@pytest.fixture(scope="module")
def key_files(keys, tmp_path_factory):
    path = tmp_path_factory.mktemp("keys")
    (path / "secret").write_bytes(SECRET)
    (path / "secret").chmod(0o600)
    (path / "rsa").write_bytes(pem(keys["RS256"]))
    (path / "ec").write_bytes(pem(keys["ES256"]))
    return {"auth.jwt.secret_file": path / "secret", "auth.jwt.rs256_file": path / "rsa", "auth.jwt.es256_file": path / "ec"}


def token(key, algorithm="HS256", **claims):
    claims = {"sub": "ada", "exp": int(time.time()) + 600} | claims
    return pyjwt.encode({k: v for k, v in claims.items() if v is not None}, key, algorithm=algorithm).encode()


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256"])
def test_tokens(start_broker, mqtt, client_id, keys, key_files, algorithm):
    there = mqtt.at(start_broker(key_files | {"auth.allow_anonymous": "no"}))
    key, now = keys[algorithm], int(time.time())
    assert answer(there, client_id, password=token(key, algorithm), username="x") == 0
    assert answer(there, client_id, V311, password=token(key, algorithm), username="x") == 0
    good = token(key, algorithm)
    forged = good[:-10] + (b"A" if good[-10:-9] != b"A" else b"B") + good[-9:]
    other_payload = b".".join([good.split(b".")[0], token(key, algorithm, sub="root").split(b".")[1], good.split(b".")[2]])
    refused = [forged, other_payload, token(key, algorithm, exp=now - 100), token(key, algorithm, nbf=now + 100),
               token(key, algorithm, exp=None), token(key, algorithm, sub=None), token(key, algorithm, aud="another")]
    for bad in refused:
        assert answer(there, client_id, password=bad, username="x") == BAD, bad
    assert answer(there, client_id, username="ada") == BAD


def test_algorithms_are_not_confused(start_broker, mqtt, client_id, keys, key_files):
    import base64
    import hashlib
    import hmac
    import json

    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    there = mqtt.at(start_broker(key_files))
    claims = part(json.dumps({"sub": "root", "exp": int(time.time()) + 600}).encode())
    for alg in ("none", "None", "NONE"):
        assert answer(there, client_id, username="x", password=part(json.dumps({"alg": alg}).encode()) + b"." + claims + b".") == BAD
    signed = part(b'{"alg":"HS256"}') + b"." + claims
    for key in (pem(keys["RS256"]), pem(keys["ES256"]), b""):
        assert answer(there, client_id, username="x", password=signed + b"." + part(hmac.digest(key, signed, "sha256"))) == BAD
    assert answer(there, client_id, username="x", password=token(SECRET + SECRET, "HS512")) == BAD
    mine = rsa.generate_private_key(65537, 2048)
    assert answer(there, client_id, username="x", password=token(mine, "RS256")) == BAD


def test_rights_in_the_token(start_broker, mqtt, client_id, key_files):
    there, own = mqtt.at(start_broker(key_files)), client_id()
    peer = there.connect(V5, own, username="x",
                         password=token(SECRET, acl={"pub": ["a/%c/#"], "sub": ["b/%u/#"]}))
    def published(topic):
        return peer.publish(topic, b"?", qos=1).reason
    assert published(f"a/{own}/x") != NOT_AUTHORIZED
    assert published("a/other/x") == NOT_AUTHORIZED
    reasons = peer.await_packet(T.SUBACK, pid=peer.send_subscribe([("b/ada/+", 1), ("b/#", 1), ("#", 1)])).reasons
    assert reasons == [1, NOT_AUTHORIZED, NOT_AUTHORIZED]


def test_the_end_of_a_token_ends_the_connection(start_broker, mqtt, client_id, key_files):
    there = mqtt.at(start_broker(key_files | {"auth.jwt.leeway": "0s"}))
    peer = there.connect(V5, client_id(), username="x", password=token(SECRET, exp=int(time.time()) + 3))
    assert peer.await_disconnect(timeout=10).reason == CONNECTION_TIME


def test_a_token_for_another_client(start_broker, mqtt, client_id, key_files):
    there, own = mqtt.at(start_broker(key_files | {"auth.jwt.issuer": "me", "auth.jwt.audience": "mqtt"})), client_id()
    good = {"iss": "me", "aud": "mqtt", "client_id": own}
    for change, expected in [({}, 0), ({"iss": "you"}, BAD), ({"aud": ["x", "mqtt"]}, 0), ({"aud": "x"}, BAD),
                             ({"client_id": "other"}, BAD), ({"iss": None}, BAD)]:
        assert answer(there, lambda: own, username="x", password=token(SECRET, **(good | change))) == expected, change


@pytest.mark.parametrize("setting, content, wanted", [
    ("auth.password_file", "ada:nonsense\n", "line 1"), ("auth.jwt.secret_file", "short", "at least 32"),
    ("auth.jwt.rs256_file", "-----BEGIN PUBLIC KEY-----\n", "auth.jwt"), ("auth.jwt.jwks_file", "{}", "keys")])
def test_bad_files_at_the_start(tmp_path, setting, content, wanted):
    bad = tmp_path / "bad"
    bad.write_text(content)
    bad.chmod(0o600)
    done = subprocess.run([brokers.binary(), "broker", "--set", f"{setting}={bad}", "--set", f"store.path={tmp_path / 's'}",
                           "--set", "listeners.mqtt.bind=127.0.0.1:0", "--set", "listeners.ws.bind=", "--set", "admin.bind="],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and str(bad) in done.stderr and wanted in done.stderr, done.stderr
