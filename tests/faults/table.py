# SPDX-License-Identifier: MIT
"""What a series of runs has shown, for the terminal and for docs/faults.md."""
from statistics import median

from faults import bridged
from faults.catalogue import FAULTS
from faults.fault import Outcome

COLUMNS = ("Fault", "Redis", "Runs", "Broken", "Acknowledged", "Lost", "QoS 2 twice", "Out of order", "Pause, median",
           "Pause, worst", "Recovery, median", "Recovery, worst")
HEAD = """# What breaks, and what that costs

<!-- Written by `./dev faults --doc`; do not edit. -->

Three brokers on one Redis are under load, something breaks and is mended, and `signalbox verify` looks at what became of
every message: numbered messages of QoS 1 and 2, clients with durable sessions spread over all nodes, that lose their
connections and move besides. A run is *broken* when an acknowledged message was lost, a message of QoS 2 came twice, messages of
a publisher changed their order, a session was forgotten, a broker died by itself, or the cluster did not become
healthy again. The *pause* is the longest time for which a subscriber got nothing. *Recovery* is the time from when the last
thing was mended until all brokers and all of Redis say that they are healthy.

`./dev faults redis-kill:sentinel 20` repeats one; `./dev faults all 20 --doc` breaks everything twenty times and writes this
page. Each run says its seed, and `--seed` takes it. [CONTRIBUTING](../CONTRIBUTING.md#how-to-break-a-cluster) says how to add one.

## The faults
"""


BESIDE = """## Two bridged Mosquittos

The same load on two Mosquittos with a bridge for everything, QoS 2, each with its sessions and messages on its disk, saved each
second. They share no sessions: a client that moves to the other one finds none.
"""


Row = tuple[str, ...]


def rows(outcomes: list[Outcome]) -> list[Row]:
    """One for each fault and topology that was run, in the order of the first runs."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.fault, outcome.topology), []).append(outcome)
    return [_row(*key, runs) for key, runs in groups.items()]


def rows_of(page: str) -> list[Row]:
    """Those of all tables of an earlier page that have these columns, and are about faults that there are."""
    found = [tuple(line.strip("|").split("|")) for line in page.replace(" | ", "|").replace("| ", "|").replace(" |", "|").splitlines()]
    return [row for row in found if len(row) == len(COLUMNS) and row[0] in FAULTS]


def _row(fault: str, topology: str, runs: list[Outcome]) -> Row:
    def total(name: str) -> str:
        return str(sum(getattr(run, name) for run in runs))
    pauses, recoveries = [run.pause for run in runs], [run.recovery for run in runs]
    return (fault, topology, str(len(runs)), str(sum(not run.ok for run in runs)), total("acknowledged"), total("lost"),
            total("qos2_duplicates"), total("reordered"),
            *(f"{of(seconds):.2f} s" for seconds in (pauses, recoveries) for of in (median, max)))


def markdown(lines: list[Row]) -> str:
    table = [COLUMNS, ("---", "---") + ("--:",) * (len(COLUMNS) - 2)] + lines
    return "\n".join("| " + " | ".join(row) + " |" for row in table)


def document(outcomes: list[Outcome], before: str = "") -> str:
    """docs/faults.md. Of what was not run, the results are those of the page `before`."""
    said = [f"- **{f.name}** ({', '.join(f.topologies)}): {f.text}" for f in FAULTS.values()]
    page = HEAD + "\n" + "\n".join(said) + "\n"
    lines = {row[:2]: row for row in rows_of(before) + rows(outcomes)}.values()
    ours, others = ([row for row in lines if (row[1] == bridged.KIND) is compared] for compared in (False, True))
    if ours:
        page += f"\n## Results\n\n{markdown(ours)}\n"
    return page + (f"\n{BESIDE}\n{markdown(others)}\n" if others else "")
