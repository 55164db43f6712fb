"""Runs of another study of bomix, whose domains may have other names, or be parts or unions of this one's."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from bomix.errors import Fault, did_you_mean, raise_faults
from bomix.io.imports.columns import listed
from bomix.io.imports.differences import KEY, SEED
from bomix.io.imports.phased import as_tied, read_as
from bomix.io.imports.runs import RunCollector, Runs
from bomix.io.tables.reading import SHOWN
from bomix.io.tables.table import to_number
from bomix.space.weights import Weights
from bomix.trial import EXPERT, SUM_TOLERANCE, Record, Result

if TYPE_CHECKING:
    from bomix.problem import Metric, Problem

Parts = Mapping[str, float]
"""Domain of this study to the share of the other one's that is text of it."""


@dataclass(frozen=True)
class OtherStudy:
    """A study that runs are taken from.

    Attributes:
        path: Its folder, by whose name its runs are called.
        domains: Its domains.
        metrics: Its metrics.
        records: Its trials.
    """

    path: Path
    domains: tuple[str, ...]
    metrics: tuple[Metric, ...]
    records: tuple[Record, ...]


@dataclass(frozen=True)
class DomainMap:
    """What the domains of another study are in this one.

    Attributes:
        parts: Domain of the other study to what it is here: one domain, several with the share of each, or the same
            one as another's. Domains that it does not name keep their names.
    """

    parts: Mapping[str, Parts] = field(default_factory=lambda: MappingProxyType({}))

    def weights(self, weights: Weights) -> dict[str, float]:
        """A mixture in domains of this study."""
        found: dict[str, float] = {}
        for name, weight in weights.items():
            for here, share in self.parts.get(name, {name: 1.0}).items():
                found[here] = found.get(here, 0.0) + weight * share
        return found

    def faults(self, there: Sequence[str], here: Sequence[str]) -> list[Fault]:
        """Domains that neither study has, and shares that are no whole."""
        found = []
        for name, parts in self.parts.items():
            place = f"--domain {name}"
            if name not in there:
                found.append(Fault(place, f"the other study has no domain '{name}'{did_you_mean(name, there)}"))
            found += [
                Fault(place, f"this study has no domain '{part}'{did_you_mean(part, here)}")
                for part in parts
                if part not in here
            ]
            if abs(math.fsum(parts.values()) - 1.0) > SUM_TOLERANCE or min(parts.values()) < 0.0:
                found.append(Fault(place, "the shares of its parts must sum to 1, none below 0"))
        return found


def parsed_domains(texts: Iterable[str]) -> DomainMap:
    """The map that ``OLD=NEW`` and ``OLD=NEW:0.6,OTHER:0.4`` say.

    Raises:
        FaultsError: One of them says neither.
    """
    parts: dict[str, Parts] = {}
    faults = []
    for text in texts:
        old, _, new = text.partition("=")
        pieces = [_piece(each.strip()) for each in new.split(",")]
        if not old or old in parts or not all(name for name, _ in pieces):
            faults.append(Fault("--domain", f"expected OLD=NEW once, or OLD=NEW:0.6,OTHER:0.4, found '{text}'"))
        elif len(pieces) > 1 and any(share is None for _, share in pieces):
            faults.append(Fault("--domain", f"'{text}': give each part its share, {pieces[0][0]}:0.6"))
        else:
            parts[old] = {name: 1.0 if share is None else share for name, share in pieces}
    raise_faults(faults)
    return DomainMap(parts)


def _piece(text: str) -> tuple[str, float | None]:
    """A domain and its share; None where the text is a domain alone, a colon in its name or not."""
    name, _, share = text.rpartition(":")
    number = to_number(share)
    return (name, number) if name and number is not None else (text, None)


