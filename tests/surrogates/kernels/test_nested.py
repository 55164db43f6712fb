"""Kernels over a tree: sums see nothing of what is inside, siblings share, and nothing else changes."""

from __future__ import annotations

import pytest
import torch

from bomix.contracts.covariance import KernelContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.kernels.logarithmic_specs import Logarithmic
from bomix.surrogates.kernels.nested import parents
from bomix.surrogates.kernels.nested_specs import Nodes, Siblings
from bomix.surrogates.kernels.specs import OwnDomain, Stationary

NAMES = ("code/a", "code/b", "web/h/x", "web/h/y", "web/l", "wiki")


@pytest.fixture(scope="module")
def context():
    sample = torch.as_tensor(MixtureSpace(NAMES).sobol(64, seed=0))
    return KernelContext(sample, torch.tensor([0, -1]), NAMES, ("code/a", "loss"))


def test_parents_are_the_first_parts_of_names():
    assert parents(NAMES, 1) == ("code", "code", "web", "web", "web", "wiki")
    assert parents(NAMES, 2)[2:] == ("web/h", "web/h", "web/l", "wiki")


def test_a_kernel_of_nodes_is_the_kernel_of_their_sums(context):
    made = Nodes(Stationary()).bind(context)
    sums = torch.tensor([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    plain = Stationary().bind(KernelContext(context.sample @ sums, torch.tensor([0, -1]), ("code", "web", "wiki")))
    assert made.prior.names == ("lengthscale[code]", "lengthscale[web]", "lengthscale[wiki]")
    X, theta = context.sample[None, None, :8], made.prior.start + 0.1
    assert torch.equal(made(theta, X), plain(theta, X @ sums))
    assert torch.equal(made.diagonal(theta, X), plain.diagonal(theta, X @ sums))
    moved = X + torch.tensor([0.01, -0.01, 0.02, 0.01, -0.03, 0.0], dtype=torch.float64)
    assert torch.allclose(made(theta, X), made(theta, moved), atol=1e-12)
    own = Nodes(OwnDomain()).bind(context)
    assert torch.allclose(own(own.prior.start, X), own(own.prior.start, moved), atol=1e-12)


def test_siblings_move_with_their_parent_and_by_themselves(context):
    base = Stationary().bind(context)
    made = Siblings(Stationary(), deviation=0.4).bind(context)
    assert made.prior.names == (*base.prior.names, "lengthscale[code/]", "lengthscale[web/]")
    X, theta = context.sample[None, None, :8], made.prior.start.clone()
    assert torch.equal(made(theta, X), base(base.prior.start, X))
    theta[:, 6] += 0.5  # the parent of the code
    theta[:, 2] -= 0.3  # web/h/x alone
    expected = base.prior.start + torch.tensor([0.5, 0.5, -0.3, 0.0, 0.0, 0.0])
    assert torch.allclose(made(theta, X), base(expected, X))
    assert torch.allclose(made.towards(theta, X[0])(X[0, :, :3]), base.towards(expected, X[0])(X[0, :, :3]))


def test_siblings_are_a_priori_as_uncertain_as_without_and_go_together(context):
    base, made = Stationary().bind(context).prior, Siblings(Stationary(), deviation=0.4).bind(context).prior
    assert torch.allclose(made.sd[:, :5].square(), torch.full((2, 5), 0.16, dtype=torch.float64))
    assert torch.allclose(made.sd[:, 5], base.sd[:, 5])  # wiki has no siblings
    whole = made.sd[:, :2].square() + made.sd[:, 6:7].square()
    assert torch.allclose(whole, base.sd[:, :2].square())
    assert torch.equal(made.mean[:, :6], base.mean)
    assert bool((made.mean[:, 6:] == 0.0).all())


def test_names_without_a_tree_leave_the_kernel_as_it_is():
    sample = torch.as_tensor(MixtureSpace(("a", "b")).sobol(16, seed=0))
    context = KernelContext(sample, torch.tensor([-1]), ("a", "b"), ("loss",))
    base, made = Logarithmic().bind(context), Siblings(Logarithmic()).bind(context)
    assert made.prior.names == base.prior.names
    assert torch.equal(made(made.prior.start, sample[None, None]), base(base.prior.start, sample[None, None]))


@pytest.mark.parametrize(
    ("kernel", "where"),
    [(Nodes(Stationary(), level=0), "level"), (Siblings(Stationary(), level=0), "level"),
     (Siblings(Stationary(), deviation=0.0), "deviation")],
)  # fmt: skip
def test_what_is_wrong_names_the_key(kernel, where):
    assert [fault.where for fault in kernel.faults()] == [where]
