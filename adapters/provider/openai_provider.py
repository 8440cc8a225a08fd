"""Answers by OpenAI's API, of OpenAI or of any server that speaks it. Its import takes a second."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal

import httpx2
from openai import AsyncStream

from adapters.provider.catalogue import ApiName, Catalogue, CatalogueModel
from adapters.provider.client import ProviderAccount, open_client
from adapters.provider.events import ChatReading, Reading, ResponsesReading
from adapters.provider.failures import FAILURES, FilterRefusal, is_lost, meaning_of, reason
from adapters.provider.requests import MAX_ANSWER_LENGTH, request_body
from adapters.provider.surrogates import Surrogates
from adapters.provider.timeouts import AnswerDeadlines, Timeouts, next_of
from application.ports import AnswerCut, AnswerEnd, Clock, Prompt, TextPiece

REQUEST_ID = "X-Client-Request-Id"
"""The header by which OpenAI finds a request in its logs, also one that it has not answered."""

READINGS: dict[ApiName, type[ChatReading] | type[ResponsesReading]] = {
    "chat": ChatReading,
    "responses": ResponsesReading,
}


class OpenAIProvider:
    """Implements `application.ports.Provider`. Each key has an instance of its own.

    `transport`: how requests travel; None: through the network.
    """

    def __init__(
        self,
        account: ProviderAccount,
        catalogue: Catalogue,
        clock: Clock,
        *,
        timeouts: Timeouts | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._timeouts = timeouts or Timeouts()
        self._is_sandbox = account.is_sandbox
        self._client = open_client(account, self._timeouts.connect, transport)

    def open_models(self, model: str) -> list[str]:
        """Return the model and its fallbacks. Raises `UnknownModel`."""
        return [model, *self._catalogue.find(model).fallbacks]

    async def answer(self, prompt: Prompt) -> AsyncGenerator[TextPiece | AnswerEnd, None]:
        """Write an answer. Raises as `application.ports.Provider.answer`, and `UnknownModel`."""
        entry = self._catalogue.entry(prompt.model)
        reading = READINGS[entry.api]()
        length = 0
        try:
            async with aclosing(self._texts(entry, prompt, reading)) as texts:
                async for text in texts:
                    length += len(text)
                    yield TextPiece(text[: len(text) - max(0, length - MAX_ANSWER_LENGTH)])
                    if length >= MAX_ANSWER_LENGTH:
                        break
        except FAILURES as error:
            if reading.reason is None:
                reading.reason = _reason_or_raise(error, length, self._clock)
        yield AnswerEnd(reading.reason or "length", reading.usage, is_sandbox=self._is_sandbox)

    async def check(self) -> None:
        """Ask for the list of models, which costs nothing.

        Raises:
            PromptRefused: the key or the address is wrong.
            Unavailable: there is no answer.
        """
        try:
            async with AnswerDeadlines(self._timeouts).until_next():
                await self._client.models.list()
        except FAILURES as error:
            _reason_or_raise(error, 0, self._clock)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _texts(self, entry: CatalogueModel, prompt: Prompt, reading: Reading) -> AsyncGenerator[str, None]:
        """Yield the texts of an answer, none of them empty."""
        deadlines, surrogates, is_over = AnswerDeadlines(self._timeouts), Surrogates(), False
        async with deadlines.until_next():
            stream = await self._ask(entry, prompt)
        async with aclosing(stream):
            events = aiter(stream)
            while True:
                async with deadlines.until_next():
                    event = await next_of(events)
                if event is None:
                    break
                if text := surrogates.joined(reading.text_of(event)):
                    yield text
                    deadlines.note_text()
                if not is_over and reading.reason is not None and reading.usage is not None:
                    is_over = True
                    deadlines.note_end()
        if reading.reason is None:
            raise EOFError
        if rest := surrogates.rest():
            yield rest

    async def _ask(self, entry: CatalogueModel, prompt: Prompt) -> AsyncStream[Any]:
        client = self._client if prompt.key is None else self._client.with_options(api_key=prompt.key)
        headers = {} if prompt.request_id is None else {REQUEST_ID: prompt.request_id}
        body = {**request_body(entry, prompt), "stream": True, "extra_headers": headers}
        create: Any = client.responses.create
        if entry.api == "chat":
            create, body["stream_options"] = client.chat.completions.create, {"include_usage": True}
        stream: AsyncStream[Any] = await create(**body)
        return stream


def _reason_or_raise(error: Exception, length: int, clock: Clock) -> Literal["filtered"]:
    """Return the reason of an answer that the provider's filter has ended.

    Raises:
        AnswerCut: the answer has failed after `length` characters, or it is unknown whether it has begun.
        PromptRefused, Unavailable: it has not begun.
    """
    meaning = meaning_of(error, clock)
    if isinstance(meaning, FilterRefusal):
        return "filtered"
    if length or is_lost(error):
        raise AnswerCut(f"The rest of the answer ({reason(error)})") from None
    raise meaning from None
