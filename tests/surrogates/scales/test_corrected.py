"""What a law of all scales leaves, learnt across scales."""

from __future__ import annotations

import pytest
import torch

from bomix.errors import FitError
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.scales import corrected
from bomix.surrogates.scales.law_spec import ScalingLaw
from bomix.surrogates.scales.spec import MultiScale
from bomix.testing.known import mixtures
from tests.surrogates.scales.test_law_model import UNSEEN, additive, parts
from tests.surrogates.scales.test_model import LARGE, SMALL, D, data_of

QUICK = GP(draws=0, restarts=1)
X = torch.as_tensor(mixtures(30, D, seed=20)[2:])


def test_where_the_law_holds_a_scale_without_runs_is_predicted_better_with_it_as_the_mean():
    data, context = data_of(parts(), UNSEEN)
    truth = torch.as_tensor(additive(X.numpy(), UNSEEN))
    with_law, without = (
        MultiScale(QUICK, mean=mean).fit(data, context=context, seed=0) for mean in (ScalingLaw(starts=4), None)
    )
    errors = [(model.mean(X) - truth).abs().mean() for model in (with_law, without)]
    assert errors[0] < 0.3 * errors[1]


def test_each_scale_is_the_prediction_there_and_what_it_misses():
    data, context = data_of(parts(), LARGE)
    model = MultiScale(QUICK, mean=ScalingLaw(starts=2)).fit(data, context=context, seed=0)
    for scale in (LARGE, SMALL):
        torch.testing.assert_close(
            model.at(scale).mean(X), model.before.at(scale).mean(X) + model.rest.at(scale).mean(X)
        )
    torch.testing.assert_close(model.across(X[:2], X[2:5], SMALL), model.rest.across(X[:2], X[2:5], SMALL))
    held = model.leave_one_out()
    torch.testing.assert_close(held.mean, model.before.leave_one_out().mean + model.rest.leave_one_out().mean)


def test_a_mean_that_knows_nothing_of_scales_is_refused():
    assert [fault.where for fault in MultiScale(mean=GP()).faults()] == ["mean"]
    assert not MultiScale(mean=ScalingLaw()).faults()
    data, context = data_of(parts(), LARGE)
    with pytest.raises(FitError, match="returns no model across scales"):
        corrected.fit(QUICK, MultiScale(QUICK), data, context=context, seed=0)
