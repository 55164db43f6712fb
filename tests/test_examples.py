"""The examples run as they stand."""

from __future__ import annotations

import importlib
import os
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import bomix
from bomix.contracts.text import signature_of
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.study.study import Study
from tests.cli.called import called

pytestmark = pytest.mark.usefixtures("short_chains")

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.mark.filterwarnings("ignore")
def test_a_surrogate_of_ones_own_takes_part_in_a_study(capsys: pytest.CaptureFixture[str]) -> None:
    file = EXAMPLES / "custom_surrogate.py"
    assert len(file.read_text().splitlines()) <= 30
    runpy.run_path(str(file), run_name="__main__")
    weights = eval(capsys.readouterr().out)
    assert weights["code"] == pytest.approx(0.3, abs=0.05)


def prepared(folder: Path) -> Path:
    """A copy of the example of a Slurm array, and what a shell needs to run its lines."""
    shutil.copytree(EXAMPLES / "slurm-array", folder / "example")
    (folder / "bin").mkdir()
    (folder / "bin/bomix").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m bomix.cli.main "$@"\n')
    (folder / "bin/bomix").chmod(0o755)
    return folder / "example"


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of the README."""
    path = f"{folder.parent / 'bin'}:{os.environ['PATH']}"
    paths = os.pathsep.join([str(EXAMPLES.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def lines_of(folder: Path) -> list[str]:
    """The commands of the README, without their comments."""
    blocks = (folder / "README.md").read_text().split("```")[1::2]
    return [line.split("    #")[0].rstrip() for block in blocks for line in block.strip().splitlines()]


def test_an_array_of_ones_own_is_asked_and_told_with_a_loop_in_the_place_of_slurm(tmp_path: Path) -> None:
    """The lines of the README, but for ``sbatch`` and the recommendation."""
    folder = prepared(tmp_path)
    lines = lines_of(folder)
    loop = lines[-1]
    tell = "bomix tell . asked"
    assert loop.startswith("for trial in")
    done = shell(lines[1], folder)
    assert done.returncode == 0, done.stderr
    (folder / "asked/3.json").rename(folder / "kept")  # one that Slurm has not begun yet
    assert shell(loop, folder).returncode == 0
    (folder / "kept").rename(folder / "asked/3.json")
    (folder / "asked/5.result.json").write_text('{"losses": {"code"')
    done = shell(tell, folder)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "6 told, 1 left for later; 2 still pending (3, 5)")
    (folder / "asked/5.result.json").unlink()
    assert shell(loop, folder).returncode == 0
    done = shell(tell, folder)
    assert done.stdout.splitlines()[-1] == "2 told, 6 told before; none pending"
    again = next(line for line in lines if line.startswith("ids=")).replace("-n 8", "-n 2")
    file = folder / "study.yaml"
    file.write_text(file.read_text() + "strategy: sobol\n")  # an ask by a model takes longer than all of this
    ids = shell(f'{again}; echo "$ids"', folder)
    assert ids.stdout.strip() == "8,9", ids.stderr
    history = Study.open(folder).history
    assert (len(history.completed), len(history.pending)) == (8, 2)
    losses = [record.result.losses["code"] for record in history.completed]
    assert len(set(losses)) > 4, "the mixture shows in the loss"


def test_an_exporter_of_ones_own_writes_a_mixture(capsys: pytest.CaptureFixture[str]) -> None:
    file = EXAMPLES / "custom_exporter.py"
    assert len(file.read_text().splitlines()) <= 30
    runpy.run_path(str(file), run_name="__main__")
    assert capsys.readouterr().out == "0.250000 /data/code\n0.750000 /data/web\n ()\n"


def test_a_command_finds_it_in_the_folder_of_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_forms.py").write_text((EXAMPLES / "custom_exporter.py").read_text())
    (tmp_path / "study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: [loss]\ntarget: {tokens: 20B}\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    bomix.Study.open(tmp_path).add({"code": 0.25, "web": 0.75}, {"loss": 3.0})
    paths = ("--paths", "code=/data/code", "--paths", "web=/data/web")
    code, said = called("export", tmp_path, "--trial", 0, "--format", "my_forms:Lines", *paths)
    assert code == 0
    assert "0.250000 /data/code\n0.750000 /data/web\n" in said


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a study in which the examples lie too; the search path is put back."""
    for name in ("custom_objective", "custom_evaluator", "custom_source"):
        (tmp_path / f"my_{name}.py").write_text((EXAMPLES / f"{name}.py").read_text())
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def test_an_objective_of_ones_own_is_minimised(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "custom_objective.py"), run_name="__main__")
    weights = eval(capsys.readouterr().out)
    assert weights["code"] == pytest.approx(0.5, abs=0.03)  # the losses are alike, and equal where the weights are


def test_an_evaluator_of_ones_own_runs_from_the_folder_of_the_study(beside: Path) -> None:
    (beside / "study.yaml").write_text(
        "domains: {code: {}, web: {}}\nmetrics: [loss]\nevaluator: {kind: 'my_custom_evaluator:Bowl', best: 0.6}\n"
        "strategy: sobol\nobjective: 'my_custom_objective:PowerMean'\nbudget: {trials: 2}\n"
    )
    code, said = called("optimize", beside, "--quiet")
    assert code == 0, said
    losses = [record.result.losses["loss"] for record in bomix.Study.open(beside).history.completed]
    assert losses[0] == pytest.approx(2.01)  # of the uniform mixture


