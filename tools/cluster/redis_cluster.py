# SPDX-License-Identifier: MIT
"""Redis Cluster: three primaries with two replicas each."""
import hashlib
from dataclasses import dataclass

from .process import wait_until
from .resp import Connection, ReplyError
from .server import SETTINGS, WITH_REPLICAS, Server
from .topology import HEALTHY, Topology

SLOTS = 16384
NODE_TIMEOUT = 2000  # ms
PRIMARIES, REPLICAS = 3, 2
FAILED = {"fail", "fail?", "handshake", "noaddr"}


@dataclass
class Node:
    """One line of CLUSTER NODES."""
    id: str
    port: int
    flags: set[str]
    master: str
    epoch: int
    link: str
    slots: set[int]

    @classmethod
    def parse(cls, line: str) -> "Node":
        name, address, flags, master, _, _, epoch, link, *slots = line.split()
        owned: set[int] = set()
        for part in slots:
            if not part.startswith("["):  # a slot on the move
                first, _, last = part.partition("-")
                owned.update(range(int(first), int(last or first) + 1))
        port = int(address.partition("@")[0].rpartition(":")[2])
        return cls(name, port, set(flags.split(",")), master, int(epoch), link, owned)


class Cluster(Topology):
    """Server i is a primary for i < 3 at the start; i + 3 and i + 6 follow it."""

    kind = "cluster"
    data = PRIMARIES * (1 + REPLICAS)

    @property
    def url(self) -> str:
        """Three of the servers; a client finds the others."""
        return "redis+cluster://" + ",".join("{}:{}".format(*s.announced) for s in self.servers[:PRIMARIES])

    # The beginning: everybody knows everybody, so that no gossip has to be waited for.

    def configure(self) -> None:
        buses = {server: self._bus(server) for server in self.servers}
        for server in self.servers:
            server.write_config(SETTINGS | WITH_REPLICAS | {
                "cluster-enabled": "yes", "cluster-node-timeout": NODE_TIMEOUT, "cluster-allow-replica-migration": "no",
                "cluster-announce-ip": server.announced[0], "cluster-announce-port": server.announced[1],
                "cluster-announce-bus-port": buses[server]})
            table = server.directory / "nodes.conf"
            if not table.exists():
                lines = [self._line(i, buses, myself=one is server) for i, one in enumerate(self.servers)]
                table.write_text("\n".join(lines) + f"\nvars currentEpoch {PRIMARIES} lastVoteEpoch 0\n")

    def _line(self, index: int, buses: dict[Server, int], myself: bool) -> str:
        server, owner = self.servers[index], index % PRIMARIES
        flags = ("myself," if myself else "") + ("master" if index == owner else "slave")
        master = "-" if index == owner else _id(self.servers[owner])
        line = f"{_id(server)} {server.announced[0]}:{server.announced[1]}@{buses[server]} {flags} {master} 0 0 {owner + 1} connected"
        return line + (f" {_first(owner)}-{_first(owner + 1) - 1}" if index == owner else "")

    # Who is what

    def nodes(self, server: Server) -> list[Node]:
        """As this server sees it."""
        return [Node.parse(line) for line in server.ask("CLUSTER", "NODES").splitlines()]

    def _views(self) -> dict[Server, Node]:
        """What each server that answers says of itself."""
        views = {}
        for server in self.servers:
            try:
                views[server] = next(node for node in self.nodes(server) if "myself" in node.flags)
            except (OSError, ReplyError):
                pass
        return views

    def _owner(self, slot: int) -> Server | None:
        """Of those who say that they own it, the one whom the others believe."""
        claims = [(node.epoch, server) for server, node in self._views().items()
                  if "master" in node.flags and slot in node.slots]
        return max(claims, key=lambda claim: claim[0])[1] if claims else None

    def _primary(self) -> Server | None:
        return self._owner(0)

    def primary_of(self, key: str) -> Server:
        slot = slot_of(key)
        return wait_until(lambda: self._owner(slot), HEALTHY, f"nobody owns slot {slot}")

    def primaries(self) -> list[Server]:
        """Of all that own slots, in the order of their slots."""
        def owners():
            views = {s: n for s, n in self._views().items() if "master" in n.flags and n.slots}
            return len(set().union(*(n.slots for n in views.values()))) == SLOTS and views
        views = wait_until(owners, HEALTHY, "some slots have no owner")
        return sorted(views, key=lambda server: min(views[server].slots))

    def replicas(self, primary: Server | None = None) -> list[Server]:
        """As the servers that answer see it, the dead ones among them."""
        primary = primary or self.primary()
        ports = {node.port for node in self.nodes(primary) if node.master == _id(primary)}
        return [server for server in self.servers if server.announced[1] in ports]

    def trouble(self) -> str:
        views = {server: self.nodes(server) for server in self.servers}
        mine = {server: next(n for n in nodes if "myself" in n.flags) for server, nodes in views.items()}
        owners = {n.id: n.slots for n in mine.values() if "master" in n.flags}
        if sum(map(len, owners.values())) != SLOTS:
            return "not every slot has one owner"
        for server, nodes in views.items():
            if "cluster_state:ok" not in server.ask("CLUSTER", "INFO"):
                return f"{server.name} says that the cluster is down"
            if len(nodes) != len(self.servers) or any(n.flags & FAILED for n in nodes):
                return f"{server.name} misses nodes"
            if {n.id: n.slots for n in nodes if "master" in n.flags} != owners:
                return f"{server.name} has another view of the slots"
            if any(n.link != "connected" for n in nodes):
                return f"{server.name} is not connected to all"
            seen = server.info("replication")
            if seen["role"] == "slave" and seen["master_link_status"] != "up":
                return f"{server.name} does not follow"
            if seen["role"] == "master" and int(seen["min_slaves_good_slaves"]) < REPLICAS:
                return f"{server.name} misses replicas"
        return ""

    # What breaks it

    def failover(self, primary: Server | None = None) -> Server:
        """A replica and its primary agree on a change of roles; the new primary."""
        return self._replace(primary or self.primary())

    def takeover(self, primary: Server | None = None) -> Server:
        """A replica makes itself the primary and asks nobody: what it has not got is lost."""
        return self._replace(primary or self.primary(), "TAKEOVER")

    def _replace(self, old: Server, *how: str) -> Server:
        replica = next(r for r in self.replicas(old) if r.alive and not r.paused)
        replica.ask("CLUSTER", "FAILOVER", *how)
        wait_until(lambda: replica.ask("ROLE")[0] == "master", HEALTHY, f"{replica.name} does not take over from {old.name}")
        return replica

    def await_other_primary(self, old: Server) -> Server:
        """The one that takes over what `old` had, which must be down or out of reach."""
        def successor():
            return next((s for s, n in self._views().items() if s in group and "master" in n.flags and n.slots), None)
        first = self.servers.index(old) % PRIMARIES  # replicas do not change to other primaries
        group = [s for s in self.servers[first::PRIMARIES] if s is not old]
        return wait_until(successor, HEALTHY, f"nobody takes over from {old.name}")

    def owned(self, server: Server) -> set[int]:
        """The slots that it says are its own."""
        return next(n.slots for n in self.nodes(server) if "myself" in n.flags)

    def _epoch_at(self, server: Server, of: Server) -> int:
        return next(n.epoch for n in self.nodes(server) if n.id == _id(of))

    def slots_in_use(self, server: Server, most: int) -> list[int]:
        """Slots of this primary that hold keys, at most so many."""
        slots = sorted(self.owned(server))
        with Connection(server.address) as redis:
            counts = redis.pipeline([("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in slots])
        return [slot for slot, count in zip(slots, counts) if count][:most]

    def move_slots(self, slots: list[int], source: Server, target: Server) -> int:
        """As `redis-cli --cluster reshard` does, key by key under whatever load there is. The number of keys moved."""
        # The target takes a higher epoch than all that it has heard of. Without that of a source which took one just now it
        # would believe what that one said of its slots before, and each would call the other the owner.
        wait_until(lambda: self._epoch_at(target, source) == self._epoch_at(source, source), HEALTHY,
                   f"{target.name} does not hear from {source.name}")
        moved = 0
        with Connection(source.address) as there, Connection(target.address) as here:
            for slot in slots:
                here.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", _id(source))
                there.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", _id(target))
                while keys := there.ask("CLUSTER", "GETKEYSINSLOT", slot, 20):
                    there.ask("MIGRATE", *target.announced, "", 0, 5000, "KEYS", *keys)
                    moved += len(keys)
                here.ask("CLUSTER", "SETSLOT", slot, "NODE", _id(target))
                there.ask("CLUSTER", "SETSLOT", slot, "NODE", _id(target))
        return moved


def slot_of(key: str) -> int:
    """CRC16 (XMODEM) of the hash tag, or of all."""
    begin = key.find("{")
    end = key.find("}", begin + 1) if begin >= 0 else -1
    crc = 0
    for byte in (key[begin + 1:end] if end > begin + 1 else key).encode():
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc % SLOTS


def _id(server: Server) -> str:
    return hashlib.sha1(f"{server.name} {server.address[1]}".encode()).hexdigest()


def _first(primary: int) -> int:
    return (primary * SLOTS + PRIMARIES - 1) // PRIMARIES
