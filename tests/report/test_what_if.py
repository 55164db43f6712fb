"""The compressed model: it goes through what it was fitted to, and says how far it is off elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.recommendation.predictions import Predicted
from bomix.report.what_if import compress, mixtures_near, size


def told(points: np.ndarray) -> Predicted:
    """Two steep metrics and their mean, with standard deviations that grow away from the middle."""
    metrics = np.stack([(points[:, 0] + 0.01) ** -0.3, np.exp(-3.0 * points[:, 1]) + points[:, 2]], axis=1)
    mean = np.concatenate([metrics.mean(axis=1, keepdims=True), metrics], axis=1)
    sd = 0.01 + 0.02 * np.repeat(((points - 1 / 3) ** 2).sum(axis=1, keepdims=True), 3, axis=1)
    return Predicted(points, mean, sd, mean - mean[:1], sd)


def test_it_goes_through_its_points_and_states_the_error_of_others() -> None:
    centre = np.full(3, 1 / 3)
    points = mixtures_near([centre, np.array([0.7, 0.2, 0.1])], np.eye(3), 400, seed=0)
    assert points.sum(axis=1) == pytest.approx(1.0)
    assert (points >= 0.0).all()
    made = compress(told(points[:300]), told(points[300:350]), (0.5, 0.5))
    mean, sd, _ = made.at(points[:300])
    assert np.abs(mean - told(points[:300]).mean).max() < 5e-3
    other = told(points[350:])
    gaps = made.at(other.points)[0] - other.mean
    assert np.sqrt((gaps**2).mean(axis=0)) == pytest.approx(made.error, rel=2.0, abs=1e-3)
    assert (made.error < 0.02).all()
    assert np.abs(np.log(sd / told(points[:300]).sd)).max() < 0.2


def test_more_domains_take_more_mixtures_within_bounds() -> None:
    assert [size(domains) for domains in (2, 5, 17, 100)] == [300, 500, 1500, 1500]
