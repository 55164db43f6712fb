"""What a component may have beyond its contract: declared, typed, and read in one place.

A contract of this package asks for one method or two. What is optional of it stands in a frozen dataclass beside it,
its *traits*: a name, a type, and a default that means "does not have it". A component stays a plain frozen dataclass;
an attribute, a class variable, a property or a method of the trait's name is all it takes.

>>> from dataclasses import dataclass
>>> from typing import ClassVar
>>> from bomix.contracts.surrogate import SurrogateTraits
>>> @dataclass(frozen=True)
... class Nearest:
...     differentiable: ClassVar[bool] = True
...     def fit(self, data, *, context, seed): ...
>>> traits(Nearest(), SurrogateTraits).differentiable, traits(Nearest(), SurrogateTraits).fantasizes
(True, False)

A trait that is misspelt or of another type is a fault, told by ``bomix check`` and by ``Study(...)``:

>>> @dataclass(frozen=True)
... class Misspelt(Nearest):
...     fantasises: ClassVar[bool] = True
>>> print(trait_faults(Misspelt(), SurrogateTraits)[0].what)
Misspelt has 'fantasises'; did you mean 'fantasizes'? (A helper of that name begins with an underscore.)
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Collection, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, Union

from bomix.errors import Fault, did_you_mean
from bomix.scale import Scale

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Kind = TypeVar("Kind", bound=DataclassInstance)

NEAR = 0.8
"""Names as alike as this are one name, misspelt: a letter or two out of ten."""

_ABSENT: Any = object()


@dataclasses.dataclass(frozen=True)
class ComponentTraits:
    """What any component may have, whatever its contract.

    Attributes:
        faults: What is wrong with its fields, as a list, the paths relative to itself: ``bomix check`` tells them all.
        relative_to: Takes the study folder and returns the same component with its relative paths taken from there;
            asked of sources, tokenizers, evaluators and strategies.
        needs_experts: Whether it reads what experts of every domain make of the validation sets, see
            :class:`bomix.contracts.context.FitContext`; a study then trains one expert per domain before anything else.
        needs_models: Whether it also reads the experts' parameters, which an evaluator keeps only where it is told to.
        needs_reweighting: Whether it asks for runs that reweight the domains while they train, which few evaluators
            can, see :class:`bomix.contracts.evaluator.ReweightingEvaluator`.
    """

    contract: ClassVar[type | None] = None
    """The protocol that these traits belong to; its own members are no misspelt traits."""

    faults: Callable[[], list[Fault]] = list
    relative_to: Callable[[Path], Any] | None = None
    needs_experts: bool = False
    needs_models: bool = False
    needs_reweighting: bool = False


@dataclasses.dataclass(frozen=True)
class PartTraits(ComponentTraits):
    """What a surrogate, or any part of one (a kernel, a mean, features), may have.

    Attributes:
        own: Metric to its own domain, where their names differ; both must be names of the study.
        metric_faults: Takes the names of the metrics and returns what does not fit them, a name that is not among
            them, say.
        own_alone: The field that makes it a function of the weight of a metric's own domain and of nothing else, so
            that it is a constant for a metric that has none, ``form`` of a law say; None where there is none.
        scale_faults: Takes the scales of the study, none where it has one alone, and returns what does not fit them.
    """

    own: Mapping[str, str] | None = None
    own_alone: str | None = None
    metric_faults: Callable[[tuple[str, ...]], list[Fault]] = lambda _: []
    scale_faults: Callable[[tuple[Scale, ...]], list[Fault]] = lambda _: []


def traits(component: object, kind: type[Kind]) -> Kind:
    """The traits of a component: what it has is taken as it is, what it has not is the default.

    Args:
        component: An object of a user's class or of bomix; None has no trait.
        kind: The dataclass that declares the traits.

    Raises:
        AttributeError: A property of the component failed with it; a trait that breaks is no trait that is absent.
    """
    found = {name: _read(component, name) for name in _names(kind)}
    return kind(**{name: value for name, value in found.items() if value is not _ABSENT})


def trait_faults(component: object, kind: type[ComponentTraits]) -> list[Fault]:
    """Attributes of a component that are nearly a trait, and traits that are of another type.

    The fields of the component and the members of the contract are what they are. A name near that of a trait which the
    component has as well is no misspelling of it.

    Args:
        component: An object, no class.
        kind: The dataclass that declares the traits, with the protocol in ``contract``.
    """
    name, present = type(component).__name__, {*dir(component)}
    fields = {field.name for field in dataclasses.fields(component)} if dataclasses.is_dataclass(component) else set()
    missing = [trait for trait in _names(kind) if trait not in present]
    found = []
    for attribute in sorted(present - {*_names(kind)} - fields - _members(kind.contract)):
        close = "" if attribute.startswith("_") else did_you_mean(attribute, missing, cutoff=NEAR)
        if close:
            what = f"{name} has '{attribute}'{close} (A helper of that name begins with an underscore.)"
            found.append(Fault("", what))
    for trait, hint in _hints(kind).items():
        value = _read(component, trait)
        if value is not _ABSENT and not _fits(value, hint):
            found.append(Fault("", f"{name} has '{trait}' = {value!r}; give {_wanted(hint)}"))
    return found


def field_values(value: object) -> dict[str, Any]:
    """Name to value of the fields of a dataclass object, in their order, the values as they are."""
    assert dataclasses.is_dataclass(value)
    # The names come from the dataclass itself; `vars` does not see the fields of a class with slots.
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def _hints(kind: type[Any]) -> Mapping[str, Any]:
    """Trait to its type."""
    hints = typing.get_type_hints(kind)
    return {name: hints[name] for name in _names(kind)}


def _members(contract: type | None) -> frozenset[str]:
    """The members of a contract, those that it only annotates included."""
    classes = () if contract is None else contract.__mro__
    return frozenset(name for cls in classes for name in (*vars(cls), *vars(cls).get("__annotations__", ())))


def _read(component: object, name: str) -> Any:
    """A trait of a component; :data:`_ABSENT` where it has none."""
    try:
        # The one place where optional members of foreign objects are looked up by name.
        return getattr(component, name)
    except AttributeError:
        if any(name in vars(cls) for cls in type(component).__mro__):
            raise  # it is there, and broke
        return _ABSENT


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a trait's type; of functions, whether it can be called."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or origin in (Union, types.UnionType):
        return hint is Any or any(_fits(value, option) for option in inner)
    if origin is Callable or hint is Callable:
        return callable(value)
    if origin is Mapping:
        return isinstance(value, Mapping)
    if origin in (tuple, Collection):
        return isinstance(value, Collection) and not isinstance(value, str) and all(_fits(v, inner[0]) for v in value)
    if hint in (int, float):
        return isinstance(value, Integral if hint is int else Real) and not isinstance(value, bool)
    return isinstance(value, type(None) if hint is None else hint)


def _wanted(hint: Any) -> str:
    """A trait's type in words."""
    words = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", type(None): "None"}
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_wanted(option) for option in inner)
    known = {Callable: "a method", Mapping: "a mapping", tuple: "a tuple", Collection: "a tuple"}
    return known.get(origin) or words.get(hint) or f"an object with the members of {hint.__name__}"
