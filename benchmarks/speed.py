"""Where bomix's own time goes: start-up, sampling, fitting, asking.

    python benchmarks/speed.py

Each figure is the median of a few repeats in one run, one thread, and what it is compared with is measured beside it.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from bomix.space import MixtureSpace
from bomix.study import Study
from bomix.trial import Result, Trial


@dataclasses.dataclass(frozen=True)
class Nothing:
    """An evaluator that imports what a proxy imports, and says when it was reached."""

    preload = ("bomix.training.loop", "transformers.models.llama.modeling_llama")

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        """The clock."""
        return Result({"clock": time.time()})


def median(call: Callable[[], object], repeats: int = 5) -> float:
    """Wall seconds."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def imports() -> None:
    """Bare Python beside `import bomix` and `bomix --help`."""
    for name, arguments in (
        ("python -c pass", ["-c", "pass"]),
        ("import bomix", ["-c", "import bomix"]),
        ("bomix --help", ["-m", "bomix.cli.main", "--help"]),
    ):
        command = [sys.executable, *arguments]
        print(f"{name:<58} {median(lambda c=command: subprocess.run(c, check=True, capture_output=True)):8.3f} s")


def start_up() -> None:
    """From launch to evaluation: the first trial waits for the imports, the others are forked."""
    from bomix.execution.local import Ended, LocalExecutor

    evaluator = __import__("speed").Nothing()  # pickled by the name that another process can import
    waits = []
    started = time.time()
    executor = LocalExecutor(evaluator, workers=1)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(6):
            started = started if number == 0 else time.time()
            workdir = Path(folder) / str(number)
            workdir.mkdir()
            executor.submit(Trial(number, {"a": 1.0}, 0, "sobol"), workdir)
            ended = None
            while not isinstance(ended, Ended):
                ended = next(iter(executor.events(1.0)), None)
            waits.append(ended.outcome.losses["clock"] - started)
    executor.close()
    print(f"{'start of the first trial (imports torch and transformers)':<58} {waits[0]:8.3f} s")
    print(f"{'start of a later trial (forked)':<58} {statistics.median(waits[1:]):8.3f} s")


def sampling() -> None:
    """64 Sobol points where caps bind."""
    from bomix.uniform_map import uniform_map

    for d in (7, 50, 200):
        names = [f"d{i:03d}" for i in range(d)]
        space = MixtureSpace(names, upper=dict.fromkeys(names, 3.0 / d))

        def cold(space: MixtureSpace = space) -> None:
            uniform_map.cache_clear()
            space.sobol(64, seed=0)

        print(f"{f'64 Sobol points, {d} capped domains':<58} {median(cold):8.3f} s")


def fitting() -> None:
    """All metrics in one batch beside one BoTorch fit after the other, on the same encoded data and prior."""
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.utils.datasets import SupervisedDataset
    from gpytorch.mlls import ExactMarginalLogLikelihood

    from bomix.surrogates.context import FitContext
    from bomix.surrogates.gp import GP

    for d, m, n in ((5, 5, 20), (17, 13, 64)):
        space = MixtureSpace([f"d{i:02d}" for i in range(d)])
        X = torch.from_numpy(space.sobol(n, seed=0))
        # Each loss falls with its own domain; the noise keeps the fits from degenerating.
        noise = torch.from_numpy(np.random.default_rng(0).normal(0.0, 0.01, (n, m)))
        Y = 2.0 + torch.exp(-5.0 * X[:, torch.arange(m) % d]) + noise
        names = [f"m{j:02d}" for j in range(m)]
        data = SupervisedDataset(X, Y, feature_names=list(space.domains), outcome_names=names)
        context = FitContext(space, tuple(names))

        def one_by_one(X: torch.Tensor = X, Y: torch.Tensor = Y, m: int = m) -> None:
            for j in range(m):
                model = SingleTaskGP((X + 1e-4).sqrt(), Y[:, j : j + 1])
                fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))

        ours = median(lambda data=data, context=context: GP().fit(data, context=context, seed=0))
        theirs = median(one_by_one, 3)
        label = f"fit of {m} metrics, {d} domains, {n} trials"
        print(f"{label:<58} {ours:8.3f} s; {m} fits by BoTorch {theirs:.2f} s, {theirs / ours:.0f} times as long")


def asking() -> None:
    """A whole ask, fit included."""
    for d, n in ((4, 10), (7, 30), (20, 64)):
        names = [f"d{i:02d}" for i in range(d)]
        study = Study(domains=names, metrics=names)
        for weights in study.problem.space.sobol(n, seed=1):
            study.add(
                study.problem.space.to_weights(weights),
                dict(zip(names, 2.0 + np.exp(-5.0 * weights), strict=True)),
            )
        strategy, problem, history = study.spec.strategy, study.problem, study.history
        seconds = median(partial(strategy.ask, problem, history, 1, seed=0), 3)
        print(f"{f'ask, {d} domains and metrics, {n} trials':<58} {seconds:8.3f} s")


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.path.insert(0, str(Path(__file__).parent))
    for part in (imports, start_up, sampling, fitting, asking):
        part()
