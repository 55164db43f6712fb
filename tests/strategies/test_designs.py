from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import bomix
from bomix.history import History
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.designs import Dirichlet, Sobol, Vertices, even, tempered
from bomix.trial import IMPORTED, Candidate, Record, Result, Trial

PILE_SHARES = (
    *(0.1133, 0.0796, 0.0039, 0.1854, 0.0511, 0.0160, 0.1018, 0.0037, 0.0665),
    *(0.0018, 0.0271, 0.2369, 0.0118, 0.0079, 0.0080, 0.0388, 0.0464),
)
"""Of 17 domains of the Pile, in the order of RegMix's run tables."""


def told(problem, candidates, history=None, origin=None):
    history = history or History()
    for candidate in candidates:
        trial = Trial(history.next_id, candidate.weights, 0, origin or candidate.origin)
        history = history.with_record(Record(trial, Result({"m0": 1.0, "m1": 1.0, "m2": 1.0})))
    return history


def test_uniform_and_natural_come_first_then_the_sequence_of_the_study(world):
    problem = world().problem
    candidates = Sobol().ask(problem, History(), 5, seed=3)
    assert [c.origin for c in candidates] == ["uniform", "natural", "sobol", "sobol", "sobol"]
    space = problem.space
    np.testing.assert_allclose(space.to_array(candidates[0].weights), 0.25)
    np.testing.assert_allclose(space.to_array(candidates[1].weights), np.array([1, 2, 4, 8]) / 15)
    expected = space.snap(space.sobol(5, seed=3)[2:])
    np.testing.assert_array_equal(space.to_arrays([c.weights for c in candidates[2:]]), expected)


def test_asking_one_at_a_time_is_asking_at_once(world):
    problem = world().problem
    history, one_by_one = History(), []
    for _ in range(6):
        (candidate,) = Sobol().ask(problem, history, 1, seed=0)
        one_by_one.append(candidate)
        history = told(problem, [candidate], history)
    assert one_by_one == Sobol().ask(problem, History(), 6, seed=0)


def test_imported_runs_do_not_move_the_sequence_but_spare_an_anchor(world):
    problem = world().problem
    fresh = Sobol().ask(problem, History(), 4, seed=0)
    history = told(problem, fresh[:1], origin=IMPORTED)
    after = Sobol().ask(problem, history, 3, seed=0)
    assert [c.origin for c in after] == ["natural", "sobol", "sobol"]
    assert after[2] == fresh[2]


def test_a_natural_mixture_that_is_uniform_is_asked_once(world):
    problem = world(upper={"books": 0.25, "code": 0.25, "maths": 0.25, "web": 0.25}).problem
    assert [c.origin for c in Sobol().ask(problem, History(), 2, seed=0)] == ["uniform", "sobol"]
    assert [c.origin for c in Sobol().ask(world(natural=False).problem, History(), 2, seed=0)] == ["uniform", "sobol"]


def test_without_anchors_it_is_the_plain_sequence(world):
    candidates = Sobol(anchors=False).ask(world().problem, History(), 3, seed=0)
    assert {c.origin for c in candidates} == {"sobol"}


def points(problem, candidates):
    return problem.space.to_arrays([c.weights for c in candidates])


def one_by_one(strategy, problem, n, seed=0):
    history, asked = History(), []
    for _ in range(n):
        asked += strategy.ask(problem, history, 1, seed=seed)
        history = told(problem, asked[-1:], history)
    return asked


DESIGNS = [Sobol(), Dirichlet(), Dirichlet(prior_share=0.5, concentration=(0.5, 2.0)), Vertices()]


@pytest.mark.parametrize("design", DESIGNS)
def test_a_design_is_one_sequence_however_it_is_asked(design, world):
    problem = world().problem
    at_once = design.ask(problem, History(), 9, seed=4)
    assert one_by_one(design, problem, 9, seed=4) == at_once
    assert [c.origin for c in at_once[:2]] == ["uniform", "natural"]
    assert design.ask(problem, History().with_pending(at_once[:5]), 4, seed=4) == at_once[5:]


