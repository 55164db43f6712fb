"""Trains what the tables of README.md stand on.

python experiments/mde/corpora.py               # the text, once
python -m experiments.bo.run train [PART ...] [--limit S]   # resumes; begins nothing after S seconds
python -m experiments.bo.run choose             # what searches and laws chose; adds to found.jsonl
python -m experiments.bo.run train              # that, again, on fresh seeds and at larger sizes
python -m experiments.bo.run laws               # optima by laws across sizes; adds to laws.jsonl
python -m experiments.bo.run check              # do kept runs come out again, of this text, on this machine?
python -m experiments.bo.run table              # the tables of README.md, from what is kept
python -m experiments.bo.run page               # the same, put into it
python -m experiments.bo.run figure             # its figures
"""

from __future__ import annotations

import argparse
import math
import time

from experiments import runs
from experiments.bo import choose, plan, search

PARTS = ("slices", *plan.PROBLEMS, "fresh", "again", "scaled", "larger")


def train(parts: list[str], limit: float) -> None:
    """Train what is missing of some parts, in order."""
    until = time.monotonic() + limit

    def left() -> float:
        return until - time.monotonic()

    for part in parts:
        if left() <= 0:
            return
        if part == "slices":
            for name in plan.PAIRS:
                plan.loaded(name).prepare(plan.PAIRS[name])
                planned = [run for run in plan.slices() if run.set == name]
                runs.train(plan.RESULTS, plan.loaded(name), planned, width=13, limit=left())
        elif part in plan.PROBLEMS:
            problem = plan.PROBLEMS[part]
            problem.proxy.prepare(problem.domains)
            search.design(problem, left())
            search.lockstep(problem, left())
        elif part == "again":
            for problem, again in choose.again(runs.kept(plan.RESULTS)):
                problem.proxy.prepare(problem.domains)
                runs.train(plan.RESULTS, problem.proxy, again, limit=left())
        else:
            for size in plan.SIZES:
                some = [run for run in chosen(part) if plan.size_of(run) == size]
                width = 16 if size != "3M" else 8
                runs.train(plan.RESULTS, plan.at(size), some, width=width, limit=left())


def chosen(part: str) -> list[runs.Planned]:
    """The runs of what was chosen, which are known once `choose` has been there."""
    found = runs.kept(plan.FOUND)
    if part == "fresh":
        return list(plan.fresh(found))
    return list(plan.scaled(found) if part == "scaled" else plan.larger(runs.kept(plan.RESULTS)))


def check() -> None:
    """Train the uniform mixture and what one search found once more, and say how far the losses are from the kept."""
    plan.FIVE.proxy.prepare(plan.FIVE.domains)
    some = [run for run in chosen("fresh") if run.name in ("uniform", "bo32-0") and run.seed == plan.FRESH[0]]
    for run, off in runs.retrained(plan.RESULTS, plan.at("0.3M"), some):
        told = ", ".join(f"{name} {x:+.4f}" for name, x in off.items())
        print(f"{run.name}, seed {run.seed}: mean {sum(off.values()) / len(off):+.4f}; {told}")


def main() -> None:
    """Train, choose, print or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "choose", "laws", "check", "table", "page", "figure"))
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--limit", type=runs.seconds, default=math.inf, help="seconds after which nothing is begun")
    args = parser.parse_args()
    if others := [part for part in args.parts if part not in PARTS or args.what != "train"]:
        parser.error(f"'{others[0]}': only `train` takes parts, of {', '.join(PARTS)}")
    if args.what == "train":
        train(args.parts or [*PARTS], args.limit)
        return
    if args.what == "check":
        check()
        return
    rows = runs.kept(plan.RESULTS)
    if args.what == "choose":
        for row in choose.five(rows, {row["name"] for row in runs.kept(plan.FOUND)}):
            runs.add(plan.FOUND, [row])
        return
    if args.what == "laws":
        from experiments.bo import across

        for row in across.optima(rows, runs.kept(plan.LAWS)):
            runs.add(plan.LAWS, [row])
        return
    from experiments.bo import figures, show

    kept = rows, runs.kept(plan.FOUND), runs.kept(plan.LAWS)
    if args.what == "table":
        show.table(*kept)
    elif args.what == "page":
        page = plan.HERE / "README.md"
        page.write_text(show.pasted(page.read_text(encoding="utf-8"), *kept), encoding="utf-8")
    else:
        figures.draw(rows)


if __name__ == "__main__":
    runs.command(main, "experiments.bo.run")
