"""Acquisition functions that score a mixture by what its trial tells about the best mixture.

References:
    [Frazier2009] The knowledge-gradient policy for correlated normal beliefs.
    [Wang2017] Max-value entropy search for efficient Bayesian optimization.
    [Moss2021] GIBBON: general-purpose information-based Bayesian optimisation.
    [Thompson1933] On the likelihood that one unknown probability exceeds another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bomix.contracts.acquisition import refuse_unserved
from bomix.errors import count_faults

if TYPE_CHECKING:
    from botorch.acquisition.acquisition import AcquisitionFunction
    from botorch.models.model import Model
    from torch import Tensor

    from bomix.contracts.acquisition import Aggregate
    from bomix.errors import Fault


@dataclass(frozen=True)
class Thompson:
    """One draw from the posterior; its minimiser among some mixtures is tried.

    Joint: the function is called once, on all mixtures that compete. Asks of one study draw different functions, so
    that all that pending trials need is not to be repeated.

    Attributes:
        pool: Mixtures that are drawn jointly: those whose objective may be lowest.
    """

    pool: int = 192

    origin: ClassVar[str] = "thompson"
    needs_gradients: ClassVar[bool] = False
    needs_fantasies: ClassVar[bool] = False
    joint: ClassVar[bool] = True

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return count_faults(1, pool=self.pool)

    def build(
        self, model: Model, aggregate: Aggregate, *, X_observed: Tensor, X_pending: Tensor | None, seed: int
    ) -> AcquisitionFunction:
        """One draw of the objective, negated, to be called once on all competing mixtures; ``seed`` decides the draw.

        Raises:
            ConfigError: The objective is a trade-off.
        """
        from bomix.acquisition.functions import JointDraw

        refuse_unserved(self, aggregate)
        return JointDraw(model, aggregate, pool=self.pool, seed=seed)


@dataclass(frozen=True)
class KnowledgeGradient:
    """How much lower the lowest posterior mean is expected to be after the trial [Frazier2009]_; its logarithm.

    The mean is minimised over mixtures that may be the best and the candidate itself. Objectives that are no
    weighted sums are taken as the Gaussian with their moments.

    Attributes:
        support: Mixtures that may be the best.
        nodes: Gauss-Hermite nodes of what the trial will show.
        outcomes: Draws of what pending trials will show before.
    """

    support: int = 24
    nodes: int = 32
    outcomes: int = 8

    origin: ClassVar[str] = "knowledge_gradient"
    needs_gradients: ClassVar[bool] = True
    needs_fantasies: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return count_faults(1, support=self.support, nodes=self.nodes, outcomes=self.outcomes)

    def build(
        self, model: Model, aggregate: Aggregate, *, X_observed: Tensor, X_pending: Tensor | None, seed: int
    ) -> AcquisitionFunction:
        """The log of the expected fall of the lowest posterior mean, taken over mixtures that may be the best.

        The ``p x d`` pending mixtures count as observed before, with ``outcomes`` draws of what they show.

        Raises:
            ConfigError: The objective is a trade-off.
        """
        from bomix.acquisition.contenders import support
        from bomix.acquisition.functions import Knowledge

        refuse_unserved(self, aggregate)
        at = support(model, aggregate, X_observed, self.support, seed=seed)
        return Knowledge(model, aggregate, at, pending=X_pending, nodes=self.nodes, outcomes=self.outcomes, seed=seed)


@dataclass(frozen=True)
class MaxValueEntropy:
    """How much the trial tells about the value of the minimum [Wang2017]_, by the lower bound of [Moss2021]_.

    The noise of a run is part of it. Pending trials count by what they will show: each draw of the minimum comes with
    the pending observations that belong to it.

    Attributes:
        minima: Draws of the minimum.
        support: Mixtures over which it is drawn: those whose objective may be lowest.
    """

    minima: int = 32
    support: int = 64

    origin: ClassVar[str] = "max_value_entropy"
    needs_gradients: ClassVar[bool] = True
    needs_fantasies: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return count_faults(1, minima=self.minima, support=self.support)

    def build(
        self, model: Model, aggregate: Aggregate, *, X_observed: Tensor, X_pending: Tensor | None, seed: int
    ) -> AcquisitionFunction:
        """The log of a lower bound of the information about the minimum, over draws of it that ``seed`` fixes.

        The ``p x d`` pending mixtures count as observed before.

        Raises:
            ConfigError: The objective is a trade-off.
        """
        from bomix.acquisition.contenders import support
        from bomix.acquisition.functions import MinimumEntropy

        refuse_unserved(self, aggregate)
        at = support(model, aggregate, X_observed, self.support, seed=seed)
        return MinimumEntropy(model, aggregate, at, pending=X_pending, minima=self.minima, seed=seed)
