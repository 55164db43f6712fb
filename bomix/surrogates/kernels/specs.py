"""Kernels as they stand in a study file; the modules of this package compute them.

A kernel is a frozen spec with one method, ``bind(context) -> Covariance``, which fixes what depends on the space and
the metrics: the scale of its priors. Metrics are standardised, so a variance of one is that of all a metric's losses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bomix.contracts.traits import field_values
from bomix.errors import Fault

if TYPE_CHECKING:
    from bomix.contracts.covariance import Covariance, KernelContext

Encoded = Literal["sqrt", "log", "power", "raw"]
Shape = Literal["matern52", "matern32", "rbf"]
Distance = Literal["hellinger", "jensen_shannon", "aitchison"]


@dataclass(frozen=True)
class Stationary:
    """``rho(sum_i (e(w_i) - e(v_i))^2 / l_i^2)``: a lengthscale per domain on encoded weights, of variance one.

    Attributes:
        shape: The function ``rho``, how correlation falls with distance.
        encoding: The encoding ``e`` of a weight ``w``: ``sqrt(w + eps)``, ``log(w + eps)``, ``(w + eps)^power``, or
            ``w``.
        eps: The offset, a share; None takes the encoding's default.
        power: Exponent of the encoding ``power``.
        lengthscale: Median of the lengthscales' log-normal prior, in typical distances of two mixtures of the space.
        spread: Standard deviation of a lengthscale's logarithm.
        learn_eps: Whether each metric learns an offset of its own, about the one above.
        learn_power: Whether each metric learns a power of its own, about the one above.
    """

    shape: Shape = "matern52"
    encoding: Encoded = "log"
    eps: float | None = None
    power: float = 0.25
    lengthscale: float = 10.0
    spread: float = 1.73
    learn_eps: bool = False
    learn_power: bool = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = encoding_faults(self.encoding, self.eps, self.power) + positive_faults(self, "lengthscale", "spread")
        if self.learn_eps and self.encoding == "raw":
            found.append(Fault("learn_eps", "raw weights have no offset to learn; choose another encoding"))
        if self.learn_power and self.encoding != "power":
            found.append(Fault("learn_power", f"encoding {self.encoding} has no power to learn; choose 'power'"))
        return found

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors of its hyperparameters."""
        from bomix.numerics import pairwise
        from bomix.surrogates.kernels import learned_encoding, stationary
        from bomix.surrogates.kernels.encoding import Encoding

        encoding = Encoding(self.encoding, self.eps, self.power)
        profile, prior = pairwise.PROFILES[self.shape], (self.lengthscale, self.spread)
        if not (self.learn_eps or self.learn_power):
            return stationary.StationaryCovariance(profile, encoding, context, *prior)
        return learned_encoding.LearnedEncodingCovariance(
            profile, encoding, context, *prior, offset=self.learn_eps, power=self.learn_power
        )


@dataclass(frozen=True)
class Additive:
    """``sum_i s_i rho((e(w_i) - e(v_i))^2 / l_i^2)``: a sum of functions of one domain's weight each.

    Best as one part of a sum with a kernel of all weights.

    Attributes:
        shape: The function ``rho``, how correlation falls with distance.
        encoding: The encoding ``e`` of a weight ``w``: ``sqrt(w + eps)``, ``log(w + eps)``, ``(w + eps)^power``, or
            ``w``.
        eps: The offset, a share; None takes the encoding's default.
        power: Exponent of the encoding ``power``.
        lengthscale: Median of the lengthscales' log-normal prior, in typical distances of two weights of a domain.
        spread: Standard deviation of a lengthscale's logarithm.
        variance: What the medians of the domains' variances, log-normal a priori, sum to.
        variance_spread: Standard deviation of a variance's logarithm.
    """

    shape: Shape = "matern52"
    encoding: Encoded = "log"
    eps: float | None = None
    power: float = 0.25
    lengthscale: float = 3.0
    spread: float = 1.0
    variance: float = 1.0
    variance_spread: float = 1.0

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        positive = positive_faults(self, "lengthscale", "spread", "variance", "variance_spread")
        return encoding_faults(self.encoding, self.eps, self.power) + positive

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors of its hyperparameters."""
        from bomix.numerics import pairwise
        from bomix.surrogates.kernels import learned_encoding
        from bomix.surrogates.kernels.encoding import Encoding

        encoding = Encoding(self.encoding, self.eps, self.power)
        prior = (self.lengthscale, self.spread, self.variance, self.variance_spread)
        return learned_encoding.AdditiveCovariance(pairwise.PROFILES[self.shape], encoding, context, *prior)


@dataclass(frozen=True)
class Isotropic:
    """``rho(D(w, v)^2 / l^2)``: one lengthscale on a distance ``D`` of whole mixtures, of variance one.

    Attributes:
        distance: The distance ``D`` of ``w + eps``: ``hellinger``, ``jensen_shannon`` (the root of the divergence) or
            ``aitchison`` (of centred logarithms).
        shape: The function ``rho``, how correlation falls with distance.
        eps: The offset, a share; None takes the distance's default.
        lengthscale: Median of the lengthscale's log-normal prior, in typical distances of two mixtures of the space.
        spread: Standard deviation of its logarithm.
    """

    distance: Distance = "hellinger"
    shape: Shape = "matern52"
    eps: float | None = None
    lengthscale: float = 2.0
    spread: float = 1.0

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return offset_faults(self.eps) + positive_faults(self, "lengthscale", "spread")

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors of its hyperparameters."""
        from bomix.numerics import pairwise
        from bomix.surrogates.kernels import simplex_geometry

        profile = pairwise.PROFILES[self.shape]
        return simplex_geometry.IsotropicCovariance(
            profile, self.distance, self.eps, context, self.lengthscale, self.spread
        )


