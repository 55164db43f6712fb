"""What every strategy owes to the study."""

from __future__ import annotations

import atexit
import dataclasses
import functools
import random
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import pytest
import torch
import yaml

from bomix.config import registry
from bomix.config.build import plain
from bomix.config.expert_checks import need_experts
from bomix.contracts.strategy import StrategyTraits
from bomix.contracts.traits import traits
from bomix.history import History
from bomix.io.artifacts import scored_tokens
from bomix.io.artifacts.scored_tokens import ScoredTokens
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.space.weights import Weights, same_mixture
from bomix.study.study import Study
from bomix.testing.base import CountsBattery
from bomix.testing.known import CROSSED, exponential
from bomix.trial import (
    EXPERT,
    MODEL,
    REFERENCE,
    SCORED_TOKENS,
    UNCOUNTED_ORIGINS,
    Candidate,
    Failure,
    Record,
    Result,
    Trial,
)

V = TypeVar("V")
Case = tuple[Problem, History]

DOMAINS = ("books", "c4", "github", "wikipedia")
METRICS = (Metric("a"), Metric("b"), Metric("c", "share", "max"))
BOUNDS: Mapping[str, Mapping[str, float]] = {
    "upper": {"c4": 0.45, "wikipedia": 0.5},
    "lower": {"books": 0.1},
    "at_least": {"github": 0.25},
}
TOKENS = 240
"""Tokens of each metric that an expert has scored."""
N, SEED = 6, 3


def problem_of(domains: Sequence[str] = DOMAINS, **bounds: Mapping[str, float]) -> Problem:
    """A problem of three metrics, of one of which more is better; each domain has twice the tokens of the last."""
    tokens = {name: 1e9 * 2.0 ** sorted(domains).index(name) for name in domains}
    natural = {name: count / sum(tokens.values()) for name, count in tokens.items()}
    space = MixtureSpace(domains, **cast(Any, bounds))
    return Problem(space, METRICS, Mean(), natural, tokens=tokens, run_tokens=2e9, budget=20)


def losses(weights: Weights) -> dict[str, float]:
    """Three exponential laws of a mixture by name; the last grows with what the others punish."""
    a, b, c = exponential(np.array([weights.get(name, 0.0) for name in DOMAINS]), CROSSED)
    return {"a": float(a), "b": float(b), "c": float(5.0 - c)}


def tried(problem: Problem, n: int = N) -> History:
    """A record of ``n`` completed trials spread over the space."""
    space = problem.space
    mixtures = map(space.to_weights, space.snap(space.sobol(n, seed=7)))
    trials = [Trial(index, weights, 0, "sobol") for index, weights in enumerate(mixtures)]
    return History(tuple(Record(trial, Result(losses(trial.weights))) for trial in trials))


def ragged() -> Case:
    """Gaps in the metrics, one of which no trial has; failed trials and pending ones."""
    problem = problem_of()
    records = list(tried(problem, N + 4).records)
    for index in range(N):
        kept = ("a",) if index % 2 else ("a", "b")
        found = {name: loss for name, loss in records[index].result.losses.items() if name in kept}
        records[index] = dataclasses.replace(records[index], outcome=Result(found, unmeasured=("c",)))
    for index in (N, N + 1):
        records[index] = dataclasses.replace(records[index], outcome=Failure("out of memory"))
    for index in (N + 2, N + 3):
        records[index] = dataclasses.replace(records[index], outcome=None)
    return problem, History(tuple(records))


def failed() -> Case:
    """Every trial failed."""
    problem = problem_of()
    records = [dataclasses.replace(record, outcome=Failure("no space left")) for record in tried(problem, 5).records]
    return problem, History(tuple(records))


def _tried_in(domains: Sequence[str], n: int, **bounds: Mapping[str, float]) -> Case:
    problem = problem_of(domains, **bounds)
    return problem, tried(problem, n)


CASES: Mapping[str, Callable[[], Case]] = {
    "plain": lambda: _tried_in(DOMAINS, N),
    "none": lambda: (problem_of(), History()),
    "alone": lambda: _tried_in(DOMAINS[:1], 3),
    "bounded": lambda: _tried_in(DOMAINS, N, **BOUNDS),
    "ragged": ragged,
    "failed": failed,
}
"""Name to a problem and its record; ``alone`` has a single domain."""


