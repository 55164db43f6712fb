"""The study file of runs that are there already, and the commands that follow it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bomix.io.imports.drafting import Draft
from bomix.io.imports.measures import DraftMetric
from bomix.problem import NATS_PER_TOKEN
from bomix.scale import written

COLUMNS_FILE = "columns.yaml"
"""The file beside the study file that says which column is what, where names do not."""
_HEAD = """\
# A study of runs that are there already, written by `bomix init --from-tables`. It is yours to change.
#
#   bomix import ...     record the runs: the whole command is at the end of what init printed
#   bomix recommend .    which mixture to train on, and how sure that is
#   bomix ask .          a mixture to try next
"""
_METRICS = """\
# What the runs measured: nats per token, lower is better, unless a metric says otherwise, as
#   arc: {unit: accuracy, direction: max}
"""
_OWN = "# The domain that each metric falls with, as its column is named; a first guess that the model may correct.\n"
_OBJECTIVE = """\
# What is minimised: the mean of all metrics. {kind: mean, metrics: [web, code]} is of some of them,
# {kind: weighted_mean, of: {web: 2, code: 1}} weighs them; `bomix kinds objective` has the others.
"""
_OF_SOME = """\
# What is minimised: the mean of the metrics of one unit, as those of others do not add up. Name those that count.
# {kind: weighted_mean, of: {web: 2, code: 1}} weighs them; `bomix kinds objective` has the others.
"""
_TARGET = """\
# The run that the study decides about. Where domains have `tokens` (web: {tokens: 120B}), a weight is capped so that
# none is read more than `max_epochs` times.
"""


def study_text(draft: Draft, *, tokens: int | None) -> str:
    """The study file of a draft.

    Args:
        draft: What the study consists of.
        tokens: Training tokens of the run that is decided about; None where nobody said.
    """
    parts = [_HEAD, _dumped({"domains": {name: {} for name in draft.domains}})]
    parts.append(_METRICS + _dumped({"metrics": {name: _metric(each) for name, each in draft.metrics.items()}}))
    if draft.own:
        parts.append(_OWN + _dumped({"own": dict(draft.own)}))
    parts.append(_objective(draft.metrics))
    if draft.scales:
        parts.append(draft.scales + "\n")
    target: dict[str, Any] = {} if tokens is None else {"tokens": written(tokens).replace(",", "")}
    if draft.largest:
        target["scale"] = draft.largest
    if target:
        parts.append(_TARGET + _dumped({"target": target}))
    return "\n".join(parts)


def import_command(study: Path, tables: Mapping[str, Path], options: Mapping[str, Any]) -> str:
    """The command that records the runs, as a shell reads it.

    Args:
        study: The study folder.
        tables: Option to the file that it names.
        options: Option to its value, to a list of them, or to whether it is set.
    """
    words = ["bomix", "import", str(study)]
    for option, path in tables.items():
        words += [option, str(path)]
    for option, value in options.items():
        if value is True:
            words.append(option)
        elif isinstance(value, (list, tuple)):
            words += [word for each in value for word in (option, str(each))]
        elif value not in (None, False, ""):
            words += [option, str(value)]
    return shlex.join(words)


def _objective(metrics: Mapping[str, DraftMetric]) -> str:
    """The mean of all metrics; of those of the commonest unit where there are several."""
    units = Counter((each.unit, each.direction) for each in metrics.values())
    if len(units) == 1:
        return _OBJECTIVE + _dumped({"objective": {"kind": "mean"}})
    most = units.most_common(1)[0][0]
    counted = [name for name, each in metrics.items() if (each.unit, each.direction) == most]
    return _OF_SOME + _dumped({"objective": {"kind": "mean", "metrics": counted}})


def _metric(metric: DraftMetric) -> dict[str, Any]:
    said: dict[str, Any] = {} if metric.unit == NATS_PER_TOKEN else {"unit": metric.unit}
    if metric.direction == "max":
        said["direction"] = "max"
    if metric.signed:
        said["range"] = [None, None]
    return said


def _dumped(data: Mapping[str, Any]) -> str:
    """Plain data as YAML, the entries of its mappings a line each."""
    return str(yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=1000))
