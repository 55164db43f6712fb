from __future__ import annotations

import logging

import numpy as np
import pytest

from bomix.config.build import build, plain
from bomix.errors import FaultsError
from bomix.history import History
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.baselines.published import MIXTURES, Published

PILE = ("pile", "doremi", "odm", "pile_cc", "regmix")


def problem_of(*domains: str, **bounds: object) -> Problem:
    return Problem(MixtureSpace(domains, **bounds), (Metric("loss"),), Mean())


def proposed(strategy, problem):
    (candidate,) = strategy.ask(problem, History(), 1, seed=0)
    return candidate.weights


@pytest.mark.parametrize("name", MIXTURES)
def test_a_published_mixture_is_one_and_names_its_source(name, caplog):
    mixture = MIXTURES[name]
    assert min(mixture.weights.values()) >= 0.0
    # As printed, online data mixing's column keeps the weights of 22 domains.
    assert abs(sum(mixture.weights.values()) - (0.6969 if name == "odm" else 1.0)) < 2.5e-3
    assert "[" in mixture.source
    problem = problem_of(*mixture.weights)
    total = sum(mixture.weights.values())
    with caplog.at_level(logging.WARNING):
        weights = proposed(Published(name), problem)
    assert not caplog.records
    for domain, weight in mixture.weights.items():
        assert weights[domain] == pytest.approx(weight / total, abs=1e-12)


def test_the_pile_has_seventeen_domains_in_each_of_its_mixtures():
    assert {tuple(MIXTURES[name].weights) for name in PILE} == {tuple(MIXTURES["pile"].weights)}
    assert len(MIXTURES["pile"].weights) == 17


def test_dolma_on_five_domains_is_the_first_papers_baseline():
    pairs = {"Common Crawl": "CC", "The Stack": "Stack", "Project Gutenberg": "Books"}
    problem = problem_of("Books", "CC", "Stack", "PeS2o", "Reddit")
    weights = proposed(Published("dolma", pairs), problem)
    printed = {"Books": 0.002, "CC": 0.800, "Stack": 0.144, "PeS2o": 0.0245, "Reddit": 0.0312}
    for domain, share in printed.items():
        assert weights[domain] == pytest.approx(share, abs=2e-3)


def test_names_match_whatever_their_case_spaces_and_punctuation():
    problem = problem_of("pile_cc", "wikipedia_en", "GUTENBERG-PG-19", "stackexchange")
    weights = proposed(Published("doremi"), problem)
    total = 0.743 + 0.086 + 0.009 + 0.019
    assert weights["pile_cc"] == pytest.approx(0.743 / total)
    assert weights["GUTENBERG-PG-19"] == pytest.approx(0.009 / total)


def test_several_published_domains_may_go_to_one_of_the_study():
    problem = problem_of("web", "books")
    weights = proposed(Published("llama", {"CommonCrawl": "web", "c4": "web"}), problem)
    assert weights == pytest.approx({"web": 0.82 / 0.865, "books": 0.045 / 0.865})


def test_what_is_missing_on_either_side_is_said_once(caplog):
    problem = problem_of("pile_cc", "arxiv", "tweets")
    with caplog.at_level(logging.WARNING):
        candidates = Published("regmix").ask(problem, History(), 1, seed=0)
        absent, new = (record.message for record in caplog.records)
        assert "PubMed Central" in absent
        assert "Github" not in absent  # it has no weight there either
        assert "the other 87.3% are scaled to one" in absent
        assert "says nothing of tweets" in new
        caplog.clear()
        Published("regmix").ask(problem, History().with_pending(candidates), 1, seed=0)
        assert not caplog.records
    assert candidates[0].origin == "regmix"
    assert candidates[0].weights["tweets"] == 0.0


def test_bounds_hold(caplog):
    problem = problem_of("pile_cc", "arxiv", upper={"pile_cc": 0.6})
    assert proposed(Published("pile_cc"), problem) == pytest.approx({"pile_cc": 0.6, "arxiv": 0.4})


def test_nothing_in_common_is_refused():
    with pytest.raises(FaultsError, match=r"no domain of the study \(code, web\) has a weight in 'bo_dolma'"):
        proposed(Published("bo_dolma"), problem_of("web", "code"))
    with pytest.raises(FaultsError, match="has a weight in 'pile_cc'"):
        proposed(Published("pile_cc"), problem_of("arxiv", "github"))


def test_what_is_unknown_or_ambiguous_is_a_fault():
    assert [fault.where for fault in Published("doremy").faults()] == ["name"]
    assert "'doremi'" in Published("doremy").faults()[0].what
    assert [fault.where for fault in Published("llama", {"Reddit": "web"}).faults()] == ["map.Reddit"]
    problem = problem_of("git_hub", "GitHub", "arxiv")
    assert [fault.where for fault in Published("llama").problem_faults(problem)] == ["map"]
    assert not Published("llama", {"Github": "GitHub"}).problem_faults(problem)
    assert [f.where for f in Published("llama", {"C4": "web"}).problem_faults(problem_of("arxiv"))] == ["map.C4"]
    with pytest.raises(FaultsError, match="doremi"):
        proposed(Published("doremy"), problem)


def test_a_study_file_can_say_it():
    spec, faults = build(Published, {"name": "llama", "map": {"C4": "web"}})
    assert not faults
    assert build(Published, plain(spec)) == (spec, [])
    np.testing.assert_equal(spec.map, {"C4": "web"})
