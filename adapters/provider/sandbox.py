"""The sandbox: answers without a provider. It speaks the provider's protocol, so all else is as with a real one.

The answer is plain sentences, always the same for the same prompt, and says that no model wrote it.
Moderation refuses what says itself that it is to be refused: "flag:violence".
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from hashlib import sha256
from typing import Any

import httpx2
import msgspec

from adapters.provider.client import ProviderAccount
from adapters.provider.openai_moderation import CATEGORIES
from adapters.provider.sandbox_batches import SandboxBatches

SANDBOX = ProviderAccount("http://sandbox.invalid/v1", "none", is_sandbox=True)
OPENING = "Sandbox: no model wrote this."
SENTENCES = (
    "A model would write here what was asked for.",
    "The text grows word by word, as it does with a model.",
    "It can be watched, stopped, and kept as a draft.",
    "Its tokens are counted, and its price is that of the catalogue.",
    "With the key of a provider, the same request gets a real answer.",
    "The same request gets the same sentences again.",
    "Another request gets them in another order.",
)
"""What answers are made of: all of them, in an order that depends on the prompt."""
REFUSED_KEY = "sk-refused"
"""Keys that begin so are refused."""
PAUSE_SECONDS = 0.02
"""Between two words."""
BYTES_OF_A_TOKEN = 4
BATCH_PATH = re.compile("/(files|batches)(/[^/]+)*$")
FLAG = re.compile("flag:(" + "|".join(sorted(CATEGORIES, reverse=True)) + ")")
"""What moderation refuses, with the category."""

encode = msgspec.json.encode


class SandboxTransport(httpx2.AsyncBaseTransport):
    """Answers requests of the SDK itself, in place of the network."""

    def __init__(self, pause: float = PAUSE_SECONDS) -> None:
        self._pause = pause
        self._batches = SandboxBatches(_whole)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        if request.headers["authorization"].startswith(f"Bearer {REFUSED_KEY}"):
            return httpx2.Response(401, json={"error": {"message": "The sandbox refuses this key."}})
        if (about := BATCH_PATH.search(request.url.path)) is not None:
            content_type = request.headers.get("content-type", "")
            return self._batches.respond(request.method, about[0], content_type, await request.aread())
        if request.method == "GET":
            return httpx2.Response(200, json={"object": "list", "data": []})
        body = await request.aread()
        asked = msgspec.json.decode(body)
        if request.url.path.endswith("/moderations"):
            results = [_judgement(text) for text in asked["input"]]
            return httpx2.Response(200, json={"id": "sandbox", "model": asked["model"], "results": results})
        used = -(-len(body) // BYTES_OF_A_TOKEN)
        events = _chat(asked, used) if request.url.path.endswith("/chat/completions") else _responses(asked, used)
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=_Events(events, self._pause))


class _Events(httpx2.AsyncByteStream):
    """Events as a body, with a pause before each of them."""

    def __init__(self, events: Iterator[Any], pause: float) -> None:
        self._events = events
        self._pause = pause

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for event in self._events:
            await asyncio.sleep(self._pause)
            yield b"data: " + encode(event) + b"\n\n"
        yield b"data: [DONE]\n\n"


def _judgement(text: str) -> dict[str, Any]:
    """Return what moderation says of a text."""
    found = {*FLAG.findall(text)}
    categories = {name: name in found for name in sorted(CATEGORIES)}
    return {"flagged": bool(found), "categories": categories, "category_scores": dict.fromkeys(categories, 0.0)}


def _chat(asked: Mapping[str, Any], used: int) -> Iterator[Mapping[str, Any]]:
    """Yield the events of chat completions."""
    frame = {"id": "sandbox", "object": "chat.completion.chunk", "created": 0, "model": asked["model"]}
    words, is_cut = _words(asked["messages"], asked["max_completion_tokens"])
    for word in words:
        yield {**frame, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
    yield {**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": "length" if is_cut else "stop"}]}
    usage = {"prompt_tokens": used, "completion_tokens": len(words), "total_tokens": used + len(words)}
    yield {**frame, "choices": [], "usage": usage}


def _responses(asked: Mapping[str, Any], used: int) -> Iterator[Mapping[str, Any]]:
    """Yield the events of the Responses API."""
    words, is_cut = _words(asked["input"], asked["max_output_tokens"])
    for number, word in enumerate(words):
        place = {"item_id": "sandbox", "output_index": 0, "content_index": 0, "sequence_number": number}
        yield {"type": "response.output_text.delta", "delta": word, **place}
    response: dict[str, Any] = {"id": "sandbox", "object": "response", "model": asked["model"], "output": []}
    response["usage"] = {"input_tokens": used, "output_tokens": len(words), "total_tokens": used + len(words)}
    if is_cut:
        response["incomplete_details"] = {"reason": "max_output_tokens"}
    kind = "response.incomplete" if is_cut else "response.completed"
    yield {"type": kind, "sequence_number": len(words), "response": response}


def _whole(path: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an answer that comes at once, as in batches."""
    used = -(-len(encode(asked)) // BYTES_OF_A_TOKEN)
    *_, end = _chat(asked, used) if path.endswith("/chat/completions") else _responses(asked, used)
    if "response" in end:
        words, is_cut = _words(asked["input"], asked["max_output_tokens"])
        content = [{"type": "output_text", "text": "".join(words)}]
        message = {"type": "message", "role": "assistant", "content": content}
        return {**end["response"], "status": "incomplete" if is_cut else "completed", "output": [message]}
    words, is_cut = _words(asked["messages"], asked["max_completion_tokens"])
    message = {"role": "assistant", "content": "".join(words)}
    choice = {"index": 0, "message": message, "finish_reason": "length" if is_cut else "stop"}
    return {**end, "object": "chat.completion", "choices": [choice]}


def _words(messages: list[Mapping[str, Any]], maximum: int) -> tuple[list[str], bool]:
    """Return the words of the answer, a token each, and whether the maximum has cut it."""
    digest = sha256(encode(messages)).digest()
    order = sorted(range(len(SENTENCES)), key=lambda number: digest[number])
    first, *others = " ".join((OPENING, *(SENTENCES[number] for number in order))).split()
    words = [first, *(f" {word}" for word in others)]
    return words[:maximum], maximum < len(words)
