"""Files of documents and records."""

from __future__ import annotations

import pytest

from bomix.errors import DataError
from bomix.training.data.readers import read_documents, read_records, suffix_of


def test_records_come_with_their_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n\n{"a": 2}\n')
    assert list(read_records(path)) == [(f"{path}:1", {"a": 1}), (f"{path}:3", {"a": 2})]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": 3}', "holds a JSON number"),
        ("[1]", "a JSON array"),
        ('{"other": "x"}', "no field 'text'"),
        ('{"text": "\\ud800"}', "half a surrogate pair"),
        ("{", "broken JSON"),
    ],
)
def test_a_broken_line_is_told_with_its_number(tmp_path, line, said):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(DataError, match=said) as caught:
        list(read_documents(path, "text"))
    assert f"{path}:2" in str(caught.value)


def test_files_of_other_kinds_are_refused(tmp_path):
    assert suffix_of(tmp_path / "A.JSONL.GZ") == ".jsonl.gz"
    with pytest.raises(DataError, match=r"a\.csv"):
        suffix_of(tmp_path / "a.csv")
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(DataError, match="no records"):
        list(read_records(tmp_path / "a.txt"))
