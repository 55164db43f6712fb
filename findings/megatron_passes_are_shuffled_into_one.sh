#!/usr/bin/env bash
# Megatron shuffles several passes over a data set into one: text comes again before the rest has come once.
#
# The good guess: a data set that a run reads four times is read in four passes, each in another order, so that the
# first quarter of the run is on fresh text alone, as it is in samplers that shuffle epoch by epoch.
#
# Version: megatron-core 0.16.1, torch 2.13.0 (CPU), Python 3.11.
# Behaviour: the documents of all passes are shuffled together, and so are the samples made of them. In the first
# quarter of four passes over 1000 documents of one sequence 69 % of them come, many twice or more; each quarter is
# alike. Only the last pass is kept apart, and only where less than 80 % of it is read: of 1.5 passes the first is
# whole, of 1.9 passes it has 74 % of the documents. In all of the run every document comes four times, as asked.
# Source: _build_document_index (`separate_final_epoch`) and GPTDataset._build_document_sample_shuffle_indices
# (`threshold = 0.80`), megatron/core/datasets/gpt_dataset.py; NeMo Automodel has the same code.
# Who meets it: whoever reads epochs of a small domain as passes: a checkpoint in mid-run has seen repeats already, and
# fresh text is still there; a run of one pass, and the first quarter of one of four, are on different data.
#
# Seen: distinct of 1000 in the first 1000: 999 in 1.0 passes, 999 in 1.5, 742 in 1.9, 691 in 4.0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 packaging==26.3
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps megatron-core==0.16.1

cat >"$folder/passes.py" <<'PYTHON'
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


class Tokenizer:
    unique_identifiers = {"name": "numbers"}
    eod, pad, vocab_size = DOCUMENTS, DOCUMENTS + 1, DOCUMENTS + 2


prefix = f"{sys.argv[1]}/numbers"
builder = IndexedDatasetBuilder(f"{prefix}.bin")
for number in range(DOCUMENTS):
    builder.add_document(torch.full((SEQUENCE,), number), [SEQUENCE])
builder.finalize(f"{prefix}.idx")


def read(samples):
    """The documents of a run of so many samples, in its order."""
    config = GPTDatasetConfig(
        random_seed=1234,
        sequence_length=SEQUENCE,
        blend=get_blend_from_list([prefix]),
        split="1,0,0",
        tokenizer=Tokenizer(),
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
    )
    train, _, _ = BlendedMegatronDatasetBuilder(GPTDataset, [samples, 0, 0], lambda: True, config).build()
    return [int(train[at]["tokens"][0]) for at in range(samples)]


found = {}
for samples in (999, 1500, 1900, 3999):  # the token that follows the last is one too: 4000 would be a fifth pass
    documents = read(samples)
    found[samples] = len({*documents[:DOCUMENTS]})
    times = collections.Counter(collections.Counter(documents).values()).most_common(1)[0][0]
    often = f"most documents {times} times in all"
    print(f"{samples / DOCUMENTS:.1f} passes: {found[samples]} distinct in the first 1000, {often}")
apart, mixed = (found[999], found[1500]), (found[1900], found[3999])
sys.exit(not (min(apart) > 995 and max(mixed) < 800))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/passes.py" "$folder" 2>"$folder/log" || {
  cat "$folder/log"
  exit 1
}
