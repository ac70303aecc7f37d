# SPDX-License-Identifier: MIT
"""Fixtures of all system tests. Client ids and topics are unique per test, so tests may share a broker."""
import itertools
import uuid

import pytest

from lib import broker as brokers
from lib.certs import Authority
from lib.mqtt import Version
from lib.peer import Peer

# What the shared broker announces; tests that need other values start a broker of their own.
SHARED = {"listeners.ws.bind": "127.0.0.1:0", "limits.receive_maximum": 20, "limits.topic_alias_maximum": 10,
          "limits.topic_length": 65535, "node.shards": 2}


@pytest.fixture(scope="session")
def broker():
    """The broker that most tests share."""
    outside = brokers.external()
    if outside:
        yield outside
        return
    own = brokers.Broker(SHARED)
    yield own
    own.stop()


@pytest.fixture
def start_broker():
    """Starts brokers with a configuration of their own: start_broker({"limits.max_qos": 1})."""
    if brokers.external() and not brokers.binary().exists():
        pytest.skip("needs a broker of its own, and SIGNALBOX_TEST_BROKER has only the shared one")
    started = []

    def start(settings: dict[str, object] | None = None, **options) -> brokers.Broker:
        started.append(brokers.Broker(settings, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


class Connector:
    """Opens peers and closes them at the end of the test."""

    def __init__(self, endpoint: brokers.Endpoint, new_id):
        self.endpoint, self._new_id, self.peers = endpoint, new_id, []

    def at(self, endpoint: brokers.Endpoint) -> "Connector":
        """The same, at another broker."""
        other = Connector(endpoint, self._new_id)
        other.peers = self.peers
        return other

    def open(self, version: Version) -> Peer:
        """A connection on which nothing was sent yet."""
        return self.adopt(self.endpoint.open(version))

    def adopt(self, peer: Peer) -> Peer:
        self.peers.append(peer)
        return peer

    def connect(self, version: Version, client_id: str | None = None, **fields) -> Peer:
        """A peer whose CONNECT was accepted, under an id of its own unless one is given."""
        peer = self.open(version)
        peer.connect(self._new_id() if client_id is None else client_id, **fields)
        return peer


@pytest.fixture
def client_id():
    """Makes client ids that no other test uses, of 1 to 23 letters and digits."""
    stem, count = uuid.uuid4().hex[:12], itertools.count()
    return lambda: f"c{stem}{next(count)}"


@pytest.fixture
def topic():
    """A topic that no other test uses; put levels behind it."""
    return f"t/{uuid.uuid4().hex[:12]}"


@pytest.fixture
def mqtt(broker, client_id):
    """Connections to the shared broker, or with `.at(...)` to another."""
    connector = Connector(broker, client_id)
    yield connector
    for peer in connector.peers:
        peer.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))
