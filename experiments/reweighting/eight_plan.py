"""What the experiment on eight domains compares: methods, the proxy that all train, and the file of rows."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bomix.evaluators.proxy import Proxy
from bomix.scale import Scale
from experiments import runs
from experiments.regmix import plan as swarm
from experiments.runs import Row

HERE = Path(__file__).parent
RESULTS = HERE / "eight.jsonl"
WORK = Path("~/.cache/bomix/reweighting/eight").expanduser()
"""Where the studies of the searches are kept until they end."""
DOMAINS = swarm.DOMAINS
GOALS = {"domains": DOMAINS, "all": (*DOMAINS, *swarm.OUTSIDE)}
"""What is minimised: the mean loss over the domains' own sets, or over those from outside as well."""
UNIFORM = dict.fromkeys(DOMAINS, 1 / len(DOMAINS))
TOKENS = 65_536
"""Of a run: 64 steps of one sequence of 128 tokens from each domain, which is as few as a rule can weigh."""
VALIDATION = 24
"""Sequences of each validation set: 36,864 tokens in all."""
SEEDS, SEARCHES, FRESH = range(6), range(4), (1000, 1001, 1002)
"""Of the methods that reweight, of the searches beside them, and of the runs that tell what a mixture is worth."""
OF_REFERENCE = 100
"""What is added to a search's seed for its reference run, which shall share no more with it than two runs do."""
CHEAP, LONG = 3, 14
"""Runs of a search: about as many as one of DoReMi costs (2.4), and as many as six of them."""
POOLED = "all searches"
"""Name of what a model of all their runs recommends."""


@dataclass(frozen=True)
class Method:
    """A rule that reweights.

    Attributes:
        rule: Its kind and keys.
        goal: Whose validation losses it follows; None where it knows the training alone.
        size: Of its proxy, and of its reference where it has one.
        longer: How many times as long as others its runs are.
        seeds: Of its searches.
    """

    rule: dict[str, Any]
    goal: str | None = None
    size: str = swarm.SMALL
    longer: int = 1
    seeds: Sequence[int] = field(default=SEEDS)


METHODS = {
    "DoReMi": Method({"kind": "doremi"}),
    "DoReMi, 1M": Method({"kind": "doremi"}, size="1M", seeds=range(3)),
    "DoReMi, 4 x tokens": Method({"kind": "doremi"}, longer=4, seeds=range(3)),
    "DoGE": Method({"kind": "doge"}),
    "DoGE, target": Method({"kind": "doge", "target": True}, goal="all"),
    "FastMix, domains": Method({"kind": "fastmix"}, goal="domains"),
    "FastMix, all": Method({"kind": "fastmix"}, goal="all"),
    "ODM": Method({"kind": "odm"}),
}
ORDER = ("DoReMi", "BO 14", "Sobol 14", "DoGE", "BO 3", "DoReMi, 1M", "all searches", "Sobol 3")
"""What is trained on fresh seeds first; the rest follows."""
QUIET = ("DoGE, target", "FastMix, domains", "FastMix, all", "ODM")
"""Those whose mixtures lie within 0.02 of the uniform one, total variation."""


@cache
def proxy() -> Proxy:
    """That of the swarm with shorter runs, whose batches hold a sequence of each domain."""
    return dataclasses.replace(
        swarm.proxy(),
        tokens=TOKENS,
        batch_sequences=len(DOMAINS),
        validation_sequences=VALIDATION,
        curve_points=1,
        curve_sequences=None,
    )


def scale(size: str, longer: int = 1) -> Scale:
    """The parameters of a size, and the tokens of a run."""
    return Scale(swarm.scale(size).params, TOKENS * longer)


def per_run(size: str) -> float:
    """What a plain run of a size costs in plain runs of the smallest, by floating-point operations."""
    sizes, length = swarm.proxy().model.sizes(), swarm.proxy().sequence_length
    small, given = (sizes[scale(name).params].flops_per_token(1024, length) for name in (swarm.SMALL, size))
    return float(given / small)


def rows() -> list[Row]:
    """What is known."""
    return runs.kept(RESULTS)


def rounded(weights: Any) -> dict[str, float]:
    """A mixture as rows keep it."""
    return {name: round(float(weights[name]), 6) for name in DOMAINS}


def add(rows: Iterable[Row]) -> None:
    """Keep further rows."""
    rows = list(rows)
    runs.add(RESULTS, rows)
    for row in rows:
        print(
            row["set"], row["name"], row["seed"], {k: round(x, 3) for k, x in row["weights"].items()}, file=sys.stderr
        )


def labels(known: Iterable[Row]) -> dict[tuple[str, int], str]:
    """Method and seed of each search to the name of its mixture among the fresh runs; equal mixtures have one name."""
    seen = {tuple(rounded(UNIFORM).values()): "uniform"}
    found = [row for row in known if row["set"] == "found"]
    return {
        (row["name"], row["seed"]): seen.setdefault(tuple(row["weights"].values()), f"{row['name']} / {row['seed']}")
        for row in found
    }


def worth_telling(known: Iterable[Row]) -> list[Row]:
    """What is trained again, in its order; of methods that hardly leave the uniform mixture three searches are."""

    def turn(row: Row) -> int:
        begins = [at for at, name in enumerate(ORDER) if row["name"].partition(", ")[0] == name or row["name"] == name]
        return begins[-1] if begins else len(ORDER)

    found = [row for row in known if row["set"] == "found" and (row["name"] not in QUIET or row["seed"] < 3)]
    return sorted(found, key=turn)
