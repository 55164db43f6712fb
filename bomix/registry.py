"""Which ``kind`` in a study file is which class.

A kind is a name of the table below, a name that an installed package registers under the entry-point group
``bomix.<group>``, or an import path ``my_package.my_module:MyClass``. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from bomix.errors import UnknownKindError, did_you_mean

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "source": {
        "files": "bomix.training.sources:Files",
        "hf": "bomix.training.sources:Hub",
        "installed": "bomix.training.installed:Installed",
        "questions": "bomix.training.tasks:Questions",
        "choices": "bomix.training.tasks:Choices",
    },
    "tokenizer": {
        "bpe": "bomix.training.tokenizer:BytePair",
        "pretrained": "bomix.training.tokenizer:Pretrained",
    },
    "evaluator": {
        "proxy": "bomix.evaluators.proxy:Proxy",
        "command": "bomix.evaluators.command:Command",
        "synthetic": "bomix.evaluators.synthetic:Synthetic",
    },
    "objective": {
        "mean": "bomix.objective:Mean",
        "weighted_mean": "bomix.objective:WeightedMean",
        "groups": "bomix.objective:Groups",
        "worst": "bomix.robust_objective:Worst",
        "smooth_max": "bomix.robust_objective:SmoothMax",
        "excess": "bomix.robust_objective:Excess",
        "guardrail": "bomix.robust_objective:Guardrail",
        "pareto": "bomix.pareto_objective:Pareto",
    },
    "strategy": {
        "auto": "bomix.strategies.auto:Auto",
        "bayesian": "bomix.strategies.bayesian:Bayesian",
        "turbo": "bomix.strategies.turbo:Turbo",
        "embedded": "bomix.strategies.embedded:Embedded",
        "sobol": "bomix.strategies.design:Sobol",
        "dirichlet": "bomix.strategies.design:Dirichlet",
        "vertices": "bomix.strategies.design:Vertices",
        "uniform": "bomix.strategies.baselines:Uniform",
        "natural": "bomix.strategies.baselines:Natural",
        "temperature": "bomix.strategies.baselines:Temperature",
        "unimax": "bomix.strategies.baselines:UniMax",
        "fixed": "bomix.strategies.baselines:Fixed",
        "published": "bomix.strategies.published:Published",
        "sequence": "bomix.strategies.sequence:Sequence",
        "law": "bomix.strategies.law:Law",
        "kl": "bomix.strategies.kl:KLProposer",
        "mde": "bomix.strategies.mde:MDE",
        "regmix": "bomix.strategies.regmix:RegMix",
        "blackbox": "bomix.strategies.blackbox:BlackBox",
    },
    "surrogate": {
        "gp": "bomix.surrogates.gp:GP",
        "multitask": "bomix.surrogates.multitask:MultiTask",
        "auto": "bomix.surrogates.auto:Auto",
        "law": "bomix.surrogates.law:LawRegression",
        "bayesian_gp": "bomix.surrogates.bayesian:BayesianGP",
        "bayesian_law": "bomix.surrogates.bayesian:BayesianLaw",
        "ridge": "bomix.surrogates.regressors:Ridge",
        "lightgbm": "bomix.surrogates.regressors:LightGBM",
        "boosting": "bomix.surrogates.regressors:Boosting",
        "empirical_mean": "bomix.surrogates.regressors:EmpiricalMean",
        "mde": "bomix.surrogates.prediction:Prediction",
        "corrected": "bomix.surrogates.corrected:Corrected",
    },
    "kernel": {
        "stationary": "bomix.surrogates.kernels:Stationary",
        "effective_weight": "bomix.surrogates.kernels:EffectiveWeight",
        "own": "bomix.surrogates.kernels:Own",
        "linear": "bomix.surrogates.kernels:Linear",
        "sparse_linear": "bomix.surrogates.kernels:SparseLinear",
        "additive": "bomix.surrogates.kernels:Additive",
        "isotropic": "bomix.surrogates.kernels:Isotropic",
        "geometric": "bomix.surrogates.kernels:Geometric",
        "scaled": "bomix.surrogates.kernels:Scaled",
        "sum": "bomix.surrogates.kernels:Sum",
    },
    "mean": {
        "law": "bomix.surrogates.means:LawMean",
        "mde": "bomix.surrogates.experts:MDE",
        "mde_dataset": "bomix.surrogates.experts:MDEDataset",
        "mde_strengths": "bomix.surrogates.experts:MDEStrengths",
        "mde_gated": "bomix.surrogates.experts:MDEGated",
        "mde_average": "bomix.evaluators.averaging:MDEAverage",
        "accuracy_from_loss": "bomix.surrogates.accuracy:AccuracyFromLoss",
    },
    "acquisition": {
        "log_ei": "bomix.strategies.acquisition:LogEI",
        "log_nei": "bomix.strategies.acquisition:LogNEI",
        "ucb": "bomix.strategies.acquisition:UCB",
        "posterior_mean": "bomix.strategies.acquisition:Greedy",
        "hypervolume": "bomix.strategies.acquisition:Hypervolume",
        "thompson": "bomix.strategies.acquisition_lookahead:Thompson",
        "knowledge_gradient": "bomix.strategies.acquisition_lookahead:KnowledgeGradient",
        "max_value_entropy": "bomix.strategies.acquisition_lookahead:MaxValueEntropy",
    },
}
"""Group to kind to ``module:Class``."""


@cache
def kinds(group: str) -> Mapping[str, str]:
    """Every kind of a group, the built-in ones and those of installed packages: kind to ``module:Class``."""
    extra = {point.name: point.value for point in entry_points(group=f"bomix.{group}")}
    return {**extra, **BUILT_IN[group]}


def resolve(group: str, kind: str) -> type[Any]:
    """The class behind a kind.

    Args:
        group: A key of :data:`BUILT_IN`.
        kind: A registered name, or ``module:Class``.

    Raises:
        UnknownKindError: No such kind; the message lists the known ones and the closest.
    """
    known = kinds(group)
    address = kind if ":" in kind else known.get(kind)
    if address is None:
        raise UnknownKindError(
            f"unknown {group} kind '{kind}'{did_you_mean(kind, known)} (known: {', '.join(sorted(known))}; "
            "a class of your own is 'my_package.my_module:MyClass')"
        )
    module, _, name = address.partition(":")
    try:
        cls = getattr(import_module(module), name)
    except Exception as error:  # a module of the user's may fail in any way while it is imported
        raise UnknownKindError(
            f"{group} kind '{kind}': cannot import {address} ({type(error).__name__}: {error}); check the "
            "spelling, and that the package is installed or its folder is on PYTHONPATH"
        ) from error
    if not isinstance(cls, type):
        raise UnknownKindError(f"{group} kind '{kind}': {address} is not a class")
    return cls


def kind_of(group: str, cls: type[Any]) -> str:
    """The kind under which a class stands in a study file: the inverse of :func:`resolve`."""
    address = f"{cls.__module__}:{cls.__qualname__}"
    return next((kind for kind, value in kinds(group).items() if value == address), address)
