"""Record what bomix says of a few records, to the last bit: what it asks, predicts, recommends, writes.

``python tests/identity/record.py OUT.json`` records the bomix that ``PYTHONPATH`` leads to. Two recordings of one
machine are compared by ``compare.py``. Everything is reached through ``bomix.Study``, study files and the command
line, so that one script serves versions whose modules lie elsewhere; see ``layout.py``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import dataclasses
import fnmatch
import json
import logging
import math
import multiprocessing
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from histories import HISTORIES, write_study
from layout import PACKAGE, command, found, records, scale_of

import bomix

Fact = Any
"""What JSON can hold; numbers that were computed are texts, ``float.hex()``."""

PREDICTED, VARIANT_ASKS, IN_A_ROW = 20, 5, 5
"""Mixtures predicted, asks of a variant of a strategy, and how many are pending at once in the mode ``pending``."""

GP = {"kind": "gp", "draws": 0, "restarts": 1}
LAW = {"kind": "law", "starts": 2}
MEMORY = "/dev/shm"
"""Where the many small files of the studies go if it is there: disks are slow in writing and removing them."""
LIGHT = {"raw": 64, "starts": 2}
"""A lighter search of the best mixture, for variants; the plain strategy searches as it does by default."""
SAMPLED = {"warmup": 20, "samples": 8, "thinning": 1, "chains": 2, "max_tree_depth": 3}


@dataclass(frozen=True)
class Task:
    """One entry of the recording.

    Attributes:
        key: Its name.
        kind: A key of :data:`KINDS`.
        history: Name of the history.
        study: Keys of the study file that are set for it.
        mode: Of asks: ``told``, one after the other, or ``pending``, five at once.
        asks: How many.
        quick: Whether a quick recording has it.
    """

    key: str
    kind: str
    history: str = ""
    study: Mapping[str, Any] = field(default_factory=dict)
    mode: str = "told"
    asks: int = 10
    quick: bool = False


def hexed(value: Any) -> Fact:
    """Any value as JSON, floats to the last bit, dataclasses by their fields."""
    if isinstance(value, Enum):
        return hexed(value.value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (float, np.floating)):
        return "nan" if math.isnan(value) else float(value).hex()
    if isinstance(value, np.ndarray):
        return hexed(value.tolist())
    if isinstance(value, np.generic):
        return hexed(value.item())
    if dataclasses.is_dataclass(value):
        return {each.name: hexed(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): hexed(each) for name, each in value.items()}
    if isinstance(value, Iterable):
        return [hexed(each) for each in value]
    return str(value)


def dataset(data: Any) -> Fact:
    """An xarray dataset as variables, by name, and attributes."""
    variables = {
        str(name): {"dims": list(data[name].dims), "values": hexed(data[name].values)} for name in data.variables
    }
    attrs = {name: json.loads(each) if str(each)[:1] in ("{", "[") else each for name, each in data.attrs.items()}
    return {"variables": variables, "attrs": hexed(blanked(attrs))}


def folder_name(task: Task) -> str:
    """A task's key as the name of a folder."""
    return re.sub(r"[^\w-]+", "_", task.key)


def opened(task: Task, root: Path) -> bomix.Study:
    """A copy of the task's history under the task's study file."""
    folder = root / "work" / folder_name(task)
    shutil.copytree(root / "histories" / task.history, folder)
    write_study(folder, {**HISTORIES[task.history].study(), **task.study})
    study = bomix.Study.open(folder)
    records(study).save_results = lambda: None  # derived; what a study leaves is a task of its own
    return study


def asks(task: Task, root: Path) -> Fact:
    """The next trials, told what the law says."""
    study, history = opened(task, root), HISTORIES[task.history]
    asked: list[bomix.Trial] = []
    told = 0
    ahead = IN_A_ROW if task.mode == "pending" else 1
    while len(asked) < task.asks:
        asked.append(study.ask())
        if len(asked) - told >= ahead:
            trial = asked[told]
            study.tell(trial, history.outcome(trial, root / "artifacts" / folder_name(task)))
            told += 1
    return [
        {"id": t.id, "seed": t.seed, "origin": t.origin, "scale": scale_of(t), "weights": hexed(t.weights)}
        for t in asked
    ]


def predictions(task: Task, root: Path) -> Fact:
    """Means and standard deviations at fixed mixtures."""
    history = HISTORIES[task.history]
    return dataset(opened(task, root).predict(history.named(history.mixtures(PREDICTED, seed=2))))