@functools.cache
def scored_by(domain: str) -> str:
    """The folder with what an expert of a domain makes of the tokens of each metric."""
    folder = Path(tempfile.mkdtemp()) / "scored"
    atexit.register(shutil.rmtree, folder.parent, ignore_errors=True)
    starts = np.arange(0, TOKENS + 1, 24)
    sets = {}
    for number, metric in enumerate(METRICS):
        rng = np.random.default_rng([number, DOMAINS.index(domain)])
        sets[metric.name] = ScoredTokens(np.log(rng.beta(1.0, 3.0, TOKENS)), starts, metric.name)
    scored_tokens.write(folder, sets, tokenizer="none")
    return str(folder)


def expert_result(weights: Weights) -> Result:
    """The result of the expert of the domain that has all the weight."""
    domain = max(weights, key=lambda name: weights[name])
    return Result(losses(weights), artifacts={SCORED_TOKENS: scored_by(domain)})


def trained_result(trial: Trial, folder: Path) -> Result:
    """The result of a trial that is no expert's: a reference run names a model, one that reweights a mixture."""
    artifacts = {MODEL: str(folder)} if trial.origin == REFERENCE else {}
    mixture = None if trial.reweighting is None else {name: float(name == "c4") for name in trial.weights}
    return Result(losses(trial.weights), artifacts=artifacts, mixture=mixture)


def backwards(mapping: Mapping[str, V]) -> dict[str, V]:
    """The same mapping, named in the opposite order."""
    return dict(reversed([*mapping.items()]))


