"""Let the trials choose the surrogate: several are fitted, and each counts by how well it predicts what it did not see.

References:
    [Yao2018] Using stacking to average Bayesian predictive distributions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bomix.contracts.surrogate import Surrogate, SurrogateTraits
from bomix.contracts.traits import traits
from bomix.errors import Fault
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.laws.spec import LawRegression

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext


@dataclass(frozen=True)
class Auto:
    """Several surrogates, chosen or weighed by the log density that each gives to held-out trials.

    Every member is refitted without each fold, so that a member which fits what it has seen too closely gains
    nothing by it; closed forms, which hold hyperparameters fixed, would flatter it. Below six trials all count alike.

    Where runs are of several scales, those of the scale that is decided about are left out and the others known.
    Members that know nothing of scales then learn from that scale alone, beside others that do; where none does, each
    is taken across scales by ``multi_scale``.

    Attributes:
        of: The surrogates that are fitted, the members.
        how: ``stack``: each metric gets the mixture of members under which its held-out values are most likely
            [Yao2018]_; ``pick``: the member with the highest density over all metrics.
        folds: Folds of the trials.
    """

    of: tuple[Surrogate, ...] = (GP(), LawRegression())
    how: Literal["stack", "pick"] = "stack"
    folds: int = 5

    across_scales: ClassVar[bool] = True

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = [] if self.of else [Fault("of", "no surrogate is named; name at least one")]
        if self.folds < 2:
            found.append(Fault("folds", f"folds is {self.folds}; give at least 2"))
        return found

    @property
    def differentiable(self) -> bool:
        """Whether every member is."""
        return all(traits(member, SurrogateTraits).differentiable for member in self.of)

    @property
    def fantasizes(self) -> bool:
        """Never: with another trial the shares of the members would have to be found again."""
        return False

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit every member and weigh them; see :class:`bomix.contracts.surrogate.Surrogate`."""
        from bomix.surrogates.combined import stacking
        from bomix.surrogates.scales import stacked

        fit = stacking.fit if context.target is None else stacked.fit
        return fit(self.of, data, context=context, seed=seed, folds=self.folds, pick=self.how == "pick")
