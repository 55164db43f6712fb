"""What every registered strategy owes to the study: the battery runs over whatever the registry holds."""

from __future__ import annotations

import atexit
import dataclasses
import functools
import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from bomix.config import registry
from bomix.config.build import build, plain, spec_fields
from bomix.config.expert_checks import need_experts
from bomix.contracts.strategy import Strategy
from bomix.errors import Fault
from bomix.history import History
from bomix.io.artifacts import scored_tokens
from bomix.io.artifacts.scored_tokens import ScoredTokens
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.space.weights import same_mixture
from bomix.study.study import Study
from bomix.surrogates.gp.spec import GP
from bomix.trial import EXPERT, SCORED_TOKENS, UNCOUNTED_ORIGINS, Failure, Record, Result, Trial

CHEAP_GP = {"kind": "gp", "draws": 0, "restarts": 1}

OPTIONS = {
    "fixed": lambda domains: {"weights": dict.fromkeys(domains, 1.0 / len(domains))},
    "published": {"name": "llama"},
    "regmix": {"n_init": 4, "simulated": 2000, "averaged": 20, "surrogate": "ridge"},
    "blackbox": {"n_init": 4, "surrogate": "ridge", "evaluations": 200, "starts": 1},
    "sequence": {
        "steps": [
            {"strategy": "sobol", "trials": 3},
            {"strategy": {"kind": "bayesian", "surrogate": CHEAP_GP, "n_init": 4, "raw": 32, "starts": 2}},
        ]
    },
}
"""Kind to the options that it needs, or that make it cheap; where they depend on the domains, a function of them."""

CHEAP = {"n_init": 4, "raw": 32, "starts": 2}
"""Field to value, for kinds that have the field and are not in :data:`OPTIONS`. A field ``surrogate`` whose default
is the Gaussian process has a quick one."""

NEEDS = {"blackbox": "cma"}
"""Kind to the optional package that it stands on."""

every_kind = pytest.mark.parametrize("kind", sorted(registry.kinds("strategy")))

DOMAINS = ("books", "c4", "github", "wikipedia")
METRICS = (Metric("a"), Metric("b"), Metric("c", "share", "max"))
RATES = np.array([[-1.0, -4.0, 0.0, 0.5], [0.0, -0.5, -0.5, -3.0], [0.5, -2.0, -2.0, -1.0]])
BOUNDS = {
    "upper": {"c4": 0.45, "wikipedia": 0.5},
    "lower": {"books": 0.1},
    "at_least": {"github": 0.25},
}
N, SEED = 6, 3


def data_of(kind, domains=DOMAINS):
    """The mapping that stands in a study file, without the kind."""
    if kind in OPTIONS:
        found = OPTIONS[kind]
        return found(domains) if callable(found) else found
    fields = {field.name: field for field in spec_fields(registry.resolve("strategy", kind))}
    cheap = {name: value for name, value in CHEAP.items() if name in fields}
    if "surrogate" in fields and isinstance(fields["surrogate"].default, GP):
        cheap["surrogate"] = CHEAP_GP
    return cheap


def spec_of(kind, domains=DOMAINS):
    if kind in NEEDS:
        pytest.importorskip(NEEDS[kind])
    spec, faults = build(registry.resolve("strategy", kind), data_of(kind, domains))
    assert not faults, f"give options for kind '{kind}' in OPTIONS: {faults}"
    return spec


def problem_of(domains=DOMAINS, **bounds):
    tokens = {name: 1e9 * 2.0 ** sorted(domains).index(name) for name in domains}
    natural = {name: count / sum(tokens.values()) for name, count in tokens.items()}
    space = MixtureSpace(domains, **bounds)
    return Problem(space, METRICS, Mean(), natural, tokens=tokens, run_tokens=2e9, budget=20)


def losses(weights):
    """Three exponential laws of a mixture by name; the last grows with what the others punish."""
    point = np.array([weights.get(name, 0.0) for name in DOMAINS])
    a, b, c = 2.0 + np.array([1.0, 2.0, 0.5]) * np.exp(RATES @ point)
    return {"a": float(a), "b": float(b), "c": float(5.0 - c)}


