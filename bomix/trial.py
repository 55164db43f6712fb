"""A trial: one mixture, asked once, ended once.

::

    ask -----> PENDING ----> COMPLETED     a Result came back
                  |
                  +--------> FAILED        every attempt ended in a Failure

An imported run is COMPLETED from the start. There is no way back: ``outcome`` is written once. What is wrong with a run
is mended by a revision, which takes the place of what is recorded, or by a withdrawal, after which the run counts for
nothing; neither removes anything from the record.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bomix.space.display import html_table, mixture
from bomix.space.weights import Weights

if TYPE_CHECKING:
    import numpy as np

    from bomix.scale import Scale


IMPORTED = "imported"
CONFIRM = "confirm"
EXPERT = "expert"
"""Origin of trials on one domain alone, exempt from its bounds: what they make of every token is kept."""
REFERENCE = "reference"
"""Origin of ordinary runs whose model is kept, for a run that reweights to compare its losses with."""
REWEIGHTING = "reweighting"
"""Origin of runs that reweight the domains while they train, see :class:`Reweighting`."""
ALONE = "alone_"
"""What origins begin with of runs that the search of the target alone proposed, once smaller scales were given up."""
UNCOUNTED_ORIGINS = frozenset({IMPORTED, CONFIRM, EXPERT})
"""Origins of trials that no strategy asked for: they do not move a design. Experts may still cost budget."""

SCORED_TOKENS = "scored_tokens"
"""Name of the artifact that an expert leaves: its probabilities of every validation token."""
MODEL = "model"
"""Name of the artifact that a reference run leaves: its model, a folder in the format of ``transformers``."""

SUM_TOLERANCE = 0.01 + 1e-9
"""How far a mixture from outside may be from summing to one: published tables round their weights. The last digits
let a sum that is printed as 0.99 pass."""


class Status(StrEnum):
    """Where a trial stands."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Reweighting:
    """How the weights of the domains move while a trial trains; its own weights are those that it starts with.

    Losses of such a run are those of no mixture: nothing is learnt from them. What it is for is the mixture that it
    finds, :attr:`Result.mixture`.

    Attributes:
        rule: The rule as plain data, its kind and its keys: a :class:`bomix.contracts.reweighter.Reweighter`.
        reference: Trial whose model the losses are compared with; None where the rule asks for none.
        target: Metric to its coefficient in the validation loss that the rule is to lower; empty where it asks for
            none.
        batch_sequences: Sequences per step; None for one of each domain, or as many as other trials have where those
            are more.
        model: Path of the reference's model. It follows from ``reference``, and is no part of the record.
    """

    rule: Mapping[str, Any]
    reference: int | None = None
    target: Mapping[str, float] = field(default_factory=dict)
    batch_sequences: int | None = None
    model: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Candidate:
    """A mixture that a strategy proposes.

    Example:
        >>> from bomix.strategies.designs import Vertices
        >>> study = bomix.Study(["code", "web"], ["loss"])
        >>> proposed = Vertices().ask(study.problem, study.history, 3, seed=0)  # numbered only once it is recorded
        >>> [(candidate.origin, candidate.weights["code"]) for candidate in proposed]
        [('uniform', 0.5), ('vertex', 1.0), ('vertex', 0.0)]

    Attributes:
        weights: The mixture, every domain of the space named.
        origin: Who proposed it: ``uniform``, ``natural``, ``sobol``, ``log_ei``, ...
        scale: Parameters and tokens to train with; None for the study's own scale. One at which the study's evaluator
            cannot train is refused. Of an imported run, the scale that it had; None where that is unknown.
        reweighting: How the domains are to be reweighted while it trains; None for a run of one mixture. An evaluator
            that cannot is not asked to.
    """

    weights: Weights
    origin: str
    scale: Scale | None = None
    reweighting: Reweighting | None = None


