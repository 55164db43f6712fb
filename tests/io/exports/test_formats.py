"""Formats in which a mixture is handed on."""

from __future__ import annotations

import json

import pytest

from bomix.errors import StudyError
from bomix.io.exports.formats import FORMATS
from bomix.io.exports.sheet import sheet_of
from bomix.study.study import Study
from bomix.trial import Trial

PROBLEM = Study(["code", "web"], ["loss"]).problem
TRIAL = Trial(7, {"web": 0.75, "code": 0.25}, 3, "sobol")


def test_weights_and_tokens_stand_in_order_of_the_names() -> None:
    found = sheet_of(TRIAL, PROBLEM, tokens=1000)
    assert list(json.loads(FORMATS["weights"].text(found)).items()) == [("code", 0.25), ("web", 0.75)]
    assert list(json.loads(FORMATS["tokens"].text(found)).items()) == [("code", 250), ("web", 750)]


def test_tokens_that_nobody_knows_are_not_counted() -> None:
    with pytest.raises(StudyError, match="pass --tokens"):
        FORMATS["tokens"].text(sheet_of(TRIAL, PROBLEM))


def test_every_format_has_an_end_of_its_own_that_is_no_result() -> None:
    ends = [each.suffix for each in FORMATS.values()]
    assert len(set(ends)) == len(ends)
    assert not {".json", ".result.json"} & set(ends)
