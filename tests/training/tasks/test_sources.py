"""Tasks: losses and accuracies are those of a computation by hand; nothing is judged that was shown or trained on."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bomix.errors import DataError, FaultsError
from bomix.io.artifacts import scored_tokens
from bomix.surrogates.means.accuracy import SUFFIX
from bomix.training.data.corpus import build, load, open_tokenizer
from bomix.training.data.spec import CorpusSpec
from bomix.training.data.tokenizer import BytePair, LoadedTokenizer
from bomix.training.data.tokens import Corpus, TokenSet, accuracy_of
from bomix.training.device import Hardware
from bomix.training.loop import train
from bomix.training.model.decoder import Model
from bomix.training.run import Run
from bomix.training.spec import TrainingSpec
from bomix.training.tasks.examples import TaskSource
from bomix.training.tasks.sources import Choices, Questions, Task
from bomix.training.tasks.tokens import TaskSet
from bomix.training.validation import measure
from tests.training.reading import evaluate, losses_from, score

CPU = Hardware("cpu", "fp32", False)
TOKENIZER = BytePair(vocabulary=280, sample_bytes=20_000)
WORDS = ("moon", "river", "code", "return", "stone", "seven")
LENGTH = 64


@dataclass(frozen=True)
class Listed:
    """A source that holds its texts."""

    texts: tuple[str, ...]

    def signature(self) -> str:
        return json.dumps(self.texts)

    def documents(self) -> Iterator[str]:
        yield from self.texts


def texts() -> tuple[str, ...]:
    rng = np.random.default_rng(0)
    return tuple(f"{i} " + " ".join(rng.choice(WORDS, 40)) for i in range(60))


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def questions(count: int = 12) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    return [
        {"prompt": f"{i} {' '.join(rng.choice(WORDS, 1 + i % 3))}?", "answer": " ".join(rng.choice(WORDS, 1 + i % 2))}
        for i in range(count)
    ]


def choices(count: int = 12) -> list[dict[str, Any]]:
    return [
        {"prompt": f"which {i}", "options": list(np.roll(WORDS[: 2 + i % 3], i)), "answer": "ABCD"[i % 2]}
        for i in range(count)
    ]


def make(tmp_path: Path, tasks: Mapping[str, Task], *, length: int = LENGTH, **options: Any) -> Corpus:
    domains = options.pop("domains", {"a": Listed(texts())})
    spec = CorpusSpec(cache=str(tmp_path / "cache"), validation_share=0.3, **options)
    return build(domains, tasks, TOKENIZER, spec, sequence_length=length)


def task_of(corpus: Corpus, name: str) -> TaskSet:
    found = corpus.validation[name]
    assert isinstance(found, TaskSet)
    return found


def sequences(tasks: TaskSet, tokenizer: LoadedTokenizer) -> list[tuple[str, str]]:
    """Text of each sequence, and of what is scored of it."""
    found = []
    for start, end in zip(tasks.starts[:-1], tasks.starts[1:], strict=True):
        ids, scored = tasks.tokens[start:end], tasks.scored[start:end]
        found.append((tokenizer.decode(ids.tolist()), tokenizer.decode(ids[scored].tolist())))
    return found


def decoded(corpus: Corpus, name: str) -> list[tuple[str, str]]:
    assert corpus.folder is not None
    return sequences(task_of(corpus, name), open_tokenizer(corpus.folder))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    write(folder / "q.jsonl", questions())
    write(folder / "c.jsonl", choices())
    write(folder / "support.jsonl", questions(40)[30:])
    return folder


def asked(root: Path, **fields: Any) -> Questions:
    return Questions(("q.jsonl",), root=str(root), **fields)


def chosen(root: Path, **fields: Any) -> Choices:
    return Choices(("c.jsonl",), root=str(root), **fields)


@pytest.fixture(scope="module")
def corpus(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    tasks = {
        "whole": asked(root),
        "response": asked(root, loss="response", shots=1),
        "sum": chosen(root, loss="response"),
        "mean": chosen(root, score="per_token"),
    }
    return make(tmp_path_factory.mktemp("corpus"), tasks)


@pytest.fixture(scope="module")
def logits() -> Any:
    spec = Model(hidden=32, layers=2, heads=2)
    model = spec.build(vocabulary=280, sequence_length=LENGTH, seed=0)
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    return lambda ids: model(input_ids=ids).logits


def by_hand(logits: Any, tasks: TaskSet, sequence: int) -> np.ndarray:
    """Log-probabilities of one sequence on its own, the end of a document before it."""
    import torch

    ids = torch.from_numpy(tasks.tokens[tasks.starts[sequence] : tasks.starts[sequence + 1]].astype(np.int64))
    inputs = torch.cat([torch.tensor([tasks.end_of_document]), ids[:-1]])
    with torch.no_grad():
        found = torch.log_softmax(logits(inputs[None])[0], dim=-1)[torch.arange(len(ids)), ids]
    return found.numpy()


def test_sequences_are_prompt_and_answer_as_they_are_written(corpus: Corpus) -> None:
    for record, (text, scored) in zip(questions(), decoded(corpus, "whole"), strict=True):
        assert text == scored == f"Question: {record['prompt']}\nAnswer: {record['answer']}"
    for index, (_, scored) in enumerate(decoded(corpus, "response")):
        assert scored == f" {questions()[index + 1]['answer']}"


def test_shots_stand_before_each_prompt_and_are_never_judged(root: Path, tmp_path: Path) -> None:
    shown = questions()[:5]
    corpus = make(tmp_path, {"own": asked(root, shots=5)}, length=400)
    context = "".join(f"Question: {shot['prompt']}\nAnswer: {shot['answer']}\n\n" for shot in shown)
    found = decoded(corpus, "own")
    assert len(found) == 7
    for record, (text, scored) in zip(questions()[5:], found, strict=True):
        assert text == context + scored
        assert scored == f"Question: {record['prompt']}\nAnswer: {record['answer']}"
    others = asked(root, shots=1, support=("support.jsonl",))
    assert [example.question for example in others.examples()] == [record["prompt"] for record in questions()]
    assert next(others.examples()).context.startswith(f"Question: {questions(40)[30]['prompt']}\n")
    write(tmp_path / "again.jsonl", [questions()[0], *questions()])
    again = Questions(("again.jsonl",), shots=1, root=str(tmp_path))
    assert questions()[0]["prompt"] not in [example.question for example in again.examples()]


@pytest.mark.parametrize("name", ["whole", "response"])
@pytest.mark.parametrize("batch", [1, 3, 50])
def test_the_loss_is_the_mean_over_the_scored_tokens(corpus: Corpus, logits: Any, name: str, batch: int) -> None:
    tasks = task_of(corpus, name)
    found = evaluate(logits, tasks, length=LENGTH, sequences=1000, hardware=CPU, batch=batch)
    rows = [by_hand(logits, tasks, sequence) for sequence in range(len(tasks.starts) - 1)]
    masks = np.split(tasks.scored, tasks.starts[1:-1])
    losses = [-row[mask] for row, mask in zip(rows, masks, strict=True)]
    every = np.concatenate(losses)
    assert found.loss == pytest.approx(every.mean(), rel=1e-5)
    assert found.sequences == tasks.documents == len(rows)
    text = "".join(scored for _, scored in decoded(corpus, name))
    assert found.bits_per_byte == pytest.approx(every.sum() / math.log(2) / len(text.encode()), rel=1e-5)
    # The error of a ratio, by the jackknife.
    left_out = np.array(
        [(every.sum() - loss.sum()) / (len(every) - len(loss)) for loss in losses],
    )
    jackknife = math.sqrt((len(rows) - 1) / len(rows) * np.square(left_out - left_out.mean()).sum())
    assert found.sem == pytest.approx(jackknife, rel=0.15)
    assert found.accuracy is None


@pytest.mark.parametrize("name", ["sum", "mean"])
def test_the_accuracy_is_that_of_the_likeliest_option(corpus: Corpus, logits: Any, name: str) -> None:
    tasks = task_of(corpus, name)
    found = evaluate(logits, tasks, length=LENGTH, sequences=1000, hardware=CPU)
    hits, losses, sequence = [], [], 0
    for record in choices():
        values = []
        for option in range(len(record["options"])):
            row = by_hand(logits, tasks, sequence)
            response = row[tasks.responses[sequence] - tasks.starts[sequence] :]
            values.append(response.mean() if name == "mean" else response.sum())
            if option == "ABCD".index(record["answer"]):
                losses.append(-(row if name == "mean" else response))
            sequence += 1
        hits.append(int(np.argmax(values)) == "ABCD".index(record["answer"]))
    assert found.accuracy == pytest.approx(np.mean(hits))
    assert 0.0 < found.accuracy < 1.0
    assert found.accuracy_sem == pytest.approx(np.std(hits, ddof=1) / math.sqrt(len(hits)))
    assert found.loss == pytest.approx(np.concatenate(losses).mean(), rel=1e-5)
    assert found.values("t") == {"t": found.loss, "t_accuracy": found.accuracy}


def test_options_that_are_equally_likely_share_the_point(root: Path, tmp_path: Path) -> None:
    import torch

    records = [{"prompt": "", "options": list(options), "answer": 0} for options in ("ab", "abc", "cdab")]
    write(tmp_path / "c.jsonl", records)
    corpus = make(tmp_path, {"t": Choices(("c.jsonl",), format="{answer}", root=str(tmp_path))})
    found = evaluate(
        lambda ids: torch.zeros(*ids.shape, 280), task_of(corpus, "t"), length=LENGTH, sequences=9, hardware=CPU
    )
    chance = (1 / 2 + 1 / 3 + 1 / 4) / 3
    assert found.accuracy == pytest.approx(chance)
    assert found.loss == pytest.approx(math.log(280), rel=1e-6)
    assert corpus.task_statistics(LENGTH)["t"]["chance"] == pytest.approx(chance)


@pytest.mark.parametrize("name", ["a", "whole", "response", "sum", "mean"])
@pytest.mark.parametrize("wanted", [4, 1000])
def test_scores_are_what_the_measured_values_are_made_of(
    corpus: Corpus, logits: Any, name: str, wanted: int, tmp_path: Path
) -> None:
    passes = []

    def counted(ids: Any) -> Any:
        passes.append(len(ids))
        return logits(ids)

    tokens = corpus.validation[name]
    arguments: Any = {"length": LENGTH, "sequences": wanted, "hardware": CPU}
    alone = evaluate(counted, tokens, **arguments)
    count, passes = len(passes), []
    (found,) = measure(losses_from(counted), tokens, **arguments, score_as=name)
    assert len(passes) == count, "one forward pass serves both"
    assert found.evaluation == alone or math.isnan(alone.sem)
    scored_tokens.write(tmp_path / "artifact", found.scored, tokenizer="t")
    sets = scored_tokens.read(tmp_path / "artifact").sets
    assert sets[name].log_probabilities.dtype == np.float32
    assert sets[name].loss == pytest.approx(alone.loss, rel=1e-6)
    assert sets.keys() == alone.values(name).keys()
    if (options := sets.get(f"{name}_accuracy")) is not None:
        sums = np.array(
            [
                (part[mask].mean() if name == "mean" else part[mask].sum())
                for part, mask in zip(
                    np.split(options.log_probabilities, options.starts[1:-1]),
                    np.split(options.scored, options.starts[1:-1]),
                    strict=True,
                )
            ]
        )
        best = [
            options.gold[options.examples == example][np.argmax(sums[options.examples == example])]
            for example in range(options.examples.max() + 1)
        ]
        assert np.mean(best) == pytest.approx(alone.accuracy)
        assert len(best) == alone.sequences == min(wanted, 12)
    again = score(logits, tokens, metric=name, **arguments)
    assert again[name].tokens == sets[name].tokens


def test_training_brings_back_scores_where_they_are_asked_for(corpus: Corpus) -> None:
    spec = TrainingSpec(
        model=Model(hidden=16, layers=1, heads=2),
        sequence_length=LENGTH,
        validation_sequences=256,
        curve_sequences=32,
        curve_points=2,
        device="cpu",
        dtype="fp32",
    )
    run = Run({"a": 1.0}, 6, 0, 0, spec)
    metrics = {"a", "whole", "response", "sum", "mean", "sum_accuracy", "mean_accuracy"}
    plain, scored = train(corpus, run), train(corpus, replace(run, score_step=6))
    early = train(corpus, replace(run, score_step=2))
    assert plain.scored is None
    assert plain.evaluations == scored.evaluations == early.evaluations
    assert set(scored.scored) == set(early.scored) == set(scored.curve.losses) == metrics
    for name, evaluation in scored.evaluations.items():
        assert scored.scored[name].loss == pytest.approx(evaluation.loss, rel=1e-6)
        assert early.scored[name].loss > evaluation.loss
        for metric, value in evaluation.values(name).items():
            assert scored.curve.losses[metric][-1] == value


def test_examples_that_are_too_long_are_dropped_and_counted(
    root: Path, tmp_path: Path, logits: Any, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = {"t": chosen(root)}
    full = task_of(make(tmp_path, tasks), "t")
    longest = np.maximum.reduceat(full.lengths, np.searchsorted(full.examples, np.arange(12)))
    limit = int(np.sort(longest)[6])
    kept = int((longest <= limit).sum())
    assert 0 < kept < 12
    caplog.clear()
    corpus = make(tmp_path, tasks, length=limit)
    statistics = corpus.task_statistics(limit)["t"]
    assert (statistics["examples"], statistics["too_long"]) == (kept, 12 - kept)
    assert f"validation/t: {12 - kept} examples are longer" in caplog.text
    found = score(logits, corpus.validation["t"], metric="t", length=limit, sequences=99, hardware=CPU)
    assert len(found["t"].starts) - 1 == kept
    assert np.diff(found["t_accuracy"].starts).max() <= limit
    with pytest.raises(FaultsError, match=r"evaluator\.validation\.t: all of its 12 examples are longer"):
        make(tmp_path, tasks, length=int(longest.min()) - 1)


def test_halves_are_disjoint_and_stable(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "many.jsonl", questions(400))
    write(tmp_path / "more.jsonl", [*questions(500)[::-1], *questions(3)])

    def of(file: str, part: Any, **fields: Any) -> set[str]:
        return {each.question for each in Questions((file,), part=part, root=str(tmp_path), **fields).examples()}

    choose, judge = of("many.jsonl", "choose"), of("many.jsonl", "judge")
    assert not choose & judge
    assert choose | judge == {record["prompt"] for record in questions(400)}
    assert 150 < len(choose) < 250
    assert choose <= of("more.jsonl", "choose", format="{prompt} {answer}", loss="response")
    assert judge <= of("more.jsonl", "judge")
    few = of("many.jsonl", "choose", choose_share=0.1)
    assert few < choose
    assert len(few) < 80


@pytest.mark.parametrize("support", [(), ("many.jsonl",), ("few.jsonl", "many.jsonl")])
def test_what_one_half_shows_the_other_never_judges(tmp_path: Path, support: tuple[str, ...]) -> None:
    write(tmp_path / "many.jsonl", questions(60))
    write(tmp_path / "few.jsonl", questions(62)[60:])

    def of(part: Any, shots: int) -> tuple[str, set[str]]:
        task = Questions(("many.jsonl",), part=part, shots=shots, support=support * bool(shots), root=str(tmp_path))
        examples = list(task.examples())
        return examples[0].context, {each.question for each in examples}

    for part, other in (("choose", "judge"), ("judge", "choose")):
        for shots in (1, 7):
            shown, own = of(part, shots)
            assert shown.count("Question: ") == shots
            for number in (0, 3):
                assert not [question for question in own | of(other, number)[1] if question in shown]
        if "few.jsonl" in support:  # what neither half judges both may show
            assert questions(62)[60]["prompt"] in shown
    with pytest.raises(DataError, match="that part 'choose' may show"):
        list(Questions(("many.jsonl",), part="choose", shots=59, root=str(tmp_path)).examples())


def test_repeats_and_what_is_trained_on_are_dropped_and_counted(root: Path, tmp_path: Path) -> None:
    records = questions()
    write(tmp_path / "q.jsonl", [*records, *records[:3]])
    tasks = {"t": Questions(("q.jsonl",), format="{prompt} {answer}", root=str(tmp_path))}
    # Both a question with its answer and a question alone; which documents are trained on, the share decides.
    leaked = [f"{record['prompt']} {record['answer']}" for record in records[:6]]
    corpus = make(tmp_path, tasks, domains={"a": Listed((*texts(), *leaked, *(r["prompt"] for r in records[6:])))})
    found = task_of(corpus, "t")
    kept = {text for text, _ in decoded(corpus, "t")}
    assert found.overlaps > 3
    assert found.duplicates + found.overlaps + found.documents == 15
    assert corpus.task_statistics(LENGTH)["t"]["trained_on"] == found.overlaps
    tokenizer, train_set = open_tokenizer(corpus.folder), corpus.train["a"]
    trained = tokenizer.decode(train_set.tokens.tolist())
    assert not any(text in trained for text in kept)


def test_the_cache_follows_every_field_and_loads_without_reading(root: Path, tmp_path: Path) -> None:
    base = asked(root)
    variants = [
        base,
        replace(base, loss="response"),
        replace(base, shots=1),
        replace(base, format="{prompt} {answer}"),
        replace(base, part="judge"),
        chosen(root),
        chosen(root, score="per_token"),
    ]
    corpora = [make(tmp_path, {"t": task}) for task in variants]
    assert len({corpus.folder for corpus in corpora}) == len(variants)
    assert len({corpus.hashes["validation/t"] for corpus in corpora}) == len(variants)
    assert corpora[0].hashes["validation/a"] == make(tmp_path, {}).hashes["validation/a"]
    spec = CorpusSpec(cache=str(tmp_path / "cache"), validation_share=0.3)
    loaded = load({"a": Listed(texts())}, {"t": base}, TOKENIZER, spec, sequence_length=LENGTH)
    tasks = task_of(loaded, "t")
    assert isinstance(tasks.tokens.base, np.memmap)
    np.testing.assert_array_equal(tasks.tokens, task_of(corpora[0], "t").tokens)


def test_a_limit_of_tokens_keeps_whole_examples(root: Path, tmp_path: Path) -> None:
    full, cut = make(tmp_path, {"t": chosen(root)}), make(tmp_path, {"t": chosen(root)}, max_validation_tokens=150)
    some = task_of(cut, "t")
    assert 75 < len(some.tokens) <= 150
    np.testing.assert_array_equal(some.tokens, task_of(full, "t").tokens[: len(some.tokens)])
    assert np.bincount(some.examples)[-1] == 2 + (some.documents - 1) % 3


def test_examples_are_documents_of_a_domain_and_files_may_be_packed(root: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress((root / "c.jsonl").read_bytes()))
    pq.write_table(pa.Table.from_pylist(choices()), tmp_path / "c.parquet")
    given = list(chosen(root).documents())
    for file in ("c.jsonl.gz", "c.parquet"):
        assert list(Choices((file,), root=str(tmp_path)).documents()) == given
    assert given[1] == f"Question: which 1\nAnswer: {choices()[1]['options'][1]}"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"prompt": "p", "answer": 0}, r"c\.jsonl:2: no field 'options' .*set the source's `options`"),
        ({"prompt": "p", "options": ["a"], "answer": 0}, "not a list of at least two options"),
        ({"prompt": "p", "options": ["a", " "], "answer": 0}, "option 1 of 'options' is ' '"),
        ({"prompt": "p", "options": ["a", "b"], "answer": 2}, "give the right option's position, from 0 to 1"),
        ({"prompt": "p", "options": ["a", "b"], "answer": "C"}, "its letter"),
        ({"prompt": ["p"], "options": ["a", "b"], "answer": "A"}, "field 'prompt' holds"),
    ],
)
def test_broken_records_are_told_with_their_line(tmp_path: Path, record: dict[str, Any], message: str) -> None:
    write(tmp_path / "c.jsonl", [choices()[0], record])
    with pytest.raises(DataError, match=message):
        list(Choices(("c.jsonl",), root=str(tmp_path)).examples())


def test_every_fault_of_a_task_stands_with_its_place(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "blank.jsonl", [{"prompt": "p", "answer": " "}])
    tasks = {
        "few": asked(root, shots=12),
        "many": asked(root, shots=13),
        "blank": Questions(("blank.jsonl",), root=str(tmp_path)),
        "fields": Questions((), format="{prompt}", support=("x",), choose_share=2.0, answer=""),
        "t": chosen(root),
        "t_accuracy": asked(root),
    }
    with pytest.raises(FaultsError) as raised:
        make(tmp_path, tasks)
    found = {fault.where.removeprefix("evaluator.validation."): fault.what for fault in raised.value.faults}
    assert "holds no example" in found["few"]
    assert "13 shots are asked for and there are 12" in found["many"]
    assert "blank.jsonl:1: field 'answer' is blank" in found["blank"]
    assert "which is another set" in found["t"]
    assert {f"fields.{key}" for key in ("paths", "format", "support", "choose_share", "answer")} <= set(found)


@pytest.mark.parametrize(
    "text",
    ["{prompt}", "{answer} {prompt}", "{answer}{answer}", "{prompt.x} {answer}", "{x}{answer}", "{", "{} {answer}"],
)
def test_formats_that_write_no_example_are_refused(text: str) -> None:
    assert [fault.where for fault in Questions(("q.jsonl",), format=text).faults()] == ["format"]


def test_braces_and_what_follows_the_answer_are_kept(root: Path) -> None:
    example = next(asked(root, format="{{{prompt}}} =>  {answer}.").examples())
    record = questions()[0]
    assert (example.prompt, example.responses) == (f"{{{record['prompt']}}} =>", (f"  {record['answer']}.",))


def test_both_kinds_are_task_sources_and_text_is_not(root: Path) -> None:
    assert isinstance(asked(root), TaskSource)
    assert isinstance(chosen(root), TaskSource)
    assert not isinstance(Listed(()), TaskSource)
    assert accuracy_of("t") == f"t{SUFFIX}"
    assert not hasattr(TokenSet, "fitting")


STUDY = """
domains:
  a: {source: {kind: files, paths: a.jsonl}}
  b: {source: {kind: files, paths: b.jsonl}}
