from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import bomix
from bomix.evaluators.synthetic.epochs import MAX_EPOCHS, RUN_TOKENS, SPREAD, EpochsLosses, epochs_losses
from bomix.evaluators.synthetic.spec import Synthetic

SPEC = Synthetic(family="epochs", domains=12, useless=8, seed=4)
"""Twelve domains over two orders of magnitude, four metrics."""


def drawn(**options: float) -> EpochsLosses:
    return epochs_losses(np.random.default_rng(3), 12, np.arange(4), **options)


def test_the_formula_on_a_point_computed_by_hand() -> None:
    one = np.array([[1.0]])
    losses = EpochsLosses(
        passes=np.array([8.0, 1.0]),
        floor=np.array([2.0]),
        c=np.array([0.5]),
        alpha=np.array([[1.0, 0.5]]),
        beta=np.array([[0.2, 0.1]]),
        rho=np.array([0.7]),
        kappa=np.array([0.8]),
        tau=np.array([1.6]),
        waves=np.zeros((2, 1)),
        phases=np.zeros(1),
        factors=0.0 * one,
    )

    def benefit(epochs: float) -> float:
        return 1.0 - math.exp(-((0.7 * epochs + 0.01) ** 0.8 - 0.01**0.8))

    def harm(epochs: float) -> float:
        return math.log1p(math.exp((epochs - (math.exp(1.6) - 1.0)) / math.exp(1.6)))

    exponent = 0.5 - benefit(6.0) - 0.5 * benefit(0.25) + 0.2 * harm(6.0) + 0.1 * harm(0.25)
    assert losses(np.array([0.75, 0.25])) == pytest.approx(2.0 + math.exp(exponent))


def test_a_problem_knows_tokens_over_two_orders_of_magnitude_and_the_passes_of_a_run() -> None:
    problem = SPEC.problem(budget=9)
    tokens = np.array([problem.tokens[name] for name in SPEC.domain_names])
    assert tokens.max() / tokens.min() == pytest.approx(SPREAD, rel=1e-6)
    assert problem.natural is not None
    epochs = [problem.passes[name] * problem.natural[name] for name in SPEC.domain_names]
    assert epochs == pytest.approx([SPEC.natural_epochs] * 12)
    capped = problem.space.upper_array < 1.0
    at_cap = problem.space.upper_array * RUN_TOKENS / tokens
    assert capped.any()
    assert at_cap[capped] == pytest.approx(MAX_EPOCHS)


def test_a_study_learns_the_passes_from_the_evaluator() -> None:
    study = bomix.Study(
        list(SPEC.domain_names), evaluator=SPEC, target=bomix.TargetSpec(tokens=RUN_TOKENS, max_epochs=MAX_EPOCHS)
    )
    assert study.problem.passes == pytest.approx(SPEC.problem().passes)
    assert study.problem.space.upper == pytest.approx(SPEC.problem().space.upper)


@pytest.mark.parametrize(("domains", "misfit"), [(12, 0.0), (39, 0.0), (12, 0.2)])
def test_the_optimum_repeats_small_domains_and_keeps_the_caps(domains: int, misfit: float) -> None:
    spec = replace(SPEC, domains=domains, useless=domains - 4, misfit=misfit)
    weights, value = spec.optimum()
    epochs = weights * np.array([spec.problem().passes[name] for name in spec.domain_names])
    assert spec.problem().space.contains(weights[None], tolerance=1e-9).all()
    assert 2.0 < epochs.max() < 16.0
    others = np.random.default_rng(0).dirichlet(np.ones(domains), 2000)
    near = weights + 0.05 * (others - weights)
    assert min(spec.value(others).min(), spec.value(near).min()) >= value - 1e-9
    assert spec.convex == (misfit == 0.0)


def test_slopes_of_what_no_law_has_agree_with_finite_differences() -> None:
    spec = replace(SPEC, misfit=0.3)
    moves = 1e-6 * np.eye(12)
    point = np.random.default_rng(1).dirichlet(np.ones(12))
    numeric = (spec.value(point + moves) - spec.value(point - moves)) / 2e-6
    assert spec.gradient(point) == pytest.approx(numeric, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("misfit", [0.1, 0.5])
def test_the_misfit_is_the_share_of_the_variance_that_it_says(misfit: float) -> None:
    law, bent = drawn(), drawn(misfit=misfit)
    mixtures = np.random.default_rng(8).dirichlet(law.natural * 12, 8000)
    of_law = law.exponents(mixtures)
    deviation = bent.exponents(mixtures) - of_law
    share = deviation.var(axis=0) / (deviation.var(axis=0) + of_law.var(axis=0))
    assert share == pytest.approx(misfit, rel=0.15)


def test_where_pools_are_large_the_same_benefit_remains_and_nothing_is_harmed() -> None:
    repeating, plenty = drawn(), drawn(natural_epochs=0.005)
    mixtures = np.random.default_rng(5).dirichlet(np.ones(12), 50)
    without = [replace(each, beta=0.0 * each.beta)(mixtures) for each in (repeating, plenty)]
    assert without[0] == pytest.approx(without[1])
    moved = [
        np.std(each(mixtures) / plain, axis=0).max() for each, plain in zip((repeating, plenty), without, strict=True)
    ]
    assert moved[1] < 0.2 * moved[0]


def test_faults_name_the_keys_of_the_family() -> None:
    wrong = Synthetic(family="epochs", natural_epochs=0.0, misfit=1.0, scales=(bomix.Scale(tokens=1),))
    assert {fault.where for fault in wrong.faults()} == {"natural_epochs", "misfit", "family"}
    strays = Synthetic(natural_epochs=2.0, misfit=0.1).faults()
    assert {fault.where for fault in strays} == {"natural_epochs", "misfit"}
    assert "take 'epochs'" in strays[0].what
