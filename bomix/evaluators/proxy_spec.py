"""What a study asks of a proxy: its keys, what is wrong with them, the scales at which it trains."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from bomix.config.build import FILLED
from bomix.contracts.repetition import Matching
from bomix.contracts.text import Source, TokenizerSpec
from bomix.contracts.traits import ComponentTraits, traits
from bomix.errors import Fault
from bomix.evaluators import reweighting as of_reweighting
from bomix.scale import Scale
from bomix.space.phases import Phases
from bomix.training.data.spec import CorpusSpec
from bomix.training.data.tokenizer import BytePair
from bomix.training.spec import TrainingSpec
from bomix.trial import Reweighting

MOST_MODELS = 1024
"""Models of one stack, at most: a GPU is busy with a sixteenth of them, and a number beyond is a slip."""
LEAST_CHECKPOINT_S = 0.1
"""Seconds between two checkpoints, at least: to write that of a small proxy takes as long."""
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


@dataclass(frozen=True)
class ProxySpec(TrainingSpec):
    """The keys of a proxy beside those of :class:`bomix.training.spec.TrainingSpec`.

    Attributes:
        sources: Domain name to its text; a study fills it from its domains.
        validation: Further validation sets, name to text or task; each domain has one of its own name already. A
            task of multiple choice has the metric ``<name>_accuracy`` beside its loss.
        tokenizer: Trained on the domains, or one that exists.
        corpus: How text becomes training and validation tokens.
        tokens: Training tokens of a trial. One of this and the next must be given.
        tokens_per_parameter: Training tokens per non-embedding parameter; 20 is Chinchilla's.
        init_seed: Fixes the initial parameters over all trials, replicates included.
        data_seed: Fixes the order of the sequences likewise.
        save_model: Keep the trained model, in the format of ``transformers``, as the artifact ``model``: ``true``,
            ``false``, or ``experts`` for theirs alone. That of a reference run is kept in any case.
        score_tokens: Whose probabilities of every validation token are kept, as the artifact ``scored_tokens``.
        stack: How many trials of one scale are trained as one, at most; ``auto`` for as many as there are and fit into
            memory. 1 trains each by itself.
        phases: The phases of the study, which fills it; None where a run has one mixture.
        score_at: Share of the run after which they are taken; below 1 an expert is a checkpoint of its run.
        matching: What text trials may see, so that they repeat it as the target will; a study fills it. Experts see
            all of their domain: they stand for what it says, and alone they would read a small part of it very often.
    """

    may_change: ClassVar[tuple[str, ...]] = (
        *("corpus.cache", "corpus.processes", "device", "compile", "threads", "stack", "save_model", "score_tokens"),
        *("micro_sequences", "devices", "checkpoint_s"),
    )
    """What may change in the midst of a study: it moves the last digits of a loss, if anything."""

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("tokens", "tokens_per_parameter"),)
    """Keys of which one is given."""

    matches_epochs: ClassVar[bool] = True
    """It reads no more of a domain than :attr:`matching` allows."""

    sources: Mapping[str, Source] = field(default_factory=dict, metadata={FILLED: "domains"})
    validation: Mapping[str, Source] = field(default_factory=dict)
    tokenizer: TokenizerSpec = BytePair()
    corpus: CorpusSpec = CorpusSpec()
    tokens: int | None = None
    tokens_per_parameter: float | None = None
    init_seed: int | None = None
    data_seed: int | None = None
    save_model: bool | Literal["experts"] = False
    score_tokens: Literal["experts", "all", "none"] = "experts"
    score_at: float = 1.0
    stack: int | Literal["auto"] = "auto"
    matching: Matching | None = field(default=None, metadata={FILLED: "matching"})
    phases: Phases | None = field(default=None, metadata={FILLED: "phases"})

    def faults(self) -> list[Fault]:
        """What is wrong with the fields of its own; each part looks after its own."""
        positive = {
            "sequence_length": self.sequence_length,
            "batch_sequences": self.batch_sequences,
            "validation_sequences": self.validation_sequences,
            "curve_points": self.curve_points,
            "curve_sequences": self.curve_sequences,
            "threads": self.threads,
            "tokens": self.tokens,
            "tokens_per_parameter": self.tokens_per_parameter,
            "stack": None if self.stack == "auto" else self.stack,
            "micro_sequences": self.part,
            "devices": self.devices,
        }
        found = [
            Fault(name, f"expected a positive number, found {value}")
            for name, value in positive.items()
            if value is not None and value <= 0
        ]
        found += [
            Fault(name, f"expected 0 or more, found {value}")
            for name, value in {"init_seed": self.init_seed, "data_seed": self.data_seed}.items()
            if value is not None and value < 0
        ]
        found += self._limit_faults()
        if (self.tokens is None) == (self.tokens_per_parameter is None):
            both = "both are given" if self.tokens is not None else "neither is given"
            found.append(Fault("tokens", f"give one of tokens and tokens_per_parameter (20 is Chinchilla's); {both}"))
        elif not found and not self.model.faults() and self.token_budget < self.step_tokens:
            found.append(Fault("tokens", f"{self.token_budget} tokens are less than one step of {self.step_tokens}"))
        found += [] if found else self._batch_faults()
        if not 0.0 < self.score_at <= 1.0:
            found.append(
                Fault("score_at", f"expected a share of the run, above 0 and at most 1, found {self.score_at:g}")
            )
        if not _DEVICE.fullmatch(self.device):
            found.append(Fault("device", f"expected auto, cpu, cuda or cuda:0, found '{self.device}'"))
        return found

    def _limit_faults(self) -> Iterator[Fault]:
        """Stacks that no device trains as one, and checkpoints that would follow each other without end."""
        if self.stack != "auto" and self.stack > MOST_MODELS:
            what = f"expected at most {MOST_MODELS} models of one stack, found {self.stack}"
            yield Fault("stack", f"{what}; leave it out for as many as memory holds")
        if self.checkpoint_s is not None and not self.checkpoint_s >= LEAST_CHECKPOINT_S:
            what = f"expected at least {LEAST_CHECKPOINT_S:g} seconds between checkpoints, found {self.checkpoint_s:g}"
            yield Fault("checkpoint_s", f"{what}; null writes none")

    def _batch_faults(self) -> Iterator[Fault]:
        """Devices and parts that a batch cannot be shared out to."""
        if self.batch_sequences % self.devices:
            what = f"{self.devices} devices cannot share the {self.batch_sequences} sequences of a batch evenly"
            yield Fault("devices", f"{what}; take a divisor, or change batch_sequences")
        elif self.part is not None and self.device_sequences % self.part:
            each = "a batch" if self.devices == 1 else f"what each of {self.devices} devices reads of a batch"
            what = f"{self.part} is no divisor of the {self.device_sequences} sequences of {each}"
            yield Fault("micro_sequences", f"{what}; take one, or leave it out")
        if self.devices > 1 and self.device.startswith("cuda:"):
            yield Fault("devices", f"'{self.device}' is one device; set device: cuda to train on {self.devices}")

    def relative_to(self, folder: Path) -> Self:
        """The same with every relative path taken from ``folder``."""

        def moved(part: Any) -> Any:
            relative = traits(part, ComponentTraits).relative_to
            return part if relative is None else relative(folder)

        return replace(
            self,
            sources={name: moved(source) for name, source in self.sources.items()},
            validation={name: moved(source) for name, source in self.validation.items()},
            tokenizer=moved(self.tokenizer),
            corpus=moved(self.corpus),
        )

    @property
    def token_budget(self) -> int:
        """Training tokens that a trial may have."""
        if self.tokens is not None:
            return self.tokens
        return round((self.tokens_per_parameter or 0.0) * self.model.non_embedding_parameters())

    @property
    def steps(self) -> int:
        """Optimizer steps: as many whole ones as the budget holds."""
        return max(1, self.token_budget // self.step_tokens)

    @property
    def scale(self) -> Scale:
        """Non-embedding parameters, and the tokens that a trial really trains on."""
        return Scale(self.model.non_embedding_parameters(), self.steps * self.step_tokens)

    @property
    def own_scale(self) -> Scale:
        """The same, by the name under which an evaluator tells a study."""
        return self.scale

    def run_flops(self, scale: Scale, info: Mapping[str, Any]) -> float | None:
        """Training FLOPs of a run, attention and the matrix that writes tokens counted; None where they are unknown.

        Args:
            scale: Parameters and tokens of the run.
            info: What was measured; it has the size of the vocabulary.
        """
        model = self.model.sizes().get(scale.params) if scale.params is not None else self.model
        vocabulary = info.get("vocabulary")
        if model is None or vocabulary is None or scale.tokens is None:
            return None
        return float(scale.tokens * model.flops_per_token(vocabulary, self.sequence_length))

    def trained_scale(self, scale: Scale) -> Scale:
        """The scale that is trained where one is wanted: tokens of whole steps; what is open is the proxy's own."""
        own = self.scale
        steps = self.steps if scale.tokens is None else max(1, scale.tokens // self.step_tokens)
        return Scale(own.params if scale.params is None else scale.params, steps * self.step_tokens)

    def scale_faults(self, scale: Scale) -> list[Fault]:
        """What keeps it from training at a scale: a number of parameters off the ladder, or less than one step."""
        found = []
        params, sizes = scale.params, sorted(self.model.sizes())
        if params is not None and params not in sizes:
            nearest = min(sizes, key=lambda size: abs(size - params))
            what = f"no decoder has {params} non-embedding parameters; the nearest has {nearest}"
            found.append(Fault("params", f"{what} (possible: {', '.join(map(str, sizes))})"))
        if scale.tokens is not None and scale.tokens < self.step_tokens:
            found.append(Fault("tokens", f"{scale.tokens} tokens are less than one step of {self.step_tokens}"))
        return found

    def reweighting_faults(self, reweighting: Reweighting) -> list[Fault]:
        """What keeps it from reweighting in this way: an unknown rule, no text to follow, a step beyond the budget."""
        found = of_reweighting.faults(reweighting, {**self.sources, **self.validation})
        batch = reweighting.batch_sequences or max(self.batch_sequences, len(self.sources))
        if batch * self.sequence_length > self.token_budget:
            what = f"{self.token_budget} tokens are less than one step of {batch} sequences of {self.sequence_length}"
            found.append(Fault("batch_sequences", f"{what}; raise evaluator.tokens"))
        return found

    @property
    def scores_tokens(self) -> bool:
        """Whether experts leave behind what they make of every token."""
        return self.score_tokens != "none"
