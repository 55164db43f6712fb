"""What a proxy needs for runs that reweight their domains: the rule made of plain data, what is wrong, what is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.config.build import build
from bomix.contracts.reweighter import Reweighter, ReweighterTraits
from bomix.contracts.text import Source
from bomix.contracts.traits import traits
from bomix.errors import Fault, raise_faults
from bomix.training.tasks.sources import Task
from bomix.trial import Reweighting

if TYPE_CHECKING:
    from bomix.training.reweighting.steps import Found, Guide
    from bomix.training.run import Run

COURSE_POINTS = 20
"""Points of the weights' course that a result keeps: enough to see whether they had settled."""
_COURSE_DIGITS = 6
"""Digits of them: a weight below a millionth of the tokens is none."""


@dataclass(frozen=True)
class _Made:
    """What a rule is made as a part of, so that its faults are named as a study file's are."""

    rule: Reweighter


def faults(how: Reweighting, texts: Mapping[str, Source]) -> list[Fault]:
    """What is wrong with a rule, and with what it compares with and follows.

    Args:
        how: The rule as plain data.
        texts: Metric name to the validation set's source.
    """
    made, found = build(_Made, {"rule": dict(how.rule)})
    for name in sorted(how.target):
        if name not in texts or isinstance(texts[name], Task):
            what = f"there is no text whose loss is '{name}', and so no gradient to follow"
            found.append(Fault("target", f"{what}; leave it out of the objective, or take another rule"))
    if made is None:
        return found
    needs = traits(made.rule, ReweighterTraits).needs
    if "excess" in needs and how.reference is None:
        found.append(Fault("reference", "the rule compares losses with a reference run, and none is named"))
    if "target" in needs and not how.target:
        found.append(Fault("target", "the rule follows the gradient of validation losses, and none is named"))
    return found


def guide(how: Reweighting) -> Guide:
    """The rule, and what it needs, as the training takes them.

    Raises:
        FaultsError: The rule is none.
    """
    from bomix.training.reweighting.steps import Guide

    made, found = build(_Made, {"rule": dict(how.rule)})
    raise_faults(found, "the run cannot be reweighted:")
    assert made is not None, "it has no faults"
    return Guide(made.rule, dict(how.target), how.model)


def told(run: Run, found: Found, vocabulary: int) -> dict[str, Any]:
    """What a result says of a run that reweights: what it cost, and how the weights moved; plain JSON.

    FLOPs are in the unit of a budget, ``6 * params * tokens`` for a run of one mixture, times how much more is
    computed: ``flops_of_plain_run``, which counts the output matrix and attention as well.
    """
    model, length = run.spec.model, run.spec.sequence_length
    share = found.flops / (model.flops_per_token(vocabulary, length) * run.tokens)
    at = np.unique(np.linspace(1, run.steps, COURSE_POINTS).round().astype(int))
    columns = found.course[at - 1].T.round(_COURSE_DIGITS).tolist()
    return {
        "flops": share * 6.0 * model.non_embedding_parameters() * run.tokens,
        "flops_of_plain_run": share,
        "batch_sequences": run.spec.batch_sequences,
        "course": {"steps": at.tolist(), "weights": dict(zip(found.domains, columns, strict=True))},
    }
