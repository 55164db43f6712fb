"""How far mixtures lie apart against how far repeats of one do, by how a proxy is trained: the quietest for its cost.

    python benchmarks/proxy_noise.py [SETTING ...] [--out FILE] [--check]

Trains what FILE does not hold yet, in stacks, a line of JSON for each run, then prints the tables; --check trains
nothing. Text, model and run are those of the study file that `bomix init` writes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from bomix.config import study_file
from bomix.evaluators.proxy import Proxy
from bomix.io.store.memory_store import MemoryStore
from bomix.problem import Problem
from bomix.space.weights import Weights
from bomix.study.resolution import resolve
from bomix.training import device, validation
from bomix.training.data import corpus
from bomix.training.data.tokens import Corpus
from bomix.training.data_order import Plan, plan
from bomix.training.feed import Feed
from bomix.training.model.stack import Stack
from bomix.training.optim import Optimization, StackOptimizer
from bomix.training.run import seeds
from bomix.training.step import Step

with as_file(files("bomix.cli") / "template.yaml") as _template:
    STUDY = study_file.load(_template)
PROXY = cast(Proxy, STUDY.ready_evaluator(Path()))
"""The evaluator of the demo's own study file."""
PROBLEM: Problem = resolve(STUDY, MemoryStore()).problem
"""What the demo decides: which mixtures are allowed, and the objective."""
OBJECTIVE: tuple[str, ...] = STUDY.objective.metrics  # type: ignore[attr-defined]
"""The validation sets whose mean loss is the demo's objective."""
MIXTURES, REPEATS, PAIRED = 8, 6, 2
"""Draws of the simplex, repeats of the uniform mixture, and draws that are repeated as well."""
SHARED = 0
"""Seed of all mixtures, and of what repeats share."""
AVERAGED = 0.98
"""Decay at every fourth step of the average of the weights: over the last two hundred steps, mostly."""
EVERY = 4
"""Steps between two additions to that average: nothing is lost and it costs next to nothing."""
WIDTH = 8
"""Runs in a stack: results do not depend on it, and what was trained is kept stack by stack."""
SEQUENCES = (32, 128, 512)
"""Sequences of a validation set that a loss is measured on: few, many, and as many as in the demo."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """One way to train.

    Attributes:
        new_init: Whether repeats differ in their initial parameters.
        new_order: Whether repeats differ in the order of the text.
        draws: ``quotas``, exact and spread evenly, or ``multinomial``: the domain of each sequence is drawn, and a
            domain's sequences come in a random order.
        schedule: ``linear`` to zero or ``constant``, after the warm-up.
        rate: Learning rate as a multiple of the study file's.
        size: Parameters of the model.
        tokens: Training tokens of a run.
        mixtures: Whether the draws of the simplex are trained as well.
        paired: Whether the first draws are repeated with the seeds of the uniform mixture's repeats.
        repeats: Whether the uniform mixture is repeated.
    """

    new_init: bool = True
    new_order: bool = True
    draws: str = "quotas"
    schedule: str = "linear"
    rate: float = 1.0
    size: str = "0.3M"
    tokens: int = 128_000
    mixtures: bool = False
    paired: bool = False
    repeats: bool = True


SETTINGS: Mapping[str, Setting] = {
    "default": Setting(mixtures=True, paired=True),
    "plain": Setting(draws="multinomial", schedule="constant", mixtures=True),
    "same order": Setting(new_order=False),
    "same init": Setting(new_init=False),
    "multinomial": Setting(draws="multinomial"),
    "constant": Setting(schedule="constant"),
    "rate / 4": Setting(rate=1 / 4, mixtures=True),
    "rate / 16": Setting(rate=1 / 16, mixtures=True),
    "1M": Setting(size="1M", mixtures=True, repeats=False),
    "demo": Setting(tokens=cast(int, PROXY.tokens), mixtures=True),
}


def mixtures() -> list[Weights]:
    """Uniform draws of the mixtures that are allowed, always the same."""
    shares = PROBLEM.space.sample(MIXTURES, np.random.default_rng(0))
    return [PROBLEM.space.to_weights(row) for row in shares]


def runs_of(setting: Setting) -> Iterator[tuple[str, Weights, int]]:
    """Name, mixture and seed of every run of a setting."""
    if setting.repeats:
        uniform = PROBLEM.anchors()["uniform"]
        yield from (("uniform", uniform, seed) for seed in range(REPEATS))
    if setting.mixtures:
        yield from ((f"draw{at}", weights, SHARED) for at, weights in enumerate(mixtures()))
    if setting.paired:
        some = enumerate(mixtures()[:PAIRED])
        yield from ((f"draw{at}", weights, seed) for at, weights in some for seed in range(1, REPEATS))


def multinomial(
    weights: Mapping[str, float], available: Mapping[str, int], *, steps: int, batch: int, seed: int
) -> Plan:
    """A plan whose sequences are drawn: the domain by the weights, its sequences shuffled."""
    rng, names = np.random.default_rng(seed), tuple(sorted(weights))
    domain = rng.choice(len(names), size=steps * batch, p=[weights[name] for name in names])
    sequence = np.empty(steps * batch, dtype=np.int64)
    for at, name in enumerate(names):
        places = np.flatnonzero(domain == at)
        passes = -(-len(places) // available[name])
        shuffled = [rng.permutation(available[name]) for _ in range(passes)]
        sequence[places] = np.concatenate([*shuffled, np.empty(0, dtype=np.int64)])[: len(places)]
    shares = {name: float((domain == at).mean()) for at, name in enumerate(names)}
    return Plan(names, domain.reshape(steps, batch), sequence.reshape(steps, batch), shares, {})


def train(text: Corpus, setting: Setting, runs: Sequence[tuple[str, Weights, int]]) -> list[dict[str, Any]]:
    """Some runs as one stack: for each, its losses at the end and with averaged weights, and its CPU-seconds."""
    started = time.process_time()
    spec = dataclasses.replace(PROXY, tokens=setting.tokens, model=dataclasses.replace(PROXY.model, size=setting.size))
    length, batch, steps = spec.sequence_length, spec.batch_sequences, spec.steps
    available = {name: tokens.sequences(length) for name, tokens in text.train.items()}
    lay_out = plan if setting.draws == "quotas" else multinomial
    inits, orders = zip(*(_seeds(setting, seed) for _, _, seed in runs), strict=True)
    plans = [
        lay_out(weights, available, steps=steps, batch=batch, seed=order)
        for (_, weights, _), order in zip(runs, orders, strict=True)
    ]
    hardware = device.choose()
    precision = torch.bfloat16 if hardware.dtype == "bf16" else torch.float32
    stack = Stack(spec.model, vocabulary=text.vocabulary, sequence_length=length, seeds=inits, dtype=precision)
    base = spec.optimization.settings()
    optimization = Optimization(
        **{**dataclasses.asdict(base), "schedule": setting.schedule, "rate": base.rate * setting.rate}
    )
    optimizer = StackOptimizer([optimization.settings()] * len(runs), stack, steps=steps)
    feed, take = Feed(text, plans, length=length, hardware=hardware), Step(stack, optimizer, hardware)
    average = [values.clone() for values in stack.parameters]
    for step in range(steps):
        optimizer.set_rates(step)
        take(feed.tokens(step))
        if step % EVERY == 0:
            torch._foreach_lerp_(average, list(stack.parameters), 1 - AVERAGED)
    few, many, most = SEQUENCES
    sets, counted = tuple(text.validation), OBJECTIVE
    found = {
        "few": _measure(stack, text, counted, few, hardware),
        "many": _measure(stack, text, sets, many, hardware),
        "most": _measure(stack, text, counted, most, hardware),
    }
    cpu = time.process_time() - started
    for values, mean in zip(stack.parameters, average, strict=True):
        values.copy_(mean)
    stack.refresh()
    found["averaged"] = _measure(stack, text, counted, many, hardware)
    return [
        {"run": name, "seed": seed, "cpu_s": round(cpu / len(runs), 2), **{key: x[at] for key, x in found.items()}}
        for at, (name, _, seed) in enumerate(runs)
    ]


def _seeds(setting: Setting, seed: int) -> tuple[int, int]:
    """Seeds of the parameters and of the order."""
    (init, order), (same_init, same_order) = seeds(seed), seeds(SHARED)
    return (init if setting.new_init else same_init, order if setting.new_order else same_order)


def _measure(
    stack: Stack, text: Corpus, sets: Sequence[str], sequences: int, hardware: device.Hardware
) -> list[dict[str, float]]:
    """For each model its loss on every validation set."""
    losses: list[dict[str, float]] = [{} for _ in range(stack.k)]
    length = PROXY.sequence_length
    for name in sets:
        read = validation.measure(
            stack.losses, text.validation[name], length=length, sequences=sequences, hardware=hardware
        )
        for at, each in enumerate(read):
            losses[at][name] = round(each.evaluation.loss, 6)
    return losses


def interval(ratio: float, spread_df: int, noise_df: int) -> tuple[float, float]:
    """Two-sided 95 % interval of a ratio of standard deviations, both samples normal."""
    from scipy.stats import f

    low, high = f.ppf([0.025, 0.975], spread_df, noise_df)
    return ratio / high**0.5, ratio / low**0.5


class Table:
    """The runs of all settings."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self._rows = rows

    def losses(self, setting: str, run: str, what: str = "many") -> np.ndarray:
        """``n x m`` losses of the repeats of a mixture by seed, or with ``draw`` of every draw on the shared seed."""
        found = [row for row in self._rows if row["setting"] == setting and row["run"].startswith(run)]
        if run == "draw":
            found = [row for row in found if row["seed"] == SHARED]
        found.sort(key=lambda row: (row["run"], row["seed"]))
        return np.array([list(row[what].values()) for row in found])

    def cpu(self, setting: str) -> float:
        """CPU-seconds of a run."""
        return float(np.median([row["cpu_s"] for row in self._rows if row["setting"] == setting]))

    def line(self, name: str, setting: str, *, what: str = "many", spread_of: str | None = None) -> str:
        """Spread, noise and their ratio: of the objective, and over all sets that were measured."""
        draws, repeats = self.losses(spread_of or setting, "draw", what), self.losses(setting, "uniform", what)
        measured = next(row[what] for row in self._rows if row["setting"] == setting)
        columns = [list(measured).index(each) for each in OBJECTIVE]
        spread, noise = (x[:, columns].mean(axis=1).std(ddof=1) for x in (draws, repeats))
        pooled = np.sqrt(np.mean(draws.var(axis=0, ddof=1)) / np.mean(repeats.var(axis=0, ddof=1)))
        low, high = interval(spread / noise, len(draws) - 1, len(repeats) - 1)
        cpu = self.cpu(setting)
        equal = spread / noise * np.sqrt(self.cpu("default") / cpu)
        cells = f"{spread:.3f} | {noise:.4f} | {spread / noise:.1f} ({low:.1f}-{high:.1f}) | {equal:.1f}"
        cells += f" | {pooled:.1f}" if what == "many" else " | -"
        return f"| {name} | {len(repeats)} | {cells} | {cpu:.1f} |"


