"""The model that a run which reweights compares its losses with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bomix.errors import EvaluationError

if TYPE_CHECKING:
    import torch

    from bomix.training.model.decoder import Model
    from bomix.training.model.stack import Stack


def load(
    folder: str | None, model: Model, *, vocabulary: int, sequence_length: int, device: str, dtype: torch.dtype
) -> Stack:
    """A stack of one, which holds the model of a reference run.

    Args:
        folder: Where the run kept it, in the format of ``transformers``.
        model: The shape that it must have.
        vocabulary: Number of token ids.
        sequence_length: Longest input.
        device: A torch device.
        dtype: The type of the products' factors.

    Raises:
        EvaluationError: It is not there, or is no model of this shape.
    """
    from transformers import AutoModelForCausalLM

    from bomix.training.model.stack import Stack

    cure = "withdraw the reference run, and the next ask makes another"
    if folder is None:
        raise EvaluationError("the rule compares losses with a reference model, and none is named; give `reference`")
    if not Path(folder).is_dir():
        raise EvaluationError(f"the reference model is gone, there is no folder {folder}; {cure}")
    try:
        source = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise EvaluationError(f"the reference model at {folder} cannot be read ({error}); {cure}") from error
    found = Stack(model, vocabulary=vocabulary, sequence_length=sequence_length, seeds=[0], device=device, dtype=dtype)
    theirs = {name: tuple(x.shape) for name, x in source.state_dict().items()}
    if other := [name for name, x in found.export(0).state_dict().items() if theirs.get(name) != tuple(x.shape)]:
        raise EvaluationError(f"the reference model at {folder} has another shape ('{other[0]}' differs); {cure}")
    found.load(0, source)
    return found
