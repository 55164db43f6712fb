"""What experiments keep is what their pages tell: tables come from kept results, and kept runs are those planned."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bomix.errors import FaultsError
from bomix.training.data.tokens import TokenSet

REPETITION = Path(__file__).parents[1] / "experiments" / "repetition"
MODULES = ("grid", "models", "plan", "run", "show")


@pytest.fixture(scope="module")
def repetition() -> Iterator[dict[str, ModuleType]]:
    before = [*sys.path]
    sys.path.insert(0, str(REPETITION))
    try:
        yield {name: importlib.import_module(name) for name in MODULES}
    finally:
        sys.path[:] = before
        for name in MODULES:
            sys.modules.pop(name, None)


def test_tables_come_from_kept_results(repetition, capsys):
    rows, fits = repetition["run"].rows(), repetition["run"].fits()
    repetition["show"].table(rows, fits)
    said = capsys.readouterr().out
    page = (REPETITION / "README.md").read_text(encoding="utf-8").splitlines()
    # What a model of all runs of the target says differs in its last digits between machines: the others are there.
    kept = said.partition("| best by")[0].splitlines()
    assert [line for line in kept if line.startswith("|") and line not in page] == []
    assert said.count("\n| ") > 50
    assert "nan" not in said


SCRIPTS = REPETITION.parent
"""Those of the first experiments are started by their path, from anywhere."""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("noise/run.py --check", 0, "| mean | "),
        ("noise/run.py --check --out none.jsonl", 2, "lacks 38 of the runs"),
        ("mde/train.py --check --study none", 2, "error: no study at "),
        ("mde/compare.py run", 2, "`run` needs --study"),
        ("repetition/run.py train --limit never", 2, "'never' is no number of seconds"),
        ("reweighting/run.py search", 2, "give --work"),
    ],
)
def test_scripts_start_anywhere_and_end_without_a_traceback(tmp_path, words, code, said):
    script, *more = words.split()
    ended = subprocess.run(
        [sys.executable, str(SCRIPTS / script), *more], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == code, ended.stderr
    assert said in (ended.stderr if code else ended.stdout)
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("what", ["propose", "table", "figure"])
def test_tables_of_too_few_runs_are_refused(repetition, monkeypatch, tmp_path, capsys, what):
    run = repetition["run"]
    short = [row for row in run.rows() if row["set"] != repetition["plan"].TARGET]
    monkeypatch.setattr(sys, "argv", ["run.py", what])
    monkeypatch.setattr(run, "rows", lambda: short[:-2])
    with pytest.raises(SystemExit) as ended:
        run.main()
    assert ended.value.code == 2
    count = 2 if what == "propose" else 11  # with the slice of the target, and the uniform mixture's seeds
    assert f"lacks {count} of the runs that `{what}` needs; run `train` first" in capsys.readouterr().err
    assert run.lacking(short=True) == 2
    monkeypatch.undo()
    assert run.lacking(short=False) == 0


def test_tables_of_five_domains_need_no_study(tmp_path):
    ended = subprocess.run(
        [sys.executable, str(SCRIPTS / "mde" / "compare.py"), "table"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    page = [line.rstrip() for line in (SCRIPTS / "mde" / "README.md").read_text(encoding="utf-8").splitlines()]
    said = [line.rstrip() for line in ended.stdout.partition("\nRank correlation with")[0].splitlines()]
    assert [line for line in said if line.startswith("|") and line not in page] == []
    assert len(said) > 90


def test_a_live_search_lacks_nothing_but_its_text(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS / "mde"))
    for name in ("corpora", "plaintext", "compare", "train", "live", "methods"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    live = importlib.import_module("live")
    with pytest.raises(FaultsError) as raised:
        live.opened(tmp_path / "live", tmp_path / "text", seed=3, trials=2)
    assert len(raised.value.faults) == 10  # five domains, five sets from outside
    assert all(f"no file matches '{tmp_path / 'text'}" in str(fault) for fault in raised.value.faults)


def test_kept_runs_are_those_planned(repetition):
    rows, plan = repetition["run"].rows(), repetition["plan"]
    planned = {run.key: run for run in plan.plan(repetition["run"].proposed())}
    kept = {(row["set"], row["name"], row["seed"], row["cut"]) for row in rows}
    assert len(kept) == len(rows) >= 254
    assert kept <= planned.keys()
    # The target comes last, and then short runs of what was proposed.
    proposed = repetition["run"].proposed().keys()
    assert all(run.set == plan.TARGET or run.name in proposed for key, run in planned.items() if key not in kept)
    length = plan.proxy().sequence_length
    for row in rows:
        run = planned[row["set"], row["name"], row["seed"], row["cut"]]
        assert {**row, **plan.described(run)} == row
        for domain, tokens in run.pools.items():  # the epochs that were really made, but for whole sequences
            read = run.weights[domain] * plan.tokens_of(run.set) / length
            assert row["epochs"][domain] == pytest.approx(read / (tokens // length), abs=1.01 / (tokens // length))


def test_matched_runs_repeat_as_the_target_does(repetition):
    plan = repetition["plan"]
    assert plan.longer() == 16
    assert plan.pools(plan.MATCHED) == {"german": 512, "prose": 3276}
    for domain in plan.SMALL:
        alone = {kind: plan.tokens_of(kind) / plan.pools(kind)[domain] for kind in (plan.MATCHED, plan.TARGET)}
        assert alone[plan.MATCHED] == pytest.approx(alone[plan.TARGET], rel=1e-3)
    assert plan.study().target.match_epochs is True
    epochs = {run.weights["german"] for run in plan.proxies(plan.MATCHED)}
    assert max(epochs) <= 0.5


def test_a_cut_is_whole_documents_in_a_seeded_order(repetition):
    lengths = np.random.default_rng(0).integers(3, 9, size=50)
    documents = [np.append(np.full(length, at + 1), 0) for at, length in enumerate(lengths)]
    found = TokenSet(np.concatenate(documents), len(documents), 1000)
    one, same, other = (repetition["plan"].cut(found, 60, seed, 0) for seed in (0, 0, 1))
    assert one.tokens.tolist() == same.tokens.tolist() != other.tokens.tolist()
    assert len(one.tokens) == 61  # the last target of the last sequence
    ends = np.flatnonzero(one.tokens == 0)
    for document in np.split(one.tokens, ends + 1)[:-1]:
        assert document.tolist() == documents[document[0] - 1].tolist()


def test_regmix_tables_come_from_kept_results():
    from experiments.regmix import losses, optima, ranking

    page = (ranking.fits.HERE / "README.md").read_text(encoding="utf-8").splitlines()
    parts = (
        *(ranking.swarm_table("kernel"), ranking.without_table(), ranking.hundred_table()),
        *(optima.lines(), losses.cost_table(), losses.score_table(), losses.law_table(), losses.size_table()),
    )
    said = [line for part in parts for line in part if line.startswith("|")]
    assert [line for line in said if line not in page] == []
    assert len(said) > 60
    assert "nan" not in " ".join(said)


def test_regmix_tables_of_published_runs_come_from_them(monkeypatch, tmp_path):
    from experiments.regmix import data, fits, published

    if data.pile("test", "1m") is None:
        pytest.skip(data.WHERE)
    page = (fits.HERE / "README.md").read_text(encoding="utf-8").splitlines()
    if data.pile("test", "1b") is None:
        assert [line for line in published.table("pile_cc") if line not in page] == []
    # With a third size there is a third column, of its own mixtures, in whatever order.
    shutil.copytree(data.folder(), tmp_path / "regmix")
    for what in ("mixture", "pile_loss"):
        lines = (data.folder() / f"test_{what}_60m.csv").read_text().splitlines()
        (tmp_path / "regmix" / f"test_{what}_1b.csv").write_text("\n".join([lines[0], *lines[:-65:-1]]) + "\n")
    monkeypatch.setenv("BOMIX_DATA", str(tmp_path))
    monkeypatch.setattr(published.models, "MODELS", ("linear",))
    monkeypatch.setattr(published, "GAINS", ())
    head, _, row = published.table("pile_cc")
    assert head.endswith("| rank, 60M | rank, 1B |")
    assert 0.8 < float(row.split("|")[6].split()[0]) < 1.0
    monkeypatch.setenv("BOMIX_DATA", str(tmp_path / "elsewhere"))
    assert next(published.lines()) == data.WHERE


def test_regmix_fits_and_runs_are_those_that_are_wanted():
    from experiments import runs
    from experiments.regmix import fits, hundred, plan

    assert fits.kept().keys() <= {*fits.wanted()}
    planned = [run.key for run in plan.plan()]
    assert len(planned) == len({*planned})
    for path, wanted in ((plan.RESULTS, planned), (hundred.RESULTS, [run.key for run in hundred.plan()])):
        rows = runs.kept(path)
        assert len({runs.key(row) for row in rows}) == len(rows)
        assert {runs.key(row) for row in rows} <= {*wanted}
    for row in runs.kept(hundred.RESULTS):
        assert sum(row["weights"].values()) == pytest.approx(1.0, abs=1e-3)


def test_the_study_of_a_hundred_domains_is_the_one_that_is_made():
    from experiments.regmix import hundred

    assert hundred.STUDY.read_text(encoding="utf-8") == hundred.study_text()
    found = hundred.told()
    assert [each["name"] for each in found] == hundred.domains()
    assert min(each["characters"] for each in found) >= hundred.LEAST


def test_domains_are_not_made_anew_under_runs_of_others(monkeypatch, tmp_path):
    from experiments import runs
    from experiments.regmix import hundred

    rng = np.random.default_rng(0)
    words = [f"{first}{second}{third}ord" for first in "abcde" for second in "fghij" for third in "klmno"]
    text = [("code", " ".join(rng.choice(words[at % 100 : at % 100 + 25], 60))) for at in range(400)]
    monkeypatch.setattr(hundred, "pieces", lambda: iter(text))
    monkeypatch.setattr(hundred, "MADE", tmp_path / "made")
    monkeypatch.setattr(hundred, "LEAST", 100)
    before = hundred.FOUND.read_bytes()
    with pytest.raises(runs.RowsError, match=r"makes other domains than those of .*hundred\.jsonl; move that"):
        hundred.build()
    assert hundred.FOUND.read_bytes() == before
    assert not (tmp_path / "made").exists()


def test_clusters_are_none_too_small():
    from experiments.regmix import hundred

    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, 8))
    points = centres[rng.integers(40, size=3000)] + 0.01 * rng.normal(size=(3000, 8))
    sizes = rng.uniform(2_000, 4_500, size=3000)
    of = hundred.clustered(points, sizes)
    total = np.bincount(of, sizes, hundred.COUNT)
    assert total.min() >= hundred.LEAST
    assert len(total) == hundred.COUNT


def test_the_paper_of_regmix_is_a_study_without_faults():
    from bomix.config import study_file
    from experiments.regmix import plan

    study = study_file.load(plan.HERE / "paper" / "study.yaml")
    proxy = study.ready_evaluator(plan.HERE)
    assert len(study.domains) == 17
    assert (proxy.steps, proxy.step_tokens) == (1000, 2**20)
    assert proxy.model.non_embedding_parameters() == pytest.approx(1e6, rel=0.4)
    assert not proxy.faults_before_network([*study.domains])


def test_rank_correlations_and_what_seeds_explain():
    from experiments.regmix import judge

    rng = np.random.default_rng(0)
    truth = rng.normal(size=200)
    assert judge.correlation(truth, 3 * truth + 1).value == pytest.approx(1.0)
    noisy = judge.correlation(truth, truth + 0.3 * rng.normal(size=200))
    assert 0.8 < noisy.low < noisy.value < noisy.high < 1.0
    one, other = (truth + 0.1 * rng.normal(size=200) + shift for shift in (0.0, 5.0))
    assert judge.repeat_error(one, other).value == pytest.approx(0.01, rel=0.3)
    assert judge.gain(truth, rng.normal(size=200), truth).low > 0.7
