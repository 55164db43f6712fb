"""Asks that are settled: every registered strategy proposes then what it would propose had the trials come back."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.config import registry
from bomix.contracts.strategy import StrategyTraits
from bomix.contracts.traits import traits
from bomix.history import History
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.design_first import design_size
from bomix.strategies.designs import Sobol
from bomix.strategies.sequence import Sequence, Step
from bomix.testing.strategies import DOMAINS, SEED, losses, problem_of
from bomix.trial import IMPORTED, Failure, Record, Result, Trial
from tests.conformance.every import spec_of
from tests.conformance.test_strategies import OPTIONS, cheap

ASKS = 8
DESIGN = 4
ALWAYS = {
    "sobol",
    "dirichlet",
    "vertices",
    "i_optimal",
    "uniform",
    "natural",
    "temperature",
    "unimax",
    "fixed",
    "published",
}
"""Kinds that never look at a result."""
DESIGN_FIRST = {"bayesian", "turbo", "embedded", "law", "kl", "blackbox", "regmix"}
"""Kinds whose first four asks here are a design."""


def settled_asks(kind: str) -> int:
    """How many asks in a row, all pending, a strategy says are settled; each is compared with what comes one by one."""
    strategy, problem = spec_of("strategy", kind, OPTIONS.get(kind, cheap(kind))), problem_of()
    rng = np.random.default_rng(5)
    pending = back = History()
    for asked in range(ASKS):
        if not traits(strategy, StrategyTraits).settled(problem, pending):
            return asked
        (candidate,) = strategy.ask(problem, pending, 1, seed=SEED)
        assert strategy.ask(problem, back, 1, seed=SEED) == [candidate]
        pending = pending.with_pending([candidate])
        found = {name: float(rng.uniform(0.2, 0.9)) for name in problem.metric_names}
        back = back.with_record(Record(pending.records[-1].trial, Result(found)))
    return ASKS


@pytest.mark.parametrize("kind", registry.kinds("strategy"))
def test_settled_asks_are_those_that_come_one_by_one(kind: str) -> None:
    if kind == "blackbox":
        pytest.importorskip("cma")
    count = settled_asks(kind)
    if kind in ALWAYS:
        assert count == ASKS
    elif kind in DESIGN_FIRST:
        assert count == DESIGN
    elif kind == "sequence":
        assert count == DESIGN  # three of its first step, and one more of the design of its second
    elif kind == "auto":
        assert count == DESIGN
    elif kind == "cost_aware":
        assert count == design_size(None, problem_of())  # of one scale it is auto, whose usual design it has
    else:
        assert count == 0


def test_a_design_that_looks_at_results_is_not_settled() -> None:
    problem, history = problem_of(), History()
    inner = Sequence((Step(Sobol(), 2), Step(Bayesian(n_init=2))))
    strategy = Bayesian(design=inner, n_init=4)
    for settled in (True, True, False):
        assert strategy.settled(problem, history) == settled
        history = history.with_pending(Sobol().ask(problem, history, 1, seed=SEED))


def test_a_design_goes_on_behind_what_was_imported_and_what_failed() -> None:
    problem, strategy = problem_of(), Bayesian(n_init=4)
    even = {name: 1.0 / len(DOMAINS) for name in DOMAINS}
    outcomes = [
        (IMPORTED, Result(losses(even))),
        ("sobol", Result(losses(even))),
        ("sobol", Failure("the disk is full")),
    ]
    trials = [Record(Trial(number, even, 0, origin), outcome) for number, (origin, outcome) in enumerate(outcomes)]
    history = History(tuple(trials))
    for settled in (True, True, False):
        assert strategy.settled(problem, history) == settled
        history = history.with_pending(Sobol().ask(problem, history, 1, seed=SEED))
