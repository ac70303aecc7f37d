# SPDX-License-Identifier: MIT
"""The HTTP API of a broker, asked as curl would."""
import http.client
import json
import subprocess
import time
from urllib.parse import quote, urlencode

from . import broker as brokers


class Response:
    """One answer: `json` is its body when it is an object."""

    def __init__(self, response: http.client.HTTPResponse):
        self.status, self.headers, self.text = response.status, response.headers, response.read().decode()
        self.json = json.loads(self.text) if self.text.startswith("{") else None

    def __repr__(self) -> str:
        return f"{self.status} {self.text!r}"


class Admin:
    """The admin listener of a broker that was started with SETTINGS."""

    SETTINGS = {"admin.bind": "127.0.0.1:0"}

    def __init__(self, broker: brokers.Endpoint, token: str | None = None):
        self.address, self.token = broker.listeners["admin"], token
        self.url = f"http://{self.address[0]}:{self.address[1]}"

    def connection(self, timeout: float = 20) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self.address, timeout=timeout)

    def ask(self, method: str, target: str, headers: dict[str, str] | None = None, body=None) -> Response:
        connection = self.connection()
        headers = dict(headers or {})
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        try:
            connection.request(method, target, body=body, headers=headers)
            return Response(connection.getresponse())
        finally:
            connection.close()

    def get(self, target: str, **query) -> Response:
        return self.ask("GET", target + ("?" + urlencode(query) if query else ""))

    def post(self, target: str) -> Response:
        return self.ask("POST", target)

    def kick(self, client_id: str) -> Response:
        return self.post(f"/api/v1/clients/{quote(client_id, safe='')}/kick")

    def node(self) -> dict:
        return self.get("/api/v1/status").json["nodes"][0]

    def clients(self, **query) -> list[dict]:
        """All of them, page by page; again when a node is named that was too busy to answer."""
        deadline = time.monotonic() + 20
        while True:
            found, silent = self._clients(query)
            if not silent:
                return found
            assert time.monotonic() < deadline, f"no answer of {silent}"

    def _clients(self, query: dict) -> tuple[list[dict], list[str]]:
        found, silent, after = [], [], ""
        while True:
            page = self.get("/api/v1/clients", **query, **({"after": after} if after else {})).json
            assert page["refused"] == [], page
            found += page["clients"]
            silent += page["silent"]
            after = page["next"]
            if not after:
                return found, silent

    def until(self, condition, why: str, timeout: float = 20) -> dict:
        """The node once the condition holds for it."""
        deadline = time.monotonic() + timeout
        while not condition(node := self.node()):
            assert time.monotonic() < deadline, f"{why}: {node}"
        return node

    def ctl(self, *arguments, token_file=None) -> subprocess.CompletedProcess:
        command = [str(brokers.binary()), "ctl", "--url", self.url]
        if token_file:
            command += ["--token-file", str(token_file)]
        return subprocess.run(command + list(map(str, arguments)), capture_output=True, text=True, timeout=50, check=False)
