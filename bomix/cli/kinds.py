"""``bomix kinds``: what can stand in a study file."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

import click
from rich.table import Table

from bomix.cli.tables import console, titled
from bomix.config import registry
from bomix.config.build import spec_fields
from bomix.config.components import component_group
from bomix.config.descriptions import descriptions, summary
from bomix.config.wording import type_in_words
from bomix.errors import ConfigError, UnknownKindError, did_you_mean


@click.command()
@click.argument("name", metavar="[GROUP|KIND]", required=False)
def kinds(name: str | None) -> None:
    """List what can stand in a study file; of a GROUP its kinds, of a KIND its keys with what they mean."""
    if name is None:
        for group in registry.BUILT_IN:
            click.echo(f"{group}: {', '.join(sorted(registry.kinds(group)))}")
        click.echo("\n`bomix kinds GROUP` shows what each is, `bomix kinds KIND` its keys")
        click.echo("a class of your own is 'my_package.my_module:MyClass'")
        return
    if name in registry.BUILT_IN:
        console().print(group_table(name))
        return
    groups = [group for group in registry.BUILT_IN if name in registry.kinds(group)]
    if not groups:
        everything = [*registry.BUILT_IN, *(kind for group in registry.BUILT_IN for kind in registry.kinds(group))]
        raise ConfigError(
            f"no group or kind '{name}'{did_you_mean(name, everything)} (groups: {', '.join(registry.BUILT_IN)})"
        )
    for group in groups:
        show_kind(group, name)


def group_table(group: str) -> Table:
    """The kinds of a group, each with its sentence and the names of its keys."""
    table = titled(group)
    for column in ("kind", "what it is", "keys"):
        table.add_column(column)
    for kind in sorted(registry.kinds(group)):
        try:
            spec = registry.resolve(group, kind)
        except UnknownKindError as error:  # of an installed package whose own requirements are missing
            table.add_row(kind, str(error), "")
            continue
        table.add_row(kind, _unquoted(summary(spec)), ", ".join(field.name for field in spec_fields(spec)))
    return table


def show_kind(group: str, kind: str) -> None:
    """Print a kind: what it is, then each key with its type in words, its default and what it means."""
    spec = registry.resolve(group, kind)
    click.echo(f"{kind} ({group}): {_unquoted(summary(spec))}")
    said, hints = descriptions(spec), typing.get_type_hints(spec)
    fields = spec_fields(spec)
    if not fields:
        click.echo("no keys")
        return
    table = titled("keys")
    for column in ("key", "type", "default", "what it means"):
        table.add_column(column)
    for field in fields:
        hint = hints[field.name]
        table.add_row(field.name, in_words(hint), _default(hint, field), _unquoted(said.get(field.name, "")))
    console().print(table)


def in_words(hint: Any) -> str:
    """A type as a reader of a study file needs it: ``a whole number, or nothing``."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    texts = [_one_in_words(option) for option in options if option is not type(None)]
    return " or ".join(dict.fromkeys(texts)) + (", or nothing" if type(None) in options else "")


def _one_in_words(hint: Any) -> str:
    group = component_group(hint)
    if group is not None:
        return f"a {group}"
    if typing.get_origin(hint) in (tuple, list):
        inner = [each for each in typing.get_args(hint) if each is not Ellipsis]
        group = component_group(inner[0]) if inner else None
        return "a list" if group is None else f"a list of {group}s"
    words = type_in_words(hint)
    return words if words[:1].islower() or words[:1] == "'" else "a value"


def _unquoted(text: str) -> str:
    """A sentence of a docstring without the marks of code, for a terminal."""
    return text.replace("`", "")


def _default(hint: Any, field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return _shown(hint, field.default)
    return "required" if field.default_factory is dataclasses.MISSING else _shown(hint, field.default_factory())


def _shown(hint: Any, default: object) -> str:
    """A default as a study file says it; of a component its kind, whose own keys `bomix kinds` shows by its name."""
    group = component_group(hint)
    if default is None:
        return "nothing"
    if group is not None:
        return registry.kind_of(group, type(default))
    if isinstance(default, bool):
        return "true" if default else "false"
    if isinstance(default, tuple):
        return f"({len(default)} of its own)" if any(map(dataclasses.is_dataclass, default)) else str(list(default))
    return str(default)
