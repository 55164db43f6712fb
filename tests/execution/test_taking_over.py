"""Trials that outlive their driver: the next one takes over every one of them, and cancels what is no longer wanted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from bomix.config.budget import BudgetSpec
from bomix.contracts.executor import Execution
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.execution.observer import Observer
from bomix.recommendation.confirmation import SEED_OFFSET
from bomix.strategies.designs import Sobol
from bomix.study.confirmation import confirming_trial
from bomix.study.running import run, train_experts
from bomix.study.study import Study
from bomix.trial import CONFIRM, EXPERT, Status, Trial
from tests.execution import inline
from tests.execution.evaluators import Ending
from tests.execution.inline import Inline

pytestmark = pytest.mark.usefixtures("short_chains", "recommended_by_the_mean_alone")


TOKENS = Synthetic(family="token_experts", domains=2, noise=0.0)


class Seen(Observer):
    """Keeps which trials were started and cancelled; stops the driver once so many were started."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.started_ids: list[int] = []
        self.cancelled_ids: list[int] = []
        self._stop_after = stop_after

    def started(self, trial: Trial) -> None:
        self.started_ids.append(trial.id)
        if len(self.started_ids) == self._stop_after:
            raise KeyboardInterrupt

    def cancelled(self, trial: Trial) -> None:
        self.cancelled_ids.append(trial.id)


def make(path: Path, execution: Execution) -> Study:
    return Study(
        ["code", "web"],
        path=path,
        evaluator=Ending(),
        strategy=Sobol(),
        budget=BudgetSpec(3),
        execution=execution,
    )


def interrupted(study: Study, stop_after: int, **options: int) -> None:
    """Run a study and stop the driver; the trials that it started run on."""
    with pytest.raises(KeyboardInterrupt):
        run(study.records, observer=Seen(stop_after), **options)  # type: ignore[arg-type]


def attempts(path: Path) -> list[int]:
    """How many attempts each trial had."""
    return [len(list(folder.iterdir())) for folder in sorted(path.glob("trials/*/attempts"))]


def statuses(study: Study) -> dict[int, Status]:
    return {record.trial.id: record.status for record in study.history.records if record.trial.origin == CONFIRM}


@pytest.fixture(autouse=True)
def _nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BOMIX_SLOT", "none")  # the evaluator says which it had
    yield
    left, inline.LEFT_RUNNING[:] = list(inline.LEFT_RUNNING), []
    assert left == [], "nobody has heard the end of them"


def test_confirming_trials_are_taken_over_though_the_search_goes_on(tmp_path: Path) -> None:
    study, seen = make(tmp_path, Inline(slots=2, leaves=True)), Seen()
    run(study.records)
    interrupted(study, 2, confirm=1)
    run(study.records, trials=5, confirm=1, observer=seen)
    assert seen.started_ids == [5, 6, 7, 8]
    assert statuses(study) == dict.fromkeys((3, 4, 7, 8), Status.COMPLETED)
    assert attempts(tmp_path) == [1] * 9


def test_confirming_trials_are_taken_over_where_nothing_else_is_to_be_done(tmp_path: Path) -> None:
    study, seen = make(tmp_path, Inline(slots=2, leaves=True)), Seen()
    run(study.records)
    interrupted(study, 2, confirm=1)
    run(study.records, confirm=0, observer=seen)
    assert seen.started_ids == []
    assert statuses(study) == dict.fromkeys((3, 4), Status.COMPLETED)


def test_what_was_not_started_yet_is_confirmed_beside_what_was_taken_over(tmp_path: Path) -> None:
    study, seen = make(tmp_path, Inline(slots=2, leaves=True)), Seen()
    run(study.records)
    interrupted(study, 2, confirm=2)
    more = make(tmp_path, Inline(slots=3, leaves=True))
    interrupted(more, 1, confirm=2)
    assert [trial.id for trial, _ in inline.LEFT_RUNNING] == [3, 4, 5]
    run(more.records, confirm=2, observer=seen)
    assert seen.started_ids == [6]
    assert attempts(tmp_path) == [1] * 7


@pytest.mark.parametrize("tries", [1, 2])
def test_confirmations_of_what_is_no_longer_recommended_are_cancelled_and_stay_pending(
    tmp_path: Path, tries: int
) -> None:
    study, seen = make(tmp_path, Inline(slots=2, leaves=True)), Seen()
    run(study.records)
    interrupted(study, 2, confirm=1)
    study.add({"code": 0.0, "web": 1.0}, {"loss": 0.0})
    study = make(tmp_path, Inline(slots=2, leaves=True, attempts=tries, max_failures=1))
    run(study.records, confirm=1, observer=seen)
    assert seen.cancelled_ids == [3, 4]
    assert seen.started_ids == [6, 7]
    assert statuses(study) == {
        **dict.fromkeys((3, 4), Status.PENDING),
        **dict.fromkeys((6, 7), Status.COMPLETED),
    }


def test_a_round_that_ends_while_its_trials_run_has_them_cancelled(tmp_path: Path) -> None:
    class Adding(Seen):
        """A result of the search comes in from elsewhere as the first confirming trial ends."""

        def ended(self, study: object, record: object) -> None:
            if not self.cancelled_ids and len(opened.history.records) == 5:
                opened.add({"code": 0.0, "web": 1.0}, {"loss": 0.0})

    study, seen = make(tmp_path, Inline(slots=2, leaves=True)), Adding()
    run(study.records)
    interrupted(study, 2, confirm=1)
    opened = Study.open(tmp_path)
    run(study.records, confirm=0, observer=seen)
    assert seen.cancelled_ids == [4]
    assert statuses(study) == {3: Status.COMPLETED, 4: Status.PENDING}


def test_of_more_seeds_than_are_wanted_now_the_rest_is_cancelled(tmp_path: Path) -> None:
    study, seen = make(tmp_path, Inline(slots=4, leaves=True)), Seen()
    run(study.records)
    interrupted(study, 4, confirm=2)
    run(study.records, confirm=1, observer=seen)
    assert (seen.started_ids, seen.cancelled_ids) == ([], [5, 6])
    run(study.records, confirm=2, observer=seen)
    assert seen.started_ids == [5, 6]
    assert statuses(study) == dict.fromkeys((3, 4, 5, 6), Status.COMPLETED)


def test_a_run_for_experts_alone_takes_over_the_other_trials(tmp_path: Path) -> None:
    study = Study(
        list(TOKENS.domain_names),
        list(TOKENS.metrics),
        path=tmp_path,
        evaluator=TOKENS,
        strategy=Sobol(),
        budget=BudgetSpec(2),
        execution=Inline(slots=2, leaves=True),
    )
    interrupted(study, 2)
    train_experts(study.records)
    assert [(record.trial.origin, record.status) for record in study.history.records] == [
        ("uniform", Status.COMPLETED),
        ("sobol", Status.COMPLETED),
        (EXPERT, Status.COMPLETED),
        (EXPERT, Status.COMPLETED),
    ]
    assert attempts(tmp_path) == [1] * 4


@dataclasses.dataclass(frozen=True)
class Unasked(Inline):
    """Must not be started."""

    def start(self, evaluator: object, *, folder: Path | None) -> inline.InlineExecutor:
        raise AssertionError("there is nothing to run, and nothing was run before")


def test_nothing_is_started_where_there_is_nothing_to_take_over(tmp_path: Path) -> None:
    study = make(tmp_path, Unasked())
    for _ in range(3):
        study.tell(study.ask(), {"loss": 1.0})
    confirming_trial(study.records, {"code": 0.5, "web": 0.5}, SEED_OFFSET)  # recorded, and never submitted
    run(study.records)
