"""Runs that experiments keep as rows: what is missing is trained, what is there is not, and tasks hide no answer."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from bomix.evaluators.proxy import Proxy
from bomix.training.data.sources import Files
from bomix.training.data.tokenizer import BytePair
from bomix.training.model.decoder import Model
from experiments import runs, tasks
from experiments.regmix import plan as swarm
from experiments.runs import Planned


@pytest.fixture
def proxy(tmp_path):
    rng = random.Random(0)
    for name, letters in (("one", "abcd"), ("two", "wxyz")):
        words = ["".join(rng.choices(letters, k=4)) for _ in range(40)]
        lines = [json.dumps({"text": " ".join(rng.choices(words, k=60))}) for _ in range(60)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    return Proxy(
        sources={name: Files((str(tmp_path / f"{name}.jsonl"),)) for name in ("one", "two")},
        tokenizer=BytePair(vocabulary=300),
        model=Model(layers=1, hidden=16, heads=1, intermediate=32),
        sequence_length=16,
        batch_sequences=2,
        tokens=256,
        validation_sequences=4,
        curve_points=2,
        curve_sequences=2,
        device="cpu",
    )


def test_only_what_is_missing_is_trained(proxy, tmp_path, monkeypatch):
    proxy.prepare(("one", "two"))
    path = tmp_path / "results.jsonl"
    planned = [
        Planned("fit", f"{share:g}", {"one": share, "two": 1 - share}, seed) for share in (0.0, 0.5) for seed in (0, 1)
    ]
    planned.append(Planned("expert", "one", {"one": 1.0, "two": 0.0}, scored=True))
    runs.train(path, proxy, planned[:3], width=2)
    widths = []
    trained = runs.evaluated
    monkeypatch.setattr(runs, "evaluated", lambda *given: widths.append(len(given[1])) or trained(*given))
    runs.train(path, proxy, planned, width=2, scored=tmp_path / "scored")
    rows = runs.kept(path)
    assert [runs.key(row) for row in rows] == [run.key for run in planned]
    assert widths == [1, 1]  # the missing one of the first set, then the expert, of another set
    assert rows[0]["weights"] == {"two": 1.0}  # zeros are left out
    assert rows[2]["losses"] != rows[3]["losses"]  # of another seed
    assert rows[0]["curve"]["steps"][-1] == proxy.steps
    assert any((tmp_path / "scored" / "expert-one").iterdir())
    runs.train(path, proxy, planned)
    assert widths == [1, 1]


def test_a_run_is_the_same_alone_and_in_a_stack(proxy, tmp_path):
    proxy.prepare(("one", "two"))
    planned = [Planned("fit", f"{at}", {"one": at / 4, "two": 1 - at / 4}) for at in range(3)]
    together = list(runs.rows_of(proxy, planned))
    (alone,) = runs.rows_of(replace(proxy, stack=1), planned[1:2])
    assert together[1]["losses"] == pytest.approx(alone["losses"], abs=1e-4)


def test_a_question_has_one_right_end_from_the_same_text(tmp_path):
    words = [f"word{at}" for at in range(4000)]
    documents = [" ".join(words[at * 80 : at * 80 + 300]) for at in range(40)]
    source = tmp_path / "text.jsonl"
    source.write_text("\n".join(json.dumps({"text": text}) for text in documents))
    made = tmp_path / "made" / "task.jsonl"
    assert tasks.build(source, made) == len(made.read_text().splitlines()) > 20
    questions = [json.loads(line) for line in made.read_text().splitlines()]
    for question in questions:
        follows = f"{question['prompt']} {question['options'][question['answer']]}"
        assert any(follows in text for text in documents)
        assert len(set(question["options"])) == tasks.OPTIONS
        assert len(question["prompt"]) >= tasks.BEGINNING
    answers = {question["answer"] for question in questions}
    assert answers == set(range(tasks.OPTIONS))  # the place gives nothing away
    before = made.read_bytes()
    tasks.build(source, made)
    assert made.read_bytes() == before


def test_the_swarm_is_always_the_same_and_shares_mixtures_over_sizes():
    planned = swarm.plan()
    assert len({run.key for run in planned}) == len(planned)
    sizes = {run.set: {} for run in planned}
    for run in planned:
        sizes[run.set].setdefault(run.name, run.weights)
        assert sum(run.weights.values()) == pytest.approx(1.0, abs=1e-4)  # proposals are rounded
        assert (run.weights["kernel"] == 0.0) or not run.set.startswith(("fit without", "held without"))
    assert all(sizes["held 0.3M"][name] == weights for name, weights in sizes["held 1M"].items())
    assert all(sizes["held 1M"][name] == weights for name, weights in sizes["held 3M"].items())
    assert {run.scale.params for run in planned} <= set(swarm.proxy().model.sizes())
    rates = {name: each.evaluator.optimization.rate for name, each in swarm.study().scales.items()}
    assert rates == swarm.RATES  # of the study file, and of the runs
    assert all(swarm.proxy(size).optimization.rate == rate for size, rate in rates.items())
    assert not {tuple(w.items()) for w in sizes["held 0.3M"].values()} & {
        tuple(w.items()) for w in sizes["fit 0.3M"].values()
    }
