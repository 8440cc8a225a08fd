"""Counting tokens: without network, never too few, and at most a little too many."""

import asyncio
import hashlib
import inspect
import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken import Encoding
from tiktoken_ext import openai_public

from adapters.provider import token_counter
from adapters.provider.token_counter import (
    ANSWER_TOKENS,
    MESSAGE_TOKENS,
    PIECE_LENGTH,
    SHORT_LENGTH,
    TiktokenCounter,
    read_vocabulary,
)
from application.ports import Message


def count(*texts: str) -> int:
    """The tokens of messages without those around them."""
    messages = [Message("user", text) for text in texts]
    return asyncio.run(TiktokenCounter().count(messages)) - ANSWER_TOKENS - MESSAGE_TOKENS * len(texts)


def whole(text: str) -> int:
    """The tokens of a text that is not cut."""
    encoding: Encoding = token_counter._loaded()
    return len(encoding.encode_ordinary(text))


def test_the_vocabulary_is_the_one_that_tiktoken_would_load() -> None:
    digest = hashlib.sha256(read_vocabulary()).hexdigest()
    assert f'expected_hash="{digest}"' in inspect.getsource(openai_public.o200k_base)


def test_the_pattern_is_that_of_tiktoken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: {})
    assert openai_public.o200k_base()["pat_str"] == token_counter.PATTERN


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("Hello world", 2), ("Otters hold hands.", 5), ("你好世界", 2), ("<|endoftext|>", 7)],
)
def test_known_texts(text: str, tokens: int) -> None:
    assert count(text) == tokens


def test_messages_cost_more_than_their_texts() -> None:
    counted = asyncio.run(TiktokenCounter().count([Message("system", "Hello world"), Message("user", "Hello world")]))
    assert counted == 2 * (2 + MESSAGE_TOKENS) + ANSWER_TOKENS


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["otter ", "swims", "\n\n", "   ", "aaaa", "你好", "😀", "don't ", "123456"]), max_size=60)
)
def test_a_text_that_is_cut_has_no_fewer_tokens_than_the_whole(parts: list[str]) -> None:
    text = "".join(parts) * 40
    cuts = max(0, -(-len(text) // PIECE_LENGTH) - 1)
    assert whole(text) <= count(text) <= whole(text) + 4 * cuts


@settings(max_examples=100)
@given(st.text(max_size=200))
def test_a_text_never_has_more_tokens_than_bytes(text: str) -> None:
    assert count(text) <= len(text.encode())


@pytest.mark.parametrize("letter", [" ", "a", "\n", "😀"])
def test_a_million_equal_characters_are_counted(letter: str) -> None:
    assert 0 < count(letter * 1_000_000) <= 1_001_000


def test_a_short_text_is_counted_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "otter " * (SHORT_LENGTH // 6 + 1)
    counted = count("Otters swim."), count(long)
    token_counter._loaded()
    ways: list[object] = []

    async def note(work: object, messages: Sequence[Message]) -> int:
        ways.append(work)
        return token_counter._count(messages)

    monkeypatch.setattr(asyncio, "to_thread", note)
    assert (count("Otters swim."), len(ways)) == (counted[0], 0)
    assert (count(long), len(ways)) == (counted[1], 1)


def test_the_event_loop_runs_meanwhile() -> None:
    async def turns() -> int:
        counting = asyncio.create_task(TiktokenCounter().count([Message("user", json.dumps(["otter"] * 100_000))]))
        turns = 0
        while not counting.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    token_counter._loaded()
    assert asyncio.run(turns()) > 3
