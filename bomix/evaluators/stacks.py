"""Which runs are trained as one: what fits into memory, and where each has its checkpoints."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from bomix.training.checkpoint import Place
    from bomix.training.data.tokens import Corpus
    from bomix.training.run import Run

logger = logging.getLogger(__name__)

_Item = TypeVar("_Item")


def place_of(workdir: Path, run: Run, corpus: Corpus) -> Place | None:
    """Where a run has its checkpoints, and which one it goes on from; None for a run that cannot have any.

    A run that reweights cannot: what its rule remembers is the rule's own. Several devices hand over what they
    trained in one, and always have some. Without ``checkpoint_s`` a run goes on from none, and those that earlier
    attempts wrote are still its own, to be removed when it is over.

    Args:
        workdir: The folder of its attempt.
        run: The run.
        corpus: The tokens.
    """
    from bomix.training import checkpoint, device

    if run.guide is not None:
        return None
    dtype = device.choose(run.spec.device, run.spec.dtype, run.spec.compile).dtype
    identity = checkpoint.identity_of(run, corpus, dtype)
    if run.spec.checkpoint_s is None and run.spec.devices == 1:
        return checkpoint.Place(workdir, identity)
    return checkpoint.locate(workdir, identity)


def fitted(runs: list[Run], vocabulary: int) -> tuple[list[Run], int]:
    """Runs of one shape, batches in parts where not even one fits otherwise, and how many fit side by side."""
    from bomix.training import device

    spec = runs[0].spec
    guided = runs[0].guide is not None  # such a run reads its batches whole
    if not guided and spec.part is None and (part := device.part_that_fits(spec, vocabulary)) < spec.device_sequences:
        logger.info(
            "a batch of %d sequences does not fit into the memory that is free; it is read %d at a time",
            spec.device_sequences,
            part,
        )
        runs = [replace(run, spec=replace(run.spec, micro_sequences=part)) for run in runs]
    fitting = device.models_that_fit(runs[0].spec, vocabulary)
    if fitting < len(runs):
        logger.info("%d models do not fit into the memory that is free; %d at a time do", len(runs), fitting)
    return runs, fitting


def parts(items: Sequence[_Item], widest: int) -> Iterator[list[_Item]]:
    """In order, as few parts of at most ``widest`` as there can be, of about one size."""
    count = math.ceil(len(items) / widest)
    bounds = [round(len(items) * at / count) for at in range(count + 1)]
    yield from (list(items[start:end]) for start, end in itertools.pairwise(bounds))
