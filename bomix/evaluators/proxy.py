"""A proxy: a small language model trained from scratch on the mixture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bomix.config.extras import missing
from bomix.contracts.preparation import DomainStats, Preparation
from bomix.errors import EvaluationError, Fault, raise_faults
from bomix.evaluators import reweighting as of_reweighting
from bomix.evaluators.proxy_spec import ProxySpec
from bomix.evaluators.stacks import fitted, parts, place_of
from bomix.io.artifacts import scored_tokens
from bomix.scale import Scale
from bomix.training.device import process_environment
from bomix.training.spec import CHECKPOINT, DEVICES, TrainingSpec
from bomix.trial import EXPERT, MODEL, REFERENCE, SCORED_TOKENS, Failure, Result, Trial

if TYPE_CHECKING:
    from bomix.training.checkpoint import Place
    from bomix.training.data.tokens import Corpus
    from bomix.training.run import Run, Trained

WIDEST = 64
"""Trials that are given to one process at a time, at most: a GPU is busy with as many of the smallest models."""


_PACKAGES = ("datasets", "safetensors", "tokenizers", "transformers")
"""What trains small models and reads their text, and nothing else of bomix needs."""


def _missing_packages() -> list[Fault]:
    said = missing("proxy", _PACKAGES)
    return [] if said is None else [Fault("evaluator.kind", f"'proxy' trains small models: {said}")]


@dataclass(frozen=True)
class Proxy(ProxySpec):
    """Trains a decoder on the mixture and measures its loss on a validation set of each domain.

    The seed of a trial decides the initial parameters and the order of the sequences, by two separate streams, so
    that trials of the same seed differ in the mixture alone. A trial of another scale than the study's is trained with
    its own tokens, and with the decoder of its own parameters where that is a size of the ladder. A trial that
    reweights its domains is trained by its rule, on as many tokens, and by itself.

    Example:
        >>> from bomix.training.data.sources import Files
        >>> domains = {name: bomix.DomainSpec(source=Files((f"{name}/*.txt",))) for name in ("code", "web")}
        >>> proxy = bomix.Proxy(tokens=200_000, batch_sequences=4)  # for bomix.Study(domains, evaluator=proxy)
        >>> proxy.steps, proxy.scale.tokens  # whole steps of 4 sequences of 256 tokens
        (195, 199680)

    The keys are those of :class:`bomix.evaluators.proxy_spec.ProxySpec`, and, from ``model`` to ``checkpoint_s``, of
    :class:`bomix.training.spec.TrainingSpec`.
    """

    preload: ClassVar[tuple[str, ...]] = ("bomix.training.loop", "transformers.models.llama.modeling_llama")
    """What a process that forks trials should import first. None of it touches a GPU."""

    scratch: ClassVar[tuple[str, ...]] = (CHECKPOINT, f"{DEVICES}*")
    """What later attempts of a trial go on from, and what the processes of several devices say to each other."""

    def process_environment(self) -> dict[str, str]:
        """Variables that a process that trains starts with."""
        return process_environment()

    def faults_before_network(self, domains: Sequence[str]) -> list[Fault] | None:
        """What is wrong that is seen before any network is asked; None where the text and the tokenizer are here."""
        from bomix.training.data import corpus
        from bomix.training.data.assembly import Inputs

        sources = {name: source for name in domains if (source := self.sources.get(name)) is not None}
        found = corpus.local_faults(Inputs(sources, self.validation, self.tokenizer, self.corpus))
        if found is None:
            return None
        return [*self._field_faults(), *self._missing_sources(domains), *self._device_faults(), *found]

    def prepare(self, domains: Sequence[str]) -> Preparation:
        """Build the corpus, or find it built.

        Raises:
            FaultsError: Everything that is wrong with fields, sources and tokenizer, together.
        """
        from bomix.training.data import corpus

        raise_faults(
            [*_missing_packages(), *self._field_faults(), *self._missing_sources(domains), *self._device_faults()]
        )
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
                "cut": [name for name, tokens in built.train.items() if self.corpus.cuts(len(tokens.tokens))],
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
            sequences=self._sequences(trial, scale),
            phases={} if self.phases is None else self.phases.share,
        )

    def _sequences(self, trial: Trial, scale: Scale) -> dict[str, int]:
        """Domain to the sequences that a trial may see of it; empty where it sees all of the text."""
        tokens = self.trained_scale(scale).tokens
        if self.matching is None or trial.origin == EXPERT or tokens is None:
            return {}
        return self.matching.sequences(tokens, self.sequence_length)

    def _score_step(self, trial: Trial, steps: int) -> int | None:
        """After which of its steps the tokens of a trial are scored; None for one that keeps no scores."""
        if self.score_tokens == "none" or (self.score_tokens == "experts" and trial.origin != EXPERT):
            return None
        return max(1, round(self.score_at * steps))

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
        **({"phases": _phase_tokens(run)} if run.phases else {}),
        "non_embedding_parameters": model.non_embedding_parameters(),
        "parameters": model.parameters(loaded.vocabulary),
        "training_loss": float(trained.training_losses[-max(1, run.steps // 20) :].mean()),
        "bits_per_byte": {name: found.bits_per_byte for name, found in trained.evaluations.items()},
        "validation_sequences": {name: found.sequences for name, found in trained.evaluations.items()},
        **({} if trained.found is None else of_reweighting.told(run, trained.found, loaded.vocabulary)),
    }


def _phase_tokens(run: Run) -> dict[str, int]:
    """Phase to the tokens that it read."""
    from bomix.training.phases import phase_sequences

    spec = run.spec
    counts = phase_sequences(run.phases, run.steps * spec.batch_sequences)
    return {phase: count * spec.sequence_length for phase, count in counts.items()}
