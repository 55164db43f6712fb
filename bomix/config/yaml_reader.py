"""YAML as study files need it: names stay the words they were written as, and no file takes long or much memory.

YAML 1.1 reads ``no`` as false, ``12:30`` as 750 and ``2023-02-30`` as a date that there is not. Here keys are always
text, and of values only ``true``, ``false``, ``null``, whole and decimal numbers are anything else.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from bomix.config.components import child
from bomix.errors import ConfigError, Fault

_DEEPEST = 50
"""Levels of a study file: the deepest component lies about ten below the top."""
_MOST_NODES = 1_000_000
"""Values of a file with every alias written out: more than the largest file has without aliases."""
_LONGEST_KEY = 500
"""Characters of a key: names and paths of classes have less."""
_MOST_DIGITS = 100
"""Digits of a whole number: counts of tokens have fifteen, and Python refuses text of some thousand digits."""

_RESOLVERS: tuple[tuple[str, str, str], ...] = (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", "~nN\0"),
    ("int", r"^[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)$", "-+0123456789"),
    (
        "float",
        r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|\.(?:inf|Inf|INF))$"
        r"|^\.(?:nan|NaN|NAN)$",
        "-+0123456789.",
    ),
    ("merge", r"^(?:<<)$", "<"),
)
"""Tag of plain text, what it looks like, and its first letters: those of YAML 1.1 without other words for true and
false, without numbers to the base 60, and without dates."""


def read(text: str) -> tuple[Any, dict[str, int], list[Fault]]:
    """Read YAML.

    Args:
        text: One document.

    Returns:
        Data, the line of every dotted path, and keys that stand twice.

    Raises:
        ConfigError: The text is not YAML, or its aliases hold too much; the message says where.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}, []
        lines, duplicates = _lines(node)
        return loader.construct_document(node), lines, duplicates
    except yaml.YAMLError as error:
        raise ConfigError(f"is not YAML: {error}") from error
    except (ValueError, OverflowError) as error:  # a tag of YAML's own before what is none, as in `!!int x`
        raise ConfigError(f"is not YAML: {str(error)[:200]}") from error


class _Loader(yaml.SafeLoader):
    """The safe loader, with limits and with keys that are text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's own form

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._level = 0
        self._sizes: dict[int, tuple[int, int]] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node, and measure it with its aliases written out."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it open
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._sizes:
                raise ConfigError(f"is no study: what '*{event.anchor}' stands for contains itself{_at(event)}")
            return node
        self._level += 1
        if self._level > _DEEPEST:
            raise ConfigError(f"is nested more than {_DEEPEST} levels deep{_at(event)}")
        node = super().compose_node(parent, index)
        self._level -= 1
        inside = [self._sizes[id(each)] for each in _inside(node)]
        size, depth = 1 + sum(size for size, _ in inside), 1 + max((depth for _, depth in inside), default=0)
        if size > _MOST_NODES or depth > _DEEPEST:
            what = f"{_MOST_NODES:,} values" if size > _MOST_NODES else f"{_DEEPEST} levels"
            raise ConfigError(f"holds more than {what} once its aliases are written out{_at(event)}")
        self._sizes[id(node)] = size, depth
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping whose keys are the text that stands there."""
        if isinstance(node, yaml.MappingNode):
            self.flatten_mapping(node)
        found: dict[Hashable, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"is no study: a key must be text{_at(key)}")
            if len(key.value) > _LONGEST_KEY:
                raise ConfigError(f"has a key of {len(key.value):,} characters; {_LONGEST_KEY} are the most{_at(key)}")
            found[key.value] = self.construct_object(value, deep=deep)
        return found

    def construct_yaml_int(self, node: Any) -> int:
        """A whole number, of no more digits than any count has."""
        if len(node.value) > _MOST_DIGITS:
            raise ConfigError(f"has a number of {len(node.value):,} digits{_at(node)}; quote it if it is a name")
        return super().construct_yaml_int(node)


for _tag, _pattern, _letters in _RESOLVERS:
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), ["" if x == "\0" else x for x in _letters]
    )
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def _at(place: Any) -> str:
    return f" (line {place.start_mark.line + 1})"


def _inside(node: Any) -> list[Any]:
    """The nodes right below a node, keys included."""
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _lines(top: Any) -> tuple[dict[str, int], list[Fault]]:
    """The line of every dotted path, and keys that stand twice."""
    lines: dict[str, int] = {}
    duplicates: list[Fault] = []
    seen_nodes: set[int] = set()

    def visit(node: Any, where: str) -> None:
        lines.setdefault(where, node.start_mark.line + 1)
        if id(node) in seen_nodes:  # an alias: its inside has lines of its own
            return
        seen_nodes.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                name = key.value if isinstance(key, yaml.ScalarNode) else "?"
                below = child(where, name)
                if name in seen:
                    duplicates.append(Fault(below, f"key '{name}' stands twice; keep one"))
                seen.add(name)
                lines[below] = key.start_mark.line + 1
                visit(value, below)
        elif isinstance(node, yaml.SequenceNode):
            for position, value in enumerate(node.value):
                visit(value, f"{where}[{position}]")

    visit(top, "")
    return lines, duplicates
