"""Files of documents and records."""

from __future__ import annotations

import csv
import gzip

import pytest

from bomix.errors import DataError
from bomix.training.data.readers import read_documents, read_records, suffix_of
from bomix.training.data.table_readers import some


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
    with pytest.raises(DataError, match=r"a\.xml"):
        suffix_of(tmp_path / "a.xml")
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(DataError, match="no records are read from such a file"):
        list(read_records(tmp_path / "a.txt"))


def test_a_csv_keeps_long_texts_line_breaks_and_quotes_and_its_limit_is_no_one_elses(tmp_path):
    texts = ["x" * 200_000, 'a "quoted" word, and\r\na second line', "\u00e9"]
    path = tmp_path / "a.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([["id", "text"], *enumerate(texts)])
    before = csv.field_size_limit()
    assert list(read_documents(path, "text")) == texts
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (b"id,body\n1,x\n", r"a\.csv: no column 'text' \(there are: body, id\)"),
        (b"text,text\nx,y\n", "several columns 'text'"),
        (b"id,text\n1,x\n2,y,z\n", r"a\.csv:3: 3 values where the first line names 2 columns"),
        (b'id,text\n1,"x\n', r"a\.csv:2: broken CSV"),
        (b"id,text\n1,\xff\n", r"a\.csv:2: not UTF-8"),
    ],
)
def test_a_broken_row_of_a_csv_is_told_with_its_number(tmp_path, rows, said):
    (tmp_path / "a.csv").write_bytes(rows)
    with pytest.raises(DataError, match=said):
        list(read_documents(tmp_path / "a.csv", "text"))


@pytest.mark.parametrize("text", ['[\n{"text": "x"},\n{"text": "y"}\n]\n', '[{"text": "x"}, {"text": "y"}]'])
def test_a_json_may_be_one_array_of_objects(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("a.json", "b.json.gz"):
        assert list(read_documents(tmp_path / name, "text")) == ["x", "y"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"text": "x"}, {"other": "y"}]', r"a\.json, item 2: no field 'text'"),
        ('[{"text": "x"},', r"a\.json: broken JSON .*one object a line"),
        ('[{"text": "x"}, 3]', r"item 2: a JSON number"),
    ],
)
def test_a_broken_array_is_told_with_its_item(tmp_path, text, said):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=said):
        list(read_documents(tmp_path / "a.json", "text"))


def test_an_array_in_a_file_of_lines_is_told_how_to_convert(tmp_path):
    (tmp_path / "a.jsonl").write_text('[\n{"text": "x"}\n]\n')
    with pytest.raises(DataError, match=r"a\.jsonl:1: .*one object a line, so convert the file"):
        list(read_documents(tmp_path / "a.jsonl", "text"))


def test_a_message_names_the_first_columns():
    assert some([]) == "none"
    assert some(["b", "a"]) == "a, b"
    assert some(map(str, range(10, 30))) == "10, 11, 12, 13, 14, 15, 16, 17, ..."
