"""Encodings of weights that kernels work on, and the typical distance of two encoded mixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import torch
from botorch.models.transforms.input import InputTransform

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.space.mixture_space import MixtureSpace


def distance(encoded: Tensor) -> float:
    """Root mean square distance of two points of an ``r x d`` sample: ``sqrt(2 sum_i var_i)``, at least 0.01."""
    # A space that is a single point has no distance; any scale will do there.
    return max(float((2.0 * encoded.var(dim=0, unbiased=True).sum()).sqrt()), LEAST_DISTANCE)


LEAST_DISTANCE = 0.01
"""Typical distance of a space that is a single point, or hardly more: any scale will do there but zero."""


EncodingName = Literal["sqrt", "log", "power", "raw"]


ENCODINGS: tuple[str, ...] = get_args(EncodingName)


DEFAULT_EPS = {"sqrt": 1e-4, "log": 1e-3, "power": 1e-4, "raw": 0.0}
"""Offsets below any weight that makes a difference, and large enough for finite gradients; a logarithm, which has no
bound at zero, needs the largest."""


_SPREAD_SAMPLES = 256
"""Mixtures that give the typical distance of two of the space: to a twentieth, which no prior is as narrow as."""


class Encoding(InputTransform):
    """``sqrt(w + eps)``, ``log(w + eps)``, ``(w + eps)^power``, or the weights themselves.

    Args:
        name: ``sqrt``, ``log``, ``power`` or ``raw``.
        eps: The offset, a share; None takes the default of the encoding.
        power: Exponent of the encoding ``power``.
    """

    def __init__(self, name: EncodingName = "sqrt", eps: float | None = None, power: float = 0.25) -> None:
        super().__init__()
        self.name = name
        self.power = 0.5 if name == "sqrt" else power
        self.eps = DEFAULT_EPS[name] if eps is None else eps
        self.transform_on_train = True
        self.transform_on_eval = True
        self.transform_on_fantasize = True

    def transform(self, X: Tensor) -> Tensor:
        """Encode weights.

        Args:
            X: ``batch x n x d`` weights; rounding below zero is cut off.

        Returns:
            ``batch x n x d`` encoded weights.
        """
        return encode(X, self.name, self.eps, self.power)

    def untransform(self, X: Tensor) -> Tensor:
        """The weights of encoded ones, ``batch x n x d`` each: the inverse of :meth:`transform`."""
        if self.name == "raw":
            return X
        return (X.exp() if self.name == "log" else X ** (1.0 / self.power)) - self.eps

    def equals(self, other: InputTransform) -> bool:
        """Whether the two encode in the same way."""
        return isinstance(other, Encoding) and (self.name, self.eps, self.power) == (
            other.name,
            other.eps,
            other.power,
        )


def encode(X: Tensor, name: EncodingName, eps: float | Tensor, power: float | Tensor) -> Tensor:
    """Encode weights with an offset and a power that may differ between processes.

    Args:
        X: ``batch x n x d`` weights; rounding below zero is cut off.
        name: ``sqrt``, ``log``, ``power`` or ``raw``.
        eps: The offset; a tensor broadcasts with ``X``.
        power: The exponent of every encoding but ``raw`` and ``log``; a tensor broadcasts with ``X``.

    Returns:
        Encoded weights, of the shape to which offset, power and ``X`` broadcast.
    """
    if name == "raw":
        return X
    shifted = X.clamp_min(0.0) + eps
    return shifted.log() if name == "log" else shifted**power


def typical_distance(encoding: Encoding, space: MixtureSpace) -> float:
    """Root mean square distance of two uniform points of the space, in encoded coordinates."""
    points = torch.as_tensor(space.sobol(_SPREAD_SAMPLES, seed=0), dtype=torch.float64)
    return distance(encoding.transform(points))
