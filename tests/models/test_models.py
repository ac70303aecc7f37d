# SPDX-License-Identifier: MIT
"""The protocols between nodes and Redis, searched by a model checker: with all rules nothing fails, and without any
single one the failure is found that it is there for. docs/models.md."""
import pytest

from models import checker


@pytest.mark.parametrize("run", [run for model in checker.models() for run in checker.runs(model)], ids=str)
def test_model(run):
    result = checker.check(run.model, run.flags)
    assert checker.verdict(run, result) == ""
    assert result.seconds < 10


@pytest.mark.parametrize("model", checker.models())
def test_each_flag_is_explained(model):
    named = {flag for run in checker.runs(model) for flag in run.flags}
    assert named == checker.flags_of(model)
    page = (checker.FOLDER.parents[1] / "docs" / "models.md").read_text(encoding="utf-8")
    assert [flag for flag in sorted(named | {model}) if flag not in page] == []
