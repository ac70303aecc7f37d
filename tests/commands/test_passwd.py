# SPDX-License-Identifier: MIT
"""signalbox passwd: what it writes is checked with Python, and what it takes over is Mosquitto's."""
import base64
import hashlib
import subprocess

import pytest

from lib import scram
from lib import mqtt as wire
from lib.marks import V5
from lib.mqtt import PacketType as T
from lib.mqtt import Prop


@pytest.fixture
def users(tmp_path):
    return tmp_path / "users"


def decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


def scrypt_matches(line: str, password: str) -> bool:
    _, kind, cost, salt, digest = line.split("$")
    assert kind == "scrypt"
    ln, r, p = (int(part.split("=")[1]) for part in cost.split(","))
    got = hashlib.scrypt(password.encode(), salt=decoded(salt), n=1 << ln, r=r, p=p, maxmem=1 << 28, dklen=32)
    return got == decoded(digest)


def mosquitto_file(path, *options, **passwords):
    path.touch(mode=0o600)
    for name, password in passwords.items():
        subprocess.run(["mosquitto_passwd", *options, "-b", str(path), name, password], check=True)
    return path


def test_both_kinds_by_default(run, users):
    out, _ = run("passwd", users, "alice", "--password-stdin", stdin="pässword\n".encode())
    assert out == "added alice\n"
    assert users.stat().st_mode & 0o777 == 0o600
    plain, keys = users.read_text().splitlines()
    assert plain.startswith("alice:$scrypt$ln=15,r=8,p=1$") and keys.startswith("alice:SCRAM-SHA-256$10000:")
    assert scrypt_matches(plain, "pässword")
    run("passwd", users, "alice", "--verify", "--password", "pässword")
    run("passwd", users, "alice", "--verify", "--password", "password", code=1)
    run("passwd", users, "alice", "--delete")
    assert users.read_text() == ""


@pytest.mark.parametrize("kind, mark", [("scrypt", ":$scrypt$"), ("scram", ":SCRAM-SHA-256$")])
def test_one_kind(run, users, kind, mark):
    run("passwd", users, "alice", "--password", "old")
    out, _ = run("passwd", users, "alice", "--password", "new", "--kind", kind)
    assert out == "changed alice\n"
    (line,) = users.read_text().splitlines()
    assert mark in line
    run("passwd", users, "alice", "--verify", "--password", "new")
    run("passwd", users, "alice", "--verify", "--password", "old", code=1)


def test_kinds_of_different_passwords(run, users):
    run("passwd", users, "alice", "--password", "one", "--kind", "scrypt")
    users.write_text(users.read_text() + scram.user_line("alice", "two"))
    _, err = run("passwd", users, "alice", "--verify", "--password", "one", code=1)
    assert "right for plain logins only; set the user's password again" in err
    run("passwd", users, "alice", "--password", "one")
    run("passwd", users, "alice", "--verify", "--password", "one")


@pytest.mark.parametrize("options, mark", [([], "$7$"), (["-H", "sha512"], "$6$")])
def test_import_of_hashes(run, users, tmp_path, options, mark):
    theirs = mosquitto_file(tmp_path / "theirs", *options, ada="one", eve="two: $7$")
    run("passwd", users, "bob", "--password", "mine", "--kind", "scrypt")
    out, _ = run("passwd", users, "--import", theirs)
    assert out == "imported 2 users: 2 with a hash of Mosquitto, 0 hashed now; 0 replaced\n"
    assert users.read_text().endswith(theirs.read_text()) and f"ada:{mark}" in users.read_text()
    for name, password in (("ada", "one"), ("eve", "two: $7$"), ("bob", "mine")):
        run("passwd", users, name, "--verify", "--password", password)
        run("passwd", users, name, "--verify", "--password", "other", code=1)


