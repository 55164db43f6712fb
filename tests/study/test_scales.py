"""Runs of several scales in one study: what is learnt from, what is recorded, and how old folders are read."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from bomix.config.budget import BudgetSpec
from bomix.config.sections import ExpertsSpec
from bomix.config.spec import StudySpec
from bomix.contracts.evaluator import Evaluator, ScaledEvaluator
from bomix.contracts.preparation import Preparation
from bomix.errors import Fault, FaultsError, StoreError
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.history import History
from bomix.io.store.study_folder import FolderStore
from bomix.objectives.robust import Excess
from bomix.posterior.belief import busy_mixtures
from bomix.problem import Metric, Problem
from bomix.recommendation.stopping import why_stop
from bomix.scale import Scale
from bomix.strategies.bayesian.turbo import Turbo
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.design_first import in_design
from bomix.strategies.designs import Sobol
from bomix.study import scales
from bomix.study.records import Records
from bomix.study.study import Study
from bomix.surrogates.cross_validation.held_out import part
from bomix.surrogates.data.dataset import fit_context, to_dataset
from bomix.surrogates.gp.spec import GP
from bomix.trial import CONFIRM, EXPERT, IMPORTED, Candidate, Failure, Record, Result, Trial

OWN, OTHER = Scale(1_000, 20_000), Scale(1_000, 5_000)
DOMAINS = ("a", "b")
HALF = {"a": 0.5, "b": 0.5}


@dataclasses.dataclass(frozen=True)
class AtScale:
    """An evaluator whose runs have a scale and which nobody runs: results are told."""

    params: int = 1_000
    tokens: int | None = 20_000
    least: int = 100

    def prepare(self, domains: tuple[str, ...]) -> Preparation:
        return Preparation((Metric("loss"),), scale=Scale(self.params, self.tokens))

    def scale_faults(self, scale: Scale) -> list[Fault]:
        too_few = scale.tokens is not None and scale.tokens < self.least
        return [Fault("tokens", f"give at least {self.least}")] if too_few else []

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        raise AssertionError("results are told")


def make(**fields: object) -> Study:
    defaults: dict[str, object] = {"domains": DOMAINS, "evaluator": AtScale(), "strategy": Sobol()}
    return Study(**{**defaults, **fields})  # type: ignore[arg-type]


def loss(weights: dict[str, float]) -> dict[str, float]:
    return {"loss": 2.0 + weights["a"] ** 2}


def test_trials_are_of_the_studys_own_scale_unless_they_have_another() -> None:
    study = make()
    assert study.ask().scale == OWN
    assert study.records.enqueue(Candidate(HALF, CONFIRM), seed=0).trial.scale == OWN
    assert study.records.enqueue(Candidate(HALF, "mine", OTHER), seed=0).trial.scale == OTHER
    assert study.problem.scale == OWN


def test_an_imported_run_keeps_its_own_scale_or_has_none() -> None:
    study = make()
    assert study.add(HALF, loss(HALF)).trial.scale is None
    assert study.add(HALF, loss(HALF), scale=OTHER).trial.scale == OTHER
    added = study.records.add_all([(HALF, loss(HALF)), (HALF, loss(HALF), OWN)])
    assert [record.trial.scale for record in added] == [None, OWN]
    with pytest.raises(FaultsError, match=r"scale: expected a bomix\.Scale or None, found \(1, 2\)"):
        study.add(HALF, loss(HALF), scale=(1, 2))  # type: ignore[arg-type]


def test_losses_of_another_scale_are_recorded_and_not_learnt_from(caplog: pytest.LogCaptureFixture) -> None:
    study = make()
    with caplog.at_level(logging.WARNING):
        study.records.add_all(
            [(HALF, {"loss": 1.0}, Scale(1_000)), (HALF, {"loss": 2.0}, OTHER), (HALF, {"loss": 3.0})]
        )
    assert (
        "1 runs are of another scale (1k params x 5k tokens) than the study's (1k params x 20k tokens)" in caplog.text
    )
    trial = study.ask()
    study.tell(trial, {"loss": 4.0})
    history = study.history
    assert [record.trial.id for record in history.observations] == [0, 2, 3]
    assert [record.trial.id for record in history.completed] == [0, 1, 2, 3]
    context = fit_context(study.problem, history)
    data = to_dataset(study.problem, history)
    assert data.Y.flatten().tolist() == [1.0, 3.0, 4.0]
    assert context.trials == (0, 2, 3)
    assert context.scales == (Scale(1_000), None, OWN)
    kept = part(data, context, data.Y.flatten() > 2.0)[1]
    assert (kept.trials, kept.scales) == ((2, 3), (None, OWN))


def test_histories_that_come_of_one_keep_its_scale() -> None:
    other = Record(Trial(1, HALF, 0, IMPORTED, OTHER), Result({"loss": 2.0}))
    own = Record(Trial(0, HALF, 0, "sobol", OWN), Result({"loss": 2.0}))
    confirming = Record(Trial(2, HALF, 9, CONFIRM, OWN), Result({"loss": 2.0}))
    history = History((own, other, confirming), OWN)
    derived = (
        history.unconfirmed,
        history.until(2),
        history.with_pending([Candidate(HALF, "x", OTHER)]),
        history.with_record(own),
    )
    assert all(each.scale == OWN for each in derived)
    assert all(1 not in [record.trial.id for record in each.observations] for each in derived)
    assert derived[2].pending[0].trial.scale == OTHER
    assert len(History(history.records).observations) == 3
    # A run of another scale ends no round of confirmations.
    late = history.with_record(Record(Trial(3, HALF, 0, IMPORTED, OTHER), Result({"loss": 2.0})))
    assert [record.trial.id for record in late.confirming] == [2]


def test_runs_of_another_scale_change_no_ask_and_runs_of_none_count() -> None:
    strategy = Bayesian(surrogate=GP(draws=0, restarts=1), n_init=3)
    rng = np.random.default_rng(0)
    runs = [{"a": x, "b": 1.0 - x} for x in rng.uniform(size=5).tolist()]
    bare, named, mixed = (make(strategy=strategy) for _ in range(3))
    bare.records.add_all([(weights, loss(weights)) for weights in runs])
    named.records.add_all([(weights, loss(weights), OWN) for weights in runs])
    mixed.records.add_all([(weights, loss(weights)) for weights in runs])
    mixed.add(HALF, {"loss": 0.0}, scale=OTHER)
    assert bare.ask().weights == named.ask().weights == mixed.ask().weights


def test_a_mixture_that_was_run_at_another_scale_is_still_new() -> None:
    study = make(objective=Excess())
    for _ in range(4):  # more runs of the reference than may fail before the study gives up on it
        study.add(HALF, {"loss": 1.0}, scale=OTHER)
    assert study.ask().origin == "uniform"
    same = make(objective=Excess())
    same.add(HALF, {"loss": 1.0}, scale=OWN)
    assert same.ask().origin == "sobol"
    assert [record.trial.id for record in study.history.tried] == [4]
    expert = Record(Trial(5, {"a": 1.0, "b": 0.0}, 0, EXPERT, OTHER))
    assert [record.trial.id for record in study.history.with_record(expert).tried] == [4, 5]


def test_runs_of_another_scale_are_no_patience_and_no_region() -> None:
    records = [
        Record(Trial(n, {"a": n / 10, "b": 1 - n / 10}, 0, "sobol", OWN), Result({"loss": 2.0})) for n in range(8)
    ]
    own = History(tuple(records), OWN)
    both = own.with_record(Record(Trial(8, HALF, 0, IMPORTED, OTHER), Result({"loss": 0.0})))
    problem = make().problem
    strategy = Turbo(surrogate=GP(draws=0, restarts=1), n_init=3)
    assert strategy.state(problem, both) == strategy.state(problem, own)
    asked = []
    for history in (own, both):
        seen: dict[tuple[int, ...], float | None] = {}
        why_stop(problem, history, strategy, BudgetSpec(improvement=1e9, patience=1), seed=0, seen=seen)
        asked.append(seen)
    assert asked[0] == asked[1] != {}


def test_a_study_without_a_scale_learns_from_all_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    study = Study(DOMAINS, ["loss"])
    with caplog.at_level(logging.WARNING):
        study.add(HALF, {"loss": 1.0}, scale=OWN)
        assert not caplog.messages
        study.add(HALF, {"loss": 2.0})
        assert not caplog.messages
        study.add(HALF, {"loss": 2.0}, scale=OTHER)
    assert "several scales (1k params x 20k tokens; 1k params x 5k tokens)" in caplog.text
    assert len(study.history.observations) == 3


def test_imported_runs_cost_no_flops() -> None:
    study = make(budget=BudgetSpec(flops=OWN.flops))
    for scale in (OWN, OTHER, None):
        study.add(HALF, loss(HALF), scale=scale)
    assert study.spec.budget.spent(study.spec.counted(study.history)) is None
    study.tell(study.ask(), {"loss": 2.0})
    assert study.spec.budget.spent(study.spec.counted(study.history)) == f"{OWN.flops:g} FLOPs"


def test_the_dataset_tells_every_scale(tmp_path: Path) -> None:
    study = make(path=tmp_path)
    study.ask()
    study.records.add_all([(HALF, loss(HALF), scale) for scale in (None, OTHER, Scale(7))])
    data = study.dataset
    np.testing.assert_array_equal(data["params"], [1_000.0, np.nan, 1_000.0, 7.0])
    np.testing.assert_array_equal(data["tokens"], [20_000.0, np.nan, 5_000.0, np.nan])
    assert json.loads(data.attrs["scale"]) == {"params": 1_000, "tokens": 20_000}
    assert "scale" not in Study(DOMAINS, ["loss"]).dataset.attrs
    assert Study.open(tmp_path).history == study.history


def test_the_scale_of_experts_is_the_studys_where_nothing_else_is_said() -> None:
    assert scales.of_experts(ExpertsSpec(), OWN, AtScale()) is None
    assert scales.of_experts(ExpertsSpec(tokens=20_000, params=1_000), OWN, AtScale()) is None
    assert scales.of_experts(ExpertsSpec(tokens=5_000), OWN, AtScale()) == OTHER
    assert scales.of_experts(ExpertsSpec(params=7), OWN, AtScale()) == Scale(7, 20_000)
    assert scales.of_experts(ExpertsSpec(params=7), None, AtScale()) is None


@dataclasses.dataclass(frozen=True)
class Stepped(AtScale):
    """It trains whole steps of 64 tokens, 312 of them where 20,000 tokens are wanted."""

    step: int = 64

    def prepare(self, domains: tuple[str, ...]) -> Preparation:
        return Preparation((Metric("loss"),), scale=self.trained_scale(OWN))

    def trained_scale(self, scale: Scale) -> Scale:
        return Scale(scale.params or self.params, (scale.tokens or 20_000) // self.step * self.step)


WHOLE = Scale(1_000, 312 * 64)


def test_the_tokens_of_a_trial_are_those_that_are_really_trained() -> None:
    study = make(evaluator=Stepped())
    assert study.problem.scale == study.ask().scale == WHOLE
    wanted = {OWN: WHOLE, Scale(tokens=130): Scale(1_000, 128), Scale(7): Scale(7, 19_968), WHOLE: WHOLE}
    for scale, trained in wanted.items():
        assert study.records.enqueue(Candidate(HALF, "mine", scale), seed=0).trial.scale == trained


def test_experts_of_the_same_steps_are_of_the_studys_own_scale() -> None:
    for tokens in (19_968, 20_000, 20_031):
        assert scales.of_experts(ExpertsSpec(tokens=tokens), WHOLE, Stepped()) is None
    assert scales.of_experts(ExpertsSpec(tokens=20_032), WHOLE, Stepped()) == Scale(1_000, 20_032)
    assert scales.of_experts(ExpertsSpec(tokens=5_000), WHOLE, Stepped()) == Scale(1_000, 78 * 64)
    study = make(evaluator=Stepped(), experts=ExpertsSpec(tokens=20_000))
    expert = study.ask(expert=True)
    assert (expert.origin, expert.scale) == (EXPERT, WHOLE)
    # What is too little for a step is told before it is rounded.
    with pytest.raises(FaultsError, match=r"experts\.tokens: give at least 100"):
        make(evaluator=Stepped(), experts=ExpertsSpec(tokens=99))


def test_an_imported_run_that_misses_the_studys_tokens_by_less_than_a_step_is_learnt_from(
    caplog: pytest.LogCaptureFixture,
) -> None:
    study = make(evaluator=Stepped())
    same = [Scale(1_000, 20_000), Scale(1_000, 19_968 + 63), Scale(1_000, 19_968 - 63), Scale(tokens=20_000)]
    with caplog.at_level(logging.WARNING):
        added = study.records.add_all([(HALF, loss(HALF), scale) for scale in same])
    assert not caplog.messages
    assert [record.trial.scale for record in added] == [WHOLE, WHOLE, WHOLE, Scale(tokens=19_968)]
    others = [Scale(1_000, 19_968 + 64), Scale(1_000, 19_968 - 64), Scale(2_000, 20_000), Scale(1_000, 1)]
    for scale in others:
        study.add(HALF, loss(HALF), scale=scale)
    assert len(caplog.messages) == len(others)
    assert [record.trial.id for record in study.history.observations] == [0, 1, 2, 3]
    assert study.history.records[4].trial.scale == others[0]
    # An evaluator that trains exactly what is asked for tells them apart.
    exact = make()
    exact.add(HALF, loss(HALF), scale=Scale(1_000, 20_001))
    assert not exact.history.observations


def test_many_runs_are_added_without_reading_the_record_for_each(tmp_path: Path) -> None:
    study = make(path=tmp_path, objective=Excess())
    reads = []

    @dataclasses.dataclass(frozen=True)
    class CountingStore(FolderStore):
        def read(self, known: object = None) -> tuple[Record, ...]:
            reads.append(1)
            return super().read(known)  # type: ignore[arg-type]

    study._records = Records(study.spec, CountingStore(tmp_path), study.records.resolution)
    counts = []
    for n in (1, 20):
        reads.clear()
        study.records.add_all([(HALF, loss(HALF))] * n)
        counts.append(len(reads))
    assert counts[0] == counts[1]


def test_trials_of_another_scale_are_no_part_of_the_design_and_keep_no_mixture_busy() -> None:
    study = make()
    for n in range(3):
        weights = {"a": n / 4, "b": 1 - n / 4}
        study.tell(study.records.enqueue(Candidate(weights, "sobol"), seed=0).trial, loss(weights))
    other = [study.records.enqueue(Candidate(HALF, "sobol", OTHER), seed=0).trial for _ in range(4)]
    assert in_design(study.problem, study.history, 5)
    assert not len(busy_mixtures(study.problem, study.history))
    for trial in other[:3]:
        study.tell(trial, {"loss": 3.0})
    study.tell(other[3], Failure("it broke"))
    assert in_design(study.problem, study.history, 5)
    assert not len(busy_mixtures(study.problem, study.history))
    own = [study.records.enqueue(Candidate(HALF, "sobol"), seed=0).trial for _ in range(2)]
    assert not in_design(study.problem, study.history, 5)
    expert = study.records.enqueue(Candidate({"a": 1.0, "b": 0.0}, EXPERT, OTHER), seed=0)
    assert expert.trial.scale == OTHER
    study.tell(own[0], Failure("it broke"))
    # The pending ones come first, whatever their number; an expert keeps its mixture at every scale.
    assert busy_mixtures(study.problem, study.history).tolist() == [[0.5, 0.5], [1.0, 0.0], [0.5, 0.5]]


def test_an_evaluator_says_beforehand_at_which_scale_it_cannot_train() -> None:
    assert isinstance(AtScale(), ScaledEvaluator)
    with pytest.raises(FaultsError, match=r"experts\.tokens: give at least 100"):
        make(experts=ExpertsSpec(tokens=99))
    make(experts=ExpertsSpec(tokens=100))
    with pytest.raises(FaultsError, match=r"experts\.tokens: the evaluator does not say on how many tokens"):
        make(evaluator=AtScale(tokens=None), experts=ExpertsSpec(tokens=1_000))


@dataclasses.dataclass(frozen=True)
class OneScale:
    """An evaluator that takes no scale from a trial; it may know its own."""

    scale: Scale | None = None

    def prepare(self, domains: tuple[str, ...]) -> Preparation:
        return Preparation((Metric("loss"),), scale=self.scale)

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        return Result({"loss": 2.0 + trial.weights["a"]})


@dataclasses.dataclass(frozen=True)
class Asking(Sobol):
    """A design whose trials are of the scales that it is given, in turn; None for the study's own."""

    scales: tuple[Scale | None, ...] = (OTHER,)

    def ask(self, problem: Problem, history: History, n: int, *, seed: int) -> list[Candidate]:
        asked = super().ask(problem, history, n, seed=seed)
        wanted = self.scales[len(history.asked) % len(self.scales)]
        return [dataclasses.replace(candidate, scale=wanted) for candidate in asked]


