# SPDX-License-Identifier: MIT
"""One child process with its output in a file."""
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable

START_TIMEOUT, STOP_TIMEOUT = 30, 20  # seconds


class StartError(Exception):
    """A process did not come up, or a cluster did not become healthy; the text says what was seen."""


def wait_until(condition: Callable[[], object], timeout: float, what: str | Callable[[], str], every: float = 0.02):
    """The first true value of `condition`. After `timeout` seconds a StartError says what did not happen."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise StartError(f"within {timeout:g} s: {what() if callable(what) else what}")
        time.sleep(every)
    return value


class Process:
    """It runs in a session of its own, so that Ctrl-C at the terminal reaches only who started it, and the kernel kills it
    when the thread that started it is gone."""

    def __init__(self, name: str, command: list[str], log: Path):
        self.name, self.command, self.log = name, [str(word) for word in command], log
        self._child: subprocess.Popen | None = None
        self.paused, self._begin = False, 0

    @property
    def pid(self) -> int:
        assert self._child is not None, f"{self.name} was never started"
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def code(self) -> int | None:
        """How it ended: an exit code, or minus the number of a signal."""
        return self._child.poll() if self._child else None

    def spawn(self) -> None:
        assert not self.alive, f"{self.name} is running"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.paused, self._begin = False, self.log.stat().st_size if self.log.exists() else 0
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(guard + self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           start_new_session=True)

    def output(self) -> str:
        """What it has written since it was last started."""
        if not self._child:
            return ""
        with self.log.open("rb") as file:
            file.seek(self._begin)
            return file.read().decode(errors="replace")

    def tail(self, lines: int = 15) -> str:
        return "\n".join(f"  | {line}" for line in self.output().splitlines()[-lines:]) or "  | (it printed nothing)"

    def wait_for(self, condition: Callable[[], object], what: str, timeout: float = START_TIMEOUT):
        """As wait_until, but a process that has ended is an error at once; either shows what it printed."""
        def look():
            if not self.alive:
                raise StartError(f"{self.name} ended with {describe(self.code)} before it {what}:\n{self.tail()}")
            return condition()
        return wait_until(look, timeout, lambda: f"{self.name} never {what}:\n{self.tail()}", every=0.01)

    def signal(self, number: int) -> None:
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, which a paused process dies of, too."""
        self.signal(signal.SIGKILL)
        if self._child:
            self._child.wait(STOP_TIMEOUT)
        self.paused = False

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)
        self.paused = True

    def resume(self) -> None:
        self.signal(signal.SIGCONT)
        self.paused = False

    def terminate(self) -> None:
        """Asks it to end, and does not wait."""
        self.resume()
        self.signal(signal.SIGTERM)

    def wait(self, timeout: float = STOP_TIMEOUT) -> int | None:
        """Its exit code; whoever has not ended by then is killed, and that is None."""
        if not self._child:
            return None
        try:
            return self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return None


def describe(code: int | None) -> str:
    return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
