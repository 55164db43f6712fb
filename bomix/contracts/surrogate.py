"""A surrogate: a model of every metric as a function of the mixture.

Write a frozen dataclass with :meth:`Surrogate.fit`; its fields are its keys in the study file, where it is named
``kind: my_package.my_module:Flat``. What else bomix makes use of stands in :class:`SurrogateTraits`, and what the model
that is returned may have beyond a BoTorch model in :class:`ModelTraits`. Import torch inside the methods, so that
reading a study file stays cheap.

>>> from dataclasses import dataclass
>>> from typing import ClassVar
>>> from bomix.errors import Fault
>>> @dataclass(frozen=True)
... class Matern:
...     '''BoTorch's own Gaussian process on the raw weights.'''
...     nu: float = 2.5
...     differentiable: ClassVar[bool] = True
...     fantasizes: ClassVar[bool] = True
...     def faults(self):
...         return [] if self.nu in (0.5, 1.5, 2.5) else [Fault("nu", f"nu is {self.nu}; give 0.5, 1.5 or 2.5")]
...     def fit(self, data, *, context, seed):
...         from botorch.fit import fit_gpytorch_mll
...         from botorch.models import SingleTaskGP
...         from gpytorch.kernels import MaternKernel
...         from gpytorch.mlls import ExactMarginalLogLikelihood
...         kernel = MaternKernel(self.nu, ard_num_dims=len(context.domains))
...         model = SingleTaskGP(data.X, data.Y, covar_module=kernel)
...         fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
...         return model
>>> isinstance(Matern(), Surrogate)
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from bomix.contracts.traits import PartTraits

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext


@runtime_checkable
class Surrogate(Protocol):
    """A model of every metric as a function of the mixture.

    Example:
        A surrogate is a part of the strategy; here one that comes with bomix predicts a mixture.

        >>> from bomix.strategies.auto import Auto
        >>> from bomix.surrogates.regression.specs import Ridge
        >>> isinstance(Ridge(), bomix.Surrogate)
        True
        >>> study = bomix.Study(["code", "web"], ["loss"], strategy=Auto(surrogate=Ridge()))
        >>> runs = [({"code": share, "web": 1 - share}, {"loss": 3 - share}) for share in (0.1, 0.3, 0.5, 0.7)]
        >>> records = study.records.add_all(runs)
        >>> study.predict([{"code": 0.4, "web": 0.6}])["mean"].values.round(1).tolist()
        [[2.6]]
    """

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit a model to the trials.

        Args:
            data: ``X`` is ``n x d``, the mixtures, columns in the order of ``context.domains``; ``Y`` is
                ``n x m``, as reported whatever the metric's direction, NaN where a trial lacks a metric.
            context: The names behind the columns, and the space.
            seed: Decides everything random in the fit.

        Returns:
            A BoTorch model whose posterior at ``batch x q x d`` raw mixtures is ``batch x q x m``.
        """
        ...


@dataclass(frozen=True)
class SurrogateTraits(PartTraits):
    """What a surrogate may have beyond :class:`Surrogate`, and what bomix assumes where it does not.

    Attributes:
        differentiable: Whether the posterior of its models has gradients by the mixture. Without them, mixtures are
            searched by values alone, and acquisitions that need gradients are refused.
        fantasizes: Whether its models have BoTorch's ``fantasize``; acquisitions that need it are otherwise refused.
    """

    contract: ClassVar[type | None] = Surrogate

    differentiable: bool = False
    fantasizes: bool = False


@dataclass(frozen=True)
class ModelTraits:
    """What a fitted model may have beyond BoTorch's ``Model``.

    Attributes:
        leave_one_out: Each training mixture predicted from the others, where that needs no second fit: means
            ``n x m`` and covariances ``n x m x m`` in the metrics' own units, the noise of a run included, or None.
            Where it is absent the surrogate is refitted in folds.
        fitted: Posterior means ``n x m`` at the training runs, in the metrics' own units, where they are known more
            cheaply than by prediction; it may return None.
        convex: Which of ``m`` posterior means are known to be convex in the weights, as the metrics are reported. The
            minimum of a weighted sum of them is then found exactly. None where nothing is known.
    """

    leave_one_out: Callable[[], tuple[Tensor, Tensor] | None] = lambda: None
    fitted: Callable[[], Tensor | None] = lambda: None
    convex: tuple[bool, ...] | None = None
