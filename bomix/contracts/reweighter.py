"""A reweighter: a rule that moves the weights of the domains while one model is trained on them.

Write a frozen dataclass with the six methods of :class:`Reweighter`. A rule is pure: what it remembers is the state
that it returns, and nothing of it knows a model. What it is told after each step stands in :class:`Signal`, and what of
that it asks for, and how often, in :class:`ReweighterTraits`. Everywhere ``K`` domains stand in the order of their
names. A domain whose weight is zero at the start takes no part: its weight stays zero, and ``K`` in a rule's formula
counts the others.

>>> from dataclasses import dataclass
>>> import numpy as np
>>> @dataclass(frozen=True)
... class Hardest:
...     '''A share of each batch goes to the domain with the highest loss so far.'''
...     share: float = 0.5
...     def init(self, weights, *, steps):
...         return weights, weights
...     def update(self, state, signal):
...         start, _ = state
...         worst = np.where(signal.shares > 0.0, signal.losses, -np.inf).argmax()
...         return start, (1.0 - self.share) * start + self.share * np.eye(len(start))[worst]
...     def sampling(self, state):
...         return state[1]
...     def loss_weights(self, state, shares):
...         return shares
...     def weights(self, state):
...         return state[1]
...     def mixture(self, state):
...         return state[1]
>>> rule, even = Hardest(), np.full(2, 0.5)
>>> state = rule.update(rule.init(even, steps=10), Signal(shares=even, losses=np.array([3.0, 2.0])))
>>> rule.sampling(state)
array([0.75, 0.25])
>>> isinstance(rule, Reweighter)
True
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bomix.contracts.traits import ComponentTraits

Array: TypeAlias = NDArray[np.float64]

Need = Literal["excess", "gradients", "target"]
"""What of a :class:`Signal` costs something to find out, by the name of its field."""


@dataclass(frozen=True)
class Signal:
    """What one training step tells a rule, before the step is taken; None stands for what the rule did not ask for.

    An entry of a domain that the batch does not hold (its share is zero) is of no account, NaN as a rule.

    Attributes:
        shares: ``K`` shares of the tokens of the batch.
        losses: ``K`` mean training losses, nats per token.
        excess: ``K`` means of ``max(loss - loss of the reference model, 0)`` over a domain's tokens, nats per token.
        gradients: ``K x K`` inner products of the gradients of the domains' losses with each other.
        target: ``K`` inner products of the gradients of the domains' losses with that of the validation losses.
        rate: Learning rate of the step.
    """

    shares: Array
    losses: Array
    excess: Array | None = None
    gradients: Array | None = None
    target: Array | None = None
    rate: float = 0.0


@runtime_checkable
class Reweighter(Protocol):
    """Moves the weights of ``K`` domains while a model is trained; a pure function of its arguments.

    In each step sequences are drawn by :meth:`sampling`, :meth:`update` hears what the batch tells, and the model steps
    on the sum of the domains' mean losses, each times its entry of :meth:`loss_weights`.
    """

    def init(self, weights: Array, *, steps: int) -> Any:
        """The state before the first step.

        Args:
            weights: ``K`` weights of the mixture that the run starts with, a sum of one.
            steps: Training steps of the run.
        """
        ...

    def update(self, state: Any, signal: Signal) -> Any:
        """The state after a step has told something.

        Raises:
            EvaluationError: A value that the rule reads is not finite.
        """
        ...

    def sampling(self, state: Any) -> Array:
        """``K`` shares of the sequences of the next batch, a sum of one."""
        ...

    def loss_weights(self, state: Any, shares: Array) -> Array:
        """``K`` factors of the domains' mean losses in the loss of the step.

        Args:
            state: The state after the step's own update.
            shares: ``K`` shares of the tokens of the batch; they are the factors of a run that is not reweighted.
        """
        ...

    def weights(self, state: Any) -> Array:
        """``K`` weights as they are now, a sum of one."""
        ...

    def mixture(self, state: Any) -> Array:
        """``K`` weights of the mixture that the run has found so far, a sum of one."""
        ...


@dataclass(frozen=True)
class ReweighterTraits(ComponentTraits):
    """What a rule may have beyond :class:`Reweighter`, and what bomix assumes where it does not.

    Attributes:
        needs: What it reads of a :class:`Signal` beside shares, losses and rate. ``excess`` asks for a reference model.
        every: After how many steps it is told something, each time anew.
        output_only: Whether gradients are those of the output matrix alone, which cost little.
    """

    contract: ClassVar[type | None] = Reweighter

    needs: Collection[str] = ()
    every: int = 1
    output_only: bool = False
