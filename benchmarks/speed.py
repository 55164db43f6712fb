"""Where bomix's own time goes: start-up, sampling, fitting, asking.

    python benchmarks/speed.py [imports] [start_up] [sampling] [fitting] [largest] [asking] [constrained] [simulating]

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
from typing import TYPE_CHECKING

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.history import History
from bomix.numerics.determinism import deterministic
from bomix.posterior.belief import believe
from bomix.posterior.seeds import AskSeeds
from bomix.space.linear import Constraint
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.auto import Auto
from bomix.strategies.bayesian.search import most_promising
from bomix.trial import Record, Result, Trial

if TYPE_CHECKING:
    from botorch.models.model import Model


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
    from bomix.contracts.executor import Attempt, Ended
    from bomix.execution.local.executor import LocalExecutor

    evaluator = __import__("speed").Nothing()  # pickled by the name that another process can import
    waits = []
    started = time.time()
    executor = LocalExecutor(evaluator, workers=1)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(6):
            started = started if number == 0 else time.time()
            workdir = Path(folder) / str(number)
            workdir.mkdir()
            executor.submit(Trial(number, {"a": 1.0}, 0, "sobol"), Attempt(1, workdir))
            ended = None
            while not isinstance(ended, Ended):
                ended = next(iter(executor.events(1.0)), None)
            waits.append(ended.outcome.losses["clock"] - started)
    executor.close()
    print(f"{'start of the first trial (imports torch and transformers)':<58} {waits[0]:8.3f} s")
    print(f"{'start of a later trial (forked)':<58} {statistics.median(waits[1:]):8.3f} s")


def sampling() -> None:
    """64 Sobol points where caps bind."""
    from bomix.space.uniform import uniform_map

    for d in (7, 50, 200):
        names = [f"d{i:03d}" for i in range(d)]
        space = MixtureSpace(names, upper=dict.fromkeys(names, 3.0 / d))

        def cold(space: MixtureSpace = space) -> None:
            uniform_map.cache_clear()
            space.sobol(64, seed=0)

        print(f"{f'64 Sobol points, {d} capped domains':<58} {median(cold):8.3f} s")


def runs(n: int, d: int, m: int) -> tuple[SupervisedDataset, FitContext]:
    """``n`` runs of ``d`` domains; each of ``m`` losses falls with its own domain and, less, with all others."""
    rng = np.random.default_rng(0)
    space = MixtureSpace([f"d{i:03d}" for i in range(d)])
    X = rng.dirichlet(np.full(d, max(0.5, 3.0 / d)), n)
    kin = rng.dirichlet(np.full(d, 0.3), m).T
    Y = 2.0 + np.exp(-5.0 * X[:, np.arange(m) % d]) - 0.3 * np.log(0.02 + X @ kin) + rng.normal(0.0, 0.01, (n, m))
    names = [f"m{j:02d}" for j in range(m)]
    data = SupervisedDataset(
        torch.from_numpy(X), torch.from_numpy(Y), feature_names=list(space.domains), outcome_names=names
    )
    return data, FitContext(space, tuple(names))


def ours(data: SupervisedDataset, context: FitContext) -> None:
    """Fit the default surrogate and predict 256 mixtures."""
    from bomix.surrogates.gp.spec import GP

    model = GP().fit(data, context=context, seed=0)
    with torch.no_grad():
        assert model.posterior(data.X[:256].unsqueeze(-2)).variance.isfinite().all()


def one_by_one(data: SupervisedDataset, *, batched: bool = False) -> None:
    """BoTorch's default model of each metric in turn, or of all metrics as one batch, with the same predictions."""
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

    columns = [slice(None)] if batched else [slice(j, j + 1) for j in range(data.Y.shape[-1])]
    for column in columns:
        model = SingleTaskGP(data.X, data.Y[:, column])
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        with torch.no_grad():
            model.posterior(data.X[:256].unsqueeze(-2)).variance.sum()


def fitting() -> None:
    """The default surrogate beside BoTorch's, fit and predictions; then how its time grows."""
    for n, repeats, batched in ((64, 3, True), (512, 1, False)):
        data, context = runs(n, 17, 13)
        mine = median(partial(ours, data, context), repeats)
        theirs = median(partial(one_by_one, data), repeats)
        line = f"{f'fit and predict, 13 metrics, 17 domains, {n} runs':<58} {mine:8.3f} s; "
        line += f"13 SingleTaskGP {theirs:.1f} s, {theirs / mine:.1f} times as long"
        if batched:
            together = median(partial(one_by_one, data, batched=True), 1)
            line += f"; one batched SingleTaskGP {together:.1f} s, {together / mine:.0f} times"
        print(line, flush=True)
    for n, d, m in ((32, 17, 13), (128, 17, 13), (256, 17, 13), (64, 5, 13), (64, 50, 13), (64, 17, 3), (64, 17, 40)):
        data, context = runs(n, d, m)
        label = f"fit and predict, {m} metrics, {d} domains, {n} runs"
        print(f"{label:<58} {median(partial(ours, data, context), 3):8.3f} s", flush=True)


