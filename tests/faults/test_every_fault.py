# SPDX-License-Identifier: MIT
"""Each fault once with each topology. `./dev faults` makes a series of it."""
import zlib

import pytest

from faults import fault
from faults.catalogue import every

# One topology after the other, so that its cluster is shared.
PAIRS = sorted(((topology, one) for one, topology in every()), key=lambda pair: pair[0])

pytestmark = [pytest.mark.once, pytest.mark.timeout(240)]


@pytest.mark.parametrize("stage, one", PAIRS, ids=[f"{one.name}-{topology}" for topology, one in PAIRS], indirect=["stage"],
                         scope="session")
def test_fault(stage, one, request):
    outcome = fault.run(one, stage.cluster(), seed=zlib.crc32(request.node.name.encode()))
    ends = [] if outcome.ok else stage.clear()
    assert outcome.ok, "\n".join([outcome.explain()] + ends)
