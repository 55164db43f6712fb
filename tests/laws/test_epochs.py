from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from bomix.contracts.context import FitContext
from bomix.laws.convexity import is_convex
from bomix.laws.epochs import CONVEX, EPOCHS, LOG, START, EpochsLaw, Harm, benefit, benefit_slopes, epochs
from bomix.laws.fit import FittedLaw, fit, fit_rows, law_of
from bomix.laws.law import own_domains
from bomix.space.mixture_space import MixtureSpace
from bomix.space.phased import PhasedSpace

DOMAINS = ("books", "code", "maths", "web")
PASSES = {"books": 10.0, "code": 3.0, "maths": 40.0, "web": 0.5}
SPACE = MixtureSpace(DOMAINS)
UNSEEN = torch.as_tensor(SPACE.sobol(200, seed=99))
PLANTED = {
    "floor": torch.tensor([2.0, 1.0], dtype=torch.float64),
    "c": torch.tensor([0.5, 0.8], dtype=torch.float64),
    "alpha": torch.tensor([[0.8, 0.2, 0.1, 0.3], [0.0, 0.9, 0.2, 0.2]], dtype=torch.float64),
    "beta": torch.tensor([[0.0, 0.1, 0.15, 0.0], [0.2, 0.0, 0.1, 0.0]], dtype=torch.float64),
    "rho": torch.tensor([0.8, 0.5], dtype=torch.float64),
    "kappa": torch.tensor([0.8, 0.7], dtype=torch.float64),
    "tau": torch.tensor([1.6, 1.4], dtype=torch.float64),
}


def context(metrics: tuple[str, ...] = ("a", "b"), passes: dict[str, float] | None = None) -> FitContext:
    return FitContext(SPACE, metrics, passes=PASSES if passes is None else passes)


def truth(weights: Tensor, harm: Harm = CONVEX) -> Tensor:
    return epochs(weights * torch.tensor(list(PASSES.values()), dtype=torch.float64), PLANTED, harm=harm)


def drawn(n: int, *, noise: float = 0.0, harm: Harm = CONVEX, seed: int = 1) -> tuple[Tensor, Tensor]:
    X = torch.as_tensor(SPACE.sobol(n, seed=seed))
    Y = truth(X, harm)
    generator = torch.Generator().manual_seed(seed)
    return X, Y + noise * Y.std(dim=0) * torch.randn(Y.shape, generator=generator, dtype=torch.float64)


def test_benefit_and_harm_agree_with_numpy() -> None:
    E = np.array([0.0, 0.01, 0.5, 1.0, 4.0, 64.0])
    rho, kappa, tau = 0.7, 0.6, 1.5
    one = torch.as_tensor(E), torch.tensor(rho).double(), torch.tensor(kappa).double()
    np.testing.assert_allclose(benefit(*one), 1.0 - np.exp(-((rho * E) ** kappa)), atol=2.0 * START**kappa)
    assert benefit(*one)[0] == 0.0
    threshold = torch.tensor(tau).double()
    beyond = (E - (np.exp(tau) - 1.0)) / np.exp(tau)
    np.testing.assert_allclose(CONVEX.value(one[0], threshold), np.logaddexp(0.0, beyond))
    np.testing.assert_allclose(LOG.value(one[0], threshold), np.logaddexp(0.0, np.log1p(E) - tau) ** 2)


@pytest.mark.parametrize("harm", [CONVEX, LOG])
def test_slopes_agree_with_automatic_differentiation(harm: Harm) -> None:
    E = torch.tensor([0.0, 0.3, 2.0, 30.0], dtype=torch.float64)
    rho, kappa, tau = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.7, 0.6, 1.5))
    value, in_rho, in_kappa = benefit_slopes(E, rho, kappa)
    torch.testing.assert_close(value, benefit(E, rho, kappa))
    by_torch = torch.autograd.functional.jacobian(lambda r, k: benefit(E, r, k), (rho, kappa))
    torch.testing.assert_close(in_rho, rho * by_torch[0])
    torch.testing.assert_close(in_kappa, by_torch[1])
    height, in_tau = harm.slopes(E, tau)
    torch.testing.assert_close(height, harm.value(E, tau))
    torch.testing.assert_close(in_tau, torch.autograd.functional.jacobian(lambda t: harm.value(E, t), tau))


@pytest.mark.parametrize(("form", "harm"), [("epochs", CONVEX), ("log_epochs", LOG)])
def test_values_of_a_planted_law_are_recovered_and_nothing_is_negative(form: str, harm: Harm) -> None:
    X, Y = drawn(120, harm=harm)
    found = fit(form, X, Y, context=context(), seed=0)
    miss = ((found(UNSEEN) - truth(UNSEEN, harm)) / Y.std(dim=0)).square().mean(dim=0).sqrt()
    assert miss.max() < 0.01
    natural = found.parameters(4)
    for name in ("alpha", "beta", "rho", "kappa", "tau"):
        assert (natural[name] >= 0.0).all()
    # Of a metric without noise, the larger benefits are known apart.
    largest = natural["alpha"].argmax(dim=-1).tolist()
    assert largest == PLANTED["alpha"].argmax(dim=-1).tolist()
    assert (found.origin + found.unit * natural["floor"] < Y.amin(dim=0)).all()


