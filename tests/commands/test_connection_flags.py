# SPDX-License-Identifier: MIT
"""How the clients connect: TLS, WebSocket, unix sockets, URLs, passwords, source addresses, lost connections."""
import subprocess
import time

import pytest

from lib.certs import Authority


@pytest.mark.parametrize("listener, flags", [("mqtts", []), ("wss", ["--ws"]), ("ws", ["--ws"]), ("ws", ["--path", "/mqtt"])])
@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
def test_transports(server, run, start, topic, listener, flags, version):
    where = [*server.at(listener), *flags, "-V", version]
    if listener in ("mqtts", "wss"):
        where += ["-h", "localhost", "--cafile", server.authority.cert]
    lines = b"".join(b"%d " % i * (i % 300) + b"\n" for i in range(2000))
    sub = start("sub", *where, "-t", topic, "-q", 1, "-C", 2000, "-d")
    sub.until(lambda: b"subscribed to" in sub.err)
    run("pub", *where, "-t", topic, "-l", "-q", 1, "-M", 200, stdin=lines)
    assert sub.ended() == lines


@pytest.mark.parametrize("listener, scheme", [("mqtt", "mqtt"), ("mqtts", "mqtts"), ("ws", "ws"), ("wss", "wss")])
def test_urls(server, run, subscribed, topic, listener, scheme):
    sub = subscribed("-t", topic, "-C", 1)
    tls = ["--cafile", server.authority.cert] if scheme in ("mqtts", "wss") else []
    url = f"{scheme}://localhost:{server.port[listener]}/"
    place = ["-L", url + "mqtt", "-t", topic] if "ws" in scheme else ["-L", url + topic]
    run("pub", *place, *tls, "-m", "by URL")
    assert sub.ended() == b"by URL\n"


def test_certificate_of_a_stranger(server, run, topic, tmp_path):
    other = Authority(tmp_path, "another authority")
    _, err = run("pub", *server.at("mqtts"), "--cafile", other.cert, "-t", topic, "-m", "x", code=1)
    assert f"cannot connect to 127.0.0.1:{server.port['mqtts']}" in err and "certificate" in err
    run("pub", *server.at("mqtts"), "--insecure", "-t", topic, "-m", "x")


def test_certificate_for_another_name(server, run, topic):
    _, err = run("pub", *server.at("mqtts"), "-h", "127.0.0.2", "--cafile", server.authority.cert, "-t", topic, "-m", "x",
                 code=1)
    assert "cannot connect to" in err


def test_directory_of_authorities(server, run, topic, tmp_path):
    (tmp_path / "ca.pem").write_bytes(open(server.authority.cert, "rb").read())
    subprocess.run(["openssl", "rehash", str(tmp_path)], check=True)
    run("pub", *server.at("mqtts"), "--capath", tmp_path, "-t", topic, "-m", "x", "-q", 1)


@pytest.mark.parametrize("version", ["tlsv1.2", "tlsv1.3"])
def test_tls_version(server, run, topic, version):
    run("pub", *server.at("mqtts"), "--cafile", server.authority.cert, "--tls-version", version, "-t", topic, "-m", "x")


def test_plain_client_on_tls_listener(server, run, topic):
    _, err = run("pub", *server.at("mqtts"), "-t", topic, "-m", "x", code=1)
    assert "closed the connection before it was accepted; does it speak MQTT without TLS?" in err


def test_tls_client_on_plain_listener(server, run, topic):
    _, err = run("pub", *server.at("mqtt"), "--cafile", server.authority.cert, "-t", topic, "-m", "x", code=1)
    assert "cannot connect to" in err or "MQTT over TLS" in err


def test_websocket_client_on_plain_listener(server, run, topic):
    run("pub", *server.at("mqtt"), "--ws", "-t", topic, "-m", "x", code=1)


def test_unix_socket(mosquitto, run, start, topic):
    sub = start("sub", "--unix", mosquitto.path, "-t", topic, "-C", 1, "-d")
    sub.until(lambda: b"subscribed to" in sub.err)
    run("pub", "--unix", mosquitto.path, "-t", topic, "-m", "local", "-q", 2)
    assert sub.ended() == b"local\n"


def test_passwords(mosquitto, run, topic):
    place = [*mosquitto.at("auth"), "-t", topic, "-m", "x"]
    run("pub", *place, "-u", "alice", "-P", "secret")
    run("pub", *place, "-u", "alice", "--pw", "secret", "-V", "mqttv31")
    run("pub", "-L", f"mqtt://alice:secret@127.0.0.1:{mosquitto.port['auth']}/{topic}", "-m", "x")
    for credentials in (["-u", "alice", "-P", "wrong"], []):
        for version in ("mqttv5", "mqttv311"):
            _, err = run("pub", *place, *credentials, "-V", version, code=1)
            assert "refused the connection: not authorized (0x87)" in err or "bad user name or password (0x86)" in err


def test_source_address(mosquitto, run, topic):
    run("pub", *mosquitto.at(), "-A", "127.0.0.77", "-t", topic, "-m", "x")


def test_publisher_goes_on_after_a_restart(mosquitto, start, topic, client_id):
    """Lines that were written while the broker was away arrive, at least once."""
    session = ["-c", "-i", client_id()]
    sub = start("sub", *mosquitto.at(), "-t", topic, "-q", 1, "-d", *session)
    sub.until(lambda: b"subscribed to" in sub.err)
    pub = start("pub", *mosquitto.at(), "-t", topic, "-l", "-q", 1, stdin=subprocess.PIPE)
    pub.write(b"before\n")
    sub.until(lambda: b"before\n" in sub.out)
    mosquitto.stop()
    pub.until(lambda: b"trying again" in pub.err)
    pub.write(b"while away\n")
    mosquitto.start()
    sub.until(lambda: sub.err.count(b"subscribed to") == 2, "the second SUBACK")
    pub.write(b"after\n")
    sub.until(lambda: b"after\n" in sub.out)
    pub.ended()
    assert sub.out in (b"before\nwhile away\nafter\n", b"before\nafter\n")  # sub may have come back after the second line


def test_keep_alive_finds_a_dead_broker(mosquitto, start, topic):
    sub = start("sub", *mosquitto.at(), "-t", topic, "-k", 1, "-d")
    sub.until(lambda: b"subscribed to" in sub.err)
    time.sleep(2.5)
    assert b"lost" not in sub.err  # pings are answered
    mosquitto.process.send_signal(19)
    try:
        sub.until(lambda: b"the broker does not answer" in sub.err)
    finally:
        mosquitto.process.send_signal(18)
    sub.until(lambda: sub.err.count(b"subscribed to") == 2, "the second SUBACK")
