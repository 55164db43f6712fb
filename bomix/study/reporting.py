"""What a report is made of, from a study: the fits that a page needs, once each."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bomix.dataset import columns_of
from bomix.errors import StudyError
from bomix.recommendation.confirmation import compare
from bomix.report.findings import Findings, Model
from bomix.report.phases import WholeRuns, of_whole_run
from bomix.study.nested import of_searched
from bomix.study.standing import standing
from bomix.study.surrogate import study_surrogate

if TYPE_CHECKING:
    import xarray as xr

    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.recommendation.predictions import Predictor
    from bomix.recommendation.recommend import Recommendation
    from bomix.report.what_if import Compressed
    from bomix.space.polytope import Array
    from bomix.study.records import Records

REPORT_FILE = "report.html"
"""The page of a study, in its folder."""
STEP = 0.05
"""Share of the tokens that effects give to one domain: a change that a team would make, and that models can tell."""
SHARES = tuple(np.concatenate([[0.0, 0.002, 0.005, 0.01, 0.02, 0.035], np.linspace(0.05, 1.0, 20)]).tolist())
"""Weights along a ray: closer together near zero, where losses are steep."""


def findings(records: Records, *, best: Recommendation | None = None, page: bool = True) -> Findings:
    """Everything that a report says and draws; a study without results has only its record.

    Args:
        records: The spec and the trials of the study.
        best: What is recommended, where it is known already.
        page: Whether the model is compressed for the sliders of a page, which figures alone do not need.
    """
    from bomix.numerics.determinism import deterministic
    from bomix.recommendation.recommend import recommend

    searched, everything = records.searched()
    surrogate, seed = study_surrogate(records.spec, searched), records.spec.seed
    name = records.folder.resolve().name if records.folder is not None else "study"
    dataset = records.dataset
    if records.problem.nested is not None:
        dataset = everything.to_dataset(searched, attrs=records.resolution.attrs(records.spec))
    inside = {} if records.problem.nested is None else records.problem.nested.closed
    there = standing(records)
    if records.problem.phases is not None:
        there = replace(there, problem=there.problem.whole)
    if not everything.informative:
        return Findings(name, searched.whole, dataset, there, inside=inside)
    problem, history = records.to_learn_from()
    with deterministic():
        best = None if best is None else of_searched(records.problem, best)
        if best is None:
            best = recommend(problem, history, surrogate, seed=seed, options=records.spec.recommendation)
        judged = best.weights if best.confirmed is None else best.confirmed.weights
        bare = Findings(
            name,
            problem.whole,
            dataset,
            there,
            best if problem.phases is None else of_whole_run(best, problem.phases),
            compare(problem, history, judged),
            phased=None if problem.phases is None else best,
            inside=inside,
        )
        return replace(
            bare,
            model=_model(bare, problem, history, surrogate, seed=seed, page=page),
            validation=_validation(problem, history, surrogate, seed=seed),
            correlations=_correlations(problem, bare.dataset),
        )


def page(records: Records, *, best: Recommendation | None = None) -> str:
    """The page of a study as it is now; arguments as those of :func:`findings`."""
    from bomix.report.html import page as write

    return write(findings(records, best=best))


def save_page(records: Records, path: Path | None = None, *, best: Recommendation | None = None) -> Path | None:
    """Write the page of a study.

    Args:
        records: The spec and the trials of the study.
        path: The file; :data:`REPORT_FILE` of the study folder unless given.
        best: What is recommended, where it is known already.

    Returns:
        Where it lies; None for a study in memory that is given no path.
    """
    from bomix.io.store import files

    if path is None and records.folder is not None:
        path = records.folder / REPORT_FILE
    if path is not None:
        files.replace(path, page(records, best=best))
    return path


def _model(bare: Findings, asked: Problem, history: History, surrogate: Surrogate, *, seed: int, page: bool) -> Model:
    """What the surrogate says; ``asked`` is the problem of the record, which has two phases where it has any."""
    from bomix.recommendation.predictions import Predictor, along_rays, towards_vertices

    assert bare.best is not None
    space = bare.problem.space
    predictor: Predictor | WholeRuns = Predictor(asked, history, surrogate, seed=seed)
    if asked.phases is not None:
        assert isinstance(predictor, Predictor), "it was just made"
        predictor = WholeRuns(predictor, asked.phases)
    best = space.to_array(bare.best.weights)
    name = "natural" if "natural" in bare.mixtures else "uniform"
    reference = space.to_array(bare.mixtures[name])
    mixtures = space.to_arrays(bare.mixtures.values())
    rays = along_rays(best, SHARES).reshape(-1, space.dimension)
    return Model(
        reference=name,
        mixtures=predictor.at(_asked(bare, asked, mixtures), reference),
        trials=predictor.at(columns_of(bare.completed, realized=True), reference),
        shares=np.array(SHARES),
        rays=predictor.at(rays, best),
        step=STEP,
        effects=predictor.at(towards_vertices(best, STEP), best),
        noise=predictor.noise,
        what_if=_what_if(bare, predictor, mixtures, reference, seed=seed) if page and space.dimension > 1 else None,
    )


def _asked(bare: Findings, asked: Problem, mixtures: Array) -> Array:
    """The mixtures that are shown as they can be run: the recommendation may be a pair."""
    if asked.phases is None or bare.phased is None:
        return mixtures
    points = mixtures @ asked.phases.spread
    points[0] = asked.space.to_array(bare.phased.weights)
    return np.asarray(points)


def _what_if(
    bare: Findings, predictor: Predictor | WholeRuns, mixtures: Array, reference: Array, *, seed: int
) -> Compressed:
    """The model in the form that the page evaluates."""
    from bomix.report.what_if import HELD_OUT, compress, mixtures_near, size

    count = size(bare.problem.space.dimension)
    near = mixtures_near(list(mixtures), bare.weights, count + HELD_OUT, seed=seed)
    fitted = np.concatenate([mixtures, near[: count - len(mixtures)]])
    return compress(predictor.at(fitted, reference), predictor.at(near[count:], reference), predictor.coefficients)


def _validation(problem: Problem, history: History, surrogate: Surrogate, *, seed: int) -> xr.Dataset | None:
    from bomix.recommendation.validate import validate

    if len(history.observations) < 3:
        return None
    return validate(problem, history, surrogate, seed=seed, closed_form=True)


def _correlations(problem: Problem, dataset: xr.Dataset) -> xr.Dataset | None:
    """Rank correlations; None where there are too few trials, or a single metric."""
    from bomix.report.correlation import correlate, scores_of

    if len(problem.metrics) < 2 or math.isnan(problem.value(dict.fromkeys(problem.metric_names, 1.0))):
        return None
    try:
        return correlate(dataset, scores=scores_of(problem, dataset))
    except StudyError:  # too few mixtures to tell
        return None
