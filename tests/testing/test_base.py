"""Each battery fails where it should: plug-ins that are wrong on purpose, each fault caught by the test about it.

The plug-ins stand in ``wrong/``, a file for each battery; ``caught_by`` of a class names the tests that must fail.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

import bomix.testing
from bomix.testing.base import Battery, CountsBattery, SpecBattery

ROOT = Path(__file__).resolve().parents[2]
WRONG = sorted(path.stem for path in (ROOT / "tests" / "testing" / "wrong").glob("*.py") if path.stem != "__init__")


def wrong_in(name):
    """The batteries of wrong plug-ins in a file, by name."""
    module = import_module(f"tests.testing.wrong.{name}")
    return {key: cls for key, cls in vars(module).items() if key.startswith("Test") and issubclass(cls, Battery)}


class Failed:
    """The tests of a run that failed: class and name."""

    def __init__(self):
        self.tests = set()

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.tests.add(tuple(report.nodeid.partition("[")[0].split("::")[-2:]))


@pytest.mark.parametrize("name", WRONG)
def test_every_fault_is_caught_by_the_test_that_is_about_it(name):
    file = ROOT / "tests" / "testing" / "wrong" / f"{name}.py"
    expected = {(key, test) for key, cls in wrong_in(name).items() for test in cls.caught_by}
    nodes = [f"{file}::{key}::{test}" for key, test in sorted(expected)]
    failed = Failed()
    pytest.main(["-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider", "-q", *nodes], plugins=[failed])
    assert failed.tests == expected


def test_every_battery_has_a_wrong_plug_in():
    batteries = {getattr(bomix.testing, name) for name in bomix.testing.__all__}
    caught = {base for name in WRONG for cls in wrong_in(name).values() for base in cls.__mro__}
    assert batteries <= caught
    assert {SpecBattery, CountsBattery} <= caught
