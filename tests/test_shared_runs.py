"""Runs that experiments keep as rows: what is missing is trained, what is there is not, and tasks hide no answer."""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import sys
from dataclasses import replace

import pytest

from bomix.errors import DataError
from bomix.evaluators.proxy import Proxy
from bomix.training.data.sources import Files
from bomix.training.data.tokenizer import BytePair
from bomix.training.device import process_environment
from bomix.training.model.decoder import Model
from experiments import runs, tasks
from experiments.regmix import plan as swarm
from experiments.runs import Planned
from experiments.scales import rates


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


ROWS = [{"set": "fit", "name": name, "seed": 0, "losses": {"one": 1.0}} for name in "abc"]


def test_a_line_that_a_stop_cut_off_counts_for_nothing_and_is_written_anew(tmp_path, capsys):
    path = tmp_path / "results.jsonl"
    runs.add(path, ROWS)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert runs.kept(path) == ROWS[:2]
    assert f"{path}: line 3 is cut off" in capsys.readouterr().err
    assert [run.name for run in runs.missing(path, [Planned("fit", name, {}) for name in "abc"])] == ["c"]
    runs.add(path, ROWS[2:])
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-1])  # the end of the line alone is lost
    assert runs.kept(path) == ROWS
    runs.add(path, [{**ROWS[0], "name": "d"}])
    assert [row["name"] for row in runs.kept(path)] == [*"abcd"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([json.dumps(ROWS[0]), json.dumps(ROWS[1])[:-9], json.dumps(ROWS[2])], "line 2 is damaged"),
        ([json.dumps(ROWS[0]), "", json.dumps(ROWS[1])], "line 2 is damaged"),
        ([json.dumps(ROWS[0]), "[1]"], "line 2 is damaged"),
        (
            [json.dumps(row) for row in (*ROWS, {**ROWS[1], "losses": {"one": 2.0}})],
            "lines 2 and 4 are both of set fit",
        ),
    ],
)
def test_damaged_rows_and_rows_of_one_run_are_told_with_file_and_line(tmp_path, lines, said):
    path = tmp_path / "results.jsonl"
    path.write_text("".join(line + "\n" for line in lines))
    with pytest.raises(runs.RowsError, match=f"{path}: {said}.*delete"):
        runs.kept(path)


def test_two_processes_on_one_file_keep_each_run_once(proxy, tmp_path, monkeypatch):
    proxy.prepare(("one", "two"))
    path, trained = tmp_path / "results.jsonl", runs.evaluated
    planned = [Planned("fit", f"{at}", {"one": at / 4, "two": 1 - at / 4}) for at in range(4)]
    names = []

    def beside_another(proxy, trials, keep=None):
        if not names:  # meanwhile the other one has trained a run of this stack, and one of the next
            runs.add(path, [{"set": "fit", "name": name, "seed": 0, "losses": {}} for name in "12"])
        names.append(len(trials))
        return trained(proxy, trials, keep)

    monkeypatch.setattr(runs, "evaluated", beside_another)
    runs.train(path, proxy, planned, width=2)
    assert [row["name"] for row in runs.kept(path)] == ["1", "2", "0", "3"]
    assert names == [2, 1]  # and nothing is trained that is there by then


def test_rows_of_other_text_are_not_added_to(proxy, tmp_path, capsys):
    path = tmp_path / "results.jsonl"
    planned = [Planned("fit", f"{at}", {"one": at / 2, "two": 1 - at / 2}) for at in range(3)]
    runs.train(path, proxy, planned[:1])
    (row,) = runs.kept(path)
    runs.train(path, replace(proxy, tokens=512), planned[:2])  # of the same text, if longer
    assert [each["text"] for each in runs.kept(path)] == [row["text"]] * 2
    text = tmp_path / "one.jsonl"
    text.write_text(text.read_text() + "\n" + json.dumps({"text": "a newer version of the package " * 20}) + "\n")
    with pytest.raises(runs.RowsError, match=f"rows of 'fit' are of text {row['text']}, and what is built here is "):
        runs.train(path, proxy, planned)
    runs.train(path, proxy, [replace(planned[2], set="other")])  # sets are compared with themselves alone
    path.write_text(json.dumps({name: value for name, value in row.items() if name != "text"}) + "\n")
    capsys.readouterr()
    runs.train(path, proxy, planned[:2])
    assert "some rows of 'fit' do not say of which text they are" in capsys.readouterr().err


def test_kept_files_tell_of_no_run_twice():
    files = sorted(swarm.HERE.parent.glob("*/*.jsonl"))
    assert len(files) > 12
    assert all(runs.kept(path) for path in files)


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (DataError("text is gone"), 2, "error: text is gone\nthe text is not there"),
        (KeyboardInterrupt(), 130, "stopped; the same command goes on\n"),
    ],
)
def test_a_command_ends_with_one_message_and_no_traceback(tmp_path, monkeypatch, capsys, raised, code, said):
    def fails():
        raise raised

    for name, value in process_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(runs, "TEXTS", tmp_path / "nowhere")
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            runs.command(fails, "experiments.none")
        assert ended.value.code == code
        assert capsys.readouterr().err.startswith(said)
        with pytest.raises(SystemExit) as ended:
            runs.command(lambda: os.kill(os.getpid(), signal.SIGTERM), "experiments.none")
        assert ended.value.code == 130
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("module", "words", "said"),
    [
        ("bo.run", "train five nonsense", "'nonsense': only `train` takes parts, of slices, five"),
        ("bo.run", "table five", "'five': only `train` takes parts"),
        ("bo.run", "train --limit -1", "'-1' is no number of seconds"),
        ("regmix.run", "train --limit nan", "'nan' is no number of seconds"),
        ("regmix.run", "train --sets nonsense", "no set 'nonsense'; there are experts 0.3M"),
        ("mde.eight", "table nonsense", "'nonsense': only `table` takes groups, of figure2"),
        ("mde.eight", "fit figure2", "'figure2': only `table` takes groups"),
        ("mde.iterate", "search --limit soon", "'soon' is no number of seconds"),
        ("reweighting.eight", "search --methods nonsense", "invalid choice: 'nonsense'"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(monkeypatch, capsys, module, words, said):
    command = importlib.import_module(f"experiments.{module}")
    monkeypatch.setattr(sys, "argv", [module, *words.split()])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_the_table_of_rates_comes_of_kept_rows_without_the_text(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["rates", "debian", "--tokens", "64k"])
    rates.main()
    printed = capsys.readouterr().out.splitlines()
    page = (rates.HERE / "README.md").read_text().splitlines()
    assert len(printed) == 8
    assert {"".join(line.split()) for line in printed} <= {"".join(line.split()) for line in page}


def test_a_kept_run_comes_out_again_of_the_same_text_alone(proxy, tmp_path):
    path, planned = tmp_path / "results.jsonl", [Planned("fit", "a", {"one": 0.5, "two": 0.5})]
    runs.train(path, proxy, planned)
    ((_, off),) = runs.retrained(path, proxy, planned)
    assert off == pytest.approx({"one": 0.0, "two": 0.0}, abs=1e-4)
    source = tmp_path / "two.jsonl"
    source.write_text("\n".join(source.read_text().splitlines()[1:]))  # the package's next release
    proxy.prepare(("one", "two"))
    ((_, off),) = runs.retrained(path, proxy, planned)
    assert max(map(abs, off.values())) > 1e-3


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
