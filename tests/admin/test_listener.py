# SPDX-License-Identifier: MIT
"""The admin listener as a server: who may ask, how much, and how slowly."""
import http.client
import signal
import socket
import subprocess
import time

import pytest

from lib import broker as brokers
from lib.admin import Admin, Response
from lib.marks import V5
from tools.cluster.process import wait_until

SOON = 20  # seconds
REQUEST = b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"


def raw(admin: Admin) -> socket.socket:
    return socket.create_connection(admin.address, timeout=30)


def held(admin: Admin) -> list[int]:
    """Bytes that the listener has not read yet, of each connection that it holds open (Linux: proc(5), net/tcp)."""
    local = f":{admin.address[1]:04X}"
    with open("/proc/net/tcp") as table:
        rows = [row.split() for row in table]
    open_, closed_by_peer = "01", "08"
    return [int(row[4].split(":")[1], 16) for row in rows if row[1].endswith(local) and row[3] in (open_, closed_by_peer)]


def answer(sock: socket.socket) -> Response:
    response = http.client.HTTPResponse(sock)
    response.begin()
    return Response(response)


def refusal(*settings: str) -> str:
    """Why a broker does not start."""
    command = [str(brokers.binary()), "broker"]
    for setting in ("store.kind=memory", "listeners.mqtt.bind=127.0.0.1:0", "listeners.ws.bind=", *settings):
        command += ["--set", setting]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0 and not done.stdout, done
    return done.stderr


def test_health_and_readiness(start):
    broker, admin = start({"node.name": "n1"})
    health = admin.get("/health")
    assert health.status == 200 and health.headers["Content-Type"] == "application/json"
    assert {k: health.json[k] for k in ("status", "node")} == {"status": "up", "node": "n1"}
    assert health.json["store"] == {"state": "up", "reason": ""} and health.json["uptime"] >= 0 and health.json["version"]
    assert admin.get("/ready").json == {"ready": True}
    head = admin.ask("HEAD", "/ready")
    assert (head.status, head.text) == (200, "") and int(head.headers["Content-Length"]) > 0


def test_wrong_requests(start):
    _, admin = start()
    assert admin.get("/").status == 404
    refused = admin.ask("DELETE", "/api/v1/clients")
    assert refused.status == 405 and refused.headers["Allow"] == "GET, HEAD"
    assert admin.ask("GET", "/health", {"X": "x" * 9000}).status == 431
    assert admin.ask("POST", "/api/v1/nodes/x/drain", body="x" * 70000).status == 413
    assert admin.get("/api/v1/clients", limit=0).status == 400
    assert admin.get("/api/v1/clients", after="x:9:9").status == 400
    assert admin.get("/api/v1/status", node="elsewhere").status == 404
    with raw(admin) as sock:
        sock.sendall(b"HELO broker\r\n\r\n")
        assert answer(sock).status == 400


def test_hosts(start):
    _, admin = start({"admin.hosts": "broker.example"})
    port = admin.address[1]
    for host, status in {"localhost": 200, f"127.0.0.1:{port}": 200, f"[::1]:{port}": 200, "broker.example": 200,
                         "rebind.example": 403, f"localhost.rebind.example:{port}": 403, "192.0.2.1": 403}.items():
        assert admin.ask("GET", "/api/v1/status", {"Host": host}).status == status, host
    for origin, status in {f"http://127.0.0.1:{port}": 404, "http://evil.example": 403, "null": 403,
                           "http://localhost:3000": 403, "https://broker.example": 404}.items():
        assert admin.ask("POST", "/api/v1/clients/nobody/kick", {"Origin": origin}).status == status, origin


def test_the_token(start, token_file):
    broker, admin = start({"admin.token_file": token_file})
    assert admin.get("/health").json == {"status": "up"} and admin.get("/ready").status == 200
    for target in ("/api/v1/status", "/api/v1/clients"):
        refused = admin.get(target)
        assert refused.status == 401 and refused.headers["WWW-Authenticate"] == "Bearer"
    assert admin.kick("x").status == 401
    wrong, right = Admin(broker, "wrong"), Admin(broker, "s3cret-token")
    assert wrong.get("/api/v1/status").status == 401 and right.get("/api/v1/status").status == 200
    assert right.get("/health").json["node"]
    token_file.write_text("another-token\n")
    broker.process.send_signal(signal.SIGHUP)
    changed = Admin(broker, "another-token")
    deadline = time.monotonic() + 10
    while changed.get("/api/v1/status").status != 200:
        assert time.monotonic() < deadline, broker.errors()
    assert right.get("/api/v1/status").status == 401
    assert "s3cret-token" not in broker.errors() and "another-token" not in broker.errors()


