# SPDX-License-Identifier: MIT
"""`signalbox pub` and `signalbox sub` with a broker: versions, QoS, sources, formats, sessions, wills."""
import json
import signal
import subprocess

import pytest

VERSIONS = ["mqttv31", "mqttv311", "mqttv5"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_round_trip(server, run, subscribed, topic, version, qos):
    sub = subscribed("-t", topic, "-q", qos, "-V", version, "-C", 1, "-F", "%t %q %r %l %p")
    run("pub", *server.at(), "-t", topic, "-m", "hello", "-q", qos, "-V", version)
    assert sub.ended() == f"{topic} {qos} 0 5 hello\n".encode()


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_lines(server, run, subscribed, topic, qos):
    lines = b"".join(b"line %d\n" % i for i in range(3000))
    sub = subscribed("-t", topic, "-q", qos, "-C", 3001)
    run("pub", *server.at(), "-t", topic, "-l", "-q", qos, "-M", 100, stdin=lines + b"no line end")
    assert sub.ended() == lines + b"no line end\n"


def test_empty_lines_are_messages(server, run, subscribed, topic):
    sub = subscribed("-t", topic, "-C", 3, "-F", "<%p>")
    run("pub", *server.at(), "-t", topic, "-l", stdin=b"\na\n\n")
    assert sub.ended() == b"<>\n<a>\n<>\n"


def test_lines_go_out_as_they_come(server, start, subscribed, topic):
    sub = subscribed("-t", topic, "-C", 2)
    pub = start("pub", *server.at(), "-t", topic, "-l", stdin=subprocess.PIPE)
    pub.write(b"first\n")
    sub.until(lambda: sub.out == b"first\n")
    pub.write(b"second\n")
    assert sub.ended() == b"first\nsecond\n"
    pub.ended()


def test_file_and_whole_input(server, run, subscribed, topic, tmp_path):
    data = bytes(range(256)) * 2000
    (tmp_path / "data").write_bytes(data)
    sub = subscribed("-t", topic, "-q", 1, "-C", 2, "-N")
    run("pub", *server.at(), "-t", topic, "-q", 1, "-f", tmp_path / "data")
    run("pub", *server.at(), "-t", topic, "-q", 1, "-s", stdin=data)
    assert sub.ended() == data + data


def test_repeat(server, run, subscribed, topic):
    sub = subscribed("-t", topic, "-q", 1, "-C", 50)
    run("pub", *server.at(), "-t", topic, "-m", "again", "-q", 1, "--repeat", 50)
    assert sub.ended() == b"again\n" * 50


def test_retained(server, run, topic):
    for name in ("a", "b"):
        run("pub", *server.at(), "-t", f"{topic}/{name}", "-m", f"old {name}", "-r", "-q", 1)
    out, _ = run("sub", *server.at(), "-t", f"{topic}/#", "-v", "-C", 2)
    assert sorted(out.splitlines()) == [f"{topic}/a old a", f"{topic}/b old b"]
    assert run("sub", *server.at(), "-t", f"{topic}/#", "-R", "-W", 0.3)[0] == ""
    run("sub", *server.at(), "-t", f"{topic}/a", "--remove-retained", "-C", 1)
    out, _ = run("sub", *server.at(), "-t", f"{topic}/#", "-W", 0.3)
    assert out == "old b\n"
    run("pub", *server.at(), "-t", f"{topic}/b", "-n", "-r", "-q", 1)
    assert run("sub", *server.at(), "-t", f"{topic}/#", "-W", 0.3)[0] == ""


def test_retained_only(server, run, subscribed, topic):
    run("pub", *server.at(), "-t", topic, "-m", "old", "-r", "-q", 1)
    sub = subscribed("-t", topic, "--retained-only")
    sub.until(lambda: sub.out == b"old\n")
    run("pub", *server.at(), "-t", topic, "-m", "new")
    assert sub.ended() == b"old\n"
    run("pub", *server.at(), "-t", topic, "-n", "-r", "-q", 1)


def test_filter_out(server, run, subscribed, topic):
    sub = subscribed("-t", f"{topic}/#", "-T", f"{topic}/+/noise", "-C", 2)
    for name in ("a", "a/noise", "b"):
        run("pub", *server.at(), "-t", f"{topic}/{name}", "-m", name, "-q", 1)
    assert sub.ended() == b"a\nb\n"


def test_timeout(server, run, topic):
    run("sub", *server.at(), "-t", topic, "-W", 0.2)
    _, err = run("sub", *server.at(), "-t", topic, "-C", 1, "-W", 0.2, code=1)
    assert "0 of 1 messages came within 0.2 seconds" in err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it(subscribed, topic, how):
    sub = subscribed("-t", topic)
    sub.process.send_signal(how)
    sub.ended()


def test_properties_arrive(server, run, subscribed, topic):
    sub = subscribed("-t", topic, "--format", "json", "-C", 1, "--subscription-identifier", 7, "-q", 1)
    properties = []
    for name, value in {"content-type": "text/plain", "correlation-data": "c1", "response-topic": "r/1",
                        "payload-format-indicator": "1", "message-expiry-interval": "100"}.items():
        properties += ["-D", "publish", name, value]
    run("pub", *server.at(), "-t", topic, "-m", 'say "hi"', "-q", 1, *properties, "-D", "publish", "user-property", "k", "v w",
        "-D", "publish", "user-property", "empty", "")
    message = json.loads(sub.ended())
    assert message["payload"] == 'say "hi"' and message["topic"] == topic and message["qos"] == 1
    expiry = message["properties"].pop("message-expiry-interval")
    assert 98 <= expiry <= 100
    assert message["properties"] == {"content-type": "text/plain", "correlation-data": "c1", "response-topic": "r/1",
                                     "payload-format-indicator": 1, "user-properties": {"k": "v w", "empty": ""},
                                     "subscription-identifier": 7}


@pytest.mark.parametrize("options, expected", [
    (["--format", "hex"], "00ff61"),
    (["--format", "hex", "-v"], "T 00ff61"),
    (["-F", r"%t\t%l\t%X"], "T\t3\t00FF61"),
    (["-F", "%q%%@@%08l"], "0%@00000003"),
    (["-F", "[%-4q][%4q][%.1x]"], "[0   ][   0][0]"),
])
def test_formats(server, run, subscribed, topic, tmp_path, options, expected):
    (tmp_path / "bytes").write_bytes(b"\x00\xffa")
    sub = subscribed("-t", topic, "-C", 1, *options)
    run("pub", *server.at(), "-t", topic, "-f", tmp_path / "bytes")
    assert sub.ended().decode() == expected.replace("T", topic) + "\n"


def test_json_payload(server, run, subscribed, topic):
    sub = subscribed("-t", topic, "-F", "%J", "-C", 2)
    run("pub", *server.at(), "-t", topic, "-m", "not json {")
    run("pub", *server.at(), "-t", topic, "-m", '{"t":[1,2.5e3,null]}')
    assert json.loads(sub.ended())["payload"] == {"t": [1, 2500, None]}
    assert f"not valid JSON on topic {topic}" in sub.err.decode()


def test_kept_session(server, run, topic, client_id):
    session = ["-i", client_id(), "-c", "-q", "1"]
    run("sub", *server.at(), "-t", topic, *session, "-E")
    for text in ("one", "two", "three"):
        run("pub", *server.at(), "-t", topic, "-m", text, "-q", 1)
    out, _ = run("sub", *server.at(), "-t", topic, *session, "-C", 2)
    assert out == "one\ntwo\n"  # and the third was not acknowledged, though it had come as well
    out, _ = run("sub", *server.at(), "-t", topic, *session, "-C", 1)
    assert out == "three\n"
    run("sub", *server.at(), "-U", topic, *session)
    run("pub", *server.at(), "-t", topic, "-m", "four", "-q", 1)
    assert run("sub", *server.at(), "-t", topic + "/other", *session, "-W", 0.3)[0] == ""
    run("sub", *server.at(), "-t", topic, "-i", session[1], "-E")


def test_will(server, start, subscribed, topic):
    watcher = subscribed("-t", f"{topic}/will", "-C", 1, "-q", 1)
    dying = start("sub", *server.at(), "-t", topic, "-d", "--will-topic", f"{topic}/will", "--will-payload", "gone",
                  "--will-qos", 1)
    dying.until(lambda: b"subscribed to" in dying.err)
    dying.process.kill()
    assert watcher.ended() == b"gone\n"


def test_clean_end_sends_no_will(server, run, subscribed, topic):
    watcher = subscribed("-t", f"{topic}/will", "-W", 0.5)
    run("pub", *server.at(), "-t", topic, "-m", "x", "--will-topic", f"{topic}/will", "--will-payload", "gone")
    assert watcher.ended() == b""


def test_subscription_options(server, run, subscribed, topic):
    run("pub", *server.at(), "-t", f"{topic}/old", "-m", "old", "-r", "-q", 1)
    none = subscribed("-t", f"{topic}/#", "--retain-handling", 2, "--retain-as-published", "-F", "%r %p", "-C", 1)
    run("pub", *server.at(), "-t", f"{topic}/old", "-n", "-r", "-q", 1)
    assert none.ended() == b"1 \n"


def test_shared_subscription(server, run, subscribed, topic):
    workers = [subscribed("-t", f"$share/g/{topic}", "-q", 1) for _ in range(2)]
    run("pub", *server.at(), "-t", topic, "-l", "-q", 1, stdin=b"".join(b"%d\n" % i for i in range(100)))
    first = workers[0].until(lambda: len((workers[0].out + workers[1].out).splitlines()) == 100, "100 messages")
    assert first.out and workers[1].out
    for worker in workers:
        worker.process.send_signal(signal.SIGINT)
    got = workers[0].ended().splitlines() + workers[1].ended().splitlines()
    assert sorted(map(int, got)) == list(range(100))


def test_large_message(server, run, subscribed, topic, tmp_path):
    data = bytes(i % 251 for i in range(900_000))
    (tmp_path / "large").write_bytes(data)
    sub = subscribed("-t", topic, "-C", 3, "-N", "-q", 2)
    for qos in (0, 1, 2):
        run("pub", *server.at(), "-t", topic, "-f", tmp_path / "large", "-q", qos)
    assert sub.ended() == data * 3


def test_head_closes_the_pipe(server, run, topic):
    run("pub", *server.at(), "-t", topic, "-m", "x", "-r", "-q", 1)
    from lib import broker as brokers
    command = f"'{brokers.binary()}' sub {' '.join(server.at())} -t '{topic}' -t '{topic}/#' | head -n 1; echo ${{PIPESTATUS[0]}}"
    publish = f"sleep 0.3; for i in 1 2 3; do '{brokers.binary()}' pub {' '.join(server.at())} -t '{topic}' -m y; done"
    done = subprocess.run(["bash", "-c", f"({publish}) & {command}"], capture_output=True, timeout=20, text=True)
    assert done.stdout == "x\n0\n", done.stderr
    run("pub", *server.at(), "-t", topic, "-n", "-r", "-q", 1)
