"""What every mean owes to the processes, regressions and strategies that use it."""

from __future__ import annotations

import atexit
import copy
import dataclasses
import functools
import pickle
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.contracts.mean import MeanTraits
from bomix.contracts.traits import traits
from bomix.io.artifacts import scored_tokens
from bomix.io.artifacts.scored_tokens import ScoredTokens
from bomix.space.mixture_space import MixtureSpace
from bomix.testing.base import SpecBattery
from bomix.training.model.decoder import Model
from bomix.trial import SCORED_TOKENS

if TYPE_CHECKING:
    from bomix.contracts.mean import Feature

DOMAINS, METRICS = ("books", "code", "web"), ("quiz", "text")
D, M, TOKENS, SEQUENCE, VOCABULARY = 3, 2, 160, 8, 20
ORDER = (2, 0, 1)
"""After the permutation, column ``k`` is what column ``ORDER[k]`` was."""
X_NEW = torch.as_tensor(np.random.default_rng(5).dirichlet(np.ones(D), 6))
"""``6 x d`` mixtures that no run has."""


class Setting(NamedTuple):
    """Domains in some order, their experts, and ``n`` runs."""

    data: SupervisedDataset
    context: FitContext


@functools.cache
def expert_artifacts() -> dict[int, dict[str, str]]:
    """What the experts of the domains left behind: what they say of tokens, and their models; by trial."""
    root = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    rng = np.random.default_rng(0)
    starts = np.arange(0, TOKENS + 1, SEQUENCE)
    ids, first = rng.integers(0, VOCABULARY, TOKENS), rng.integers(0, VOCABULARY, len(starts) - 1)
    found = {}
    for trial in range(D):
        folder = root / f"expert{trial}"
        folder.mkdir()
        model = Model(hidden=8, layers=1, heads=1, intermediate=16)
        built = model.build(vocabulary=VOCABULARY, sequence_length=SEQUENCE, seed=trial).eval()
        with torch.no_grad():  # fresh blocks add nothing
            for parameter in built.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(trial)))
            inputs = np.column_stack([first, ids.reshape(-1, SEQUENCE)[:, :-1]])
            says = built(input_ids=torch.as_tensor(inputs)).logits.log_softmax(dim=-1)
        kept = says.gather(-1, torch.as_tensor(ids.reshape(-1, SEQUENCE, 1))).flatten().numpy().astype(np.float32)
        tokens = ScoredTokens(kept, starts, scored_tokens.hash_of_tokens(ids, starts), ids=ids, first=first)
        built.save_pretrained(folder / "model")
        scored_tokens.write(folder / "scored", dict.fromkeys(METRICS, tokens), tokenizer="t")
        found[trial] = {"model": str(folder / "model"), SCORED_TOKENS: str(folder / "scored")}
    return found


def setting(*, n: int = 8, order: tuple[int, ...] = (0, 1, 2)) -> Setting:
    """``n`` runs of a known function, the domains in another order."""
    rng = np.random.default_rng(3)
    X = torch.as_tensor(rng.dirichlet(np.ones(D), 12)[:n])
    Y = torch.stack([1.0 / (1.0 + torch.exp(-X[:, 1])), 2.0 + torch.exp(-2.0 * X[:, 2])], dim=-1)
    # A space sorts its domains: their experts change places, and so do the columns.
    data = SupervisedDataset(X[:, list(order)], Y, feature_names=list(DOMAINS), outcome_names=list(METRICS))
    experts = dict(zip(DOMAINS, order, strict=True))
    context = FitContext(MixtureSpace(DOMAINS), METRICS, artifacts=expert_artifacts(), experts=experts)
    return Setting(data, context)


def expert_loss(trial: int) -> float:
    """The loss of an expert on either validation set; nats per token."""
    return scored_tokens.read(Path(expert_artifacts()[trial][SCORED_TOKENS])).sets["text"].loss


