"""The named Gaussian processes are what a study file could say, and differ in what their names promise."""

from __future__ import annotations

import pytest

from bomix.config.build import build, plain
from bomix.surrogates.gp.presets import GROUPED, LEARNT, POOLED, QUICK, SUMMED
from bomix.surrogates.gp.settings import GPSettings
from bomix.surrogates.gp.spec import GP


@pytest.mark.parametrize("preset", [QUICK, POOLED, LEARNT, GROUPED, SUMMED])
def test_a_preset_is_a_surrogate_that_a_study_file_could_say(preset):
    assert isinstance(preset, GPSettings)
    assert preset.faults() == []
    assert build(GP, plain(preset)) == (preset, [])


def test_they_share_something_or_nothing():
    assert (QUICK.pooling, POOLED.pooling, LEARNT.pooling) == (None, 1.0, None)


def test_none_draws_hyperparameters_since_metrics_are_many_where_they_serve():
    assert {preset.draws for preset in (QUICK, POOLED, LEARNT, GROUPED, SUMMED)} == {0}
