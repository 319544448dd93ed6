"""The words that `manyhot` was called with, for a job that writes them down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

CURRENT_WORDS: ContextVar[tuple[str, ...] | None] = ContextVar("words", default=None)  # None outside of a command


@contextmanager
def words_of_command(words: Sequence[str]) -> Iterator[None]:
    """Let jobs see these words for as long as the command runs."""
    token = CURRENT_WORDS.set(tuple(words))
    try:
        yield
    finally:
        CURRENT_WORDS.reset(token)
