"""Means from experts of the domains: predictions of every metric by a mixture of theirs.

Each is used as ``a_j + b_j f_j(w)`` with ``b_j ~ N(1, slope^2)``, see :mod:`bomix.surrogates.means.law`. Those that
learn from the runs have held-out predictions of them.

References:
    [Belenki2025] Optimizing Pre-Training Data Mixtures with Mixtures of Data Expert Models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bomix.errors import Fault
from bomix.surrogates.means.law import slope_faults

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext
    from bomix.contracts.mean import Feature


@dataclass(frozen=True)
class MDE:
    """Experts' probabilities averaged token by token, by the weights [Belenki2025]_, Algorithm 1.

    Attributes:
        slope: Standard deviation of the prior of ``b``, whose mean is one.
        compress: Error in nats that fewer tokens may make, for the sake of speed; None: every token counts.
    """

    slope: float = 0.1
    compress: float | None = 1e-3

    needs_experts: ClassVar[bool] = True

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return _faults(self.slope, self.compress)

    def feature(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Feature:
        """The mixture's prediction of every metric, convex where it is a loss; nothing is learnt from runs.

        Arguments are those of :meth:`bomix.contracts.mean.Mean.feature`.

        Raises:
            FitError: An expert, an artifact or a metric's tokens are missing, or do not belong together.
        """
        from bomix.contracts.mean import Feature
        from bomix.data_experts.losses import expert_losses

        found = expert_losses(context, compress=self.compress)
        return Feature(found, convex=found.convex)


@dataclass(frozen=True)
class MDEDataset:
    """Experts' geometric mean probabilities of a whole set averaged, by the weights: no more than their losses count.

    Attributes:
        slope: Standard deviation of the prior of ``b``, whose mean is one.
    """

    slope: float = 0.1

    needs_experts: ClassVar[bool] = True

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return _faults(self.slope, None)

    def feature(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Feature:
        """``-ln sum_i w_i exp(-L_i)`` for every loss, ``L_i`` that of expert ``i``; nothing is learnt from runs.

        Multiple choice is averaged token by token. Arguments are those of :meth:`bomix.contracts.mean.Mean.feature`.
        """
        from bomix.contracts.mean import Feature
        from bomix.data_experts.losses import expert_losses

        found = expert_losses(context, variant="dataset")
        return Feature(found, convex=found.convex)


@dataclass(frozen=True)
class MDEStrengths:
    """Per token, with weights ``w'_i ~ s_i w_i``; the strengths are learnt from the runs and shared by the metrics.

    Domains whose texts begin alike compete by more than their weights [Belenki2025]_, Proposition 3.1.

    Attributes:
        slope: Standard deviation of the prior of ``b``, whose mean is one.
        spread: Standard deviation of the prior of ``ln s_i``, whose mean is zero.
        compress: Error in nats that fewer tokens may make; None: every token counts.
        folds: Number of folds of the held-out predictions.
    """

    slope: float = 0.1
    spread: float = 1.0
    compress: float | None = 1e-3
    folds: int = 5

    needs_experts: ClassVar[bool] = True

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = _faults(self.slope, self.compress, self.folds)
        if self.spread <= 0:
            found.append(Fault("spread", f"spread is {self.spread}; give more than 0"))
        return found

    def feature(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Feature:
        """Predictions with learnt strengths, and held-out ones; fewer than three mixtures leave all strengths equal.

        Arguments are those of :meth:`bomix.contracts.mean.Mean.feature`.
        """
        from bomix.surrogates.means.expert_learning import learnt

        return learnt(
            data,
            context=context,
            taus=(0.0,),
            window=None,
            spread=self.spread,
            slope=self.slope,
            compress=self.compress,
            folds=self.folds,
            seed=seed,
        )


@dataclass(frozen=True)
class MDEGated:
    """Experts weighed by their probability of the tokens before, ``w_i(x_<t) ~ w_i P_i(x_<t)^tau``.

    ``tau = 0`` is the mixture per token, whatever the window; ``tau = 1`` without a window is the mixture of sequence
    models, and with one it is not: every token then has a prefix of its own. Multiple choice has no gate: its options
    are mixed per token, whatever ``tau`` and the window.

    Attributes:
        slope: Standard deviation of the prior of ``b``, whose mean is one.
        tau: Exponent of the prefix's probability, 0 to 1; None to learn it from the runs.
        window: How many of the tokens before count; None for all. What was said just now tells experts apart
            where no expert's domain goes on for long.
        strengths: Whether weights ``w'_i ~ s_i w_i`` are learnt as well.
        compress: Error in nats that fewer tokens may make; None: every token counts.
        folds: Number of folds of the held-out predictions.
    """

    slope: float = 0.1
    tau: float | None = None
    window: int | None = None
    strengths: bool = False
    compress: float | None = 1e-3
    folds: int = 5

    needs_experts: ClassVar[bool] = True

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = _faults(self.slope, self.compress, self.folds)
        if self.tau is not None and not 0.0 <= self.tau <= 1.0:
            found.append(Fault("tau", f"tau is {self.tau}; give 0 to 1, or leave it out to learn it"))
        if self.window is not None and self.window < 1:
            found.append(Fault("window", f"window is {self.window}; give at least 1, or leave it out for all"))
        return found

    def feature(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Feature:
        """Predictions with the given or learnt ``tau``; held-out ones where anything is learnt.

        With fewer than three mixtures, a ``tau`` to be learnt is 0 and all strengths are equal. Arguments are those of
        :meth:`bomix.contracts.mean.Mean.feature`.
        """
        from bomix.contracts.mean import Feature
        from bomix.data_experts.losses import expert_losses
        from bomix.surrogates.means.expert_learning import TAUS, learnt

        if self.tau is not None and not self.strengths:
            compress = self.compress
            found = expert_losses(context, variant="gated", tau=self.tau, window=self.window, compress=compress)
            return Feature(found, convex=found.convex)
        return learnt(
            data,
            context=context,
            taus=TAUS if self.tau is None else (self.tau,),
            window=self.window,
            spread=1.0 if self.strengths else None,
            slope=self.slope,
            compress=self.compress,
            folds=self.folds,
            seed=seed,
        )


def _faults(slope: float, compress: float | None, folds: int = 2) -> list[Fault]:
    found = slope_faults(slope)
    if compress is not None and compress <= 0:
        found.append(Fault("compress", f"compress is {compress}; give more than 0, or null for every token"))
    return found + ([Fault("folds", f"folds is {folds}; give at least 2")] if folds < 2 else [])
