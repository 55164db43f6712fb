r"""Runs of several scales: what they predict of the largest, and what they save a search for its best mixture.

    python benchmarks/scales.py prediction run [--table regmix] [--sizes 0,4,8,16,24,64] [--draws 100-120]
    python benchmarks/scales.py prediction show
    python benchmarks/scales.py optimisation run --out FILE [--problems 7-useless] [--scales 2 3] [--agreement 0.8] \
        [--seeds 100 101] [--methods single cost_aware mes kg]
    python benchmarks/scales.py optimisation table FILE ...
    python benchmarks/scales.py optimisation oracle [--problems 7-useless] [--agreement 0.8] [--seeds 0 1]
    python benchmarks/scales.py optimisation ask [--seeds 1 2 3]

The second part is that of the module ``scales_spending``, which says what its cells are. Of the first:
``--table`` is ``regmix``, or a synthetic family and the agreement in rank of its scales, ``"regmix 0.8"`` say, with
``x3`` behind it for three scales;
``--methods`` names those of the module ``scales_prediction``, commas between. RegMix's tables lie in ``--data``
(github.com/sail-sg/regmix, folder ``data``, MIT licence), by default ``$BOMIX_DATA/regmix``. Results are appended line
by line; what is there already is not run again. One thread.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def main() -> None:
    """Parse the arguments and run."""
    import scales_prediction as prediction
    import scales_spending

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("prediction")
    part.add_argument("what", choices=("run", "show"))
    part.add_argument("--table", default="regmix")
    part.add_argument("--methods", default="small alone,large alone,line + gp,anchored,freeze_thaw,multi_scale")
    part.add_argument("--sizes", default="0,4,8,16,24,64")
    part.add_argument("--draws", default="100-120")
    part.add_argument("--data", type=Path, default=Path(os.environ.get("BOMIX_DATA", ".")) / "regmix")
    part.add_argument("--results", type=Path, default=prediction.RESULTS)
    scales_spending.add_commands(parts.add_parser("optimisation"))
    options = parser.parse_args()
    if options.part == "optimisation":
        options.call(options)
        return
    (prediction.run if options.what == "run" else prediction.show)(options)


if __name__ == "__main__":
    main()
