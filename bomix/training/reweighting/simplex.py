"""What the rules share: weights over the domains that take part, and their mean over a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bomix.contracts.reweighter import Array
from bomix.errors import EvaluationError


@dataclass(frozen=True)
class Course:
    """The weights of a run so far.

    Attributes:
        weights: ``K`` weights as they are now.
        total: ``K`` sums of the weights over the steps.
        steps: Number of steps.
    """

    weights: Array
    total: Array
    steps: int = 0

    @classmethod
    def starting_at(cls, weights: Array) -> Course:
        """The course of a run without a step; ``weights`` are the ``K`` that it starts with."""
        weights = np.array(weights, dtype=float)
        return cls(weights, np.zeros_like(weights))

    def then(self, weights: Array) -> Course:
        """The course after one more step, which had these ``K`` weights."""
        return Course(weights, self.total + weights, self.steps + 1)

    @property
    def mean(self) -> Array:
        """``K`` means of the weights over the steps; those of the start where there was none."""
        return self.total / self.steps if self.steps else self.weights


def softmax(logits: Array) -> Array:
    """``exp(logits) / sum exp(logits)`` of ``K`` numbers; minus infinity gives zero, and one of them is finite."""
    shifted = np.exp(logits - logits.max())
    return np.asarray(shifted / shifted.sum())


def log(weights: Array) -> Array:
    """Logarithms of ``K`` weights, minus infinity for those of zero."""
    with np.errstate(divide="ignore"):
        return np.log(weights)


def present(values: Array | None, shares: Array, what: str) -> Array:
    """A signal with zero for the domains that the batch does not hold.

    Args:
        values: ``K`` numbers, or ``K x K`` inner products.
        shares: ``K`` shares of the tokens of the batch.
        what: What the values are, for the message.

    Raises:
        EvaluationError: The number of a domain that the batch holds, or its product with itself, is not finite.
    """
    assert values is not None, f"the rule asks for {what}"
    held = shares > 0.0
    found = np.where(np.outer(held, held) if values.ndim == 2 else held, values, 0.0)
    own = np.diag(found) if values.ndim == 2 else found
    if (bad := np.flatnonzero(~np.isfinite(own))).size:
        k = int(bad[0])
        raise EvaluationError(
            f"{what} of domain {k + 1} of {len(own)}, in order of name, is {own[k]}; lower the learning rate "
            "(evaluator.optimization.rate), raise its warmup, or clip the gradient"
        )
    return found
