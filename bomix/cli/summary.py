"""What a study recommends, beside uniform and natural, what confirms it, and what to keep in mind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import click
import numpy as np
from rich.table import Table

from bomix.cli.tables import console, titled
from bomix.cli.watch import mixture, share, value
from bomix.io.store.study_folder import RESULTS_FILE
from bomix.posterior.predict import Estimate
from bomix.problem import Problem
from bomix.recommendation.confirmation import Comparison, compare
from bomix.recommendation.recommend import EVEN, OUTSIDE, Recommendation
from bomix.space.weights import Weights, same_mixture
from bomix.study.asking import exhausted
from bomix.study.study import Study
from bomix.trial import Record, Status

BEST = "best"
TRIAL = "best trial"
CONFIRMED = "confirmed"
VERDICTS = {
    "holds": "the recommendation holds",
    "undecided": "not decided; more seeds (--confirm) would",
    "does not hold": "THE RECOMMENDATION DOES NOT HOLD",
}
GUESS = "extrapolated"
"""What stands beside odds that rest on the shape which the model assumes beyond all runs."""
SURPRISING = 2.0
"""Standard deviations beyond which predicted and observed are said not to agree."""


def show_summary(study: Study, best: Recommendation) -> None:
    """Print it all on standard output.

    Args:
        study: Whose record is shown.
        best: What it recommends.
    """
    problem, history = study.problem, study.history
    mixtures: dict[str, Weights] = {**problem.anchors(), BEST: best.weights}
    judged, subject = best.weights, BEST
    if best.confirmed is not None and best.change is not None:
        judged, subject = best.confirmed.weights, CONFIRMED
        mixtures[CONFIRMED] = judged
    comparisons = compare(problem, history, judged)
    tables = [_weights(problem, mixtures, best), _objective(study, best, mixtures, comparisons, subject)]
    for line in best.against_odds:
        click.echo(line)
    console().print(*tables, _metrics(study, mixtures), *([_front(best)] if best.front else []))
    said = (*_verdicts(best, comparisons, subject), *_confirmation(study, best, comparisons))
    for line in (*said, *_beliefs(best), *_caveats(study, best)):
        click.echo(line)
    if study.folder is not None:
        click.echo(f"record: {study.folder / 'trials'}, dataset: {study.folder / RESULTS_FILE}")


def why_ended(study: Study) -> str | None:
    """Why the search is over, in words; None while it goes on."""
    history, budget = study.history, study.spec.budget
    if (limit := budget.spent(study.spec.counted(history))) is not None:
        return f"the budget of {limit} is spent"
    if (reason := exhausted(study.problem, history, study.spec.strategy)) is not None or budget.improvement is None:
        return reason
    from bomix.recommendation.stopping import why_stop

    return why_stop(study.problem, history, study.spec.strategy, budget, seed=study.spec.seed)


def _weights(problem: Problem, mixtures: Mapping[str, Weights], best: Recommendation) -> Table:
    """A row per domain, a column per mixture, and how far the weight may move."""
    epochs = {label: problem.epochs(weights) for label, weights in mixtures.items()}
    known = all(passes is not None for passes in epochs.values())
    table = titled("weights (and passes over the domain's tokens)" if known else "weights")
    table.add_column("domain")
    for label in (*mixtures, "nearly as good"):
        table.add_column(label, justify="right")
    for name in problem.space.domains:
        cells = []
        for label, weights in mixtures.items():
            passes = epochs[label]
            cells.append(share(weights[name]) + ("" if passes is None else f" ({passes[name]:.2f}x)"))
        low, high = best.ranges.get(name, (math.nan, math.nan))
        table.add_row(name, *cells, f"{share(low)} to {share(high)}")
    return table


def _objective(
    study: Study,
    best: Recommendation,
    mixtures: Mapping[str, Weights],
    comparisons: Sequence[Comparison],
    subject: str,
) -> Table:
    """A row per mixture: what was measured, what is believed, what fresh seeds said."""
    problem, history = study.problem, study.history
    estimates = {**best.references, BEST: best.objective}
    for label, choice in ((CONFIRMED, best.confirmed), (TRIAL, best.of_trials)):
        if choice is not None:
            estimates[label] = choice.objective
    rows = dict(mixtures)
    if best.of_trials is not None and not same_mixture(best.of_trials.weights, best.weights):
        rows[TRIAL] = best.of_trials.weights
    differences = {each.reference: each for each in comparisons}
    itself = _references_that_are_it(best)
    fresh = {record.trial.id for record in history.confirming}
    guess = f" ({GUESS})" if best.extrapolated else ""
    table = titled("objective (lower is better)")
    heads = ("observed", "predicted", "95 % interval", "best beats it", "fresh seeds", f"{subject} minus it, paired")
    for column in ("mixture", *heads):
        table.add_column(column, justify="left" if column == "mixture" else "right")
    for label, weights in rows.items():
        found = [record for record in history.observations if same_mixture(record.trial.weights, weights)]
        difference, margin = differences.get(label), best.margins.get(label)
        table.add_row(
            label,
            _mean(problem, [record for record in found if record.trial.id not in fresh]),
            *_belief(estimates.get(label)),
            "-" if margin is None or label in itself else f"{_percent(margin.positive)}{guess}",
            _mean(problem, [record for record in found if record.trial.id in fresh]),
            "-" if difference is None else f"{difference.mean:+.4f}",
        )
    return table


def _metrics(study: Study, mixtures: Mapping[str, Weights]) -> Table:
    """A row per metric, a column per mixture: losses on fresh seeds where all were confirmed, else predictions."""
    names = study.problem.metric_names
    fresh = [record for record in study.history.confirming if record.status is Status.COMPLETED]
    confirmed = {
        label: [record.result.losses for record in fresh if same_mixture(record.trial.weights, weights)]
        for label, weights in mixtures.items()
    }
    if all(confirmed.values()):
        table = titled("metrics, mean of the fresh seeds")
        values = [
            [_mean_of([losses.get(name, math.nan) for losses in found]) for name in names]
            for found in confirmed.values()
        ]
    else:
        table = titled("metrics, predicted")
        values = study.predict(list(mixtures.values()))["mean"].to_numpy().tolist()
    table.add_column("metric")
    for label in mixtures:
        table.add_column(label, justify="right")
    for position, name in enumerate(names):
        table.add_row(name, *(value(column[position]) for column in values))
    return table


def _front(best: Recommendation) -> Table:
    """A row per mixture of the front, a column per group."""
    table = titled("front, predicted: none of these is beaten in every group")
    for group in best.front[0].groups:
        higher = group in best.front[0].higher
        table.add_column(f"{group} (higher is better)" if higher else group, justify="right")
    table.add_column("mixture")
    for point in best.front:
        note = f"{mixture(point.weights)}{' (tried)' if point.trial else ''}"
        table.add_row(*(value(mean) for mean in point.groups.values()), note)
    return table


def _verdicts(best: Recommendation, comparisons: Sequence[Comparison], subject: str) -> list[str]:
    lines = []
    for each in comparisons:
        low, high = each.interval
        interval = f"[{low:+.4f}, {high:+.4f}]" if math.isfinite(low) else "no interval from a single seed"
        seeds = f"{len(each.differences)} paired seed{'s' if len(each.differences) > 1 else ''}"
        lines.append(f"{subject} minus {each.reference}: {each.mean:+.4f} {interval}, {seeds}: {_verdict(best, each)}")
    return [*lines, *_change(best)]


def _verdict(best: Recommendation, comparison: Comparison) -> str:
    """What fresh seeds say, and beside an open question in which the confirmed mixture is behind, what the model says.

    Args:
        best: Its margins are those of the recommendation, and of what was confirmed where that is another mixture.
        comparison: A confirmed mixture against a reference.
    """
    said = VERDICTS[comparison.verdict]
    margin = (best.confirmed_margins or best.margins).get(comparison.reference)
    if comparison.verdict != "undecided" or comparison.mean <= 0.0 or margin is None:
        return said
    behind = "worse on its only seed" if len(comparison.differences) == 1 else "worse so far"
    agrees = "agrees" if margin.positive < EVEN else "does not agree"
    guess = f", {GUESS}" if best.extrapolated and best.change is None else ""
    return f"{behind}, and the model {agrees} (better with {_percent(margin.positive)}{guess}); {said}"


def _change(best: Recommendation) -> list[str]:
    """That another mixture than the confirmed one is recommended, in a list; empty where it is the same."""
    if best.change is None:
        return []
    gain = f"{best.change.mean:.4f} (sd {best.change.sd:.4f})"
    if best.source == "anchors":
        which, tested = "one of the references", "it was trained on the same seeds"
    else:
        which, tested = "another mixture", "it is not confirmed: more trials (--trials N) and --confirm would tell"
    said = f"its confirmation counted, the study now recommends {which}, expected to be {gain} better than"
    return [f"{said} the confirmed one; {tested}"]


def _confirmation(study: Study, best: Recommendation, comparisons: Sequence[Comparison]) -> list[str]:
    """What is expected where nothing was confirmed, and which confirming runs failed."""
    failed = [record for record in study.history.confirming if record.status is Status.FAILED]
    lines = []
    itself = _references_that_are_it(best)
    for name, margin in best.margins.items() if not comparisons else ():
        if name in itself:
            continue
        low, high = margin.interval
        option = "--confirm N" if study.spec.evaluator is not None else "'confirm: N' and `bomix ask`"
        hint = "" if failed else f"; {option} tests it"
        odds = f"; better with {_percent(margin.positive)}, {GUESS}: {OUTSIDE}" if best.extrapolated else ""
        lines.append(f"predicted gain over {name}: {margin.mean:.4f} [{low:.4f}, {high:.4f}]{odds}{hint}")
    if failed:
        runs = f"{len(failed)} run{'s' if len(failed) > 1 else ''} failed, the last one trial {failed[-1].trial.id}"
        paired = min((len(each.differences) for each in comparisons), default=0)
        cure = "; mend the cause and confirm again, on fresh seeds" if paired < max(1, study.spec.confirm) else ""
        lines.append(f"confirmation: {runs}{cure}")
    return lines


def _beliefs(best: Recommendation) -> list[str]:
    """Where the recommendation comes from, and how the last trials agreed with what was expected of them."""
    lines = []
    if best.source == "trials":
        elsewhere = best.of_space is not None and best.of_space.objective.mean < best.objective.mean
        why = (
            "the lowest prediction lies where too little is known" if elsewhere else "no other is expected to be better"
        )
        lines.append(f"best is a mixture that was tried: {why}")
    if best.source == "anchors" and (names := _references_that_are_it(best)):
        beyond = "" if best.confirmed is None else " by more than the model cannot tell"
        lines.append(f"best is the {' and '.join(names)} mixture: no other is expected to be better{beyond}")
    if best.feasible is not None:
        lines.append(f"probability that best keeps what the objective guards: {_percent(best.feasible)}")
    if (gap := best.gap) is not None:
        count = f"last {len(gap.trials)} trials" if len(gap.trials) > 1 else "last trial"
        verdict = "as expected"
        if abs(gap.z) > SURPRISING:
            verdict = "worse than the model held possible" if gap.z > 0 else "better than the model held possible"
        lines.append(f"{count}: observed minus predicted {gap.mean:+.4f} on average ({gap.z:+.1f} sd), {verdict}")
    return lines


def _references_that_are_it(best: Recommendation) -> list[str]:
    """The references that the recommendation is: it is neither better nor worse than they are, for certain."""
    return [name for name, margin in best.margins.items() if margin.mean == margin.sd == 0.0]


def _caveats(study: Study, best: Recommendation) -> list[str]:
    problem = study.problem
    space = problem.space
    capped = [
        name
        for name, upper in zip(space.domains, space.upper_array, strict=True)
        if upper < 1 and best.weights[name] > upper - 1e-6
    ]
    lines = [warning for warning in best.warnings if warning not in best.against_odds]
    lines += [f"at the upper bound of its weight: {', '.join(capped)}"] if capped else []
    moved = [label for label in problem.anchors() if not problem.allows(label)]
    if moved:
        what = "pool lacks" if problem.pool else "bounds forbid"
        lines.append(f"the {what} {' and '.join(moved)}; the nearest allowed mixture stands for it")
    if (reason := why_ended(study)) is not None:
        larger = "a larger one (--trials N)" if study.spec.evaluator is not None else "a larger budget.trials"
        more = larger if reason.startswith("the budget") else "a smaller budget.improvement"
        lines.append(reason if reason.startswith("bounds") else f"{reason}; {more} goes on from here")
    return lines


def _percent(probability: float) -> str:
    """A probability that is never rounded to certainty."""
    if probability > 0.995:
        return "> 99 %"
    return "< 1 %" if probability < 0.005 else f"{probability:.0%}".replace("%", " %")


def _mean(problem: Problem, records: Sequence[Record]) -> str:
    """Mean objective of the trials that have one."""
    return value(_mean_of([problem.value(record.result.losses) for record in records]))


def _mean_of(values: Sequence[float]) -> float:
    """The mean of those that are known; NaN where none is."""
    known = [each for each in values if not math.isnan(each)]
    return float(np.mean(known)) if known else math.nan


def _belief(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None:
        return "-", "-"
    low, high = estimate.interval
    return f"{estimate.mean:.4f}", f"{low:.4f} to {high:.4f}"
