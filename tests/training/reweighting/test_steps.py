"""Steps of a run that reweights: what a rule is told and what the model steps on, by transformers' own gradients."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from bomix.contracts.reweighter import ReweighterTraits
from bomix.contracts.traits import traits
from bomix.errors import EvaluationError
from bomix.training.data.tokens import Corpus, TokenSet
from bomix.training.data_order import plan
from bomix.training.loop import train, train_together
from bomix.training.model.decoder import Model
from bomix.training.model.stack import Stack
from bomix.training.optim import Optimization, rate_at
from bomix.training.reweighting.doge import DoGE
from bomix.training.reweighting.doremi import DoReMi
from bomix.training.reweighting.fastmix import FastMix
from bomix.training.reweighting.odm import ODM
from bomix.training.reweighting.steps import Guide, GuidedSteps
from bomix.training.run import Run, can_share
from bomix.training.spec import TrainingSpec

VOCABULARY, LENGTH, STEPS = 40, 12, 20
WEIGHTS = {"a": 0.5, "b": 0.25, "c": 0.25}
TARGET = {"b": 3.0, "c": 1.0}
SPEC = TrainingSpec(
    model=Model(hidden=32, layers=2, heads=2),
    optimization=Optimization(rate=1e-2, clip=0.0),
    sequence_length=LENGTH,
    batch_sequences=4,
    validation_sequences=16,
    device="cpu",
    dtype="fp32",
)
RULES = [DoReMi(), DoGE(), DoGE(target=True), ODM(), ODM(form="average"), FastMix(every=2)]
NEUTRAL = [DoReMi(eta=1e-12, smoothing=0.0), DoGE(mu=1e12, clip=1e12), ODM(), FastMix()]
"""Rules under which a first step is that of the batch as it is."""


@pytest.fixture(scope="module")
def corpus():
    def text(values, count, seed):
        return TokenSet(np.random.default_rng(seed).choice(values, count).astype(np.uint8), 1, 3 * count)

    values = {"a": np.arange(0, 20), "b": np.arange(10, 30), "c": np.arange(25, 40)}
    train_sets = {name: text(x, 900, at) for at, (name, x) in enumerate(values.items())}
    validation = {name: text(x, 400, 9 + at) for at, (name, x) in enumerate(values.items())}
    return Corpus(train_sets, validation, VOCABULARY, tokenizer_hash="", hashes={})


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A reference model, as a run leaves it."""
    folder = tmp_path_factory.mktemp("reference")
    SPEC.model.build(vocabulary=VOCABULARY, sequence_length=LENGTH, seed=77).save_pretrained(folder)
    return str(folder)


@dataclass(frozen=True)
class Heard:
    """A rule that keeps what it was told."""

    rule: object
    signals: list = field(default_factory=list)

    def __getattr__(self, name):
        return getattr(object.__getattribute__(self, "rule"), name)

    def update(self, state, signal):
        self.signals.append(signal)
        return self.rule.update(state, signal)


class Still:
    """An optimizer that leaves the model as it is, so that its gradients can be read."""

    def step(self):
        pass


def first_step(corpus, rule, *, weights=WEIGHTS, reference=None):
    """What a rule heard of a first step, its tokens, and the stack with the gradients that the model steps on."""
    stack = Stack(SPEC.model, vocabulary=VOCABULARY, sequence_length=LENGTH, seeds=[5])
    heard = Heard(rule)
    target = TARGET if "target" in traits(rule, ReweighterTraits).needs else {}
    guided = GuidedSteps(
        Guide(heard, target, reference),
        corpus,
        train=corpus.train,
        weights=weights,
        spec=SPEC,
        steps=STEPS,
        seed=3,
        stack=stack,
        optimizer=Still(),
    )
    tokens = guided.tokens(0)
    losses = guided(tokens)
    return heard.signals, tokens, stack, guided, losses


def theirs():
    """The same model in transformers' form."""
    return SPEC.model.build(vocabulary=VOCABULARY, sequence_length=LENGTH, seed=5)


def losses_of(model, rows):
    return functional.cross_entropy(model(input_ids=rows[:, :-1]).logits.mT, rows[:, 1:], reduction="none")


