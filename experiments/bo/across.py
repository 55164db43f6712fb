"""Where bomix's own laws of mixture, size and tokens put the optimum of a scale that they have not seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from bomix import Study
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.surrogates.scales.law_spec import ScalingLaw, ScalingLawName
from experiments.bo.moves import CORNER, DESIGNS, Cell
from experiments.bo.plan import FIVE, SIZES
from experiments.bo.slices import CHECKPOINTS
from experiments.runs import Row


def scale_name(cell: Cell) -> str:
    """What a study calls a size and a share of the tokens."""
    return f"{cell[0]} {cell[1]:.0%}"


def study(rows: Sequence[Row], form: ScalingLawName) -> Study:
    """A study in memory of every size and checkpoint, with runs of all but the corner, which is decided about."""
    cells = [(size, share) for size in DESIGNS for share in CHECKPOINTS]
    tokens = int(FIVE.proxy.tokens or 0)
    scales = {scale_name(cell): {"params": SIZES[cell[0]], "tokens": round(tokens * cell[1])} for cell in cells}
    strategy = Bayesian(surrogate=ScalingLaw(form))
    target = {"scale": scale_name(CORNER)}
    made = Study(FIVE.domains, FIVE.domains, scales=scales, target=target, strategy=strategy, seed=0)
    nothing = dict.fromkeys(FIVE.domains, 0.0)
    # The designs of other seeds have another level, which no law knows of.
    own = [(size, row) for size, kind in DESIGNS.items() for row in rows if row["set"] == kind and row["seed"] == 0]
    told: list[Any] = []
    for size, row in own:
        for at, share in enumerate(CHECKPOINTS):
            if (size, share) != CORNER:
                losses = {domain: losses[at] for domain, losses in row["curve"]["losses"].items()}
                told.append((nothing | row["weights"], losses, scale_name((size, share))))
    made.records.add_all(told)
    return made


def optima(rows: Sequence[Row], known: Sequence[Row]) -> Iterator[Row]:
    """The best mixture of the corner by each law, plain JSON: ``law``, ``weights``."""
    for form in get_args(ScalingLawName):
        if form not in {row["law"] for row in known}:
            advice = study(rows, form).recommend()
            weights = {name: round(float(x), 6) for name, x in advice.weights.items() if x > 0}
            yield {"law": form, "weights": weights}
