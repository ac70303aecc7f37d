# SPDX-License-Identifier: MIT
"""Brokers that store on disk are killed with SIGKILL at random moments, under load, and started again."""
import subprocess

import pytest

from durability.limits import KILLS, LIMIT
from lib import broker as brokers

pytestmark = pytest.mark.timeout(LIMIT)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory):
    """Skips as long as the program has no store on disk."""
    config = tmp_path_factory.mktemp("config") / "empty.toml"
    config.touch()
    check = subprocess.run([str(brokers.binary()), "config", "check", str(config), "--set", "store.kind=embedded"],
                           capture_output=True, text=True, check=False)
    if check.returncode != 0:
        pytest.skip(f"the program has no store.kind=embedded: {check.stderr.splitlines()[0]}")


def killing(kills: int) -> list:
    return ["--kills", kills, "--kill-every", "0.3..2", "--duration", 5, "--settle", 4]


@pytest.mark.parametrize("options", [[], ["--overlap"], ["--rate", "0", "--publishers", "4"]],
                         ids=["default", "overlap", "full speed"])
def test_embedded_store_loses_nothing(embedded, verify, signalbox, port, tmp_path, options):
    if KILLS and options:
        pytest.skip("the long series has the default load")
    kills = KILLS or 5
    broker = signalbox({"store.kind": "embedded", "store.path": tmp_path / "store"})
    r = verify("-p", port, "--broker-cmd", broker, *killing(kills), *options, name=f"signalbox {' '.join(options)}".strip())
    assert r["ok"], r
    assert r["kills"] == kills and r["acknowledged"] == r["sent"] > 0


def test_mosquitto_for_comparison(verify, mosquitto, port):
    """No promise of ours: it saves once a second at best, and shows what the driver sees of a broker that loses."""
    kills = KILLS or 3
    r = verify("-p", port, "--broker-cmd", mosquitto, *killing(kills), "--rate", 1000, name="mosquitto, saves every 1 s")
    assert r["kills"] == kills and r["acknowledged"] > 0 and r["delivered"] > 0
    assert r["forged"] == 0 and r["misrouted"] == 0
