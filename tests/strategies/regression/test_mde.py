"""The minimum of mixtures of data experts: known ones, under bounds, and how sure they are."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from bomix.contracts.mean import Feature
from bomix.errors import StudyError
from bomix.history import History
from bomix.io.artifacts.scored_tokens import ScoredTokens, hash_of_tokens, write
from bomix.objectives.robust import Excess, Worst
from bomix.objectives.weighted import Mean, WeightedMean
from bomix.optimization import branch_and_bound, sequential_quadratic
from bomix.posterior.predict import predict
from bomix.problem import Metric, Problem
from bomix.recommendation.recommend import recommend
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.regression.mde import MDE, _objective
from bomix.strategies.regression.next_best import NEXT_DISTANCE
from bomix.surrogates.data.dataset import fit_context, to_dataset
from bomix.surrogates.means.experts import MDE as PerToken
from bomix.surrogates.means.experts import MDEGated
from bomix.trial import EXPERT, SCORED_TOKENS, Record, Result, Trial

ACCURACY = 1e-7


class Losses:
    """``-mean_t ln sum_i w_i p_i(t)`` of every metric, from ``T x k`` probabilities of named domains."""

    def __init__(self, tables: list[Any]) -> None:
        self.tables = [torch.as_tensor(table) for table in tables]

    def __call__(self, X: torch.Tensor) -> torch.Tensor:
        return torch.stack([-torch.log(X @ table.T).mean(dim=-1) for table in self.tables], dim=-1)


@dataclass(frozen=True)
class Fake:
    """Tables by metric and domain; the compressed form knows every ``compress``-th token only."""

    tables: Any = field(default_factory=dict)
    compress: int | None = None
    convex: bool = True
    slope: float = 0.1

    needs_experts: ClassVar[bool] = True

    def feature(self, data: Any, *, context: Any, seed: int) -> Feature:
        joined = [
            np.stack([self.tables[metric][domain] for domain in context.domains], axis=1)[:: self.compress or 1]
            for metric in context.metrics
        ]
        return Feature(Losses(joined), convex=(self.convex,) * len(joined))


def study(tables, objective=None, *, without=(), direction="min", **bounds):
    """A problem over the domains of some tables, and a record of their experts."""
    domains = tuple(next(iter(tables.values())))
    space = MixtureSpace(domains, **bounds)
    metrics = tuple(Metric(name, direction=direction) for name in tables)
    records = [
        Record(
            Trial(index, {other: float(other == name) for other in space.domains}, 0, EXPERT),
            Result({metric.name: 3.0 for metric in metrics}, artifacts={SCORED_TOKENS: "nowhere"}),
        )
        for index, name in enumerate(space.domains)
        if name not in without
    ]
    return Problem(space, metrics, objective or Mean()), History(tuple(records))


def random_tables(d, *, tokens=400, metrics=2, seed=0, names=None):
    """Probabilities of ``d`` experts, each good at some of the tokens."""
    rng = np.random.default_rng(seed)
    names = names or [f"d{index:02d}" for index in range(d)]
    return {
        f"m{metric}": {name: np.exp(-rng.gamma(1.5, 2.0, size=tokens)) for name in names} for metric in range(metrics)
    }


def proposed(tables, objective=None, *, mean=None, **bounds):
    problem, history = study(tables, objective, **bounds)
    (candidate,) = MDE(mean=mean or Fake(tables), starts=4).ask(problem, history, 1, seed=0)
    problem.space.check(candidate.weights, tolerance=1e-9)
    return candidate.weights


def value(tables, weights, coefficients=None):
    """The objective by its definition."""
    losses = [-np.log(sum(weights[name] * p for name, p in table.items())).mean() for table in tables.values()]
    return float(np.average(losses, weights=coefficients))


def by_em(tables, steps=5000):
    """The minimum over the whole simplex of the mean of the metrics, by expectation and maximisation."""
    names = list(next(iter(tables.values())))
    stacked = [np.stack([table[name] for name in names], axis=1) for table in tables.values()]
    w = np.full(len(names), 1.0 / len(names))
    for _ in range(steps):
        w = np.mean([(w * P / (P @ w)[:, None]).mean(axis=0) for P in stacked], axis=0)
    return dict(zip(names, w.tolist(), strict=True))


def test_two_coins_are_mixed_to_the_frequency_that_was_seen():
    heads = np.arange(1000) < 620
    tables = {"m": {"fair": np.full(1000, 0.5), "bent": np.where(heads, 0.9, 0.1)}}
    assert proposed(tables)["bent"] == pytest.approx((0.62 - 0.5) / (0.9 - 0.5), abs=ACCURACY)


def test_experts_that_share_no_token_get_the_shares_of_their_tokens():
    counts = {"first": {"a": 50, "b": 30, "c": 20}, "second": {"a": 10, "b": 10, "c": 80}}
    tables = {}
    for metric, of in counts.items():
        owner = np.repeat(list(of), list(of.values()))
        tables[metric] = {name: np.where(owner == name, 0.3, 0.0) for name in of}
    found = proposed(tables, WeightedMean({"first": 3.0, "second": 1.0}))
    for name in "abc":
        share = (3.0 * counts["first"][name] + counts["second"][name]) / 400.0
        assert found[name] == pytest.approx(share, abs=ACCURACY)


def test_caps_share_what_they_take_away_in_proportion():
    counts = {"a": 600, "b": 250, "c": 100, "d": 50}
    owner = np.repeat(list(counts), list(counts.values()))
    tables = {"m": {name: np.where(owner == name, 0.2, 0.0) for name in counts}}
    found = proposed(tables, upper={"a": 0.4, "b": 0.35})
    shares = np.array(list(counts.values())) / 1000.0
    caps = np.array([0.4, 0.35, 1.0, 1.0])
    level = brentq(lambda level: np.minimum(caps, level * shares).sum() - 1.0, 1.0, 10.0, xtol=1e-14)
    np.testing.assert_allclose([found[name] for name in counts], np.minimum(caps, level * shares), atol=ACCURACY)


@pytest.mark.parametrize(("d", "compress"), [(2, None), (7, None), (7, 5), (12, 3)])
def test_it_is_where_expectation_and_maximisation_end(d, compress):
    tables = random_tables(d)
    found = proposed(tables, mean=Fake(tables, compress=compress))
    assert value(tables, found) <= value(tables, by_em(tables)) + 1e-9


@pytest.mark.parametrize("bounds", [{}, {"upper": {"d00": 0.1, "d03": 0.2}, "lower": {"d01": 0.15}}])
@pytest.mark.parametrize("compress", [None, 4])
def test_no_mixture_is_lower_by_more_than_the_gap(bounds, compress):
    tables = random_tables(6, seed=3)
    problem, _ = study(tables, **bounds)
    space = problem.space
    exact, like = (objective(tables, problem, each) for each in (None, compress))
    found = branch_and_bound.minimise(exact, space, like=like)
    assert 0.0 <= found.gap < 1e-8
    rng = np.random.default_rng(0)
    near = space.project(found.point + 0.01 * rng.normal(size=(4000, 6)))
    everywhere = torch.as_tensor(np.concatenate([space.sample(4000, rng), near]))
    assert float(exact(everywhere).min()) >= found.value - found.gap


def test_the_gap_of_a_descent_cut_short_still_holds():
    tables = random_tables(8, seed=5)
    problem, _ = study(tables)
    lower, upper = problem.space.lower_array, problem.space.upper_array
    exact = objective(tables, problem)
    best = sequential_quadratic.minimise(exact, lower, upper, start=np.full(8, 0.125)).value
    gaps = []
    for steps in (0, 1, 2, 4, 8):
        found = sequential_quadratic.minimise(exact, lower, upper, start=np.eye(8)[0], steps=steps)
        assert found.value - best <= found.gap + 1e-12
        gaps.append(found.gap)
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 0.1 * gaps[0]


@pytest.mark.parametrize("seed", range(2))
def test_zero_or_at_least_is_settled_for_sure(seed):
    d = 4
    tables = random_tables(d, tokens=60, seed=seed)
    least = {f"d{index:02d}": 0.3 for index in range(d)}
    problem, _ = study(tables, at_least=least)
    exact = objective(tables, problem)
    found = branch_and_bound.minimise(exact, problem.space)
    problem.space.check(problem.space.to_weights(found.point), tolerance=1e-9)
    assert found.gap < 1e-8
    best = np.inf
    for choice in range(1, 2**d):  # every set of domains that are on
        on = np.array([bool(choice >> index & 1) for index in range(d)])
        if 0.3 * on.sum() <= 1.0:
            best = min(best, sequential_quadratic.minimise(exact, 0.3 * on, 1.0 * on, start=on / on.sum()).value)
    assert found.value == pytest.approx(best, abs=1e-9)


def test_the_names_of_the_domains_do_not_matter():
    tables = random_tables(5, seed=7)
    renamed = dict(zip([f"d{index:02d}" for index in range(5)], ["x", "c", "u", "a", "m"], strict=True))
    others = {metric: {renamed[name]: p for name, p in table.items()} for metric, table in tables.items()}
    found, again = proposed(tables), proposed(others)
    np.testing.assert_allclose([again[renamed[name]] for name in found], list(found.values()), atol=1e-6)


def test_a_variant_that_is_not_convex_is_searched_from_many_starts(caplog):
    tables = random_tables(4, seed=1)
    with caplog.at_level(logging.INFO, "bomix"):
        found = proposed(tables, mean=Fake(tables, convex=False))
    assert value(tables, found) <= value(tables, by_em(tables)) + 1e-8
    assert "many starts" in caplog.text


def test_how_sure_it_is_stands_in_the_log(caplog):
    with caplog.at_level(logging.INFO, "bomix"):
        proposed(random_tables(4))
    assert "lower by more than" in caplog.text


def test_of_an_accuracy_more_is_better():
    tables = random_tables(3)
    found = proposed(tables, direction="max")  # of what is convex the highest point is a corner
    assert max(found.values()) > 0.97


def test_the_worst_of_several_losses_is_levelled():
    heads = np.arange(1000) < 700
    tails = np.arange(1000) < 300
    coin = {name: np.where(heads, p, 1.0 - p) for name, p in (("a", 0.9), ("b", 0.1))}
    other = {name: np.where(tails, p, 1.0 - p) for name, p in (("a", 0.9), ("b", 0.1))}
    assert proposed({"m": coin, "n": other}, Worst())["a"] == pytest.approx(0.5, abs=1e-5)


def test_further_asks_take_other_mixtures_that_are_nearly_as_good():
    tables = random_tables(4, seed=2)
    problem, history = study(tables)
    space = problem.space
    asked = MDE(mean=Fake(tables)).ask(problem, history, 3, seed=0)
    points = space.to_arrays([candidate.weights for candidate in asked])
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(points[i] - points[j]).max() >= 0.5 * NEXT_DISTANCE
    assert [candidate.origin for candidate in asked] == ["mde"] * 3
    values = [value(tables, candidate.weights) for candidate in asked]
    assert max(values) - min(values) < 0.01
    again = history.with_pending(asked[:1])
    assert MDE(mean=Fake(tables)).ask(problem, again, 1, seed=0)[0].weights == asked[1].weights


def test_experts_in_a_study_lead_to_the_mixture_that_is_known(tmp_path):
    heads = np.arange(1000) < 620
    coins = {"bent": np.where(heads, 0.9, 0.1), "fair": np.full(1000, 0.5)}
    problem, history = scored({"coin": coins}, tmp_path)
    (candidate,) = MDE().ask(problem, history, 1, seed=0)
    told = predict(problem, history, MDE().surrogate, np.array([[0.3, 0.7], [0.5, 0.5]]), seed=0)
    assert float(told["objective_mean"][0]) < float(told["objective_mean"][1])
    assert candidate.weights["bent"] == pytest.approx((0.62 - 0.5) / (0.9 - 0.5), abs=1e-3)  # stored in small floats


@pytest.mark.parametrize(
    ("d", "tokens", "bounds"),
    [
        (3, 200, {}),
        (2, 20000, {}),
        (5, 200, {"upper": {"d00": 0.1, "d03": 0.2}, "lower": {"d01": 0.15}}),
        (8, 100, {"at_least": {f"d{index:02d}": 0.2 for index in range(8)}}),
    ],
    ids=["few", "many tokens", "bounds", "zero or at least"],
)
def test_recommended_is_the_minimum_that_is_sure(tmp_path, monkeypatch, d, tokens, bounds):
    monkeypatch.setenv("BOMIX_CACHE", str(tmp_path / "cache"))
    tables = random_tables(d, tokens=tokens, metrics=1, seed=10)
    _, history = scored(tables, tmp_path)
    problem, _ = study(tables, **bounds)
    exact, _ = _objective(PerToken(compress=None), problem, *encoded(problem, history), 0)
    least = branch_and_bound.minimise(exact, problem.space)
    assert least.gap < 1e-7
    found = recommend(problem, history, MDE().surrogate, seed=0).weights
    problem.space.check(found, tolerance=1e-9)
    assert float(exact(torch.as_tensor(problem.space.to_array(found)[None]))) <= least.value + 1e-6


def test_what_is_said_to_be_sure_is_said_of_the_mixture_that_is_proposed(caplog):
    tables = random_tables(4, seed=2)
    problem, history = study(tables)
    with caplog.at_level(logging.INFO, "bomix"):
        asked = MDE(mean=Fake(tables, compress=5)).ask(problem, history, 3, seed=0)
    said = [record.args for record in caplog.records if "lower by more than" in record.msg]
    least = value(tables, by_em(tables))
    for candidate, (told, gap) in zip(asked, said, strict=True):
        assert told == pytest.approx(value(tables, candidate.weights), abs=1e-9)
        assert told - least == pytest.approx(gap, abs=1e-8)
    assert [gap > 1e-6 for _, gap in said] == [False, True, True]


def test_sequence_models_are_mixed_by_what_they_make_of_sequences(tmp_path):
    tables = random_tables(3, tokens=200, metrics=1, seed=4)
    problem, history = scored(tables, tmp_path)
    found = MDE(mean=MDEGated(tau=1.0, compress=None)).ask(problem, history, 1, seed=0)[0].weights
    sequences = {"m0": {name: p.reshape(-1, 10).prod(axis=1) for name, p in tables["m0"].items()}}
    known = by_em(sequences, steps=20000)
    assert value(sequences, found) <= value(sequences, known) + 1e-3  # stored in small floats
    np.testing.assert_allclose([found[name] for name in known], list(known.values()), atol=0.01)


def test_what_the_objective_compares_with_is_foretold_where_it_was_not_run():
    tables = random_tables(4, seed=6)
    found = proposed(tables, Excess())
    uniform = dict.fromkeys(found, 0.25)
    gains = [value({"m": table}, found) - value({"m": table}, uniform) for table in tables.values()]
    assert max(gains) < 0.0


def test_a_domain_without_an_expert_is_named():
    tables = random_tables(3)
    problem, history = study(tables, without=("d01",))
    with pytest.raises(StudyError, match="d01 has none"):
        MDE(mean=Fake(tables)).ask(problem, history, 1, seed=0)


def test_a_mean_that_needs_no_experts_is_a_fault():
    from bomix.surrogates.means.law import LawMean

    assert [fault.where for fault in MDE(mean=LawMean(), starts=0).faults()] == ["starts", "mean"]


def scored(tables, folder):
    """A problem and a record whose experts have their tokens on the disk, in sequences of ten."""
    problem, history = study(tables)
    records = []
    for record, name in zip(history.records, problem.space.domains, strict=True):
        where, sets = folder / name / SCORED_TOKENS, {}
        for metric, table in tables.items():
            starts = np.arange(0, len(table[name]) + 1, 10)
            ids = np.arange(len(table[name]))
            sets[metric] = ScoredTokens(np.log(table[name]).astype(np.float32), starts, hash_of_tokens(ids, starts))
        write(where, sets, tokenizer="any")
        records.append(replace(record, outcome=replace(record.outcome, artifacts={SCORED_TOKENS: str(where)})))
    return problem, History(tuple(records))


def encoded(problem, history):
    """A record as it is fitted to."""
    return to_dataset(problem, history), fit_context(problem, history)


def objective(tables, problem, compress=None):
    """The mean of the losses as a function of weights."""
    names = problem.space.domains
    step = compress or 1
    losses = Losses([np.stack([table[name] for name in names], axis=1)[::step] for table in tables.values()])
    return lambda X: losses(X).mean(dim=-1)
