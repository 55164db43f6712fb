#!/usr/bin/env bash
# grain's mix, read by several processes, can give each of them one data set alone, and then other shares of tokens.
#
# The good guess: mixed[process::processes], as grain shards, leaves each process a sample of the mixture, so that
# documents of two data sets, drawn half and half and packed into sequences, have the same shares of tokens whether one
# process packs them or two.
#
# Version: grain 0.2.18, Python 3.11.
# Behaviour: the mix is no draw but a fixed pattern: of weights 1 and 1 every other element is of the first data set, of
# weights 3 and 1 every fourth of the second. Of two processes one then has the first alone, of four three have. The
# counts are right over all of them; but what each packs has as many tokens whatever its documents are. Documents of
# 100 and of 10 tokens at 1 and 1 are 91 % and 9 % of the tokens in one process, and half and half in two; at 3 and 1
# the first are 97 % in one, 75 % in four. Weights 7 and 3, whose pattern is no stride of two or four, keep theirs.
# Source: _dataset_and_key_of_next_element, grain/_src/python/dataset/transformations/mix.py: where an element comes
# from follows from its index alone.
# Who meets it: whoever weighs documents so that tokens have shares, and packs behind the sharding. Shuffle the mix
# (grain.experimental.WindowShuffleMapDataset), or shard the data sets before they are mixed. bomix's exports do the
# former.
#
# Seen: 1 and 1: 0.91 in one process, 0.50 in two, 0.50 in four, 0.91 shuffled; 3 and 1: 0.97, 0.95, 0.75, 0.97; 7 and
# 3: 0.96, 0.96, 0.96, 0.96
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check grain==0.2.18

cat >"$folder/packed.py" <<'PYTHON'
import itertools
import sys

import grain
import grain.experimental as experimental
import numpy as np

SEQUENCE, SEQUENCES = 64, 2000


def documents(token, length):
    return grain.MapDataset.source([{"tokens": np.full(length, token)}] * 100).repeat()


def share(dataset, processes):
    """Share of the first data set in the tokens that all processes pack, each as many sequences as the others."""
    found = []
    for process in range(processes):
        part = dataset[process::processes].to_iter_dataset()
        packed = experimental.ConcatThenSplitIterDataset(part, length_struct={"tokens": SEQUENCE})
        rows = itertools.islice(packed, SEQUENCES // processes)
        found.append(np.mean([np.mean(row["tokens"] == 1) for row in rows]))
    return float(np.mean(found))


found = {}
for weights in ((1, 1), (3, 1), (7, 3)):
    mixed = grain.MapDataset.mix([documents(1, 100), documents(2, 10)], weights=weights)
    shuffled = experimental.WindowShuffleMapDataset(mixed, window_size=1000, seed=0)
    found[weights] = [share(mixed, processes) for processes in (1, 2, 4)] + [share(shuffled, 4)]
    one, two, four, windows = (f"{each:.2f}" for each in found[weights])
    print(f"{weights[0]} and {weights[1]}: {one} in one process, {two} in two, {four} in four, {windows} shuffled")
even, uneven, coprime = found.values()
lost = abs(even[1] - 0.5) < 0.01 and abs(uneven[2] - 0.75) < 0.01
kept = all(abs(each[-1] - each[0]) < 0.01 for each in found.values()) and max(coprime) - min(coprime) < 0.01
sys.exit(not (lost and kept))
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" "$folder/packed.py" 2>"$folder/log" || {
  cat "$folder/log"
  exit 1
}
