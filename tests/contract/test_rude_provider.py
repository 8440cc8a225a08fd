"""A rude provider: whatever it sends, answers end as the port says, and no text of it is shown."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.provider import bounded
from adapters.provider.openai_provider import OpenAIProvider
from adapters.provider.requests import MAX_ANSWER_LENGTH
from adapters.provider.timeouts import Timeouts
from application.ports import AnswerCut, KeyRefused, PromptRefused, TextPiece, Unavailable, Usage
from tests.support.provider import CANARY, answer, prompt
from tests.support.provider_servers import (
    KEY,
    Connection,
    RudeProvider,
    RudeScript,
    chunk,
    closed,
    counted,
    delta,
    ended,
    events,
    html,
    no_http,
    provider_at,
    refuse,
    rude_provider,
    silent,
)
from tests.support.waiting import until

SILENT = {"silence", "a head alone", "empty texts without end"}
"""Failures that only a time limit ends."""
LOST = SILENT | {
    "a closed connection",
    "a page",
    "another protocol",
    "an end without an answer",
    "a done without an answer",
    "null",
    "an empty object",
}
"""Failures before the first text that do not say whether the provider has begun to write, and bills it."""
OF_CHAT = {"a wrong text", "a text that is an object", "wrong choices", "no delta", "an unknown end"}
"""Events of chat completions: the other API takes no notice of them, and sees an end without an answer."""
MODELS = pytest.mark.parametrize("model", ["talker", "responder"])


@pytest.fixture
async def rude() -> AsyncIterator[RudeProvider]:
    async with rude_provider() as server:
        yield server


@pytest.fixture
async def provider(rude: RudeProvider) -> AsyncIterator[OpenAIProvider]:
    async with provider_at(rude.url) as opened:
        yield opened


@MODELS
async def test_a_request_has_our_name_of_it(rude: RudeProvider, provider: OpenAIProvider, model: str) -> None:
    rude.script = events(FIRST[model], *LAST[model])
    await answer(provider, replace(prompt(model=model), request_id="6f-2"))
    await answer(provider, prompt(model=model))
    named, nameless = rude.connections
    assert named.headers["x-client-request-id"] == "6f-2"
    assert "x-client-request-id" not in nameless.headers


async def test_a_request_has_our_key_and_what_the_prompt_says(rude: RudeProvider, provider: OpenAIProvider) -> None:
    rude.script = events(chunk("Otters."), chunk(finish="stop"), counted(9, 2), "[DONE]")
    await answer(provider, prompt("Write.", "talker"))
    rude.script = events(delta("Otters."), ended())
    await answer(provider, prompt("Write.", "responder"))
    chat, responses = rude.connections
    messages = [{"role": "system", "content": "Write about otters."}, {"role": "user", "content": "Write."}]
    options = {"include_usage": True}
    shared = {"stream": True}
    assert chat.body == {
        **shared,
        "model": "gpt-4.1-mini",
        "messages": messages,
        "max_completion_tokens": 200,
        "stream_options": options,
    }
    assert responses.body == {**shared, "model": "gpt-5", "input": messages, "max_output_tokens": 200, "store": False}
    assert (chat.path, responses.path) == ("/v1/chat/completions", "/v1/responses")
    assert {each.headers["authorization"] for each in rude.connections} == {f"Bearer {KEY}"}


STATUSES = [
    (refuse(400), PromptRefused, "status 400"),
    (refuse(400, code="context_length_exceeded"), PromptRefused, "status 400, context_length_exceeded"),
    *[(refuse(status), KeyRefused, f"status {status}") for status in (401, 403)],
    *[(refuse(status), PromptRefused, f"status {status}") for status in (404, 413, 422)],
    *[(refuse(status), Unavailable, rf"\({status}\)") for status in (408, 409, 429, 500, 502, 503, 529, 302)],
]


@MODELS
@pytest.mark.parametrize(("script", "error", "says"), STATUSES)
async def test_a_status_is_a_refusal_or_an_outage(
    rude: RudeProvider, provider: OpenAIProvider, model: str, script: RudeScript, error: type[Exception], says: str
) -> None:
    rude.script = script
    with pytest.raises(error, match=says) as caught:
        await answer(provider, prompt(model=model))
    assert type(caught.value) is error
    assert_tells_nothing(caught.value)
    assert len(rude.connections) == 1  # nothing is repeated here


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], 5),
        (["Retry-After: 17"], 17),
        (["Retry-After: 1.2"], 2),
        (["retry-after-ms: 2500", "Retry-After: 17"], 3),
        (["Retry-After: Mon, 30 Nov 2026 12:00:42 GMT"], 42),
        (["Retry-After: Mon, 30 Nov 2026 11:00:00 GMT"], 1),
        (["Retry-After: 0"], 1),
        (["Retry-After: 999999999"], 3600),
        (["Retry-After: nan"], 5),
        (["Retry-After: -5"], 5),
        (["Retry-After: soon"], 5),
    ],
)
async def test_the_provider_says_when_to_ask_again(
    rude: RudeProvider, provider: OpenAIProvider, headers: list[str], seconds: int
) -> None:
    rude.script = refuse(429, *headers)
    with pytest.raises(Unavailable) as caught:
        await answer(provider, prompt())
    assert caught.value.retry_after == seconds


BEFORE = {
    "silence": silent,
    "a closed connection": closed,
    "a page": html,
    "another protocol": no_http,
    "a head alone": events(stall=True),
    "an end without an answer": events(),
    "a done without an answer": events("[DONE]"),
    "no JSON": events(f"{{{CANARY}"),
    "another JSON": events("[1]"),
    "a number": events("7"),
    "null": events("null"),
    "an empty object": events({}),
    "an error frame": events({"error": {"message": CANARY, "code": CANARY}}),
    "an overload": events({"error": {"message": CANARY, "code": "rate_limit_exceeded"}}),
    "a wrong text": events(chunk(7)),
    "a text that is an object": events(chunk({"text": CANARY})),
    "wrong choices": events({**chunk("x"), "choices": "otters"}),
    "no delta": events({**chunk("x"), "choices": [{"index": 0, "finish_reason": None}]}),
    "an unknown end": events(chunk(finish=CANARY)),
    "empty texts without end": events(*[chunk("")] * 5, stall=True),
}
BEFORE_OF_RESPONSES = {
    "a failure": events(ended("failed", error={"code": "server_error", "message": CANARY})),
    "an unknown failure": events(ended("failed", error={"code": CANARY, "message": CANARY})),
    "a failure without an error": events(ended("failed", error=None)),
    "an error": events({"type": "error", "code": CANARY, "message": CANARY, "param": None, "sequence_number": 1}),
    "a wrong text of a response": events(delta(7)),
    "an incomplete response without a reason": events(ended("incomplete", incomplete_details=None)),
    "an end without a response": events({"type": "response.completed", "sequence_number": 1}),
}


@pytest.mark.parametrize(
    ("model", "name"),
    [
        *[(model, name) for name in BEFORE for model in ("talker", "responder")],
        *[("responder", name) for name in BEFORE_OF_RESPONSES],
    ],
)
async def test_a_failure_before_the_first_text_is_an_outage(rude: RudeProvider, model: str, name: str) -> None:
    rude.script = {**BEFORE, **BEFORE_OF_RESPONSES}[name]
    async with provider_at(rude.url, Timeouts(first_text=0.2 if name in SILENT else 60)) as provider:
        with pytest.raises(Unavailable) as caught:
            await answer(provider, prompt(model=model))
    assert isinstance(caught.value, AnswerCut) == (name in LOST or (model == "responder" and name in OF_CHAT))
    assert_tells_nothing(caught.value)


FIRST: dict[str, dict[str, Any]] = {"talker": chunk("Otters "), "responder": delta("Otters ")}
LAST: dict[str, list[Any]] = {"talker": [chunk(finish="stop"), counted(9, 2)], "responder": [ended()]}
AFTER: dict[str, list[Any]] = {
    "a cut": [],
    "a done without an end": ["[DONE]"],
    "no JSON": [f"{{{CANARY}"],
    "an error frame": [{"error": {"message": CANARY, "code": "rate_limit_exceeded"}}],
    "a refusal as an error": [{"error": {"message": CANARY, "code": "invalid_prompt"}}],
    "another JSON": ["[1]"],
}


@MODELS
@pytest.mark.parametrize("name", [*AFTER, "a stall"])
async def test_a_failure_after_the_first_text_cuts_the_answer(rude: RudeProvider, model: str, name: str) -> None:
    rude.script = events(FIRST[model], *AFTER.get(name, []), stall=name == "a stall")
    async with provider_at(rude.url, Timeouts(between=0.2 if name == "a stall" else 60)) as provider:
        items = provider.answer(prompt(model=model))
        assert await anext(items) == TextPiece("Otters ")
        with pytest.raises(AnswerCut) as caught:
            await anext(items)
    assert_tells_nothing(caught.value)


USAGE = {"talker": Usage(9, 2), "responder": Usage(9, 4)}
EMPTY: dict[str, dict[str, Any]] = {"talker": chunk(""), "responder": {"type": "response.in_progress"}}


@MODELS
@pytest.mark.parametrize("has_begun", [True, False], ids=["after a text", "before a text"])
async def test_events_without_text_do_not_prolong_the_wait_for_text(
    rude: RudeProvider, model: str, has_begun: bool
) -> None:
    rude.script = drip(*[FIRST[model]] * has_begun, then=EMPTY[model])
    async with provider_at(rude.url, Timeouts(first_text=0.3, between=0.3, total=60)) as provider:
        with pytest.raises(AnswerCut, match="too slow"):
            await asyncio.wait_for(answer(provider, prompt(model=model)), 10)


@MODELS
async def test_events_after_the_end_keep_no_answer_back(rude: RudeProvider, model: str) -> None:
    rude.script = drip(FIRST[model], *LAST[model], then=EMPTY[model])
    async with provider_at(rude.url) as provider:
        got = await asyncio.wait_for(answer(provider, prompt(model=model)), 10)
    assert (got.end.reason, got.end.usage) == ("complete", USAGE[model])


def drip(*data: Any, then: Any) -> RudeScript:
    """Answer with events; then with the same one every 0.05 seconds, without end."""

    async def script(connection: Connection) -> None:
        await events(*data)(connection)
        while True:
            await connection.event(then)
            await asyncio.sleep(0.05)

    return script


async def test_bytes_that_are_no_text_cut_the_answer(rude: RudeProvider, provider: OpenAIProvider) -> None:
    async def script(connection: Connection) -> None:
        await connection.begin()
        await connection.event(chunk("Otters "))
        await connection.send(b"data: \xff\xfe\n\n")

    rude.script = script
    with pytest.raises(AnswerCut):
        await answer(provider, prompt())


async def test_the_whole_answer_has_a_time(rude: RudeProvider) -> None:
    async def script(connection: Connection) -> None:
        await connection.begin()
        while True:
            await connection.event(chunk("otter "))
            await asyncio.sleep(0.01)

    rude.script = script
    async with provider_at(rude.url, Timeouts(connect=2, first_text=2, between=2, total=0.3)) as provider:
        with pytest.raises(AnswerCut, match="too slow"):
            await answer(provider, prompt())


async def test_a_provider_that_is_not_there_is_an_outage() -> None:
    async with rude_provider() as server:
        url = server.url
    async with provider_at(url) as provider:
        with pytest.raises(Unavailable, match="not reached") as caught:
            await answer(provider, prompt())
        assert not isinstance(caught.value, AnswerCut), "nothing can have begun"
        with pytest.raises(Unavailable):
            await provider.check()


@MODELS
async def test_to_close_an_answer_disconnects_at_once(rude: RudeProvider, provider: OpenAIProvider, model: str) -> None:
    rude.script = events(FIRST[model], stall=True)
    async with aclosing(provider.answer(prompt(model=model))) as items:
        await anext(items)
        assert not rude.connections[0].gone.is_set()
    await asyncio.wait_for(rude.connections[0].gone.wait(), 5)


async def test_to_cancel_a_task_that_waits_for_text_disconnects_at_once(rude: RudeProvider) -> None:
    rude.script = events(chunk("Otters "), stall=True)
    async with provider_at(rude.url) as provider:
        task = asyncio.create_task(answer(provider, prompt()))
        await until(lambda: bool(rude.connections))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(rude.connections[0].gone.wait(), 5)


FILTERS: dict[str, tuple[str, RudeScript]] = {
    "a status": ("talker", refuse(400, code="content_filter")),
    "an end": ("talker", events(chunk(finish="content_filter"))),
    "a refusal": ("talker", events(chunk(refusal=CANARY), chunk(finish="stop"))),
    "an error frame": ("talker", events({"error": {"message": CANARY, "code": "content_policy_violation"}})),
    "a refusal of responses": (
        "responder",
        events({**delta(CANARY), "type": "response.refusal.delta"}, ended()),
    ),
    "an incomplete response": (
        "responder",
        events(ended("incomplete", incomplete_details={"reason": "content_filter"})),
    ),
    "a failed response": ("responder", events(ended("failed", error={"code": "content_filter", "message": CANARY}))),
}


@pytest.mark.parametrize("name", FILTERS)
async def test_what_the_filter_takes_ends_as_filtered(rude: RudeProvider, provider: OpenAIProvider, name: str) -> None:
    model, rude.script = FILTERS[name]
    got = await answer(provider, prompt(model=model))
    assert (got.text, got.end.reason) == ("", "filtered")


async def test_a_prompt_that_is_invalid_in_a_stream_is_refused(rude: RudeProvider, provider: OpenAIProvider) -> None:
    rude.script = events(ended("failed", error={"code": "invalid_prompt", "message": CANARY}))
    with pytest.raises(PromptRefused, match="invalid_prompt") as caught:
        await answer(provider, prompt(model="responder"))
    assert_tells_nothing(caught.value)


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (counted(9, 4), Usage(9, 4)),
        (counted(0, 4), None),
        (counted(-9, 4), None),
        (counted(9, -4), None),
        (counted("nine", 4), None),
        (counted(9, None), None),
        (counted(9.5, 4), None),
        (counted(10**15, 4), None),
        ({**counted(9, 4), "usage": None}, None),
    ],
)
async def test_a_usage_that_cannot_be_is_unknown(
    rude: RudeProvider, provider: OpenAIProvider, told: Any, usage: Usage | None
) -> None:
    rude.script = events(chunk("Otters."), chunk(finish="stop"), told, "[DONE]")
    got = await answer(provider, prompt())
    assert (got.text, got.end.reason, got.end.usage) == ("Otters.", "complete", usage)


@pytest.mark.parametrize("last", [["{"], [], [{"error": {"message": CANARY}}], ["[1]"]])
async def test_an_answer_that_has_ended_needs_no_usage(
    rude: RudeProvider, provider: OpenAIProvider, last: list[Any]
) -> None:
    rude.script = events(chunk("Otters."), chunk(finish="stop"), *last)
    got = await answer(provider, prompt())
    assert (got.text, got.end.reason, got.end.usage) == ("Otters.", "complete", None)


async def test_a_server_that_stalls_after_the_end_keeps_no_answer_back(rude: RudeProvider) -> None:
    rude.script = events(chunk("Otters."), chunk(finish="stop"), stall=True)
    async with provider_at(rude.url, Timeouts(between=0.2)) as provider:
        got = await answer(provider, prompt())
    assert (got.end.reason, got.end.usage) == ("complete", None)


async def test_an_answer_of_10_megabytes_ends_at_a_million_characters(
    rude: RudeProvider, provider: OpenAIProvider
) -> None:
    rude.script = events(*[chunk("otter " * 16_384)] * 110)
    got = await answer(provider, prompt())
    assert (len(got.text), got.end.reason, got.end.usage) == (MAX_ANSWER_LENGTH, "length", None)
    await asyncio.wait_for(rude.connections[0].gone.wait(), 5)


async def test_a_line_without_an_end_is_not_kept(
    rude: RudeProvider, provider: OpenAIProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "MAX_LINE_BYTES", 1_000_000)

    async def script(connection: Connection) -> None:
        await connection.begin()
        await connection.event(chunk("Otters "))
        while True:
            await connection.send(b"x" * 65_536)

    rude.script = script
    with pytest.raises(AnswerCut, match="too much"):
        await answer(provider, prompt())


async def test_a_stream_of_events_without_text_is_bounded(
    rude: RudeProvider, provider: OpenAIProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "MAX_RESPONSE_BYTES", 1_000_000)
    rude.script = events(*[": " + "x" * 65_536] * 100)
    with pytest.raises(Unavailable):
        await answer(provider, prompt())


async def test_a_refusal_of_100_megabytes_is_not_read(
    rude: RudeProvider, provider: OpenAIProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "MAX_RESPONSE_BYTES", 1_000_000)
    rude.script = refuse(500, message="x" * 5_000_000)
    with pytest.raises(Unavailable):
        await answer(provider, prompt())


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        ([r"\ud83e", r"\udda6"], "🦦"),
        ([r"a\ud83e", r"\udda6b"], "a🦦b"),
        ([r"\ud83e", "a"], "\ufffda"),
        (["a", r"\udda6"], "a\ufffd"),
        (["a", r"\ud83e"], "a\ufffd"),
    ],
)
async def test_halves_of_characters_are_joined(
    rude: RudeProvider, provider: OpenAIProvider, texts: list[str], whole: str
) -> None:
    frames = [f'{{"choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}]}}' for text in texts]
    rude.script = events(*frames, chunk(finish="stop"), "[DONE]")
    assert (await answer(provider, prompt())).text == whole


async def test_logs_show_neither_prompts_nor_answers(
    rude: RudeProvider, provider: OpenAIProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with capture_logs() as logs:
        for script in (refuse(500), events(chunk(CANARY), chunk(finish="stop")), events(chunk(CANARY), "{")):
            rude.script = script
            with suppress(Unavailable):
                await answer(provider, prompt())
    assert CANARY not in caplog.text + repr(logs)


def assert_tells_nothing(error: BaseException) -> None:
    """No text of the provider is in an error, or in one that would be shown with it."""
    assert CANARY not in str(error) + repr(error)
    assert error.__cause__ is None
    assert error.__suppress_context__