def recommendation(task: Task, root: Path) -> Fact:
    """All that a recommendation holds, its properties included."""
    made = opened(task, root).recommend()
    return {**hexed(made), "loss": hexed(made.loss), "interval": hexed(made.interval), "beats": hexed(made.beats)}


def validation(task: Task, root: Path) -> Fact:
    """Every trial predicted from the others."""
    return dataset(opened(task, root).validate())


def record(task: Task, root: Path) -> Fact:
    """The whole record as a dataset."""
    return dataset(opened(task, root).dataset)


def kinds(task: Task, root: Path) -> Fact:
    """The names of every registry group."""
    groups = ["acquisition", "evaluator", "kernel", "mean", "objective", "source", "strategy", "surrogate", "tokenizer"]
    return {group: sorted(found("kinds")(group)) for group in groups}


BLANK = re.compile(
    r"(^|_)(created|started|finished|time|times|timestamp|duration|seconds|cost|path|paths|folder|versions|python|"
    r"platform|host|hostname|pid|device|checksum|sha256|packages|commit)($|_)|(^|_)at$|(?<!schema_)version$"
)
"""Keys of JSON files whose values differ from run to run."""
LEFT_OUT = ("*.log", "*lock*", "*.png", "*.pdf", "*.html", "log*", "*/log*", "*.jsonl")
"""Files that are not recorded."""


def blanked(value: Any) -> Any:
    """Plain data without what differs from run to run."""
    if isinstance(value, dict):
        return {
            name: "(blank)" if BLANK.search(name) and each is not None else blanked(each)
            for name, each in value.items()
        }
    return [blanked(each) for each in value] if isinstance(value, list) else value


def files(task: Task, root: Path) -> Fact:
    """What a small study leaves behind, file by file."""
    folder = root / "work" / "files"
    folder.mkdir(parents=True)
    data = {
        "domains": {f"d{number}": {"tokens": 1e9 * (number + 1)} for number in range(4)},
        "target": {"tokens": 4e9},
        "evaluator": {"kind": "synthetic", "domains": [f"d{number}" for number in range(4)], "useless": 1},
        "strategy": {"kind": "bayesian", "surrogate": GP, "n_init": 4},
        "seed": 3,
        "budget": {"trials": 6},
        "confirm": 1,
    }
    write_study(folder, data)
    told: dict[str, Any] = {}
    for words in (["optimize"], ["status", "--json"], ["recommend", "--json"]):
        run = subprocess.run(
            [*command(), words[0], str(folder), *words[1:]], capture_output=True, text=True, check=False, timeout=600
        )
        if run.returncode:
            raise RuntimeError(f"{words}: {run.returncode}\n{run.stdout[-2000:]}\n{run.stderr[-4000:]}")
        if "--json" in words:
            told[f"output of {words[0]}"] = hexed(blanked(json.loads(run.stdout)))
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        if not any(fnmatch.fnmatch(name, pattern) for pattern in LEFT_OUT):
            told[name] = contents(file)
    return told


def contents(file: Path) -> Fact:
    """A file as JSON: parsed where that is possible, what differs from run to run blanked."""
    if file.suffix == ".nc":
        import xarray

        with xarray.open_dataset(file) as data:
            made = dataset(data.load())
        made["variables"] = {
            name: {**each, "values": "(blank)"} if BLANK.search(name) else each
            for name, each in made["variables"].items()
        }
        return made
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        return hexed(blanked(json.loads(text)))
    return hexed(blanked(yaml.safe_load(text))) if file.suffix in (".yaml", ".yml") else text


KINDS: Mapping[str, Callable[[Task, Path], Fact]] = {
    "asks": asks,
    "predictions": predictions,
    "recommend": recommendation,
    "validate": validation,
    "record": record,
    "kinds": kinds,
    "files": files,
}


def strategies(name: str) -> dict[str, dict[str, Any]]:
    """Variant to strategy, one or more of each registered kind.

    Args:
        name: Of the history.
    """
    domains = HISTORIES[name].domains
    search = {"surrogate": GP, "n_init": 4}
    shares = np.arange(1, len(domains) + 1) / np.arange(1, len(domains) + 1).sum()
    options: dict[str, dict[str, Any]] = {
        "fixed": {"weights": dict(zip(domains, shares.tolist(), strict=True))},
        "published": {"name": "pile" if len(domains) == 17 else "llama"},
        "regmix": {"n_init": 4, "simulated": 20_000, "averaged": 50, "surrogate": {"kind": "ridge", "samples": 8}},
        "blackbox": {"n_init": 4, "surrogate": "ridge", "evaluations": 1000, "starts": 2},
        "sequence": {
            "steps": [
                {"strategy": "sobol", "trials": HISTORIES[name].trials - HISTORIES[name].imported + 3},
                {"strategy": {"kind": "dirichlet"}, "trials": 3},
                {"strategy": {"kind": "bayesian", **search}},
            ]
        },
        "bayesian": search,
        "turbo": search,
        "embedded": search,
        "law": {"n_init": 4, "starts": 2},
        "kl": {"n_init": 4, "surrogate": LAW},
        "auto": {},
    }
    return {kind: {"kind": kind, **options.get(kind, {})} for kind in sorted(found("kinds")("strategy"))}


