"""The families of synthetic losses, by name."""

from __future__ import annotations

from collections.abc import Mapping

from bomix.evaluators.synthetic.emulator_families import EMULATORS, load
from bomix.evaluators.synthetic.epochs import EPOCHS, epochs_losses
from bomix.evaluators.synthetic.functions import DOLMA, Family
from bomix.evaluators.synthetic.functions import FAMILIES as FORMULAS
from bomix.evaluators.synthetic.laws import LAW_FAMILIES
from bomix.evaluators.synthetic.scores import scores
from bomix.evaluators.synthetic.tasks import tasks

SCORES = "scores"
FAMILIES: Mapping[str, Family] = {**FORMULAS, **LAW_FAMILIES, SCORES: scores, "tasks": tasks, EPOCHS: epochs_losses}
"""Name to family, the emulators aside; new ones come last, as the place enters what a seed draws."""

MOST_DOMAINS = 10_000
"""Domains that a function can have: its tables grow with their square, and a study of so many takes gigabytes."""


def fixed_domains(family: str) -> tuple[str, ...] | None:
    """The domains of a family that has its own."""
    if family in EMULATORS:
        return load(family).domains
    return DOLMA if family == "dolma" else None
