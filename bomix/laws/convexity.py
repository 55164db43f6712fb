"""Where the weighted sum of fitted laws is convex, so that its minimum over mixtures can be named for sure.

A sum is convex where each of its terms is. With ``f_j`` the coefficient of metric ``j`` times the sign of its unit:

=================  ====================================================================================
exponential        convex for ``f_j >= 0``: the exponential of a linear function
own_exponential    the same
log_linear         the same
bimix              ``(w + floor)^-alpha``: convex for ``f_j >= 0`` with ``alpha >= 0`` or ``alpha <= -1``, and for
                   ``f_j <= 0`` with ``-1 <= alpha <= 0``
effective_power    convex for ``f_j >= 0``: a falling power of a linear function
additive           ``W (w + floor)^a``, ``0 < a < 1``: convex where ``f_j W_ji <= 0``, that is where every domain that
                   counts helps
autoscale          convex for ``f_j >= 0``: falling powers of linear functions
epochs             convex for ``f_j >= 0``: the exponential of a convex function, for ``kappa < 1``
log_epochs         not known: the square of a logarithm bends down where text is read very often
=================  ====================================================================================

A loss whose coefficient is positive has ``f_j >= 0``, unless its law was fitted to its negative
(see :attr:`bomix.laws.law.Law.mirrored`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.laws.fit import FittedLaw


def is_convex(fitted: FittedLaw, coefficients: Sequence[float], d: int) -> bool:
    """Whether a weighted sum of metrics is convex on the simplex, as far as the signs of its terms tell.

    False where a term is not known to be convex, though the sum may be.

    Args:
        fitted: A law without leading dimensions.
        coefficients: ``m`` factors of the metrics in their own units.
        d: Number of domains.
    """
    factors = fitted.unit * fitted.unit.new_tensor(coefficients)
    curvature = _CURVATURES.get(fitted.law.name, _convex)(fitted.parameters(d))
    return bool((factors.reshape(-1, *[1] * (curvature.ndim - 1)) * curvature >= 0.0).all())


def _convex(natural: Mapping[str, Tensor]) -> Tensor:
    """The sign 1: the law is convex, whatever its parameters."""
    return torch.ones(1, dtype=torch.float64)


def _bimix(natural: Mapping[str, Tensor]) -> Tensor:
    """``m`` signs of ``alpha (alpha + 1)``, that of the second derivative of ``(w + floor)^-alpha``."""
    return torch.sign(natural["alpha"] * (natural["alpha"] + 1.0))


def _additive(natural: Mapping[str, Tensor]) -> Tensor:
    """``m x d`` signs of ``-W``, that of the second derivative of ``W (w + floor)^a`` for ``0 < a < 1``."""
    return -torch.sign(natural["W"])


def _unknown(natural: Mapping[str, Tensor]) -> Tensor:
    """Both signs: no sum with such a law is known to be convex."""
    return torch.tensor([[1.0, -1.0]], dtype=torch.float64)


_CURVATURES: Mapping[str, Callable[[Mapping[str, Tensor]], Tensor]] = {
    "bimix": _bimix,
    "additive": _additive,
    "log_epochs": _unknown,
}
"""Name of a law to the signs of its second derivatives, ``m`` or ``m x d``; a law that is not listed is convex."""
