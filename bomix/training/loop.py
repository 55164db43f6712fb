"""Training runs in lockstep: mixtures in, validation losses out.

Runs of one shape and length are one stack of models, each with its own mixture, its own parameters and its own order of
sequences; what one of them becomes does not depend on the others. A single run is a stack of one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bomix.errors import EvaluationError
from bomix.io.artifacts.scored_tokens import ScoredTokens
from bomix.training import checkpoint, device, keeping, validation
from bomix.training.checkpoint import Place, Saved
from bomix.training.data.tokens import Corpus
from bomix.training.device import Hardware
from bomix.training.feed import Feed
from bomix.training.keeping import Keeper
from bomix.training.monitor import CURE, Monitor
from bomix.training.optim import StackOptimizer
from bomix.training.ranks import ALONE, Ranks
from bomix.training.reweighting.steps import GuidedSteps
from bomix.training.run import Run, Trained, can_share, curve_steps, texts_of
from bomix.training.step import Step
from bomix.training.validation import Measured
from bomix.trial import Curve


def train(corpus: Corpus, run: Run) -> Trained:
    """Train a decoder on a mixture.

    The same corpus and run give the same losses bit for bit on a CPU, whatever torch's generator held before.

    Raises:
        EvaluationError: The loss left the numbers, or the device is not there.
    """
    (found,) = train_together(corpus, [run])
    if isinstance(found, EvaluationError):
        raise found
    return found


def train_together(
    corpus: Corpus, runs: Sequence[Run], *, places: Sequence[Place] = (), ranks: Ranks = ALONE
) -> list[Trained | EvaluationError]:
    """Train decoders side by side, each on its own mixture.

    Args:
        corpus: The tokens.
        runs: At least one; any two of them can share a stack, see :func:`can_share`.
        places: Where each run has its checkpoints, and which one it goes on from, all after equally many steps; empty
            for runs without.
        ranks: The processes that train them together, on a part of every batch each.

    Returns:
        For each run what it brought back, or why its loss left the numbers; the others go on. Nothing in a process that
        does not lead.

    Raises:
        EvaluationError: The device is not there, or the runs cannot share a stack.
        DataError: A checkpoint was damaged since it was found.
    """
    spec = runs[0].spec
    if len({place.step for place in places}) > 1:
        raise EvaluationError("runs that go on from different steps cannot be trained in one stack; part them")
    if not all(can_share(runs[0], run) for run in runs):
        raise EvaluationError("runs of several shapes, lengths or optimizers cannot be trained in one stack; part them")
    hardware = device.choose(spec.device, spec.dtype, spec.compile)
    with device.threads(spec.threads), hardware.current():
        return _Lockstep(corpus, runs, hardware, places, ranks).run()


class _Lockstep:
    """The one loop: read, step, measure."""

    def __init__(
        self, corpus: Corpus, runs: Sequence[Run], hardware: Hardware, places: Sequence[Place], ranks: Ranks
    ) -> None:
        import torch

        from bomix.training.model.stack import Stack

        self._started = time.perf_counter()
        self._corpus, self._runs, self._hardware = corpus, runs, hardware
        self._places, self._ranks = places, ranks
        self._saved = [saved for place in places if (saved := checkpoint.found_at(place)) is not None]
        self._first = self._saved[0].step if self._saved else 0
        self._spec, self._steps = runs[0].spec, runs[0].steps
        length = self._spec.sequence_length
        self._texts = texts_of(corpus, runs)
        self._plans = [
            run.plan({name: tokens.sequences(length) for name, tokens in text.items()})
            for run, text in zip(runs, self._texts, strict=True)
            if run.guide is None
        ]
        self._stack = Stack(
            self._spec.model,
            vocabulary=corpus.vocabulary,
            sequence_length=length,
            seeds=[run.init_seed for run in runs],
            device=hardware.device,
            dtype=torch.bfloat16 if hardware.dtype == "bf16" else torch.float32,
        )
        if hardware.compile:
            self._stack.compile()
        self._losses = torch.empty(self._steps, len(runs), device=hardware.device)
        self._failed: dict[int, EvaluationError] = {}
        self._measured: list[list[dict[str, Measured]]] = []
        self._scored: dict[int, dict[str, ScoredTokens]] = {}
        self._guided: GuidedSteps | None = None

    def run(self) -> list[Trained | EvaluationError]:
        """Every step, and what is measured between them."""
        settings = [run.spec.optimization.settings() for run in self._runs]
        optimizer = StackOptimizer(settings, self._stack, steps=self._steps)
        self._restore(optimizer)
        feed, take = self._steps_of(optimizer)
        marks = curve_steps(self._steps, self._spec.curve_points)
        scoring = {run.score_step for run in self._runs} - {None, self._steps}
        monitor = Monitor(self._runs, self._losses, first=self._first)
        keeper = Keeper(self._places, self._spec.checkpoint_s)
        for step in range(self._first, self._steps):
            optimizer.set_rates(step)
            self._losses[step] = take(feed.tokens(step))
            done = step + 1
            if not self._ranks.leads:
                continue
            if done in scoring:
                with monitor.pause(self._hardware):
                    self._keep_scores(self._validate(self._spec.validation_sequences, keep=True), done)
            if done in marks:
                self._failed = monitor.check(done) | self._failed
                with monitor.pause(self._hardware):
                    monitor.newest = self._measure(done)
            self._failed = monitor.tick(done) | self._failed
            if len(self._failed) == len(self._runs):
                break
            if keeper.is_due() if done < self._steps else self._ranks.count > 1:
                self._failed = monitor.check(done) | self._failed
                with monitor.pause(self._hardware):
                    keeper.write(self._as_saved(done, optimizer, monitor.tokens_per_second(done)))
        self._hardware.synchronize()
        if self._guided is not None:
            self._plans = [self._guided.plan()]
        return [
            self._failed.get(at) or self._trained(at, marks, monitor.tokens_per_second(self._steps))
            for at in range(len(self._runs) if self._ranks.leads else 0)
        ]

    def _restore(self, optimizer: StackOptimizer) -> None:
        """Be where the checkpoints were written, if there are some."""
        if not self._saved:
            return
        import torch

        keeping.restore(self._stack, optimizer, self._saved)
        for at, saved in enumerate(self._saved):
            self._losses[: self._first, at] = torch.from_numpy(saved.losses)
            if saved.scored:
                self._scored[at] = dict(saved.scored)
        for points in zip(*(saved.measured for saved in self._saved), strict=True):
            self._measured.append([{name: Measured(each) for name, each in point.items()} for point in points])

    def _as_saved(self, done: int, optimizer: StackOptimizer, speed: float) -> Iterator[tuple[int, Saved]]:
        """Each run that has not failed, by its place in the stack, as its checkpoint holds it."""
        for at in range(len(self._runs)):
            if at in self._failed:
                continue
            parameters, moments = keeping.held(self._stack, optimizer, at)
            yield (
                at,
                Saved(
                    step=done,
                    seconds=self._seconds(at),
                    tokens_per_second=speed,
                    losses=self._losses[:done, at].cpu().numpy(),
                    parameters=parameters,
                    moments=moments,
                    measured=[{name: each.evaluation for name, each in found[at].items()} for found in self._measured],
                    scored=self._scored.get(at, {}),
                    resumed=self._first,
                ),
            )

    def _seconds(self, at: int) -> float:
        """A run's share of what its devices took until now, with what led to its checkpoint."""
        share = (time.perf_counter() - self._started) * self._ranks.count / len(self._runs)
        return share + (self._saved[at].seconds if self._saved else 0.0)

    def _steps_of(self, optimizer: StackOptimizer) -> tuple[Feed, Step] | tuple[GuidedSteps, GuidedSteps]:
        """Where the tokens of each step come from, and what steps on them."""
        run = self._runs[0]
        if run.guide is None:
            plans = [self._ranks.own(each) for each in self._plans]
            feed = Feed(self._texts, plans, length=self._spec.sequence_length, hardware=self._hardware)
            step = Step(self._stack, optimizer, self._hardware, part=self._spec.part, ranks=self._ranks)
            return feed, step
        self._guided = GuidedSteps(
            run.guide,
            self._corpus,
            train=self._texts[0],
            weights=run.weights,
            spec=self._spec,
            steps=self._steps,
            seed=run.data_seed,
            stack=self._stack,
            optimizer=optimizer,
        )
        return self._guided, self._guided

    def _measure(self, done: int) -> Mapping[str, float]:
        """A point of the curves; the newest losses of a single run."""
        is_last = done == self._steps
        keep = is_last and any(run.score_step == done for run in self._runs)
        count = self._spec.validation_sequences if is_last else self._spec.curve_sequences
        found = self._validate(count, keep=keep)
        self._measured.append(found)
        if keep:
            self._keep_scores(found, done)
        return _values(found[0]) if len(self._runs) == 1 and not self._failed else {}

    def _keep_scores(self, found: Sequence[dict[str, Measured]], done: int) -> None:
        for at, run in enumerate(self._runs):
            if run.score_step == done:
                self._scored[at] = {key: x for one in found[at].values() for key, x in one.scored.items()}

    def _validate(self, sequences: int, *, keep: bool) -> list[dict[str, Measured]]:
        """For each model every validation set; with ``keep``, every token as well."""
        found: list[dict[str, Measured]] = [{} for _ in self._runs]
        for name, tokens in self._corpus.validation.items():
            readings = validation.measure(
                self._stack.losses,
                tokens,
                length=self._spec.sequence_length,
                sequences=sequences,
                hardware=self._hardware,
                score_as=name if keep else None,
            )
            for at, measured in enumerate(readings):
                found[at][name] = measured
                if not math.isfinite(loss := measured.evaluation.loss) and at not in self._failed:
                    self._failed[at] = EvaluationError(f"validation loss of '{name}' is {loss}; {CURE}")
        return found

    def _trained(self, at: int, marks: list[int], tokens_per_second: float) -> Trained:
        last, steps = self._measured[-1][at], self._steps
        return Trained(
            evaluations={name: found.evaluation for name, found in last.items()},
            curve=_curve(marks, [found[at] for found in self._measured]),
            training_losses=self._losses[:, at].cpu().numpy(),
            plan=self._plans[at],
            hardware=self._hardware,
            seconds=self._seconds(at),
            tokens_per_second=tokens_per_second if self._first < steps else self._saved[at].tokens_per_second,
            width=len(self._runs),
            stack=self._stack,
            place=at,
            scored=self._scored.get(at),
            found=None if self._guided is None else self._guided.found(),
            resumed=self._saved[at].resumed if self._saved and self._first == steps else self._first,
        )


def _curve(marks: list[int], measured: list[dict[str, Measured]]) -> Curve:
    points = [_values(each) for each in measured]
    return Curve(np.array(marks), {name: np.array([point[name] for point in points]) for name in points[-1]})


def _values(measured: Mapping[str, Measured]) -> dict[str, float]:
    """Every metric of every validation set to its value."""
    return {key: value for name, found in measured.items() for key, value in found.evaluation.values(name).items()}