def bayesians() -> dict[str, dict[str, Any]]:
    """Variant of Bayesian optimisation to its options, beside the plain one."""
    made: dict[str, dict[str, Any]] = {}
    for kind in sorted(found("kinds")("acquisition")):
        made[f"acquisition-{kind}"] = {"acquisition": kind, "surrogate": GP}
    made["acquisition-ucb-schedule"] = {"acquisition": {"kind": "ucb", "beta": None}, "surrogate": GP}
    shared = {"kind": "sum", "of": [{"kind": "scaled", "of": "own"}, {"kind": "scaled", "of": "stationary"}]}
    models = {
        "gp-pooling-0": {**GP, "pooling": 0.0},
        "gp-pooling-1": {**GP, "pooling": 1.0, "kernels": [shared]},
        "gp-growth": {**GP, "growth": 0.1},
        "gp-uncorrelated": {**GP, "correlated": False},
        "gp-law-mean": {**GP, "mean": LAW},
        "multitask": {"kind": "multitask", "draws": 0, "restarts": 1},
        "fixed-kernels": {**GP, "kernels": ["stationary", "linear"]},
        "law": LAW,
    }
    made |= {f"surrogate-{name}": {"surrogate": surrogate} for name, surrogate in models.items()}
    made["repeats"] = {"surrogate": GP, "repeats": True}
    made["early"] = {"surrogate": GP, "n_init": None, "design": "dirichlet"}
    return {name: {"kind": "bayesian", "n_init": 4, **LIGHT, **options} for name, options in made.items()}


def objectives(name: str) -> dict[str, dict[str, Any]]:
    """Each registered objective."""
    metrics = HISTORIES[name].metrics
    groups = {"first": list(metrics[:3]), "second": list(metrics[3:6])}
    options: dict[str, dict[str, Any]] = {
        "weighted_mean": {"of": {metric: float(number + 1) for number, metric in enumerate(metrics[:5])}},
        "groups": {"of": groups},
        "guardrail": {"margin": 0.01},
        "pareto": {"groups": groups},
    }
    return {kind: {"kind": kind, **options.get(kind, {})} for kind in sorted(found("kinds")("objective"))}


def surrogates() -> dict[str, dict[str, Any]]:
    """Variant to surrogate, one or more of each registered kind."""
    options: dict[str, dict[str, Any]] = {
        "mde": {"mean": "mde"},
        "corrected": {"mean": "mde", "surrogate": GP},
        "auto": {"of": [GP, "ridge"], "folds": 2},
        "bayesian_gp": SAMPLED,
        "bayesian_law": SAMPLED,
        "law": {"starts": 2, "samples": 8},
        "lightgbm": {"rounds": 20},
        "boosting": {"trees": [5], "rates": [0.1], "depths": [2]},
        "multitask": {"draws": 0, "restarts": 1},
    }
    made = {kind: {"kind": kind, **options.get(kind, {})} for kind in sorted(found("kinds")("surrogate"))}
    of_law = {"mean": LAW, "calibrate": "line"}
    return {
        **made,
        "gp-drawn": {"kind": "gp", "draws": 2},
        "gp-pooling-0": {**GP, "pooling": 0.0},
        "gp-pooling-1": {**GP, "pooling": 1.0},
        "gp-noise-growing": {**GP, "noise": "growing"},
        "gp-noise-repeats": {**GP, "noise": "repeats"},
        "mde-of-law": {"kind": "mde", **of_law},
        "corrected-law": {"kind": "corrected", "mean": LAW, "surrogate": GP},
        "law-bootstrap": {"kind": "law", "starts": 1, "samples": 4, "uncertainty": "bootstrap"},
        "bayesian_gp-saas": {"kind": "bayesian_gp", "prior": "saas", **SAMPLED},
        "bayesian_law-svi": {"kind": "bayesian_law", "method": "svi", "steps": 50, "samples": 8},
    }


