"""Tokens of prompts, counted with the vocabulary of OpenAI's models, without network.

A text is cut into pieces of bounded length first: tiktoken fails at a million spaces, and takes seconds for a million
equal letters. A cut adds a token, so that the count is never too small; it is too large by a few tokens for each
4,000 characters.
"""

import asyncio
import gzip
from base64 import b64decode
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from threading import Lock
from typing import TYPE_CHECKING

from application.ports import Message

if TYPE_CHECKING:
    from tiktoken import Encoding

PIECE_LENGTH = 4_000
"""Characters that are counted at once."""
SHORT_LENGTH = 4_000
"""Characters that are counted on the event loop: 0.1 ms, or 0.8 ms at worst. The way to a thread takes as long."""
MESSAGE_TOKENS = 4
"""Tokens around each message: its begin, its author, a separator, its end."""
ANSWER_TOKENS = 3
"""Tokens that begin the answer, at the end of a prompt."""

PATTERN = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
"""How o200k_base cuts text into words (tiktoken_ext/openai_public.py); no token goes beyond a word."""

_loading = Lock()


class TiktokenCounter:
    """Implements `application.ports.TokenCounter`. Counts in a thread; tiktoken leaves the event loop running.

    Short texts are counted at once, if the vocabulary is there.
    """

    async def start(self) -> None:
        """Load the vocabulary: 80 MB, and a second during which this process does little else."""
        await asyncio.to_thread(_loaded)

    async def count(self, messages: Sequence[Message]) -> int:
        """Return the number of tokens: never less than the vocabulary gives for the whole texts."""
        if _encoding.cache_info().currsize and sum(len(message.text) for message in messages) <= SHORT_LENGTH:
            return _count(messages)
        return await asyncio.to_thread(_count, messages)


def read_vocabulary() -> bytes:
    """Return the vocabulary in the form of tiktoken."""
    return gzip.decompress(files("adapters.provider").joinpath("vocabulary", "o200k_base.tiktoken.gz").read_bytes())


def _count(messages: Sequence[Message]) -> int:
    encoding = _loaded()
    total = ANSWER_TOKENS + MESSAGE_TOKENS * len(messages)
    for message in messages:
        starts = range(0, len(message.text), PIECE_LENGTH)
        pieces = [encoding.encode_ordinary(message.text[start : start + PIECE_LENGTH]) for start in starts]
        total += sum(map(len, pieces)) + max(0, len(pieces) - 1)
    return total


def _loaded() -> "Encoding":
    with _loading:
        return _encoding()


@cache
def _encoding() -> "Encoding":
    from tiktoken import Encoding

    lines = map(bytes.split, read_vocabulary().splitlines())
    ranks = {b64decode(token): int(rank) for token, rank in lines}
    return Encoding("o200k_base", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
