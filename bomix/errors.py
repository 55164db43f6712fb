"""Every error that bomix raises on purpose: what is wrong, where, and how to cure it."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches


class BomixError(Exception):
    """Base of all errors raised on purpose; the command line exits with 2 on them, on some EvaluationErrors with 1.

    Example:
        >>> try:
        ...     bomix.Study(["web", "code", "web"], metrics=["web"])
        ... except bomix.BomixError as error:
        ...     print(error)
        domains.web: named twice; keep one
    """


class ConfigError(BomixError):
    """A study file, or an option, that cannot be understood."""


class UnknownKindError(ConfigError):
    """A ``kind`` that no table, entry point or import path resolves."""


class SpaceError(BomixError):
    """Bounds, caps or weights that do not form a mixture."""


class DataError(BomixError):
    """Text or tokens that are missing, broken, too short, or changed since the study began."""


class StoreError(BomixError):
    """A study folder that is damaged, locked, or holds something else."""


class StudyError(BomixError):
    """A call that the state of the study does not allow."""


class FitError(BomixError):
    """No surrogate could be fitted to the trials."""


class EvaluationError(BomixError):
    """A trial whose training failed, or too many of them; the command line exits with 1."""


class SetupError(EvaluationError):
    """Trials cannot be run as the study file says, whichever they are; the command line exits with 2.

    A package, a command, a device or a cluster is not there, or does not take them: whoever runs the study can mend it.
    """


def killed_by(number: int) -> str:
    """What is said of a process that a signal ended; of the one that the system sends where memory runs out, that."""
    try:
        name = f"{number} ({signal.Signals(number).name})"
    except ValueError:
        name = str(number)
    why = ", as the system does to a process where memory runs out" if number == signal.SIGKILL else ""
    return f"killed by signal {name}{why}"


def did_you_mean(name: object, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """``; did you mean 'x'?`` with the closest known name, or nothing."""
    close = get_close_matches(str(name), list(known), n=1, cutoff=cutoff)
    return f"; did you mean '{close[0]}'?" if close else ""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        where: Dotted path in the study file, ``domains.books.source``; may be empty.
        what: The sentence that names the thing and its cure.
        kind: What many faults of one cause have in common; what they say but for names and numbers where empty.
    """

    where: str
    what: str
    kind: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class FaultsError(BomixError):
    """Several faults, reported together.

    Args:
        faults: At least one.
        title: A line above them.
        most: How many of one kind are shown; all where None. ``faults`` has all of them.
    """

    def __init__(self, faults: Iterable[Fault], title: str = "", most: int | None = None) -> None:
        self.faults = tuple(faults)
        self.title = title
        shown = [str(fault) for fault in self.faults] if most is None else _condensed(self.faults, most)
        lines = [f"  - {line}" for line in shown] if len(shown) > 1 else shown
        super().__init__("\n".join([title, *lines] if title else lines))


def raise_faults(faults: Iterable[Fault], title: str = "", *, most: int | None = None) -> None:
    """Raise :class:`FaultsError` where there is at least one fault; ``most`` of one kind are shown."""
    if faults := tuple(faults):
        raise FaultsError(faults, title, most)


_NAMES_AND_NUMBERS = re.compile(r"'[^']*'|[-+]?\d[\d.,]*(?:[eE][-+]?\d+)?")


def _condensed(faults: tuple[Fault, ...], most: int) -> list[str]:
    """A line for each fault, no more than some of each kind, and how many more of it there are."""
    kinds: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        kind = fault.kind or _NAMES_AND_NUMBERS.sub("#", fault.what)
        kinds.setdefault((fault.where.partition(":")[0], kind), []).append(fault)
    lines = []
    for found in kinds.values():
        # One more is shown rather than counted.
        shown = found if len(found) <= most + 1 else found[:most]
        lines += [str(fault) for fault in shown]
        if rest := len(found) - len(shown):
            lines.append(f"and {rest} more of this kind, the last: {found[-1].where}")
    return lines


def count_faults(least: int = 0, **counts: int | None) -> list[Fault]:
    """A fault for each named count that is below ``least``; None is none."""
    return [
        Fault(name, f"{name} is {value}; give at least {least}")
        for name, value in counts.items()
        if value is not None and value < least
    ]
