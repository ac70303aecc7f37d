# SPDX-License-Identifier: MIT
"""Brokers that store on disk are killed with SIGKILL at random moments, under load, and started again."""
import pytest

from durability.limits import KILLS, LIMIT

pytestmark = pytest.mark.timeout(LIMIT)


def killing(kills: int) -> list:
    return ["--kills", kills, "--kill-every", "0.3..2", "--duration", 5, "--settle", 4]


@pytest.mark.parametrize("options", [[], ["--overlap"], ["--shared", "4"], ["--rate", "0", "--publishers", "4"]],
                         ids=["default", "overlap", "shared", "full speed"])
def test_embedded_store_loses_nothing(verify, signalbox, port, tmp_path, options):
    kills = (KILLS if not options else KILLS // 4) or 5
    broker = signalbox({"store.kind": "embedded", "store.path": tmp_path / "store"})
    r = verify("-p", port, "--broker-cmd", broker, *killing(kills), *options, name=f"signalbox {' '.join(options)}".strip())
    assert r["ok"], r
    assert r["kills"] == kills and r["acknowledged"] == r["sent"] > 0


def test_mosquitto_for_comparison(verify, mosquitto, port):
    """No promise of ours: it saves once a second at best, and shows what the driver sees of a broker that loses."""
    kills = KILLS or 3
    r = verify("-p", port, "--broker-cmd", mosquitto, *killing(kills), "--rate", 1000, name="mosquitto, saves every 1 s")
    assert r["kills"] == kills and r["acknowledged"] > 0 and r["deliveries"] > 0
    assert r["forged"] == 0 and r["misrouted"] == 0