def test_dirichlet_draws_are_on_average_the_shares_of_the_tokens(world):
    problem = world().problem
    drawn = points(problem, Dirichlet(anchors=False).ask(problem, History(), 600, seed=0))
    # The variance of a share is p (1 - p) / (c + 1), at most p (1 - p).
    shares = np.array([1, 2, 4, 8]) / 15
    assert (np.abs(drawn.mean(axis=0) - shares) < 4.0 * np.sqrt(shares * (1 - shares) / 600)).all()


def test_the_prior_may_be_blended_with_uniform_and_tempered(world):
    problem = world().problem
    natural = np.array([1, 2, 4, 8]) / 15
    exact = {"anchors": False, "concentration": (1e6, 1e6)}
    cases = [
        (Dirichlet(prior_share=0.25, **exact), 0.25 * natural + 0.75 / 4),
        (Dirichlet(prior_share=0.0, **exact), np.full(4, 0.25)),
        (Dirichlet(temperature=2.0, **exact), np.sqrt(natural) / np.sqrt(natural).sum()),
    ]
    for design, expected in cases:
        np.testing.assert_allclose(points(problem, design.ask(problem, History(), 1, seed=0))[0], expected, atol=5e-3)
    unknown = world(natural=False).problem
    drawn = points(unknown, Dirichlet(**exact).ask(unknown, History(), 2, seed=0))
    np.testing.assert_allclose(drawn, 0.25, atol=5e-3)


@pytest.mark.parametrize("spacing", ["uniform", "log"])
def test_the_concentration_is_spread_as_it_says(spacing, world):
    problem = world(natural=False).problem
    drawn = points(problem, Dirichlet(anchors=False, spacing=spacing).ask(problem, History(), 800, seed=1))
    # E |w|^2 = (1 + c sum p^2) / (1 + c) given c, with sum p^2 = 1/4.
    c = np.linspace(0.1, 5.0, 2001) if spacing == "uniform" else np.geomspace(0.1, 5.0, 2001)
    expected = ((1.0 + c / 4.0) / (1.0 + c)).mean()
    assert abs((drawn**2).sum(axis=1).mean() - expected) < 0.03


def test_draws_that_break_a_bound_are_drawn_again_not_pushed_onto_it(world):
    problem = world(upper={"web": 0.4}, lower={"books": 0.05}).problem
    drawn = points(problem, Dirichlet(anchors=False).ask(problem, History(), 40, seed=0))
    assert (drawn[:, 3] < 0.4).all()
    assert (drawn[:, 0] > 0.05).all()


def test_where_hardly_any_draw_is_allowed_the_nearest_mixtures_are_taken(world):
    problem = world(upper={"web": 0.01, "maths": 0.01, "code": 0.5}).problem
    drawn = points(problem, Dirichlet(anchors=False).ask(problem, History(), 5, seed=0))
    assert not any(problem.space.faults_of(problem.space.to_weights(row), tolerance=1e-9) for row in drawn)
    assert len(np.unique(drawn.round(6), axis=0)) == 5


def test_no_draw_repeats_a_mixture_though_sparse_ones_are_often_vertices(world):
    problem = world().problem
    sparse = Dirichlet(anchors=False, concentration=(0.01, 0.01))
    drawn = points(problem, sparse.ask(problem, History(), 12, seed=0))
    assert (drawn.max(axis=1) == 1.0).sum() == 4
    assert len(np.unique(drawn.round(6), axis=0)) == 12


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"concentration": (5.0, 0.1)}, "concentration"),
        ({"concentration": (0.0, 1.0)}, "concentration"),
        ({"concentration": (1.0,)}, "concentration"),
        ({"prior_share": 1.5}, "prior_share"),
        ({"temperature": 0.0}, "temperature"),
    ],
)
def test_options_that_make_no_sense_are_faults(options, where):
    assert [fault.where for fault in Dirichlet(**options).faults()] == [where]
    assert not Dirichlet().faults()


