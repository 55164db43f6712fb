"""A run of two phases reads exact quotas in each, goes on in a domain where it was, and goes on from checkpoints."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bomix.errors import EvaluationError
from bomix.space.phases import Phases
from bomix.training import checkpoint
from bomix.training.data_order import order, plan, quotas
from bomix.training.loop import train_together
from bomix.training.phases import phase_sequences, phased_plan
from tests.training.test_checkpoint import assert_same, attempts, interrupted, located
from tests.training.test_loop import corpus as small_corpus
from tests.training.test_loop import make_run

corpus = small_corpus
SHARES = {"pretrain": 0.75, "anneal": 0.25}
PHASES = Phases(("pretrain", "anneal"), (0.75, 0.25), ("even", "odd"))


def weights(first, last):
    return PHASES.joint({"pretrain": {"even": 1.0 - first, "odd": first}, "anneal": {"even": 1.0 - last, "odd": last}})


@given(st.floats(0, 1), st.floats(0, 1), st.integers(2, 40), st.integers(1, 4), st.integers(1, 30))
@settings(max_examples=80, deadline=None)
def test_quotas_are_exact_in_each_phase_and_a_domain_goes_on(first, last, steps, batch, available):
    asked = weights(first, last)
    lengths = phase_sequences(SHARES, steps * batch)
    assert sum(lengths.values()) == steps * batch
    if PHASES.is_tied(asked) or not all(lengths.values()):
        return
    found = phased_plan(asked, SHARES, {"even": available, "odd": available}, steps=steps, batch=batch, seed=5)
    domain, sequence = found.domain.ravel(), found.sequence.ravel()
    start = 0
    for phase, mixture in PHASES.split(asked).items():
        own = domain[start : start + lengths[phase]]
        for at, (name, count) in enumerate(quotas(mixture, lengths[phase]).items()):
            assert (own == at).sum() == count
            assert found.realized[f"{phase}:{name}"] == pytest.approx(SHARES[phase] * count / lengths[phase])
            assert found.epochs[f"{phase}:{name}"] == pytest.approx(count / available)
        start += lengths[phase]
    for at, name in enumerate(found.domains):
        read = sequence[domain == at]
        np.testing.assert_array_equal(read, order(name, len(read), available=available, seed=5))


def test_a_tied_run_reads_what_a_run_of_one_mixture_reads():
    size = {"steps": 20, "batch": 2, "seed": 1}
    one = plan({"even": 0.7, "odd": 0.3}, {"even": 9, "odd": 9}, **size)
    found = phased_plan(PHASES.tied({"even": 0.7, "odd": 0.3}), SHARES, {"even": 9, "odd": 9}, **size)
    np.testing.assert_array_equal(found.domain, one.domain)
    np.testing.assert_array_equal(found.sequence, one.sequence)
    assert PHASES.aggregate(found.realized) == pytest.approx(one.realized)
    assert PHASES.aggregate(found.epochs) == pytest.approx(one.epochs)


def test_what_cannot_be_read_is_said():
    with pytest.raises(EvaluationError, match="phase 'anneal' has none of the 1 sequences"):
        phased_plan(weights(0, 1), SHARES, {"even": 9, "odd": 9}, steps=1, batch=1, seed=0)
    with pytest.raises(EvaluationError, match="no tokens of domain 'odd'"):
        phased_plan(weights(0, 1), SHARES, {"even": 9}, steps=4, batch=4, seed=0)


def test_a_stack_goes_on_inside_the_last_phase_to_the_same_bits(corpus, tmp_path, monkeypatch):
    runs = [make_run(weights=weights(*pair), phases=SHARES, steps=16) for pair in ((0.2, 0.9), (0.5, 0.5))]
    assert [run.plan({"even": 100, "odd": 100}).domain.shape for run in runs] == [(16, 2)] * 2
    undisturbed = train_together(corpus, runs)
    interrupted(corpus, runs, attempts(tmp_path, 1), monkeypatch, after=13)  # the last phase begins after 12 steps
    places = located(corpus, runs, attempts(tmp_path, 2))
    assert [place.step for place in places] == [13, 13]
    for found, wanted in zip(train_together(corpus, runs, places=places), undisturbed, strict=True):
        assert_same(found, wanted)
    alone = train_together(corpus, runs[:1])[0]
    assert alone.plan.realized == undisturbed[0].plan.realized


def test_phases_are_part_of_what_a_checkpoint_is_of_and_of_what_other_processes_are_told(corpus):
    run = make_run(weights=weights(0.2, 0.9), phases=SHARES)
    other = dataclasses.replace(run, phases={"pretrain": 0.5, "anneal": 0.5})
    assert checkpoint.identity_of(run, corpus, "fp32") != checkpoint.identity_of(other, corpus, "fp32")
    told = json.loads(json.dumps({"phases": dict(run.phases)}))
    assert list(told["phases"]) == ["pretrain", "anneal"]
