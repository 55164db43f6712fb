"""Every feature of a space, with few runs and many, through all that a study can be asked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from bomix.config.sections import DomainSpec, RecommendationSpec, TargetSpec
from bomix.contracts.strategy import Strategy
from bomix.errors import StudyError
from bomix.numerics.repeats import count
from bomix.report import correlation
from bomix.space.few import few_mixtures
from bomix.space.weights import SAME_MIXTURE
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.study.study import Study
from bomix.surrogates.gp.spec import GP

FREE = {"books": DomainSpec(), "code": DomainSpec(), "web": DomainSpec()}
SPACES: Mapping[str, Mapping[str, DomainSpec]] = {
    "bounds": {**FREE, "books": DomainSpec(lower=0.2), "code": DomainSpec(upper=0.3)},
    "caps": {"books": DomainSpec(tokens=1e8), "code": DomainSpec(tokens=2e8), "web": DomainSpec(tokens=9e8)},
    "at_least": {**FREE, "books": DomainSpec(at_least=0.01)},
    "pieces": {**FREE, "books": DomainSpec(at_least=0.3), "code": DomainSpec(at_least=0.4)},
    "one piece": {name: DomainSpec(at_least=0.25) for name in ("books", "code", "web")},
    "point": {"books": DomainSpec(lower=0.5), "web": DomainSpec(lower=0.5)},
    "one domain": {"web": DomainSpec()},
    "line": {"books": DomainSpec(), "web": DomainSpec()},
    "line of three": {**FREE, "books": DomainSpec(lower=0.2, upper=0.2)},
}
"""Name to domains; the caps follow from a run of a billion tokens, each domain passed over at most once."""

QUICK = Bayesian(surrogate=GP(draws=0, restarts=1), raw=16, starts=2)


def filled(domains: Mapping[str, DomainSpec], runs: int, strategy: Strategy | None = None) -> Study:
    """A study of a loss that wants some of every domain, with so many runs of low noise."""
    target = TargetSpec(tokens=1e9, max_epochs=1.0) if all(each.tokens for each in domains.values()) else None
    study = Study(domains, ["loss"], strategy=strategy, target=target, recommendation=RecommendationSpec(last=1))
    space, rng = study.problem.space, np.random.default_rng(3)
    points = space.snap(space.sobol(runs, seed=2), threshold=0.0)
    losses = 2.0 + np.exp(-3.0 * points).mean(axis=1) + 0.001 * rng.normal(size=len(points))
    study.records.add_all(
        [(space.to_weights(point), {"loss": loss}, None) for point, loss in zip(points, losses.tolist(), strict=True)]
    )
    return study


def check_everything(study: Study) -> None:
    """Ask, predict, recommend, validate and correlate; every mixture is one of the space, every number is finite."""
    space = study.problem.space
    if few_mixtures(space) is None:
        asked = study.ask().weights
    else:  # all that it holds was run, and said to be
        with pytest.raises(StudyError, match="allow only one mixture"):
            study.ask()
        asked = study.problem.anchors()["uniform"]
    space.check(asked)
    assert space.contains(space.to_array(asked), tolerance=1e-9)
    predicted = study.predict([asked])
    assert all(np.isfinite(predicted[name]).all() for name in ("mean", "sd", "objective_mean", "objective_sd"))
    best = study.recommend()
    space.check(best.weights)
    assert space.contains(space.to_array(best.weights), tolerance=1e-9)
    assert np.isfinite([best.loss, *best.interval]).all()
    for name, (low, high) in best.ranges.items():
        weight, least = best.of_space.weights[name], space.at_least[space.domains.index(name)]
        assert low <= weight <= high
        assert all(end == 0.0 or end >= least - 1e-9 for end in (low, high)), "weights of mixtures that are allowed"
    assert study.validate().sizes["trial"] == len(study.history.observations)
    mixtures = space.to_arrays(record.trial.weights for record in study.history.observations)
    if len(mixtures) - count(mixtures, tolerance=SAME_MIXTURE) >= correlation.LEAST:
        scores = correlation.scores_of(study.problem, study.dataset)
        assert correlation.markdown(correlation.correlate(study.dataset, scores=scores))


@pytest.mark.parametrize("runs", [2, 10, 30])
@pytest.mark.parametrize("name", SPACES)
def test_every_space_goes_through_everything(name: str, runs: int) -> None:
    check_everything(filled(SPACES[name], runs, QUICK))


def test_a_smallest_share_goes_through_everything_by_default() -> None:
    """Of quiet losses of every domain, so few mixtures are near-optimal that searches look at sets without any."""
    study = Study(SPACES["at_least"], list(FREE), recommendation=RecommendationSpec(last=1))
    space, rng = study.problem.space, np.random.default_rng(0)
    for point in space.snap(space.sobol(30, seed=0), threshold=0.0):
        losses = 2.0 + np.exp(-3.0 * point) + 0.001 * rng.normal(size=3)
        study.add(space.to_weights(point), dict(zip(space.domains, losses.tolist(), strict=True)))
    assert all(0.25 < low < high < 0.4 for low, high in study.recommend().ranges.values())
    check_everything(study)


def test_an_optimum_in_one_piece_has_ranges_of_its_weights() -> None:
    """Where the set is so small that nothing drawn lies in it, the ranges come from the search alone."""
    best = filled(SPACES["at_least"], 30, QUICK).recommend()
    for name, (low, high) in best.ranges.items():
        assert 0.2 < low < best.of_space.weights[name] < high < 0.5
