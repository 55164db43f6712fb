"""What a program tells of a trial: losses, a result, a failure, or the file of either."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.io.artifacts.harness_results import is_results
from bomix.io.store.incoming import is_whole, outcome_of
from bomix.io.store.plain import as_mapping

if TYPE_CHECKING:
    from bomix.study.records import Records


def told(outcome: Any, records: Records) -> Any:
    """What was told, as :meth:`bomix.study.records.Records.tell` takes it.

    Args:
        outcome: The path of a result file, what such a file holds, or anything that ``tell`` takes as it is.
        records: The study, whose metrics and domains the file names.

    Raises:
        ConfigError: There is no such file.
        FaultsError: Everything that is wrong with what it holds.
    """
    if isinstance(outcome, (str, os.PathLike)):
        from bomix.study.handed import read_told

        return read_told(Path(outcome), records.resolved.problem)
    data = as_mapping(outcome)
    if not isinstance(data, Mapping):
        return outcome
    problem = records.resolved.problem
    # No losses at all but words, as {"failed": "oom"}: the refusal of a file shows the forms that there are.
    in_words = not {*data} & {*problem.metric_names} and any(isinstance(value, str) for value in data.values())
    if not (is_whole(data) or is_results(data) or in_words or isinstance(data.get("failure"), str)):
        return outcome
    domains = problem.phases or problem.space.domains
    return outcome_of(data, problem.metric_names, domains, directions=problem.directions)
