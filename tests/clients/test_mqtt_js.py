# SPDX-License-Identifier: MIT
"""MQTT.js in Node.js and in a browser."""
import json
import os
import subprocess

import pytest

from clients.conftest import JS, tool
from lib.marks import every_qos, spec

every_version = pytest.mark.parametrize("version", [3, 4, 5], ids=["v3.1", "v3.1.1", "v5"])


def node(node_modules, script, *arguments):
    done = subprocess.run([tool("node"), str(JS / script), *map(str, arguments)], capture_output=True, text=True, timeout=50,
                          env=os.environ | {"NODE_PATH": str(node_modules)})
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def url(scheme, address, path=""):
    return f"{scheme}://{address[0]}:{address[1]}{path}"


@spec("MQTT3 7.0.0-2", "MQTT3 7.1.1-1", "MQTT5 4.2.0-1")
@every_version
@every_qos
def test_tcp(broker, node_modules, topic, version, qos):
    where = url("mqtt", broker.listeners["mqtt"])
    assert node(node_modules, "roundtrip.js", where, version, qos, topic) == {"topic": topic, "payload": "from node", "qos": qos}


@spec("MQTT3 6.0.0-4", "MQTT5 6.0.0-4")
@every_version
@every_qos
def test_websocket(broker, node_modules, topic, version, qos):
    where = url("ws", broker.listeners["ws"], "/mqtt")
    assert node(node_modules, "roundtrip.js", where, version, qos, topic) == {"topic": topic, "payload": "from node", "qos": qos}


@spec("MQTT3 7.1.1-1", "MQTT5 4.2.0-1")
@pytest.mark.parametrize("scheme, listener, path", [("mqtts", "mqtts", ""), ("wss", "wss", "/mqtt")], ids=["mqtts", "wss"])
@every_qos
def test_tls(tls_broker, authority, node_modules, topic, scheme, listener, path, qos):
    where = url(scheme, ("localhost", tls_broker.listeners[listener][1]), path)
    assert node(node_modules, "roundtrip.js", where, 5, qos, topic, authority.cert)["qos"] == qos


@spec("MQTT3 6.0.0-1", "MQTT3 6.0.0-4", "MQTT5 6.0.0-1", "MQTT5 6.0.0-4")
def test_browser(broker, node_modules, page_url, topic):
    """Every version and QoS from one page of headless Chromium."""
    where = url("ws", broker.listeners["ws"], "/mqtt")
    cases = [[where, version, qos, f"{topic}/{version}/{qos}"] for version in (3, 4, 5) for qos in (0, 1, 2)]
    results = node(node_modules, "browser.js", tool("chromium"), page_url, json.dumps(cases))
    assert results == [{"topic": case[3], "payload": "from the browser", "qos": case[2]} for case in cases]
