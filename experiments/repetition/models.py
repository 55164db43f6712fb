"""What models of short runs predict of others, and which mixture each proposes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import plan

from bomix.contracts.surrogate import Surrogate
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.laws.spec import LawRegression
from bomix.surrogates.means.effective import EffectiveLaw
from bomix.surrogates.means.law import LawMean

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

LAW = "law in epochs"
ASKED = "law in epochs, asked at the target's epochs"
PROCESS = "GP on log weights"
CAPPED = f"{PROCESS}, {plan.CAP} epochs at most"
MODELS: Mapping[str, Callable[[], Surrogate]] = {
    LAW: lambda: LawRegression(form="epochs"),
    "law in epochs + GP": lambda: GP(mean=LawMean(form="epochs")),
    "law in effective tokens + GP": lambda: GP(mean=EffectiveLaw(form="exponential")),
    PROCESS: GP,
    "log-linear": lambda: LawRegression(form="log_linear"),
    "power law": lambda: LawRegression(form="effective_power"),
}
"""By the name that the tables give them; the log-linear law is olmix's, the Gaussian process what bomix takes."""
LEARNT_REPEATS = 3
"""Runs of the uniform mixture that models learn from; the others only tell the noise."""


NEAR = 0.06
"""Share of the tokens by which two proposals may differ that one run of the target stands for."""


@dataclass(frozen=True)
class Fitted:
    """A model of the four losses, asked for their mean.

    Attributes:
        model: The fitted model.
        longer: By how much the epochs are multiplied that it is asked about: of a law that sees nothing but epochs, so
            that a law of runs that hardly repeat can be asked about one that does.
    """

    model: Any
    longer: int = 1

    def moments(self, X: Array) -> tuple[Array, Array]:
        """Mean of the objective at ``n x d`` mixtures, and the standard deviation of one more run there; nats."""
        import torch

        with torch.no_grad():
            posterior = self.model.posterior(self.longer * torch.as_tensor(X).unsqueeze(-2), observation_noise=True)
            mean = posterior.mean.squeeze(-2).mean(dim=-1)
            variance = posterior.distribution.covariance_matrix.mean(dim=(-2, -1))
        return mean.numpy(), variance.sqrt().numpy()

    def best(self, space: MixtureSpace) -> tuple[Array, float]:
        """The mixture of a space with the lowest mean, and that mean."""
        from bomix.optimization.minimize import minimise
        from bomix.surrogates.models.joint import mean_at

        def objective(X: Tensor) -> Tensor:
            return mean_at(self.model, self.longer * X).mean(dim=-1)

        found = minimise(objective, space, shape="smooth", seed=plan.SEED)
        return found.point, float(self.moments(found.point[None])[0][0])


def array(rows: Sequence[Mapping[str, Any]]) -> tuple[Array, Array]:
    """Mixtures and losses of rows, ``n x 4`` each, columns in order of name."""
    X = np.array([[row["weights"][name] for name in plan.DOMAINS] for row in rows])
    return X / X.sum(axis=1, keepdims=True), np.array([[row["losses"][name] for name in plan.DOMAINS] for row in rows])


def learnt(rows: Sequence[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    """The runs of one kind that models learn from."""
    return [
        row
        for row in rows
        if row["set"] == kind
        and row["cut"] == plan.SEED
        and (row["name"].startswith("fit") or (row["name"] == "uniform" and row["seed"] < LEARNT_REPEATS))
    ]


def passes(rows: Sequence[Mapping[str, Any]], kind: str) -> dict[str, float]:
    """Domain to the epochs that a run of one kind makes where it is the domain alone."""
    row = next(row for row in rows if row["set"] == kind and row["name"] == "uniform" and row["cut"] == plan.SEED)
    return {name: row["epochs"][name] / row["weights"][name] for name in plan.DOMAINS}


def fitted(rows: Sequence[Mapping[str, Any]], spec: Surrogate, known: Mapping[str, float]) -> Fitted:
    """Fit a model to rows."""
    import torch
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext

    X, Y = (torch.as_tensor(part) for part in array(rows))
    names = list(plan.DOMAINS)
    data = SupervisedDataset(X, Y, feature_names=names, outcome_names=names)
    context = FitContext(plan.space(), plan.DOMAINS, passes=known)
    return Fitted(spec.fit(data, context=context, seed=plan.SEED))


def report(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every model of either kind of short runs: what it predicts, and the mixture that it proposes.

    Returns:
        A row for each, plain JSON: ``predicted`` has mean and standard deviation at every mixture of the design that no
        model learns from, along the slice, and at what is proposed; ``run`` says whose run of the target stands for
        the proposal.
    """
    judged = {name: weights for name, weights in plan.mixtures() if name.startswith("held")}
    judged |= {f"german={share:g}": plan.with_share("german", share) for share in plan.SHARES}
    fits: list[tuple[str, str, Fitted, MixtureSpace]] = []
    for kind in (plan.UNMATCHED, plan.MATCHED):
        for name, build in MODELS.items():
            model = fitted(learnt(rows, kind), build(), passes(rows, kind))
            fits.append((kind, name, model, plan.space()))
            if kind == plan.UNMATCHED and name == LAW:
                fits.append((kind, ASKED, replace(model, longer=plan.longer()), plan.space()))
            if kind == plan.UNMATCHED and name == PROCESS:
                fits.append((kind, CAPPED, model, plan.capped()))
    found = [_proposed(*fit) for fit in fits]
    for at, one in enumerate(found):
        close = (each["run"] for each in found[:at] if _apart(each, one) <= NEAR)
        one["run"] = next(close, one["name"])
    judged |= {one["name"]: one["weights"] for one in found if one["run"] == one["name"]}
    X = plan.space().to_arrays(judged.values())
    for one, (_, _, model, _) in zip(found, fits, strict=True):
        moments = zip(judged, *model.moments(X), strict=True)
        one["predicted"] = {name: [round(mean, 5), round(sd, 5)] for name, mean, sd in moments}
    return found


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Total variation between two proposals: the share of the tokens that differs."""
    return sum(abs(one["weights"][name] - other["weights"][name]) for name in plan.DOMAINS) / 2


def _proposed(kind: str, name: str, model: Fitted, space: MixtureSpace) -> dict[str, Any]:
    best, value = model.best(space)
    weights = {domain: round(float(x), 5) for domain, x in zip(plan.DOMAINS, best, strict=True)}
    return {"name": f"{kind}, {name}", "kind": kind, "model": name, "weights": weights, "value": round(value, 5)}
