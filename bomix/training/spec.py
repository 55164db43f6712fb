"""How a run trains and what it measures: what all runs of an evaluator share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bomix.training.model.decoder import Model
from bomix.training.optim import Optimization


@dataclass(frozen=True)
class TrainingSpec:
    """What decides a training run beside the corpus, the mixture, the seeds and the number of steps.

    Attributes:
        model: Shape of the decoder.
        sequence_length: Tokens of context.
        batch_sequences: Sequences per optimizer step.
        optimization: Optimizer and schedule.
        validation_sequences: Sequences per validation set, or examples per task, that the final loss is measured on,
            at most.
        curve_points: How often the loss is measured over a run, the end included.
        curve_sequences: Sequences per validation set for the points before the end, at most.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:0``.
        dtype: ``auto`` (bfloat16 where the device multiplies in it), ``bf16`` or ``fp32``.
        compile: Whether to use ``torch.compile``; ``auto`` does on CUDA.
        threads: CPU threads of a run; two runs of one thread each are faster than one of two.
    """

    model: Model = Model()
    sequence_length: int = 256
    batch_sequences: int = 1
    optimization: Optimization = Optimization()
    validation_sequences: int = 128
    curve_points: int = 4
    curve_sequences: int = 16
    device: str = "auto"
    dtype: Literal["auto", "bf16", "fp32"] = "auto"
    compile: bool | Literal["auto"] = "auto"
    threads: int = 1

    @property
    def step_tokens(self) -> int:
        """Training tokens of an optimizer step."""
        return self.batch_sequences * self.sequence_length
