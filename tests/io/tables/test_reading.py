"""Tables of mixtures: columns by name, rows with their lines, everything that is wrong at once."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bomix.errors import FaultsError
from bomix.io.tables.delimited import read_delimited
from bomix.io.tables.reading import read_mixtures
from bomix.space.mixture_space import MixtureSpace

SPACE = MixtureSpace(["web", "code"])


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "mixtures.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def wrong(folder: Path, text: str | bytes) -> list[str]:
    """The faults of a table, the folder's name taken out."""
    with pytest.raises(FaultsError) as caught:
        read_mixtures(written(folder, text), SPACE)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


def test_columns_are_found_by_name_and_others_are_kept(tmp_path: Path) -> None:
    found = read_mixtures(written(tmp_path, "web,note,code\n0.25,first,0.75\n1,second,0\n"), SPACE)
    assert found.weights == ({"code": 0.75, "web": 0.25}, {"code": 0.0, "web": 1.0})
    assert found.table.columns == ("web", "note", "code")
    assert [row.cells[1] for row in found.table.rows] == ["first", "second"]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffweb,code\r\n0.5,0.5\r\n",
        "web , code\n\n 0.5 , 0.5 \n,\n",
        'web,code,note\n0.5,0.5,"two\nlines"\n',
        "train_the_pile_code,train_the_pile_web\n0.5,0.5\n",
        "train_web,code\n5e-1,.5\n",
    ],
)
def test_spreadsheets_and_layouts_are_understood(tmp_path: Path, text: str) -> None:
    assert read_mixtures(written(tmp_path, text), SPACE).weights == ({"code": 0.5, "web": 0.5},)


def test_a_mapping_names_columns_of_other_names(tmp_path: Path) -> None:
    path = written(tmp_path, "w1,w2\n0.25,0.75\n")
    assert read_mixtures(path, SPACE, mapping={"w1": "code", "w2": "weights.web"}).weights[0] == {
        "code": 0.25,
        "web": 0.75,
    }


def test_rounding_is_mended_within_one_percent(tmp_path: Path) -> None:
    found = read_mixtures(written(tmp_path, "web,code\n0.5,0.51\n0.5,0.49\n0.3333,0.6666\n"), SPACE)
    assert [math.fsum(weights.values()) for weights in found.weights] == [1.0, 1.0, 1.0]
    assert found.weights[0]["web"] == pytest.approx(0.5 / 1.01)


def test_everything_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    rows = ["web,code", "0.5,0.5", "0.5,0.52", "1.5,-0.5", "half,0.5", ",1", "0.5", "inf,0", "1_0,0", "nan,1", "50,50"]
    assert wrong(tmp_path, "\n".join(rows)) == [
        "mixtures.csv:7: 1 cells, where the header names 2 columns",
        "mixtures.csv:3: the weights sum to 1.02, not to 1; divide them by their sum",
        "mixtures.csv:4: the weight of domain 'code' is -0.5; weights are not negative",
        "mixtures.csv:5: the weight of domain 'web' is 'half', not a number",
        "mixtures.csv:6: the weight of domain 'web' is empty; write 0 where it has none",
        "mixtures.csv:8: the weight of domain 'web' is 'inf', not a number",
        "mixtures.csv:9: the weight of domain 'web' is '1_0', not a number",
        "mixtures.csv:10: the weight of domain 'web' is empty; write 0 where it has none",
        "mixtures.csv:11: the weights sum to 100, not to 1; divide them by their sum",
    ]


def test_the_line_is_where_a_row_begins(tmp_path: Path) -> None:
    assert wrong(tmp_path, 'web,note,code\n\n1,"a\nb\nc",0\n1,"d\ne",1\n') == [
        "mixtures.csv:6: the weights sum to 2, not to 1; divide them by their sum"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["mixtures.csv: is empty; the first line must name the columns"]),
        ("web,code\n", ["mixtures.csv: has a header and no rows"]),
        ("web,cod\n1,0\n", ["mixtures.csv: there is no column for domain 'code'; did you mean 'cod'?"]),
        ("web,code,web\n1,0,0\n", ["mixtures.csv:1: column 'web' stands twice; rename or remove one"]),
        (b"web,code\n1,0\n\xff,0\n", ["mixtures.csv:3: is not UTF-8; save the table as CSV in that encoding"]),
        (
            'web,code\n1,"0\n',
            ["mixtures.csv:2: is no CSV: unexpected end of data", "mixtures.csv: has a header and no rows"],
        ),
        (
            "train_web,train_the_pile_web,code\n1,1,0\n",
            ["mixtures.csv: columns 'train_web' and 'train_the_pile_web' all stand for domain 'web'; keep one"],
        ),
    ],
)
def test_what_is_no_table_of_mixtures_says_so(tmp_path: Path, text: str | bytes, said: list[str]) -> None:
    assert wrong(tmp_path, text) == said


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match=r"nowhere\.csv: cannot be read"):
        read_mixtures(tmp_path / "nowhere.csv", SPACE)


def test_what_divides_columns_is_what_makes_most_of_the_first_line() -> None:
    faults: list = []
    table = read_delimited(Path("t"), 'run;"a,b";c,d\nx;1;2\n', faults)
    assert table is not None
    assert (table.columns, faults) == (("run", "a,b", "c,d"), [])


def test_mixtures_in_percent_are_read_and_said(tmp_path: Path) -> None:
    found = read_mixtures(written(tmp_path, "web,code\n25,75\n100,0\n"), SPACE)
    assert found.weights == ({"code": 0.75, "web": 0.25}, {"code": 0.0, "web": 1.0})
    assert found.notes == (f"{tmp_path / 'mixtures.csv'}: every row sums to 100: read as percent",)
