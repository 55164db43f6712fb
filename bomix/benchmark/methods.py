"""Who is compared: bomix's strategies by their specs, and anything else through an adapter.

A table of methods is a mapping from name to :class:`Method`, in YAML::

    bomix:
      strategy: bayesian
    my turbo:
      strategy: {kind: turbo, regions: 3}
    ax:
      adapter: peers:Ax        # module:Class, the module beside the file or on the path
      options: {model: default}
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bomix.config import registry
from bomix.config.build import build
from bomix.config.reweighting_checks import need_reweighting
from bomix.config.study_file import parse
from bomix.contracts.strategy import Strategy, StrategyTraits
from bomix.contracts.surrogate import Surrogate
from bomix.contracts.traits import traits
from bomix.errors import ConfigError, Fault, UnknownKindError, raise_faults
from bomix.history import History
from bomix.strategies.auto import Auto
from bomix.strategies.bayesian.search import with_pool
from bomix.strategies.checks import lends_surrogate, strategy_faults, surrogate_of
from bomix.strategies.designs import Sobol
from bomix.trial import Candidate, Record, Result, Trial

if TYPE_CHECKING:
    from bomix.problem import Problem
    from bomix.space.polytope import Array

OBSERVED, OWN, POSTERIOR = "observed", "own", "posterior"
RULES = (OWN, POSTERIOR, OBSERVED)
"""Ways to recommend: the method's own, the minimiser of its posterior mean, the trial with the best observation."""


class Session(Protocol):
    """One method at work on one problem. Mixtures are ``d`` arrays in the order of the space's domains."""

    def ask(self) -> Array:
        """The ``d`` weights to try next; called after every trial of the design was given to :meth:`tell`."""
        ...

    def tell(self, weights: Array, losses: Array) -> None:
        """A mixture ``d`` that was tried, of the design or asked for, and its ``m`` losses."""
        ...

    def recommend(self) -> Mapping[str, Array]:
        """Mixtures by rule, :data:`OWN` and :data:`POSTERIOR` where the method has them."""
        ...


class Adapter(Protocol):
    """A callable that starts sessions: a class or function that is named in a table of methods."""

    def __call__(self, problem: Problem, *, seed: int, **options: Any) -> Session:
        """Start a session; ``problem.budget`` is the number of trials, the design's included."""
        ...


@dataclass(frozen=True)
class Method:
    """A strategy of bomix, or an adapter; one of the two.

    Attributes:
        strategy: A strategy of bomix, written as in a study file.
        adapter: ``module:Class``, see :class:`Adapter`.
        options: Keyword arguments of the adapter.
        surrogate: Surrogate that recommends for a strategy without one of its own.
    """

    strategy: Strategy | None = None
    adapter: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    surrogate: Surrogate | None = None

    def faults(self) -> list[Fault]:
        """Neither of the two, both, or what would not be used."""
        if (self.strategy is None) == (self.adapter is None):
            return [Fault("", "a method is either a 'strategy' or an 'adapter'; give one of them")]
        found = []
        if self.adapter is not None and ":" not in self.adapter:
            found.append(Fault("adapter", f"'{self.adapter}' is not like module:Class"))
        if self.strategy is not None and self.options:
            found.append(Fault("options", "they are for adapters; give a strategy its options in 'strategy'"))
        if self.surrogate is not None and self.strategy is None:
            found.append(Fault("surrogate", "an adapter recommends by itself; leave it out"))
        if self.surrogate is not None and self.strategy is not None and lends_surrogate(self.strategy):
            found.append(Fault("surrogate", "the strategy recommends with a surrogate of its own; leave this one out"))
        if need_reweighting(self.strategy):
            what = "it reweights while a model is trained, and here none is; take 'published', or another strategy"
            found.append(Fault("strategy", what))
        return found

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """Faults of the method on a problem: those of its strategy there, or an adapter that cannot be imported."""
        if self.strategy is None:
            try:
                self._imported()
            except UnknownKindError as error:
                return [Fault("adapter", str(error))]
            return []
        return strategy_faults(self.strategy, problem, "strategy")

    def start(self, problem: Problem, *, seed: int) -> Session:
        """Begin with a problem.

        Raises:
            UnknownKindError: The adapter cannot be imported.
        """
        if self.strategy is not None:
            return StrategySession(self.strategy, problem, seed, surrogate=self.surrogate)
        session: Session = self._imported()(problem, seed=seed, **self.options)
        return session

    def _imported(self) -> Adapter:
        try:
            adapter: Adapter = registry.load(str(self.adapter))
        except Exception as error:  # a peer may fail in any way while it is imported
            raise UnknownKindError(
                f"adapter '{self.adapter}' cannot be imported ({type(error).__name__}: {error}); install the peers, "
                "and put the adapter's module beside the file that names it"
            ) from error
        return adapter


