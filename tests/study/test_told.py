"""What a program may hand to a study: parts as a study file has them, several asks, results in either form."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bomix
from bomix.errors import FaultsError
from bomix.strategies.bayesian.turbo import Turbo
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.surrogates.regression.specs import Ridge
from tests.cli.called import called

LOSSES = {"code": 2.0, "web": 3.0}


def asked(**options: Any) -> bomix.Study:
    """A study with a pending trial."""
    study = bomix.Study(["code", "web"], ["code", "web"], **options)
    study.ask()
    return study


def test_parts_are_given_by_kind_or_as_a_mapping_as_in_a_study_file() -> None:
    study = bomix.Study(
        {"code": {"tokens": "20B"}, "web": bomix.DomainSpec(tokens=3e9)},
        ["loss"],
        strategy={"kind": "turbo", "n_init": np.int64(5), "surrogate": {"kind": "auto", "of": ["ridge", "law"]}},
        objective="worst",
        target={"tokens": "10B"},
        budget={"trials": 8},
        execution={"workers": 2},
    )
    strategy: Any = study.spec.strategy
    assert type(strategy) is Turbo
    assert (strategy.n_init, strategy.surrogate.of[0]) == (5, Ridge())
    assert study.problem.space.upper == (1.0, 1.0)
    assert (study.spec.budget.trials, study.problem.tokens["code"]) == (8, 20e9)
    mixed = bomix.Study(["code", "web"], ["loss"], strategy={"kind": "bayesian", "surrogate": Ridge(), "n_init": 3})
    assert mixed.spec.strategy == Bayesian(surrogate=Ridge(), n_init=3)
    assert bomix.Study(["code", "web"], ["loss"], strategy=Bayesian(surrogate="ridge")).spec.strategy == Bayesian(
        Ridge()
    )  # type: ignore[arg-type]


def test_every_fault_of_parts_given_by_kind_is_told_at_once() -> None:
    with pytest.raises(FaultsError) as caught:
        bomix.Study(
            ["a"], ["x"], strategy="turbp", objective={"kind": "worst", "metric": ["x"]}, budget={"trials": "many"}
        )
    assert {fault.where for fault in caught.value.faults} == {"strategy.kind", "objective.metric", "budget.trials"}


def test_several_mixtures_are_asked_for_one_after_the_other(caplog: pytest.LogCaptureFixture) -> None:
    study = bomix.Study(["code", "web"], ["loss"], strategy="sobol")
    one_by_one = bomix.Study(["code", "web"], ["loss"], strategy="sobol")
    assert study.ask(3) == [one_by_one.ask() for _ in range(3)]
    few = bomix.Study({name: {"at_least": 0.6} for name in ("code", "web")}, ["loss"])
    with caplog.at_level(logging.WARNING):
        assert len(few.ask(5)) == 2, "either domain alone"
    assert "asked for 2 of 5" in caplog.text
    with pytest.raises(FaultsError, match="n: expected a number of mixtures from 1, found 0"):
        study.ask(0)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("way", ["mapping", "path", "text", "command"])
def test_a_result_is_told_in_either_form(tmp_path: Path, whole: bool, way: str) -> None:
    study = asked(path=tmp_path / "study")
    data: dict[str, Any] = {"losses": LOSSES, "cost": 4.0} if whole else dict(LOSSES)
    (file := tmp_path / "result.json").write_text(json.dumps(data))
    if way == "command":
        (tmp_path / "study/study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: [code, web]\n")
        assert called("tell", tmp_path / "study", 0, file)[0] == 0
    else:
        study.tell(0, {"mapping": data, "path": file, "text": str(file)}[way])
    (record,) = study.history.completed
    assert record.result.losses == LOSSES
    assert record.result.cost == (4.0 if whole else None)


def test_a_failure_is_told_as_a_result_file_has_it() -> None:
    study = asked()
    assert study.tell(0, {"failure": "diverged at step 800"}).outcome == bomix.Failure("diverged at step 800")


def test_metrics_may_have_the_names_of_keys() -> None:
    study = bomix.Study(["a", "b"], ["losses", "failure"])
    assert study.tell(study.ask(), {"losses": 2.0, "failure": 3.0}).result.losses == {"losses": 2.0, "failure": 3.0}


def test_what_is_neither_form_shows_both(tmp_path: Path) -> None:
    study = asked()
    (file := tmp_path / "result.json").write_text('{"cod": 2.0}')
    with pytest.raises(FaultsError, match=r"must look like \{.losses.: \{.code.: 2.5, ...\}\}, or be the losses alone"):
        study.tell(0, file)


@pytest.mark.parametrize("way", ["mapping", "path", "command", "folder"])
def test_results_of_a_harness_have_the_directions_of_the_study(tmp_path: Path, way: str) -> None:
    study = tmp_path / "study"
    study.mkdir()
    data = {"results": {"arc": {"acc,none": 0.5}}, "higher_is_better": {"arc": {"acc": True}}}
    (study / "study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: {arc/acc: {unit: accuracy}}\n")
    (out := tmp_path / "out").mkdir()
    assert called("ask", study, "--out", out)[0] == 0
    (out / "0.result.json").write_text(json.dumps(data))
    if way in ("mapping", "path"):
        with pytest.raises(FaultsError, match="by lm-evaluation-harness its direction is max, not min"):
            bomix.Study.open(study).tell(0, data if way == "mapping" else out / "0.result.json")
    else:
        code, printed = called("tell", study, *([out] if way == "folder" else [0, out / "0.result.json"]))
        said = "refused" if way == "folder" else "by lm-evaluation-harness its direction is max, not min"
        assert said in printed
        assert code != 0
    assert not bomix.Study.open(study).history.completed


def test_results_of_a_harness_are_told_from_memory() -> None:
    study = bomix.Study(["code", "web"], {"arc": {"unit": "accuracy", "direction": "max"}})
    data = {"results": {"arc": {"acc,none": 0.5}}, "higher_is_better": {"arc": {"acc": True}}}
    assert study.tell(study.ask(), data).result.losses == {"arc": 0.5}


def test_words_in_place_of_losses_show_how_a_failure_is_told() -> None:
    with pytest.raises(FaultsError, match=r"or \{.failure.: .why.\} of a run that failed"):
        asked().tell(0, {"failed": "oom"})
