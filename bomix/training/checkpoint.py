"""Checkpoints of a run: a file that holds all of it after some of its steps, so that a later attempt goes on there.

A file is in the format of ``safetensors``, with JSON in its header: whole or absent, whatever kills the writer, with a
checksum over all that it holds. Of each run there is one, in the folder of its attempt.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.contracts.traits import field_values
from bomix.errors import DataError
from bomix.io.artifacts.scored_tokens import ScoredTokens
from bomix.io.store import files
from bomix.training.spec import CHECKPOINT, TrainingSpec
from bomix.training.validation import Evaluation

if TYPE_CHECKING:
    from bomix.training.data.tokens import Corpus
    from bomix.training.run import Run

logger = logging.getLogger(__name__)

FILE = CHECKPOINT
SCHEMA = 1
"""Version of the file's layout, and of what a step does: a file of another one is not gone on from."""
MAY_CHANGE = ("device", "dtype", "compile", "threads", "checkpoint_s", "micro_sequences", "devices")
"""Of :class:`bomix.training.spec.TrainingSpec`: what moves the last digits of a run, if anything. The precision counts
as it was chosen."""
_KEY = "bomix"
"""The header's entry."""

Moments = Mapping[str, Mapping[str, "np.ndarray | float"]]
"""Name of a parameter to what its optimizer remembers of it, by the optimizer's own names."""


@dataclass(frozen=True)
class Saved:
    """A run after some of its steps.

    Attributes:
        step: Their number.
        seconds: The run's share of the seconds that its stacks took so far, over all attempts that led here.
        tokens_per_second: Training tokens per second of its whole stack, in the attempt that wrote this.
        losses: ``step`` losses of the batches, nats per token.
        parameters: Name to values.
        moments: What the optimizer remembers.
        measured: For each point of the curve so far, validation set to what was measured.
        scored: Metric name to every token, once that was kept; empty before.
        resumed: After how many steps the attempt that wrote this went on; 0 where it began.
    """

    step: int
    seconds: float
    tokens_per_second: float
    losses: np.ndarray
    parameters: Mapping[str, np.ndarray]
    moments: Moments
    measured: Sequence[Mapping[str, Evaluation]]
    scored: Mapping[str, ScoredTokens]
    resumed: int = 0


@dataclass(frozen=True)
class Place:
    """Where the checkpoints of one run lie.

    Attributes:
        folder: The folder of its attempt, where it writes its own.
        identity: What says that a file is of this run, see :func:`identity_of`.
        found: The file that it goes on from; None where it begins.
        step: The steps that are behind it there.
    """

    folder: Path
    identity: str
    found: Path | None = None
    step: int = 0


