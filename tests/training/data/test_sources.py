"""Sources: every format gives the same documents, and every error names its place."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bomix.contracts.text import Meter
from bomix.errors import DataError
from bomix.training.data.installed import Installed
from bomix.training.data.sources import Files, Hub

TEXTS = ["one\ntwo", "drei  \u2028 vier", "\u00e9\U0001f600", '<|endofdocument|> "quoted" \\u0041', "x" * 200_000]


def lines(texts: list[str], field: str = "text") -> bytes:
    return b"".join(json.dumps({"id": i, field: text}).encode() + b"\n" for i, text in enumerate(texts))


def write_plain(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def write_gzip(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content))


def write_zstd_in_two_frames(path: Path, content: bytes) -> None:
    import zstandard

    # The cut lies inside a line: frames have nothing to do with lines.
    cut = len(content) // 3
    compress = zstandard.ZstdCompressor().compress
    path.write_bytes(compress(content[:cut]) + compress(content[cut:]))


def write_parquet(path: Path, content: bytes) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([json.loads(line) for line in content.splitlines()]), path, row_group_size=2)


def write_csv(path: Path, content: bytes) -> None:
    records = [json.loads(line) for line in content.splitlines()]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, records[0])
        writer.writeheader()
        writer.writerows(records)


def write_arrow(path: Path, content: bytes) -> None:
    import pyarrow as pa

    table = pa.Table.from_pylist([json.loads(line) for line in content.splitlines()])
    as_file = "file" in path.name
    with path.open("wb") as sink, (pa.ipc.new_file if as_file else pa.ipc.new_stream)(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


FORMATS: dict[str, Callable[[Path, bytes], None]] = {
    ".jsonl": write_plain,
    ".jsonl.gz": write_gzip,
    ".jsonl.zst": write_zstd_in_two_frames,
    ".json.gz": write_gzip,
    ".parquet": write_parquet,
    ".csv": write_csv,
    ".arrow": write_arrow,
    ".file.arrow": write_arrow,
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_documents(tmp_path: Path, suffix: str) -> None:
    FORMATS[suffix](tmp_path / f"a{suffix}", lines(TEXTS, "body"))
    source, meter = Files((f"*{suffix}",), field="body", root=str(tmp_path)), Meter()
    assert list(source.documents()) == TEXTS
    shares = [meter.share for _ in source.metered(meter)]
    assert shares == sorted(shares)
    assert 0.0 <= shares[0] <= shares[-1] <= 1.0


def test_a_text_file_is_one_document(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_bytes("\ufeffsecond\r\n".encode())
    (tmp_path / "a.txt").write_text("first\n\nstill first")
    assert list(Files(("*.txt",), root=str(tmp_path)).documents()) == ["first\n\nstill first", "second\r\n"]


def test_json_lines_may_begin_with_a_mark_end_without_newline_and_hold_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "a"}\r\n\n  \n{"text": "b"}')
    assert list(Files((str(tmp_path / "a.jsonl"),)).documents()) == ["a", "b"]


def test_globs_go_through_folders_and_read_each_file_once_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = tmp_path / "with [brackets] and spaces"
    for name in ("z.txt", "deep/er/a.txt", "deep/b.txt", "odd[1].txt"):
        path = study / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    source = Files(("data/**/*.txt", "data/z.txt", "data/odd[1].txt")).relative_to(study)
    expected = sorted(str(path) for path in (study / "data").rglob("*.txt"))
    assert [str(path) for path in source.files()] == expected
    assert source.relative_to(tmp_path / "elsewhere") == source
    monkeypatch.setenv("HOME", str(study))
    assert [path.name for path in Files(("~/data/z*",)).files()] == ["z.txt"]


def test_the_signature_follows_the_files_and_the_field(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(["a"]))
    source = Files((str(path),))
    before = source.signature()
    assert source.signature() == before
    assert Files((str(path),), field="body").signature() != before
    os.utime(path, ns=(1, 1))
    assert source.signature() != before


BROKEN = {
    "broken JSON": (b'{"text": "a"}\n\n{"text": \n', ":3: broken JSON"),
    "no object": (b'["text"]\n', ":1: a JSON array where an object"),
    "missing field": (b'{"text": "a"}\n{"body": "b", "id": 1}\n', r":2: no field 'text' \(there are: body, id\)"),
    "not a string": (b'{"text": "a"}\n{"text": null}\n', ":2: field 'text' holds a JSON null, not a string"),
    "not UTF-8": (b'{"text": "a"}\n{"text": "\xff"}\n', ":2: not UTF-8"),
    "half a pair": (b'{"text": "\\ud83d"}\n', ":1: field 'text' holds half a surrogate pair"),
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_a_broken_line_is_named(tmp_path: Path, what: str, suffix: str) -> None:
    content, message = BROKEN[what]
    FORMATS[suffix](tmp_path / f"a{suffix}", content)
    with pytest.raises(DataError, match=f"a{suffix}{message}"):
        list(Files((f"*{suffix}",), root=str(tmp_path)).documents())


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst", ".parquet", ".arrow"])
def test_a_file_that_breaks_off_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    # Random text, which does not shrink to a few bytes.
    FORMATS[suffix](path, lines([os.urandom(300).hex() for _ in range(200)]))
    path.write_bytes(path.read_bytes()[:-500])
    place = "after row" if suffix in (".parquet", ".arrow") else "breaks off or is damaged"
    with pytest.raises(DataError, match=f"a{suffix}.*{place}"):
        list(Files((str(path),)).documents())


def test_what_is_no_archive_is_an_error(tmp_path: Path) -> None:
    for suffix in (".jsonl.gz", ".jsonl.zst", ".parquet", ".arrow"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(lines(["a"]))
        with pytest.raises(DataError, match=f"a{suffix}"):
            list(Files((str(path),)).documents())


def test_text_that_is_not_utf8_is_named_by_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\ntwo\n\xe9t\xe9")
    with pytest.raises(DataError, match=r"a\.txt:3: not UTF-8"):
        list(Files((str(tmp_path / "a.txt"),)).documents())


def test_parquet_names_the_columns_it_has_and_the_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, lines(["a"]) + b'{"id": 1, "text": null}\n')
    with pytest.raises(DataError, match=r"no column 'body' \(there are: id, text\)"):
        list(Files((str(path),), field="body").documents())
    with pytest.raises(DataError, match="row 2: column 'text' holds None"):
        list(Files((str(path),)).documents())


def test_what_no_glob_matches_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    (tmp_path / "a.xml").touch()
    root = str(tmp_path)
    with pytest.raises(DataError, match=r"no file matches '\*\.jsonl', 'b/\*'"):
        Files(("*.txt", "*.jsonl", "b/*"), root=root).signature()
    with pytest.raises(DataError, match=r"a\.xml: cannot read this kind of file"):
        Files(("*",), root=root).signature()
    with pytest.raises(DataError, match="is a folder"):
        Files((str(tmp_path),)).signature()
    assert [fault.where for fault in Files(()).faults()] == ["paths"]


@pytest.mark.parametrize("streaming", [True, False])
def test_a_local_dataset_gives_the_documents_of_its_split(tmp_path: Path, streaming: bool) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(lines(TEXTS, "body"))
    (folder / "test.jsonl").write_bytes(lines(["held out"], "body"))
    source = Hub("set", field="body", streaming=streaming).relative_to(tmp_path)
    assert list(source.documents()) == TEXTS
    assert list(Hub(source.name, split="test", field="body", streaming=streaming).documents()) == ["held out"]
    first = Hub(source.name, field="body", streaming=streaming, max_documents=2)
    assert list(first.documents()) == TEXTS[:2]
    before = source.signature()
    (folder / "train.jsonl").write_bytes(lines(TEXTS[:1], "body"))
    assert source.signature() != before


def test_the_errors_of_a_dataset_name_it_and_the_cure(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_bytes(b'{"text": "a", "n": 1}\n{"text": "b", "n": 2}\n')
    name = str(tmp_path)
    with pytest.raises(DataError, match=r"row 1: no column 'body' \(there are: n, text\)"):
        list(Hub(name, field="body").documents())
    with pytest.raises(DataError, match="row 1: column 'n' holds 1, not a string"):
        list(Hub(name, field="n").documents())
    with pytest.raises(DataError, match=r"cannot be read after row 0.*check the name, config, split"):
        list(Hub(name, split="validation").documents())
    with pytest.raises(DataError, match="there is no folder"):
        Hub("./nowhere").signature()


def test_a_local_folder_whose_path_is_a_pattern_is_refused_with_the_cure(tmp_path: Path) -> None:
    folder = tmp_path / "set [v2]"
    folder.mkdir()
    (folder / "part.jsonl").write_text('{"text": "one"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"rename the folder, or read its files with kind 'files'"):
        list(Hub(str(folder)).documents())


def test_a_hub_that_cannot_be_reached_says_what_to_do() -> None:
    with pytest.raises(DataError, match=r"'nobody/nothing' cannot be read.*hub can be reached.*name its folder"):
        list(Hub("nobody/nothing").documents())


@pytest.mark.parametrize("what", ["stdlib", "headers", "docstrings", "readmes", "libraries"])
def test_installed_text_is_there_and_its_order_is_fixed(what: str) -> None:
    source = Installed(what, max_bytes=100_000)  # type: ignore[arg-type]
    documents = list(source.documents())
    sizes = [len(text.encode()) for text in documents]
    assert sum(sizes[:-1]) < 100_000 <= sum(sizes)
    assert list(Installed(what, max_bytes=200_000).documents())[: len(documents)] == documents  # type: ignore[arg-type]
    assert source.signature() == source.signature() != Installed(what).signature()  # type: ignore[arg-type]


def test_libraries_are_none_whose_documentation_is_read() -> None:
    from bomix.training.data.installed import _DOCUMENTED, _LIBRARIES

    assert not {*_LIBRARIES} & {*_DOCUMENTED}
    versions = json.loads(Installed("libraries").signature())["packages"]
    assert all(version for _, version in versions), "every one of them is found by the name of its distribution"


def test_docstrings_stand_after_the_names_they_describe(tmp_path: Path) -> None:
    from bomix.training.data.installed import _read_docstrings

    path = tmp_path / "a.py"
    method = '    def f(self):\n        """Method.\n\n        More.\n        """\n'
    path.write_text('"""Module."""\nclass A:\n    """Class."""\n' + method)
    assert _read_docstrings(path) == "Module.\n\n\nA\nClass.\n\n\nA.f\nMethod.\n\nMore."


@pytest.mark.parametrize("streaming", [True, False])
def test_a_folder_of_save_to_disk_is_read_as_it_was_saved(tmp_path: Path, streaming: bool) -> None:
    import datasets

    rows = datasets.Dataset.from_dict({"text": TEXTS, "id": range(len(TEXTS))})
    rows.save_to_disk(tmp_path / "one", num_shards=3)
    datasets.DatasetDict({"train": rows, "test": rows.select([0])}).save_to_disk(tmp_path / "several")
    assert list(Hub("one", streaming=streaming).relative_to(tmp_path).documents()) == TEXTS
    assert list(Hub("several", split="test").relative_to(tmp_path).documents()) == TEXTS[:1]
    with pytest.raises(DataError, match=r"no split 'dev' \(there are: test, train\)"):
        list(Hub("several", split="dev").relative_to(tmp_path).documents())
    assert list(Files(("one",)).relative_to(tmp_path).documents()) == TEXTS
    with pytest.raises(DataError, match="holds several splits; name one, 'several/train' say"):
        Files(("several",)).relative_to(tmp_path).signature()
