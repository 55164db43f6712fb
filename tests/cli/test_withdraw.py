"""``bomix withdraw``: a run that counts no more, and is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bomix.cli.inspect import status
from bomix.cli.withdraw import withdraw
from bomix.errors import StoreError, StudyError
from bomix.study.study import Study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: [loss]\nstrategy: sobol\n")
    opened = Study.open(tmp_path)
    opened.add({"code": 0.5, "web": 0.5}, {"loss": 2.0})
    opened.add({"code": 0.4, "web": 0.6}, {"loss": 2.1})
    opened.tell(opened.ask(), {"loss": 2.2})
    return tmp_path


def call(*given: object) -> Result:
    return CliRunner().invoke(withdraw, [str(each) for each in given], catch_exceptions=False)


def test_a_withdrawn_run_is_shown_with_the_reason(study: Path) -> None:
    assert call(study, 1, "--why", "wrong tokenizer").output == "trial 1 (imported) is withdrawn: wrong tokenizer\n"
    assert call(study, 2, "--why", "node failed").exit_code == 0
    shown = CliRunner().invoke(status, [str(study)]).output
    assert "0 of 20 trials completed, 0 pending, 0 failed, 1 imported, 0 confirming, 2 withdrawn" in shown
    assert "wrong tokenizer" in shown
    state = json.loads(CliRunner().invoke(status, [str(study), "--json"]).output)
    assert (state["withdrawn"], [trial["withdrawn"] for trial in state["trials"]]) == (
        2,
        [None, "wrong tokenizer", "node failed"],
    )


@pytest.mark.parametrize("given", [(1,), (-1, "--why", "x"), ("one", "--why", "x")])
def test_a_call_that_says_too_little_is_refused(study: Path, given: tuple[object, ...]) -> None:
    assert call(study, *given).exit_code == 2


def test_what_is_not_there_or_withdrawn_already_is_said(study: Path) -> None:
    with pytest.raises(StudyError, match="there is no trial 9"):
        call(study, 9, "--why", "x")
    call(study, 0, "--why", "x")
    with pytest.raises(StoreError, match="withdrawn already"):
        call(study, 0, "--why", "x")
