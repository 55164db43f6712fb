"""What a study predicts with: what its strategy lends, or a Gaussian process."""

from __future__ import annotations

from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.designs import Sobol
from bomix.study.study import Study
from bomix.study.surrogate import study_surrogate
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.regression.specs import Ridge


def found(strategy: object) -> object:
    study = Study(["code", "web"], ["loss"], strategy=strategy)  # type: ignore[arg-type]
    return study_surrogate(study.records.spec, study.problem)


def test_it_is_the_strategys_own_where_it_has_one() -> None:
    ridge = Ridge()
    assert found(Bayesian(surrogate=ridge)) == ridge


def test_a_design_lends_none_and_a_gaussian_process_takes_its_place() -> None:
    assert found(Sobol()) == GP()
