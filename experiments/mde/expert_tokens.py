"""What the experts make of every validation token, in a file a size that is small enough to keep.

    python -m experiments.mde.expert_tokens     # from what the swarm's experts left behind, after their training

Log-probabilities are kept as whole sixths of a nat. A loss of 5,120 tokens is off by 0.0004 then (standard deviation
over mixtures, 0.002 at most), where another seed moves it by 0.01 to 0.03.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

from bomix.io.artifacts import scored_tokens
from bomix.io.artifacts.scored_tokens import ScoredTokens
from bomix.io.store.cache import build_once, cache_folder, is_whole
from experiments.regmix import plan

HERE = Path(__file__).parent
STEPS = 6
"""Parts of a nat. Twice as many save half of an error that does not count, for 8 % more bytes."""
SIZES = ("0.3M", "1M", "3M")


def file_of(size: str) -> Path:
    """Where the tokens of a size are kept."""
    return HERE / f"experts-{size}.npz"


def pack(size: str, scored: Path = plan.SCORED) -> None:
    """Write the file of a size from its experts' artifacts."""
    experts = {domain: scored_tokens.read(scored / f"experts {size}-{domain}") for domain in plan.DOMAINS}
    first = experts[plan.DOMAINS[0]]
    names = sorted(first.sets)
    for domain, expert in experts.items():
        assert [expert.sets[name].tokens for name in names] == [first.sets[name].tokens for name in names], domain
    steps = np.stack(
        [
            np.concatenate([-expert.sets[name].log_probabilities for name in names]) * STEPS
            for expert in experts.values()
        ]
    )
    facts = {
        "tokenizer": first.tokenizer,
        "sets": {name: first.sets[name].tokens for name in names},
        "lengths": {name: np.diff(first.sets[name].starts).tolist() for name in names},
    }
    kept = np.clip(np.rint(steps), 0, 255).astype(np.uint8)
    np.savez_compressed(file_of(size), steps=kept, facts=np.array(json.dumps(facts)))


@cache
def kept(size: str) -> tuple[np.ndarray, dict[str, slice], dict[str, np.ndarray], dict[str, str], str]:
    """``T x 8`` log-probabilities of all sets, where each set lies, its sequences' starts, hashes, the tokenizer's."""
    with np.load(file_of(size)) as file:
        log_p, facts = -file["steps"].T.astype(np.float64) / STEPS, json.loads(str(file["facts"]))
    starts = {name: np.concatenate([[0], np.cumsum(lengths)]) for name, lengths in facts["lengths"].items()}
    places, at = {}, 0
    for name, each in starts.items():
        places[name] = slice(at, at + int(each[-1]))
        at = places[name].stop
    return log_p, places, starts, facts["sets"], facts["tokenizer"]


@cache
def unpacked(size: str) -> dict[str, Path]:
    """Domain to the folder of its expert's artifact, made from the kept file where it is not there."""
    log_p, places, starts, hashes, tokenizer = kept(size)
    folder = cache_folder() / "mde-eight" / f"{size}-{abs(hash_of(size)):x}"

    def write(building: Path) -> dict[str, str]:
        for column, domain in enumerate(plan.DOMAINS):
            sets = {
                name: ScoredTokens(log_p[place, column].astype(np.float32), starts[name], hashes[name])
                for name, place in places.items()
            }
            scored_tokens.write(building / domain, sets, tokenizer=tokenizer)
        return {"size": size}

    if not is_whole(folder):
        build_once(folder, write)
    return {domain: folder / domain for domain in plan.DOMAINS}


def hash_of(size: str) -> int:
    """Changes with the kept file."""
    import zlib

    return zlib.crc32(file_of(size).read_bytes())


def mixed(log_p: np.ndarray, mixtures: np.ndarray) -> np.ndarray:
    """``T x L`` log-probabilities of the tokens under ``L x 8`` mixtures of the experts."""
    highest = log_p.max(axis=1, keepdims=True)
    # A token that the experts of a mixture rule out is not ruled out altogether: half precision has smaller numbers.
    return np.log(np.maximum(np.exp(log_p - highest) @ mixtures.T, 1e-30)) + highest


def mde(size: str, mixtures: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """``L x m`` losses that the mixture of experts predicts."""
    log_p, places, *_ = kept(size)
    found = mixed(log_p, np.asarray(mixtures))
    return np.stack([-found[places[name]].mean(axis=0) for name in names], axis=-1)


if __name__ == "__main__":
    for each in SIZES:
        if all((plan.SCORED / f"experts {each}-{domain}" / "index.json").exists() for domain in plan.DOMAINS):
            pack(each)
            print(f"{file_of(each).name}: {file_of(each).stat().st_size} bytes")
        else:
            print(f"{each}: not every expert is trained")
