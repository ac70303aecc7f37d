# SPDX-License-Identifier: MIT
"""`./dev faults`: a long series."""
import argparse
import fnmatch
import multiprocessing
import os
import random
import shutil
import sys
from pathlib import Path

from faults import bridged, fault, table
from faults.catalogue import FAULTS, Fault, every
from lib.broker import ROOT, binary
from lib.cluster import LEASE, Cluster, knows_redis
from tools.cluster.process import StartError

WORK = ROOT / "build" / "faults"
PAGE = ROOT / "docs" / "faults.md"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev faults", description="Breaks a cluster under load, and looks what that costs.")
    parser.add_argument("name", nargs="?", default="all", metavar="NAME[:TOPOLOGY]",
                        help="a fault, a pattern as 'cut-*', or all (the default), with any topology or one of single, sentinel, cluster; "
                             "bridged: two Mosquittos instead of us, for comparison")
    parser.add_argument("times", nargs="?", type=int, default=1, metavar="TIMES", help="runs of each; 1 by default")
    parser.add_argument("--fresh", action="store_true", help="a new cluster for each run, instead of one as long as all is well")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="clusters at a time; 1 by default")
    parser.add_argument("--seed", type=int, help="of all runs; by default each has one of its own")
    parser.add_argument("--doc", action="store_true", help="writes the results into docs/faults.md, after each run; of what is not "
                                                           "run it keeps them; with all, runs the comparison as well")
    parser.add_argument("--list", action="store_true", help="says which faults there are")
    o = parser.parse_args()
    if o.times < 1:
        parser.error("TIMES: at least 1")
    if o.jobs < 1:
        parser.error("--jobs: at least 1")
    return o


def chosen(text: str, compared: bool) -> list[tuple[Fault, str]]:
    name, _, topology = text.partition(":")
    pairs = every()
    if topology == bridged.KIND or (compared and text == "all"):
        pairs += [(FAULTS[one], bridged.KIND) for one in bridged.FAULTS]
    return [(f, t) for f, t in pairs if name == "all" or fnmatch.fnmatchcase(f.name, name) if topology in ("", t)]


class Series:
    """The clusters of a worker: one at a time."""

    def __init__(self, fresh: bool, directory: Path):
        self._fresh, self._directory, self._clusters, self._made = fresh, directory, {}, 0

    def cluster(self, topology: str) -> Cluster:
        if topology not in self._clusters:
            for other in list(self._clusters):  # one at a time: a machine has better things to do
                self.end(other)
            self._made += 1
            directory = self._directory / f"{self._made}-{topology}"
            made = bridged.Bridged(directory, LEASE) if topology == bridged.KIND else Cluster(topology, directory, relayed=True)
            self._clusters[topology] = made
            made.start()
        return self._clusters[topology]

    def after(self, outcome: fault.Outcome) -> None:
        """A cluster in which something went wrong is not used again, and its files stay."""
        if self._fresh or not outcome.ok:
            self.end(outcome.topology, keep=not outcome.ok)

    def end(self, topology: str, keep: bool = False) -> None:
        cluster = self._clusters.pop(topology, None)
        if not cluster:
            return
        for end in cluster.stop():
            print(end)
            keep = True
        if not keep:
            shutil.rmtree(cluster.directory, ignore_errors=True)
        else:
            print(f"  files: {cluster.directory}")

    def close(self) -> None:
        for topology in list(self._clusters):
            self.end(topology)


def work(o: argparse.Namespace, number: int, tasks: multiprocessing.Queue, results: multiprocessing.Queue) -> None:
    """Runs what it gets from `tasks` until that is None; outcomes, or why there are no more, go to `results`, None at last."""
    os.environ["PYTEST_XDIST_WORKER"] = f"gw{number}"  # for its ports
    series = Series(o.fresh, WORK / str(number))
    try:
        while task := tasks.get():
            name, topology = task
            seed = o.seed if o.seed is not None else random.SystemRandom().randrange(1, 1 << 31)
            outcome = fault.run(FAULTS[name], series.cluster(topology), seed, hurry=random.Random(seed).random() < 0.5)
            results.put(outcome)
            series.after(outcome)
    except (StartError, OSError) as error:
        results.put(str(error))
    except KeyboardInterrupt:
        pass
    finally:
        series.close()
        results.put(None)


def run_all(o: argparse.Namespace, pairs: list[tuple[Fault, str]]) -> tuple[list[fault.Outcome], bool]:
    """The outcomes, and whether that is all of them."""
    shutil.rmtree(WORK, ignore_errors=True)
    tasks, results = multiprocessing.Queue(), multiprocessing.Queue()
    for topology in dict.fromkeys(t for _, t in pairs):
        for _ in range(o.times):
            for one, _ in [pair for pair in pairs if pair[1] == topology]:
                tasks.put((one.name, topology))
    for _ in range(o.jobs):
        tasks.put(None)
    workers = [multiprocessing.Process(target=work, args=(o, n, tasks, results)) for n in range(1, o.jobs + 1)]
    for worker in workers:
        worker.start()
    before = PAGE.read_text(encoding="utf-8")
    outcomes, whole, busy = [], True, len(workers)
    while busy:
        try:
            result = results.get()
        except KeyboardInterrupt:  # the workers have got it, too
            print("interrupted")
            whole = False
            continue
        if result is None:
            busy -= 1
        elif isinstance(result, str):
            print(f"faults: {result}", file=sys.stderr)
            whole = False
        else:
            outcomes.append(result)
            print(result.explain(), flush=True)
            if o.doc:
                PAGE.write_text(table.document(outcomes, before), encoding="utf-8")
    tasks.cancel_join_thread()
    for worker in workers:
        worker.join()
    return outcomes, whole


def main() -> int:
    o = options()
    pairs = chosen(o.name, o.doc)
    if o.list:
        for one in {f.name: f for f, _ in pairs}.values():
            print(f"{one.name:<20} {', '.join(one.topologies):<26} {one.text}")
        return 0
    if not pairs:
        print(f"faults: there is no {o.name}; see ./dev faults --list", file=sys.stderr)
        return 2
    if not knows_redis():
        print(f'faults: {binary()} does not know store.kind = "redis"', file=sys.stderr)
        return 1
    outcomes, whole = run_all(o, pairs)
    print("\n" + table.markdown(table.rows(outcomes)))
    return 0 if whole and outcomes and all(outcome.ok for outcome in outcomes if outcome.topology != bridged.KIND) else 1


sys.exit(main())
