#!/usr/bin/env bash
# Megatron draws validation data by the training weights: validation losses of two mixtures are of different text.
#
# The good guess: with one blend of weighted prefixes and `--split 900,100,0`, a tenth of each data set is held out, and
# "lm loss value" on validation says which of two mixtures is better, since the held-out documents are the same. But
# how many samples of each held-out part are evaluated follows the weights of the blend.
#
# Version: megatron-core 0.16.1, torch 2.13.0 (CPU), Python 3.11.
# Behaviour: of 100 validation samples, a mixture of 0.8 and 0.2 is evaluated on 80 of the first data set and 20 of the
# second, and one of 0.2 and 0.8 on 20 and 80, though both have a hundred of each held out. A model that knows nothing
# of mixtures has a lower loss where the easier text weighs more: here losses of 1 and 3 nats give 1.4 and 2.6.
# Source: BlendedMegatronDatasetBuilder._build_blended_dataset_splits, megatron/core/datasets/
# blended_megatron_dataset_builder.py: the sizes of all splits come from the weights of config.blend.
# Who meets it: whoever compares mixtures by the validation loss that Megatron, or NeMo with a flat list, logs, and
# records it in a study. Give all runs one validation blend (`--per-split-data-args-path`), or measure each domain.
#
# Seen: 0.8 / 0.2: validation 80 / 20, loss 1.4; 0.2 / 0.8: validation 20 / 80, loss 2.6
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 packaging==26.3
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps megatron-core==0.16.1

cat >"$folder/blend.py" <<'PYTHON'
import collections
import logging
import sys
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
import torch  # noqa: E402
from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder  # noqa: E402
from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig  # noqa: E402
from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder  # noqa: E402
from megatron.core.datasets.utils import get_blend_from_list  # noqa: E402

SEQUENCE, DOCUMENTS = 16, 1000
LOSSES = {1: 1.0, 2: 3.0}


class Tokenizer:
    unique_identifiers = {"name": "numbers"}
    eod, pad, vocab_size = 0, 3, 8


def written(token):
    """An indexed data set whose documents are sequences of one token."""
    prefix = f"{sys.argv[1]}/of_{token}"
    builder = IndexedDatasetBuilder(f"{prefix}.bin")
    for _ in range(DOCUMENTS):
        builder.add_document(torch.full((SEQUENCE,), token), [SEQUENCE])
    builder.finalize(f"{prefix}.idx")
    return prefix


def evaluated(*blend):
    """How many validation samples are of each token."""
    config = GPTDatasetConfig(
        random_seed=1234,
        sequence_length=SEQUENCE,
        blend=get_blend_from_list(list(blend)),
        split="900,100,0",
        tokenizer=Tokenizer(),
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        mid_level_dataset_surplus=0.005,
    )
    _, valid, _ = BlendedMegatronDatasetBuilder(GPTDataset, [500, 100, 0], lambda: True, config).build()
    return collections.Counter(int(valid[at]["tokens"][0]) for at in range(len(valid)))


first, second = written(1), written(2)
found = []
for shares in (("0.8", "0.2"), ("0.2", "0.8")):
    drawn = evaluated(shares[0], first, shares[1], second)
    loss = sum(LOSSES[token] * count for token, count in drawn.items()) / drawn.total()
    print(f"{' / '.join(shares)}: validation {drawn[1]} / {drawn[2]}, loss {loss:.1f}")
    found.append((drawn[1], drawn[2]))
sys.exit(found != [(80, 20), (20, 80)])
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/blend.py" "$folder" 2>"$folder/log" || {
  cat "$folder/log"
  exit 1
}
