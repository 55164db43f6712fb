"""Clusters of mixtures."""

from __future__ import annotations

import numpy as np

from bomix.report.clusters import clusters


def test_two_clouds_are_two_clusters_named_after_their_largest_weights() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.dirichlet([60, 5, 5], 10), rng.dirichlet([5, 5, 60], 14)])
    found = clusters(points)
    assert found.count == 2
    assert [len(set(found.of[part].tolist())) for part in (slice(0, 10), slice(10, 24))] == [1, 1]
    assert found.names(["a", "b", "c"])[0].startswith("c ")


def test_few_mixtures_and_none_are_one_cluster() -> None:
    assert clusters(np.eye(3)).count == 1
    assert clusters(np.empty((0, 3))).count == 1
