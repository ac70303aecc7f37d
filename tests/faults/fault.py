# SPDX-License-Identifier: MIT
"""One run: messages flow, something breaks and is mended, and the books are checked."""
from dataclasses import asdict, dataclass, field

from faults.catalogue import Fault
from faults.scene import Scene
from faults.traffic import Report, Traffic
from lib.clock import Stopwatch, elapse
from lib.cluster import Cluster
from tools.cluster.process import StartError
from tools.cluster.resp import ReplyError

AFTERWARDS = 1  # seconds of traffic when all is healthy again


@dataclass
class Outcome:
    fault: str
    topology: str
    seed: int
    seconds: float = 0
    acknowledged: int = 0
    lost: int = 0
    qos2_duplicates: int = 0
    reordered: int = 0
    pause: float = 0     # seconds
    recovery: float = 0  # seconds from the mending until everybody is healthy
    complaints: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.complaints

    def line(self) -> str:
        return (f"{self.fault:<19} {self.topology:<8} seed {self.seed:<10} {'ok' if self.ok else 'BROKEN':<6} "
                f"{self.acknowledged:>6} acknowledged {self.lost:>4} lost {self.qos2_duplicates:>4} twice "
                f"{self.reordered:>4} out of order  pause {self.pause:5.2f} s, recovery {self.recovery:5.2f} s, in all {self.seconds:4.1f} s")

    def explain(self) -> str:
        return "\n".join([self.line()] + self.complaints)

    def as_dict(self) -> dict:
        return asdict(self)


def run(fault: Fault, cluster: Cluster, seed: int, hurry: bool = True) -> Outcome:
    """On a healthy cluster, which it leaves healthy if the outcome is ok; otherwise it may be in any state. What went
    wrong stands in the outcome. `hurry`: see Topology.heal."""
    outcome, watch, scene = Outcome(fault.name, cluster.kind, seed), Stopwatch(), Scene(cluster, seed)
    traffic = Traffic([cluster.address(b) for b in cluster.brokers], cluster.directory / "traffic", seed)
    try:
        traffic.start()
        try:
            fault.inflict(scene)
        except (StartError, OSError, ReplyError) as error:
            scene.complain(f"{fault.name} could not be done: {error}")
        outcome.recovery = recover(scene, hurry)
        elapse(AFTERWARDS)
        book(outcome, traffic.finish())
        scene.look_for_crashes()
    except StartError as error:
        scene.complain(str(error))
    finally:
        traffic.stop()
    outcome.complaints += scene.complaints
    outcome.seconds = watch.seconds()
    return outcome


def recover(scene: Scene, hurry: bool) -> float:
    """Mends what is still broken, and waits until everybody is healthy: the seconds that this takes."""
    scene.look_for_crashes()
    watch = Stopwatch()
    try:
        scene.cluster.heal(hurry)
        scene.cluster.wait_healthy()
    except (StartError, OSError, ReplyError) as error:
        scene.complain(f"not healthy again: {error}")
    return watch.seconds()


def book(outcome: Outcome, report: Report) -> None:
    outcome.acknowledged, outcome.lost = report.acknowledged, report.lost
    outcome.qos2_duplicates, outcome.reordered = report.qos2_duplicates, report.reordered
    outcome.pause = report.pause
    outcome.complaints += report.complaints