def test_import_of_passwords_that_are_not_hashed(run, users, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.write_text("# ours\nada:one\n\neve:$two \n")
    out, _ = run("passwd", users, "--import", theirs)
    assert out == "imported 2 users: 0 with a hash of Mosquitto, 2 hashed now; 0 replaced\n"
    assert [line.split("$")[0] for line in users.read_text().splitlines()] == [
        "ada:", "ada:SCRAM-SHA-256", "eve:", "eve:SCRAM-SHA-256"]
    assert "one" not in users.read_text()
    run("passwd", users, "ada", "--verify", "--password", "one")
    run("passwd", users, "eve", "--verify", "--password", "$two")


def test_import_of_users_that_exist(run, users, tmp_path):
    theirs = mosquitto_file(tmp_path / "theirs", eve="x", ada="new")
    run("passwd", users, "ada", "--password", "old")
    before = users.read_text()
    _, err = run("passwd", users, "--import", theirs, code=1)
    assert f"{theirs}: line 2: user ada is in {users} already; leave the line out, or use --replace" in err
    assert users.read_text() == before
    out, _ = run("passwd", users, "--import", theirs, "--replace")
    assert out.endswith("; 1 replaced\n")
    run("passwd", users, "ada", "--verify", "--password", "new")
    run("passwd", users, "ada", "--verify", "--password", "old", code=1)


@pytest.mark.parametrize("text, words", [
    ("ada:one\nada:two\n", "line 2: user ada is there twice, also in line 1; delete one"),
    ("ada\n", "line 1: expected user:$7$..., user:$6$... or user:password"),
    ("ada:\n", "line 1: user ada has no password; write one, or leave the line out"),
    ("ada:$7$101$x\n", "line 1: the salt is not base64"),
    ("ada:$argon2id$v=19$m=47104,t=1,p=1$x$y\n", "set the password again with `signalbox passwd`"),
    ("", "there are no users in it"),
])
def test_import_that_is_refused(run, users, tmp_path, text, words):
    theirs = tmp_path / "theirs"
    theirs.write_text(text)
    _, err = run("passwd", users, "--import", theirs, code=1)
    assert f"{theirs}: " in err and words in err
    assert not users.exists()


@pytest.mark.parametrize("arguments, word", [
    ([], "Give a USER"),
    (["--replace", "ada"], "--import"),
    (["ada", "--import", "x"], "--import"),
    (["--import", "x", "--verify"], "--import"),
    (["ada", "--kind", "md5"], "--kind"),
    (["ada", "--verify", "--kind", "scram"], "--kind"),
])
def test_usage(run, users, arguments, word):
    _, err = run("passwd", users, *arguments, code=2)
    assert word in err


def test_a_file_that_the_broker_would_not_take(run, users):
    users.write_text("# users\nada:pencil\n")
    _, err = run("passwd", users, "eve", "--password", "x", code=1)
    assert f"{users}: line 2: expected user:" in err and "--import" in err and "pencil" not in err
    users.write_text("ada:$scrypt$ln=25,r=8,p=1$AAAA$AAAA\n")
    _, err = run("passwd", users, "eve", "--password", "x", code=1)
    assert f"{users}: line 1: scrypt with ln=25,r=8,p=1 is not taken" in err


def test_help(run):
    out, _ = run("passwd", "--help")
    for word in ("Examples:", "--kind", "--import MOSQUITTO_FILE", "signalbox passwd users.txt --import"):
        assert word in out
    out, _ = run("man")
    assert "MOSQUITTO_FILE" in out


def test_the_file_serves_scram(run, users, tmp_path, mqtt, start_broker, client_id):
    """One file has the lines for SCRAM and for plain logins."""
    run("passwd", users, "ada", "--password", "secret")
    run("passwd", users, "--import", mosquitto_file(tmp_path / "theirs", eve="x"))
    there = mqtt.at(start_broker({"auth.scram_file": users, "auth.allow_anonymous": "no"}))
    client = scram.Client("ada", "secret")
    peer = there.open(V5)
    peer.send_connect(client_id(), props=[(Prop.AUTH_METHOD, scram.METHOD), (Prop.AUTH_DATA, client.first())])
    challenge = peer.expect(T.AUTH, reason=0x18).props.get(Prop.AUTH_DATA)
    peer.send(wire.auth(0x18, [(Prop.AUTH_METHOD, scram.METHOD), (Prop.AUTH_DATA, client.final(challenge))]))
    peer.expect(T.CONNACK, reason=0)
