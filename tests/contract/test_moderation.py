"""Every moderation keeps its promise: the sandbox's, one on a server of other people, and one on a rude server."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.provider.openai_moderation import MAX_PIECES, MODEL, PIECE_LENGTH, OpenAIModeration
from adapters.provider.sandbox import SANDBOX, SandboxTransport
from application.ports import Unavailable
from tests.support.provider import CANARY, clock
from tests.support.provider_servers import (
    KEY,
    Connection,
    RudeProvider,
    RudeScript,
    closed,
    html,
    moderation_at,
    no_http,
    refuse,
    rude_provider,
    running_aimock,
    silent,
)


@pytest.fixture(scope="session")
def aimock() -> Iterator[str]:
    """The address of aimock."""
    with running_aimock() as url:
        yield url


@dataclass(frozen=True)
class Judge:
    """A moderation, and a text that it refuses for violence and self-harm."""

    moderation: OpenAIModeration
    refused: str


@pytest.fixture(params=["sandbox", "aimock"])
async def judge(request: pytest.FixtureRequest) -> AsyncIterator[Judge]:
    if request.param == "sandbox":
        sandbox = OpenAIModeration(SANDBOX, clock, transport=SandboxTransport())
        yield Judge(sandbox, "flag:violence and flag:self-harm")
        await sandbox.close()
        return
    async with moderation_at(request.getfixturevalue("aimock")) as opened:
        yield Judge(opened, "Say how otters fight.")


async def test_a_harmless_text_passes(judge: Judge) -> None:
    assert await judge.moderation.judge("Otters hold hands while they sleep.") == ()


async def test_a_refused_text_gets_its_categories_in_order(judge: Judge) -> None:
    assert await judge.moderation.judge(judge.refused) == ("self-harm", "violence")


async def test_a_text_without_characters_passes_unasked(judge: Judge) -> None:
    assert await judge.moderation.judge("") == ()


async def test_the_sandbox_refuses_each_category_by_its_own_name() -> None:
    sandbox = OpenAIModeration(SANDBOX, clock, transport=SandboxTransport())
    assert await sandbox.judge("flag:hate/threatening") == ("hate/threatening",)
    await sandbox.close()


async def test_the_end_of_a_long_text_is_judged() -> None:
    sandbox = OpenAIModeration(SANDBOX, clock, transport=SandboxTransport())
    long = "x" * (PIECE_LENGTH * (MAX_PIECES + 1))
    assert await sandbox.judge(f"{long} flag:hate") == ("hate",)
    await sandbox.close()


@pytest.fixture
async def rude() -> AsyncIterator[RudeProvider]:
    async with rude_provider() as server:
        yield server


def says(*results: Any) -> RudeScript:
    """Answer with results."""

    async def script(connection: Connection) -> None:
        await connection.begin(media="application/json")
        await connection.send(json.dumps({"id": CANARY, "model": CANARY, "results": [*results]}).encode())

    return script


def verdict(flagged: Any, **categories: Any) -> dict[str, Any]:
    """A result."""
    return {"flagged": flagged, "categories": categories, "category_scores": {}}


async def test_a_request_has_our_key_the_model_and_the_text(rude: RudeProvider) -> None:
    rude.script = says(verdict(False))
    async with moderation_at(rude.url) as moderation:
        assert await moderation.judge("Otters.") == ()
    [request] = rude.connections
    assert (request.path, request.body) == ("/v1/moderations", {"model": MODEL, "input": ["Otters."]})
    assert request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("result", "categories"),
    [
        (verdict(True), ("other",)),
        (verdict(True, violence=False), ("other",)),
        (verdict(False, violence=True), ("violence",)),
        (verdict(True, **{CANARY: True}), ("other",)),
        (verdict(True, illicit=None, hate=True), ("hate",)),
    ],
)
async def test_whatever_is_flagged_is_refused_in_words_of_ours(
    rude: RudeProvider, result: Any, categories: tuple[str, ...]
) -> None:
    rude.script = says(result)
    async with moderation_at(rude.url) as moderation:
        assert await moderation.judge("Otters.") == categories


FAILURES = {
    **{f"status {status}": refuse(status) for status in (302, 400, 401, 403, 404, 413, 429, 500, 503)},
    "the code of a filter": refuse(400, code="content_filter"),
    "silence": silent,
    "a cut": closed,
    "a page": html,
    "another protocol": no_http,
    "no results": says(),
    "too many results": says(verdict(False), verdict(False)),
    "no object": says(CANARY),
    "flags that are none": says(verdict("no")),
    "categories that are none": says(verdict(False, violence="no")),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_what_is_no_judgement_lets_nothing_pass(
    rude: RudeProvider, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    rude.script = FAILURES[failure]
    caplog.set_level(logging.DEBUG)
    with capture_logs() as logged:
        async with moderation_at(rude.url, 0.3 if failure == "silence" else 5.0) as moderation:
            with pytest.raises(Unavailable) as caught:
                await moderation.judge(f"About {CANARY}.")
    shown = f"{caught.value!r} {caught.value.__cause__!r} {logged} {caplog.text}"
    assert CANARY not in shown
    assert KEY not in shown


async def test_the_service_says_when_to_ask_again(rude: RudeProvider) -> None:
    rude.script = refuse(429, "Retry-After: 17")
    async with moderation_at(rude.url) as moderation:
        with pytest.raises(Unavailable) as caught:
            await moderation.judge("Otters.")
    assert caught.value.retry_after == 17
