"""The tables of the page: key numbers, the mixture, the metrics, the runs."""

from __future__ import annotations

import html
import math
from collections import Counter
from typing import TYPE_CHECKING

from bomix.report import summary
from bomix.report.findings import RECOMMENDED
from bomix.report.prose import prose
from bomix.report.repetition import repeated
from bomix.report.sentences import stand_ins
from bomix.report.shown import percent, value
from bomix.space import tree
from bomix.space.display import share
from bomix.trial import Failure, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bomix.report.findings import Findings

_FAILURES = 10
"""Failed trials whose messages are shown; of more, the last ones."""


def tiles(found: Findings) -> str:
    """The few numbers that matter most, large."""
    best = found.best
    if best is None:
        return ""
    made = []
    for name, margin in best.margins.items():
        if margin.mean == margin.sd == 0.0:
            continue
        low, high = margin.interval
        made.append(
            _tile(
                f"expected gain over {name}",
                value(margin.mean, sign="+"),
                f"{value(low)} to {value(high)} · better with {percent(margin.positive)}",
            )
        )
    for each in found.comparisons:
        low, high = each.interval
        seeds = f"{len(each.differences)} fresh seed{'s' if len(each.differences) > 1 else ''}"
        interval = f"{value(-high)} to {value(-low)} · " if math.isfinite(low) else ""
        made.append(_tile(f"confirmed gain over {each.reference}", value(-each.mean, sign="+"), f"{interval}{seeds}"))
    changes = summary.metric_changes(found)
    if len(changes) > 1:
        won, lost = (sum(each.gain is which for each in changes) for which in (True, False))
        open_ = len(changes) - won - lost
        made.append(_tile("metrics that gain, lose", f"{won}, {lost}", f"of {len(changes)}; {open_} may go either way"))
    low, high = best.interval
    made.append(_tile("expected objective", value(best.loss), f"{value(low)} to {value(high)} · {found.unit}"))
    return f'<dl class="tiles">{"".join(made)}</dl>'


def mixture(found: Findings) -> str:
    """A row per domain: weight, range, reference, passes over its tokens, and a bar of all of it."""
    best = found.best
    if best is None:
        return _domains(found)
    natural = found.mixtures.get("natural")
    largest = max([*best.weights.values(), *(high for _, high in best.ranges.values()), *(natural or {}).values()])
    heads = ["domain", "weight", "nearly as good", *(["natural"] if natural else []), "uniform"]
    heads += ["passes at the target"] if best.epochs else []
    fresh = best.effective if repeated(best) else None
    heads += ["as fresh passes"] if fresh else []
    rows = []
    for row in tree.rows(found.domains, best.weights):
        weight, near = row.sum(best.weights), best.ranges.get(row.name)
        usual = row.sum(natural) if natural else None
        cells = [
            f"<strong>{share(weight)}</strong>",
            f"{share(near[0])} to {share(near[1])}" if near else "" if row.is_node else "not known",
            *([] if usual is None else [share(usual)]),
            share(row.sum(found.mixtures["uniform"])),
            *([_passes(found, row.name, row.domains, best.epochs)] if best.epochs else []),
            *([f"{row.sum(fresh) / row.sum(found.problem.tokens):.2f}"] if fresh else []),
        ]
        bar = "" if row.is_node else _bar(weight, near, usual, largest)
        rows.append(_row(_indented(row.label), cells) + f'<td class="wide">{bar}</td></tr>')
        rows += _inside(found, row, len(cells))
    legend = (
        '<p class="legend"><span><i style="width:1.4rem;height:.5rem;background:var(--best)"></i>recommended</span>'
        '<span><i style="width:1.4rem;height:2px;background:var(--best-soft)"></i>nearly as good</span>'
        + ('<span><i style="width:2px;height:.85rem;background:var(--natural)"></i>natural</span>' if natural else "")
        + "</p>"
    )
    head = "".join(f'<th scope="col">{text}</th>' for text in heads) + "<th></th>"
    caption = "The mixture, as shares of the training tokens"
    return f"<h3>The mixture in numbers</h3>{legend}{_table(caption, head, rows)}{references(found)}"


def _inside(found: Findings, row: tree.Row, cells: int) -> list[str]:
    """Rows of the domains of a node that is searched as one: their shares of it are fixed."""
    inside, best = found.inside.get(row.name, {}), found.best
    if best is None:
        return []
    made = []
    for name, part in sorted(inside.items(), key=lambda item: (-item[1], item[0])):
        label = _indented("  " * (row.depth + 1) + name[len(row.name) + 1 :])
        known = [share(part * best.weights[row.name]), f"{percent(part)} of {html.escape(row.name)}, fixed"]
        made.append(_row(label, [*known, *[""] * (cells - 2)]) + '<td class="wide"></td></tr>')
    return made


def _passes(found: Findings, name: str, domains: tuple[str, ...], epochs: Mapping[str, float]) -> str:
    """Passes over the tokens of a domain, or over those of all domains of a node on the average."""
    if domains == (name,):
        return f"{epochs[name]:.2f}"
    tokens = found.problem.tokens
    return f"{sum(epochs[each] * tokens[each] for each in domains) / sum(tokens[each] for each in domains):.2f}"


