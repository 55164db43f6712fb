"""Checks of the anchors that a study file asks to be run several times."""

from __future__ import annotations

from collections.abc import Mapping

from bomix.errors import Fault

ANCHORS = ("uniform", "natural")
"""Mixtures that can be repeated: those that :meth:`bomix.problem.Problem.anchors` names."""


def replicate_faults(replicates: Mapping[str, int], trials: int | None) -> list[Fault]:
    """What is wrong with the runs that are wanted of each anchor, seen without the domains' tokens.

    Args:
        replicates: Anchor to its runs.
        trials: Budget of the study; None for one without a limit of trials.
    """
    found = []
    for name, runs in replicates.items():
        if name not in ANCHORS:
            known = " and ".join(ANCHORS)
            found.append(Fault(f"replicates.{name}", f"no mixture of this name can be repeated; there are {known}"))
        if runs < 1:
            found.append(Fault(f"replicates.{name}", f"expected a number of runs from 1, found {runs}"))
    wanted = sum(max(runs, 0) for runs in replicates.values())
    if not found and replicates and trials is not None and wanted >= trials:
        what = f"{wanted} runs leave none of the {trials} trials of the budget for another mixture; ask for fewer"
        found.append(Fault("replicates", what))
    return found
