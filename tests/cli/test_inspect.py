"""Commands that look and change nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bomix.cli.inspect import BEST, check, recommend, status
from bomix.cli.surrogate_line import surrogate_line
from bomix.errors import FaultsError
from bomix.study.study import Study
from bomix.trial import Failure
from tests.cli.called import called


def test_looking_at_a_new_study_adds_nothing_to_it(tmp_path):
    (tmp_path / "study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: {loss: {}}\nbudget: {trials: 7}\n")
    found = CliRunner().invoke(status, [str(tmp_path), "--json"])
    assert found.exit_code == 0, found.output
    state = json.loads(found.output)
    assert state["completed"] == state["pending"] == state["failed"] == 0
    assert "no problems found" in CliRunner().invoke(check, [str(tmp_path)]).output
    assert not (tmp_path / "trials").exists() or not list((tmp_path / "trials").iterdir())


@pytest.mark.parametrize("beside", ["domains: {a: {}, b: {}}\nmetrics: [loss]\n", None])
def test_faults_found_with_the_inputs_name_the_file_that_the_study_was_opened_by(tmp_path, beside):
    if beside is not None:
        (tmp_path / "study.yaml").write_text(beside)
    other = tmp_path / "other.yaml"
    other.write_text(
        "domains:\n  code: {}\n  web: {}\nmetrics: [loss]\nobjective:\n  reference: natural\n  kind: excess\n"
    )
    code, printed = called("check", other)
    assert (code, printed.count("study.yaml")) == (2, 0)
    assert f"{other} has " in printed
    assert "line 6" in printed


@pytest.mark.parametrize(
    ("count", "strategy", "expected"),
    [
        (3, "auto", "gp with its defaults"),
        (
            12,
            "auto",
            "gp with kernels: [own + sparse_linear + stationary, stationary + effective_weight], pooling: 1.0",
        ),
        (
            12,
            "sobol",
            "gp with kernels: [own + sparse_linear + stationary, stationary + effective_weight], pooling: 1.0",
        ),
        (12, "{kind: auto, surrogate: {kind: gp, draws: 0}}", "gp with draws: 0"),
        (3, "{kind: bayesian, surrogate: {kind: law, form: log_linear}}", 'law with form: "log_linear"'),
    ],
)
def test_check_says_which_surrogate_predicts(tmp_path, count, strategy, expected):
    names = [f"d{index}" for index in range(count)]
    domains, metrics = (f"{{{', '.join(f'{name}: {{}}' for name in names)}}}" for _ in range(2))
    (tmp_path / "study.yaml").write_text(f"domains: {domains}\nmetrics: {metrics}\nstrategy: {strategy}\n")
    found = CliRunner().invoke(check, [str(tmp_path)])
    assert f"surrogate of predictions and the recommendation: {expected}\n" in found.output, found.output
    assert surrogate_line(Study.open(tmp_path)) == expected


def test_check_status_and_recommend_name_what_is_not_learnt_from(tmp_path):
    (tmp_path / "study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: {score: {unit: points}}\n")
    study = Study.open(tmp_path)
    for number in range(6):
        share = 0.1 + 0.1 * number
        study.add({"code": share, "web": 1.0 - share}, {"score": -1e308 if number == 2 else 3.0 + share**2})
    sentence = "trial 2: metric 'score' is -1e+308, too large to be computed with; it stays in the record"
    for command in (check, status, recommend):
        found = CliRunner().invoke(command, [str(tmp_path)])
        assert found.exit_code == 0, found.output
        assert sentence in found.output
    for command, key in ((status, "quarantined"), (recommend, "warnings")):
        found = json.loads(CliRunner().invoke(command, [str(tmp_path), "--json"]).stdout)
        assert any(sentence in said for said in found[key])
    assert "no other problems found" in CliRunner().invoke(check, [str(tmp_path)]).output


@pytest.mark.parametrize(
    ("count", "metrics", "own", "expected"),
    [
        (33, "[m, n]", "{}", "metrics: no metric shares a domain's name"),
        (33, "[m, d1]", "{}", "metrics: 1 of 2 metrics do not share a domain's name"),
        (33, "[m, d1]", "{m: d7}", None),
        (32, "[m, n]", "{}", None),
    ],
)
def test_check_says_beyond_many_domains_that_no_name_tells_what_a_metric_falls_with(
    tmp_path, count, metrics, own, expected
):
    domains = ", ".join(f"d{index}: {{}}" for index in range(count))
    (tmp_path / "study.yaml").write_text(f"domains: {{{domains}}}\nmetrics: {metrics}\nown: {own}\n")
    found = CliRunner().invoke(check, [str(tmp_path)])
    assert found.exit_code == 0, found.output
    assert ("metrics: " in found.output) == (expected is not None)
    assert (expected or "") in found.output
    assert expected is None or "own: {m: d0}" in found.output


QUICK: dict[str, list[str]] = {
    "status": ["status", "study"],
    "status for programs": ["status", "study", "--json"],
    "tell": ["tell", "study", "2", "study/2.json"],
    "tell of a folder": ["tell", "study", "out"],
    "withdraw": ["withdraw", "study", "0", "--why", "wrong data"],
    "help": ["--help"],
}
PACKAGES = {"bomix", "click", "numpy", "rich", "yaml"}
"""All that a command which only reads the record, or adds to it, may import of what is installed."""

LIST = """
import atexit, json, sys
from importlib.metadata import packages_distributions
installed = packages_distributions()
before = set(sys.modules)
from bomix.cli.main import main
def report():
    new = {name.partition(".")[0] for name in set(sys.modules) - before}
    print(json.dumps(sorted(name for name in new if name in installed and not name.startswith("_"))), file=sys.stderr)
