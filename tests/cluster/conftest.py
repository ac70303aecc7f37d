# SPDX-License-Identifier: MIT
"""Redis in each topology, alone or with brokers. Starting nine servers takes seconds: the tests of a module share them, and
leave them healthy."""
import pytest

from lib.cluster import KINDS, need_redis, running
from tools.cluster.parties import Parties
from tools.cluster.relay import Network
from tools.cluster.topologies import TOPOLOGIES


@pytest.fixture(scope="module", params=KINDS)
def redis(request, tmp_path_factory):
    """A Redis in each of the topologies in turn, behind relays (`redis.network`)."""
    yield from redis_alone(request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def sentinel(tmp_path_factory):
    yield from redis_alone("sentinel", tmp_path_factory)


@pytest.fixture(scope="module")
def redis_cluster(tmp_path_factory):
    yield from redis_alone("cluster", tmp_path_factory)


@pytest.fixture(scope="module", params=KINDS)
def cluster(request, tmp_path_factory):
    """Three brokers over a Redis in each of the topologies in turn, behind relays."""
    yield from running(tmp_path_factory.mktemp(request.param), request.param, relayed=True)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """Three brokers over one Redis, behind relays."""
    yield from running(tmp_path_factory.mktemp("single"), relayed=True)


def redis_alone(kind: str, tmp_path_factory):
    need_redis()
    network = Network(Parties())
    made = TOPOLOGIES[kind](tmp_path_factory.mktemp(kind), network=network)
    try:
        made.start()
        yield made
    finally:
        made.kill_all()
        network.close()
