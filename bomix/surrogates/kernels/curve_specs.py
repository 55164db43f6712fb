"""Kernels of sums of curves as they stand in a study file; :mod:`bomix.surrogates.kernels.curves` computes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.surrogates.kernels.specs import Shape, positive_faults

if TYPE_CHECKING:
    from bomix.contracts.covariance import Covariance, KernelContext
    from bomix.errors import Fault


@dataclass(frozen=True)
class SparseCurves:
    """``sum_i r_i rho((u(w_i) - u(v_i))^2 / l^2)`` with ``u(x) = ln(x + e)``: curves of few domains, each metric's own.

    Which domains a metric falls with need not be known: it is learnt, and where names or the study's ``own`` say it,
    they are the first guess.

    Attributes:
        shape: The function ``rho``, how correlation falls with distance.
        lengthscale: ``l``, in units of ``u``, for all domains.
        eps: ``e``, a share, for all domains.
        relevance: Median of the variance of a domain's curve.
        spread: Standard deviation of its logarithm.
        own_relevance: Median of the variance for a metric's own domain, where it is known.
    """

    shape: Shape = "matern52"
    lengthscale: float = 3.0
    eps: float = 0.03
    relevance: float = 0.005
    spread: float = 2.0
    own_relevance: float = 0.5

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return positive_faults(self, "lengthscale", "eps", "relevance", "spread", "own_relevance")

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors of its hyperparameters."""
        from bomix.numerics import pairwise
        from bomix.surrogates.kernels import curves

        return curves.SparseCurvesCovariance(
            pairwise.PROFILES[self.shape],
            context,
            lengthscale=self.lengthscale,
            eps=self.eps,
            relevance=self.relevance,
            spread=self.spread,
            own_relevance=self.own_relevance,
        )


@dataclass(frozen=True)
class CommonCurve:
    """Covariance of ``sum_i h(w_i)``, ``h`` one curve in ``ln(x + e)`` for all domains, of variance one.

    Best as one part of a sum with ``sparse_curves``, which says how domains differ.

    Attributes:
        shape: How the correlation of the curve falls with distance.
        lengthscale: Its lengthscale, in units of ``ln(x + e)``.
        eps: ``e``, a share.
    """

    shape: Shape = "matern52"
    lengthscale: float = 3.0
    eps: float = 0.03

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return positive_faults(self, "lengthscale", "eps")

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors of its hyperparameters."""
        from bomix.numerics import pairwise
        from bomix.surrogates.kernels import curves

        profile = pairwise.PROFILES[self.shape]
        return curves.CommonCurveCovariance(profile, context, lengthscale=self.lengthscale, eps=self.eps)
