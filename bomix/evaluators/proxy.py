"""A proxy: a small language model trained from scratch on the mixture."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from bomix.config.build import FILLED
from bomix.contracts.preparation import DomainStats, Preparation
from bomix.contracts.text import Source, TokenizerSpec
from bomix.contracts.traits import ComponentTraits, traits
from bomix.errors import EvaluationError, Fault, raise_faults
from bomix.evaluators import reweighting as of_reweighting
from bomix.evaluators.stacks import fitted, parts, place_of
from bomix.io.artifacts import scored_tokens
from bomix.scale import Scale
from bomix.training.data.spec import CorpusSpec
from bomix.training.data.tokenizer import BytePair
from bomix.training.device import process_environment
from bomix.training.spec import TrainingSpec
from bomix.trial import EXPERT, MODEL, REFERENCE, SCORED_TOKENS, Failure, Result, Trial

if TYPE_CHECKING:
    from bomix.training.checkpoint import Place
    from bomix.training.data.tokens import Corpus
    from bomix.training.run import Run, Trained
    from bomix.trial import Reweighting

logger = logging.getLogger(__name__)

WIDEST = 64
"""Trials that are given to one process at a time, at most: a GPU is busy with as many of the smallest models."""
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


@dataclass(frozen=True)
class Proxy(TrainingSpec):
    """Trains a decoder on the mixture and measures its loss on a validation set of each domain.

    The seed of a trial decides the initial parameters and the order of the sequences, by two separate streams, so
    that trials of the same seed differ in the mixture alone. A trial of another scale than the study's is trained with
    its own tokens, and with the decoder of its own parameters where that is a size of the ladder. A trial that
    reweights its domains is trained by its rule, on as many tokens, and by itself.

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
        score_at: Share of the run after which they are taken; below 1 an expert is a checkpoint of its run.

    The other keys, from ``model`` to ``threads``, are those of :class:`bomix.training.spec.TrainingSpec`.
    """

    preload: ClassVar[tuple[str, ...]] = ("bomix.training.loop", "transformers.models.llama.modeling_llama")
    """What a process that forks trials should import first. None of it touches a GPU."""

    may_change: ClassVar[tuple[str, ...]] = (
        *("corpus.cache", "device", "compile", "threads", "stack", "save_model", "score_tokens"),
        *("micro_sequences", "devices", "checkpoint_s"),
    )
    """What may change in the midst of a study: it moves the last digits of a loss, if anything."""

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("tokens", "tokens_per_parameter"),)
    """Keys of which one is given."""

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
            "checkpoint_s": self.checkpoint_s,
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
        if (self.tokens is None) == (self.tokens_per_parameter is None):
            both = "both are given" if self.tokens is not None else "neither is given"
            found.append(Fault("tokens", f"give one of tokens and tokens_per_parameter (20 is Chinchilla's); {both}"))
        elif not found and not self.model.faults() and self._budget() < self.step_tokens:
            found.append(Fault("tokens", f"{self._budget()} tokens are less than one step of {self.step_tokens}"))
        found += [] if found else self._batch_faults()
        if not 0.0 < self.score_at <= 1.0:
            found.append(
                Fault("score_at", f"expected a share of the run, above 0 and at most 1, found {self.score_at:g}")
            )
        if not _DEVICE.fullmatch(self.device):
            found.append(Fault("device", f"expected auto, cpu, cuda or cuda:0, found '{self.device}'"))
        return found

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

    def relative_to(self, folder: Path) -> Proxy:
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

    def process_environment(self) -> dict[str, str]:
        """Variables that a process that trains starts with."""
        return process_environment()

    @property
    def steps(self) -> int:
        """Optimizer steps: as many whole ones as the budget holds."""
        return max(1, self._budget() // self.step_tokens)

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

    def prepare(self, domains: Sequence[str]) -> Preparation:
        """Build the corpus, or find it built.

        Raises:
            FaultsError: Everything that is wrong with fields, sources and tokenizer, together.
        """
        from bomix.training.data import corpus

        raise_faults([*self._field_faults(), *self._missing_sources(domains), *self._device_faults()])
        sources = {name: self.sources[name] for name in domains}
        built = corpus.build(
            sources, self.validation, self.tokenizer, self.corpus, sequence_length=self.sequence_length
        )
        return Preparation(
            metrics=built.metrics,
            domains={
                name: DomainStats(len(tokens.tokens), tokens.documents, tokens.bytes_per_token)
                for name, tokens in built.train.items()
            },
            scale=self.scale,
            provenance={"tokenizer": built.tokenizer_hash, **built.hashes},
            info={
                "vocabulary": built.vocabulary,
                "parameters": self.model.parameters(built.vocabulary),
                "steps": self.steps,
                "validation_tokens": {name: len(tokens.tokens) for name, tokens in built.validation.items()},
                "tasks": built.task_statistics(self.sequence_length),
            },
        )

    def groups(self, trials: Sequence[Trial], slots: int) -> list[list[Trial]]:
        """Trials of one scale together, in as many stacks as keep the slots busy, none wider than ``stack``.

        Those that reweight their domains are trained by themselves.

        Args:
            trials: All that could be trained now.
            slots: How many stacks can be trained at a time.
        """
        limit = 1 if self.devices > 1 else WIDEST if self.stack == "auto" else self.stack
        widest = min(math.ceil(len(trials) / max(slots, 1)), limit)
        together: dict[tuple[Scale, int | None], list[Trial]] = {}
        for trial in trials:
            scale = self.scale if trial.scale is None else self.trained_scale(trial.scale)
            together.setdefault((scale, None if trial.reweighting is None else trial.id), []).append(trial)
        return [part for equals in together.values() for part in parts(equals, widest)]

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        """Train on the mixture and measure.

        Raises:
            EvaluationError: The training failed.
            DataError: The corpus is gone or damaged.
        """
        ((_, found),) = self.evaluate_together([(trial, workdir)])
        if isinstance(found, Failure):
            raise EvaluationError(found.message)
        return found

    def evaluate_together(self, attempts: Sequence[tuple[Trial, Path]]) -> Iterator[tuple[Trial, Result | Failure]]:
        """Train on several mixtures side by side, in as few stacks as memory allows, and measure.

        Args:
            attempts: Trials of one scale, each with its own folder.

        Yields:
            Each trial with its result, or with the reason why its loss left the numbers.

        Raises:
            EvaluationError: The device is not there, or the trials are of several scales.
            DataError: The corpus is gone or damaged.
        """
        from bomix.evaluators import devices
        from bomix.training import checkpoint, loop
        from bomix.training.data import corpus

        loaded = corpus.load(
            self.sources, self.validation, self.tokenizer, self.corpus, sequence_length=self.sequence_length
        )
        runs, fitting = fitted([self.run_of(trial) for trial, _ in attempts], loaded.vocabulary)
        places = [place_of(workdir, run, loaded) for (_, workdir), run in zip(attempts, runs, strict=True)]
        behind: dict[int, list[tuple[tuple[Trial, Path], Run, Place | None]]] = {}
        for item in zip(attempts, runs, places, strict=True):
            behind.setdefault(0 if item[2] is None else item[2].step, []).append(item)
        for some in (part for abreast in behind.values() for part in parts(abreast, fitting)):
            kept = [place for _, _, place in some if place is not None]
            if some[0][1].spec.devices > 1:
                found = [devices.train(loaded, run, place) for _, run, place in some if place is not None]
            else:
                found = loop.train_together(loaded, [run for _, run, _ in some], places=kept)
            for ((trial, workdir), run, place), trained in zip(some, found, strict=True):
                if isinstance(trained, EvaluationError):
                    yield trial, Failure(str(trained))
                else:
                    yield trial, self._result(trial, workdir, run, trained, loaded)
                if place is not None:  # who asks for the next one has written down what came of this one
                    checkpoint.remove(place)
            del found, trained  # they hold the stack, for which the next one needs the memory

    def _result(self, trial: Trial, workdir: Path, run: Run, trained: Trained, loaded: Corpus) -> Result:
        artifacts = {}
        kept = {EXPERT, REFERENCE} if self.save_model == "experts" else {REFERENCE}
        if self.save_model is True or trial.origin in kept:
            trained.model.save_pretrained(workdir / MODEL)
            artifacts[MODEL] = MODEL
        if trained.scored is not None:
            scored_tokens.write(workdir / SCORED_TOKENS, trained.scored, tokenizer=loaded.tokenizer_hash)
            artifacts[SCORED_TOKENS] = SCORED_TOKENS
        return Result(
            losses={key: x for name, found in trained.evaluations.items() for key, x in found.values(name).items()},
            sems={key: x for name, found in trained.evaluations.items() for key, x in found.sems(name).items()},
            realized=trained.plan.realized,
            epochs=trained.plan.epochs,
            cost=trained.seconds,
            curve=trained.curve,
            artifacts=artifacts,
            info=_info(run, trained, loaded),
            mixture=None if trained.found is None else trained.found.mixture,
        )

    def run_of(self, trial: Trial) -> Run:
        """The training run of a trial: the tokens, and the decoder of the parameters, that its scale names.

        Raises:
            EvaluationError: It cannot be trained at that scale.
        """
        from bomix.training.run import Run, seeds

        scale = self.scale if trial.scale is None else trial.scale
        if faults := self.scale_faults(scale):
            raise EvaluationError("; ".join(f"trial {trial.id}: {fault}" for fault in faults))
        steps = self.steps if scale.tokens is None else scale.tokens // self.step_tokens
        spec: TrainingSpec = self if scale.params is None else replace(self, model=self.model.sizes()[scale.params])
        guide = None
        if trial.reweighting is not None:  # a batch of one domain leaves nothing to reweight
            batch = trial.reweighting.batch_sequences
            if batch is None:
                batch = max(self.batch_sequences, sum(weight > 0.0 for weight in trial.weights.values()))
            steps = max(1, steps * self.batch_sequences // batch)
            spec, guide = (
                replace(spec, batch_sequences=batch, devices=1, micro_sequences="auto"),
                of_reweighting.guide(trial.reweighting),
            )
        init_seed, data_seed = seeds(trial.seed, init_seed=self.init_seed, data_seed=self.data_seed)
        return Run(
            weights=dict(trial.weights),
            steps=steps,
            init_seed=init_seed,
            data_seed=data_seed,
            spec=spec,
            score_step=self._score_step(trial, steps),
            guide=guide,
        )

    def reweighting_faults(self, reweighting: Reweighting) -> list[Fault]:
        """What keeps it from reweighting in this way: an unknown rule, no text to follow, a step beyond the budget."""
        found = of_reweighting.faults(reweighting, {**self.sources, **self.validation})
        batch = reweighting.batch_sequences or max(self.batch_sequences, len(self.sources))
        if batch * self.sequence_length > self._budget():
            what = f"{self._budget()} tokens are less than one step of {batch} sequences of {self.sequence_length}"
            found.append(Fault("batch_sequences", f"{what}; raise evaluator.tokens"))
        return found

    @property
    def scores_tokens(self) -> bool:
        """Whether experts leave behind what they make of every token."""
        return self.score_tokens != "none"

    def _score_step(self, trial: Trial, steps: int) -> int | None:
        """After which of its steps the tokens of a trial are scored; None for one that keeps no scores."""
        if self.score_tokens == "none" or (self.score_tokens == "experts" and trial.origin != EXPERT):
            return None
        return max(1, round(self.score_at * steps))

    def _budget(self) -> int:
        if self.tokens is not None:
            return self.tokens
        return round((self.tokens_per_parameter or 0.0) * self.model.non_embedding_parameters())

    def _field_faults(self) -> Iterator[Fault]:
        """Faults of the fields, for a proxy made in Python; the loader of a study file has found them before."""
        parts = {"": self.faults(), "model.": self.model.faults(), "optimization.": self.optimization.faults()}
        for prefix, faults in parts.items():
            yield from (Fault(f"evaluator.{prefix}{fault.where}", fault.what) for fault in faults)

    def _device_faults(self) -> Iterator[Fault]:
        """A device by name that is not there; ``auto`` finds one, and need not look now."""
        if self.device not in ("auto", "cpu"):
            from bomix.training import device

            try:
                device.choose(self.device, self.dtype, self.compile)
            except EvaluationError as error:
                yield Fault("evaluator.device", str(error))

    def _missing_sources(self, domains: Sequence[str]) -> Iterator[Fault]:
        for name in domains:
            if self.sources.get(name) is None:
                yield Fault(f"domains.{name}.source", "missing; this evaluator trains on the domain's text")


def _info(run: Run, trained: Trained, loaded: Corpus) -> dict[str, Any]:
    """What a result says of its run beside the losses: the scale that was really trained, speed, bits per byte."""
    model = run.spec.model
    flops = trained.tokens_per_second * model.flops_per_token(loaded.vocabulary, run.spec.sequence_length)
    peak = trained.hardware.peak()
    return {
        "device": trained.hardware.device,
        "dtype": trained.hardware.dtype,
        "compiled": trained.hardware.compile,
        "stack": trained.width,
        **({"devices": run.spec.devices} if run.spec.devices > 1 else {}),
        **({"resumed_after_steps": trained.resumed} if trained.resumed else {}),
        "tokens_per_second": round(trained.tokens_per_second, 1),
        "model_flops_per_second": round(flops),
        **({} if peak is None else {"mfu": round(flops / peak / run.spec.devices, 4)}),
        "steps": run.steps,
        "tokens": run.tokens,
        "non_embedding_parameters": model.non_embedding_parameters(),
        "parameters": model.parameters(loaded.vocabulary),
        "training_loss": float(trained.training_losses[-max(1, run.steps // 20) :].mean()),
        "bits_per_byte": {name: found.bits_per_byte for name, found in trained.evaluations.items()},
        "validation_sequences": {name: found.sequences for name, found in trained.evaluations.items()},
        **({} if trained.found is None else of_reweighting.told(run, trained.found, loaded.vocabulary)),
    }
