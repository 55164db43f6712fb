"""The extension points of bomix on one page.

A user's class needs no base class: it is a frozen dataclass with the method below, named in a study file as
``kind: my_package.my_module:MyClass``.

Any component may also have, and bomix uses it where it is there:

* ``faults() -> list[Fault]``: what is wrong with its fields, paths relative to itself; for ``bomix check``.
* ``relative_to(folder) -> same type``: the same with relative paths taken from the study folder (sources,
  tokenizers, evaluators, strategies).
* ``problem_faults(problem) -> list[Fault]``: what a strategy lacks in this study, as token counts or a reference.

A surrogate declares ``differentiable`` and ``fantasizes``. A strategy may have:

* a field ``surrogate``, which it lends to ``Study.predict`` and ``Study.recommend``, or, where it depends on the study,
  ``predicting(problem) -> Surrogate | None``;
* ``expected_improvement(problem, history, *, seed)``, see :func:`bomix.strategies.stopping.expected_improvement`, and
  ``expects``, whether it can tell, where that depends on its parts;
* ``design_trials(problem)``: how many trials it proposes without looking at results, where ``n_init`` does not tell;
* ``description(problem)``: a line on what it will do;
* ``repeats``: whether it proposes the same mixture for ever.

An evaluator may have ``may_change``, names of fields that a running study may change; ``preload``, modules to import
before its processes are forked; ``process_environment()``, variables that they start with; and a field with the
metadata ``{config.FILLED: "domains"}``, filled with the domains' sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from botorch.acquisition.acquisition import AcquisitionFunction
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.errors import Fault
    from bomix.history import History
    from bomix.preparation import Preparation
    from bomix.problem import Problem
    from bomix.strategies.aggregate import Aggregate
    from bomix.surrogates.context import FitContext
    from bomix.surrogates.covariances import Covariance, Frame
    from bomix.surrogates.means import Feature
    from bomix.training.tokenizer import Tokenizer
    from bomix.trial import Candidate, Result, Trial

AnyArray = TypeVar("AnyArray")


@runtime_checkable
class Objective(Protocol):
    """What is minimised: a function of the metrics, of all of which less is better here.

    An objective may have more, and bomix uses it where it is there:

    * ``needs_reference()`` and ``with_reference(losses)``: it compares with a reference run. The first says what is
      still missing: ``uniform`` or ``natural`` for the runs of that mixture, a mapping from metrics to values as they
      are reported, or None. The second returns the same objective with metric to value, turned so that less is
      better. Until then the objective is NaN. See :func:`bomix.references.resolved`.
    * ``holds(losses, metrics)``: whether its guardrails are kept, ``(...)`` of bool.
    * ``group_coefficients(metrics)``: it is a trade-off of ``g`` groups, each with its ``g x m`` weights; as a single
      number it is a stated compromise.
    """

    def metric_faults(self, metrics: Sequence[str]) -> list[Fault]:
        """What does not fit these metrics: a name that is not among them, say."""
        ...

    def coefficients(self, metrics: Sequence[str]) -> np.ndarray | None:
        """The ``m`` coefficients in the order of ``metrics`` where the objective is a weighted sum, else None."""
        ...

    def __call__(self, losses: AnyArray, metrics: Sequence[str]) -> AnyArray:
        """Map losses ``(...) x m``, a NumPy array or a torch tensor, to ``(...)``; lower is better."""
        ...


@runtime_checkable
class Surrogate(Protocol):
    """A model of every metric as a function of the mixture."""

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit.

        Args:
            data: ``X`` is ``n x d``, the mixtures, columns in the order of ``context.domains``; ``Y`` is
                ``n x m``, as reported whatever the metric's direction, NaN where a trial lacks a metric.
            context: The names behind the columns, and the space.
            seed: Of everything random in the fit.

        Returns:
            A BoTorch model whose posterior at ``batch x q x d`` raw mixtures is ``batch x q x m``.
        """
        ...


@runtime_checkable
class Kernel(Protocol):
    """What a Gaussian process believes of a metric before it has seen any."""

    def bind(self, frame: Frame) -> Covariance:
        """The covariance function on a space, with the priors of its hyperparameters."""
        ...


