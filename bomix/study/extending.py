"""A study that goes on with other domains: the runs of the earlier one are carried over, and may be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.config.build import plain
from bomix.errors import Fault, StudyError, raise_faults
from bomix.io.imports import identity
from bomix.io.imports.carried import is_exact
from bomix.io.imports.domain_changes import Carriage, DomainChanges, carriage
from bomix.io.imports.extending import read_extended
from bomix.io.imports.study import OtherStudy
from bomix.io.tables.reading import SHOWN
from bomix.scale import comparable, counted_as
from bomix.study.frozen import compared, may_change
from bomix.study.importing import import_runs
from bomix.study.nested import others, said

if TYPE_CHECKING:
    from bomix.io.imports.runs import Runs
    from bomix.study.records import Records

OTHER_RECIPE = "--other-recipe"
"""The option that takes runs of another recipe, and its name in messages."""
_OTHERWISE = 1.1
"""Ratio of passes from which on repetition is said to be another: less moves losses by less than their noise."""
_TITLE = "the runs cannot be carried over; nothing was recorded:"


@dataclass(frozen=True)
class Extended:
    """What was carried over.

    Attributes:
        carriage: What became of the domains.
        added: Runs that are new in the later study.
        there: Runs that had been carried over before.
        exact: How many of all of these are runs of the later study without reservation.
        notes: What was left out, and what was taken for known, a line each.
    """

    carriage: Carriage
    added: int
    there: int
    exact: int
    notes: tuple[str, ...] = ()

    @property
    def runs(self) -> int:
        """Runs that the later study has of the earlier one."""
        return self.added + self.there


def extend(
    old: Records,
    new: Records,
    changes: DomainChanges,
    *,
    metrics: Mapping[str, str] | None = None,
    exact: bool = False,
    other_recipe: bool = False,
) -> Extended:
    """Carry the completed runs of a study over to one with other domains; a second time brings nothing twice.

    Args:
        old: The earlier study.
        new: The later one.
        changes: What became of the domains.
        metrics: Metric of the earlier study to the one of the later that it is, where names differ.
        exact: Whether only runs come over that are runs of the later study without reservation.
        other_recipe: Whether runs come over though they were trained in another way: then a model learns from them up
            to a level that it has to find out.

    Raises:
        FaultsError: Everything that is wrong; nothing is recorded then.
        StudyError: The studies are one, the earlier one has no run, or one of them has two phases.
    """
    if old.folder is not None and new.folder is not None and old.folder.resolve() == new.folder.resolve():
        raise StudyError(f"{old.folder} cannot be extended by itself; name another folder for the later study")
    there, here = old.problem, new.problem
    if there.phases is not None or here.phases is not None:
        what = "runs are carried over to other domains with one mixture for the whole run, and there are 'phases' here"
        raise StudyError(f"{what}; between studies of the same domains `bomix import NEW --study OLD` brings them")
    found = carriage(changes, there.space.domains, here.space.domains, old_tokens=there.tokens, new_tokens=here.tokens)
    if not old.history.completed:
        raise StudyError("the earlier study has no run that came back, so that there is nothing to carry over")
    recipe = _recipe_changes(old, new)
    faults = [*_text_faults(old, new, found), *_scale_faults(old, new)]
    if recipe and not other_recipe:
        cure = f"undo it, or take them for runs of another recipe with {OTHER_RECIPE}"
        faults += [Fault("", f"the runs were trained in another way: {line}; {cure}") for line in recipe]
    raise_faults(faults, _TITLE, most=SHOWN)
    path = Path("earlier") if old.folder is None else old.folder
    other = OtherStudy(path, there.space.domains, there.metrics, tuple(old.history.records))
    runs = read_extended(other, here, found, metrics=metrics, exact=exact, recipe=bool(recipe) and other_recipe)
    _refuse_changed(new, runs)
    done = import_runs(new, runs, as_one=True)
    notes = [
        *runs.notes,
        *_said_of(found),
        *_repeated_otherwise(found, there.passes, here.passes),
        *(f"taken as another recipe: {line}" for line in recipe),
        *([said(here, left)] if (left := others(here, new.history)) else []),
    ]
    keys = {result.info.get("run") for _, result, _ in runs.runs}
    kept = [record for record in new.history.completed if record.result.info.get("run") in keys]
    return Extended(found, len(done.added), done.there, sum(map(is_exact, kept)), tuple(notes))


def _refuse_changed(new: Records, runs: Runs) -> None:
    """Refuse runs that were carried over before in another way: a record says once what it is."""
    changed = identity.compare(runs, new.history.all_records).changed
    raise_faults(
        (
            Fault(match.place, f"trial {match.record.trial.id} is that run: {'; '.join(match.differences)}")
            for match in changed
        ),
        "these runs were carried over before with other domains or values; nothing was recorded. Extend into a new "
        "folder, or withdraw those trials first:",
        most=SHOWN,
    )


def _said_of(found: Carriage) -> list[str]:
    """What was taken for known of domains that were united."""
    return [
        f"tokens of {' and '.join(name for name, shares in found.parts.items() if new in shares)} are unknown: their "
        f"shares in {new} are taken to be those of each run"
        for new, shares in found.unions.items()
        if not shares
    ]


def _repeated_otherwise(found: Carriage, before: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """Domains of the same text that runs of the two studies repeat otherwise, which moves losses too.

    Args:
        found: What became of the domains.
        before: Passes over each domain's text where it is all of a run, in the earlier study; none where unknown.
        now: The same in the later one.
    """
    notes = []
    for name, shares in found.parts.items():
        (here,) = shares if len(shares) == 1 else ("",)
        then, later = before.get(name, 0.0), now.get(here, 0.0)
        if then and later and max(then, later) > 1.0 and max(then, later) > _OTHERWISE * min(then, later):
            notes.append(
                f"{here}: a run of it alone went over its text {then:.3g} times, and does so {later:.3g} times now; "
                "losses that repetition moved are not told apart from others (--exact does not leave them out)"
            )
    return notes


def _recipe_changes(old: Records, new: Records) -> list[str]:
    """How the later study trains in another way, beside its domains, metrics and sizes; a line each."""
    sides: list[dict[str, Any]] = []
    for records in (old, new):
        evaluator: Any = plain(records.spec.evaluator)
        keys = evaluator if isinstance(evaluator, Mapping) else {"kind": "none"}
        kept = {key: value for key, value in keys.items() if key not in ("domains", "metrics", "useless")}
        sides.append({"evaluator": kept, "seed": records.spec.seed, "paired": records.spec.paired})
    exempt = may_change(old.spec) | may_change(new.spec)
    if old.spec.scales or new.spec.scales:  # each scale has keys of its own, and runs say which they are of
        sides = [{**side, "evaluator": {"kind": side["evaluator"].get("kind")}} for side in sides]
    found = compared(sides[0], sides[1], exempt)
    before, now = (records.resolution.preparation.provenance for records in (old, new))
    common = sorted(key for key in before.keys() & now.keys() if not key.startswith("train/"))
    return [_then_and_now(line) for line in found] + [
        f"{key}: other text or tokens than before" for key in common if before[key] != now[key]
    ]


def _then_and_now(line: str) -> str:
    """What a comparison says of one study, as it is of two."""
    return line.replace(" when the study began", " in the earlier study").removesuffix(" now") + (
        " in the later one" if line.endswith(" now") else ""
    )


def _text_faults(old: Records, new: Records, found: Carriage) -> list[Fault]:
    """Domains that are taken for unchanged and have other text."""
    before, now = (records.resolution.preparation.provenance for records in (old, new))
    faults = []
    for name, shares in found.parts.items():
        (here,) = shares if len(shares) == 1 else ("",)
        if not here or here in found.unions or here in found.refiltered:
            continue
        hashes = before.get(f"train/{name}"), now.get(f"train/{here}")
        if None in hashes:  # nothing was measured: what the studies say is all there is
            sources = (old.spec.domains[name].source, new.spec.domains[here].source)
            same = plain(sources[0]) == plain(sources[1]) or None in sources
        else:
            same = hashes[0] == hashes[1]
        if not same:
            what = f"has other text than {name} of the earlier study; say so: --refilter {here}"
            faults.append(Fault(f"domains.{here}", what))
    return faults


def _scale_faults(old: Records, new: Records) -> list[Fault]:
    """Sizes of runs that the later study cannot learn from."""
    here, own = new.problem.scales, new.problem.scale
    runs = {record.trial.scale for record in old.history.observations}
    if here:
        strange = [scale for scale in runs if counted_as(scale, [each.scale for each in here], own) is None]
    else:
        strange = [scale for scale in runs if not comparable(scale, own)]
    if not strange or len(strange) < len(runs):
        return []
    what = f"the runs are of {strange[0]}, and those of the later study of {own}"
    return [Fault("evaluator", f"{what}: their losses do not compare; name both in the later one as scales")]
