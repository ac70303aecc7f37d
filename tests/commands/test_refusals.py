# SPDX-License-Identifier: MIT
"""What the clients say when something is wrong, and their exit codes."""
import signal

import pytest

V5_OK = bytes([0x20, 3, 0, 0, 0])


@pytest.mark.parametrize("arguments, words", [
    (["pub"], ["--topic", "-t TOPIC"]),
    (["pub", "-t", "a"], ["what to publish is missing", "-m, -f, -l, -s and -n"]),
    (["pub", "-t", "a", "-m", "x", "-n"], ["more than one thing"]),
    (["pub", "-t", "a/#", "-m", "x"], ["--topic", "without + and #"]),
    (["pub", "-t", "a", "-m", "x", "-q", "3"], ["--qos"]),
    (["pub", "-t", "a", "-m", "x", "-p", "70000"], ["--port"]),
    (["pub", "-t", "a", "-m", "x", "-V", "6"], ["--protocol-version", "mqttv311"]),
    (["pub", "-t", "a", "-m", "x", "-D", "publish", "content-typ", "x"], ["did you mean \"content-type\""]),
    (["pub", "-t", "a", "-m", "x", "-D", "publsh", "content-type", "x"], ["did you mean \"publish\""]),
    (["pub", "-t", "a", "-m", "x", "-D", "publish", "message-expiry-interval", "soon"], ["number from 0 to 4294967295"]),
    (["pub", "-t", "a", "-m", "x", "-V", "311", "-D", "publish", "content-type", "x"], ["MQTT 5"]),
    (["pub", "-t", "a", "-m", "x", "-L", "http://h/"], ["--url", "mqtt://"]),
    (["pub", "-t", "a", "-m", "x", "-L", "mqtt://h", "-h", "g"], ["--url", "leave out --host"]),
    (["pub", "-t", "a", "-f", "/nonexistent"], ["--file", "/nonexistent"]),
    (["pub", "-t", "a", "-m", "x", "-c"], ["--id"]),
    (["pub", "-t", "a", "-m", "x", "--will-payload", "w"], ["--will-topic"]),
    (["pub", "-t", "a", "-m", "x", "--cafile", "/nonexistent"], ["/nonexistent"]),
    (["pub", "-t", "a", "-m", "x", "--cert", "/x", "--tls"], ["--key"]),
    (["pub", "-t", "a", "-m", "x", "-A", "nowhere"], ["--bind"]),
    (["sub"], ["--topic"]),
    (["sub", "-t", "a/#/b"], ["--topic", "a/#/b"]),
    (["sub", "-t", "$share/x"], ["--topic", "$share/GROUP/FILTER"]),
    (["sub", "-t", "a", "-F", "%y"], ["there is no %y"]),
    (["sub", "-t", "a", "--format", "xml"], ["--format"]),
    (["sub", "-t", "a", "-C", "0"], ["-C"]),
    (["sub", "-t", "a", "-V", "311", "--no-local"], ["MQTT 5"]),
    (["bench"], ["scenario"]),
    (["bench", "all"], ["scenario"]),
    (["bench", "pairs", "--payload", "8"], ["--payload", "24"]),
    (["bench", "pairs", "--pubs", "2", "--subs", "3"], ["--subs", "--pubs"]),
    (["bench", "pairs", "--pid", "999999999"], ["--pid"]),
])
def test_usage(run, arguments, words):
    _, err = run(*arguments, code=2)
    for word in words:
        assert word in err


@pytest.mark.parametrize("command", ["pub", "sub", "bench"])
def test_help(run, command):
    out, _ = run(command, "--help")
    assert "Examples:" in out and f"signalbox {command}" in out and "--host" in out and "--cafile" in out


