"""A single model, given by its logits, read on a validation set."""

from __future__ import annotations

from torch.nn import functional

from bomix.training.validation import measure


def losses_from(logits):
    """What `measure` takes, of one model: from ids and the ids that follow them to the losses of these."""

    def losses_of(inputs, targets):
        return functional.cross_entropy(logits(inputs).float().mT, targets, reduction="none").unsqueeze(0)

    return losses_of


def evaluate(logits, tokens, **options):
    """Loss and accuracy."""
    (found,) = measure(losses_from(logits), tokens, **options)
    return found.evaluation


def score(logits, tokens, *, metric, **options):
    """Every token that they are made of."""
    (found,) = measure(losses_from(logits), tokens, score_as=metric, **options)
    return found.scored
