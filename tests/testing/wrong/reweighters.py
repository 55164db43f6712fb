"""Reweighters that know what they should not, or forget what they should know."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from bomix.testing import ReweighterBattery

HEARD: list[float] = []
"""What a rule remembers outside of its state."""


@dataclass(frozen=True)
class Wrong:
    how: str = ""

    @property
    def needs(self) -> Collection[str]:
        return ("everything",) if self.how == "greedy" else ()

    def init(self, weights, *, steps):
        return np.full(len(weights), 1.0 / len(weights)) if self.how == "uniform" else weights

    def update(self, state, signal):
        match self.how:
            case "unscaled":
                return state + 0.1 * signal.shares
            case "first":
                return 0.9 * state + 0.1 * np.eye(len(state))[0]
            case "curious":
                moved = state * np.exp(0.01 * signal.losses)
                return moved / moved.sum()
            case "forgetful":
                HEARD.append(float(signal.losses[0]))
                moved = state * np.exp(0.01 * len(HEARD) * signal.shares)
                return moved / moved.sum()
            case "floor":
                return 0.9 * state + 0.1 / len(state)
        return state

    def sampling(self, state):
        return state

    def loss_weights(self, state, shares):
        return 0.0 * shares if self.how == "mute" else shares

    def weights(self, state):
        return state

    def mixture(self, state):
        return 0.5 * state if self.how == "half" else state


class TestGreedy(ReweighterBattery):
    spec = Wrong("greedy")
    caught_by = ("test_what_it_asks_for_exists",)


class TestUniform(ReweighterBattery):
    spec = Wrong("uniform")
    caught_by = (
        "test_before_the_first_step_the_weights_are_those_of_the_start",
        "test_a_domain_without_weight_at_the_start_takes_no_part",
    )


class TestUnscaled(ReweighterBattery):
    spec = Wrong("unscaled")
    caught_by = ("test_weights_are_mixtures_at_every_step", "test_a_single_domain_has_all_of_the_weight")


class TestMute(ReweighterBattery):
    spec = Wrong("mute")
    caught_by = ("test_weights_are_mixtures_at_every_step",)


class TestFirst(ReweighterBattery):
    spec = Wrong("first")
    caught_by = ("test_the_order_of_domains_changes_nothing",)


class TestCurious(ReweighterBattery):
    spec = Wrong("curious")
    caught_by = ("test_nothing_is_read_of_a_domain_that_the_batch_does_not_hold",)


class TestForgetful(ReweighterBattery):
    spec = Wrong("forgetful")
    caught_by = ("test_a_state_is_a_value",)


class TestFloor(ReweighterBattery):
    spec = Wrong("floor")
    caught_by = ("test_a_domain_without_weight_at_the_start_takes_no_part",)


class TestHalf(ReweighterBattery):
    spec = Wrong("half")
    caught_by = ("test_weights_are_mixtures_at_every_step", "test_a_single_domain_has_all_of_the_weight")
