"""A hook of MkDocs: pages of reference that are made from the code, so that they cannot fall behind it.

The keys of the study file come from its JSON schema, the same that `bomix init --schema` prints for editors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from bomix.config.registry import BUILT_IN, DEFAULT_KINDS
from bomix.config.schema import json_schema, kinds_schema
from bomix.config.spec import StudySpec

Schema = Mapping[str, Any]
_PLACEHOLDER = re.compile(
    r"<(?!(?:p|a|h\d|code|pre|div|span|table|t[drh]|thead|tbody|ul|ol|li|strong|em|br|hr|nav|label)>)(\w+)>"
)
"""What stands for a name in the help of a command, and is none of the tags of the page."""
SECTION = "keys of its own"
"""What is said of a mapping whose keys stand in a table of their own, where there is no link to it."""


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Add what is made to the pages that a forge shows with their first lines alone."""
    made = {"reference/keys.md": keys_page, "reference/kinds.md": kinds_page}.get(page.file.src_uri)
    return markdown if made is None else f"{markdown}\n{made()}"


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mend what mkdocs-click 0.9 shows: a default where there is none (with click 8.3), ``<id>`` taken for a tag."""
    if page.file.src_uri != "reference/cli.md":
        return html
    return _PLACEHOLDER.sub(r"&lt;\1&gt;", html.replace("<code>Sentinel.UNSET</code>", ""))


def keys_page() -> str:
    """The keys of a study file and of its sections."""
    return "\n".join(keys(json_schema(StudySpec), (), level=2)) + "\n"


def kinds_page() -> str:
    """The kinds of every group, and the keys of each."""
    parts: list[str] = []
    for group in BUILT_IN:
        definition = kinds_schema(group)[group]
        parts.append(f"\n## {group}\n")
        for option in definition["anyOf"]:
            kind = option.get("properties", {}).get("kind", {}).get("const")
            if kind is None:
                continue
            default = " (where no kind is named)" if DEFAULT_KINDS.get(group) == kind else ""
            own = {**option, "properties": {k: v for k, v in option["properties"].items() if k != "kind"}}
            parts += [f"\n### {kind}{default} {{ #{group}-{kind} }}\n", option["description"], ""]
            parts += keys(own, (group, kind), level=4)
    return "\n".join(parts) + "\n"


def keys(spec: Schema, path: tuple[str, ...], *, level: int) -> Iterator[str]:
    """A table of the keys of a mapping, and one of each section in it.

    Args:
        spec: The mapping.
        path: Where it stands: group and kind, or nothing, and the keys above it.
        level: Level of the headings of its sections.
    """
    if spec["properties"]:
        yield "| key | what may stand there | default | what it says |"
        yield "|---|---|---|---|"
    for key, value in spec["properties"].items():
        default = "required" if key in spec["required"] else _default(value)
        said = re.sub(r"``(.+?)``", r"`\1`", value.get("description", ""))
        words = in_words(value).replace(SECTION, f"[keys](#{'-'.join(('key', *path, key))})")
        yield f"| `{key}` | {_cell(words)} | {_cell(default)} | {_cell(said)} |"
    for key, value in spec["properties"].items():
        if (section := _section(value)) is not None:
            many = ": of each name" if _is_mapping(value) else ": of each" if _is_list(value) else ""
            yield f"\n{'#' * level} {key}{many} {{ #{'-'.join(('key', *path, key))} }}\n"
            yield f"{section['description']}\n"
            yield from keys(section, (*path, key), level=min(level + 1, 6))


def in_words(value: Schema) -> str:
    """What a value may be."""
    if "$ref" in value:
        group = value["$ref"].rsplit("/", 1)[1]
        return f"a kind of [{group}](kinds.md#{group})"
    if "const" in value or "enum" in value:
        return " or ".join(f"`{each}`" for each in value.get("enum", [value.get("const")]))
    if "anyOf" in value:
        # A number may be text with a suffix, a list one name alone: the first says what is meant.
        short = {json.dumps(each, sort_keys=True): in_words(each) for each in value["anyOf"] if "pattern" not in each}
        words = [each for each in dict.fromkeys(short.values()) if each != "`null`"]
        # An empty section stands for its defaults, which is not worth a word.
        empty = "`null`" in short.values() and not any(SECTION in each for each in words)
        return " or ".join([*words, "`null`"] if empty else words)
    if value.get("type") == "array":
        return f"a list of {in_words(value['items'])}"
    if value.get("type") == "object" and isinstance(value.get("additionalProperties"), Mapping):
        return f"name to {in_words(value['additionalProperties'])}"
    names = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "true or false"}
    return {**names, "object": SECTION, "null": "`null`"}.get(value.get("type", ""), "anything")


def _section(value: Schema) -> Schema | None:
    """The mapping of keys that stands at a key; None where there is none, or a kind."""
    if value.get("type") == "object" and value.get("properties"):
        return value
    inner = [value["additionalProperties"]] if isinstance(value.get("additionalProperties"), Mapping) else []
    for each in [*value.get("anyOf", []), *inner, *([value["items"]] if "items" in value else [])]:
        if (found := _section(each)) is not None:
            return found
    return None


def _is_mapping(value: Schema) -> bool:
    options = [value, *value.get("anyOf", [])]
    return any(isinstance(each.get("additionalProperties"), Mapping) for each in options)


def _is_list(value: Schema) -> bool:
    return any(each.get("type") == "array" for each in [value, *value.get("anyOf", [])])


def _default(value: Schema) -> str:
    return f"`{json.dumps(value['default'])}`" if "default" in value else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
