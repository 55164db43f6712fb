#!/usr/bin/env bash
# A second phase of Megatron with other weights reads what the first has read, begun anew or gone on from its samples.
#
# The good guess: a run that goes on from a checkpoint with a new blend reads each domain from where the first blend
# left it, so that 800 samples at 0.8 and 0.2, and then 200 at 0.4 and 0.6, repeat nothing of two data sets of a
# thousand.
#
# Version: megatron-core 0.16.1, torch 2.13.0 (CPU), Python 3.11.
# Behaviour: a blend knows nothing of another one. Begun anew with the same seed, each data set is in the same order:
# all 200 samples are of documents that the first phase has read. Gone on from sample 800, as trainers do with what
# they have consumed, the second blend is taken to have run from the start: of the first data set, whose weight
# falls, all that comes was read before; of the other, whose weight rises, 320 documents are left out and come never.
# With another seed it is chance: 64 % and 16 %, as much as the first phase has read of each.
# Source: BlendedDataset._build_indices, megatron/core/datasets/blended_dataset.py: where a sample lies in a data set is
# counted from the blend's own beginning; the order of each comes from `random_seed` alone (GPTDataset).
# Who meets it: whoever anneals on another mixture, or changes weights in mid-run. Give the second phase other files, or
# at least another seed. bomix's exports of a second phase have the next seed, and say what is read again.
#
# Seen: anew: 80 of 80 and 120 of 120 were read before; from sample 800: 80 of 80 and 0 of 120, skipped 320; another
# seed: 52 of 80 and 24 of 120
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 packaging==26.3
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps megatron-core==0.16.1

cat >"$folder/phases.py" <<'PYTHON'
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
    eod, pad, vocab_size = 0, 0, 3 * DOCUMENTS


def written(start):
    """An indexed data set whose documents are sequences of one number each, from this one on."""
    prefix = f"{sys.argv[1]}/from_{start}"
    builder = IndexedDatasetBuilder(f"{prefix}.bin")
    for number in range(start, start + DOCUMENTS):
        builder.add_document(torch.full((SEQUENCE,), number), [SEQUENCE])
    builder.finalize(f"{prefix}.idx")
    return prefix


web, books = written(DOCUMENTS), written(2 * DOCUMENTS)


def read(shares, samples, *, seed=1234):
    """The documents of a run on both, in its order."""
    config = GPTDatasetConfig(
        random_seed=seed,
        sequence_length=SEQUENCE,
        blend=get_blend_from_list([shares[0], web, shares[1], books]),
        split="1,0,0",
        tokenizer=Tokenizer(),
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        mid_level_dataset_surplus=0.005,
    )
    train, _, _ = BlendedMegatronDatasetBuilder(GPTDataset, [samples, 0, 0], lambda: True, config).build()
    return [int(train[at]["tokens"][0]) for at in range(samples)]


first = {*read(("0.8", "0.2"), 800)}
later = ("0.4", "0.6")
going_on = read(later, 1000)
ways = {"anew": read(later, 200), "from sample 800": going_on[800:], "another seed": read(later, 200, seed=7)}
found = {}
for way, second in ways.items():
    parts = [[number for number in second if number // DOCUMENTS == which] for which in (1, 2)]
    again = [sum(number in first for number in part) for part in parts]
    found[way] = [count / len(part) for count, part in zip(again, parts)]
    print(f"{way}: {again[0]} of {len(parts[0])} and {again[1]} of {len(parts[1])} were read before")
skipped = {number for number in going_on[:800] if number // DOCUMENTS == 2} - first
print(f"from sample 800 skips {len(skipped)} documents of the second data set that nobody has read")
same = found["anew"] == [1.0, 1.0] and found["from sample 800"] == [1.0, 0.0] and len(skipped) == 320
sys.exit(not (same and found["another seed"][0] < 0.8))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/phases.py" "$folder" 2>"$folder/log" || {
  cat "$folder/log"
  exit 1
}
