"""How the proxy is trained: optimizer, schedule of the learning rate, clipping, and the papers' settings by name.

References:
    [Belenki2025] Belenki et al., Optimizing Pre-Training Data Mixtures with Mixtures of Data Expert Models.
    [Gadre2024] Gadre et al., Language models scale reliably with over-training and on downstream tasks.
    [Lindenau2024] Lindenau, Bayesian Optimization for Mixture Optimization in Large Language Models.
    [Liu2025] Liu et al., RegMix: Data Mixture as Regression for Language Model Pre-training.
    [Loshchilov2019] Loshchilov and Hutter, Decoupled Weight Decay Regularization.
    [Shazeer2018] Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from bomix.contracts.traits import field_values
from bomix.errors import Fault

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from bomix.training.model.stack import Stack

OptimizerName = Literal["adamw", "adafactor"]
ScheduleName = Literal["linear", "cosine", "exponential", "constant"]


@dataclass(frozen=True)
class Settings:
    """Every number of an optimisation; :class:`Optimization` says what each means.

    The defaults suit the smallest proxies with a sequence or two a step: such gradients are noisy, so that the second
    moment is averaged over many steps and the first over few.
    """

    optimizer: OptimizerName = "adamw"
    rate: float = 3e-3
    schedule: ScheduleName = "linear"
    floor: float = 0.0
    warmup: float = 0.05
    clip: float = 1.0
    weight_decay: float = 0.1
    beta1: float = 0.8
    beta2: float = 0.999


PRESETS: Mapping[str, Settings] = MappingProxyType(
    {
        "lindenau2024": Settings(
            rate=3e-3, schedule="cosine", floor=0.01, warmup=0.05, clip=1.0, weight_decay=0.033, beta1=0.9, beta2=0.95
        ),
        "belenki2025": Settings(
            optimizer="adafactor",
            rate=1e-3,
            schedule="exponential",
            floor=0.1,
            warmup=0.06,
            clip=1.0,
            weight_decay=1e-2,
        ),
        "liu2025": Settings(
            rate=4e-4, schedule="cosine", floor=0.025, warmup=0.1, clip=1.0, weight_decay=0.1, beta1=0.9, beta2=0.95
        ),
    }
)
"""The papers' settings.

``lindenau2024``: the paper names OpenLM and takes all hyperparameters from [Gadre2024]_, without numbers. The published
records of those runs give AdamW, rate 3e-3, cosine to 3e-5, weight decay 0.033, beta2 0.95, clipping at 1, and at 20
tokens per parameter a warm-up of 100 to 400 steps out of some 1,500 (5 % is ours), batches of 64 sequences of
2,048 tokens and more. Their normalised queries and keys and their z-loss are not reproduced.

``belenki2025``: as stated, with batches of 512 sequences of 1,024 tokens. Whether Adafactor scales its steps by the
size of the parameters is not stated; here it does not, so that the rate means what it means for AdamW.

