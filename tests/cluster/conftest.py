# SPDX-License-Identifier: MIT
"""Redis in each topology, alone or with brokers. Starting nine servers takes seconds: the tests of a module share them, and
leave them healthy."""
import pytest

from lib.cluster import KINDS, Cluster, need_redis_store
from lib.redis import available
from tools.cluster.parties import Parties
from tools.cluster.relay import Network
from tools.cluster.topologies import TOPOLOGIES


@pytest.fixture(scope="module", params=KINDS)
def redis(request, tmp_path_factory):
    """A Redis in each of the topologies in turn, behind relays (`redis.network`)."""
    yield from running(request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def sentinel(tmp_path_factory):
    yield from running("sentinel", tmp_path_factory)


@pytest.fixture(scope="module")
def redis_cluster(tmp_path_factory):
    yield from running("cluster", tmp_path_factory)


@pytest.fixture(scope="module", params=KINDS)
def cluster(request, tmp_path_factory):
    """Three brokers over a Redis in each of the topologies in turn, behind relays."""
    yield from brokers_over(request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """Three brokers over one Redis, behind relays."""
    yield from brokers_over("single", tmp_path_factory)


def brokers_over(kind: str, tmp_path_factory):
    need_redis_store()
    need_redis()
    made = Cluster(kind, tmp_path_factory.mktemp(kind), relayed=True)
    try:
        made.start()
        yield made
    finally:
        ends = made.stop()
    assert not ends, "\n".join(ends)


def need_redis() -> None:
    if not available():
        pytest.skip("there is no redis-server on this machine")


def running(kind: str, tmp_path_factory):
    need_redis()
    network = Network(Parties())
    made = TOPOLOGIES[kind](tmp_path_factory.mktemp(kind), network=network)
    try:
        made.start()
        yield made
    finally:
        made.kill_all()
        network.close()
