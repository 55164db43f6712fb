"""What a surrogate may know beside the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace


@dataclass(frozen=True)
class FitContext:
    """The names behind the columns.

    Attributes:
        space: The mixtures that are allowed; ``space.domains`` is the order of the columns of ``X``.
        metrics: Names of the columns of ``Y``.
        trials: Id of the trial behind each row, where the rows are trials.
        artifacts: Trial id to the artifacts of its result (absolute paths), for surrogates that read them; those of
            experts are among them, whether or not they are rows.
        experts: Domain to the trial that is its expert: one that was trained on the domain alone.
        alone: All trials that were trained as experts, those included of which nothing can be read.
        scales: Scale of the run behind each row, where the rows are trials; None for one whose scale is unknown.
        target: Scale at which the model is asked for the metrics, where rows are of several scales; None where they are
            of one. A row whose scale is unknown is taken for one of the target.
        runs: Number of the training behind each row, where rows are of several scales: checkpoints of one training, of
            the same text and seed, have the same. Empty where every row is a training by itself.
        own: Metric to its own domain, as the study states it; a metric that is not in it has the domain of its name.
        passes: Domain to the passes over its text that a run makes where the domain is all of it, so that weights
            times passes are epochs, of two phases the weights of the whole run; empty where tokens are unknown.
        whole_experts: Whether experts saw all text of their domain, and trials a part, so that their losses are of
            other passes.
        repetition_decay: Domain to the repetitions after which a token is worth 1/e of a fresh one, where that is
            stated.
        other: Behind each row, shares of text that the study no longer has, which runs of an earlier one were trained
            on beside its domains, or instead of their present text; a column for each such text, zero of all mixtures
            that the model is asked about. Empty where no row has any.
    """

    space: MixtureSpace
    metrics: tuple[str, ...]
    trials: tuple[int, ...] = ()
    artifacts: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    experts: Mapping[str, int] = field(default_factory=dict)
    alone: frozenset[int] = frozenset()
    scales: tuple[Scale | None, ...] = ()
    target: Scale | None = None
    own: Mapping[str, str] = field(default_factory=dict)
    runs: tuple[int, ...] = ()
    passes: Mapping[str, float] = field(default_factory=dict)
    whole_experts: bool = False
    repetition_decay: Mapping[str, float] = field(default_factory=dict)
    other: tuple[tuple[float, ...], ...] = ()

    def own_mapping(self, stated: Mapping[str, str] | None = None) -> dict[str, str]:
        """Metric to its own domain, where the names differ.

        Args:
            stated: What a component states for itself, which goes before what the study states.
        """
        known = {metric: domain for metric, domain in self.own.items() if metric in self.metrics}
        return {**known, **(stated or {})}

    @property
    def expert_rows(self) -> tuple[bool, ...]:
        """Whether each row was trained as an expert, where the rows are trials."""
        experts = self.alone.union(self.experts.values())
        return tuple(trial in experts for trial in self.trials)

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the columns of ``X``, sorted."""
        return self.space.domains
