"""Which column of a table is which domain or metric: by name, by a known layout, or as the user maps it.

Known layouts are those of published tables: RegMix's ``train_the_pile_<domain>`` and
``metric/the_pile_<domain>_val_loss`` with the key ``index``, and olmix's plain names with the key ``run``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bomix.errors import Fault


@dataclass(frozen=True)
class Role:
    """What a column may stand for.

    Attributes:
        kind: ``domain`` or ``metric``.
        prefix: What tells the two apart in a mapping, where a domain and a metric share a name.
        patterns: Column names of known layouts; the group is the name of the domain or metric.
    """

    kind: str
    prefix: str
    patterns: tuple[re.Pattern[str], ...]

    def target(self, name: str, names: Sequence[str]) -> str | None:
        """The domain or metric that a mapping's right side names, or None where it names none of these."""
        bare = name.removeprefix(f"{self.prefix}.")
        return name if name in names else bare if bare in names else None


_WEIGHT = r"(?:weight|ratio|share|proportion)"
_SPLIT = r"(?:val|valid|validation|eval|test)[._/ ]"
DOMAIN = Role(
    "domain",
    "weights",
    (
        re.compile(r"train_the_pile_(.+)"),
        re.compile(r"train_(.+)"),
        re.compile(rf"(?:params\.|config\.)?(?:mix|mixture|{_WEIGHT}s?)[._/ ](.+)"),
        re.compile(rf"(?:params\.|config\.)?(.+)[._/ ]{_WEIGHT}"),
    ),
)
METRIC = Role(
    "metric",
    "losses",
    (
        re.compile(r"metric/the_pile_(.+)_val_loss"),
        re.compile(r"metric/(.+)_val_loss"),
        re.compile(r"metric/(.+)"),
        re.compile(rf"(?:metrics\.|summary\.)?(?:{_SPLIT})?loss(?:es)?[._/ ](.+)"),
        re.compile(rf"(?:metrics\.|summary\.)?(?:{_SPLIT})?(.+?)[._/ ](?:{_SPLIT})?loss"),
        re.compile(r"(?:metrics\.|summary\.)(.+)"),
    ),
)

KEYS = (("run", "run_id"), ("index",), ("id",))
"""Columns that identify a run, the best first; those in one group mean the same."""
UNNAMED = ("", "Unnamed: 0", "__index_level_0__")
"""What the column of pandas' index is called where it has no name: in CSV, read from there and written again, in
Parquet."""

STEPS = ("step", "steps", "global_step", "_step", "train_step", "iteration", "iter", "checkpoint")
"""Columns that tell how far a run was when a row was measured."""
SEEDS = tuple(
    f"{settings}{name}" for settings in ("", "config.", "params.") for name in ("seed", "random_seed", "train_seed")
)
"""Columns that tell the seed of a run, also among the settings in tables of W&B and MLflow."""
MODELS = ("model", "model_size", "model_name", "proxy", "n_params")
"""Columns that tell which model a run trained."""

ERRORS = ("_stderr", "_sem")
"""What follows the name of a metric's column in that of its standard errors."""

BOOKKEEPING = frozenset(
    {*(name for group in KEYS for name in group), "name", "trial", *UNNAMED, *STEPS, *SEEDS, *MODELS}
)
"""Columns that are plainly neither weights nor losses."""


def find_columns(
    columns: Sequence[str],
    role: Role,
    names: Sequence[str],
    mapping: Mapping[str, str],
    faults: list[Fault],
    *,
    where: str,
) -> dict[str, str]:
    """Find the column of each name.

    Args:
        columns: Names of the columns of the table.
        role: What is looked for.
        names: The study's domains or metrics.
        mapping: Column to name; such a column stands for nothing else.
        faults: Names with several columns are added here.
        where: The file, named in faults.

    Returns:
        Name to column; names without one are left out.
    """
    mapped: dict[str, list[str]] = {}
    like: dict[str, list[str]] = {}
    exact: dict[str, list[str]] = {}
    known = set(names)
    for column in columns:
        if column in mapping:
            if (target := role.target(mapping[column], names)) is not None:
                mapped.setdefault(target, []).append(column)
        elif column in known:
            exact.setdefault(column, []).append(column)
        else:
            for name in {match[1] for pattern in role.patterns if (match := pattern.fullmatch(column))} & known:
                like.setdefault(name, []).append(column)
    found = {}
    for name in names:
        # A layout's own name says more than a bare one, which in a single table may mean weight or loss.
        candidates = mapped.get(name) or like.get(name) or exact.get(name) or []
        if len(set(candidates)) > 1:
            shown = " and ".join(f"'{column}'" for column in candidates)
            faults.append(Fault(where, f"columns {shown} all stand for {role.kind} '{name}'; keep one"))
        if candidates:
            found[name] = candidates[0]
    return found


def key_columns(first: Sequence[str], second: Sequence[str]) -> tuple[str, str] | None:
    """The columns by which two tables are joined: the first group of :data:`KEYS` that both have."""
    for group in KEYS:
        left, right = (next((name for name in group if name in columns), None) for columns in (first, second))
        if left is not None and right is not None:
            return left, right
    return None
