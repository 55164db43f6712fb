"""Several scales in a study: which they are and cost, what trains them, what is learnt, asked and recommended."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bomix
from bomix.config.sections import ExpertsSpec
from bomix.errors import FaultsError, StudyError
from bomix.evaluators.scaled import Scaled
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.objectives.robust import Excess
from bomix.posterior.belief import believe
from bomix.problem import StudyScale
from bomix.recommendation.confirmation import compare
from bomix.report.correlation import correlate
from bomix.report.sentences import sentences
from bomix.scale import Scale
from bomix.strategies.auto import Auto
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.designs import Sobol
from bomix.study.confirmation import confirming_trial, confirming_trials
from bomix.study.running import RunningStudy
from bomix.study.standing import standing
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.scales import MultiScaleModel
from bomix.trial import Result, Trial
from tests.known.across import GIVEN, Offsets

SMALL, LARGE, FINAL = Scale(10**6, 5 * 10**7), Scale(10**7, 5 * 10**8), Scale(7 * 10**9, 10**12)
SCALES: dict[str, Any] = {
    "small": {"params": "1M", "tokens": "50M"},
    "large": {"params": "10M", "tokens": "500M"},
    "final": {"params": "7B", "tokens": "1T", "train": False},
}
ACROSS = Bayesian(surrogate=Offsets(), design=Sobol())


def make(**fields: Any) -> bomix.Study:
    defaults: dict[str, Any] = {"domains": ["a", "b", "c"], "metrics": ["x", "y"], "scales": SCALES, "strategy": ACROSS}
    return bomix.Study(**{**defaults, **fields})


def losses(weights: dict[str, float], above: float = 0.0) -> dict[str, float]:
    return {"x": 2.0 + above + (weights["a"] - 0.5) ** 2, "y": 3.0 + above + (weights["b"] - 0.3) ** 2}


def filled(study: bomix.Study, *, small: int = 12, large: int = 0, above: float = 1.0) -> bomix.Study:
    for row in np.random.default_rng(0).dirichlet(np.ones(3), size=small + large):
        weights = dict(zip("abc", row.tolist(), strict=True))
        name = "small" if small else "large"
        small = max(0, small - 1)
        study.add(weights, losses(weights, above if name == "small" else 0.0), scale=name)
    return study


def test_scales_are_ordered_by_cost_and_the_dearest_is_decided_about_unless_another_is_named() -> None:
    problem = make().problem
    assert [each.name for each in problem.scales] == ["small", "large", "final"]
    assert problem.scales[0] == StudyScale("small", SMALL, 6.0 * SMALL.params * SMALL.tokens, True)
    assert (problem.scale, problem.default_scale, problem.run_tokens) == (FINAL, LARGE, FINAL.tokens)
    named = make(target=bomix.TargetSpec(scale="small")).problem
    assert (named.scale, named.default_scale, named.run_tokens) == (SMALL, SMALL, SMALL.tokens)
    assert make(target=bomix.TargetSpec(tokens=5e12)).problem.run_tokens == 5e12


def test_costs_are_those_stated_and_need_no_sizes_then() -> None:
    stated = {"cheap": {"recipe": "low", "cost": 1}, "dear": {"recipe": "high", "cost": 0.5}}
    problem = make(scales=stated).problem
    assert [(each.name, each.scale, each.cost) for each in problem.scales] == [
        ("dear", Scale(recipe="high"), 0.5),
        ("cheap", Scale(recipe="low"), 1.0),
    ]


@pytest.mark.parametrize("names", [("usual", "low"), ("low", "usual")])
def test_of_equal_cost_the_target_is_last(names: tuple[str, str]) -> None:
    scales = {name: {"params": "10M", "tokens": "500M", "recipe": name} for name in names}
    problem = make(scales={"small": SCALES["small"], **scales}, target=bomix.TargetSpec(scale="usual")).problem
    assert [each.name for each in problem.scales] == ["small", "low", "usual"]


WRONG = {
    "no-cost": ({"s": {"params": 10}, "l": {"params": 20, "tokens": 5}}, "scales.s: its tokens are unknown"),
    "some-cost": (
        {"s": {"params": 10, "tokens": 5, "cost": 1}, "l": {"params": 20, "tokens": 5}},
        "s states a cost and l none",
    ),
    "same-sizes": (
        {"s": {"params": 10, "tokens": 5}, "l": {"params": 10, "tokens": 5}},
        "give one of them another 'recipe'",
    ),
    "perhaps-same": (
        {"s": {"params": 10, "cost": 1}, "l": {"params": 10, "tokens": 5, "cost": 2}},
        "state params and tokens",
    ),
    "nothing": ({"s": {"cost": 1}, "l": {"tokens": 5, "cost": 2}}, "scales.s: nothing tells its runs"),
    "unknown-key": ({"s": {"parms": 10, "tokens": 5}}, "scales.s.parms: unknown key 'parms'; did you mean 'params'"),
    "negative": ({"s": {"params": -10, "tokens": 5}}, "scales.s.params: expected a positive number"),
    "no-mapping": (["s"], "scales: expected a mapping from names"),
    "a-number": ({"s": 5}, "scales.s: expected a StudyScaleSpec"),
}


@pytest.mark.parametrize("case", WRONG)
def test_scales_that_cannot_be_told_apart_or_counted_are_refused(case: str) -> None:
    scales, said = WRONG[case]
    with pytest.raises(FaultsError) as caught:
        make(scales=scales)
    assert said in str(caught.value)


def test_the_same_sizes_by_two_recipes_are_two_scales() -> None:
    study = make(
        scales={"a": {"params": 9, "tokens": 5}, "b": {"params": 9, "tokens": 5, "recipe": "low rate", "train": False}}
    )
    assert study.problem.scales[1].scale == Scale(9, 5, "low rate")
    assert study.history.counted_as(study.add({"a": 1, "b": 0, "c": 0}, losses({"a": 1, "b": 0}), scale="b")) == Scale(
        9, 5, "low rate"
    )


def test_runs_of_each_scale_are_validated_against_its_own_reference() -> None:
    study = filled(
        make(objective=Excess(reference="uniform"), target=bomix.TargetSpec(scale="large")), small=12, large=6
    )
    uniform = dict.fromkeys("abc", 1 / 3)
    for scale, above in {"small": 1.0, "large": 0.0}.items():
        study.add(uniform, losses(uniform, above), scale=scale)
    found = study.validate()
    assert found.scale.values[-2:].tolist() == ["small", "large"]
    np.testing.assert_allclose(found.objective_observed.values[-2:], 0.0, atol=1e-12)
    assert found.scale_objective_n.sel(of_scale=["small", "large"]).values.tolist() == [13, 7]


@pytest.mark.parametrize("target", ["fina", "x"])
def test_an_unknown_target_is_refused_with_the_scales_that_there_are(target: str) -> None:
    with pytest.raises(FaultsError, match=r"target\.scale: unknown scale"):
        make(target=bomix.TargetSpec(scale=target))
    with pytest.raises(FaultsError, match=r"target\.scale: the study names no scales"):
        make(scales={}, target=bomix.TargetSpec(tokens=1, scale=target))


def test_a_target_between_scales_learns_from_the_dearer_one_as_well() -> None:
    study = filled(make(target=bomix.TargetSpec(scale="large")), small=6, large=3)
    study.add({"a": 0.2, "b": 0.2, "c": 0.6}, losses({"a": 0.2, "b": 0.2}, -1.0), scale="final")
    study.recommend()
    assert GIVEN[-1].target == LARGE
    assert [*GIVEN[-1].scales] == [SMALL] * 6 + [LARGE] * 3 + [FINAL]


def test_runs_of_every_scale_are_learnt_from_and_the_recommendation_is_at_the_target() -> None:
    study = filled(make(target=bomix.TargetSpec(scale="large")), small=14, large=4)
    assert (len(study.history.observations), len(study.history.informative)) == (4, 18)
    best = study.recommend()
    assert abs(best.weights["a"] - 0.5) < 0.1
    assert abs(best.loss - 2.5) < 0.05
    mixture = [{"a": 0.5, "b": 0.3, "c": 0.2}]
    at_small = study.predict(mixture, scale="small")["objective_mean"].item()
    at_large = study.predict(mixture)["objective_mean"].item()
    assert (round(at_small, 1), round(at_large, 1)) == (3.5, 2.5)
    assert study.predict(mixture, scale=LARGE).identical(study.predict(mixture))


def test_a_belief_about_another_scale_is_that_of_the_model_there() -> None:
    study = filled(make(target=bomix.TargetSpec(scale="large")), small=6, large=4)
    belief = believe(study.problem, study.history, Offsets(), seed=0)
    assert isinstance(belief.model, MultiScaleModel)
    assert belief.at(LARGE) is belief
    X = belief.data.X[:1]
    there = belief.model.at(SMALL).moments(X)[0]
    assert belief.at(SMALL).mean(X).item() == pytest.approx(there.mean().item())


def test_a_recommendation_is_given_at_a_scale_that_was_never_seen() -> None:
    assert abs(filled(make(), small=14).recommend().weights["a"] - 0.5) < 0.1


def test_a_surrogate_of_one_scale_gets_the_runs_of_the_target_alone_and_says_where_there_are_none() -> None:
    study = filled(make(strategy=Bayesian(surrogate=GP(draws=0)), target=bomix.TargetSpec(scale="large")))
    with pytest.raises(
        StudyError, match=r"no run of 10M params x 500M tokens.*target\.scale.*GP learns from runs of one"
    ):
        study.recommend()
    assert study.predict([{"a": 0.5, "b": 0.3, "c": 0.2}], scale="small")["objective_mean"].item() == pytest.approx(
        3.5, abs=0.1
    )
    filled(study, small=0, large=5)
    study.recommend()


def test_the_objective_compares_with_what_is_believed_of_the_reference_at_the_target() -> None:
    study = filled(make(objective=Excess(reference="uniform")), small=12)
    assert abs(study.recommend().loss) < 1.0


def test_trials_that_name_no_scale_are_of_the_target_where_it_is_trained_else_of_the_dearest_that_is() -> None:
    assert make().ask().scale == LARGE
    assert make(target=bomix.TargetSpec(scale="small")).ask().scale == SMALL


def test_without_a_scale_that_is_trained_nothing_can_be_asked_for_and_runs_are_still_learnt_from() -> None:
    study = filled(make(scales={name: {**each, "train": False} for name, each in SCALES.items()}), small=6)
    with pytest.raises(FaultsError, match="no scale of the study is trained"):
        study.ask()
    study.recommend()
    with pytest.raises(FaultsError, match="no scale is trained"):
        make(
            metrics=(),
            domains=["d0", "d1"],
            evaluator=Synthetic(domains=2),
            scales={"s": {**SCALES["small"], "train": False}},
        )


def test_a_run_of_a_scale_that_is_not_named_is_recorded_and_not_learnt_from(caplog: pytest.LogCaptureFixture) -> None:
    study = filled(make(), small=3)
    with caplog.at_level(logging.WARNING):
        record = study.add({"a": 0.1, "b": 0.1, "c": 0.8}, {"x": 9.0, "y": 9.0}, scale=Scale(5, 5))
    assert "1 runs are of another scale (5 params x 5 tokens) that the study names not" in caplog.text
    assert record.trial.scale == Scale(5, 5)
    assert len(study.history.informative) == 3


def test_what_is_known_of_a_run_decides_which_scale_it_is_of() -> None:
    study, third = make(), {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}
    half_known = study.add(third, losses(third), scale=Scale(params=10**6)).trial
    unknown = study.add(third, losses(third)).trial
    assert (half_known.scale, unknown.scale) == (SMALL, None)  # a run of which nothing is known counts as the target's
    assert [study.history.counted_as(record) for record in study.history.records] == [SMALL, FINAL]
    two = make(scales={"a": {"params": 9, "tokens": 5}, "b": {"params": 9, "tokens": 50}})
    assert two.history.counted_as(two.add(third, losses(third), scale=Scale(params=9))) is None


@pytest.mark.parametrize(
    ("scale", "said"), [("smal", "unknown scale 'smal'; did you mean 'small'"), (3, "expected a bomix.Scale")]
)
def test_an_unknown_name_of_a_scale_is_refused(scale: Any, said: str) -> None:
    study = make()
    for call in (lambda: study.add({"a": 1, "b": 0, "c": 0}, losses({"a": 1, "b": 0}), scale=scale),):
        with pytest.raises(FaultsError) as caught:
            call()
        assert said in str(caught.value)
    filled(study, small=4)
    with pytest.raises(FaultsError, match=r"none of the study's scales"):
        study.predict([{"a": 1, "b": 0, "c": 0}], scale=Scale(5, 5))
    assert len(study.records.add_all([({"a": 1, "b": 0, "c": 0}, losses({"a": 1, "b": 0}), "large")])) == 1


@dataclasses.dataclass(frozen=True)
class Blind:
    """An evaluator that knows nothing of scales."""

    offset: float = 0.0

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        return Result({"x": self.offset, "y": 0.0})


def test_an_evaluator_takes_the_keys_of_each_scale_and_trains_by_the_scale_of_the_trial() -> None:
    scales = {"small": {**SCALES["small"], "offset": 1.5}, "large": SCALES["large"]}
    study = make(evaluator=Blind(), scales=scales)
    assert study.spec.scales["small"].evaluator == Blind(1.5)
    ready = RunningStudy(study.records).ready_evaluator()
    assert ready is not None
    trial = study.ask()
    assert ready.evaluate(trial, Path()).losses["x"] == 0.0
    assert ready.evaluate(dataclasses.replace(trial, scale=SMALL), Path()).losses["x"] == 1.5


def test_scales_that_an_evaluator_would_train_in_one_way_are_refused() -> None:
    with pytest.raises(FaultsError, match=r"scales\.large: Blind takes no scale from a trial"):
        make(evaluator=Blind())
    assert make(evaluator=Blind(), scales={**SCALES, "small": {**SCALES["small"], "offset": 1.0}}).problem.scales


def test_a_field_that_takes_the_scales_has_those_up_to_the_target_the_cheapest_first() -> None:
    study = bomix.Study(
        ["d0", "d1"], evaluator=Synthetic(domains=2), scales=SCALES, target=bomix.TargetSpec(scale="large")
    )
    ready = RunningStudy(study.records).ready_evaluator()
    assert isinstance(ready, Scaled)
    assert [part.evaluator.scales for part in ready.parts] == [(SMALL, LARGE)] * 2  # type: ignore[attr-defined]


def test_scales_that_measure_different_metrics_are_refused() -> None:
    scales = {"small": {**SCALES["small"], "useless": 1}, "large": SCALES["large"]}
    with pytest.raises(FaultsError, match=r"scales\.small: it measures .* scales of one study share their metrics"):
        bomix.Study(["d0", "d1", "d2"], evaluator=Synthetic(domains=3), scales=scales)


def test_the_dataset_names_the_scale_of_every_trial_in_a_study_of_several_alone() -> None:
    study = filled(make(), small=2, large=1)
    study.ask()
    assert study.dataset["scale"].values.tolist() == ["small", "small", "large", "large"]
    assert "scale" not in make(scales={}).dataset.coords


def test_the_same_mixture_at_another_scale_is_no_repeat() -> None:
    study = make(strategy=Sobol())
    first = study.ask()
    study.tell(first, losses(dict(first.weights)))
    third = study.records.enqueue(bomix.Candidate(first.weights, "sobol", SMALL), seed=0).trial
    assert (first.scale, third.scale, first.seed, third.seed) == (LARGE, SMALL, 0, 0)


def test_experts_and_confirmations_are_trained_at_the_scale_of_trials_that_name_none() -> None:
    study = make(experts=ExpertsSpec(train="always"))
    assert study.ask().scale == LARGE


def test_a_folder_keeps_its_scales_and_takes_more_of_them(tmp_path: Path) -> None:
    filled(make(path=tmp_path / "s"), small=3, large=2)
    opened = bomix.Study.open(tmp_path / "s")
    assert [each.name for each in opened.problem.scales] == ["small", "large", "final"]
    assert len(opened.history.informative) == 5


def test_a_scale_may_have_a_single_run_and_lack_a_metric() -> None:
    study = filled(make(strategy=Auto(), target=bomix.TargetSpec(scale="large")), small=10, large=1)
    assert abs(study.recommend().weights["a"] - 0.5) < 0.2
    gaps = make(strategy=Auto(), target=bomix.TargetSpec(scale="large"))
    for record in filled(make(), small=10, large=5).history.records:
        found = dict(record.result.losses)
        if record.trial.scale == SMALL:
            del found["y"]  # small runs never measured it
            gaps.add(record.trial.weights, {**found, "y": None}, scale="small")
        else:
            gaps.add(record.trial.weights, found, scale="large")
    assert abs(gaps.recommend().weights["a"] - 0.5) < 0.2
    assert np.isfinite(gaps.predict([{"a": 0.5, "b": 0.3, "c": 0.2}], scale="small")["mean"]).all()


def test_each_trial_is_held_out_and_scored_at_its_own_scale() -> None:
    study = filled(make(target=bomix.TargetSpec(scale="large")), small=14, large=6)
    found = study.validate()
    assert found["of_scale"].values.tolist() == ["small", "large", "final"]
    assert found["scale_n"].sel(metric="x").values.tolist() == [14, 6, 0]
    assert found["n"].sel(metric="x").item() == 6  # the scores without a scale are those of the one decided about
    assert float(found["scale_objective_rmse"].sel(of_scale="small")) < 0.2  # small losses are one nat higher
    assert float(found["objective_rmse"]) < 0.2


def test_the_last_trials_are_compared_with_what_was_predicted_at_their_scale() -> None:
    study = filled(make(target=bomix.TargetSpec(scale="large")), small=12, large=4)
    for scale, above in ((SMALL, 1.0), (LARGE, 0.0)):
        weights = {"a": 0.4, "b": 0.3, "c": 0.3}
        trial = study.records.enqueue(bomix.Candidate(weights, "sobol", scale), seed=0).trial
        study.tell(trial, losses(weights, above))
    gap = study.recommend().gap
    assert gap is not None
    assert len(gap.trials) == 2
    assert abs(gap.mean) < 0.1
    assert abs(gap.observed[0] - gap.observed[1]) == pytest.approx(1.0)


def test_outliers_and_absurd_values_are_told_among_runs_of_one_scale() -> None:
    study = filled(make(target=bomix.TargetSpec(scale="large")), small=8, large=8, above=1e7)
    assert study.records.quarantined() == ()
    study.add({"a": 0.2, "b": 0.2, "c": 0.6}, {"x": 1e12, "y": 3.0}, scale="large")
    assert [(each.trial, each.metric) for each in study.records.quarantined()] == [(16, "x")]


def test_confirming_trials_run_at_the_target_or_at_the_dearest_scale_that_is_trained() -> None:
    for target, scale in (("small", SMALL), ("final", LARGE)):
        study = filled(make(target=bomix.TargetSpec(scale=target)), small=8, large=3)
        records = confirming_trials(study.records, 1)
        assert {record.trial.scale for record in records} == {scale}
        assert {record.trial.seed for record in records} == {1_000_000}


def test_confirmations_of_another_scale_than_theirs_count_as_runs_alone(tmp_path: Path) -> None:
    study = filled(make(path=tmp_path, target=bomix.TargetSpec(scale="small")), small=8, large=8)
    first = confirming_trials(study.records, 2)
    for record in first:
        study.tell(record.trial, losses(record.trial.weights))
    assert [len(each.differences) for each in compare(study.problem, study.history, first[0].trial.weights)] == [2]
    other = make(path=tmp_path, target=bomix.TargetSpec(scale="large"))
    assert other.history.confirming == ()
    assert other.recommend().confirmed is None
    assert compare(other.problem, other.history, first[0].trial.weights) == ()
    assert len(other.history.informative) == 20
    again = confirming_trials(other.records, 2)
    assert {record.trial.scale for record in again} == {LARGE}
    assert {record.trial.seed for record in again} == {1_000_002, 1_000_003}
    mixture = first[0].trial.weights
    assert confirming_trial(other.records, mixture, 1_000_000).trial.scale == LARGE


def test_confirmations_below_the_target_are_told_with_their_scale() -> None:
    study = filled(make(target=bomix.TargetSpec(scale="final")), small=8, large=8)
    for record in confirming_trials(study.records, 1):
        study.tell(record.trial, losses(record.trial.weights))
    best = study.recommend()
    assert best.confirmed is not None
    found = compare(study.problem, study.history, best.confirmed.weights)
    assert (
        "1 paired seed at scale 'large', not the target: " in sentences(standing(study.records), best, found, "best")[0]
    )


def test_correlations_are_of_one_scale() -> None:
    study = filled(make(target=bomix.TargetSpec(scale="large")), small=8, large=5)
    found = correlate(study.dataset), correlate(study.dataset, scale="small")
    assert [each.attrs["trials"] for each in found] == [5, 8]


@pytest.mark.parametrize(("cost", "told"), [(9.0, True), (10.0, False)])
def test_a_budget_that_holds_no_run_of_the_target_is_told_beforehand(
    cost: float, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    scales = {
        "small": {"params": "1M", "tokens": "1M", "cost": 1},
        "large": {"params": "9M", "tokens": "1M", "cost": 10},
    }
    _ = bomix.Study(["a", "b"], ["loss"], scales=scales, budget=bomix.BudgetSpec(cost=cost)).problem
    assert ("less than one run of 'large', which is decided about, costs (10)" in caplog.text) == told
