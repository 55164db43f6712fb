from __future__ import annotations

import pytest
import torch

from bomix.surrogates.models.hyperparameter import Hyperparameter
from bomix.surrogates.models.joint import JointModel
from bomix.surrogates.models.wrappers import FantasizingWrapper, Wrapper


class Plain(JointModel):
    """Three independent metrics, their means the weights, of variance one."""

    @property
    def num_outputs(self):
        return 3

    @property
    def batch_shape(self):
        return torch.Size()

    def moments(self, X, noise=False):
        size = X.shape[-2] * 3
        return X[..., :3], torch.eye(size, dtype=X.dtype).expand(*X.shape[:-2], size, size)

    def named_hyperparameters(self, metrics):
        return [Hyperparameter(metric, "variance", 1.0, 1.0) for metric in metrics]

    def condition_on_observations(self, X, Y, **options):
        return (X, Y, options)


class Around(FantasizingWrapper, JointModel):
    def __init__(self, model):
        super().__init__()
        self.model = model


@pytest.fixture
def wrapped():
    return Around(Plain())


def test_what_a_wrapper_does_not_change_is_its_models(wrapped):
    X = torch.rand(4, 2, 3, dtype=torch.float64)
    assert wrapped.num_outputs == 3
    assert wrapped.batch_shape == torch.Size()
    assert torch.equal(wrapped.mean(X), X)
    for got, expected in zip(wrapped.moments(X), wrapped.model.moments(X), strict=True):
        assert torch.equal(got, expected)
    assert torch.equal(wrapped.posterior(X).mean, X)
    assert [row.metric for row in wrapped.named_hyperparameters(["a", "b", "c"])] == ["a", "b", "c"]


def test_more_data_goes_to_the_model(wrapped):
    X, Y = torch.rand(1, 3), torch.rand(1, 3)
    assert wrapped.condition_on_observations(X, Y, noise=None) == (X, Y, {"noise": None})


def test_some_metrics_of_a_model_keep_their_order_and_names(wrapped):
    X = torch.rand(2, 3, dtype=torch.float64)
    some = wrapped.subset_output([2, 0])
    assert isinstance(some, Wrapper)
    assert some.num_outputs == 2
    assert torch.equal(some.mean(X), X[:, [2, 0]])
    assert {row.metric for row in some.named_hyperparameters(["c", "a"])} == {"a", "c"}
