"""What the scales of a study say of each other, as tables of text: what the command prints and what its file holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bomix.recommendation.scale_sentences import verdict_sentences
from bomix.report.correlation import grid
from bomix.scale import Scale

if TYPE_CHECKING:
    from bomix.problem import StudyScale
    from bomix.recommendation.over_training import Checkpoint
    from bomix.recommendation.scale_optima import Outlook
    from bomix.recommendation.transfer import Agreement, Transfer, Verdict

_WITH_INTERVALS = 3
"""Scales beside each other of which intervals have room in 80 columns."""
_DETAILED = 2
"""Verdicts up to which each is told with all that belongs to it; of more, one is."""
_MOST_DOMAINS = 24
"""Domains of which the best weights are shown, those whose weights move most; the rest is in the JSON."""


class Table(NamedTuple):
    """A table of text; the first column stands left, the others right."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Comparison(NamedTuple):
    """All that is reported.

    Attributes:
        found: The comparison of the scales.
        outlook: What a model expects of them.
        checkpoints: Points of the curves of each scale against their ends.
        unit: What costs are counted in.
    """

    found: Transfer
    outlook: Outlook
    checkpoints: tuple[Checkpoint, ...]
    unit: str


def tables(report: Comparison) -> list[Table]:
    """The tables, those left out of which nothing is known."""
    found = report.found
    made = [_scales(report), _objective(report), _metrics(found), _by_size(found), _optima(report), _training(report)]
    return [each for each in made if each is not None and each.rows]


def sentences(report: Comparison) -> list[str]:
    """The verdicts, the cheapest scale first; of many, all that belongs to it is told of one alone."""
    found, verdicts = report.found, report.found.verdicts
    expected = [
        f"by the model of all scales, '{each.small}' and '{each.large}' correlate by "
        f"{_with_interval(each.rho, each.lower, each.upper)} without the noise of runs"
        for each in report.outlook.expected
    ]
    if not verdicts:
        return [_nothing(found), *expected]
    head = [] if found.target == found.reference else [_stand_in(found)]
    if len(verdicts) <= _DETAILED:
        told = [line for each in verdicts for line in verdict_sentences(found, each, report.unit)]
        return [*head, *told, *expected]
    lines = head + [verdict_sentences(found, each, report.unit)[0] for each in verdicts]
    return [*lines, *verdict_sentences(found, _most_useful(verdicts), report.unit)[1:], *expected]


def markdown(report: Comparison) -> str:
    """The sentences, then every table."""
    blocks = ["\n".join(f"- {line}" for line in sentences(report))]
    blocks += [f"## {each.title}\n\n{grid(each.header, each.rows)}" for each in tables(report)]
    return "\n\n".join(blocks) + "\n"


def against_reference(found: Transfer, column: str, *, known: bool = True) -> list[tuple[StudyScale, Agreement]]:
    """What each scale says of a column beside the one that others are judged by, the cheapest first.

    Args:
        found: The comparison of the scales.
        column: The objective or a metric.
        known: Whether pairs of scales with too few mixtures in common are left out.
    """
    others = [scale for scale in found.scales if scale.name != found.reference]
    pairs = [
        (scale, each)
        for scale in others
        for each in found.agreements
        if each.column == column and {each.small, each.large} == {scale.name, found.reference}
    ]
    return [(scale, each) for scale, each in pairs if not known or math.isfinite(each.pairs.share)]


def sizes_and_tokens(found: Transfer) -> dict[tuple[int, int], float]:
    """Parameters and tokens of a scale to its share of pairs ordered as at the scale that others are judged by.

    Empty unless scales have two sizes and two numbers of tokens at least, and some have one of these in common.
    """
    objective = found.columns[0]
    shares = {scale.name: each.pairs.share for scale, each in against_reference(found, objective)}
    cells = {
        (scale.scale.params, scale.scale.tokens): 1.0 if scale.name == found.reference else shares[scale.name]
        for scale in found.scales
        if scale.scale.params is not None
        and scale.scale.tokens is not None
        and (scale.name in shares or scale.name == found.reference)
    }
    counts = [len({cell[axis] for cell in cells}) for axis in (0, 1)]
    # Scales of which each has its own size and tokens would be a diagonal.
    return cells if min(counts) > 1 and len(cells) > max(counts) else {}


def short(count: int | None) -> str:
    """``60M``."""
    return "unknown" if count is None else str(Scale(params=count)).split(" ")[0]


def _most_useful(verdicts: Sequence[Verdict]) -> Verdict:
    """The cheapest that decides, else the one that comes nearest to it."""
    deciding = [each for each in verdicts if each.state == "decides"]
    known = [each for each in verdicts if math.isfinite(each.agreement.rank.rho)]
    return deciding[0] if deciding else max(known or verdicts, key=lambda each: each.agreement.rank.rho)


def _stand_in(found: Transfer) -> str:
    """What takes the place of a target without runs."""
    return f"'{found.target}' was never run: '{found.reference}', the dearest scale that was, stands for it"


