"""Every model reads what its plan says, in whatever blocks it is read."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.training import feed
from bomix.training.data.tokens import TokenSet
from bomix.training.data_order import plan
from bomix.training.device import choose


@pytest.mark.parametrize("at_once", [1, 40, 1 << 20])
def test_the_tokens_are_those_of_the_plans(monkeypatch, at_once):
    monkeypatch.setattr(feed, "TOKENS_AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    train = {name: TokenSet(rng.integers(0, 50, 200).astype(np.uint8), 1, 200) for name in ("a", "b")}
    weights = [{"a": 0.7, "b": 0.3}, {"a": 0.0, "b": 1.0}, {"b": 1.0}]
    plans = [plan(each, {"a": 19, "b": 19}, steps=6, batch=2, seed=seed) for seed, each in enumerate(weights)]
    read = feed.Feed([train] * 3, plans, length=10, hardware=choose("cpu", "fp32", False))
    for step in range(6):
        tokens = read.tokens(step).numpy()
        assert tokens.shape == (3, 2, 11)
        for at, own in enumerate(plans):
            for row, domain, sequence in zip(tokens[at], own.domain[step], own.sequence[step], strict=True):
                expected = train[own.domains[domain]].tokens[10 * sequence : 10 * sequence + 11]
                np.testing.assert_array_equal(row, expected)
