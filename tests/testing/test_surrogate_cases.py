"""The runs that surrogates are tried on are what their names say."""

import numpy as np
import pytest

from bomix.testing.surrogate_cases import CASES, ORDER, D, M


@pytest.mark.parametrize("case", CASES)
def test_runs_are_mixtures_with_a_row_of_losses_each(case):
    X, Y = CASES[case]()
    assert X.shape == (len(X), D)
    assert Y.shape == (len(X), M)
    np.testing.assert_allclose(X.sum(axis=1), 1.0)


def test_shuffled_runs_are_the_same_runs_in_another_order():
    (X, Y), (shuffled_X, shuffled_Y) = CASES["base"](), CASES["shuffled"]()
    rows, others = np.hstack([X, Y]), np.hstack([shuffled_X, shuffled_Y])
    assert (rows != others).any()
    assert sorted(map(tuple, rows)) == sorted(map(tuple, others))


def test_renamed_runs_have_the_columns_in_another_order_and_the_same_losses():
    (X, Y), (renamed_X, renamed_Y) = CASES["base"](), CASES["renamed"]()
    for new, old in enumerate(ORDER):
        assert (renamed_X[:, new] == X[:, old]).all()
    assert (renamed_Y == Y).all()


def test_incomplete_runs_have_a_metric_with_gaps_a_constant_one_and_one_without_values():
    _, Y = CASES["incomplete"]()
    assert np.isnan(Y).sum(axis=0).tolist() == [3, 0, len(Y)]
    assert np.ptp(Y[:, 1]) == 0.0
    assert np.isnan(CASES["unmeasured"]()[1]).all()


def test_repeated_runs_are_of_one_mixture_with_losses_of_their_own():
    X, Y = CASES["repeated"]()
    assert (X[0] == X).all()
    assert len(np.unique(Y[:, 0])) == len(Y)
