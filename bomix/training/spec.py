"""How a run trains and what it measures: what all runs of an evaluator share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bomix.training.model.decoder import Model
from bomix.training.optim import Optimization

CHECKPOINT = "checkpoint.safetensors"
"""Name of a run's checkpoint in the folder of its attempt."""
DEVICES = "devices-"
"""How the name of a folder begins in which the processes of several devices hear of their run."""


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
        compile: Whether to use ``torch.compile``, which takes minutes once for each shape; ``auto`` does not.
        threads: CPU threads of a run; two runs of one thread each are faster than one of two.
        micro_sequences: Sequences of a batch that are read at a time, whose gradients add up to those of the batch; a
            divisor of what a device reads of it. ``auto`` reads all at once, unless not even one model fits then.
        devices: How many devices, or processes on a CPU, train one model together, each on its rows of every batch.
        checkpoint_s: About how many seconds lie between two checkpoints of a run, from which a later attempt of the
            trial goes on; None writes none, and reads none.
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
    micro_sequences: int | Literal["auto"] = "auto"
    devices: int = 1
    checkpoint_s: float | None = 600.0

    @property
    def device_sequences(self) -> int:
        """Sequences of a batch that one device reads."""
        return self.batch_sequences // self.devices

    @property
    def part(self) -> int | None:
        """Sequences that are read at a time; None for all that the device reads."""
        return None if self.micro_sequences == "auto" else self.micro_sequences

    @property
    def step_tokens(self) -> int:
        """Training tokens of an optimizer step."""
        return self.batch_sequences * self.sequence_length

    def bytes_per_model(self, vocabulary: int, dtype: Literal["bf16", "fp32"]) -> int:
        """Memory that one model of a stack takes while it trains, from above.

        Parameters, gradients and two moments in 32 bits, what products are made of, and what a backward pass needs:
        for each position and layer some states of the stream in 32 bits, and queries, keys, values, scores and the
        feed-forward part in the type of the products. Positions are those that are read at a time.
        """
        size, shape = (2 if dtype == "bf16" else 4), self.model.shape()
        positions = (self.part or self.device_sequences) * (self.sequence_length + 1)
        scores = 2 * shape.heads * self.sequence_length
        by_layer = 4 * 4 * shape.hidden + size * (10 * shape.hidden + 5 * shape.intermediate + scores)
        activations = positions * ((shape.layers + 1) * by_layer + 2 * size * vocabulary)
        return self.model.parameters(vocabulary) * (4 * 4 + 2 * size) + activations
