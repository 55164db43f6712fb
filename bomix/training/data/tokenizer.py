"""Text to tokens and back: a byte-level BPE trained on the domains, or any pretrained tokenizer."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bomix.errors import DataError, Fault
from bomix.training.data.hub import hub_error
from bomix.training.data.sources import folder_signature, is_local, relative_name

_END = "<|endofdocument|>"
_FACTS = "bomix.json"
_FAST = "tokenizer.json"
_PIECE = 1 << 16
"""Characters that a tokenizer learns from at a time: larger pieces take more memory and are no faster."""
_CUT = re.compile(r"(?<=\S)\n")


@dataclass(frozen=True)
class LoadedTokenizer:
    """A tokenizer of ``tokenizers`` or ``transformers`` that is ready.

    Attributes:
        backend: A ``tokenizers.Tokenizer``, or a ``transformers`` tokenizer that has none inside.
        vocabulary: One more than the largest token id.
        end_of_document: The token id that closes each document.
        hash: Changes with anything that changes how text becomes tokens.
    """

    backend: Any
    vocabulary: int
    end_of_document: int
    hash: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned integer type that holds every token id."""
        return np.min_scalar_type(self.vocabulary - 1)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, no special token among them, on the calling thread alone."""
        with _one_thread():
            if _is_fast(self.backend):
                return [found.ids for found in self.backend.encode_batch_fast(list(texts), add_special_tokens=False)]
            ids = self.backend(list(texts), add_special_tokens=False, split_special_tokens=True, verbose=False)
            return [list(row) for row in ids["input_ids"]]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some tokens."""
        return str(self.backend.decode([int(token) for token in ids], skip_special_tokens=False))

    def save(self, folder: Path) -> None:
        """Write everything that :meth:`open` needs into ``folder``, which must exist."""
        facts = {"vocabulary": self.vocabulary, "end_of_document": self.end_of_document, "hash": self.hash}
        (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
        if _is_fast(self.backend):
            (folder / _FAST).write_text(self.backend.to_str(), encoding="utf-8")
        else:
            self.backend.save_pretrained(str(folder))

    @classmethod
    def open(cls, folder: Path) -> LoadedTokenizer:
        """Read what :meth:`save` wrote."""
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        if (folder / _FAST).is_file():
            from tokenizers import Tokenizer as Backend

            backend: Any = Backend.from_file(str(folder / _FAST))
            # A document that spells a special token out is text like any other.
            backend.encode_special_tokens = True
        else:
            from transformers import AutoTokenizer

            backend = AutoTokenizer.from_pretrained(str(folder))
        return cls(backend=backend, **facts)


@dataclass(frozen=True)
class BytePair:
    """Byte-level BPE, trained on the same amount of training text of each domain.

    Attributes:
        vocabulary: Token ids in all: 256 bytes, the end of document, and merges. Smaller where the sample is too
            short for so many merges.
        sample_bytes: UTF-8 bytes of text to train on, all domains together: the first documents of each.
    """

    vocabulary: int = 1024
    sample_bytes: int = 4_000_000

    def faults(self) -> list[Fault]:
        """What is wrong with the fields alone."""
        found = []
        if self.vocabulary < 257:
            found.append(Fault("vocabulary", f"is {self.vocabulary}; 256 bytes and the end of document need 257"))
        if self.sample_bytes < 1:
            found.append(Fault("sample_bytes", f"is {self.sample_bytes}; must be at least 1"))
        return found

    def signature(self) -> str:
        """The fields, and the version of the library that trains."""
        version = importlib.metadata.version("tokenizers")
        return json.dumps({"kind": "bpe", **dataclasses.asdict(self), "tokenizers": version})

    def build(self, sample: Iterable[str]) -> LoadedTokenizer:
        """Train on ``sample``; the same sample gives the same tokenizer."""
        from tokenizers import Tokenizer as Backend
        from tokenizers import decoders, models, pre_tokenizers, trainers

        backend: Any = Backend(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocabulary,
            special_tokens=[_END],
            # Every byte has its token, so that no text is lost, whatever the sample held.
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        with _one_thread():
            backend.train_from_iterator(_pieces(sample), trainer)
        return _from_fast(backend, backend.token_to_id(_END))


@dataclass(frozen=True)
class Pretrained:
    """Any tokenizer that ``transformers.AutoTokenizer`` loads. Code that it brings with it is never run.

    Attributes:
        name: ``owner/name`` on the hub; or a folder that exists, or one that begins with ``.``, ``~`` or ``/``.
            Its end-of-sequence token closes each document.
        end_of_document: The token that does so instead, or its id: for a tokenizer that names no end of sequence.
    """

    name: str
    end_of_document: str | int | None = None
    sample_bytes: ClassVar[int] = 0

    def faults(self) -> list[Fault]:
        """What is wrong with the fields alone."""
        found = [] if self.name else [Fault("name", "is empty; give a name on the hub or a folder")]
        end = self.end_of_document
        if end is not None and (end == "" or isinstance(end, bool) or (isinstance(end, int) and end < 0)):
            found.append(Fault("end_of_document", f"is {end!r}; give a token, its id, or leave it out"))
        return found

    @property
    def remote(self) -> bool:
        """Whether it is on the hub."""
        return not is_local(self.name)

    def relative_to(self, folder: Path) -> Pretrained:
        """The same with a relative local folder taken from ``folder``."""
        return dataclasses.replace(self, name=relative_name(self.name, folder))

    def signature(self) -> str:
        """The name, the end of documents; for a local folder also names, sizes and times of its files."""
        own = {} if self.end_of_document is None else {"end_of_document": self.end_of_document}
        return json.dumps({"kind": "pretrained", "name": self.name, "files": folder_signature(self.name), **own})

    def build(self, sample: Iterable[str]) -> LoadedTokenizer:
        """Load it; ``sample`` is not read."""
        folder_signature(self.name)  # a missing folder is told before transformers takes it for a name on the hub
        from transformers import AutoTokenizer

        try:
            # Left unset, a terminal would be asked whether code that came with the tokenizer may run.
            loaded = AutoTokenizer.from_pretrained(str(Path(self.name).expanduser()), trust_remote_code=False)
        # Besides OSError for what is not there, broken files raise whatever their reader does.
        except Exception as error:
            reason = str(error).strip().splitlines() or [""]
            what = (
                f"tokenizer '{self.name}' cannot be loaded ({type(error).__name__}: {reason[0]}); check the name and "
                "that the hub can be reached, or name a folder that holds a tokenizer, or use `kind: bpe`"
            )
            raise (hub_error(what, error) if self.remote else DataError(what)) from error
        end = self._end(loaded)
        # Transformers has tokenizers with a fast one inside and tokenizers without; no common type says which.
        if (backend := getattr(loaded, "backend_tokenizer", None)) is not None:
            return _from_fast(backend, end)
        return _from_slow(loaded, end)

    def _end(self, loaded: Any) -> int:
        """The id of the token that closes each document."""
        if self.end_of_document is None:
            if loaded.eos_token_id is None:
                raise DataError(
                    f"tokenizer '{self.name}' has no end-of-sequence token (eos_token), which must close each "
                    f"document; name the token that shall: `end_of_document`, {_special(loaded)}"
                )
            return int(loaded.eos_token_id)
        known = loaded.get_vocab()
        if isinstance(self.end_of_document, int):
            if self.end_of_document in known.values():
                return self.end_of_document
            what = f"tokenizer '{self.name}' has no token {self.end_of_document} (end_of_document)"
            raise DataError(f"{what}; its ids go to {max(known.values())}")
        if self.end_of_document in known:
            return int(known[self.end_of_document])
        what = f"tokenizer '{self.name}' has no token '{self.end_of_document}' (end_of_document)"
        raise DataError(f"{what}; name one of its vocabulary, {_special(loaded)}")


def _special(loaded: Any) -> str:
    """The special tokens that could close documents, for a message."""
    names = ", ".join(f"'{token}'" for token in loaded.all_special_tokens[:8])
    return f"one of its special tokens perhaps: {names}" if names else "by itself or by its id"


def _pieces(sample: Iterable[str]) -> Iterator[str]:
    """Cut texts before line breaks that follow no space, where no word of the BPE goes on: words stay what they are.

    A text that the trainer splits into words takes a hundred times its size meanwhile.
    """
    for text in sample:
        start = 0
        while start < len(text):
            cut = _CUT.search(text, start + _PIECE)
            end = len(text) if cut is None else cut.start()
            yield text[start:end]
            start = end


def _from_fast(backend: Any, end_of_document: int) -> LoadedTokenizer:
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    vocabulary = max(backend.get_vocab(with_added_tokens=True).values()) + 1
    digest = hashlib.sha256(f"{end_of_document}\n{backend.to_str()}".encode())
    return LoadedTokenizer(backend, vocabulary, end_of_document, digest.hexdigest())


def _from_slow(loaded: Any, end_of_document: int) -> LoadedTokenizer:
    from tempfile import TemporaryDirectory

    digest = hashlib.sha256(str(end_of_document).encode())
    with TemporaryDirectory() as name:
        loaded.save_pretrained(name)
        for path in sorted(Path(name).rglob("*")):
            if path.is_file():
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
    vocabulary = max(loaded.get_vocab().values()) + 1
    return LoadedTokenizer(loaded, vocabulary, end_of_document, digest.hexdigest())


def _is_fast(backend: Any) -> bool:
    from tokenizers import Tokenizer as Backend

    return isinstance(backend, Backend)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep ``tokenizers`` from starting a thread per core; it reads the variable at every call."""
    name = "TOKENIZERS_PARALLELISM"
    before = os.environ.get(name)
    os.environ[name] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
