"""What a report says of two phases: the mixture of each, and what their order is worth.

The rest of a page speaks of the mixture of the whole run, as if it were that of both phases.
"""

from __future__ import annotations

import html
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bomix.report.shown import value
from bomix.space.display import mixture, share

if TYPE_CHECKING:
    from bomix.recommendation.phases import Order
    from bomix.recommendation.predictions import Predicted, Predictor
    from bomix.recommendation.recommend import Choice, Recommendation
    from bomix.space.phases import Phases
    from bomix.space.polytope import Array


def order_sentences(order: Order | None) -> list[str]:
    """What the order of the phases is worth, a line each; empty in a study of one mixture."""
    if order is None:
        return []
    low, high = (value(end, sign="+") for end in order.gain.interval)
    pair = "; ".join(f"{phase} {mixture(weights)}" for phase, weights in order.pair.items())
    gain = f"{value(order.gain.mean, sign='+')} [{low}, {high}]"
    if order.credible:
        told = "it is recommended: the whole interval is above zero"
    else:
        told = "one mixture for both phases is recommended, as the gain may be nothing"
    return [f"order of the phases: the best pair ({pair}) gains {gain} over the best mixture for both; {told}"]


def phase_table(best: Recommendation) -> str:
    """A row per domain: its share of each phase and of the whole run, of what is recommended and of the best pair.

    Args:
        best: The recommendation, with its weights by phase and domain.
    """
    assert best.order is not None, "a recommendation of two phases says what their order is worth"
    phases = best.order.phases
    recommended, whole = phases.split(best.weights), phases.aggregate(best.weights)
    columns = [(f"{name} ({100 * phases.share[name]:.3g} %)", recommended[name]) for name in phases.names]
    columns.append(("whole run", whole))
    if not best.order.credible:
        columns += [(f"best pair, {name}", best.order.pair[name]) for name in phases.names]
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in ("domain", *(text for text, _ in columns)))
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>'
        + "".join(f"<td>{share(weights[name])}</td>" for _, weights in columns)
        + "</tr>"
        for name in sorted(phases.domains, key=lambda name: -whole[name])
    )
    said = "".join(
        f'<p class="note">{html.escape(line[0].upper() + line[1:])}.</p>' for line in order_sentences(best.order)
    )
    return (
        f'<h3>The phases</h3>{said}<p class="note">Shares of the tokens of each phase. The rest of the page speaks of '
        "the mixture of the whole run, as if it were that of both phases.</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="The mixture of each phase">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def of_whole_run(best: Recommendation, phases: Phases) -> Recommendation:
    """A recommendation of which all mixtures are those of whole runs.

    How far a weight may move is known of each phase alone: the ends of two phases at once need not be nearly as good.
    """

    def whole(choice: Choice | None) -> Any:
        return None if choice is None else replace(choice, weights=phases.aggregate(choice.weights))

    return replace(
        best,
        weights=phases.aggregate(best.weights),
        of_space=whole(best.of_space),
        of_trials=whole(best.of_trials),
        confirmed=whole(best.confirmed),
        ranges={},
        front=tuple(replace(point, weights=phases.aggregate(point.weights)) for point in best.front),
    )


class WholeRuns:
    """A model of two phases that is asked about mixtures of whole runs; see :class:`Predictor`.

    Args:
        predictor: The model.
        phases: The phases.
    """

    def __init__(self, predictor: Predictor, phases: Phases) -> None:
        self._predictor, self._phases = predictor, phases

    @property
    def coefficients(self) -> tuple[float, ...] | None:
        """As of the model."""
        return self._predictor.coefficients

    @property
    def noise(self) -> Array:
        """As of the model."""
        return self._predictor.noise

    def at(self, points: Array, reference: Array) -> Predicted:
        """Predict ``n x d`` mixtures that both phases have, or ``n x 2 d`` pairs, beside a reference of either form."""
        found = self._predictor.at(self._columns(points), self._columns(reference))
        return replace(found, points=found.points @ self._phases.sums)

    def _columns(self, points: Array) -> Array:
        single = points.shape[-1] == len(self._phases.domains)
        return points @ self._phases.spread if single else points
