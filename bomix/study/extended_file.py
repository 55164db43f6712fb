"""The study file of a study that goes on with other domains, made of that of the earlier one."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from bomix.config import yaml_reader
from bomix.config.build import number
from bomix.errors import ConfigError, Fault, raise_faults
from bomix.io.imports.domain_changes import Carriage, DomainChanges, carriage
from bomix.io.store import files
from bomix.io.store.study_folder import STUDY_FILE


def extended_text(old: Path, changes: DomainChanges, tokens: Mapping[str, str]) -> str:
    """The study file of the later study: that of the earlier one with other domains.

    Domains that stay keep their keys. Parts of one that was split have their shares of its tokens, a union the tokens
    of all its parts, where these are stated; all else of them has to be said by hand, as that of added ones.

    Args:
        old: The study file of the earlier one.
        changes: What became of the domains.
        tokens: Added domain to its tokens, where they are told.

    Raises:
        ConfigError: The file cannot be read.
        FaultsError: Domains that the earlier study does not have, or of which two things are said.
    """
    try:
        data, _, _ = yaml_reader.read(files.read_bounded(old, files.RECORD_LIMIT))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {old}: {error}; write the study file of the later study by hand") from error
    given = data["domains"]
    listed = given if isinstance(given, Mapping) else dict.fromkeys(given)
    before = {str(name): keys or {} for name, keys in listed.items()}
    counts = {name: float(number(keys["tokens"])) for name, keys in before.items() if "tokens" in keys}
    known = [name for name in before if name not in changes.dropped and name not in changes.parts]
    parts = [part for stated in changes.parts.values() for part in stated]
    after = list(dict.fromkeys([*known, *parts, *changes.added]))
    strange = [name for name in changes.added if name in known]
    raise_faults(Fault(f"--add {name}", "the earlier study has it already") for name in strange)
    found = carriage(changes, list(before), after, old_tokens=counts, new_tokens={})
    domains: dict[str, Any] = {}
    for name in after:
        domains[name] = _keys(name, found, before, counts)
        if name in tokens:
            domains[name] = {"tokens": tokens[name]}
    text: str = yaml.safe_dump({**data, "domains": domains}, allow_unicode=True, sort_keys=False, width=120)
    return f"# {old.parent.name} with other domains, as `bomix extend` wrote it.\n{text}"


def _keys(name: str, found: Carriage, before: Mapping[str, Any], counts: Mapping[str, float]) -> dict[str, Any]:
    """What is known of a domain of the later study."""
    of = {old: shares[name] for old, shares in found.parts.items() if name in shares}
    if len(of) == 1 and math.isclose(next(iter(of.values())), 1.0):
        return dict(before[next(iter(of))])
    if of and of.keys() <= counts.keys():
        return {"tokens": round(math.fsum(counts[old] * share for old, share in of.items()))}
    return {}


@contextmanager
def whole_or_absent(folder: Path, *, keep: bool = True) -> Iterator[Path]:
    """A folder to build a study in that takes its name once all of it is there; nothing is left where it fails.

    Args:
        folder: The folder of the study: it is not there, or empty.
        keep: Whether it takes its name at all.

    Raises:
        ConfigError: Something is there.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there and holds no study; name an empty folder, or write {STUDY_FILE} into it")
    built = folder.with_name(f".{folder.name}.{os.getpid()}")
    built.mkdir(parents=True)
    try:
        yield built
        if keep:
            os.rename(built, folder)
    finally:
        shutil.rmtree(built, ignore_errors=True)
