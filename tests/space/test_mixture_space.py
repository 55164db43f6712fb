"""The space of mixtures: what it accepts, its uniform measure, its projection, its faces."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from bomix.errors import BomixError, FaultsError, SpaceError
from bomix.space import polytope
from bomix.space.mixture_space import MixtureSpace
from bomix.space.uniform import uniform_map


def space_of(lower, upper, at_least=None):
    """A space whose domains sort in the order of the arrays."""
    names = [f"d{j:03d}" for j in range(len(upper))]
    floor = None if at_least is None else dict(zip(names, at_least, strict=True))
    return MixtureSpace(names, dict(zip(names, lower, strict=True)), dict(zip(names, upper, strict=True)), floor)


@st.composite
def spaces(draw, max_dimension=12):
    """Feasible spaces, from a single point to the whole simplex."""
    d = draw(st.integers(1, max_dimension))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    inner = rng.dirichlet(np.full(d, draw(st.sampled_from([0.3, 1.0, 10.0]))))
    below, above = draw(st.sampled_from([0.0, 1e-9, 0.1, 1.0])), draw(st.sampled_from([0.0, 1e-9, 0.1, 1.0]))
    lower = inner * (1.0 - below * rng.random(d)) * (rng.random(d) < draw(st.sampled_from([0.0, 0.5, 1.0])))
    upper = np.minimum(inner + above * rng.random(d), 1.0)
    return space_of(lower, upper)


def awkward_spaces():
    """Spaces that starve rejection or lose digits: tight, lopsided, with fixed domains, up to 200 domains."""
    rng = np.random.default_rng(5)
    caps = rng.uniform(0.001, 0.05, 200)
    lopsided = np.append(rng.lognormal(-8.0, 3.0, 198).clip(0.0, 1.0), [1.0, 0.4])
    some_fixed = np.where(np.arange(50) % 3 == 0, 0.01, 0.0)
    yield "simplex", space_of(np.zeros(200), np.ones(200))
    for slack in (3.0, 2.0, 1.2, 1.0 + 1e-6, 1.0 + 1e-12, 1.0):
        yield f"caps sum to {slack}", space_of(np.zeros(200), caps / caps.sum() * slack)
    for slack in (0.3, 1.0 - 1e-6, 1.0 - 1e-12, 1.0):
        yield f"floors sum to {slack}", space_of(caps / caps.sum() * slack, np.ones(200))
    yield "lopsided", space_of(np.zeros(200), lopsided)
    yield "fixed", space_of(some_fixed, np.where(some_fixed > 0.0, 0.01, 0.1))
    yield "one", space_of([0.0], [1.0])
    yield "two", space_of([0.1, 0.0], [0.3, 1.0])
    yield "one free after tightening", space_of([0.0, 0.2, 0.0], [0.0, 0.2, 1.0])


def assert_inside(space, points, tolerance=1e-12):
    assert np.abs(points.sum(axis=-1) - 1.0).max(initial=0.0) <= tolerance
    assert (points >= space.lower_array - tolerance).all()
    assert (points <= space.upper_array + tolerance).all()


def gibbs(space, chains, sweeps, rng):
    """Independent sampler of the uniform measure: resample a pair of coordinates given all others."""
    low, high, d = space.lower_array, space.upper_array, space.dimension
    points = np.tile(space.uniform(), (chains, 1))
    for _ in range(sweeps * d):
        i, j = rng.choice(d, 2, replace=False)
        both = points[:, i] + points[:, j]
        least, most = np.maximum(low[i], both - high[j]), np.minimum(high[i], both - low[j])
        points[:, i] = least + (most - least) * rng.random(chains)
        points[:, j] = both - points[:, i]
    return points


class TestConstruction:
    def test_the_order_in_which_domains_are_given_does_not_matter(self):
        lower, upper, floor = {"web": 0.1}, {"code": 0.5, "web": 0.7}, {"books": 0.05}
        orders = list(itertools.permutations(["web", "code", "books"]))
        same = {MixtureSpace(order, lower, upper, floor) for order in orders}
        assert len(same) == 1
        space = same.pop()
        assert space.domains == ("books", "code", "web")
        assert space.lower == (0.0, 0.0, 0.1)
        assert space.upper == (1.0, 0.5, 0.7)
        assert space.at_least == (0.05, 0.0, 0.0)
        assert pickle.loads(pickle.dumps(space)) == space

    def test_token_caps_are_epochs_times_tokens_over_budget(self):
        available = {"web": 1e7, "code": 2e6, "books": 1e5}
        space = MixtureSpace.from_tokens(available, budget=1e7, max_epochs=4, upper={"code": 0.3})
        assert space.to_weights(space.upper_array) == pytest.approx({"web": 1.0, "code": 0.3, "books": 0.04})

    def test_all_faults_are_reported_at_once_with_place_and_cure(self):
        with pytest.raises(FaultsError) as caught:
            MixtureSpace(["books", "code", "web"], {"boks": 0.1, "web": -1.0}, {"code": float("nan"), "web": 50.0})
        assert {fault.where for fault in caught.value.faults} == {
            "domains.boks.lower",
            "domains.web.lower",
            "domains.code.upper",
            "domains.web.upper",
        }
        assert "did you mean 'books'" in str(caught.value)

    @pytest.mark.parametrize("domains", [[], "abc", ["a", "a"], ["a", ""], ["a", 3], None])
    def test_domains_must_be_unique_names(self, domains):
        with pytest.raises(FaultsError, match="domain"):
            MixtureSpace(domains)

    def test_infeasible_bounds_say_what_they_sum_to(self):
        with pytest.raises(FaultsError, match=r"lower bounds sum to 1\.1, above 1 \(b 0\.7, a 0\.4\)"):
            MixtureSpace(["a", "b"], {"a": 0.4, "b": 0.7})
        with pytest.raises(FaultsError, match=r"upper bounds sum to 0\.9, below 1 .*raise max_epochs"):
            MixtureSpace(["a", "b"], None, {"a": 0.4, "b": 0.5})
        with pytest.raises(
            FaultsError, match=r"domains\.a\.upper: domain 'a': upper bound 0\.1 is below lower bound 0\.2"
        ):
            MixtureSpace(["a", "b"], {"a": 0.2}, {"a": 0.1})

    def test_the_cure_for_scarce_tokens_cures(self):
        available = {"web": 7e5, "code": 5e5}
        with pytest.raises(FaultsError, match=r"max_epochs to 8\.34 or lower the token budget to 4,800,000"):
            MixtureSpace.from_tokens(available, budget=1e7)
        MixtureSpace.from_tokens(available, budget=1e7, max_epochs=8.34)
        MixtureSpace.from_tokens(available, budget=4_800_000)

    def test_a_floor_above_a_token_cap_names_the_tokens(self):
        with pytest.raises(
            FaultsError, match=r"token cap 0\.004 \(4 epochs of 10,000 tokens in a budget of 10,000,000\)"
        ):
            MixtureSpace.from_tokens({"web": 1e7, "books": 1e4}, budget=1e7, lower={"books": 0.1})

    def test_bad_counts_are_faults(self):
        with pytest.raises(FaultsError) as caught:
            MixtureSpace.from_tokens({"web": -1.0, "code": float("nan")}, budget=0.0, max_epochs=float("nan"))
        assert [fault.where for fault in caught.value.faults] == ["budget", "max_epochs", "domains.web", "domains.code"]

    def test_zero_or_at_least_that_leaves_no_mixture_is_refused(self):
        both = {"a": 0.6, "b": 0.6}
        MixtureSpace(["a", "b"], at_least=both)
        with pytest.raises(FaultsError, match="no choice of zeros"):
            MixtureSpace(["a", "b"], upper={"a": 0.9, "b": 0.9}, at_least=both)
        with pytest.raises(FaultsError, match="forbids the zero"):
            MixtureSpace(["a", "b"], lower={"a": 0.1}, at_least=both)

    def test_rounding_in_bounds_is_forgiven(self):
        tenths = space_of([0.1] * 10, [0.1] * 10)
        thirds = space_of([0.0] * 3, [0.3333333333] * 3)
        for space in (tenths, thirds):
            assert_inside(space, space.sample(3, np.random.default_rng(0)), 1e-15)

    def test_importing_takes_neither_scipy_nor_torch(self):
        code = (
            "import sys, bomix.space.mixture_space, bomix.objectives.weighted; "
            "print([m for m in ('scipy', 'torch') if m in sys.modules])"
        )
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert out.stdout.strip() == "[]"


class TestUniformMeasure:
    @pytest.mark.parametrize(
        ("name", "space"), [*awkward_spaces()], ids=lambda value: value if isinstance(value, str) else ""
    )
    def test_samples_are_inside_however_tight(self, name, space):
        assert_inside(space, space.sample(32, np.random.default_rng(1)))
        assert_inside(space, space.sobol(32, seed=1))

    @given(spaces(), st.integers(0, 100))
    @settings(max_examples=60, deadline=None)
    def test_samples_are_inside_any_space(self, space, seed):
        assert_inside(space, space.sobol(9, seed=seed, skip=seed))
        assert_inside(space, space.sample(9, np.random.default_rng(seed)))
        corners = np.random.default_rng(seed).integers(0, 2, (9, uniform_map(space.lower, space.upper).inputs))
        assert_inside(space, uniform_map(space.lower, space.upper)(corners * (1.0 - 2.0**-53)))

    @pytest.mark.parametrize("d", [2, 5, 60])
    def test_without_caps_the_moments_are_those_of_the_flat_dirichlet(self, d):
        points = space_of(np.zeros(d), np.ones(d)).sobol(4096, seed=0)
        flat = stats.dirichlet(np.ones(d))
        assert points.mean(axis=0) == pytest.approx(flat.mean(), rel=0.02)
        assert points.var(axis=0) == pytest.approx(flat.var(), rel=0.15)

    @pytest.mark.parametrize("caps", [(0.6, 0.7, 0.5), (0.9, 0.35, 0.6, 0.2), (1.0, 1.0, 0.01)])
    def test_agrees_with_rejection_sampling(self, caps):
        rng = np.random.default_rng(2)
        simplex = rng.dirichlet(np.ones(len(caps)), 2_000_000 if min(caps) < 0.1 else 200_000)
        expected = simplex[(simplex <= caps).all(axis=1)]
        points = space_of(np.zeros(len(caps)), caps).sample(30_000, rng)
        for j in range(len(caps)):
            assert stats.ks_2samp(points[:, j], expected[:, j]).pvalue > 1e-4

    @pytest.mark.parametrize("slack", [1.05, 1.6, 2.0, 4.0])
    def test_agrees_with_gibbs_sampling_in_twenty_domains(self, slack):
        rng = np.random.default_rng(3)
        caps = rng.uniform(0.01, 0.2, 20)
        caps *= slack / caps.sum()
        space = space_of(0.1 * caps, np.minimum(caps, 1.0))
        points, expected = space.sample(8000, rng), gibbs(space, 8000, 60, rng)
        for j in range(20):
            assert stats.ks_2samp(points[:, j], expected[:, j]).pvalue > 1e-4
        assert stats.ks_2samp((points**2).sum(axis=1), (expected**2).sum(axis=1)).pvalue > 1e-4

    @pytest.mark.parametrize("slack", [1.3, 2.0, 6.0])
    def test_equal_bounds_have_equal_marginals_in_two_hundred_domains(self, slack):
        points = space_of(np.zeros(200), np.full(200, slack / 200)).sample(10_000, np.random.default_rng(4))
        pooled = points.ravel()
        for j in (0, 1, 100, 198, 199):
            assert stats.ks_2samp(points[:, j], pooled).pvalue > 1e-4

    def test_lower_and_upper_bounds_mirror_each_other(self):
        caps = np.array([0.5, 0.3, 0.25, 0.15])
        mirrored = 2.0 * caps / caps.sum() - caps  # w -> corner - w maps one polytope onto the other
        corner = 2.0 * caps / caps.sum()
        one = space_of(np.zeros(4), caps).sample(20_000, np.random.default_rng(0))
        other = corner - space_of(np.maximum(mirrored, 0.0), corner).sample(20_000, np.random.default_rng(1))
        for j in range(4):
            assert stats.ks_2samp(one[:, j], other[:, j]).pvalue > 1e-4

    def test_sobol_is_one_sequence_read_at_any_place(self):
        space = space_of(np.zeros(7), np.full(7, 0.3))
        whole = space.sobol(24, seed=5)
        for skip, n in ((0, 1), (1, 1), (3, 5), (8, 16)):
            assert np.array_equal(space.sobol(n, seed=5, skip=skip), whole[skip : skip + n])
        assert not np.array_equal(space.sobol(24, seed=6), whole)
        assert space.sobol(0, seed=5).shape == (0, 7)

    def test_sobol_covers_more_evenly_than_chance(self):
        space = space_of(np.zeros(4), np.full(4, 0.4))
        truth = space.sample(200_000, np.random.default_rng(0)).mean(axis=0)
        sobol = [np.abs(space.sobol(64, seed=s).mean(axis=0) - truth).max() for s in range(10)]
        chance = [np.abs(space.sample(64, np.random.default_rng(s)).mean(axis=0) - truth).max() for s in range(10)]
        assert np.mean(sobol) < 0.25 * np.mean(chance)

    def test_every_corner_region_is_covered(self):
        space = space_of(np.zeros(3), np.array([0.5, 0.7, 0.8]))
        points = space.sobol(4096, seed=0)
        for target in itertools.permutations([0, 1, 2], 2):
            corner = np.zeros(3)
            corner[target[0]] = space.upper[target[0]]
            corner[target[1]] = 1.0 - corner[target[0]]
            assert np.abs(points - corner).max(axis=1).min() < 0.05


class TestProjection:
    @given(spaces(), st.integers(0, 2**32 - 1), st.sampled_from([0.01, 1.0, 100.0]))
    @settings(max_examples=100, deadline=None)
    def test_is_the_root_of_the_dual(self, space, seed, scale):
        points = scale * np.random.default_rng(seed).normal(size=(3, space.dimension))
        found = space.project(points)
        assert_inside(space, found)
        for point, weights in zip(points, found, strict=True):

            def excess(shift, point=point):
                return np.clip(point - shift, space.lower_array, space.upper_array).sum() - 1.0

            ends = point.min() - 1.5, point.max() + 0.5
            if excess(ends[0]) <= 0.0 or excess(ends[1]) >= 0.0:
                continue  # the polytope is a single point
            shift = optimize.brentq(excess, *ends, xtol=1e-14)
            expected = np.clip(point - shift, space.lower_array, space.upper_array)
            assert weights == pytest.approx(expected, abs=1e-10)

    @pytest.mark.parametrize("seed", range(5))
    def test_agrees_with_a_quadratic_program(self, seed):
        rng = np.random.default_rng(seed)
        inner = rng.dirichlet(np.ones(6))
        space = space_of(0.5 * inner, np.minimum(1.5 * inner + 0.05, 1.0))
        point = rng.normal(0.2, 0.3, 6)
        solved = optimize.minimize(
            lambda w: 0.5 * ((w - point) ** 2).sum(),
            space.uniform(),
            jac=lambda w: w - point,
            bounds=space.bounds.T,
            constraints=[{"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": lambda w: np.ones(6)}],
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 500},
        )
        assert space.project(point) == pytest.approx(solved.x, abs=1e-7)

    @given(spaces(), st.integers(0, 2**32 - 1))
    @settings(max_examples=50, deadline=None)
    def test_points_inside_stay_and_a_common_shift_changes_nothing(self, space, seed):
        rng = np.random.default_rng(seed)
        inside = space.sample(4, rng)
        assert space.project(inside) == pytest.approx(inside, abs=1e-14)
        points = rng.normal(size=(4, space.dimension))
        assert space.project(points + 7.0) == pytest.approx(space.project(points), abs=1e-12)

    @given(spaces(), st.integers(0, 2**32 - 1))
    @settings(max_examples=50, deadline=None)
    def test_points_from_afar_land_inside(self, space, seed):
        points = 1e6 * np.random.default_rng(seed).normal(size=(3, space.dimension))
        assert_inside(space, space.project(points))

    def test_batches_have_any_shape(self):
        space = space_of(np.zeros(200), np.full(200, 0.01))
        points = np.random.default_rng(0).normal(size=(2, 3, 200))
        found = space.project(points)
        assert found.shape == points.shape
        assert np.array_equal(found[1, 2], space.project(points[1, 2]))
        assert space.project(points[:0]).shape == (0, 3, 200)

    @given(spaces(), st.randoms(use_true_random=False))
    @settings(max_examples=50, deadline=None)
    def test_permuting_the_domains_permutes_the_result(self, space, random):
        order = list(range(space.dimension))
        random.shuffle(order)
        other = space_of(space.lower_array[order], space.upper_array[order])
        points = np.random.default_rng(len(order)).normal(0.2, 0.3, size=(5, space.dimension))
        assert other.project(points[:, order]) == pytest.approx(space.project(points)[:, order], abs=1e-13)
        assert other.snap(points[:, order]) == pytest.approx(space.snap(points)[:, order], abs=1e-13)

    def test_uniform_and_natural(self):
        space = MixtureSpace(["web", "code", "books"], upper={"web": 0.5})
        assert space.to_weights(space.uniform()) == pytest.approx({"books": 1 / 3, "code": 1 / 3, "web": 1 / 3})
        natural = space.natural({"web": 80.0, "code": 15.0, "books": 5.0})
        assert space.to_weights(natural) == pytest.approx({"web": 0.5, "code": 0.3, "books": 0.2})
        free = MixtureSpace(["web", "code", "books"])
        natural = free.natural({"web": 80.0, "code": 15.0, "books": 5.0})
        assert free.to_weights(natural) == pytest.approx({"web": 0.8, "code": 0.15, "books": 0.05})
        with pytest.raises(SpaceError, match="'books' has -5 tokens"):
            free.natural({"web": 80.0, "code": 15.0, "books": -5.0})


class TestSnap:
    def test_negligible_weights_become_zero_unless_a_bound_holds_them(self):
        space = MixtureSpace(["a", "b", "c"], {"c": 1e-5})
        snapped = space.snap([0.6, 0.4 - 5e-5, 5e-5])
        assert_inside(space, snapped)
        assert snapped[2] == 5e-5
        free = MixtureSpace(["a", "b", "c"])
        assert free.snap([0.6, 0.4 - 5e-5, 5e-5])[2] == 0.0
        assert free.snap([0.6, 0.4 - 5e-5, 5e-5], threshold=1e-6)[2] == 5e-5

    def test_zero_or_at_least_goes_to_the_nearer(self):
        space = MixtureSpace(["a", "b", "c"], at_least={"a": 0.1, "b": 0.1})
        snapped = space.snap([[0.04, 0.06, 0.9], [0.3, 0.06, 0.64], [0.2, 0.2, 0.6]])
        assert snapped == pytest.approx(np.array([[0.0, 0.1, 0.9], [0.28, 0.1, 0.62], [0.2, 0.2, 0.6]]), abs=1e-12)
        assert snapped[0, 0] == 0.0

    @pytest.mark.parametrize(("d", "least", "used"), [(20, 0.15, 6), (50, 0.05, 20), (14, 0.5, 2)])
    def test_many_weights_that_are_all_too_small_are_not_one_domain(self, d, least, used):
        names = [f"d{i}" for i in range(d)]
        space = MixtureSpace(names, at_least=dict.fromkeys(names, least))
        snapped = space.snap(space.uniform())
        assert np.sort(snapped)[-used:] == pytest.approx(np.full(used, 1.0 / used))
        assert (snapped > 0.0).sum() == used

    def test_one_large_least_does_not_keep_smaller_ones_out(self):
        least = [0.47, 0.333, 0.391, 0.18, 0.587, 0.4]
        space = space_of(np.zeros(6), np.ones(6), np.array(least))
        snapped = space.snap([0.191, 0.195, 0.113, 0.092, 0.239, 0.17])
        assert_inside(space, snapped)
        assert (snapped > 0.0).sum() == 3

    def test_what_wants_more_than_there_is_keeps_the_largest(self):
        least = [0.469, 0.592, 0.369, 0.142]
        space = space_of(np.zeros(4), np.ones(4), np.array(least))
        snapped = space.snap([0.377, 0.411, 0.157, 0.055])
        assert_inside(space, snapped)
        assert (snapped > 0.0).sum() > 1

    def test_what_is_too_small_goes_to_the_largest_of_it(self):
        names = list("abcdef")
        space = MixtureSpace(names, at_least=dict.fromkeys(names, 0.12))
        point = np.array([0.75, 0.048, 0.055, 0.05, 0.052, 0.045])
        nearest = [0.76, 0.0, 0.12, 0.0, 0.12, 0.0]
        assert space.snap(point) == pytest.approx(np.array(nearest), abs=1e-12)

    @given(st.integers(0, 2**32 - 1))
    @settings(max_examples=60, deadline=None)
    def test_of_equal_leasts_the_largest_are_raised_as_many_as_is_nearest(self, seed):
        rng = np.random.default_rng(seed)
        d, least = int(rng.integers(2, 8)), float(rng.uniform(0.05, 0.6))
        space = space_of(np.zeros(d), np.ones(d), np.full(d, least))
        for point in rng.dirichlet(np.full(d, rng.choice([0.7, 5.0])), 4):
            snapped, largest = space.snap(point, threshold=0.0), np.argsort(-point)
            kept = 0 if (point >= 0.5 * least).sum() * least > 1.0 else max(1, int((point >= 0.5 * least).sum()))
            faces = [np.isin(np.arange(d), largest[:k]) for k in range(max(1, kept), int(1.0 / least) + 1) if k <= d]
            nearest = min(np.linalg.norm(polytope.project(point, on * least, 1.0 * on) - point) for on in faces)
            assert np.linalg.norm(snapped - point) == pytest.approx(nearest, abs=1e-9)

    @given(st.integers(0, 2**32 - 1))
    @settings(max_examples=60, deadline=None)
    def test_is_no_further_than_the_choice_wished_for(self, seed):
        rng = np.random.default_rng(seed)
        d = int(rng.integers(2, 6))
        upper, floor = rng.uniform(0.2, 1.0, d), rng.uniform(0.0, 0.6, d) * (rng.random(d) < 0.7)
        floor = np.minimum(floor, upper)
        choices = [np.array(c) for c in itertools.product([False, True], repeat=d)]
        possible = [c for c in choices if floor[c].sum() <= 1.0 <= upper[c].sum()]
        if not possible:
            with pytest.raises(FaultsError):
                space_of(np.zeros(d), upper, floor)
            return
        space = space_of(np.zeros(d), upper, floor)
        for point in rng.dirichlet(np.full(d, 0.7), 4):
            snapped = space.snap(point)
            assert_inside(space, snapped)
            on = snapped > 0.0
            assert (snapped[on] >= floor[on] - 1e-12).all()
            wished = point >= np.maximum(1e-4, 0.5 * floor)
            if any((c == wished).all() for c in possible):
                kept = polytope.project(point, wished * floor, wished * upper)
                assert np.linalg.norm(snapped - point) <= np.linalg.norm(kept - point) + 1e-9

    @pytest.mark.parametrize("seed", range(4))
    def test_a_face_that_fits_only_just_is_found(self, seed):
        rng = np.random.default_rng(seed)
        inner = rng.dirichlet(np.full(40, 0.3))  # many caps far below a solver's tolerance
        space = space_of(np.zeros(40), np.minimum(inner + 1e-12, 1.0))
        snapped = space.snap(rng.normal(size=(4, 40)), threshold=0.1)
        assert_inside(space, snapped)
        assert snapped == pytest.approx(np.tile(inner, (4, 1)), abs=1e-9)

    def test_two_hundred_domains_that_are_zero_or_at_least(self):
        rng = np.random.default_rng(0)
        upper = rng.uniform(0.03, 0.2, 200)
        space = space_of(np.zeros(200), upper, np.full(200, 0.03))
        snapped = space.snap(space.sobol(8, seed=0))
        assert_inside(space, snapped)
        assert snapped[snapped > 0.0].min() >= 0.03 - 1e-12

    @given(spaces(), st.integers(0, 2**32 - 1))
    @settings(max_examples=60, deadline=None)
    def test_result_is_inside_and_stays_when_snapped_again(self, space, seed):
        points = np.random.default_rng(seed).normal(0.1, 0.3, size=(5, space.dimension))
        once = space.snap(points)
        assert_inside(space, once)
        assert space.snap(once) == pytest.approx(once, abs=1e-12)
        assert np.array_equal(once, space.snap(points))


class TestLabels:
    space = MixtureSpace(["books", "code", "web"], {"books": 0.1}, {"web": 0.5})

    def test_arrays_and_mappings_are_joined_by_name(self):
        mixtures = [{"web": 0.5, "code": 0.3, "books": 0.2}, {"code": 0.6, "books": 0.4, "web": 0.0}]
        array = self.space.to_arrays(mixtures)
        assert array.tolist() == [[0.2, 0.3, 0.5], [0.4, 0.6, 0.0]]
        assert [self.space.to_weights(row) for row in array] == mixtures
        assert list(self.space.to_weights(array[0])) == ["books", "code", "web"]
        assert self.space.to_arrays([]).shape == (0, 3)

    @pytest.mark.parametrize(
        ("weights", "where", "what"),
        [
            ({"books": 0.5, "code": 0.5}, "weights.web", "missing"),
            ({"books": 0.5, "code": 0.5, "web": 0.0, "wbe": 0.0}, "weights.wbe", "did you mean 'web'"),
            ({"books": 0.6, "code": 0.5, "web": -0.1}, "weights.web", "not negative"),
            ({"books": 0.5, "code": float("nan"), "web": 0.5}, "weights.code", "not a finite number"),
            ({"books": 0.5, "code": "many", "web": 0.5}, "weights.code", "not a finite number"),
            ({"books": 0.05, "code": 0.5, "web": 0.45}, "weights.books", "below its lower bound 0.1"),
            ({"books": 0.2, "code": 0.2, "web": 0.6}, "weights.web", "above its upper bound 0.5"),
            ({"books": 0.2, "code": 0.2, "web": 0.2}, "weights", "sum to 0.6"),
        ],
    )
    def test_a_fault_names_its_domain(self, weights, where, what):
        faults = self.space.faults_of(weights)
        assert [fault.where for fault in faults] == [where]
        assert what in faults[0].what
        with pytest.raises(FaultsError, match=what):
            self.space.check(weights)

    def test_points_of_the_space_pass(self):
        for row in self.space.sobol(16, seed=0):
            self.space.check(self.space.to_weights(row), tolerance=1e-12)
        self.space.check({"books": 0.2, "code": 0.3 + 5e-7, "web": 0.5})

    @pytest.mark.parametrize("points", [[0.5, 0.5], 0.3, [[0.2, float("nan"), 0.3]]])
    def test_wrong_points_are_refused(self, points):
        with pytest.raises(BomixError, match=r"columns|'code'"):
            self.space.project(points)

    def test_bounds_are_rows_of_an_array(self):
        assert np.array_equal(self.space.bounds, [[0.1, 0.0, 0.0], [1.0, 1.0, 0.5]])

    def test_a_part_keeps_what_is_not_stated_anew(self):
        part = self.space.within(upper=[0.6, 0.6, 0.4])
        assert part.upper == (0.6, 0.6, 0.4)
        assert (part.lower, part.negligible, part.constraints) == (self.space.lower, self.space.negligible, ())
