"""What an evaluator knows once its inputs are built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bomix.problem import Metric
from bomix.scale import Scale


@dataclass(frozen=True)
class DomainStats:
    """One domain's training text.

    Attributes:
        tokens: Training tokens available.
        documents: Training documents.
        bytes_per_token: UTF-8 bytes per token.
    """

    tokens: int
    documents: int
    bytes_per_token: float


@dataclass(frozen=True)
class Preparation:
    """What an evaluator measured before the first trial.

    Attributes:
        metrics: What every result will hold.
        domains: Statistics per domain; empty where the evaluator knows none.
        scale: The scale of a run that asks for none of its own; None where the evaluator knows of none.
        provenance: Name to hash, frozen in the study: a later change is refused (tokenizer, each domain's tokens).
        info: Anything else worth recording, plain JSON.
    """

    metrics: tuple[Metric, ...]
    domains: Mapping[str, DomainStats] = field(default_factory=dict)
    scale: Scale | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scales(self) -> tuple[Scale, ...]:
        """The scales that a study asks for of itself: :attr:`scale` alone, or none where the evaluator knows of none.

        At which others an evaluator can train is asked one by one, of
        :meth:`~bomix.contracts.evaluator.ScaledEvaluator.scale_faults`.
        """
        return () if self.scale is None else (self.scale,)
