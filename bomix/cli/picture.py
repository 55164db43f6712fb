"""The picture of a recommendation: what it draws, from a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bomix.errors import ConfigError
from bomix.io.store import files
from bomix.problem import NATS_PER_TOKEN
from bomix.recommendation.confirmation import compare
from bomix.recommendation.recommend import Recommendation
from bomix.report.figures.recommendation import Gain, Picture, render
from bomix.report.figures.validation import FORMATS
from bomix.space.weights import Weights
from bomix.study.nested import of_searched
from bomix.study.study import Study
from bomix.trial import EXPERT, Status

FIGURE = "recommendation.png"
"""The file in a study folder that a search ends with."""
DESIGNS = ("uniform", "natural", "sobol", "dirichlet", "vertex", "deletion", "i_optimal")
"""Origins of trials that are asked for without looking at any result."""


def file_format(figure: Path, option: str = "--figure") -> str:
    """The format that a file's name asks for.

    Raises:
        ConfigError: There is no such format.
    """
    suffix = figure.suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        raise ConfigError(f"{option} {figure}: the name must end in {', '.join(f'.{name}' for name in FORMATS)}")
    return suffix


def draw(study: Study, best: Recommendation, figure: Path) -> None:
    """Draw a recommendation into a file.

    Args:
        study: Whose record is drawn.
        best: What it recommends.
        figure: The file, whose name ends in one of the formats.
    """
    files.replace(figure, render(picture(study, best), file_format=file_format(figure)))


def picture(study: Study, best: Recommendation) -> Picture:
    """What is drawn of a study: of a confirmed mixture its gain on fresh seeds, else what is predicted.

    Weights are those of the whole run. Trials are those of the target in a study of several scales, whose objectives
    cannot be compared with others.
    """
    problem, history = study.records.searched()
    best = of_searched(study.problem, best)
    judged = best.weights if best.confirmed is None else best.confirmed.weights
    label = "best" if best.change is None else "confirmed"
    mixtures: Mapping[str, Weights] = {**problem.anchors(), label: judged}
    if problem.phases is not None:
        mixtures = {name: problem.phases.aggregate(weights) for name, weights in mixtures.items()}
    searched = [
        record
        for record in history.asked
        if record.status is Status.COMPLETED and (not history.scales or history.counted_as(record) == history.scale)
    ]
    trials: Sequence[tuple[int, float]] = [
        (record.trial.id, problem.value(record.result.losses)) for record in searched if record.trial.origin != EXPERT
    ]
    gains = {
        each.reference: Gain(each.mean, each.interval, each.differences) for each in compare(problem, history, judged)
    }
    if not gains:
        gains = {
            name: Gain(-margin.mean, (-margin.interval[1], -margin.interval[0]))
            for name, margin in best.margins.items()
        }
    designed = frozenset(record.trial.id for record in searched if record.trial.origin in DESIGNS)
    units = {metric.unit for metric in problem.metrics}
    unit = NATS_PER_TOKEN if units == {NATS_PER_TOKEN} else "objective"
    return Picture(mixtures, trials, designed, gains, unit)
