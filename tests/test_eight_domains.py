"""The mixtures-of-experts paper on eight domains: tables from kept rows, and the arithmetic that they rest on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from bomix import Study
from bomix.config import study_file
from experiments import runs
from experiments.mde import (
    expert_tokens,
    fits,
    generation,
    iterate,
    optima,
    optimized,
    resampling,
    searches,
    show_fits,
    show_scales,
    swarm,
)
from experiments.regmix import plan

FOLDER = Path(__file__).parents[1] / "experiments" / "mde"


def test_tables_come_from_kept_rows(capsys):
    show_fits.figure2()
    show_fits.curve()
    show_scales.pairs()
    show_scales.optimum()
    show_scales.trained()
    show_scales.tasks()
    searches.table(runs.kept(iterate.RESULTS))
    page = (FOLDER / "EIGHT.md").read_text(encoding="utf-8").splitlines()
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if line.startswith("| ") and line not in page] == []
    assert said.count("\n| ") > 60  # of twice as many once every run is there
    assert "nan" not in said


def test_kept_rows_are_those_planned():
    known = [(row["method"], row["trained"], row["split"]) for row in runs.kept(fits.FITS)]
    assert len(known) == len(set(known))
    assert set(known) <= set(fits.wanted())
    trained = {(row["name"], row["seed"]) for row in runs.kept(optimized.RESULTS)}
    assert trained <= {(name, seed) for name in optimized.NAMES for seed in optimized.SEEDS}
    searched = [runs.key(row) for row in runs.kept(iterate.RESULTS)]
    assert len(searched) == len(set(searched))


def test_a_split_learns_from_no_mixture_that_it_is_judged_on():
    for split in range(fits.SPLITS):
        assert len(fits.judged(split)) == fits.JUDGED
        names = [row["name"] for row in fits.learnt(split, fits.TRAINED)]
        assert len(set(names)) == len(names) == fits.TRAINED - fits.EXPERTS
        assert fits.learnt(split, 72)[: len(names)] == fits.learnt(split, fits.TRAINED)


def test_counted_rank_correlations_are_those_of_repeated_mixtures():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=12).round(1), rng.normal(size=12).round(1)
    counts = resampling.drawn(12)
    found = resampling.rank_correlations(one, other, counts)
    for row in (0, 1, 2):
        again = np.repeat(np.arange(12), counts[row])
        assert found[row] == pytest.approx(spearmanr(one[again], other[again]).statistic)
    assert resampling.rank_correlations(np.ones(12), other, counts)[0] == 0.0


def test_pairs_of_one_mixture_do_not_count():
    right = np.array([[True, True, False], [True, True, True], [False, True, True]])
    counts = np.array([[1, 1, 1], [2, 1, 0]])
    assert resampling.pairwise(right, counts).tolist() == pytest.approx([2 / 3, 1.0])


@pytest.mark.parametrize("size", [size for size in swarm.SIZES if expert_tokens.file_of(size).exists()])
def test_kept_tokens_give_the_losses_of_the_experts(size):
    some = swarm.of("experts", size)
    assert len(some) == fits.EXPERTS
    found = expert_tokens.mde(size, swarm.weights(some), swarm.NAMES)
    assert np.abs(found - swarm.losses(some)).max() < 3e-3  # sixths of a nat, averaged over 5,120 tokens


def test_the_optimum_of_the_experts_is_one():
    point = optima.of_experts("0.3M", swarm.BOTH, 0)
    log_p, places, *_ = expert_tokens.kept("0.3M")
    shares = np.zeros(len(log_p))
    for name in swarm.NAMES:
        shares[places[name]] = 1 / len(swarm.NAMES) / (places[name].stop - places[name].start)
    p = np.exp(log_p)
    # Karush, Kuhn, Tucker: the derivatives of used weights are equal, those of the others no better.
    slopes = (shares / (p @ point)) @ p
    assert slopes[point > 1e-3] == pytest.approx(1.0, abs=2e-3)
    assert (slopes < 1.002).all()


def test_a_question_ends_before_a_word_that_stood_in_it():
    filler = " ".join(f"w{at}" for at in range(60))
    words = " ".join(["alpha"] * 15) + " something " + " ".join(f"beta{at}" for at in range(12)) + " something else"
    found = generation._first_of(filler + " x " + words)
    assert found is not None
    assert (found.answer, found.chance) == ("something", 0.5)
    assert not found.text.endswith("something")
    assert "something" in found.text.split()


def test_an_answer_counts_only_as_a_whole_word():
    letters = "abcdefghijklmnopqrstuvwxyz "
    tokenizer = SimpleNamespace(
        encode=lambda texts: [[letters.index(letter) for letter in text] for text in texts],
        decode=lambda ids: "".join(letters[token] for token in ids),
    )

    class Says:
        """Goes on with a text, whatever it is given."""

        def __init__(self, text: str, after: int) -> None:
            ids, self.lm_head = tokenizer.encode([text])[0], torch.nn.Identity()
            self.model = lambda given: SimpleNamespace(
                last_hidden_state=torch.stack(
                    [torch.eye(27)[ids[max(0, min(at + 1 - after, len(ids) - 1))]] for at in range(given.shape[1])]
                ).expand(len(given), -1, -1)
            )

    asked = [generation.Question("a word", "other", 1.0)]
    for said, right in ((" other word", True), (" others", False), (" word", False)):
        assert generation.matched(Says(said, 6), tokenizer, asked, 64) == [right]


def test_the_study_of_the_paper_loads():
    spec = study_file.load(FOLDER / "paper" / "study.yaml")
    assert spec.faults() == []
    model = spec.ready_evaluator(FOLDER).model
    assert model.parameters(256_000) == pytest.approx(280e6, rel=0.01)
    assert dataclasses.replace(model, tie_embeddings=False).non_embedding_parameters() == pytest.approx(85e6, rel=0.01)
    assert len(spec.domains) == 7


def test_criteria_are_averages():
    assert swarm.CRITERIA[swarm.ALL].sum() == pytest.approx(2.0)
    assert {round(float(swarm.CRITERIA[name].sum()), 9) for name in (swarm.SP, swarm.ET, swarm.BOTH)} == {1.0}
    assert swarm.CRITERIA[swarm.SP][: len(plan.DOMAINS)].min() > 0


def test_a_search_goes_on_from_its_folder_and_is_over_by_its_rows(tmp_path, monkeypatch):
    assert iterate.unfinished() == []  # all rows are kept: no folder is needed, and nothing is trained again
    kept, path = runs.kept(iterate.RESULTS), tmp_path / "iterate.jsonl"
    monkeypatch.setattr(iterate, "RESULTS", path)
    monkeypatch.setattr(iterate, "WORK", tmp_path / "work")
    first = [row for row in kept if (row["set"], row["seed"]) == ("GP-MDE", 3)][:2]
    runs.add(path, [row for row in kept if row not in first])
    assert iterate.unfinished() == [("GP-MDE", 3)]
    study = Study(list(plan.DOMAINS), list(swarm.NAMES))
    with pytest.raises(
        runs.RowsError, match=r"run 02 of GP-MDE, seed 3, which .*GP-MDE-3 lacks: bring that folder back"
    ):
        iterate.reconciled(("GP-MDE", 3), study)
    for row in first:
        study.add({name: row["weights"].get(name, 0.0) for name in plan.DOMAINS}, row["losses"])
    path.unlink()
    runs.add(path, first[:1])
    iterate.reconciled(("GP-MDE", 3), study)  # a stop came before the second row
    assert [(row["name"], row["losses"]) for row in runs.kept(path)] == [(row["name"], row["losses"]) for row in first]
