"""A surrogate: a model of every metric as a function of the mixture.

Write a frozen dataclass with :meth:`Surrogate.fit`; its fields are its keys in the study file, where it is named
``kind: my_package.my_module:Smooth``. What else bomix makes use of stands in :class:`SurrogateTraits`, and what the
model that is returned may have beyond a BoTorch model in :class:`ModelTraits`. Any BoTorch model will do that is
defined whatever the trials: none, one, and trials that lack a metric. Most of BoTorch's own are not, and know metrics
one by one; a :class:`~bomix.surrogates.models.joint.JointModel` needs its moments alone. It imports torch, so it has a
module of its own that ``fit`` imports: reading a study file stays cheap.

>>> import torch
>>> from bomix.surrogates.models.joint import JointModel
>>> class SmoothModel(JointModel):
...     '''Each metric a process, ``k(w, v) = exp(-|w - v|^2 / (2 reach^2))`` in standard deviations of the metric.'''
...     def __init__(self, X, Y, reach, noise):
...         super().__init__()
...         self.reach, self.noise, self.learnt = reach, noise, []
...         for y in Y.mT:
...             at, y = X[~y.isnan()], y[~y.isnan()]
...             middle = y.mean() if len(y) else torch.zeros((), dtype=X.dtype)
...             unit = y.std() if len(y) > 1 and y.std() > 0.0 else torch.ones((), dtype=X.dtype)
...             inverse = torch.linalg.inv(self.kernel(at, at) + noise**2 * torch.eye(len(at), dtype=X.dtype))
...             self.learnt.append((at, inverse, (y - middle) / unit, middle, unit))
...     def kernel(self, X, Z):
...         distance = (X.unsqueeze(-2) - Z.unsqueeze(-3)) / self.reach
...         return torch.exp(-0.5 * distance.square().sum(dim=-1))
...     @property
...     def num_outputs(self):
...         return len(self.learnt)
...     @property
...     def batch_shape(self):
...         return torch.Size()
...     def moments(self, X, noise=False):
...         m, q, means, blocks = self.num_outputs, X.shape[-2], [], []
...         own = 1e-6 + (0.0 if noise is False else self.noise**2)  # a Cholesky factor exists where mixtures repeat
...         for at, inverse, y, middle, unit in self.learnt:
...             across = self.kernel(X, at)
...             means.append(middle + unit * (across @ inverse @ y))
...             covariance = self.kernel(X, X) - across @ inverse @ across.mT + own * torch.eye(q, dtype=X.dtype)
...             blocks.append(unit**2 * covariance)
...         # No metric tells of another: zero outside of the blocks.
...         whole = torch.einsum("...mqr,mn->...mqnr", torch.stack(blocks, -3), torch.eye(m, dtype=X.dtype))
...         return torch.stack(means, -1), whole.reshape(*X.shape[:-2], m * q, m * q)

>>> from dataclasses import dataclass
>>> from bomix.errors import Fault
>>> @dataclass(frozen=True)
... class Smooth:
...     '''A smooth function of the weights for each metric; ``reach`` in weights, ``noise`` relative to the metric.'''
...     reach: float = 0.7
...     noise: float = 0.1
...     def faults(self):
...         given = {"reach": self.reach, "noise": self.noise}
...         return [Fault(k, f"{k} is {v:g}; give more than 0") for k, v in given.items() if v <= 0.0]
...     def fit(self, data, *, context, seed):
...         return SmoothModel(data.X, data.Y, self.reach, self.noise)
>>> isinstance(Smooth(), Surrogate)
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
        differentiable: Whether the posterior of its models has gradients by the mixture, as those of BoTorch's models
            have; assumed unless it says that it has none. Without them, mixtures are searched by values alone, and
            acquisitions that need gradients are refused.
        fantasizes: Whether its models have BoTorch's ``fantasize``; acquisitions that need it are otherwise refused.
        across_scales: Whether it learns from runs of several scales, as ``context.scales`` tells them, and predicts at
            ``context.target``; others are given the runs of the target's scale alone.
    """

    contract: ClassVar[type | None] = Surrogate

    differentiable: bool = True
    fantasizes: bool = False
    across_scales: bool = False


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
