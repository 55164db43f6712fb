"""An evaluator of one's own, a formula in the place of a training. In a study file: `kind: custom_evaluator:Bowl`."""

from dataclasses import dataclass

import bomix


@dataclass(frozen=True)
class Bowl:
    best: float = 0.3  # a key of the study file

    def evaluate(self, trial, workdir):  # trial.weights, trial.seed; an empty folder; runs in a process of its own
        return {"loss": 2.0 + (trial.weights["code"] - self.best) ** 2}


if __name__ == "__main__":
    study = bomix.Study(["code", "web"], ["loss"], evaluator=Bowl(), budget={"trials": 8})
    print(study.run(workers=2).weights)
