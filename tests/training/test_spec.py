"""What all runs of an evaluator share is written down once."""

from __future__ import annotations

import dataclasses
import inspect

from bomix.evaluators.proxy import Proxy
from bomix.training.run import Run
from bomix.training.spec import TrainingSpec


def test_a_run_and_the_proxy_have_the_same_defaults():
    fields = dataclasses.fields(TrainingSpec)
    proxy, run = Proxy(tokens=1_000), Run({"a": 1.0}, 3, 0, 0)
    assert [getattr(proxy, field.name) for field in fields] == [getattr(run.spec, field.name) for field in fields]
    assert not {field.name for field in fields} & inspect.get_annotations(Proxy).keys()


def test_a_run_of_whole_steps_has_their_tokens():
    spec = TrainingSpec(sequence_length=32, batch_sequences=3)
    assert spec.step_tokens == 96
    assert Run({"a": 1.0}, 5, 0, 0, spec).tokens == 480
