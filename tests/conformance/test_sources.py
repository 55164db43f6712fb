"""Every registered source of text keeps its contract."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bomix.config import registry
from bomix.testing.sources import SourceBattery
from bomix.training.data.installed import Kind
from tests.conformance.every import spec_of

TEXTS = [{"text": f"document {n}"} for n in range(4)]
ANOTHER_TEXT = {"text": "another one altogether"}
QUESTIONS = [{"prompt": f"{n} and {n}?", "answer": str(2 * n)} for n in range(1, 6)]
ANOTHER_QUESTION = {"prompt": "Why?", "answer": "Because."}
CHOICES = [{"prompt": f"{n} and {n}?", "options": ["1", str(2 * n)], "answer": 1} for n in range(1, 6)]
ANOTHER_CHOICE = {"prompt": "Why?", "options": ["So.", "Because."], "answer": "B"}


def write_lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


class OfLines(SourceBattery):
    """Those that read a file of JSON lines; the third of them can be damaged."""

    has_files = True
    records, another = TEXTS, ANOTHER_TEXT

    def write(self, folder):
        write_lines(folder / "a.jsonl", self.records)

    def change(self, folder):
        write_lines(folder / "a.jsonl", [self.another, *self.records])

    def damage(self, folder):
        lines = (folder / "a.jsonl").read_text().splitlines()
        lines[2] = lines[2][:-4]
        (folder / "a.jsonl").write_text("\n".join(lines) + "\n")
        return "a.jsonl:3"


class TestFiles(OfLines):
    kind = "files"
    spec = spec_of("source", "files", {"paths": ["*.jsonl"]})


class TestTextFiles(SourceBattery):
    kind = "files"
    has_files = True
    spec = spec_of("source", "files", {"paths": ["**/*.txt"]})

    def write(self, folder):
        (folder / "deep").mkdir()
        (folder / "deep" / "b.txt").write_text("the second")
        (folder / "a.txt").write_text("the first\nof two lines\n")

    def change(self, folder):
        (folder / "deep" / "c.txt").write_text("one more")

    def damage(self, folder):
        (folder / "a.txt").write_bytes(b"the first\nof \xff\xfe\n")
        return "a.txt:2"


class TestQuestions(OfLines):
    kind = "questions"
    spec = spec_of("source", "questions", {"paths": ["a.jsonl"]})
    records, another = QUESTIONS, ANOTHER_QUESTION


class TestChoices(OfLines):
    kind = "choices"
    spec = spec_of("source", "choices", {"paths": ["a.jsonl"]})
    records, another = CHOICES, ANOTHER_CHOICE


class TestHub(SourceBattery):
    """A local folder stands for the hub."""

    kind = "hf"
    has_files = True
    spec = spec_of("source", "hf", {"name": "./data"})
    folder_name = "a study"  # the library `datasets` takes the brackets of a folder for a glob

    @pytest.fixture(autouse=True)
    def cache_of_datasets(self, tmp_path, monkeypatch):
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")

    def write(self, folder):
        (folder / "data").mkdir()
        self.put(folder, "part.parquet", ["one", "two", "three"])

    def change(self, folder):
        self.put(folder, "part.parquet", ["one", "two", "four", "five"])

    def damage(self, folder):
        self.put(folder, "part.parquet", ["one", None, "three"])
        return "row 2"

    def put(self, folder, name, texts):
        table = pa.table({"text": pa.array(texts, pa.string())})
        pq.write_table(table, folder / "data" / name)


class TestTokens(SourceBattery):
    """Ids of an array of numpy; what stands for their text here are the ids written out."""

    kind = "tokens"
    has_files = True
    spec = spec_of("source", "tokens", {"paths": ["*.npy"], "end_of_document": 0})

    def write(self, folder):
        np.save(folder / "a.npy", np.array([1, 2, 0, 3, 4, 5, 0, 6, 0], np.uint16))

    def change(self, folder):
        np.save(folder / "a.npy", np.array([1, 2, 0, 3, 4, 0], np.uint16))

    def damage(self, folder):
        np.save(folder / "a.npy", np.array([1, 2, 0, -3], np.int16))
        return "a.npy"


def installed(what):
    """A battery of one kind of text of this installation, which changes with its packages alone."""
    spec = spec_of("source", "installed", {"what": what, "max_bytes": 20_000})
    return type(f"TestInstalled{what.title()}", (SourceBattery,), {"kind": "installed", "spec": spec})


globals().update({cls.__name__: cls for cls in map(installed, Kind.__args__)})


def test_every_kind_has_a_battery():
    found = {cls.kind for cls in globals().values() if isinstance(cls, type) and issubclass(cls, SourceBattery)}
    assert found - {None} == {*registry.kinds("source")}
