# SPDX-License-Identifier: MIT
"""The table of statements is whole, and docs/conformance.md shows what the tests carry."""
import subprocess
import sys

import pytest

from conformance import table

# Counted in appendix B of either specification.
COUNTS = {"MQTT3": 141, "MQTT5": 251}


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """Collected in a process of its own: pytest does not run within pytest."""
    file = tmp_path_factory.mktemp("collected") / "tests"
    code = ("import sys\nfrom conformance import table\n"
            "open(sys.argv[1], 'w').writelines(f'{s}\\t{t}\\n' for s, ts in table.collect().items() for t in sorted(ts))")
    done = subprocess.run([sys.executable, "-c", code, str(file)], cwd=table.TESTS, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    tests = {}
    for line in file.read_text().splitlines():
        statement, where = line.split("\t")
        tests.setdefault(statement, set()).add(where)
    return tests


@pytest.mark.parametrize("specification", list(COUNTS))
def test_list_of_statements_is_whole(specification):
    ids = [s.id for s in table.statements(specification)]
    assert len(ids) == len(set(ids)) == COUNTS[specification]
    assert ids == sorted(ids, key=table.sort_key)
    assert {s.bound for s in table.statements(specification)} <= {"server", "client", "both"}


def test_no_test_names_an_unknown_statement(collected):
    known = {f"{name} {s.id}" for name in COUNTS for s in table.statements(name)}
    assert set(collected) <= known, set(collected) - known


@pytest.mark.parametrize("specification", list(COUNTS))
def test_every_statement_for_the_server_has_a_test(collected, specification):
    missing = [s.id for s in table.statements(specification) if s.bound != "client" and f"{specification} {s.id}" not in collected]
    assert not missing


def test_document_is_up_to_date(collected):
    assert table.DOCUMENT.read_text() == table.render(collected), "run: python -m conformance.table"