``liu2025``: AdamW, rate 4e-4, cosine, 1,000 steps of 1M tokens are stated. The published code gives the betas, the
weight decay, the clipping, the floor of 1e-5 (for its 1B model) and 100 steps of warm-up (for its 1M proxies, whose
configuration there holds the rate constant after it; we follow the paper).
"""


@dataclass(frozen=True)
class Optimization:
    """Optimizer and schedule; a preset fills what is left out.

    Attributes:
        preset: Whose settings to start from; none means the defaults in brackets.
        optimizer: ``adamw`` [Loshchilov2019]_ or ``adafactor`` [Shazeer2018]_ (adamw).
        rate: Peak learning rate (3e-3).
        schedule: What follows the warm-up: ``linear``, ``cosine``, ``exponential`` or ``constant`` (linear).
        floor: Where the schedule ends, as a share of the peak (0).
        warmup: Share of the steps over which the rate rises linearly from zero (0.05).
        clip: Largest norm of the gradient; 0 clips nothing (1).
        weight_decay: Decoupled weight decay, on matrices only (0.1).
        beta1: Decay of AdamW's first moment (0.8).
        beta2: Decay of AdamW's second moment (0.999).
    """

    preset: Literal["lindenau2024", "belenki2025", "liu2025"] | None = None
    optimizer: OptimizerName | None = None
    rate: float | None = None
    schedule: ScheduleName | None = None
    floor: float | None = None
    warmup: float | None = None
    clip: float | None = None
    weight_decay: float | None = None
    beta1: float | None = None
    beta2: float | None = None

    def settings(self) -> Settings:
        """Every number, preset and defaults filled in."""
        values = field_values(self)
        own = {field.name: values[field.name] for field in fields(Settings)}
        base = PRESETS[self.preset] if self.preset is not None else Settings()
        return replace(base, **{name: value for name, value in own.items() if value is not None})

    def faults(self) -> list[Fault]:
        """Settings that lie outside their range, presets and defaults filled in."""
        s = self.settings()
        found = []
        if s.rate <= 0:
            found.append(Fault("rate", f"expected a positive learning rate, found {s.rate:g}"))
        if not 0 <= s.floor <= 1:
            found.append(Fault("floor", f"expected a share of the peak between 0 and 1, found {s.floor:g}"))
        if s.schedule == "exponential" and s.floor == 0:
            found.append(Fault("floor", "an exponential schedule never reaches zero; set a floor above 0, say 0.1"))
        if not 0 <= s.warmup < 1:
            found.append(Fault("warmup", f"expected a share of the steps, 0 or more and below 1, found {s.warmup:g}"))
        for name, value in (("clip", s.clip), ("weight_decay", s.weight_decay)):
            if value < 0:
                found.append(Fault(name, f"expected 0 or more, found {value:g}"))
        for name, value in (("beta1", s.beta1), ("beta2", s.beta2)):
            if not 0 <= value < 1:
                found.append(Fault(name, f"expected 0 or more and below 1, found {value:g}"))
        return found


def rate_at(settings: Settings, step: int, steps: int) -> float:
    """The learning rate of one step.

    With ``m = warmup * steps``, the rate rises as ``rate * (step + 1) / m`` while ``step + 1 < m``, and then follows
    the schedule at ``t = (step - m) / (steps - m)``: ``1 - (1 - floor) t``, ``floor + (1 - floor) (1 + cos(pi t)) / 2``
    or ``floor^t``, times ``rate``. So ``t`` reaches one just after the last step: no step is spent at a rate of zero.

    Args:
        settings: Peak, schedule, floor, warm-up.
        step: Number of the step, from 0.
        steps: Steps of the whole run.
    """
    rising = settings.warmup * steps
    if step + 1 < rising:
        return settings.rate * (step + 1) / rising
    t = min(1.0, max(0.0, (step - rising) / (steps - rising)))
    floor = settings.floor
    match settings.schedule:
        case "linear":
            share = 1.0 - (1.0 - floor) * t
        case "cosine":
            share = floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * t))
        case "exponential":
            share = floor**t
        case "constant":
            share = 1.0
    return settings.rate * share


_MOMENTS = ("exp_avg", "exp_avg_sq")
"""What torch's AdamW calls its moments."""


