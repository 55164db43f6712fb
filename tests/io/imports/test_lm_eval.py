"""Results of lm-evaluation-harness: matched to runs, with directions and errors; also as the result of a trainer.

The scores are of the form that its version 0.4.13 writes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bomix.errors import FaultsError
from bomix.io.artifacts.harness_results import is_results, score_of, scores_of
from bomix.io.imports.columns import Reading
from bomix.io.imports.lm_eval import read_lm_eval
from bomix.io.imports.runs import Runs
from bomix.io.store.incoming import read_result
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace

WEIGHTS = "run,web,code\na,0.2,0.8\nb,0.5,0.5\n"


def results(accuracy: float | None = 0.5, **more: Any) -> dict[str, Any]:
    arc = {"name": "arc", "alias": "arc", "sample_len": 3, "acc,none": accuracy, "acc_stderr,none": 0.1}
    arc |= {"acc_norm,none": 0.6, "acc_norm_stderr,none": 0.0, "exact,strict-match": 0.2}
    bits = {"alias": "pile", "bits_per_byte,none": 1.25, "bits_per_byte_stderr,none": "N/A"}
    group = {"alias": "all", "acc,none": 0.5, "acc_stderr,none": "N/A", "sample_count": {"acc,none": 6}}
    better = {"arc": {"acc": True, "acc_norm": True}, "pile": {"bits_per_byte": False}, "all": {"acc": None}}
    return {
        "results": {"arc": arc, "pile": bits, "all": group},
        "groups": {"all": group},
        "higher_is_better": better,
        **more,
    }


def write(folder: Path, place: str, data: object) -> None:
    path = folder / "evals" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


def read(folder: Path, metrics: list[Metric], **options: Any) -> Runs:
    (folder / "w.csv").write_text(WEIGHTS)
    problem = Problem(MixtureSpace(["code", "web"]), tuple(metrics), Mean())
    return read_lm_eval(folder / "w.csv", folder / "evals", problem, Reading(**options))


ACC = Metric("arc/acc", "accuracy", "max")


def test_scores_have_directions_and_errors_where_they_are_told() -> None:
    scores = scores_of(results())
    assert scores.values == {
        "arc/acc": 0.5,
        "arc/acc_norm": 0.6,
        "arc/exact,strict-match": 0.2,
        "pile/bits_per_byte": 1.25,
        "all/acc": 0.5,
    }
    assert scores.errors == {"arc/acc": 0.1}, "an error of zero is that of documents that agree"
    assert scores.higher["arc/acc"] is True
    assert scores.higher["pile/bits_per_byte"] is False
    assert scores.higher["all/acc"] is None
    names = list(scores.values)
    assert [score_of(name, names) for name in ("arc", "pile", "all/acc")] == [None, "pile/bits_per_byte", "all/acc"]
    assert not is_results({"losses": {}, "results": {}})


def test_files_are_matched_by_folders_and_by_models(tmp_path: Path) -> None:
    write(tmp_path, "a/some__model/results_2026-01-01.json", results(0.25))
    write(tmp_path, "results_2026-01-02.json", results(0.75, config={"model_args": "pretrained=/runs/b,dtype=float"}))
    write(tmp_path, "c/results_2026-01-01.json", results())
    found = read(tmp_path, [ACC, Metric("pile", "bits/byte")])
    assert [run[1].losses for run in found.runs] == [{"arc/acc": 0.25, "pile": 1.25}, {"arc/acc": 0.75, "pile": 1.25}]
    assert [dict(run[1].sems) for run in found.runs] == [{"arc/acc": 0.1}] * 2
    assert found.notes[0].endswith("left out 1 files that belong to no run: c/results_2026-01-01.json")


def test_the_last_file_of_a_task_counts_and_null_was_not_measured(tmp_path: Path) -> None:
    write(tmp_path, "a/results_2026-01-01.json", results(0.25))
    write(tmp_path, "a/results_2026-02-01.json", {"results": {"arc": {"acc,none": 0.5}}, "higher_is_better": {}})
    write(tmp_path, "b/results_2026-01-01.json", results(None))
    found = read(tmp_path, [ACC, Metric("pile", "bits/byte")])
    assert found.runs[0][1].losses == {"arc/acc": 0.5, "pile": 1.25}
    assert found.runs[0][1].sems == {}
    assert found.runs[1][1].unmeasured == ("arc/acc",)
    assert found.notes[0] == "a: arc/acc measured more than once: the last one counts"


@pytest.mark.parametrize(
    ("metrics", "options", "said"),
    [
        ([Metric("arc/acc")], {}, "metrics.arc/acc: higher is better by lm-evaluation-harness, and the study says dir"),
        (
            [Metric("arc")],
            {},
            "task 'arc' has 3 scores (arc/acc, arc/acc_norm, arc/exact,strict-match); say which, --map",
        ),
        ([Metric("loss")], {}, "has none of the study's metrics (loss) but arc/acc"),
        ([ACC], {"key": "name"}, "w.csv: has no column 'name'; name one with --id"),
    ],
)
def test_what_does_not_fit_is_asked_about(
    tmp_path: Path, metrics: list[Metric], options: dict[str, Any], said: str
) -> None:
    for run in "ab":
        write(tmp_path, f"{run}/results_1.json", results())
    with pytest.raises(FaultsError) as caught:
        read(tmp_path, metrics, **options)
    assert said in str(caught.value)


def test_a_score_is_mapped(tmp_path: Path) -> None:
    for run in "ab":
        write(tmp_path, f"{run}/results_1.json", results())
    found = read(tmp_path, [Metric("x", "accuracy", "max")], mapping={"arc/acc_norm": "x"})
    assert [run[1].losses for run in found.runs] == [{"x": 0.6}] * 2


def test_folders_of_other_names_and_broken_files_are_named(tmp_path: Path) -> None:
    write(tmp_path, "model-1/results_1.json", results())
    with pytest.raises(
        FaultsError, match="no file belongs to a run: neither folders nor models are called as the keys"
    ):
        read(tmp_path, [ACC])
    write(tmp_path, "a/b/results_1.json", results())
    write(tmp_path, "a/results_1.json", [1])
    with pytest.raises(FaultsError) as caught:
        read(tmp_path, [ACC])
    assert "may belong to a or b" in str(caught.value)
    assert "is no file of results" in str(caught.value)


def test_it_is_the_result_of_a_trainer() -> None:
    text = json.dumps(results())
    found = read_result(text, ["arc/acc", "pile"], ["web"], directions={"arc/acc": "max", "pile": "min"})
    assert (found.losses, found.sems) == ({"arc/acc": 0.5, "pile": 1.25}, {"arc/acc": 0.1})
    assert read_result(json.dumps(results(None)), ["arc/acc", "pile"], ["web"]).unmeasured == ("arc/acc",)
    with pytest.raises(FaultsError) as caught:
        read_result(text, ["arc", "loss", "arc/acc"], ["web"], directions={"arc/acc": "min"})
    assert [fault.where for fault in caught.value.faults] == ["metrics.arc", "metrics.loss", "metrics.arc/acc"]


def test_a_later_file_without_a_number_erases_none(tmp_path: Path) -> None:
    for run in "ab":
        write(tmp_path, f"{run}/results_2026-01-01.json", results(0.25))
    write(tmp_path, "a/results_2026-02-01.json", {"results": {"arc": {"acc,none": "N/A", "acc_stderr,none": "N/A"}}})
    found = read(tmp_path, [ACC])
    assert [(run[1].losses, dict(run[1].sems)) for run in found.runs] == [({"arc/acc": 0.25}, {"arc/acc": 0.1})] * 2


def test_a_model_is_named_by_the_last_part_of_its_path(tmp_path: Path) -> None:
    for at, run in enumerate("ab"):
        model = f"/models/{'ba'[at]}/{run}"
        data = results(0.25 + at / 2, config={"model_args": f"pretrained={model}"}, model_name=model)
        write(tmp_path, f"results_{at}.json", data | {"model_name_sanitized": model.replace("/", "__")})
    found = read(tmp_path, [ACC])
    assert [run[1].losses for run in found.runs] == [{"arc/acc": 0.25}, {"arc/acc": 0.75}]


@pytest.mark.parametrize(
    ("key", "mine", "theirs", "told"),
    [
        ("n-shot", 0, 5, "examples 0 in a; 5 in b"),
        ("versions", 1.0, "2", "version 1.0 in a; 2 in b"),
        (
            "n-samples",
            {"original": 900, "effective": 100},
            {"original": 900, "effective": 900},
            "documents 100 in a; 900",
        ),
    ],
)
def test_runs_that_were_not_asked_alike_are_told(
    tmp_path: Path, key: str, mine: object, theirs: object, told: str
) -> None:
    """With `--limit 100`, lm-eval 0.4.13 asks the first hundred documents, and writes scores of the same names.

    What it was asked stands beside `results` alone (`versions`, `n-shot`, `n-samples` in evaluator_utils.py).
    """
    write(tmp_path, "a/results_1.json", results(**{key: {"arc": mine, "pile": mine}}))
    write(tmp_path, "b/results_1.json", results(**{key: {"arc": theirs, "pile": mine}}))
    (note,) = read(tmp_path, [ACC]).notes
    assert "scores of arc cannot be compared between runs" in note
    assert told in note
    write(tmp_path, "b/results_1.json", results(**{key: {"arc": mine}}))
    assert read(tmp_path, [ACC]).notes == (), "what one file does not say is no difference"


def test_of_two_files_of_a_run_the_one_that_counts_says_how_it_was_asked(tmp_path: Path) -> None:
    write(tmp_path, "a/results_2026-01-01.json", results(**{"n-shot": {"arc": 5}}))
    write(tmp_path, "a/results_2026-01-02.json", results(**{"n-shot": {"arc": 0}}))
    write(tmp_path, "b/results_2026-01-01.json", results(**{"n-shot": {"arc": 0}}))
    assert not any("not asked alike" in note for note in read(tmp_path, [ACC]).notes)
