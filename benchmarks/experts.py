"""How fast a mixture of data experts is, and how few tokens stand for all of them.

    python benchmarks/experts.py [rate] [asking STUDY] [compression FILE.npy ...]

``rate``: 10,000 mixtures of 7 experts on 200,000 tokens, beside the bare matrix product of that size with the
logarithm of its entries, turn by turn in one run, one thread, float64; then the same with gradients. ``asking``: the
optimisation of log EI over a study's metrics with the mixture of experts as mean and without, the fits left out;
STUDY is that of experiments/mde, with 10 metrics. ``compression``:
drawn tables, or ``T x k`` log-probabilities of real experts.
"""

from __future__ import annotations

import os
import statistics
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from bomix.data_experts import mixture
from bomix.data_experts.compression import check_mixtures, compress

TOKENS, EXPERTS, MIXTURES = 200_000, 7, 10_000
BLOCKS = (2**18, 2**20, 2**22, 2**25)
"""Bytes of the bare product's blocks; the fastest counts."""
ROUNDS = 3


def table(seed: int = 0, spread: float = 1.0) -> np.ndarray:
    """``T x k`` log-probabilities: what all experts find hard, and what each finds harder, with a long tail."""
    rng = np.random.default_rng(seed)
    common = -rng.gamma(1.0, 2.5, size=(TOKENS, 1))
    return (common - spread * np.abs(rng.standard_t(5, size=(TOKENS, EXPERTS)))).astype(np.float32)


def bare(weights: torch.Tensor, rows: torch.Tensor, block: int) -> None:
    """The product and its logarithms, in place, in blocks of whole rows of weights times some tokens."""
    mixtures = 128
    tokens = max(64, block // (8 * mixtures))
    buffer = torch.empty(mixtures * tokens, dtype=torch.float64)
    for start in range(0, len(rows), tokens):
        some = rows[start : start + tokens].mT
        for first in range(0, len(weights), mixtures):
            part = weights[first : first + mixtures]
            out = buffer[: len(part) * some.shape[1]].view(len(part), -1)
            torch.mm(part, some, out=out)
            out.log_()


def seconds(call) -> float:
    """CPU seconds of one call."""
    started = time.process_time()
    call()
    return time.process_time() - started


def rate() -> None:
    """Print the ratio that the goal is about."""
    torch.set_num_threads(1)
    form = mixture.per_token(table())
    weights = torch.as_tensor(np.random.default_rng(1).dirichlet(np.ones(EXPERTS), MIXTURES))
    rows = form.log_rows.exp()
    form(weights[:2])
    trial = {block: seconds(lambda block=block: bare(weights[:1000], rows, block)) for block in BLOCKS}
    block = min(trial, key=lambda each: trial[each])
    bares, plain, sloped = [], [], []
    leaf = weights.clone().requires_grad_()
    for _ in range(ROUNDS):
        bares.append(seconds(lambda: bare(weights, rows, block)))
        plain.append(seconds(lambda: form(weights)))
        sloped.append(seconds(lambda: form(leaf).sum().backward()))
    base = statistics.median(bares)
    print(f"bare product and logarithm, {block // 1024} KiB blocks  {base:8.2f} CPU-s")
    for name, found in (("mixtures of experts", plain), ("with gradients", sloped)):
        ratios = [one / other for one, other in zip(bares, found, strict=True)]
        print(f"{name:<42} {statistics.median(found):8.2f} CPU-s   rate {statistics.median(ratios):.2f} of it")


def asking(study: str) -> None:
    """Print what the mean costs an ask beyond the fit."""
    from bomix import Study
    from bomix.acquisition.improvement import LogEI
    from bomix.history import History
    from bomix.posterior.belief import believe
    from bomix.posterior.seeds import AskSeeds
    from bomix.strategies.bayesian.search import most_promising
    from bomix.surrogates.gp.spec import GP
    from bomix.surrogates.means.experts import MDE

    torch.set_num_threads(1)
    opened = Study.open(study)
    history = History(tuple(record for record in opened.history.completed if record.trial.seed == 0)[:29])
    surrogates = {"without": GP(), "mean: mde": GP(mean=MDE()), "every token": GP(mean=MDE(compress=None))}
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, surrogate in surrogates.items():
            belief, seeds = believe(opened.problem, history, surrogate, seed=0), AskSeeds.of(0, 29)
            spent = seconds(lambda b=belief, s=surrogate, d=seeds: most_promising(b, LogEI(), s, seeds=d))
            found.setdefault(name, []).append(spent)
    for name, spent in found.items():
        times = statistics.median(spent) / statistics.median(found["without"])
        print(f"{name:<12} {statistics.median(spent):6.2f} CPU-s, {times:.2f} times")


def compression(files: list[str]) -> None:
    """Print by how much tables shrink and how far fresh mixtures are off."""
    torch.set_num_threads(1)
    tables = {name: np.load(name) for name in files} or {f"drawn, spread {s}": table(spread=s) for s in (0.3, 1.0)}
    for name, log_p in tables.items():
        form = mixture.per_token(log_p)
        mixtures = torch.cat([check_mixtures(log_p.shape[1], seed=seed) for seed in (11, 12, 13)])
        expected = form(mixtures)
        for tolerance in (1e-3, 3e-3, 1e-2):
            started = time.process_time()
            found = compress(form, tolerance)
            spent = time.process_time() - started
            error = (form.subset(found.index, found.shares)(mixtures) - expected).abs().max()
            print(
                f"{name:<24} {tolerance:6.0e}: {len(log_p)} -> {len(found.index)} tokens "
                f"({len(log_p) / len(found.index):.1f} times fewer), measured {found.measured:.1e}, fresh {error:.1e}, "
                f"proven {found.proven:.1e} nats; {spent:.1f} CPU-s"
            )


def main() -> None:
    """Run what is named, or everything."""
    names = sys.argv[1:] or ["rate", "compression"]
    if "rate" in names:
        rate()
    if "asking" in names:
        asking(names[names.index("asking") + 1])
    if "compression" in names:
        compression(names[names.index("compression") + 1 :])


if __name__ == "__main__":
    main()