@runtime_checkable
class Mean(Protocol):
    """What a Gaussian process is corrected from.

    It may declare ``needs_experts``: it reads what experts of every domain make of the validation sets, see
    :class:`bomix.surrogates.context.FitContext`; and ``differentiable = False``. It may have a field ``compress``: its
    predictions are those of fewer tokens, whose error in nats this bounds, and None takes every token, so that the same
    mean with ``compress=None`` has the last word. What it predicts with may have ``convex``, see
    :class:`bomix.surrogates.means.Feature`.

    Attributes:
        slope: Standard deviation of the prior of the feature's coefficient, whose mean is one.
    """

    @property
    def slope(self) -> float:
        """See above."""
        ...

    def feature(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Feature:
        """A prediction of every metric, in its own unit.

        Args:
            data: As in :meth:`Surrogate.fit`.
            context: As there.
            seed: Of everything random.
        """
        ...


@runtime_checkable
class Acquisition(Protocol):
    """What a mixture is worth trying for. Candidates are named after ``origin``, as a rule the kind.

    ``needs_gradients`` and ``needs_fantasies`` say what the surrogate must declare; strategies compare. One that
    declares ``joint`` gives the values of one random function: a strategy calls it once, on all ``N x 1 x d``
    mixtures that compete, takes the highest of the ``N``, and never asks for a gradient. One that declares
    ``of_fronts`` serves objectives that are trade-offs, and no others.
    """

    origin: ClassVar[str]
    needs_gradients: ClassVar[bool]
    needs_fantasies: ClassVar[bool]

    def build(
        self, model: Model, aggregate: Aggregate, *, X_observed: Tensor, X_pending: Tensor | None, seed: int
    ) -> AcquisitionFunction:
        """Build the function that a strategy maximises over the space.

        Args:
            model: Of all metrics, as a surrogate returns it.
            aggregate: The objective as a function of the model's outputs.
            X_observed: ``n x d`` completed mixtures, ``n > 0``.
            X_pending: ``p x d`` mixtures that are being tried and need no second trial, or None.
            seed: Of every random number in it.

        Returns:
            A function of ``batch x 1 x d`` mixtures; higher is better.
        """
        ...


@runtime_checkable
class Strategy(Protocol):
    """Proposes mixtures. A pure function of its arguments; it keeps nothing."""

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures, the pending trials of the history taken into account."""
        ...


@runtime_checkable
class Evaluator(Protocol):
    """Turns a mixture into losses. Must survive pickling.

    Inside, :func:`bomix.progress.report` tells the driver how far the training is.
    """

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        """Train and measure.

        Args:
            trial: What to train.
            workdir: An empty folder of this attempt's own.
        """
        ...


@runtime_checkable
class PreparingEvaluator(Evaluator, Protocol):
    """An evaluator that must build or check something before the first trial."""

    def prepare(self, domains: Sequence[str]) -> Preparation:
        """Build caches, measure the domains; every fault at once.

        Raises:
            FaultsError: All that is wrong with the inputs.
        """
        ...


@runtime_checkable
class Source(Protocol):
    """Where the text of a domain comes from."""

    def signature(self) -> str:
        """A string that changes whenever the documents may have changed; cheap, no document is read.

        Raises:
            DataError: The source is not there.
        """
        ...

    def documents(self) -> Iterator[str]:
        """Yield the documents, always in the same order.

        Raises:
            DataError: A broken line or a missing field, with file and line.
        """
        ...


@runtime_checkable
class TokenizerSpec(Protocol):
    """What turns text into tokens."""

    @property
    def sample_bytes(self) -> int:
        """UTF-8 bytes of training text that :meth:`build` wants to see; 0 for none."""
        ...

    def faults(self) -> list[Fault]:
        """What is wrong with the fields alone."""
        ...

    def signature(self) -> str:
        """A string that changes whenever :meth:`build` may return something else from the same sample; cheap.

        Raises:
            DataError: It is not there.
        """
        ...

    def build(self, sample: Iterable[str]) -> Tokenizer:
        """Train or load it.

        Args:
            sample: Training documents, the same amount of each domain.

        Raises:
            DataError: It is not there, or lacks an end-of-document token.
        """
        ...