def print_tables(rows: Sequence[dict[str, Any]]) -> None:
    """Noise by setting, noise by mixture, and ranks across rates and sizes, as far as there are runs."""
    from scipy.stats import spearmanr

    table, there = Table(rows), {row["setting"] for row in rows}
    print("| setting | repeats | spread | noise | ratio (95 %) | at equal CPU-s | ratio, all sets | CPU-s a run |")
    print("|---|---|---|---|---|---|---|---|")
    for name, setting in SETTINGS.items():
        is_whole = name in there and not (setting.mixtures and len(table.losses(name, "draw")) < MIXTURES)
        if is_whole and setting.repeats:
            print(table.line(name, name, spread_of=None if setting.mixtures else "default"))
    if "default" in there:
        print(table.line("default, a quarter of the validation text", "default", what="few"))
    if "demo" in there and len(table.losses("demo", "draw")) == MIXTURES:
        print(table.line("demo, as many validation sequences as it has", "demo", what="most"))
    for name in ("default", "plain"):
        if name in there:
            print(table.line(f"{name}, averaged weights", name, what="averaged"))
    column = list(rows[0]["many"]).index(OBJECTIVE[0])
    if "default" in there:
        uniform = table.losses("default", "uniform")[:, column]
        for at in range(PAIRED):
            own = table.losses("default", f"draw{at}")[:, column]
            noise, paired = own.std(ddof=1), (own - uniform).std(ddof=1)
            print(f"draw {at}: noise {noise:.4f}, of the difference from uniform on one seed {paired:.4f}")
    if "1M" in there:
        large = table.losses("1M", "draw")
        for name in ("default", "rate / 4", "rate / 16"):
            if name in there:
                small = table.losses(name, "draw")
                rho = [spearmanr(small[:, j], large[:, j])[0] for j in range(large.shape[1])]
                print(
                    f"{name} against 1M: Spearman {rho[column]:.2f} on {OBJECTIVE[0]}, {np.mean(rho):.2f} over the sets"
                )


