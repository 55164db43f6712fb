"""One training run: a mixture in, validation losses out."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix import progress
from bomix.errors import EvaluationError
from bomix.io.artifacts.scored_tokens import ScoredTokens
from bomix.training import device, validation
from bomix.training.data.tokens import Corpus
from bomix.training.data_order import Plan, plan
from bomix.training.device import Hardware
from bomix.training.optim import build_optimizer, rate_at
from bomix.training.spec import TrainingSpec
from bomix.training.validation import Evaluation, Measured
from bomix.trial import Curve

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

REPORT_SECONDS = 1.0
"""Seconds between two reports of progress: as often as people look, and far too seldom to slow a step."""


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
    """

    weights: Mapping[str, float]
    steps: int
    init_seed: int
    data_seed: int
    spec: TrainingSpec = TrainingSpec()
    score_step: int | None = None

    @property
    def tokens(self) -> int:
        """Training tokens of the run."""
        return self.steps * self.spec.step_tokens


@dataclass(frozen=True)
class Trained:
    """What a run brings back.

    Attributes:
        model: With its final parameters.
        evaluations: Validation set to the final validation.
        curve: Validation losses over the run; the last point is the final validation.
        training_losses: ``steps`` losses of the batches, nats per token.
        plan: What was read.
        hardware: The device and precision of the run.
        seconds: Seconds that the whole run took on its device, validations included.
        tokens_per_second: Training tokens per second of the training alone, validations left out.
        scored: Metric name to every token that the final validation reads; None where it was not asked for.
    """

    model: PreTrainedModel
    evaluations: Mapping[str, Evaluation]
    curve: Curve
    training_losses: np.ndarray
    plan: Plan
    hardware: Hardware
    seconds: float
    tokens_per_second: float
    scored: Mapping[str, ScoredTokens] | None = None


def train(corpus: Corpus, run: Run) -> Trained:
    """Train a decoder on a mixture.

    The same corpus and run give the same losses bit for bit on a CPU, whatever torch's generator held before.

    Raises:
        EvaluationError: The loss left the numbers, or the device is not there.
    """
    spec = run.spec
    hardware = device.choose(spec.device, spec.dtype, spec.compile)
    with device.threads(spec.threads):
        return _train(corpus, run, hardware)


