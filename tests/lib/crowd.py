# SPDX-License-Identifier: MIT
"""Many connections at once from one thread, each with bytes of its own to say."""
import errno
import resource
import select
import socket
import time

import pytest

AT_ONCE = 256  # connections that are being made; more would wait in the broker's backlog


def need_descriptors(count: int) -> None:
    """Lets this process open so many files, as far as the system does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"{count} open files are needed, and the limit is {hard}")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


class Member:
    """One connection: `got` is what came, `ended` whether the broker closed it."""

    def __init__(self, sock: socket.socket, hello: bytes):
        self.sock, self.out, self.got, self.ended, self.up = sock, hello, b"", False, False


class Crowd:
    """The connections of one test. Nothing moves but in `run`."""

    def __init__(self, address: tuple[str, int]):
        self._address, self._poll = address, select.epoll()
        self.members: list[Member] = []
        self._by_fd: dict[int, Member] = {}

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_) -> None:
        for member in self.members:
            member.sock.close()
        self._poll.close()

    def add(self, hello: bytes = b"", source: str | None = None) -> Member:
        """One more, that says `hello` as soon as it can; from 127.0.0.x if given."""
        sock = socket.socket(socket.AF_INET)
        sock.setblocking(False)
        if source:
            # The port is chosen with the connect, so that there are as many as there are pairs of ends.
            sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            sock.bind((source, 0))
        error = sock.connect_ex(self._address)
        assert error in (0, errno.EINPROGRESS), errno.errorcode[error]
        member = Member(sock, hello)
        self.members.append(member)
        self._by_fd[sock.fileno()] = member
        self._poll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        return member

    def add_all(self, hellos, sources=(None,), timeout: float = 60) -> list[Member]:
        """One for each element, in their order, once they are connected (if only to be closed again)."""
        new: list[Member] = []
        for i, hello in enumerate(hellos):
            new.append(self.add(hello, sources[i % len(sources)]))
            if len(new) % AT_ONCE == 0:
                self.run(lambda: all(m.up or m.ended for m in new[-AT_ONCE:]), timeout)
        self.run(lambda: all((m.up and not m.out) or m.ended for m in new), timeout)
        return new

    def say(self, member: Member, data: bytes) -> None:
        member.out += data
        if not member.ended:
            self._poll.modify(member.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def run(self, until, timeout: float = 30) -> None:
        """Sends and receives until the condition holds."""
        deadline = time.monotonic() + timeout
        while not until():
            assert time.monotonic() < deadline, "the crowd waits for what does not come"
            for fd, events in self._poll.poll(0.05):
                self._move(self._by_fd[fd], events)

    def forget(self) -> None:
        """Reads what is there, and keeps nothing of it."""
        for fd, events in self._poll.poll(0):
            self._move(self._by_fd[fd], events)
            self._by_fd[fd].got = b""

    def _move(self, member: Member, events: int) -> None:
        try:
            if events & select.EPOLLOUT:
                member.up = True
                sent = member.sock.send(member.out) if member.out else 0
                member.out = member.out[sent:]
                if not member.out:
                    self._poll.modify(member.sock.fileno(), select.EPOLLIN)
            if events & ~select.EPOLLOUT:
                data = member.sock.recv(65536)
                member.got += data
                if not data:
                    self._end(member)
        except BlockingIOError:
            pass
        except OSError:  # reset, or refused
            self._end(member)

    def _end(self, member: Member) -> None:
        self._poll.unregister(member.sock.fileno())
        member.ended = True
