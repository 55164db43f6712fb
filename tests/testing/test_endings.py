"""The evaluator of the executors' battery."""

from __future__ import annotations

import pytest

from bomix.errors import EvaluationError
from bomix.progress import reporting_to
from bomix.testing.endings import LAST_WORDS, WIDE, Ending
from bomix.trial import Result, Trial

TRIAL = Trial(4, {"code": 0.25, "web": 0.75}, 0, "sobol")


def test_it_reports_three_steps_and_returns_the_first_weight(tmp_path):
    seen = []
    with reporting_to(seen.append):
        assert Ending().evaluate(TRIAL, tmp_path) == Result({"loss": 0.25}, cost=1.0)
        Ending("wide").evaluate(TRIAL, tmp_path)
    assert [progress.step for progress in seen] == [0, 1, 2] * 2
    assert len(seen[-1].losses) == WIDE


@pytest.mark.parametrize(("how", "error"), [("error", EvaluationError), ("bug", KeyError), ("leaving", SystemExit)])
def test_it_fails_as_it_is_told(how, error, tmp_path):
    with pytest.raises(error):
        Ending(how).evaluate(TRIAL, tmp_path)
    assert Ending("nothing").evaluate(TRIAL, tmp_path) is None


def test_it_is_loud(tmp_path, capsys):
    Ending("verbose").evaluate(TRIAL, tmp_path)
    out = capsys.readouterr().out
    assert len(out) > 1 << 22
    assert out.endswith(LAST_WORDS + "\n")