LAWS = ["exponential", "own_exponential", "bimix", "log_linear", "effective_power", "additive", "autoscale"]
"""Forms of laws that have been; one that is not there any more, or is called otherwise, is recorded as a refusal."""


def kernels() -> dict[str, Any]:
    """Each registered kernel, those with parts and shapes more than once."""
    options: dict[str, dict[str, Any]] = {
        "scaled": {"of": "stationary"},
        "sum": {"of": ["stationary", {"kind": "scaled", "of": "linear"}]},
    }
    made: dict[str, Any] = {kind: {"kind": kind, **options.get(kind, {})} for kind in sorted(found("kinds")("kernel"))}
    return {
        **made,
        "stationary-sqrt": {"kind": "stationary", "encoding": "sqrt", "shape": "matern32"},
        "stationary-raw": {"kind": "stationary", "encoding": "raw", "shape": "rbf"},
        "stationary-power": {"kind": "stationary", "encoding": "power", "learn_eps": True, "learn_power": True},
        "isotropic-jensen": {"kind": "isotropic", "distance": "jensen_shannon", "shape": "rbf"},
        "isotropic-aitchison": {"kind": "isotropic", "distance": "aitchison", "shape": "matern32"},
    }


def means() -> dict[str, dict[str, Any]]:
    """Each registered mean."""
    options: dict[str, dict[str, Any]] = {
        "law": {"starts": 2},
        "accuracy_from_loss": {"of": "mde", "loss": {"quiz": "text"}, "floor": {"quiz": 0.0}},
    }
    made = {kind: {"kind": kind, **options.get(kind, {})} for kind in sorted(found("kinds")("mean"))}
    return {**made, "mde_gated-strengths": {"kind": "mde_gated", "strengths": True}}


def predicting(surrogate: Any) -> dict[str, Any]:
    """A study whose strategy holds a surrogate; the acquisition asks least of it."""
    return {"strategy": {"kind": "blackbox", "surrogate": surrogate}}


QUICK = ("sobol", "dirichlet", "vertices", "uniform", "natural", "fixed", "published", "auto", "turbo", "bayesian")


def tasks() -> list[Task]:
    """Every entry."""
    made = [Task("kinds", "kinds", quick=True), Task("files", "files")]
    for name in HISTORIES:
        for kind, strategy in strategies(name).items():
            mode = "pending" if kind in ("bayesian", "turbo", "auto", "sobol", "law") else "told"
            quick = name == "7" and kind in QUICK
            made.append(Task(f"asks/{name}/{kind}", "asks", name, {"strategy": strategy}, mode, quick=quick))
        made.append(Task(f"record/{name}", "record", name, quick=name == "7"))
        for kind in ("auto", "bayesian"):
            strategy = strategies(name)[kind]
            quick = name == "7" and kind == "bayesian"
            made.append(Task(f"recommend/{name}/{kind}", "recommend", name, {"strategy": strategy}, quick=quick))
    for variant, strategy in bayesians().items():
        mode = "pending" if variant == "surrogate-multitask" else "told"
        study: dict[str, Any] = {"strategy": strategy}
        if variant == "acquisition-hypervolume":
            study["objective"] = objectives("7")["pareto"]
        made.append(Task(f"asks/7/bayesian-{variant}", "asks", "7", study, mode, VARIANT_ASKS))
    plain = {"kind": "bayesian", "surrogate": GP, "n_init": 4, **LIGHT}
    for kind, objective in objectives("7").items():
        strategy = {**plain, "acquisition": "hypervolume"} if kind == "pareto" else plain
        study = {"strategy": strategy, "objective": objective}
        made.append(Task(f"asks/7/objective-{kind}", "asks", "7", study, asks=VARIANT_ASKS))
        made.append(Task(f"recommend/7/objective-{kind}", "recommend", "7", study))
    bounded = HISTORIES["7"].study()["domains"]
    bounded["ArXiv"] |= {"at_least": 0.05}
    bounded["Books"] |= {"upper": 0.2}
    bounded["Github"] |= {"lower": 0.05, "upper": 0.4}
    for kind in ("bayesian", "turbo", "sobol", "law"):
        study = {"strategy": {**strategies("7")[kind]}, "domains": bounded}
        made.append(Task(f"asks/7/bounded-{kind}", "asks", "7", study, asks=VARIANT_ASKS))
    shrunk = {"strategy": plain, "domains": bounded, "recommendation": {"shrink": 0.2, "smooth": 0.01}}
    made.append(Task("recommend/7/bounded", "recommend", "7", shrunk))
    regions = {"kind": "turbo", "surrogate": GP, "n_init": 4, "regions": 2}
    made.append(Task("asks/7/turbo-regions", "asks", "7", {"strategy": regions}, asks=VARIANT_ASKS))
    for name, model in surrogates().items():
        for history in ("7", "17"):
            quick = history == "7" and name in ("gp", "law", "ridge", "multitask", "empirical_mean", "auto")
            key = f"predictions/{history}/{name}"
            made.append(Task(key, "predictions", history, predicting(model), quick=quick))
    for name in ("mde", "corrected"):
        made.append(Task(f"predictions/3/{name}", "predictions", "3", predicting(surrogates()[name])))
    for name, model in {"gp-1": GP, "law": LAW, "ridge": {"kind": "ridge"}}.items():
        made.append(Task(f"predictions/40/{name}", "predictions", "40", predicting(model)))
    made.append(Task("predictions/40/auto-strategy", "predictions", "40", {"strategy": {"kind": "auto"}}))
    for form in LAWS:
        study = predicting({"kind": "law", "form": form, "starts": 2, "samples": 8})
        made.append(Task(f"predictions/7/law-{form}", "predictions", "7", study))
    for name, kernel in kernels().items():
        study = predicting({**GP, "kernels": [kernel]})
        made.append(Task(f"predictions/7/kernel-{name}", "predictions", "7", study, quick=True))
    for name, mean in means().items():
        histories = ["3"] + ["17"] * (name not in ("mde_average", "accuracy_from_loss")) + ["7"] * (name == "law")
        for history in histories:
            study = predicting({**GP, "mean": mean})
            made.append(Task(f"predictions/{history}/mean-{name}", "predictions", history, study))
    made.append(Task("recommend/3/mde", "recommend", "3", {"strategy": {"kind": "mde"}}))
    for name in ("7", "17"):
        made.append(Task(f"validate/{name}", "validate", name, {"strategy": plain}))
    return made


