"""A study of a method that reweights, from its first ask to the record: what is handed over, kept, and refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

import bomix
from bomix.config.budget import BudgetSpec
from bomix.errors import EvaluationError, Fault, FaultsError, StudyError
from bomix.execution.local.spec import LocalExecution
from bomix.io.store.records import NewerVersionError, trial_from_json, trial_to_json
from bomix.strategies.baselines.reweighted import ODM, DoReMi
from bomix.study.reweighting import candidate_faults, result_faults, with_model
from bomix.study.study import Study
from bomix.trial import MODEL, Candidate, Failure, Result, Reweighting, Trial

DOMAINS = ("code", "maths", "web")
HOW = Reweighting({"kind": "doremi", "eta": 1.0, "smoothing": 1e-4}, reference=0)


@dataclasses.dataclass(frozen=True)
class Fake:
    """Keeps a model of a reference run, and finds more of the first domain than there was."""

    refuses: str = ""
    forgets: str = ""
    fails: str = ""

    def reweighting_faults(self, reweighting: Reweighting) -> list[Fault]:
        return [Fault("rule", "is not for this trainer")] if reweighting.rule["kind"] == self.refuses else []

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        if trial.origin == self.fails:
            raise EvaluationError("diverged")
        losses = {"loss": 2.0 + (trial.weights["code"] - 0.7) ** 2}
        if trial.origin == "reference" and not self.forgets:
            (workdir / "model").mkdir()
            return Result(losses, artifacts={MODEL: "model"})
        if trial.reweighting is None:
            return Result(losses)
        if trial.reweighting.reference is not None:
            assert trial.reweighting.model is not None
            assert Path(trial.reweighting.model).is_dir()
        mixture = None if self.forgets else {"code": 0.6, "maths": 0.2, "web": 0.2}
        return Result({"loss": 9.0}, mixture=mixture)


def study(evaluator: Fake | None = None, *, trials: int = 5, workers: int = 1, path=None, **fields) -> Study:
    given = {"strategy": DoReMi(), "evaluator": evaluator or Fake(), **fields}
    execution = LocalExecution(workers=workers, attempts=1)
    return Study(list(DOMAINS), ["loss"], budget=BudgetSpec(trials=trials), execution=execution, path=path, **given)


def by_hand(made: Study, count: int) -> None:
    """Ask, train and tell a few times, as a run does that is stopped then."""
    for _ in range(count):
        trial = made.ask()
        workdir = made.folder / "work" / str(trial.id) if made.folder else Path()
        workdir.mkdir(parents=True, exist_ok=True)
        result = made.spec.evaluator.evaluate(trial, workdir)
        artifacts = {name: str(workdir / path) for name, path in result.artifacts.items()}
        made.tell(trial, dataclasses.replace(result, artifacts=artifacts))


def origins(made: Study) -> list[str]:
    return [record.trial.origin for record in made.history.records]


def test_it_runs_to_the_end_and_the_found_mixture_is_measured_on_seeds_of_its_own(tmp_path):
    made = study(path=tmp_path / "study")
    made.run()
    assert origins(made) == ["reference", "reweighting", "doremi", "doremi", "doremi"]
    trials = [record.trial for record in made.history.records]
    assert [trial.seed for trial in trials] == [0, 0, 0, 1, 2]
    assert trials[1].reweighting == HOW
    assert made.history.records[1].result.mixture == {"code": 0.6, "maths": 0.2, "web": 0.2}
    assert [record.trial.id for record in made.history.observations] == [0, 2, 3, 4]
    assert Study.open(tmp_path / "study").history == made.history


def test_it_goes_on_where_it_was_stopped(tmp_path):
    by_hand(study(path=tmp_path / "study", trials=3), 2)
    again = Study.open(tmp_path / "study")
    again.run()
    assert origins(again) == ["reference", "reweighting", "doremi"]


def test_a_study_folder_that_was_moved_finds_its_reference(tmp_path):
    by_hand(study(path=tmp_path / "study"), 1)
    (tmp_path / "study").rename(tmp_path / "moved")
    again = Study.open(tmp_path / "moved")
    trial = again.ask()
    assert Path(trial.reweighting.model).is_dir()
    assert (tmp_path / "moved") in Path(trial.reweighting.model).parents
    assert "moved" not in (tmp_path / "moved" / "trials" / "0001" / "trial.json").read_text()


def test_workers_that_wait_for_the_run_train_the_uniform_mixture():
    made = study(workers=2, trials=6)
    made.run()
    assert origins(made)[:2] == ["reference", "uniform"]
    assert origins(made).count("reweighting") == 1
    assert "doremi" in origins(made)


@pytest.mark.parametrize(
    ("trial", "lacks"),
    [
        (Trial(0, {}, 0, "reference"), "artifacts.model"),
        (Trial(1, {}, 0, "reweighting", reweighting=HOW), "mixture"),
    ],
)
def test_a_result_that_cannot_serve_is_refused(trial, lacks):
    (fault,) = result_faults(trial, Result({"loss": 1.0}))
    assert fault.where == lacks


def test_a_model_that_is_not_where_it_is_said_to_be_is_refused(tmp_path):
    result = Result({"loss": 1.0}, artifacts={MODEL: str(tmp_path / "gone")})
    (fault,) = result_faults(Trial(0, {}, 0, "reference"), result)
    assert "there is nothing at" in fault.what


def test_a_mixture_of_a_run_that_was_to_find_none_is_refused():
    made = Study(list(DOMAINS), ["loss"])
    trial = made.ask()
    with pytest.raises(FaultsError, match="trained on one mixture and found none"):
        made.tell(trial, Result({"loss": 1.0}, mixture=dict(trial.weights)))


@pytest.mark.parametrize("mixture", [{"code": 1.0}, {"code": 0.6, "maths": 0.6, "web": 0.2}])
def test_a_mixture_that_is_none_is_refused(mixture):
    made = study(strategy=ODM())
    trial = made.ask()
    with pytest.raises(FaultsError, match="mixture: must name every domain and sum to 1"):
        made.tell(trial, Result({"loss": 1.0}, mixture=mixture))


def test_a_trainer_that_forgets_what_the_run_is_for_fails_the_trial():
    made = study(Fake(forgets="all"), strategy=ODM(), trials=2)
    with pytest.raises(EvaluationError, match="names the mixture that it found"):
        made.run()


def test_a_study_of_nothing_but_the_run_has_nothing_to_learn_from_and_says_why():
    made = study(strategy=ODM())
    by_hand(made, 1)
    with pytest.raises(StudyError, match=r"no trial of one mixture .*0 failed, 1 reweighted while they trained\)"):
        made.recommend()
    assert len(made.history.completed) == 1


def test_failures_are_recorded_and_end_the_study():
    made = study(Fake(fails="reweighting"))
    with pytest.raises((EvaluationError, StudyError), match=r"failed 3 times|trials failed"):
        made.run()
    assert [r.trial.seed for r in made.history.failed] == [0, 1, 2]
    assert all(isinstance(r.outcome, Failure) for r in made.history.failed)


def test_a_rule_that_the_trainer_refuses_is_not_recorded():
    made = study(Fake(refuses="odm"), strategy=ODM())
    with pytest.raises(FaultsError, match="is not for this trainer"):
        made.ask()
    assert len(made.history) == 0
    (fault,) = candidate_faults(
        Candidate({}, "reweighting", reweighting=HOW), bomix.Mean()
    )  # no evaluator of this kind
    assert "cannot reweight" in fault.what


def test_a_reference_that_is_gone_is_named_with_its_cure(tmp_path):
    made = study(path=tmp_path / "study")
    by_hand(made, 1)
    trial = made.ask()
    made.withdraw(0, why="the disk was full")
    with pytest.raises(StudyError, match="withdraw trial 1, and the next ask begins with a new reference run"):
        with_model(trial, made.history)


def test_a_run_by_hand_is_told_the_rule():
    made = Study(list(DOMAINS), ["loss"], strategy=ODM())
    trial = made.ask()
    assert trial.reweighting.rule["kind"] == "odm"
    made.tell(trial, Result({"loss": 3.0}, mixture={"code": 0.2, "maths": 0.3, "web": 0.5}))
    assert made.ask().weights == pytest.approx({"code": 0.2, "maths": 0.3, "web": 0.5})


def test_a_trial_that_reweights_is_read_back_as_it_was_and_others_are_written_as_before():
    trial = Trial(3, {"code": 0.5, "web": 0.5}, 7, "reweighting", reweighting=HOW)
    handed = dataclasses.replace(trial, reweighting=dataclasses.replace(HOW, model="/models/0"))
    text = trial_to_json(handed)
    assert trial_from_json(text) == trial
    assert "/models/0" not in text
    assert json.loads(text)["schema"] == 4
    assert trial_from_json(trial_to_json(handed, handed=True)).reweighting.model == "/models/0"
    plain = json.loads(trial_to_json(Trial(3, {"code": 0.5, "web": 0.5}, 7, "sobol")))
    assert plain["schema"] == 3
    assert "reweighting" not in plain


def test_a_version_to_come_is_told():
    with pytest.raises(NewerVersionError):
        trial_from_json(json.dumps({"schema": 5}))
