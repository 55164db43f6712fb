"""Whether proxies of different sizes have one learning rate because nobody gave them their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.config.study_file import parse, placed
from bomix.evaluators.proxy_spec import ProxySpec
from bomix.io.store.study_folder import STUDY_FILE
from bomix.report.shown import listed

if TYPE_CHECKING:
    from bomix.problem import StudyScale
    from bomix.study.study import Study

FAR = 2.0
"""Ratio of parameters from which one rate is said to mislead: 0.3M and 1M, 2.7 times as large, already wanted 3e-3 and
1.5e-3 (experiments/regmix); below two, rates that are good for the one are hardly told from those good for the other.
"""
_OF_A_RATE = ("rate", "preset")
"""Keys of ``optimization`` that say a learning rate."""


def warnings(study: Study, path: Path) -> Iterator[str]:
    """A sentence where scales of more than :data:`FAR` times the parameters take over one learning rate.

    A scale that states a rate, or a preset, is left out, whatever it states: somebody thought of it. The record of a
    study that a program made does not tell that from a rate that was taken over; there, one that is the study's own
    counts as taken over.

    Args:
        study: Its scales are known.
        path: Its folder or its study file.
    """
    file = path / STUDY_FILE if path.is_dir() else path
    data, lines, _ = parse(file.read_text(encoding="utf-8"), file) if file.is_file() else (None, {}, [])
    shared: dict[float, list[StudyScale]] = {}
    for each in study.problem.scales:
        rate = _rate(study.spec.evaluator_at(each.name))
        if rate is None or each.scale.params is None:
            continue
        if rate != _rate(study.spec.evaluator) if data is None else _states_rate(data["scales"][each.name]):
            continue
        shared.setdefault(rate, []).append(each)
    for rate, scales in shared.items():
        scales.sort(key=_params)
        if _params(scales[-1]) > FAR * _params(scales[0]):
            yield _sentence(scales, rate, "" if rate != _rate(study.spec.evaluator) else _where(lines), lines)


def _rate(evaluator: Any) -> float | None:
    """The peak learning rate of a proxy; None of what is none."""
    return evaluator.optimization.settings().rate if isinstance(evaluator, ProxySpec) else None


def _params(scale: StudyScale) -> int:
    return scale.scale.params or 0


def _states_rate(keys: Mapping[str, Any] | None) -> bool:
    """Whether a scale of a study file says a learning rate, among its own keys or in an evaluator of its own.

    A scale that says nothing at all, ``small:``, has none of both.
    """
    keys = keys or {}
    holder = keys.get("evaluator")
    stated = (holder if isinstance(holder, Mapping) else keys).get("optimization")
    return isinstance(stated, Mapping) and any(stated.get(key) is not None for key in _OF_A_RATE)


def _where(lines: Mapping[str, int]) -> str:
    """Where the study's own rate stands, with its line; empty where it is the default."""
    keys = [f"evaluator.optimization.{key}" for key in _OF_A_RATE]
    return next((placed(key, lines) for key in keys if key in lines), "")


def _sentence(scales: Sequence[StudyScale], rate: float, where: str, lines: Mapping[str, int]) -> str:
    names = [f"'{each.name}' ({_params(each):,} parameters)" for each in scales]
    places = [placed(f"scales.{each.name}", lines) for each in scales[1:]]
    return (
        f"scales {listed(names)} share the learning rate {rate:g}" + (f" of {where}" if where else "") + "; "
        "one that suits the smallest is too high for larger ones, whose ranks then tell of the rate: try several at "
        f"each size on the uniform mixture, and state the best, `optimization: {{rate: ...}}`, in {listed(places)}, "
        "also where it is the same"
    )