def test_shares_stand_in_for_epochs_where_tokens_are_unknown_and_are_said_to(caplog: pytest.LogCaptureFixture) -> None:
    X, Y = drawn(40, noise=0.02)
    of_shares = fit("epochs", X, Y, context=context(passes={}), seed=0, starts=2)
    once = [line for line in caplog.messages if "shares instead of epochs" in line]
    fit("epochs", X, Y, context=context(passes={}), seed=0, starts=2)
    assert [line for line in caplog.messages if "shares instead of epochs" in line] == once
    of_ones = fit("epochs", X, Y, context=context(passes=dict.fromkeys(DOMAINS, 1.0)), seed=0, starts=2)
    assert torch.equal(of_shares(UNSEEN), of_ones(UNSEEN))
    assert law_of("epochs", context(passes={"books": 2.0})) is EPOCHS
    space = PhasedSpace((("pretrain", 0.8), ("anneal", 0.2)), MixtureSpace(DOMAINS), {})
    assert law_of("epochs", FitContext(space, ("a",))) is EPOCHS
    assert "there is one for each phase, so it counts shares" in caplog.text  # tokens may be known here
    assert law_of("effective_power", context()) is law_of("effective_power", context(passes={}))


def test_permuting_the_domains_with_their_passes_changes_nothing() -> None:
    X, Y = drawn(40, noise=0.02)
    order = [2, 0, 3, 1]
    own = own_domains(DOMAINS, ("a", "b"))
    passes = list(PASSES.values())
    first = fit_rows(EPOCHS.bound(passes), X, Y, own, seed=0, starts=2).best
    second = fit_rows(EPOCHS.bound([passes[index] for index in order]), X[:, order], Y, own, seed=0, starts=2).best
    torch.testing.assert_close(second(UNSEEN[:, order]), first(UNSEEN), atol=1e-3, rtol=0.0)


def test_a_law_remembers_its_passes_in_a_pickle() -> None:
    law = EPOCHS.bound([1.0, 2.0])
    again = pickle.loads(pickle.dumps(law))
    assert isinstance(again, EpochsLaw)
    assert (again.name, again.passes) == ("epochs", (1.0, 2.0))


def test_the_law_is_convex_and_its_square_of_a_logarithm_is_not_called_so() -> None:
    X, Y = drawn(60, noise=0.05)
    convex = fit("epochs", X, Y, context=context(), seed=0, starts=2)
    assert is_convex(convex, [1.0, 0.5], 4)
    assert not is_convex(convex, [1.0, -0.5], 4)
    assert not is_convex(fit("log_epochs", X, Y, context=context(), seed=0, starts=2), [1.0, 0.5], 4)
    ends = torch.as_tensor(np.random.default_rng(0).dirichlet(np.full(4, 0.5), size=(2, 500)))
    value = convex(torch.cat([ends, ends.mean(dim=0, keepdim=True)]))
    assert (value[2] <= value[:2].mean(dim=0) + 1e-12).all()


def test_an_accuracy_is_the_law_of_its_negative() -> None:
    X, Y = drawn(80, noise=0.01)
    found = fit("epochs", X, 1.0 - 0.2 * Y, context=context(), seed=0)
    assert (found.unit < 0).all()
    error = (found(UNSEEN) - 1.0 + 0.2 * truth(UNSEEN)) / (0.2 * Y.std(dim=0))
    assert error.square().mean(dim=0).sqrt().max() < 0.1


def test_a_floor_may_lie_above_some_runs_which_then_count_as_noise() -> None:
    X, Y = drawn(60, noise=0.02)
    Y[7] = Y.amin(dim=0) - 3.0 * Y.std(dim=0)
    found = fit("epochs", X, Y, context=context(), seed=0)
    natural = found.parameters(4)
    assert (found.origin + found.unit * natural["floor"]).isfinite().all()
    miss = ((found(UNSEEN) - truth(UNSEEN)) / truth(UNSEEN).std(dim=0)).square().mean(dim=0).sqrt()
    assert miss.max() < 0.25


def test_fewer_runs_than_domains_give_a_law_about_their_mean() -> None:
    X, Y = drawn(3, noise=0.02)
    found = fit("epochs", X, Y, context=context(), seed=0)
    values = found(UNSEEN)
    assert values.isfinite().all()
    assert (values.mean(dim=0) - Y.mean(dim=0)).abs().max() < 5.0 * Y.std(dim=0).max()


def test_where_a_harm_is_planted_the_law_turns_up_again_at_many_passes() -> None:
    X, Y = drawn(120)
    found: FittedLaw = fit("epochs", X, Y, context=context(), seed=0)
    line = torch.linspace(0.0, 1.0, 50, dtype=torch.float64)
    more_maths = torch.stack([(1.0 - line) / 3.0] * 2 + [line, (1.0 - line) / 3.0], dim=-1)
    best = found(more_maths)[:, 0].argmin()
    assert 0 < best < 49
    assert best == pytest.approx(int(truth(more_maths)[:, 0].argmin()), abs=2)


def test_units_of_what_is_never_repeated_do_not_matter_to_the_prior() -> None:
    # Ten times as much text of every domain, where none repeats: the same beliefs about every mixture.
    own = own_domains(DOMAINS, ("a",))
    some, more = EPOCHS.bound([0.1, 0.2, 0.1, 0.4]), EPOCHS.bound([0.01, 0.02, 0.01, 0.04])
    values = [law(UNSEEN, law.unflat(law.prior(4, own)[0], 4), own) for law in (some, more)]
    torch.testing.assert_close(*values, atol=0.1, rtol=0.0)
    assert replace(some, passes=more.passes) == more