atexit.register(report)
main()
"""


@pytest.mark.parametrize("name", QUICK)
def test_commands_that_only_read_or_tell_import_no_model(tmp_path: Path, name: str) -> None:
    """Torch alone takes ten times as long as the whole command."""
    (tmp_path / "study").mkdir()
    (tmp_path / "study/study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: [loss]\n")
    study = Study.open(tmp_path / "study")
    for value in (2.0, 3.0):
        study.tell(study.ask(), {"loss": value})
    assert called("ask", tmp_path / "study", "-n", 1, "--out", tmp_path / "out")[0] == 0
    (tmp_path / "study/2.json").write_text('{"losses": {"loss": 2.5}}')
    (tmp_path / "out/2.result.json").write_text('{"losses": {"loss": 2.5}}')
    done = subprocess.run(
        [sys.executable, "-c", LIST, *QUICK[name]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stderr.splitlines()[-1])) <= PACKAGES


def test_a_long_study_shows_its_best_trials_and_those_that_are_pending(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: [loss]\nstrategy: sobol\n")
    study = Study.open(tmp_path)
    first = study.ask()
    for number in range(BEST + 1):
        study.tell(study.ask(), {"loss": 3.0 - 0.1 * number})
    code, printed = called("status", tmp_path)
    rows = [line.split()[1] for line in printed.splitlines() if line.startswith("│") and line.split()[1].isdigit()]
    assert code == 0
    assert rows == [str(number) for number in (first.id, *range(BEST + 1, 1, -1))]
    assert f"of {BEST + 2} trials the best {BEST}" in printed
    everything = called("status", tmp_path, "--all")[1]
    assert sum(line.startswith("│") for line in everything.splitlines()) == BEST + 2
    assert len(json.loads(called("status", tmp_path, "--json")[1])["trials"]) == BEST + 2


STUDY = """\
domains:
  web: {source: {kind: hf, name: nobody/web}, lower: 0.7}
  wiki: {source: {kind: hf, name: nobody/wiki}, lower: 0.6}
  books: {source: {kind: files, paths: [missing.txt]}}
