"""The corpus of a study: every domain's text split, tokenized and packed, once, into a folder of the cache.

A document is for training or for validation by a hash of its text, so that no text of any domain's validation set
is trained on, whatever domain it also occurs in. The folder's name hashes the sources' signatures and the options.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from bomix.contracts.text import Source, TokenizerSpec, signature_of
from bomix.contracts.traits import ComponentTraits, traits
from bomix.errors import DataError, Fault, FaultsError, raise_faults
from bomix.io.store.cache import build_once, cache_folder, is_whole, read_record
from bomix.training.data.assembly import TOKENIZER, TOKENIZER_FOLDER, Inputs, assemble
from bomix.training.data.spec import CorpusSpec
from bomix.training.data.tokenizer import LoadedTokenizer
from bomix.training.data.tokens import Corpus, accuracy_of, open_corpus
from bomix.training.tasks.examples import TaskSource

logger = logging.getLogger(__name__)

# Part of every key: to be raised when the same inputs shall give other tokens.
_FORMAT = 1
_OPTIONS = "evaluator.corpus"


def build(
    sources: Mapping[str, Source],
    validation: Mapping[str, Source],
    tokenizer: TokenizerSpec,
    spec: CorpusSpec,
    *,
    sequence_length: int,
) -> Corpus:
    """Build the corpus, or find it in the cache. Several processes may ask at once: one builds, the others wait.

    Args:
        sources: Domain name to its text. Each domain gives training tokens, and a validation set of its name.
        validation: Name of a further validation set to its text.
        tokenizer: What makes tokens of it.
        spec: The options.
        sequence_length: Inputs per sequence; every set must hold at least one sequence.

    Raises:
        FaultsError: Everything that is wrong with the inputs, of all domains together.
    """
    inputs = Inputs(sources, validation, tokenizer, spec)
    raise_faults(local_faults(inputs) or ())
    faults, signatures = _signatures(inputs)
    if not _legible(inputs, faults):
        raise FaultsError(faults)

    def write(folder: Path) -> dict[str, Any]:
        # With faults already known, this reads what can be read all the same, so that one report tells everything.
        record = assemble(folder, inputs, faults)
        raise_faults([*faults, *_length_faults(inputs, record, faults, sequence_length)] if faults else ())
        return {**record, "inputs": signatures}

    # Where a part is missing, so is its signature, and the folder is none that can be whole.
    folder = _folder(spec, signatures)
    if not is_whole(folder):
        build_once(folder, write, resumable=True)
    raise_faults(_length_faults(inputs, read_record(folder), (), sequence_length))
    corpus = open_corpus(folder)
    for name, found in corpus.task_statistics(sequence_length).items():
        if found["too_long"]:
            what = "validation/%s: %d examples are longer than a sequence of %d tokens and are left out; %d are read"
            logger.warning(what, name, found["too_long"], sequence_length, found["examples"])
    return corpus


def load(
    sources: Mapping[str, Source],
    validation: Mapping[str, Source],
    tokenizer: TokenizerSpec,
    spec: CorpusSpec,
    *,
    sequence_length: int,
) -> Corpus:
    """Find the corpus in the cache; no document is read and neither ``datasets`` nor ``tokenizers`` imported.

    Args:
        sources: Domain name to its text.
        validation: Name of a further validation set to its text.
        tokenizer: What made tokens of it.
        spec: The options.
        sequence_length: Inputs per sequence.

    Raises:
        FaultsError: A source is not there, or a set is shorter than one sequence.
        DataError: The corpus has not been built, or is damaged.
    """
    inputs = Inputs(sources, validation, tokenizer, spec)
    faults, signatures = _signatures(inputs)
    raise_faults(faults)
    folder = _folder(spec, signatures)
    raise_faults(_length_faults(inputs, read_record(folder), (), sequence_length))
    return open_corpus(folder)


def open_tokenizer(folder: Path) -> LoadedTokenizer:
    """The tokenizer of a built corpus, ``Corpus.folder``; imports ``tokenizers``."""
    read_record(folder)
    return LoadedTokenizer.open(folder / TOKENIZER_FOLDER)


def local_faults(inputs: Inputs) -> list[Fault] | None:
    """What is wrong that is seen before any network is asked; None where none is, as one report then tells all."""
    if not (remote := inputs.remote()):
        return None
    return _signatures(inputs, without=remote)[0]


def _signatures(inputs: Inputs, without: Collection[str] = ()) -> tuple[list[Fault], dict[str, Any]]:
    """Everything that can be wrong before a document is read, and what the corpus depends on.

    Args:
        inputs: What it is made of.
        without: Places of parts whose signatures are not asked for.
    """
    faults = _under(_OPTIONS, inputs.spec)
    if not inputs.sources:
        faults.append(Fault("domains", "there is none; name at least one"))
    for name in sorted(set(inputs.sources) & set(inputs.validation)):
        what = "has the name of a domain, which has a validation set already; rename it"
        faults.append(Fault(f"evaluator.validation.{name}", what))
    for name, source in sorted(inputs.validation.items()):
        other = accuracy_of(name)
        if isinstance(source, TaskSource) and source.choices and other in {*inputs.sources, *inputs.validation}:
            what = f"its accuracy would be called '{other}', which is another set; rename one of them"
            faults.append(Fault(f"evaluator.validation.{name}", what))
    if inputs.tokenizer.sample_bytes and (held := inputs.token_sources()):
        what = f"learns from text, and {', '.join(held)} hold tokens of another tokenizer; name that"
        faults.append(Fault(TOKENIZER, f"{what}: {{kind: pretrained, name: FOLDER}}"))
    found: dict[str, str] = {}
    for place, part in inputs.parts().items():
        own = _under(place, part)
        faults += own
        if not own and place not in without:
            try:
                found[place] = signature_of(part)
            except DataError as error:
                faults.append(Fault(place, str(error)))
    return faults, {"format": _FORMAT, "options": inputs.spec.content, "parts": found}


def _under(place: str, part: object) -> list[Fault]:
    """The faults that a spec finds in its own fields, with their place in the study file."""
    own = traits(part, ComponentTraits).faults()
    return [Fault(f"{place}.{fault.where}" if fault.where else place, fault.what) for fault in own]


def _legible(inputs: Inputs, faults: Iterable[Fault]) -> bool:
    """Whether reading the sources would tell more: not without sound options, nor where two sets share a name."""
    return not (
        any(fault.where.startswith(f"{_OPTIONS}.") for fault in faults)
        or not inputs.sources
        or set(inputs.sources) & set(inputs.validation)
    )


def _length_faults(
    inputs: Inputs, record: Mapping[str, Any], known: Iterable[Fault], sequence_length: int
) -> list[Fault]:
    """Sets that do not hold one sequence; those at places that are at fault anyway are passed over."""
    places = {fault.where for fault in known}
    faults = []
    for key, facts in record.get("sets", {}).items():
        if "task" in facts:
            if (shortest := facts["task"]["shortest"]) > sequence_length:
                faults.append(Fault(inputs.place(key), (
                    f"all of its {facts['documents']} examples are longer than a sequence of {sequence_length} "
                    f"tokens, the shortest has {shortest}; lengthen the sequences, or use fewer shots"
                )))  # fmt: skip
        elif facts["tokens"] <= sequence_length and inputs.place(key) not in places:
            which = "training" if key.startswith("train/") else "validation"
            faults.append(Fault(inputs.place(key), (
                f"gives {facts['tokens']} {which} tokens in {facts['documents']} documents, fewer than one sequence of "
                f"{sequence_length} needs; add text, cut it into more documents (each is for training or for "
                "validation as a whole), or shorten the sequences"
            )))  # fmt: skip
    return faults


def _folder(spec: CorpusSpec, signatures: Mapping[str, Any]) -> Path:
    key = hashlib.sha256(json.dumps(signatures, sort_keys=True).encode()).hexdigest()[:32]
    return cache_folder(spec.cache) / "corpora" / key
