# SPDX-License-Identifier: MIT
"""A user of Redis with restricted rights."""
import re
from contextlib import contextmanager

import pytest

from lib.broker import ROOT, Endpoint, binary
from lib.cluster import need_redis, need_redis_store
from lib.marks import V5
from lib.redis import Redis
from tools.cluster.broker import Broker, settings_for
from tools.cluster.process import StartError, wait_until

TOLD = re.search(r"^ACL SETUSER signalbox on >PASSWORD (.*)$", (ROOT / "docs/cluster.md").read_text(), re.MULTILINE)


@contextmanager
def broker_with(rights: list[str], directory):
    need_redis_store()
    need_redis()
    redis = Redis()
    broker = Broker("n1", binary(), directory, settings_for("n1", f"redis://signalbox:word@127.0.0.1:{redis.port}") | {
        "listeners.mqtt.bind": "127.0.0.1:0", "listeners.ws.bind": "", "admin.bind": "", "node.shards": 1})
    try:
        redis.ask("ACL", "SETUSER", "signalbox", "on", ">word", *rights)
        yield redis, broker
    finally:
        code = broker.drain() if broker.alive else 0
        redis.stop()
    assert code == 0, broker.tail()


def refused(redis) -> dict[str, int]:
    """How often the server has refused something, by what it was."""
    return {what: int(n) for what, n in re.findall(r"acl_access_denied_(\w+):(\d+)", redis.ask("INFO", "stats")) if n != "0"}


def test_what_the_documentation_names_is_enough(tmp_path):
    with broker_with(TOLD.group(1).split(), tmp_path) as (redis, broker):
        broker.start()
        node = Endpoint({"mqtt": broker.mqtt})
        for name in ("member", "away"):
            peer = node.open(V5)
            peer.connect(name, clean=False)
            peer.subscribe("t/#", "$share/g/t/#", qos=2)
            peer.close()
        publisher = node.open(V5)
        publisher.connect("publisher", clean=False)
        for qos in (1, 2):
            publisher.publish("t/kept", b"x", qos=qos, retain=True)
        peer = node.open(V5)
        peer.connect("member", clean=False)
        for _ in range(4):  # two of its own, two of the group
            peer.receive("t/kept")
        publisher.close()
        peer.close()
        assert broker.drain() == 0, broker.tail()
        assert refused(redis) == {}


def test_it_is_enough_for_a_redis_cluster():
    need_redis()
    redis = Redis("--cluster-enabled", "yes")
    try:
        redis.ask("ACL", "SETUSER", "signalbox", "on", ">word", *TOLD.group(1).split())
        for command in ("CLUSTER SLOTS", "CLUSTER INFO", "ASKING", "ROLE"):
            assert redis.ask("ACL", "DRYRUN", "signalbox", *command.split()) == "OK", command
    finally:
        redis.stop()


def without(right: str) -> list[str]:
    return [one for one in TOLD.group(1).split() if one != right]


def test_without_info_it_ends_and_says_so(tmp_path):
    with broker_with(without("+info"), tmp_path) as (_, broker), pytest.raises(StartError, match=r"NOPERM.*\+info"):
        broker.start()
    assert broker.code == 1


def test_without_scripts_it_waits_and_says_so(tmp_path):
    with broker_with(without("+@scripting"), tmp_path) as (redis, broker):
        broker.launch()
        wait_until(lambda: re.search("SCRIPT LOAD: NOPERM", broker.output()), 20, broker.tail)
        redis.ask("ACL", "SETUSER", "signalbox", "+@scripting")
        broker.wait_ready()