@pytest.mark.parametrize("evaluator", [Synthetic(domains=2), OneScale(), OneScale(OWN)])
def test_a_scale_that_the_evaluator_cannot_train_is_refused_and_not_recorded(evaluator: Evaluator) -> None:
    domains = evaluator.domain_names if isinstance(evaluator, Synthetic) else DOMAINS
    study = make(domains=domains, evaluator=evaluator, strategy=Asking())
    said = (
        r"strategy 'tests\.study\.test_scales:Asking' proposed a trial \('uniform'\) of 1k params x 5k tokens, at "
        rf"which it cannot be trained:[\s\S]*scale: {type(evaluator).__name__} takes no scale from a trial"
    )
    with pytest.raises(FaultsError, match=said):
        study.ask()
    with pytest.raises(FaultsError, match=said):
        study.run(trials=1)
    assert len(study.history) == 0
    study = make(domains=domains, evaluator=evaluator, strategy=Asking(scales=(None,)))
    assert study.ask().scale == study.problem.scale


def test_a_scale_is_asked_for_where_it_can_be_trained_or_results_are_told() -> None:
    assert make(strategy=Asking()).ask().scale == OTHER
    with pytest.raises(FaultsError, match=r"scale\.tokens: give at least 100"):
        make(strategy=Asking(scales=(Scale(1_000, 99),))).ask()
    assert make(strategy=Asking(scales=(OWN,)), evaluator=OneScale(OWN)).ask().scale == OWN
    told = make(strategy=Asking(), evaluator=None, metrics=["loss"])
    assert told.ask().scale == OTHER


