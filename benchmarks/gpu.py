"""Stacks of proxies on a GPU: speed, use of the device, memory, and the same losses as on a CPU.

    python benchmarks/gpu.py [--out FILE.json] [--seconds 420]
    python benchmarks/gpu.py --dry-run          # tiny models on the CPU: that the script runs

Prints a table and writes the same as JSON. Text is random tokens: speed does not depend on it. Columns:

* *by itself*: one model, ``transformers``' own forward pass under autocast and a fused AdamW, as one process for each
  proxy would train it. Only for a width of one.
* *eager*: a stack, one operation after the other. *recorded*: the same step recorded once and replayed.
* MFU: operations of the model, the head counted and the embedding not, over the peak that the GPU's maker states.

Cells that the time does not allow are left out and named at the end. A cell is measured for a second, after it is warm.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.nn import functional

from bomix.training.device import Hardware, choose
from bomix.training.model.decoder import Model
from bomix.training.model.stack import Stack
from bomix.training.optim import Settings, StackOptimizer
from bomix.training.step import WARM_UP, Step

MODELS = {
    "1M": (Model(size="1M"), 16, 256),
    "10M": (Model(size="10M"), 16, 512),
    "60M": (Model(hidden=768, layers=8, heads=12), 16, 1024),
}
"""Name to shape, sequences a step, and tokens of a sequence."""
TINY = {"tiny": (Model(hidden=32, layers=1, heads=2), 2, 32)}
WIDTHS = (1, 4, 16, 64)
VOCABULARIES = (8192, 50_304)
SETTINGS = Settings(rate=1e-3, warmup=0.0)
STEPS = 1_000_000
"""Steps of the schedule: far more than are taken, so that the rate stays."""
TOLERANCE = 2e-3
"""Largest relative difference of a loss from the CPU's after a few steps in 32 bits: sums come in another order."""


@dataclass(frozen=True)
class Cell:
    """One line of the table."""

    model: str
    vocabulary: int
    width: int
    way: str
    tokens_per_second: float
    mfu: float | None
    memory_gb: float


def step_by_itself(model: Model, vocabulary: int, tokens: torch.Tensor, hardware: Hardware) -> Callable[[], object]:
    """What a process for each proxy does."""
    built = model.build(vocabulary=vocabulary, sequence_length=tokens.shape[-1] - 1, seed=0).to(hardware.device)
    optimizer = torch.optim.AdamW(built.parameters(), lr=SETTINGS.rate, fused=True)
    inputs, targets = tokens[0, :, :-1], tokens[0, :, 1:].flatten()

    def step() -> None:
        with torch.autocast(hardware.device.split(":")[0], torch.bfloat16, enabled=hardware.dtype == "bf16"):
            logits = built(input_ids=inputs).logits
        functional.cross_entropy(logits.flatten(0, 1).float(), targets).backward()
        torch.nn.utils.clip_grad_norm_(built.parameters(), SETTINGS.clip, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def step_of_stack(
    model: Model, vocabulary: int, tokens: torch.Tensor, hardware: Hardware, *, is_recorded: bool
) -> Callable[[], torch.Tensor]:
    """What a stack does, recorded or not."""
    dtype = torch.bfloat16 if hardware.dtype == "bf16" else torch.float32
    options = {"vocabulary": vocabulary, "sequence_length": tokens.shape[-1] - 1}
    stack = Stack(model, seeds=range(len(tokens)), device=hardware.device, dtype=dtype, **options)
    optimizer = StackOptimizer([SETTINGS] * len(tokens), stack, steps=STEPS)
    take = Step(stack, optimizer, hardware, record=is_recorded)
    optimizer.set_rates(0)
    return lambda: take(tokens)


def timed(step: Callable[[], object], hardware: Hardware, seconds: float = 1.0) -> float:
    """Seconds of a step."""
    for _ in range(WARM_UP + 2):
        step()
    hardware.synchronize()
    started, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < seconds:
        step()
        count += 1
        if count % 8 == 0:
            hardware.synchronize()
    hardware.synchronize()
    elapsed = time.perf_counter() - started
    return elapsed / max(count, 1)


def cells(models: dict[str, tuple[Model, int, int]], hardware: Hardware) -> Iterator[tuple[str, int, int, str]]:
    """Which are measured, what answers most first."""
    ways = ("by itself", "eager", "recorded") if hardware.is_cuda else ("by itself", "eager")
    widths = WIDTHS if hardware.is_cuda else (1, 2)
    vocabularies = VOCABULARIES if hardware.is_cuda else (64,)
    for vocabulary in vocabularies:
        for name in models:
            for width in widths:
                for way in ways:
                    if way != "by itself" or width == 1:
                        yield name, vocabulary, width, way


def measured(name: str, vocabulary: int, width: int, way: str, hardware: Hardware) -> Cell:
    """One cell; raises ``torch.OutOfMemoryError`` where the stack does not fit."""
    model, batch, length = (MODELS | TINY)[name]
    if hardware.is_cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, vocabulary, (width, batch, length + 1), generator=generator).to(hardware.device)
    if way == "by itself":
        step = step_by_itself(model, vocabulary, tokens, hardware)
    else:
        step = step_of_stack(model, vocabulary, tokens, hardware, is_recorded=way == "recorded")
    rate = width * batch * length / timed(step, hardware)
    peak = hardware.peak()
    mfu = None if peak is None else rate * model.flops_per_token(vocabulary, length) / peak
    memory = torch.cuda.max_memory_allocated() / 2**30 if hardware.is_cuda else 0.0
    return Cell(name, vocabulary, width, way, rate, mfu, memory)


