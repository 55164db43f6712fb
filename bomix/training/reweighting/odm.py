"""ODM: domains as the arms of a bandit whose reward is the training loss.

References:
    [Albalak2023] Albalak et al., Efficient Online Data Mixing for Language Model Pre-Training, arXiv 2312.02406.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bomix.contracts.reweighter import Array, Signal
from bomix.errors import Fault
from bomix.training.reweighting.simplex import Course, present, softmax


@dataclass(frozen=True)
class ODMState:
    """What the rule remembers.

    Attributes:
        start: ``K`` weights that the run starts with.
        course: The weights so far, by which sequences are drawn.
        rewards: ``K`` rewards, summed or averaged over the steps.
        exploration: Least weight of a domain at the last step; ``1 / K`` before the first.
        warmup: Steps during which the weights stay as they are.
    """

    start: Array
    course: Course
    rewards: Array
    exploration: float
    warmup: int


@dataclass(frozen=True)
class ODM:
    """EXP3 over domains, the training loss its reward, [Albalak2023]_, algorithm 1.

    At step ``t`` the least weight is ``eps_t = min(1 / K, sqrt(ln K / (K t)))``, and

        ``exp3``:    ``R_k`` grows by ``scale loss_k b_k / w_k``, with ``b`` the shares of the batch (all of it where a
                     batch is of one domain), ``w_k = (1 - K eps_t) softmax(eps_{t-1} R)_k + eps_t``;
        ``average``: ``R_k = decay R_k + (1 - decay) exp(loss_k)``, ``w_k = (1 - K eps_t) R_k / sum R + eps_t``, the
                     form that the published code names as the paper's.

    A domain that a batch does not hold keeps its ``R_k``. Sequences are drawn by ``w``, and their losses count as in
    any training. The rewards of a warm-up are heard and move no weight.

    Attributes:
        form: How rewards are put together.
        reward: What ``average`` averages: ``perplexity``, exp(loss), or the ``loss``.
        decay: Decay of the moving average.
        scale: Factor of the losses in ``exp3``, which is meant for rewards from 0 to 1.
        warmup: Share of the steps during which the weights stay those of the start.
        result: The mixture found: the ``mean`` of the weights over the steps, or the ``final`` ones.
    """

    form: Literal["exp3", "average"] = "exp3"
    reward: Literal["perplexity", "loss"] = "perplexity"
    decay: float = 0.9
    scale: float = 0.1
    warmup: float = 0.01
    result: Literal["mean", "final"] = "mean"

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = []
        for name, value in {"decay": self.decay, "warmup": self.warmup}.items():
            if not 0.0 <= value < 1.0:
                found.append(Fault(name, f"expected a share, 0 or more and below 1, found {value:g}"))
        if not 0.0 < self.scale < np.inf:
            found.append(Fault("scale", f"expected a positive number, found {self.scale:g}"))
        return found

    def init(self, weights: Array, *, steps: int) -> ODMState:
        """The state before the first of ``steps`` steps, ``K`` weights being those that the run starts with."""
        course = Course.starting_at(weights)
        k = int((course.weights > 0.0).sum())
        return ODMState(course.weights, course, np.zeros_like(course.weights), 1.0 / k, math.ceil(self.warmup * steps))

    def update(self, state: ODMState, signal: Signal) -> ODMState:
        """The state after a batch has told the losses of its domains."""
        rewards = self._rewards(state, signal)
        part = state.start > 0.0
        k, t = int(part.sum()), state.course.steps + 1
        exploration = min(1.0 / k, math.sqrt(math.log(k) / (k * t)))
        weights = state.start
        if t > state.warmup:
            shares = self._shares(state.exploration, rewards, state.start)
            weights = (1.0 - k * exploration) * shares + exploration * part
        return replace(state, course=state.course.then(weights), rewards=rewards, exploration=exploration)

    def _rewards(self, state: ODMState, signal: Signal) -> Array:
        """``K`` rewards with those of a batch."""
        losses, there = present(signal.losses, signal.shares, "the training loss"), signal.shares > 0.0
        if self.form == "exp3":
            drawn = np.where(there, state.course.weights, 1.0)
            return np.asarray(state.rewards + self.scale * losses * signal.shares / drawn)
        with np.errstate(over="ignore"):
            news = np.exp(losses) if self.reward == "perplexity" else losses
        news = present(news, signal.shares, "the perplexity")
        return np.where(there, self.decay * state.rewards + (1.0 - self.decay) * news, state.rewards)

    def _shares(self, exploration: float, rewards: Array, start: Array) -> Array:
        """``K`` shares of what is left above the least weight; zero for a domain that has no weight at the start."""
        part = start > 0.0
        if self.form == "exp3":
            return softmax(np.where(part, exploration * rewards, -np.inf))
        total = rewards[part].sum()
        return np.where(part, rewards / total if total > 0.0 else 1.0 / part.sum(), 0.0)

    def sampling(self, state: ODMState) -> Array:
        """``K`` shares of the sequences of the next batch: the weights."""
        return state.course.weights

    def loss_weights(self, state: ODMState, shares: Array) -> Array:
        """``K`` factors of the mean losses: the shares of the batch, as in any training."""
        return shares

    def weights(self, state: ODMState) -> Array:
        """``K`` weights as they are now."""
        return state.course.weights

    def mixture(self, state: ODMState) -> Array:
        """``K`` weights: their mean over the steps, or the final ones."""
        return state.course.mean if self.result == "mean" else state.course.weights
