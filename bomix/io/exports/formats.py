"""Formats in which a mixture is handed to a trainer: a file beside that of the trial, one for each that is wanted.

A format is a row of :data:`FORMATS`: the end of the file's name, and what stands in the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

from bomix.errors import StudyError
from bomix.io.exports.sheet import Sheet


class Format(NamedTuple):
    """One format.

    Attributes:
        suffix: End of the file's name, behind the trial's number.
        what: What stands in the file, in words.
        text: A trial in the format.
    """

    suffix: str
    what: str
    text: Callable[[Sheet], str]


def weights(sheet: Sheet) -> str:
    """Domain to share of the training tokens, in order of the names; of two phases that for each of them."""
    if sheet.phases is not None:
        return _json({phase: own["weights"] for phase, own in sheet.by_phase.items()})
    return _json(dict(sorted(sheet.trial.weights.items())))


def tokens(sheet: Sheet) -> str:
    """Domain to training tokens, in order of the names; of two phases that for each of them.

    Raises:
        StudyError: Nobody said how many tokens the run has.
    """
    if sheet.tokens is None:
        raise StudyError(
            f"nothing says how many tokens trial {sheet.trial.id} trains on, so that they cannot be counted per "
            "domain; pass --tokens, or state 'tokens' of the study's scales"
        )
    if sheet.phases is not None:
        return _json({phase: own["tokens"] for phase, own in sheet.by_phase.items()})
    return _json(dict(sorted(sheet.tokens.items())))


FORMATS: Mapping[str, Format] = {
    "weights": Format(".weights.json", "domain to share of the training tokens", weights),
    "tokens": Format(".tokens.json", "domain to training tokens", tokens),
}
"""Name to format."""


def _json(data: Mapping[str, float] | Mapping[str, Mapping[str, float]]) -> str:
    return json.dumps(data, indent=1) + "\n"
