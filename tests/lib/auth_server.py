# SPDX-License-Identifier: MIT
"""An HTTP server that brokers ask about clients. A test gives it its answers and reads what it was asked."""
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answer:
    """What goes back. `body`: an object is sent as JSON, bytes as they are. Nothing goes before `gate` is set."""

    def __init__(self, status: int = 200, body: object = b"", gate: threading.Event | None = None):
        self.status, self.gate = status, gate
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


def allow(**members) -> Answer:
    return Answer(body={"result": "allow"} | members)


DENY, IGNORE, BROKEN = Answer(body={"result": "deny"}), Answer(body={"result": "ignore"}), Answer(500)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a broker that gives up a connection is no error here


class AuthServer:
    """`login` and `rights` are called with the question (the JSON object) and return an Answer."""

    def __init__(self, address: str = "127.0.0.1", tls: tuple[str, str] | None = None):
        self.asked: list[tuple[str, dict]] = []
        self.headers: list = []
        self.login = lambda question: DENY
        self.rights = lambda question: Answer(403)
        self._held: list[threading.Event] = []
        self._lock = threading.Lock()
        self._server = _Server((address, 0), self._handler())
        self.port = self._server.server_address[1]
        self._scheme = "https" if tls else "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _handler(owner):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                kind = self.path.strip("/")
                with owner._lock:
                    owner.asked.append((kind, question))
                    owner.headers.append(self.headers)
                answer = getattr(owner, kind)(question)
                if answer.gate:
                    answer.gate.wait(30)
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_):
                pass
        return Handler

    def hold(self) -> Answer:
        """An answer that does not come before the server is closed."""
        self._held.append(threading.Event())
        return Answer(gate=self._held[-1])

    def url(self, kind: str, host: str = "127.0.0.1") -> str:
        return f"{self._scheme}://{host}:{self.port}/{kind}"

    def count(self, kind: str = "login") -> int:
        with self._lock:
            return sum(k == kind for k, _ in self.asked)

    def close(self) -> None:
        for gate in self._held:
            gate.set()
        self._server.shutdown()
        self._server.server_close()
