"""``bomix extend``: a study goes on with other domains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bomix.cli.reading_options import mapping_of
from bomix.errors import Fault, FaultsError, raise_faults
from bomix.io.store import files
from bomix.io.store.memory_store import MemoryStore
from bomix.io.store.study_folder import STUDY_FILE

if TYPE_CHECKING:
    from bomix.io.imports.domain_changes import DomainChanges
    from bomix.study.extending import Extended
    from bomix.study.records import Records
    from bomix.study.study import Study

PLACE = click.Path(path_type=Path)
FUNCTIONS = 12
"""Functions of the simulation: mean regrets are known to a third of themselves, in two CPU-seconds."""


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=PLACE)
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="OLD=NEW",
    help="What a domain is now: another name, one that several are mapped onto, or OLD=A:0.3,B:0.7 where it was split.",
)
@click.option("--add", multiple=True, metavar="NAME[=TOKENS]", help="A domain that no old one is part of.")
@click.option("--drop", multiple=True, metavar="NAME", help="A domain that is no more.")
@click.option("--refilter", multiple=True, metavar="NAME", help="A domain whose text is another now.")
@click.option("--metric", "metrics", multiple=True, metavar="OLD=NEW", help="A metric that has another name now.")
@click.option("--exact", is_flag=True, help="Only runs on text that NEW has all of; others inform with less certainty.")
@click.option("--other-recipe", is_flag=True, help="Take runs that were trained in another way, level unknown.")
@click.option(
    "--draft", is_flag=True, help="Write NEW's study file, to be edited before the same command is given again."
)
@click.option(
    "--functions",
    type=click.IntRange(0),
    default=FUNCTIONS,
    show_default=True,
    help="Drawn to simulate what the runs are worth; 0 for no simulation.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be carried over and what it is worth; write nothing.")
def extend(old: Path, new: Path, **given: Any) -> None:
    """Go on with other domains: carry the runs of the study OLD over to NEW, and say what a new start would cost.

    NEW is a study whose file names the domains as they are now; where there is none it is written from that of OLD,
    complete or not at all. Options say what became of OLD's domains; those of the same name stay as they were, and
    domains of NEW that no option speaks of are new.

    What was trained on comes over as what it is: mixtures without the new domain; a split domain in its shares (those
    of NEW's tokens unless they are said); united ones added up; of a dropped or refiltered domain with what its text
    did left to be found out. A second time brings nothing twice.

    NEW's strategy `auto` then asks for what the change made unknown first, the ratios of all other domains kept, and
    goes on over all mixtures. What that would cost, and a study begun anew, is simulated on known functions.
    """
    from bomix.study.extending import extend as carry_over
    from bomix.study.study import Study

    changes, tokens = _changes(given)
    earlier = Study.open(old)
    folder = new if not new.is_file() else new.parent
    if given["draft"]:
        _draft(old, folder, changes, tokens)
        return
    with _later(old, new, changes, tokens, keep=not given["dry_run"]) as later:
        into: Records = later.records
        if given["dry_run"]:
            from bomix.study.records import Records as InMemory

            into = InMemory(later.spec, MemoryStore(), later.records.resolved)
        done = carry_over(
            earlier.records,
            into,
            changes,
            metrics=mapping_of(given["metrics"], None),
            exact=given["exact"],
            other_recipe=given["other_recipe"],
        )
        into.save_results()
        for note in done.notes:
            click.echo(note, err=True)
        for line in [*_said(done), *_worth(into, later, given["functions"])]:
            click.echo(line)
    click.echo("nothing was recorded" if given["dry_run"] else f"\n  bomix optimize {folder}")


def _changes(given: dict[str, Any]) -> tuple[DomainChanges, dict[str, str]]:
    """What became of the domains, and tokens of those that are added."""
    from bomix.io.imports.domain_changes import parsed_changes

    added = [text.partition("=") for text in given["add"]]
    raise_faults(
        Fault("--add", "expected NAME, or NAME=TOKENS")
        for name, equals, count in added
        if not name or (equals and not count)
    )
    tokens = {name: count for name, _, count in added if count}
    return parsed_changes(
        given["maps"],
        dropped=given["drop"],
        refiltered=given["refilter"],
        added=[name for name, _, _ in added],
    ), tokens


@contextmanager
def _later(old: Path, new: Path, changes: DomainChanges, tokens: dict[str, str], *, keep: bool) -> Iterator[Study]:
    """The later study; where it is not there it is made of the earlier one, and is there once all went well."""
    from bomix.study.extended_file import extended_text, whole_or_absent
    from bomix.study.study import Study

    folder = new if not new.is_file() else new.parent
    if new.is_file() or (folder / STUDY_FILE).exists():
        yield Study.open(new)
        return
    text = extended_text(_file_of(old), changes, tokens)
    with whole_or_absent(folder, keep=keep) as built:
        files.write_new(built / STUDY_FILE, text)
        try:
            yield Study.open(built)
        except FaultsError as error:
            if not error.title.startswith(str(built / STUDY_FILE)):
                raise
            what = f"the study file of {_file_of(old)}, with these domains, is no study; lines are those of the file"
            title = f"{what} that --draft writes into {folder}: edit it, and give the same command again"
            raise FaultsError(error.faults, title) from error


def _draft(old: Path, folder: Path, changes: DomainChanges, tokens: dict[str, str]) -> None:
    """Write the study file of the later study alone."""
    from bomix.errors import ConfigError
    from bomix.study.extended_file import extended_text

    path = folder / STUDY_FILE
    text = extended_text(_file_of(old), changes, tokens)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        files.write_new(path, text)
    except FileExistsError:
        raise ConfigError(f"{path} is there already; leave --draft out to carry the runs over") from None
    click.echo(f"wrote {path}; look it over, then give the same command without --draft")


def _file_of(old: Path) -> Path:
    return old if old.is_file() else old / STUDY_FILE


def _said(done: Extended) -> list[str]:
    """What was carried over, a line each."""
    left = done.runs - done.exact
    lines = [f"carried over {done.added} runs, {done.there} already there: {done.exact} exactly"]
    if left:
        lines[0] += f", {left} on text that the study has no more, or has another cut of, whose effect is found out"
    changed, found = done.carriage.changed, done.carriage
    told = {"added": found.added, "other text": found.refiltered, "dropped": found.dropped, "united": found.unions}
    split = [name for name, shares in found.parts.items() if len(shares) > 1]
    said = [f"{word}: {', '.join(names)}" for word, names in {**told, "split": split}.items() if names]
    lines += ["; ".join(said)] if said else []
    unknown = ", ".join(changed) if changed else "nothing that old runs do not tell of"
    return [*lines, f"unknown so far: {unknown}"]


def _worth(into: Records, later: Study, functions: int) -> list[str]:
    """What the runs are worth, as it was simulated, a line each."""
    from bomix.recommendation.reuse import reuse

    if not into.history.observations or not functions:
        return []
    found = reuse(later.problem, into.history, seed=later.spec.seed, functions=max(functions, 2))
    cost = _cost(later)
    lines = ["simulated on known functions of as many domains and metrics (regret, mean ± two standard errors):"]
    for more, regret, error in found.extended:
        equal = found.anew_for(regret)
        anew = f"a new start takes {equal:.0f}" if equal is not None else f"a new start takes over {found.anew[-1][0]}"
        share = f", {100.0 * more / equal:.0f} % of it" if equal and more else ""
        lines.append(
            f"  {more:>3} more runs: {regret:.3f} ± {2.0 * error:.3f}; {anew} runs for that{cost(equal)}{share}"
        )
    return lines


def _cost(later: Study) -> Callable[[float | None], str]:
    """What so many runs of the later study cost, in words; nothing where the size of a run is unknown."""
    scale = later.problem.default_scale
    flops = None if scale is None else scale.flops

    def said(runs: float | None) -> str:
        return "" if flops is None or runs is None else f" ({runs * flops:.2g} FLOPs)"

    return said
