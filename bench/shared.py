# SPDX-License-Identifier: MIT
"""What the scripts here share: packets of MQTT 3.1.1, a broker of our own, and tables."""
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.environ.get("SIGNALBOX_BIN", os.path.join(ROOT, "build/release/signalbox"))
MIB = 1 << 20
DISCONNECT = b"\xe0\x00"


# ---------------------------------------------------------------- packets

def varint(n: int) -> bytes:
    out = b""
    while True:
        n, byte = n >> 7, n & 127
        out += bytes([byte | (128 if n else 0)])
        if not n:
            return out


def text(s: str) -> bytes:
    return struct.pack(">H", len(s)) + s.encode()


def packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + varint(len(body)) + body


def connect(client_id: str, clean: bool = True) -> bytes:
    return packet(0x10, text("MQTT") + bytes([4, 2 if clean else 0]) + struct.pack(">H", 0) + text(client_id))


def subscribe(*filters: str, qos: int = 0, pid: int = 1) -> bytes:
    return packet(0x82, struct.pack(">H", pid) + b"".join(text(f) + bytes([qos]) for f in filters))


def publish(topic: str, payload: bytes, qos: int = 0, pid: int = 0, retain: bool = False) -> bytes:
    return packet(0x30 | qos << 1 | retain, text(topic) + (struct.pack(">H", pid) if qos else b"") + payload)


class Frames:
    """Cuts what comes into packets."""

    def __init__(self):
        self._rest = b""

    def cut(self, data: bytes):
        """(first byte, body) of each packet that is there as a whole."""
        data = self._rest + data
        at, end = 0, len(data)
        while end - at >= 2:
            length, shift, head = 0, 0, at + 1
            while head < end:
                byte = data[head]
                length |= (byte & 127) << shift
                shift, head = shift + 7, head + 1
                if byte < 128:
                    break
            else:
                break
            if end - head < length:
                break
            yield data[at], data[head:head + length]
            at = head + length
        self._rest = data[at:]


class Blocking:
    """One connection that waits for its answers."""

    def __init__(self, port: int, client_id: str, clean: bool = True, receive_buffer: int = 0):
        self.sock, self._frames, self._waiting = socket.socket(), Frames(), []
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(connect(client_id, clean))
        self.next(0x20)

    def next(self, first: int) -> tuple[int, bytes]:
        """The next packet of that type; what comes before it is dropped."""
        while True:
            while self._waiting:
                got = self._waiting.pop(0)
                if got[0] & 0xF0 == first:
                    return got
            data = self.sock.recv(65536)
            if not data:
                sys.exit("the broker closed a connection")
            self._waiting += self._frames.cut(data)

    def subscribe(self, *filters: str, qos: int = 0) -> bytes:
        self.sock.sendall(subscribe(*filters, qos=qos))
        return self.next(0x90)[1][2:]


# ---------------------------------------------------------------- the broker

class Broker:
    """A signalbox of our own, on a store that goes with it."""

    def __init__(self, **settings):
        settings = {k.replace("__", "."): v for k, v in settings.items()}
        self._folder = tempfile.TemporaryDirectory(prefix="signalbox-bench-")
        settings = {"listeners.mqtt.bind": "127.0.0.1:0", "listeners.ws.bind": "", "admin.bind": "",
                    "store.path": self._folder.name, "log.level": "error", "sys.interval": "1s"} | settings
        command = [BINARY, "broker"]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.pid, self.port = self.process.pid, 0
        for line in self.process.stdout:
            if line.startswith("listening mqtt "):
                self.port = int(line.rsplit(":", 1)[1])
            if line == "ready\n":
                break
        else:
            sys.exit("the broker does not start")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self._folder.cleanup()

    def rss(self) -> int:
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))

    def cpu(self) -> float:
        """Seconds."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def counters(self, *names: str) -> dict[str, int]:
        """Counters below $SYS/broker by their names or filters, counted after this call."""
        me, found = Blocking(self.port, "reads-counters"), {}
        me.subscribe(*[f"$SYS/broker/{name}" for name in names])
        while True:
            first, body = me.next(0x30)
            if first & 1:  # retained: from before
                continue
            size = int.from_bytes(body[:2], "big")
            name = body[2:2 + size].decode().removeprefix("$SYS/broker/")
            if name in found:  # the next round has begun
                me.sock.close()
                return found
            found[name] = int(body[2 + size:])

    def load(self, scenario: str, *options) -> subprocess.Popen:
        """`signalbox bench`, whose report `report` takes."""
        return subprocess.Popen([BINARY, "bench", scenario, "-p", str(self.port), "--json", "--quiet", "--pid", str(self.pid),
                                 *map(str, options)], stdout=subprocess.PIPE, text=True)


def report(load: subprocess.Popen) -> dict:
    out, _ = load.communicate()
    if load.returncode:
        sys.exit(f"the load generator failed: {load.args}")
    return json.loads(out)


class Redis:
    """A redis-server of our own, with appendonly everysec."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="signalbox-bench-redis-")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self._folder.name, "--save", "",
             "--appendonly", "yes", "--appendfsync", "everysec"], stdout=subprocess.DEVNULL)
        self.url = f"redis://127.0.0.1:{self.port}"
        for _ in range(200):
            try:
                self.ask("PING")
                return
            except OSError:
                time.sleep(0.05)
        sys.exit("redis-server does not start")

    def node(self, name: str, **settings) -> Broker:
        return Broker(store__kind="redis", redis__url=self.url, node__name=name, **settings)

    def ask(self, *words: str) -> str:
        """What redis-cli prints."""
        out = subprocess.run(["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True, check=False)
        if out.returncode:
            raise OSError(out.stderr)
        return out.stdout.strip()

    def memory(self) -> int:
        """Bytes of its data."""
        return next(int(line.split(":")[1]) for line in self.ask("INFO", "memory").splitlines()
                    if line.startswith("used_memory_dataset:"))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self._folder.cleanup()


class Memory:
    """While it is open: the most memory that the broker had."""

    def __init__(self, broker: Broker):
        self._broker, self._over = broker, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.highest = max(self.highest, self._broker.rss())

    def __enter__(self) -> "Memory":
        self.before = self.highest = self._broker.rss()
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._thread.join()
        self.highest = max(self.highest, self._broker.rss())


# ---------------------------------------------------------------- reports

def quantile(values: list[float], q: float) -> float:
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else 0.0


def header(*names: str) -> None:
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names), flush=True)


def row(*values) -> None:
    print("| " + " | ".join(f"{v:,}" if isinstance(v, int) else str(v) for v in values) + " |", flush=True)


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"


def many_files() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def seconds_since(begin: float) -> float:
    return time.monotonic() - begin
