"""``bomix benchmark``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bomix.cli.options import log_to_stderr
from bomix.errors import ConfigError, Fault, did_you_mean, raise_faults

if TYPE_CHECKING:
    from bomix.benchmark.cases import Case
    from bomix.benchmark.cells import Cell
    from bomix.benchmark.methods import Method

T = TypeVar("T")

OUT = Path("benchmark")


@click.command()
@click.argument("problems", nargs=-1)
@click.option("--methods", "table", type=click.Path(path_type=Path, dir_okay=False), help="YAML table of methods.")
@click.option("--method", "names", multiple=True, help="Only this one of the table; may be repeated.")
@click.option("--seeds", default="100-109", show_default=True, help="Seeds: 7, 3-5, or 1,4,10-19.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=OUT, show_default=True)
@click.option("--processes", type=click.IntRange(1), default=2, show_default=True, help="Cells at a time.")
@click.option("--smoke", is_flag=True, help="Tiny problems, two seeds, unless others are named: under two minutes.")
@click.option("--summary", is_flag=True, help="Run nothing; write tables and figures of what there is.")
@click.option("--list", "listing", is_flag=True, help="List problems and methods.")
@click.option("-v", "--verbose", count=True, help="Say what is being done; twice for everything.")
def benchmark(
    problems: tuple[str, ...],
    table: Path | None,
    names: tuple[str, ...],
    seeds: str,
    out: Path,
    processes: int,
    smoke: bool,
    summary: bool,
    listing: bool,
    verbose: int,
) -> None:
    """Compare methods on functions whose best mixture is known.

    PROBLEMS are names of cases, all of the goals by default. Every method sees the same design and the same noise. What
    has been run is not run again: the same command goes on where it was stopped. OUT gets results.nc, table.md,
    regret.png and seconds.png.
    """
    from bomix.benchmark import cases, methods
    from bomix.benchmark.cells import Cell
    from bomix.benchmark.runner import run_all

    log_to_stderr(max(verbose, 1) if smoke else verbose)
    known_cases = {**cases.CASES, **cases.SMOKE}
    known_methods = methods.METHODS if table is None else methods.read_methods(table)
    if listing:
        for name, case in known_cases.items():
            click.echo(f"{name:<16} {len(case.function.domain_names)} domains, {case.budget} trials ({case.design})")
        click.echo(f"methods: {', '.join(known_methods)}")
        return
    source = click.get_current_context().get_parameter_source("seeds")
    chosen_seeds = (0, 1) if smoke and source is click.core.ParameterSource.DEFAULT else parsed_seeds(seeds)
    chosen = _chosen(known_cases, problems or tuple(cases.SMOKE if smoke else cases.GOALS), "problem")
    who = _chosen(known_methods, names or tuple(known_methods), "method")
    if not summary:
        wanted = [
            Cell(problem, case, name, method, seed)
            for seed in chosen_seeds
            for problem, case in chosen.items()
            for name, method in who.items()
        ]
        raise_faults(_unfit(wanted), "these methods cannot be run:")
        run_all(wanted, out, processes=processes, watch=_watch)
    _summarise(
        out,
        problems=tuple(chosen) if problems or smoke else (),
        methods=names,
        keep=_current(known_cases, known_methods),
    )


def parsed_seeds(text: str) -> tuple[int, ...]:
    """``7``, ``3-5`` or ``1,4,10-19`` as seeds.

    Raises:
        ConfigError: The text is something else, or a range without a seed.
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ConfigError(f"--seeds: '{text}' is not like 7, 3-5 or 1,4,10-19")
        if dash and int(last) < int(first):
            raise ConfigError(f"--seeds: '{part.strip()}' has no seed, as {first} is above {last}; turn it around")
        found += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(found))


def _chosen(known: Mapping[str, T], names: Sequence[str], what: str) -> dict[str, T]:
    """Entries by name, in the order of the names."""
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown {what} '{name}'{did_you_mean(name, known)} (`--list` shows all {len(known)})")
    return {name: known[name] for name in names}


def _current(cases: Mapping[str, Case], methods: Mapping[str, Method]) -> Callable[[Mapping[str, Any]], bool]:
    """Tells whether a result is of the case and the method as they are now, where they are known."""
    from bomix.benchmark.cells import Cell

    def is_current(found: Mapping[str, Any]) -> bool:
        problem, name = found["problem"], found["method"]
        if problem not in cases or name not in methods:
            return True
        cell = Cell(problem, cases[problem], name, methods[name], found["seed"])
        return bool(found["fingerprint"] == cell.fingerprint)

    return is_current


def _unfit(cells: Sequence[Cell]) -> list[Fault]:
    """What keeps methods from problems, each said once."""
    first = {(cell.name, cell.problem): cell for cell in reversed(cells)}
    found: dict[tuple[str, str], Fault] = {}
    for (name, problem), cell in sorted(first.items()):
        case = cell.case
        for fault in cell.method.problem_faults(case.problem(cell.seed)):
            where = f"{name}.{fault.where}"
            found.setdefault((where, fault.what), Fault(f"{where} ({problem})", fault.what))
    return list(found.values())


def _watch(cell: Cell, done: int, total: int) -> None:
    click.echo(f"{done}/{total}  {cell.problem}  {cell.name}  seed {cell.seed}", file=sys.stderr)


def _summarise(
    out: Path, *, problems: Sequence[str], methods: Sequence[str], keep: Callable[[Mapping[str, Any]], bool]
) -> None:
    """Write dataset, table and figures; print the table."""
    from bomix.benchmark import dataset, figures, tables
    from bomix.io.store import files

    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    found = dataset.load(out, problems=problems, methods=methods, keep=keep)
    unfinished = out / ".results.nc.tmp"
    found.to_netcdf(unfinished, engine="h5netcdf")
    unfinished.replace(out / "results.nc")
    text = tables.markdown(found)
    files.replace(out / "table.md", text)
    files.replace(out / "regret.png", figures.regret(found))
    files.replace(out / "seconds.png", figures.seconds(found))
    click.echo(text)
    click.echo(f"{out}: results.nc, table.md, regret.png, seconds.png")
