"""``study.plot``: the figures of the page as plotly figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from bomix.errors import StudyError, did_you_mean

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from bomix.report.findings import Findings
    from bomix.study.records import Records


class Plots:
    """Figures of a study; each call looks at the record as it is then, and fits the model anew where that changed.

    Example:
        >>> study = bomix.Study(["code", "web"], ["loss"])
        >>> for share in (0.2, 0.5, 0.8):
        ...     record = study.add({"code": share, "web": 1 - share}, {"loss": 3.0 + (share - 0.4) ** 2})
        >>> figure = study.plot.weights()
        >>> figure.data[0].name, list(figure.data[0].y)
        ('recommended', ['web', 'code'])

    Args:
        records: The spec and the trials of the study.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._known: tuple[tuple[int, ...], Findings] | None = None

    def __repr__(self) -> str:
        return f"Plots({', '.join(_names())})"

    if not TYPE_CHECKING:  # a checker of types is to find a misspelt figure itself

        def __getattr__(self, name: str) -> NoReturn:
            close = did_you_mean(name, _names()) or f"; there are {', '.join(_names())}"
            raise AttributeError(f"there is no figure '{name}'{close}", name=name, obj=self)

    def weights(self) -> go.Figure:
        """The recommended mixture beside natural and uniform, with how far each weight may move."""
        return self._draw("weights")

    def gains(self) -> go.Figure:
        """What each metric gains or loses against natural, with 95 % intervals."""
        return self._draw("gains")

    def front(self) -> go.Figure:
        """Mixtures that no other beats in every group of metrics, of an objective that has groups."""
        return self._draw("front")

    def history(self) -> go.Figure:
        """The objective of every trial, and the best that was known by then."""
        return self._draw("history")

    def parallel(self) -> go.Figure:
        """The weights of every trial, coloured by its value."""
        return self._draw("parallel")

    def ternary(self, domains: Sequence[str] | None = None) -> go.Figure:
        """The simplex of three domains.

        Args:
            domains: Three of the study's; those of the largest weights unless given.
        """
        found = self._findings()
        if domains is not None:
            unknown = [name for name in domains if name not in found.domains]
            if unknown or len(set(domains)) != 3:
                known = ", ".join(found.domains)
                raise StudyError(f"a simplex has three domains of the study, not {list(domains)} (there are: {known})")
        return self._draw("ternary", domains)

    def effects(self) -> go.Figure:
        """What each domain does to each metric, with signs where they are sure."""
        return self._draw("effects")

    def slices(self, metric: str = "objective", domains: Sequence[str] | None = None) -> go.Figure:
        """What is expected of a metric along the ray to each vertex, with 95 % bands.

        Args:
            metric: A metric, or ``objective``.
            domains: Which domains; all unless given.
        """
        self._check(metric, objective=True)
        return self._draw("slices", metric, domains)

    def own_weight(self) -> go.Figure:
        """The loss of each metric against the weight of its own domain, on logarithmic axes."""
        return self._draw("own_weight")

    def held_out(self, metric: str = "objective") -> go.Figure:
        """Each trial as predicted from the others, and whether the intervals hold; ``metric`` as of :meth:`slices`."""
        self._check(metric, objective=True)
        return self._draw("held_out", metric)

    def correlations(self) -> go.Figure:
        """Rank correlations of the losses."""
        return self._draw("correlations")

    def curves(self, metric: str | None = None) -> go.Figure:
        """Losses while the trials trained.

        Args:
            metric: Which metric; the first unless given.
        """
        chosen = metric or self._findings().metrics[0]
        self._check(chosen, objective=False)
        return self._draw("curves", chosen)

    def cost(self) -> go.Figure:
        """Device-seconds of each trial, and of all until then."""
        return self._draw("cost")

    def _check(self, metric: str, *, objective: bool) -> None:
        names = (("objective",) if objective else ()) + self._findings().metrics
        if metric not in names:
            raise StudyError(f"no metric '{metric}' (there are: {', '.join(names)})")

    def _draw(self, name: str, *chosen: object) -> go.Figure:
        from bomix.report.figures.catalogue import CATALOGUE

        found = self._findings()
        entry = next(each for each in CATALOGUE if each.name == name)
        if not entry.has(found):
            raise StudyError(f"there is nothing to draw for '{name}': {entry.needs}")
        return entry.draw(found, *chosen)

    def _findings(self) -> Findings:
        from bomix.study.reporting import findings

        state = tuple(id(record.outcome) for record in self._records.history.all_records)
        if self._known is None or self._known[0] != state:
            self._known = (state, findings(self._records, page=False))
        return self._known[1]


def _names() -> list[str]:
    """The figures, in the order of the page."""
    return [name for name in vars(Plots) if not name.startswith("_")]