def gradient(loss, model):
    """Of all parameters, by name."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters, retain_graph=True), strict=True))


def by_domain(model, tokens, domains=(0, 0, 1, 2)):
    """Mean loss of each domain; a batch of four under these weights holds two sequences of the first."""
    losses = losses_of(model, tokens[0])
    return [losses[[k == at for k in domains]].mean() for at in range(3)]


def assert_gradients(stack, expected):
    found = stack.piece_gradients(0)
    for name, value in expected.items():
        scale = float(value.abs().max())
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5 * scale + 1e-8)


def products(rows, others):
    return np.array([[sum(float((x[n] * y[n]).sum()) for n in x) for y in others] for x in rows])


@pytest.mark.parametrize("rule", NEUTRAL)
@pytest.mark.parametrize("weights", [{"b": 1.0}, {"a": 0.0, "b": 1.0}, {"a": 0.25, "b": 0.25, "c": 0.5}])
def test_with_nothing_to_reweight_a_step_is_that_of_a_plain_run(corpus, kept, rule, weights):
    """One domain, or weights that are those of the batch: a sequence of each of two, and two of the third."""
    _, tokens, stack, guided, losses = first_step(corpus, rule, weights=weights, reference=kept)
    plain = Stack(SPEC.model, vocabulary=VOCABULARY, sequence_length=LENGTH, seeds=[5])
    expected = plain.step_losses(tokens)
    torch.testing.assert_close(losses, expected.mean(dim=1), rtol=1e-6, atol=0)
    for found, own in zip(stack.gradients, plain.gradients, strict=True):
        torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-6)
    if weights["b"] == 1.0:
        fixed = plan({"b": 1.0}, {"b": 74}, steps=1, batch=4, seed=3)
        np.testing.assert_array_equal(guided.plan().sequence, fixed.sequence)


def test_doremi_hears_the_excess_over_the_saved_reference_and_steps_on_its_weights(corpus, kept):
    from transformers import AutoModelForCausalLM

    rule = DoReMi()
    (signal,), tokens, stack, guided, _ = first_step(corpus, rule, reference=kept)
    model, reference = theirs(), AutoModelForCausalLM.from_pretrained(kept)
    with torch.no_grad():
        excess = (losses_of(model, tokens[0]) - losses_of(reference, tokens[0])).clamp(min=0.0).mean(dim=1).numpy()
    np.testing.assert_allclose(signal.excess, [excess[:2].mean(), excess[2], excess[3]], rtol=1e-4)
    assert (signal.excess > 0.0).all()
    means = by_domain(model, tokens)
    np.testing.assert_allclose(signal.losses, [x.item() for x in means], rtol=1e-5)
    state = rule.update(rule.init(np.array([0.5, 0.25, 0.25]), steps=STEPS), signal)
    factors = rule.loss_weights(state, signal.shares)
    assert_gradients(stack, gradient(sum(f * x for f, x in zip(factors, means, strict=True)), model))
    np.testing.assert_allclose(list(guided.found().mixture.values()), rule.mixture(state))


def test_doge_steps_on_the_sum_of_the_domains_gradients_as_it_weighs_them(corpus):
    rule = DoGE(clip=0.5, mu=1e-4)
    (signal,), tokens, stack, _, _ = first_step(corpus, rule)
    model = theirs()
    rows = [gradient(x, model) for x in by_domain(model, tokens)]
    np.testing.assert_allclose(signal.gradients, products(rows, rows), rtol=1e-3)
    assert signal.rate == rate_at(SPEC.optimization.settings(), 0, STEPS)
    state = rule.update(rule.init(np.array([0.5, 0.25, 0.25]), steps=STEPS), signal)
    factors = rule.loss_weights(state, signal.shares)
    assert not np.allclose(factors / factors.sum(), [0.5, 0.25, 0.25], atol=0.01)
    assert_gradients(stack, {n: sum(f * row[n] for f, row in zip(factors, rows, strict=True)) for n in rows[0]})


@pytest.mark.parametrize("rule", [DoGE(target=True), FastMix(every=1)])
def test_the_target_is_the_gradient_of_the_validation_losses(corpus, rule):
    (signal,), tokens, _, guided, _ = first_step(corpus, rule)
    model = theirs()
    read = guided._target.plan()
    rows = [corpus.validation[n].windows(read.sequence[0, at : at + 1], LENGTH) for at, n in enumerate("bc")]
    one, other = (losses_of(model, torch.from_numpy(row)).mean() for row in rows)
    whole = gradient(0.75 * one + 0.25 * other, model)
    own = [gradient(x, model) for x in by_domain(model, tokens)]
    if isinstance(rule, FastMix):
        whole, own = {"head": whole["lm_head.weight"]}, [{"head": x["lm_head.weight"]} for x in own]
    np.testing.assert_allclose(signal.target, products(own, [whole])[:, 0], rtol=2e-3, atol=1e-6)


def test_a_rule_is_told_only_as_often_as_it_asks(corpus):
    heard = Heard(FastMix(every=3))
    train(corpus, replace(run(heard), steps=8))
    assert len(heard.signals) == 2


def run(rule, reference=None, **changes):
    target = TARGET if "target" in traits(rule, ReweighterTraits).needs else {}
    spec = replace(SPEC, **changes)
    return Run(WEIGHTS, STEPS, init_seed=5, data_seed=3, spec=spec, guide=Guide(rule, target, reference))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_the_same_run_finds_the_same_mixture_to_the_last_bit(corpus, kept, rule, dtype):
    one, other = (train(corpus, run(rule, kept, dtype=dtype)) for _ in range(2))
    assert one.found.mixture == other.found.mixture
    np.testing.assert_array_equal(one.found.course, other.found.course)
    np.testing.assert_array_equal(one.training_losses, other.training_losses)
    assert one.evaluations == other.evaluations
    assert one.found.course.shape == (STEPS, 3)
    np.testing.assert_allclose(one.found.course.sum(axis=1), 1.0)
    assert set(one.found.mixture) == set(WEIGHTS)
    assert sum(one.plan.realized.values()) == pytest.approx(1.0)
    assert one.plan.domain.shape == (STEPS, 4)


def test_batches_follow_the_weights_of_odm(corpus):
    found = train(corpus, replace(run(ODM(form="average", warmup=0.0)), steps=60))
    drawn = np.array([np.bincount(row, minlength=3) for row in found.plan.domain]) / 4
    due = np.vstack([[0.5, 0.25, 0.25], found.found.course[:-1]])
    np.testing.assert_allclose(drawn.cumsum(axis=0), due.cumsum(axis=0), atol=0.5)


@pytest.mark.parametrize(("rule", "passes"), [(ODM(), 1.0), (DoReMi(), 4 / 3), (DoGE(target=True), 1.5)])
def test_the_cost_counts_what_is_computed_beside_the_step(corpus, kept, rule, passes):
    tokens = STEPS * SPEC.step_tokens
    plain = SPEC.model.flops_per_token(VOCABULARY, LENGTH)
    stack = Stack(SPEC.model, vocabulary=VOCABULARY, sequence_length=LENGTH, seeds=[0])
    parameters = sum(len(part) for part in stack.gradients)  # flat tensors end with some zeros
    more = 2 * VOCABULARY * 32 * tokens  # logits before the losses are weighed
    if isinstance(rule, DoGE):
        more = 2 * parameters * STEPS * 3 * (3 + 1 + 1)  # products of three domains, with the target, their sum
    assert train(corpus, run(rule, kept)).found.flops == pytest.approx(passes * plain * tokens + more)


@pytest.mark.parametrize("rule", RULES)
def test_a_run_that_diverges_stops_with_its_cure(corpus, kept, rule):
    wild = run(rule, kept, optimization=Optimization(rate=1e30, clip=0.0, warmup=0.0))
    with pytest.raises(EvaluationError, match=r"(nan|inf).*lower .*rate"):
        train(corpus, wild)


def test_what_is_missing_is_named(corpus, kept):
    with pytest.raises(EvaluationError, match="there is no folder"):
        train(corpus, run(DoReMi(), f"{kept}-gone"))
    with pytest.raises(EvaluationError, match="none is named"):
        train(corpus, run(DoReMi()))
    with pytest.raises(EvaluationError, match=r"no text, .* of metric 'law' \(known: a, b, c\)"):
        train(corpus, replace(run(FastMix()), guide=Guide(FastMix(), {"law": 1.0})))
    with pytest.raises(EvaluationError, match="no tokens of domain 'd'"):
        train(corpus, replace(run(ODM()), weights={"a": 0.5, "d": 0.5}))


def test_a_run_that_reweights_has_a_stack_of_its_own(corpus):
    guided = run(ODM())
    plain = replace(guided, guide=None)
    assert can_share(plain, replace(plain, init_seed=6))
    assert not can_share(guided, plain)
    assert not can_share(plain, guided)
    assert not can_share(guided, replace(guided, init_seed=6))
    with pytest.raises(EvaluationError, match="cannot be trained in one stack"):
        train_together(corpus, [guided, plain])
