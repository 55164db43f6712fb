"""Runs of several scales: what they predict of the largest.

    python benchmarks/scales.py prediction run [--table regmix] [--sizes 0,4,8,16,24,64] [--draws 100-120]
    python benchmarks/scales.py prediction show

``--table`` is ``regmix``, or a synthetic family and the agreement in rank of its scales, ``"regmix 0.8"`` say;
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

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("prediction")
    part.add_argument("what", choices=("run", "show"))
    part.add_argument("--table", default="regmix")
    part.add_argument("--methods", default="small alone,large alone,line + gp,anchored,multi_scale")
    part.add_argument("--sizes", default="0,4,8,16,24,64")
    part.add_argument("--draws", default="100-120")
    part.add_argument("--data", type=Path, default=Path(os.environ.get("BOMIX_DATA", ".")) / "regmix")
    part.add_argument("--results", type=Path, default=prediction.RESULTS)
    options = parser.parse_args()
    (prediction.run if options.what == "run" else prediction.show)(options)


if __name__ == "__main__":
    main()
