"""Stacks of proxies: how fast they train, beside another checkout of bomix, and where the time goes.

    python benchmarks/swarm.py [--against CHECKOUT] [--tokens 128k] [design] [single] [step] [loop] [study] ...

The setting is that of the demo, of the other checkout's where there is one. Everything runs on one thread, each
measurement in a process of its own, this checkout and the other in turn; CPU-seconds are counted, since other work on
the machine moves them less than the clock.

* design: sixteen mixtures, start to validated losses, in one stack; two of them there before it and two after
  it, one after the other.
* single: one mixture.
* step: the bare step on one batch, no data, no reports: the limit of the loop, for stacks of 1, 4, 16.
* loop: which share of the loop's time its steps take, for stacks of 1 and 16; start and validation are left out.
* study: the other checkout's own study file from end to end by `bomix optimize`, here and there, not by default.
* memory: peak of a stack of 16 above that of one model, in models.
* profile: share of a stack's step inside matrix products, and what the rest is.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
TEMPLATE = "bomix/cli/template.yaml"
"""The study file of `bomix init` in a checkout."""
PARTS = ("design", "single", "step", "loop", "memory", "profile")
STUDY_FILE = "BOMIX_SWARM_STUDY"
"""The variable that tells a measurement which study file to take its setting from."""
WIDTH = 16
"""Mixtures of the design."""
ROUNDS = 3
"""Bare steps are timed this often, and the best counts: everything else that ran can only slow it."""


def demo_proxy(tokens: int) -> Any:
    """The evaluator of the demo's study file; of the other checkout's where there is one, for both."""
    from bomix.config import study_file

    path = os.environ.get(STUDY_FILE) or str(files("bomix.cli") / "template.yaml")
    loaded: Any = study_file.load(Path(path)).ready_evaluator(Path())
    return replace(loaded, tokens=tokens)


def trials(proxy: Any, count: int) -> list[Any]:
    """Uniform draws of the simplex, always the same."""
    import numpy as np

    from bomix.trial import Trial

    names = sorted(proxy.sources)
    shares = np.random.default_rng(0).dirichlet(np.ones(len(names)), size=count)
    return [Trial(n, dict(zip(names, map(float, row), strict=True)), n, "draw") for n, row in enumerate(shares)]


def loaded(proxy: Any) -> Any:
    from bomix.training.data import corpus

    proxy.prepare(sorted(proxy.sources))
    options = {"sequence_length": proxy.sequence_length}
    return corpus.load(proxy.sources, proxy.validation, proxy.tokenizer, proxy.corpus, **options)


def measure_training(tokens: int, count: int) -> dict[str, Any]:
    """Train ``count`` mixtures the way this checkout does."""
    from bomix.training import loop

    proxy = demo_proxy(tokens)
    for module in proxy.preload:
        importlib.import_module(module)
    corpus, runs = loaded(proxy), [proxy.run_of(trial) for trial in trials(proxy, count)]
    started = time.process_time()
    together = getattr(loop, "train_together", None)
    found = together(corpus, runs) if together else [loop.train(corpus, run) for run in runs]
    cpu = time.process_time() - started
    losses = [{name: each.loss for name, each in one.evaluations.items()} for one in found]
    mean = statistics.fmean(loss for one in losses for loss in one.values())
    return {"cpu_s": cpu, "rate": count * runs[0].tokens / cpu, "mean_loss": mean}


def bare_step(width: int) -> Callable[[], object]:
    """One step on one batch, as this checkout takes it."""
    import torch

    from bomix.training import optim
    from bomix.training.device import choose

    proxy = demo_proxy(384_000)
    batch, length, vocabulary = proxy.batch_sequences, proxy.sequence_length, 1024
    settings, hardware = proxy.optimization.settings(), choose(proxy.device, proxy.dtype)
    shape = {"vocabulary": vocabulary, "sequence_length": length}
    tokens = torch.randint(0, vocabulary, (width, batch, length + 1), generator=torch.Generator().manual_seed(0))
    if hasattr(optim, "StackOptimizer"):
        from bomix.training.model.stack import Stack
        from bomix.training.step import Step

        dtype = torch.bfloat16 if hardware.dtype == "bf16" else torch.float32
        stack = Stack(proxy.model, seeds=range(width), dtype=dtype, **shape)
        optimizer = optim.StackOptimizer([settings] * width, stack, steps=1000)
        optimizer.set_rates(0)
        take = Step(stack, optimizer, hardware)
        return lambda: take(tokens)
    from bomix.training.loop import _cross_entropy

    assert width == 1, "the other checkout trains one model at a time"
    model = proxy.model.build(seed=0, **shape)
    single = optim.build_optimizer(settings, model)

    def step() -> None:
        with hardware.autocast():
            logits = model(input_ids=tokens[0, :, :-1]).logits
        _cross_entropy(logits, tokens[0, :, 1:]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip, foreach=True)
        single.step()
        single.zero_grad(set_to_none=True)

    return step


def measure_step(width: int) -> dict[str, Any]:
    """Tokens per CPU-second of the bare step."""
    step, tokens = bare_step(width), width * 256
    for _ in range(3):
        step()
    count, best = max(4, 96 // width), float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(count):
            step()
        best = min(best, (time.process_time() - started) / count)
    return {"rate": tokens / best}


def measure_loop(width: int) -> dict[str, Any]:
    """Share of the loop's time, from its first step to the end of its last, that its steps take; data, reports, rest.

    A step on a fixed batch takes as long as one on real text (measured side by side, within 1 %), so that this is how
    near the loop comes to the bare step; measured within one run, it does not move with other work on the machine.
    """
    from bomix.training import loop
    from bomix.training.step import Step

    proxy, times = replace(demo_proxy(384_000), validation_sequences=1, curve_points=1), []

    class Timed(Step):
        def __call__(self, tokens: Any) -> Any:
            started = time.process_time()
            losses = super().__call__(tokens)
            times.append((started, time.process_time()))
            return losses

    loop.Step = Timed  # type: ignore[misc]
    steps = 1280 // width
    loop.train_together(loaded(proxy), [replace(proxy.run_of(trial), steps=steps) for trial in trials(proxy, width)])
    whole, within = times[-1][1] - times[0][0], sum(end - start for start, end in times)
    return {"rate": steps * width * proxy.step_tokens / whole, "share": within / whole}


def measure_memory(width: int) -> dict[str, Any]:
    """Megabytes that ``width`` models add to a process that has trained none."""
    import torch

    proxy = demo_proxy(384_000)
    proxy.model.build(vocabulary=1024, sequence_length=proxy.sequence_length, seed=0)
    torch.ones(8, 8) @ torch.ones(8, 8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step = bare_step(width)
    for _ in range(3):
        step()
    return {"mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def measure_profile(width: int) -> dict[str, Any]:
    """Share of each kind of operation in the time of a step."""
    from torch.profiler import ProfilerActivity, profile

    step = bare_step(width)
    for _ in range(3):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        for _ in range(3):
            step()
    kinds = {"products": ("mm", "bmm", "baddbmm"), "softmax": ("softmax",), "copies and casts": ("copy_",)}
    kinds |= {"gate": ("silu",), "optimizer": ("adam",), "sums, products of elements": ("mul", "add", "sum", "sub")}
    shares = dict.fromkeys([*kinds, "the rest"], 0.0)
    for event in recorded.key_averages():
        name = event.key.removeprefix("aten::")
        kind = next((kind for kind, parts in kinds.items() if any(part in name for part in parts)), "the rest")
        shares[kind] += event.self_cpu_time_total
    total = sum(shares.values())
    return {kind: time / total for kind, time in shares.items()}


MEASURES: dict[str, Callable[..., dict[str, Any]]] = {
    "training": measure_training,
    "step": measure_step,
    "loop": measure_loop,
    "memory": measure_memory,
    "profile": measure_profile,
}


def run(checkout: Path, what: str, *arguments: int) -> dict[str, Any]:
    """One measurement of a checkout, in a process with the environment of a trial."""
    sys.path.insert(0, str(HERE))
    from bomix.training.device import process_environment

    environment = {**os.environ, **process_environment(), "PYTHONPATH": str(checkout), "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-P", __file__, "--measure", what, *map(str, arguments)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def study(checkout: Path, text: str, folder: Path) -> float:
    """CPU-seconds of a study file from end to end, its text cut into tokens beforehand."""
    folder.mkdir()
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    for command in ("check", "optimize"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = [sys.executable, "-P", "-m", "bomix.cli.main", command, str(folder)]
        subprocess.run(started, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a line for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "study", []], default=[])
    parser.add_argument("--against", type=Path, help="another checkout, such as a worktree of an older commit")
    parser.add_argument("--tokens", type=int, default=128_000, help="of each proxy; the demo's own have 384,000")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        what, *arguments = chosen.measure
        print(json.dumps(MEASURES[what](*map(int, arguments))))
        return
    parts = chosen.parts or PARTS
    if chosen.against:
        os.environ[STUDY_FILE] = str(chosen.against / TEMPLATE)
    for name, count, there in (("design", WIDTH, 2), ("single", 1, 1)):
        if name in parts:
            before = run(chosen.against, "training", chosen.tokens, there) if chosen.against else None
            ours = run(HERE, "training", chosen.tokens, count)
            line = f"{name:8s} {ours['rate']:7.0f} tokens per CPU-second"
            if chosen.against and before:
                after = run(chosen.against, "training", chosen.tokens, there)
                theirs = 2.0 / (1.0 / before["rate"] + 1.0 / after["rate"])
                line += f"; there {theirs:7.0f}: {ours['rate'] / theirs:.2f} times"
                if count == 1:
                    line += f"; mean loss {ours['mean_loss']:.4f}, there {after['mean_loss']:.4f}"
            print(line, flush=True)
    if "step" in parts:
        theirs = run(chosen.against, "step", 1) if chosen.against else None
        for width in (1, 4, WIDTH):
            rate = run(HERE, "step", width)["rate"]
            times = f", {rate / theirs['rate']:.2f} times {theirs['rate']:.0f}" if theirs else ""
            print(f"step     stack of {width:2d}: {rate:7.0f} tokens per CPU-second{times}", flush=True)
    if "loop" in parts:
        for width in (1, WIDTH):
            found = run(HERE, "loop", width)
            print(
                f"loop     stack of {width:2d}: {found['rate']:7.0f}, {found['share']:.3f} of the bare step", flush=True
            )
    if "study" in parts:
        text = (chosen.against / TEMPLATE).read_text(encoding="utf-8")
        text, count = re.subn(r"(?m)^  tokens: 384k", f"  tokens: {chosen.tokens}", text)
        assert count == 1, "its study file names the tokens of a proxy otherwise"
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = (
                study(each, text, Path(folder) / name) for each, name in ((HERE, "h"), (chosen.against, "t"))
            )
        print(f"study    {ours:.0f} CPU-seconds, there {theirs:.0f}: {ours / theirs:.2f}", flush=True)
    if "memory" in parts:
        one, many = (run(HERE, "memory", width)["mb"] for width in (1, WIDTH))
        print(f"memory   one model {one:.0f} MB, {WIDTH} in a stack {many:.0f} MB: {many / one:.1f} models", flush=True)
    if "profile" in parts:
        shares = run(HERE, "profile", WIDTH)
        print("profile  " + ", ".join(f"{kind} {share:.0%}" for kind, share in shares.items()), flush=True)


if __name__ == "__main__":
    main()
