"""An evaluator as it travels to where trials run, with what it needs there."""

from __future__ import annotations

import base64
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bomix.config.secret import secrets
from bomix.contracts.evaluator import Evaluator, EvaluatorTraits
from bomix.contracts.traits import traits
from bomix.errors import SetupError


@dataclass(frozen=True)
class Parcel:
    """A pickled evaluator, which can be sent on without being loaded.

    Attributes:
        evaluator: The pickle, as base64.
        sys_path: Where its modules are looked for.
        environment: What its processes have in their environment besides.
        secrets: Values that must not be left behind in logs and messages.
    """

    evaluator: str = field(repr=False)
    sys_path: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    secrets: frozenset[str] = field(repr=False)

    @classmethod
    def of(cls, evaluator: Evaluator) -> Parcel:
        """An evaluator of this process.

        Raises:
            EvaluationError: It cannot be pickled, or not be loaded in another process.
        """
        environment = dict(traits(evaluator, EvaluatorTraits).process_environment())
        return cls(_pickled(evaluator), tuple(sys.path), environment, secrets(evaluator))

    def to_data(self) -> dict[str, Any]:
        """As values that JSON and any pickle can take, the secrets among them."""
        return {
            "evaluator": self.evaluator,
            "sys_path": list(self.sys_path),
            "environment": dict(self.environment),
            "secrets": sorted(self.secrets),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Parcel:
        """What :meth:`to_data` made."""
        return cls(data["evaluator"], tuple(data["sys_path"]), data["environment"], frozenset(data["secrets"]))


def _pickled(evaluator: Evaluator) -> str:
    cls = type(evaluator)
    if cls.__module__ == "__main__":
        raise SetupError(
            f"{cls.__qualname__} is defined in the script or notebook itself, which a training process does not run; "
            "move the class into a module and import it"
        )
    try:
        return base64.b64encode(pickle.dumps(evaluator)).decode("ascii")
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise SetupError(
            f"the evaluator cannot be sent to a training process ({error}); define its class at the top of a module"
        ) from error
