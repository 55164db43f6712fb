"""From the mixture of a study to that of a target run: its tokenizer, its data, its length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bomix.contracts.exporter import ExportDomain, Exporter, ExporterTraits, TargetMixture
from bomix.contracts.traits import traits
from bomix.errors import ConfigError, Fault, raise_faults
from bomix.io.exports.sources import DomainData, path_shares
from bomix.space.weights import Weights, normalized

if TYPE_CHECKING:
    from bomix.contracts.preparation import DomainStats
    from bomix.problem import Problem

LEAST = 1e-12
"""A weight that is no more than this is zero: no run draws a sequence of it, and most trainers write it as zero."""


@dataclass(frozen=True)
class TargetRun:
    """The run that an export is for.

    Attributes:
        tokens: Its training tokens; None for those of the study's target.
        sequence_length: Tokens of a sequence.
        batch_sequences: Sequences of a global batch.
        seed: Seed of the order in which the trainer draws.
        data: Domain to where its data lie, and what the target's tokenizer makes of them.
        measured: Domain to what the study measured of its text.
    """

    tokens: float | None = None
    sequence_length: int = 4096
    batch_sequences: int = 1024
    seed: int = 0
    data: Mapping[str, DomainData] = field(default_factory=dict)
    measured: Mapping[str, DomainStats] = field(default_factory=dict)


def target_mixture(problem: Problem, weights: Weights, exporter: Exporter, run: TargetRun) -> TargetMixture:
    """The mixture that an exporter writes.

    Args:
        problem: The study's domains and target.
        weights: Shares of the training tokens, counted by the study's tokenizer.
        exporter: For what it needs.
        run: The target.

    Raises:
        BomixError: Something that the exporter needs is not known, each with its cure.
    """
    needs = traits(exporter, ExporterTraits)
    tokens = run.tokens if run.tokens is not None else problem.run_tokens
    if tokens is None and needs.needs_tokens:
        raise ConfigError(
            "how many tokens the run trains on is unknown, and with it what the trainer draws; give --tokens 20B, or "
            "target: {tokens: 20B} in the study file"
        )
    kept = normalized({name: weight for name, weight in weights.items() if weight > LEAST})
    ratios, faults = _tokens_per_token(kept, run)
    raise_faults(faults)
    shares = normalized({name: weight * ratios[name] for name, weight in kept.items()})
    domains = []
    for name in kept:
        data = run.data.get(name, DomainData())
        paths, wrong = path_shares(name, data, weighs=needs.weighs_paths)
        if needs.needs_paths and not paths:
            wrong = [
                Fault(name, f"it has a weight of {kept[name]:.4g} and no path; give --paths '{name}=/data/{name}'")
            ]
        faults += wrong
        domains.append(ExportDomain(name, shares[name], paths, **_amounts(name, data, problem, run, ratios[name])))
    faults += _shared_paths(domains)
    raise_faults(faults, f"{len(faults)} things are missing for the export:" if len(faults) > 1 else "")
    return TargetMixture(tuple(domains), tokens, run.sequence_length, run.batch_sequences, run.seed)


def _amounts(name: str, data: DomainData, problem: Problem, run: TargetRun, ratio: float) -> dict[str, float | None]:
    """Tokens and mean length of a domain, counted by the target's tokenizer."""
    stats = run.measured.get(name)
    tokens, length = data.tokens, data.tokens_per_document
    if tokens is None and name in problem.tokens:
        tokens = problem.tokens[name] * ratio
    if length is None and stats is not None and stats.documents:
        length = stats.tokens / stats.documents * ratio
    return {"tokens": tokens, "tokens_per_document": length}


def _tokens_per_token(weights: Weights, run: TargetRun) -> tuple[dict[str, float], list[Fault]]:
    """Domain to the target's tokens that a token of the study becomes, and what is unknown of that.

    The same text is kept: a token of the study stands for some bytes, which the target's tokenizer cuts into its own.
    """
    told = {name: run.data[name].bytes_per_token for name in weights if name in run.data}
    if not any(told.values()):
        return dict.fromkeys(weights, 1.0), []
    faults, ratios = [], {}
    for name in weights:
        data, stats = run.data.get(name, DomainData()), run.measured.get(name)
        theirs = data.study_bytes_per_token or (None if stats is None else stats.bytes_per_token)
        ours = data.bytes_per_token
        ratios[name] = 1.0 if ours is None or theirs is None else theirs / ours
        if ours is None:
            faults.append(Fault(f"{name}.bytes_per_token", "other domains have it: give it for this one as well"))
        if theirs is None:
            what = "the study did not measure its own tokenizer's; give it, so that the same text can be kept"
            faults.append(Fault(f"{name}.study_bytes_per_token", what))
    return ratios, faults


def _shared_paths(domains: list[ExportDomain]) -> list[Fault]:
    """A fault for each path that two domains have: a trainer would draw it twice."""
    owner: dict[str, str] = {}
    faults = []
    for domain in domains:
        for path in domain.paths:
            if path in owner:
                faults.append(Fault(domain.name, f"its path {path} is that of domain '{owner[path]}' as well"))
            owner[path] = domain.name
    return faults
