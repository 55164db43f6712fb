"""The part of the page in which weights are moved, and what its sliders compute with."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.report.findings import RECOMMENDED
from bomix.report.prose import prose
from bomix.report.shown import value
from bomix.report.tables import references
from bomix.surrogates.cross_validation.scores import Z95

if TYPE_CHECKING:
    from bomix.report.findings import Findings, Model
    from bomix.space.mixture_space import MixtureSpace

_TOLERANCE = 1e-6
"""By how much a weight or a sum may miss its end: as :meth:`bomix.MixtureSpace.check` takes a user's mixture."""


def sliders(found: Findings) -> str:
    """Sliders, buttons that set them, the table that they move, and what the numbers are."""
    assert found.model is not None
    assert found.model.what_if is not None
    best = found.mixtures[RECOMMENDED]
    order = sorted(range(len(found.domains)), key=lambda at: -best[found.domains[at]])
    rows = "".join(_slider(found.domains[at], at) for at in order)
    buttons = "".join(
        f'<button type="button" data-mixture="{at}">{html.escape(name)}</button>'
        for at, name in enumerate(found.mixtures)
    )
    names = [f"objective ({found.unit})", *found.metrics]
    lines = "".join(
        f'<tr data-output="{at}"><th scope="row">{html.escape(name)}</th><td></td><td></td><td></td>'
        '<td class="text"></td></tr>'
        for at, name in enumerate(names)
    )
    return f"""<p>Move a weight: the others keep their proportions, and every metric is predicted anew, with a 95 %
interval and its change against {found.model.reference}.</p>
<div class="what"><div><div class="buttons" role="group" aria-label="Set the sliders to a mixture">{buttons}</div>
<div class="sliders">{rows}</div></div>
<div class="scroll"><table aria-live="polite"><thead><tr><th scope="col">metric</th><th scope="col">predicted</th>
<th scope="col">95 % interval</th><th scope="col">against {found.model.reference}</th><th scope="col" class="text"></th>
</tr></thead><tbody>{lines}</tbody></table>
<p class="note" id="what-far" hidden>This mixture is farther from all trials than they are from each other: the numbers
are an extrapolation.</p>
<p class="note" id="what-not" role="status" hidden></p>
</div></div>
{references(found)}
<p class="note">{prose(form(found))}</p>"""


def form(found: Findings) -> str:
    """Which form of the model the page has, and how far it is off, in words."""
    assert found.model is not None
    assert found.model.what_if is not None
    made = found.model.what_if
    worst = int(np.argmax(made.relative[1:])) + 1
    return (
        f"The page computes with a compressed model: a kernel expansion fitted to what the surrogate says of "
        f"{len(made.points)} mixtures. On others it misses the surrogate's objective by {value(float(made.error[0]))} "
        f"(root mean square, {100 * made.relative[0]:.0f} % of its standard deviation), and metric "
        f"{found.outputs[worst]}, which it knows least, by {value(float(made.error[worst]))} "
        f"({100 * made.relative[worst]:.0f} %). That error is part of every interval here. At the mixtures of "
        "the buttons the numbers are the surrogate's own. The means are those of `bomix predict`; its intervals are "
        "wider, since they are those of a new run and hold its noise, which the intervals here leave out."
    )


def what_if_data(found: Findings) -> dict[str, Any]:
    """What the script needs for it; nothing where there are no sliders."""
    if found.model is None or found.model.what_if is None:
        return {}
    at = list(found.mixtures).index(found.model.reference)
    limits = [found.problem.objective_range, *(metric.limits for metric in found.problem.metrics)]
    return {
        "what": found.model.what_if.exported(),
        "z": Z95,
        "reference": found.model.mixtures.mean[at].tolist(),
        "signs": [1.0, *found.problem.signs],
        "limits": [[end if math.isfinite(end) else None for end in ends] for ends in limits],
        "typical": _typical(found),
        "allowed": _allowed(found.problem.space),
        "exact": _exact(found.model),
    }


def _allowed(space: MixtureSpace) -> dict[str, Any]:
    """What mixtures keep: bounds of each weight, and constraints as pairs of a domain's number and its coefficient.

    ``tolerance`` is by how much they may be missed, which is what the space itself takes of a user's mixture.
    """
    rows = space.rows
    constraints = [] if rows is None else zip(space.constraints, rows.coefficients, rows.lows, rows.highs, strict=True)
    return {
        "lower": list(space.lower),
        "upper": space.upper_array.tolist(),
        "least": list(space.at_least),
        "constraints": [
            {
                "says": str(each),
                "terms": [[at, value] for at, value in enumerate(row) if value],
                "low": low if math.isfinite(low) else None,
                "high": high if math.isfinite(high) else None,
            }
            for each, row, low, high in constraints
        ],
        "tolerance": _TOLERANCE,
    }


def _exact(model: Model) -> list[dict[str, list[float]]]:
    """What the surrogate itself says of the mixtures that the buttons set, so that the page has one word on them."""
    said = model.mixtures
    return [
        {"mean": mean.tolist(), "sd": sd.tolist(), "change": change.tolist(), "change_sd": change_sd.tolist()}
        for mean, sd, change, change_sd in zip(said.mean, said.sd, said.change, said.change_sd, strict=True)
    ]


def _typical(found: Findings) -> float:
    """Distance, in roots of weights, within which nine in ten trials have their nearest one."""
    from bomix.recommendation.extrapolation import typical_distance

    return max(typical_distance(found.weights), 1e-3)


def _slider(name: str, at: int) -> str:
    shown = html.escape(name)
    return (
        f'<label for="w{at}" title="{shown}">{shown}</label>'
        f'<input type="range" id="w{at}" data-domain="{at}" min="0" max="1000" step="5">'
        f'<output id="w{at}-share" for="w{at}"></output>'
    )
