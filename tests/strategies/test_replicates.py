"""Anchors that are run several times: when they are asked for, on which seeds, and what they are no part of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bomix.config.budget import BudgetSpec
from bomix.config.replicate_checks import replicate_faults
from bomix.errors import FaultsError
from bomix.strategies.auto import Auto
from bomix.strategies.replicates import next_replicate, repeated
from bomix.study.asking import settled
from bomix.study.study import Study
from bomix.trial import Failure

TOKENS = {"code": 3e9, "web": 9e9, "wiki": 1e9}


def study_file(folder: Path, more: str, *, tokens: bool = True) -> Path:
    rows = "".join(f"  {name}: {{{f'tokens: {count:.0f}' if tokens else ''}}}\n" for name, count in TOKENS.items())
    (folder / "study.yaml").write_text(f"domains:\n{rows}metrics: [x, y]\nbudget: {{trials: 12}}\n{more}\n")
    return folder


def losses(weights: Any, seed: int, sd: float = 0.05) -> dict[str, float]:
    """Two smooth losses; their noise is that of the seed."""
    noise = sd * np.random.default_rng([seed, round(1e6 * weights["code"])]).standard_normal(2)
    return {"x": 3 - weights["code"] + noise[0], "y": 3 + (weights["web"] - 0.4) ** 2 + noise[1]}


def origins(study: Study, count: int) -> list[str]:
    found = []
    for _ in range(count):
        trial = study.ask()
        found.append(trial.origin)
        study.tell(trial, losses(trial.weights, trial.seed))
    return found


def test_runs_of_the_anchors_come_first_each_on_a_seed_of_its_own(tmp_path: Path) -> None:
    study = Study.open(study_file(tmp_path, "replicates: {uniform: 3, natural: 2}\nseed: 7"))
    assert origins(study, 6) == [*["uniform"] * 3, *["natural"] * 2, "sobol"]
    assert [record.trial.seed for record in study.history.records] == [7, 8, 9, 7, 8, 7]


def test_the_design_has_as_many_other_mixtures_as_without_them(tmp_path: Path) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    plain = Study.open(study_file(tmp_path / "without", "strategy: auto"))
    study = Study.open(study_file(tmp_path / "with", "replicates: {uniform: 3}"))
    assert origins(plain, 6) == ["uniform", "natural", "sobol", "sobol", "sobol", "log_ei"]
    assert origins(study, 8) == [*["uniform"] * 3, "natural", "sobol", "sobol", "sobol", "log_ei"]
    assert repeated(study.problem, study.history) == 2


def test_steps_of_a_sequence_have_all_their_trials_beside_them(tmp_path: Path) -> None:
    steps = "[{strategy: {kind: dirichlet}, trials: 2}, {strategy: {kind: vertices}}]"
    more = f"replicates: {{uniform: 3}}\nstrategy: {{kind: sequence, steps: {steps}}}"
    assert origins(Study.open(study_file(tmp_path, more)), 6) == [*["uniform"] * 3, "natural", "dirichlet", "vertex"]


def test_they_are_settled_so_that_they_are_trained_together(tmp_path: Path) -> None:
    study = Study.open(study_file(tmp_path, "replicates: {uniform: 4}\nstrategy: {kind: auto, n_init: 3}"))
    pending = []
    while settled(study.records, study.history):
        pending.append(study.ask().origin)
    assert pending == [*["uniform"] * 4, "natural", "sobol"]


def test_a_run_that_keeps_failing_is_not_asked_for_without_end(tmp_path: Path) -> None:
    study = Study.open(study_file(tmp_path, "replicates: {uniform: 2}"))
    for _ in range(2):
        study.tell(study.ask(), Failure("no"))
    assert next_replicate(study.problem, study.history) is None
    assert repeated(study.problem, study.history) == 0
    assert study.ask().origin == "natural"


def test_a_strategy_that_knows_no_design_repeats_them_too(tmp_path: Path) -> None:
    study = Study.open(study_file(tmp_path, "replicates: {natural: 2}\nstrategy: dirichlet"))
    assert origins(study, 3) == ["natural", "natural", "uniform"]


def test_intervals_follow_the_noise_that_repeats_show(tmp_path: Path) -> None:
    found = {}
    for noise in (0.05, 0.005):
        (folder := tmp_path / str(noise)).mkdir()
        study = Study.open(study_file(folder, "replicates: {uniform: 5}\nstrategy: sobol"))
        for _ in range(11):
            trial = study.ask()
            study.tell(trial, losses(trial.weights, trial.seed, noise))
        table = study.predict([study.problem.anchors()["uniform"]])
        found[noise] = table["sd"].sel(metric="x").item()
    assert found[0.05] > 3 * found[0.005]


@pytest.mark.parametrize(
    ("replicates", "said"),
    [
        ("{unifrom: 3}", "replicates.unifrom"),
        ("{uniform: 0}", "expected a number of runs from 1, found 0"),
        ("{uniform: 8, natural: 4}", "12 runs leave none of the 12 trials"),
        ("{uniform: many}", "replicates"),
        ("3", "replicates"),
    ],
)
def test_what_cannot_be_repeated_is_refused(tmp_path: Path, replicates: str, said: str) -> None:
    with pytest.raises(FaultsError, match=said):
        Study.open(study_file(tmp_path, f"replicates: {replicates}")).problem  # noqa: B018


def test_an_anchor_that_the_study_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="the natural mixture is unknown"):
        Study.open(study_file(tmp_path, "replicates: {natural: 2}", tokens=False)).problem  # noqa: B018
    even = "domains: {a: {tokens: 5}, b: {tokens: 5}}\nmetrics: [x]\nreplicates: {natural: 2}\n"
    (tmp_path / "study.yaml").write_text(even)
    with pytest.raises(FaultsError, match="the natural mixture is the uniform one here"):
        Study.open(tmp_path).problem  # noqa: B018


def test_a_study_in_python_can_ask_for_them() -> None:
    study = Study(["a", "b"], metrics=["x"], budget=BudgetSpec(trials=5), strategy=Auto(), replicates={"uniform": 2})
    assert [study.ask().origin for _ in range(3)] == ["uniform", "uniform", "sobol"]
    assert replicate_faults({"uniform": 2}, 5) == []
