from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from bomix.config.build import plain
from bomix.errors import ConfigError
from bomix.evaluators.synthetic.scales import STEP, SmallerScale, below_target, smaller
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.scale import Scale
from bomix.trial import Trial

SMALL, MEDIUM, LARGE = (Scale(10**exponent, 10**9) for exponent in (6, 7, 8))
SCALES = (SMALL, MEDIUM, LARGE)


def mixtures(d: int, n: int = 3000) -> np.ndarray:
    return np.random.default_rng(5).dirichlet(np.ones(d), n)


def trial(function: Synthetic, scale: Scale | None) -> Trial:
    d = len(function.domain_names)
    return Trial(0, dict.fromkeys(function.domain_names, 1.0 / d), 3, "test", scale)


@pytest.mark.parametrize("agreement", [0.3, 0.6, 0.8, 0.95])
@pytest.mark.parametrize("family", ["exponential_power", "steep", "regmix"])
def test_means_of_neighbouring_scales_agree_in_rank_as_much_as_is_wanted(agreement: float, family: str) -> None:
    function = Synthetic(family=family, seed=2, agreement=agreement)
    X = mixtures(len(function.domain_names))
    values = [replace(function, below=below).value(X) for below in range(3)]
    for above, below in itertools.pairwise(values):
        assert spearmanr(above, below)[0] == pytest.approx(agreement, abs=0.05)


def test_single_metrics_agree_more_than_their_mean() -> None:
    function = Synthetic(seed=1, useless=2)
    X = mixtures(7)
    large, small = function.losses(X), replace(function, below=1).losses(X)
    assert min(spearmanr(large[:, j], small[:, j])[0] for j in range(large.shape[1])) > 0.85


def test_what_a_line_leaves_of_the_metrics_is_shared_between_them() -> None:
    function = Synthetic(domains=12, seed=1)
    X = mixtures(12)
    large, small = function.losses(X), replace(function, below=1).losses(X)
    left = [large[:, j] - np.polyval(np.polyfit(small[:, j], large[:, j], 1), small[:, j]) for j in range(12)]
    pairs = np.corrcoef(left)[np.triu_indices(12, 1)]
    assert 0.15 < pairs.mean() < 0.55


def test_a_line_from_a_metric_to_the_scale_above_has_a_slope_of_the_range() -> None:
    function = Synthetic(seed=4, agreement=0.8)
    X = mixtures(7)
    large, small = function.losses(X), replace(function, below=1).losses(X)
    slopes = [np.polyfit(small[:, j], large[:, j], 1)[0] for j in range(7)]
    assert min(slopes) > 0.3
    assert max(slopes) < 1.3
    assert max(slopes) - min(slopes) > 0.2


def test_losses_are_higher_at_a_smaller_scale() -> None:
    function = Synthetic(seed=4, agreement=0.95)
    X = np.random.default_rng(0).dirichlet(np.ones(7), 2**14)
    lowest = [replace(function, below=below).losses(X).min(axis=0) for below in range(3)]
    assert np.allclose(np.diff(lowest, axis=0), STEP)


def test_the_optimum_below_the_target_is_another_one_and_no_mixture_is_better_there() -> None:
    function = Synthetic(domains=4, seed=1, agreement=0.8)
    below = replace(function, below=1)
    best, value = below.optimum()
    assert np.abs(best - function.optimum()[0]).sum() > 0.05
    assert function.regret(best) > 0.001
    assert below.value(np.random.default_rng(0).dirichlet(np.ones(4), 20_000)).min() >= value - 1e-9


def test_the_slopes_are_those_of_the_mean() -> None:
    below = Synthetic(domains=5, seed=3, below=2)
    at, way = mixtures(5, 1)[0], np.array([1.0, -1.0, 0.0, 0.5, -0.5])
    change = (below.value(at + 1e-4 * way) - below.value(at - 1e-4 * way)) / 2e-4
    assert below.gradient(at) @ way == pytest.approx(float(change), rel=1e-4)


def test_a_trial_is_measured_at_its_own_scale_and_the_target_as_if_there_were_no_other() -> None:
    alone = Synthetic(seed=3)
    function = replace(alone, scales=SCALES)
    at_target = function.evaluate(trial(alone, LARGE), Path())
    assert at_target.losses == alone.evaluate(trial(alone, None), Path()).losses
    uniform, names = np.full(7, 1 / 7), function.metrics
    for below, scale in enumerate(reversed(SCALES)):
        noiseless = replace(function, noise=0.0).evaluate(trial(alone, scale), Path())
        expected = dict(zip(names, replace(alone, below=below).losses(uniform).tolist(), strict=True))
        assert noiseless.losses == pytest.approx(expected)


def test_runs_of_a_mixture_at_two_scales_have_noise_of_their_own() -> None:
    function = Synthetic(seed=3, scales=SCALES, noise=0.1)
    noise = []
    for scale in (SMALL, LARGE):
        measured = function.evaluate(trial(function, scale), Path()).losses
        truth = function.at(scale).losses(np.full(7, 1 / 7))
        noise.append(np.array(list(measured.values())) - truth)
    assert not np.allclose(*noise)


def test_a_scale_that_is_none_of_the_study_is_refused() -> None:
    function = Synthetic(scales=SCALES)
    with pytest.raises(ConfigError, match="not known at 5M params x 1B tokens"):
        function.at(Scale(5 * 10**6, 10**9))


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"agreement": 1.0}, "agreement"),
        ({"agreement": 0.0}, "agreement"),
        ({"below": -1}, "below"),
        ({"below": 1, "tilt": 0.5}, "tilt"),
        ({"below": 1, "family": "token_experts"}, "family"),
    ],
)
def test_faults(changes: dict, where: str) -> None:
    assert [fault.where for fault in Synthetic(**changes).faults()] == [where]


def test_the_scales_of_the_study_are_no_key_of_its_file() -> None:
    assert "scales" not in plain(Synthetic(scales=SCALES))
    assert {"agreement", "below"} < plain(Synthetic()).keys()


def test_no_scale_below_is_the_function_itself() -> None:
    law = Synthetic(seed=1)
    assert below_target(law, 7, agreement=0.5, seed=1, below=0) is law


def test_the_same_seed_gives_the_same_function() -> None:
    law = Synthetic(domains=3, seed=1)

    class Plain:
        convex = True

        def __call__(self, weights: np.ndarray) -> np.ndarray:
            return law.losses(weights)

        def gradient(self, weights: np.ndarray) -> np.ndarray:
            return law.gradient(weights)

    X = mixtures(3, 5)
    drawn = [smaller(Plain(), 3, agreement=0.7, seed=seed, below=1) for seed in (0, 0, 1)]
    assert isinstance(drawn[0], SmallerScale)
    assert np.array_equal(drawn[0](X), drawn[1](X))
    assert not np.allclose(drawn[0](X), drawn[2](X))
