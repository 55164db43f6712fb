"""The corpus: no leakage, nothing lost, built once, never half."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import psutil
import pytest

from bomix.errors import DataError, FaultsError
from bomix.io.store.cache import read_record
from bomix.training.data.corpus import build, load, open_tokenizer
from bomix.training.data.packing import digest_of, is_held_out
from bomix.training.data.sources import Files, Hub
from bomix.training.data.spec import CorpusSpec
from bomix.training.data.tokenizer import BytePair, LoadedTokenizer, Pretrained
from bomix.training.data.tokens import Corpus, TokenSet, open_corpus

TOKENIZER = BytePair(vocabulary=300, sample_bytes=20_000)


@dataclass(frozen=True)
class Listed:
    """A source that holds its texts."""

    texts: tuple[str, ...]

    def signature(self) -> str:
        return json.dumps(self.texts)

    def documents(self) -> Iterator[str]:
        yield from self.texts


def texts(name: str, count: int = 200) -> tuple[str, ...]:
    rng = np.random.default_rng(list(name.encode()))
    words = np.array([f"{name}{i}" for i in range(50)])
    return tuple(" ".join(rng.choice(words, size=rng.integers(5, 30))) + f" \u00e9\n{i}" for i in range(count))


def make(
    folder: Path, sources: Mapping[str, Listed | Files], *, spec: Mapping[str, object] | None = None, **further: object
) -> Corpus:
    options = CorpusSpec(cache=str(folder), **(spec or {}))  # type: ignore[arg-type]
    given = {"validation": {}, "tokenizer": TOKENIZER, "sequence_length": 16, **further}
    return build(sources, spec=options, **given)  # type: ignore[arg-type]


def documents(corpus: Corpus, tokens: TokenSet) -> list[str]:
    """The documents that the tokens stand for."""
    assert corpus.folder is not None
    tokenizer = open_tokenizer(corpus.folder)
    ends = np.flatnonzero(tokens.tokens == corpus.end_of_document)
    assert ends[-1] == len(tokens.tokens) - 1
    return [tokenizer.decode(part[:-1].tolist()) for part in np.split(tokens.tokens, ends[:-1] + 1)]


def test_packing_is_reversible_and_counts_are_right(tmp_path: Path) -> None:
    odd = ("<|endofdocument|>", "\r\n \t\u2028", "\U0001f600\x00", "a<|endofdocument|>b")
    given = texts("a") + odd
    corpus = make(tmp_path, {"a": Listed(given)})
    train, validation = documents(corpus, corpus.train["a"]), documents(corpus, corpus.validation["a"])
    blank = odd[1]
    assert sorted(train + validation) == sorted(set(given) - {blank})
    for found, tokens in ((train, corpus.train["a"]), (validation, corpus.validation["a"])):
        assert found == [text for text in given if text in found]
        assert tokens.documents == len(found)
        assert tokens.bytes == sum(len(text.encode()) for text in found)
        assert tokens.bytes_per_token == tokens.bytes / len(tokens.tokens)


def test_the_split_depends_on_the_text_alone_and_takes_its_share(tmp_path: Path) -> None:
    shared = texts("shared")
    corpus = make(tmp_path, {"a": Listed(texts("a") + shared), "b": Listed(shared[::-1] + texts("b"))})
    sides = {
        name: (set(documents(corpus, corpus.train[name])), set(documents(corpus, corpus.validation[name])))
        for name in "ab"
    }
    trained, held_out = (sides["a"][side] | sides["b"][side] for side in (0, 1))
    assert not trained & held_out
    assert held_out == {text for text in trained | held_out if is_held_out(digest_of(text.encode()), 0.1)}
    drawn = [is_held_out(digest_of(str(i).encode()), 0.1) for i in range(20_000)]
    assert abs(np.mean(drawn) - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 20_000)


def test_duplicates_are_dropped_and_counted(tmp_path: Path) -> None:
    given = texts("a")
    once, thrice = make(tmp_path, {"a": Listed(given)}), make(tmp_path, {"a": Listed(given * 3)})
    assert once.hashes == thrice.hashes
    for split in ("train", "validation"):
        alone, repeated = getattr(once, split)["a"], getattr(thrice, split)["a"]
        assert alone.duplicates == 0
        assert repeated.duplicates == 2 * repeated.documents == 2 * alone.documents


def test_a_further_validation_set_loses_what_is_trained_on(tmp_path: Path) -> None:
    own, other = texts("a"), texts("other", 20)
    corpus = make(tmp_path, {"a": Listed(own)}, validation={"v": Listed(own + other + other[:3])})
    found = corpus.validation["v"]
    trained = corpus.train["a"].documents
    assert (found.overlaps, found.duplicates) == (trained, 3)
    assert set(documents(corpus, found)) == (set(own) | set(other)) - set(documents(corpus, corpus.train["a"]))
    trained_only = Listed(tuple(documents(corpus, corpus.train["a"])))
    with pytest.raises(FaultsError, match=rf"evaluator\.validation\.v: all of its {trained} documents are trained on"):
        make(tmp_path, {"a": Listed(own)}, validation={"v": trained_only})


def test_the_order_of_the_domains_changes_nothing(tmp_path: Path) -> None:
    sources = {name: Listed(texts(name)) for name in "abc"}
    forward = make(tmp_path / "1", sources)
    backward = make(tmp_path / "2", dict(reversed(sources.items())))
    assert forward.folder is not None
    assert backward.folder is not None
    assert forward.folder.name == backward.folder.name
    assert (forward.hashes, forward.tokenizer_hash) == (backward.hashes, backward.tokenizer_hash)
    assert list(forward.train) == list(backward.train) == ["a", "b", "c"]


def test_limits_are_kept_and_the_rest_of_the_source_is_not_read(tmp_path: Path) -> None:
    read = []

    class Endless(Listed):
        def documents(self) -> Iterator[str]:
            for number in range(10**9):
                read.append(number)
                yield f"document {number} of a stream that never ends"

    everything = make(tmp_path, {"a": Endless(())}, spec={"max_tokens": 500, "max_validation_tokens": 101})
    assert len(everything.train["a"].tokens) == 500
    assert len(everything.validation["a"].tokens) == 101
    assert everything.train["a"].tokens[-1] == everything.validation["a"].tokens[-1] == everything.end_of_document
    assert len(read) < 20_000
    unlimited = make(tmp_path, {"a": Listed(texts("a"))})
    cut = make(tmp_path, {"a": Listed(texts("a"))}, spec={"max_tokens": 400})
    np.testing.assert_array_equal(cut.train["a"].tokens[:399], unlimited.train["a"].tokens[:399])


def test_the_smallest_type_that_holds_the_vocabulary() -> None:
    def dtype(vocabulary: int) -> np.dtype:
        return LoadedTokenizer(None, vocabulary, 0, "").dtype

    assert [dtype(v) for v in (256, 257, 65_536, 65_537)] == [np.uint8, np.uint16, np.uint16, np.uint32]


def test_tokens_are_mapped_and_pickle_as_their_folder(tmp_path: Path) -> None:
    corpus = make(tmp_path, {"a": Listed(texts("a", 2000))})
    assert corpus.train["a"].tokens.dtype == np.uint16
    assert isinstance(corpus.train["a"].tokens.base, np.memmap)
    assert not corpus.train["a"].tokens.flags.writeable
    content = pickle.dumps(corpus)
    assert len(content) < 1000
    np.testing.assert_array_equal(pickle.loads(content).train["a"].tokens, corpus.train["a"].tokens)


def test_loading_reads_no_document_and_imports_no_library(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts("a")))
    source = Files((str(tmp_path / "a.jsonl"),))
    spec = CorpusSpec(cache=str(tmp_path / "cache"))
    with pytest.raises(DataError, match="run `bomix check`"):
        load({"a": source}, {}, TOKENIZER, spec, sequence_length=16)
    built = make(tmp_path / "cache", {"a": source})
    script = f"""
