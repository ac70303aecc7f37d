# SPDX-License-Identifier: MIT
"""Writes docs/conformance.md: every normative statement and the tests that carry its id in their `spec` mark.

`python -m conformance.table` from the folder tests/ writes it; the test in test_statements.py holds it to be up to date.
"""
import contextlib
import io
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
DOCUMENT = TESTS.parent / "docs" / "conformance.md"
SPECIFICATIONS = {"MQTT3": ("MQTT 3.1.1", HERE / "statements_311.tsv"), "MQTT5": ("MQTT 5.0", HERE / "statements_5.tsv")}

HEAD = """# Conformance

<!-- Written by `python -m conformance.table` in tests/ from the marks of the tests; do not edit. -->

Each row is one normative statement of the specification, in our own words, with the tests that show it. "Bound" is who
has to keep it; where that is the client alone, the tests show what the broker does when it sees the rule broken.
MQTT 3.1 has no numbered statements: its clients are covered by the tests that run for every version.

Run the tests with `./dev system conformance`.
"""


@dataclass
class Statement:
    id: str
    bound: str
    text: str


def statements(specification: str) -> list[Statement]:
    lines = SPECIFICATIONS[specification][1].read_text().splitlines()
    return [Statement(*line.split("\t")) for line in lines if line and not line.startswith("#")]


def sort_key(statement_id: str) -> list[int]:
    return [int(part) for part in statement_id.replace("-", ".").split(".")]


class Collector:
    """A pytest plugin that notes which test functions carry which statement."""

    def __init__(self):
        self.tests: dict[str, set[str]] = defaultdict(set)

    def pytest_collection_modifyitems(self, items):
        for item in items:
            where = f"{Path(item.fspath).relative_to(TESTS).as_posix()}::{item.originalname}"
            for mark in item.iter_markers("spec"):
                for statement in mark.args:
                    self.tests[statement].add(where)


def collect() -> dict[str, set[str]]:
    """Statement ("MQTT5 3.1.2-6") to the tests that show it; collected in this process, without running anything."""
    collector = Collector()
    with contextlib.redirect_stdout(io.StringIO()) as output:
        code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "-o", "addopts=--strict-markers",
                            "-c", str(TESTS / "pytest.ini"), "--rootdir", str(TESTS), str(HERE), str(TESTS / "clients")],
                           plugins=[collector])
    assert code == 0, output.getvalue()
    return collector.tests


def render(tests: dict[str, set[str]]) -> str:
    parts = [HEAD]
    for name, (title, _) in SPECIFICATIONS.items():
        rows = statements(name)
        shown = sum(1 for s in rows if tests.get(f"{name} {s.id}"))
        ours = [s for s in rows if s.bound != "client"]
        done = sum(1 for s in ours if tests.get(f"{name} {s.id}"))
        parts.append(f"## {title}\n\n{len(rows)} statements, {shown} with a test; {len(ours)} bind the server, {done} of these with a test.\n\n"
                     "| Statement | Bound | What it says | Tests |\n|---|---|---|---|\n"
                     + "".join(f"| {s.id} | {s.bound} | {s.text} | {cell(s, tests.get(f'{name} {s.id}', set()))} |\n" for s in rows))
    return "\n".join(parts)


def cell(statement: Statement, shown_by: set[str]) -> str:
    if not shown_by:
        return "client side" if statement.bound == "client" else "not done"
    return "<br>".join(f"`{where.removeprefix('conformance/')}`" for where in sorted(shown_by))


if __name__ == "__main__":
    DOCUMENT.write_text(render(collect()))
    sys.exit(0)