class StackOptimizer:
    """Steps all models of a stack at once, each with its own clipping and its own learning rate.

    Norms and biases are not decayed. Models that share a rate are one tensor to AdamW; Adafactor, which looks at whole
    matrices, and models of several rates are stepped piece by piece.

    Args:
        settings: Those of each model; they may differ in the rate alone.
        stack: The models.
        steps: Steps of the whole run.
    """

    def __init__(self, settings: Sequence[Settings], stack: Stack, *, steps: int) -> None:
        self._settings, self._stack, self._steps = settings, stack, steps
        self._is_cuda = stack.parameters[0].is_cuda
        self._is_joint = settings[0].optimizer == "adamw" and len({each.rate for each in settings}) == 1
        self._stepped: list[dict[str, nn.Parameter]] = []
        groups = self._joint() if self._is_joint else self._separate()
        self._optimizer = self._built(groups)

    def _joint(self) -> list[dict[str, Any]]:
        decays = (self._settings[0].weight_decay, 0.0)
        both = zip(self._stack.parameters, self._stack.gradients, decays, strict=True)
        return [
            {"params": [_parameter(values, gradient)], "weight_decay": decay, "model": 0}
            for values, gradient, decay in both
        ]

    def _separate(self) -> list[dict[str, Any]]:
        groups = []
        for at, settings in enumerate(self._settings):
            gradients = self._stack.piece_gradients(at)
            pieces = {name: _parameter(values, gradients[name]) for name, values in self._stack.pieces(at).items()}
            self._stepped.append(pieces)
            for is_matrix, decay in ((True, settings.weight_decay), (False, 0.0)):
                chosen = [piece for piece in pieces.values() if (piece.dim() >= 2) == is_matrix]
                groups.append({"params": chosen, "weight_decay": decay, "model": at})
        return groups

    def _built(self, groups: list[dict[str, Any]]) -> Optimizer:
        import torch

        settings = self._settings[0]
        if settings.optimizer == "adafactor":
            from transformers import Adafactor

            found: Optimizer = Adafactor(
                groups, lr=settings.rate, scale_parameter=False, relative_step=False, warmup_init=False
            )
            return found
        if self._is_cuda:  # a rate that lies on the device can change between replays of a recorded step
            for group in groups:
                group["lr"] = torch.tensor(settings.rate, device=self._stack.parameters[0].device)
        betas = (settings.beta1, settings.beta2)
        return torch.optim.AdamW(groups, lr=settings.rate, betas=betas, fused=True, capturable=self._is_cuda)

    @property
    def can_be_recorded(self) -> bool:
        """Whether a recorded step of it can be replayed: Adafactor computes its rate on the host."""
        return self._settings[0].optimizer == "adamw"

    def set_rates(self, step: int) -> None:
        """Set the learning rates of a step, counted from 0."""
        for group in self._optimizer.param_groups:
            rate = rate_at(self._settings[group["model"]], step, self._steps)
            if isinstance(group["lr"], float):
                group["lr"] = rate
            else:
                group["lr"].fill_(rate)

    def step(self) -> None:
        """Clip the gradients that the stack holds, and step on them at the rates that are set."""
        if limit := self._settings[0].clip:
            self._stack.clip(limit)
        self._optimizer.step()
        self._stack.refresh()

    def moments(self, at: int) -> dict[str, dict[str, Tensor | float]]:
        """What it remembers of one model after a step: name of each parameter to its moments and its steps.

        The names, and the shapes, do not depend on which others are in the stack.
        """
        if not self._is_joint:
            return {name: dict(self._optimizer.state[piece]) for name, piece in self._stepped[at].items()}
        states = self._joint_states()
        found = {key: self._stack.like([state[key] for state in states], at) for key in _MOMENTS}
        return {
            name: {"step": states[0]["step"], **{key: found[key][name] for key in _MOMENTS}}
            for name in self._stack.pieces(at)
        }

    def load(self, moments: Sequence[Mapping[str, Mapping[str, Tensor | float]]]) -> None:
        """Go on from what :meth:`moments` gave of each model, all after equally many steps."""
        import torch

        if not self._is_joint:
            for of_model, pieces in zip(moments, self._stepped, strict=True):
                for name, piece in pieces.items():
                    self._optimizer.state[piece] = {
                        key: value.to(piece.device, copy=True) if isinstance(value, torch.Tensor) else value
                        for key, value in of_model[name].items()
                    }
            return
        step = next(iter(moments[0].values()))["step"]
        for state, values in zip(self._joint_states(), self._stack.parameters, strict=True):
            state |= {"step": torch.tensor(float(step), device=values.device)}
            state |= {key: torch.zeros_like(values) for key in _MOMENTS}
        for key in _MOMENTS:
            flat = [state[key] for state in self._joint_states()]
            for at, of_model in enumerate(moments):
                for name, part in self._stack.like(flat, at).items():
                    part.copy_(torch.as_tensor(of_model[name][key]))

    def _joint_states(self) -> list[dict[str, Any]]:
        """What it remembers of each of the stack's flat tensors."""
        return [self._optimizer.state[group["params"][0]] for group in self._optimizer.param_groups]


def _parameter(values: Tensor, gradient: Tensor) -> nn.Parameter:
    from torch import nn

    parameter = nn.Parameter(values)
    parameter.grad = gradient
    return parameter
