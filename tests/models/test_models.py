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


def test_every_model_says_what_each_of_its_flags_does():
    for model in checker.models():
        named = {flag for run in checker.runs(model) for flag in run.flags}
        assert named == checker.flags_of(model)
