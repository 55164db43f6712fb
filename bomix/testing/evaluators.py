"""What every evaluator owes to the driver."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bomix.contracts.evaluator import EvaluatorTraits, PreparingEvaluator
from bomix.contracts.preparation import Preparation
from bomix.contracts.traits import field_values, traits
from bomix.io.store import records
from bomix.io.store.incoming import accepted
from bomix.io.store.result_checks import as_result
from bomix.progress import Progress, reporting_to
from bomix.testing.base import SpecBattery
from bomix.trial import Result, Trial

SEED = 5
STRANGER = "a domain that nobody has"


class EvaluatorBattery(SpecBattery):
    """Tests of an evaluator: :class:`bomix.contracts.evaluator.Evaluator`, ``evaluate(trial, workdir) -> Result``.

    An evaluator turns a mixture into losses. Three lines test one of your own::

        class TestMine(EvaluatorBattery):
            spec = MyEvaluator()

    What is tested, and why:

    * It survives pickling, and the copy measures the same: each trial runs in a process of its own.
    * A result names every metric, by a finite loss or as unmeasured, and can be recorded: an outcome is written once.
    * The same weights and seed give the same losses, whatever the trial's number and the order of the names, where the
      evaluator says so: repeats and resumed studies compare them.
    * It writes into the folder of the attempt alone, and artifacts are relative to it: two trials run at a time, and
      a folder may be moved.
    * Every vertex, a single domain, can be trained: experts and the first design are there.
    * A mixture of other domains is an error, not a loss.
    * What it declares (``preload``, ``may_change``, ``process_environment``, the preparation) has its form.
    * It is a frozen dataclass that a study file can say.

    One that trains several trials as one is put through :class:`bomix.testing.GroupEvaluatorBattery`.

    Attributes:
        spec: The evaluator, cheap: a dozen trials are trained. Override :meth:`evaluator` where it needs files.
        domains: Names of at least two domains that it trains on.
        metrics: Names of the metrics of each result; None takes those that its preparation names.
        same_again: Whether the same weights and seed give the same losses, to the last bit.
        checks_weights: Whether a mixture of other domains is refused.
    """

    group = "evaluator"
    domains: ClassVar[tuple[str, ...]] = ("code", "web")
    metrics: ClassVar[tuple[str, ...] | None] = None
    same_again: ClassVar[bool] = True
    checks_weights: ClassVar[bool] = True

    def evaluator(self, folder: Path) -> Any:
        """The evaluator, what it reads written into a folder; by default ``spec`` as it is."""
        relative = traits(self.spec, EvaluatorTraits).relative_to
        return self.spec if relative is None else relative(folder)

    def trial(self, weights: Mapping[str, float] | None = None, *, number: int = 3) -> Trial:
        """A trial on some weights, by default all domains alike."""
        weights = weights or dict.fromkeys(self.domains, 1.0 / len(self.domains))
        return Trial(number, weights, SEED, "sobol")

    @pytest.fixture
    def ready(self, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Preparation | None]:
        """The evaluator, prepared once for a class, and its preparation where it has one."""

        def prepared() -> tuple[Any, Preparation | None]:
            evaluator = self.evaluator(tmp_path_factory.mktemp("study"))
            prepares = isinstance(evaluator, PreparingEvaluator)
            return evaluator, evaluator.prepare(self.domains) if prepares else None

        return self.once("ready", prepared)

    @pytest.fixture
    def outcome(
        self, ready: tuple[Any, Preparation | None], tmp_path_factory: pytest.TempPathFactory
    ) -> tuple[Result, Path]:
        """The result of a trial on all domains alike, and the folder of the attempt; made once for a class."""

        def evaluated() -> tuple[Result, Path]:
            workdir = tmp_path_factory.mktemp("attempt")
            return as_result(ready[0].evaluate(self.trial(), workdir)), workdir

        return self.once("outcome", evaluated)

    def names(self, preparation: Preparation | None) -> tuple[str, ...]:
        """Names of the metrics."""
        found = () if preparation is None else tuple(metric.name for metric in preparation.metrics)
        return self.metrics or found

    def test_its_preparation_names_the_metrics(self, ready: tuple[Any, Preparation | None]) -> None:
        """The study takes its metrics from there, and refuses a later change; asked again it says the same."""
        evaluator, preparation = ready
        names = self.names(preparation)
        assert names, "give the battery's `metrics`, or a `prepare`"
        assert len(set(names)) == len(names)
        if preparation is not None:
            assert isinstance(preparation, Preparation)
            assert names == tuple(metric.name for metric in preparation.metrics)
            assert set(preparation.domains) <= set(self.domains)
            again = evaluator.prepare(self.domains)
            assert (again.metrics, dict(again.provenance)) == (preparation.metrics, dict(preparation.provenance))

    def test_a_result_can_be_recorded(
        self, ready: tuple[Any, Preparation | None], outcome: tuple[Result, Path]
    ) -> None:
        """Every metric named, losses finite, names known, and the same when it is read back from the disk."""
        result, _ = outcome
        assert isinstance(result, Result)
        kept = accepted(result, self.names(ready[1]), self.domains, title="the result cannot be recorded")
        assert all(math.isfinite(loss) for loss in kept.losses.values())
        assert all(sem >= 0.0 for sem in kept.sems.values())
        assert kept.cost is None or kept.cost >= 0.0
        number, again = records.outcome_from_json(records.outcome_to_json(3, kept))
        assert number == 3
        assert isinstance(again, Result)
        assert dict(again.losses) == dict(kept.losses)
        if kept.realized is not None:
            assert sum(kept.realized.values()) == pytest.approx(1.0, abs=1e-3)

    def test_artifacts_lie_in_the_folder_of_the_attempt(self, outcome: tuple[Result, Path]) -> None:
        """Their paths are relative to it: a study folder can be moved."""
        result, workdir = outcome
        for name, path in result.artifacts.items():
            assert not Path(path).is_absolute(), f"artifact '{name}' has an absolute path"
            assert (workdir / path).resolve().is_relative_to(workdir.resolve())
            assert (workdir / path).exists()

    def test_it_writes_into_the_folder_of_the_attempt_alone(
        self, ready: tuple[Any, Preparation | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two trials run at a time, from wherever the user stands."""
        (here := tmp_path / "here").mkdir()
        (workdir := tmp_path / "attempts" / "1").mkdir(parents=True)
        monkeypatch.chdir(here)
        ready[0].evaluate(self.trial(), workdir)
        assert Path.cwd() == here
        assert os.listdir(here) == []
        assert os.listdir(workdir.parent) == ["1"]
        assert sorted(os.listdir(tmp_path)) == ["attempts", "here"]

    def test_a_pickled_copy_measures_the_same(
        self, ready: tuple[Any, Preparation | None], outcome: tuple[Result, Path], tmp_path: Path
    ) -> None:
        """Each trial runs in a process of its own, which gets the evaluator pickled."""
        copy = pickle.loads(pickle.dumps(ready[0]))
        assert copy == ready[0]
        assert set(as_result(copy.evaluate(self.trial(), tmp_path)).losses) == set(outcome[0].losses)

    def test_the_same_weights_and_seed_give_the_same_losses(
        self, ready: tuple[Any, Preparation | None], outcome: tuple[Result, Path], tmp_path: Path
    ) -> None:
        """The seed decides, not the trial's number, nor the order in which domains are named."""
        if not self.same_again:
            pytest.skip("it does not promise it")
        weights = dict(reversed(self.trial().weights.items()))  # type: ignore[call-overload]
        again = as_result(ready[0].evaluate(self.trial(weights, number=9), tmp_path))
        assert dict(again.losses) == dict(outcome[0].losses)

    def test_every_domain_alone_can_be_trained(self, ready: tuple[Any, Preparation | None], tmp_path: Path) -> None:
        """Experts and the corners of a design have one weight of 1 and zeros."""
        for domain in self.domains:
            (workdir := tmp_path / domain).mkdir()
            weights = {name: float(name == domain) for name in self.domains}
            result = ready[0].evaluate(self.trial(weights), workdir)
            accepted(result, self.names(ready[1]), self.domains, title="the result cannot be recorded")

    def test_a_mixture_of_other_domains_is_an_error_that_names_one(
        self, ready: tuple[Any, Preparation | None], tmp_path: Path
    ) -> None:
        """A loss of something else than was asked for would enter the record."""
        if not self.checks_weights:
            pytest.skip("it leaves that to the program that it runs")
        weights = {name: 1.0 / len(self.domains) for name in (*self.domains[:-1], STRANGER)}
        with pytest.raises(Exception, match=f"{self.domains[-1]}|{STRANGER}"):
            ready[0].evaluate(self.trial(weights), tmp_path)

    def test_progress_is_told_in_order(self, ready: tuple[Any, Preparation | None], tmp_path: Path) -> None:
        """Steps only grow, up to the number of all; a stalled training can be told from a slow one."""
        seen: list[Progress] = []
        with reporting_to(seen.append):
            ready[0].evaluate(self.trial(), tmp_path)
        steps = [progress.step for progress in seen]
        assert steps == sorted(steps)
        assert all(0 <= progress.step <= progress.steps for progress in seen)

    def test_what_it_declares_has_its_form(self, ready: tuple[Any, Preparation | None]) -> None:
        """A misspelt declaration would be silently ignored."""
        evaluator, _ = ready
        own = traits(evaluator, EvaluatorTraits)
        assert all(importlib.util.find_spec(module) is not None for module in own.preload)
        for path in own.may_change:
            part = evaluator
            for name in path.split("."):
                assert name in {field.name for field in dataclasses.fields(part)}, f"may_change names no field '{path}'"
                part = field_values(part)[name]
        environment = own.process_environment()
        assert all(isinstance(text, str) for item in environment.items() for text in item)
