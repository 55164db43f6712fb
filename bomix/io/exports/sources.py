"""Where the data of each domain lie, and what the target's tokenizer makes of them: ``--paths``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bomix.config.build import build, number
from bomix.config.components import child
from bomix.errors import ConfigError, Fault, did_you_mean, raise_faults

EVERY = "*"
"""What stands for every domain that is not named."""


@dataclass(frozen=True)
class DomainData:
    """What an export is told of one domain, beside its weight.

    Attributes:
        paths: Where its data lie, as the trainer names them: a path, a list of them, or a mapping of each to the tokens
            that it holds (``12B``), which trainers that know no domains need.
        tokens: Tokens that it holds, counted by the target's tokenizer; else those of the study.
        tokens_per_document: Mean tokens of a document; else those that the study measured.
        bytes_per_token: UTF-8 bytes that a token of the target's tokenizer stands for, where that is not the study's.
        study_bytes_per_token: The same of the study's own tokenizer; else what the study measured.
    """

    paths: Any = ()
    tokens: float | None = None
    tokens_per_document: float | None = None
    bytes_per_token: float | None = None
    study_bytes_per_token: float | None = None
    sizes: Mapping[str, float] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        paths = {self.paths: math.nan} if isinstance(self.paths, str) else self.paths
        if isinstance(paths, Mapping):
            sizes = {str(path): _size(value) for path, value in paths.items()}
        elif isinstance(paths, Sequence):
            sizes = dict.fromkeys(map(str, paths), math.nan)
        else:
            sizes = {}
        object.__setattr__(self, "sizes", sizes)

    def faults(self) -> list[Fault]:
        """Paths that are none, and numbers that are not positive."""
        found = []
        if not isinstance(self.paths, (str, Mapping, Sequence)) or (
            isinstance(self.paths, Sequence) and not all(isinstance(path, str) and path.strip() for path in self.paths)
        ):
            found.append(Fault("paths", "expected a path, a list of paths, or a mapping of path to its tokens"))
        if isinstance(self.paths, str) and not self.paths.strip():
            found.append(Fault("paths", "the path is empty"))
        for path, size in self.sizes.items():
            if isinstance(self.paths, Mapping) and not size > 0.0:
                found.append(Fault(f"paths.{path}", f"expected the tokens in it, 12B say, found {self.paths[path]!r}"))
        numbers = {
            "tokens": self.tokens,
            "tokens_per_document": self.tokens_per_document,
            "bytes_per_token": self.bytes_per_token,
            "study_bytes_per_token": self.study_bytes_per_token,
        }
        for key, value in numbers.items():
            if value is not None and not 0.0 < value < math.inf:
                found.append(Fault(key, f"expected a positive number, found {value:g}"))
        return found


def read_sources(given: Iterable[str], domains: Sequence[str]) -> dict[str, DomainData]:
    """Read what stands behind ``--paths``: YAML or JSON files, and ``DOMAIN=PATH``.

    Args:
        given: Each of them; several ``DOMAIN=PATH`` of one domain add up, and a later file wins. ``*=PATH`` is of all
            domains that no other names, ``{domain}`` in it standing for the name of each.
        domains: Names of the study's domains.

    Returns:
        Domain to what is told of it; domains of which nothing is told are absent.

    Raises:
        BomixError: A file that is not there or not readable, a domain that the study does not have, a wrong key.
    """
    told: dict[str, tuple[str, Any]] = {}
    of_all = ""
    for each in given:
        name, equals, path = each.partition("=")
        if equals and name == EVERY and name not in domains:
            of_all = path
        elif equals and (name in domains or not Path(each).is_file()):
            earlier = told.get(name)
            listed = earlier[1] if earlier is not None and isinstance(earlier[1], list) else []
            told[name] = ("--paths", [*listed, path])
        else:
            told |= {str(key): (f"{each}: {key}", value) for key, value in _mapping(Path(each)).items()}
    if of_all and "{domain}" not in of_all:
        raise_faults([Fault("--paths", f"'{EVERY}={of_all}' gives all domains one path; write {{domain}} in it")])
    told |= {name: ("--paths", of_all.replace("{domain}", name)) for name in domains if of_all and name not in told}
    faults = [
        Fault(where, f"the study has no domain '{name}'{did_you_mean(name, domains)}")
        for name, (where, _) in told.items()
        if name not in domains
    ]
    found = {}
    for name, (where, value) in told.items():
        shown = {"paths": value} if isinstance(value, (str, list)) else value
        spec, wrong = build(DomainData, shown, where=where)
        faults += wrong
        if spec is not None:
            found[name] = spec
    raise_faults(faults)
    return found


def _mapping(file: Path) -> Mapping[Any, Any]:
    """A mapping of domains that a file holds."""
    if not file.is_file():
        raise ConfigError(f"--paths {file}: there is no such file; give one, or DOMAIN=PATH")
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"--paths {file}: not readable as YAML or JSON ({' '.join(str(error).split())})") from error
    if not isinstance(data, Mapping):
        raise ConfigError(f"--paths {file}: expected a mapping of domain to paths, 'web: /data/web' say")
    return data


def _size(value: object) -> float:
    """Tokens, a suffix allowed; NaN for what is no number."""
    try:
        return number(value) if isinstance(value, str) else math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


def path_shares(name: str, data: DomainData, *, weighs: bool) -> tuple[dict[str, float], list[Fault]]:
    """Each path's share of the domain's tokens, and what is wrong.

    Args:
        name: The domain.
        data: What is told of it.
        weighs: Whether the trainer needs the shares; where they are not told, files that are here are measured.

    Returns:
        Path to share, NaN where it is unknown; of a single path it is one.
    """
    sizes = dict(data.sizes)
    if len(sizes) == 1:
        return dict.fromkeys(sizes, 1.0), []
    if weighs and any(math.isnan(size) for size in sizes.values()):
        sizes = {path: _bytes(path) for path in sizes}
        unknown = [path for path, size in sizes.items() if not size > 0.0]
        if unknown:
            what = (
                f"the trainer takes a weight for each path, and how the domain's tokens lie in its {len(sizes)} paths "
                f"is unknown ({unknown[0]} is not here to be measured); say it, paths: {{{unknown[0]}: 12B, ...}}"
            )
            return sizes, [Fault(child(name, "paths"), what)]
    total = math.fsum(sizes.values())
    return {path: size / total for path, size in sizes.items()}, []


def _bytes(path: str) -> float:
    """Bytes of the tokens behind a path or a prefix of Megatron's; NaN where they are not here."""
    here = [file for file in (Path(path), Path(f"{path}.bin")) if file.is_file()]
    if here:
        return float(here[0].stat().st_size)
    folder = Path(path)
    return (
        float(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())) if folder.is_dir() else math.nan
    )
