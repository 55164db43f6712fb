"""What every reweighter owes to the training that asks it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from bomix.contracts.reweighter import Array, ReweighterTraits, Signal
from bomix.contracts.traits import traits
from bomix.testing.base import CountsBattery

STEPS, K = 40, 4
"""Steps of the runs, and domains."""
START = np.array([0.4, 0.3, 0.2, 0.1])
"""Weights that a run starts with."""


def signals(domains: Sequence[int] = range(K), *, seed: int = 0) -> list[Signal]:
    """What the steps of a run tell, of some domains in some order; most batches lack one of four or more domains.

    Args:
        domains: Numbers of the domains, in the order in which they stand.
        seed: Seed of all numbers.
    """
    rng, found, own = np.random.default_rng(seed), [], np.asarray(domains)
    for step in range(STEPS):
        shares, losses, excess = rng.dirichlet(np.ones(K)), rng.uniform(1.0, 6.0, K), rng.exponential(0.3, K)
        gradients, target = rng.normal(size=(K, 6)) + 0.5, rng.normal(size=6)
        held = shares[own] if len(own) < K else np.where(own == step % K, 0.0, shares[own])
        products, toward = gradients @ gradients.T, gradients @ target
        rate = 3e-3 * (1.0 - step / STEPS)
        found.append(
            Signal(held / held.sum(), losses[own], excess[own], products[np.ix_(own, own)], toward[own], rate=rate)
        )
    return found


def blotted(signal: Signal) -> Signal:
    """The same with NaN for every value of a domain that the batch does not hold."""
    gone = signal.shares == 0.0
    assert signal.excess is not None
    assert signal.gradients is not None
    assert signal.target is not None
    return Signal(
        signal.shares,
        np.where(gone, np.nan, signal.losses),
        np.where(gone, np.nan, signal.excess),
        np.where(gone | gone[:, None], np.nan, signal.gradients),
        np.where(gone, np.nan, signal.target),
        rate=signal.rate,
    )


class ReweighterBattery(CountsBattery):
    """Tests of a rule: :class:`bomix.contracts.reweighter.Reweighter`, which moves weights while a model is trained.

    Three lines test one of your own::

        class TestMine(ReweighterBattery):
            spec = MyRule()

    What is tested, and why:

    * Weights, sampling shares and the mixture found are on the simplex at every step: batches are drawn by them, and
      the mixture is proposed. Factors of losses are finite and not negative, and some loss counts.
    * The order in which domains stand changes nothing: it is that of their names.
    * Of a domain that the batch does not hold nothing is read.
    * A state is a value: a run that is resumed from one goes on as it would have, and the start is the mixture of a run
      without a step.
    * A single domain keeps all of the weight, and a domain that starts with none keeps none.
    * It asks for parts of a signal that there are, every so many steps.
    * It is a frozen dataclass that a study file can say, and whole numbers below zero are faults.

    Attributes:
        spec: The rule.
    """

    group = "reweighter"
    tolerance: ClassVar[float] = 1e-12

    def states(self, start: Array, told: Sequence[Signal]) -> list[Any]:
        """The states of a run, the first one before any step."""
        found = [self.spec.init(start, steps=STEPS)]
        for signal in told:
            found.append(self.spec.update(found[-1], signal))
        return found

    def simplex(self, weights: Array) -> None:
        """Assert that weights are a mixture."""
        assert np.isfinite(weights).all()
        assert (weights >= 0.0).all()
        assert abs(weights.sum() - 1.0) <= self.tolerance

    def test_what_it_asks_for_exists(self) -> None:
        """The training computes what is asked for, and nothing else: it may cost as much as the step."""
        own = traits(self.spec, ReweighterTraits)
        assert {*own.needs} <= {"excess", "gradients", "target"}
        assert own.every >= 1

    def test_weights_are_mixtures_at_every_step(self) -> None:
        """Batches are drawn by the shares; the losses of a batch count by factors of which one is not zero."""
        told = signals()
        for state, signal in zip(self.states(START, told)[1:], told, strict=True):
            for weights in (self.spec.sampling(state), self.spec.weights(state), self.spec.mixture(state)):
                self.simplex(weights)
            factors = self.spec.loss_weights(state, signal.shares)
            assert np.isfinite(factors).all()
            assert (factors >= 0.0).all()
            assert factors.sum() > 0.0

    def test_before_the_first_step_the_weights_are_those_of_the_start(self) -> None:
        """What a run starts with is asked for, and its first batch is drawn by it."""
        state = self.spec.init(START, steps=STEPS)
        for weights in (self.spec.sampling(state), self.spec.weights(state), self.spec.mixture(state)):
            np.testing.assert_allclose(weights, START, atol=self.tolerance)

    def test_the_order_of_domains_changes_nothing(self) -> None:
        """A rule knows domains by their signals alone."""
        order = [2, 0, 3, 1]
        there = self.states(START, signals())
        here = self.states(START[order], signals(order))
        for one, other in zip(here, there, strict=True):
            for read in (self.spec.sampling, self.spec.weights, self.spec.mixture):
                np.testing.assert_allclose(read(one), read(other)[order], atol=1e-9)

    def test_nothing_is_read_of_a_domain_that_the_batch_does_not_hold(self) -> None:
        """There is nothing to know: the training leaves NaN there."""
        told = signals()
        plain, blots = self.states(START, told), self.states(START, [blotted(signal) for signal in told])
        np.testing.assert_array_equal(self.spec.mixture(plain[-1]), self.spec.mixture(blots[-1]))
        np.testing.assert_array_equal(self.spec.weights(plain[-1]), self.spec.weights(blots[-1]))

    def test_a_state_is_a_value(self) -> None:
        """A long run goes on from a state that was kept: nothing outside of it is remembered, and it is not changed."""
        told = signals()
        states = self.states(START, told)
        again = copy.deepcopy(states[10])
        for signal in told[10:]:
            again = self.spec.update(again, signal)
        np.testing.assert_array_equal(self.spec.mixture(again), self.spec.mixture(states[-1]))
        once, twice = (self.spec.mixture(self.spec.update(states[10], told[10])) for _ in range(2))
        np.testing.assert_array_equal(once, twice)

    def test_a_single_domain_has_all_of_the_weight(self) -> None:
        """There is nothing to choose, and nothing to divide by zero."""
        for state in self.states(np.ones(1), signals([1])):
            assert self.spec.sampling(state) == [1.0]
            assert self.spec.mixture(state) == [1.0]

    def test_a_domain_without_weight_at_the_start_takes_no_part(self) -> None:
        """No sequence of it is drawn, so that nothing is ever known of it; the others are as they are without it."""
        outside, inside = [0, 1, 3], [0, 1, 2, 3]
        start = np.array([0.5, 0.3, 0.0, 0.2])
        without = signals(outside)
        told = []
        for full, signal in zip(signals(inside), without, strict=True):
            shares = np.zeros(K)
            shares[outside] = signal.shares
            told.append(Signal(shares, full.losses, full.excess, full.gradients, full.target, rate=full.rate))
        there, here = self.states(start[outside], without), self.states(start, [blotted(each) for each in told])
        for one, other in zip(here, there, strict=True):
            for read in (self.spec.sampling, self.spec.weights, self.spec.mixture):
                assert read(one)[2] == 0.0
                np.testing.assert_allclose(read(one)[outside], read(other), atol=1e-9)
