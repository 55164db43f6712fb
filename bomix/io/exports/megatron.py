"""Megatron-LM: ``--data-path``, the file of ``--data-args-path``, or the JSON of ``--per-split-data-args-path``."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import dataclass
from typing import ClassVar, Literal

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.errors import Fault, raise_faults
from bomix.io.exports.rounding import decimal

SPLIT = (
    "what --split takes for validation is drawn with these weights too: do not compare its loss with that of another "
    "mixture, which is measured on other text; give the same validation data to all by form=json"
)
"""A note on forms of which Megatron makes its validation data itself."""
LAST_PASS = 0.8
"""Megatron shuffles the last pass apart from the others where less than this share of it is read, else together."""


@dataclass(frozen=True)
class Megatron:
    """Megatron-LM's blend: weights and path prefixes of its indexed datasets; a weight is a share of sequences.

    Weights are plain decimals before their prefixes; no weight is zero, which Megatron refuses without a word. A
    small dataset is read as often as its weight asks, without a word: the passes shown beside the export are those.

    Attributes:
        form: ``arguments`` for the command line, ``file`` for ``--data-args-path``, ``json`` for
            ``--per-split-data-args-path`` with the training split alone.
    """

    form: Literal["arguments", "file", "json"] = "arguments"

    unit: ClassVar[Unit] = "sequences"
    weighs_paths: ClassVar[bool] = True

    def export(self, mixture: TargetMixture) -> Export:
        """The list of weights and prefixes in the form that is asked for."""
        blend = blend_of(mixture, spaces=self.form != "file")
        drawn, notes = drawn_of(mixture), together(mixture)
        if self.form == "json":
            return Export(
                json.dumps({"train": blend, "valid": None, "test": None}, indent=1) + "\n",
                "blend.json",
                drawn,
                notes=notes,
            )
        notes = (SPLIT, *notes)
        if self.form == "file":
            lines = [f"{weight} {path}" for weight, path in zip(blend[::2], blend[1::2], strict=True)]
            return Export("\n".join(lines) + "\n", "data_args.txt", drawn, notes=notes)
        return Export(f"--data-path {shlex.join(blend)}\n", "data_path.txt", drawn, notes=notes)


def blend_of(mixture: TargetMixture, *, spaces: bool = True) -> list[str]:
    """Weights and prefixes in turn, as texts.

    Args:
        mixture: What to write.
        spaces: Whether a path may hold white space.

    Raises:
        FaultsError: A path holds white space, at which a text file is split.
    """
    split = [] if spaces else [path for domain in mixture.domains for path in domain.paths if path.split() != [path]]
    raise_faults(
        [Fault(path, "Megatron splits this file at white space; rename it, or take form=json") for path in split]
    )
    return [part for path, share in mixture.path_shares("sequences").items() for part in (decimal(share), path)]


def drawn_of(mixture: TargetMixture) -> dict[str, float]:
    """Sequences of each domain: Megatron rounds those of each dataset up, and trains on the sum."""
    count = mixture.sequences
    # A share that is whole up to rounding is not rounded up to the next.
    return mixture.of_domains(
        {
            path: max(1, math.ceil(count * share * (1.0 - 1e-12)))
            for path, share in mixture.path_shares("sequences").items()
        }
    )


def together(mixture: TargetMixture) -> tuple[str, ...]:
    """A sentence on domains of which several passes are shuffled into one; none where no such domain is known."""
    names = [f"{name} ({count:.1f})" for name, count in mixture.passes.items() if count > 1.0 + LAST_PASS]
    if not names:
        return ()
    what = "Megatron shuffles all passes over a domain together, so that text comes again before the rest has come once"
    return (f"{what}: {', '.join(names)}",)
