from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from bomix.benchmark import cells, dataset, figures, tables
from bomix.benchmark.cases import CASES, GOALS, Case, fingerprint
from bomix.benchmark.cells import Cell, measure
from bomix.benchmark.methods import METHODS, Method, read_methods
from bomix.benchmark.runner import missing, run_all
from bomix.cli.benchmark import benchmark, parsed_seeds
from bomix.errors import BomixError, ConfigError, EvaluationError, FaultsError
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.evaluators.synthetic.worst import worst_optimum
from bomix.objectives.robust import Excess

pytestmark = pytest.mark.usefixtures("short_chains")

CASE = Case(Synthetic(domains=3), budget=7, design=4, checks=(4, 5))
GRID = Method(adapter="tests.benchmark.adapters:Grid")
SOBOL = METHODS["sobol"]


def cell(method: Method = GRID, *, name: str = "grid", seed: int = 1, case: Case = CASE) -> Cell:
    return Cell("three", case, name, method, seed)


def adapted(name: str, **options: object) -> Method:
    return Method(adapter=f"tests.benchmark.adapters:{name}", options=options)


def test_every_method_sees_the_same_design_and_the_same_noise() -> None:
    first, second = measure(cell()), measure(cell(adapted("Reversed"), name="reversed"))
    assert first["observed"][: CASE.design] == second["observed"][: CASE.design]
    function = CASE.drawn(1)
    noises = []
    for found, vertex in ((first, np.eye(3)[4 % 3]), (second, np.eye(3)[-1 - 4 % 3])):
        noises.append(found["observed"][4] - float(function.value(vertex)))
        assert found["regret_tried"][4] == pytest.approx(float(function.regret(vertex)))
    assert noises[0] == pytest.approx(noises[1], abs=1e-12)
    assert noises[0] != 0.0
    assert first["observed"] != measure(cell(seed=2))["observed"]


def test_a_cell_is_reproducible_and_holds_what_it_should() -> None:
    found, again = measure(cell()), measure(cell())
    assert found["regret"] == again["regret"]
    assert found["observed"] == again["observed"]
    assert set(found["regret"]["own"]) == {"4", "5", "7"}
    assert found["regret"]["posterior"] == {}
    assert found["regret"]["own"]["7"] == pytest.approx(float(CASE.drawn(1).regret(np.full(3, 1.0 / 3.0))))
    best = int(np.argmin(found["observed"][:5]))
    assert found["regret"]["observed"]["5"] == found["regret_tried"][best]
    assert np.isnan(found["ask_s"][:4]).all()
    assert np.isfinite(found["ask_s"][4:]).all()


def test_functions_are_redrawn_by_seed_or_stay() -> None:
    point = np.full(3, 1.0 / 3.0)
    assert CASE.drawn(1).value(point) != CASE.drawn(2).value(point)
    fixed = dataclasses.replace(CASE, redrawn=False)
    assert fixed.drawn(1).value(point) == fixed.drawn(2).value(point)
    assert not np.allclose(fixed.design_points(1), fixed.design_points(2))
    anchored = dataclasses.replace(CASE, anchors=True)
    assert anchored.design_points(1)[0] == pytest.approx(point)
    assert np.array_equal(anchored.design_points(1)[1:], CASE.design_points(1)[1:])


def test_what_is_done_is_not_done_again_and_a_killed_cell_is(tmp_path: Path) -> None:
    killed = adapted("Killed", marker=str(tmp_path / "marker"))
    wanted = [cell(seed=1), cell(killed, name="killed", seed=1), cell(seed=2)]
    with pytest.raises(EvaluationError, match=r"1 of 3 cells failed.*run the same command again"):
        run_all(wanted, tmp_path, processes=1)
    assert [left.name for left in missing(wanted, tmp_path)] == ["killed"]
    before = wanted[0].path(tmp_path).stat().st_mtime_ns
    ended: list[tuple[str, int, int]] = []
    run_all(wanted, tmp_path, processes=2, watch=lambda done, n, total: ended.append((done.name, n, total)))
    assert ended == [("killed", 1, 1)]
    assert missing(wanted, tmp_path) == []
    assert wanted[0].path(tmp_path).stat().st_mtime_ns == before
    assert cells.read(wanted[1], tmp_path)["observed"] == measure(cell())["observed"]  # type: ignore[index]