def test_a_program_finds_it_in_the_folder_of_the_study(beside: Path) -> None:
    study = bomix.Study(["code", "web"], ["loss"], path=beside, objective="my_custom_objective:PowerMean")
    assert study.problem.value({"loss": 2.0}) == 2.0
    assert (
        bomix.Study(["a"], ["loss"], objective="my_custom_objective:PowerMean").spec.objective == study.spec.objective
    )


def test_a_source_of_ones_own_is_read_and_built_anew_when_its_code_changes(beside: Path) -> None:
    """Tokens are kept by what the documents may depend on: fields, and the code of the module."""
    code = (EXAMPLES / "custom_source.py").read_text()
    (beside / "my_other_sums.py").write_text(code.replace("7919", "7907"))
    sys.path.append(str(beside))
    found, other = (importlib.import_module(name).Sums for name in ("my_custom_source", "my_other_sums"))
    assert next(found().documents()) == "0 + 0 = 0"
    assert signature_of(found()) == signature_of(found())
    assert len({signature_of(each) for each in (found(), found(count=3), other())}) == 3
    (beside / "study.yaml").write_text(
        "domains:\n  sums: {source: 'my_custom_source:Sums'}\n"
        "  differences: {source: {kind: 'my_custom_source:Sums', sign: '-'}}\n"
        "evaluator: {kind: proxy, model: {hidden: 16, layers: 1, heads: 2}, tokens: 4096, sequence_length: 32,\n"
        "  batch_sequences: 4, tokenizer: {kind: bpe, vocabulary: 300}, corpus: {cache: cache}}\n"
    )
    status, said = called("check", beside)
    assert status == 0, said
    names = bomix.Study.open(beside).problem.metric_names
    assert set(names) == {"sums", "differences"}


