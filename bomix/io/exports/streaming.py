"""MosaicML streaming and llm-foundry: streams with whole samples to choose in an epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.errors import Fault
from bomix.io.exports.items import item_faults
from bomix.io.exports.rounding import whole
from bomix.io.exports.yaml_file import dumped


@dataclass(frozen=True)
class Streaming:
    """MosaicML's streams as YAML, for llm-foundry or for ``Stream(**keys)``; ``choose`` counts samples.

    The run is one epoch, of which each stream gives whole samples: proportions would be cut to them, and what is left
    over goes to streams drawn by chance.

    Attributes:
        form: ``llm_foundry`` for its ``train_loader``, ``streams`` for a mapping of name to the keys of ``Stream``.
        samples: What a sample is: ``sequences`` of one length, as llm-foundry writes them, or ``documents``.
        cache: Folder for the local copies of streams that lie elsewhere.
    """

    form: Literal["llm_foundry", "streams"] = "llm_foundry"
    samples: Unit = "sequences"
    cache: str = "/tmp/streams"

    weighs_paths: ClassVar[bool] = True

    def faults(self) -> list[Fault]:
        """Samples that are tokens."""
        return item_faults("samples", self.samples)

    @property
    def unit(self) -> Unit:
        """What a sample is."""
        return self.samples

    def export(self, mixture: TargetMixture) -> Export:
        """A stream for each path."""
        shares = mixture.path_shares(self.unit)
        counts = whole(shares, max(mixture.count(self.unit), len(shares)))
        streams: dict[str, dict[str, object]] = {}
        for domain in mixture.domains:
            for number, path in enumerate(domain.paths):
                name = domain.name if len(domain.paths) == 1 else f"{domain.name}_{number}"
                remote = {"remote": path, "local": f"{self.cache}/{name}"} if "://" in path else {"local": path}
                streams[name] = {**remote, "choose": counts[path]}
        loader = {
            "name": "text",
            "dataset": {
                "streams": streams,
                "shuffle": True,
                "shuffle_seed": mixture.seed,
                "max_seq_len": mixture.sequence_length,
            },
            "drop_last": True,
            "num_workers": 8,
        }
        data = streams if self.form == "streams" else {"train_loader": loader}
        drawn = {name: float(count) for name, count in mixture.of_domains(counts).items()}
        notes = ("one epoch of these streams is the whole run: train for 1ep",)
        return Export(dumped(data), "streams.yaml", drawn, notes=notes)
