"""A proxy: a small language model trained from scratch on the mixture."""

from __future__ import annotations

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
from bomix.io.artifacts import scored_tokens
from bomix.scale import Fidelity
from bomix.training.data.spec import CorpusSpec
from bomix.training.data.tokenizer import BytePair
from bomix.training.device import process_environment
from bomix.training.model.decoder import Model
from bomix.training.optim import Optimization
from bomix.trial import EXPERTS, SCORED_TOKENS, Result, Trial

if TYPE_CHECKING:
    from bomix.training.data.tokens import Corpus
    from bomix.training.loop import Run, Trained

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


@dataclass(frozen=True)
class Proxy:
    """Trains a decoder on the mixture and measures its loss on a validation set of each domain.

    The seed of a trial decides the initial parameters and the order of the sequences, by two separate streams, so
    that trials of the same seed differ in the mixture alone.

    Attributes:
        sources: Domain name to its text; a study fills it from its domains.
        validation: Further validation sets, name to text or task; each domain has one of its own name already. A
            task of multiple choice has the metric ``<name>_accuracy`` beside its loss.
        tokenizer: Trained on the domains, or one that exists.
        corpus: How text becomes training and validation tokens.
        model: Shape of the decoder.
        sequence_length: Tokens of context.
        batch_sequences: Sequences per optimizer step.
        tokens: Training tokens of a trial. One of this and the next must be given.
        tokens_per_parameter: Training tokens per non-embedding parameter; 20 is Chinchilla's.
        optimization: Optimizer and schedule.
        validation_sequences: Sequences per validation set, or examples per task, that the final loss is measured on,
            at most.
        curve_points: How often the loss is measured over a run, the end included.
        curve_sequences: Sequences per validation set for the points before the end, at most.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:0``.
        dtype: ``auto`` (bfloat16 where the device multiplies in it), ``bf16`` or ``fp32``.
        compile: Whether to use ``torch.compile``; ``auto`` does on CUDA.
        threads: CPU threads of a trial; two trials of one thread each are faster than one of two.
        init_seed: Fixes the initial parameters over all trials, replicates included.
        data_seed: Fixes the order of the sequences likewise.
        save_model: Keep the trained model, in the format of ``transformers``, as the artifact ``model``: ``true``,
            ``false``, or ``experts`` for theirs alone.
        score_tokens: Whose probabilities of every validation token are kept, as the artifact ``scored_tokens``.
        score_at: Share of the run after which they are taken; below 1 an expert is a checkpoint of its run.
    """

    preload: ClassVar[tuple[str, ...]] = ("bomix.training.loop", "transformers.models.llama.modeling_llama")
    """What a process that forks trials should import first. None of it touches a GPU."""

    may_change: ClassVar[tuple[str, ...]] = (
        *("corpus.cache", "device", "compile", "threads", "save_model", "score_tokens"),
    )
    """What may change in the midst of a study: it moves the last digits of a loss, if anything."""

    sources: Mapping[str, Source] = field(default_factory=dict, metadata={FILLED: "domains"})
    validation: Mapping[str, Source] = field(default_factory=dict)
    tokenizer: TokenizerSpec = BytePair()
    corpus: CorpusSpec = CorpusSpec()
    model: Model = Model()
    sequence_length: int = 256
    batch_sequences: int = 1
    tokens: int | None = None
    tokens_per_parameter: float | None = None
    optimization: Optimization = Optimization()
    validation_sequences: int = 128
    curve_points: int = 4
    curve_sequences: int = 16
    device: str = "auto"
    dtype: Literal["auto", "bf16", "fp32"] = "auto"
    compile: bool | Literal["auto"] = "auto"
    threads: int = 1
    init_seed: int | None = None
    data_seed: int | None = None
    save_model: bool | Literal["experts"] = False
    score_tokens: Literal["experts", "all", "none"] = "experts"
    score_at: float = 1.0

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
        elif not found and not self.model.faults() and self._budget() < self._step_tokens:
            found.append(Fault("tokens", f"{self._budget()} tokens are less than one step of {self._step_tokens}"))
        if not 0.0 < self.score_at <= 1.0:
            found.append(
                Fault("score_at", f"expected a share of the run, above 0 and at most 1, found {self.score_at:g}")
            )
        if not _DEVICE.fullmatch(self.device):
            found.append(Fault("device", f"expected auto, cpu, cuda or cuda:0, found '{self.device}'"))
        return found

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
        return max(1, self._budget() // self._step_tokens)

    @property
    def fidelity(self) -> Fidelity:
        """Non-embedding parameters, and the tokens that a trial really trains on."""
        return Fidelity(self.model.non_embedding_parameters(), self.steps * self._step_tokens)

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
            fidelity=self.fidelity,
            provenance={"tokenizer": built.tokenizer_hash, **built.hashes},
            info={
                "vocabulary": built.vocabulary,
                "parameters": self.model.parameters(built.vocabulary),
                "steps": self.steps,
                "validation_tokens": {name: len(tokens.tokens) for name, tokens in built.validation.items()},
                "tasks": built.task_statistics(self.sequence_length),
            },
        )

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        """Train on the mixture and measure.

        Raises:
            EvaluationError: The training failed.
            DataError: The corpus is gone or damaged.
        """
        from bomix.training import loop
        from bomix.training.data import corpus

        loaded = corpus.load(
            self.sources, self.validation, self.tokenizer, self.corpus, sequence_length=self.sequence_length
        )
        trained = loop.train(loaded, self.run_of(trial))
        artifacts = {}
        if self.save_model is True or (self.save_model == "experts" and trial.origin in EXPERTS):
            trained.model.save_pretrained(workdir / "model")
            artifacts["model"] = "model"
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
            info=self._info(trained, loaded),
        )

    def run_of(self, trial: Trial) -> Run:
        """The training run of a trial."""
        from bomix.training.loop import Run, seeds

        init_seed, data_seed = seeds(trial.seed, init_seed=self.init_seed, data_seed=self.data_seed)
        return Run(
            weights=dict(trial.weights),
            steps=self._steps_of(trial),
            init_seed=init_seed,
            data_seed=data_seed,
            model=self.model,
            optimization=self.optimization,
            sequence_length=self.sequence_length,
            batch_sequences=self.batch_sequences,
            validation_sequences=self.validation_sequences,
            curve_points=self.curve_points,
            curve_sequences=self.curve_sequences,
            device=self.device,
            dtype=self.dtype,
            compile=self.compile,
            threads=self.threads,
            score_step=self._score_step(trial),
        )

    @property
    def scores_tokens(self) -> bool:
        """Whether experts leave behind what they make of every token."""
        return self.score_tokens != "none"

    def _steps_of(self, trial: Trial) -> int:
        """Optimizer steps of a trial: those of its own scale where it has one."""
        tokens = self.fidelity.tokens if trial.fidelity is None else trial.fidelity.tokens
        if tokens < self._step_tokens:
            raise EvaluationError(
                f"{tokens} tokens are less than one step of {self._step_tokens}; raise experts.tokens"
            )
        return tokens // self._step_tokens

    def _score_step(self, trial: Trial) -> int | None:
        """After which step tokens are scored; None for a trial that keeps no scores."""
        if self.score_tokens == "none" or (self.score_tokens == "experts" and trial.origin not in EXPERTS):
            return None
        return max(1, round(self.score_at * self._steps_of(trial)))

    @property
    def _step_tokens(self) -> int:
        return self.batch_sequences * self.sequence_length

    def _budget(self) -> int:
        if self.tokens is not None:
            return self.tokens
        return round((self.tokens_per_parameter or 0.0) * self.model.non_embedding_parameters())

    def _field_faults(self) -> Iterator[Fault]:
        """Those of a proxy that no study file made, whose loader would have found them."""
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

    def _info(self, trained: Trained, loaded: Corpus) -> dict[str, Any]:
        return {
            "device": trained.hardware.device,
            "dtype": trained.hardware.dtype,
            "compiled": trained.hardware.compile,
            "tokens_per_second": round(trained.tokens_per_second, 1),
            "steps": self.steps,
            "tokens": self.fidelity.tokens,
            "non_embedding_parameters": self.fidelity.params,
            "parameters": self.model.parameters(loaded.vocabulary),
            "training_loss": float(trained.training_losses[-max(1, self.steps // 20) :].mean()),
            "bits_per_byte": {name: found.bits_per_byte for name, found in trained.evaluations.items()},
            "validation_sequences": {name: found.sequences for name, found in trained.evaluations.items()},
        }
