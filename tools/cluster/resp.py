# SPDX-License-Identifier: MIT
"""A small Redis client: RESP 2, one connection, one question at a time."""
import socket

Address = tuple[str, int]


class ReplyError(Exception):
    """Redis answered with an error; the text is its own."""


class Connection:
    """Answers are str, int, None and lists of these; bytes that are no UTF-8 come with surrogate escapes.

    A server that does not answer within `timeout` seconds is an OSError, as is one that is not there.
    """

    def __init__(self, address: Address, timeout: float = 5):
        self._socket = socket.create_connection(address, timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        try:
            self._reader.close()
        finally:
            self._socket.close()

    def ask(self, *words, timeout: float | None = None):
        """One command; an error in answer is raised. `timeout` holds from now on."""
        if timeout is not None:
            self._socket.settimeout(timeout)
        answer = self.pipeline([words])[0]
        if isinstance(answer, ReplyError):
            raise answer
        return answer

    def pipeline(self, commands) -> list:
        """Many commands in one write. Errors stand among the answers."""
        self._socket.sendall(b"".join(map(_encode, commands)))
        return [self._read() for _ in commands]

    def _line(self) -> bytes:
        line = self._reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis closed the connection")
        return line[:-2]

    def _read(self):
        line = self._line()
        kind, rest = line[:1], line[1:].decode(errors="surrogateescape")
        if kind == b"+":
            return rest
        if kind == b"-":
            return ReplyError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self._bulk(int(rest))
        if kind == b"*":
            return None if rest == "-1" else [self._read() for _ in range(int(rest))]
        raise ConnectionError(f"this is not Redis: {line[:40]!r}")

    def _bulk(self, size: int) -> str:
        data = self._reader.read(size + 2)
        if len(data) < size + 2:
            raise ConnectionError("Redis closed the connection")
        return data[:-2].decode(errors="surrogateescape")


def _encode(words) -> bytes:
    parts = [w if isinstance(w, bytes) else str(w).encode(errors="surrogateescape") for w in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


def ask(address: Address, *words, timeout: float = 5):
    """One command on a connection of its own."""
    with Connection(address, timeout) as connection:
        return connection.ask(*words)


def pairs(flat: list) -> dict:
    """What Redis sends as name, value, name, value."""
    return dict(zip(flat[::2], flat[1::2]))


def info(text: str) -> dict[str, str]:
    """The fields of INFO."""
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
