from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from bomix.surrogates.fully_bayesian.diagnostics import diagnose, effective_sample_size, split_rhat, to_arviz
from bomix.surrogates.fully_bayesian.specs import report


def chains(correlation: float = 0.0, *, count: int = 4, draws: int = 500, seed: int = 0) -> np.ndarray:
    """Autoregressive chains of unit variance, ``count x draws x 3``."""
    noise = np.random.default_rng(seed).normal(size=(count, draws, 3))
    found = noise.copy()
    for step in range(1, draws):
        found[:, step] = correlation * found[:, step - 1] + math.sqrt(1.0 - correlation**2) * noise[:, step]
    return found


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, -0.4])
def test_arviz_computes_the_same(correlation):
    pytest.importorskip("arviz", reason="ArviZ is optional", exc_type=ImportError)
    draws = np.exp(chains(correlation, count=3, draws=401))
    data = to_arviz({"x": draws})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import arviz

        rhat = np.asarray(arviz.rhat(data)["x"])
        bulk = np.asarray(arviz.ess(data, method="bulk")["x"])
    np.testing.assert_allclose(split_rhat(draws), rhat, rtol=1e-4)
    # Where neighbours repel each other, the two end the sum of autocorrelations differently by a term.
    np.testing.assert_allclose(effective_sample_size(draws), bulk, rtol=0.03 if correlation >= 0.0 else 0.08)


def test_an_autoregressive_chain_is_worth_what_theory_says():
    for correlation in (0.3, 0.8):
        draws = chains(correlation, draws=4000)
        expected = 16000 * (1 - correlation) / (1 + correlation)
        assert effective_sample_size(draws).mean() == pytest.approx(expected, rel=0.15)


def test_independent_draws_pass():
    found = diagnose({"a": chains(), "b": chains(seed=1)[..., 0]})
    assert found.passed
    assert found.complaints() == ()
    assert (found.chains, found.draws) == (4, 500)
    assert set(found.rhat) == {"a", "b"}


def test_one_chain_elsewhere_fails():
    draws = chains()
    draws[2, :, 1] += 1.0
    found = diagnose({"good": chains(seed=3), "bad": draws})
    assert found.rhat["bad"] > 1.05 > found.rhat["good"]
    (complaint, *_) = found.complaints()
    assert "bad" in complaint
    assert "good" not in complaint


def test_one_chain_of_another_width_fails_though_all_means_agree():
    draws = chains()
    draws[0] *= 4.0
    assert split_rhat(draws).min() > 1.05


def test_a_single_chain_that_drifts_fails():
    drifting = chains(count=1) + np.linspace(-1.0, 1.0, 500)[:, None]
    assert split_rhat(drifting).min() > 1.05


def test_what_never_moves_or_is_not_finite_fails():
    stuck, broken = chains(), chains()
    stuck[..., 0], broken[1, 7, 2] = 2.0, np.nan
    for draws, column in ((stuck, 0), (broken, 2)):
        assert np.isinf(split_rhat(draws)[column])
        assert effective_sample_size(draws)[column] == 0.0
        others = [index for index in range(3) if index != column]
        assert np.isfinite(split_rhat(draws)[others]).all()
    assert len(diagnose({"x": stuck}).complaints()) == 2


def test_few_draws_and_divergences_are_complained_of(caplog):
    found = diagnose({"x": chains(draws=20)}, divergences=3)
    complaints = " ".join(found.complaints())
    assert "independent" in complaints
    assert "3 transitions diverged" in complaints
    report(found, "the draws of a test")
    assert caplog.text.count("the draws of a test") == len(found.complaints())
    report(None, "nothing")
    assert "nothing" not in caplog.text
    assert not diagnose({"x": chains(draws=3)}).passed
    assert diagnose({}).passed
