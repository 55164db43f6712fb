"""Validation sets that are tasks: questions with their answers, and multiple choice.

Their examples become sequences of their own (:mod:`bomix.training.tasks.tokens`); as the source of a domain they are
documents like any other.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any, ClassVar, Literal, NamedTuple

from bomix.contracts.traits import field_values
from bomix.errors import DataError, Fault
from bomix.training.data.packing import digest_of, is_held_out
from bomix.training.data.readers import read_records
from bomix.training.data.sources import Files
from bomix.training.tasks.examples import Example

# Part of the signature: to be raised when the same files shall give other examples.
_FORMAT = 2


class _Fields(NamedTuple):
    """An example as it was read."""

    question: str
    options: tuple[str, ...]
    gold: int


@dataclass(frozen=True)
class Task:
    """What both kinds of tasks share.

    Attributes:
        paths: Files or globs of ``.jsonl`` (also ``.gz``, ``.zst``) or ``.parquet``, as those of the kind ``files``.
        prompt: The field that holds the prompt.
        answer: The field that holds the answer.
        format: How an example is written; ``{prompt}`` and ``{answer}`` are filled in. Spaces right before
            ``{answer}`` count as part of the answer, as tokenizers join them to the word that follows.
        shots: Solved examples that stand before each prompt.
        separator: What stands after each of them.
        support: Files whose first records are the shots; by default those of ``paths``. No shot is ever judged: an
            example of the other ``part`` is never shown either.
        loss: ``whole``: over prompt and right answer as one sequence; ``response``: over the right answer alone.
            Shots are never in it.
        part: ``choose`` and ``judge`` are two halves that share no example, to choose a mixture by one and judge it by
            the other; a hash of each example decides, so that adding others moves none.
        choose_share: Share of the examples in ``choose``.
        root: The folder that relative paths start from; by default the study file's.
    """

    paths: tuple[str, ...]
    prompt: str = "prompt"
    answer: str = "answer"
    format: str = "Question: {prompt}\nAnswer: {answer}"
    shots: int = 0
    separator: str = "\n\n"
    support: tuple[str, ...] = ()
    loss: Literal["whole", "response"] = "whole"
    part: Literal["all", "choose", "judge"] = "all"
    choose_share: float = 0.5
    root: str | None = None

    choices: ClassVar[bool] = False
    per_token: ClassVar[bool] = False
    _fields: ClassVar[tuple[str, ...]] = ("prompt", "answer")

    def faults(self) -> list[Fault]:
        """What is wrong with the fields alone."""
        found = [] if self.paths else [Fault("paths", "names no file; give at least one path or glob")]
        given = field_values(self)
        found += [Fault(key, "is empty; name the field of each record") for key in self._fields if not given[key]]
        if self.shots < 0:
            found.append(Fault("shots", f"is {self.shots}; must be 0 or more"))
        if self.support and not self.shots:
            found.append(Fault("support", "serves shots, and there are none; set `shots`, or leave it out"))
        if not 0.0 < self.choose_share < 1.0:
            found.append(Fault("choose_share", f"is {self.choose_share}; must lie between 0 and 1"))
        return found + [Fault("format", what) for what in _format_problems(self.format)]

    def relative_to(self, folder: Path) -> Task:
        """The same source with relative paths, and a relative root, taken from ``folder``."""
        return dataclasses.replace(self, root=str(folder / Path(self.root or ".").expanduser()))

    def signature(self) -> str:
        """Every field, and paths, sizes and times of all files."""
        fields = {key: value for key, value in dataclasses.asdict(self).items() if key not in ("paths", "root")}
        files = {key: Files(paths, root=self.root).signature() for key, paths in self._files().items()}
        return json.dumps({"kind": type(self).__name__, "format_version": _FORMAT, **fields, "files": files})

    def documents(self) -> Iterator[str]:
        """Yield each example without its shots as a text, for a domain that trains on them."""
        for example in self.examples():
            yield example.text

    def examples(self) -> Iterator[Example]:
        """Yield the examples of this part in the order of the files, each after the shots, which are none of them.

        Raises:
            DataError: Fewer records may be shown than shots are asked for, or a record lacks a field.
        """
        files = self._files()
        records = self._read(files["paths"])
        supporting = self._read(files["support"]) if "support" in files else records
        others = self._of_other_part(files["paths"])
        allowed = (fields for fields in supporting if _digest(fields) not in others)
        shots = [fields for _, fields in zip(range(self.shots), allowed, strict=False)]
        if len(shots) < self.shots:
            which = "" if self.part == "all" else f" that part '{self.part}' may show"
            raise DataError(f"{self.shots} shots are asked for and there are {len(shots)} records{which}; add some")
        context = "".join("".join(self._written(shot, shot.gold)) + self.separator for shot in shots)
        shown = {_digest(shot) for shot in shots}
        for fields in records:
            digest = _digest(fields)
            if digest not in shown and self._takes(digest):
                written = [self._written(fields, option) for option in range(len(fields.options))]
                responses = tuple(response for _, response in written)
                yield Example(context, written[0][0], responses, fields.gold, fields.question, digest)

    def _files(self) -> dict[str, tuple[str, ...]]:
        return {"paths": self.paths, "support": self.support} if self.support else {"paths": self.paths}

    def _read(self, paths: tuple[str, ...]) -> Iterator[_Fields]:
        for path in Files(paths, root=self.root).files():
            for place, record in read_records(path):
                yield self._fields_of(record, place)

    def _fields_of(self, record: Mapping[str, Any], place: str) -> _Fields:
        question = _text(record, self.prompt, place, "prompt")
        answer = _text(record, self.answer, place, "answer")
        if not answer.strip():
            raise DataError(f"{place}: field '{self.answer}' is blank; give the answer, or remove the record")
        return _Fields(question, (answer,), 0)

    def _of_other_part(self, paths: tuple[str, ...]) -> set[bytes]:
        """Examples that the other part may judge, as far as shots need to know."""
        if self.part == "all" or not self.shots:
            return set()
        return {digest for fields in self._read(paths) if not self._takes(digest := _digest(fields))}

    def _takes(self, digest: bytes) -> bool:
        return self.part == "all" or is_held_out(digest, self.choose_share) == (self.part == "choose")

    def _written(self, fields: _Fields, option: int) -> tuple[str, str]:
        """Prompt and response of one option."""
        prompt = response = ""
        for literal, name, _, _ in Formatter().parse(self.format):
            if name == "answer":
                # Only spaces of the format itself: those that end the prompt stay with it.
                kept = literal.rstrip(" ")
                prompt, response = prompt + kept, literal[len(kept) :] + fields.options[option]
            elif response:
                response += literal
            else:
                prompt += literal + (fields.question if name == "prompt" else "")
        return prompt, response


@dataclass(frozen=True)
class Questions(Task):
    """Questions and their answers: a validation loss over sequences that are examples.

    See :class:`Task` for the fields.
    """


@dataclass(frozen=True)
class Choices(Task):
    """Multiple choice: the loss of the right option, and the share of examples in which it is the likeliest.

    The second is a metric of its own, ``<name>_accuracy``. The answer is the right option's position from 0, or its
    letter from A. Further fields as those of :class:`Task`.

    Attributes:
        options: The field that holds the list of options.
        score: By which log-probability options are compared: the ``sum`` over their tokens, or the mean
            ``per_token``, which does not favour short ones.
    """

    options: str = "options"
    score: Literal["sum", "per_token"] = "sum"

    choices: ClassVar[bool] = True
    _fields: ClassVar[tuple[str, ...]] = ("prompt", "answer", "options")

    @property
    def per_token(self) -> bool:  # type: ignore[override]
        """Whether options are compared by their mean log-probability over tokens."""
        return self.score == "per_token"

    def _fields_of(self, record: Mapping[str, Any], place: str) -> _Fields:
        question = _text(record, self.prompt, place, "prompt")
        given = _field(record, self.options, place, "options")
        if not isinstance(given, list) or len(given) < 2:
            raise DataError(f"{place}: field '{self.options}' holds {given!r:.40}, not a list of at least two options")
        options = tuple(_as_text(option) for option in given)
        if blank := [number for number, option in enumerate(options) if option is None or not option.strip()]:
            raise DataError(f"{place}: option {blank[0]} of '{self.options}' is {given[blank[0]]!r:.40}, not a text")
        answer = _field(record, self.answer, place, "answer")
        gold = _position(answer, len(options))
        if gold is None:
            raise DataError(
                f"{place}: field '{self.answer}' is {answer!r:.40}; give the right option's position, from 0 to "
                f"{len(options) - 1}, or its letter"
            )
        return _Fields(question, tuple(map(str, options)), gold)


def _digest(fields: _Fields) -> bytes:
    # Not the order of the options, nor which is right: what is asked is the same.
    return digest_of(json.dumps(["task", fields.question, sorted(fields.options)]).encode())


def _position(answer: object, count: int) -> int | None:
    if isinstance(answer, str) and len(answer.strip()) == 1:
        position = ord(answer.strip().upper()) - ord("A")
    elif isinstance(answer, int) and not isinstance(answer, bool):
        position = answer
    else:
        return None
    return position if 0 <= position < count else None


def _field(record: Mapping[str, Any], name: str, place: str, option: str) -> Any:
    if name not in record:
        known = ", ".join(sorted(map(str, record))[:8]) or "none"
        raise DataError(f"{place}: no field '{name}' (there are: {known}); set the source's `{option}`")
    return record[name]


def _text(record: Mapping[str, Any], name: str, place: str, option: str) -> str:
    value = _field(record, name, place, option)
    if (text := _as_text(value)) is None:
        raise DataError(f"{place}: field '{name}' holds {value!r:.40}, not a text")
    return text


def _as_text(value: object) -> str | None:
    """A string as it is, a number as it is written; None for anything else."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if isinstance(value, str) else str(value) if is_number else None


def _format_problems(text: str) -> list[str]:
    try:
        parts = [(name, bool(spec or conversion)) for _, name, spec, conversion in Formatter().parse(text)]
    except ValueError as error:
        return [f"cannot be read ({error}); write {{{{ and }}}} for braces that are meant"]
    names = [name for name, _ in parts if name is not None]
    if any(is_special for _, is_special in parts) or set(names) - {"prompt", "answer"}:
        return [f"is '{text}'; only {{prompt}} and {{answer}} can be filled in"]
    if names.count("answer") != 1 or names[-1] != "answer" or names.count("prompt") > 1:
        return [f"is '{text}'; it must hold {{answer}} once, after {{prompt}}"]
    return []
