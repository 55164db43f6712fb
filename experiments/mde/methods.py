"""The regressors that are compared, with and without mixtures of data experts, and what one of them predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from bomix.contracts.surrogate import Surrogate
from bomix.history import History
from bomix.problem import Problem
from bomix.space.weights import Weights
from bomix.surrogates.combined.corrected import Corrected
from bomix.surrogates.combined.prediction import Prediction
from bomix.surrogates.data.dataset import fit_context, to_dataset
from bomix.surrogates.features.spec import Features
from bomix.surrogates.gp.multitask import MultiTask
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.laws.spec import LawRegression
from bomix.surrogates.means.averaged_parameters import MDEAverage
from bomix.surrogates.means.experts import MDE, MDEDataset, MDEGated, MDEStrengths
from bomix.surrogates.regression.specs import Boosting, EmpiricalMean, LightGBM, Ridge

OWN, ALL = Features((MDE(),)), Features((MDE(),), use="all")

METHODS: dict[str, Surrogate] = {
    "empirical mean": EmpiricalMean(),
    "DML": LawRegression(form="exponential"),
    "BiMix": LawRegression(form="bimix"),
    "ridge": Ridge(),
    "ridge, w and log w": Ridge(inputs="both"),
    "boosting": Boosting(),
    "LightGBM": LightGBM(),
    "GP": GP(),
    "multi-task GP": MultiTask(),
    "MDE": Prediction(),
    "empirical mean-MDE": Corrected(mean=MDE(), surrogate=EmpiricalMean()),
    "DML-MDE": Corrected(mean=MDE(), surrogate=LawRegression(form="exponential")),
    "BiMix-MDE": Corrected(mean=MDE(), surrogate=LawRegression(form="bimix")),
    "ridge-MDE": Ridge(features=OWN),
    "ridge-MDE, all": Ridge(features=ALL),
    "ridge-MDE, w and log w": Ridge(inputs="both", features=OWN),
    "ridge-MDE, both kinds": Ridge(features=Features((MDE(), MDEDataset()))),
    "boosting-MDE": Boosting(features=OWN),
    "LightGBM-MDE": LightGBM(features=OWN),
    "GP-MDE": GP(mean=MDE()),
    "GP-MDE, as input": GP(features=OWN),
    "multi-task GP-MDE": MultiTask(mean=MDE()),
    "MDE, per set": Prediction(mean=MDEDataset()),
    "MDE, strengths": Prediction(mean=MDEStrengths()),
    "MDE, gated": Prediction(mean=MDEGated()),
    "MDE, gated by all before": Prediction(mean=MDEGated(tau=1.0)),
    "MDE, gated by 4 tokens": Prediction(mean=MDEGated(tau=1.0, window=4)),
    "MDE, gated a little by 4": Prediction(mean=MDEGated(tau=0.05, window=4)),
    "MDE, parameters averaged": Prediction(mean=MDEAverage()),
    "ridge-MDE, gated by 4": Ridge(inputs="both", features=Features((MDEGated(tau=1.0, window=4),))),
    "ridge-MDE, with gated": Ridge(inputs="both", features=Features((MDE(), MDEGated(tau=1.0, window=4)))),
    "GP-MDE, gated a little by 4": GP(mean=MDEGated(tau=0.05, window=4)),
    "GP-MDE, as input, a little by 4": GP(features=Features((MDEGated(tau=0.05, window=4),))),
    "GP-MDE, as input, with gated": GP(features=Features((MDE(), MDEGated(tau=1.0, window=4)))),
    "GP-MDE, strengths": GP(mean=MDEStrengths()),
    "GP-MDE, gated": GP(mean=MDEGated()),
}
"""Name to surrogate; a method whose name has no MDE in it sees no expert's tokens."""


def predictions(problem: Problem, history: History, judged: Sequence[Weights], surrogate: Surrogate) -> np.ndarray:
    """Expected losses ``n x m`` of ``n`` mixtures."""
    context = fit_context(problem, history)
    model: Any = surrogate.fit(to_dataset(problem, history), context=context, seed=0)
    X = torch.as_tensor(problem.space.to_arrays(judged))
    with torch.no_grad():
        return np.asarray(model.posterior(X.unsqueeze(-2)).mean.squeeze(-2).numpy())
