"""The paper's protocol on the eight domains of the swarm.

    python -m experiments.regmix.run train                      # the swarm, whose runs these are
    python -m experiments.mde.expert_tokens                     # experts-*.npz from its experts
    python -m experiments.mde.eight fit [--limit SECONDS]       # fits.jsonl
    python -m experiments.mde.eight optima [--limit SECONDS]    # optima.jsonl
    python -m experiments.mde.eight train [--limit SECONDS]     # optimized.jsonl: what was chosen, trained
    python -m experiments.mde.eight table [GROUP ...]
    python -m experiments.mde.eight page                        # the same tables into EIGHT.md
    python -m experiments.mde.eight figure                      # eight.png

All resume, and begin nothing after so many seconds. Tables come from the kept files alone.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import math
import re
from collections.abc import Callable
from pathlib import Path

from experiments import runs

PAGE = Path(__file__).with_name("EIGHT.md")
GROUPS = ("figure2", "curve", "control", "pairs", "optimum", "trained", "tasks", "searches")
"""Of tables, in the order of the page."""


def groups() -> dict[str, Callable[[], None]]:
    """Name of a group of tables to what prints it."""
    from experiments.mde import iterate, searches, show_fits, show_scales

    prints = (
        *(show_fits.figure2, show_fits.curve, show_fits.control),
        *(show_scales.pairs, show_scales.optimum, show_scales.trained, show_scales.tasks),
        lambda: searches.table(runs.kept(iterate.RESULTS)),
    )
    return dict(zip(GROUPS, prints, strict=True))


def page(text: str) -> str:
    """A page with every group of tables between its marks, ``<!-- figure2 -->`` and ``<!-- end -->``, printed anew."""
    for name, shows in groups().items():
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            shows()
        parts = re.split(rf"(?<=<!-- {name} -->\n)(.*?)(?=<!-- end -->)", text, maxsplit=1, flags=re.DOTALL)
        assert len(parts) == 3, f"the page has no place for '{name}'"
        text = parts[0] + "\n" + said.getvalue().strip() + "\n\n" + parts[2]
    return text


def main() -> None:
    """Fit, train, print or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("fit", "optima", "train", "table", "page", "figure"))
    parser.add_argument("group", nargs="*", help=f"of {', '.join(GROUPS)}: tables to print, all unless given")
    parser.add_argument("--limit", type=runs.seconds, default=math.inf, help="seconds after which nothing is begun")
    args = parser.parse_args()
    if others := [name for name in args.group if name not in GROUPS or args.what != "table"]:
        parser.error(f"'{others[0]}': only `table` takes groups, of {', '.join(GROUPS)}")
    logging.disable(logging.WARNING)
    if args.what == "table":
        for name, shows in groups().items():
            if not args.group or name in args.group:
                shows()
    elif args.what == "page":
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    elif args.what == "figure":
        from experiments.mde import draw

        draw.figure(PAGE.with_name("eight.png"))
    else:
        from experiments.mde import fits, optima, optimized

        {"fit": fits.run, "optima": optima.run, "train": optimized.train}[args.what](args.limit)


if __name__ == "__main__":
    runs.command(main, "experiments.mde.eight")
