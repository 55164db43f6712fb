"""An objective of one's own that heeds high losses more. In a study file: `kind: custom_objective:PowerMean`."""

from dataclasses import dataclass

import bomix


@dataclass(frozen=True)
class PowerMean:
    power: float = 4.0  # a key of the study file

    def __call__(self, losses, metrics):  # (...) x m, an array or a tensor, less is better; returns (...)
        return (losses**self.power).mean(-1) ** (1.0 / self.power)


if __name__ == "__main__":
    study = bomix.Study(["code", "web"], ["code", "web"], objective=PowerMean())
    for _ in range(8):
        trial = study.ask()
        study.tell(trial, {name: 3.0 - weight**0.5 for name, weight in trial.weights.items()})
    print(study.recommend().weights)