def largest_difference(hardware: Hardware, steps: int = WARM_UP + 5) -> float:
    """Of the losses of a few steps of a stack on the device from those on the CPU, relative, in 32 bits."""
    model, tokens = TINY["tiny"][0], torch.randint(0, 64, (4, 2, 33), generator=torch.Generator().manual_seed(0))
    found = []
    for place in (hardware, choose("cpu", "fp32")):
        exact = Hardware(place.device, "fp32", False)
        step = step_of_stack(model, 64, tokens.to(exact.device), exact, is_recorded=exact.is_cuda)
        found.append(torch.stack([step().detach().clone().cpu() for _ in range(steps)]))
    return float(((found[0] - found[1]) / found[1]).abs().max())


def main() -> None:
    """Measure what the time allows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where to write the table as JSON")
    parser.add_argument("--seconds", type=float, default=420.0, help="after which no further cell is begun")
    parser.add_argument("--dry-run", action="store_true", help="tiny models on the CPU")
    chosen = parser.parse_args()
    hardware = choose("cpu" if chosen.dry_run else "cuda", "auto")
    device = torch.cuda.get_device_name() if hardware.is_cuda else "CPU, dry run: the figures mean nothing"
    print(f"{device}, torch {torch.__version__}")
    difference = largest_difference(hardware)
    verdict = "as they should" if difference < TOLERANCE else "WRONG"
    print(f"losses differ from those of the CPU by {difference:.1e} at most: {verdict}")
    started, table, left_out = time.perf_counter(), [], []
    print("model  vocabulary  width  way        tokens/s     MFU   GiB")
    for cell in cells(TINY if chosen.dry_run else MODELS, hardware):
        if time.perf_counter() - started > chosen.seconds:
            left_out.append(cell)
            continue
        try:
            found = measured(*cell, hardware)
        except torch.OutOfMemoryError:
            left_out.append(cell)
            continue
        table.append(found)
        mfu = "     -" if found.mfu is None else f"{found.mfu:6.1%}"
        line = (
            f"{found.model:5s} {found.vocabulary:11d} {found.width:6d}  {found.way:9s} {found.tokens_per_second:10.0f}"
        )
        print(f"{line}  {mfu} {found.memory_gb:5.1f}", flush=True)
    for name, vocabulary, width, way in left_out:
        print(f"left out (time or memory): {name}, vocabulary {vocabulary}, width {width}, {way}")
    if chosen.out:
        chosen.out.write_text(
            json.dumps(
                {"device": device, "difference": difference, "cells": [asdict(cell) for cell in table]}, indent=1
            )
        )


if __name__ == "__main__":
    main()