def test_vertices_follow_the_anchors_and_then_the_sequence_of_the_study(world):
    problem = world().problem
    candidates = Vertices().ask(problem, History(), 8, seed=3)
    assert [c.origin for c in candidates] == ["uniform", "natural", *["vertex"] * 4, "sobol", "sobol"]
    np.testing.assert_array_equal(points(problem, candidates[2:6]), np.eye(4))
    assert candidates[6:] == Sobol(anchors=False).ask(problem, History(), 8, seed=3)[6:]


def test_a_vertex_that_bounds_forbid_has_all_they_allow(world):
    problem = world(upper={"web": 0.4}, lower={"books": 0.1}).problem
    candidates = Vertices(anchors=False).ask(problem, History(), 4, seed=0)
    expected = [[1.0, 0.0, 0.0, 0.0], [0.1, 0.9, 0.0, 0.0], [0.1, 0.0, 0.9, 0.0], [0.2, 0.2, 0.2, 0.4]]
    np.testing.assert_allclose(points(problem, candidates), expected, atol=1e-12)


def test_a_vertex_of_the_record_is_passed_over(world):
    problem = world().problem
    history = told(problem, [Candidate({"books": 0.0, "code": 1.0, "maths": 0.0, "web": 0.0}, IMPORTED)])
    drawn = points(problem, Vertices(anchors=False).ask(problem, history, 3, seed=0))
    np.testing.assert_array_equal(drawn, np.eye(4)[[0, 2, 3]])


def test_vertices_that_bounds_make_one_are_tried_once(world):
    quarter = dict.fromkeys(["books", "code", "maths", "web"], 0.25)
    problem = world(upper=quarter).problem
    assert [c.origin for c in Vertices(anchors=False).ask(problem, History(), 2, seed=0)] == ["vertex", "sobol"]


@pytest.mark.skipif("BOMIX_DATA" not in os.environ, reason="BOMIX_DATA names no folder with RegMix's run tables")
def test_uniform_concentrations_and_temperature_two_look_like_the_published_mixtures():
    import csv

    with (Path(os.environ["BOMIX_DATA"]) / "regmix" / "train_mixture_1m.csv").open() as file:
        rows = list(csv.reader(file))
    published = np.array([row[1:] for row in rows[1:]], dtype=float)
    space = MixtureSpace(rows[0][1:])
    columns = [rows[0].index(name) - 1 for name in space.domains]
    published = published[:, columns] / published.sum(axis=1, keepdims=True)
    # Shares of the tokens that the mixtures were drawn around, in the order of the table.
    shares = dict(zip(rows[0][1:], PILE_SHARES, strict=True))
    problem = Problem(space, (Metric("loss"),), Mean(), shares)

    def sparsity(temperature, spacing):
        design = Dirichlet(temperature=temperature, spacing=spacing, anchors=False)
        drawn = points(problem, design.ask(problem, History(), 300, seed=0))
        return drawn.max(axis=1).mean()

    largest = published.max(axis=1).mean()
    gaps = {key: abs(sparsity(*key) - largest) for key in [(2.0, "uniform"), (1.0, "log"), (2.0, "log")]}
    assert min(gaps, key=gaps.get) == (2.0, "uniform")
    assert gaps[2.0, "uniform"] < 0.04


def test_what_draws_lie_about_is_one_mixture_of_two_phases():
    domains = {"books": {"tokens": "1B"}, "code": {"tokens": "4B"}, "web": {"tokens": "9B"}}
    problem = bomix.Study(domains, ["loss"], phases={"anneal": 0.2}).problem
    for phase in problem.phases.names:
        np.testing.assert_allclose(tempered(problem, 2.0) @ problem.phases.part(phase), [1 / 6, 2 / 6, 3 / 6])
        np.testing.assert_allclose(even(problem) @ problem.phases.part(phase), 1 / 3)