def test_a_method_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    wanted = [cell(adapted("Broken"), name="broken"), cell(adapted("Stray"), name="stray"), cell()]
    with pytest.raises(EvaluationError, match="2 of 3 cells failed, the first: RuntimeError: no idea"):
        run_all(wanted, tmp_path, processes=1)
    assert [left.name for left in missing(wanted, tmp_path)] == ["broken", "stray"]


def test_a_file_of_another_case_or_of_half_a_cell_does_not_count(tmp_path: Path) -> None:
    done = cell()
    cells.run(done, tmp_path)
    assert missing([done], tmp_path) == []
    assert missing([cell(case=dataclasses.replace(CASE, budget=8))], tmp_path) != []
    assert missing([cell(adapted("Reversed"))], tmp_path) != []
    done.path(tmp_path).write_text(done.path(tmp_path).read_text("utf-8")[:-20], encoding="utf-8")
    assert missing([done], tmp_path) == [done]


def test_a_new_field_with_a_default_leaves_results_valid() -> None:
    assert fingerprint(CASE) == fingerprint(dataclasses.replace(CASE, anchors=False))
    assert fingerprint(CASE) != fingerprint(dataclasses.replace(CASE, anchors=True))
    assert fingerprint(CASE) != fingerprint(Case(Synthetic(domains=3, noise=0.02), 7, 4, (4, 5)))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    folder = tmp_path_factory.mktemp("benchmark")
    for seed in (1, 2):
        cells.run(cell(seed=seed), folder)
        cells.run(cell(SOBOL, name="sobol", seed=seed), folder)
    return dataset.load(folder)


def test_the_dataset_has_labels_and_gaps(found: xr.Dataset) -> None:
    assert dict(found.sizes) == {"problem": 1, "method": 2, "seed": 2, "trial": 7, "rule": 3, "best": 2}
    own = found["regret"].sel({"method": "grid", "rule": "own", "problem": "three"})
    assert np.flatnonzero(own.notnull().all("seed").values).tolist() == [3, 4, 6]
    assert found["regret"].sel({"method": "sobol", "rule": "own"}).isnull().all()
    assert int(found["domains"][0]) == 3
    with pytest.raises(ConfigError, match="no result"):
        dataset.load(Path("nowhere"))


def test_the_best_rule_is_chosen_for_each_method(found: xr.Dataset) -> None:
    best = dataset.best_rule(found)
    assert best.dims == ("problem", "method", "seed", "trial")
    for method in ("grid", "sobol"):
        ends = found["regret"].sel({"method": method}).isel(trial=6, problem=0).mean("seed")
        assert best.sel({"method": method}).isel(trial=6, problem=0).mean() == pytest.approx(float(ends.min()))


def test_trials_to_beat_the_design() -> None:
    regret = np.array([0.5, 0.1, 0.2, 0.09, 0.07, 0.3])
    made = xr.Dataset(
        {
            "regret_tried": (
                ("problem", "method", "seed", "trial"),
                np.stack([regret, regret + np.eye(6)[4]])[None, None],
            ),
            "design": ("problem", [3]),
        },
        {"trial": np.arange(1, 7)},
    )
    assert dataset.trials_to_beat(made, 0.02).values.tolist() == [[[2.0, np.inf]]]
    assert np.isnan(dataset.trials_to_beat(made, 0.2).values).all()  # the design is within 0.2 of the optimum


