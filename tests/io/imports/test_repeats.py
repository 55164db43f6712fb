"""Repeats of a mixture: what seeds explain, and what they do not."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.io.imports.repeats import Run, distinguishing_columns, far_from_each_other


def runs(
    mixtures: int, offsets: list[float], *, noise: float = 0.0, spread: float = 0.3, level: float = 3.0
) -> list[Run]:
    rng = np.random.default_rng(1)
    found = []
    for number in range(mixtures):
        share = (number + 0.5) / mixtures
        for offset in offsets:
            loss = level + spread * share + offset + noise * rng.standard_normal()
            found.append(Run({"code": share, "web": 1 - share}, {"a": loss}))
    return found


@pytest.mark.parametrize("mixtures", [1, 3, 10])
def test_half_a_training_is_seen(mixtures: int) -> None:
    found = far_from_each_other(runs(mixtures, [1.2, 0.4, 0.0], noise=0.01), ["a"])
    assert found is not None
    assert (found.metric, len(found.groups)) == ("a", mixtures)


def test_late_checkpoints_are_seen_because_they_all_fall() -> None:
    assert far_from_each_other(runs(10, [0.05, 0.0], noise=0.005), ["a"]) is not None


@pytest.mark.parametrize("noise", [0.0, 0.005, 0.02, 0.05])
@pytest.mark.parametrize("mixtures", [2, 10, 40])
def test_seeds_are_not_taken_for_checkpoints(noise: float, mixtures: int) -> None:
    assert far_from_each_other(runs(mixtures, [0.0, 0.0, 0.0], noise=noise), ["a"]) is None


def test_a_seed_that_moves_all_mixtures_a_little_is_none() -> None:
    assert far_from_each_other(runs(20, [0.0, 0.01], noise=0.002), ["a"]) is None


def test_scales_are_kept_separate_and_single_runs_compare_with_nothing() -> None:
    small, large = (Run({"code": 1.0}, {"a": loss}, scale) for loss, scale in ((3.0, "1M"), (2.0, "60M")))
    assert far_from_each_other([small, large], ["a"]) is None
    assert far_from_each_other(runs(5, [0.0]), ["a"]) is None
    gaps = [run._replace(losses={}) for run in runs(5, [0.0, 1.0])]
    assert far_from_each_other(gaps, ["a"]) is None


def test_the_column_with_the_fewest_values_tells_repeats_apart() -> None:
    cells = {"line": ["1", "2", "3", "4"], "phase": ["x", "y", "x", "y"], "note": ["", "", "", "n"]}
    assert distinguishing_columns(cells, [(0, 1), (2, 3)]) == ["phase", "line"]
