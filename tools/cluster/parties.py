# SPDX-License-Identifier: MIT
"""Who is at the other end of a connection on this machine."""
import functools
import os
import socket
import struct
from typing import Callable

OUTSIDE = "outside"  # everybody who was not introduced: clients, and this process

Address = tuple[str, int]


class Parties:
    """Names of processes, found by their open sockets in /proc. That takes no rights beyond those of who started them."""

    def __init__(self):
        self._pids: dict[str, Callable[[], int | None]] = {}

    def introduce(self, name: str, pid: Callable[[], int | None]) -> None:
        """`pid` is asked each time: a process that was restarted has another. None = does not run."""
        self._pids[name] = pid

    def who(self, client: Address, server: Address) -> str:
        """Whose is the connection from `client` to `server`, addresses as the one who accepted it sees them."""
        inode = _asked(client, server) if _answers() else _listed(client, server)
        wanted = f"socket:[{inode}]"
        for name, pid in self._pids.items() if inode else ():
            if (number := pid()) and _has(number, wanted):
                return name
        return OUTSIDE


# sock_diag(7): a header, and a question for one socket of TCP over IPv4 by its two ends.
HEADER, QUESTION, ANSWER = struct.Struct("=IHHII"), struct.Struct("=BBBxI"), struct.Struct("=4x48x5I")
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST = 4, 20, 1


@functools.cache
def _answers() -> bool:
    """Whether the kernel can be asked for a socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        return _asked(client.getsockname(), client.getpeername()) != 0


def _asked(client: Address, server: Address) -> int:
    """The inode of the client's socket, from the kernel; 0 = there is none."""
    ends = struct.pack("!HH4s12x4s12x", client[1], server[1], socket.inet_aton(client[0]), socket.inet_aton(server[0]))
    question = QUESTION.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0xFFFFFFFF) + ends + struct.pack("=III", 0, *[0xFFFFFFFF] * 2)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG) as netlink:
            netlink.settimeout(1)
            netlink.send(HEADER.pack(HEADER.size + len(question), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0) + question)
            answer = netlink.recv(4096)
    except OSError:  # not every kernel can be asked so
        return 0
    kind = HEADER.unpack_from(answer)[1]
    return ANSWER.unpack_from(answer, HEADER.size)[4] if kind == SOCK_DIAG_BY_FAMILY else 0


def _listed(client: Address, server: Address) -> int:
    """The same from the list of all, which gets long."""
    local, remote = _hex(client), _hex(server)
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in table:
            fields = line.split()
            if fields[1] == local and fields[2] == remote:
                return int(fields[9])
    return 0


def _hex(address: Address) -> str:
    """As /proc/net/tcp writes it, on machines with the low byte first."""
    return "".join(f"{int(part):02X}" for part in reversed(address[0].split("."))) + f":{address[1]:04X}"


def _has(pid: int, wanted: str) -> bool:
    directory = f"/proc/{pid}/fd"
    try:
        for fd in os.listdir(directory):
            try:
                if os.readlink(f"{directory}/{fd}") == wanted:
                    return True
            except OSError:  # closed meanwhile
                pass
    except OSError:  # ended meanwhile
        pass
    return False