def tried(problem, n=N):
    """A record of ``n`` completed trials spread over the space."""
    space = problem.space
    mixtures = map(space.to_weights, space.snap(space.sobol(n, seed=7)))
    trials = [Trial(index, weights, 0, "sobol") for index, weights in enumerate(mixtures)]
    return History(tuple(Record(trial, Result(losses(trial.weights))) for trial in trials))


def ragged():
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


def failed():
    problem = problem_of()
    records = [dataclasses.replace(record, outcome=Failure("no space left")) for record in tried(problem, 5).records]
    return problem, History(tuple(records))


def alone():
    problem = problem_of(DOMAINS[:1])
    return problem, tried(problem, 3)


def bounded():
    problem = problem_of(**BOUNDS)
    return problem, tried(problem)


CASES = {
    "plain": lambda: (problem_of(), tried(problem_of())),
    "none": lambda: (problem_of(), History()),
    "alone": alone,
    "bounded": bounded,
    "ragged": ragged,
    "failed": failed,
}


@functools.cache
def scored_by(domain):
    """The folder with what an expert of a domain makes of 240 tokens of each metric."""
    folder = Path(tempfile.mkdtemp()) / "scored"
    atexit.register(shutil.rmtree, folder.parent, ignore_errors=True)
    starts = np.arange(0, 241, 24)
    sets = {}
    for number, metric in enumerate(METRICS):
        rng = np.random.default_rng([number, DOMAINS.index(domain)])
        sets[metric.name] = ScoredTokens(np.log(rng.beta(1.0, 3.0, 240)), starts, metric.name)
    scored_tokens.write(folder, sets, tokenizer="none")
    return str(folder)


def expert_result(weights):
    domain = max(weights, key=weights.get)
    return Result(losses(weights), artifacts={SCORED_TOKENS: scored_by(domain)})


def experienced(kind, problem, history):
    """The record with an expert of every domain after it, where the kind needs them."""
    if not need_experts(spec_of(kind, problem.space.domains)):
        return history
    for domain in sorted(problem.space.domains):
        weights = {name: float(name == domain) for name in problem.space.domains}
        trial = Trial(history.next_id, weights, 0, EXPERT)
        history = history.with_record(Record(trial, expert_result(weights)))
    return history


@functools.cache
def asked(kind, case, q=2):
    problem, history = CASES[case]()
    history = experienced(kind, problem, history)
    return spec_of(kind, problem.space.domains).ask(problem, history, q, seed=SEED)


def assert_mixture(space, candidate):
    """Every domain named, feasible to 1e-9, zeros exact where "zero or at least" holds."""
    space.check(candidate.weights, tolerance=1e-9)
    weights = space.to_array(candidate.weights)
    floor = np.array(space.at_least)
    assert ((weights == 0.0) | (weights >= floor - 1e-9)).all(), candidate
    assert all(type(weight) is float for weight in candidate.weights.values())


@every_kind
def test_a_study_file_can_say_it(kind):
    spec = spec_of(kind)
    assert isinstance(spec, Strategy)
    assert type(spec).__dataclass_params__.frozen
    assert registry.kind_of("strategy", type(spec)) == kind
    again, faults = build(type(spec), plain(spec))
    assert not faults
    assert again == spec
    for own in (getattr(spec, "faults", list)(), getattr(spec, "problem_faults", lambda _: [])(problem_of())):
        assert not own
        assert isinstance(own, list)


@every_kind
def test_every_number_that_makes_no_sense_is_a_fault(kind):
    spec = spec_of(kind)
    for field in spec_fields(type(spec)):
        if type(getattr(spec, field.name)) is int:
            found = dataclasses.replace(spec, **{field.name: -1}).faults()
            assert all(isinstance(fault, Fault) for fault in found)
            assert any(fault.where == field.name for fault in found), f"{field.name} = -1 passes"


@every_kind
@pytest.mark.parametrize("case", CASES)
def test_it_proposes_as_many_mixtures_as_are_asked_for(kind, case):
    problem, _ = CASES[case]()
    candidates = asked(kind, case)
    assert len(candidates) == 2
    for candidate in candidates:
        assert_mixture(problem.space, candidate)
        assert candidate.origin
        assert candidate.origin not in UNCOUNTED_ORIGINS


@every_kind
def test_none_are_none(kind):
    problem, history = CASES["none"]()
    assert spec_of(kind).ask(problem, history, 0, seed=SEED) == []


