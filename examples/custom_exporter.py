"""A form of one's own, lines of weight and path: `bomix export STUDY --format custom_exporter:Lines --paths FILE`."""

from dataclasses import dataclass
from typing import ClassVar

import bomix
from bomix.contracts.exporter import Export
from bomix.io.exports.mixture import TargetRun
from bomix.io.exports.sources import DomainData
from bomix.io.exports.writing import write


@dataclass(frozen=True)
class Lines:
    unit: ClassVar[str] = "sequences"  # what a weight is a share of: tokens, sequences or documents
    weighs_paths: ClassVar[bool] = True  # the trainer knows paths, no domains

    def export(self, mixture):
        shares = mixture.path_shares(self.unit)
        text = "".join(f"{share:.6f} {path}\n" for path, share in shares.items())
        return Export(text, "mixture.txt", mixture.of_domains({path: round(s, 6) for path, s in shares.items()}))


if __name__ == "__main__":
    study = bomix.Study(["code", "web"], ["loss"], target=bomix.TargetSpec(tokens=20e9))
    data = {name: DomainData(f"/data/{name}") for name in ("code", "web")}
    written = write(study.problem, {"code": 0.25, "web": 0.75}, Lines(), TargetRun(data=data))
    print(written.export.text, written.warnings)
