"""What a trainer elsewhere needs to know of a trial: a file that can be read without bomix and without the study."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bomix.errors import ConfigError
from bomix.io.store import files
from bomix.problem import Problem
from bomix.space.phases import Phases
from bomix.trial import EXPERT, Trial

SHEET_SCHEMA = 1
"""Version of the file of a trial: raised when a key changes its meaning or goes away."""
SHEET_LIMIT = 2**20
"""Most bytes of such a file that are read: a thousand domains take a tenth of it."""


@dataclass(frozen=True)
class Sheet:
    """A trial in numbers.

    Attributes:
        trial: The trial.
        scale_name: What its scale is called in the study; None where the study has no names for scales.
        tokens: Training tokens of each domain, which add up to those of the run; None where these are unknown.
        epochs: Passes over each domain's tokens; None where either number is unknown.
        available: Tokens of each domain that the run may see, so that it repeats them as the target does; None where it
            may see all.
        target: Tokens and passes of each domain in the run that is decided about; empty where they are unknown.
        metrics: What the result must name.
        phases: The two phases of the study; None where a trial has one mixture. ``tokens``,
            ``epochs`` and ``target`` are of the whole run then.
    """

    trial: Trial
    scale_name: str | None
    tokens: Mapping[str, int] | None
    epochs: Mapping[str, float] | None
    available: Mapping[str, int] | None
    target: Mapping[str, Mapping[str, float]]
    metrics: tuple[str, ...]
    phases: Phases | None = None

    @property
    def weights(self) -> dict[str, float]:
        """The mixture of the whole run."""
        return dict(self.trial.weights) if self.phases is None else self.phases.aggregate(self.trial.weights)

    @property
    def by_phase(self) -> dict[str, dict[str, Any]]:
        """Phase to its share of the tokens, its mixture, and the tokens of each domain; empty of one mixture."""
        if self.phases is None:
            return {}
        found: dict[str, dict[str, Any]] = {}
        counts = None if self.tokens is None else token_counts(self.trial.weights, sum(self.tokens.values()))
        for phase, weights in self.phases.split(self.trial.weights).items():
            found[phase] = {"share": self.phases.share[phase], "weights": weights}
            if counts is not None:
                found[phase]["tokens"] = {name: counts[self.phases.column(phase, name)] for name in weights}
        return found

    @property
    def file_name(self) -> str:
        """What the file of the trial is called."""
        return f"{self.trial.id}.json"

    @property
    def result_name(self) -> str:
        """What the file of its result is called, in the same folder."""
        return f"{self.trial.id}.result.json"

    def to_data(self) -> dict[str, Any]:
        """The same as plain JSON; what is unknown is left out."""
        trial = self.trial
        data: dict[str, Any] = {"trial": trial.id, "seed": trial.seed, "origin": trial.origin}
        data["weights"] = self.weights
        if self.phases is not None:
            data["phases"] = self.by_phase
        if trial.scale is not None:
            named = {} if self.scale_name is None else {"name": self.scale_name}
            data["scale"] = {**named, **trial.scale.to_data()}
        if trial.reweighting is not None:
            data["reweighting"] = dataclasses.asdict(trial.reweighting)
        for name, counts in (("tokens", self.tokens), ("epochs", self.epochs), ("available", self.available)):
            if counts is not None:
                data[name] = dict(counts)
        if self.target:
            data["target"] = {name: dict(counts) for name, counts in self.target.items()}
        return data

    def to_json(self, study: str) -> str:
        """The file of the trial.

        Args:
            study: Name of the study, by which the result is known to be of it.
        """
        data = {"schema": SHEET_SCHEMA, "study": study, **self.to_data()}
        return json.dumps({**data, "metrics": list(self.metrics), "result": self.result_name}, indent=1) + "\n"


def sheet_of(trial: Trial, problem: Problem, *, tokens: int | None = None) -> Sheet:
    """A trial of a study in numbers.

    Args:
        trial: The trial.
        problem: The study: available tokens, scales, the run that is decided about.
        tokens: Training tokens of a run where the trial's scale says none.
    """
    known = tokens if trial.scale is None or trial.scale.tokens is None else trial.scale.tokens
    phases = problem.phases
    counts = None if known is None else _counted(trial.weights, known, phases)
    cut = None
    if problem.matching is not None and known is not None and trial.origin != EXPERT:
        cut = problem.matching.whole_tokens(known)
    seen: Mapping[str, float] = problem.tokens if cut is None else cut
    there = seen if {*problem.single.domains} <= seen.keys() else None
    target: dict[str, Mapping[str, float]] = {}
    if problem.run_tokens is not None:
        target["tokens"] = _counted(trial.weights, int(problem.run_tokens), phases)
        if (passes := problem.epochs(trial.weights)) is not None:
            target["epochs"] = passes
    return Sheet(
        trial=trial,
        scale_name=problem.scale_name(trial.scale) if problem.scales else None,
        tokens=counts,
        epochs=None
        if counts is None or there is None
        else {name: count / there[name] for name, count in counts.items()},
        available=cut,
        target=target,
        metrics=problem.metric_names,
        phases=phases,
    )


def _counted(weights: Mapping[str, float], total: int, phases: Phases | None) -> dict[str, int]:
    """Whole tokens of each domain in the whole run, which add up to all."""
    counts = token_counts(weights, total)
    if phases is None:
        return counts
    return {domain: sum(counts[phases.column(phase, domain)] for phase in phases.names) for domain in phases.domains}


def token_counts(weights: Mapping[str, float], total: int) -> dict[str, int]:
    """Whole tokens of each domain, none further than one from its share, that add up to all.

    Args:
        weights: Shares that sum to one.
        total: Tokens of the run.
    """
    exact = {name: weight * total for name, weight in weights.items()}
    counts = {name: math.floor(count) for name, count in exact.items()}
    # The largest remainders are rounded up, equal ones by name; rounding may leave some more than there are domains.
    order = sorted(weights, key=lambda name: (counts[name] - exact[name], name))
    left = total - sum(counts.values())
    for place in range(abs(left)):
        counts[order[place % len(order)]] += 1 if left > 0 else -1
    return counts


def read(path: Path) -> tuple[Trial, str | None]:
    """The trial that a file is of, and the name of its study, None where the file bears none.

    Raises:
        ConfigError: The file cannot be read, or is none of a trial.
    """
    try:
        data = json.loads(files.read_bounded(path, SHEET_LIMIT))
        weights = {str(name): float(weight) for name, weight in data["weights"].items()}
        if "phases" in data:
            weights = {
                Phases.column(str(phase), str(name)): float(own["share"]) * float(weight)
                for phase, own in data["phases"].items()
                for name, weight in own["weights"].items()
            }
        study = data.get("study")
        trial = Trial(int(data["trial"]), weights, int(data["seed"]), str(data["origin"]))
        return trial, None if study is None else str(study)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path} is no trial as `bomix ask --out` writes it ({error!r})") from error
