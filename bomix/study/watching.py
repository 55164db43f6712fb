"""Who is told of a run: its observer, the callbacks of the study file, and those that a program gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.config.components import TRAITS, nested_faults
from bomix.config.registry import modules_of
from bomix.config.settled import argument
from bomix.contracts.callback import Callback, CallbackTraits
from bomix.contracts.traits import trait_faults, traits
from bomix.errors import Fault, raise_faults
from bomix.io.store.plain import short

if TYPE_CHECKING:
    from bomix.execution.observer import Observer


def watching(
    observer: Observer | None,
    own: Iterable[Callback],
    given: Iterable[Callback | Callable[..., object] | str | Mapping[str, Any]],
    folder: Path,
) -> Observer:
    """One observer that tells them all.

    Args:
        observer: What shows the run, and may end it by an error.
        own: The callbacks of the study file.
        given: Those of a call: objects, functions of study and record, kinds, mappings as in a study file.
        folder: The folder of the study, where modules of one's own are looked for too.

    Raises:
        FaultsError: Everything that is wrong with them.
    """
    from bomix.execution.callbacks import CallbackObserver, Function
    from bomix.execution.observer import Observer

    if observer is not None and not isinstance(observer, Observer):
        raise_faults([Fault("observer", f"expected an Observer, found {short(observer)}; derive its class from it")])
    if not isinstance(given, Iterable) or isinstance(given, (str, Mapping)):
        raise_faults([Fault("callbacks", f"expected a list of callbacks, found {short(given)}")])
    listed: list[Any] = [Function(each) if _is_function(each) else each for each in given]  # type: ignore[arg-type]
    with modules_of(folder):
        added: tuple[Callback, ...] = argument("callbacks", tuple[Callback, ...], listed)
    faults = nested_faults({"callbacks": added})
    for position, each in enumerate(added):
        faults += [Fault(f"callbacks[{position}]", wrong.what) for wrong in trait_faults(each, TRAITS["callback"])]
    raise_faults(faults)
    told = (*own, *added)
    raise_faults(unready(told))
    return CallbackObserver(observer or Observer(), told)


def unready(callbacks: Sequence[Callback]) -> list[Fault]:
    """What keeps callbacks from being told on this machine: packages that are not installed, say."""
    return [
        Fault(f"callbacks[{position}]", fault.what)
        for position, each in enumerate(callbacks)
        for fault in traits(each, CallbackTraits).unready()
    ]


def _is_function(given: object) -> bool:
    """Whether it is to be called itself; a class is no callback, whose objects may be."""
    return callable(given) and not isinstance(given, type) and "ended" not in dir(given)
