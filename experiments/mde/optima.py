"""The mixture of least predicted loss, by criterion and size of the models that it is predicted from.

Across sizes every method learns from the same 17 of the 32 held mixtures that all sizes have trained, and from its own
experts; draws of other 17 of them say how far the optimum depends on which. For the experts by themselves, which
learn from no mixture, it is the validation sequences that are drawn anew.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path

import numpy as np

from bomix.history import History
from bomix.objectives.weighted import WeightedMean
from bomix.posterior.belief import believe
from bomix.recommendation.decision import minimiser
from experiments import runs
from experiments.mde import expert_tokens, fits, swarm
from experiments.mde.methods import METHODS as EVERY
from experiments.regmix import plan

OPTIMA = Path(__file__).parent / "optima.jsonl"
CRITERIA = (swarm.SP, swarm.ET, swarm.ALL)
METHODS = ("MDE", "ridge-MDE", "GP-MDE")
DRAWS = {"MDE": 50, "ridge-MDE": 20, "GP-MDE": 5}
"""Further draws of what an optimum rests on; a process takes seconds for each."""
COMMON = 32
"""Held mixtures that all sizes have trained."""
SMOOTHED = 0.01
"""Share of the uniform mixture in what is trained, as in the paper."""
ROUNDS = 2000
"""Of the fixed point that maximises the likelihood of a mixture; it has converged long before."""
CHOSEN = {swarm.SP: "GP-MDE", swarm.ET: "ridge-MDE", swarm.ALL: "ridge-MDE"}
"""The paper's choice of a regressor for each criterion."""


def of_experts(size: str, criterion: str, draw: int) -> np.ndarray:
    """``8`` weights of the least MDE loss: each token's posterior over experts, averaged again and again.

    Args:
        size: Of the experts.
        criterion: What is minimised.
        draw: Which draw of the validation sequences; 0 for all of them.
    """
    log_p, places, starts, *_ = expert_tokens.kept(size)
    rng, shares = np.random.default_rng(draw), np.zeros(len(log_p))
    for name, coefficient in zip(swarm.NAMES, swarm.CRITERIA[criterion], strict=True):
        count = len(starts[name]) - 1
        of_sequences = np.ones(count) if draw == 0 else rng.multinomial(count, np.full(count, 1 / count))
        tokens = np.repeat(of_sequences, np.diff(starts[name])).astype(float)
        shares[places[name]] = coefficient * tokens / tokens.sum()
    counted = shares > 0
    p = np.exp(log_p[counted] - log_p[counted].max(axis=1, keepdims=True))
    shares, point = shares[counted] / shares.sum(), np.full(p.shape[1], 1 / p.shape[1])
    for _ in range(ROUNDS):
        new = point * ((shares / (p @ point)) @ p)
        if np.abs(new - point).max() < 1e-7:
            break
        point = new
    return point / point.sum()


def of_model(method: str, history: History) -> dict[str, np.ndarray]:
    """The minimiser of a method's prediction, by criterion; it learns each metric once for all of them."""
    surrogate, problem, found = EVERY[method], swarm.problem(), {}
    whole = believe(problem, history, surrogate, seed=0)
    for criterion in CRITERIA:
        of = {name: float(x) for name, x in zip(swarm.NAMES, swarm.CRITERIA[criterion], strict=True) if x}
        belief = dataclasses.replace(
            whole,
            problem=dataclasses.replace(problem, objective=WeightedMean(of=of)),
            aggregate=dataclasses.replace(whole.aggregate, objective=WeightedMean(of=of)),
        )
        found[criterion] = np.asarray(minimiser(belief, surrogate, problem.space, seed=0))
    return found


def learnt(size: str, draw: int) -> list[runs.Row]:
    """A draw's 17 of the mixtures that all sizes have."""
    places = np.random.default_rng(draw).permutation(COMMON)[: fits.TRAINED - fits.EXPERTS]
    some = swarm.of("held", size)[:COMMON]
    return [some[at] for at in sorted(places)]


def run(limit: float) -> None:
    """Keep every optimum that is missing and whose runs there are; nothing is begun after the limit."""
    began = time.monotonic()
    # Those of all criteria are found at once: they are there once the last is.
    last = CRITERIA[-1]
    known = {(row["method"], row["size"], row["draw"]) for row in runs.kept(OPTIMA) if row["criterion"] == last}
    for method in METHODS:
        for draw in range(1 + DRAWS[method]):
            for size in swarm.SIZES:
                ready = expert_tokens.file_of(size).exists() and (
                    method == "MDE" or len(swarm.of("held", size)) >= COMMON
                )
                if (method, size, draw) in known or not ready:
                    continue
                if time.monotonic() - began > limit:
                    print("optima are left", file=sys.stderr)
                    return
                if method == "MDE":
                    found = {each: of_experts(size, each, draw) for each in CRITERIA}
                else:
                    found = of_model(method, swarm.history(size, learnt(size, draw)))
                head = {"method": method, "size": size, "draw": draw}
                runs.add(OPTIMA, [{**head, "criterion": each, "weights": kept(x)} for each, x in found.items()])
    print("no optimum of what is trained is missing", file=sys.stderr)


def kept(point: np.ndarray) -> dict[str, float]:
    """A mixture as a row has it."""
    return {name: round(float(x), 5) for name, x in zip(plan.DOMAINS, point, strict=True) if x > 5e-6}


def to_train() -> dict[str, dict[str, float]]:
    """Criterion to the mixture that 25 models of the smallest size choose for it, smoothed."""
    history = swarm.history("0.3M", fits.learnt(0, fits.TRAINED))
    found = {}
    for method in dict.fromkeys(CHOSEN.values()):
        best = of_model(method, history)
        for criterion in (each for each in CRITERIA if CHOSEN[each] == method):
            point = (1 - SMOOTHED) * best[criterion] / best[criterion].sum() + SMOOTHED / len(plan.DOMAINS)
            found[criterion] = {name: float(x) for name, x in zip(plan.DOMAINS, point, strict=True)}
    return {each: found[each] for each in CRITERIA}
