"""FastMix: gradient descent on the weights, by how the gradients of the domains agree with the validation's.

References:
    [Tan2026] Tan et al., FastMix: Fast Data Mixture Optimization via Gradient Descent, arXiv 2606.14971.
    [Loshchilov2019] Loshchilov and Hutter, Decoupled Weight Decay Regularization.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bomix.contracts.reweighter import Array, Signal
from bomix.errors import Fault
from bomix.training.reweighting.simplex import log, present, softmax

_TINY = 1e-8
"""What AdamW adds to the root of the second moment: its usual value, far below that of any gradient here."""


@dataclass(frozen=True)
class FastMixState:
    """What the rule remembers.

    Attributes:
        sampling: ``K`` shares of the sequences, those of the start.
        logits: ``K`` numbers whose softmax are the weights; minus infinity for a domain that takes no part.
        first: ``K`` first moments of their gradient.
        second: ``K`` second moments.
        steps: Number of updates.
    """

    sampling: Array
    logits: Array
    first: Array
    second: Array
    steps: int = 0


@dataclass(frozen=True)
class FastMix:
    """AdamW on the logits of the weights along the gradient of the validation loss after one step, [Tan2026]_.

    Sequences are drawn by the shares ``s`` of the start, and the losses of the tokens of domain ``k`` count
    ``w_k / s_k``, with ``w = softmax(z)``. A step of rate ``r`` changes the validation loss by ``-r sum of w_k p_k``,
    where ``p_k`` is the inner product of the gradient of the validation losses with that of domain ``k``, by the output
    matrix alone. So its gradient is ``-r w_k (p_k - sum of w_j p_j)`` in ``z_k``, which AdamW [Loshchilov2019]_ follows
    every few steps. The mixture found are the final weights. A domain that a batch does not hold has a gradient of
    zero, and the sum is over the others.

    Attributes:
        rate: Learning rate of the logits.
        every: Steps of the model from one step of the logits to the next.
        weight_decay: Decoupled decay of the logits, which draws the weights to equal ones.
        beta1: Decay of the first moment.
        beta2: Decay of the second moment.
    """

    rate: float = 0.01
    every: int = 20
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.95

    needs: ClassVar[Collection[str]] = ("target",)
    output_only: ClassVar[bool] = True

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = []
        if not 0.0 < self.rate < np.inf:
            found.append(Fault("rate", f"expected a positive learning rate, found {self.rate:g}"))
        if self.every < 1:
            found.append(Fault("every", f"every is {self.every}; give at least 1"))
        for name, value in {"beta1": self.beta1, "beta2": self.beta2, "weight_decay": self.weight_decay}.items():
            if not 0.0 <= value < 1.0:
                found.append(Fault(name, f"expected 0 or more and below 1, found {value:g}"))
        return found

    def init(self, weights: Array, *, steps: int) -> FastMixState:
        """The state before the first of ``steps`` steps, ``K`` weights being those that the run starts with."""
        weights = np.array(weights, dtype=float)
        logits = log(weights)
        finite = np.isfinite(logits)
        logits[finite] -= logits[finite].mean()
        return FastMixState(weights, logits, np.zeros_like(weights), np.zeros_like(weights))

    def update(self, state: FastMixState, signal: Signal) -> FastMixState:
        """The state after a batch has told how the gradients of its domains agree with the validation's."""
        gradient = self._gradient(state, signal)
        n = state.steps + 1
        first = self.beta1 * state.first + (1.0 - self.beta1) * gradient
        second = self.beta2 * state.second + (1.0 - self.beta2) * gradient**2
        step = (first / (1.0 - self.beta1**n)) / (np.sqrt(second / (1.0 - self.beta2**n)) + _TINY)
        logits = (1.0 - self.rate * self.weight_decay) * state.logits - self.rate * step
        return FastMixState(state.sampling, logits, first, second, n)

    def _gradient(self, state: FastMixState, signal: Signal) -> Array:
        """``K`` derivatives of the validation loss after one step by the logits."""
        weights = self.weights(state)
        held = (signal.shares > 0.0) & (weights > 0.0)
        slopes = -signal.rate * present(signal.target, signal.shares, "the gradient's product with the validation's")
        mass = weights[held].sum()
        mean = (weights[held] * slopes[held]).sum() / mass if mass > 0.0 else 0.0
        return np.where(held, weights * (slopes - mean), 0.0)

    def sampling(self, state: FastMixState) -> Array:
        """``K`` shares of the sequences, the same at every step."""
        return state.sampling

    def loss_weights(self, state: FastMixState, shares: Array) -> Array:
        """``K`` factors of the mean losses of a batch of ``K`` shares of tokens; they sum to one on average."""
        with np.errstate(invalid="ignore"):
            return np.where(state.sampling > 0.0, shares * self.weights(state) / state.sampling, 0.0)

    def weights(self, state: FastMixState) -> Array:
        """``K`` weights as they are now."""
        return softmax(state.logits)

    def mixture(self, state: FastMixState) -> Array:
        """``K`` final weights."""
        return softmax(state.logits)
