# SPDX-License-Identifier: MIT
"""Marks that the conformance tests carry."""
import pytest

from .mqtt import Version

V31, V311, V5 = Version.V31, Version.V311, Version.V5

# The normative statements that a test shows; the table in docs/conformance.md comes from these.
spec = pytest.mark.spec


def _for(*chosen: Version):
    names = {V31: "v3.1", V311: "v3.1.1", V5: "v5"}
    return pytest.mark.parametrize("v", chosen, ids=[names[v] for v in chosen])


every_version = _for(V31, V311, V5)
version_3 = _for(V31, V311)
since_311 = _for(V311, V5)
only_311 = _for(V311)
only_5 = _for(V5)

every_qos = pytest.mark.parametrize("qos", [0, 1, 2], ids=["qos0", "qos1", "qos2"])
acknowledged_qos = pytest.mark.parametrize("qos", [1, 2], ids=["qos1", "qos2"])
