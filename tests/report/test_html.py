"""The page, read as text and opened in a real browser."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bomix
from bomix.report import limits, prose, sliders, tables
from bomix.report.figures import answer, checks, effects, runs, search, style
from bomix.report.figures.catalogue import CATALOGUE, drawable
from bomix.report.findings import Findings
from bomix.report.html import page
from bomix.report.sentences import at_the_end, stand_ins
from bomix.study.reporting import findings
from tests.report.conftest import EVIL

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRAWN = "document.querySelectorAll('.plot[data-drawn]').length"
SHARES = "[...document.querySelectorAll('.sliders output')].map((o) => parseFloat(o.textContent))"
MINUS = "\N{MINUS SIGN}"
INTERVALS = "[...document.querySelectorAll('tr[data-output] td:nth-child(3)')].map((c) => c.textContent)"
PREDICTED = "[...document.querySelectorAll('tr[data-output] td:nth-child(2)')].map((c) => c.textContent)"


@pytest.fixture(scope="module")
def content(found: Findings) -> str:
    return page(found)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def opened(browser: Any, path: Path, **options: Any) -> tuple[Any, list[str]]:
    """The page in a tab of its own, and what went wrong or was asked of the network there."""
    tab = browser.new_page(**{"viewport": {"width": 1100, "height": 800}, **options})
    tab.set_default_timeout(120_000)  # ms: a loaded machine takes its time, and what is right comes all the same
    wrong: list[str] = []
    tab.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("request", lambda request: wrong.append(request.url) if request.url != path.as_uri() else None)
    tab.goto(path.as_uri())
    return tab, wrong


def scrolled(tab: Any) -> int:
    """Scroll to the end; how many figures are drawn then."""
    for place in range(0, 12000, 500):
        tab.evaluate(f"window.scrollTo(0, {place})")
        tab.wait_for_timeout(30)
    tab.wait_for_function(f"{DRAWN} === document.querySelectorAll('.plot').length", timeout=20000)
    return int(tab.evaluate(DRAWN))


@pytest.fixture
def file(content: str, tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(content, encoding="utf-8")
    return path


def test_the_page_holds_everything_and_nothing_that_users_named_is_markup(found: Findings, content: str) -> None:
    assert len(content.encode()) < 8e6
    outside = re.sub(r"<script>.*?</script>\n<script>.*?</script>\n</body>", "", content, flags=re.S)
    assert not re.search(r"(src|href)=\"(?!#|data:)", outside)
    assert EVIL not in outside
    assert html.escape(EVIL) in outside
    assert "<b>books" not in outside
    assert "out of &lt;memory&gt;" in outside
    for entry in drawable(found):
        assert f'id="plot-{entry.name}"' in outside
    assert {entry.name for entry in CATALOGUE} - {entry.name for entry in drawable(found)} == {"front"}
    assert page(found) == content


def test_the_page_in_a_browser_draws_all_moves_numbers_and_asks_for_nothing(browser: Any, file: Path) -> None:
    tab, wrong = opened(browser, file)
    assert scrolled(tab) == len(CATALOGUE) - 1
    assert tab.title() == "study: data mixture"
    before, shares = tab.evaluate(PREDICTED), tab.evaluate(SHARES)
    assert sum(shares) == pytest.approx(100.0, abs=0.2)
    tab.evaluate("document.getElementById('what-if').scrollIntoView()")
    tab.locator("#w1").focus()
    for _ in range(8):
        tab.keyboard.press("ArrowRight")
    after, moved = tab.evaluate(PREDICTED), tab.evaluate(SHARES)
    assert all(first != second for first, second in zip(before, after, strict=True))
    assert moved != shares
    assert sum(moved) == pytest.approx(100.0, abs=0.2)
    tab.get_by_role("button", name="recommended").click()
    assert tab.evaluate(PREDICTED) == before
    tab.locator("#plot-weights").scroll_into_view_if_needed()
    tab.locator("#plot-weights .bars path").first.hover(force=True)
    tab.wait_for_selector("#plot-weights .hovertext", timeout=5000)
    tab.select_option("select[data-variant-of=slices]", "2")
    tab.select_option("select[data-corner='0']", "0")
    tab.wait_for_timeout(300)
    assert wrong == []
    tab.close()


def test_the_script_of_the_page_computes_what_python_does(browser: Any, file: Path, found: Findings) -> None:
    assert found.model is not None
    assert found.model.what_if is not None
    tab, wrong = opened(browser, file)
    points = found.weights[:4]
    mean, sd, change_sd = found.model.what_if.at(points)
    for row, point in enumerate(points):
        told = tab.evaluate("(weights) => window.bomixPredict(weights)", point.tolist())
        assert [each["mean"] for each in told] == pytest.approx(mean[row].tolist(), abs=1e-6)
        error = found.model.what_if.error
        half = style_z() * (sd[row] ** 2 + error**2) ** 0.5
        assert [each["half"] for each in told] == pytest.approx(half.tolist(), rel=1e-2)
        half = style_z() * (change_sd[row] ** 2 + error**2) ** 0.5
        assert [each["changeHalf"] for each in told] == pytest.approx(half.tolist(), rel=1e-2)
    assert wrong == []
    tab.close()


def test_at_the_buttons_the_sliders_show_what_the_tables_show(browser: Any, file: Path, found: Findings) -> None:
    """The compressed form is off by its error there too, and would call open what the table above calls a loss."""
    assert found.model is not None
    tab, wrong = opened(browser, file)
    said = found.model.mixtures
    for row, name in enumerate(found.mixtures):
        tab.get_by_role("button", name=name, exact=True).click()
        for column, (text, shown) in enumerate(zip(tab.evaluate(PREDICTED), tab.evaluate(INTERVALS), strict=True)):
            assert float(text.replace(MINUS, "-")) == pytest.approx(said.mean[row, column], abs=6e-4)
            low, high = (float(end.replace(MINUS, "-")) for end in shown.split(" to "))
            assert high - low <= 2.0 * style_z() * said.sd[row, column] + 2e-3
    assert wrong == []
    tab.close()


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1100), ("light", 360)])
def test_dark_and_small_screens(browser: Any, file: Path, scheme: str, width: int) -> None:
    tab, wrong = opened(browser, file, color_scheme=scheme, viewport={"width": width, "height": 700})
    scrolled(tab)
    paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(20, 23, 26)" if scheme == "dark" else "rgb(255, 255, 255)")
    drawn = tab.evaluate("document.querySelector('#plot-history .main-svg').style.background")
    assert drawn.replace(" ", "") == paper.replace(" ", "")
    assert tab.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    tab.evaluate("window.scrollTo(0, 0); document.activeElement.blur()")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(40):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"A", "BUTTON", "w0", "w1", "w2", "SELECT"} <= reached
    assert wrong == []
    tab.close()


def test_a_study_without_a_result_has_a_page_that_says_how_to_begin(browser: Any, tmp_path: Path) -> None:
    bare = findings(bomix.Study(["a", "b"], ["loss"]).records)
    path = tmp_path / "bare.html"
    path.write_text(page(bare), encoding="utf-8")
    tab, wrong = opened(browser, path)
    assert "No run has come back yet" in tab.inner_text("h1")
    assert "bomix import" in tab.inner_text("main")
    assert wrong == []
    tab.close()


def test_figures_show_the_numbers_that_they_are_of(found: Findings) -> None:
    assert found.best is not None
    assert found.model is not None
    bars = answer.weights(found).data[0]
    assert sorted(bars.x) == pytest.approx(sorted(found.best.weights.values()))
    first = search.history(found).data[0]
    assert set(first.x) <= set(found.completed["trial"].values.tolist())
    heat = effects.effects(found).data[0]
    assert heat.z.shape == (4, 3)
    ray = effects.slices(found, "code", ["web"]).data[1]
    count, web, code = len(found.model.shares), found.domains.index("web"), found.outputs.index("code")
    expected = found.model.rays.mean[web * count : (web + 1) * count, code]
    assert ray.y == pytest.approx(expected, rel=1e-5)
    assert len(effects.own_weight(found).data) == 2
    assert checks.held_out(found).data[-1].y[-1] >= 0.9
    assert len(runs.curves(found, "web").data) == len(found.values)
    assert list(runs.cost(found).data[0].y) == [60.0] * 14


def test_words_keep_numbers_beside_their_signs_and_set_commands_as_code() -> None:
    assert prose.prose("run `bomix ask`, > 5 % <b>") == (
        "run <code>bomix ask</code>, &gt;\N{NO-BREAK SPACE}5\N{NO-BREAK SPACE}% &lt;b&gt;"
    )


def test_the_page_says_which_form_of_the_model_it_has_and_its_error(found: Findings) -> None:
    assert found.model is not None
    assert found.model.what_if is not None
    said = sliders.form(found)
    assert "a kernel expansion fitted to what the surrogate says of 300 mixtures" in said
    assert f"by {found.model.what_if.error[0]:.4f}" in said
    assert "of 3; " in tables.tiles(found)


def test_means_at_the_buttons_are_those_of_predict_whose_intervals_hold_noise(
    studied: bomix.Study, found: Findings
) -> None:
    assert found.model is not None
    assert "those of a new run and hold its noise" in sliders.form(found)
    said = studied.predict(list(found.mixtures.values()))
    assert said["mean"].values == pytest.approx(found.model.mixtures.mean[:, 1:], abs=1e-6)
    assert (said["upper"].values - said["lower"].values > 2.0 * style_z() * found.model.mixtures.sd[:, 1:]).all()


@pytest.fixture(scope="module")
def constrained() -> Findings:
    """Three domains, of which the best mixture wants more of one than a constraint allows."""
    domains = {"code": bomix.DomainSpec(), "web": bomix.DomainSpec(upper=0.6), "wiki": bomix.DomainSpec()}
    together = {"domains": ["code", "wiki"], "at_least": 0.5, "name": "<b>kept</b>"}
    made = bomix.Study(domains, ["loss"], constraints=[together, {"domains": ["wiki"], "at_most": 0.3}])
    for point in made.problem.space.sobol(8, seed=0):
        made.add(made.problem.space.to_weights(point), {"loss": float(3.0 - np.sqrt(point[1]) - 0.1 * point[2])})
    return findings(made.records)


def test_the_page_says_what_is_not_allowed(browser: Any, tmp_path: Path, constrained: Findings) -> None:
    assert constrained.best is not None
    (said,) = at_the_end(constrained.problem.space, constrained.best.weights)
    assert f"Constraints: {said}; beyond it may be better still." in limits.limits(constrained)
    (moved,) = stand_ins(constrained.problem)
    assert moved == "the bounds or constraints forbid uniform; the nearest allowed mixture stands for it"
    assert f"References: {moved}." in limits.limits(constrained)
    path = tmp_path / "constrained.html"
    path.write_text(page(constrained), encoding="utf-8")
    tab, wrong = opened(browser, path)
    assert tab.inner_text("#what-if").count("forbid uniform") == 1
    marked = tab.locator("#what-not")
    for name in constrained.mixtures:
        tab.get_by_role("button", name=name, exact=True).click()
        assert marked.is_hidden()
    for at, expected in (
        (1, "Not allowed: '<b>kept</b>' (code + wiki at least 0.5); web at most 60 %."),
        (2, "Not allowed: 'constraints[1]' (wiki at most 0.3)."),
    ):
        tab.locator(f"#w{at}").fill("900")
        assert marked.inner_text() == expected
    assert wrong == []
    tab.close()


def style_z() -> float:
    from bomix.surrogates.cross_validation.scores import Z95

    assert style.DARK[style.PAPER] != style.PAPER
    return Z95
