# SPDX-License-Identifier: MIT
"""One primary with two replicas, watched by three Sentinels."""
import hashlib

from . import resp
from .process import wait_until
from .server import SETTINGS, WITH_REPLICAS, Server
from .topology import HEALTHY, Topology

NAME = "signalbox"
DOWN_AFTER = 2500  # ms; 1000 caused failovers for nothing
QUORUM = 2
FAILOVER_TIMEOUT = 10_000  # ms; twice this lies between two attempts of which the first failed


class Sentinel(Topology):
    kind = "sentinel"
    data = 3
    sentinels = 3

    @property
    def url(self) -> str:
        return "redis+sentinel://" + ",".join("{}:{}".format(*w.announced) for w in self.watchers) + f"/{NAME}"

    def configure(self) -> None:
        first = self.servers[0]
        for server in self.servers:
            settings = SETTINGS | WITH_REPLICAS | {"replica-announce-ip": server.announced[0],
                                                   "replica-announce-port": server.announced[1]}
            if server is not first:
                settings |= {"replicaof": "{} {}".format(*first.announced)}
            server.write_config(settings)
        for watcher in self.watchers:
            watcher.write_config(self._watch(watcher, first))

    def _watch(self, watcher: Server, primary: Server) -> list[str]:
        """All know each other from the start, instead of after some seconds of listening."""
        lines = [f"sentinel myid {_id(watcher)}", f"sentinel announce-ip {watcher.announced[0]}",
                 f"sentinel announce-port {watcher.announced[1]}",
                 f"sentinel monitor {NAME} {_words(primary)} {QUORUM}",
                 f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER}",
                 f"sentinel failover-timeout {NAME} {FAILOVER_TIMEOUT}", f"sentinel parallel-syncs {NAME} 2"]
        lines += [f"sentinel known-replica {NAME} {_words(s)}" for s in self.servers if s is not primary]
        lines += [f"sentinel known-sentinel {NAME} {_words(w)} {_id(w)}" for w in self.watchers if w is not watcher]
        return lines

    def named(self, watcher: Server) -> Server | None:
        """Whom this Sentinel takes for the primary."""
        host, port = watcher.ask("SENTINEL", "get-master-addr-by-name", NAME)
        return next((s for s in self.servers if s.announced == (host, int(port))), None)

    def _primary(self) -> Server | None:
        """Whom most Sentinels name, once it says so itself."""
        votes = [self._or_none(lambda w=w: self.named(w)) for w in self.watchers]
        for server in self.servers:
            if votes.count(server) > len(self.watchers) // 2:
                role = self._or_none(lambda: server.ask("ROLE"))
                return server if role and role[0] == "master" else None
        return None

    @staticmethod
    def _or_none(question):
        try:
            return question()
        except (OSError, resp.ReplyError):
            return None

    def trouble(self) -> str:
        for watcher in self.watchers:
            master = resp.pairs(watcher.ask("SENTINEL", "master", NAME))
            if master["flags"] != "master":
                return f"{watcher.name} calls the primary {master['flags']}"
            if (master["num-slaves"], master["num-other-sentinels"]) != ("2", "2"):
                return f"{watcher.name} does not know everybody"
            replicas = [resp.pairs(r) for r in watcher.ask("SENTINEL", "replicas", NAME)]
            if any(r["flags"] != "slave" for r in replicas):
                return f"{watcher.name} misses a replica"
        primary = self._primary()
        if not primary or any(self.named(w) is not primary for w in self.watchers):
            return "the Sentinels name no primary, or not the same"
        for replica in self.replicas(primary):
            seen = replica.info("replication")
            if seen.get("master_link_status") != "up" or int(seen["master_port"]) != primary.announced[1]:
                return f"{replica.name} does not follow {primary.name}"
        if primary.info("replication").get("min_slaves_good_slaves") != "2":
            return "the primary misses replicas"
        return ""

    def heal(self, hurry: bool = False) -> None:
        """A primary that was replaced while it was away learns of it from the Sentinels after some ten seconds; in a hurry it
        learns of it from here."""
        super().heal()
        primary = self.primary() if hurry else None
        for server in self.replicas(primary) if primary else ():
            wait_until(lambda s=server: self._or_none(lambda: s.ask("REPLICAOF", *primary.announced)), HEALTHY,
                       f"{server.name} follows nobody", every=0.05)  # it may be LOADING

    def failover(self, primary: Server | None = None) -> Server:
        """Asks the Sentinels for one, and returns the new primary."""
        old = primary or self.primary()
        wait_until(lambda: self._or_none(lambda: self.watchers[0].ask("SENTINEL", "FAILOVER", NAME)), HEALTHY,
                   "no Sentinel starts a failover", every=0.2)
        return self.await_other_primary(old)

    def await_other_primary(self, old: Server) -> Server:
        return wait_until(lambda: (new := self._primary()) is not old and new, HEALTHY, f"nobody takes over from {old.name}")


def _id(server: Server) -> str:
    return hashlib.sha1(f"{server.name} {server.address[1]}".encode()).hexdigest()


def _words(server: Server) -> str:
    return "{} {}".format(*server.announced)
