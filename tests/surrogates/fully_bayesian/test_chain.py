"""How long chains are, from what a study file says."""

from __future__ import annotations

import dataclasses

import pytest

from bomix.surrogates.fully_bayesian.chain import ChainSettings

USUAL = ChainSettings(warmup=128, samples=32, thinning=8, chains=4, max_tree_depth=6, target_accept=0.8)


@pytest.mark.parametrize(
    ("samples", "thinning", "chains", "draws"), [(32, 8, 4, 64), (30, 8, 4, 60), (17, 1, 4, 5), (9, 1, 2, 5)]
)
def test_all_chains_together_give_at_least_the_samples_asked_for(samples, thinning, chains, draws) -> None:
    settings = dataclasses.replace(USUAL, samples=samples, thinning=thinning, chains=chains)
    assert settings.draws_per_chain == draws
    assert draws * chains >= samples * thinning > (draws - 1) * chains
    assert settings.faults() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("warmup", 19), ("samples", 1), ("thinning", 0), ("chains", 0), ("max_tree_depth", 0), ("target_accept", 1.0)],
)
def test_every_setting_that_cannot_be_is_named(field, value) -> None:
    assert field in {fault.where for fault in dataclasses.replace(USUAL, **{field: value}).faults()}


def test_chains_too_short_for_their_own_diagnostics_are_refused() -> None:
    short = dataclasses.replace(USUAL, samples=12, thinning=1, chains=4)
    (fault,) = short.faults()
    assert fault.where == "samples"
    assert "3 draws" in fault.what
