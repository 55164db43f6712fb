"""A language model in plain Python: counts which token follows which, on a mixture that bomix asked for.

    python3 train.py asked/7.json     # writes asked/7.result.json

It needs neither bomix nor the study. What matters of it for a trainer of your own: it draws with the trial's seed, it
writes its result whole or not at all, it says why it failed, and a second copy of it does no harm.
"""

import json
import math
import os
import random
import sys
from pathlib import Path

SYMBOLS = 24
HELD_OUT = 2_000


def text(domain, count, seed):
    """Tokens of a domain, each of which has its own habits of what follows what."""
    habits = random.Random(domain)
    favourites = [habits.sample(range(SYMBOLS), 4) for _ in range(SYMBOLS)]
    draw, token = random.Random(f"{domain}-{seed}"), 0
    for _ in range(count):
        token = draw.choice(favourites[token]) if draw.random() < 0.85 else draw.randrange(SYMBOLS)
        yield token


def train(tokens, seed):
    """Loss on held-out text of each domain, nats per token."""
    counts = [[1.0] * SYMBOLS for _ in range(SYMBOLS)]
    for domain, count in tokens.items():
        before = 0
        for token in text(domain, count, seed):
            counts[before][token] += 1.0
            before = token
    totals = [sum(row) for row in counts]
    losses = {}
    for domain in tokens:
        before, loss = 0, 0.0
        for token in text(domain, HELD_OUT, "held out"):
            loss -= math.log(counts[before][token] / totals[before])
            before = token
        losses[domain] = loss / HELD_OUT
    return losses


def main(path):
    trial = json.loads(path.read_text())
    result = path.with_name(trial["result"])
    if result.exists():
        return  # of an earlier copy of this job, which was requeued after its end
    try:
        outcome = {"losses": train(trial["tokens"], trial["seed"])}
    except (KeyError, ValueError) as error:
        outcome = {"failure": f"{type(error).__name__}: {error}"}
    unfinished = result.with_name(f".{result.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(outcome))
    unfinished.replace(result)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