@dataclass(frozen=True, repr=False)
class Trial:
    """A numbered candidate.

    Example:
        >>> study = bomix.Study(["code", "web"], ["loss"], seed=7)
        >>> first, second = study.ask(), study.ask()  # both pending; the second knows of the first
        >>> (first.id, first.seed), (second.id, second.seed)  # paired trials share the study's seed
        ((0, 7), (1, 7))
        >>> round(sum(second.weights.values()), 9)
        1.0

    Attributes:
        id: Position in the record, from 0.
        weights: The mixture asked for.
        seed: Seed of everything random in the training; replicates take the next one.
        origin: Who proposed it, or ``imported`` or ``confirm``.
        scale: Parameters and tokens of the run; None where they are unknown. Losses are learnt from where it is the
            study's own or unknown, see :attr:`bomix.history.History.observations`.
        reweighting: How the domains are reweighted while it trains, the weights being those of the start; None for a
            run of one mixture, which nearly all are.
    """

    id: int
    weights: Weights
    seed: int
    origin: str
    scale: Scale | None = None
    reweighting: Reweighting | None = None

    def __repr__(self) -> str:
        return f"Trial({self.id}, {self.origin}, seed {self.seed}: {mixture(self.weights)})"

    def _repr_html_(self) -> str:
        head = f"<p><b>Trial {self.id}</b>, {html.escape(self.origin)}, seed {self.seed}</p>"
        return head + html_table(("domain", "weight"), [(name, f"{w:.3f}") for name, w in self.weights.items()])


@dataclass(frozen=True)
class Curve:
    """Validation losses over a run.

    Attributes:
        steps: ``s`` optimizer steps, ascending.
        losses: Metric name to ``s`` losses, nats per token.
    """

    steps: np.ndarray
    losses: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Result:
    """What a training run brings back.

    Example:
        >>> study = bomix.Study(["code", "web"], ["code", "web"])
        >>> result = bomix.Result(
        ...     losses={"code": 2.2, "web": 3.1},
        ...     realized={"code": 0.51, "web": 0.49},  # what the data loader really drew: this is learnt from
        ...     cost=120,  # device-seconds
        ... )
        >>> record = study.tell(study.ask(), result)
        >>> study.dataset.weights_realized.sel(trial=0, domain="code").item()
        0.51

    Attributes:
        losses: Metric name to loss; nats per token unless the metric declares another unit.
        sems: Metric name to standard error of that loss over the validation set's sequences. All trials share
            the set, so it never enters a surrogate as noise.
        realized: The mixture that was really drawn, where it is known.
        epochs: Domain name to passes over the domain's tokens.
        cost: Device-seconds.
        curve: Losses during the run.
        artifacts: Name to path: relative to the work folder as an evaluator returns it, absolute in a history,
            relative to the trial's folder on the disk where it lies in there.
        info: Anything else worth keeping, plain JSON: device, dtype, tokens per second, bits per byte.
        unmeasured: Metrics that were left out on purpose. Every other one must have a loss; an evaluator may as well
            give None for its loss.
        mixture: The mixture that a run found which reweighted the domains while it trained; None of all others.
    """

    losses: Mapping[str, float]
    sems: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    realized: Weights | None = None
    epochs: Mapping[str, float] | None = None
    cost: float | None = None
    curve: Curve | None = None
    artifacts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    info: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    unmeasured: tuple[str, ...] = ()
    mixture: Weights | None = None


MESSAGE_LIMIT = 10_000
"""Characters of an error that are kept: it becomes a line of the record, and the log has all of it."""
LOG_TAIL_LIMIT = 16_384
"""Most bytes of the last lines of a log, however long a line is."""


@dataclass(frozen=True)
class Failure:
    """How a trial failed for good.

    Example:
        >>> study = bomix.Study(["code", "web"], ["loss"])
        >>> study.tell(study.ask(), bomix.Failure("out of memory at step 300")).status
        <Status.FAILED: 'failed'>
        >>> len(study.history.failed), len(study.history.completed)  # avoided from now on, nothing learnt
        (1, 0)

    Attributes:
        message: One line: the error, or the exit code.
        log_tail: The last lines of the last attempt's log.
        attempts: Number of attempts at the trial.
    """

    message: str
    log_tail: str = ""
    attempts: int = 1


Outcome = Result | Failure


@dataclass(frozen=True)
class Record:
    """A trial and, once there is one, its outcome.

    Attributes:
        trial: The trial, as its last revision has it.
        outcome: What became of it, as its last revision has it; None while it is pending.
        revision: Number of revisions; 0 where everything is as it was recorded first.
        withdrawn: Why the run counts for nothing; None where it counts.
    """

    trial: Trial
    outcome: Outcome | None = None
    revision: int = 0
    withdrawn: str | None = None

    @property
    def status(self) -> Status:
        """Derived from the outcome, and from whether the run was withdrawn; nothing else is stored."""
        if self.withdrawn is not None:
            return Status.WITHDRAWN
        if self.outcome is None:
            return Status.PENDING
        return Status.COMPLETED if isinstance(self.outcome, Result) else Status.FAILED

    @property
    def result(self) -> Result:
        """The result of a completed trial."""
        assert isinstance(self.outcome, Result), f"trial {self.trial.id} is {self.status}"
        return self.outcome
