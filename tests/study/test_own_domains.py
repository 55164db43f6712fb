"""What sees the weight of a metric's own domain alone is refused, or warned of, where metrics have none."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bomix.errors import FaultsError, StoreError
from bomix.strategies.auto import Auto
from bomix.strategies.bayesian.turbo import Turbo
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.designs import Sobol
from bomix.strategies.regression.law import Law
from bomix.strategies.sequence import Sequence, Step
from bomix.study.study import Study
from bomix.surrogates.combined.auto import Auto as Stacked
from bomix.surrogates.combined.corrected import Corrected
from bomix.surrogates.fully_bayesian.specs import BayesianLaw
from bomix.surrogates.gp.multitask import MultiTask
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.composition_specs import Scaled, Sum
from bomix.surrogates.kernels.specs import Linear, OwnDomain
from bomix.surrogates.laws.spec import LawRegression
from bomix.surrogates.means.law import LawMean
from bomix.trial import Result

OWN = Sum((Scaled(OwnDomain()), OwnDomain()))
ALONE = {
    "form": Law("bimix"),
    "steps[1].strategy.form": Sequence((Step(Sobol(), 3), Step(Law("own_exponential")))),
    "surrogate.form": Auto(surrogate=LawRegression("bimix")),
    "surrogate.kernels": Turbo(surrogate=GP(kernels=(OWN, OwnDomain()))),
    "surrogate.mean.form": Bayesian(surrogate=Corrected(mean=LawMean("bimix"))),
    "surrogate.of[0].form": Bayesian(surrogate=Stacked((BayesianLaw("own_exponential"), GP()))),
}
"""Place of the fault to a strategy of which a part sees the metrics' own domains alone."""


def made(strategy, *metrics):
    return Study(["code", "web"], list(metrics), strategy=strategy)


@pytest.mark.parametrize("place", ALONE)
def test_a_model_of_constants_is_refused_with_its_place_and_the_cure(place):
    with pytest.raises(FaultsError) as refused:
        made(ALONE[place], "loss", "accuracy")
    (fault,) = refused.value.faults
    assert fault.where == f"strategy.{place}"
    assert "constants" in fault.what
    assert "own: {loss: code}" in fault.what


@pytest.mark.parametrize("place", ALONE)
def test_some_metrics_without_a_domain_are_named_in_a_warning(place, caplog):
    made(ALONE[place], "code", "loss", "accuracy")
    (message,) = caplog.messages
    assert f"strategy.{place}" in message
    assert "without one: loss, accuracy;" in message


@pytest.mark.parametrize("place", ALONE)
def test_metrics_that_all_have_a_domain_are_no_matter(place, caplog):
    made(ALONE[place], "code", "web")
    assert not caplog.messages


def test_a_mapping_is_the_cure(caplog):
    made(replace(ALONE["form"], own={"loss": "web"}), "loss")
    assert not caplog.messages
    made(replace(ALONE["form"], own={"loss": "web"}), "loss", "other")
    assert "without one: other;" in caplog.text


@pytest.mark.parametrize("surrogate", [GP(), GP(kernels=(OWN, Linear())), MultiTask(kernels=(Sum((OWN, Linear())),))])
def test_a_kernel_that_sees_more_is_no_matter(surrogate, caplog):
    made(Bayesian(surrogate=surrogate), "loss")
    assert not caplog.messages


@pytest.mark.parametrize("place", ALONE)
def test_the_mapping_of_the_study_is_the_cure_as_well(place, caplog):
    strategy = ALONE[place]
    Study(["code", "web"], ["loss", "accuracy"], strategy=strategy, own={"loss": "web", "accuracy": "code"})
    assert not caplog.messages
    Study(["code", "web"], ["loss", "accuracy"], strategy=strategy, own={"loss": "web"})
    assert "without one: accuracy;" in caplog.text


@pytest.mark.parametrize("surrogate", [GP(draws=0), GP(draws=0, kernels=(OWN,)), LawRegression("bimix"), "auto"])
def test_a_mapping_predicts_bit_for_bit_what_names_do(surrogate):
    strategy = Auto() if surrogate == "auto" else Bayesian(surrogate=surrogate)
    named = _told(Study(["code", "web"], ["code", "web"], strategy=strategy))
    renamed = Study(["code", "web"], ["loss_1", "loss_2"], strategy=strategy, own={"loss_1": "code", "loss_2": "web"})
    mixtures = [{"code": 0.3, "web": 0.7}, {"code": 0.0, "web": 1.0}]
    one, other = named.predict(mixtures), _told(renamed).predict(mixtures)
    for variable in ("mean", "sd", "objective_sd"):
        assert np.array_equal(one[variable].values, other[variable].values)
    assert named.ask().weights == renamed.ask().weights


def test_what_a_component_states_goes_before_the_mapping_of_the_study():
    strategy = Bayesian(surrogate=LawRegression("bimix", own={"loss": "web"}))
    mapped = Study(["code", "web"], ["loss"], strategy=strategy, own={"loss": "code"})
    plain = Study(["code", "web"], ["loss"], strategy=strategy)
    mixtures = [{"code": 0.3, "web": 0.7}]
    for study in (mapped, plain):
        _told(study)
    assert np.array_equal(mapped.predict(mixtures)["mean"].values, plain.predict(mixtures)["mean"].values)


FILE = """domains: {{code: {{}}, web: {{}}}}
metrics: [loss]
own:
  {line}
"""


@pytest.mark.parametrize(("line", "fault"), [("los: web", "own.los (line 4)"), ("loss: wev", "own.loss (line 4)")])
def test_a_name_in_the_mapping_that_is_not_there_is_told_with_its_line(tmp_path, line, fault):
    (tmp_path / "study.yaml").write_text(FILE.format(line=line))
    with pytest.raises(FaultsError) as refused:
        _ = Study.open(tmp_path).problem
    (found,) = refused.value.faults
    assert found.where == fault
    assert "did you mean" in found.what


def test_the_mapping_is_kept_and_may_change_while_other_keys_may_not(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(FILE.format(line="loss: web"))
    study = Study.open(tmp_path)
    study.tell(study.ask(), {"loss": 2.0})
    assert json.loads((tmp_path / "resolved.json").read_text())["spec"]["own"] == {"loss": "web"}
    file.write_text(FILE.format(line="loss: code"))
    assert Study.open(tmp_path).problem.own == {"loss": "code"}
    file.write_text(FILE.format(line="loss: code") + "seed: 1\n")
    with pytest.raises(StoreError):
        _ = Study.open(tmp_path).problem


def test_what_is_no_mapping_is_a_fault():
    with pytest.raises(FaultsError, match="own: expected a mapping from names"):
        Study(["code"], ["loss"], own="code")


def _told(study):
    first, second = study.problem.metric_names[0], study.problem.metric_names[-1]
    for code in (0.05, 0.2, 0.4, 0.5, 0.7, 0.9):
        losses = {first: 2.0 + 0.1 / (code + 0.1), second: 3.0 + 0.2 / (1.1 - code)}
        study.add({"code": code, "web": 1.0 - code}, Result({name: losses[name] for name in {first, second}}))
    return study