def read_study(
    other: OtherStudy,
    problem: Problem,
    domains: DomainMap,
    *,
    metrics: Mapping[str, str] | None = None,
    prefix: str = "",
    allow_partial: bool = False,
) -> Runs:
    """The completed runs of another study as runs of this one.

    What was withdrawn there is left out, and with a note runs that are of no one mixture of all domains: those that
    were reweighted while they trained, and the experts of single domains.

    Args:
        other: The other study.
        problem: This study's domains and metrics.
        domains: What the other's domains are here.
        metrics: Metric of the other study to the one of this that it is, where names differ.
        prefix: Put before every key; a key is the name of the other's folder and the number of the trial.
        allow_partial: Whether runs on text that this study has no domain for are dropped with a note.

    Raises:
        FaultsError: Everything that is wrong.
    """
    phased, problem = problem, read_as(problem, other.domains)
    names = {old: new.removeprefix("losses.") for old, new in (metrics or {}).items()}
    # A name that is mapped onto is that metric alone: one that is called so there is another one.
    names |= {each.name: "" for each in other.metrics if each.name in {*names.values()} - {*names}}
    faults = [*domains.faults(other.domains, problem.space.domains), *metric_faults(other, problem, names)]
    raise_faults(faults, "the other study cannot be imported; nothing was recorded:")
    collector = RunCollector(problem, faults, allow_partial=allow_partial)
    known = [metric.name for metric in other.metrics if names.get(metric.name, metric.name) in problem.metric_names]
    completed = [each for each in other.records if isinstance(each.outcome, Result) and each.withdrawn is None]
    for record in completed:
        if special(record):
            continue
        place = f"{other.path}:trial {record.trial.id}"
        weights = domains.weights(record.result.realized or record.trial.weights)
        strange = sorted(name for name, weight in weights.items() if weight and name not in problem.space.domains)
        if strange:
            collector.stray(f"is of text that this study has no domain for: {listed(strange)}", place)
            continue
        collector.add(
            {name: weights.get(name, 0.0) for name in problem.space.domains},
            told_by(record, known, names, f"{prefix}{other.path.name}/{record.trial.id}"),
            record.trial.scale,
            where=place,
            losses_at=place,
            key=str(record.trial.id),
        )
    raise_faults(faults, "the other study cannot be imported; nothing was recorded:", most=SHOWN)
    absent = [name for name in problem.space.domains if name not in _reached(other, domains)]
    notes = [f"no run of {other.path} has {listed(absent)}: weight 0"] if absent else []
    kinds = Counter(kind for record in completed if (kind := special(record)))
    notes += [f"{other.path}: left out {number} runs {kind}" for kind, number in kinds.items()]
    left = [metric.name for metric in other.metrics if metric.name not in known]
    notes += [f"{other.path}: left out {listed(left)}, no metrics of this study"] if left else []
    found = collector.found([names.get(name, name) for name in known], notes, where=str(other.path))
    raise_faults(faults)
    return as_tied(found, problem, phased)


def special(record: Record) -> str:
    """What keeps a run from being one of a single mixture of all domains; empty where nothing does."""
    if record.trial.reweighting is not None:
        return "that were reweighted while they trained, which are of no one mixture"
    return "of experts, which are of single domains" if record.trial.origin == EXPERT else ""


def told_by(record: Record, known: Sequence[str], names: Mapping[str, str], key: str) -> Result:
    """The losses of a run under the names of this study, and where they come from."""
    losses = {names.get(name, name): record.result.losses.get(name) for name in known}
    errors = {names.get(name, name): error for name, error in record.result.sems.items() if name in known}
    return Result(losses, errors, info={KEY: key, SEED: record.trial.seed})  # type: ignore[arg-type]  # gaps are named later


def _reached(other: OtherStudy, domains: DomainMap) -> set[str]:
    return {here for name in other.domains for here in domains.parts.get(name, {name: 1.0})}


def metric_faults(other: OtherStudy, problem: Problem, names: Mapping[str, str]) -> list[Fault]:
    """Metrics that are not there, or of one name and two meanings."""
    there = {metric.name: metric for metric in other.metrics}
    here = {metric.name: metric for metric in problem.metrics}
    faults = [
        Fault(f"--map {old}={new}", f"the other study has no metric '{old}'{did_you_mean(old, there)}")
        for old, new in names.items()
        if old not in there
    ]
    faults += [
        Fault(f"--map {old}={new}", f"this study has no metric '{new}'{did_you_mean(new, here)}")
        for old, new in names.items()
        if new and new not in here
    ]
    onto: dict[str, list[str]] = {}
    for name, target in names.items():
        if target:
            onto.setdefault(target, []).append(name)
    faults += [
        Fault("--map", f"{' and '.join(olds)} are both mapped onto '{new}'; keep one")
        for new, olds in onto.items()
        if len(olds) > 1
    ]
    both = [(metric, here.get(names.get(name, name))) for name, metric in there.items()]
    for old, new in both:
        if new is not None and (old.unit, old.direction) != (new.unit, new.direction):
            what = f"is {old.unit}, direction {old.direction} there, and {new.unit}, direction {new.direction} here"
            faults.append(Fault(f"metrics.{new.name}", what))
    if not any(new is not None for _, new in both):
        what = f"has no metric of this study: {listed(list(there))} there, {listed(list(here))} here; --map OLD=NEW"
        faults.append(Fault(str(other.path), what))
    return faults
