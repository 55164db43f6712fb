"""Several processes encode as one does, and one that dies costs nothing but its help."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from bomix.training.data import encoding
from bomix.training.data.cores import cores
from bomix.training.data.encoding import Encoder, arrays, packed
from bomix.training.data.encoding_process import serve
from bomix.training.data.tokenizer import BytePair, LoadedTokenizer
from tests.training.data.test_corpus import texts

BATCHES = [(number, texts(f"b{number}", 20)) for number in range(12)]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedTokenizer, Path]:
    made = BytePair(vocabulary=300).build(texts("a"))
    made.save(folder := tmp_path_factory.mktemp("tokenizer"))
    return made, folder


def plain(found: Iterator[tuple[int, list[np.ndarray]]]) -> list[tuple[int, list[list[int]]]]:
    return [(number, [ids.tolist() for ids in rows]) for number, rows in found]


def helpers() -> list[psutil.Process]:
    alive = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
    return [p for p in alive if "encoding_process" in " ".join(p.cmdline())]


def test_batches_come_back_in_order_and_as_one_process_encodes_them(
    tokenizer: tuple[LoadedTokenizer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, folder = tokenizer
    monkeypatch.setattr(encoding, "START_BYTES", 3000)
    with Encoder(made, folder, 1) as alone:
        expected = plain(alone.encoded(BATCHES))
        assert not helpers()
    with Encoder(made, folder, 2) as together:
        found = together.encoded(BATCHES)
        assert plain(iter([next(found)])) == expected[:1]
        assert plain(found) == expected[1:]
        assert len(helpers()) == 2
        abandoned = together.encoded(BATCHES)
        next(abandoned)
        abandoned.close()
        assert plain(together.encoded([*BATCHES, (99, ())])) == [*expected, (99, [])]
    assert not helpers()


def test_a_process_that_dies_is_done_without(
    tokenizer: tuple[LoadedTokenizer, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made, folder = tokenizer
    monkeypatch.setattr(encoding, "START_BYTES", 0)
    with Encoder(made, folder, 2) as together:
        found = together.encoded(BATCHES * 3)
        first = plain(iter([next(found)]))
        for process in helpers():
            process.kill()
        assert plain(iter([*found])) == (plain((n, arrays(made, t)) for n, t in BATCHES * 3))[1:]
    assert first[0][0] == 0
    assert "it is done without" in caplog.text


class _Unpicklable:
    """A tokenizer of a user's that no other process can have."""

    vocabulary, end_of_document, hash = 257, 256, "bytes"
    dtype = np.dtype(np.uint16)

    def __init__(self) -> None:
        self.of_this_process = lambda text: list(text.encode())

    def encode(self, given: tuple[str, ...]) -> list[list[int]]:
        return [self.of_this_process(text) for text in given]

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def test_a_tokenizer_that_cannot_be_handed_over_encodes_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "START_BYTES", 0)
    with Encoder(_Unpicklable(), tmp_path, 2) as alone:
        assert [number for number, _ in alone.encoded(BATCHES)] == [number for number, _ in BATCHES]
        assert not helpers()


class _Connection:
    """What a process is asked, and what it answers."""

    def __init__(self, message: bytes, asked: list[object]) -> None:
        self.message, self.asked, self.answers = message, asked, []  # type: ignore[var-annotated]

    def recv_bytes(self) -> bytes:
        return self.message

    def recv(self) -> object:
        if not self.asked:
            raise EOFError
        return self.asked.pop(0)

    def send(self, answer: object) -> None:
        self.answers.append(answer)


def test_the_process_answers_until_the_connection_closes(
    tokenizer: tuple[LoadedTokenizer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, folder = tokenizer
    monkeypatch.setattr("signal.signal", lambda *_: None)
    message = encoding._message(made, folder)
    assert message is not None
    connection = _Connection(message, [["one", ""], []])
    serve(connection)  # type: ignore[arg-type]
    assert connection.answers == [packed(arrays(made, ["one", ""]), made.dtype), (b"", [])]


def test_there_is_a_core() -> None:
    assert cores() >= 1
