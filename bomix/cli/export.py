"""``bomix export``: the mixture to train on, in the form that a trainer reads."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bomix.cli.options import study_argument

if TYPE_CHECKING:
    from bomix.io.exports.mixture import TargetRun
    from bomix.io.exports.writing import Written
    from bomix.recommendation.recommend import Recommendation
    from bomix.space.weights import Weights
    from bomix.study.study import Study

paths_option = click.option(
    "--paths",
    multiple=True,
    metavar="FILE|DOMAIN=PATH",
    help="Where each domain's data lie: a YAML file of them, or one domain; '*=/data/{domain}' for all others.",
)


@click.command()
@study_argument
@click.option("--format", "kind", metavar="FORMAT", required=True, help="A format: `bomix kinds exporter` lists them.")
@paths_option
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A key of the format; may be repeated.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write, or a folder for it; else printed.")
@click.option(
    "--tokens", metavar="COUNT", help="Training tokens of the run, 20B say; else those of the study's target."
)
@click.option(
    "--sequence-length", type=click.IntRange(1), default=4096, show_default=True, help="Tokens of a sequence."
)
@click.option(
    "--batch-sequences", type=click.IntRange(1), default=1024, show_default=True, help="Sequences of a batch."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the order of the data.")
@click.option("--trial", type=click.IntRange(0), metavar="ID", help="The mixture of a trial, not the recommendation.")
@click.option("--phase", metavar="NAME", help="Of two phases one alone, or 'whole' for the mixture of the whole run.")
@click.option("--front", type=click.IntRange(1), metavar="ROW", help="Of a trade-off, the mixture in this row of it.")
def export(
    study: Path,
    kind: str,
    paths: tuple[str, ...],
    settings: tuple[str, ...],
    out: Path | None,
    tokens: str | None,
    sequence_length: int,
    batch_sequences: int,
    seed: int,
    trial: int | None,
    phase: str | None,
    front: int | None,
) -> None:
    """Write the mixture to train on in a trainer's own form, and show what the trainer will draw.

    Without --out the mixture goes to standard output and all else to standard error. Of two phases with a mixture each
    there is a file of each, with the name of the phase in its own.
    """
    from bomix.study.study import Study

    opened = Study.open(study)
    count = None if tokens is None else _count(tokens)
    run = {"tokens": count, "sequence_length": sequence_length, "batch_sequences": batch_sequences, "seed": seed}
    target = Target(opened, kind, paths, dict(map(_setting, settings)), **run)
    weights = chosen(opened, trial=trial, front=front)
    if out is None:
        show(*target.write_one(weights, phase=phase), None)
        return
    written = target.write_phases(weights, phase=phase)
    for name, (each, of) in written.items():
        show(each, of, out_of_phase(out, each.export.file, name if len(written) > 1 else ""))


class Target:
    """A format and the run that it is for, checked before anything is fitted.

    Args:
        study: The study that is exported.
        kind: The format.
        paths: What stands behind ``--paths``.
        settings: Keys of the format.
        run: Fields of :class:`bomix.io.exports.mixture.TargetRun`.
    """

    def __init__(
        self, study: Study, kind: str, paths: Sequence[str], settings: Mapping[str, Any] | None = None, **run: Any
    ) -> None:
        from bomix.config.registry import modules_of
        from bomix.io.exports.mixture import TargetRun
        from bomix.io.exports.sources import read_sources
        from bomix.io.exports.writing import exporter_of

        with modules_of(study.folder or Path()):
            self.exporter = exporter_of(kind, settings)
        self.problem = study.problem
        data = read_sources(paths, self.problem.single.domains)
        self.run = TargetRun(data=data, measured=study.records.resolution.preparation.domains, **run)

    def write_phases(self, weights: Weights, *, phase: str | None) -> Mapping[str, tuple[Written, TargetRun]]:
        """Each of the mixtures of two phases, see :func:`bomix.io.exports.phased.write_phases`; of one that alone."""
        from bomix.io.exports.phased import write_phases

        return write_phases(self.problem, weights, self.exporter, self.run, phase=phase)

    def write_one(self, weights: Weights, *, phase: str | None = None) -> tuple[Written, TargetRun]:
        """The one mixture that there is, or that of the phase that is wanted, and the run that it is for.

        Raises:
            ConfigError: There are two, of a phase each.
        """
        from bomix.errors import ConfigError

        written = self.write_phases(weights, phase=phase)
        if len(written) > 1:
            names = " or ".join(f"--phase {name}" for name in written)
            what = "each phase has a mixture of its own; `bomix export` writes a file of each with --out FILE, or one"
            raise ConfigError(f"{what} with {names}")
        return next(iter(written.values()))


def out_of_phase(out: Path, file: str, phase: str) -> Path:
    """Where the export of a phase goes: ``mixture.anneal.yaml`` for ``mixture.yaml``; as it is where none is named.

    Args:
        out: A file, or a folder.
        file: The name that a file in a folder has.
        phase: Name of the phase; empty for one mixture.
    """
    path = out / file if out.is_dir() else out
    return path.with_name(f"{path.stem}.{phase}{path.suffix}") if phase else out


def chosen(study: Study, *, trial: int | None, front: int | None) -> Weights:
    """The mixture that is exported: that of a trial, of a row of the front, or the recommendation.

    Raises:
        ConfigError: There is no such trial or row, both are asked for, or a trade-off has no single answer.
        StudyError: Nothing can be recommended yet.
    """
    from bomix.errors import ConfigError

    if trial is None:
        best = study.recommend()
        for sentence in best.warnings:
            click.echo(f"warning: {sentence}", err=True)
        return single(best, front=front)
    if front is not None:
        raise ConfigError("--trial and --front name two mixtures; give one of them")
    for record in study.history.all_records:
        if record.trial.id == trial:
            return record.trial.weights
    raise ConfigError(f"--trial {trial}: the study has no such trial; `bomix status` lists them")


def single(best: Recommendation, *, front: int | None = None) -> Weights:
    """The one mixture of a recommendation.

    Args:
        best: The recommendation.
        front: A row of its front, from one on; None where there must be none.

    Raises:
        ConfigError: A trade-off without a row, or a row that is not there.
    """
    from bomix.errors import ConfigError

    if front is None and not best.front:
        return best.weights
    if not best.front:
        raise ConfigError("--front: the study's objective is no trade-off; leave it out")
    if front is None:
        raise ConfigError(
            f"the objective is a trade-off, of which {len(best.front)} mixtures are the front; choose one with "
            f"`bomix export --front ROW`, a row of the front that `bomix recommend` shows, 1 to {len(best.front)}"
        )
    if front > len(best.front):
        raise ConfigError(f"--front {front}: the front has {len(best.front)} mixtures; give a row from 1 on")
    return best.front[front - 1].weights


def show(written: Written, run: TargetRun, out: Path | None) -> None:
    """Print or write an export, and show what the trainer will draw beside it.

    Args:
        written: The export.
        run: The target.
        out: A file, or a folder; None for standard output.
    """
    from rich.console import Console

    from bomix.cli import tables
    from bomix.cli.predict import check_folder
    from bomix.io.store import files

    aside = out is None
    if out is None:
        click.echo(written.export.text, nl=False)
    else:
        file = out / written.export.file if out.is_dir() else out
        check_folder(file, "--out")
        files.replace(file, written.export.text)
    stream = sys.stderr if aside else sys.stdout
    terminal = stream is not None and stream.isatty()
    width = None if terminal else tables.PLAIN_WIDTH
    Console(file=stream, width=width, markup=False, highlight=False).print(_table(written, run))
    for sentence in written.export.notes:
        click.echo(f"note: {sentence}", err=aside)
    for sentence in written.warnings:
        click.echo(f"warning: {sentence}", err=aside)
    if out is not None:
        click.echo(f"wrote {file}")


def _table(written: Written, run: TargetRun) -> Any:
    """A row per domain and per node above it: recommended, drawn, the difference, tokens, passes."""
    from bomix.cli import tables
    from bomix.io.exports.comparison import together
    from bomix.space import tree
    from bomix.space.display import share

    total = [each.tokens for each in written.drawn if each.tokens is not None]
    counted = ", counted by the target's tokenizer" if any(each.bytes_per_token for each in run.data.values()) else ""
    of = f" in {_short(sum(total))} tokens, sequences of {run.sequence_length}" if total else ""
    table = tables.titled(f"shares of the training tokens{of}{counted}")
    table.add_column("domain")
    heads = [
        "recommended",
        "drawn",
        "difference",
        *(["by chance"] if written.export.by_chance else []),
        "tokens",
        "passes",
    ]
    for head in heads:
        table.add_column(head, justify="right")
    drawn = {each.name: each for each in written.drawn}
    plain = [tree.Row(name, 0, (name,)) for name in drawn]
    for row in tree.rows(tuple(drawn)) if tree.nodes(tuple(drawn)) else plain:
        each = together([drawn[name] for name in row.domains], row.name)
        chance = [""] if row.is_node else [f"+-{100 * each.spread:.2g} %"]
        tokens = "-" if each.tokens is None else _short(each.tokens)
        passes = "-" if each.epochs is None else f"{each.epochs:.2f}x"
        difference = f"{round(100 * each.deviation, 2) + 0.0:+.2f} %"  # no zero below zero
        cells = [*(chance if written.export.by_chance else []), tokens, passes]
        table.add_row(row.label, share(each.recommended), share(each.share), difference, *cells)
    return table


def _short(tokens: float) -> str:
    """A count with a suffix, ``12.3B``."""
    for factor, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if tokens >= factor:
            return f"{tokens / factor:.3g}{suffix}"
    return f"{tokens:.0f}"


def _setting(text: str) -> tuple[str, Any]:
    """``KEY=VALUE``, the value as YAML reads it."""
    import yaml

    from bomix.errors import ConfigError

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {text}: expected KEY=VALUE; `bomix kinds exporter` lists the keys of each format")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: not readable as YAML ({' '.join(str(error).split())})") from error


def _count(text: str) -> float:
    """A count with a suffix."""
    from bomix.config.build import number
    from bomix.errors import ConfigError

    try:
        count = number(text)
    except ValueError:
        count = 0.0
    if not 0.0 < count < float("inf"):
        raise ConfigError(f"--tokens {text}: expected a positive count, 20B say")
    return count