class StrategyBattery(CountsBattery):
    """Tests of a strategy: :class:`bomix.contracts.strategy.Strategy`, ``ask(problem, history, q, *, seed)``.

    A strategy proposes mixtures. Three lines test one of your own::

        class TestMine(StrategyBattery):
            spec = MyStrategy()

    What is tested, and why:

    * It proposes as many mixtures as are asked for, each allowed by the space to 1e-9, under bounds, with a single
      domain, without a trial, with gaps, failures and pending trials: the study records them as they are.
    * ``ask`` is a pure function of the problem, the history and the seed. Asking one at a time is asking at once,
      no global generator moves, and a study that is opened again proposes the same.
    * What is pending is not proposed again, unless the strategy declares ``repeats``.
    * The order in which domains are named changes nothing, not even a bit.
    * It runs from a study file, experts first where its parts need them.
    * It is a frozen dataclass that a study file can say, and whole numbers below zero are faults.

    Attributes:
        spec: The strategy, cheap: some twenty batches are asked for.
    """

    group = "strategy"

    def spec_for(self, domains: Sequence[str]) -> Any:
        """The strategy for a space; override it where fields name the domains."""
        return self.spec

    def experienced(self, problem: Problem, history: History) -> History:
        """The record with an expert of every domain after it, where the strategy needs them."""
        if not need_experts(self.spec):
            return history
        for domain in sorted(problem.space.domains):
            weights = {name: float(name == domain) for name in problem.space.domains}
            trial = Trial(history.next_id, weights, 0, EXPERT)
            history = history.with_record(Record(trial, expert_result(weights)))
        return history

    def asked(self, case: str) -> list[Candidate]:
        """Two candidates in a case, asked for once for all tests."""

        def ask() -> list[Candidate]:
            problem, history = CASES[case]()
            spec = self.spec_for(problem.space.domains)
            candidates: list[Candidate] = spec.ask(problem, self.experienced(problem, history), 2, seed=SEED)
            return candidates

        return self.once(case, ask)

    def test_it_has_no_faults_in_a_problem(self) -> None:
        """What does not fit a problem is told before the study begins."""
        assert traits(self.spec, StrategyTraits).problem_faults(problem_of()) == []

    @pytest.mark.parametrize("case", CASES)
    def test_it_proposes_as_many_mixtures_as_are_asked_for(self, case: str) -> None:
        """Feasible to 1e-9, every domain named, zeros exact where "zero or at least" holds; origins are counted."""
        problem, _ = CASES[case]()
        candidates = self.asked(case)
        assert len(candidates) == 2
        for candidate in candidates:
            problem.space.check(candidate.weights, tolerance=1e-9)
            weights = problem.space.to_array(candidate.weights)
            floor = np.array(problem.space.at_least)
            assert ((weights == 0.0) | (weights >= floor - 1e-9)).all(), candidate
            assert all(type(weight) is float for weight in candidate.weights.values())
            assert candidate.origin
            assert candidate.origin not in UNCOUNTED_ORIGINS

    def test_none_are_none(self) -> None:
        """The driver asks for as many as there are free slots."""
        problem, history = CASES["none"]()
        assert self.spec.ask(problem, history, 0, seed=SEED) == []

    @pytest.mark.parametrize("case", ["plain", "none", "bounded", "ragged", "failed"])
    def test_it_never_asks_again_for_what_is_pending(self, case: str) -> None:
        """A second run of the same mixture is chosen on purpose, or it is a waste."""
        self._skip_if_it_repeats()
        _, history = CASES[case]()
        first, second = self.asked(case)
        assert not same_mixture(first.weights, second.weights)
        for candidate in (first, second):
            for record in history.pending:
                assert not same_mixture(candidate.weights, record.trial.weights)

    def test_what_it_is_told_to_be_pending_is_not_proposed(self) -> None:
        """Here the very mixture that it would propose is tried already, by someone who took no place in the count."""
        self._skip_if_it_repeats()
        problem, history = CASES["plain"]()
        history = self.experienced(problem, history)
        (wanted,) = self.asked("plain")[:1]
        taken = history.with_record(Record(Trial(history.next_id, wanted.weights, 0, "imported")))
        (other,) = self.spec.ask(problem, taken, 1, seed=SEED)
        assert not same_mixture(wanted.weights, other.weights)

    @pytest.mark.parametrize("case", ["plain", "none"])
    def test_asking_one_at_a_time_is_asking_at_once(self, case: str) -> None:
        """How many workers there are does not change what is proposed for a record."""
        problem, history = CASES[case]()
        history = self.experienced(problem, history)
        (first,) = self.spec.ask(problem, history, 1, seed=SEED)
        (second,) = self.spec.ask(problem, history.with_pending([first]), 1, seed=SEED)
        assert [first, second] == self.asked(case)

    def test_the_record_and_the_seed_decide_and_no_global_generator_moves(self) -> None:
        """``ask`` is pure: that is what makes a study its folder."""
        problem, history = CASES["plain"]()
        history = self.experienced(problem, history)
        before = torch.get_rng_state(), np.random.get_state(), random.getstate()
        try:
            torch.manual_seed(11)
            np.random.seed(12)
            random.seed(13)
            moved = torch.get_rng_state(), cast(Any, np.random.get_state())[1].copy(), random.getstate()
            assert self.spec.ask(problem, history, 2, seed=SEED) == self.asked("plain")
            assert torch.equal(moved[0], torch.get_rng_state())
            np.testing.assert_array_equal(moved[1], cast(Any, np.random.get_state())[1])
            assert moved[2] == random.getstate()
        finally:
            torch.set_rng_state(before[0])
            np.random.set_state(before[1])
            random.setstate(before[2])

    def test_the_order_in_which_domains_are_named_changes_nothing(self) -> None:
        """Everything is joined by name: the space, its bounds, the weights and the losses of the record."""
        problem = problem_of(DOMAINS[::-1], **{key: backwards(bounds) for key, bounds in BOUNDS.items()})
        natural, tokens = backwards(problem.natural or {}), backwards(problem.tokens or {})
        problem = dataclasses.replace(problem, natural=natural, tokens=tokens)
        records = [
            Record(
                dataclasses.replace(record.trial, weights=backwards(record.trial.weights)),
                Result(backwards(record.result.losses)),
            )
            for record in tried(problem).records[::-1]
        ]
        history = self.experienced(problem, History(tuple(records)))
        candidates = self.spec_for(DOMAINS[::-1]).ask(problem, history, 2, seed=SEED)
        assert candidates == self.asked("bounded")

    def test_it_runs_from_a_study_file(self, tmp_path: Path) -> None:
        """A study that names it trains experts where it needs them, and opened again it proposes the same."""
        problem, history = CASES["plain"]()
        study = {
            "domains": {name: {"tokens": count} for name, count in (problem.tokens or {}).items()},
            "metrics": {"a": {}, "b": {}, "c": {"unit": "share", "direction": "max"}},
            "target": {"tokens": problem.run_tokens},
            "strategy": {"kind": registry.kind_of("strategy", type(self.spec)), **plain(self.spec)},
            "seed": SEED,
        }
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
        opened = Study.open(tmp_path)
        opened.records.add_all([(record.trial.weights, record.result.losses) for record in history.records])
        while (trial := opened.ask()).origin == EXPERT:
            opened.tell(trial, expert_result(trial.weights))
        opened.tell(trial, trained_result(trial, tmp_path))
        expected = self.spec.ask(opened.problem, opened.history, 1, seed=SEED)[0]
        again = Study.open(tmp_path).ask()
        assert (again.weights, again.origin) == (expected.weights, expected.origin)

    def _skip_if_it_repeats(self) -> None:
        if traits(self.spec, StrategyTraits).repeats:
            pytest.skip("it repeats on purpose")