def largest() -> None:
    """A hundred domains, a thousand runs, twenty metrics on two threads, in a process of its own for its memory."""
    code = (
        "import resource, sys, time, torch; sys.path.insert(0, sys.argv[1]); import speed; torch.set_num_threads(2); "
        "data, context = speed.runs(1000, 100, 20); began = time.perf_counter(); speed.ours(data, context); "
        "print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", code, str(Path(__file__).parent)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    seconds, memory = map(float, done.stdout.split())
    label = "fit and predict, 20 metrics, 100 domains, 1000 runs"
    print(f"{label:<58} {seconds:8.1f} s on two threads, {memory:.1f} GiB")


def asking() -> None:
    """Asks of the default strategy with and without the fit, one metric for each useful domain; CPU seconds."""
    for d, useless, n in ((7, 3, 64), (17, 4, 64), (20, 8, 64), (50, 20, 64), (100, 0, 500)):
        function = Synthetic(domains=d, useless=useless, seed=0)
        problem = function.problem(budget=n)
        records = []
        for number, weights in enumerate(problem.space.sobol(n, seed=0)):
            losses = function.observe(weights, entropy=[0, number]).tolist()
            named = dict(zip(problem.metric_names, losses, strict=True))
            records.append(Record(Trial(number, problem.space.to_weights(weights), 0, "sobol"), Result(named)))
        history, strategy = History(tuple(records)), Auto().chosen(problem)
        with deterministic():
            if d == 7:
                believe(problem, history, strategy.surrogate, seed=0)  # what the first call alone does
            started = time.process_time()
            belief = believe(problem, history, strategy.surrogate, seed=0)
            fitted = time.process_time()
            most_promising(belief, strategy.acquisition, strategy.surrogate, seeds=AskSeeds.of(0, n))
            done = time.process_time()
        label = f"ask, {d} domains, {len(problem.metrics)} metrics, {n} trials"
        print(f"{label:<58} {done - started:8.2f} s, {done - fitted:.2f} s of it beyond the fit")


def constrained() -> None:
    """An ask of 50 domains with and without ten group constraints, side by side; uniform mixtures; CPU seconds."""
    function = Synthetic(domains=50, useless=20, seed=0)
    names = function.domain_names
    groups = [Constraint(dict.fromkeys(names[g::10], 1.0), 0.05, 0.2) for g in range(10)]
    asked = []
    for constraints in ((), groups):
        problem = dataclasses.replace(function.problem(budget=96), space=MixtureSpace(names, constraints=constraints))
        records = []
        for number, weights in enumerate(problem.space.sobol(64, seed=0)):
            losses = function.observe(weights, entropy=[0, number]).tolist()
            named = dict(zip(problem.metric_names, losses, strict=True))
            records.append(Record(Trial(number, problem.space.to_weights(weights), 0, "sobol"), Result(named)))
        asked.append((problem, History(tuple(records)), []))
    strategy = Auto()
    with deterministic():
        for seed in range(6):
            for problem, history, seconds in asked:
                started = time.process_time()
                strategy.ask(problem, history, 1, seed=seed)
                seconds.append(time.process_time() - started)
    without, with_ = (statistics.median(seconds[1:]) for *_, seconds in asked)  # the first of each also imports
    print(f"{'ask, 50 domains, without and with ten constraints':<58} {without:8.2f} s, {with_:.2f} s")
    names = tuple(f"d{index:03d}" for index in range(200))
    wide = MixtureSpace(
        names, constraints=[Constraint(dict.fromkeys(names[g::20], 1.0), 0.03, 0.07) for g in range(20)]
    )
    started = time.process_time()
    wide.sample(512, np.random.default_rng(0))
    print(f"{'512 uniform mixtures, 200 domains, 20 constraints':<58} {time.process_time() - started:8.2f} s")


def simulating() -> None:
    """A million simulated mixtures of 17 domains: drawn, predicted from 512 runs, the best 100 kept; CPU seconds."""
    from bomix.objectives.weighted import Mean
    from bomix.posterior.expected import on_arrays
    from bomix.problem import Metric, Problem
    from bomix.strategies.regression.regmix import RegMix
    from bomix.surrogates.models.joint import mean_at
    from bomix.surrogates.regression.specs import LightGBM, Ridge

    data, context = runs(512, 17, 1)
    tokens = {name: 2.0**-index for index, name in enumerate(context.space.domains)}
    problem = Problem(context.space, tuple(map(Metric, context.metrics)), Mean(), tokens)
    strategy, rng = RegMix(), np.random.default_rng(0)
    for name, surrogate in (
        ("ridge", Ridge()),
        ("LightGBM, published setting", LightGBM(leaf=20)),
        ("LightGBM", LightGBM()),
    ):
        started = time.process_time()
        model = surrogate.fit(data, context=context, seed=0)
        fitted, predicting = time.process_time(), 0.0

        def values(points: np.ndarray, model: Model = model) -> np.ndarray:
            nonlocal predicting
            began = time.process_time()
            found = on_arrays(lambda X: mean_at(model, X).squeeze(-1))(points)
            predicting += time.process_time() - began
            return found

        strategy.best_simulated(values, problem, rng)
        whole = time.process_time() - fitted
        label = f"{strategy.simulated:,} mixtures predicted, {name}"
        print(f"{label:<58} {predicting:8.3f} s; drawn and sorted too {whole:.1f} s; fit {fitted - started:.1f} s")


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.path.insert(0, str(Path(__file__).parent))
    for part in (imports, start_up, sampling, fitting, largest, asking, constrained, simulating):
        if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
            part()
