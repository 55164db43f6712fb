"""LitGPT: a data module over litdata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bomix.contracts.exporter import Export, TargetMixture, Unit
from bomix.io.exports.litdata import notes_of, parts
from bomix.io.exports.python_file import module

_IMPORTS = """from dataclasses import dataclass, field

from litgpt.data import DataModule
from torch.utils.data import DataLoader"""

_BODY = '''
@dataclass
class Mixture(DataModule):
    """The domains of PARTS, drawn with these weights; blocks of the model's length and the token that follows."""

    seed: int = SEED
    num_workers: int = 8
    validation: str | None = VALIDATION

    batch_size: int = field(init=False, repr=False, default=1)
    seq_length: int = field(init=False, repr=False, default=BLOCK)

    def __post_init__(self):
        super().__init__()

    def connect(self, tokenizer=None, batch_size=1, max_seq_length=None):
        self.batch_size, self.seq_length = batch_size, (max_seq_length or BLOCK - 1) + 1

    def _dataset(self, path, shuffle):
        from litdata import StreamingDataset, TokensLoader

        loader = TokensLoader(block_size=self.seq_length)
        return StreamingDataset(input_dir=path, item_loader=loader, shuffle=shuffle, drop_last=shuffle, seed=self.seed)

    def train_dataloader(self):
        from litdata import CombinedStreamingDataset, StreamingDataLoader

        combined = CombinedStreamingDataset(
            [self._dataset(path, True) for _, path, _ in PARTS],
            weights=[weight for *_, weight in PARTS],
            seed=self.seed,
            iterate_over_all=False,
        )
        return StreamingDataLoader(
            combined, batch_size=self.batch_size, pin_memory=True, num_workers=self.num_workers, drop_last=True
        )

    def val_dataloader(self):
        dataset = [] if self.validation is None else self._dataset(self.validation, False)
        return DataLoader(dataset, batch_size=self.batch_size)
'''


@dataclass(frozen=True)
class Litgpt:
    """A Python file with a LitGPT data module ``Mixture`` over litdata; a weight is a share of sequences.

    Attributes:
        validation: Folder of the validation blocks.
    """

    validation: str | None = None

    unit: ClassVar[Unit] = "sequences"
    weighs_paths: ClassVar[bool] = True

    def export(self, mixture: TargetMixture) -> Export:
        """A module with ``PARTS`` and ``Mixture``."""
        constants = {"SEED": mixture.seed, "BLOCK": mixture.sequence_length + 1, "VALIDATION": self.validation}
        title = "A data module of LitGPT; weights are shares of blocks of tokens."
        text = module(title, _IMPORTS, parts(mixture), constants, _BODY)
        return Export(text, "mixture.py", mixture.weights, by_chance=True, notes=notes_of(mixture))
