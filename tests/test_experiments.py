"""What experiments keep is what their pages tell: tables come from kept results, and kept runs are those planned."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

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
