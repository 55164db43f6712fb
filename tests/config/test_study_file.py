"""Study files with the line of everything that is wrong in them."""

from __future__ import annotations

import pytest

from bomix.config.study_file import load, parse
from bomix.errors import ConfigError, FaultsError


def test_every_fault_has_its_line(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("domains:\n  code: {}\n  web: {uper: 0.5}\nmetrics: {loss: {}}\nstrategy:\n  kind: soboll\n")
    with pytest.raises(FaultsError, match="has 2 problems") as caught:
        load(path)
    assert [fault.where for fault in caught.value.faults] == ["domains.web.uper (line 3)", "strategy.kind (line 6)"]


def test_keys_that_stand_twice_are_faults_and_aliases_end(tmp_path):
    data, lines, duplicates = parse("a: &x {b: 1}\nc: *x\na: 2\n", tmp_path / "study.yaml")
    assert data == {"a": 2, "c": {"b": 1}}
    assert lines["c"] == 2
    assert [fault.where for fault in duplicates] == ["a"]


@pytest.mark.parametrize("text", ["a: [", None])
def test_what_is_no_yaml_or_no_file_is_told(tmp_path, text):
    path = tmp_path / "study.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"study\.yaml"):
        load(path)
