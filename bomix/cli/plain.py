"""Values as what JSON can hold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from bomix.contracts.traits import field_values
from bomix.surrogates.cross_validation.rank_correlation import Correlation, Ordered


def plain(value: Any) -> Any:
    """What has named fields as a mapping, tuples as lists, None for what is no finite number."""
    if dataclasses.is_dataclass(value):
        return {name: plain(item) for name, item in field_values(value).items()}
    if isinstance(value, (Correlation, Ordered)):
        return plain(value._asdict())
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