def test_constraints_hold_in_every_trial_and_in_the_recommendation(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(EXAMPLES / "constraints", folder)
    text = (folder / "study.yaml").read_text().replace("argv: [python,", f"argv: [{sys.executable},")
    (folder / "study.yaml").write_text(text.replace("trials: 12", "trials: 3"))
    code, checked = called("check", folder)
    assert (code, "all of the code" in checked) == (0, True)
    assert called("optimize", folder)[0] == 0
    study = Study.open(folder)
    assert len(study.history.completed) == 3
    for record in study.history.completed:
        study.problem.space.check(record.trial.weights, tolerance=1e-9)
    study.problem.space.check(study.recommend().weights, tolerance=1e-9)


def test_proxies_repeat_a_domain_that_runs_out_as_the_target_does(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(EXAMPLES / "repetition", folder)
    text = (folder / "study.yaml").read_text().replace("trials: 4", "trials: 1")
    (folder / "study.yaml").write_text(text)
    code, checked = called("check", folder)
    assert (code, "uniform, target" in checked, "warning" in checked) == (0, True, False), checked
    study = Study.open(folder)
    assert dict(zip(study.problem.space.domains, study.problem.space.upper, strict=True))["readmes"] < 0.5
    study.run()
    (record,) = study.history.completed
    expected = study.problem.epochs(record.result.realized)
    assert record.result.epochs["readmes"] == pytest.approx(expected["readmes"], rel=0.02)
    assert expected["readmes"] > 4.0
    assert study.problem.passes["readmes"] == pytest.approx(study.problem.run_tokens / study.problem.tokens["readmes"])


def test_a_law_in_epochs_finds_the_best_mixture_of_domains_that_run_out(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(EXAMPLES / "epochs-law", folder)
    text = (folder / "study.yaml").read_text().replace("trials: 16", "trials: 13")
    (folder / "study.yaml").write_text(text)
    study = Study.open(folder)
    study.run()
    *design, last = study.history.completed
    assert last.trial.origin == "law"
    _, best = study.spec.evaluator.optimum()
    values = [study.problem.value(record.result.losses) for record in study.history.completed]
    assert values[-1] - best < 0.2 * (min(values[:-1]) - best)
    assert all(record.trial.origin != "law" for record in design)


def test_small_models_are_trained_on_two_phases_side_by_side(tmp_path: Path) -> None:
    """The example as it is, but shorter, and on two domains of which less text is read."""
    data = yaml.safe_load((EXAMPLES / "phases" / "proxy" / "study.yaml").read_text())
    del data["domains"]["docstrings"]
    for domain in data["domains"].values():
        domain["source"]["max_bytes"] = 1_000_000
    data["evaluator"] |= {"tokens": 5120, "validation_sequences": 16, "corpus": {"cache": str(tmp_path / "cache")}}
    data["evaluator"]["validation"]["libraries"]["max_bytes"] = 100_000
    data["evaluator"]["tokenizer"]["vocabulary"] = 300
    data |= {"strategy": "sobol", "budget": {"trials": 3}}
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "study.yaml").write_text(yaml.safe_dump(data))
    code, said = called("optimize", folder, "--quiet")
    assert code == 0, said
    study = Study.open(folder)
    completed, phases = study.history.completed, study.problem.phases
    assert len(completed) == 3
    for record in completed:
        assert record.result.info["phases"] == {"pretrain": 4096, "anneal": 1024}
        counts = {
            phase: {name: share * record.result.info["phases"][phase] / 128 for name, share in mixture.items()}
            for phase, mixture in phases.split(record.result.realized).items()
        }
        asked = phases.split(record.trial.weights)
        if asked["pretrain"] == pytest.approx(asked["anneal"]):  # one mixture is read as in a study without phases
            whole = phases.aggregate(record.result.realized)
            assert all(share * 40 == pytest.approx(round(share * 40), abs=1e-9) for share in whole.values())
            continue
        for phase, mixture in asked.items():
            for name, share in mixture.items():
                assert counts[phase][name] == pytest.approx(round(counts[phase][name]), abs=1e-9)  # whole sequences
                assert abs(counts[phase][name] - share * sum(counts[phase].values())) < 1.0
    assert max(record.result.info["stack"] for record in completed) > 1


def test_a_tree_is_searched_by_its_nodes_shown_with_sums_and_opened_later(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(EXAMPLES / "nested", folder)
    text = (folder / "study.yaml").read_text().replace("argv: [python,", f"argv: [{sys.executable},")
    (folder / "study.yaml").write_text(text.replace("trials: 12", "trials: 3"))
    code, checked = called("check", folder)
    assert code == 0, checked
    assert "6 weights are searched in place of 11; the shares inside of 'code', 'web' are fixed" in checked
    assert "\u2502   forums/ \u2502         \u2502 120,000,000,000 \u2502" in checked
    assert called("optimize", folder, "-q")[0] == 0
    for record in Study.open(folder).history.completed:
        weights = record.trial.weights
        assert weights["web/news/low"] == pytest.approx(3.0 * weights["web/news/high"], abs=1e-9)
        assert 0.3 - 1e-9 <= sum(w for name, w in weights.items() if name.startswith("web/")) <= 0.7 + 1e-9
    assert "web/ 0.300, books/fiction 0.140" in called("status", folder)[1]
    shown = called("export", folder, "--format", "olmix", "--set", "separator=/", "--paths", "*=/d/{domain}")[1]
    assert "news/high:" in shown
    assert "  forums/" in shown
    assert called("report", folder)[0] == 0
    assert "% of web, fixed" in (folder / "report.html").read_text()
    (folder / "study.yaml").write_text(
        text.replace("trials: 12", "trials: 4").replace("code: {inside: uniform}", "code: {inside: free}")
    )
    code, said = called("optimize", folder, "-q")
    assert code == 0, said
    study = Study.open(folder)
    assert len(study.problem.searched.space.domains) == 8
    assert len(study.records.searched()[1].observations) == 4


def test_a_study_goes_on_with_other_domains_as_its_example_says(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "extend", tmp_path / "extend")
    before, after = tmp_path / "extend/before", tmp_path / "extend/after"
    text = (before / "study.yaml").read_text()
    lines = text.replace("\\\n#", "").splitlines()
    (command,) = [line.split("#   bomix ")[1] for line in lines if line.startswith("#   bomix extend")]
    assert called("ask", before, "-n", 3, "--out", tmp_path / "out")[0] == 0
    for number in range(3):
        files = [str(tmp_path / f"out/{number}.json"), str(tmp_path / f"{number}.json")]
        subprocess.run([sys.executable, str(before.parent / "losses.py"), *files], check=True)
        assert called("tell", before, number, files[1])[0] == 0
    code, said = called(*shlex.split(command.replace("examples", str(tmp_path))), "--functions", 2)
    assert code == 0, said
    assert "added: books; dropped: wiki; united: talk; split: web" in said
    assert called("ask", after, "--out", tmp_path / "asked")[0] == 0
    study = Study.open(after)
    assert sorted(study.problem.space.domains) == ["books", "code", "talk", "web/high", "web/low"]
    assert [record.trial.origin for record in study.history.records] == ["imported"] * 3 + ["extension"]


def test_a_design_lists_repeats_and_deletions_before_it_exchanges(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(EXAMPLES / "designs", folder)
    code, checked = called("check", folder)
    assert code == 0, checked
    study = Study.open(folder)
    function = study.spec.evaluator
    assert isinstance(function, Synthetic)
    for _ in range(21):
        trial = study.ask()
        study.tell(trial, function.evaluate(trial, tmp_path))
    trials = [record.trial for record in study.history.completed]
    origins = [trial.origin for trial in trials]
    assert origins[:10] == ["uniform", *["natural"] * 3, *["deletion"] * 6]
    assert origins[10:] == [*["i_optimal"] * 10, "law"]
    assert len({trial.seed for trial in trials[1:4]}) == 3
    natural, last = (study.problem.space.to_array(trials[number].weights) for number in (1, -1))
    assert function.regret(last) < 0.2 * function.regret(natural)
