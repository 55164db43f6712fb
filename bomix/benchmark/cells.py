"""One cell of a benchmark: a case, a method, a seed; and the durable file that it ends in."""

from __future__ import annotations

import dataclasses
import json
import time
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.benchmark import cases
from bomix.benchmark.cases import Case
from bomix.benchmark.methods import OBSERVED, RULES, Method
from bomix.benchmark.pools import found_after
from bomix.config.build import plain
from bomix.io.store import files

if TYPE_CHECKING:
    from bomix.space.polytope import Array

VERSION = 1
"""Version of the file's format, and of what is measured."""


@dataclass(frozen=True)
class Cell:
    """A case, a method, a seed.

    Attributes:
        problem: Name of the case.
        case: The case.
        name: Name of the method.
        method: The method.
        seed: Seed of the function, the design, the noise and the method.
    """

    problem: str
    case: Case
    name: str
    method: Method
    seed: int

    def path(self, folder: Path) -> Path:
        """Where its file stands."""
        return folder / "cells" / _safe(self.problem) / _safe(self.name) / f"{self.seed}.json"

    @property
    def fingerprint(self) -> str:
        """Changes with the case and with the method's options: a file of another fingerprint is not this cell's."""
        method = json.dumps(plain(self.method), sort_keys=True)
        return f"v{VERSION}-{cases.fingerprint(self.case)}-{zlib.crc32(method.encode()):08x}"


def read(cell: Cell, folder: Path) -> dict[str, Any] | None:
    """The content of a cell's file; None where the cell has not been run, was killed, or its case or method changed."""
    try:
        found = json.loads(cell.path(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("fingerprint") == cell.fingerprint else None


def run(cell: Cell, folder: Path) -> None:
    """Run a cell and write its file."""
    outcome = measure(cell)
    path = cell.path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.replace(path, json.dumps(outcome, allow_nan=True))


def measure(cell: Cell) -> dict[str, Any]:
    """Run a cell.

    Returns:
        Plain data: ``regret_tried`` (true regret of the mixture tried), ``observed`` (objective, with noise) and
        ``ask_s`` (CPU-seconds, NaN in the design) by trial; ``regret`` by rule, and ``recommend_s``, each a mapping
        from number of trials. Of a pool, whose search ends once there is no more to find, also ``found``, the trials
        after which its best mixtures were.
    """
    case, seed = cell.case, cell.seed
    function, pool = case.drawn(seed), case.table(seed)
    regret_of = partial(case.regret, seed) if pool is None else pool.regret
    session = cell.method.start(case.problem(seed), seed=case.method_seed(seed))
    design, checks = case.design_points(seed), case.recommending()
    tried, rows, measured, ask_s = [], list[int](), [], []
    regret: dict[str, dict[str, float]] = {rule: {} for rule in RULES}
    recommend_s: dict[str, float] = {}
    for trial in range(case.budget):
        started = time.process_time()
        weights = design[trial] if trial < case.design else _asked(session.ask())
        ask_s.append(time.process_time() - started if trial >= case.design else float("nan"))
        if pool is None:
            losses = case.observe(seed, trial, weights)
        else:
            rows.append(pool.revealed(weights, rows))
            weights, losses = pool.mixtures[rows[-1]], pool.losses[rows[-1]]
        session.tell(weights, losses)
        tried.append(weights)
        measured.append(losses)
        if (count := trial + 1) in checks:
            started = time.process_time()
            recommended = session.recommend()
            recommend_s[str(count)] = time.process_time() - started
            best = {OBSERVED: tried[int(np.argmin(case.observed(tried, measured)))], **recommended}
            for rule, mixture in best.items():
                regret[rule][str(count)] = float(regret_of(_asked(mixture)))
        if pool is not None and count >= max(checks) and len(found_after(pool, rows)) == len(pool.best):
            break
    return {
        "fingerprint": cell.fingerprint,
        "problem": cell.problem,
        "method": cell.name,
        "seed": seed,
        "domains": len(function.domain_names),
        "case": plain(dataclasses.replace(case, function=function)),
        "spec": plain(cell.method),
        "regret_tried": [float(regret_of(weights)) for weights in tried],
        "observed": case.observed(tried, measured),
        "ask_s": ask_s,
        "regret": regret,
        "recommend_s": recommend_s,
        **({} if pool is None else {"found": found_after(pool, rows)}),
    }


def _asked(weights: Array) -> Array:
    """A proposal as a mixture: what a method's own arithmetic leaves off the simplex is cut away."""
    array = np.maximum(np.asarray(weights, dtype=float), 0.0)
    if not np.isfinite(array).all() or abs(array.sum() - 1.0) > 1e-3:
        raise ValueError(f"the method proposed {weights!r}, which is no mixture")
    return np.asarray(array / array.sum())


def _safe(name: str) -> str:
    """A name as the name of a folder."""
    return "".join(letter if letter.isalnum() or letter in "-_.+" else "_" for letter in name)
