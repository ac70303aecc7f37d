# SPDX-License-Identifier: MIT
"""A proxy in front of a good broker that makes a bad one of it: it does to one message what a broker must not do."""
import socket
import threading
import time

PUBLISH, PUBACK, PUBREC = 3, 4, 5
FAKE_ID = 60000  # a packet id that no broker gets to in a short run


class Frame:
    def __init__(self, data: bytes, head: int):
        self.data, self.type, self.qos = data, data[0] >> 4, data[0] >> 1 & 3
        self.head = head  # bytes before the body

    @property
    def id_at(self) -> int:
        """Where the packet id stands: behind the topic of a PUBLISH, at the beginning of an acknowledgement."""
        return self.head + (2 + int.from_bytes(self.data[self.head:self.head + 2]) if self.type == PUBLISH else 0)

    @property
    def id(self) -> int:
        return int.from_bytes(self.data[self.id_at:self.id_at + 2])

    def with_id(self, packet_id: int) -> bytes:
        return self.data[:self.id_at] + packet_id.to_bytes(2) + self.data[self.id_at + 2:]

    @property
    def stream(self) -> bytes:
        """Publisher, topic and QoS of a message of `verify`: parts of the stamp in front of its payload."""
        stamp = self.data[self.data.index(b"sbverify"):]
        return stamp[24:32] + stamp[36:40]


def frames(data: bytearray):
    """Takes whole packets from the front of `data`."""
    while True:
        length, head = 0, 1
        while True:
            if head >= len(data):
                return
            length |= (data[head] & 127) << 7 * (head - 1)
            head += 1
            if not data[head - 1] & 128:
                break
        if len(data) < head + length:
            return
        yield Frame(bytes(data[:head + length]), head)
        del data[:head + length]


class Fault:
    """Does something to the hundredth message of `qos` that goes to a subscriber."""

    def __init__(self, qos: int, at: int = 100):
        self.qos, self.left = qos, at
        self.lock = threading.Lock()

    def down(self, frame: Frame, answer) -> bytes:
        """What the client gets for a frame of the broker; `answer` sends bytes to the broker."""
        with self.lock:
            if frame.type != PUBLISH or frame.qos != self.qos:
                return frame.data
            self.left -= 1
            return self.tamper(frame, answer) if self.left <= 0 else frame.data

    def tamper(self, frame: Frame, answer) -> bytes:
        return self.strike(frame, answer) if self.left == 0 else frame.data


class Lose(Fault):
    def strike(self, frame, answer):
        answer(bytes([PUBACK << 4, 2]) + frame.id.to_bytes(2))
        return b""


class LoseAll(Lose):
    def tamper(self, frame, answer):
        return self.strike(frame, answer)


class Repeat(Fault):
    def strike(self, frame, answer):
        return frame.data + frame.with_id(FAKE_ID)


class Change(Fault):
    def strike(self, frame, answer):
        return frame.data[:-1] + bytes([frame.data[-1] ^ 1])


class Stall(Fault):
    """No fault: a broker that says nothing for a while, and then goes on."""

    def strike(self, frame, answer):
        time.sleep(5)
        return frame.data


class Freeze(Fault):
    """No fault: nothing comes through while `moving` is not set; connections stay open."""

    def __init__(self):
        super().__init__(0)
        self.moving = threading.Event()
        self.moving.set()

    def down(self, frame, answer):
        self.moving.wait()
        return frame.data


class Swap(Fault):
    held: tuple[Frame, object] | None = None

    def tamper(self, frame, answer):
        if self.left == 0:
            self.held = (frame, answer)
            return b""
        if self.held and self.held[0].stream == frame.stream and self.held[1].__self__ is answer.__self__:
            first, self.held = self.held[0], None
            return frame.data + first.data
        return frame.data


class Proxy:
    def __init__(self, broker: tuple[str, int], fault: Fault):
        self.broker, self.fault = broker, fault
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            broker = socket.create_connection(self.broker)
            for one in (client, broker):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pump, args=(client, broker, self._up), daemon=True).start()
            threading.Thread(target=self._pump, args=(broker, client, self._down), daemon=True).start()

    def _up(self, frame: Frame, _answer) -> bytes:
        return b"" if frame.type == PUBREC and frame.id == FAKE_ID else frame.data

    def _down(self, frame: Frame, answer) -> bytes:
        return self.fault.down(frame, answer)

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, change):
        data = bytearray()
        try:
            while got := source.recv(65536):
                data += got
                sink.sendall(b"".join(change(frame, source.sendall) for frame in frames(data)))
        except OSError:
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()
