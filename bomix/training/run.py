"""All that decides a training run beside the corpus, and what it brings back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.contracts.traits import field_values
from bomix.training.spec import TrainingSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from bomix.io.artifacts.scored_tokens import ScoredTokens
    from bomix.training.data.tokens import Corpus, Text
    from bomix.training.data_order import Plan
    from bomix.training.device import Hardware
    from bomix.training.model.stack import Stack
    from bomix.training.reweighting.steps import Found, Guide
    from bomix.training.validation import Evaluation
    from bomix.trial import Curve


@dataclass(frozen=True)
class Run:
    """All that decides a training run, beside the corpus.

    Attributes:
        weights: The mixture.
        steps: Optimizer steps.
        init_seed: Seed of the parameters.
        data_seed: Seed of the order of the sequences.
        spec: The model, and how it is trained and measured.
        score_step: After which step to keep the log-probability of every validation token; None for never. After the
            last one, that is what the final losses are made of.
        guide: What moves the weights while the model trains, the mixture being that of the start; None for a run of one
            mixture.
        sequences: Domain to the sequences that the run may see of it, documents in an order of ``data_seed``; a domain
            that is missing, or has no more, is seen whole.
        phases: Name of each of two phases to its share of the tokens, in the order of the training: the weights are
            then by phase and domain, ``anneal:web``. Empty for one mixture.
    """

    weights: Mapping[str, float]
    steps: int
    init_seed: int
    data_seed: int
    spec: TrainingSpec = TrainingSpec()
    score_step: int | None = None
    guide: Guide | None = None
    sequences: Mapping[str, int] = field(default_factory=dict)
    phases: Mapping[str, float] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Training tokens of the run."""
        return self.steps * self.spec.step_tokens

    def plan(self, available: Mapping[str, int]) -> Plan:
        """What it reads, of as many sequences of each domain.

        Raises:
            EvaluationError: No mixture, or a domain that is unknown or has no sequence.
        """
        from bomix.training.data_order import plan
        from bomix.training.phases import phased_plan

        size = {"steps": self.steps, "batch": self.spec.batch_sequences, "seed": self.data_seed}
        if self.phases:
            return phased_plan(self.weights, self.phases, available, **size)
        return plan(self.weights, available, **size)


@dataclass(frozen=True)
class Trained:
    """What a run brings back.

    Attributes:
        evaluations: Validation set to the final validation.
        curve: Validation losses over the run; the last point is the final validation.
        training_losses: ``steps`` losses of the batches, nats per token.
        plan: What was read.
        hardware: The device and precision of the run.
        seconds: The run's share of the seconds that its stack took on its devices, validations included. Of a run that
            went on from a checkpoint, those that led to the checkpoint count as well; what was lost after it does not.
        tokens_per_second: Training tokens per second of the whole stack since the run began or went on, validations
            left out.
        width: Models in the stack.
        stack: The models of the stack.
        place: Which of them is the run's.
        scored: Metric name to every token that the final validation reads; None where it was not asked for.
        found: What a run found that reweights the domains; None for a run of one mixture.
        resumed: After how many steps it went on from a checkpoint; 0 for one that was not disturbed.
    """

    evaluations: Mapping[str, Evaluation]
    curve: Curve
    training_losses: np.ndarray
    plan: Plan
    hardware: Hardware
    seconds: float
    tokens_per_second: float
    width: int
    stack: Stack
    place: int
    scored: Mapping[str, ScoredTokens] | None = None
    found: Found | None = None
    resumed: int = 0

    @cached_property
    def model(self) -> PreTrainedModel:
        """The model with its final parameters, in ``transformers``' form."""
        return self.stack.export(self.place)


def can_share(one: Run, other: Run) -> bool:
    """Whether two runs can be trained in one stack: all but mixture, seeds and learning rate is the same.

    A run that reweights has a stack of its own: what it reads and steps on follows from its own losses.
    """
    if one.guide is not None or other.guide is not None:
        return one is other
    plain = [
        replace(run.spec, optimization=replace(run.spec.optimization, preset=None, **_settings_but_rate(run)))
        for run in (one, other)
    ]
    return one.steps == other.steps and plain[0] == plain[1]


def texts_of(corpus: Corpus, runs: Sequence[Run]) -> list[Mapping[str, Text]]:
    """For each run what it may see of each domain; those of one seed that see as much share it."""
    from bomix.training.data.excerpt import excerpts

    found: dict[tuple[Any, ...], Mapping[str, Text]] = {}
    keys = [(run.data_seed, run.spec.sequence_length, tuple(sorted(run.sequences.items()))) for run in runs]
    for key, run in zip(keys, runs, strict=True):
        if key not in found:
            length, end = run.spec.sequence_length, corpus.end_of_document
            found[key] = excerpts(corpus.train, run.sequences, length, end_of_document=end, seed=run.data_seed)
    return [found[key] for key in keys]


def curve_steps(steps: int, points: int) -> list[int]:
    """After how many steps to validate: evenly spaced, the end always among them."""
    return sorted({math.ceil(steps * k / points) for k in range(1, points + 1)} | {steps})


def seeds(trial_seed: int, *, init_seed: int | None = None, data_seed: int | None = None) -> tuple[int, int]:
    """The seeds of the parameters and of the data order that follow from a trial's seed, unless one is fixed."""
    drawn = [int(np.random.SeedSequence([trial_seed, stream]).generate_state(1)[0]) for stream in (0, 1)]
    return (drawn[0] if init_seed is None else init_seed, drawn[1] if data_seed is None else data_seed)


def _settings_but_rate(run: Run) -> dict[str, Any]:
    """Every number of the optimisation, presets filled in; the rate left out."""
    return {**field_values(run.spec.optimization.settings()), "rate": None}
