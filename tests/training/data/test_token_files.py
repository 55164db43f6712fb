"""Corpora of tokens: each layout gives the documents that were put in, and what is wrong is told with its file."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import transformers

from bomix.contracts.text import Meter
from bomix.errors import DataError, FaultsError
from bomix.training.data.corpus import build
from bomix.training.data.spec import CorpusSpec
from bomix.training.data.token_files import Tokens
from bomix.training.data.tokenizer import BytePair, Pretrained
from tests.training.data.test_corpus import Listed, texts

END = 0
DOCUMENTS = [[1, 2, 3], [5, 6, 7], [9, 9]]


def stream(documents: list[list[int]]) -> list[int]:
    return [token for document in documents for token in (*document, END)]


def write_megatron(prefix: Path, documents: list[list[list[int]]], dtype: str, code: int) -> None:
    """The layout of megatron-core 0.16.1: a document is one sequence or several."""
    sequences = [sequence for document in documents for sequence in document]
    lengths = np.array([len(sequence) for sequence in sequences])
    flat = np.array([token for sequence in sequences for token in sequence], dtype)
    flat.tofile(prefix.with_suffix(".bin"))
    offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]]) * flat.itemsize
    firsts = np.cumsum([0, *map(len, documents)])
    head = b"MMIDIDX\x00\x00" + struct.pack("<QBQQ", 1, code, len(sequences), len(firsts))
    arrays = (lengths.astype("<i4"), offsets.astype("<i8"), firsts.astype("<i8"))
    prefix.with_suffix(".idx").write_bytes(head + b"".join(array.tobytes() for array in arrays))


def read(source: Tokens) -> list[list[int]]:
    return [ids.tolist() for _, ids in source.bind(END).token_documents(Meter())]


def test_numpy_arrays_and_raw_files_are_cut_at_the_end_of_document_or_by_length(tmp_path: Path) -> None:
    ids = stream(DOCUMENTS)
    np.save(tmp_path / "a.npy", np.array(ids, np.uint16))
    np.save(tmp_path / "rows.npy", np.array([*ids, 4], np.int64).reshape(3, 4))
    (tmp_path / "raw.bin").write_bytes(b"head" + np.array(ids, "<u4").tobytes())
    root = str(tmp_path)
    assert read(Tokens(("a.npy",), root=root)) == DOCUMENTS
    assert read(Tokens(("rows.npy",), root=root)) == [*DOCUMENTS, [4]]
    assert read(Tokens(("raw.bin",), dtype="uint32", header_bytes=4, root=root)) == DOCUMENTS
    assert read(Tokens(("a.npy",), document_tokens=4, root=root)) == [ids[:4], ids[4:8], ids[8:]]
    assert read(Tokens(("a.npy",), end_of_document=2, root=root)) == [[1], [3, 0, 5, 6, 7, 0, 9, 9, 0]]


def test_a_document_may_reach_over_what_is_read_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bomix.training.data.token_files._CHUNK", 2)
    np.save(tmp_path / "a.npy", np.array(stream(DOCUMENTS)))
    assert read(Tokens(("a.npy",), root=str(tmp_path))) == DOCUMENTS
    monkeypatch.setattr("bomix.training.data.token_files._LONGEST", 2)
    with pytest.raises(DataError, match="no token 8 ends the document"):
        read(Tokens(("a.npy",), end_of_document=8, root=str(tmp_path)))


@pytest.mark.parametrize(("dtype", "code"), [("<u2", 8), ("<i4", 4)])
def test_a_pair_of_megatrons_knows_its_documents(tmp_path: Path, dtype: str, code: int) -> None:
    write_megatron(tmp_path / "m", [[[1, 2, 3, END]], [[5, 6], [7, END]], [[9, 9]]], dtype, code)
    for name in ("m.bin", "m.idx", "m.*"):
        assert read(Tokens((name,), root=str(tmp_path))) == DOCUMENTS


def test_what_is_wrong_with_a_file_is_told_with_its_name(tmp_path: Path) -> None:
    root = str(tmp_path)
    np.array([1, 2], np.uint16).tofile(tmp_path / "raw.bin")
    np.array([1, -2], np.int16).tofile(tmp_path / "negative.bin")
    np.save(tmp_path / "floats.npy", np.array([0.5]))
    (tmp_path / "odd.bin").write_bytes(b"abc")
    (tmp_path / "other.bin").write_bytes(b"")
    (tmp_path / "other.idx").write_bytes(b"something else")
    (tmp_path / "alone.idx").write_bytes(b"")
    (tmp_path / "no.npy").write_bytes(b"no array")
    write_megatron(tmp_path / "cut", [[[1, 2, 3]]], "<u2", 8)
    (tmp_path / "cut.bin").write_bytes(b"1")
    write_megatron(tmp_path / "floating", [[[1]]], "<f4", 7)
    said = {
        ("raw.bin", None): "no .idx beside it, so it is raw; set the source's `dtype`",
        ("negative.bin", "int16"): "holds the token -2",
        ("floats.npy", None): "holds float64, and tokens are integers",
        ("odd.bin", "uint16"): "3 bytes are no whole number of uint16 ids",
        ("other.bin", None): "no index of Megatron's",
        ("alone.idx", None): "its .bin is not",
        ("no.npy", None): "no array of numpy",
        ("cut.bin", None): "breaks off; by cut.idx it must have 6 bytes",
        ("floating.bin", None): "version 1 with type 7",
        ("*.parquet", None): "no file matches",
    }
    for (name, dtype), message in said.items():
        with pytest.raises(DataError, match=message):
            read(Tokens((name,), dtype=dtype, root=root))  # type: ignore[arg-type]


def test_faults_of_the_keys() -> None:
    source = Tokens((), "float16", -1, -1, 0)  # type: ignore[arg-type]
    found = [fault.where for fault in source.faults()]
    assert found == ["paths", "dtype", "header_bytes", "end_of_document", "document_tokens", "document_tokens"]


@pytest.fixture
def pretrained(tmp_path: Path) -> Pretrained:
    made = BytePair(vocabulary=300, sample_bytes=20_000).build(texts("a"))
    end = made.decode([made.end_of_document])
    transformers.PreTrainedTokenizerFast(tokenizer_object=made.backend, eos_token=end).save_pretrained(tmp_path / "t")
    return Pretrained(str(tmp_path / "t"))


def test_tokens_give_the_corpus_that_their_text_gives(tmp_path: Path, pretrained: Pretrained) -> None:
    given = (*texts("a"), *texts("a")[:7])
    tokenizer = pretrained.build(())
    ids = [token for row in tokenizer.encode(given) for token in (*row, tokenizer.end_of_document)]
    np.save(tmp_path / "a.npy", np.array(ids, np.uint16))
    spec = CorpusSpec(cache=str(tmp_path / "cache"))
    further = {"v": Listed(texts("v") + given[:20])}
    of_text, of_tokens = (
        build({"a": source}, further, pretrained, spec, sequence_length=16)
        for source in (Listed(given), Tokens((str(tmp_path / "a.npy"),)))
    )
    assert of_tokens.hashes == of_text.hashes
    for split in ("train", "validation"):
        one, other = getattr(of_tokens, split)["a"], getattr(of_text, split)["a"]
        assert (one.documents, one.bytes, one.duplicates) == (other.documents, other.bytes, other.duplicates)
    assert of_tokens.validation["v"].overlaps == of_text.validation["v"].overlaps > 0  # type: ignore[union-attr]


def test_tokens_of_another_tokenizer_are_told(
    tmp_path: Path, pretrained: Pretrained, caplog: pytest.LogCaptureFixture
) -> None:
    np.save(tmp_path / "large.npy", np.array([5, 300, 7]))
    other = BytePair(vocabulary=290, sample_bytes=20_000).build(texts("b"))
    foreign = [token for row in other.encode(texts("b")) for token in (*row, END)]
    np.save(tmp_path / "foreign.npy", np.array(foreign))
    spec = CorpusSpec(cache=str(tmp_path / "cache"))
    sources = {name: Tokens((str(tmp_path / f"{name}.npy"),)) for name in ("large", "foreign")}
    with pytest.raises(FaultsError, match=r"domains\.large\.source: .*holds the token 300, beyond the vocabulary"):
        build(sources, {}, pretrained, spec, sequence_length=16)
    assert "was it that tokenizer that made them?" in caplog.text
    with pytest.raises(FaultsError, match=r"evaluator\.tokenizer: learns from text, and .*hold tokens of another"):
        build(sources, {}, BytePair(), spec, sequence_length=16)
