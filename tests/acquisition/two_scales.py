"""A model of two scales with known hyperparameters, and its objective: what a run tells can be computed by hand."""

from __future__ import annotations

import torch
from torch import Tensor

from bomix.objectives.weighted import WeightedMean
from bomix.posterior.objective import ModelObjective
from bomix.scale import Scale
from bomix.surrogates.models.joint import JointModel
from bomix.surrogates.models.scales import MultiScaleModel

SMALL, LARGE = Scale(10**6, 10**8), Scale(10**7, 10**9)


def kernel(X: Tensor, Z: Tensor) -> Tensor:
    return (-0.5 * (X.unsqueeze(-2) - Z.unsqueeze(-3)).square().sum(dim=-1) / 0.3**2).exp()


class TwoScales(MultiScaleModel):
    """Metric ``j`` at the target is ``slope_j`` times that of the small scale plus a discrepancy; unconditioned."""

    target, scales = LARGE, (SMALL, LARGE)

    def __init__(self, slopes: list[float], discrepancy: float, noise: float = 0.1) -> None:
        super().__init__()
        self.slopes, self.discrepancy, self.noise = torch.tensor(slopes).double(), discrepancy, noise

    @property
    def num_outputs(self) -> int:
        return len(self.slopes)

    @property
    def batch_shape(self) -> torch.Size:
        return torch.Size()

    def _blocks(self, factors: Tensor, same: Tensor) -> Tensor:
        m, (q, p) = len(factors), same.shape[-2:]
        blocks = torch.einsum("j,jk,...qp->...jqkp", factors, torch.eye(m).double(), same)
        return blocks.reshape(*same.shape[:-2], m * q, m * p)

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        return self._moments(X, self.slopes.square() + self.discrepancy**2, noise is True)

    def _moments(self, X: Tensor, factors: Tensor, noise: bool) -> tuple[Tensor, Tensor]:
        mean = (X[..., :1] * 3.0).expand(*X.shape[:-1], len(factors))
        covariance = self._blocks(factors, kernel(X, X))
        return mean, covariance + noise * self.noise**2 * torch.eye(covariance.shape[-1]).double()

    def at(self, scale: Scale) -> JointModel:
        return self if scale == LARGE else _Small(self)

    def across(self, X: Tensor, Z: Tensor, scale: Scale) -> Tensor:
        factors = self.slopes if scale == SMALL else self.slopes.square() + self.discrepancy**2
        return self._blocks(factors, kernel(X, Z))


class _Small(JointModel):
    def __init__(self, model: TwoScales) -> None:
        super().__init__()
        self.model = model

    @property
    def num_outputs(self) -> int:
        return self.model.num_outputs

    @property
    def batch_shape(self) -> torch.Size:
        return torch.Size()

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        return self.model._moments(X, torch.ones_like(self.model.slopes), noise is True)


def weighted(*coefficients: float) -> ModelObjective:
    names = tuple(f"m{number}" for number in range(len(coefficients)))
    return ModelObjective(WeightedMean(dict(zip(names, coefficients, strict=True))), names, (1.0,) * len(names))
