"""Chains of hyperparameters that are as short as can be."""

from __future__ import annotations

import pytest


@pytest.fixture
def short_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Gaussian process draws its hyperparameters from chains of a few steps.

    For tests of what is done with a model, where the chains would take most of the time. A module asks for it with
    ``pytestmark = pytest.mark.usefixtures("short_chains")``; chains of their usual length are tested with the models.
    """
    from bomix.surrogates.gp import hyperparameters, search

    monkeypatch.setattr(hyperparameters, "chain_settings", lambda n, d, *, draws: search.Sampling(draws or 4, 4, 1, 4))
