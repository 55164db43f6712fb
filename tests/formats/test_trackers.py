"""What trackers and the evaluation harness write here and now, by their own code, comes in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bomix.io.imports.csv import read_runs
from bomix.io.imports.lm_eval import read_lm_eval
from bomix.io.imports.tracked import read_tracked
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace

pytestmark = [pytest.mark.formats, pytest.mark.filterwarnings("ignore")]
PROBLEM = Problem(MixtureSpace(["code", "web"]), (Metric("code"), Metric("web")), Mean())
SHARES = (0.25, 0.5, 0.75)


def measured(share: float, step: int) -> dict[str, float]:
    return {"val_loss/web": 3.5 - share + 1 / step, "val_loss/code": 2.5 + share + 1 / step, "train/loss": 9.0}


def check(found, tolerance: float = 1e-12) -> None:
    """The runs that finished, each with its last measurement."""
    runs = sorted((run[0]["web"], run[1].losses["web"], run[1].losses["code"]) for run in found.runs)
    expected = [(share, 3.5 - share + 0.05, 2.5 + share + 0.05) for share in SHARES]
    assert [value for run in runs for value in run] == pytest.approx(
        [v for run in expected for v in run], abs=tolerance
    )


def test_runs_that_wandb_made_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for share in (*SHARES, 0.9):
        run = wandb.init(project="mix", dir=tmp_path, config={"lr": 1, "mix": {"web": share, "code": 1 - share}})
        for step in (10, 20):
            run.log(measured(share, step), step=step)
        run.finish(exit_code=int(share == 0.9))
    found = read_tracked("wandb", tmp_path, None, PROBLEM)
    check(found)
    assert any("left out 1 rows whose State is not finished" in note for note in found.notes)


def test_a_project_of_trackio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    trackio = pytest.importorskip("trackio")
    for share in SHARES:
        trackio.init(project="mix", name=f"run-{share}", config={"mix": {"web": share, "code": 1 - share}})
        for step in (10, 20):
            trackio.log(measured(share, step), step=step)
        trackio.finish()
    check(read_tracked("trackio", Path(trackio.utils.TRACKIO_DIR) / "mix.db", None, PROBLEM))


def test_logs_of_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    rows = ["run,web,code"]
    for at, share in enumerate(SHARES):
        with SummaryWriter(tmp_path / "logs" / f"r{at}") as writer:
            for step in (10, 20):
                for name, value in measured(share, step).items():
                    writer.add_scalar(name, value, step)
        rows.append(f"r{at},{share},{1 - share}")
    (tmp_path / "w.csv").write_text("\n".join(rows))
    check(read_tracked("tensorboard", tmp_path / "logs", tmp_path / "w.csv", PROBLEM), tolerance=1e-6)


def test_the_table_of_runs_of_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "1")
    mlflow.set_tracking_uri(tmp_path.as_uri())
    mlflow.set_experiment("mix")
    for share in SHARES:
        with mlflow.start_run():
            mlflow.log_params({"mix.web": share, "mix.code": 1 - share, "lr": 1})
            for step in (10, 20):
                mlflow.log_metrics(measured(share, step), step=step)
    with pytest.raises(RuntimeError), mlflow.start_run():
        raise RuntimeError
    mlflow.search_runs(experiment_names=["mix"]).to_csv(tmp_path / "runs.csv")
    found = read_runs(tmp_path / "runs.csv", None, PROBLEM)
    check(found)
    assert any("left out 1 rows whose status is not finished: failed" in note for note in found.notes)


def test_results_of_the_evaluation_harness(tmp_path: Path) -> None:
    lm_eval = pytest.importorskip("lm_eval")
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    documents = [
        {"q": "one and one are", "c": ["two", "six"], "a": 0},
        {"q": "fish live in", "c": ["sand", "water"], "a": 1},
    ]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(each) + "\n" for each in documents))
    (tmp_path / "t.yaml").write_text(
        f"task: tiny\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {tmp_path}/d.jsonl}}}}\n"
        "output_type: multiple_choice\ntest_split: test\ndoc_to_text: '{{q}}'\ndoc_to_choice: '{{c}}'\n"
        "doc_to_target: '{{a}}'\nmetric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]\n"
    )
    tasks = TaskManager(include_path=str(tmp_path), include_defaults=False)
    for run in "ab":
        results = lm_eval.simple_evaluate("dummy", tasks=["tiny"], task_manager=tasks)
        EvaluationTracker(output_path=str(tmp_path / "evals" / run)).save_results_aggregated(results, {})
    (tmp_path / "w.csv").write_text("run,web,code\na,0.2,0.8\nb,0.5,0.5\n")
    problem = Problem(MixtureSpace(["code", "web"]), (Metric("tiny", "accuracy", "max"),), Mean())
    found = read_lm_eval(tmp_path / "w.csv", tmp_path / "evals", problem)
    assert all(run[1].losses["tiny"] in (0.0, 0.5, 1.0) for run in found.runs)
    assert len(found.runs) == 2


def test_scalars_of_tensorboard_may_be_tensors_as_tensorflow_2_writes_them(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    import numpy as np
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from tensorboard.util.tensor_util import make_tensor_proto

    rows = ["run,web,code"]
    for at, share in enumerate(SHARES):
        writer = EventFileWriter(str(tmp_path / "logs" / f"r{at}"))
        for step in (10, 20):
            values = [(name, "scalars", np.float32(value)) for name, value in measured(share, step).items()]
            for name, plugin, value in [*values, ("picture", "images", np.array([b"png"]))]:
                kind = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))
                tensor = Summary.Value(tag=name, metadata=kind, tensor=make_tensor_proto(value))
                writer.add_event(Event(step=step, wall_time=step, summary=Summary(value=[tensor])))
        writer.close()
        rows.append(f"r{at},{share},{1 - share}")
    (tmp_path / "w.csv").write_text("\n".join(rows))
    check(read_tracked("tensorboard", tmp_path / "logs", tmp_path / "w.csv", PROBLEM), tolerance=1e-6)
