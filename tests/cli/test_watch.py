"""What is said of a run while it goes on."""

from __future__ import annotations

import pytest

from bomix.cli.watch import PlainObserver
from bomix.study import Study


def test_a_trial_without_all_metrics_is_never_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    study = Study(domains=["a", "b"], metrics=["x", "y"])
    observer = PlainObserver()
    observer.began(study, [])
    said = []
    for losses in ({"x": 1.0, "y": None}, {"x": 3.0, "y": 3.0}, {"x": None, "y": 1.0}):
        observer.ended(study, study.tell(study.ask(), losses))
        said.append(capsys.readouterr().err)
    assert "objective - (x 1.000)" in said[0]
    assert "best" not in said[0]
    assert "best observed 3.0000 (trial 1)" in said[1]
    assert "best observed 3.0000 (trial 1)" in said[2]