def fact_of(task: Task, root: Path) -> tuple[str, Fact, float]:
    """One entry: its key, the fact or the refusal, and seconds."""
    start = time.perf_counter()
    try:
        fact = KINDS[task.kind](task, root)
    except bomix.BomixError as error:
        fact = {"refused": f"{type(error).__name__}: {error}".replace(str(root), "ROOT")}
    except Exception as error:  # a fault of one entry must not lose the others; it is seen in the comparison
        fact = {"raised": f"{type(error).__name__}: {error}".replace(str(root), "ROOT")}
    shutil.rmtree(root / "work" / folder_name(task), ignore_errors=True)
    return task.key, fact, time.perf_counter() - start


def started() -> None:
    """Make a process ready: one thread, no warnings."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)


def run(chosen: list[Task], root: Path, *, processes: int, verbose: bool) -> dict[str, Fact]:
    """Carry out tasks.

    Args:
        chosen: What to record.
        root: Folder for everything that is written.
        processes: At a time; each task's numbers do not depend on it.
        verbose: Whether to print the seconds of each.
    """
    os.environ |= {"BOMIX_CACHE": str(root / "cache"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    logging.disable(logging.WARNING)
    for name in sorted({task.history for task in chosen if task.history}):
        HISTORIES[name].write(root / "histories" / name, root / "artifacts")
    facts: dict[str, Fact] = {}
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=started) as pool:
        waiting = [pool.apply_async(fact_of, (task, root)) for task in chosen]
        for result in waiting:
            key, fact, seconds = result.get()
            facts[key] = fact
            odd = next((what for what in ("refused", "raised") if isinstance(fact, dict) and what in fact), "")
            if verbose or odd == "raised":
                print(f"{seconds:7.2f} s  {key}  {odd and fact[odd][:300]}", file=sys.stderr, flush=True)
    return facts


def main() -> None:
    """Read the arguments, record, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", help="pattern of the entries to record, as asks/7/*")
    parser.add_argument("--quick", action="store_true", help="the history of 7 domains, what is cheap")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("-v", "--verbose", action="store_true", help="print the seconds of each entry")
    options = parser.parse_args()
    print(f"recording {PACKAGE}", file=sys.stderr)
    chosen = [task for task in tasks() if task.quick or not options.quick]
    chosen = [task for task in chosen if options.only is None or fnmatch.fnmatch(task.key, options.only)]
    start = time.perf_counter()
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="bomix-identity-", dir=memory) as folder:
        facts = run(chosen, Path(folder).resolve(), processes=options.processes, verbose=options.verbose)
        options.out.write_text(json.dumps(facts, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    print(f"{len(facts)} entries in {time.perf_counter() - start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
