# SPDX-License-Identifier: MIT
"""What the Redis topologies have in common."""
from pathlib import Path

from .ports import BUS, free_ports
from .process import wait_until
from .relay import Network
from .resp import ReplyError
from .server import Server

HEALTHY = 40  # seconds until everything has to be well again


class Topology:
    """Some Redis servers on 127.0.0.1 with their files under `directory`.

    With a `network` all of them announce addresses of relays, and who connects through these can be cut off from some. Ports
    that are not given are free ones; with a directory that was used before, they have to be those of then.
    """

    kind = ""
    data = 1       # servers that hold data
    sentinels = 0  # servers that watch these

    def __init__(self, directory: Path, ports: list[int] | None = None, network: Network | None = None):
        count = self.data + self.sentinels
        ports = ports or free_ports(count)
        assert len(ports) == count, f"{self.kind} takes {count} ports"
        self.directory, self.ports, self.network = directory, ports, network
        self._announced: dict[str, int] = {}
        names = [f"redis{i + 1}" for i in range(self.data)]
        self.servers = [self._server(name, port) for name, port in zip(names, ports)]
        self.watchers = [self._server(f"sentinel{i + 1}", port, sentinel=True)
                         for i, port in enumerate(ports[self.data:])]

    def _server(self, name: str, port: int, sentinel: bool = False) -> Server:
        announced = None
        if self.network:
            announced = self.network.relay(name, ("127.0.0.1", port))
        server = Server(name, self.directory / name, port, announced, sentinel)
        if self.network:
            self.network.parties.introduce(name, lambda: server.pid if server.alive else None)
        return server

    def _bus(self, server: Server) -> int:
        """The port at which the other servers of a cluster reach it."""
        port = server.address[1] + BUS
        return self.network.relay(server.name, ("127.0.0.1", port))[1] if self.network else port

    # What brokers and tests ask

    @property
    def url(self) -> str:
        """For `redis.url`."""
        raise NotImplementedError

    @property
    def all(self) -> list[Server]:
        return self.servers + self.watchers

    @property
    def names(self) -> list[str]:
        """Of all servers, as the ends of lines of the network."""
        return [server.name for server in self.all]

    def primary(self) -> Server:
        """The one primary, or the one that owns slot 0. Waits for a failover that is under way."""
        return wait_until(lambda: self._primary(), HEALTHY, "there is no primary")

    def _primary(self) -> Server | None:
        raise NotImplementedError

    def primary_of(self, key: str) -> Server:
        """The server that takes writes of this key."""
        return self.primary()

    def primaries(self) -> list[Server]:
        return [self.primary()]

    def replicas(self, primary: Server | None = None) -> list[Server]:
        """The servers that follow it, dead ones too."""
        primary = primary or self.primary()
        return [server for server in self.servers if server is not primary]

    # Life

    def configure(self) -> None:
        """Writes the configuration files that are not there."""
        raise NotImplementedError

    def start(self) -> None:
        """Returns when everything is healthy."""
        self.configure()
        for server in self.all:
            server.spawn()
        for server in self.all:
            server.wait_for(server.answers, "answered a PING")
        self.wait_healthy()

    def stop(self) -> None:
        """Ends all, with what they have stored on the disk."""
        for server in self.all:
            server.terminate()
        for server in self.all:
            server.wait()

    def kill_all(self) -> None:
        for server in self.all:
            server.kill()

    def wait_healthy(self, timeout: float = HEALTHY) -> None:
        """Until every server does its part, every replica follows and the primaries take writes."""
        trouble = ""

        def healthy() -> bool:
            nonlocal trouble
            try:
                trouble = self.trouble()
            except (OSError, ReplyError) as error:
                trouble = str(error)
            return not trouble
        wait_until(healthy, timeout, lambda: f"{self.kind} Redis did not become healthy: {trouble}", every=0.05)

    def trouble(self) -> str:
        """What is not as it should be; empty = all is well. A server that does not answer is an OSError."""
        raise NotImplementedError

    def heal(self, hurry: bool = False) -> None:
        """Resumes what is paused, starts what is dead and lifts bounds of memory; does not wait. `hurry` helps where Redis
        by itself would take long to be as before."""
        for server in self.all:
            if server.paused:
                server.resume()
            if not server.alive:
                server.start()
        self.set_maxmemory(0)

    # What breaks it

    def restart(self, server: Server, empty: bool = False) -> None:
        """Kills it if it runs, and starts it with what the AOF has, or with nothing."""
        server.kill()
        if empty:
            server.empty()
        server.start()

    def restart_all(self, empty: bool = False) -> None:
        """All servers with data at once."""
        for server in self.servers:
            server.kill()
        for server in self.servers:
            self.restart(server, empty)

    def set_maxmemory(self, size: int) -> None:
        """Bytes, on every server; 0 = no bound. A server that does not answer is left out."""
        self._tell_all("CONFIG", "SET", "maxmemory", size)

    def fill_up(self) -> None:
        """The primaries have no memory left: every write that needs some is refused with OOM."""
        self.set_maxmemory(1)

    def flush_scripts(self) -> None:
        """EVALSHA is answered with NOSCRIPT until somebody loads the script again."""
        self._tell_all("SCRIPT", "FLUSH")

    def _tell_all(self, *words) -> None:
        for server in self.servers:
            try:
                server.ask(*words)
            except (OSError, ReplyError):
                pass
