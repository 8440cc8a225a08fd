"""What the adapter of batches makes of servers that fail, and of files that are not as they should be."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from adapters.provider.batch_lines import decode_results
from adapters.provider.openai_batches import OpenAIBatches
from application.ports import AnswerCut, BatchAnswer, KeyRefused, PromptRefused, ProviderBatch, Unavailable
from tests.support.batch_server import BatchServer, batches_at, failed, result
from tests.support.provider import CANARY
from tests.support.provider_servers import (
    RudeProvider,
    RudeScript,
    closed,
    html,
    no_http,
    refuse,
    rude_provider,
)

NAME = f"{UUID(int=1)}-1"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
BATCH = ProviderBatch(UUID(int=2), "batch-1", "completed", LONG_AGO, ("file-1",), ("file-1",))


@pytest.fixture
async def rude() -> AsyncIterator[RudeProvider]:
    async with rude_provider() as server:
        yield server


@pytest.fixture
async def batches(rude: RudeProvider) -> AsyncIterator[OpenAIBatches]:
    async with batches_at(rude.url) as opened:
        yield opened


@pytest.mark.parametrize(
    ("script", "meaning"),
    [
        (refuse(401), KeyRefused),
        (refuse(400), PromptRefused),
        (refuse(404), PromptRefused),
        (refuse(429, "Retry-After: 7"), Unavailable),
        (refuse(500), Unavailable),
        (closed, Unavailable),
        (html, Unavailable),
        (no_http, Unavailable),
    ],
)
async def test_a_failure_has_a_meaning_and_shows_no_text(
    rude: RudeProvider, batches: OpenAIBatches, script: RudeScript, meaning: type[Exception]
) -> None:
    rude.script = script
    with pytest.raises(meaning) as caught:
        await batches.since(LONG_AGO, None)
    assert CANARY not in repr(caught.value)
    assert type(caught.value) is meaning


async def test_files_that_are_gone_are_left_out_and_other_failures_are_not(
    rude: RudeProvider, batches: OpenAIBatches
) -> None:
    rude.script = refuse(404)
    await batches.clear(BATCH, None)
    assert await batches.results(BATCH, None) == {}
    rude.script = refuse(500)
    for ask in (batches.clear, batches.results):
        with pytest.raises(Unavailable):
            await ask(BATCH, None)


async def test_a_batch_that_cannot_be_cancelled_as_it_has_ended_is_left_as_it_is(
    rude: RudeProvider, batches: OpenAIBatches
) -> None:
    rude.script = refuse(409)
    await batches.cancel(BATCH, None)
    rude.script = refuse(500)
    with pytest.raises(Unavailable):
        await batches.cancel(BATCH, None)


async def test_things_of_others_are_not_seen(rude: RudeProvider, batches: OpenAIBatches) -> None:
    server = BatchServer()
    rude.script = server.answer
    server.keep("training.jsonl", b"{}", "batch")
    server.keep("palimpsest-here-../../etc.jsonl", b"{}", "batch")
    for metadata in (None, {}, {"palimpsest": "palimpsest-here-no-id"}, {"palimpsest": "palimpsest-there-1"}):
        id = f"batch-{len(server.batches)}"
        about = {"id": id, "object": "batch", "created_at": 1_800_000_000, "status": "completed", "metadata": metadata}
        server.batches[id] = {**about, "input_file_id": "file-1", "endpoint": "/v1/responses"}
    assert await batches.since(LONG_AGO, None) == []


async def test_a_status_that_is_not_known_is_a_batch_that_runs(rude: RudeProvider, batches: OpenAIBatches) -> None:
    server = BatchServer()
    rude.script = server.answer
    name = f"palimpsest-here-{UUID(int=2)}"
    about = {"id": "batch-1", "object": "batch", "created_at": 1_800_000_000, "status": "dreaming"}
    server.batches["batch-1"] = {**about, "metadata": {"palimpsest": name}, "input_file_id": "file-1"}
    assert [(each.id, each.stage) for each in await batches.since(LONG_AGO, None)] == [(UUID(int=2), "running")]


def read(*lines: Any) -> Any:
    """Return the result of the only name of ours in a file."""
    content = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return decode_results([content], is_sandbox=False).get(NAME)


def chat(content: Any, finish: Any = "stop", **more: Any) -> Any:
    """The body of a chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **more}, "finish_reason": finish}
    return {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}


