"""A file of results of lm-evaluation-harness: scores of tasks and of groups, their standard errors and directions.

Under ``results``, and for groups of tasks again under ``groups``, it has each task's scores as ``acc,none`` with
``acc_stderr,none`` beside it, behind the comma the filter; ``"N/A"`` or null where there is none; and under
``higher_is_better`` the direction of each, null where tasks of a group disagree. How a task was asked stands apart from
its scores, under ``n-shot``, ``versions`` and, of documents, ``n-samples``: with ``--limit`` the first few of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_PLAIN_FILTER = "none"
EXAMPLES, VERSION, DOCUMENTS = "examples", "version", "documents"
"""What a task's score depends on beside the model: examples in the prompt, the task's version, documents asked."""
_NO_SCORES = frozenset({"alias", "name", "sample_len", "sample_count"})


@dataclass(frozen=True)
class Scores:
    """The scores of one file, or of the files of one run.

    Attributes:
        values: ``task/measure``, and ``task/measure,filter`` where a filter is used, to the score; None where there
            is none.
        errors: The same names to standard errors that are known.
        higher: The same names to whether higher is better; None where that is not said.
        asked: Task to how it was asked, as far as that is said: :data:`EXAMPLES`, :data:`VERSION`, :data:`DOCUMENTS`.
    """

    values: Mapping[str, float | None] = field(default_factory=dict)
    errors: Mapping[str, float] = field(default_factory=dict)
    higher: Mapping[str, bool | None] = field(default_factory=dict)
    asked: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)


def is_results(data: object) -> bool:
    """Whether plain data are a file of results, and no result of bomix's own form."""
    return (
        isinstance(data, Mapping)
        and isinstance(data.get("results"), Mapping)
        and "losses" not in data
        and all(isinstance(each, Mapping) for each in data["results"].values())
    )


def scores_of(data: Mapping[str, Any]) -> Scores:
    """The scores of a file.

    Args:
        data: What stands in it, see :func:`is_results`.
    """
    values: dict[str, float | None] = {}
    errors: dict[str, float] = {}
    higher: dict[str, bool | None] = {}
    better = data.get("higher_is_better")
    groups = data.get("groups")
    for task, scores in {**data["results"], **(groups if isinstance(groups, Mapping) else {})}.items():
        if not isinstance(scores, Mapping):
            continue
        own = better.get(task) if isinstance(better, Mapping) else None
        for key, value in scores.items():
            measure, _, used = str(key).partition(",")
            if key in _NO_SCORES or not (isinstance(value, (int, float)) or value in (None, "N/A")):
                continue
            plain, ending = _measured(measure)
            name = f"{task}/{plain}" + (f",{used}" if used not in ("", _PLAIN_FILTER) else "")
            number = _number(value)
            if not ending:
                values[name] = number
                said = own.get(plain) if isinstance(own, Mapping) else None
                higher[name] = said if isinstance(said, bool) else None
            elif number:  # zero where all documents agree, which is no error of zero
                errors[name] = number
    return Scores(values, errors, higher, {task: _asked(data, task) for task in data["results"]})


def _asked(data: Mapping[str, Any], task: str) -> dict[str, float | str]:
    """How a task was asked, without what a file does not say."""

    def of_task(key: str) -> Any:
        found = data.get(key)
        return found.get(task) if isinstance(found, Mapping) else None

    count = of_task("n-samples")
    count = count.get("effective") if isinstance(count, Mapping) else None
    found = {EXAMPLES: of_task("n-shot"), VERSION: of_task("versions"), DOCUMENTS: count}
    return {key: value for key, value in found.items() if isinstance(value, (int, float, str))}


def score_of(metric: str, names: Sequence[str]) -> str | None:
    """The score that a metric of a study is: that of its name, or the only one of the task of its name.

    Args:
        metric: ``arc_easy/acc``, or ``arc_easy``.
        names: Names of scores, as :class:`Scores` has them.

    Returns:
        One of them; None where there is none, or where several of one task may be meant.
    """
    if metric in names:
        return metric
    own = [name for name in names if name.rpartition("/")[0] == metric]
    return own[0] if len(own) == 1 else None


def several(metric: str, names: Sequence[str]) -> list[str]:
    """The scores of a task that a metric is named after, where there are several."""
    own = [name for name in names if name.rpartition("/")[0] == metric]
    return own if metric not in names and len(own) > 1 else []


def _measured(measure: str) -> tuple[str, str]:
    """A measure without what says that it is a standard error, and that."""
    return (measure.removesuffix("_stderr"), "_stderr") if measure.endswith("_stderr") else (measure, "")


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)
