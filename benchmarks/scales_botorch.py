"""BoTorch's search over mixtures and fidelities, for :mod:`scales_spending`: K - 1 weights, and the fidelity last."""

from __future__ import annotations

from typing import Any

import numpy as np


def whole(free: Any) -> Any:
    """``d`` weights of the first ``d - 1``."""
    weights = np.maximum(np.append(free, 1.0 - np.sum(free)), 0.0)
    return weights / weights.sum()


def _model(X: Any, y: Any) -> Any:
    import torch
    from botorch import fit_gpytorch_mll
    from botorch.models.gp_regression_fidelity import SingleTaskMultiFidelityGP
    from botorch.models.transforms import Standardize
    from gpytorch.mlls import ExactMarginalLogLikelihood

    train_X, train_Y = torch.tensor(np.array(X)), torch.tensor(y, dtype=torch.float64).unsqueeze(-1)
    last = train_X.shape[1] - 1
    model = SingleTaskMultiFidelityGP(train_X, train_Y, outcome_transform=Standardize(1), data_fidelities=[last])
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    return model, train_X


def _simplex(columns: int) -> dict[str, Any]:
    """The weights but the last sum to one at most."""
    import torch

    return {"inequality_constraints": [(torch.arange(columns), -torch.ones(columns).double(), -1.0)]}


def _bounds(columns: int) -> Any:
    import torch

    return torch.stack([torch.zeros(columns), torch.ones(columns)]).double()


def botorch_next(method: str, X: Any, y: Any, fidelities: list[float]) -> Any:
    """Weights but the last, and the fidelity, that the acquisition function asks for."""
    import torch
    from botorch.acquisition.cost_aware import InverseCostWeightedUtility
    from botorch.acquisition.knowledge_gradient import qMultiFidelityKnowledgeGradient
    from botorch.acquisition.max_value_entropy_search import qMultiFidelityMaxValueEntropy
    from botorch.acquisition.utils import project_to_target_fidelity
    from botorch.models.cost import AffineFidelityCostModel
    from botorch.optim import optimize_acqf_mixed

    model, train_X = _model(X, y)
    columns = train_X.shape[1]
    last = columns - 1
    cost_model = AffineFidelityCostModel(fidelity_weights={last: 1.0}, fixed_cost=0.0)
    utility = InverseCostWeightedUtility(cost_model=cost_model)

    def project(points: Any) -> Any:
        return project_to_target_fidelity(X=points, target_fidelities={last: 1.0}, d=columns)

    if method == "mes":
        rng = np.random.default_rng(len(y))
        drawn = torch.tensor(np.hstack([rng.dirichlet(np.ones(columns), 1000)[:, :last], np.ones((1000, 1))]))
        acquisition: Any = qMultiFidelityMaxValueEntropy(
            model, project(drawn), num_fantasies=128, cost_aware_utility=utility, project=project
        )
        more: dict[str, Any] = {}
    else:
        best = torch.tensor([*botorch_best(X, y, model), 1.0]).unsqueeze(0)
        current = model.posterior(best).mean.detach().max()
        acquisition = qMultiFidelityKnowledgeGradient(
            model, num_fantasies=64, current_value=current, cost_aware_utility=utility, project=project
        )
        more = {}
    point, _ = optimize_acqf_mixed(
        acquisition,
        bounds=_bounds(columns),
        fixed_features_list=[{last: value} for value in fidelities],
        q=1,
        num_restarts=5,
        raw_samples=128,
        options={"batch_limit": 5, "maxiter": 200},
        **_simplex(last),
        **more,
    )
    return point[0].detach().numpy()


def botorch_best(X: Any, y: Any, model: Any = None) -> Any:
    """Weights but the last of the highest posterior mean at the target."""
    import torch
    from botorch.acquisition import PosteriorMean
    from botorch.acquisition.fixed_feature import FixedFeatureAcquisitionFunction
    from botorch.optim import optimize_acqf

    model = _model(X, y)[0] if model is None else model
    columns = len(X[0])
    last = columns - 1
    mean = FixedFeatureAcquisitionFunction(PosteriorMean(model), d=columns, columns=[last], values=[1.0])
    point, _ = optimize_acqf(mean, _bounds(last), q=1, num_restarts=10, raw_samples=512, **_simplex(last))
    return point[0].detach().numpy().astype(float) if isinstance(point, torch.Tensor) else point