@pytest.mark.parametrize("command", [["pub", "-t", "a", "-m", "x"], ["sub", "-t", "a"], ["bench", "pairs"]])
class TestNobodyThere:
    def test_port(self, run, command, nobody):
        _, err = run(*command, "-p", nobody, code=1)
        assert f"cannot connect to 127.0.0.1:{nobody}: Connection refused; is a broker running there?" in err

    def test_host(self, run, command):
        _, err = run(*command, "-h", "no-such-host.invalid", code=1)
        assert "no-such-host.invalid:1883" in err

    def test_unix_socket(self, run, command):
        _, err = run(*command, "--unix", "/nonexistent/socket", code=1)
        assert "/nonexistent/socket" in err


@pytest.mark.parametrize("command", [["pub", "-t", "a", "-m", "x"], ["sub", "-t", "a"], ["bench", "pairs"]])
def test_reason_of_the_broker(run, scripted, command):
    connack = bytes([0x20, 3 + 3 + 4, 0, 0x97, 7, 0x1F, 0, 4]) + b"full"
    peer = scripted([connack])
    _, err = run(*command, "-p", peer.port, code=1)
    assert f"127.0.0.1:{peer.port} refused the connection: quota exceeded (0x97): full" in err


def test_subscriptions_that_are_refused(run, scripted):
    suback = bytes([0x90, 5, 0xFD, 0xE9, 0, 0x87, 0x8F])
    peer = scripted([V5_OK, suback])
    _, err = run("sub", "-p", peer.port, "-t", "secret/#", "-t", "bad", code=1)
    assert "cannot subscribe to secret/#: not authorized (0x87)" in err
    assert "cannot subscribe to bad: topic filter invalid (0x8f)" in err


def test_publish_that_is_refused(run, scripted):
    puback = bytes([0x40, 3, 0, 1, 0x87])
    peer = scripted([V5_OK, puback])
    _, err = run("pub", "-p", peer.port, "-t", "secret", "-m", "x", "-q", 1, code=1)
    assert "message 1 to secret was refused: not authorized (0x87)" in err


def test_interrupted_without_acknowledgement(start, scripted):
    peer = scripted([V5_OK])
    pub = start("pub", "-p", peer.port, "-t", "a", "-m", "x", "-q", 1)
    pub.until(lambda: len(peer.received) >= 2, "the PUBLISH")
    pub.process.send_signal(signal.SIGINT)
    pub.ended(1)
    assert b"1 messages were not acknowledged" in pub.err


def test_limits_of_the_broker(run, scripted):
    connack = bytes([0x20, 3 + 2, 0, 0, 2, 0x24, 0])
    peer = scripted([connack])
    _, err = run("pub", "-p", peer.port, "-t", "a", "-m", "x", "-q", 1, code=1)
    assert "cannot publish to a: the broker does not support this QoS" in err


def test_older_broker(run, scripted):
    """A broker of 3.1.1 refuses version 5; then the client speaks 3.1.1, unless it was told to speak 5."""
    peer = scripted([bytes([0x20, 2, 0, 1])], [bytes([0x20, 2, 0, 0])])
    run("pub", "-p", peer.port, "-t", "a", "-m", "x")
    assert peer.received[0][8] == 5 and any(packet[8:9] == b"\x04" for packet in peer.received[1:])
    peer = scripted([bytes([0x20, 2, 0, 1])])
    _, err = run("pub", "-p", peer.port, "-t", "a", "-m", "x", "-V", 5, code=1)
    assert "unsupported protocol version" in err


def test_broker_that_says_nothing(run, scripted):
    silent = scripted([])
    _, err = run("pub", "-p", silent.port, "-t", "a", "-m", "x", code=1)
    assert "closed the connection before it was accepted" in err


def test_broker_that_is_none(run, scripted):
    peer = scripted([b"HTTP/1.1 400 Bad Request\r\n\r\n"])
    _, err = run("pub", "-p", peer.port, "-t", "a", "-m", "x", code=1)
    assert "broke the protocol" in err


def test_quiet(run, nobody):
    assert run("pub", "-p", nobody, "-t", "a", "-m", "x", "--quiet", code=1) == ("", "")