def identity_of(run: Run, corpus: Corpus, dtype: str) -> str:
    """Hash of all that decides what a run becomes, beside :data:`MAY_CHANGE`.

    Args:
        run: The run.
        corpus: The tokens.
        dtype: The precision that was chosen.
    """
    values = field_values(run.spec)
    names = {field.name for field in dataclasses.fields(TrainingSpec)} - {*MAY_CHANGE}
    spec = {name: values[name] for name in names} | {
        "model": dataclasses.asdict(run.spec.model),
        "optimization": dataclasses.asdict(run.spec.optimization.settings()),
    }
    facts = {
        "schema": SCHEMA,
        "weights": dict(run.weights),
        **({"phases": list(run.phases.items())} if run.phases else {}),
        "seeds": [run.init_seed, run.data_seed],
        "steps": [run.steps, run.score_step],
        "spec": spec,
        "dtype": dtype,
        "tokenizer": corpus.tokenizer_hash,
        "corpus": dict(corpus.hashes),
        **({"sequences": dict(run.sequences)} if run.sequences else {}),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def locate(folder: Path, identity: str) -> Place:
    """The place of a run, with the latest whole checkpoint of an attempt of it, if there is one.

    Attempts of a trial lie side by side. What else lies there may be anything: what is damaged, or of another run, is
    left alone with a line in the log.
    """
    best = Place(folder, identity)
    for path in _files(folder):
        try:
            step = read(path, identity).step
        except (OSError, DataError) as error:
            logger.warning("%s is not gone on from: %s", path, error)
            continue
        if step > best.step:
            best = Place(folder, identity, path, step)
    if best.found is not None:
        logger.info("going on after step %d, from %s", best.step, best.found)
    return best


def found_at(place: Place) -> Saved | None:
    """What a run goes on from; None where it begins.

    Raises:
        DataError: It is not any more what it was when it was found.
        OSError: It cannot be read.
    """
    if place.found is None:
        return None
    saved = read(place.found, place.identity)
    if saved.step != place.step:
        raise DataError(f"{place.found} is of step {saved.step}, and not of step {place.step}")
    return saved


def write(place: Place, saved: Saved) -> None:
    """Write a run's checkpoint over its last one, and remove the one that it went on from.

    Raises:
        OSError: It could not be written; the last one is still there.
    """
    from safetensors.numpy import save

    tensors, header = _packed(saved)
    header |= {"schema": SCHEMA, "identity": place.identity}
    header["sha256"] = _checksum(tensors, header)
    place.folder.mkdir(parents=True, exist_ok=True)
    files.replace(place.folder / FILE, save(tensors, metadata={_KEY: json.dumps(header)}))
    if place.found is not None and place.found.parent != place.folder:
        place.found.unlink(missing_ok=True)


def read(path: Path, identity: str) -> Saved:
    """Read a checkpoint.

    Raises:
        DataError: It is damaged, or of another run.
        OSError: It cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get(_KEY, "{}"))
            if header.get("identity") != identity:
                raise DataError("it is of another run")
            tensors = {name: np.array(file.get_tensor(name)) for name in sorted(file.keys())}
        if header.pop("sha256", None) != _checksum(tensors, header):
            raise DataError("it is damaged: its checksum is not that of its content")
        return _unpacked(tensors, header)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"it is damaged ({error})") from error


def remove(place: Place) -> None:
    """Remove all checkpoints of a run that is over."""
    from safetensors import SafetensorError, safe_open

    for path in _files(place.folder):
        try:
            with safe_open(path, framework="numpy") as file:
                is_own = f'"{place.identity}"' in (file.metadata() or {}).get(_KEY, "")
            if is_own:
                path.unlink(missing_ok=True)
        except (OSError, SafetensorError) as error:
            logger.info("%s is left alone: %s", path, error)


def _files(folder: Path) -> list[Path]:
    """What could be checkpoints of attempts beside one, its own as well."""
    if not folder.parent.is_dir():
        return []
    found = [each / FILE for each in sorted(folder.parent.iterdir())]
    return [path for path in found if os.path.isfile(path)]  # which is false of a folder that cannot be entered


def _packed(saved: Saved) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays by name, and the rest as JSON."""
    tensors = {f"parameters/{name}": values for name, values in saved.parameters.items()}
    tensors["losses"] = saved.losses
    numbers: dict[str, dict[str, float]] = {}
    for name, moments in saved.moments.items():
        numbers[name] = {}
        for key, value in moments.items():
            if isinstance(value, np.ndarray):
                tensors[f"moments/{name}/{key}"] = value
            else:
                numbers[name][key] = value
    scored = []
    for number, (metric, tokens) in enumerate(sorted(saved.scored.items())):
        held = field_values(tokens)
        arrays = {key: value for key, value in held.items() if isinstance(value, np.ndarray)}
        tensors |= {f"scored/{number}/{key}": value for key, value in arrays.items()}
        scored.append({"metric": metric, **{key: held[key] for key in held.keys() - arrays.keys()}})
    header = {
        "step": saved.step,
        "resumed": saved.resumed,
        "seconds": saved.seconds,
        "tokens_per_second": saved.tokens_per_second,
        "numbers": numbers,
        "measured": [{name: dataclasses.asdict(each) for name, each in point.items()} for point in saved.measured],
        "scored": scored,
    }
    # Not `ascontiguousarray`, which makes a row of a number.
    return {name: np.asarray(values, order="C") for name, values in tensors.items()}, header


def _unpacked(tensors: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> Saved:
    def below(prefix: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}

    scored = {}
    for number, entry in enumerate(header["scored"]):
        fields: dict[str, Any] = {key: value for key, value in entry.items() if key != "metric"}
        scored[entry["metric"]] = ScoredTokens(**fields | below(f"scored/{number}/"))
    return Saved(
        step=int(header["step"]),
        resumed=int(header["resumed"]),
        seconds=float(header["seconds"]),
        tokens_per_second=float(header["tokens_per_second"]),
        losses=tensors["losses"],
        parameters=below("parameters/"),
        moments={name: {**of_it, **below(f"moments/{name}/")} for name, of_it in header["numbers"].items()},
        measured=[{name: Evaluation(**each) for name, each in point.items()} for point in header["measured"]],
        scored=scored,
    )


def _checksum(tensors: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, values in sorted(tensors.items()):
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
