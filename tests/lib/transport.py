# SPDX-License-Identifier: MIT
"""Byte streams to a broker: TCP, Unix, TLS and WebSocket (own minimal framing)."""
import base64
import hashlib
import os
import socket
import ssl
import struct

TIMEOUT = 15.0  # seconds that an answer may take on a machine that does other things too
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Stream:
    """A connected socket. `recv` gives b"" once the server has closed, also when it reset the connection."""

    def __init__(self, sock: socket.socket):
        self.sock = sock

    def send(self, data: bytes) -> None:
        self.sock.settimeout(TIMEOUT)
        self.sock.sendall(data)

    def recv(self, timeout: float) -> bytes:
        self.sock.settimeout(timeout)
        try:
            return self.sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
            return b""

    def finish(self) -> None:
        """Half-close: says that nothing more is sent, and still reads."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Closes with a TCP reset, as a client that crashed."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def tcp(address: tuple[str, int], source: str | None = None) -> Stream:
    """`source` is the local address to connect from."""
    sock = socket.create_connection(address, TIMEOUT, (source, 0) if source else None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Stream(sock)


def unix(path: str) -> Stream:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(TIMEOUT)
    sock.connect(path)
    return Stream(sock)


def tls(address: tuple[str, int], ca: str, cert: str | None = None, key: str | None = None,
        server_name: str = "localhost") -> Stream:
    context = ssl.create_default_context(cafile=ca)
    if cert:
        context.load_cert_chain(cert, key)
    return Stream(context.wrap_socket(socket.create_connection(address, TIMEOUT), server_hostname=server_name))


class HandshakeError(Exception):
    """The server did not upgrade; `status` is its HTTP status, 0 if it closed without one."""

    def __init__(self, status: int, head: str):
        super().__init__(f"no upgrade: {status} {head!r}")
        self.status = status


TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


class WebSocket:
    """A WebSocket client over a Stream, with the frames in the test's hand."""

    def __init__(self, stream: Stream, host: str, path: str = "/mqtt", protocols: str | None = "mqtt", headers: str = ""):
        self.stream, self.buffer, self.close_code = stream, b"", None
        self.pongs: list[bytes] = []
        key = base64.b64encode(os.urandom(16))
        offer = f"Sec-WebSocket-Protocol: {protocols}\r\n" if protocols is not None else ""
        stream.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    f"Sec-WebSocket-Key: {key.decode()}\r\nSec-WebSocket-Version: 13\r\n{offer}{headers}\r\n".encode())
        while b"\r\n\r\n" not in self.buffer:
            data = stream.recv(TIMEOUT)
            if not data:
                break
            self.buffer += data
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1]) if head.startswith(b"HTTP/1.1 ") else 0
        if status != 101:
            raise HandshakeError(status, head.decode("latin-1"))
        lines = [line.split(":", 1) for line in head.decode("latin-1").split("\r\n")[1:]]
        self.headers = {name.strip().lower(): value.strip() for name, value in lines}
        assert self.headers["sec-websocket-accept"] == base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()

    def send(self, data: bytes) -> None:
        self.send_frame(BINARY, data)

    def send_frame(self, opcode: int, data: bytes = b"", fin: bool = True, mask: bool = True, rsv: int = 0) -> None:
        size = len(data)
        head = bytes([fin << 7 | rsv << 4 | opcode])
        if size < 126:
            head += bytes([mask << 7 | size])
        elif size < 65536:
            head += struct.pack(">BH", mask << 7 | 126, size)
        else:
            head += struct.pack(">BQ", mask << 7 | 127, size)
        if mask:
            key = os.urandom(4)
            pad = key * (size // 4 + 1)
            data = (int.from_bytes(data, "big") ^ int.from_bytes(pad[:size], "big")).to_bytes(size, "big")
            head += key
        self.stream.send(head + data)

    def _fill(self, size: int, timeout: float) -> bool:
        while len(self.buffer) < size:
            data = self.stream.recv(timeout)
            if not data:
                return False
            self.buffer += data
        return True

    def recv_frame(self, timeout: float = TIMEOUT) -> tuple[int, bytes] | None:
        """The next frame as (opcode, data), or None at the end of the stream."""
        if not self._fill(2, timeout):
            return None
        first, second = self.buffer[:2]
        assert first & 0x70 == 0, "reserved bits in a frame of the server"
        assert second & 0x80 == 0, "a server must not mask"
        skip, size = 2, second
        if second == 126:
            assert self._fill(4, timeout)
            skip, size = 4, struct.unpack(">H", self.buffer[2:4])[0]
        elif second == 127:
            assert self._fill(10, timeout)
            skip, size = 10, struct.unpack(">Q", self.buffer[2:10])[0]
        if not self._fill(skip + size, timeout):
            return None
        data, self.buffer = self.buffer[skip:skip + size], self.buffer[skip + size:]
        return first & 15, data

    def recv(self, timeout: float) -> bytes:
        while (got := self.recv_frame(timeout)) is not None:
            opcode, data = got
            if opcode == CLOSE:
                self.close_code = struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1005
                return b""
            if opcode == PING:
                self.send_frame(PONG, data)
            elif opcode == PONG:
                self.pongs.append(data)
            else:
                assert opcode in (BINARY, CONTINUATION), "MQTT goes in binary frames [MQTT-6.0.0-1]"
                if data:
                    return data
        return b""

    def finish(self) -> None:
        self.stream.finish()

    def close(self) -> None:
        self.stream.close()

    def reset(self) -> None:
        self.stream.reset()
