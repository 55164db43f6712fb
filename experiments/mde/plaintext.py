"""Plain text from what Debian packages hold: HTML, manual pages, POD and dictionaries of dictd."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

_DIGITS = {c: i for i, c in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}
# Rules of one repeated sign: whether a small model has met many of them decides its loss on the others.
_RULE = re.compile(r"([^\w\s])\1{4,}")
_BLANK_LINES = re.compile(r"\n\s*\n\s*\n+")


def tidy(text: str) -> str:
    """The text with rules of one sign cut to four, no trailing blanks and at most one blank line in a row."""
    text = _RULE.sub(lambda rule: 4 * rule[1], text.replace("\r\n", "\n").replace("\N{NO-BREAK SPACE}", " "))
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", text).strip()


class _Html(HTMLParser):
    """Collects text. Navigation, tables and lists of contents are passed over with all that is in them."""

    PASSED_OVER = frozenset({"aside", "button", "footer", "head", "header", "nav", "script", "style", "svg", "table"})
    PASSED_CLASSES = frozenset({"breadcrumbs", "footnotes", "index", "navfooter", "navheader", "relatedtopics", "toc"})
    BLOCKS = frozenset(
        ("blockquote", "br", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
         "section", "ul")
    )  # fmt: skip
    VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._passing: list[str] = []
        self._preformatted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = set((dict(attrs).get("class") or "").split())
        if self._passing or tag in self.PASSED_OVER or classes & self.PASSED_CLASSES:
            if tag not in self.VOID:
                self._passing.append(tag)
            return
        self._preformatted += tag == "pre"
        if tag in self.BLOCKS:
            self.parts.append("\n" if tag in ("br", "li", "dt", "dd", "div") else "\n\n")

    def handle_endtag(self, tag: str) -> None:
        if self._passing:
            if tag in self._passing:  # what was left open inside is closed with it
                del self._passing[len(self._passing) - 1 - self._passing[::-1].index(tag) :]
            return
        self._preformatted -= tag == "pre" and self._preformatted > 0
        if tag in self.BLOCKS:
            self.parts.append("\n" if tag in ("li", "dt", "dd", "div") else "\n\n")

    def handle_data(self, data: str) -> None:
        if self._passing:
            return
        if not self._preformatted:
            data = re.sub(r"\s+", " ", data)
            if not self.parts or self.parts[-1].endswith(("\n", " ")):
                data = data.lstrip()
        self.parts.append(data)


def html(source: str) -> str:
    """Text of a page, without navigation and tables."""
    parser = _Html()
    parser.feed(source)
    parser.close()
    return tidy("".join(parser.parts))


_SPECIAL = {
    **{"-": "-", "\\": "\\", "(aq": "'", "(dq": '"', "(lq": "“", "(rq": "”", "(em": "—", "(hy": "-", "(bu": "•"},
    **{"(co": "©", "(ha": "^", "(ti": "~", "(ga": "`", "(rs": "\\", "(Fo": "«", "(Fc": "»", "(bv": "|", "(mc": "µ"},
    **{"(->": "→", "(<-": "←", "(>=": "≥", "(<=": "≤", "(+-": "±", "e": "\\", " ": " ", "~": " ", "0": " ", "t": "\t"},
    # Signs that look like others.
    **{"(oq": "\u2018", "(cq": "\u2019", "(en": "\u2013", "(mu": "\u00d7", "'": "\u00b4", "`": "`"},
}
_ESCAPE = re.compile(
    r"\\(?:f(?:\(..|\[[^]]*\]|.)|s(?:[+-]?\d{1,2}|\[[^]]*\])|\*(?:\((?P<string>..)|\[(?P<name>[^]]*)\]|.)"
    r"|[hvwlLxoDbXZA]'[^']*'|[nmMk](?:\(..|\[[^]]*\]|[+-]?.)|\[(?P<long>[^]]*)\]|(?P<short>\(..)|(?P<one>.)|$)"
)
_STRINGS = {"Aq": "'", "lq": "“", "rq": "”", "R": "®", "Tm": "™"}
# Macros whose arguments are text; the ones of mdoc are an upper-case letter and a lower-case one.
_TEXT_MACROS = frozenset({"SH", "SS", "B", "I", "BR", "RB", "BI", "IB", "IR", "RI", "SM", "SB", "IP", "TP", "UR", "MT"})
_MDOC = re.compile(r"[A-Z][a-z]")
_MDOC_LAYOUT = frozenset({"Bd", "Bl", "Dd", "Dt", "Ed", "El", "Os", "Pp", "Sm", "Bk", "Ek"})
_TRANSLATION = re.compile(r"^\.S[Hh] \"?(?:ÜBERSETZUNG|TRADUCTION)", re.MULTILINE)


def _unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        if found := match["string"] or match["name"]:
            return _STRINGS.get(found, "")
        if found := match["long"]:
            if found.startswith("u") and re.fullmatch(r"u[0-9A-F]{4,5}", found):
                return chr(int(found[1:], 16))
            return _SPECIAL.get("(" + found, "")
        return _SPECIAL.get(match["short"] or match["one"] or "", "")

    return _ESCAPE.sub(plain, text.split('\\"')[0])


def _arguments(line: str) -> list[str]:
    return [quoted or bare for quoted, bare in re.findall(r'"((?:[^"]|"")*)"|(\S+)', line)]


def roff(source: str) -> str:
    """Text of a manual page, without tables and what is said about its translation."""
    if translation := _TRANSLATION.search(source):
        source = source[: translation.start()]
    lines: list[str] = []
    until: str | None = None
    for line in source.splitlines():
        if until is not None:
            until = None if line.rstrip() == until else until
        elif not line.startswith((".", "'")):
            lines.append(_unescaped(line))
        elif request := re.match(r"[.']\s*(\S+)\s*(.*)", line):
            name, rest = request.groups()
            if name in ("de", "de1", "ig", "am"):
                until = ".."
            elif name == "TS":
                until = ".TE"
            elif name in _TEXT_MACROS or (_MDOC.fullmatch(name) and name not in _MDOC_LAYOUT):
                lines += _macro_lines(name, rest)
            elif name in ("PP", "LP", "P", "Pp", "sp"):
                lines.append("")
    return tidy("\n".join(lines))


def _macro_lines(name: str, rest: str) -> Iterator[str]:
    arguments = [_unescaped(word) for word in _arguments(rest)]
    if name == "IP":
        arguments = arguments[:1]  # the second is a width
    elif name == "TP":
        arguments = []
    if name in ("SH", "SS", "Sh", "Ss"):
        yield ""
    if text := ("" if len(name) == 2 and name.isupper() and set(name) <= set("BIRS") else " ").join(arguments):
        yield text


def pod(source: str) -> str:
    """Text of a page of Perl's documentation: commands without their names, code as it is."""
    source = re.sub(r"^=(?:begin|for) .*?(?:^=end .*?$|\n\n)", "", source, flags=re.MULTILINE | re.DOTALL)
    source = re.sub(r"^=(?:head\d|item|over|back|cut|pod|encoding|end)\b ?(.*)$", r"\1", source, flags=re.MULTILINE)
    for _ in range(3):  # codes nest
        source = re.sub(r"[BCFILSX]<<+ (.*?) >>+", r"\1", source)
        source = re.sub(r"\bE<(lt|gt)>", lambda code: "<" if code[1] == "lt" else ">", source)
        source = re.sub(r"\bX<[^<>]*>|\bZ<>", "", source)
        source = re.sub(r"\bL<(?:([^|<>]*)\|)?([^<>]*)>", lambda code: code[1] or code[2], source)
        source = re.sub(r"\b[BCFIS]<([^<>]*)>", r"\1", source)
    return tidy(source)


def entries(index: str, dictionary: bytes) -> Iterator[str]:
    """Entries of a dictionary in its own order, each once, the facts about the dictionary left out."""
    places: set[tuple[int, int]] = set()
    for line in index.splitlines():
        headword, at, size = line.split("\t")[:3]
        if not headword.startswith(("00-database", "00database")):
            places.add((_number(at), _number(size)))
    for start, length in sorted(places):
        yield dictionary[start : start + length].decode("utf-8", errors="replace")


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = 64 * value + _DIGITS[digit]
    return value
