"""``bomix validate``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bomix.cli.options import log_to_stderr, study_argument

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

    from bomix.contracts.surrogate import Surrogate
    from bomix.study.study import Study
    from bomix.surrogates.models.hyperparameter import Hyperparameter

FIGURE = "validation.png"
MOVED = 2.0
"""Factor by which trials must move a hyperparameter to be told with ``-v``: less is within what every prior allows."""


@click.command()
@study_argument
@click.option(
    "--figure",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Where to draw it, .png, .pdf or .svg; else {FIGURE} in the study folder, nothing with --json.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--surrogate", metavar="KIND", help="Another surrogate than the study's, with its defaults.")
@click.option(
    "-v",
    "--verbose",
    count=True,
    help="Say what is being fitted, and which hyperparameters the trials moved; twice for everything.",
)
def validate(study: Path, figure: Path | None, as_json: bool, surrogate: str | None, verbose: int) -> None:
    """Show how well the surrogate predicts trials that it did not see.

    Each trial is predicted from the others. Scores stand with their standard errors; of a surrogate that can be
    trusted, about 95 % of the trials lie inside their 95 % intervals.
    """
    from bomix.cli.predict import check_folder
    from bomix.io.store import files
    from bomix.study.study import Study

    log_to_stderr(verbose)
    opened = Study.open(study)
    if figure is not None:
        check_folder(figure, "--figure")
    elif opened.folder is not None and not as_json:
        figure = opened.folder / FIGURE
    file_format = _format(figure)
    another = None if surrogate is None else _surrogate(surrogate)
    found = opened.validate(surrogate=another)
    if figure is not None:
        from bomix.report.figures.validation import render

        files.replace(figure, render(found, file_format=file_format))
    if as_json:
        click.echo(json.dumps(plain(found), indent=1, allow_nan=False))
        return
    from bomix.cli.tables import console

    for name in [None] if "of_scale" not in found.coords else found["of_scale"].values.tolist():
        console().print(table(found if name is None else at_scale(found, name), name))
    for line in notes(found):
        click.echo(line)
    if verbose:
        learnt = _hyperparameters(opened, another)
        console().print(hyperparameter_table(learnt if verbose > 1 else moved(learnt)))
        click.echo(
            f"{len(learnt)} hyperparameters in all; -vv prints each" if verbose == 1 else f"{len(learnt)} in all"
        )
    if figure is not None:
        click.echo(f"figure: {figure}")


def at_scale(found: xr.Dataset, name: str) -> xr.Dataset:
    """The scores and the trials of one of several scales, as those of a study of that scale alone."""
    from bomix.recommendation.validate import SCORES

    own = found.isel(trial=found["scale"].values == name)
    scores = {each: own[f"scale_{each}"].sel(of_scale=name, drop=True) for each in SCORES}
    whole = {f"objective_{each}": own[f"scale_objective_{each}"].sel(of_scale=name, drop=True) for each in SCORES}
    return own.assign({**scores, **whole})


def table(found: xr.Dataset, scale: str | None = None) -> Table:
    """A row for the objective and one for each metric, scores with their standard errors.

    The mean squared error's own is in the JSON; here it stands with the root.
    """
    from bomix.cli.predict import objective_label
    from bomix.cli.tables import titled

    of = "" if scale is None else f" of scale '{scale}'"
    made = titled(f"predictions of trials{of} that were held out (nats per token unless a unit is named)")
    made.add_column("", overflow="fold")  # metrics may differ in their last letters only
    for name in ("trials", "Spearman", "RMSE", "MSE", "NLPD", "inside 95 %", "width"):
        made.add_column(name, justify="right", no_wrap=True)
    made.add_row(objective_label(found["metric"].values.tolist()), *_cells(_scores(found, None)), end_section=True)
    for position in range(found.sizes["metric"]):
        made.add_row(_metric(found, position), *_cells(_scores(found, position)))
    return made


def notes(found: xr.Dataset) -> list[str]:
    """How the scores were computed, and of which metrics the intervals are too narrow or too wide, a line each."""
    lines = [str(found.attrs["description"])]
    scores = {str(name): _scores(found, position) for position, name in enumerate(found["metric"].values.tolist())}
    for what, sign in (("too narrow", -1.0), ("too wide", 1.0)):
        wrong = [
            name
            for name, each in {"the objective": _scores(found, None), **scores}.items()
            if each["n"] and sign * (each["coverage"] - 0.95) > 2.0 * each["coverage_se"]
        ]
        if wrong:
            lines.append(f"95 % intervals {what}, by more than two standard errors: {', '.join(wrong)}")
    return lines


def _hyperparameters(opened: Study, surrogate: Surrogate | None) -> list[Hyperparameter]:
    """Those of the model of all trials, by the surrogate that predicts for the study unless another is given."""
    from bomix.numerics.determinism import deterministic
    from bomix.posterior.hyperparameters import hyperparameters
    from bomix.study.surrogate import study_surrogate

    problem, history = opened.records.searched()
    chosen = surrogate or study_surrogate(opened.spec, problem)
    with deterministic():
        return hyperparameters(problem, history, chosen, seed=opened.spec.seed)


def moved(learnt: Sequence[Hyperparameter]) -> list[Hyperparameter]:
    """The noise, and what trials moved to less than half of its prior median or to more than twice as much."""
    return [
        each
        for each in learnt
        if each.name.endswith("noise") or abs(math.log(each.value / each.prior_median)) > math.log(MOVED)
    ]


def hyperparameter_table(learnt: Sequence[Hyperparameter]) -> Table:
    """A row for each hyperparameter of each metric; metrics and what kernels see of weights are standardised."""
    from bomix.cli.tables import titled

    made = titled("hyperparameters of the model of all trials (metrics standardised)")
    made.add_column("metric", overflow="fold")
    made.add_column("hyperparameter", overflow="fold")
    for name in ("value", "prior median"):
        made.add_column(name, justify="right", no_wrap=True)
    for each in learnt:
        made.add_row(each.metric, each.name, f"{each.value:.3g}", f"{each.prior_median:.3g}")
    return made


def plain(found: xr.Dataset) -> dict[str, Any]:
    """Scores and held-out predictions as plain JSON; null stands for what is undefined."""
    names = found["metric"].values.tolist()
    keys = ("observed", "mean", "sd")
    return {
        "surrogate": found.attrs["surrogate"],
        "method": found.attrs["method"],
        "folds": found.attrs["folds"],
        "description": found.attrs["description"],
        "objective": _nullable(_scores(found, None)),
        "metrics": {name: _nullable(_scores(found, position)) for position, name in enumerate(names)},
        **_plain_scales(found, names),
        "trials": [
            {
                "id": int(found["trial"].values[row]),
                **({"scale": str(found["scale"].values[row])} if "of_scale" in found.coords else {}),
                "objective": _nullable({key: float(found[f"objective_{key}"][row]) for key in keys}),
                "metrics": {
                    name: _nullable({key: float(found[key][row, position]) for key in keys})
                    for position, name in enumerate(names)
                },
            }
            for row in range(found.sizes["trial"])
        ],
    }


def _plain_scales(found: xr.Dataset, names: Sequence[str]) -> dict[str, Any]:
    """The scores of each of several scales; nothing in a study of one."""
    if "of_scale" not in found.coords:
        return {}
    by_scale = {name: at_scale(found, name) for name in found["of_scale"].values.tolist()}
    return {
        "scales": {
            scale: {
                "objective": _nullable(_scores(own, None)),
                "metrics": {name: _nullable(_scores(own, position)) for position, name in enumerate(names)},
            }
            for scale, own in by_scale.items()
        }
    }


def _scores(found: xr.Dataset, position: int | None) -> dict[str, float]:
    """Every score of one metric or, without a position, of the objective."""
    from bomix.recommendation.validate import SCORES

    if position is None:
        return {name: found[f"objective_{name}"].item() for name in SCORES}
    return {name: found[name][position].item() for name in SCORES}


def _cells(scores: dict[str, float]) -> list[str]:
    """``0.934 ± 0.012``; a dash for what is undefined."""

    def shown(value: float, error: float, digits: str) -> str:
        if not math.isfinite(value):
            return "-"
        return f"{value:{digits}} ± {error:{digits}}" if math.isfinite(error) else f"{value:{digits}}"

    rmse, nothing = scores["rmse"], math.nan
    return [
        str(scores["n"]),
        shown(scores["spearman"], scores["spearman_se"], ".3f"),
        shown(rmse, scores["mse_se"] / (2.0 * rmse) if rmse else nothing, ".4f"),
        shown(scores["mse"], nothing, ".2g"),
        shown(scores["nlpd"], scores["nlpd_se"], ".2f"),
        shown(100.0 * scores["coverage"], 100.0 * scores["coverage_se"], ".0f") + _percent(scores["coverage"]),
        shown(scores["width"], nothing, ".4f"),
    ]


def _percent(value: float) -> str:
    return " %" if math.isfinite(value) else ""


def _metric(found: xr.Dataset, position: int) -> str:
    """A metric's name, with its unit and direction where they are unusual."""
    from bomix.problem import NATS_PER_TOKEN

    unit, direction = str(found["unit"].values[position]), str(found["direction"].values[position])
    remarks = [unit] if unit != NATS_PER_TOKEN else []
    remarks += ["higher is better"] if direction == "max" else []
    name = str(found["metric"].values[position])
    return f"{name} ({', '.join(remarks)})" if remarks else name


def _nullable(numbers: dict[str, float]) -> dict[str, float | None]:
    return {name: number if math.isfinite(number) else None for name, number in numbers.items()}


def _surrogate(kind: str) -> Surrogate:
    """A surrogate of a kind with its defaults.

    Raises:
        ConfigError: There is no such kind, or it has keys without a default.
    """
    from bomix.config import registry
    from bomix.errors import ConfigError

    cls = registry.resolve("surrogate", kind)
    try:
        made: Surrogate = cls()
    except TypeError as error:
        raise ConfigError(
            f"--surrogate {kind}: {error}; give its keys in the study file (strategy.surrogate)"
        ) from error
    return made


def _format(figure: Path | None) -> str:
    """The format that a file's name asks for."""
    from bomix.cli.picture import file_format
    from bomix.report.figures.validation import FORMATS

    return FORMATS[0] if figure is None else file_format(figure)