def test_experts_of_a_scale_that_the_evaluator_cannot_train_are_refused() -> None:
    with pytest.raises(FaultsError, match="experts: OneScale takes no scale from a trial"):
        make(evaluator=OneScale(OWN), experts=ExpertsSpec(tokens=5_000))
    make(evaluator=OneScale(OWN), experts=ExpertsSpec(tokens=OWN.tokens))


@dataclasses.dataclass(frozen=True)
class AnyScale(OneScale):
    """It trains at the scale of every trial and has none of its own."""

    def scale_faults(self, scale: Scale) -> list[Fault]:
        return []


def test_scales_that_are_learnt_from_as_one_are_told_when_they_are_asked_for_and_when_a_run_begins(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = "several scales (1k params x 20k tokens; 1k params x 5k tokens), which are learnt from as if they were one"
    study = make(evaluator=AnyScale(), strategy=Asking(scales=(OWN, OTHER)))
    with caplog.at_level(logging.WARNING):
        study.run(trials=1)
        assert said not in caplog.text
        study.run(trials=4)
        assert caplog.text.count(said) == 1  # with the first trial of another scale
        caplog.clear()
        study.run(trials=6)
        assert caplog.text.count(said) == 1  # and once when a later run begins
        caplog.clear()
        known = make(strategy=Asking(scales=(OWN, OTHER)))
        assert [known.ask().scale for _ in range(4)] == [OWN, OTHER, OWN, OTHER]
        assert not caplog.messages  # where the study's own scale is known, nothing is learnt from others


@dataclasses.dataclass(frozen=True)
class Grown(AtScale):
    """Its scale may change, though none of its frozen keys does."""

    may_change = ("params", "tokens")


@dataclasses.dataclass(frozen=True)
class Told(AtScale):
    """It tells the scale that it was made with, or none."""

    may_change = ("scale",)
    scale: Scale | None = None

    def prepare(self, domains: tuple[str, ...]) -> Preparation:
        return Preparation((Metric("loss"),), scale=self.scale)


def test_another_scale_is_refused_once_there_are_losses(tmp_path: Path) -> None:
    study = make(path=tmp_path, evaluator=Grown())
    study.tell(study.ask(), {"loss": 2.0})
    grown = make(path=tmp_path, evaluator=Grown(tokens=40_000))
    with pytest.raises(StoreError, match="scale: 1k params x 20k tokens when the study began, 1k params x 40k tokens"):
        grown.records.prepare()


@pytest.mark.parametrize(
    ("began", "accepted", "refused"),
    [
        (Scale(10, 100), Scale(10, 100), [Scale(10), Scale(tokens=100), None, Scale(10, 200), Scale(20, 100)]),
        (Scale(10), Scale(10, 200), [Scale(10), Scale(10, 100), None]),
        (None, Scale(10, 200), [None, Scale(10), Scale(10, 100)]),
    ],
)
def test_what_was_known_of_the_scale_stays_and_never_becomes_unknown(
    tmp_path: Path, began: Scale | None, accepted: Scale, refused: list[Scale | None]
) -> None:
    study = make(path=tmp_path, evaluator=Told(scale=began))
    study.tell(study.ask(), {"loss": 2.0})
    make(path=tmp_path, evaluator=Told(scale=accepted)).records.prepare()
    for scale in refused:
        with pytest.raises(StoreError, match="the scale of a trial changed since the first trial"):
            make(path=tmp_path, evaluator=Told(scale=scale)).records.prepare()
    assert make(path=tmp_path, evaluator=Told(scale=accepted)).problem.scale == accepted


@dataclasses.dataclass(frozen=True)
class Counting(AtScale):
    """It counts how often it was prepared."""

    prepared: ClassVar[list[int]] = []

    def prepare(self, domains: tuple[str, ...]) -> Preparation:
        self.prepared.append(1)
        return super().prepare(domains)


def reopened(spec: StudySpec, folder: Path) -> Study:
    """The study of a folder as ``Study.open`` makes it, with a spec that no study file holds."""
    study = Study.__new__(Study)
    study._records = Records(spec, FolderStore(folder))
    return study


def test_the_record_is_read_without_preparing_anything(tmp_path: Path) -> None:
    study = make(path=tmp_path, evaluator=Counting())
    study.tell(study.ask(), {"loss": 2.0})
    study.add(HALF, {"loss": 1.0}, scale=OTHER)
    Counting.prepared.clear()
    again = reopened(study.spec, tmp_path)
    assert again.history == study.history
    assert again.history.scale == OWN
    as_of_old(tmp_path)
    assert reopened(study.spec, tmp_path).history == study.history
    # A study file that no longer fits the record keeps nobody from reading it.
    changed = reopened(dataclasses.replace(study.spec, seed=5), tmp_path)
    assert changed.history == study.history
    with pytest.raises(StoreError, match="seed"):
        changed.ask()
    # Where nothing is kept of the scale, none is known before the study is resolved.
    (tmp_path / "resolved.json").unlink()
    lost = reopened(study.spec, tmp_path)
    assert lost.history.scale is None
    assert not Counting.prepared
    (tmp_path / "resolved.json").write_text('{"measured": {"scale": {"params": -1}}}')
    with pytest.raises(StoreError, match=r"resolved\.json is damaged"):
        assert lost.history
    (tmp_path / "resolved.json").write_text('{"measured": 3}')
    with pytest.raises(StoreError, match=r"resolved\.json is damaged"):
        assert lost.history


def test_what_is_learnt_from_is_of_the_scale_that_the_study_turns_out_to_have(tmp_path: Path) -> None:
    strategy = Bayesian(surrogate=GP(draws=0, restarts=1), n_init=2)
    study = make(path=tmp_path, strategy=strategy)
    for share in (0.2, 0.4, 0.6, 0.8):
        mixture = {"a": share, "b": 1.0 - share}
        study.add(mixture, loss(mixture), scale=OWN)
    expected = study.predict([HALF])
    study.add(HALF, {"loss": 0.0}, scale=OTHER)
    (tmp_path / "resolved.json").unlink()
    assert reopened(study.spec, tmp_path).predict([HALF]).equals(expected)


def unsealed(data: dict[str, Any], *, schema: int) -> dict[str, Any]:
    """What a file holds, as an earlier version wrote it: without a checksum."""
    return {**{key: value for key, value in data.items() if key != "checksum"}, "schema": schema}


def as_of_old(folder: Path) -> None:
    """Rewrite a study folder as earlier versions wrote it."""
    resolved = json.loads((folder / "resolved.json").read_text())
    resolved["measured"]["fidelity"] = resolved["measured"].pop("scale")
    (folder / "resolved.json").write_text(json.dumps(unsealed(resolved, schema=1)))
    for path in folder.glob("trials/*/trial.json"):
        trial = unsealed(json.loads(path.read_text()), schema=1)
        trial["fidelity"] = trial.pop("scale")
        if trial["origin"] == EXPERT and trial["fidelity"]["tokens"] != OWN.tokens:
            trial["origin"] = "other_expert"
        path.write_text(json.dumps(trial))


def test_a_folder_of_an_earlier_version_is_read_and_goes_on_as_it_would_have(tmp_path: Path) -> None:
    study = make(path=tmp_path, strategy=Bayesian(surrogate=GP(draws=0, restarts=1), n_init=2))
    for domain in DOMAINS:
        alone = {name: float(name == domain) for name in DOMAINS}
        study.records.store.create(Trial(len(study.history), alone, 0, EXPERT, OTHER), Result({"loss": 0.0}))
    study.records.store.create(Trial(2, HALF, 0, EXPERT, OWN), Result({"loss": 3.0}))
    for _ in range(3):
        trial = study.ask()
        study.tell(trial, loss(dict(trial.weights)))
    before = study.history
    as_of_old(tmp_path)
    assert '"other_expert"' in (tmp_path / "trials/0000/trial.json").read_text()
    old = Study.open(tmp_path)
    assert old.history == before
    assert [record.trial.id for record in old.history.observations] == [2, 3, 4, 5]
    assert old.problem.scale == OWN
    expected = study.ask()
    assert expected.origin == "log_ei"
    (tmp_path / "trials/0006/trial.json").unlink()
    (tmp_path / "trials/0006").rmdir()
    assert old.ask() == expected
    written = json.loads((tmp_path / "trials/0006/trial.json").read_text())
    assert written["scale"] == {"params": 1_000, "tokens": 20_000}
    assert "fidelity" not in written


HAND_WRITTEN = {
    "0000": ("other_expert", {"params": 1_000, "tokens": 5_000}, {"a": 1.0, "b": 0.0}),
    "0001": ("imported", None, HALF),
    "0002": ("sobol", {"params": 1_000, "tokens": 20_000}, HALF),
}


def test_trials_of_an_earlier_version_written_by_hand(tmp_path: Path) -> None:
    make(path=tmp_path)
    for number, (origin, fidelity, weights) in HAND_WRITTEN.items():
        folder = tmp_path / "trials" / number
        folder.mkdir(parents=True)
        trial = {"schema": 1, "id": int(number), "weights": weights, "seed": 0, "origin": origin, "fidelity": fidelity}
        (folder / "trial.json").write_text(json.dumps(trial))
    found = [record.trial for record in Study.open(tmp_path).history.records]
    assert [(trial.origin, trial.scale) for trial in found] == [(EXPERT, OTHER), (IMPORTED, None), ("sobol", OWN)]
    (tmp_path / "trials" / "0002" / "trial.json").write_text(json.dumps({**trial, "fidelity": {"params": -1}}))
    (damage,) = FolderStore(tmp_path).read().damages
    assert re.search(r"0002/trial\.json: not a trial.*expected a positive whole number", str(damage))
