from __future__ import annotations

import numpy as np
import pytest

from bomix.recommendation.spending import Allocation, World, allocations, regret

NAMES, COSTS = ("small", "medium", "large"), (1.0, 10.0, 100.0)


def world(agreement: float, *, seed: int = 0, p: int = 120, noise: float = 0.01) -> World:
    """A bowl, and at the small scale the same with a bump of its own."""
    rng = np.random.default_rng(seed)
    X = rng.dirichlet(np.ones(3), p)
    best, other = rng.dirichlet(np.full(3, 4.0), 2)
    target = ((X - best) ** 2).sum(axis=1)
    own = ((X - other) ** 2).sum(axis=1)
    standard = [(each - each.mean()) / each.std() for each in (target, own)]
    small = agreement * standard[0] + np.sqrt(1.0 - agreement**2) * standard[1]
    return World(X, np.array([small, standard[0]]), np.full(2, noise))


def test_allocations_spend_no_more_than_the_budget_and_nearly_all_of_it() -> None:
    found = allocations(NAMES, COSTS, 450.0)
    assert found[0].runs == (0, 0, 4)
    for each in found:
        assert each.runs[-1] >= 1
        assert each.cost(COSTS) <= 450.0
        assert each.cost(COSTS) > 340.0
    assert len({each.runs for each in found}) == len(found)


def test_a_budget_of_one_run_of_the_target_is_spent_on_it() -> None:
    assert [each.runs for each in allocations(("small", "large"), (1.0, 10.0), 10.0)] == [(0, 1)]


def test_the_same_seed_gives_the_same_regret_and_it_is_never_negative() -> None:
    way = Allocation("half", (20, 3))
    first, again = (regret(world(0.8), way, design=5, seed=4) for _ in range(2))
    assert first == again >= 0.0


def test_many_runs_of_the_target_find_the_best_mixture() -> None:
    assert regret(world(0.8), Allocation("all", (0, 40)), design=8, seed=0) < 0.02


@pytest.mark.parametrize(("agreement", "small_wins"), [(0.98, True), (0.0, False)])
def test_small_runs_pay_where_they_agree(agreement: float, small_wins: bool) -> None:
    found = []
    for way in (Allocation("small", (30, 2)), Allocation("all", (0, 5))):
        found.append(np.mean([regret(world(agreement, seed=s), way, design=5, seed=s) for s in range(8)]))
    assert (found[0] < found[1]) == small_wins


def test_what_was_run_before_is_known_from_the_start() -> None:
    blank = world(0.9, noise=1e-3)
    rows = np.arange(0, 120, 3)
    known = World(blank.X, blank.values, blank.noise, blank.X[rows], np.full(40, 1), blank.values[1, rows])
    one = Allocation("one", (0, 1))
    assert regret(known, one, design=5, seed=0) <= regret(blank, one, design=5, seed=0)
    assert regret(known, one, design=5, seed=0) < 0.05
