"""A hundred domains of real text: pieces of twelve corpora, clustered by the words in them.

    python -m experiments.regmix.hundred build                    # once: clusters, hundred.yaml, hundred_domains.json
    python -m experiments.regmix.hundred train [--limit SECONDS]  # resumes; adds to hundred.jsonl

Pieces are told apart by TF-IDF of their words, brought to few dimensions by a singular value decomposition, and put
into clusters by k-means. What is too small for a domain is merged with its nearest cluster, and what is largest is cut
in two instead, so that there are always a hundred.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from bomix.config import study_file
from bomix.errors import DataError
from bomix.evaluators.proxy import Proxy
from bomix.io.store import files
from bomix.training.data.tokens import Corpus, TokenSet
from experiments import runs

HERE = Path(__file__).parent
STUDY = HERE / "hundred.yaml"
RESULTS = HERE / "hundred.jsonl"
FOUND = HERE / "hundred_domains.json"
TEXTS = Path("~/.cache/bomix/mde")
MADE = Path("~/.cache/bomix/hundred")
CORPORA = (
    *("code", "dictionary", "german", "prose", "technical"),
    *("cpp", "go", "kernel", "manual", "node", "spanish", "statistics"),
)
OUTSIDE = ("foldoc", "fortunes", "french", "office", "perl")
OWN = "own"
"""The validation set that the domains share: some sequences of each one's own."""
TARGETS = ("mean", OWN)
COUNT = 100
PIECE = 2_000
"""Characters of a piece, at least: it ends with the line."""
READ = 2_500_000
"""Characters of each corpus that are clustered: a domain then has some 300 kB, nearly twice what a run reads."""
LEAST, MOST = 60_000, 250_000
"""Characters of a domain: below, it is merged; of more, the first pieces are kept, so that building costs little."""
DIMENSIONS = 64
"""Of the words, after the decomposition."""
FITTED, HELD = 128, 32
CONCENTRATION, TEMPERATURE = (0.1, 5.0), 2.0
"""As in the swarm of eight domains."""
OWN_SEQUENCES, OUTSIDE_SEQUENCES = 1, 40
"""Of each domain, for the set that they share, and of each set from outside."""
WIDTH = 16
SEED = 0


def pieces() -> Iterator[tuple[str, str]]:
    """Corpus and text of every piece; a document is cut where a line ends."""
    for name in CORPORA:
        left, path = READ, TEXTS.expanduser() / f"{name}.jsonl"
        if not path.is_file():
            raise DataError(f"{path} is missing; run `python experiments/mde/corpora.py` first")
        for line in path.read_text("utf-8").splitlines():
            text = str(json.loads(line)["text"])
            while text and left > 0:
                end = text.find("\n", PIECE)
                end = len(text) if end < 0 or len(text) - end < PIECE // 2 else end
                if end >= PIECE // 2:
                    yield name, text[:end]
                    left -= end
                text = text[end:].lstrip("\n")


