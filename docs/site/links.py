"""A hook of MkDocs: what pages link to outside of docs/ becomes a part of the site, so that it stands alone.

A link such as ``../../benchmarks/README.md`` works on a forge, where a page is read in its folder. In the site that
file is a page below ``repository/``; a file of code becomes a page that shows it, a picture is copied. Whatever such a
page links to is taken in as well.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DOCS = "docs"
TAKEN_IN = "repository"
"""Folder of the site for what lies outside of docs/."""
STANDS_FOR = {"README.md": "index.md", "bomix/contracts": "reference/contracts.md", ".": "index.md"}
"""Path in the repository to the page of the site that says the same: folders, and the page that a forge shows first."""
LANGUAGES = {".py": "python", ".sh": "sh", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}
PICTURES = {".png", ".svg"}
_FENCES = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(\]\()([^)\s#]*)(#[^)\s]*)?(\))")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add every file outside of docs/ that a page links to, and those that these link to."""
    waiting = [(f"{DOCS}/{file.src_uri}", _text(file)) for file in files if file.is_documentation_page()]
    while waiting:
        path, text = waiting.pop()
        for target in _targets(path, text):
            place = _place(target)
            if target.startswith(f"{DOCS}/") or target in STANDS_FOR or files.get_file_from_path(place) is not None:
                continue
            source = ROOT / target
            if not source.exists():
                raise PluginError(f"{path} links to {target}, which is not there")
            if source.suffix in PICTURES:
                files.append(File.generated(config, place, abs_src_path=str(source)))
                continue
            content = _content(source, target)
            if place.endswith(("README.md", "index.md")) or source.suffix == ".md":
                waiting.append((place.removeprefix(f"{TAKEN_IN}/"), content))
            files.append(File.generated(config, place, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page, which hold in the repository, into links between pages of the site."""
    here = page.file.src_uri
    path = here.removeprefix(f"{TAKEN_IN}/") if here.startswith(f"{TAKEN_IN}/") else f"{DOCS}/{here}"

    def turned(link: re.Match[str]) -> str:
        opening, target, anchor, closing = link.groups()
        if not target or "://" in target:
            return link[0]
        place = _place(_resolved(path, target))
        return f"{opening}{posixpath.relpath(place, posixpath.dirname(here) or '.')}{anchor or ''}{closing}"

    return _outside_of_fences(markdown, lambda text: _LINK.sub(turned, text))


def _text(file: File) -> str:
    return file.content_string


def _targets(path: str, text: str) -> Iterator[str]:
    """Paths in the repository of what a page links to."""
    for link in _LINK.finditer(_FENCES.sub("", text)):
        if link[2] and "://" not in link[2] and not link[2].startswith("mailto:"):
            yield _resolved(path, link[2])


def _resolved(path: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def _content(source: Path, target: str) -> str:
    """The page of a file of the repository: Markdown as it is, code in a block, a folder as a list of its files."""
    if (source / "README.md").is_file():
        return (source / "README.md").read_text(encoding="utf-8")
    if source.is_dir():
        shown = sorted(path.name for path in source.iterdir() if path.suffix in LANGUAGES and path.is_file())
        return "\n".join([f"# {target}", "", *(f"* [{name}]({name})" for name in shown), ""])
    text = source.read_text(encoding="utf-8")
    if source.suffix == ".md":
        return text
    return f"# {target}\n\n```{LANGUAGES.get(source.suffix, 'text')}\n{text.rstrip()}\n```\n"


def _place(target: str) -> str:
    """Where in the site a file or folder of the repository stands."""
    if target in STANDS_FOR:
        return STANDS_FOR[target]
    if target.startswith(f"{DOCS}/"):
        return target.removeprefix(f"{DOCS}/")
    if (ROOT / target).is_dir():
        return f"{TAKEN_IN}/{target}/{'README' if (ROOT / target / 'README.md').exists() else 'index'}.md"
    known = Path(target).suffix in PICTURES | {".md"}
    return f"{TAKEN_IN}/{target}" if known else f"{TAKEN_IN}/{target}.md"


def _outside_of_fences(text: str, change: Callable[[str], str]) -> str:
    parts, end = [], 0
    for fence in _FENCES.finditer(text):
        parts += [change(text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(text[end:])])
