"""DoReMi: more weight for domains on which the model still lags behind a reference model.

References:
    [Xie2023] Xie et al., DoReMi: Optimizing Data Mixtures Speeds Up Language Model Pretraining, arXiv 2305.10429.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bomix.contracts.reweighter import Array, Signal
from bomix.errors import Fault
from bomix.training.reweighting.simplex import Course, log, present, softmax


@dataclass(frozen=True)
class DoReMiState:
    """What the rule remembers.

    Attributes:
        sampling: ``K`` shares of the sequences, those of the start.
        course: The weights so far.
        excess: ``K`` excess losses of the last batch that held the domain, nats per token; zero before the first.
    """

    sampling: Array
    course: Course
    excess: Array


@dataclass(frozen=True)
class DoReMi:
    """Group distributionally robust optimisation over domains, [Xie2023]_, algorithm 1.

    With ``e_k`` the excess loss of domain ``k`` over a reference model, each step has

        ``log w' = log w + eta e``, ``w = (1 - c) softmax(log w') + c / K``,

    and the losses of the tokens of domain ``k`` count ``w_k / s_k``, divided by the mean of that over the batch, where
    ``s`` are the shares that sequences are drawn by, those of the start. The mixture found is the mean of ``w`` over
    the steps. A domain that a batch does not hold keeps the excess loss of the last one that did.

    Attributes:
        eta: Step of the weights.
        smoothing: ``c``, the share of the uniform mixture in the weights.
    """

    eta: float = 1.0
    smoothing: float = 1e-4

    needs: ClassVar[Collection[str]] = ("excess",)

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = []
        if not 0.0 < self.eta < np.inf:
            found.append(Fault("eta", f"expected a positive number, found {self.eta:g}"))
        if not 0.0 <= self.smoothing <= 1.0:
            found.append(Fault("smoothing", f"expected a share from 0 to 1, found {self.smoothing:g}"))
        return found

    def init(self, weights: Array, *, steps: int) -> DoReMiState:
        """The state before the first of ``steps`` steps, ``K`` weights being those that the run starts with."""
        course = Course.starting_at(weights)
        return DoReMiState(course.weights, course, np.zeros_like(course.weights))

    def update(self, state: DoReMiState, signal: Signal) -> DoReMiState:
        """The state after a batch has told the excess losses of its domains."""
        told = present(signal.excess, signal.shares, "the excess loss")
        excess = np.where(signal.shares > 0.0, told, state.excess)
        part = state.sampling > 0.0
        moved = softmax(log(state.course.weights) + self.eta * excess)
        weights = (1.0 - self.smoothing) * moved + self.smoothing * part / part.sum()
        return DoReMiState(state.sampling, state.course.then(weights), excess)

    def sampling(self, state: DoReMiState) -> Array:
        """``K`` shares of the sequences, the same at every step."""
        return state.sampling

    def loss_weights(self, state: DoReMiState, shares: Array) -> Array:
        """``K`` factors of the mean losses of a batch of ``K`` shares of tokens; they sum to one."""
        with np.errstate(invalid="ignore"):
            factors = np.where(state.sampling > 0.0, shares * state.course.weights / state.sampling, 0.0)
        return np.asarray(factors / factors.sum())

    def weights(self, state: DoReMiState) -> Array:
        """``K`` weights as they are now."""
        return state.course.weights

    def mixture(self, state: DoReMiState) -> Array:
        """``K`` means of the weights over the steps."""
        return state.course.mean
