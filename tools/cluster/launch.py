# SPDX-License-Identifier: MIT
"""`./run cluster`: Redis and some brokers on this machine, until Ctrl-C."""
import argparse
import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from .broker import Broker, settings_for
from .ports import free_ports, is_free
from .process import Process, StartError, describe
from .server import program
from .topologies import TOPOLOGIES, WRITE_CONCERN
from .topology import Topology

# Ports of node i are these plus i, and the same distance from another --port.
MQTT, WS, ADMIN = 1883, 8083, 18083
SCHEMES = ("redis://", "rediss://", "unix:", "redis+sentinel://", "redis+cluster://", "rediss+sentinel://",
           "rediss+cluster://")
WATCH = 0.2  # seconds


class Stop(Exception):
    """SIGINT, SIGTERM or SIGHUP came."""


class WrongUse(Exception):
    """The command line, or what it names, cannot be used; the text says why."""


def say(text: str) -> None:
    print(f"cluster: {text}", flush=True)


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run cluster", description="Runs Redis and Signalbox brokers on 127.0.0.1 as one cluster, until Ctrl-C.")
    parser.add_argument("--redis", default="sentinel", metavar="KIND",
                        help="single, sentinel (the default), cluster, or the URL of a Redis that runs already")
    parser.add_argument("--nodes", type=int, default=3, metavar="N", help="brokers; 3 by default")
    parser.add_argument("--port", type=int, default=MQTT, metavar="BASE",
                        help="MQTT port of the first; 1883 by default. WebSocket is 6200 above, the admin API 16200")
    parser.add_argument("--dir", type=Path, metavar="DIR",
                        help="where files are kept, for the next start too; by default they are removed in the end")
    parser.add_argument("--shards", type=int, metavar="N", help="shards of each broker; 1 by default", default=1)
    parser.add_argument("--program", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)  # the command line, and no more
    return parser.parse_args(arguments)


def check(o: argparse.Namespace) -> None:
    if o.redis not in TOPOLOGIES and not o.redis.startswith(SCHEMES):
        raise WrongUse(f"--redis: \"{o.redis}\" is none of {', '.join(TOPOLOGIES)} and no URL of Redis")
    if not 1 <= o.nodes <= 20:
        raise WrongUse("--nodes: between 1 and 20")
    if not 1 <= o.port <= 65535 - (ADMIN - MQTT) - o.nodes:
        raise WrongUse(f"--port: between 1 and {65535 - (ADMIN - MQTT) - o.nodes}")
    if not 0 <= o.shards <= 1024:
        raise WrongUse("--shards: between 0 (one per core) and 1024")
    if o.dir and o.dir.exists() and not o.dir.is_dir():
        raise WrongUse(f"--dir: {o.dir} is no directory")
    taken = [p for i in range(o.nodes) for p in ports_of(o.port, i).values() if not is_free(p)]
    if taken:
        raise WrongUse(f"port {taken[0]} of 127.0.0.1 is in use; choose others with --port")


def ports_of(base: int, index: int) -> dict[str, int]:
    return {name: base - MQTT + first + index for name, first in (("mqtt", MQTT), ("ws", WS), ("admin", ADMIN))}


class Directory:
    """Where everything lies: a temporary one, or one that is used again with the same Redis."""

    def __init__(self, path: Path | None, kind: str):
        self.temporary = path is None
        self.path = Path(tempfile.mkdtemp(prefix="signalbox-cluster-")) if path is None else path.resolve()
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = (self.path / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise WrongUse(f"--dir: another cluster runs in {self.path}") from None
        self._state = self.path / "cluster.json"
        state = json.loads(self._state.read_text()) if self._state.exists() else {}
        if state and state["redis"] != kind:
            raise WrongUse(f"--dir: {self.path} belongs to --redis {state['redis']}")
        self.ports: list[int] | None = state.get("ports")

    def keep(self, kind: str, ports: list[int]) -> None:
        self._state.write_text(json.dumps({"redis": kind, "ports": ports}) + "\n")

    def leave(self) -> None:
        self._lock.close()
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)