def embedded(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, Any]:
    """Pieces as ``n x DIMENSIONS`` unit vectors, with the matrix of words behind them and what made it."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    words = TfidfVectorizer(
        token_pattern=r"[^\W\d]{3,}", min_df=10, max_df=0.3, max_features=20_000, sublinear_tf=True, dtype=np.float32
    )
    matrix = words.fit_transform(texts)
    return normalize(TruncatedSVD(DIMENSIONS, random_state=SEED).fit_transform(matrix)), matrix, words


def clustered(points: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The cluster of each point, ``0`` to ``COUNT - 1``, every one with at least ``LEAST`` characters."""
    from sklearn.cluster import KMeans

    of = KMeans(COUNT, n_init=1, random_state=SEED).fit_predict(points)
    total = np.bincount(of, sizes, COUNT)
    while total.min() < LEAST:
        small, large = int(total.argmin()), int(total.argmax())
        centres = np.stack([points[of == each].mean(axis=0) for each in range(COUNT)])
        near = np.linalg.norm(centres - centres[small], axis=1)
        near[small] = np.inf
        of[of == small] = near.argmin()
        # Half of the largest takes the number: the half along the direction in which it is widest.
        inside = np.flatnonzero(of == large)
        along = np.linalg.svd(points[inside] - points[inside].mean(axis=0), full_matrices=False)[2][0]
        of[inside[np.argsort(points[inside] @ along, kind="stable")[len(inside) // 2 :]]] = small
        total = np.bincount(of, sizes, COUNT)
    return of


def named(number: int) -> str:
    """The name of a domain."""
    return f"c{number:02d}"


def build() -> None:
    """Write the text of each domain, what it is made of, and the study file.

    Raises:
        RowsError: There are runs of other domains, which packages of other versions have made.
    """
    found = list(pieces())
    texts = [text for _, text in found]
    points, matrix, words = embedded(texts)
    of = clustered(points, np.array([len(text) for text in texts]))
    vocabulary = words.get_feature_names_out()
    overall = np.asarray(matrix.mean(axis=0)).ravel()
    told, lines = [], {}
    for number in range(COUNT):
        inside = np.flatnonzero(of == number)
        lengths = np.cumsum([len(texts[at]) for at in inside])
        kept = inside[: int(np.searchsorted(lengths, MOST)) + 1]
        lines[named(number)] = "".join(json.dumps({"text": texts[at]}, ensure_ascii=False) + "\n" for at in kept)
        corpora, counts = np.unique([found[at][0] for at in inside], return_counts=True)
        more = np.asarray(matrix[inside].mean(axis=0)).ravel() - overall
        told.append(
            {
                "name": named(number),
                "characters": int(lengths[-1]),
                "mostly": str(corpora[counts.argmax()]),
                "share": round(float(counts.max() / counts.sum()), 2),
                "words": [str(vocabulary[at]) for at in np.argsort(-more)[:4]],
            }
        )
    text = "[\n" + ",\n".join(json.dumps(each, ensure_ascii=False) for each in told) + "\n]\n"
    if runs.kept(RESULTS) and FOUND.read_text("utf-8") != text:
        raise runs.RowsError(f"the text here makes other domains than those of {RESULTS}; move that file aside first")
    made = MADE.expanduser()
    made.mkdir(parents=True, exist_ok=True)
    for name, written in lines.items():
        files.replace(made / f"{name}.jsonl", written)
    files.replace(FOUND, text)
    files.replace(STUDY, study_text())


def study_text() -> str:
    """The study file: a hundred domains, sets from outside."""
    domains = "".join(
        f'  {named(number)}: {{source: {{kind: files, paths: ["{MADE}/{named(number)}.jsonl"]}}}}\n'
        for number in range(COUNT)
    )
    outside = "".join(f'    {name}: {{kind: files, paths: ["{TEXTS}/{name}.jsonl"]}}\n' for name in OUTSIDE)
    return f"""# A hundred domains of real text, made by `python -m experiments.regmix.hundred build`, as is the text.
#
# A proxy of bomix measures a loss on every domain. The experiment measures those on the sets from outside alone, and
# one on a sequence of each domain: a hundred validation sets would cost as much as the training.
domains:
{domains}
evaluator:
  kind: proxy
  validation:
{outside}  corpus: {{validation_share: 0.2}}  # the smallest domains are thirty pieces
  tokenizer: {{kind: bpe, vocabulary: 1024}}
  model: {{architecture: llama, size: 0.3M}}
  sequence_length: 128
  batch_sequences: 2
  tokens: 65536
  validation_sequences: 100
  curve_points: 1
  optimization: {{rate: 3e-3, schedule: linear, warmup: 0.05, beta1: 0.8, beta2: 0.999}}
  device: cpu
  checkpoint_s: null

target: {{tokens: 65536, match_epochs: false}}
objective: {{kind: mean, metrics: [{", ".join(OUTSIDE)}]}}
seed: 0
"""


@cache
def proxy() -> Proxy:
    """The study's evaluator."""
    return cast(Proxy, study_file.load(STUDY).ready_evaluator(Path()))


def domains() -> list[str]:
    """Names of the domains."""
    return [named(number) for number in range(COUNT)]


def told() -> list[dict[str, Any]]:
    """What each domain is made of."""
    return list(json.loads(FOUND.read_text("utf-8")))


def plan() -> list[runs.Planned]:
    """Every run, in order: what is held out first, then what models learn from."""
    rng = np.random.default_rng(SEED)
    shares = np.array([each["characters"] for each in told()], dtype=float) ** (1 / TEMPERATURE)
    shares /= shares.sum()
    drawn = [rng.dirichlet(rng.uniform(*CONCENTRATION) * shares) for _ in range(FITTED + HELD)]
    mixtures = [dict(zip(domains(), map(float, row), strict=True)) for row in drawn]
    return [
        *(runs.Planned("held", f"{at:03d}", weights) for at, weights in enumerate(mixtures[FITTED:])),
        *(
            runs.Planned("held", f"{at:03d}", weights, 1)
            for at, weights in enumerate(mixtures[FITTED : FITTED + WIDTH])
        ),
        *(runs.Planned("fit", f"{at:03d}", weights) for at, weights in enumerate(mixtures[:FITTED])),
    ]


def seen() -> Corpus:
    """The text, with the sets from outside and one that the domains share, and no others."""
    from bomix.training.data import corpus

    given = proxy()
    length = given.sequence_length
    built = corpus.build(given.sources, given.validation, given.tokenizer, given.corpus, sequence_length=length)
    sets = {name: joined([built.validation[name]], OUTSIDE_SEQUENCES, length) for name in OUTSIDE}
    sets[OWN] = joined([built.validation[name] for name in domains()], OWN_SEQUENCES, length)
    return Corpus(built.train, sets, built.vocabulary, built.tokenizer_hash, {}, end_of_document=built.end_of_document)


def joined(sets: Sequence[Any], count: int, length: int) -> TokenSet:
    """So many sequences of each of several sets, evenly spaced, as one set."""
    from bomix.training.validation import windows

    some = [each.windows(windows(each.sequences(length), count), length)[:, :-1].ravel() for each in sets]
    tokens = np.concatenate([*some, some[0][:1]])  # the last sequence has a target too
    size = sum(each.bytes_per_token * len(part) for each, part in zip(sets, some, strict=True))
    return TokenSet(tokens.astype(np.uint16), len(sets), round(size))


def trained(text: Corpus, some: Sequence[runs.Planned]) -> list[runs.Row]:
    """Train a stack; a row for each run, with the weights that its sequences really had."""
    from bomix.training import loop
    from bomix.training.run import Run, seeds

    started = time.process_time()
    ended = loop.train_together(text, [Run(run.weights, proxy().steps, *seeds(run.seed), proxy()) for run in some])
    cpu_s = round((time.process_time() - started) / len(some), 2)
    rows: list[runs.Row] = []
    for run, result in zip(some, ended, strict=True):
        assert not isinstance(result, Exception), f"{run.key}: {result}"
        weights = {name: round(x, 6) for name, x in result.plan.realized.items() if x}
        losses = {name: round(found.loss, 5) for name, found in result.evaluations.items()}
        rows.append(
            {"set": run.set, "name": run.name, "seed": run.seed, "weights": weights, "losses": losses, "cpu_s": cpu_s}
        )
    return rows


def train(limit: float) -> None:
    """Train what is missing, stack by stack; begins none after ``limit`` seconds."""
    started = time.monotonic()
    text, left = seen(), runs.missing(RESULTS, plan())
    while left and time.monotonic() - started < limit:
        some, left = left[:WIDTH], left[WIDTH:]
        rows = trained(text, some)
        runs.add(RESULTS, rows)
        print(
            f"{some[-1].set} {some[-1].name}: {rows[0]['cpu_s']} CPU-s a run, {len(left)} left",
            file=sys.stderr,
            flush=True,
        )


def main() -> None:
    """Build or train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("build", "train"))
    parser.add_argument("--limit", type=runs.seconds, default=math.inf, help="seconds after which nothing is begun")
    args = parser.parse_args()
    build() if args.what == "build" else train(args.limit)


if __name__ == "__main__":
    runs.command(main, "experiments.regmix.hundred")
