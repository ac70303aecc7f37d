# SPDX-License-Identifier: MIT
"""Ports for servers of ours on 127.0.0.1."""
import os
import random
import re
import socket

# A Redis of a cluster also takes the port 10,000 above. Both lie below those that the system gives to clients
# (/proc/sys/net/ipv4/ip_local_port_range, from 32768), so that no connection can take one before its server does.
FIRST, LAST, BUS = 10_100, 20_000, 10_000
PARTS = 8  # workers of pytest-xdist take theirs from different parts: between choice and use nobody holds a port


def is_free(port: int) -> bool:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


_given: set[int] = set()  # by this process, lately: whoever got one may not listen yet


def free_ports(count: int, but: frozenset[int] = frozenset()) -> list[int]:
    """Ports that nobody listens on, nor on those BUS above them; and none of `but`, which somebody is about to take."""
    found: list[int] = []
    ports = range(FIRST, LAST)
    if len(_given) > (LAST - FIRST) // PARTS // 2:
        _given.clear()
    if worker := re.search(r"\d+$", os.environ.get("PYTEST_XDIST_WORKER", "")):
        ports = ports[int(worker[0]) % PARTS::PARTS]
    for port in random.SystemRandom().sample(ports, len(ports)):
        if len(found) == count:
            break
        if port not in _given and not but & {port, port + BUS} and is_free(port) and is_free(port + BUS):
            found.append(port)
    if len(found) == count:
        _given.update(found)
        return found
    raise OSError(f"there are no {count} free ports between {FIRST} and {LAST}")
