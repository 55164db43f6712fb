"""Units, directions and ranges of a study's metrics, as the study file has them, and where they do not add up."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bomix.config.sections import MetricSpec
from bomix.contracts.objective import counted_together
from bomix.contracts.traits import field_values

if TYPE_CHECKING:
    from bomix.config.spec import StudySpec
    from bomix.problem import Metric, Problem

logger = logging.getLogger(__name__)


def stated(spec: StudySpec, metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """Metrics as they were measured, with their ranges as the study file has them now."""
    own = field_values(spec.evaluator).get("metrics") if dataclasses.is_dataclass(spec.evaluator) else None
    ranges: dict[str, tuple[float | None, ...] | None] = {}
    for named in (own, spec.metrics):
        for name, given in named.items() if isinstance(named, Mapping) else ():
            if isinstance(given, MetricSpec):
                ranges[name] = given.range or ranges.get(name)
    return tuple(
        dataclasses.replace(metric, range=ranges[metric.name]) if metric.name in ranges else metric
        for metric in metrics
    )


def warn_of_mixed(problem: Problem) -> None:
    """Log where values of other units or another direction are added up or compared: the sum means nothing."""
    counted = counted_together(problem.objective, problem.metric_names)
    kinds: dict[str, list[str]] = {}
    for metric in problem.metrics:
        if metric.name in counted:
            more = ", more is better" if metric.direction == "max" else ""
            kinds.setdefault(f"{metric.unit}{more}", []).append(metric.name)
    if len(kinds) > 1:
        from bomix.io.imports.columns import listed

        logger.warning(
            "the objective counts metrics of different units together (%s); name those that count in "
            "objective.metrics (of a guardrail in objective.base.metrics), or take a weighted mean",
            "; ".join(f"{listed(names)} in {kind}" for kind, names in kinds.items()),
        )
