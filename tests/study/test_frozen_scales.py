"""What is frozen of a study's scales once they have runs, and what is not."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import bomix
from bomix.errors import StoreError

BASE = "domains: {d0: {}, d1: {}}\nstrategy: sobol\n"
SYNTHETIC = BASE + "evaluator: {kind: synthetic, domains: 2, noise: 0.0}\n"
SMALL = "small: {params: 1k, tokens: 10k, noise: 0.5}"
LARGE = "large: {params: 2k, tokens: 10k}"
HALF = {"d0": 0.5, "d1": 0.5}


def study(folder: Path, scales: str, before: str = SYNTHETIC) -> bomix.Study:
    """Open the study in a folder whose file has these scales."""
    (folder / "study.yaml").write_text(before + (f"scales: {{{scales}}}\n" if scales else ""))
    return bomix.Study.open(folder)


def add(opened: bomix.Study, *scales: str) -> None:
    for scale in scales:
        opened.add(HALF, {"d0": 2.0, "d1": 2.0}, scale=scale)


def test_a_scale_may_be_added_and_one_without_runs_may_go_or_change(tmp_path: Path) -> None:
    add(study(tmp_path, f"{SMALL}, {LARGE}"), "small", "small")
    assert len(study(tmp_path, f"{SMALL}, {LARGE}, more: {{params: 3k, tokens: 10k, noise: 1}}").problem.scales) == 3
    changed = study(tmp_path, f"{SMALL}, large: {{params: 4k, tokens: 10k}}")
    assert [len(changed.history.informative), changed.problem.scales[1].scale.params] == [2, 4000]
    assert len(bomix.Study.open(tmp_path).history.scales) == 2
    alone = study(tmp_path, SMALL)
    assert [each.name for each in alone.problem.scales] == ["small"]


def test_cost_training_and_the_target_may_change(tmp_path: Path) -> None:
    add(study(tmp_path, f"{SMALL}, {LARGE}"), "small")
    text = (
        "small: {params: 1k, tokens: 10k, noise: 0.5, cost: 3, train: false}, large: {params: 2k, tokens: 10k, cost: 1}"
    )
    opened = study(tmp_path, text)
    assert str(opened.problem.scale) == "1k params x 10k tokens"  # the dearest now
    assert [str(record.trial.scale) for record in opened.history.observations] == ["1k params x 10k tokens"]


@pytest.mark.parametrize(
    ("scales", "said"),
    [
        (LARGE, r"scales\.small: there are runs of it \(1k params x 10k tokens\), and the study file does not name it"),
        ("", r"scales\.small: there are runs of it"),
        (
            f"{SMALL.replace('0.5', '0.6')}, {LARGE}",
            r"scales\.small\.evaluator\.noise: 0\.5 when the study began, 0\.6 now",
        ),
        (f"{SMALL.replace('10k', '20k')}, {LARGE}", r"scales\.small\.tokens: 10000 when the study began, 20000 now"),
        (f"tiny{SMALL[5:]}, {LARGE}", r"scales\.small: there are runs of it"),
    ],
)
def test_a_scale_that_has_runs_neither_changes_nor_goes(tmp_path: Path, scales: str, said: str) -> None:
    add(study(tmp_path, f"{SMALL}, {LARGE}"), "small")
    with pytest.raises(StoreError, match=said):
        study(tmp_path, scales).problem  # noqa: B018


def test_what_all_scales_are_trained_with_is_frozen_by_those_that_have_runs(tmp_path: Path) -> None:
    add(study(tmp_path, f"{SMALL}, {LARGE}"), "small")
    with pytest.raises(StoreError, match=r"scales\.small\.evaluator\.seed: 0 when the study began, 3 now"):
        study(tmp_path, f"{SMALL}, {LARGE}", SYNTHETIC.replace("noise: 0.0", "noise: 0.0, seed: 3")).problem  # noqa: B018


def test_a_study_of_one_scale_may_become_one_of_several(tmp_path: Path) -> None:
    known = BASE + "evaluator: {kind: 'tests.study.test_scales:AtScale'}\n"
    first = study(tmp_path, "", known)
    first.add(HALF, {"loss": 2.0}, scale=bomix.Scale(1000, 20000))
    with pytest.raises(StoreError, match=r"the trials so far are of 1k params x 20k tokens, which is none of them"):
        study(tmp_path, "small: {params: 1k, tokens: 30k}", known).problem  # noqa: B018
    opened = study(tmp_path, "own: {params: 1k, tokens: 20k}, large: {params: 1k, tokens: 90k}", known)
    assert [opened.history.counted_as(record) for record in opened.history.informative] == [bomix.Scale(1000, 20000)]


def test_trials_without_a_scale_are_counted_aloud_where_they_become_those_of_the_target(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    told = BASE + "metrics: [loss]\n"
    first = study(tmp_path, "", told)
    for _ in range(3):
        first.add(HALF, {"loss": 2.0})
    several = "small: {params: 1k, tokens: 20k}, large: {params: 1k, tokens: 90k}"
    assert len(study(tmp_path, several, told).problem.scales) == 2
    said = "3 trials without a scale count from now on as of the target, 'large' (1k params x 90k tokens)"
    assert [said in each for each in caplog.messages] == [True]
    caplog.clear()
    study(tmp_path, several, told).problem  # noqa: B018
    assert caplog.messages == []  # said once
    study(tmp_path, several, told + "target: {scale: small}\n").problem  # noqa: B018
    assert "the target, 'small'" in caplog.messages[0]
    study(tmp_path, several, told + "target: {scale: small}\n").problem  # noqa: B018
    assert len(caplog.messages) == 1


def test_runs_without_scales_become_those_of_a_study_of_several(tmp_path: Path) -> None:
    told = BASE + "metrics: [loss]\n"
    study(tmp_path, "", told).add(HALF, {"loss": 2.0}, scale=bomix.Scale(1000, 20000))
    opened = study(tmp_path, "own: {params: 1k, tokens: 20k}, large: {params: 1k, tokens: 90k}", told)
    assert len(opened.history.informative) == 1
    assert opened.history.observations == ()