evaluator:
  kind: proxy
  tokenizer: {kind: bpe, vocabulary: 280}
  corpus: {cache: cache}
  validation:
    asked: {kind: "bomix.training.tasks.sources:Questions", paths: q.jsonl, shots: 1, loss: response, part: choose}
    chosen: {kind: "bomix.training.tasks.sources:Choices", paths: c.jsonl, score: per_token}
  model: {hidden: 16, layers: 1, heads: 2}
  sequence_length: 64
  tokens: 512
  validation_sequences: 8
objective: {kind: mean, metrics: [a, b, asked, chosen_accuracy]}
strategy: {kind: bayesian, surrogate: ridge}
budget: {trials: 2}
"""


def test_a_study_measures_losses_and_accuracies(root: Path, tmp_path: Path) -> None:
    from bomix.problem import Metric
    from bomix.study.study import Study

    for name in ("q.jsonl", "c.jsonl"):
        (tmp_path / name).write_bytes((root / name).read_bytes())
    write(tmp_path / "a.jsonl", [{"text": text} for text in texts()])
    write(tmp_path / "b.jsonl", [{"text": text[::-1]} for text in texts()])
    (tmp_path / "study.yaml").write_text(STUDY)
    study = Study.open(tmp_path)
    metrics = {metric.name: metric for metric in study.problem.metrics}
    assert metrics["chosen_accuracy"] == Metric("chosen_accuracy", unit="accuracy", direction="max")
    assert metrics["asked"] == Metric("asked")
    assert study.records.resolution.preparation.info["tasks"]["chosen"]["examples"] == 12
    study.run()
    results = [record.result for record in study.history.completed]
    assert len(results) == 2
    for result in results:
        assert set(result.losses) == {"a", "b", "asked", "chosen", "chosen_accuracy"}
        assert 0.0 <= result.losses["chosen_accuracy"] <= 1.0
        assert 0.0 < result.losses["asked"] < 7.0
        scale = 3 / 4 * np.mean([result.losses[name] for name in ("a", "b", "asked")])
        assert study.problem.value(result.losses) == pytest.approx(scale - result.losses["chosen_accuracy"] / 4)