def main() -> None:
    """Train what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", choices=[*SETTINGS, []], help="which to train; all by default")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "proxy_noise.jsonl")
    parser.add_argument("--check", action="store_true", help="print the tables of what is there")
    args = parser.parse_args()
    rows = [json.loads(line) for line in args.out.read_text().splitlines()] if args.out.exists() else []
    done = {(row["setting"], row["run"], row["seed"]) for row in rows}
    if not args.check:
        torch.set_num_threads(1)
        inputs = (PROXY.sources, PROXY.validation, PROXY.tokenizer, PROXY.corpus)
        text = corpus.load(*inputs, sequence_length=PROXY.sequence_length)
        for name in args.settings or SETTINGS:
            missing = [run for run in runs_of(SETTINGS[name]) if (name, run[0], run[2]) not in done]
            for start in range(0, len(missing), WIDTH):
                found = train(text, SETTINGS[name], missing[start : start + WIDTH])
                rows += [{"setting": name, **row} for row in found]
                with args.out.open("a") as out:
                    out.writelines(f"{json.dumps({'setting': name, **row})}\n" for row in found)
                print(name, len(found), "runs,", found[0]["cpu_s"], "CPU-s each", file=sys.stderr, flush=True)
    if not rows:
        parser.error(f"{args.out} holds no runs; run without --check")
    print_tables(rows)


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in device.process_environment().items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **device.process_environment()})
    main()