@every_kind
@pytest.mark.parametrize("case", ["plain", "none", "bounded", "ragged", "failed"])
def test_it_never_asks_again_for_what_is_pending(kind, case):
    if getattr(spec_of(kind), "repeats", False):
        pytest.skip("it repeats on purpose")
    _, history = CASES[case]()
    first, second = asked(kind, case)
    assert not same_mixture(first.weights, second.weights, tolerance=1e-6)
    for candidate in (first, second):
        for record in history.pending:
            assert not same_mixture(candidate.weights, record.trial.weights, tolerance=1e-6)


@every_kind
def test_what_it_is_told_to_be_pending_is_not_proposed(kind):
    if getattr(spec_of(kind), "repeats", False):
        pytest.skip("it repeats on purpose")
    problem, history = CASES["plain"]()
    history = experienced(kind, problem, history)
    # The very mixture that it would propose, tried by someone who took no place in the count.
    (wanted,) = asked(kind, "plain")[:1]
    taken = history.with_record(Record(Trial(history.next_id, wanted.weights, 0, "imported")))
    (other,) = spec_of(kind).ask(problem, taken, 1, seed=SEED)
    assert not same_mixture(wanted.weights, other.weights, tolerance=1e-6)


@every_kind
@pytest.mark.parametrize("case", ["plain", "none"])
def test_asking_one_at_a_time_is_asking_at_once(kind, case):
    problem, history = CASES[case]()
    history = experienced(kind, problem, history)
    spec, together = spec_of(kind), asked(kind, case)
    (first,) = spec.ask(problem, history, 1, seed=SEED)
    (second,) = spec.ask(problem, history.with_pending([first]), 1, seed=SEED)
    assert [first, second] == together


@every_kind
def test_the_record_and_the_seed_decide_and_no_global_generator_moves(kind):
    problem, history = CASES["plain"]()
    history = experienced(kind, problem, history)
    before = torch.get_rng_state(), np.random.get_state()
    try:
        torch.manual_seed(11)
        np.random.seed(12)
        moved = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        assert spec_of(kind).ask(problem, history, 2, seed=SEED) == asked(kind, "plain")
        assert torch.equal(moved[0], torch.get_rng_state())
        np.testing.assert_array_equal(moved[1], np.random.get_state()[1])
        assert moved[2] == random.getstate()
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])


def backwards(mapping):
    return dict(reversed(mapping.items()))


@every_kind
def test_the_order_in_which_domains_are_named_changes_nothing(kind):
    problem = problem_of(DOMAINS[::-1], **{key: backwards(bounds) for key, bounds in BOUNDS.items()})
    problem = dataclasses.replace(problem, natural=backwards(problem.natural), tokens=backwards(problem.tokens))
    records = [
        Record(
            dataclasses.replace(record.trial, weights=backwards(record.trial.weights)),
            Result(backwards(record.result.losses)),
        )
        for record in tried(problem).records[::-1]
    ]
    history = experienced(kind, problem, History(tuple(records)))
    candidates = spec_of(kind, DOMAINS[::-1]).ask(problem, history, 2, seed=SEED)
    assert candidates == asked(kind, "bounded")


@every_kind
def test_it_runs_from_a_study_file(kind, tmp_path):
    spec_of(kind)  # skips where a package is missing
    problem, history = CASES["plain"]()
    study = {
        "domains": {name: {"tokens": count} for name, count in problem.tokens.items()},
        "metrics": {"a": {}, "b": {}, "c": {"unit": "share", "direction": "max"}},
        "target": {"tokens": problem.run_tokens},
        "strategy": {"kind": kind, **data_of(kind)},
        "seed": SEED,
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    opened = Study.open(tmp_path)
    opened.records.add_all([(record.trial.weights, record.result.losses) for record in history.records])
    while (trial := opened.ask()).origin == EXPERT:
        opened.tell(trial, expert_result(trial.weights))
    opened.tell(trial, losses(trial.weights))
    expected, again = (
        spec_of(kind).ask(opened.problem, opened.history, 1, seed=SEED)[0],
        Study.open(tmp_path).ask(),
    )
    assert (again.weights, again.origin) == (expected.weights, expected.origin)
