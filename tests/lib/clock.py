# SPDX-License-Identifier: MIT
"""Real time, for the few behaviours that the passing of time defines: expiry, delay, keep alive."""
import time


def elapse(seconds: float) -> None:
    """Lets a span of the protocol pass. Never used to wait for something that could be waited for."""
    time.sleep(seconds)


class Stopwatch:
    def __init__(self):
        self._start = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._start