def test_table_and_figures(found: xr.Dataset) -> None:
    text = tables.markdown(found)
    assert "### three: 3 domains, 7 trials (4)" in text
    rows = [line for line in text.splitlines() if line.startswith(("| grid", "| sobol"))]
    assert [row.split(" | ")[1] for row in rows] == ["own", "observed", "observed"]
    for render in (figures.regret, figures.seconds):
        content = render(found)
        assert content.startswith(b"\x89PNG")
        assert content == render(found)


def test_methods_are_read_from_a_table(tmp_path: Path) -> None:
    path = tmp_path / "methods.yaml"
    path.write_text(
        "default: {strategy: bayesian}\nx: {adapter: 'tests.benchmark.adapters:Grid'}\n"
        "doubt: {strategy: {kind: bayesian, acquisition: {kind: ucb, beta: 9}}}\n",
        encoding="utf-8",
    )
    table = read_methods(path)
    assert list(table) == ["default", "x", "doubt"]
    assert table["doubt"].strategy.acquisition.beta == 9.0  # type: ignore[union-attr]
    path.write_text("x: {strategy: bayesian, adapter: a:B}\ny: {strategy: bayesean}\n", encoding="utf-8")
    with pytest.raises(FaultsError) as caught:
        read_methods(path)
    assert [fault.where for fault in caught.value.faults] == ["x", "y.strategy.kind"]
    with pytest.raises(ConfigError, match=r"nothing\.yaml"):
        read_methods(tmp_path / "nothing.yaml")


def test_the_cases_of_the_goals_have_their_budgets() -> None:
    budgets = {name: (len(case.function.domain_names), case.budget, case.design) for name, case in GOALS.items()}
    assert budgets == {
        "7-useless": (7, 40, 14),
        "17-regmix": (17, 64, 32),
        "20-useless": (20, 56, 32),
        "50-useless": (50, 72, 36),
        "100": (100, 150, 60),
        "7-dolma": (7, 112, 32),
    }
    assert all(case.function.faults() == [] and case.function.noise == 0.01 for case in CASES.values())
    assert 20 in GOALS["7-useless"].recommending()


def test_seeds_are_read() -> None:
    assert parsed_seeds("1,4,10-12") == (1, 4, 10, 11, 12)
    with pytest.raises(ConfigError, match="--seeds"):
        parsed_seeds("a-3")
    with pytest.raises(ConfigError, match="5 is above 3"):
        parsed_seeds("1,5-3")


def test_an_unknown_problem_is_answered_with_the_nearest_one_in_a_line() -> None:
    said = str(CliRunner().invoke(benchmark, ["smoke3"]).exception)
    assert "did you mean 'smoke-3'? (`--list` shows all" in said
    assert len(said) < 100


