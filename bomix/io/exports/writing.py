"""An export as a whole: which exporter, what it writes, and what the trainer will draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bomix.config.build import build
from bomix.contracts.exporter import Export, Exporter
from bomix.errors import FaultsError, UnknownKindError
from bomix.io.exports.comparison import Drawn, compared
from bomix.io.exports.mixture import TargetRun, target_mixture

if TYPE_CHECKING:
    from bomix.problem import Problem
    from bomix.space.weights import Weights


@dataclass(frozen=True)
class _Choice:
    """What a command line names, so that it is read and checked as a component of a study file."""

    format: Exporter


@dataclass(frozen=True)
class Written:
    """An export and what becomes of it.

    Attributes:
        export: The text and what is known of it.
        drawn: Each domain as recommended and as drawn.
    """

    export: Export
    drawn: tuple[Drawn, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each domain that is not drawn as recommended."""
        return tuple(each.warning for each in self.drawn if each.warning is not None)


def exporter_of(kind: str, options: Mapping[str, Any] | None = None) -> Exporter:
    """The exporter of a kind.

    Args:
        kind: A name of the registry's group ``exporter``, or ``module:Class``.
        options: Its keys and their values.

    Raises:
        BomixError: No such kind, or keys that it does not have.
    """
    choice, faults = build(_Choice, {"format": {"kind": kind, **(options or {})}})
    if faults and all("unknown exporter kind" in fault.what for fault in faults):
        raise UnknownKindError(f"--format: {faults[0].what.replace('exporter kind', 'format')}")
    if choice is None:
        raise FaultsError(faults)
    return choice.format


def write(problem: Problem, weights: Weights, exporter: Exporter, run: TargetRun) -> Written:
    """Write a mixture for a trainer.

    Args:
        problem: The study's domains and target.
        weights: Shares of the training tokens, counted by the study's tokenizer.
        exporter: Which form.
        run: The target.

    Raises:
        BomixError: Something that the export needs is not known, or the form cannot say it.
    """
    mixture = target_mixture(problem, weights, exporter, run)
    export = exporter.export(mixture)
    return Written(export, compared(mixture, exporter.unit, export))
