"""Every registered strategy keeps its contract."""

from __future__ import annotations

import pytest

from bomix.config import registry
from bomix.config.build import spec_fields
from bomix.surrogates.gp.spec import GP
from bomix.testing.strategies import DOMAINS, StrategyBattery
from tests.conformance.every import batteries, spec_of

pytestmark = pytest.mark.usefixtures("short_chains")

CHEAP_GP = {"kind": "gp", "draws": 0, "restarts": 1}

OPTIONS = {
    "fixed": {"weights": dict.fromkeys(DOMAINS, 1.0 / len(DOMAINS))},
    "published": {"name": "llama"},
    "reweighted": {"rule": {"kind": "odm", "form": "average"}, "batch_sequences": 8},
    "regmix": {"n_init": 4, "simulated": 2000, "averaged": 20, "surrogate": "ridge"},
    "blackbox": {"n_init": 4, "surrogate": "ridge", "evaluations": 200, "starts": 1},
    "sequence": {
        "steps": [
            {"strategy": "sobol", "trials": 3},
            {"strategy": {"kind": "bayesian", "surrogate": CHEAP_GP, "n_init": 4, "raw": 32, "starts": 2}},
        ]
    },
}
"""Kind to the options that it needs, or that make it cheap."""

CHEAP = {"n_init": 4, "raw": 32, "starts": 2}
"""Field to value, for kinds that have the field and are not in :data:`OPTIONS`."""


def cheap(kind):
    """The fields of :data:`CHEAP`; a field ``surrogate`` whose default is the Gaussian process has a quick one."""
    fields = {field.name: field for field in spec_fields(registry.resolve("strategy", kind))}
    options = {name: value for name, value in CHEAP.items() if name in fields}
    if "surrogate" in fields and isinstance(fields["surrogate"].default, GP):
        options["surrogate"] = CHEAP_GP
    return options


def fixed_over(domains):
    return spec_of("strategy", "fixed", {"weights": dict.fromkeys(domains, 1.0 / len(domains))})


SETTINGS = {
    "blackbox": {"needs": "cma"},
    "fixed": {"spec_for": lambda self, domains: fixed_over(domains)},
}

globals().update(
    batteries(
        StrategyBattery,
        options={**{kind: cheap(kind) for kind in registry.kinds("strategy")}, **OPTIONS},
        settings=SETTINGS,
    )
)
