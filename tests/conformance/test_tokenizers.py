"""Every registered tokenizer keeps its contract."""

from __future__ import annotations

from bomix.config import registry
from bomix.testing.tokenizers import SAMPLE, TokenizerBattery
from bomix.training.data.tokenizer import BytePair, Pretrained
from tests.conformance.every import spec_of


class TestBytePair(TokenizerBattery):
    kind = "bpe"
    spec = spec_of("tokenizer", "bpe", {"vocabulary": 300, "sample_bytes": 2000})


class TestPretrained(TokenizerBattery):
    """A tokenizer that was trained here and saved as ``transformers`` saves it."""

    kind = "pretrained"
    spec = spec_of("tokenizer", "pretrained", {"name": "./saved"})

    def tokenizer(self, folder):
        from transformers import PreTrainedTokenizerFast

        made = BytePair(vocabulary=300).build(iter(SAMPLE))
        end = made.decode([made.end_of_document])
        PreTrainedTokenizerFast(tokenizer_object=made.backend, eos_token=end).save_pretrained(folder / "saved")
        return Pretrained("./saved").relative_to(folder)


def test_every_kind_has_a_battery():
    found = {cls.kind for cls in globals().values() if isinstance(cls, type) and issubclass(cls, TokenizerBattery)}
    assert found - {None} == {*registry.kinds("tokenizer")}
