"""Five changes of the domains one after the other: runs carried over against studies begun anew.

    python benchmarks/reuse.py run [--seeds 100-105] [--worlds synthetic regmix] [--arms anew extended] [--out FILE]
    python benchmarks/reuse.py table [--seeds 100-105] [--out FILE]

``synthetic``: nine texts with a loss each (noise 0.01 in the mean), of which domains are made; six domains to begin
with, then one is added, one split, two are united, one is dropped, one filtered anew. ``regmix``: the emulator of
RegMix's 512 runs (17 domains, 13 losses); twelve domains, drawn with the seed, then one more each time. The first study
has 20 runs (24 of 12 domains). In the arm ``extended`` each study takes over all runs of the one before and asks for
``MORE`` of its own; in ``anew`` each begins with none. ``blind`` is ``extended`` without trials along what changed, and
``unaware`` without columns for text that is gone. Both ask by ``auto`` with the surrogate ``QUICK``. Each line of FILE
is a world, a seed and an arm: regrets (true values) of what is recommended after so many runs of a step's own;
``table`` has in brackets the runs of a new start after which the mean regret is as low for good.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

from bomix.evaluators.synthetic.optimum import best_of_minima
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.history import History
from bomix.io.imports.carried import CARRIED, carried
from bomix.io.imports.domain_changes import DomainChanges, carriage, next_generation
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.recommendation.decision import decide
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.auto import Auto
from bomix.surrogates.gp.presets import QUICK
from bomix.trial import IMPORTED, Record, Result, Trial

Text = Mapping[str, Mapping[str, float]]
"""Domain to the texts that it is made of, with their shares."""

MORE, CHECKS = 6, (0, 1, 2, 3, 4, 5, 6)
"""Runs of its own that an extended study asks for, and after which it recommends."""
ANEW = (8, 10, 12, 14, 16, 18, 20, 24, 28, 32)
"""Runs after which a study begun anew recommends."""
ARMS = ("anew", "extended", "blind", "unaware")
TEXTS = ("books", "code_clean", "code_raw", "forum", "high", "low", "maths", "news", "wiki")
STARTS = 16


@dataclass(frozen=True)
class Step:
    """One study of a sequence.

    Attributes:
        name: What changed before it.
        domains: Its domains and the texts that they are made of.
        changes: What became of the domains of the study before.
    """

    name: str
    domains: Text
    changes: DomainChanges = DomainChanges()


def alone(*names: str) -> dict[str, dict[str, float]]:
    return {name: {name: 1.0} for name in names}


def synthetic_steps() -> list[Step]:
    """The five changes, one of each kind."""
    web, code = {"high": 0.3, "low": 0.7}, {"code_clean": 0.4, "code_raw": 0.6}
    domains: dict[str, Mapping[str, float]] = {"web": web, "code": code, **alone("wiki", "books", "news", "forum")}
    steps = [Step("start", dict(domains))]
    domains |= alone("maths")
    steps.append(Step("added", dict(domains)))
    del domains["web"]
    domains |= alone("high", "low")
    steps.append(Step("split", dict(domains), DomainChanges({"web": web})))
    del domains["news"], domains["forum"]
    domains |= {"talk": {"news": 0.5, "forum": 0.5}}
    united = {"news": {"talk": None}, "forum": {"talk": None}}
    steps.append(Step("united", dict(domains), DomainChanges(united)))
    del domains["wiki"]
    steps.append(Step("dropped", dict(domains), DomainChanges(dropped=("wiki",))))
    domains |= {"code": {"code_clean": 0.8, "code_raw": 0.2}}
    return [*steps, Step("filtered anew", dict(domains), DomainChanges(refiltered=("code",)))]


def regmix_steps(names: Sequence[str], seed: int) -> list[Step]:
    """Twelve domains, then one more five times."""
    order = np.random.default_rng(np.random.SeedSequence([seed, 12])).permutation(list(names)).tolist()
    return [Step("start" if n == 12 else f"added {n - 12}", alone(*order[:n])) for n in range(12, 18)]


class World:
    """A function of the texts as a study of some domains sees it."""

    def __init__(self, function: Synthetic, texts: Sequence[str], step: Step) -> None:
        self.function, self.domains = function, tuple(sorted(step.domains))
        self._parts = np.array([[step.domains[name].get(text, 0.0) for text in texts] for name in self.domains])
        space = MixtureSpace(self.domains)
        self.problem = Problem(space, tuple(map(Metric, function.metrics)), Mean())
        points = np.random.default_rng(0).dirichlet(np.full(len(self.domains), 0.5), 2000)
        _, self.best = best_of_minima(self._value, points, starts=STARTS)

    def _value(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        texts = points @ self._parts
        return self.function.value(texts), self.function.gradient(texts) @ self._parts.T

    def regret(self, point: np.ndarray) -> float:
        return float(self.function.value(point @ self._parts) - self.best)

    def run(self, weights: Mapping[str, float], entropy: Sequence[int]) -> Result:
        texts = np.array([weights[name] for name in self.domains]) @ self._parts
        losses = self.function.observe(texts, entropy=list(entropy)).tolist()
        return Result(dict(zip(self.function.metrics, losses, strict=True)))


def search(
    world: World, history: History, runs: int, checks: Sequence[int], *, seed: int, entropy: Sequence[int], blind: bool
) -> tuple[History, dict[int, float]]:
    """Ask, run and recommend; the record with the new runs, and regrets after those that are checks."""
    regrets = {}
    for number in range(runs + 1):
        if number in checks:
            regrets[number] = world.regret(decide(world.problem, history, QUICK, seed=seed).point)
        if number == runs:
            break
        auto = Auto(surrogate=QUICK)
        asking: Any = auto.chosen(world.problem) if blind else auto
        (candidate,) = asking.ask(world.problem, history, 1, seed=seed)
        trial = Trial(history.next_id, candidate.weights, seed, candidate.origin)
        history = history.with_record(Record(trial, world.run(candidate.weights, [*entropy, number])))
    return history, regrets


def carry_over(history: History, step: Step, before: Sequence[str], world: World, *, unaware: bool) -> History:
    """The runs of the study before as runs of this one."""
    tokens = dict.fromkeys(before, 1.0)
    plan = carriage(step.changes, before, world.domains, old_tokens=tokens, new_tokens={})
    generation, records = next_generation(history.completed), []
    for record in history.completed:
        if (found := plan.of(record, generation=generation)) is None:
            continue
        weights, beside = found
        if unaware:
            beside = dataclasses.replace(beside, other={}, lost=0.0)
        shares = {name: weights.get(name, 0.0) for name in world.domains}
        result = dataclasses.replace(record.result, info={CARRIED: beside.to_data()})
        records.append(Record(Trial(len(records), shares, 0, IMPORTED), result))
    return History(tuple(records))


def trace(name: str, arm: str, seed: int) -> dict[str, Any]:
    """Regrets of every step of a sequence."""
    if name == "synthetic":
        function, steps = Synthetic(domains=TEXTS, seed=seed), synthetic_steps()
        texts: Sequence[str] = sorted(TEXTS)
    else:
        function = Synthetic(family="regmix")
        texts = function.domain_names
        steps = regmix_steps(texts, seed)
    began, history, before = time.process_time(), History(), ()
    found: dict[str, dict[int, float]] = {}
    for number, step in enumerate(steps):
        world = World(function, texts, step)
        method = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        options: dict[str, Any] = {"seed": method, "entropy": [seed, number, ARMS.index(arm)], "blind": arm == "blind"}
        if arm == "anew":
            if number:
                _, found[step.name] = search(world, History(), max(ANEW), ANEW, **options)
            continue
        if number:
            history = carry_over(history, step, before, world, unaware=arm == "unaware")
            history, found[step.name] = search(world, history, MORE, CHECKS, **options)
        else:
            history, _ = search(world, history, 20 if name == "synthetic" else 24, (), **options)
        before = world.domains
    assert arm == "anew" or carried(history.records[0]) is not None
    return {"world": name, "arm": arm, "seed": seed, "regret": found, "cpu_s": time.process_time() - began}


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of results; none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run(seeds: Sequence[int], worlds: Sequence[str], arms: Sequence[str], path: Path) -> None:
    """Run what the file does not have yet."""
    there = {(line["world"], line["arm"], line["seed"]) for line in read(path)}
    for seed in seeds:
        for name in worlds:
            for arm in arms:
                if (name, arm, seed) not in there:
                    with path.open("a") as file:
                        file.write(json.dumps(trace(name, arm, seed)) + "\n")


def runs_for(curve: Mapping[int, float], value: float) -> float:
    """Runs after which a curve of mean regrets is at a value for good, between those that were looked at."""
    counts = sorted(curve)
    if curve[counts[-1]] > value:
        return float("inf")
    for number in range(len(counts) - 1, 0, -1):
        low, high = curve[counts[number - 1]], curve[counts[number]]
        if low > value:
            return counts[number - 1] + (counts[number] - counts[number - 1]) * (low - value) / (low - high)
    return float(counts[0])


def curves_of(lines: Sequence[dict[str, Any]], seeds: Sequence[int]) -> dict[str, dict[str, dict[int, float]]]:
    """Step to arm to mean regret after each number of runs, over seeds that all arms have."""
    by_arm = {
        arm: {line["seed"]: line["regret"] for line in lines if line["arm"] == arm and line["seed"] in seeds}
        for arm in ARMS
    }
    by_arm = {arm: found for arm, found in by_arm.items() if found}
    common = sorted(set.intersection(*(set(found) for found in by_arm.values()))) if by_arm else []
    curves: dict[str, dict[str, dict[int, float]]] = {}
    for arm, found in by_arm.items():
        for step in found[common[0]] if common else ():
            counts = sorted(map(int, found[common[0]][step]))
            means = {count: float(np.mean([found[seed][step][str(count)] for seed in common])) for count in counts}
            curves.setdefault(step, {})[arm] = means
    return curves


def table(lines: Sequence[dict[str, Any]], seeds: Sequence[int]) -> None:
    """Mean regrets of each step, and the runs that a new start takes for the same; how many runs that saves in all."""
    shown = (0, 2, 4, MORE)
    for name in dict.fromkeys(line["world"] for line in lines):
        print(f"\n{name}\n\n| change | runs | " + " | ".join(f"after {count}" for count in shown) + " |")
        print("|---" * (2 + len(shown)) + "|")
        needed: dict[str, dict[int, float]] = {}
        curves = curves_of([line for line in lines if line["world"] == name], seeds)
        for step, by_arm in curves.items():
            for arm, curve in by_arm.items():
                if arm == "anew":
                    continue
                equal = {count: runs_for(by_arm["anew"], curve[count]) for count in shown}
                cells = [f"{curve[count]:.4f} ({_runs(equal[count])})" for count in shown]
                print(f"| {step} | {arm} | " + " | ".join(cells) + " |")
                own = needed.setdefault(arm, dict.fromkeys(shown, 0.0))
                for count in shown:
                    own[count] += min(equal[count], max(ANEW))
        for arm, own in needed.items():
            for count in shown[1:]:
                spent = count * len(curves)
                share = 100.0 * spent / own[count]
                print(f"\n{arm}, {count} runs a change: {spent} where new starts take {own[count]:.0f}, {share:.0f} %")


def _runs(count: float) -> str:
    return f"over {max(ANEW)}" if math.isinf(count) else f"{count:.0f}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--seeds", default="100-105")
    parser.add_argument("--worlds", nargs="+", choices=("synthetic", "regmix"), default=["synthetic", "regmix"])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=["anew", "extended"])
    parser.add_argument("--out", type=Path, default=Path("reuse.jsonl"))
    given = parser.parse_args()
    first, _, last = given.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    if given.what == "run":
        run(seeds, given.worlds, given.arms, given.out)
    else:
        table(read(given.out), seeds)


if __name__ == "__main__":
    main()
