"""An acquisition: how much a trial of a mixture promises.

Write a frozen dataclass with a class variable ``origin`` and :meth:`Acquisition.build`, which returns a BoTorch
acquisition function. It is given a model of all metrics and the objective on top of it, an :class:`Aggregate`, which
stands between what users see (metrics as they are reported, less of the objective is better) and what BoTorch
maximises. What else bomix makes use of stands in :class:`AcquisitionTraits`.

>>> from dataclasses import dataclass
>>> from typing import ClassVar
>>> @dataclass(frozen=True)
... class Improving:
...     '''The probability that a mixture is better than the best one tried.'''
...     origin: ClassVar[str] = "improving"
...     needs_gradients: ClassVar[bool] = True
...     def build(self, model, aggregate, *, X_observed, X_pending, seed):
...         refuse_unserved(self, aggregate)  # trade-offs, unless a trait says that it serves them
...         from botorch.acquisition.analytic import ProbabilityOfImprovement
...         best = -aggregate.mean(model, X_observed).min()
...         return ProbabilityOfImprovement(model, best, posterior_transform=aggregate.negated())
>>> isinstance(Improving(), Acquisition)
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.traits import ComponentTraits, traits
from bomix.errors import ConfigError, Fault

if TYPE_CHECKING:
    from botorch.acquisition.acquisition import AcquisitionFunction
    from botorch.acquisition.objective import MCAcquisitionObjective, PosteriorTransform
    from botorch.models.model import Model
    from botorch.posteriors.gpytorch import GPyTorchPosterior
    from torch import Tensor

    from bomix.contracts.objective import Objective
    from bomix.space.mixture_space import MixtureSpace


class Aggregate(Protocol):
    """The objective as a function of a model's outputs, the metrics as they are reported; lower is better.

    Where it is a weighted sum (``coefficients``) a Gaussian belief about the metrics is one about the objective, in
    closed form; elsewhere the belief about the objective is the Gaussian with the moments of fixed quasi-random draws.
    """

    @property
    def objective(self) -> Objective:
        """What is minimised, a function of metrics of which less is better."""
        ...

    @property
    def space(self) -> MixtureSpace | None:
        """The mixtures that are allowed, where an acquisition may look for mixtures to compare with."""
        ...

    @property
    def coefficients(self) -> tuple[float, ...] | None:
        """``m`` factors of the metrics as they are reported where the objective is a weighted sum, else None."""
        ...

    @property
    def groups(self) -> Tensor | None:
        """``g x m`` weights of the metrics in each group where the objective is a trade-off, else None."""
        ...

    @property
    def projection(self) -> Tensor:
        """What of the metrics decides, ``k x m``: their one weighted sum, or every metric with its sign turned."""
        ...

    def reduce(self, projected: Tensor) -> Tensor:
        """The objective of projected metrics, ``(...) x k`` to ``(...)``; lower is better."""
        ...

    def __call__(self, Y: Tensor) -> Tensor:
        """The objective of metrics as they are reported, ``(...) x m`` to ``(...)``; lower is better."""
        ...

    def negated(self) -> PosteriorTransform:
        """Posterior of the metrics to posterior of what BoTorch maximises."""
        ...

    def negated_objective(self) -> MCAcquisitionObjective:
        """Samples of the metrics to samples of what BoTorch maximises."""
        ...

    def posterior(self, model: Model, X: Tensor, *, noise: bool = False) -> GPyTorchPosterior:
        """Belief about the objective at ``batch x q x d`` mixtures, ``batch x q x 1``, jointly over ``q``."""
        ...

    def mean(self, model: Model, X: Tensor) -> Tensor:
        """Posterior mean of the objective at ``n x d`` mixtures, ``n``; lower is better. Without gradients."""
        ...

    def spread(self, model: Model, X: Tensor, *, noise: bool = False) -> tuple[Tensor, Tensor]:
        """Posterior mean and variance of the objective at ``n x d`` mixtures, each ``n``, mixture by mixture."""
        ...

    def noise(self, model: Model, X: Tensor) -> Tensor:
        """Variance that the noise of a run adds to the objective at ``n x d`` mixtures, ``n``."""
        ...


@runtime_checkable
class Acquisition(Protocol):
    """How much a trial of a mixture promises. Candidates are named after ``origin``, as a rule the kind."""

    origin: ClassVar[str]

    def build(
        self, model: Model, aggregate: Aggregate, *, X_observed: Tensor, X_pending: Tensor | None, seed: int
    ) -> AcquisitionFunction:
        """Build the function that a strategy maximises over the space.

        Args:
            model: A model of all metrics, as a surrogate returns it.
            aggregate: The objective as a function of the model's outputs.
            X_observed: ``n x d`` completed mixtures, ``n > 0``.
            X_pending: ``p x d`` mixtures that are being tried and need no second trial, or None.
            seed: Decides every random number in the function.

        Returns:
            A function of ``batch x 1 x d`` mixtures; higher is better.

        Raises:
            ConfigError: It does not serve the objective, see :func:`refuse_unserved`.
        """
        ...


@dataclass(frozen=True)
class AcquisitionTraits(ComponentTraits):
    """What an acquisition may have beyond :class:`Acquisition`, and what bomix assumes where it does not.

    Attributes:
        needs_gradients: Whether the surrogate must declare ``differentiable``; a strategy refuses one that does not.
        needs_fantasies: Whether the surrogate must declare ``fantasizes``; likewise.
        joint: Whether its function gives the values of one random function: a strategy then calls it once, on all
            ``N x 1 x d`` mixtures that compete, takes the highest of the ``N``, and never asks for a gradient.
        of_fronts: Whether it serves objectives that are trade-offs, and no others.
        also_fronts: Whether it serves objectives that are trade-offs as well as those that are not.
    """

    contract: ClassVar[type | None] = Acquisition

    needs_gradients: bool = False
    needs_fantasies: bool = False
    joint: bool = False
    of_fronts: bool = False
    also_fronts: bool = False

    def serves(self, *, trade_off: bool) -> bool:
        """Whether it serves objectives that are trade-offs, or those that are not."""
        return self.also_fronts or self.of_fronts == trade_off


def objective_faults(acquisition: Acquisition, objective: Objective) -> list[Fault]:
    """The fault of an acquisition function that does not serve an objective: some serve trade-offs only, some none."""
    trade_off = traits(objective, ObjectiveTraits).is_trade_off
    serves = traits(acquisition, AcquisitionTraits).serves(trade_off=trade_off)
    return [] if serves else [Fault("acquisition", _refusal(acquisition, objective))]


def refuse_unserved(acquisition: Acquisition, aggregate: Aggregate) -> None:
    """Refuse an objective that an acquisition does not serve; the first line of :meth:`Acquisition.build`.

    Args:
        acquisition: The acquisition, whose traits ``of_fronts`` and ``also_fronts`` say what it serves.
        aggregate: The objective that it is to be built for.

    Raises:
        ConfigError: The objective is a trade-off and the acquisition serves none, or it is the other way round.
    """
    if not traits(acquisition, AcquisitionTraits).serves(trade_off=aggregate.groups is not None):
        raise ConfigError(_refusal(acquisition, aggregate.objective))


def _refusal(acquisition: Acquisition, objective: Objective) -> str:
    name, kind = acquisition.origin, type(objective).__name__
    if traits(acquisition, AcquisitionTraits).of_fronts:
        return f"'{name}' is for trade-offs, and {kind} is none; use 'log_ei', or the objective 'pareto'"
    return f"'{name}' knows one objective, and {kind} is a trade-off of several; use 'hypervolume' or 'log_ei'"
