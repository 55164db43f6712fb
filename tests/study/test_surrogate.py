"""What a study predicts with: what its strategy lends, or a Gaussian process."""

from __future__ import annotations

from bomix.strategies.at_target import DRAWN_UP_TO, POOLED_FROM
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


def test_where_none_is_named_the_size_of_the_study_decides_whatever_the_strategy() -> None:
    for count in (2, POOLED_FROM):
        names = [f"d{number:02d}" for number in range(count)]
        chosen = [
            study_surrogate(study.records.spec, study.problem)
            for study in (Study(names, names), Study(names, names, strategy=Sobol()))
        ]
        assert chosen[0] == chosen[1]
        assert (chosen[0] == GP()) == (count < POOLED_FROM)


def test_crowds_of_metrics_are_predicted_by_their_best_hyperparameters() -> None:
    names = [f"d{number:02d}" for number in range(POOLED_FROM)]
    for count, draws in ((DRAWN_UP_TO, None), (DRAWN_UP_TO + 1, 0)):
        study = Study(names, [f"m{number:02d}" for number in range(count)])
        chosen = study_surrogate(study.records.spec, study.problem)
        assert isinstance(chosen, GP)
        assert chosen.draws == draws
