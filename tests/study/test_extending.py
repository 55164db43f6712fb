"""A study goes on with other domains: what is carried over, and what keeps runs from being compared."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import pytest

import bomix
from bomix.contracts.preparation import Preparation
from bomix.errors import FaultsError, StudyError
from bomix.io.imports.carried import carried
from bomix.problem import Metric
from bomix.scale import Scale
from bomix.strategies.designs import Sobol
from bomix.study.study import Study
from bomix.trial import Trial


@dataclasses.dataclass(frozen=True)
class Trainer:
    """A formula that says what a trainer of text says: tokenizer, text of each domain, size."""

    tokenizer: str = "a"
    code: str = "a"
    params: int = 1_000_000
    rate: float = 0.1
    may_change: ClassVar[tuple[str, ...]] = ()

    def prepare(self, domains: tuple[str, ...]) -> Preparation:
        text = {f"train/{name}": self.code if name == "code" else name for name in domains}
        return Preparation(
            (Metric("loss"),), scale=Scale(self.params, 1_000_000), provenance={"tokenizer": self.tokenizer, **text}
        )

    def evaluate(self, trial: Trial, workdir: Path) -> dict[str, float]:
        return {"loss": 3.0 + (trial.weights["code"] - 0.3) ** 2}


def study(domains: list[str], *, path: Path | None = None, runs: int = 0, **options: Any) -> Study:
    """A study of a formula, with some runs."""
    options = {"strategy": Sobol(), "evaluator": Trainer(), **options}
    made = Study(domains, path=path, **options)
    for _ in range(runs):
        trial = made.ask()
        made.tell(trial, made.spec.evaluator.evaluate(trial, Path()))  # type: ignore[union-attr, arg-type]
    return made


def test_a_second_time_brings_nothing_twice_and_new_runs_come_over(tmp_path: Path) -> None:
    old = study(["code", "web"], path=tmp_path / "old", runs=4)
    new = study(["code", "web", "books"], path=tmp_path / "new")
    first = old.extend(new)
    assert (first.added, first.there, first.exact, first.carriage.changed) == (4, 0, 4, ("books",))
    assert all(record.trial.weights["books"] == 0.0 for record in new.history.completed)
    old.tell(old.ask(), {"loss": 3.0})
    again = old.extend(tmp_path / "new")
    assert (again.added, again.there, len(Study.open(tmp_path / "new").history.completed)) == (1, 4, 5)


def test_runs_that_were_carried_over_are_not_taken_for_others(tmp_path: Path) -> None:
    old = study(["code", "web", "wiki"], runs=4)
    new = study(["code", "web"])
    old.extend(new, drop=["wiki"])
    with pytest.raises(FaultsError, match=r"carried over before.*Extend into a new"):
        old.extend(new, map={"wiki": "web"})
    assert len(new.history.completed) == 4


def test_a_new_metric_is_a_gap_of_old_runs_and_is_learnt_from_new_ones() -> None:
    old = Study(["code", "web"], ["code", "web"], strategy=Sobol())
    for _ in range(5):
        trial = old.ask()
        old.tell(trial, {name: 3.0 - weight for name, weight in trial.weights.items()})
    new = Study(["code", "web", "books"], ["code", "web", "books"])
    done = old.extend(new)
    assert done.exact == 5
    assert {record.result.unmeasured for record in new.history.completed} == {("books",)}
    for share in (0.2, 0.6):
        weights = {"books": share, "code": 0.5 - 0.5 * share, "web": 0.5 - 0.5 * share}
        new.add(weights, {name: 3.0 - weight for name, weight in weights.items()})
    assert bool(new.predict([weights]).objective_mean.notnull().all())


def test_a_chain_of_changes_keeps_what_each_did() -> None:
    old = study(["code", "web", "wiki"], runs=4)
    second = study(["code", "web"])
    old.extend(second, drop=["wiki"])
    second.tell(second.ask(), {"loss": 3.1})
    third = study(["code", "web"])
    second.extend(third, refilter=["code"])
    found = [carried(record) for record in third.history.completed]
    texts = [sorted(each.other) for each in found if each is not None]
    assert texts[-1] == ["code (before 2)"]  # text of one name is one text, however often a run was carried over
    assert ["code (before 2)", "wiki (dropped, 1)"] in texts


def test_only_exact_runs_come_over_where_that_is_wanted() -> None:
    old = study(["code", "web", "wiki"], runs=4)
    old.add({"code": 0.5, "web": 0.5, "wiki": 0.0}, {"loss": 3.0})
    new = study(["code", "web"])
    done = old.extend(new, drop=["wiki"], exact=True)
    assert (done.runs, done.exact) == (1, 1)
    assert any("left out 4 runs of text that the study has no more" in note for note in done.notes)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"evaluator": Trainer(tokenizer="b")}, "tokenizer: other text or tokens"),
        ({"evaluator": Trainer(rate=0.2)}, "evaluator.rate: 0.1 in the earlier study, 0.2 in the later one"),
        ({"seed": 1}, "seed: 0 in the earlier study, 1 in the later one"),
    ],
)
def test_runs_that_were_trained_in_another_way_come_over_as_another_recipe_or_not_at_all(
    options: dict[str, Any], what: str
) -> None:
    old = study(["code", "web"], runs=3)
    new = study(["code", "web", "books"], **options)
    with pytest.raises(FaultsError, match=what) as raised:
        old.extend(new)
    assert "--other-recipe" in str(raised.value)
    assert not new.history.completed
    done = old.extend(new, other_recipe=True)
    assert (done.added, done.exact) == (3, 0)
    assert {tuple(found.other.items()) for each in new.history.completed if (found := carried(each))} == {
        (("recipe (before 1)", 1.0),)
    }


def test_other_text_of_a_domain_has_to_be_said() -> None:
    old = study(["code", "web"], runs=3)
    new = study(["code", "web", "books"], evaluator=Trainer(code="b"))
    with pytest.raises(FaultsError, match=r"domains.code: has other text than code of the earlier study.*--refilter"):
        old.extend(new, other_recipe=True)
    recipe = study(["code", "web"], evaluator=Trainer())
    assert old.extend(recipe, refilter=["code"]).runs == 3


def test_another_size_is_no_run_of_the_later_study() -> None:
    old = study(["code", "web"], runs=3)
    new = study(["code", "web", "books"], evaluator=Trainer(params=2_000_000))
    with pytest.raises(FaultsError, match="their losses do not compare; name both in the later one as scales"):
        old.extend(new, other_recipe=True)


def test_text_that_is_repeated_otherwise_now_is_named() -> None:
    def made(tokens: float, *more: str) -> Study:
        domains = {name: bomix.DomainSpec(tokens=tokens) for name in ("code", "web")}
        rest = {name: bomix.DomainSpec(tokens=1e9) for name in more}
        return Study({**domains, **rest}, ["loss"], target=bomix.TargetSpec(tokens=1e9, max_epochs=50))

    old, new = made(1e8), made(1e8 / 4, "books")
    old.add({"code": 0.5, "web": 0.5}, {"loss": 3.0})
    notes = old.extend(new).notes
    assert any(
        "code: a run of it alone went over its text 10 times, and does so 40 times now" in each for each in notes
    )
    assert not old.extend(made(1e8, "books")).notes


def test_a_study_extends_no_study_that_is_itself_or_empty(tmp_path: Path) -> None:
    empty = study(["code", "web"], path=tmp_path / "old")
    with pytest.raises(StudyError, match="no run that came back"):
        empty.extend(study(["code", "web", "books"]))
    with pytest.raises(StudyError, match="by itself"):
        empty.extend(tmp_path / "old")


def test_without_runs_of_another_study_nothing_is_another(tmp_path: Path) -> None:
    plain = bomix.Study(["code", "web"], ["loss"])
    plain.add({"code": 0.5, "web": 0.5}, {"loss": 3.0})
    assert carried(plain.history.completed[0]) is None
