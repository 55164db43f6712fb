"""CSV: a row of weights with a column per domain, or a row per domain."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import ClassVar, Literal

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.io.exports.rounding import decimal


@dataclass(frozen=True)
class CsvFile:
    """A CSV table of domains and weights; a weight is a share of tokens.

    Attributes:
        rows: ``domains`` for a row per domain, ``mixture`` for one row with a column per domain, as `bomix predict` and
            `bomix import` read it.
    """

    rows: Literal["domains", "mixture"] = "domains"

    unit: ClassVar[Unit] = "tokens"
    needs_paths: ClassVar[bool] = False
    needs_tokens: ClassVar[bool] = False

    def export(self, mixture: TargetMixture) -> Export:
        """The table, the domains in the order of the study."""
        names, weights = [*mixture.weights], [decimal(weight) for weight in mixture.weights.values()]
        table = (
            [names, weights] if self.rows == "mixture" else [["domain", "weight"], *zip(names, weights, strict=True)]
        )
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(table)
        return Export(text.getvalue(), "mixture.csv", mixture.weights)
