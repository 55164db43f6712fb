"""The paper's claims beside what came out, with the figures of today, and where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.bo import repeats, sentences
from experiments.bo.moves import Moves
from experiments.bo.stats import Estimate, said, t_interval
from experiments.runs import Row

PENDING = "Not run yet"
"""What stands where runs are missing."""


def table(rows: Sequence[Row], found: Sequence[Row], moves: Moves | None) -> Iterator[str]:
    """The three columns."""
    yield "| the paper claims | what came out here | where they differ, and why |\n|---|---|---|"
    for claim, told, why in _lines(rows, found, moves):
        yield f"| {claim} | {told or PENDING} | {why} |"


def _lines(rows: Sequence[Row], found: Sequence[Row], moves: Moves | None) -> Iterator[tuple[str, str, str]]:
    yield from _of_two_domains(rows)
    yield from _of_methods(rows, found)
    yield from _of_searches(rows, found)
    yield from _of_scales(rows, moves)


def _of_two_domains(rows: Sequence[Row]) -> Iterator[tuple[str, str, str]]:
    yield (
        "The mean loss of two domains is flat around its best share, at the centre or where sensitivities put it "
        "(Fig. 2a)",
        sentences.flat(rows),
        "They agree on how flat it is; our uneven pair, too, is best near the centre, where the paper's is best at 30 "
        "to 70. That the best share moves as training goes on, the paper does not say",
    )
    yield (
        "A domain's loss is exponential in its own weight, but only above a minimum; below, it rises steeply (Fig. 2)",
        sentences.least(rows),
        "The minimum is mostly that of the missing constant, and grows as training goes on",
    )
    yield "A search of two domains soon looks near the optimum (Fig. 2b)", sentences.two(rows), "They agree"


def _of_methods(rows: Sequence[Row], found: Sequence[Row]) -> Iterator[tuple[str, str, str]]:
    yield (
        "At 64 runs BO beats Sobol, by 0.042 (Table I)",
        sentences.against_sobol(rows, ("bo32",), below=True),
        "The paper compares one search with one design, by the lowest of 64 noisy losses each",
    )
    yield (
        "The laws lose to Sobol (Table I)",
        sentences.against_sobol(rows, ("BiMix", "DML"), below=False),
        "Both laws are bomix's own versions, fitted to all of 64 designed runs; the paper fits its own",
    )
    yield (
        "The laws promise significantly more than they keep",
        sentences.promises(rows, found),
        "The paper gives no numbers; the lowest of 64 trials (Sobol) is a promise of the same kind",
    )


def _of_searches(rows: Sequence[Row], found: Sequence[Row]) -> Iterator[tuple[str, str, str]]:
    yield (
        "With 16 + 16 runs the result hangs on the luck of the initialisation; 64 runs escape it, and a design of 32 "
        "is slightly better than one of 16 (Table II)",
        sentences.budgets(rows),
        "Four searches in the paper, one of each kind. Three or four searches cannot tell a correlation from none",
    )
    yield "The best clusters of a long search hold no mixture of the design (Fig. 4)", sentences.clustered(rows), ""
    yield (
        "Trial 0 is better than its repeats, and deviations are below 0.02 (Table III)",
        sentences.cursed(rows, found),
        "The printed deviations are those of a population, trial 0 among it; as samples they are 0.0212 and 0.0187, "
        "the first above 0.02. Without trial 0 BO is ahead by 0.054, not 0.051",
    )
    yield (
        "Over four restarts of four domains BO always beats Sobol, by 0.02 (Table IV)",
        sentences.restarts(rows),
        f"Of the paper's numbers: {said(_published_restarts())}, of lowest observed losses, by t over four pairs",
    )


def _of_scales(rows: Sequence[Row], moves: Moves | None) -> Iterator[tuple[str, str, str]]:
    yield (
        "Under the mean BO loses to Sobol's best in four of five domains (Fig. 5)",
        sentences.losers(rows),
        "One pair of mixtures in the paper. The mean pays for a loss in one domain by any other",
    )
    yield (
        "At 154M the uniform mixture overtakes (Table V)",
        sentences.scales(rows),
        "The paper has 20 tokens a parameter, one run of each mixture and no interval",
    )
    yield (
        "With seven domains BO passes its design only after a hundred trials; trust regions may help (Fig. 6)",
        sentences.domains(rows),
        "The paper has one search, and did not try trust regions",
    )
    yield (
        "The optimum moves by a law of size and data together, which remains to be found (after AutoScale)",
        sentences.moving(moves),
        "Future work of the paper",
    )


def _published_restarts() -> Estimate:
    sobol, bo = (np.array(row) for row in repeats.RESTARTED.values())
    return t_interval(bo - sobol)
