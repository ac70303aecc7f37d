# SPDX-License-Identifier: MIT
"""Clusters that faults are tried on, used again as long as all is well."""
import pytest

from lib.cluster import Cluster, need_redis, need_redis_store


class Stage:
    """The cluster of one topology."""

    def __init__(self, kind: str, tmp_path_factory):
        self._kind, self._new_path, self._cluster = kind, tmp_path_factory.mktemp, None

    def cluster(self) -> Cluster:
        if not self._cluster:
            self._cluster = Cluster(self._kind, self._new_path(self._kind), relayed=True)
            self._cluster.start()
        return self._cluster

    def clear(self) -> list[str]:
        """The next test gets a new one. What there is to say about the end of this one."""
        cluster, self._cluster = self._cluster, None
        return cluster.stop() if cluster else []


@pytest.fixture(scope="session")
def stage(request, tmp_path_factory):
    need_redis_store()
    need_redis()
    made = Stage(request.param, tmp_path_factory)
    yield made
    ends = made.clear()
    assert not ends, "\n".join(ends)
