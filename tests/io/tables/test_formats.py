"""One table in every format says the same, and each format says where it is wrong."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from bomix.io.tables import columnar, excel
from bomix.io.tables.reading import read_table
from bomix.io.tables.records import flattened, looks_like_json
from bomix.io.tables.table import Table

RUNS = pd.DataFrame({"run": ["a", "b"], "web": [0.25, 1 / 3], "code": [0.75, 2 / 3], "loss": [2.5, float("nan")]})

WRITERS: dict[str, Callable[[Path], object]] = {
    "t.csv": lambda path: RUNS.to_csv(path, index=False),
    "t.csv.gz": lambda path: RUNS.to_csv(path, index=False),
    "t.csv.zst": lambda path: RUNS.to_csv(path, index=False),
    "t.tsv": lambda path: RUNS.to_csv(path, index=False, sep="\t"),
    "semicolons.csv": lambda path: RUNS.to_csv(path, index=False, sep=";"),
    "bars.txt": lambda path: RUNS.to_csv(path, index=False, sep="|"),
    "t.parquet": lambda path: RUNS.to_parquet(path),
    "t.xlsx": lambda path: RUNS.to_excel(path, index=False),
    "records.json": lambda path: RUNS.to_json(path, orient="records", double_precision=15),
    "split.json": lambda path: RUNS.to_json(path, orient="split", double_precision=15),
    "columns.json": lambda path: RUNS.to_json(path, orient="columns", double_precision=15),
    "lines.jsonl": lambda path: RUNS.to_json(path, orient="records", lines=True, double_precision=15),
    "lines.jsonl.gz": lambda path: RUNS.to_json(path, orient="records", lines=True, double_precision=15),
}
"""File to what writes it: pandas, as people do."""


def read(path: Path, **options: bool) -> tuple[Table | None, list[str]]:
    faults: list = []
    table = read_table(path, faults, **options)
    return table, [str(fault).replace(f"{path.parent}/", "") for fault in faults]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_that_pandas_writes_says_the_same(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    table, faults = read(tmp_path / name)
    assert faults == []
    assert table is not None
    assert table.columns == ("run", "web", "code", "loss")
    assert table.cells_of("run") == ["a", "b"]
    assert [float(cell) for cell in table.cells_of("web")] == pytest.approx([0.25, 1 / 3], abs=1e-15)
    assert table.cells_of("loss") == ["2.5", ""]


def test_a_name_says_nothing_about_what_a_file_is(tmp_path: Path) -> None:
    RUNS.to_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.parquet").rename(tmp_path / "t.csv")
    table, faults = read(tmp_path / "t.csv")
    assert faults == []
    assert table is not None
    assert table.where(table.rows[1]) == f"{tmp_path / 't.csv'}:row 2"


def test_an_index_of_pandas_is_a_column(tmp_path: Path) -> None:
    RUNS.set_index("run").to_parquet(tmp_path / "named.parquet")
    RUNS.rename_axis("index").set_index(pd.RangeIndex(1, 3, name="index")).to_parquet(tmp_path / "range.parquet")
    RUNS.to_csv(tmp_path / "unnamed.csv")
    RUNS.to_excel(tmp_path / "unnamed.xlsx")
    found = {
        name: read(tmp_path / name)[0] for name in ("named.parquet", "range.parquet", "unnamed.csv", "unnamed.xlsx")
    }
    assert found["named.parquet"].cells_of("run") == ["a", "b"]
    assert found["range.parquet"].cells_of("index") == ["1", "2"]
    assert found["unnamed.csv"].columns == found["unnamed.xlsx"].columns == ("", "run", "web", "code", "loss")


def test_decimal_commas_are_read_where_that_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", "run;web;code;note\na;0,25;0,75;1,5 or so\nb;1;,0;x,y\n")
    assert read(path)[0].cells_of("web") == ["0,25", "1"]
    table, faults = read(path, decimal_comma=True)
    assert faults == []
    assert table.cells_of("web") == ["0.25", "1"]
    assert table.cells_of("note") == ["1,5 or so", "x,y"]
    path = written(tmp_path, "t.csv", "run;web\na;0,25\nb;1.234\n")
    (fault,) = read(path, decimal_comma=True)[1]
    assert fault.startswith("t.csv:3: column 'web' has decimal commas, and '1.234' with a point")


def test_nested_settings_become_columns(tmp_path: Path) -> None:
    assert flattened({"a": {"b": 1}}, levels=0) == {"a": '{"b": 1}'}
    assert [looks_like_json(text) for text in (' [{"a": 1}]', '{"a": 1}', "{a},b", "[a],b")] == [
        True,
        True,
        False,
        False,
    ]
    run = {"id": 1, "config": {"mix": {"web": 0.5}, "tags": ["a"], "none": {}}, "loss": None, "ok": True}
    table, _ = read(written(tmp_path, "t.jsonl", json.dumps(run)))
    assert dict(zip(table.columns, table.rows[0].cells, strict=True)) == {
        "id": "1",
        "config.mix.web": "0.5",
        "config.tags": '["a"]',
        "config.none": "{}",
        "loss": "",
        "ok": "true",
    }


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ('{"columns": ["run", "web"], "data": [["a", 1], ["b", 2]]}', ("run", "web"), 2),  # a table of W&B as well
        ('{"data": [{"run": "a"}, {"run": "b", "web": 1}]}', ("run", "web"), 2),
        ('{"a": {"web": 1}, "b": {"web": 0}}', ("index", "web"), 2),
        ('{"run": ["a", "b"], "web": [1, 0]}', ("run", "web"), 2),
        ('{"run": "a", "web": 1}\n\n{"run": "b", "web": NaN}\n', ("run", "web"), 2),
    ],
)
def test_forms_of_json(tmp_path: Path, text: str, columns: tuple[str, ...], rows: int) -> None:
    table, faults = read(written(tmp_path, "t.json", text))
    assert faults == []
    assert (table.columns, len(table.rows)) == (columns, rows)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.json", '[{"run": 1}, 7]', "t.json:record 2: is no record of columns but int"),
        ("t.json", '[{"run": 1,, "b": 2}]', "t.json:1: is no JSON: "),
        ("t.json", '[{"a": 1, "a": 2}]', "t.json: is no JSON that can be read: key 'a' stands twice"),
        ("t.json", "[" * 100000 + "{", "t.json: is no JSON that can be read: "),
        ("t.json", '[{"a": ' + "1" * 10000 + "}]", "t.json: is no JSON that can be read: "),
        ("t.jsonl", '{"run": 1}\n{"run": 2\n', "t.jsonl:2: is no JSON: "),
        ("t.json", "[]", "t.json: holds no record"),
        ("t.parquet", b"PAR1 and nothing else", "t.parquet: is no Parquet that can be read"),
        ("t.xlsx", b"PK\x03\x04 and nothing else", "t.xlsx: is no workbook of Excel that can be read"),
        ("t.xls", b"\xd0\xcf\x11\xe0 and so on", "t.xls: is a workbook of Excel 97; save it as .xlsx, or as CSV"),
        ("t.arrow", b"ARROW1\x00\x00", "t.arrow: is a file of Arrow; save it as Parquet"),
    ],
)
def test_what_is_no_table_says_what_it_is(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    _, faults = read(written(tmp_path, name, content))
    assert said in faults[0]
    assert len(faults[0]) < 400


def test_a_sheet_is_named_where_a_workbook_has_several(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    with pd.ExcelWriter(path) as book:
        RUNS.to_excel(book, sheet_name="small", index=False)
        RUNS.head(1).to_excel(book, sheet_name="large", index=False)
        pd.DataFrame().to_excel(book, sheet_name="empty", index=False)
    assert read(path)[1] == ["t.xlsx: has 2 sheets (small, large); name one, as 't.xlsx#small'"]
    table, faults = read(tmp_path / "t.xlsx#large")
    assert faults == []
    assert len(table.rows) == 1
    assert read(tmp_path / "t.xlsx#lrge")[1] == ["t.xlsx: has no sheet 'lrge' (there are small, large, empty)"]
    written(tmp_path, "t.xlsx#large", "run,web\na,1\n")
    assert read(tmp_path / "t.xlsx#large")[0].columns == ("run", "web"), "a file of that very name is meant itself"


def test_what_stands_beside_the_columns_of_a_sheet_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    pd.DataFrame([["run", "web", None], ["a", 1, None], ["b", 0, "note"]]).to_excel(path, header=False, index=False)
    assert read(path)[1] == ["t.xlsx:row 3: 'note' stands in a column that the header does not name"]


def test_a_workbook_that_unpacks_to_more_than_a_table_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(2**20))
    assert len(raw.getvalue()) < 2**13
    for module in (excel, columnar):
        monkeypatch.setattr(module, "LARGEST_TABLE", 2**19)
    assert "longer than" in read(written(tmp_path, "t.xlsx", raw.getvalue()))[1][0]
    pd.DataFrame({"web": [0.0] * 2**20}).to_parquet(tmp_path / "t.parquet")
    assert "longer than" in read(tmp_path / "t.parquet")[1][0]


def test_without_openpyxl_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    path = written(tmp_path, "t.xlsx", b"PK\x03\x04")
    assert read(path)[1] == ["t.xlsx: is a workbook of Excel, which needs openpyxl: pip install 'bomix[excel]'"]


def test_published_tables_say_the_same_in_every_format(tmp_path: Path) -> None:
    if (data := os.environ.get("BOMIX_DATA")) is None:
        pytest.skip("BOMIX_DATA names no folder with regmix/ (github.com/sail-sg/regmix, folder data)")
    source = Path(data) / "regmix" / "train_pile_loss_1m.csv"
    runs = pd.read_csv(source)
    runs.to_parquet(tmp_path / "t.parquet")
    runs.to_csv(tmp_path / "t.csv", sep=";", decimal=",", index=False)
    runs.to_json(tmp_path / "t.jsonl.gz", orient="records", lines=True, double_precision=15)
    plain, _ = read(source)
    for name in ("t.parquet", "t.csv", "t.jsonl.gz"):
        found, faults = read(tmp_path / name, decimal_comma=name == "t.csv")
        assert faults == []
        assert found.columns == plain.columns
        for column in plain.columns:
            numbers = [float(cell) for cell in found.cells_of(column)]
            assert numbers == pytest.approx([float(cell) for cell in plain.cells_of(column)], abs=1e-14)