@dataclass(frozen=True)
class _Table:
    """A file of methods."""

    methods: Mapping[str, Method]


METHODS: Mapping[str, Method] = {
    "bomix": Method(Auto()),
    "sobol": Method(Sobol(anchors=False)),
}
"""The methods where no table is given."""


def read_methods(path: Path) -> Mapping[str, Method]:
    """Read a table of methods; its folder is put on the path, for the adapters beside it.

    Raises:
        ConfigError: No such file, or not YAML.
        FaultsError: Everything that is wrong in it.
    """
    try:
        data, _, duplicates = parse(path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the table of methods cannot be read ({error})") from error
    if (folder := str(path.resolve().parent)) not in sys.path:
        sys.path.append(folder)  # last: what lies there must not stand in for an installed package
    table, faults = build(_Table, {"methods": data})
    faults = [*duplicates, *(Fault(fault.where.removeprefix("methods."), fault.what) for fault in faults)]
    if isinstance(data, dict) and "" in data:
        faults.append(Fault("", "a method without a name; give it one"))
    raise_faults(faults, str(path))
    assert table is not None
    return table.methods


class StrategySession:
    """A strategy with its history in memory."""

    def __init__(self, strategy: Strategy, problem: Problem, seed: int, *, surrogate: Surrogate | None = None) -> None:
        self._strategy = strategy
        self._surrogate: Surrogate | None = surrogate_of(strategy, problem) or surrogate
        self._problem = with_pool(problem, traits(strategy, StrategyTraits).pool)
        self._seed = seed
        self._history = History()
        self._asked: Candidate | None = None

    def ask(self) -> Array:
        """Ask the strategy for one mixture, ``d`` weights, and keep its origin for :meth:`tell`."""
        self._asked = self._strategy.ask(self._problem, self._history, 1, seed=self._seed)[0]
        return self._problem.space.to_array(self._asked.weights)

    def tell(self, weights: Array, losses: Array) -> None:
        """Add a trial of the ``d`` weights with its ``m`` losses to the history; one not asked for is of the design."""
        origin = self._asked.origin if self._asked is not None else "sobol"
        number = self._history.next_id
        trial = Trial(number, self._problem.space.to_weights(weights), number, origin)
        result = Result(dict(zip(self._problem.metric_names, losses.tolist(), strict=True)))
        self._history = self._history.with_record(Record(trial, result))
        self._asked = None

    def recommend(self) -> Mapping[str, Array]:
        """What a study with this strategy would recommend, and the minimiser of the posterior mean.

        A strategy of its own may have a method ``recommend(problem, history, *, seed)`` that returns ``weights`` by
        domain.
        """
        own = traits(self._strategy, StrategyTraits).recommend
        found: dict[str, Array] = {}
        if self._surrogate is not None:
            from bomix.numerics.determinism import deterministic
            from bomix.recommendation.decision import decide

            with deterministic():
                decision = decide(self._problem, self._history, self._surrogate, seed=self._seed)
            found = {OWN: decision.point, POSTERIOR: decision.of_space}
        if own is not None:
            made = own(self._problem, self._history, seed=self._seed)
            found[OWN] = self._problem.space.to_array(made.weights)
        return found
