"""Which ``kind`` in a study file is which class.

A kind is a name of the table below, a name that an installed package registers under the entry-point group
``bomix.<group>``, or an import path ``my_package.my_module:MyClass``. Nothing is imported before it is asked for.

The folder that a command is called in is no place to import from: a ``yaml.py`` there would be run. Only for an import
path, and after all other places, modules are looked for in the folder of the study.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from bomix.errors import UnknownKindError, did_you_mean

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "source": {
        "files": "bomix.training.data.sources:Files",
        "hf": "bomix.training.data.sources:Hub",
        "installed": "bomix.training.data.installed:Installed",
        "tokens": "bomix.training.data.token_files:Tokens",
        "questions": "bomix.training.tasks.sources:Questions",
        "choices": "bomix.training.tasks.sources:Choices",
    },
    "tokenizer": {
        "bpe": "bomix.training.data.tokenizer:BytePair",
        "pretrained": "bomix.training.data.tokenizer:Pretrained",
    },
    "evaluator": {
        "proxy": "bomix.evaluators.proxy:Proxy",
        "command": "bomix.evaluators.command:Command",
        "synthetic": "bomix.evaluators.synthetic.spec:Synthetic",
    },
    "objective": {
        "mean": "bomix.objectives.weighted:Mean",
        "weighted_mean": "bomix.objectives.weighted:WeightedMean",
        "groups": "bomix.objectives.weighted:Groups",
        "worst": "bomix.objectives.robust:Worst",
        "smooth_max": "bomix.objectives.robust:SmoothMax",
        "excess": "bomix.objectives.robust:Excess",
        "guardrail": "bomix.objectives.robust:Guardrail",
        "pareto": "bomix.objectives.pareto:Pareto",
    },
    "strategy": {
        "auto": "bomix.strategies.auto:Auto",
        "bayesian": "bomix.strategies.bayesian.whole_space:Bayesian",
        "turbo": "bomix.strategies.bayesian.turbo:Turbo",
        "cost_aware": "bomix.strategies.bayesian.cost_aware:CostAware",
        "embedded": "bomix.strategies.bayesian.embedded:Embedded",
        "sobol": "bomix.strategies.designs:Sobol",
        "dirichlet": "bomix.strategies.designs:Dirichlet",
        "vertices": "bomix.strategies.designs:Vertices",
        "i_optimal": "bomix.strategies.i_optimal:IOptimal",
        "uniform": "bomix.strategies.baselines.simple:Uniform",
        "natural": "bomix.strategies.baselines.simple:Natural",
        "temperature": "bomix.strategies.baselines.simple:Temperature",
        "unimax": "bomix.strategies.baselines.simple:UniMax",
        "fixed": "bomix.strategies.baselines.simple:Fixed",
        "doremi": "bomix.strategies.baselines.reweighted:DoReMi",
        "doge": "bomix.strategies.baselines.reweighted:DoGE",
        "odm": "bomix.strategies.baselines.reweighted:ODM",
        "fastmix": "bomix.strategies.baselines.reweighted:FastMix",
        "reweighted": "bomix.strategies.baselines.reweighted:Reweighted",
        "published": "bomix.strategies.baselines.published:Published",
        "sequence": "bomix.strategies.sequence:Sequence",
        "extension": "bomix.strategies.extension:Extension",
        "law": "bomix.strategies.regression.law:Law",
        "kl": "bomix.strategies.regression.kl:KLProposer",
        "mde": "bomix.strategies.regression.mde:MDE",
        "regmix": "bomix.strategies.regression.regmix:RegMix",
        "blackbox": "bomix.strategies.regression.blackbox:BlackBox",
    },
    "surrogate": {
        "gp": "bomix.surrogates.gp.spec:GP",
        "multitask": "bomix.surrogates.gp.multitask:MultiTask",
        "auto": "bomix.surrogates.combined.auto:Auto",
        "law": "bomix.surrogates.laws.spec:LawRegression",
        "bayesian_gp": "bomix.surrogates.fully_bayesian.specs:BayesianGP",
        "bayesian_law": "bomix.surrogates.fully_bayesian.specs:BayesianLaw",
        "ridge": "bomix.surrogates.regression.specs:Ridge",
        "lightgbm": "bomix.surrogates.regression.specs:LightGBM",
        "boosting": "bomix.surrogates.regression.specs:Boosting",
        "empirical_mean": "bomix.surrogates.regression.specs:EmpiricalMean",
        "mde": "bomix.surrogates.combined.prediction:Prediction",
        "corrected": "bomix.surrogates.combined.corrected:Corrected",
        "multi_scale": "bomix.surrogates.scales.spec:MultiScale",
        "freeze_thaw": "bomix.surrogates.scales.freeze_thaw_spec:FreezeThaw",
        "scaling_law": "bomix.surrogates.scales.law_spec:ScalingLaw",
        "anchored": "bomix.surrogates.scales.anchored_spec:Anchored",
    },
    "kernel": {
        "stationary": "bomix.surrogates.kernels.specs:Stationary",
        "effective_weight": "bomix.surrogates.kernels.specs:EffectiveWeight",
        "own": "bomix.surrogates.kernels.specs:OwnDomain",
        "logarithmic": "bomix.surrogates.kernels.logarithmic_specs:Logarithmic",
        "linear": "bomix.surrogates.kernels.specs:Linear",
        "sparse_linear": "bomix.surrogates.kernels.specs:SparseLinear",
        "sparse_curves": "bomix.surrogates.kernels.curve_specs:SparseCurves",
        "common_curve": "bomix.surrogates.kernels.curve_specs:CommonCurve",
        "additive": "bomix.surrogates.kernels.specs:Additive",
        "isotropic": "bomix.surrogates.kernels.specs:Isotropic",
        "geometric": "bomix.surrogates.kernels.specs:Geometric",
        "nugget": "bomix.surrogates.kernels.nugget_specs:Nugget",
        "siblings": "bomix.surrogates.kernels.nested_specs:Siblings",
        "nodes": "bomix.surrogates.kernels.nested_specs:Nodes",
        "scaled": "bomix.surrogates.kernels.composition_specs:Scaled",
        "sum": "bomix.surrogates.kernels.composition_specs:Sum",
    },
    "mean": {
        "law": "bomix.surrogates.means.law:LawMean",
        "effective_law": "bomix.surrogates.means.effective:EffectiveLaw",
        "mde": "bomix.surrogates.means.experts:MDE",
        "mde_dataset": "bomix.surrogates.means.experts:MDEDataset",
        "mde_strengths": "bomix.surrogates.means.experts:MDEStrengths",
        "mde_gated": "bomix.surrogates.means.experts:MDEGated",
        "mde_average": "bomix.surrogates.means.averaged_parameters:MDEAverage",
        "accuracy_from_loss": "bomix.surrogates.means.accuracy:AccuracyFromLoss",
    },
    "acquisition": {
        "log_ei": "bomix.acquisition.improvement:LogEI",
        "log_nei": "bomix.acquisition.improvement:LogNEI",
        "ucb": "bomix.acquisition.improvement:UCB",
        "posterior_mean": "bomix.acquisition.improvement:Greedy",
        "hypervolume": "bomix.acquisition.improvement:Hypervolume",
        "thompson": "bomix.acquisition.lookahead:Thompson",
        "knowledge_gradient": "bomix.acquisition.lookahead:KnowledgeGradient",
        "max_value_entropy": "bomix.acquisition.lookahead:MaxValueEntropy",
    },
    "reweighter": {
        "doremi": "bomix.training.reweighting.doremi:DoReMi",
        "doge": "bomix.training.reweighting.doge:DoGE",
        "odm": "bomix.training.reweighting.odm:ODM",
        "fastmix": "bomix.training.reweighting.fastmix:FastMix",
    },
    "exporter": {
        "json": "bomix.io.exports.json_file:JsonFile",
        "yaml": "bomix.io.exports.yaml_file:YamlFile",
        "csv": "bomix.io.exports.csv_file:CsvFile",
        "megatron": "bomix.io.exports.megatron:Megatron",
        "hugging_face": "bomix.io.exports.hugging_face:HuggingFace",
        "olmo_core": "bomix.io.exports.olmo_core:OlmoCore",
        "nemo": "bomix.io.exports.nemo:Nemo",
        "gpt_neox": "bomix.io.exports.gpt_neox:GptNeox",
        "nanotron": "bomix.io.exports.nanotron:Nanotron",
        "levanter": "bomix.io.exports.levanter:Levanter",
        "streaming": "bomix.io.exports.streaming:Streaming",
        "litdata": "bomix.io.exports.litdata:Litdata",
        "litgpt": "bomix.io.exports.litgpt:Litgpt",
        "torchtitan": "bomix.io.exports.torchtitan:Torchtitan",
        "webdataset": "bomix.io.exports.webdataset:Webdataset",
        "grain": "bomix.io.exports.grain:Grain",
        "torchdata": "bomix.io.exports.torchdata:Torchdata",
        "doremi": "bomix.io.exports.doremi:DoremiFile",
        "regmix": "bomix.io.exports.regmix:RegmixFile",
        "olmix": "bomix.io.exports.olmix:OlmixFile",
    },
    "callback": {
        "wandb": "bomix.callbacks.wandb:WandB",
        "mlflow": "bomix.callbacks.mlflow:MLflow",
        "tensorboard": "bomix.callbacks.tensorboard:TensorBoard",
        "trackio": "bomix.callbacks.trackio:Trackio",
    },
    "executor": {
        "local": "bomix.execution.local.spec:LocalExecution",
        "ray": "bomix.execution.ray.spec:RayExecution",
        "slurm": "bomix.execution.slurm.spec:SlurmExecution",
    },
}
"""Group to kind to ``module:Class``."""

DEFAULT_KINDS: Mapping[str, str] = {"executor": "local"}
"""Group to the kind that is meant where a study file names none: ``execution: {workers: 2}``."""


_STUDY_FOLDER: ContextVar[Path | None] = ContextVar("folder of the study that is read", default=None)


@contextmanager
def modules_of(folder: Path) -> Iterator[None]:
    """Have import paths find modules in a study's folder too, which is looked at last.

    Args:
        folder: The folder; it stays on the module search path once a module of the user's is looked for.
    """
    token = _STUDY_FOLDER.set(folder.absolute())
    try:
        yield
    finally:
        _STUDY_FOLDER.reset(token)


@cache
def kinds(group: str) -> Mapping[str, str]:
    """Every kind of a group, the built-in ones and those of installed packages: kind to ``module:Class``."""
    from importlib.metadata import entry_points  # looks at every package that is installed

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
    built_in = BUILT_IN[group]
    address = kind if ":" in kind else built_in.get(kind) or kinds(group).get(kind)
    if address is None:
        known = kinds(group)
        raise UnknownKindError(
            f"unknown {group} kind '{kind}'{did_you_mean(kind, known)} (known: {', '.join(sorted(known))}; "
            "a class of your own is 'my_package.my_module:MyClass')"
        )
    if ":" in kind and (folder := _STUDY_FOLDER.get()) is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))
    try:
        cls = load(address)
    except Exception as error:  # a module of the user's may fail in any way while it is imported
        raise UnknownKindError(
            f"{group} kind '{kind}': cannot import {address} ({type(error).__name__}: {error}); check the spelling, "
            "and that the package is installed, or that its module lies in the study's folder or on PYTHONPATH"
        ) from error
    if not isinstance(cls, type):
        raise UnknownKindError(f"{group} kind '{kind}': {address} is not a class")
    return cls


def load(address: str) -> Any:
    """Import what ``module:name`` names; whatever the module raises is raised."""
    module, _, name = address.partition(":")
    return getattr(import_module(module), name)  # dispatch by address is what this module is for


def kind_of(group: str, cls: type[Any]) -> str:
    """The kind under which a class stands in a study file: the inverse of :func:`resolve`."""
    address = f"{cls.__module__}:{cls.__qualname__}"
    built_in = next((kind for kind, value in BUILT_IN[group].items() if value == address), None)
    return built_in or next((kind for kind, value in kinds(group).items() if value == address), address)
