# SPDX-License-Identifier: MIT
"""The topologies by name, and what an acknowledgement can be worth with each."""
from .redis_cluster import Cluster
from .sentinel import Sentinel
from .single import Single
from .topology import Topology

TOPOLOGIES: dict[str, type[Topology]] = {t.kind: t for t in (Single, Sentinel, Cluster)}
WRITE_CONCERN = {"single": "primary", "sentinel": "replica", "cluster": "replica"}
