"""What is optional of a contract is read by name, typed and defaulted; what is misspelt is told."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

import bomix
from bomix.config import registry
from bomix.config.build import build
from bomix.config.components import COMPONENTS, TRAITS, misspelt_traits
from bomix.config.expert_checks import need_experts, need_models
from bomix.config.sections import DomainSpec
from bomix.config.spec import StudySpec
from bomix.contracts.acquisition import AcquisitionTraits
from bomix.contracts.evaluator import EvaluatorTraits
from bomix.contracts.mean import MeanTraits
from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.strategy import StrategyTraits
from bomix.contracts.surrogate import ModelTraits, SurrogateTraits
from bomix.contracts.traits import ComponentTraits, field_values, trait_faults, traits
from bomix.errors import FaultsError
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.surrogates.gp.spec import GP

EVERY_KIND = [(group, kind) for group, table in registry.BUILT_IN.items() for kind in table]


@dataclass(frozen=True)
class Plain:
    """A surrogate without any trait."""

    scale: float = 1.0

    def fit(self, data: Any, *, context: Any, seed: int) -> Any:
        raise AssertionError("no test here fits")


@dataclass(frozen=True)
class Able(Plain):
    differentiable: ClassVar[bool] = True

    @property
    def fantasizes(self) -> bool:
        return self.scale > 0.0


@dataclass(frozen=True)
class Misspelt(Plain):
    differentiabel: ClassVar[bool] = True


@dataclass(frozen=True)
class Mistyped(Plain):
    differentiable: ClassVar[str] = "yes"


@dataclass(frozen=True)
class Asking:
    """A strategy."""

    surrogate: Any = Plain()

    def ask(self, problem: Any, history: Any, q: int, *, seed: int) -> list[Any]:
        raise AssertionError("no test here asks")


def test_what_is_there_is_read_whatever_it_is_and_the_rest_is_the_default():
    assert traits(Plain(), SurrogateTraits) == SurrogateTraits()
    able = traits(Able(), SurrogateTraits)
    assert (able.differentiable, able.fantasizes) == (True, True)
    assert not traits(Able(scale=-1.0), SurrogateTraits).fantasizes
    assert traits(None, EvaluatorTraits) == EvaluatorTraits()


@pytest.mark.parametrize("kind", [*TRAITS.values(), ModelTraits, ComponentTraits])
def test_every_trait_has_a_type_a_default_and_a_sentence(kind: type[Any]):
    if kind is not ModelTraits:  # tensors, which are not imported here
        assert {field.name for field in dataclasses.fields(kind)} <= {*typing.get_type_hints(kind)}
    kind()
    told = "".join(cls.__doc__ or "" for cls in kind.__mro__)
    assert [field.name for field in dataclasses.fields(kind) if f"        {field.name}: " not in told] == []


def test_a_property_that_breaks_is_no_trait_that_is_absent():
    class Broken(Plain):
        @property
        def differentiable(self) -> bool:
            return self.no_such_field  # type: ignore[attr-defined,no-any-return]

    with pytest.raises(AttributeError, match="no_such_field"):
        traits(Broken(), SurrogateTraits)


@pytest.mark.parametrize(
    ("name", "value", "kind", "meant"),
    [
        ("differentiabel", True, SurrogateTraits, "differentiable"),
        ("fantasises", True, SurrogateTraits, "fantasizes"),
        ("need_experts", True, MeanTraits, "needs_experts"),
        ("fault", lambda self: [], MeanTraits, "faults"),
        ("needs_gradient", True, AcquisitionTraits, "needs_gradients"),
        ("expected_improvements", lambda self, p, h, *, seed: 0.0, StrategyTraits, "expected_improvement"),
        ("preloads", ("json",), EvaluatorTraits, "preload"),
        ("group_coefficient", lambda self, metrics: None, ObjectiveTraits, "group_coefficients"),
    ],
)
def test_a_misspelt_trait_is_a_fault_that_names_both(name: str, value: object, kind: type[Any], meant: str):
    component = type("Own", (), {name: value})()
    (fault,) = trait_faults(component, kind)
    assert fault.what.startswith(f"Own has '{name}'; did you mean '{meant}'?")


@pytest.mark.parametrize(
    ("name", "value", "kind", "wanted"),
    [
        ("differentiable", "yes", SurrogateTraits, "give True or False"),
        ("joint", 1, AcquisitionTraits, "give True or False"),
        ("needs_experts", None, MeanTraits, "give True or False"),
        ("compress", "few", MeanTraits, "give a number or None"),
        ("n_init", 2.5, StrategyTraits, "give a whole number or None"),
        ("surrogate", "gp", StrategyTraits, "give an object with the members of Surrogate or None"),
        ("may_change", "device", EvaluatorTraits, "give a tuple"),
        ("may_change", (1, 2), EvaluatorTraits, "give a tuple"),
        ("process_environment", {"A": "1"}, EvaluatorTraits, "give a method"),
        ("groups", ("a", "b"), ObjectiveTraits, "give a mapping or None"),
    ],
)
def test_a_trait_of_another_type_is_a_fault_that_says_which_is_wanted(
    name: str, value: object, kind: type[Any], wanted: str
):
    (fault,) = trait_faults(type("Own", (), {name: value})(), kind)
    assert fault.what == f"Own has '{name}' = {value!r}; {wanted}"


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("compress", 1, MeanTraits),
        ("n_init", None, StrategyTraits),
        ("pool", Path("pool.csv"), StrategyTraits),
        ("may_change", ["device"], EvaluatorTraits),
        ("save_model", "experts", EvaluatorTraits),
        ("surrogate", Plain(), StrategyTraits),
        ("faults", list, StrategyTraits),
    ],
)
def test_a_trait_of_its_type_is_none(name: str, value: object, kind: type[Any]):
    assert trait_faults(type("Own", (), {name: value})(), kind) == []


def test_fields_members_of_the_contract_and_helpers_are_no_misspellings():
    @dataclass(frozen=True)
    class Own:
        fantasise: bool = False  # a key of its study file

        def fit(self, data: Any, *, context: Any, seed: int) -> Any: ...

        def _differentiabel(self) -> bool:
            return True

    assert trait_faults(Own(), SurrogateTraits) == []
    both = type("Both", (), {"surrogate": Plain(), "surrogates": lambda self: ()})()
    assert trait_faults(both, StrategyTraits) == []


def test_what_a_contract_itself_asks_for_is_not_near_its_traits():
    for contract, group in COMPONENTS.items():
        component = type("Own", (), {name: lambda self: [] for name in vars(contract) if not name.startswith("_")})()
        assert trait_faults(component, TRAITS[group]) == [], group


@pytest.mark.parametrize(("group", "kind"), EVERY_KIND)
def test_no_class_of_bomix_misspells_a_trait(group: str, kind: str):
    cls = registry.resolve(group, kind)
    known = {field.name for field in dataclasses.fields(TRAITS[group])}
    fields = {field.name for field in dataclasses.fields(cls)}
    names = (name for name in dir(cls) if not name.startswith("_") and name not in fields | known)
    assert trait_faults(type("Own", (), dict.fromkeys(names, True))(), TRAITS[group]) == []
    if all({field.default, field.default_factory} != {dataclasses.MISSING} for field in dataclasses.fields(cls)):
        assert trait_faults(cls(), TRAITS[group]) == []


def test_a_study_file_is_told_of_every_misspelt_component_at_once():
    data = {
        "domains": {"a": {}, "b": {}},
        "metrics": ["loss"],
        "strategy": {"kind": f"{__name__}:Asking"},
    }
    assert build(StudySpec, data)[1] == []
    misspelt, mistyped = ({"kind": "bayesian", "surrogate": f"{__name__}:{name}"} for name in ("Misspelt", "Mistyped"))
    data["strategy"] = {"kind": "sequence", "steps": [{"strategy": misspelt, "trials": 3}, {"strategy": mistyped}]}
    _, faults = build(StudySpec, data)
    assert [(fault.where, fault.what.split(";")[0]) for fault in faults] == [
        ("strategy.steps[0].strategy.surrogate", "Misspelt has 'differentiabel'"),
        ("strategy.steps[1].strategy.surrogate", "Mistyped has 'differentiable' = 'yes'"),
    ]


def test_a_spec_and_a_study_that_a_program_makes_are_told_as_well():
    spec = StudySpec({"a": DomainSpec(), "b": DomainSpec()}, metrics=("loss",), strategy=Asking(Mistyped()))
    (fault,) = spec.faults()
    assert str(fault) == "strategy.surrogate: Mistyped has 'differentiable' = 'yes'; give True or False"
    with pytest.raises(FaultsError, match="Misspelt has 'differentiabel'; did you mean 'differentiable'"):
        bomix.Study(["a", "b"], ["loss"], strategy=Asking(Misspelt()))


def test_a_component_of_a_program_need_not_be_a_dataclass_to_be_told():
    loose = type("Loose", (), {"fit": lambda self, data, *, context, seed: None, "fantasise": True})()
    assert [fault.where for fault in misspelt_traits({"surrogates": [loose]})] == ["surrogates[0]"]


def test_a_part_anywhere_says_what_it_needs():
    @dataclass(frozen=True)
    class Needing:
        needs_experts: ClassVar[bool] = True

    assert need_experts({"a": [Needing()]})
    assert not need_models(Needing())
    assert not need_experts(Bayesian(surrogate=GP()))


def test_a_spec_of_defaults_has_no_fault():
    assert misspelt_traits(StudySpec({"a": DomainSpec()})) == []


def test_check_names_a_misspelt_trait_and_ends_with_2(tmp_path: Path):
    (tmp_path / "own_surrogates.py").write_text(
        "from dataclasses import dataclass\n"
        "from typing import ClassVar\n"
        "@dataclass(frozen=True)\n"
        "class Smooth:\n"
        "    differentiabel: ClassVar[bool] = True\n"
        "    def fit(self, data, *, context, seed): ...\n"
    )
    (tmp_path / "study.yaml").write_text(
        "domains: {code: {}, web: {}}\n"
        "metrics: [loss]\n"
        "strategy:\n"
        "  kind: bayesian\n"
        "  acquisition: thompson\n"
        "  surrogate: own_surrogates:Smooth\n"
    )
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "bomix.cli.main", "check", "study.yaml"]
    environment = {**os.environ, "PYTHONPATH": paths}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "strategy.surrogate (line 6): Smooth has 'differentiabel'; did you mean 'differentiable'?" in ended.stderr


def test_values_of_fields_are_those_of_the_object_in_their_order():
    @dataclass(slots=True)
    class Slotted:
        b: int = 1
        a: Callable[[], int] = int

    assert list(field_values(Slotted(b=3)).items()) == [("b", 3), ("a", int)]
