"""A single model, given by its logits, read on a validation set."""

from __future__ import annotations

from bomix.training.validation import losses_from, measure


def evaluate(logits, tokens, **options):
    """Loss and accuracy."""
    (found,) = measure(losses_from(logits), tokens, **options)
    return found.evaluation


def score(logits, tokens, *, metric, **options):
    """Every token that they are made of."""
    (found,) = measure(losses_from(logits), tokens, score_as=metric, **options)
    return found.scored