class Run:
    def __init__(self, o: argparse.Namespace, directory: Directory):
        self.options, self.directory = o, directory
        self.redis: Topology | None = None
        url, concern = o.redis, None
        if o.redis in TOPOLOGIES:
            kind = TOPOLOGIES[o.redis]
            program()  # an error before anything is written, if there is none
            ours = frozenset(port for i in range(o.nodes) for port in ports_of(o.port, i).values())
            ports = directory.ports or free_ports(kind.data + kind.sentinels, ours)
            if taken := [p for p in ports if not is_free(p)]:
                raise WrongUse(f"port {taken[0]}, which Redis had in {directory.path}, is in use")
            self.redis = kind(directory.path, ports)
            directory.keep(o.redis, ports)
            url, concern = self.redis.url, WRITE_CONCERN[o.redis]
        self.url = url
        self.brokers = [self._broker(i, concern) for i in range(o.nodes)]

    def _broker(self, index: int, concern: str | None) -> Broker:
        name, ports = f"n{index + 1}", ports_of(self.options.port, index)
        settings = settings_for(name, self.url, concern) | {
            "listeners.mqtt.bind": f"127.0.0.1:{ports['mqtt']}", "listeners.ws.bind": f"127.0.0.1:{ports['ws']}",
            "admin.bind": f"127.0.0.1:{ports['admin']}", "node.shards": self.options.shards}
        return Broker(name, self.options.program, self.directory.path, settings)

    @property
    def children(self) -> list[Process]:
        return self.brokers + (self.redis.all if self.redis else [])

    def start(self) -> None:
        if self.redis:
            self.redis.start()
            names = [f"{s.name} :{s.address[1]}" for s in self.redis.all]
            say(f"Redis: {', '.join(names)}")
        say(f"redis.url = {self.url}")
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.wait_ready()
        for i, broker in enumerate(self.brokers):
            p = ports_of(self.options.port, i)
            say(f"{broker.name}: MQTT 127.0.0.1:{p['mqtt']}, WebSocket ws://127.0.0.1:{p['ws']}/mqtt, "
                f"admin http://127.0.0.1:{p['admin']}, pid {broker.pid}")
        say(f"logs: {self.directory.path}" + (", removed in the end" if self.directory.temporary else ""))
        self._invite()

    def _invite(self) -> None:
        command = os.path.relpath(self.options.program)
        command = self.options.program if command.startswith("..") else command
        ports = [broker.ports["mqtt"] for broker in self.brokers]
        admin = ports_of(self.options.port, 0)["admin"]
        url = "" if admin == ADMIN else f"--url http://127.0.0.1:{admin} "
        print(f"\nNow, in other terminals:\n\n"
              f"  {command} sub -p {ports[-1]} -t 'hello/#' -v\n"
              f"  {command} pub -p {ports[0]} -t hello/world -m hi\n"
              f"  {command} ctl {url}status\n\n"
              f"Ctrl-C ends all of it.\n", flush=True)
        say("ready")

    def watch(self) -> None:
        """Says who dies, and goes on."""
        dead: set[Process] = set()
        while True:
            for child in self.children:
                if not child.alive and child not in dead:
                    dead.add(child)
                    say(f"{child.name} has ended with {describe(child.code)}; the last that it printed:\n{child.tail(5)}")
            time.sleep(WATCH)

    def stop(self) -> None:
        """Brokers first, which have something to write. Who does not end in time is killed."""
        for broker in self.brokers:
            broker.terminate()
        for broker in self.brokers:
            if broker.wait() is None and broker.code is not None:
                say(f"{broker.name} did not end in time and was killed")
        if self.redis:
            self.redis.stop()


def on_signals(handler) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def interrupt(*_) -> None:
    on_signals(signal.SIG_IGN)
    raise Stop


def main(arguments: list[str]) -> int:
    o = options(arguments)
    directory = run = None
    code = 0
    on_signals(interrupt)
    try:
        check(o)
        if o.check:
            return 0
        directory = Directory(o.dir, o.redis)
        run = Run(o, directory)
        run.start()
        run.watch()
    except Stop:
        say("ending")
    except WrongUse as wrong:
        print(f"cluster: {wrong}", file=sys.stderr)
        code = 2
    except (StartError, OSError) as error:
        print(f"cluster: {error}", file=sys.stderr)
        code = 1
    finally:
        on_signals(signal.SIG_IGN)  # the end is gone through once, and to its end
        if run:
            run.stop()
        if directory:
            directory.leave()
    return code
