# SPDX-License-Identifier: MIT
"""The load under which things are broken, and the judge: `signalbox verify`."""
import json
from dataclasses import dataclass
from pathlib import Path

from lib.broker import SANITIZERS, binary
from tools.cluster.process import Process

OPENING = 40    # seconds until all clients are connected
DRAIN = 60      # seconds that everything has to come in afterwards
RATE = 300      # publishes a second
NAMED = 10      # breaches by name in a report of ours
# Nobody stays away, so that a pause is one that the fault has made.
SPEC = {"publishers": 6, "subscribers": 6, "topics": 6, "duration": 1, "settle": 1, "cut": "0.5..2", "away": 0,
        "keepalive": 5, "connect-timeout": 2, "fault-every": "0.8..0.8"}


@dataclass
class Report:
    acknowledged: int
    lost: int
    qos2_duplicates: int
    reordered: int
    pause: float            # the longest of any subscriber, in seconds
    complaints: list[str]   # all that was not as promised, in the words of verify


class Traffic:
    """`verify` publishes for as long as its own fault command runs: that says when it has begun, and waits for us."""

    def __init__(self, addresses: list[tuple[str, int]], directory: Path, seed: int, **options):
        directory.mkdir(parents=True, exist_ok=True)
        self._begun, self._over, self._out = (directory / name for name in ("begun", "over", "report.json"))
        for file in (self._begun, self._over):
            file.unlink(missing_ok=True)
        wait = f"touch '{self._begun}'; while [ ! -e '{self._over}' ] && kill -0 $PPID; do sleep 0.05; done"
        command = [str(binary()), "verify", "--json", "--seed", str(seed), "--drain", str(DRAIN), "--fault-cmd", wait]
        for name, value in (SPEC | {"rate": RATE} | options).items():
            command += [f"--{name}", str(value)]
        for address in addresses:
            command += ["--node", "{}:{}".format(*address)]
        self._verify = Process("verify", ["sh", "-c", 'exec "$@" >"$0"', str(self._out), *command], directory / "verify.log")

    def start(self) -> None:
        """Returns when messages flow: a StartError if they do not."""
        self._verify.spawn()
        self._verify.wait_for(self._begun.exists, "had everybody connected", OPENING)

    @property
    def alive(self) -> bool:
        return self._verify.alive

    def finish(self) -> Report:
        """Ends the publishing, waits for what is still to come, and says what became of it."""
        self._over.touch()
        self._verify.wait(DRAIN + 30)
        text = self._out.read_text()
        if not text or SANITIZERS.search(self._verify.output()):
            return Report(0, 0, 0, 0, 0, [f"verify ended without a report:\n{self._verify.tail()}"])
        return read(json.loads(text))

    def stop(self) -> None:
        self._verify.kill()


def read(report: dict) -> Report:
    complaints = list(report["complaints"]) + ([] if report["ok"] or report["complaints"] else ["verify is not content"])
    if complaints:
        complaints += report["findings"][:NAMED]
    return Report(report["acknowledged"], report["lost"], report["qos2_duplicates"],
                  report["reordered"], report["pauses"]["worst"] / 1000, complaints)
