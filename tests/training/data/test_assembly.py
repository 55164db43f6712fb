"""Which sets a corpus has, and where a fault of each stands in the study file."""

from __future__ import annotations

from bomix.training.data.assembly import Inputs
from bomix.training.data.sources import Files
from bomix.training.data.spec import CorpusSpec
from bomix.training.data.tokenizer import BytePair


def test_sets_stand_in_an_order_of_their_own_and_know_their_place():
    source = Files(("*.txt",))
    names = ("web", "code")
    inputs = Inputs(dict.fromkeys(names, source), {"extra": source}, BytePair(), CorpusSpec())
    again = Inputs(dict.fromkeys(names[::-1], source), {"extra": source}, BytePair(), CorpusSpec())
    assert inputs.keys() == again.keys()
    assert inputs.keys() == ["train/code", "train/web", "validation/code", "validation/extra", "validation/web"]
    assert inputs.place("train/web") == inputs.place("validation/web") == "domains.web.source"
    assert inputs.place("validation/extra") == "evaluator.validation.extra"
