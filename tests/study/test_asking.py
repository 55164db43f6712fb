"""The seed of a trial that was asked for, and what is asked for after the budget of a study by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bomix.errors import StudyError
from bomix.history import History
from bomix.problem import Problem
from bomix.recommendation.confirmation import compare
from bomix.study.asking import search_seed
from bomix.study.study import Study
from bomix.trial import IMPORTED, Candidate, Failure, Record, Trial

HERE, THERE = {"code": 0.25, "web": 0.75}, {"code": 0.5, "web": 0.5}


@pytest.mark.parametrize(("paired", "expected"), [(True, [7, 7, 8, 9]), (False, [7, 8, 9, 10])])
def test_paired_trials_share_a_seed_but_repeats_take_the_next(paired: bool, expected: list[int]) -> None:
    records: list[Record] = [Record(Trial(0, HERE, 7, IMPORTED))]
    seeds = []
    for weights in (HERE, THERE, HERE, HERE):
        seeds.append(search_seed(weights, History(tuple(records)), seed=7, paired=paired))
        records.append(Record(Trial(len(records), weights, seeds[-1], "sobol")))
    assert seeds == expected


def test_a_reference_takes_the_seed_of_the_withdrawn_one_that_it_replaces() -> None:
    def seed(records: list[Record], *, reference: bool = True) -> int:
        return search_seed(HERE, History(tuple(records)), seed=7, paired=True, reference=reference)

    runs = [Record(Trial(number, HERE, 7 + number, "uniform")) for number in range(3)]
    assert seed(runs) == 10
    runs[1] = dataclasses.replace(runs[1], withdrawn="a slip")
    assert seed(runs) == 8
    assert seed(runs, reference=False) == 10, "another mixture is repeated, and the seeds of its runs stay taken"
    assert seed([*runs, Record(Trial(3, HERE, 8, "uniform"))]) == 11


def test_what_is_compared_with_a_withdrawn_reference_can_be_compared_with_the_next(tmp_path: Path) -> None:
    study = by_hand(tmp_path)
    trials = [study.ask() for _ in range(3)]
    for trial in trials:
        told(study, trial)
    (uniform,) = [trial for trial in trials if trial.weights == THERE]
    study.withdraw(uniform, why="trained on the wrong tokens")
    with (tmp_path / "study.yaml").open("a") as file:
        file.write("replicates: {uniform: 1}\n")
    again = Study.open(tmp_path).ask()
    assert (again.weights, again.seed) == (THERE, uniform.seed)


def by_hand(folder: Path, *, trials: int = 4, confirm: int = 2) -> Study:
    text = "domains: {code: {}, web: {}}\nmetrics: [a]\nstrategy: sobol\n"
    text += f"budget: {{trials: {trials}}}\nconfirm: {confirm}\n"
    (folder / "study.yaml").write_text(text)
    return Study.open(folder)


def told(study: Study, trial: Trial) -> None:
    study.tell(trial, {"a": 2 + (trial.weights["web"] - 0.7) ** 2 + 0.001 * (trial.seed % 5)})


def test_the_budget_is_followed_by_the_confirming_trials(tmp_path: Path) -> None:
    study = by_hand(tmp_path)
    search = [study.ask() for _ in range(4)]
    with pytest.raises(StudyError, match="tell the results of 0, 1, 2, 3 first"):
        study.ask()
    for trial in search:
        told(study, trial)
    fresh = [study.ask() for _ in range(4)]
    assert {trial.origin for trial in fresh} == {"confirm"}
    assert sorted(trial.seed - fresh[0].seed for trial in fresh) == [0, 0, 1, 1]
    uniform = [trial for trial in fresh if trial.weights == {"code": 0.5, "web": 0.5}]
    assert len(uniform) == 2
    with pytest.raises(StudyError, match="every confirming trial is asked for: tell the results of 4, 5, 6, 7"):
        study.ask()
    for trial in fresh:
        told(study, trial)
    with pytest.raises(StudyError, match="the recommendation is confirmed: `bomix recommend` shows it"):
        study.ask()
    best = study.recommend()
    assert best.confirmed is not None
    (comparison,) = compare(study.problem, study.history, best.confirmed.weights)
    assert len(comparison.differences) == 2


def test_a_confirming_seed_that_failed_or_was_withdrawn_is_replaced(tmp_path: Path) -> None:
    study = by_hand(tmp_path, confirm=1)
    for _ in range(4):
        told(study, study.ask())
    first, second = study.ask(), study.ask()
    study.tell(first, Failure("diverged"))
    told(study, second)
    again = study.ask()
    assert (again.weights, again.seed) == (first.weights, first.seed + 1)
    study.withdraw(again, why="wrong node")
    assert (study.ask().weights, study.history.pending[0].trial.seed) == (first.weights, first.seed + 1)


def test_without_confirmations_asks_go_on(tmp_path: Path) -> None:
    study = by_hand(tmp_path, confirm=0)
    assert [study.ask().origin for _ in range(6)].count("confirm") == 0


def test_a_failed_trial_leaves_room_in_the_budget(tmp_path: Path) -> None:
    study = by_hand(tmp_path)
    search = [study.ask() for _ in range(4)]
    study.tell(search[0], Failure("diverged"))
    assert study.ask().origin == "sobol"


@dataclasses.dataclass(frozen=True)
class Few:
    """Proposes nothing."""

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        return []


def test_a_strategy_that_proposes_nothing_is_named() -> None:
    with pytest.raises(StudyError, match="the strategy Few proposed 0 of 1 mixtures"):
        Study(["a", "b"], ["loss"], strategy=Few()).ask()
