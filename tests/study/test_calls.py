"""Calls with wrong or unusual arguments: what is meant is taken, all else is an error of bomix that names the thing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import bomix
from bomix.config.sections import ExpertsSpec, RecommendationSpec
from bomix.config.settled import argument, settled
from bomix.errors import BomixError, ConfigError, FaultsError, StoreError, StudyError
from bomix.objectives.robust import Worst
from bomix.objectives.weighted import Groups
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.designs import Sobol
from bomix.study.arguments import sound
from bomix.surrogates.gp.spec import GP
from bomix.trial import Curve

NAMES = ["code", "web"]
HALF = {"code": 0.5, "web": 0.5}

Arguments = dict[str, Any]


def case(name: str, arguments: Any, said: str, error: type[BomixError] = FaultsError) -> Any:
    return pytest.param(arguments, said, error, id=name)


class Bare:
    """An object with nothing."""


WRONG_STUDIES = [
    case("domains-none", {"domains": None}, "domains: expected a list of names"),
    case("domains-number", {"domains": 3}, "domains: expected a list of names"),
    case("domains-text", {"domains": "web"}, "domains: expected a list of names, found the text 'web'"),
    case("domains-bytes", {"domains": b"web"}, "domains: expected a list of names"),
    case("domains-empty", {"domains": []}, "domains: a study needs at least one domain"),
    case("domains-numbers", {"domains": [1, 2]}, "domains: expected names, found 1"),
    case("domains-lists", {"domains": [["a"], ["b"]]}, "domains: expected names, found ['a']"),
    case("domains-mixed", {"domains": ["a", 1]}, "domains: expected names, found 1"),
    case("domains-unnamed", {"domains": ["a", ""]}, "domains: expected names, found ''"),
    case("domains-nothing", {"domains": [None, "a"]}, "domains: expected names, found None"),
    case("domains-twice", {"domains": ["a", "a"]}, "domains.a: named twice"),
    case("domains-no-specs", {"domains": {"a": 0.5, "b": 0.5}}, "domains.a: expected a DomainSpec, found 0.5"),
    case("domains-spec-none", {"domains": {"a": None}}, "domains.a: expected a DomainSpec, found None"),
    case("domains-spec-class", {"domains": {"a": bomix.DomainSpec}}, "domains.a: DomainSpec is a class"),
    case("domains-number-keys", {"domains": {1: bomix.DomainSpec()}}, "a name must be text, found 1"),
    case("domains-array", {"domains": np.eye(2)}, "domains: expected names"),
    case("metrics-none", {"metrics": None}, "metrics: expected a list of names"),
    case("metrics-number", {"metrics": 3}, "metrics: expected a list of names"),
    case("metrics-text", {"metrics": "loss"}, "metrics: expected a list of names, found the text 'loss'"),
    case("metrics-empty", {"metrics": []}, "metrics: name the metrics"),
    case("metrics-numbers", {"metrics": [1]}, "metrics[0]: expected text, found 1"),
    case("metrics-lists", {"metrics": [["a"]]}, "metrics[0]: expected text, found ['a']"),
    case("metrics-unnamed", {"metrics": [""]}, "metrics: expected names, found ''"),
    case("metrics-twice", {"metrics": ["a", "a"]}, "metrics: 'a' stands twice"),
    case("metrics-units", {"metrics": {"a": "accuracy"}}, "metrics.a: expected a MetricSpec, found 'accuracy'"),
    case("metrics-spec-none", {"metrics": {"a": None}}, "metrics.a: expected a MetricSpec"),
    case("metrics-number-keys", {"metrics": {1: bomix.MetricSpec()}}, "metrics.1: a name must be text"),
    case("direction", {"metrics": {"a": bomix.MetricSpec(direction="up")}}, "metrics.a.direction: expected 'max' or"),
    case("direction-none", {"metrics": {"a": bomix.MetricSpec(direction=None)}}, "metrics.a.direction: expected"),
    case("direction-list", {"metrics": {"a": bomix.MetricSpec(direction=["min"])}}, "metrics.a.direction: expected"),
    case("direction-array", {"metrics": {"a": bomix.MetricSpec(direction=np.ones(2))}}, "metrics.a.direction"),
    case("unit", {"metrics": {"a": bomix.MetricSpec(unit=3)}}, "metrics.a.unit: expected text, found 3"),
    case("range-number", {"metrics": {"a": bomix.MetricSpec(range=3)}}, "metrics.a.range: expected a list, found 3"),
    case("range-text", {"metrics": {"a": bomix.MetricSpec(range=("0", "1"))}}, "metrics.a.range[0]: expected"),
    case("range-three", {"metrics": {"a": bomix.MetricSpec(range=(0, 1, 2))}}, "metrics.a.range: expected [smallest"),
    case("range-complex", {"metrics": {"a": bomix.MetricSpec(range=(0j, 1))}}, "metrics.a.range[0]: expected"),
    case("seed-true", {"seed": True}, "seed: expected a whole number, found True"),
    case("seed-numpy-true", {"seed": np.True_}, "seed: expected a whole number"),
    case("seed-text", {"seed": "7"}, "seed: expected a whole number, found '7'"),
    case("seed-none", {"seed": None}, "seed: expected a whole number, found None"),
    case("seed-fraction", {"seed": 0.5}, "seed: expected a whole number, found 0.5"),
    case("seed-nan", {"seed": np.nan}, "seed: expected a whole number, found nan"),
    case("seed-complex", {"seed": 1j}, "seed: expected a whole number"),
    case("seed-numpy-complex", {"seed": np.complex128(1)}, "seed: expected a whole number"),
    case("seed-negative", {"seed": -1}, "seed: expected a whole number from 0"),
    case("seed-long", {"seed": 10**5000}, "seed: expected a whole number"),
    case("seed-array", {"seed": np.array([1, 2])}, "seed: expected a whole number"),
    case("seed-tensor", {"seed": torch.tensor([1, 2])}, "seed: expected a whole number"),
    case("paired-text", {"paired": "no"}, "paired: expected True or False, found 'no'"),
    case("paired-number", {"paired": 1}, "paired: expected True or False, found 1"),
    case("paired-none", {"paired": None}, "paired: expected True or False"),
    case("path-number", {"path": 5}, "path: expected the path of a folder, found 5"),
    case("path-bytes", {"path": b"here"}, "path: expected the path of a folder"),
    case("path-empty", {"path": ""}, "path: expected the path of a folder, found ''"),
    case("path-zero-byte", {"path": "a\0b"}, "path: expected the path of a folder"),
    case("path-true", {"path": True}, "path: expected the path of a folder, found True"),
    case("path-file", {"path": Path(__file__)}, "is a file", StudyError),
    case("path-below-file", {"path": Path(__file__) / "deeper"}, "is a file", StudyError),
    case("objective-text", {"objective": "meen"}, "objective.kind: unknown objective kind 'meen'; did you mean 'mean'"),
    case("objective-number", {"objective": 2}, "objective: expected an objective, found 2"),
    case("objective-class", {"objective": bomix.Mean}, "objective: Mean is a class"),
    case("objective-function", {"objective": lambda losses: losses}, "objective: function must be a dataclass"),
    case("mean-text", {"objective": bomix.Mean(metrics="loss")}, "objective.metrics: expected a list, found 'loss'"),
    case("mean-number", {"objective": bomix.Mean(metrics=3)}, "objective.metrics: expected a list, found 3"),
    case("mean-numbers", {"objective": bomix.Mean(metrics=(3,))}, "objective.metrics[0]: expected text, found 3"),
    case("mean-lists", {"objective": bomix.Mean(metrics=([],))}, "objective.metrics[0]: expected text"),
    case("mean-unknown", {"objective": bomix.Mean(metrics=("los",))}, "did you mean 'loss'"),
    case("weights-list", {"objective": bomix.WeightedMean(of=["loss"])}, "objective.of: expected a mapping"),
    case("weights-none", {"objective": bomix.WeightedMean(of=None)}, "objective.of: expected a mapping"),
    case("weights-text", {"objective": bomix.WeightedMean(of={"loss": "1"})}, "objective.of.loss: expected a finite"),
    case("weights-true", {"objective": bomix.WeightedMean(of={"loss": True})}, "objective.of.loss: expected a finite"),
    case("weights-complex", {"objective": bomix.WeightedMean(of={"loss": 1j})}, "objective.of.loss: expected"),
    case("weights-keys", {"objective": bomix.WeightedMean(of={1: 1.0})}, "objective.of.1: a name must be text"),
    case("normalise", {"objective": bomix.WeightedMean(of={"loss": 1.0}, normalise="yes")}, "normalise: expected True"),
    case("groups", {"objective": Groups(of={"all": 3})}, "objective.of.all: expected a list, found 3"),
    case("groups-combine", {"objective": Groups(of={"all": ("loss",)}, combine="max")}, "objective.combine: expected"),
    case("worst-case", {"objective": Worst(metrics=1)}, "objective.metrics: expected a list"),
    case("strategy-keys", {"strategy": {"kind": "turbo", "n_int": 3}}, "strategy.n_int: unknown key 'n_int'; did you"),
    case("strategy-misspelt", {"strategy": "sobl"}, "did you mean 'sobol'"),
    case("strategy-number", {"strategy": 3}, "strategy: expected a strategy, found 3"),
    case("strategy-class", {"strategy": Sobol}, "strategy: Sobol is a class"),
    case("strategy-bare", {"strategy": Bare()}, "strategy: expected a strategy, found"),
    case("surrogate-text", {"strategy": Bayesian(surrogate="gpp")}, "strategy.surrogate.kind: unknown surrogate kind"),
    case("surrogate-class", {"strategy": Bayesian(surrogate=GP)}, "strategy.surrogate: GP is a class"),
    case(
        "kernel-text",
        {"strategy": Bayesian(surrogate=GP(kernels=("matern",)))},
        "surrogate.kernels[0].kind: unknown kernel kind",
    ),
    case(
        "evaluator-text", {"evaluator": "proxi"}, "evaluator.kind: unknown evaluator kind 'proxi'; did you mean 'proxy'"
    ),
    case("evaluator-function", {"evaluator": lambda trial: {}}, "evaluator: expected an evaluator"),
    case("evaluator-number", {"evaluator": 1.5}, "evaluator: expected an evaluator, found 1.5"),
    case("target-number", {"target": 1e9}, "target: expected a TargetSpec, found 1000000000.0; write bomix.TargetSpec"),
    case("target-dict", {"target": {"token": 1}}, "target.token: unknown key 'token'; did you mean 'tokens'"),
    case("target-text", {"target": bomix.TargetSpec(tokens="1B")}, "target.tokens: expected a finite number"),
    case("target-true", {"target": bomix.TargetSpec(tokens=True)}, "target.tokens: expected a finite number"),
    case("target-none", {"target": bomix.TargetSpec(tokens=None)}, "target.tokens: missing key"),
    case("target-nan", {"target": bomix.TargetSpec(tokens=np.nan)}, "target.tokens: expected a finite number"),
    case("target-endless", {"target": bomix.TargetSpec(tokens=np.inf)}, "target.tokens: expected a finite number"),
    case("epochs-text", {"target": bomix.TargetSpec(tokens=1, max_epochs="4")}, "target.max_epochs: expected"),
    case("budget-number", {"budget": 10}, "budget: expected a BudgetSpec, found 10"),
    case("budget-text", {"budget": bomix.BudgetSpec(trials="20")}, "budget.trials: expected a whole number"),
    case("budget-true", {"budget": bomix.BudgetSpec(trials=True)}, "budget.trials: expected a whole number"),
    case("budget-text", {"budget": bomix.BudgetSpec(trials="many")}, "budget.trials: expected a whole number"),
    case("budget-fraction", {"budget": bomix.BudgetSpec(trials=2.5)}, "budget.trials: expected a whole number"),
    case("budget-seconds", {"budget": bomix.BudgetSpec(device_seconds="1h")}, "budget.device_seconds: expected"),
    case("budget-flops", {"budget": bomix.BudgetSpec(flops=[1])}, "budget.flops: expected a finite number"),
    case("budget-patience", {"budget": bomix.BudgetSpec(patience=0)}, "budget.patience: expected a positive"),
    case("execution-number", {"execution": 2}, "execution: expected an executor, found 2"),
    case("execution-text", {"execution": "slrm"}, "execution.kind: unknown executor kind 'slrm'; did you mean 'slurm'"),
    case("workers-text", {"execution": bomix.LocalExecution(workers="2")}, "execution.workers: expected a whole"),
    case("workers-true", {"execution": bomix.LocalExecution(workers=True)}, "execution.workers: expected a whole"),
    case("workers-none", {"execution": bomix.LocalExecution(workers=None)}, "execution.workers: expected a whole"),
    case("timeout-text", {"execution": bomix.LocalExecution(timeout_s="1h")}, "execution.timeout_s: expected"),
    case("silence-list", {"execution": bomix.LocalExecution(silence_s=[])}, "execution.silence_s: expected"),
    case("recommendation", {"recommendation": 0.5}, "recommendation: expected a RecommendationSpec"),
    case("shrink", {"recommendation": RecommendationSpec(shrink="a")}, "recommendation.shrink: expected a finite"),
    case("smooth", {"recommendation": RecommendationSpec(smooth=None)}, "recommendation.smooth: expected a finite"),
    case("last", {"recommendation": RecommendationSpec(last=1.5)}, "recommendation.last: expected a whole number"),
    case("experts", {"experts": True}, "experts: expected an ExpertsSpec, found True"),
    case("experts-train", {"experts": ExpertsSpec(train="yes")}, "experts.train: expected 'always' or 'auto'"),
    case("experts-train-true", {"experts": ExpertsSpec(train=True)}, "experts.train: expected"),
    case("experts-tokens", {"experts": ExpertsSpec(tokens="1M")}, "experts.tokens: expected a whole number"),
    case("experts-counted", {"experts": ExpertsSpec(counted="no")}, "experts.counted: expected True or False"),
    case("own-list", {"own": ["loss"]}, "own: expected a mapping"),
    case("own-text", {"own": "loss"}, "own: expected a mapping"),
    case("own-number", {"own": {"loss": 1}}, "own.loss: expected text, found 1"),
    case("own-keys", {"own": {1: "web"}}, "own.1: a name must be text"),
    case("own-unknown", {"own": {"loss": "wb"}}, "did you mean 'web'"),
    case("tokens-text", {"domains": {"a": bomix.DomainSpec(tokens="1B")}}, "domains.a.tokens: expected a finite"),
    case("tokens-complex", {"domains": {"a": bomix.DomainSpec(tokens=1j)}}, "domains.a.tokens: expected a finite"),
    case("lower-text", {"domains": {"a": bomix.DomainSpec(lower="0")}}, "domains.a.lower: expected a finite"),
    case("lower-none", {"domains": {"a": bomix.DomainSpec(lower=None)}}, "domains.a.lower: expected a finite"),
    case("upper-true", {"domains": {"a": bomix.DomainSpec(upper=True)}}, "domains.a.upper: expected a finite"),
    case("upper-array", {"domains": {"a": bomix.DomainSpec(upper=np.ones(2))}}, "domains.a.upper: expected a finite"),
    case("upper-small", {"domains": {"a": bomix.DomainSpec(upper=0.5)}}, "domains: upper bounds sum to 0.5"),
    case("at-least-nan", {"domains": {"a": bomix.DomainSpec(at_least=np.nan)}}, "domains.a.at_least: expected"),
    case("source-text", {"domains": {"a": bomix.DomainSpec(source="txt")}}, "domains.a.source.kind: unknown source"),
]


@pytest.mark.parametrize(("arguments", "said", "error"), WRONG_STUDIES)
def test_a_study_of_wrong_arguments_says_what_is_wrong_and_writes_nothing(
    tmp_path: Path, arguments: Arguments, said: str, error: type[BomixError]
) -> None:
    folder = tmp_path / "study"
    with pytest.raises(BomixError) as caught:
        bomix.Study(**{"domains": NAMES, "metrics": ["loss"], "path": folder, **arguments})
    assert type(caught.value) is error
    assert said in str(caught.value)
    assert len(str(caught.value)) < 600
    assert not folder.exists()


def accepted(name: str, arguments: Arguments, check: Callable[[bomix.Study], bool] = lambda study: True) -> Any:
    return pytest.param(arguments, check, id=name)


@pytest.mark.parametrize(
    ("arguments", "check"),
    [
        accepted("domains-array", {"domains": np.array(NAMES)}),
        accepted("domains-series", {"domains": pd.Series(NAMES)}),
        accepted("domains-columns", {"domains": pd.DataFrame(columns=NAMES).columns}),
        accepted("domains-generator", {"domains": (name for name in NAMES)}),
        accepted("domains-series-of-specs", {"domains": pd.Series(dict.fromkeys(NAMES, bomix.DomainSpec()))}),
        accepted("domains-proxy", {"domains": MappingProxyType(dict.fromkeys(NAMES, bomix.DomainSpec()))}),
        accepted("metrics-array", {"metrics": np.array(["loss"])}, lambda s: s.spec.metrics == ("loss",)),
        accepted("metrics-series", {"metrics": pd.Series(["loss"])}, lambda s: s.spec.metrics == ("loss",)),
        accepted("seed-numpy", {"seed": np.int64(2**60 + 1)}, lambda s: s.spec.seed == 2**60 + 1),
        accepted("seed-tensor", {"seed": torch.tensor(7)}, lambda s: s.spec.seed == 7),
        accepted("paired-numpy", {"paired": np.False_}, lambda s: s.spec.paired is False),
        accepted("tokens-numpy", {"target": bomix.TargetSpec(np.float32(8.0))}, lambda s: s.spec.target.tokens == 8.0),
        accepted("trials-numpy", {"budget": bomix.BudgetSpec(np.int32(5))}, lambda s: s.spec.budget.trials == 5),
        accepted("trials-float", {"budget": bomix.BudgetSpec(5.0)}, lambda s: type(s.spec.budget.trials) is int),
        accepted("own-series", {"own": pd.Series({"loss": "web"})}, lambda s: s.spec.own == {"loss": "web"}),
        accepted("weights-series", {"objective": bomix.WeightedMean(pd.Series({"loss": 2.0}))}),
        accepted("weights-numpy", {"objective": bomix.WeightedMean({"loss": np.float32(2.0)})}),
        accepted("metrics-list", {"objective": bomix.Mean(metrics=["loss"])}),
        accepted("range-array", {"metrics": {"loss": bomix.MetricSpec(range=np.array([0, 9]))}}),
    ],
)
def test_what_is_meant_is_taken_and_opens_again(
    tmp_path: Path, arguments: Arguments, check: Callable[[bomix.Study], bool]
) -> None:
    study = bomix.Study(**{"domains": NAMES, "metrics": ["loss"], "path": tmp_path / "s", **arguments})
    assert check(study)
    assert sorted(study.ask().weights) == NAMES
    assert bomix.Study.open(tmp_path / "s").problem.metric_names == ("loss",)


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


def told() -> bomix.Study:
    """A study of two completed trials and a pending one, the third."""
    study = bomix.Study(NAMES, ["loss"], strategy=Sobol())
    for loss in (2.0, 3.0):
        study.tell(study.ask(), {"loss": loss})
    study.ask()
    return study


Call = Callable[[bomix.Study], Any]

WRONG_CALLS = [
    case("ask-text", lambda s: s.ask(expert="no"), "expert: expected True or False, found 'no'"),
    case("ask-number", lambda s: s.ask(expert=1), "expert: expected True or False"),
    case("tell-unknown", lambda s: s.tell(9, {"loss": 2.0}), "there is no trial 9", StudyError),
    case("tell-negative", lambda s: s.tell(-1, {"loss": 2.0}), "there is no trial -1", StudyError),
    case("tell-none", lambda s: s.tell(None, {"loss": 2.0}), "expected a trial or its number", StudyError),
    case("tell-true", lambda s: s.tell(True, {"loss": 2.0}), "expected a trial or its number", StudyError),
    case("tell-numpy-true", lambda s: s.tell(np.True_, {"loss": 2.0}), "expected a trial or its number", StudyError),
    case("tell-torch-true", lambda s: s.tell(torch.tensor(True), {}), "expected a trial or its number", StudyError),
    case("tell-text", lambda s: s.tell("2", {"loss": 2.0}), "expected a trial or its number", StudyError),
    case("tell-fraction", lambda s: s.tell(2.0, {"loss": 2.0}), "expected a trial or its number", StudyError),
    case("tell-array", lambda s: s.tell(np.array([2, 1]), {}), "expected a trial or its number", StudyError),
    case("tell-float-array", lambda s: s.tell(np.array(2.0), {}), "expected a trial or its number", StudyError),
    case("tell-tensor", lambda s: s.tell(torch.tensor([1, 2]), {}), "expected a trial or its number", StudyError),
    case("tell-float-tensor", lambda s: s.tell(torch.tensor(1.5), {}), "expected a trial or its number", StudyError),
    case("tell-long", lambda s: s.tell(10**5000, {"loss": 2.0}), "trial", StudyError),
    case("tell-record", lambda s: s.tell(s.history.records[2], {}), "expected a trial or its number", StudyError),
    case("tell-bad-id", lambda s: s.tell(bomix.Trial("2", HALF, 0, "sobol"), {}), "expected a trial", StudyError),
    case("tell-no-weights", lambda s: s.tell(bomix.Trial(2, None, 0, "sobol"), {}), "another one", StudyError),
    case(
        "tell-text-weights",
        lambda s: s.tell(dataclasses.replace(s.history.records[2].trial, weights={"code": "a", "web": "b"}), {}),
        "another one",
        StudyError,
    ),
    case("tell-twice", lambda s: s.tell(0, {"loss": 2.0}), "trial 0", StoreError),
    case("outcome-none", lambda s: s.tell(2, None), "losses.loss: missing"),
    case("outcome-empty", lambda s: s.tell(2, {}), "losses.loss: missing"),
    case("outcome-file", lambda s: s.tell(2, "no/2.json"), "cannot read no/2.json", ConfigError),
    case("outcome-list", lambda s: s.tell(2, [2.0]), "losses: expected a mapping"),
    case("outcome-array", lambda s: s.tell(2, np.array([2.0, 3.0])), "losses: expected a mapping"),
    case("outcome-tensor", lambda s: s.tell(2, torch.ones(3)), "losses: expected a mapping"),
    case("outcome-true", lambda s: s.tell(2, True), "losses: expected a mapping"),
    case("outcome-complex", lambda s: s.tell(2, 2j), "losses: expected a mapping"),
    case("outcome-class", lambda s: s.tell(2, bomix.Result), "losses: expected a mapping"),
    case("outcome-frame", lambda s: s.tell(2, frame(loss=[1.0, 2.0])), "losses.loss: expected a finite number"),
    case("outcome-unnamed-series", lambda s: s.tell(2, pd.Series([2.0, 3.0])), "losses.loss: missing"),
    case("loss-text", lambda s: s.tell(2, {"loss": "2.0"}), "losses.loss: expected a finite number, found '2.0'"),
    case("loss-true", lambda s: s.tell(2, {"loss": True}), "losses.loss: expected a finite number"),
    case("loss-numpy-true", lambda s: s.tell(2, {"loss": np.True_}), "losses.loss: expected a finite number"),
    case("loss-torch-true", lambda s: s.tell(2, {"loss": torch.tensor(True)}), "losses.loss: expected a finite"),
    case("loss-complex", lambda s: s.tell(2, {"loss": 2 + 0j}), "losses.loss: expected a finite number"),
    case("loss-numpy-complex", lambda s: s.tell(2, {"loss": np.complex64(2)}), "losses.loss: expected a finite"),
    case("loss-torch-complex", lambda s: s.tell(2, {"loss": torch.tensor(2j)}), "losses.loss: expected a finite"),
    case("loss-array", lambda s: s.tell(2, {"loss": np.ones(2)}), "losses.loss: expected a finite number"),
    case("loss-nan", lambda s: s.tell(2, {"loss": np.nan}), "losses.loss: expected a finite number, found nan"),
    case("loss-stranger", lambda s: s.tell(2, {"loss": 2.0, 3: 1.0}), "losses.3: unknown name"),
    case("sems-list", lambda s: s.tell(2, bomix.Result({"loss": 2.0}, sems=[1])), "sems: expected a mapping"),
    case("realized-list", lambda s: s.tell(2, bomix.Result({"loss": 2.0}, realized=[0.5, 0.5])), "realized: expected"),
    case("realized-text", lambda s: s.tell(2, bomix.Result({"loss": 2.0}, realized={"web": "a"})), "realized.web"),
    case("epochs-true", lambda s: s.tell(2, bomix.Result({"loss": 2.0}, epochs={"web": True})), "epochs.web"),
    case("cost-text", lambda s: s.tell(2, bomix.Result({"loss": 2.0}, cost="1h")), "cost: expected device-seconds"),
    case("curve-none", lambda s: s.tell(2, bomix.Result({"loss": 2.0}, curve=Curve(None, None))), "curve"),
    case("unmeasured-lists", lambda s: s.tell(2, bomix.Result({"loss": 2.0}, unmeasured=[["a"]])), "losses.['a']"),
    case("add-none", lambda s: s.add(None, {"loss": 2.0}), "weights: expected a mapping from domains to weights"),
    case("add-text", lambda s: s.add("half", {"loss": 2.0}), "weights: expected a mapping"),
    case("add-list", lambda s: s.add([0.5, 0.5], {"loss": 2.0}), "{'code', 'web'}"),
    case("add-array", lambda s: s.add(np.array([0.5, 0.5]), {"loss": 2.0}), "weights: expected a mapping"),
    case("add-tensor", lambda s: s.add(torch.tensor([0.5, 0.5]), {"loss": 2.0}), "weights: expected a mapping"),
    case("add-unnamed-series", lambda s: s.add(pd.Series([0.5, 0.5]), {"loss": 2.0}), "domain 'code' is missing"),
    case("add-frame", lambda s: s.add(frame(code=[0.5, 1.0], web=[0.5, 0.0]), {"loss": 2.0}), "weights.code"),
    case("add-numbers", lambda s: s.add({1: 0.5, 2: 0.5}, {"loss": 2.0}), "domain 'code' is missing"),
    case("add-texts", lambda s: s.add({"code": "0.5", "web": 0.5}, {"loss": 2.0}), "weights.code"),
    case("add-true", lambda s: s.add({"code": True, "web": 0.0}, {"loss": 2.0}), "weights.code"),
    case("add-numpy-true", lambda s: s.add({"code": np.True_, "web": 0.0}, {"loss": 2.0}), "weights.code"),
    case("add-torch-true", lambda s: s.add({"code": torch.tensor(True), "web": 0.0}, {"loss": 2.0}), "weights.code"),
    case("add-complex", lambda s: s.add({"code": 1 + 0j, "web": 0.0}, {"loss": 2.0}), "weights.code"),
    case("add-numpy-complex", lambda s: s.add({"code": np.complex128(1), "web": 0}, {"loss": 2.0}), "weights.code"),
    case("add-weight-none", lambda s: s.add({"code": None, "web": 1.0}, {"loss": 2.0}), "weights.code"),
    case("add-weight-nan", lambda s: s.add({"code": np.nan, "web": 1.0}, {"loss": 2.0}), "weights.code"),
    case("add-weight-arrays", lambda s: s.add({"code": np.ones(2), "web": 1.0}, {"loss": 2.0}), "weights.code"),
    case("add-weight-long", lambda s: s.add({"code": 10**5000, "web": 1.0}, {"loss": 2.0}), "weights.code"),
    case("add-sum", lambda s: s.add({"code": 0.2, "web": 0.2}, {"loss": 2.0}), "the weights sum to 0.4"),
    case("add-losses-none", lambda s: s.add(HALF, None), "losses.loss: missing"),
    case("add-losses-text", lambda s: s.add(HALF, "2.0"), "losses: expected a mapping"),
    case("add-loss-array", lambda s: s.add(HALF, {"loss": np.ones(2)}), "losses.loss: expected a finite number"),
    case("add-loss-tensor", lambda s: s.add(HALF, {"loss": torch.ones(2)}), "losses.loss: expected a finite number"),
    case("add-failure", lambda s: s.add(HALF, bomix.Failure("no")), "losses: expected a mapping"),
    case("add-gap", lambda s: s.add(HALF, {"loss": pd.NA}), "losses.loss: expected a finite number"),
    case("add-scale-text", lambda s: s.add(HALF, {"loss": 2.0}, scale="10M"), "scale: expected a bomix.Scale"),
    case("add-scale-number", lambda s: s.add(HALF, {"loss": 2.0}, scale=10), "scale: expected a bomix.Scale"),
    case("add-all-none", lambda s: s.records.add_all(None), "runs: expected a list of (weights, losses)"),
    case("add-all-number", lambda s: s.records.add_all(3), "runs: expected a list of (weights, losses)"),
    case("add-all-text", lambda s: s.records.add_all("ab"), "runs: expected a list of (weights, losses)"),
    case("add-all-mapping", lambda s: s.records.add_all({"a": 1}), "runs: expected a list of (weights, losses)"),
    case("add-all-numbers", lambda s: s.records.add_all([1, 2]), "runs[0]: expected (weights, losses)"),
    case("add-all-short", lambda s: s.records.add_all([(HALF,)]), "runs[0]: expected (weights, losses)"),
    case("add-all-long", lambda s: s.records.add_all([(HALF, {}, None, 1)]), "runs[0]: expected (weights, losses)"),
    case("add-all-frame", lambda s: s.records.add_all(frame(code=[0.5], web=[0.5])), "runs[0]: expected (weights"),
    case("predict-none", lambda s: s.predict(None), "mixtures: expected a list of mixtures"),
    case("predict-empty", lambda s: s.predict([]), "mixtures: expected a list of mixtures"),
    case("predict-number", lambda s: s.predict(3), "mixtures: expected a list of mixtures"),
    case("predict-text", lambda s: s.predict("half"), "mixtures: expected a list of mixtures"),
    case("predict-one", lambda s: s.predict(HALF), "mixtures: expected a list of mixtures"),
    case("predict-series", lambda s: s.predict(pd.Series(HALF)), "mixtures: expected a list of mixtures"),
    case("predict-array", lambda s: s.predict(np.full((1, 2), 0.5)), "mixtures[0].weights: expected a mapping"),
    case("predict-scalar", lambda s: s.predict(np.array(0.5)), "mixtures: expected a list of mixtures"),
    case("predict-columns", lambda s: s.predict(frame(a=[1.0])), "mixtures[0].weights.code: domain 'code' is missing"),
    case("predict-texts", lambda s: s.predict([{"code": "a", "web": 1.0}]), "mixtures[0].weights.code"),
    case("validate-text", lambda s: s.validate(surrogate="g"), "surrogate.kind: unknown surrogate kind 'g'"),
    case("validate-number", lambda s: s.validate(surrogate=0), "surrogate: expected a surrogate, found 0"),
    case("validate-class", lambda s: s.validate(surrogate=GP), "surrogate: GP is a class"),
    case(
        "validate-kernel",
        lambda s: s.validate(surrogate=GP(kernels=("rbf",))),
        "surrogate.kernels[0].kind: unknown kernel kind 'rbf'",
    ),
    case("run-no-evaluator", lambda s: s.run(), "the study has no evaluator", StudyError),
    case("run-text", lambda s: s.run(trials="10"), "budget.trials: expected a whole number, found '10'"),
    case("run-true", lambda s: s.run(trials=True), "budget.trials: expected a whole number"),
    case("run-none-left", lambda s: s.run(trials=0), "budget.trials: expected a positive number"),
    case("run-workers", lambda s: s.run(workers="2"), "execution.workers: expected a whole number"),
    case("run-workers-zero", lambda s: s.run(workers=0), "execution.workers: expected at least 1"),
    case("run-confirm", lambda s: s.run(confirm=1.5), "confirm: expected a whole number, found 1.5"),
    case("run-confirm-true", lambda s: s.run(confirm=True), "confirm: expected a whole number"),
    case("run-observer", lambda s: s.run(observer=print), "observer: expected an Observer"),
    case("run-take-over", lambda s: s.run(take_over="no"), "take_over: expected True or False"),
    case("withdraw-unknown", lambda s: s.withdraw(9, why="x"), "there is no trial 9", StudyError),
    case("withdraw-none", lambda s: s.withdraw(None, why="x"), "expected a trial or its number", StudyError),
    case("withdraw-why-none", lambda s: s.withdraw(0, why=None), "say why", StudyError),
    case("withdraw-why-number", lambda s: s.withdraw(0, why=5), "say why", StudyError),
    case("withdraw-why-empty", lambda s: s.withdraw(0, why=" "), "say why", StudyError),
    case("open-none", lambda s: s.open(None), "path: expected the path of a folder, found None"),
    case("open-number", lambda s: s.open(5), "path: expected the path of a folder, found 5"),
    case("open-empty", lambda s: s.open(""), "path: expected the path of a folder"),
    case("open-zero-byte", lambda s: s.open("a\0b"), "path: expected the path of a folder"),
    case("open-nowhere", lambda s: s.open("/nowhere/at/all"), "no study at /nowhere/at/all", ConfigError),
    case("scale-none", lambda s: bomix.Scale(), "a scale needs params or tokens"),
    case("scale-text", lambda s: bomix.Scale(params="10M"), "params: expected a positive whole number"),
    case("scale-true", lambda s: bomix.Scale(params=True), "params: expected a positive whole number"),
    case("scale-numpy-true", lambda s: bomix.Scale(params=np.True_), "params: expected a positive whole number"),
    case("scale-complex", lambda s: bomix.Scale(tokens=np.complex128(5)), "tokens: expected a positive whole number"),
    case("scale-array", lambda s: bomix.Scale(tokens=np.ones(2)), "tokens: expected a positive whole number"),
    case("scale-tensor", lambda s: bomix.Scale(tokens=torch.ones(2)), "tokens: expected a positive whole number"),
    case("spec-seed", lambda s: setattr(s, "spec", dataclasses.replace(s.spec, seed=True)), "seed: expected a whole"),
    case("spec", lambda s: setattr(s, "spec", 3), "spec: expected the spec of a study, found 3"),
]


@pytest.mark.parametrize(("call", "said", "error"), WRONG_CALLS)
def test_a_wrong_call_says_what_is_wrong_and_records_nothing(call: Call, said: str, error: type[BomixError]) -> None:
    study = told()
    with pytest.raises(BomixError) as caught:
        call(study)
    assert type(caught.value) is error
    assert said in str(caught.value)
    assert len(str(caught.value)) < 600
    assert [record.status for record in study.history.records] == ["completed", "completed", "pending"]


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda s: s.tell(np.int64(2), {"loss": 2.5}), id="numpy-id"),
        pytest.param(lambda s: s.tell(np.array(2), {"loss": 2.5}), id="array-id"),
        pytest.param(lambda s: s.tell(torch.tensor(2), {"loss": 2.5}), id="tensor-id"),
        pytest.param(lambda s: s.tell(2, pd.Series({"loss": 2.5})), id="series"),
        pytest.param(lambda s: s.tell(2, frame(loss=[2.5]).iloc[0]), id="row"),
        pytest.param(lambda s: s.tell(2, MappingProxyType({"loss": 2.5})), id="proxy"),
        pytest.param(lambda s: s.tell(2, {"loss": np.array([2.5])}), id="array-of-one"),
        pytest.param(lambda s: s.tell(2, {"loss": torch.tensor(2.5, requires_grad=True)}), id="tensor"),
        pytest.param(lambda s: s.tell(2, 2.5), id="number"),
        pytest.param(lambda s: s.tell(2, torch.tensor(2.5)), id="tensor-alone"),
        pytest.param(lambda s: s.tell(2, np.float32(2.5)), id="numpy-alone"),
        pytest.param(
            lambda s: s.tell(2, bomix.Result(pd.Series({"loss": 2.5}), realized=pd.Series(HALF))), id="result"
        ),
        pytest.param(
            lambda s: s.tell(
                dataclasses.replace(
                    s.history.records[2].trial, weights=pd.Series(dict(s.history.records[2].trial.weights))
                ),
                {"loss": 2.5},
            ),
            id="trial-of-a-series",
        ),
        pytest.param(lambda s: s.add(pd.Series(HALF), pd.Series({"loss": 2.5})), id="add-series"),
        pytest.param(lambda s: s.add(frame(code=[0.5], web=[0.5]).iloc[0], {"loss": 2.5}), id="add-row"),
        pytest.param(
            lambda s: s.add({"code": torch.tensor(0.5), "web": np.float32(0.5)}, {"loss": 2.5}), id="add-mixed"
        ),
        pytest.param(lambda s: s.records.add_all(run for run in [[HALF, {"loss": 2.5}]])[0], id="add-generator"),
    ],
)
def test_what_is_meant_is_recorded(call: Call) -> None:
    record = call(told())
    assert dict(record.result.losses) == {"loss": 2.5}
    assert type(record.result.losses["loss"]) is float
    assert all(type(weight) is float for weight in record.trial.weights.values())


def test_mixtures_come_in_any_form() -> None:
    study = told()
    plain = study.predict([HALF, {"code": 1.0, "web": 0.0}])["mean"]
    for given in (
        frame(web=[0.5, 0.0], code=[0.5, 1.0]),
        (pd.Series(each) for each in (HALF, {"web": 0, "code": 1})),
        (HALF, {"code": torch.tensor(1.0), "web": np.float64(0.0)}),
    ):
        assert study.predict(given)["mean"].equals(plain)


def test_a_run_told_in_numpy_numbers_is_a_run() -> None:
    assert bomix.Scale(np.int64(10), torch.tensor(20)) == bomix.Scale(10, 20)


def test_what_is_plain_already_is_the_same_object() -> None:
    spec = bomix.Study(NAMES, ["loss"], strategy=Bayesian(surrogate=GP())).spec
    assert settled(spec) == (spec, [])
    assert settled(spec)[0] is sound(spec) is spec


def test_a_user_s_own_class_checks_its_own_fields() -> None:
    @dataclasses.dataclass(frozen=True)
    class Own(bomix.Mean):
        share: int = 0

    own = Own(share="a tenth")  # type: ignore[arg-type]
    assert bomix.Study(NAMES, ["loss"], objective=own).spec.objective is own


def test_whole_numbers_of_any_library_stay_exact() -> None:
    assert argument("seed", int, np.uint64(2**60 + 1)) == 2**60 + 1
    assert argument("seed", int, 1e6) == 10**6