import sys
from bomix.training.data.corpus import *
from bomix.training.data.sources import Files, Hub
from bomix.training.data.tokenizer import BytePair
corpus = load({{"a": {source!r}}}, {{}}, {TOKENIZER!r}, {spec!r}, sequence_length=16)
print(corpus.hashes["train/a"], {{"datasets", "tokenizers", "transformers", "torch", "pyarrow"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [built.hashes["train/a"], "set()"]


def test_every_fault_of_every_source_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text('{"text": "a"}\n{"text": \n')
    (tmp_path / "field.jsonl").write_text('{"body": "a"}\n')
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "good.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts("good")))
    sources: dict[str, Listed | Files] = {
        name: Files((f"{name}.jsonl",), root=str(tmp_path)) for name in ("broken", "field", "empty", "good", "missing")
    }
    sources |= {"short": Listed(("one", "two")), "nothing": Files(())}
    with pytest.raises(FaultsError) as caught:
        make(tmp_path / "cache", sources, validation={"v": Files(("nowhere/*.txt",))})
    found = {fault.where: fault.what for fault in caught.value.faults if fault.where != "domains.short.source"}
    short = [fault.what for fault in caught.value.faults if fault.where == "domains.short.source"]
    assert "broken.jsonl:2: broken JSON" in found.pop("domains.broken.source")
    assert "field.jsonl:1: no field 'text'" in found.pop("domains.field.source")
    assert "holds no text" in found.pop("domains.empty.source")
    assert "no file matches 'missing.jsonl'" in found.pop("domains.missing.source")
    assert "names no file" in found.pop("domains.nothing.source.paths")
    assert "no file matches 'nowhere/*.txt'" in found.pop("evaluator.validation.v")
    assert not found
    assert ["training" in short[0], "validation" in short[1]] == [True, True]
    assert all("fewer than one sequence of 16" in what for what in short)


def test_a_missing_tokenizer_is_told_together_with_broken_text(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text('{"text": "a"}\n{"text": \n')
    broken = Files((str(tmp_path / "broken.jsonl"),))
    for tokenizer, message in ((Pretrained("./nowhere"), "no folder"), (Pretrained(str(tmp_path)), "cannot be loaded")):
        with pytest.raises(FaultsError) as caught:
            make(tmp_path / "cache", {"a": broken, "b": Listed(texts("b"))}, tokenizer=tokenizer)
        found = {fault.where: fault.what for fault in caught.value.faults}
        assert message in found.pop("evaluator.tokenizer")
        assert "broken.jsonl:2" in found.pop("domains.a.source")
        assert not found


def test_faults_of_options_and_names(tmp_path: Path) -> None:
    with pytest.raises(FaultsError) as caught:
        make(
            tmp_path,
            {"a": Listed(texts("a"))},
            validation={"a": Listed(texts("b"))},
            tokenizer=BytePair(vocabulary=100),
            spec={"validation_share": 1.5, "max_tokens": 0},
        )
    assert {fault.where for fault in caught.value.faults} == {
        "evaluator.corpus.validation_share",
        "evaluator.corpus.max_tokens",
        "evaluator.tokenizer.vocabulary",
        "evaluator.validation.a",
    }


def test_too_long_a_sequence_is_a_fault_of_what_is_built_too(tmp_path: Path) -> None:
    sources = {"a": Listed(texts("a"))}
    length = len(make(tmp_path, sources).validation["a"].tokens)
    make(tmp_path, sources, sequence_length=length - 1)
    with pytest.raises(FaultsError, match=rf"domains\.a\.source: gives {length} validation tokens"):
        make(tmp_path, sources, sequence_length=length)


def test_the_key_follows_inputs_and_options(tmp_path: Path) -> None:
    sources = {"a": Listed(texts("a"))}
    folders = [
        make(tmp_path, sources).folder,
        make(tmp_path, {"b": Listed(texts("a"))}).folder,
        make(tmp_path, {"a": Listed(texts("b"))}).folder,
        make(tmp_path, sources, spec={"validation_share": 0.2}).folder,
        make(tmp_path, sources, spec={"max_tokens": 400}).folder,
        make(tmp_path, sources, tokenizer=BytePair(301, 20_000)).folder,
        make(tmp_path, sources, validation={"v": Listed(texts("v"))}).folder,
    ]
    assert len(set(folders)) == len(folders)
    assert make(tmp_path, sources, sequence_length=17).folder == folders[0]


@pytest.mark.parametrize("damage", ["tokens cut", "tokens gone", "record cut", "record changed"])
def test_a_damaged_folder_is_found_and_built_again(tmp_path: Path, damage: str) -> None:
    sources = {"a": Listed(texts("a"))}
    built = make(tmp_path, sources)
    assert built.folder is not None
    hashes, record, tokens = built.hashes, built.folder / "record.json", built.folder / "0000.bin"
    if damage == "tokens cut":
        tokens.write_bytes(tokens.read_bytes()[:-2])
    elif damage == "tokens gone":
        tokens.unlink()
    elif damage == "record cut":
        record.write_text(record.read_text()[:-40])
    else:
        record.write_text(record.read_text().replace('"documents": 1', '"documents": 2'))
    with pytest.raises(DataError, match="run `bomix check`"):
        open_corpus(built.folder)
    assert make(tmp_path, sources).hashes == hashes
    assert read_record(built.folder)["vocabulary"] == built.vocabulary


@dataclass(frozen=True)
class Noted(Listed):
    """A slow source that notes each reading in a file."""

    log: str = ""
    pause: float = 0.0

    def signature(self) -> str:
        return "noted"

    def documents(self) -> Iterator[str]:
        with open(self.log, "a") as file:
            file.write("read\n")
        for text in self.texts:
            time.sleep(self.pause)
            yield text


def build_noted(folder: Path, pause: float) -> Mapping[str, str]:
    source = Noted(texts("a"), log=str(folder / "log"), pause=pause)
    return make(folder, {"a": source}).hashes


def test_several_processes_build_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.starmap(build_noted, [(tmp_path, 0.005)] * 3, chunksize=1)
    assert found[0] == found[1] == found[2]
    assert (tmp_path / "log").read_text() == "read\n"


def test_a_killed_build_leaves_nothing_that_counts(tmp_path: Path) -> None:
    child = multiprocessing.get_context("spawn").Process(target=build_noted, args=(tmp_path, 0.05))
    child.start()
    corpora = tmp_path / "corpora"
    while not list(corpora.glob(".*")):
        assert child.is_alive()
        time.sleep(0.01)
    time.sleep(0.3)
    child.kill()
    child.join()
    [leftover] = corpora.glob(".*")
    with pytest.raises(DataError):
        read_record(leftover)
    expected = make(tmp_path / "undisturbed", {"a": Listed(texts("a"))}).hashes
    assert build_noted(tmp_path, 0.0) == expected
    assert not list(corpora.glob(".*"))


def test_a_fault_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FaultsError):
        make(tmp_path, {"a": Listed(())})
    assert [path.suffix for path in (tmp_path / "corpora").iterdir()] == [".lock"]


def test_the_same_sample_trains_the_same_tokenizer_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKENIZERS_PARALLELISM")
    before = psutil.Process().num_threads()
    first, second = (TOKENIZER.build(iter(texts("a"))) for _ in range(2))
    assert first.hash == second.hash != TOKENIZER.build(texts("b")).hash
    first.encode(texts("a") * 20)
    assert psutil.Process().num_threads() == before


def test_a_pretrained_tokenizer_gives_the_same_tokens_as_its_origin(tmp_path: Path) -> None:
    import transformers

    trained = TOKENIZER.build(texts("a"))
    for name, end in (("with", "<|endofdocument|>"), ("without", None)):
        wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=trained.backend, eos_token=end)
        wrapped.save_pretrained(tmp_path / name)
    sources = {"a": Listed(texts("a"))}
    own = make(tmp_path / "cache", sources)
    corpus = make(tmp_path / "cache", sources, tokenizer=Pretrained("with").relative_to(tmp_path))
    assert corpus.end_of_document == trained.end_of_document
    assert corpus.train["a"].documents == own.train["a"].documents
    assert set(documents(corpus, corpus.train["a"])) == set(documents(own, own.train["a"]))
    with pytest.raises(FaultsError, match=r"evaluator\.tokenizer: .*has no end-of-sequence token"):
        make(tmp_path / "cache", sources, tokenizer=Pretrained(str(tmp_path / "without")))


def test_a_hub_that_cannot_be_reached_is_asked_and_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked = []

    def unreachable(name: str, *_: object, **__: object) -> None:
        asked.append(name)
        raise ConnectionError(f"Couldn't reach '{name}' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    sources = {"a": Hub("some/web"), "b": Listed(()), "c": Hub("some/wiki")}
    with pytest.raises(FaultsError) as caught:
        make(tmp_path, sources, validation={"v": Hub("some/books")})  # type: ignore[arg-type]
    found = {fault.where: fault.what for fault in caught.value.faults}
    assert asked == ["some/web"]
    assert "holds no text" in found.pop("domains.b.source")
    wanted = "wanted of the hub as well: domains.c.source, evaluator.validation.v"
    assert found.pop("domains.a.source").endswith(wanted)
    assert not found


def test_a_hub_that_has_no_such_dataset_is_told_for_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def unknown(name: str, *_: object, **__: object) -> None:
        raise FileNotFoundError(f"{name} does not exist")

    monkeypatch.setattr(datasets, "load_dataset", unknown)
    with pytest.raises(FaultsError) as caught:
        make(tmp_path, {name: Hub(f"some/{name}") for name in "ab"})  # type: ignore[misc]
    assert [fault.where for fault in caught.value.faults] == ["domains.a.source", "domains.b.source"]


@dataclass(frozen=True)
class Elsewhere(Listed):
    """A source over a network, which nobody must ask."""

    remote: ClassVar[bool] = True

    def signature(self) -> str:
        raise AssertionError("it was asked")


def test_what_is_wrong_here_is_told_before_the_network_is_asked(tmp_path: Path) -> None:
    sources = {"a": Elsewhere(()), "b": Files(("missing.txt",), root=str(tmp_path)), "c": Files(())}
    with pytest.raises(FaultsError) as caught:
        make(tmp_path, sources)
    assert [fault.where for fault in caught.value.faults] == ["domains.b.source", "domains.c.source.paths"]


def test_the_token_that_closes_documents_may_be_named(tmp_path: Path) -> None:
    import transformers

    trained = TOKENIZER.build(texts("a"))
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=trained.backend, pad_token="<|endofdocument|>")
    wrapped.save_pretrained(tmp_path / "without")
    name = str(tmp_path / "without")
    made = {end: Pretrained(name, end).build(()) for end in ("<|endofdocument|>", 0, 7, "e")}
    assert made["<|endofdocument|>"].end_of_document == made[0].end_of_document == 0
    assert made[7].end_of_document == 7
    assert made["e"].hash != made[7].hash != made[0].hash == made["<|endofdocument|>"].hash
    assert Pretrained(name).signature() != Pretrained(name, 7).signature() != Pretrained(name, 0).signature()
    assert "end_of_document" not in Pretrained(name).signature(), "corpora built before there was the key are found"
    assert [fault.where for fault in Pretrained("", -1).faults()] == ["name", "end_of_document"]
    for end, message in (
        (10**6, "its ids go to 299"),
        ("<|im_end|>", r"has no token '<\|im_end\|>'.*<\|endofdocument"),
    ):
        with pytest.raises(DataError, match=message):
            Pretrained(name, end).build(())
    with pytest.raises(DataError, match=r"no end-of-sequence token .*`end_of_document`, one of .*<\|endofdocument"):
        Pretrained(name).build(())


def test_the_key_is_that_of_earlier_versions() -> None:
    from bomix.training.data import corpus
    from bomix.training.data.assembly import Inputs

    inputs = Inputs({"a": Listed(("x",))}, {}, BytePair(vocabulary=300), CorpusSpec(processes=3, cache="elsewhere"))
    _, signatures = corpus._signatures(inputs)
    assert signatures["options"] == {"validation_share": 0.1, "max_tokens": None, "max_validation_tokens": None}
    assert signatures["format"] == 1
    assert list(signatures["parts"]) == ["domains.a.source", "evaluator.tokenizer"]


def test_a_number_of_processes_is_at_least_one() -> None:
    assert [fault.where for fault in CorpusSpec(processes=0).faults()] == ["processes"]
    assert CorpusSpec(processes=5).encoders == 5
    assert CorpusSpec().encoders >= 1