def _indented(label: str) -> str:
    """A label whose steps a browser keeps."""
    return label.replace("  ", "\u2003")


def references(found: Findings) -> str:
    """A note that what is called natural or uniform is the nearest allowed mixture; empty where it is itself."""
    return "".join(f'<p class="note">{prose(f"{text[0].upper()}{text[1:]}.")}</p>' for text in stand_ins(found.problem))


def metrics(found: Findings) -> str:
    """A row per metric: what is expected of it at the reference and at the recommendation, and the difference."""
    changes = summary.metric_changes(found)
    if not changes or found.model is None:
        return ""
    units = {metric.name: metric for metric in found.problem.metrics}
    rows = []
    for each in sorted(changes, key=lambda one: (one.gain is not False, -one.better)):
        verdict, kind = {True: ("gains", "better"), False: ("loses", "worse"), None: ("open", "open")}[each.gain]
        metric = units[each.name]
        unit = "" if metric.unit == "nats/token" else f" ({metric.unit})"
        up = ", higher is better" if metric.direction == "max" else ""
        cells = [
            value(each.reference),
            value(each.recommended),
            f'<span class="{kind}">{value(each.change, sign="+")}</span>',
            f"{value(each.interval[0], sign='+')} to {value(each.interval[1], sign='+')}",
            percent(each.better),
            f'<span class="{kind}">{verdict}</span>',
        ]
        rows.append(_row(f"{each.name}{unit}{up}", cells) + "</tr>")
    heads = ("metric", found.model.reference, RECOMMENDED, "change", "95 % interval", "better with", "")
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    caption = f"Expected of each metric against {found.model.reference}; those that lose come first"
    return f"<h3>Metric by metric</h3>{_table(caption, head, rows)}"


def runs(found: Findings) -> str:
    """What became of the trials, and why some failed."""
    records = found.standing.history.all_records
    if not records:
        return ""
    counts = Counter(str(record.status) for record in records)
    origins = Counter(record.trial.origin for record in records)
    said = ", ".join(f"{count} {status}" for status, count in counts.items())
    by_origin = ", ".join(f"{count} {html.escape(origin)}" for origin, count in origins.most_common())
    text = f"<p>{len(records)} trials: {said}. Asked for by: {by_origin}.</p>"
    failed = [record for record in records if record.status is Status.FAILED]
    if not failed:
        return text
    rows = []
    for record in failed[-_FAILURES:]:
        message = f'<span class="text">{html.escape(_message(record.outcome))}</span>'
        rows.append(_row(f"{record.trial.id}", [html.escape(record.trial.origin), message]) + "</tr>")
    head = '<th scope="col">trial</th><th scope="col">asked by</th><th scope="col">what happened</th>'
    caption = "Failed trials" + (f", the last {_FAILURES} of {len(failed)}" if len(failed) > _FAILURES else "")
    return f"{text}{_table(caption, head, rows)}"


def _domains(found: Findings) -> str:
    """Before the first result: the mixtures that a search begins with."""
    head = '<th scope="col">domain</th>' + "".join(f'<th scope="col">{name}</th>' for name in found.mixtures)
    rows = [_row(name, [share(each[name]) for each in found.mixtures.values()]) + "</tr>" for name in found.domains]
    return _table("The domains, and the mixtures that a search begins with", head, rows)


def _message(outcome: object) -> str:
    return outcome.message if isinstance(outcome, Failure) else ""


def _tile(head: str, number: str, under: str) -> str:
    return (
        f'<div class="tile"><dt>{html.escape(head)}</dt><dd><div class="number">{html.escape(number)}</div>'
        f'<div class="under">{prose(under)}</div></dd></div>'
    )


def _row(head: str, cells: Iterable[str]) -> str:
    """A row that is not closed; its cells are HTML, its head is not."""
    shown = html.escape(head)
    return f'<tr><th scope="row" title="{shown}">{shown}</th>' + "".join(f"<td>{cell}</td>" for cell in cells)


def _table(caption: str, head: str, rows: Iterable[str]) -> str:
    body = "".join(rows)
    return (
        f'<p class="caption">{html.escape(caption)}</p>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(caption)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _bar(weight: float, near: tuple[float, float] | None, natural: float | None, largest: float) -> str:
    """A weight, the range that is nearly as good, and the natural share, on one line."""
    scale = 100.0 / max(largest, 1e-12)
    parts = [f'<i class="fill" style="width:{weight * scale:.2f}%"></i>']
    if near is not None:
        low, high = near
        parts.append(f'<i class="range" style="left:{low * scale:.2f}%;width:{(high - low) * scale:.2f}%"></i>')
    if natural is not None:
        parts.append(f'<i class="mark" style="left:{natural * scale:.2f}%"></i>')
    return f'<span class="bar" aria-hidden="true">{"".join(parts)}</span>'