def _train(corpus: Corpus, run: Run, hardware: Hardware) -> Trained:
    import torch

    started = time.perf_counter()
    spec = run.spec
    length, settings = spec.sequence_length, spec.optimization.settings()
    available = {name: tokens.sequences(length) for name, tokens in corpus.train.items()}
    schedule = plan(run.weights, available, steps=run.steps, batch=spec.batch_sequences, seed=run.data_seed)
    model = spec.model.build(vocabulary=corpus.vocabulary, sequence_length=length, seed=run.init_seed)
    model.to(hardware.device)
    forward = torch.compile(model, dynamic=False) if hardware.compile else model
    optimizer = build_optimizer(settings, model)
    parameters = list(model.parameters())
    losses = torch.empty(run.steps, device=hardware.device)
    marks = curve_steps(run.steps, spec.curve_points)
    measured: list[dict[str, Measured]] = []
    scored: dict[str, Measured] | None = None
    monitor = _Monitor(run, losses)

    model.train()
    for step in range(run.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(settings, step, run.steps)
        tokens = _batch(corpus, schedule, step, length, hardware)
        with hardware.autocast():
            logits = forward(input_ids=tokens[:, :-1]).logits
        loss = _cross_entropy(logits, tokens[:, 1:])
        loss.backward()  # type: ignore[no-untyped-call]
        if settings.clip:
            torch.nn.utils.clip_grad_norm_(parameters, settings.clip, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses[step] = loss.detach()
        if step + 1 == run.score_step and step + 1 < run.steps:
            with monitor.pause(hardware):
                scored = _validate(model, corpus, length, spec.validation_sequences, hardware, keep=True)
        if step + 1 in marks:
            monitor.check(step + 1)
            with monitor.pause(hardware):
                is_last = step + 1 == run.steps
                count = spec.validation_sequences if is_last else spec.curve_sequences
                keep = is_last and run.score_step == run.steps
                measured.append(_validate(model, corpus, length, count, hardware, keep=keep))
            monitor.newest = _values(measured[-1])
        monitor.tick(step + 1)

    hardware.synchronize()
    scored = measured[-1] if run.score_step == run.steps else scored
    return Trained(
        model=model,
        evaluations={name: found.evaluation for name, found in measured[-1].items()},
        curve=_curve(marks, measured),
        training_losses=losses.cpu().numpy(),
        plan=schedule,
        hardware=hardware,
        seconds=time.perf_counter() - started,
        tokens_per_second=monitor.tokens_per_second(),
        scored=None if scored is None else {key: x for found in scored.values() for key, x in found.scored.items()},
    )


def _curve(marks: list[int], measured: list[dict[str, Measured]]) -> Curve:
    points = [_values(each) for each in measured]
    return Curve(np.array(marks), {name: np.array([point[name] for point in points]) for name in points[-1]})


def _values(measured: Mapping[str, Measured]) -> dict[str, float]:
    """Every metric of every validation set to its value."""
    return {key: value for name, found in measured.items() for key, value in found.evaluation.values(name).items()}


def curve_steps(steps: int, points: int) -> list[int]:
    """After how many steps to validate: evenly spaced, the end always among them."""
    return sorted({math.ceil(steps * k / points) for k in range(1, points + 1)} | {steps})


def seeds(trial_seed: int, *, init_seed: int | None = None, data_seed: int | None = None) -> tuple[int, int]:
    """The seeds of the parameters and of the data order that follow from a trial's seed, unless one is fixed."""
    drawn = [int(np.random.SeedSequence([trial_seed, stream]).generate_state(1)[0]) for stream in (0, 1)]
    return (drawn[0] if init_seed is None else init_seed, drawn[1] if data_seed is None else data_seed)


def _batch(corpus: Corpus, schedule: Plan, step: int, length: int, hardware: Hardware) -> Tensor:
    """The ``batch x (length + 1)`` tokens of a step."""
    import torch

    rows = [
        corpus.train[schedule.domains[domain]].windows(np.array([sequence]), length)[0]
        for domain, sequence in zip(schedule.domain[step], schedule.sequence[step], strict=True)
    ]
    tokens = torch.from_numpy(np.stack(rows))
    return tokens.pin_memory().to(hardware.device, non_blocking=True) if hardware.is_cuda else tokens


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    from torch.nn import functional

    return functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


def _validate(
    model: PreTrainedModel, corpus: Corpus, length: int, sequences: int, hardware: Hardware, *, keep: bool
) -> dict[str, Measured]:
    """Every validation set; with ``keep``, every token as well.

    The model itself is called, never its compiled form: other batch sizes would compile anew.
    """
    model.eval()
    found = {
        name: validation.measure(
            lambda x: model(input_ids=x).logits,
            tokens,
            length=length,
            sequences=sequences,
            hardware=hardware,
            score_as=name if keep else None,
        )
        for name, tokens in corpus.validation.items()
    }
    model.train()
    for name, measured in found.items():
        if not math.isfinite(loss := measured.evaluation.loss):
            raise EvaluationError(f"validation loss of '{name}' is {loss}; {_CURE}")
    return found


_CURE = "lower evaluator.optimization.rate, raise its warmup, or clip the gradient"


class _Monitor:
    """Speed, reports and the watch over the loss, apart from the loop.

    Reading a loss waits for the device, so that is done about once a second and not at every step.
    """

    def __init__(self, run: Run, losses: torch.Tensor) -> None:
        self.newest: Mapping[str, float] = {}
        self._run = run
        self._losses = losses
        self._tokens_per_step = run.spec.step_tokens
        self._training = 0.0
        self._since = self._reported_at = time.perf_counter()
        self._checked = self._reported = 0

    def tick(self, done: int) -> None:
        """After every step; reports when it is time."""
        now = time.perf_counter()
        if now - self._reported_at < REPORT_SECONDS and done < self._run.steps:
            return
        self.check(done)
        speed = (done - self._reported) * self._tokens_per_step / max(now - self._reported_at, 1e-9)
        progress.report(progress.Progress(done, self._run.steps, speed, dict(self.newest)))
        self._reported_at, self._reported = now, done

    def check(self, done: int) -> None:
        """Look at the losses that came since the last look.

        Raises:
            EvaluationError: One of them is not a number.
        """
        recent = self._losses[self._checked : done].cpu().numpy()
        if (bad := np.flatnonzero(~np.isfinite(recent))).size:
            step = self._checked + int(bad[0]) + 1
            raise EvaluationError(f"training loss is {recent[bad[0]]} at step {step} of {self._run.steps}; {_CURE}")
        self._checked = done

    @contextmanager
    def pause(self, hardware: Hardware) -> Iterator[None]:
        """Stop the clock of the training while something else is done."""
        hardware.synchronize()
        start = time.perf_counter()
        self._training += start - self._since
        yield
        self._since = time.perf_counter()
        self._reported_at += self._since - start

    def tokens_per_second(self) -> float:
        """Training tokens per second, validations left out; the last validation closes the clock."""
        return self._run.steps * self._tokens_per_step / max(self._training, 1e-9)
