"""The steps of a run that reweights the domains: what each batch reads, what the rule is told, what the model steps on.

In the loop it stands where the plan and the step of a run of one mixture do. A rule is told what it asks for, and the
model steps on the losses as the rule weighs them after that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.contracts.reweighter import Array, Reweighter, ReweighterTraits, Signal
from bomix.contracts.traits import traits
from bomix.training.optim import rate_at
from bomix.training.reweighting import reference
from bomix.training.reweighting.batches import Batches, sets_of

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.training.data.tokens import Corpus, Text
    from bomix.training.data_order import Plan
    from bomix.training.model.stack import Stack
    from bomix.training.optim import StackOptimizer
    from bomix.training.spec import TrainingSpec


@dataclass(frozen=True)
class Guide:
    """What moves the weights of a run.

    Attributes:
        rule: The rule.
        target: Metric to its coefficient in the validation loss that the rule is to lower; empty where it asks for
            none.
        reference: Folder of the model that losses are compared with; None where the rule asks for none.
    """

    rule: Reweighter
    target: Mapping[str, float]
    reference: str | None = None


@dataclass(frozen=True)
class Found:
    """What a run that reweights brings back beside its losses.

    Attributes:
        mixture: The mixture that was found, domain to weight.
        domains: ``K`` names, sorted.
        course: ``steps x K`` weights after each step.
        flops: Floating-point operations of the run, by the same count as :meth:`Model.flops_per_token`.
    """

    mixture: Mapping[str, float]
    domains: tuple[str, ...]
    course: np.ndarray
    flops: float


class GuidedSteps:
    """Where the tokens of a run come from, and its steps.

    Args:
        guide: The rule, and what it needs.
        corpus: The tokens.
        train: Domain to what the run may see of it.
        weights: The mixture that the run starts with, domain to weight.
        spec: The model, and how it is trained.
        steps: Steps of the run.
        seed: Seed of the order of the sequences.
        stack: The model: a stack of one.
        optimizer: Its optimizer; rates are set before each step.

    Raises:
        EvaluationError: A domain or a metric has no text, or the reference is not there.
    """

    def __init__(
        self,
        guide: Guide,
        corpus: Corpus,
        *,
        train: Mapping[str, Text],
        weights: Mapping[str, float],
        spec: TrainingSpec,
        steps: int,
        seed: int,
        stack: Stack,
        optimizer: StackOptimizer,
    ) -> None:
        self._rule, self._traits, self._spec = guide.rule, traits(guide.rule, ReweighterTraits), spec
        self._stack, self._optimizer, self._steps = stack, optimizer, steps
        self._coefficients = np.array([x / sum(guide.target.values()) for _, x in sorted(guide.target.items())])
        self._batches = self._in_batches(sets_of(sorted(weights), train, "no tokens of domain"), seed)
        self._target = self._in_batches(sets_of(sorted(guide.target), corpus.validation, _NO_TEXT), seed)
        start = np.array([weights[name] for name in self._batches.names])
        self._state = guide.rule.init(start / start.sum(), steps=steps)
        self._reference: Stack | None = None
        if "excess" in self._traits.needs:
            shape = {"vocabulary": corpus.vocabulary, "sequence_length": spec.sequence_length}
            self._reference = reference.load(
                guide.reference, spec.model, **shape, device=stack.device, dtype=stack.dtype
            )
        self._costs = _Costs.of(spec, corpus.vocabulary)
        self._flops = 0.0
        self._course: list[Array] = []

    def _in_batches(self, sets: Mapping[str, Text], seed: int) -> Batches:
        return Batches(sets, length=self._spec.sequence_length, seed=seed, device=self._stack.device)

    def tokens(self, step: int) -> Tensor:
        """``1 x batch x (length + 1)`` ids of a step, domain by domain; steps are asked for in ascending order."""
        return self._batches.draw(self._rule.sampling(self._state), self._spec.batch_sequences)

    def __call__(self, tokens: Tensor) -> Tensor:
        """Step on the tokens that :meth:`tokens` gave last; the mean loss of the batch, one in a row."""
        is_told = (len(self._course) + 1) % self._traits.every == 0
        wants = {"gradients", "target"} & {*self._traits.needs}
        if is_told and wants and not self._traits.output_only:
            losses = self._by_domain(tokens)
        else:
            losses = self._at_once(tokens, is_told=is_told)
        self._optimizer.step()
        self._course.append(np.array(self._rule.weights(self._state)))
        return losses.mean(dim=1)

    def _at_once(self, tokens: Tensor, *, is_told: bool) -> Tensor:
        """The gradient of the losses as the rule weighs them, in one pass."""
        import torch

        def shares_of(losses: Tensor) -> Tensor:
            if is_told:
                self._tell(tokens, losses, self._products_by_head(tokens))
            length = self._spec.sequence_length
            factors = self._factors() / np.maximum(self._batches.held * length, 1)
            return torch.from_numpy(np.repeat(factors[self._batches.domain], length)[None]).to(losses)

        self._count(tokens, self._costs.step + self._costs.head)
        return self._stack.step_losses(tokens, shares_of)

    def _by_domain(self, tokens: Tensor) -> Tensor:
        """The gradient of every domain in a pass of its own; what the model steps on is their weighted sum."""
        import torch

        losses, rows = [], []
        for _, part in self._batches.parts():
            losses.append(self._stack.step_losses(tokens[:, part]))
            rows.append(torch.cat(self._stack.gradients))
        gradients, target = torch.stack(rows), None
        self._count(tokens, self._costs.step)
        if "target" in self._traits.needs:
            self._stack.step_losses(*self._target_batch(self._costs.step))
            target = torch.cat(self._stack.gradients)
        found = torch.cat(losses, dim=1)
        self._tell(tokens, found, self._products(gradients, target))
        factors = self._factors()[self._batches.held > 0]
        summed = torch.from_numpy(factors).to(gradients) @ gradients
        self._flops += 2.0 * gradients.numel()
        sizes = [len(own) for own in self._stack.gradients]
        for own, part_of_sum in zip(self._stack.gradients, torch.split(summed, sizes), strict=True):
            own.copy_(part_of_sum)
        return found

    def _tell(self, tokens: Tensor, losses: Tensor, products: Mapping[str, Array]) -> None:
        """Have the rule hear of the batch.

        Args:
            tokens: The batch.
            losses: ``1 x batch length`` losses of its tokens.
            products: Inner products of gradients, by their name in a signal.
        """
        held, excess = self._batches.held, None
        if self._reference is not None:
            excess = self._mean_by_domain(self._excess(tokens, losses))
        rate = rate_at(self._spec.optimization.settings(), len(self._course), self._steps)
        means = self._mean_by_domain(losses)
        self._state = self._rule.update(
            self._state, Signal(held / held.sum(), means, excess=excess, rate=rate, **products)
        )

    def _factors(self) -> Array:
        """``K`` factors of the mean losses of the domains in the batch."""
        held = self._batches.held
        return np.asarray(self._rule.loss_weights(self._state, held / held.sum()), dtype=float)

    def _excess(self, tokens: Tensor, losses: Tensor) -> Tensor:
        """``1 x batch length``: how far each token's loss lies above the reference's, zero where it lies below."""
        import torch

        assert self._reference is not None, "the rule compares"
        with torch.no_grad():
            theirs = self._reference.losses(tokens[0, :, :-1], tokens[0, :, 1:])
        self._count(tokens, self._costs.forward)
        return (losses - theirs.view(losses.shape)).clamp(min=0.0)

    def _mean_by_domain(self, by_token: Tensor) -> Array:
        """``K`` means over the tokens of each domain of the batch; NaN for those that it does not hold."""
        by_sequence = by_token.view(len(self._batches.domain), -1).double().mean(dim=1).cpu().numpy()
        found = np.full(len(self._batches.names), np.nan)
        for k, part in self._batches.parts():
            found[k] = by_sequence[part].mean()
        return found

    def _target_batch(self, flops: float) -> tuple[Tensor, Tensor]:
        """A sequence of every validation set of the target, and what their tokens' losses count for.

        Args:
            flops: What is done for each of the tokens.
        """
        import torch

        number, length = len(self._coefficients), self._spec.sequence_length
        tokens = self._target.draw(np.full(number, 1.0 / number), number)
        self._count(tokens, flops)
        shares = np.repeat(self._coefficients[self._target.domain] / length, length)
        return tokens, torch.from_numpy(shares[None]).to(self._stack.gradients[0])

    def _products_by_head(self, tokens: Tensor) -> dict[str, Array]:
        """Inner products of gradients by the output matrix alone, as far as the rule asks for them."""
        import torch

        if not {"gradients", "target"} & {*self._traits.needs}:
            return {}
        rows = [self._stack.head_gradient(tokens[:, part]).flatten().float() for _, part in self._batches.parts()]
        self._count(tokens, self._costs.head_gradient)
        target = None
        if "target" in self._traits.needs:
            target = self._stack.head_gradient(*self._target_batch(self._costs.head_gradient)).flatten().float()
        return self._products(torch.stack(rows), target)

    def _products(self, gradients: Tensor, target: Tensor | None) -> dict[str, Array]:
        """Inner products by their name in a signal; NaN for domains that the batch does not hold.

        Args:
            gradients: One row for each domain of the batch.
            target: That of the validation losses; None where the rule does not ask for it.
        """
        there = np.flatnonzero(self._batches.held)
        k = len(self._batches.names)
        found: dict[str, Array] = {}
        if "gradients" in self._traits.needs:
            found["gradients"] = np.full((k, k), np.nan)
            found["gradients"][np.ix_(there, there)] = (gradients @ gradients.mT).double().cpu().numpy()
            self._flops += 2.0 * gradients.numel() * len(there)
        if target is not None:
            found["target"] = np.full(k, np.nan)
            found["target"][there] = (gradients @ target).double().cpu().numpy()
            self._flops += 2.0 * gradients.numel()
        return found

    def _count(self, tokens: Tensor, flops: float) -> None:
        self._flops += flops * tokens.shape[1] * self._spec.sequence_length

    def plan(self) -> Plan:
        """What was read."""
        return self._batches.plan()

    def found(self) -> Found:
        """What the run has found so far."""
        names = self._batches.names
        mixture = dict(zip(names, map(float, self._rule.mixture(self._state)), strict=True))
        return Found(mixture, names, np.array(self._course), self._flops)


_NO_TEXT = "no text, to follow the gradient of its loss, of metric"


@dataclass(frozen=True)
class _Costs:
    """Floating-point operations for each token.

    Attributes:
        step: Forward and backward.
        forward: Forward alone.
        head: The logits alone.
        head_gradient: Forward, and backward as far as the output matrix.
    """

    step: float
    forward: float
    head: float
    head_gradient: float

    @classmethod
    def of(cls, spec: TrainingSpec, vocabulary: int) -> _Costs:
        step = float(spec.model.flops_per_token(vocabulary, spec.sequence_length))
        head = 2.0 * vocabulary * spec.model.shape().hidden
        return cls(step, step / 3.0, head, step / 3.0 + 2.0 * head)
