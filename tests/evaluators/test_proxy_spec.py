"""The keys of a proxy: what is refused, with its cure, and how tokens are counted."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

import bomix
from bomix.config.spec import StudySpec
from bomix.errors import FaultsError
from bomix.evaluators.proxy import Proxy
from bomix.evaluators.proxy_spec import ProxySpec
from bomix.training.data.sources import Files
from bomix.training.model.decoder import Model


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"tokens": 100_000, "tokens_per_parameter": 20.0}, "tokens"),
        ({"tokens": 100}, "tokens"),
        ({"tokens": 100_000, "device": "gpu"}, "device"),
        ({"tokens": 100_000, "init_seed": -1}, "init_seed"),
        ({"tokens": 100_000, "threads": 0}, "threads"),
        ({"tokens": 100_000, "checkpoint_s": 0.0}, "checkpoint_s"),
        ({"tokens": 100_000, "checkpoint_s": 1e-9}, "checkpoint_s"),
        ({"tokens": 100_000, "checkpoint_s": math.nan}, "checkpoint_s"),
        ({"tokens": 100_000, "stack": 0}, "stack"),
        ({"tokens": 100_000, "stack": 65_537}, "stack"),
        ({"tokens": 100_000, "micro_sequences": 0}, "micro_sequences"),
        ({"tokens": 100_000, "batch_sequences": 6, "micro_sequences": 4}, "micro_sequences"),
        ({"tokens": 100_000, "batch_sequences": 6, "micro_sequences": 3, "devices": 3}, "micro_sequences"),
        ({"tokens": 100_000, "batch_sequences": 6, "devices": 4}, "devices"),
        ({"tokens": 100_000, "batch_sequences": 2, "device": "cuda:0", "devices": 2}, "devices"),
    ],
)
def test_each_field_is_checked(changes, where):
    assert [fault.where for fault in Proxy(**changes).faults()] == [where]


def test_tokens_per_parameter_counts_non_embedding_parameters():
    spec = Proxy(model=Model(size="1M"), tokens_per_parameter=20.0, batch_sequences=4)
    wanted = 20 * Model(size="1M").non_embedding_parameters()
    assert wanted - 4 * 256 < spec.scale.tokens <= wanted


@pytest.mark.parametrize(
    ("changes", "cure"),
    [
        ({"checkpoint_s": 0.0}, "expected at least 0.1 seconds between checkpoints, found 0; null writes none"),
        ({"stack": 65_537}, "at most 1024 models of one stack, found 65537; leave it out for as many as memory holds"),
    ],
)
def test_a_fault_names_the_cure(changes, cure):
    (fault,) = Proxy(tokens=100_000, **changes).faults()
    assert cure in fault.what


def test_checkpoints_may_be_none_and_stacks_as_wide_as_memory_allows():
    assert ProxySpec(tokens=100_000, checkpoint_s=None, stack="auto").faults() == []


def test_it_is_public_and_a_study_takes_text_from_its_domains_alone():
    here, there = Files(("here/*.txt",)), Files(("there/*.txt",))
    domains = {name: bomix.DomainSpec(source=here) for name in ("code", "web")}
    for sources in ({"code": there}, {"code": here, "wiki": here}):
        with pytest.raises(FaultsError) as raised:
            bomix.Study(domains, evaluator=bomix.Proxy(tokens=4096, sources=sources))
        (fault,) = raised.value.faults
        assert fault.where == "evaluator.sources"
        assert "give it with the domain, as bomix.DomainSpec(source=...), and leave 'sources' out" in fault.what
    faults = StudySpec(domains=domains, evaluator=Proxy(tokens=4096, sources={"code": here})).faults()
    assert faults == []


def test_to_name_it_imports_no_torch():
    code = "import sys, bomix; bomix.Proxy(tokens=4096).faults(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