class MeanBattery(SpecBattery):
    """Tests of a mean: :class:`bomix.contracts.mean.Mean`, ``feature(data, *, context, seed) -> Feature``.

    A mean is a prediction of the losses that a Gaussian process corrects. Three lines test one of your own::

        class TestMine(MeanBattery):
            spec = MyMean()

    What is tested, and why:

    * Its prediction has the shape of the weights, is finite with no runs or one, and has gradients exactly where it
      says so: a process adds to it whatever there is.
    * Predictions of the training runs unseen are there or None; a process weighs the mean by them.
    * Derivatives in parameters, where a mean has any, go with these in shape and are finite, have gradients where
      predictions do, and survive pickling: a process finds the parameters by them.
    * The order of the domains does not matter, nor does it change what it is given.
    * The same seed gives the same bits, also after pickling, since benchmarks and resumed studies compare bits.
    * A vertex has the loss of the domain's expert, for a mean that reads experts.
    * A negative ``slope`` is a fault; the spec is a frozen dataclass that a study file can say.

    Attributes:
        spec: The mean.
        near: How far another order of the domains may carry a prediction, in the unit of the metric. Searches end
            where rounding leads them.
        of_experts: Positions among two metrics, an accuracy ``quiz`` and a loss ``text``, of which a vertex has the
            loss of its expert. None: both for a mean that declares ``needs_experts``, otherwise none.
    """

    group = "mean"
    near: ClassVar[float] = 1e-6
    of_experts: ClassVar[tuple[int, ...] | None] = None

    @pytest.fixture(autouse=True)
    def _fresh_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BOMIX_CACHE", str(tmp_path / "cache"))

    def feature_of(self, where: Setting, *, seed: int = 0) -> Feature:
        """The feature of a setting."""
        found: Feature = self.spec.feature(where.data, context=where.context, seed=seed)
        return found

    def test_a_negative_slope_is_a_fault(self) -> None:
        """The slope is the standard deviation of a prior."""
        assert self.spec.slope >= 0.0
        found = traits(dataclasses.replace(self.spec, slope=-1.0), MeanTraits).faults()
        assert [fault.where for fault in found] == ["slope"]

    def test_shapes_are_those_of_the_weights(self) -> None:
        """The search calls it on batches of mixtures, the process on all runs at once."""
        feature = self.feature_of(setting())
        values = feature.predict(X_NEW)
        assert values.shape == (6, M)
        assert values.isfinite().all()
        torch.testing.assert_close(feature.predict(X_NEW.reshape(2, 3, D)), values.reshape(2, 3, M))
        if feature.held_out is not None:
            assert feature.held_out.shape == (8, M)
            assert feature.held_out.isfinite().all()

    def test_a_vertex_has_the_loss_of_its_expert(self) -> None:
        """An expert is a run of its domain alone, so its loss is known; a mean without experts has no such vertex."""
        needs = traits(self.spec, MeanTraits).needs_experts
        metrics = self.of_experts if self.of_experts is not None else (0, 1) if needs else ()
        assert bool(metrics) == needs
        values = self.feature_of(setting()).predict(torch.eye(D, dtype=torch.float64))
        expected = torch.tensor([expert_loss(trial) for trial in range(D)], dtype=torch.float64)
        for metric in metrics:
            torch.testing.assert_close(values[:, metric], expected, atol=1e-3, rtol=0.0)

    def test_the_order_of_the_domains_does_not_matter(self) -> None:
        """Domains have names and no order."""
        here, there = (self.feature_of(setting(order=order)) for order in ((0, 1, 2), ORDER))
        values = there.predict(X_NEW[:, list(ORDER)])
        torch.testing.assert_close(values, here.predict(X_NEW), atol=self.near, rtol=0.0)

    @pytest.mark.parametrize("n", [0, 8])
    def test_derivatives_go_with_the_parameters(self, n: int) -> None:
        """A process takes a mean for linear in its parameters; None where it takes the mean as it is."""
        parameters = self.feature_of(setting(n=n)).parameters
        if parameters is None:
            return
        assert parameters.found.shape[0] == M
        assert parameters.found.isfinite().all()
        X = X_NEW.reshape(2, 3, D).clone().requires_grad_()
        slopes = parameters.slopes(X)
        assert slopes.shape == (2, 3, *parameters.found.shape)
        assert slopes.isfinite().all()
        assert slopes.requires_grad == traits(self.spec, MeanTraits).differentiable
        assert torch.equal(pickle.loads(pickle.dumps(parameters)).slopes(X), slopes)

    @pytest.mark.parametrize("n", [0, 1])
    def test_few_runs_are_enough(self, n: int) -> None:
        """A study begins without a run."""
        feature = self.feature_of(setting(n=n))
        assert feature.predict(X_NEW).isfinite().all()
        if feature.held_out is not None:
            assert feature.held_out.shape == (n, M)
            assert feature.held_out.isfinite().all()

    def test_the_same_twice_and_after_pickling(self) -> None:
        """A resumed study proposes what it would have proposed; models travel between processes."""
        where = setting()
        copies = (pickle.loads(pickle.dumps(self.spec)) for _ in range(2))
        first, second = (spec.feature(where.data, context=where.context, seed=0) for spec in copies)
        values = first.predict(X_NEW)
        assert torch.equal(second.predict(X_NEW), values)
        assert (first.held_out is None) == (second.held_out is None)
        assert first.held_out is None or torch.equal(first.held_out, second.held_out)
        assert torch.equal(pickle.loads(pickle.dumps(first.predict))(X_NEW), values)

    def test_it_has_gradients_where_it_says_so_and_only_there(self) -> None:
        """The search follows them; where a mean has none it must say so, or the search stands still."""
        differentiable = traits(self.spec, MeanTraits).differentiable
        predict = self.feature_of(setting()).predict
        X = X_NEW[:2].clone().requires_grad_()
        assert predict(X).requires_grad == differentiable
        if differentiable:
            assert torch.autograd.gradcheck(predict, X, eps=1e-5, atol=1e-4)

    def test_what_it_is_given_stays_as_it_is(self) -> None:
        """The same data and context go on to others."""
        where = setting()
        before = copy.deepcopy(where)
        self.feature_of(where).predict(X_NEW)
        assert torch.equal(where.data.X, before.data.X)
        assert torch.equal(where.data.Y, before.data.Y)
        assert where.context.artifacts == before.context.artifacts
        assert where.context.experts == before.context.experts
        assert (where.context.domains, where.context.metrics) == (before.context.domains, before.context.metrics)