def response(status: str, *parts: Any, **more: Any) -> Any:
    """The body of an answer of the Responses API."""
    return {"status": status, "output": [{"type": "message", "content": [*parts]}], **more}


@pytest.mark.parametrize(
    ("body", "text", "reason"),
    [
        (chat("Otters."), "Otters.", "complete"),
        (chat("Ott", "length"), "Ott", "length"),
        (chat(None, "content_filter"), "", "filtered"),
        (chat(None, "stop", refusal="No."), "", "filtered"),
        (chat("x" * 1_000_001), "x" * 1_000_000, "length"),
        (chat("\ud83d"), "\N{REPLACEMENT CHARACTER}", "complete"),
        (response("completed", {"type": "output_text", "text": "Otters."}), "Otters.", "complete"),
        (response("completed", {"type": "refusal", "refusal": "No."}), "", "filtered"),
        (
            response(
                "incomplete", {"type": "output_text", "text": "Ott"}, incomplete_details={"reason": "max_output_tokens"}
            ),
            "Ott",
            "length",
        ),
        (response("failed", error={"code": "cyber_policy"}), "", "filtered"),
    ],
)
def test_a_text_is_read(body: Any, text: str, reason: str) -> None:
    found = read(result(NAME, body))
    assert isinstance(found, BatchAnswer)
    assert (found.text, found.end.reason) == (text, reason)


@pytest.mark.parametrize(
    "usage",
    [None, {}, {"prompt_tokens": -1, "completion_tokens": 4}, {"prompt_tokens": "9", "completion_tokens": 4}],
)
def test_usage_that_cannot_be_is_unknown(usage: Any) -> None:
    found = read(result(NAME, {**chat("Otters."), "usage": usage}))
    assert isinstance(found, BatchAnswer)
    assert found.end.usage is None


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        (failed(NAME, "batch_expired"), Unavailable),
        (failed(NAME, "invalid_prompt"), PromptRefused),
        (result(NAME, {"error": {"code": "rate_limit_exceeded"}}, 429), Unavailable),
        (result(NAME, {"error": {"code": CANARY}}, 400), PromptRefused),
        (result(NAME, {"error": {}}, 401), KeyRefused),
        (result(NAME, response("failed", error={"code": "server_error"})), Unavailable),
        (result(NAME, {"choices": []}), AnswerCut),
        (result(NAME, chat(7)), AnswerCut),
        (result(NAME, chat("Otters.", "dreaming")), AnswerCut),
        (result(NAME, CANARY), AnswerCut),
        (result(NAME, None), AnswerCut),
        ({"custom_id": NAME}, AnswerCut),
        ({"custom_id": NAME, "response": [], "error": None}, AnswerCut),
        ({"custom_id": NAME, "response": None, "error": CANARY}, AnswerCut),
    ],
)
def test_a_line_without_a_text_has_a_meaning_and_shows_no_text(line: Any, meaning: type[Exception]) -> None:
    found = read(line)
    assert type(found) is meaning
    assert CANARY not in repr(found)


def test_lines_that_name_no_request_of_ours_are_left_out() -> None:
    whole = result(NAME, chat("Otters."))
    lines = [b"", b"{", b"[]", b"7", b"null", {"custom_id": 7}, {"custom_id": "../etc"}, b"[" * 100_000]
    assert isinstance(read(*lines, whole), BatchAnswer)
    assert read(*lines) is None
