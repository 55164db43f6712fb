"""A model of the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext


@runtime_checkable
class Surrogate(Protocol):
    """A model of every metric as a function of the mixture.

    Example:
        A surrogate is a part of the strategy; here one that comes with bomix predicts a mixture.

        >>> from bomix.strategies.auto import Auto
        >>> from bomix.surrogates.regression.specs import Ridge
        >>> isinstance(Ridge(), bomix.Surrogate)
        True
        >>> study = bomix.Study(["code", "web"], ["loss"], strategy=Auto(surrogate=Ridge()))
        >>> runs = [({"code": share, "web": 1 - share}, {"loss": 3 - share}) for share in (0.1, 0.3, 0.5, 0.7)]
        >>> records = study.records.add_all(runs)
        >>> study.predict([{"code": 0.4, "web": 0.6}])["mean"].values.round(1).tolist()
        [[2.6]]
    """

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
