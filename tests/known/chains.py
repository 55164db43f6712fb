"""Chains of hyperparameters that are as short as can be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def short_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Gaussian process draws its hyperparameters from chains of a few steps.

    For tests of what is done with a model, where the chains would take most of the time. A module asks for it with
    ``pytestmark = pytest.mark.usefixtures("short_chains")``; chains of their usual length are tested with the models.
    """
    _shorten(monkeypatch)


@pytest.fixture(scope="module")
def short_chains_of_a_module() -> Iterator[None]:
    """The same, for studies that the tests of a module share."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        _shorten(monkeypatch)
        yield


def _shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    from bomix.surrogates.gp import hyperparameters, search

    def settings(n: int, d: int, *, draws: int | None) -> search.Sampling:
        return search.Sampling(draws or 4, warmup=4, thinning=1, leaps=4)

    monkeypatch.setattr(hyperparameters, "chain_settings", settings)
