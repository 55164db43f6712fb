"""What is trained beside the searches, and what the searches are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from bomix.config import study_file
from bomix.contracts.strategy import Strategy
from bomix.evaluators.proxy import Proxy
from bomix.scale import Scale
from bomix.strategies.auto import Auto
from bomix.strategies.bayesian.turbo import Turbo
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.designs import Sobol
from experiments.regmix.plan import RATES, SIZES
from experiments.runs import Planned, with_rate

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
FOUND = HERE / "found.jsonl"
"""What searches and laws chose, which is trained again on seeds that no search has seen."""
LAWS = HERE / "laws.jsonl"
"""Where laws of mixture, size and tokens put the optimum of a scale that they have not seen."""
WORK = Path("~/.cache/bomix/bo").expanduser()
"""Folders of the studies."""
PAIRS = {"two-even": ("kernel", "prose"), "two-uneven": ("code", "kernel")}
RATIOS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
"""Shares of the first of two domains."""
BASELINES = {
    "LLaMA": {"prose": 0.049, "kernel": 0.740, "code": 0.071, "technical": 0.028, "german": 0.110},
    "Dolma": {"prose": 0.002, "kernel": 0.800, "code": 0.144, "technical": 0.0245, "german": 0.0312},
}
"""Table I of the paper, with books, Common Crawl, code, papers and forum in this order."""
FRESH = range(100, 104)
"""Seeds of the second look."""
SCALED = {"1M": ("uniform", "sobol-0", "bo32-0", "LLaMA"), "3M": ("uniform", "sobol-0", "bo32-0")}
"""What is trained at larger sizes: Table V, and beside it a mixture that is far from all others."""
SCALED_SEEDS = {"1M": FRESH, "3M": FRESH[:2]}
"""Fresh seeds at larger sizes."""
LARGER = 32
"""Runs of the first design that are repeated at the middle size."""
DESIGN = Sobol(anchors=False)
"""As in the paper: no mixture is given beforehand."""


@dataclass(frozen=True)
class Arm:
    """One way to search.

    Attributes:
        name: Its name.
        strategy: What asks.
        trials: Runs in all.
    """

    name: str
    strategy: Strategy
    trials: int


@dataclass(frozen=True)
class Problem:
    """Domains, tokens, and the searches over them.

    Attributes:
        name: Also that of the study file beside this one.
        seeds: Of the searches.
        arms: The searches; the first is the design alone, whose first runs the others begin with.
    """

    name: str
    seeds: range
    arms: tuple[Arm, ...]

    @property
    def proxy(self) -> Proxy:
        """The evaluator of its study file."""
        return loaded(self.name)

    @property
    def domains(self) -> tuple[str, ...]:
        """Sorted names."""
        return named(self.name)


@cache
def named(name: str) -> tuple[str, ...]:
    """The sorted domains of a study file."""
    return tuple(sorted(study_file.load(HERE / f"{name}.yaml").domains))


@cache
def loaded(name: str) -> Proxy:
    """The evaluator of a study file."""
    return cast(Proxy, study_file.load(HERE / f"{name}.yaml").ready_evaluator(Path()))


def at(size: str) -> Proxy:
    """The proxy of five domains with the learning rate of a size."""
    return with_rate(FIVE.proxy, RATES[size])


def size_of(run: Planned) -> str:
    """The size of a run."""
    return next(size for size, count in SIZES.items() if run.scale is None or run.scale.params == count)


def designed(n_init: int, trials: int, name: str) -> Arm:
    """A search of the whole space by log-EI after a design of ``n_init``."""
    return Arm(name, Bayesian(design=DESIGN, n_init=n_init), trials)


FIVE = Problem(
    "five",
    range(3),
    (
        Arm("sobol", DESIGN, 64),
        designed(32, 64, "bo32"),
        designed(16, 64, "bo16"),
        Arm("default", Auto(), 32),
    ),
)
FOUR = Problem("four", range(4), (Arm("sobol", DESIGN, 32), designed(16, 32, "bo16")))
MANY = tuple(
    Problem(
        name,
        range(3),
        (
            Arm("sobol", DESIGN, 32),
            designed(32, 112, "bo32"),
            Arm("turbo", Turbo(design=DESIGN, n_init=32), 112),
        ),
    )
    for name in ("seven", "twelve")
)
TWO = Problem("two-uneven", range(2), (Arm("sobol", DESIGN, 8), designed(8, 20, "bo8")))
"""The search of Figure 2b; of its name there are slices, too, whose set has no arm behind it."""
PROBLEMS = {problem.name: problem for problem in (FIVE, FOUR, *MANY, TWO)}
AGAIN = (FOUR, *MANY)
"""Problems of which the best of each search is trained on fresh seeds, and nothing else."""


def slices() -> Iterator[Planned]:
    """Two domains, along the share of the first."""
    for name, (first, second) in PAIRS.items():
        for seed in (0, 1):
            for share in RATIOS:
                yield Planned(name, f"{share:g}", {first: share, second: 1 - share}, seed)


def fresh(found: Sequence[Mapping[str, object]]) -> Iterator[Planned]:
    """What was found among five domains, and the baselines, on fresh seeds."""
    for name, weights in _of_five(found):
        for seed in FRESH:
            yield Planned("five fresh", name, weights, seed)


def scaled(found: Sequence[Mapping[str, object]]) -> Iterator[Planned]:
    """Some of them at larger sizes, each with as many tokens a parameter as the proxy."""
    tokens = cast(int, FIVE.proxy.tokens)
    for size, seeds in SCALED_SEEDS.items():
        steps = tokens * SIZES[size] // SIZES["0.3M"] // FIVE.proxy.step_tokens
        for seed in seeds:
            for name, weights in _of_five(found):
                if name in SCALED[size]:
                    scale = Scale(SIZES[size], steps * FIVE.proxy.step_tokens)
                    yield Planned(f"five {size}", name, weights, seed, scale)


def larger(sobol: Sequence[Mapping[str, object]]) -> Iterator[Planned]:
    """The design of the first search at the middle size, with the tokens of the small one."""
    for row in sobol:
        if row["set"] == "five sobol" and row["seed"] == 0 and int(str(row["name"])) < LARGER:
            weights = dict.fromkeys(FIVE.domains, 0.0) | cast(dict[str, float], row["weights"])
            yield Planned("five design 1M", str(row["name"]), weights, 0, Scale(SIZES["1M"], FIVE.proxy.tokens))


def _of_five(found: Sequence[Mapping[str, object]]) -> Iterator[tuple[str, dict[str, float]]]:
    yield "uniform", dict.fromkeys(FIVE.domains, 1 / len(FIVE.domains))
    for name, given in BASELINES.items():
        total = sum(given.values())  # the paper's weights are rounded
        yield name, {domain: given[domain] / total for domain in FIVE.domains}
    for row in found:
        yield str(row["name"]), {**dict.fromkeys(FIVE.domains, 0.0), **cast(dict[str, float], row["weights"])}
