"""A law in epochs: what a domain gives is used up as its text is read again, and reading it very often does harm.

With ``E_i = passes_i w_i`` the epochs of domain ``i``,

    ``f_j(w) = floor_j + exp(c_j - sum_i alpha_ji b(E_i) + sum_i beta_ji h(E_i))``, ``alpha, beta >= 0``,

where ``b(E) = 1 - exp(-(rho E)^kappa)`` is the benefit and ``h`` the harm: the convex
``softplus((E - (e^tau - 1)) / e^tau)``, or the square ``softplus(log(1 + E) - tau)^2``; ``rho``, ``kappa`` and ``tau``
are a metric's, shared by its domains. ``rho`` is one over the epochs that use up all but a third of a benefit,
``e^tau - 1`` the epochs from which on a domain does harm. ``kappa`` lies between 0 and 1, so that the first tokens of
a domain are worth most: ``-b`` is then convex, and so is the law with the convex harm, for an exponential of a convex
function is convex.

Shapes are those of :mod:`bomix.laws.formulas`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn.functional import softplus

from bomix.laws.law import Law, Parameter, Params

if TYPE_CHECKING:
    from torch import Tensor

START = 1e-4
"""Added to ``rho E`` before it is raised to ``kappa`` (and its power taken off again), so that the slope at zero epochs
is finite: a ten-thousandth of the text that a benefit takes."""


def benefit(E: Tensor, rho: Tensor, kappa: Tensor) -> Tensor:
    """``b(E) = 1 - exp(-(rho E)^kappa)``, 0 at no epochs and 1 after many; of any shapes that broadcast."""
    start = torch.exp(kappa * math.log(START))
    used = torch.exp(kappa * torch.log(rho * E.clamp_min(0.0) + START)) - start
    return -torch.expm1(-used)


def benefit_slopes(E: Tensor, rho: Tensor, kappa: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The benefit, and its derivatives in ``log rho`` and ``kappa``."""
    start, seen = torch.exp(kappa * math.log(START)), rho * E.clamp_min(0.0)
    logs = torch.log(seen + START)
    power = torch.exp(kappa * logs)
    left = torch.exp(start - power)
    in_rho = left * kappa * power * seen / (seen + START)
    return 1.0 - left, in_rho, left * (power * logs - start * math.log(START))


class Harm(NamedTuple):
    """A formula of the harm, of any shapes that broadcast.

    Attributes:
        value: ``h(E)`` of epochs and a threshold ``tau``.
        slopes: The same, and its derivative in ``tau``.
    """

    value: Callable[[Tensor, Tensor], Tensor]
    slopes: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def convex_harm(E: Tensor, tau: Tensor) -> Tensor:
    """``h(E) = softplus((E - (e^tau - 1)) / e^tau)``: convex, and straight where text is read very often."""
    return softplus((E + 1.0) * torch.exp(-tau) - 1.0)


def _convex_slopes(E: Tensor, tau: Tensor) -> tuple[Tensor, Tensor]:
    ratio = (E + 1.0) * torch.exp(-tau)
    return softplus(ratio - 1.0), -torch.sigmoid(ratio - 1.0) * ratio


def log_harm(E: Tensor, tau: Tensor) -> Tensor:
    """``h(E) = softplus(log(1 + E) - tau)^2``: grows as the square of the logarithm."""
    return softplus(torch.log1p(E.clamp_min(0.0)) - tau).square()


def _log_slopes(E: Tensor, tau: Tensor) -> tuple[Tensor, Tensor]:
    beyond = torch.log1p(E.clamp_min(0.0)) - tau
    root = softplus(beyond)
    return root.square(), -2.0 * root * torch.sigmoid(beyond)


CONVEX, LOG = Harm(convex_harm, _convex_slopes), Harm(log_harm, _log_slopes)


def exponent(
    epochs: Tensor, alpha: Tensor, beta: Tensor, rho: Tensor, kappa: Tensor, tau: Tensor, *, harm: Harm
) -> Tensor:
    """``-sum_i alpha_ji b(E_i) + sum_i beta_ji h(E_i)``.

    Args:
        epochs: ``(...) x n x d``.
        alpha: ``(...) x m x d`` benefits of the domains, as are the harms ``beta``.
        beta: Harms.
        rho: ``(...) x m`` rates, as are the next two.
        kappa: Powers.
        tau: Thresholds.
        harm: The formula of the harm.

    Returns:
        ``(...) x n x m``.
    """
    E = epochs.unsqueeze(-2)
    rho, kappa, tau = (part[..., None, :, None] for part in (rho, kappa, tau))
    return _over_domains(harm.value(E, tau), beta) - _over_domains(benefit(E, rho, kappa), alpha)


def _over_domains(features: Tensor, factors: Tensor) -> Tensor:
    """Sum of ``(...) x n x m x d`` features with ``(...) x m x d`` factors over domains, ``(...) x n x m``."""
    return (features * factors.unsqueeze(-3)).sum(dim=-1)


def epochs(E: Tensor, parameters: Mapping[str, Tensor], *, harm: Harm) -> Tensor:
    """The law at ``(...) x n x d`` epochs, ``(...) x n x m``; ``floor`` and ``c`` are ``(...) x m``, see the module."""
    rest = {name: value for name, value in parameters.items() if name not in ("floor", "c")}
    height = torch.exp(parameters["c"].unsqueeze(-2) + exponent(E, **rest, harm=harm))
    return parameters["floor"].unsqueeze(-2) + height


