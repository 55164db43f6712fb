"""The corpus of a study: every domain's text split, tokenized and packed, once, into a folder of the cache.

A document is for training or for validation by a hash of its text, so that no text of any domain's validation set
is trained on, whatever domain it also occurs in. The folder's name hashes the sources' signatures and the options.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bomix.errors import DataError, Fault, FaultsError, raise_faults
from bomix.protocols import Source
from bomix.training.assembly import Inputs, assemble
from bomix.training.cache import build_once, cache_folder, is_whole, read_record
from bomix.training.tokenizer import Tokenizer, TokenizerSpec
from bomix.training.tokens import Corpus, TokenSet

logger = logging.getLogger(__name__)

_FORMAT = 1
