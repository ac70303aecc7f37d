# SPDX-License-Identifier: MIT
"""Fixtures for tests with clients that others wrote. A tool that is missing is a failure, not a reason to skip."""
import fcntl
import functools
import http.server
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from lib.broker import ROOT, Broker

JS = Path(__file__).resolve().parent / "js"


def tool(name: str) -> str:
    path = shutil.which(name)
    assert path, f"{name} is not installed, and this test needs it"
    return path


@pytest.fixture(scope="session")
def tls_broker(authority):
    """A broker with all four listeners."""
    cert, key = authority.issue("server")
    settings = {"listeners.ws.bind": "127.0.0.1:0"}
    for listener in ("mqtts", "wss"):
        settings |= {f"listeners.{listener}.bind": "127.0.0.1:0", f"listeners.{listener}.cert": cert, f"listeners.{listener}.key": key}
    broker = Broker(settings)
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The packages of the lock file, installed once into build/npm."""
    npm, folder = tool("npm"), ROOT / "build" / "npm"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted, done = (JS / "package-lock.json").read_text(), folder / "installed.json"
        if not done.exists() or done.read_text() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(JS / name, folder / name)
            run = subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, capture_output=True, text=True)
            assert run.returncode == 0, run.stdout + run.stderr
            done.write_text(wanted)
    return folder / "node_modules"


@pytest.fixture(scope="session")
def page_url(node_modules, tmp_path_factory):
    """The test page and the browser build of MQTT.js, served over HTTP."""
    site = tmp_path_factory.mktemp("site")
    shutil.copy(JS / "page.html", site)
    shutil.copy(node_modules / "mqtt" / "dist" / "mqtt.min.js", site)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/page.html"
    server.shutdown()
