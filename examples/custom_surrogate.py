"""A surrogate of one's own, BoTorch's default. In a study file: `kind: custom_surrogate:Plain`."""

from dataclasses import dataclass

import bomix


@dataclass(frozen=True)
class Plain:
    def fit(self, data, *, context, seed):  # data.X: n x d weights, data.Y: n x m metrics
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from gpytorch.mlls import ExactMarginalLogLikelihood

        model = SingleTaskGP(data.X, data.Y)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        return model


if __name__ == "__main__":
    study = bomix.Study(["code", "web"], ["loss"], strategy={"kind": "bayesian", "surrogate": Plain()})
    for _ in range(8):
        trial = study.ask()
        study.tell(trial, {"loss": 2.0 + (trial.weights["code"] - 0.3) ** 2})
    print(study.recommend().weights)
