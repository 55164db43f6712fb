"""Writing a corpus: the same tokens whoever encodes them, after a kill as well, and no more memory for more text."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bomix.progress import Reading, reading_to
from bomix.training.data import encoding, writing
from bomix.training.data.ledger import Ledger
from bomix.training.data.sources import Files
from tests.training.data.test_corpus import Listed, make, texts

LIMITS = {"max_tokens": 9000, "max_validation_tokens": 700}


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches, noted down after each, and other processes from the first on."""
    monkeypatch.setattr("bomix.training.data.documents.BATCH_BYTES", 2000)
    monkeypatch.setattr(encoding, "START_BYTES", 0)


def corpora(folder: Path, **spec: object) -> list[object]:
    """Everything that is recorded of corpora with duplicates, overlaps and limits, built in some way."""
    shared = texts("shared", 40)
    sources = {"a": Listed(texts("a", 400) + shared + texts("a", 100)), "b": Listed(shared + texts("b", 300))}
    found = []
    for number, limits in enumerate(({}, LIMITS)):
        further = {"v": Listed(texts("v", 60) + shared + texts("a", 30))}
        corpus = make(folder / str(number), sources, validation=further, spec={**limits, **spec})
        facts = json.loads((corpus.folder / "record.json").read_text())["content"]["record"]["sets"]  # type: ignore[operator]
        found += [facts, corpus.tokenizer_hash]
    return found


def test_the_corpus_does_not_depend_on_the_number_of_processes(tmp_path: Path, many: None) -> None:
    assert corpora(tmp_path / "2", processes=2) == corpora(tmp_path / "1", processes=1)


def interrupted(after: int) -> type[Listed]:
    class Breaking(Listed):
        def documents(self) -> Iterator[str]:
            for number, text in enumerate(self.texts):
                if number == after:
                    raise KeyboardInterrupt
                yield text

    return Breaking


@pytest.mark.parametrize("after", [290, 390])
def test_an_interrupted_building_goes_on_to_the_same_corpus(
    tmp_path: Path, many: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, after: int
) -> None:
    monkeypatch.setattr(writing, "NOTE_S", 0.0)
    caplog.set_level(logging.INFO, logger="bomix")
    given = texts("a", 300) + texts("a", 20) + texts("more", 100)
    further = {"v": Listed(texts("v", 60) + given[:9])}
    whole = make(tmp_path / "whole", {"a": Listed(given), "b": Listed(texts("b"))}, validation=further)
    for kind in (interrupted(after), Listed):
        sources = {"a": kind(given), "b": Listed(texts("b"))}
        try:
            corpus = make(tmp_path / "resumed", sources, validation=further, spec={"processes": 1})
        except KeyboardInterrupt:
            assert kind is not Listed
    assert "goes on after" in caplog.text
    assert corpus.hashes == whole.hashes
    for name in whole.validation:
        assert corpus.validation[name].duplicates == whole.validation[name].duplicates
    assert corpus.train["a"].duplicates == whole.train["a"].duplicates > 0
    assert [path.name for path in (tmp_path / "resumed" / "corpora").glob(".*")] == []


SCRIPT = """
import sys
from bomix.training.data import corpus, documents, encoding, writing
from bomix.training.data.sources import Files
from bomix.training.data.spec import CorpusSpec
from bomix.training.data.tokenizer import BytePair
writing.NOTE_S = 0.0
documents.BATCH_BYTES = 20_000
encoding.START_BYTES = 0
names = sys.argv[3:]
sources = {name: Files((f"{sys.argv[1]}/{name}.jsonl",)) for name in names}
spec = CorpusSpec(cache=sys.argv[2], processes=2)
built = corpus.build(sources, {}, BytePair(vocabulary=300, sample_bytes=20_000), spec, sequence_length=16)
print(dict(built.hashes))
"""


def test_a_killed_building_goes_on_where_it_was(tmp_path: Path) -> None:
    for name in ("a", "b"):
        lines = (json.dumps({"text": text}) for text in texts(name, 6000))
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    argv = [sys.executable, "-c", SCRIPT, str(tmp_path), str(tmp_path / "cache"), "a", "b"]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    folder = tmp_path / "cache" / "corpora"
    deadline = time.monotonic() + 60
    while not (files := [*folder.glob(".*/0001.bin")]) or files[0].stat().st_size < 60_000:  # well within domain b
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    [left] = folder.glob(".*.part")
    first = left / "0000.bin"
    written, state = first.stat().st_mtime_ns, Ledger(left, _identity(left))
    assert state.state("train/a")["done"]
    read = state.state("train/b")["read"]
    assert 0 < read < 6000
    state._database.close()
    resumed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    [built] = [path for path in folder.iterdir() if path.is_dir()]
    assert (built / "0000.bin").stat().st_mtime_ns == written, "the finished domain is not built again"
    argv[4] = str(tmp_path / "another")
    assert resumed == subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _identity(folder: Path) -> str:
    """The hash of the tokenizer that a building is of."""
    found: str = json.loads((folder / "tokenizer" / "bomix.json").read_text())["hash"]
    return found


def test_what_was_tampered_with_is_built_again(
    tmp_path: Path, many: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writing, "NOTE_S", 0.0)
    given = texts("a", 500)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "resumed", {"a": interrupted(450)(given)}, spec={"processes": 1})
    [file] = (tmp_path / "resumed" / "corpora").glob(".*/0000.bin")
    file.write_bytes(b"\0" + file.read_bytes()[1:])
    again = make(tmp_path / "resumed", {"a": Listed(given)}, spec={"processes": 1})
    assert "cannot be gone on with" in caplog.text
    assert again.hashes == make(tmp_path / "whole", {"a": Listed(given)}).hashes


def test_progress_is_told_for_each_domain_up_to_its_end(
    tmp_path: Path, many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "TELL_S", 0.0)
    for name in ("a", "b"):
        lines = (json.dumps({"text": text}) for text in texts(name, 400))
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    told: list[Reading] = []
    with reading_to(told.append):
        make(tmp_path / "cache", {name: Files((str(tmp_path / f"{name}.jsonl"),)) for name in ("a", "b")})
    for name in ("a", "b"):
        own = [reading for reading in told if reading.name == name]
        assert len(own) > 5
        assert [reading.is_done for reading in own] == [False] * (len(own) - 1) + [True]
        shares = [reading.share for reading in own if reading.share is not None]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        assert own[-1].documents == 400


def test_the_memory_of_duplicates_is_bounded_and_exact(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    digests = [rng.bytes(16) for _ in range(2000)]
    with Ledger(tmp_path, "one") as ledger:
        assert all(ledger.is_new(digest, number) for number, digest in enumerate(digests, start=1))
        assert not any(ledger.is_new(digest, 5000) for digest in digests)
        ledger.train_on(digests[:3])
        ledger.note("a", {"b": 1})
        ledger.commit()
        ledger.forget(after=1500)
        assert not ledger.is_new(digests[1499], 1500)
        assert ledger.is_new(digests[1500], 1501)  # not committed, so that the next one does not know it
    with Ledger(tmp_path, "one") as ledger:
        assert (ledger.state("a"), digests[2] in ledger, digests[3] in ledger) == ({"b": 1}, True, False)
        assert not ledger.is_new(digests[1500], 1501)
    with Ledger(tmp_path, "another") as ledger:
        assert (ledger.state("a"), digests[2] in ledger) == (None, False)
        assert ledger.is_new(digests[0], 1)
