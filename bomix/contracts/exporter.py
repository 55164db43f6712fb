r"""An exporter: the mixture of a study in the form that a trainer reads.

Write a frozen dataclass with a ``unit`` and the method ``export`` of :class:`Exporter`. The unit says what a weight of
the trainer is a share of; :meth:`TargetMixture.shares` converts the recommended shares of tokens to it, so that an
exporter only rounds as the trainer does and writes. What the trainer will then draw stands in :attr:`Export.drawn`, and
is shown beside what was recommended. No domain of weight zero reaches an exporter.

>>> from dataclasses import dataclass
>>> from typing import ClassVar
>>> @dataclass(frozen=True)
... class PerMillion:
...     '''Documents of a million, a domain a line.'''
...     unit: ClassVar[str] = "documents"
...     needs_paths: ClassVar[bool] = False
...     def export(self, mixture):
...         counts = {name: max(1, round(1e6 * share)) for name, share in mixture.shares(self.unit).items()}
...         lines = [f"{count} {name}" for name, count in counts.items()]
...         return Export("".join(f"{line}\n" for line in lines), "documents.txt", counts)
>>> code, web = (ExportDomain(*each) for each in (("code", 0.5, {}, None, 900.0), ("web", 0.5, {}, None, 300.0)))
>>> print(PerMillion().export(TargetMixture((code, web), tokens=1e9)).text, end="")
250000 code
750000 web
>>> isinstance(PerMillion(), Exporter)
True
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

from bomix.contracts.traits import ComponentTraits
from bomix.errors import Fault, FaultsError

Unit: TypeAlias = Literal["tokens", "sequences", "documents"]
"""What a trainer's weight is a share of: tokens, sequences of one length (the same shares), or documents."""


@dataclass(frozen=True)
class ExportDomain:
    """A domain with a weight above zero.

    Attributes:
        name: Its name in the study.
        weight: Its share of the target's training tokens, counted by the target's tokenizer.
        paths: Where its data lie, each with its share of the domain's tokens; NaN where that is unknown.
        tokens: Tokens that it holds, counted by the target's tokenizer; None where they are unknown.
        tokens_per_document: Mean length of its documents, in the same tokens; None where it is unknown.
    """

    name: str
    weight: float
    paths: Mapping[str, float] = field(default_factory=dict)
    tokens: float | None = None
    tokens_per_document: float | None = None


@dataclass(frozen=True)
class TargetMixture:
    """What a trainer is to be told: the mixture, and the run that it is for.

    Attributes:
        domains: Those of a weight above zero, in the order of the study; the weights sum to one.
        tokens: Training tokens of the run; None only for an exporter that does not need them.
        sequence_length: Tokens of a training sequence.
        batch_sequences: Sequences of a global batch.
        seed: Seed of the order in which the trainer draws.
    """

    domains: tuple[ExportDomain, ...]
    tokens: float | None
    sequence_length: int = 4096
    batch_sequences: int = 1024
    seed: int = 0

    @property
    def weights(self) -> dict[str, float]:
        """Domain to its share of the training tokens."""
        return {domain.name: domain.weight for domain in self.domains}

    @property
    def passes(self) -> dict[str, float]:
        """Domain to how often the run reads the tokens that it holds; without those of which either is unknown."""
        return {
            domain.name: domain.weight * self.tokens / domain.tokens
            for domain in self.domains
            if self.tokens and domain.tokens
        }

    @property
    def sequences(self) -> int:
        """Sequences of the run, at least one."""
        return max(1, round((self.tokens or 0.0) / self.sequence_length))

    def lengths(self, unit: Unit) -> dict[str, float]:
        """Domain to the tokens of one unit of it.

        Raises:
            FaultsError: The unit is a document, and how long those of a domain are is unknown.
        """
        if unit != "documents":
            return dict.fromkeys(self.weights, 1.0 if unit == "tokens" else float(self.sequence_length))
        unknown = [domain.name for domain in self.domains if domain.tokens_per_document is None]
        if unknown and len(self.domains) > 1:
            raise FaultsError(
                [
                    Fault(name, "its weight is a share of documents, and how long they are is unknown; say in --paths "
                    f"'{name}: {{paths: ..., tokens_per_document: 800}}', the mean of its documents")
                    for name in unknown
                ]
            )  # fmt: skip
        return {domain.name: domain.tokens_per_document or 1.0 for domain in self.domains}

    def shares(self, unit: Unit) -> dict[str, float]:
        """Domain to its share of the units that are drawn, so that its share of the tokens is its weight; sum one."""
        lengths = self.lengths(unit)
        drawn = {name: weight / lengths[name] for name, weight in self.weights.items()}
        total = math.fsum(drawn.values())
        return {name: count / total for name, count in drawn.items()}

    def count(self, unit: Unit) -> int:
        """Units that the run draws in all, at least one."""
        lengths = self.lengths(unit)
        per_token = math.fsum(weight / lengths[name] for name, weight in self.weights.items())
        return max(1, round((self.tokens or 0.0) * per_token))

    def path_shares(self, unit: Unit) -> dict[str, float]:
        """Path to its share of the units, for trainers that know no domains, only paths with weights."""
        shares = self.shares(unit)
        return {path: shares[domain.name] * part for domain in self.domains for path, part in domain.paths.items()}

    def of_domains(self, of_paths: Mapping[str, float]) -> dict[str, float]:
        """The sum over each domain's paths of what is given by path."""
        return {domain.name: math.fsum(of_paths[path] for path in domain.paths) for domain in self.domains}


@dataclass(frozen=True)
class Export:
    """What an exporter has written.

    Attributes:
        text: The whole of it.
        file: The name that a file of it should have, ``mixture.yaml`` say.
        drawn: How many units of each domain the trainer draws in the run, or numbers in proportion to them.
        by_chance: Whether the trainer draws at random, so that what it draws spreads around ``drawn``.
        notes: What whoever trains with it should know, one sentence each.
    """

    text: str
    file: str
    drawn: Mapping[str, float]
    by_chance: bool = False
    notes: tuple[str, ...] = ()


@runtime_checkable
class Exporter(Protocol):
    """Writes a mixture as a trainer reads it; a pure function of its arguments."""

    @property
    def unit(self) -> Unit:
        """What a weight of the trainer is a share of."""
        ...

    def export(self, mixture: TargetMixture) -> Export:
        """The mixture in the trainer's form.

        Raises:
            BomixError: The form cannot say it: a path with a space where spaces part paths, say.
        """
        ...


@dataclass(frozen=True)
class ExporterTraits(ComponentTraits):
    """What an exporter may have beyond :class:`Exporter`, and what bomix assumes where it does not.

    Attributes:
        needs_paths: Whether every domain of the mixture must have a path.
        weighs_paths: Whether the trainer knows paths alone, so that the share of each in its domain must be known.
        needs_tokens: Whether it must be known how many tokens the run trains on: the trainer counts in whole sequences.
    """

    contract: ClassVar[type | None] = Exporter

    needs_paths: bool = True
    weighs_paths: bool = False
    needs_tokens: bool = True
