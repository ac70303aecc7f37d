# SPDX-License-Identifier: MIT
"""For each bound: what happens ten times beyond it, what counts it, and that nobody else notices."""
import pytest

from lib import counters as sys_counters
from lib.innocents import Innocents
from lib.marks import V5, V311

versions = pytest.mark.parametrize("v", [V311, V5], ids=["v3.1.1", "v5"])
stores = pytest.mark.parametrize("store", ["memory", "embedded"])


@pytest.fixture
def start(start_broker):
    """As start_broker, with counters that can be waited for."""
    return lambda settings=None: start_broker(sys_counters.SETTINGS | (settings or {}))


@pytest.fixture
def innocents(topic):
    """innocents(broker): a publisher and a subscriber who do nothing wrong; `source` is the address that they come from."""
    return lambda broker, source=None: Innocents(broker.listeners["mqtt"], topic, source)


@pytest.fixture
def counters(mqtt):
    """counters(broker, name, ...): a connection that reads what the broker counts."""
    return lambda broker, *names: sys_counters.Counters(mqtt.at(broker).connect(V5), *names)