def test_the_command_runs_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "methods.yaml"
    text = "grid: {adapter: 'tests.benchmark.adapters:Grid'}\nsobol: {strategy: {kind: sobol, anchors: false}}\n"
    path.write_text(text, encoding="utf-8")
    where = ["--out", str(tmp_path / "out"), "--processes", "1"]
    arguments = ["smoke-3", "--methods", str(path), "--seeds", "0-1", *where]
    first = CliRunner().invoke(benchmark, [*arguments, "--method", "grid"], catch_exceptions=False)
    assert "### smoke-3: 3 domains" in first.output
    both = CliRunner().invoke(benchmark, arguments, catch_exceptions=False)
    assert "2/2" in both.output
    assert "| sobol | observed | 2 |" in both.output
    with xr.open_dataset(tmp_path / "out" / "results.nc") as results:
        assert results.sizes["method"] == 2
    assert {"table.md", "regret.png", "seconds.png"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert json.loads((tmp_path / "out/cells/smoke-3/grid/0.json").read_text("utf-8"))["case"]["function"]["seed"] == 0
    unknown = CliRunner().invoke(benchmark, ["smoke-33"])
    assert "did you mean 'smoke-3'" in str(unknown.exception)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: {adapter: 'nosuch:X'}", r"a.adapter \(smoke-3\): .*cannot be imported"),
        ("a: {adapter: nosuch}", "a.adapter: 'nosuch' is not like module:Class"),
        ("a: {strategy: {kind: fixed, weights: {d0: 1}}}", r"(?s)a.strategy.weights.d1 \(smoke-3\).*weights.d2"),
        ("a: {strategy: {kind: bayesian, pool: nosuch.csv}}", r"a.strategy.pool \(smoke-3\): .*nosuch.csv"),
        ("a: {strategy: sobol}\na: {strategy: sobol}", "key 'a' stands twice"),
        ("a: {strategy: sobol, options: {x: 1}}", "a.options: they are for adapters"),
        ("'': {strategy: sobol}", "without a name"),
        ("a: [", "not YAML"),
    ],
)
def test_a_table_that_cannot_be_run_is_refused_before_anything_is(tmp_path: Path, text: str, said: str) -> None:
    table = tmp_path / "methods.yaml"
    table.write_text(text, encoding="utf-8")
    arguments = ["smoke-3", "--methods", str(table), "--seeds", "0", "--out", str(tmp_path / "out")]
    error = CliRunner().invoke(benchmark, arguments).exception
    assert isinstance(error, BomixError)
    assert re.search(said, str(error))
    assert not (tmp_path / "out").exists()


def test_a_strategy_recommends_as_its_study_would() -> None:
    from bomix.contracts.surrogate import Surrogate
    from bomix.recommendation.recommend import decide
    from bomix.strategies.bayesian.whole_space import Bayesian

    case = Case(Synthetic(domains=3), 6, 6)
    strategy = Bayesian()
    session = Method(strategy).start(case.drawn(1).problem(budget=6), seed=5)
    for number, weights in enumerate(case.design_points(1)):
        session.tell(weights, case.observe(1, number, weights))
    surrogate: Surrogate = strategy.surrogate
    decision = decide(session._problem, session._history, surrogate, seed=5)  # type: ignore[attr-defined]
    recommended = session.recommend()
    assert recommended["own"] == pytest.approx(decision.point, abs=1e-6)
    assert recommended["posterior"] == pytest.approx(decision.of_space, abs=1e-6)


@pytest.mark.parametrize("strategy", ["auto", "{kind: turbo}", "{kind: sequence, steps: [{strategy: auto}]}"])
def test_a_surrogate_that_would_not_be_used_is_refused(tmp_path, strategy):
    table = tmp_path / "methods.yaml"
    table.write_text(
        f"mine: {{strategy: {strategy}, surrogate: ridge}}\nother: {{strategy: sobol, surrogate: ridge}}\n"
    )
    with pytest.raises(FaultsError) as caught:
        read_methods(table)
    assert [fault.where for fault in caught.value.faults] == ["mine.surrogate"]


def test_a_worst_case_is_judged_by_the_largest_excess_over_uniform() -> None:
    case = dataclasses.replace(CASE, function=Synthetic(domains=3, useless=1), anchors=True, judged="excess")
    assert fingerprint(case) != fingerprint(dataclasses.replace(case, judged="mean"))
    best, value = worst_optimum(case.drawn(1))
    uniform = np.full(3, 1.0 / 3.0)
    assert case.regret(1, best) == pytest.approx(0.0, abs=1e-12)
    assert case.regret(1, uniform) == pytest.approx(-value)
    assert isinstance(case.problem(1).objective, Excess)
    losses = [np.array([3.0, 2.0]), np.array([2.9, 2.05]), np.array([3.2, 2.0])]
    assert case.observed([uniform, best, uniform], losses) == pytest.approx([0.0, 0.05, 0.1])
    found = measure(cell(case=case))
    assert found["regret_tried"][0] == pytest.approx(-value)
    assert found["observed"][0] == pytest.approx(0.0)