@dataclass(frozen=True)
class Geometric:
    """A Matern kernel of the simplex's information geometry, that of a sphere, of variance one.

    Attributes:
        smoothness: How often what it describes can be differentiated, at least; large values approach heat flow.
        eps: Added to every share before roots are taken; None takes 1e-4.
        lengthscale: Median of the lengthscale's log-normal prior, in typical distances of two mixtures of the space.
        spread: Standard deviation of its logarithm.
    """

    smoothness: float = 2.5
    eps: float | None = None
    lengthscale: float = 2.0
    spread: float = 1.0

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return offset_faults(self.eps) + positive_faults(self, "smoothness", "lengthscale", "spread")

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors of its hyperparameters."""
        from bomix.surrogates.kernels import simplex_geometry

        return simplex_geometry.GeometricCovariance(self.smoothness, self.eps, context, self.lengthscale, self.spread)


@dataclass(frozen=True)
class EffectiveWeight:
    """``exp(-(u(w) - u(v))^2 / 2 l^2)`` with ``u = ln(e + sum_i t_i w_i)``, of variance one.

    A smooth function of the weight that counts for a metric.

    Attributes:
        share: Median of ``t`` of a domain that is not the metric's own; that of its own is one.
        spread: Standard deviation of its logarithm.
    """

    share: float = 0.135
    spread: float = 1.5

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return positive_faults(self, "share", "spread")

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors of its hyperparameters."""
        from bomix.surrogates.kernels import one_dimensional

        return one_dimensional.EffectiveWeightCovariance(context, self.share, self.spread)


@dataclass(frozen=True)
class OwnDomain:
    """``rho((u(w) - u(v))^2 / l^2)`` with ``u = ln(w_own + e)``, of variance one.

    A smooth function of the weight of the metric's own domain; zero where it has none.

    Attributes:
        shape: The function ``rho``, how correlation falls with distance.
        lengthscale: Median of the log-normal prior of ``l``, in units of ``u``.
        spread: Standard deviation of its logarithm.
    """

    shape: Shape = "matern52"
    lengthscale: float = 2.0
    spread: float = 1.0

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return positive_faults(self, "lengthscale", "spread")

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors of its hyperparameters."""
        from bomix.numerics import pairwise
        from bomix.surrogates.kernels import one_dimensional

        return one_dimensional.OwnDomainCovariance(
            pairwise.PROFILES[self.shape], context, self.lengthscale, self.spread
        )


@dataclass(frozen=True)
class Linear:
    """``(e(w) - c) . (e(v) - c) / s^2``: a linear function of encoded weights.

    ``c`` is the centre of the space, ``s`` the typical distance of two mixtures, both encoded. A function that is
    linear in the weights keeps its slope outside the data.

    Attributes:
        encoding: The encoding ``e`` of a weight ``w``: ``sqrt(w + eps)``, ``log(w + eps)``, or ``w``.
        eps: The offset, a share; None takes the encoding's default.
    """

    encoding: Literal["sqrt", "log", "raw"] = "raw"
    eps: float | None = None

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return encoding_faults(self.encoding, self.eps)

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors of its hyperparameters."""
        from bomix.surrogates.kernels import linear
        from bomix.surrogates.kernels.encoding import Encoding

        return linear.LinearCovariance(context, Encoding(self.encoding, self.eps))


@dataclass(frozen=True)
class SparseLinear:
    """``sum_i r_i (w_i - c_i) (v_i - c_i) / s^2``: a linear function of whose slopes few matter, each metric's own few.

    ``c`` is the centre of the space, ``s`` the typical distance of two mixtures.

    Attributes:
        relevance: Median of the variance that a domain adds, as a share of what it would if all mattered equally.
        spread: Standard deviation of its logarithm.
    """

    relevance: float = 0.05
    spread: float = 3.0

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return positive_faults(self, "relevance", "spread")

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors of its hyperparameters."""
        from bomix.surrogates.kernels import linear

        return linear.SparseLinearCovariance(context, self.relevance, self.spread)


def offset_faults(eps: float | None) -> list[Fault]:
    """What is wrong with an offset, whose key is ``eps``; None is the default and right."""
    if eps is None or eps > 0:
        return []
    return [Fault("eps", f"eps is {eps}: gradients at zero need an offset above 0, 1e-4 say")]


def encoding_faults(encoding: str, eps: float | None, power: float = 1.0) -> list[Fault]:
    """What is wrong with an encoding: its offset ``eps``, and the exponent of ``power``."""
    found = [] if encoding == "raw" and eps == 0 else offset_faults(eps)
    if encoding == "power" and not 0 < power <= 1:
        found.append(Fault("power", f"power is {power}; give a number above 0 and up to 1"))
    return found


def positive_faults(spec: object, *names: str) -> list[Fault]:
    """The named fields of a specification that are not above zero, a fault each."""
    values = field_values(spec)
    return [Fault(name, f"{name} is {values[name]}; give a positive number") for name in names if not values[name] > 0]
