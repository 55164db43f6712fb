"""Components that no study file can say."""

from __future__ import annotations

from dataclasses import dataclass, field

from bomix.errors import Fault
from bomix.objectives.weighted import Mean
from bomix.strategies.designs import Sobol
from bomix.testing import ObjectiveBattery, StrategyBattery


@dataclass
class Changing:
    metrics: tuple[str, ...] = ()


class TestNotFrozenAndNoObjective(ObjectiveBattery):
    spec = Changing()
    caught_by = ("test_it_is_a_frozen_dataclass", "test_it_has_the_methods_of_its_contract")


@dataclass(frozen=True)
class Hiding(Mean):
    """What it stands for is in no file."""

    scale: float = field(default=1.0, init=False)

    def __post_init__(self):
        object.__setattr__(self, "scale", float(id(self) % 7919))


class TestNotInAFile(ObjectiveBattery):
    spec = Hiding()
    caught_by = ("test_a_study_file_can_say_it",)


@dataclass(frozen=True)
class Complaining(Mean):
    def faults(self):
        return [Fault("metrics", "there are never enough")]


class TestComplaining(ObjectiveBattery):
    spec = Complaining()
    caught_by = ("test_it_has_no_faults",)


def made_here():
    @dataclass(frozen=True)
    class Local(Mean):
        pass

    return Local()


class TestNotAtTheTopOfAModule(ObjectiveBattery):
    spec = made_here()
    caught_by = ("test_its_kind_leads_back_to_the_class",)


class TestWrongKind(ObjectiveBattery):
    spec = Mean()
    kind = "worst"
    caught_by = ("test_its_kind_leads_back_to_the_class",)


@dataclass(frozen=True)
class Counting(Sobol):
    size: int = 4

    def faults(self):
        return []


class TestCountsUnchecked(StrategyBattery):
    spec = Counting()
    caught_by = ("test_every_whole_number_that_makes_no_sense_is_a_fault",)