@dataclass(frozen=True)
class EpochsLaw(Law):
    """The law for domains of known passes; weights themselves count as epochs where none are given.

    The level is the value at the uniform mixture, the height ``k`` what that lies above the floor: every run tells of
    both, while ``c`` is the logarithm of the height at no epochs at all, where there is no run.

    Attributes:
        harm: The formula of the harm.
        passes: ``d`` epochs of the domains at a weight of one; empty: one each.
    """

    harm: Harm = CONVEX
    passes: tuple[float, ...] = ()

    def bound(self, passes: Sequence[float]) -> EpochsLaw:
        """The law of domains with these passes, in the order of the columns."""
        return replace(self, passes=tuple(float(each) for each in passes))

    def epochs(self, weights: Tensor) -> Tensor:
        """``(...) x d`` weights in epochs."""
        return weights * weights.new_tensor(self.passes) if self.passes else weights

    def __call__(self, weights: Tensor, params: Params, own: Tensor) -> Tensor:
        """The law's values, see :meth:`Law.__call__`."""
        return self.formula(self.epochs(weights), own, self.natural(params, own, weights.shape[-1]))

    def natural(self, params: Params, own: Tensor, d: int) -> dict[str, Tensor]:
        """The parameters as they stand in the formula: ``floor, c, alpha, beta, rho, kappa, tau``."""
        values = self.transformed(params)
        level, k = values.pop("level"), values.pop("k")
        uniform = self.epochs(level.new_full((1, d), 1.0 / d))
        there = exponent(uniform, **values, harm=self.harm).squeeze(-2)
        return {"floor": level - k, "c": k.log() - there, **values}

    def jacobian(self, weights: Tensor, flat: Tensor, own: Tensor) -> Tensor:
        """Derivatives in the unconstrained parameters, ``n x m x p``, of ``n x d`` weights: in closed form."""
        params = self.unflat(flat, weights.shape[-1])
        values = self.transformed(params)
        alpha, beta, kappa, tau = values["alpha"], values["beta"], values["kappa"], values["tau"]
        uniform = torch.full_like(weights[:1], 1.0 / weights.shape[-1])
        # The uniform mixture is one more row, from which all others are counted.
        E = self.epochs(torch.cat([weights, uniform])).unsqueeze(-2)
        b, in_rho, in_kappa = benefit_slopes(E, values["rho"][:, None], kappa[:, None])
        h, in_tau = self.harm.slopes(E, tau[:, None])
        parts = {
            "alpha": -b * alpha,
            "beta": h * beta,
            "rho": -_over_domains(in_rho, alpha),
            "kappa": -_over_domains(in_kappa, alpha) * kappa * (1.0 - kappa),
            "tau": _over_domains(in_tau, beta) * tau,
        }
        parts = {name: part[:-1] - part[-1:] for name, part in parts.items()}
        height = values["k"] * torch.exp(parts["alpha"].sum(dim=-1) + parts["beta"].sum(dim=-1))
        found = {
            name: part * (height if part.ndim == height.ndim else height.unsqueeze(-1)) for name, part in parts.items()
        }
        return self.flat({"level": torch.ones_like(height), "k": height - values["k"], **found})

    def prior(self, d: int, own: Tensor) -> tuple[Tensor, Tensor]:
        """Centre and spread of the prior: rates and thresholds are about those of the text that there is.

        Where no domain is read even once at the uniform mixture, as where weights are taken for epochs, the benefit is
        used up within what is read, and a straight harm starts at nothing.
        """
        centre, spread = super().prior(d, own)
        each = torch.tensor(self.passes or (1.0,) * d, dtype=torch.float64) / d
        typical = each.log().mean().clamp_max(0.0)
        named = self.unflat(centre, d)
        tau = named["tau"].exp().expm1() * typical.exp()
        shifted = {
            **named,
            "rho": named["rho"] - typical,
            "tau": tau.log1p().log(),
            "alpha": named["alpha"] - math.log(d),
            "beta": named["beta"] - math.log(d) - typical,
        }
        return self.flat(shifted), spread


_PARAMETERS: Mapping[str, Parameter] = {
    "level": Parameter("identity", 0.0, 1.0),
    "k": Parameter("exp", 1.0, 0.7),
    "alpha": Parameter("exp", 0.25, 1.5, per_domain=True, own_shift=2.0, slope=-1.0),
    "beta": Parameter("exp", -2.0, 1.2, per_domain=True, slope=1.0),
    "rho": Parameter("exp", 0.0, 1.0),
    "kappa": Parameter("sigmoid", 1.0, 1.0),
    "tau": Parameter("exp", math.log(math.log(5.0)), 0.4),
}
"""Totals of the benefits and harms of all domains, and where they are used up and begin, in epochs: a lift of one
and a half and a fifth of it in harm, each domain's known to a factor of four. What others cost is in decision 67."""


def _with_convex_harm(E: Tensor, own: Tensor, parameters: Params) -> Tensor:
    return epochs(E, parameters, harm=CONVEX)


def _with_log_harm(E: Tensor, own: Tensor, parameters: Params) -> Tensor:
    return epochs(E, parameters, harm=LOG)


EPOCHS = EpochsLaw("epochs", _PARAMETERS, _with_convex_harm, level="level", mirrored=True, harm=CONVEX)
LOG_EPOCHS = EpochsLaw("log_epochs", _PARAMETERS, _with_log_harm, level="level", mirrored=True, harm=LOG)
