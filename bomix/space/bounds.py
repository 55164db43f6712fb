"""Checks of the names and bounds that make a space of mixtures: every fault at once, each with its cure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bomix.errors import Fault, did_you_mean
from bomix.space.polytope import Array, nearest_choice

ROUNDING = 1e-9
"""Bounds whose sum misses one by no more than this are meant to meet it."""

STATE = "state the tokens where a domain really holds more (domains.NAME.tokens, 120B say)"
"""The first cure of a cap that is too low: what was read for a study is often a part of what there is to train on."""
_SHOWN = 6  # Names listed in a message about a sum.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, line breaks and tabs among them, and halves of characters, which no file can hold."""


def number(value: object) -> float | None:
    """The value as a float, or None where it is not a finite number."""
    if isinstance(value, bool | str | bytes | np.bool_ | np.complexfloating) or value is None:
        return None
    try:
        result = float(value)  # type: ignore[arg-type]  # whatever converts is a number
    except (TypeError, ValueError, OverflowError, RuntimeError):  # the last of a tensor of several numbers
        return None
    return result if math.isfinite(result) else None


def unknown_name(kind: str, name: object, known: Sequence[str]) -> str:
    """Say that a name is not known, and which one may have been meant.

    Args:
        kind: ``domain``, ``metric``, ...
        name: The name that was given.
        known: The names that would do.
    """
    if hint := did_you_mean(name, known):
        return f"unknown {kind} '{name}'{hint}"
    shown = ", ".join(known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
    return f"unknown {kind} '{name}'; there are: {shown or 'none'}"


def column(domains: Sequence[str], values: Mapping[str, float] | None, missing: float) -> Array:
    """Values in the order of ``domains``, ``d`` array; ``missing`` where a domain has none."""
    return np.array([float((values or {}).get(name, missing)) for name in domains])


@dataclass(frozen=True)
class TokenCaps:
    """Upper bounds that come from the tokens there are.

    Attributes:
        available: Training tokens of each domain; infinity where they are unknown, which caps nothing.
        budget: Training tokens of the run.
        max_epochs: Passes allowed over a domain.
        own: Domain to the passes allowed over it, where those are others.
    """

    available: Mapping[str, float]
    budget: float
    max_epochs: float
    own: Mapping[str, float] = field(default_factory=dict)

    def epochs(self, name: str) -> float:
        """Passes allowed over a domain."""
        return self.own.get(name, self.max_epochs)

    def share(self, name: str) -> float:
        """Largest share of the budget that the domain can fill."""
        return min(1.0, self.epochs(name) * self.available[name] / self.budget)

    def reason(self, name: str) -> str:
        """Where the cap of a domain comes from."""
        return f"{self.epochs(name):g} epochs of {self.available[name]:,.0f} tokens in a budget of {self.budget:,.0f}"

    def faults(self) -> list[Fault]:
        """Counts that are no counts."""
        faults = []
        for where, value in (("budget", self.budget), ("max_epochs", self.max_epochs)):
            if (count := number(value)) is None or count <= 0.0:
                faults.append(Fault(where, f"{where} is {value!r}; it must be a positive number"))
        for name, value in self.own.items():
            if (count := number(value)) is None or count <= 0.0:
                where = f"domains.{name}.max_epochs"
                faults.append(Fault(where, f"max_epochs of domain '{name}' is {value!r}; it must be a positive number"))
        for name, value in self.available.items():
            if value != math.inf and ((count := number(value)) is None or count < 0.0):
                where = f"domains.{name}"
                faults.append(Fault(where, f"domain '{name}' has {value!r} tokens; it must be a number from 0"))
        return faults

    def shortage(self, free: bool) -> str:
        """Cure for caps that sum to less than one.

        Args:
            free: Whether no upper bound but the caps binds, so that the figures follow from the tokens.
        """
        stock = sum(self.available.values())
        text = (
            f"{stock:,.0f} tokens in all, at most {self.max_epochs:g} epochs, a budget of {self.budget:,.0f}; {STATE}"
        )
        if free and stock > 0.0 and not self.own:
            need, fill = math.ceil(100.0 * self.budget / stock) / 100.0, math.floor(self.max_epochs * stock)
            return f"{text}, raise max_epochs to {need:,.2f} or lower the token budget to {fill:,}"
        return f"{text}, raise max_epochs or an upper bound, or lower the token budget"


def is_name(value: object) -> bool:
    """Whether a value can be the name of a domain or a metric: text that shows, and nothing that steers a terminal."""
    return isinstance(value, str) and bool(value.strip()) and not _CONTROLS.search(value)


def name_faults(domains: object) -> list[Fault]:
    """What keeps ``domains`` from being a sequence of unique names."""
    if isinstance(domains, str) or not isinstance(domains, Iterable):
        return [Fault("domains", f"domains must be a sequence of names, not {domains!r}")]
    names = list(domains)
    if not names:
        return [Fault("domains", "there are no domains; name at least one")]
    faults = [
        Fault("domains", f"{name!r} is not the name of a domain; a name is text, not blank, without control characters")
        for name in names
        if not is_name(name)
    ]
    valid = [name for name in names if is_name(name)]
    repeated = sorted({name for name in valid if valid.count(name) > 1})
    return faults + [Fault(f"domains.{name}", f"domain '{name}' is named more than once") for name in repeated]


def bound_faults(
    domains: Sequence[str],
    lower: Mapping[str, float] | None,
    upper: Mapping[str, float] | None,
    at_least: Mapping[str, float] | None,
    caps: TokenCaps | None,
) -> list[Fault]:
    """What keeps bounds from leaving a mixture.

    Args:
        domains: Valid names, sorted.
        lower: Smallest shares.
        upper: Largest shares.
        at_least: Smallest shares other than zero.
        caps: Further upper bounds, valid counts.
    """
    given = {"lower": lower or {}, "upper": upper or {}, "at_least": at_least or {}}
    faults = [fault for key, values in given.items() for fault in _value_faults(domains, key, values)]
    if faults:
        return faults
    for name in domains:
        faults += _order_faults(name, *(given[key].get(name) for key in ("lower", "upper", "at_least")), caps=caps)
    low, high, floor = (column(domains, values, float(key == "upper")) for key, values in given.items())
    free = bool((high >= 1.0).all())
    if caps is not None:
        high = np.minimum(high, [caps.share(name) for name in domains])
    if (total := math.fsum(low)) > 1.0 + ROUNDING:
        faults.append(Fault("domains", f"lower bounds sum to {total:.6g}, above 1 ({_list(domains, low)}); lower some"))
    if (total := math.fsum(high)) < 1.0 - ROUNDING:
        kind = "upper bounds" if caps is None else "upper bounds, token caps included,"
        cure = "raise max_epochs, lower the token budget, or raise some" if caps is None else caps.shortage(free)
        faults.append(Fault("domains", f"{kind} sum to {total:.6g}, below 1 ({_list(domains, high)}); {cure}"))
    if not faults and floor.any() and not _has_face(low, high, floor):
        which = "; lower some 'at_least' or raise some upper bounds"
        faults.append(Fault("domains", f"no choice of zeros fits 'zero or at least' ({_list(domains, floor)}){which}"))
    return faults


def label_faults(domains: Sequence[str], names: Iterable[str], where: str) -> list[Fault]:
    """Domains that are missing or unknown among the names of some values."""
    given = set(names)
    absent = [name for name in domains if name not in given]
    missing = [Fault(f"{where}.{name}", f"domain '{name}' is missing") for name in absent]
    unknown = sorted(given.difference(domains), key=str)
    return missing + [Fault(f"{where}.{name}", unknown_name("domain", name, domains)) for name in unknown]


def weight_faults(
    domains: Sequence[str],
    weights: Mapping[str, float],
    bounds: Array | None,
    *,
    tolerance: float,
    sum_tolerance: float,
) -> list[Fault]:
    """What keeps weights from being a mixture within bounds.

    Args:
        domains: ``d`` names.
        weights: The mixture, domain to share.
        bounds: ``2 x d`` lower and upper bounds; None for zero alone.
        tolerance: How far a share may lie beyond them.
        sum_tolerance: How far the sum may miss one.
    """
    faults = label_faults(domains, weights, "weights")
    for index, name in enumerate(domains):
        if name not in weights:
            continue
        where, share = f"weights.{name}", number(weights[name])
        low, high = (0.0, math.inf) if bounds is None else bounds[:, index].tolist()
        if share is None:
            faults.append(Fault(where, f"the weight of domain '{name}' is {weights[name]!r}, not a finite number"))
        elif share < -tolerance:
            faults.append(Fault(where, f"the weight of domain '{name}' is {share:.6g}; weights are not negative"))
        elif share < low - tolerance:
            faults.append(Fault(where, f"domain '{name}' has {share:.6g}, below its lower bound {low:.6g}"))
        elif share > high + tolerance:
            faults.append(Fault(where, f"domain '{name}' has {share:.6g}, above its upper bound {high:.6g}"))
    shares = [number(share) for share in weights.values()]
    if None not in shares and abs((total := math.fsum(x for x in shares if x is not None)) - 1.0) > sum_tolerance:
        faults.append(Fault("weights", f"the weights sum to {total:.6g}, not to 1; divide them by their sum"))
    return faults


def _value_faults(domains: Sequence[str], key: str, values: object) -> list[Fault]:
    """Names that are unknown and values that are no shares, in one mapping."""
    if not isinstance(values, Mapping):
        return [Fault(key, f"'{key}' must map names of domains to shares, not be {values!r}")]
    faults = []
    for name, value in values.items():
        where, share = f"domains.{name}.{key}", number(value)
        if name not in domains:
            faults.append(Fault(where, unknown_name("domain", name, domains)))
        elif share is None:
            faults.append(Fault(where, f"{key} of domain '{name}' is {value!r}, not a finite number"))
        elif share < 0.0:
            faults.append(Fault(where, f"{key} of domain '{name}' is {share:g}; a share is not negative"))
        elif share > 1.0:
            faults.append(Fault(where, f"{key} of domain '{name}' is {share:g}; a share of the tokens is at most 1"))
    return faults


def _order_faults(
    name: str, lower: float | None, upper: float | None, at_least: float | None, *, caps: TokenCaps | None
) -> list[Fault]:
    """Bounds of one domain that contradict each other; None where one is not given."""
    low, high, floor = lower or 0.0, 1.0 if upper is None else upper, at_least or 0.0
    where, cap = f"domains.{name}", "" if caps is None else f" ({caps.reason(name)})"
    capped = caps is not None and caps.share(name) < high
    top = min(high, caps.share(name)) if caps is not None else high
    kind, cure = f"upper bound {top:.6g}", "lower the one or raise the other"
    if capped:
        kind, cure = f"token cap {top:.6g}{cap}", f"{STATE}, raise max_epochs, lower the token budget or this bound"
    faults = []
    if top < low:
        faults.append(Fault(f"{where}.upper", f"domain '{name}': {kind} is below lower bound {low:.6g}; {cure}"))
    if floor > top:
        faults.append(Fault(f"{where}.at_least", f"domain '{name}': {kind} is below 'at least' {floor:.6g}; {cure}"))
    if low > 0.0 and floor > low:
        text = f"domain '{name}': lower bound {low:.6g} forbids the zero of 'zero or at least {floor:.6g}'; drop one"
        faults.append(Fault(f"{where}.at_least", text))
    return faults


def _has_face(lower: Array, upper: Array, at_least: Array) -> bool:
    """Whether some choice of zeros leaves a mixture in which every other domain has at least its share."""
    optional = lower <= 0.0
    floor = np.maximum(lower, at_least)
    return nearest_choice(floor <= lower, np.zeros(len(lower)), floor, upper, optional) is not None


def _list(domains: Sequence[str], shares: Array) -> str:
    """The largest shares with their names."""
    order = np.argsort(-shares, kind="stable")
    shown = ", ".join(f"{domains[j]} {shares[j]:.6g}" for j in order[:_SHOWN])
    return shown + (f" and {len(order) - _SHOWN} more" if len(order) > _SHOWN else "")
