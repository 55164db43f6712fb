"""A process that encodes texts for another: ``python -m bomix.training.data.encoding_process DESCRIPTOR``.

It ends when the other end of the connection closes, also where that process was killed.
"""

from __future__ import annotations

import contextlib
import pickle
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from bomix.training.data.encoding import arrays, packed
from bomix.training.data.tokenizer import LoadedTokenizer


def serve(connection: Connection) -> None:
    """Read the tokenizer, then answer each list of texts with their tokens, until the connection closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks, which then closes
    with contextlib.suppress(EOFError, ConnectionError):
        made = pickle.loads(connection.recv_bytes())
        tokenizer = LoadedTokenizer.open(made) if isinstance(made, Path) else made
        while True:
            texts = connection.recv()
            connection.send(packed(arrays(tokenizer, texts), tokenizer.dtype))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
