"""Every registered exporter keeps its contract."""

from __future__ import annotations

from bomix.testing.exporters import ExporterBattery
from tests.conformance.every import batteries

OPTIONS = {
    "json": ({}, {"details": True}),
    "yaml": ({}, {"details": True}),
    "csv": ({}, {"rows": "mixture"}),
    "megatron": ({}, {"form": "file"}, {"form": "json"}),
    "nemo": ({}, {"reader": "bridge"}, {"reader": "list"}),
    "gpt_neox": ({}, {"validation": ["/data/valid"]}),
    "hugging_face": ({}, {"rows": "sequences"}),
    "levanter": ({}, {"form": "marin"}),
    "streaming": ({}, {"form": "streams", "samples": "documents"}),
    "webdataset": ({}, {"samples": "sequences"}),
    "grain": ({}, {"elements": "sequences"}),
    "torchdata": ({}, {"items": "sequences"}),
    "doremi": ({}, {"examples": "documents"}),
    "regmix": ({}, {"valid": ["valid_pile_cc"]}),
}

globals().update(batteries(ExporterBattery, options=OPTIONS))
