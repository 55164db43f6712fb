"""What runs of an earlier study are once its domains have changed."""

from __future__ import annotations

import math

import pytest

from bomix.errors import FaultsError
from bomix.io.imports.carried import CARRIED, Carried, carried, changed_domains, kept_share, other_text
from bomix.io.imports.domain_changes import Carriage, DomainChanges, carriage, next_generation, parsed_changes
from bomix.trial import IMPORTED, Record, Result, Trial

OLD = ("code", "forum", "news", "web", "wiki")
TOKENS = {"news": 1.0, "forum": 3.0}


def record(weights: dict[str, float], **info: object) -> Record:
    return Record(Trial(0, weights, 0, IMPORTED if info else "sobol"), Result({"loss": 3.0}, info=info))


RUN = record({"code": 0.1, "forum": 0.2, "news": 0.2, "web": 0.4, "wiki": 0.1})


def plan(changes: DomainChanges, new: tuple[str, ...], **tokens: float) -> Carriage:
    return carriage(changes, OLD, new, old_tokens=TOKENS, new_tokens=tokens)


def test_an_added_domain_has_weight_zero_and_the_run_is_exact() -> None:
    found = plan(DomainChanges(), (*OLD, "books"))
    assert found.added == found.changed == ("books",)
    assert found.exact(RUN)
    assert found.of(RUN, generation=1) == (dict(RUN.trial.weights), Carried(("books",)))


def test_a_split_domain_has_the_shares_that_are_stated_else_those_of_tokens() -> None:
    new = ("code", "forum", "news", "web/high", "web/low", "wiki")
    for text, tokens in (
        ("web=web/high:0.25,web/low:0.75", {}),
        ("web=web/high,web/low", {"web/high": 1.0, "web/low": 3.0}),
    ):
        found = plan(parsed_changes([text]), new, **tokens)
        weights, beside = found.of(RUN, generation=1) or ({}, Carried())
        assert (weights["web/high"], weights["web/low"]) == pytest.approx((0.1, 0.3))
        assert beside.changed == ("web/high", "web/low")
        assert not beside.other


def test_weights_of_united_domains_add_and_what_one_exceeds_its_share_by_is_told() -> None:
    found = plan(parsed_changes(["news=talk", "forum=talk"]), ("code", "talk", "web", "wiki"))
    weights, beside = found.of(RUN, generation=1) or ({}, Carried())
    assert weights["talk"] == pytest.approx(0.4)
    assert found.unions["talk"] == {"forum": 0.75, "news": 0.25}
    assert beside.other == pytest.approx({"news (in talk, 1)": 0.2 - 0.25 * 0.4})
    assert found.changed == ()  # old runs have it in all proportions
    usual = record({"code": 0.2, "forum": 0.3, "news": 0.1, "web": 0.4, "wiki": 0.0})
    assert found.exact(usual)


def test_a_union_of_unknown_tokens_has_no_column() -> None:
    changes = parsed_changes(["news=talk", "forum=talk"])
    found = carriage(changes, OLD, ("code", "talk", "web", "wiki"), old_tokens={}, new_tokens={})
    assert found.unions == {"talk": {}}
    assert found.exact(RUN)


def test_of_a_dropped_domain_the_rest_is_the_mixture_and_its_share_is_told() -> None:
    found = plan(DomainChanges(dropped=("web",)), ("code", "forum", "news", "wiki"))
    weights, beside = found.of(RUN, generation=1) or ({}, Carried())
    assert math.fsum(weights.values()) == pytest.approx(1.0)
    assert weights["wiki"] == pytest.approx(0.1 / 0.6)
    assert beside.lost == beside.other["web (dropped, 1)"] == pytest.approx(0.4)
    assert (
        found.of(record({**dict.fromkeys(OLD, 0.0), "web": 0.99, "code": 0.01}), generation=1) is None
    )  # next to nothing is left
    without = record({**dict.fromkeys(OLD, 0.0), "code": 0.9995, "web": 0.0005})
    assert found.exact(without)


def test_a_refiltered_domain_keeps_its_weight_and_says_that_it_was_another_cut() -> None:
    found = plan(DomainChanges(refiltered=("code",)), OLD)
    weights, beside = found.of(RUN, generation=1) or ({}, Carried())
    assert weights == dict(RUN.trial.weights)
    assert beside.other == pytest.approx({"code (before 1)": 0.1})
    assert beside.changed == ("code",)


def test_what_was_carried_over_before_goes_on_by_its_own_name() -> None:
    first = plan(DomainChanges(dropped=("web",), refiltered=("code",)), ("code", "forum", "news", "wiki"))
    weights, beside = first.of(RUN, generation=1) or ({}, Carried())
    again = record(weights, **{CARRIED: beside.to_data()})
    assert carried(again) == beside
    assert kept_share(again) == pytest.approx(0.6)
    second = carriage(DomainChanges(refiltered=("code",)), tuple(weights), tuple(weights), old_tokens={}, new_tokens={})
    _, found = second.of(again, generation=2) or ({}, Carried())
    assert found.other == pytest.approx({"code (before 1)": 0.1, "code (before 2)": 0.1, "web (dropped, 1)": 0.4})
    assert (found.lost, found.generation, found.changed) == (pytest.approx(0.4), 2, ("code",))
    assert other_text([again, record({"code": 1.0})]) == ((pytest.approx(0.1), pytest.approx(0.4)), (0.0, 0.0))
    assert changed_domains([again]) == ("code",)
    assert (next_generation([RUN]), next_generation([RUN, again])) == (1, 2)


@pytest.mark.parametrize(
    ("maps", "options", "place", "what"),
    [
        ((), {}, "domains.wiki", "--map wiki=NEW, or --drop wiki"),
        (("wkii=web",), {"dropped": ("wiki",)}, "--map wkii", "did you mean 'wiki'"),
        (("wiki=webb",), {}, "--map wiki", "the new study has no domain 'webb'; did you mean 'web'"),
        (("wiki=web:0.5,code:0.4",), {}, "--map wiki", "must sum to 1"),
        (("wiki=web,code",), {}, "--map wiki", "shares must be said: --map wiki=web:0.5,code:0.5"),
        ((), {"dropped": ("wiki", "web")}, "--drop web", "the new study has it"),
        ((), {"dropped": ("wiki", "x")}, "--drop x", "no domain 'x'"),
        (("wiki=web",), {"dropped": ("wiki",)}, "--drop wiki", "keep one"),
        ((), {"dropped": ("wiki",), "added": ("web",)}, "--add web", "part of it"),
        ((), {"dropped": ("wiki",), "added": ("x",)}, "--add x", "the new study has no domain 'x'"),
        ((), {"dropped": ("wiki",), "refiltered": ("books",)}, "--refilter books", "it is a new one"),
    ],
)
def test_what_is_wrong_names_the_option_and_the_cure(
    maps: tuple[str, ...], options: dict[str, tuple[str, ...]], place: str, what: str
) -> None:
    with pytest.raises(FaultsError) as raised:
        plan(parsed_changes(maps, **options), ("books", "code", "forum", "news", "web"))
    assert [fault for fault in raised.value.faults if fault.where == place and what in fault.what], raised.value


@pytest.mark.parametrize("text", ["web", "=web", "web=", "web=a:0.5,b", "web=a,"])
def test_a_map_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(FaultsError, match="--map"):
        parsed_changes([text])
    with pytest.raises(FaultsError, match="'a' stands twice"):
        parsed_changes(["a=b", "a=c"])
