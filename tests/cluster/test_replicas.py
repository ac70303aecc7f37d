# SPDX-License-Identifier: MIT
"""Acknowledgements that wait for a replica, and replicas that are far away."""
from contextlib import closing

import pytest

from lib.cluster import running
from lib.marks import V5

BEHIND = 0.15  # seconds each way


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    yield from running(tmp_path_factory.mktemp("sentinel"), "sentinel", relayed=True)


@pytest.fixture
def far(cluster):
    """Replicas that confirm 300 ms after their primary has something."""
    names = [server.name for server in cluster.redis.servers]
    cluster.network.slow(names, names, BEHIND)
    yield
    cluster.network.heal()


def test_far_replicas_confirm(cluster, far):
    with closing(cluster.at(0).open(V5)) as subscriber, closing(cluster.at(1).open(V5)) as publisher:
        subscriber.connect("subscriber", clean=False)
        subscriber.subscribe("far/#", qos=1)
        publisher.connect("publisher")
        for i in range(10):
            assert publisher.publish("far/a", b"%d" % i, qos=1).reason == 0
        for i in range(10):
            subscriber.receive("far/a", b"%d" % i)
