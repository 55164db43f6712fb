"""What sees the weight of a metric's own domain alone is refused, or warned of, where metrics have none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bomix.errors import FaultsError
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
    assert ("metrics after their domains" if place.endswith("kernels") else "own: {loss: code}") in fault.what


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
