"""What a mixing law is: a formula with unconstrained parameters, for fits, priors and samples.

A law knows metrics by column: :func:`own_domains` finds which domain is a metric's own. The laws themselves stand in
:mod:`bomix.laws.forms`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from bomix.errors import raise_faults
from bomix.laws.own_domain import own_faults

if TYPE_CHECKING:
    from torch import Tensor

NO_DOMAIN = -1
"""Own domain of a metric that has none."""


def own_weights(weights: Tensor, own: Tensor) -> Tensor:
    """Weight of each metric's own domain; one where it has none, which makes an own-weight law a constant.

    Args:
        weights: ``(...) x n x d``.
        own: ``m`` columns, :data:`NO_DOMAIN` where there is none.

    Returns:
        ``(...) x n x m``.
    """
    return torch.where(own >= 0, weights[..., own.clamp_min(0)], 1.0)


def own_domains(domains: Sequence[str], metrics: Sequence[str], mapping: Mapping[str, str] | None = None) -> Tensor:
    """Column of each metric's own domain.

    Args:
        domains: Names of the columns of the weights.
        metrics: ``m`` names.
        mapping: Metric to domain, where the names differ; a metric that is not in it has the domain of its name.

    Returns:
        ``m`` columns, :data:`NO_DOMAIN` for a metric that has none.

    Raises:
        FaultsError: The mapping names a metric or a domain that is not there.
    """
    faults = own_faults(mapping, domains, metrics)
    raise_faults(faults, "the own domains of the metrics cannot be found")
    mapping, column = mapping or {}, {name: index for index, name in enumerate(domains)}
    return torch.tensor([column.get(mapping.get(name, name), NO_DOMAIN) for name in metrics], dtype=torch.long)


class Parameter(NamedTuple):
    """One parameter of a law, on the unconstrained scale, for metrics in the units of :meth:`Law.units`.

    Attributes:
        transform: Natural value of an unconstrained ``x``: ``x`` itself, ``exp(x)``, or ``1 / (1 + exp(-x))``.
        centre: Mean of its Gaussian prior.
        spread: Standard deviation of that prior.
        per_domain: Whether there is one for each domain.
        own_shift: Added to the centre in the column of the metric's own domain.
        slope: How starts follow the metric's linear slope in a weight, in spreads; its sign is that of the relation.
    """

    transform: Literal["identity", "exp", "sigmoid"]
    centre: float
    spread: float
    per_domain: bool = False
    own_shift: float = 0.0
    slope: float = 0.0


Formula = Callable[["Tensor", "Tensor", Mapping[str, "Tensor"]], "Tensor"]
Params = Mapping[str, "Tensor"]
_TRANSFORMS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "exp": torch.exp,
    "sigmoid": torch.sigmoid,
}


@dataclass(frozen=True)
class Law:
    """A formula with unconstrained parameters: a mapping from name to ``(...) x m``, or ``(...) x m x d``.

    Attributes:
        name: Key in :data:`bomix.laws.forms.LAWS`.
        parameters: The parameters in the order of :meth:`flat`.
        formula: ``(weights, own weights, natural parameters) -> (...) x n x m``.
        level: The parameter that is added to everything else, if there is one. Its unconstrained value is the
            law's value at the uniform mixture, of which every run tells; the natural value may lie far outside them.
        mirrored: Whether the formula has one curvature only, so that a metric of the opposite curvature, an accuracy
            say, is fitted by the law of its negative.
    """

    name: str
    parameters: Mapping[str, Parameter]
    formula: Formula
    level: str | None = None
    mirrored: bool = False

    def __call__(self, weights: Tensor, params: Params, own: Tensor) -> Tensor:
        """The law's values.

        Args:
            weights: ``(...) x n x d``.
            params: Unconstrained parameters; leading dimensions broadcast with those of the weights.
            own: ``m`` columns from :func:`own_domains`.

        Returns:
            ``(...) x n x m``, in the units of :meth:`units`.
        """
        natural = self.natural(params, own, weights.shape[-1])
        return self.formula(weights, own_weights(weights, own), natural)

    def bound(self, passes: Sequence[float]) -> Law:
        """The law of domains with these passes over their text, ``d`` or none; itself where it knows no epochs."""
        return self

    def jacobian(self, weights: Tensor, flat: Tensor, own: Tensor) -> Tensor | None:
        """Derivatives ``n x m x p`` in ``m x p`` unconstrained parameters, of the law at ``n x d`` weights.

        None where the law has no closed form of them: they are then found by automatic differentiation.
        """
        return None

    def natural(self, params: Params, own: Tensor, d: int) -> dict[str, Tensor]:
        """The parameters as they stand in the formula."""
        values = self.transformed(params)
        if self.level is not None:
            some = values[self.level]
            uniform = some.new_full((1, d), 1.0 / d)
            rest = self.formula(uniform, own_weights(uniform, own), {**values, self.level: torch.zeros_like(some)})
            values[self.level] = some - rest.squeeze(-2)
        return values

    def transformed(self, params: Params) -> dict[str, Tensor]:
        """The same, the level still that at the uniform mixture."""
        return {name: _TRANSFORMS[kind.transform](params[name]) for name, kind in self.parameters.items()}

    def units(self, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Origin and unit of each metric in which the priors hold: the law stands for ``(Y - origin) / unit``.

        With a free level the unit is a standard deviation and the origin the mean; without, the unit is the mean
        (its sign included) and the origin zero, as the law's own zero must stay where it is.

        Args:
            Y: ``n x m``, NaN where missing.

        Returns:
            ``m`` origins and ``m`` units, none of them zero.
        """
        seen = ~Y.isnan()
        count = seen.sum(dim=0)
        mean = Y.nan_to_num(0.0).sum(dim=0) / count.clamp_min(1)
        squares = (Y - mean).square().nan_to_num(0.0).sum(dim=0)
        sd = (squares / (count - 1).clamp_min(1)).sqrt()
        sd = sd.where(sd > 1e-9 * mean.abs().clamp_min(1.0), 1.0)
        if self.level is not None:
            return mean, sd
        return torch.zeros_like(mean), mean.where(mean.abs() > 0.1 * sd, sd).where(count > 0, 1.0)

    def size(self, d: int) -> int:
        """Number of parameters of one metric, ``p``."""
        return sum(d if kind.per_domain else 1 for kind in self.parameters.values())

    def prior(self, d: int, own: Tensor) -> tuple[Tensor, Tensor]:
        """Centre and spread of independent Gaussians on the flat unconstrained parameters, both ``m x p``."""
        m = len(own)
        column = torch.arange(d) == own.unsqueeze(-1)
        centres, spreads = {}, {}
        for name, kind in self.parameters.items():
            shape = (m, d) if kind.per_domain else (m,)
            centre = torch.full(shape, kind.centre, dtype=torch.float64)
            centres[name] = centre + kind.own_shift * column if kind.per_domain else centre
            spreads[name] = torch.full(shape, kind.spread, dtype=torch.float64)
        return self.flat(centres), self.flat(spreads)

    def flat(self, params: Params) -> Tensor:
        """Parameters as one vector per metric, ``(...) x m x p``."""
        parts = [params[name] if kind.per_domain else params[name][..., None] for name, kind in self.parameters.items()]
        return torch.cat(parts, dim=-1)

    def unflat(self, flat: Tensor, d: int) -> dict[str, Tensor]:
        """The inverse of :meth:`flat`."""
        found, start = {}, 0
        for name, kind in self.parameters.items():
            width = d if kind.per_domain else 1
            part = flat[..., start : start + width]
            found[name] = part if kind.per_domain else part.squeeze(-1)
            start += width
        return found

    def init(
        self, d: int, m: int, *, seed: int, starts: int = 1, own: Tensor | None = None, slopes: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Unconstrained parameters at which fits start.

        The first is the prior's centre, the others differ from it in scalars drawn with the seed. Domains differ
        only by their slopes and by being a metric's own, so that permuting the domains permutes the starts.

        Args:
            d: Number of domains.
            m: Number of metrics.
            seed: Seed of the scalars.
            starts: Number of starts, ``s``.
            own: ``m`` columns from :func:`own_domains`; no own domains by default.
            slopes: ``m x d`` slopes of the metrics in the weights, in any unit.

        Returns:
            Unconstrained parameters with a leading dimension ``s``.
        """
        generator = torch.Generator().manual_seed(seed)
        own = torch.full((m,), NO_DOMAIN) if own is None else own
        slopes = torch.zeros(m, d, dtype=torch.float64) if slopes is None else slopes
        slopes = slopes / slopes.abs().amax(dim=-1, keepdim=True).clamp_min(1e-12)
        centre = self.unflat(self.prior(d, own)[0], d)
        found = {}
        for name, kind in self.parameters.items():
            draws = torch.randn(starts, 2, generator=generator, dtype=torch.float64)
            draws[0] = torch.tensor([0.0, 1.0])
            shift, stretch = kind.spread * 0.5 * draws[:, 0], kind.spread * kind.slope * draws[:, 1].abs()
            start = centre[name] + shift.reshape(-1, *[1] * centre[name].ndim)
            found[name] = start + stretch[:, None, None] * slopes if kind.per_domain else start
        return found
