# SPDX-License-Identifier: MIT
"""One Redis server."""
from .server import SETTINGS, Server
from .topology import Topology


class Single(Topology):
    kind = "single"

    def configure(self) -> None:
        self.servers[0].write_config(SETTINGS)

    @property
    def url(self) -> str:
        return "redis://{}:{}".format(*self.servers[0].announced)

    def _primary(self) -> Server:
        return self.servers[0]

    def trouble(self) -> str:
        if self.servers[0].info("persistence")["loading"] != "0":
            return "it is loading"
        return ""
