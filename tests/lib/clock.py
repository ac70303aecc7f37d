# SPDX-License-Identifier: MIT
"""Real time, for the few behaviours that the passing of time defines: expiry, delay, keep alive."""
import time


def elapse(seconds: float) -> None:
    """Lets a span of the protocol pass. Never used to wait for something that could be waited for."""
    time.sleep(seconds)


def eventually(condition, why: str = "what was expected", seconds: float = 20) -> None:
    """Waits for what nobody tells of."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, why
        time.sleep(0.01)


class Stopwatch:
    def __init__(self):
        self._start = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._start
