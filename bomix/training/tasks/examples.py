"""Examples: what a task is made of, a prompt and one response or several, one of them right (gold)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol, runtime_checkable


class Example(NamedTuple):
    """One example, ready to be tokenized.

    Attributes:
        context: The shots before it; never scored.
        prompt: What comes before the response.
        responses: The answers to choose from, as they follow the prompt; a single one where there is no choice.
        gold: Which of them is right.
        question: The prompt's field as it was read.
        digest: Hash of the example's fields: the same example has it in every format.
    """

    context: str
    prompt: str
    responses: tuple[str, ...]
    gold: int
    question: str
    digest: bytes

    @property
    def text(self) -> str:
        """Prompt and right response: what a training document would be."""
        return self.prompt + self.responses[self.gold]

    @property
    def size(self) -> int:
        """UTF-8 bytes of :attr:`text`."""
        return len(self.text.encode())


@runtime_checkable
class TaskSource(Protocol):
    """A source whose text is examples.

    Attributes:
        loss: ``whole`` scores prompt and right response, ``response`` the right response alone.
        choices: Whether options are told apart, which gives an accuracy.
        per_token: Whether options are compared by their mean log-probability over tokens, not by the sum.
    """

    @property
    def loss(self) -> Literal["whole", "response"]:
        """What of an example the loss is over: ``whole`` or ``response``."""
        ...

    @property
    def choices(self) -> bool:
        """Whether options are told apart, which gives an accuracy."""
        ...

    @property
    def per_token(self) -> bool:
        """Whether options are compared by their mean log-probability over tokens, not by the sum."""
        ...

    def examples(self) -> Iterator[Example]:
        """Yield the examples, always in the same order.

        Raises:
            DataError: A broken line, a missing field, or too few examples for the shots.
        """
        ...
