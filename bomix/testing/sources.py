"""What every source of text owes to the corpus."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bomix.contracts.text import SourceTraits, signature_of
from bomix.contracts.traits import traits
from bomix.errors import DataError
from bomix.testing.base import SpecBattery

FIRST = 5
"""Documents that are looked at where a source has many."""


class SourceBattery(SpecBattery):
    """Tests of a source: :class:`bomix.contracts.text.Source`, ``documents()``, and ``signature()`` if it has one.

    A source yields the documents of a domain or of a validation set. Three lines test one of your own::

        class TestMine(SourceBattery):
            spec = MySource()

    One that reads files overrides :meth:`write`, which puts two documents or more into a folder, and names its paths
    in ``spec`` relative to it; with :meth:`change` and :meth:`damage` the rest is tested as well.

    What is tested, and why:

    * Documents are texts, always the same in the same order: the split into training and validation, and the order of
      the data, stand on it.
    * The signature is the same as long as the documents are, wherever it is asked for, and another one once they may
      have changed: the cache of tokens is found by it, and a study is refused when its text has changed.
    * A broken line is told with file and line, a missing file before anything is read.
    * Documents come one at a time: a corpus need not fit into memory.
    * It is a frozen dataclass that a study file can say.

    Attributes:
        spec: The source, paths relative to the folder of :meth:`write`.
        has_files: Whether it reads files of the user's, which can be missing.
        folder_name: The name of the folder of :meth:`write`: spaces and the characters of a glob are text in a path.
    """

    group = "source"
    has_files: ClassVar[bool] = False
    folder_name: ClassVar[str] = "a study [1]"

    def write(self, folder: Path) -> None:
        """Put what the source reads into an empty folder."""

    def change(self, folder: Path) -> None:
        """Change a document in the folder."""
        pytest.skip("what it reads does not change")

    def damage(self, folder: Path) -> str:
        """Damage a document in the folder.

        Returns:
            The place that the error must name: ``<file>:<line>``, or the row.
        """
        pytest.skip("what it reads cannot be damaged")

    def source(self, folder: Path) -> Any:
        """The source over a folder."""
        relative = traits(self.spec, SourceTraits).relative_to
        return self.spec if relative is None else relative(folder)

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder with what the source reads."""
        (folder := tmp_path / self.folder_name).mkdir()
        self.write(folder)
        return folder

    def test_documents_are_texts_in_the_same_order_every_time(self, folder: Path) -> None:
        """Which documents are held out depends on it."""
        source = self.source(folder)
        documents = list(islice(source.documents(), FIRST))
        assert documents
        assert all(type(document) is str for document in documents)
        assert any(document.strip() for document in documents)
        assert list(islice(source.documents(), FIRST)) == documents
        assert list(islice(copy.deepcopy(source).documents(), FIRST)) == documents

    def test_documents_come_one_at_a_time(self, folder: Path) -> None:
        """A corpus need not fit into memory, and two readers do not disturb each other."""
        source = self.source(folder)
        first, second = source.documents(), source.documents()
        assert isinstance(first, Iterator)
        assert next(first) == next(second)

    def test_the_signature_stays_while_the_documents_do(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Asked again, of a copy, from another folder: the corpus is found built."""
        source = self.source(folder)
        signature = signature_of(source)
        assert type(signature) is str
        assert signature
        list(islice(source.documents(), FIRST))
        monkeypatch.chdir(tmp_path)
        again = (source, copy.deepcopy(source), self.source(folder))
        assert [signature_of(each) for each in again] == [signature] * 3

    def test_the_signature_changes_with_the_documents(self, folder: Path) -> None:
        """Tokens of the old text would be trained on, and the record would be of two corpora."""
        source = self.source(folder)
        before, documents = signature_of(source), list(source.documents())
        self.change(folder)
        assert signature_of(source) != before
        assert list(source.documents()) != documents

    def test_what_is_damaged_is_told_with_its_place(self, folder: Path) -> None:
        """One line of millions: without its number nobody finds it."""
        place = self.damage(folder)
        with pytest.raises(DataError, match=re.escape(place)):
            list(self.source(folder).documents())

    def test_what_is_missing_is_told_before_anything_is_read(self, tmp_path: Path) -> None:
        """``signature`` is asked first, for every source at once."""
        if not self.has_files:
            pytest.skip("it reads no files of the user's")
        (empty := tmp_path / "empty").mkdir()
        with pytest.raises(DataError):
            signature_of(self.source(empty))
        with pytest.raises(DataError):
            list(self.source(empty).documents())