def _nothing(found: Transfer) -> str:
    """Why there is no verdict."""
    seen = [scale.name for scale, runs in zip(found.scales, found.runs, strict=True) if runs]
    if not seen:
        return "no run of any scale is known, so that there is nothing to compare"
    others = [scale.name for scale in found.scales if scale.name not in seen]
    if len(seen) == 1:
        return f"all runs are of '{seen[0]}': run some of their mixtures at '{others[-1]}' to compare the two"
    return f"no run is of a scale cheaper than '{found.reference}', so that there is nothing to decide by"


def _scales(report: Comparison) -> Table:
    rows = [
        (
            f"{scale.name}{' (target)' if scale.name == report.found.target else ''}",
            short(scale.scale.params),
            short(scale.scale.tokens),
            f"{scale.cost:.3g}",
            str(runs),
            str(mixtures),
        )
        for scale, runs, mixtures in zip(report.found.scales, report.found.runs, report.found.mixtures, strict=True)
    ]
    return Table("scales", ("scale", "params", "tokens", f"cost, {report.unit}", "runs", "mixtures"), tuple(rows))


def _objective(report: Comparison) -> Table:
    """Every scale beside the one that others are judged by."""
    found = report.found
    expected = {each.small: each for each in report.outlook.expected if each.large == found.reference}
    names = [scale.name for scale in found.scales if scale.name != found.reference]
    agreements = {scale.name: each for scale, each in against_reference(found, found.columns[0], known=False)}
    rows = []
    for name in names:
        cells = _cells(agreements.get(name))
        if expected:
            model = expected.get(name)
            cells += ("-" if model is None else _with_interval(model.rho, model.lower, model.upper),)
        if name in agreements or name in expected:
            rows.append((name, *cells))
    header = ("scale", "shared", "rank correlation", "pairs in order", *(["by the model"] if expected else []))
    return Table(f"order of mixtures by the objective, beside '{found.reference}'", header, tuple(rows))


def _cells(agreement: Agreement | None) -> tuple[str, ...]:
    if agreement is None:
        return "0", "-", "-"
    return str(agreement.rank.n), _with_interval(*agreement.rank[:3]), _with_interval(*agreement.pairs[:3])


def _metrics(found: Transfer) -> Table:
    """Every metric; of a single pair of scales with all that is known, of more the rank correlation."""
    columns = {name: against_reference(found, name, known=False) for name in found.columns[1:]}
    scales = [scale.name for scale, _ in next(iter(columns.values()), [])]
    if len(scales) == 1:
        rows = [
            (name, *_cells(pairs[0][1])[1:], _number(pairs[0][1].slope), str(pairs[0][1].rank.n))
            for name, pairs in columns.items()
        ]
        header: tuple[str, ...] = ("metric", "rank correlation", "pairs in order", "slope", "shared")
        return Table(f"each metric, '{scales[0]}' beside '{found.reference}'", header, tuple(rows))
    few = len(scales) <= _WITH_INTERVALS
    rows = [
        (name, *(_with_interval(*each.rank[:3]) if few else _number(each.rank.rho) for _, each in pairs))
        for name, pairs in columns.items()
        if pairs
    ]
    return Table(f"rank correlation of each metric, beside '{found.reference}'", ("metric", *scales), tuple(rows))


def _by_size(found: Transfer) -> Table | None:
    """Sizes down, tokens across."""
    cells = sizes_and_tokens(found)
    tokens = sorted({count for _, count in cells})
    rows = [
        (short(size), *(_number(cells.get((size, count), math.nan)) for count in tokens))
        for size in sorted({size for size, _ in cells})
    ]
    title = f"share of pairs ordered as at '{found.reference}', parameters down, tokens across"
    return Table(title, ("", *map(short, tokens)), tuple(rows)) if cells else None


def _optima(report: Comparison) -> Table | None:
    """The best mixture of each scale, and how far it is from that of the target."""
    optima = report.outlook.optima
    if len(optima) < 2:
        return None
    names = list(optima[0].weights)
    moves = [np.ptp([each.weights[name] for each in optima]) for name in names]
    shown = sorted(np.argsort(-np.array(moves), kind="stable")[:_MOST_DOMAINS].tolist())
    rows = [(names[at], *(f"{100 * each.weights[names[at]]:.1f} %" for each in optima)) for at in shown]
    target = report.found.target
    if any(each.lost is not None for each in optima):
        rows.append((f"cosine with '{target}'", *(_number(each.cosine) for each in optima)))
        worse = ["-" if each.lost is None else f"{each.lost.mean:.4f} (sd {each.lost.sd:.4f})" for each in optima]
        rows.append((f"worse at '{target}' by", *worse))
    by = "one model of all scales" if report.outlook.across else "the runs of each scale alone"
    return Table(f"the best mixture of each scale, by {by}", ("domain", *(e.scale for e in optima)), tuple(rows))


def _training(report: Comparison) -> Table | None:
    """Points of the curves against their ends."""
    rows = [
        (
            each.scale,
            str(each.step),
            f"{100 * each.share:.0f} %",
            _with_interval(*each.rank[:3]),
            _with_interval(*each.pairs[:3]),
        )
        for each in report.checkpoints
    ]
    header = ("scale", "step", "of the run", "rank correlation", "pairs in order")
    return Table("over training: the objective along the way beside that at the end", header, tuple(rows))


def _with_interval(value: float, lower: float, upper: float) -> str:
    return f"{value:.2f} [{lower:.2f}, {upper:.2f}]" if math.isfinite(value) else "-"


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "-"
