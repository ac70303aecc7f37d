# SPDX-License-Identifier: MIT
"""The relays: each line is cut, delayed and healed for itself, and bytes neither get lost nor out of order."""
import os
import socket
import subprocess
import sys
import threading

import pytest

from lib.clock import Stopwatch, eventually
from tools.cluster.parties import OUTSIDE, Parties
from tools.cluster.relay import RETRANSMISSION, Network

QUIET = 0.3  # seconds in which a byte would have come
SOON = 5


class Echo:
    """A server that answers with what it got, and remembers it."""

    def __init__(self):
        self.got, self.ended = b"", threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            while data := sock.recv(65536):
                self.got += data
                sock.sendall(data)
        except OSError:
            pass
        self.ended.set()
        sock.close()

    def close(self):
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()


@pytest.fixture
def network():
    made = Network(Parties())
    yield made
    made.close()


@pytest.fixture
def echo():
    made = Echo()
    yield made
    made.close()


@pytest.fixture
def line(network, echo):
    """A connection of ours to the server `s` behind a relay."""
    sock = socket.create_connection(network.relay("s", echo.address), SOON)
    assert talk(sock, b"hello") == b"hello"
    yield sock
    sock.close()


def talk(sock, data: bytes) -> bytes:
    sock.sendall(data)
    return receive(sock, len(data))


def receive(sock, size: int, timeout: float = SOON) -> bytes:
    sock.settimeout(timeout)
    data = b""
    while len(data) < size and (more := sock.recv(size - len(data))):
        data += more
    return data


def silent(sock) -> bool:
    try:
        receive(sock, 1, QUIET)
    except TimeoutError:
        return True
    return False


def test_much_passes(line, echo):
    data = bytes(range(256)) * 10_000
    sender = threading.Thread(target=line.sendall, args=(data,))
    sender.start()
    assert receive(line, len(data)) == data
    sender.join()


def test_towards(network, line, echo):
    """What is sent arrives when the line is whole again."""
    network.cut([OUTSIDE], ["s"])
    line.sendall(b"late")
    assert silent(line) and echo.got == b"hello"
    network.heal()
    assert receive(line, 4) == b"late"


def test_from(network, line, echo):
    network.cut(["s"], [OUTSIDE])
    line.sendall(b"heard")
    assert silent(line)
    assert echo.got == b"helloheard"
    network.heal()
    assert receive(line, 5) == b"heard"


def test_only_the_named_line(network, echo):
    a, b = (socket.create_connection(network.relay(name, echo.address), SOON) for name in ("a", "b"))
    network.separate([OUTSIDE], ["a"])
    a.sendall(b"x")
    assert talk(b, b"x") == b"x" and silent(a)
    a.close()
    b.close()


def test_no_new_connection_over_a_line_that_is_cut_one_way(network, echo):
    for ends in ([OUTSIDE], ["s"]), (["s"], [OUTSIDE]):
        network.cut(*ends)
        sock = socket.create_connection(network.relay("s", echo.address), SOON)
        sock.sendall(b"x")
        assert silent(sock) and not echo.got.endswith(b"x")
        network.heal()
        assert receive(sock, 1) == b"x"
        sock.close()
        echo.got = b""


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_the_end_passes_over_no_cut_line(network, line, echo, how):
    """What was sent before the end still comes, as late as everything."""
    network.cut([OUTSIDE], ["s"])
    line.sendall(b"last")
    if how == "reset":
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    line.close()
    assert not echo.ended.wait(QUIET)
    network.heal()
    assert echo.ended.wait(SOON)
    assert how == "reset" or echo.got == b"hellolast"


def test_half_closed(line):
    line.sendall(b"last")
    line.shutdown(socket.SHUT_WR)
    assert receive(line, 10) == b"last"


def test_slow(network, line):
    network.slow([OUTSIDE], ["s"], 0.1)
    network.slow(["s"], [OUTSIDE], 0.1)
    watch = Stopwatch()
    assert talk(line, b"slow") == b"slow"
    assert 0.2 <= watch.seconds() < 1
    watch = Stopwatch()
    data = b"x" * 1_000_000
    sender = threading.Thread(target=line.sendall, args=(data,))
    sender.start()
    assert receive(line, len(data)) == data and watch.seconds() < 3, "it is late, not narrow"
    sender.join()


def test_lossy(network, line):
    network.lossy([OUTSIDE], ["s"], 0.2)
    slow = 0
    for i in range(40):
        watch = Stopwatch()
        assert talk(line, b"%02d" % i) == b"%02d" % i
        slow += watch.seconds() >= RETRANSMISSION
        if slow == 2:
            return
    pytest.fail("nothing was late")


def test_nobody_listens(network, echo):
    echo.close()
    sock = socket.create_connection(network.relay("s", echo.address), SOON)
    sock.settimeout(SOON)
    try:
        assert sock.recv(1) == b""
    except ConnectionResetError:
        pass


def test_who_gives_up_to_connect_over_a_line_that_is_cut_is_forgotten(network, echo):
    network.cut([OUTSIDE], ["s"])
    sock = socket.create_connection(network.relay("s", echo.address), SOON)
    eventually(lambda: network.connections(OUTSIDE, "s") == 1)
    sock.close()
    eventually(lambda: network.connections(OUTSIDE, "s") == 0)


def test_who_connects_is_known(network, echo):
    """The same address is cut for one process and open for another."""
    host, port = network.relay("s", echo.address)
    program = f"import socket; s = socket.create_connection(('{host}', {port})); s.sendall(b'o'); print(s.recv(1)); input()"
    other = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    network.parties.introduce("other", lambda: other.pid)
    network.parties.introduce("away", lambda: None)
    network.cut(["other"], ["s"])
    eventually(lambda: network.connections("other", "s") == 1)
    mine = socket.create_connection((host, port), SOON)
    assert talk(mine, b"m") == b"m" and echo.got == b"m"
    assert network.connections(OUTSIDE, "s") == 1
    network.heal()
    assert other.stdout.readline() == b"b'o'\n"
    other.communicate(b"\n")
    mine.close()
    eventually(lambda: network.connections(OUTSIDE, "s") + network.connections("other", "s") == 0)


def test_who_connects_may_be_introduced_later(network, echo):
    mine = socket.create_connection(network.relay("s", echo.address), SOON)
    assert talk(mine, b"m") == b"m"
    assert network.connections(OUTSIDE, "s") == 1
    network.parties.introduce("me", os.getpid)
    assert network.connections("me", "s") == 1
    network.cut(["me"], ["s"])
    mine.sendall(b"n")
    assert silent(mine)
    network.heal()
    assert receive(mine, 1) == b"n"
    mine.close()
