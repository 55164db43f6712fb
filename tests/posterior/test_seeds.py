"""Every purpose has a seed of its own, which neither other purposes nor the count of them moves."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.history import History
from bomix.posterior.seeds import AskSeeds, RegressionSeeds, draw_seeds, fitting_seed, recommendation_seed
from bomix.trial import Record, Result, Trial


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_first_seeds_are_the_same_whatever_the_count(count):
    words = np.random.SeedSequence([7, 12]).generate_state(4).tolist()
    assert draw_seeds(7, 12, count) == words[:count]


def test_purposes_share_no_seed_and_trials_change_all():
    before, after = AskSeeds.of(7, 12), AskSeeds.of(7, 13)
    assert len({*before, *after}) == 8
    assert len({*RegressionSeeds.of(7, 12)}) == 3


def test_each_place_is_the_word_that_studies_were_recorded_with():
    fit, second, third, fourth = draw_seeds(7, 12, 4)
    assert AskSeeds.of(7, 12) == AskSeeds(fit=fit, acquisition=second, search=third, subspace=fourth)
    assert RegressionSeeds.of(7, 12) == RegressionSeeds(fit=fit, search=second, directions=third)


def test_a_fit_and_a_recommendation_are_seeded_by_the_trials_asked():
    history = History((Record(Trial(0, {"a": 1.0}, 0, "sobol"), Result({"m": 1.0})),))
    fit, *_, last = draw_seeds(3, history.n_asked, 4)
    assert fitting_seed(history, seed=3) == fit
    assert recommendation_seed(history, seed=3) == last
