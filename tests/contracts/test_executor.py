"""The page on executors: its example runs, also as the executor of a whole study."""

from __future__ import annotations

import dataclasses
import doctest

import bomix.contracts.executor as page
from bomix.contracts.executor import Execution
from bomix.study.study import Study
from bomix.trial import Result, Trial


@dataclasses.dataclass(frozen=True)
class Bowl:
    """Lowest at the middle."""

    def evaluate(self, trial: Trial, workdir: object) -> Result:
        return Result({"loss": trial.weights["web"] ** 2 + trial.weights["code"] ** 2})


def test_the_example_of_the_page_runs_a_study() -> None:
    (example,) = doctest.DocTestFinder(recurse=False).find(page)
    names = example.globs
    assert doctest.DocTestRunner().run(example, clear_globs=False).failed == 0
    execution = names["Here"]()
    assert isinstance(execution, Execution)
    study = Study(["code", "web"], ["loss"], evaluator=Bowl(), execution=execution)
    study.run(trials=3)
    assert len(study.history.completed) == 3