def test_a_token_that_is_no_secret(token_file):
    token_file.chmod(0o644)
    error = refusal("admin.bind=127.0.0.1:0", f"admin.token_file={token_file}")
    assert "admin.token_file" in error and "0600" in error
    assert "admin.token_file" in refusal("admin.bind=0.0.0.0:0")
    assert "unix socket" in refusal("admin.bind=unix:/tmp/x")


def test_beyond_loopback_with_a_token(start, token_file):
    broker, admin = start({"admin.bind": "0.0.0.0:0", "admin.token_file": token_file}, token="s3cret-token")
    admin.address = ("127.0.0.1", admin.address[1])
    assert admin.get("/api/v1/status").status == 200
    assert "plain text" in broker.errors()


def test_a_second_broker_on_the_machine(start):
    _, admin = start()
    error = refusal(f"admin.bind=127.0.0.1:{admin.address[1]}")
    assert "admin.bind" in error and "in use" in error and 'or ""' in error


def test_the_lines_at_the_start():
    """Those of the clients' listeners and `ready` come last, as they did before there was this one."""
    process = subprocess.Popen(
        [str(brokers.binary()), "broker", "--set", "store.kind=memory", "--set", "listeners.mqtt.bind=127.0.0.1:0", "--set",
         "listeners.ws.bind=127.0.0.1:0", "--set", "admin.bind=127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    try:
        lines = [next(process.stdout).rsplit(":", 1)[0].strip() for _ in range(4)]
    finally:
        process.terminate()
        process.wait(20)
    assert lines == ["listening admin 127.0.0.1", "listening mqtt 127.0.0.1", "listening ws 127.0.0.1", "ready"]


def test_off(start_broker):
    assert "admin" not in start_broker({"admin.bind": ""}).listeners


def test_a_client_that_drips(start):
    """It has ten seconds for all of its request, however often it sends a byte; nobody else waits for it."""
    _, admin = start()
    with raw(admin) as sock:
        sock.settimeout(0.5)
        begin, sent = time.monotonic(), 0
        while sent < len(REQUEST):
            sock.send(REQUEST[sent:sent + 1])
            sent += 1
            assert admin.get("/ready").status == 200
            try:
                assert sock.recv(100).startswith(b"HTTP/1.1 408 ")
                break
            except TimeoutError:
                pass
        assert sent < len(REQUEST) and 9 < time.monotonic() - begin < 20


def test_too_many_connections(start):
    """64 at once: who is idle makes way for who comes, and nobody grows."""
    _, admin = start()
    idle = [raw(admin) for _ in range(100)]
    assert admin.get("/ready").status == 200
    assert admin.node()["state"] == "serving"
    for sock in idle:
        sock.close()
    wait_until(lambda: held(admin) == [], SOON, lambda: f"{len(held(admin))} connections are left")

    busy = [raw(admin) for _ in range(64)]
    for sock in busy:
        sock.sendall(REQUEST[:-1])
    wait_until(lambda: held(admin) == [0] * 64, SOON, lambda: f"not read: {held(admin)}")  # nobody is idle then
    late = raw(admin)
    late.sendall(REQUEST)
    late.settimeout(1)
    with pytest.raises(TimeoutError):
        late.recv(1)
    late.settimeout(20)
    busy[0].sendall(REQUEST[-1:])
    assert answer(busy[0]).status == 200
    assert answer(late).status == 200, "the first is idle now, and made way"
    for sock in busy + [late]:
        sock.close()


def test_requests_on_one_connection(start, mqtt):
    broker, admin = start()
    mqtt.at(broker).connect(V5, "one")
    connection = admin.connection()
    for _ in range(50):
        connection.request("GET", "/api/v1/clients")
        assert [c["client_id"] for c in Response(connection.getresponse()).json["clients"]] == ["one"]
    connection.close()


def test_it_ends_with_the_broker(start, mqtt):
    broker, admin = start()
    connections = [raw(admin) for _ in range(5)]
    connections[0].sendall(REQUEST[:10])
    mqtt.at(broker).connect(V5)
    begin = time.monotonic()
    broker.stop()
    assert time.monotonic() - begin < 4
    broker.stop = lambda: None
