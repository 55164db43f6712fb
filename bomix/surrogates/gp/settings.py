"""What a study file says of Gaussian processes: the fields that travel through the three steps of a fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from bomix.contracts.kernel import Kernel
from bomix.contracts.mean import Mean
from bomix.errors import Fault
from bomix.surrogates.features.spec import Features, have_gradients
from bomix.surrogates.kernels.composition_specs import sees_own_alone
from bomix.surrogates.kernels.presets import MIXED_KERNELS


@dataclass(frozen=True)
class GPSettings:
    """The fields of a Gaussian process per metric; each is read in the one step where it acts.

    Attributes:
        kernels: Kernels of the processes; several are several models, of which the belief is an equal mixture.
        mean: The prediction that the processes correct, a law say; None for a constant.
        draws: Posterior draws of the hyperparameters, each a model of its own; 0 takes the best hyperparameters
            alone; None draws 12 up to 40 trials, 8 up to 160, and optimises beyond.
        restarts: Starts of the search for the best hyperparameters, per metric; None takes 1 where draws follow,
            else 2.
        noise: ``inferred`` the same everywhere, ``growing`` towards the vertices, or ``repeats``, the variance among
            runs of one mixture where there are any.
        correlated: Whether the errors of the metrics go together; without, the aggregate is too sure of itself.
        growth: Share by which the record grows before the best hyperparameters are found anew: those of the first
            trials serve until then. Worth it where metrics are many; 0 finds them at every fit, as draws always are,
            and so are those with a mean or features that learn from the trials.
        pooling: How far a metric's hyperparameters may lie from those that all metrics share, a standard deviation of
            their logarithms; 0 for one set of them, None for each metric's own without a look at the others.
        shares: Shares of several kernels in the belief: ``equal``, or ``stacked``, where the last kernel gets what runs
            that are left out give it beside an equal mixture of the others, the same for all metrics.
        features: Predictions that the processes see as extra inputs, standardised: a line and a curve in them are added
            to each kernel.
        experts: Whether experts of single domains are among the examples.
        scores: Whether metrics may be scores that are mostly noise: more of it is then expected a priori, and what
            metrics have in common counts in their correlation. Searches of losses did worse with it.
    """

    kernels: tuple[Kernel, ...] = MIXED_KERNELS
    mean: Mean | None = None
    draws: int | None = None
    restarts: int | None = None
    noise: Literal["inferred", "growing", "repeats"] = "inferred"
    correlated: bool = True
    growth: float = 0.0
    pooling: float | None = None
    shares: Literal["equal", "stacked"] = "equal"
    features: Features | None = None
    experts: bool = True
    scores: bool = False

    @property
    def differentiable(self) -> bool:
        """Whether mean and features are."""
        return have_gradients(self.mean, self.features)

    @property
    def own_alone(self) -> str | None:
        """``kernels`` where they see the weight of a metric's own domain alone."""
        return "kernels" if self.kernels and all(map(sees_own_alone, self.kernels)) else None

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = [] if self.kernels else [Fault("kernels", "no kernel is named; name at least one")]
        if self.restarts is not None and self.restarts < 1:
            found.append(Fault("restarts", f"restarts is {self.restarts}; give at least 1"))
        if self.draws is not None and self.draws < 0:
            found.append(Fault("draws", f"draws is {self.draws}; give 0 or more"))
        if self.pooling is not None and not 0.0 <= self.pooling < math.inf:
            found.append(Fault("pooling", f"pooling is {self.pooling:g}; give 0 or more, or leave it out"))
        if self.pooling == 0 and self.draws != 0:
            found.append(
                Fault("pooling", "0 shares one set of hyperparameters and draws none; set draws to 0, or pool by 0.3")
            )
        if not 0.0 <= self.growth <= 1.0:
            found.append(Fault("growth", f"growth is {self.growth:g}; give a share from 0 to 1, 0.1 say"))
        elif self.growth > 0 and self.draws != 0:
            found.append(Fault("growth", "spares the search for the best hyperparameters, not draws; set draws to 0"))
        return found
