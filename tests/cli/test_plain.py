"""Values as what JSON can hold."""

from __future__ import annotations

import math

from bomix.cli.plain import plain
from bomix.posterior.predict import Estimate
from bomix.surrogates.cross_validation.rank_correlation import Correlation


def test_what_has_named_fields_is_a_mapping_and_what_is_no_number_is_none():
    assert plain({"a": (1, math.nan), "b": Estimate(1.0, 2.0)}) == {
        "a": [1, None],
        "b": {"mean": 1.0, "sd": 2.0, "limits": [None, None]},
    }
    assert plain(Correlation(0.5, math.nan, 1.0, 7)) == {"rho": 0.5, "lower": None, "upper": 1.0, "n": 7}
