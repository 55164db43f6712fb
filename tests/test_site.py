"""The documentation site: it builds without a warning, stands alone, and has what the code has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

import bomix
from bomix.cli.main import COMMANDS
from bomix.config.registry import BUILT_IN

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 100_000
"""Bytes of a figure: a page of several still opens at once."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning, of a link that leads nowhere say, fails the build."""
    pytest.importorskip("mkdocs", reason="the site's packages are not installed: pip install 'bomix[docs]'")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def pages(site: Path) -> list[Path]:
    """Every page of the site."""
    return sorted(site.rglob("*.html"))


def test_nothing_is_fetched_when_a_page_is_looked_at(site: Path) -> None:
    fetched = re.compile(r'<(?:script|img|iframe|source)[^>]* src="(?:https?:)?//|<link[^>]* href="(?:https?:)?//')
    found = [str(page.relative_to(site)) for page in pages(site) if fetched.search(page.read_text(encoding="utf-8"))]
    assert found == []
    styles = [path for path in site.rglob("*.css") if re.search(r"url\(['\"]?(?:https?:)?//", path.read_text("utf-8"))]
    assert styles == []


def test_markdown_that_no_reader_should_see_is_on_no_page(site: Path) -> None:
    """A list without a blank line before it, a table that is none, a role of a docstring."""
    raw = re.compile(r"<p>(?:[^<]*\n)?(?:[*-] |\| )|:(?:class|func|meth|attr|data):`|\]\(\.\.?/")
    found = {}
    for page in pages(site):
        text = re.sub(r"<pre>.*?</pre>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        if match := raw.search(text):
            found[str(page.relative_to(site))] = text[match.start() : match.start() + 120]
    assert found == {}


def test_the_reference_has_every_command_key_kind_and_public_name(site: Path) -> None:
    text = {name: (site / "reference" / f"{name}.html").read_text(encoding="utf-8") for name in ("cli", "kinds", "api")}
    assert [name for name in COMMANDS if f'id="bomix-{name}"' not in text["cli"]] == []
    assert "&lt;trial&gt;" in text["cli"] or "&lt;id&gt;" in text["cli"]
    assert "Sentinel" not in text["cli"]
    kinds = [f"{group}-{kind}" for group, known in BUILT_IN.items() for kind in known]
    assert [kind for kind in kinds if f'id="{kind}"' not in text["kinds"]] == []
    assert [name for name in bomix.__all__ if name != "__version__" and name not in text["api"]] == []


def test_figures_are_small_and_each_stands_on_a_page() -> None:
    figures = [path for folder in ("concepts", "how-to") for path in (ROOT / "docs" / folder).glob("*.svg")]
    assert len(figures) > 5
    for figure in figures:
        assert figure.stat().st_size < LARGEST, figure.name
        shown = [page for page in figure.parent.glob("*.md") if f"({figure.name})" in page.read_text(encoding="utf-8")]
        assert shown, f"{figure.name} stands on no page"


@pytest.mark.slow
def test_every_figure_is_drawn_again(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "docs" / "site" / "figures.py"), "--out", str(tmp_path)]
    subprocess.run(command, check=True, env={**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)})
    names = {path.name for folder in ("concepts", "how-to") for path in (ROOT / "docs" / folder).glob("*.svg")}
    assert {path.name for path in tmp_path.rglob("*.svg")} == names


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    """The site at an address of this machine, as a browser finds one: from the disk it would have no search."""
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *told: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "light"), (1280, "dark")])
def test_a_browser_finds_nothing_to_complain_of(site: Path, served: str, width: int, scheme: str) -> None:
    """No error in the console, no request beyond the site, no page wider than its window, and a search that finds."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next((path for path in ("/usr/bin/chromium", "/usr/bin/google-chrome") if Path(path).exists()), None)
    if chromium is None:
        pytest.skip("there is no Chromium here")
    wrong: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme).new_page()
        page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
        page.on("console", lambda said: said.type == "error" and wrong.append(f"{page.url}: {said.text}"))
        page.on("request", lambda each: each.url.startswith((served, "data:", "blob:")) or wrong.append(each.url))
        for path in pages(site):
            where = path.relative_to(site).as_posix()
            if where.startswith(("decisions/0", "repository/")) or where == "404.html":
                continue  # of one form, or read on a forge
            page.goto(served + where)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wrong.append(f"{where}: wider than {width}")
        page.goto(f"{served}index.html?q=repetition")
        page.wait_for_selector(".md-search-result__item a[href*='repetition']", state="attached")
        browser.close()
    assert wrong == []
