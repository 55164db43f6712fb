"""Figure 5 and Table V: who loses under the mean and under other objectives, and what larger models make of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.bo.fresh import SEARCHES, UNIFORM, Fresh
from experiments.bo.plan import FIVE, SCALED, SIZES
from experiments.bo.stats import Array, said, t_half, t_interval, two_way_noise
from experiments.runs import Row

JUDGED = ("sobol", "bo32", "GP", "excess", "worst", "guardrail")
"""Of one search or one model, by what they minimize."""
LABELS = {"sobol-0": "Sobol", "bo32-0": "BO 32 + 32", "LLaMA": "LLaMA"}
"""What is compared with the uniform mixture at larger sizes."""
PAPER_SCALED = {"25M": (4.4659, 4.4109, 4.3688), "154M": (3.0066, 3.0587, 3.0085)}
"""The paper's Table V: uniform, Sobol, BO."""


def per_domain(fresh: Fresh, method: str, over: str = UNIFORM) -> Array:
    """Loss of each domain minus that of another on the same seed, the mean over fresh seeds, ``k x m``."""
    found = []
    for name in fresh.searches(method):
        other = over if over in fresh.names else f"{over}-{name.rpartition('-')[2]}"
        if other in fresh.names:
            found.append(fresh.against(name, other).mean(axis=0))
    return np.array(found).reshape(-1, len(fresh.domains))


def domain_table(rows: Sequence[Row]) -> Iterator[str]:
    """Each domain's loss minus that of the uniform mixture, by what was minimized."""
    fresh = Fresh(rows)
    if not fresh.complete:
        yield "Figure 5: fresh seeds are not run yet."
        return
    yield f"| minus uniform | {' | '.join(FIVE.domains)} | mean | largest | domains worse |"
    yield f"|---|{'---|' * (len(FIVE.domains) + 3)}"
    for method in JUDGED:
        found = per_domain(fresh, method)
        if len(found) > 1:
            yield f"| {SEARCHES[method]} | {_cells(found)} |"
    found = per_domain(fresh, "bo32", "sobol")
    if len(found) > 1:
        yield f"| BO 32 + 32 minus Sobol | {_cells(found)} |"


def _cells(found: Array) -> str:
    """Intervals over searches for each domain, the mean and the largest, and how many domains are worse."""
    columns = [*found.T, found.mean(axis=1), found.max(axis=1)]
    told = " | ".join(said(t_interval(column), 3) for column in columns)
    return f"{told} | {int((found > 0.0).sum())} of {found.size}"


def scale_table(rows: Sequence[Row]) -> Iterator[str]:
    """Table V: the same mixtures at larger sizes with tokens in proportion."""
    heads = " | ".join(f"{label} minus uniform" for label in LABELS.values())
    yield f"| size | seeds | uniform | {heads} | ± by noise |"
    yield "|---|---|---|---|---|---|---|"
    for size in SIZES:
        fresh = Fresh.at(rows, size)
        wanted = SCALED.get(size, (UNIFORM, *LABELS))
        known = [name for name in wanted if name in fresh.names]
        if len(known) < len(wanted) or len(fresh.seeds) < 2:
            yield f"| {size} | not run yet | | | | | |"
            continue
        noise, freedom = two_way_noise(np.array([fresh.mean(name) for name in known]))
        half = t_half(noise * (2 / len(fresh.seeds)) ** 0.5, freedom)
        cells = " | ".join(said(t_interval(fresh.gain(name))) if name in known else "" for name in LABELS)
        yield f"| {size} | {len(fresh.seeds)} | {fresh.mean(UNIFORM).mean():.4f} | {cells} | {half:.4f} |"
    for size, (uniform, sobol, bo) in PAPER_SCALED.items():
        yield f"| paper, {size} | 1 | {uniform:.4f} | {sobol - uniform:+.4f} | {bo - uniform:+.4f} | | |"
