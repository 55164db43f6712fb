"""Every registered evaluator keeps its contract."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np

from bomix.config import registry
from bomix.evaluators.proxy import Proxy
from bomix.testing.endings import GroupEnding
from bomix.testing.evaluators import EvaluatorBattery
from bomix.testing.group_evaluators import GroupEvaluatorBattery
from bomix.training.data.sources import Files
from bomix.training.data.spec import CorpusSpec
from bomix.training.data.tokenizer import BytePair
from bomix.training.model.decoder import Model
from tests.conformance.every import spec_of

WORDS = {"code": "def return import class self lambda", "web": "the of and moon river quietly"}
SCRIPT = """
import json, sys
given = json.load(open(sys.argv[1]))["weights"]
json.dump({"losses": {"loss": 2.0 - given["web"], "other": given["code"]}, "cost": 1.0}, open(sys.argv[2], "w"))
"""


class TestSynthetic(EvaluatorBattery):
    kind = "synthetic"
    spec = spec_of("evaluator", "synthetic", {"domains": ["code", "web"], "noise": 0.1})
    metrics = ("code", "web")


class TestSyntheticOfTokens(EvaluatorBattery):
    kind = "synthetic"
    spec = spec_of("evaluator", "synthetic", {"family": "token_experts", "domains": ["code", "web"]})


class TestCommand(EvaluatorBattery):
    kind = "command"
    spec = spec_of(
        "evaluator",
        "command",
        {"argv": [sys.executable, "-c", SCRIPT, "{mixture}", "{result}"], "metrics": ["loss", "other"]},
    )
    metrics = ("loss", "other")
    checks_weights = False


class TestProxy(GroupEvaluatorBattery):
    kind = "proxy"
    spec = Proxy(
        tokenizer=BytePair(vocabulary=300),
        corpus=CorpusSpec(cache="cache", validation_share=0.3),
        model=Model(hidden=16, layers=1, heads=2),
        sequence_length=16,
        batch_sequences=2,
        tokens=640,
        curve_points=2,
        device="cpu",
        dtype="fp32",
        save_model=True,
    )
    metrics = ("code", "web")

    def evaluator(self, folder):
        rng = np.random.default_rng(0)
        for name, words in WORDS.items():
            (folder / name).mkdir()
            for k in range(60):
                text = " ".join(rng.choice(words.split(), 60))
                (folder / name / f"{k:02d}.txt").write_text(f"{k} {text}")

        sources = {name: Files(paths=(f"{name}/*.txt",)) for name in WORDS}
        return dataclasses.replace(self.spec, sources=sources).relative_to(folder)


class TestAnyThatTrainsGroups(GroupEvaluatorBattery):
    spec = GroupEnding()
    metrics = ("loss",)
    checks_weights = False


def test_every_kind_has_a_battery():
    found = {cls.kind for cls in globals().values() if isinstance(cls, type) and issubclass(cls, EvaluatorBattery)}
    assert found - {None} == {*registry.kinds("evaluator")}
