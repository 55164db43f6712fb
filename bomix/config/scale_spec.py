"""The key ``scales`` of a study file: several scales, each by what sets its runs apart.

A scale is written with the keys of the evaluator that are others there, over those of ``evaluator``, and with keys of
its own (:class:`StudyScaleSpec`). Inside, each scale has its whole evaluator, so that nothing has to be put together
where a trial is trained.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from bomix.config import registry
from bomix.config.build import FILLED, build, plain, spec_fields
from bomix.config.constraint_spec import more_named_faults
from bomix.config.secret import SECRET
from bomix.contracts.evaluator import Evaluator, EvaluatorTraits
from bomix.contracts.traits import field_values, traits
from bomix.errors import Fault, UnknownKindError, did_you_mean, raise_faults
from bomix.io.store.plain import as_mapping, short
from bomix.space.bounds import is_name

if TYPE_CHECKING:
    from bomix.config.sections import TargetSpec

Spec = TypeVar("Spec")


@dataclasses.dataclass(frozen=True)
class StudyScaleSpec:
    """One of several scales of a study.

    In a study file, and in a mapping that a program gives, any key of the evaluator may stand beside these and is taken
    for this scale; ``tokens`` is such a key where the evaluator has it, ``params`` is not given, and the scale is
    trained.

    Example:
        >>> small = bomix.StudyScaleSpec(params=10**6, tokens=10**8)
        >>> large = {"params": "10M", "tokens": "1B"}  # as in a study file
        >>> study = bomix.Study(["code", "web"], ["loss"], scales={"small": small, "large": large})
        >>> [(each.name, each.cost) for each in study.problem.scales]
        [('small', 600000000000000.0), ('large', 6e+16)]
        >>> str(study.problem.scale)  # the dearest is the one that is decided about
        '10M params x 1B tokens'

    Attributes:
        params: Non-embedding parameters of a run; known of an evaluator that says them.
        tokens: Training tokens of a run; likewise.
        recipe: What else sets its runs apart from those of the same numbers.
        cost: What a run costs, in any unit that all scales share; by default the training FLOPs. All scales state one,
            or none does.
        train: Whether trials of it can be asked for; runs of another are brought from elsewhere, or there are none.
        evaluator: What trains at this scale, where it is another than the study's.
    """

    params: int | None = None
    tokens: int | None = None
    recipe: str | None = None
    cost: float | None = None
    train: bool = True
    evaluator: Evaluator | None = None

    def faults(self) -> list[Fault]:
        """Numbers that are not positive, and a recipe that says nothing."""
        named = {"params": self.params, "tokens": self.tokens, "cost": self.cost}
        found = [
            Fault(key, f"expected a positive number, found {value:g}")
            for key, value in named.items()
            if value is not None and value <= 0
        ]
        if self.recipe is not None and not is_name(self.recipe):
            found.append(
                Fault("recipe", f"expected text, not blank, without control characters, found {self.recipe!r}")
            )
        return found


_OWN = tuple(field.name for field in dataclasses.fields(StudyScaleSpec))
"""Keys of a scale that are no keys of the evaluator, ``tokens`` aside."""


def build_study(spec: type[Spec], data: Any) -> tuple[Spec | None, list[Fault]]:
    """Build a study file, as :func:`bomix.config.build.build` does, in which scales may have keys of the evaluator.

    Args:
        spec: The class of the study file.
        data: What ``yaml.safe_load`` or ``json.load`` gave.

    Returns:
        The study, or None where there are faults, and the faults at the keys where they stand in the file.
    """
    scales = data.get("scales") if isinstance(data, Mapping) else None
    if not isinstance(scales, Mapping) or not scales:
        built, faults = build(spec, data)
        return built, [*faults, *(more_named_faults(data, faults) if built is None else ())]
    given = data.get("evaluator")
    over = {name: _keys_of_evaluator(given, keys) for name, keys in scales.items()}
    whole = {
        name: {
            **{key: value for key, value in keys.items() if key not in over[name]},
            "evaluator": _merged(given, over[name]),
        }
        if over[name]
        else keys
        for name, keys in scales.items()
    }
    data = {**data, "scales": whole}
    built, faults = build(spec, data)
    if faults and over and all(over[name] for name in scales if _trained(scales[name])):
        # What every scale states need not stand in the evaluator itself, which is then that of the first scale.
        first = next((whole[name]["evaluator"] for name in scales if over[name]), given)
        again, left = build(spec, {**data, "evaluator": first})
        if not any(fault.where.startswith("evaluator") for fault in left):
            built, faults = again, left
    faults = [_of_scale(fault, given) for fault in _where_they_stand(faults, over)]
    return built, [*faults, *(more_named_faults(data, faults) if built is None else ())]


def scale_specs(scales: Any, evaluator: Evaluator | None) -> Mapping[str, StudyScaleSpec]:
    """The scales that a program gives, each a :class:`StudyScaleSpec` or a mapping of the same keys as in a study file.

    Args:
        scales: Name to scale.
        evaluator: The study's, over whose keys those of a mapping stand.

    Raises:
        FaultsError: Everything that is wrong with them.
    """
    given = as_mapping(scales)
    if not isinstance(given, Mapping):
        raise_faults([Fault("scales", f"expected a mapping from names to scales, found {short(scales)}")])
    found: dict[str, StudyScaleSpec] = {}
    faults: list[Fault] = []
    for name, scale in given.items():
        if not isinstance(scale, Mapping):
            found[name] = scale  # looked at with the rest of the study
            continue
        over = _keys_of_evaluator(evaluator, scale)
        own, wrong = build(
            StudyScaleSpec, plain({k: v for k, v in scale.items() if k not in over}), where=f"scales.{name}"
        )
        faults += wrong
        if over and evaluator is not None:
            raw, known = plain(evaluator), type(evaluator)
            trains, wrong = build(known, _overlaid(raw, plain(over), _alternatives(known)), where=f"scales.{name}")
            faults += wrong
            if own is not None and trains is not None:
                own = dataclasses.replace(own, evaluator=_refilled(trains, evaluator, over))
        if own is not None:
            found[name] = own
    raise_faults(faults)
    return found


def scale_faults(
    scales: Mapping[str, StudyScaleSpec], target: TargetSpec | None, evaluator: Evaluator | None
) -> list[Fault]:
    """What is wrong with the scales of a study as far as it can be seen without looking at any data.

    Args:
        scales: Name to scale; empty for a study of one.
        target: The run that is decided about.
        evaluator: The study's.
    """
    wanted = None if target is None else target.scale
    if not scales:
        if wanted is None:
            return []
        return [
            Fault(
                "target.scale", f"the study names no scales, so that '{wanted}' is none; add 'scales', or leave it out"
            )
        ]
    faults = [
        Fault(f"scales.{name}", "expected a name (text, not blank, without control characters)")
        for name in scales
        if not is_name(name)
    ]
    if wanted is not None and wanted not in scales:
        hint = did_you_mean(wanted, scales) or f" (known: {', '.join(scales)})"
        faults.append(Fault("target.scale", f"unknown scale '{wanted}'{hint}"))
    with_cost = [name for name, scale in scales.items() if scale.cost is not None]
    if with_cost and len(with_cost) < len(scales):
        without = ", ".join(name for name in scales if name not in with_cost)
        states = "states" if len(with_cost) == 1 else "state"
        what = f"{', '.join(with_cost)} {states} a cost and {without} none, so that they cannot be compared"
        faults.append(Fault("scales", f"{what}; state the cost of all scales, or of none (FLOPs are then counted)"))
    if evaluator is None:
        faults += [
            Fault(f"scales.{name}.evaluator", "the study has no evaluator that this could stand over; give it one")
            for name, scale in scales.items()
            if scale.evaluator is not None
        ]
    elif not any(scale.train for scale in scales.values()):
        what = "no scale is trained ('train: false' of all), and the study has an evaluator; have one trained, or leave"
        faults.append(Fault("scales", f"{what} the evaluator out and name the metrics"))
    return faults


def _of_scale(fault: Fault, evaluator: Any) -> Fault:
    """A fault of a key that neither a scale nor the evaluator has, with the keys of both."""
    scales, _, key = fault.where.rpartition(".")
    if not scales.startswith("scales.") or scales.count(".") > 1 or not fault.what.startswith(f"unknown key '{key}'"):
        return fault
    cls = _class_of(evaluator)
    own = [name for name in _OWN if name != "evaluator"]
    others = [] if cls is None else [field.name for field in spec_fields(cls) if field.name not in own]
    hint = did_you_mean(key, [*own, *others])
    if not hint:
        hint = f" (a scale has {', '.join(own)}" + (f"; the evaluator {', '.join(others)})" if others else ")")
    return Fault(fault.where, f"unknown key '{key}'{hint}")


def _trained(keys: Any) -> bool:
    return not isinstance(keys, Mapping) or keys.get("train", True) is not False


def _class_of(evaluator: Any) -> type[Any] | None:
    """The class of an evaluator, or of its plain data; None where there is none, or it has no such kind."""
    if isinstance(evaluator, (str, Mapping)):
        kind = evaluator if isinstance(evaluator, str) else evaluator.get("kind")
        try:
            found = registry.resolve("evaluator", kind) if isinstance(kind, str) else None
        except UnknownKindError:
            return None
        return found if dataclasses.is_dataclass(found) else None
    return type(evaluator) if dataclasses.is_dataclass(evaluator) else None


def _keys_of_evaluator(evaluator: Any, keys: Any) -> dict[str, Any]:
    """The keys of a scale that are keys of the evaluator, or nothing at all; none where it cannot be known.

    A scale that has its whole evaluator, as a study that was resolved does, has no keys of another.
    """
    cls = _class_of(evaluator)
    if cls is None or not isinstance(keys, Mapping) or keys.get("evaluator") is not None:
        return {}
    fields = {field.name for field in spec_fields(cls)}
    own = set(_OWN)
    if "tokens" in fields and keys.get("tokens") is not None and keys.get("params") is None and _trained(keys):
        own.remove("tokens")
    return {key: value for key, value in keys.items() if key not in own}


def _alternatives(cls: type[Any] | None) -> Collection[Collection[str]]:
    return () if cls is None else traits(cls, EvaluatorTraits).alternatives


def _merged(evaluator: Any, over: Mapping[str, Any]) -> Any:
    """The plain data of an evaluator with some of its keys replaced."""
    base = {"kind": evaluator} if isinstance(evaluator, str) else evaluator
    return _overlaid(base, over, _alternatives(_class_of(evaluator)))


def _overlaid(base: Any, over: Any, alternatives: Collection[Collection[str]] = ()) -> Any:
    """Plain data in which keys of the other data stand, at any depth; of another kind all is the other's."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    if "kind" in over and over["kind"] != base.get("kind"):
        return over
    dropped = {key for group in alternatives if {*group} & over.keys() for key in group}
    kept = {key: value for key, value in base.items() if key not in dropped}
    return kept | {key: _overlaid(kept[key], value) if key in kept else value for key, value in over.items()}


