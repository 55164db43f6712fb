"""Scales that sizes do not tell apart are faults of a study file, not of its tenth ask."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bomix.contracts.surrogate import Surrogate
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.problem import StudyScale
from bomix.scale import Scale
from bomix.strategies.checks import surrogate_faults
from bomix.surrogates.combined.auto import Auto
from bomix.surrogates.scales.freeze_thaw_spec import FreezeThaw
from bomix.surrogates.scales.law_spec import ScalingLaw
from bomix.surrogates.scales.size_checks import known_axes, size_refusal
from bomix.surrogates.scales.spec import MultiScale

SMALL, LARGE = Scale(10**6, 10**8), Scale(10**8, 10**8)
OTHER = replace(SMALL, recipe="low-rate")


def faults_of(surrogate: Surrogate, *scales: Scale) -> list[tuple[str, str]]:
    known = tuple(StudyScale(str(number), scale, number + 1.0) for number, scale in enumerate(scales))
    problem = replace(Synthetic(domains=3).problem(), scale=LARGE, scales=known)
    return [(fault.where, fault.what) for fault in surrogate_faults(surrogate, problem)]


@pytest.mark.parametrize(
    ("surrogate", "where", "name"),
    [
        (FreezeThaw(), "surrogate.kind", "freeze_thaw"),
        (ScalingLaw(), "surrogate.kind", "scaling_law"),
        (MultiScale(mean=ScalingLaw()), "surrogate.mean.kind", "scaling_law"),
        (Auto((MultiScale(), FreezeThaw())), "surrogate.of[1].kind", "freeze_thaw"),
    ],
)
def test_several_recipes_are_a_fault_of_the_part_that_sees_sizes_alone(
    surrogate: Surrogate, where: str, name: str
) -> None:
    ((place, what),) = faults_of(surrogate, SMALL, OTHER, LARGE)
    assert place == where
    assert what.startswith(name)
    assert "several recipes (low-rate, the usual one); take the surrogate 'multi_scale'" in what
    assert faults_of(surrogate, SMALL, LARGE) == faults_of(surrogate) == []


def test_a_chain_of_scales_takes_any_recipe() -> None:
    assert faults_of(MultiScale(), SMALL, OTHER, LARGE) == []


def test_sizes_that_no_two_scales_share_tell_nothing() -> None:
    assert known_axes([SMALL, Scale(10**6)]) == (True, False)
    refusal = size_refusal([Scale(10**6), Scale(None, 10**8)], "law")
    assert refusal is not None
    assert "neither is known of every scale" in refusal
