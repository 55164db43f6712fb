"""DoGE: more weight for domains whose gradient also lowers the losses of the others, or of a target.

References:
    [Fan2024] Fan, Pagliardini and Jaggi, DoGE: Domain Reweighting with Generalization Estimation, arXiv 2310.15393.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from bomix.contracts.reweighter import Array, Signal
from bomix.errors import Fault
from bomix.training.reweighting.simplex import Course, log, present, softmax


@dataclass(frozen=True)
class DoGEState:
    """What the rule remembers.

    Attributes:
        sampling: ``K`` shares of the sequences, those of the start.
        course: The weights so far.
        clipping: ``K`` factors that bring the gradients of the last batch to the largest norm.
    """

    sampling: Array
    course: Course
    clipping: Array


@dataclass(frozen=True)
class DoGE:
    """Weights by how well the gradients of the domains agree, [Fan2024]_, algorithms 1 and 2.

    With ``g_k`` the gradient of the mean loss of domain ``k``, clipped to a norm of ``clip``, and the learning rate
    ``r`` of the step,

        ``W_k = r <g_k, sum of g_j over j != k> / mean of |g|``, held between 0 and ``5 r``,
        ``w = softmax(log w + W / mu)``,

    and the model steps on the sum of ``w_k g_k``. With a target ``W_k = r <g_k, gradient of the validation losses> /
    mean of |g|``. The mixture found is the mean of ``w`` over the steps. A domain that a batch does not hold keeps its
    weight: the others share anew what they have together.

    Attributes:
        mu: How slowly the weights move.
        clip: Largest norm of a domain's gradient.
        bound: Largest ``W``, in learning rates.
        target: Whether the validation sets of the study are the target; without, the domains are it themselves.
    """

    mu: float = 0.05
    clip: float = 5.0
    bound: float = 5.0
    target: bool = False

    @property
    def needs(self) -> Collection[str]:
        """Inner products of the domains' gradients, and those with the target's."""
        return ("gradients", "target") if self.target else ("gradients",)

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        named = {"mu": self.mu, "clip": self.clip, "bound": self.bound}
        return [
            Fault(name, f"expected a positive number, found {value:g}")
            for name, value in named.items()
            if not 0.0 < value < np.inf
        ]

    def init(self, weights: Array, *, steps: int) -> DoGEState:
        """The state before the first of ``steps`` steps, ``K`` weights being those that the run starts with."""
        course = Course.starting_at(weights)
        return DoGEState(course.weights, course, np.ones_like(course.weights))

    def update(self, state: DoGEState, signal: Signal) -> DoGEState:
        """The state after a batch has told how the gradients of its domains agree."""
        there = signal.shares > 0.0
        raw = present(signal.gradients, signal.shares, "the squared norm of the gradient")
        norms = np.sqrt(np.diag(raw))
        clipping = self.clip / np.maximum(norms, self.clip)
        score = self._score(raw, clipping, signal, mean_norm=float((clipping * norms)[there].mean()))
        weights = state.course.weights.copy()
        held = there & (weights > 0.0)
        if held.any():
            weights[held] = weights[held].sum() * softmax(log(weights[held]) + score[held] / self.mu)
        return DoGEState(state.sampling, state.course.then(weights), np.where(there, clipping, 0.0))

    def _score(self, raw: Array, clipping: Array, signal: Signal, *, mean_norm: float) -> Array:
        """``K`` scores ``W``.

        Args:
            raw: ``K x K`` inner products of the gradients before they are clipped.
            clipping: ``K`` factors that clip them.
            signal: The learning rate, and the target where there is one.
            mean_norm: Mean norm of the clipped gradients of the domains in the batch.
        """
        if mean_norm == 0.0:
            return np.zeros_like(clipping)
        if self.target:
            agreement = clipping * present(signal.target, signal.shares, "the gradient's product with the target's")
        else:
            products = np.outer(clipping, clipping) * raw
            agreement = products.sum(axis=1) - np.diag(products)
        return np.clip(signal.rate * agreement / mean_norm, 0.0, self.bound * signal.rate)

    def sampling(self, state: DoGEState) -> Array:
        """``K`` shares of the sequences, the same at every step."""
        return state.sampling

    def loss_weights(self, state: DoGEState, shares: Array) -> Array:
        """``K`` factors of the mean losses: the weights, times what clips the domain's gradient."""
        return np.asarray(state.course.weights * state.clipping * (shares > 0.0))

    def weights(self, state: DoGEState) -> Array:
        """``K`` weights as they are now."""
        return state.course.weights

    def mixture(self, state: DoGEState) -> Array:
        """``K`` means of the weights over the steps."""
        return state.course.mean