def _refilled(built: Any, evaluator: Any, over: Mapping[str, Any]) -> Any:
    """An evaluator with what plain data does not hold of the one that it was made from: what a study fills, secrets."""
    values = field_values(evaluator)
    hidden = [
        field.name
        for field in dataclasses.fields(evaluator)
        if (FILLED in field.metadata or SECRET in field.metadata) and field.name not in over
    ]
    return dataclasses.replace(built, **{name: values[name] for name in hidden})


def _where_they_stand(faults: list[Fault], over: Mapping[str, Mapping[str, Any]]) -> list[Fault]:
    """Faults of the whole evaluators of scales, placed at the keys of the file that they are of, each once."""
    found: dict[tuple[str, str], Fault] = {}
    for fault in faults:
        where = fault.where
        for name, keys in over.items():
            start = f"scales.{name}.evaluator"
            if keys and (where == start or where.startswith((f"{start}.", f"{start}["))):
                rest = where.removeprefix(start).removeprefix(".")
                stated = any(rest == key or rest.startswith((f"{key}.", f"{key}[")) for key in keys)
                where = f"scales.{name}.{rest}".rstrip(".") if stated or not rest else f"evaluator.{rest}"
                break
        found.setdefault((where, fault.what), Fault(where, fault.what))
    return list(found.values())
