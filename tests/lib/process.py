# SPDX-License-Identifier: MIT
"""What a process costs, from /proc."""
import os
import threading
from pathlib import Path

MIB = 1 << 20


def _status(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def resident(pid: int) -> int:
    """Bytes of memory in use."""
    return _status(pid, "VmRSS")


def sanitized(pid: int) -> bool:
    """The sanitizers map terabytes, and keep what is freed: memory and time of such a process say nothing."""
    return _status(pid, "VmSize") > 1 << 42


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


class Watch:
    """While it is open: the most memory that a process had, looked at every 20 ms, and its CPU time."""

    def __init__(self, pid: int):
        self._pid, self._over = pid, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.highest = max(self.highest, resident(self._pid))

    def __enter__(self) -> "Watch":
        self.before = self.highest = resident(self._pid)
        self._cpu = cpu_seconds(self._pid)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._thread.join()
        self.highest = max(self.highest, resident(self._pid))
        self.cpu = cpu_seconds(self._pid) - self._cpu
        self.sanitized = sanitized(self._pid)

    def expect(self, *, megabytes: float, cpu: float | None = None) -> None:
        """It grew by no more than so many MiB, and used no more than so many seconds of CPU time."""
        if self.sanitized:
            return
        grown = (self.highest - self.before) / MIB
        assert grown <= megabytes, f"grew by {grown:.0f} MiB from {self.before / MIB:.0f} MiB, {megabytes} MiB allowed"
        assert cpu is None or self.cpu <= cpu, f"{self.cpu:.1f} s of CPU time, {cpu} s allowed"