evaluator: {kind: proxy, tokens: 100k, corpus: {processes: 0}}
"""


def test_check_tells_what_is_wrong_here_before_it_asks_a_hub(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: pytest.fail("the hub was asked"))
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "right.yaml").write_text(STUDY.replace("processes: 0", "processes: 1"))
    with pytest.raises(FaultsError, match=r"evaluator\.corpus\.processes \(line 5\): is 0"):
        Study.open(tmp_path).records.prepare()
    (tmp_path / "study.yaml").write_text((tmp_path / "right.yaml").read_text())
    with pytest.raises(FaultsError) as caught:
        Study.open(tmp_path).records.prepare()
    said = str(caught.value)
    assert "domains.books.source (line 4): no file matches 'missing.txt'" in said
    assert "lower bounds sum to 1.3" in said


def test_check_says_whose_tokens_were_read_in_part_unless_they_are_stated(tmp_path):
    words = " ".join(f"word{number}" for number in range(40))
    for name in ("code", "web"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(f'{{"text": "{n} {name} {words}"}}' for n in range(200)))
    domains = "".join(f"  {name}: {{source: {{kind: files, paths: [{name}.jsonl]}}}}\n" for name in ("code", "web"))
    evaluator = "{kind: proxy, tokens: 2048, sequence_length: 32, batch_sequences: 2, corpus: {max_tokens: 2000, "
    text = f"domains:\n{domains}evaluator: {evaluator}max_validation_tokens: 200, cache: cache}}}}\n"
    (tmp_path / "study.yaml").write_text(text)
    done = CliRunner().invoke(check, [str(tmp_path)], catch_exceptions=False)
    assert "domains 'code', 'web': reading stopped at evaluator.corpus.max_tokens" in done.output
    assert "domains.code.tokens: 120B" in done.output
    stated = text.replace("[web.jsonl]}", "[web.jsonl]}, tokens: 3M").replace(
        "[code.jsonl]}", "[code.jsonl]}, tokens: 1M"
    )
    (tmp_path / "study.yaml").write_text(stated + "target: {tokens: 8M, max_epochs: 4}\n")
    done = CliRunner().invoke(check, [str(tmp_path)], catch_exceptions=False)
    assert "reading stopped" not in done.output
    problem = Study.open(tmp_path).problem
    assert problem.natural == {"code": 0.25, "web": 0.75}
    assert problem.space.upper == (0.5, 1.0)
    assert problem.epochs({"code": 0.5, "web": 0.5}) == {"code": 4.0, "web": pytest.approx(4 / 3)}


def test_what_was_measured_is_shown_without_the_corpus_and_shared_text_is_named(tmp_path):
    words = " ".join(f"word{number}" for number in range(40))
    (tmp_path / "data").mkdir()
    for name in ("code", "web"):
        (tmp_path / "data" / f"{name}.jsonl").write_text(
            "\n".join(f'{{"text": "{n} {name} {words}"}}' for n in range(200))
        )
    (tmp_path / "study.yaml").write_text(
        "domains:\n  code: {source: {kind: files, paths: [data/code.jsonl]}}\n"
        "  all: {source: {kind: files, paths: ['data/*.jsonl']}}\n"
        "evaluator: {kind: proxy, tokens: 20k, sequence_length: 32, batch_sequences: 4, model: {architecture: llama, "
        "size: 0.3M}, tokenizer: {kind: bpe, vocabulary: 300}, corpus: {cache: cache}}\n"
    )

    def without_data():
        (tmp_path / "data").rename(tmp_path / "elsewhere")
        found = CliRunner().invoke(status, [str(tmp_path)])
        (tmp_path / "elsewhere").rename(tmp_path / "data")
        assert found.exit_code == 0, found.output
        assert "0 of 20 trials completed" in found.output
        return found.output

    assert "nothing can be told of the inputs (domains.all.source (line 3): no file matches" in without_data()
    checked = CliRunner().invoke(check, [str(tmp_path)])
    assert checked.exit_code == 0
    assert "warning: domains 'code', 'all' share text (" in checked.output
    assert "nothing can be told" not in without_data()
    study = Study.open(tmp_path)
    study.tell(study.ask(), Failure("no device left"))
    assert "no device left" in without_data()
