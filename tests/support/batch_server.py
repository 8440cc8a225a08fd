"""A server of ours for files and batches, as OpenAI describes them. Tests decide what becomes of each batch."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from adapters.provider.client import ProviderAccount
from adapters.provider.openai_batches import OpenAIBatches
from tests.support.provider import CATALOGUE, clock
from tests.support.provider_servers import KEY, Connection

OWNER = "here"
Line = Mapping[str, Any]


def right_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def result_of(line: Line, text: str, input_tokens: Any = 12, output_tokens: Any = 5) -> Line:
    """The line of a result: a text of either API."""
    if line["url"] == "/v1/chat/completions":
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens}
        return result(line["custom_id"], {"object": "chat.completion", "choices": [choice], "usage": usage})
    content = [{"type": "output_text", "text": text, "annotations": []}]
    output = [{"type": "reasoning", "summary": []}, {"type": "message", "content": content}]
    usage = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    return result(line["custom_id"], {"object": "response", "status": "completed", "output": output, "usage": usage})


def result(name: str, body: Any, status: int = 200) -> Line:
    """The line of a result with any body."""
    return {"id": "r", "custom_id": name, "response": {"status_code": status, "body": body}, "error": None}


def failed(name: str, code: str) -> Line:
    """The line of a prompt of which nothing came."""
    return {"id": "r", "custom_id": name, "response": None, "error": {"code": code, "message": "It failed."}}


class BatchServer:
    """Serves files and batches, over a network or in memory (`transport`).

    `files`: their contents by name; `batches`: as clients see them. `write`: makes the text of a line. `took`: gets
    the lines of each batch that begins. `is_held`: batches stay as they are. `broken`: answers all with this status.
    `keys`: those of all requests.
    """

    def __init__(self, write: Callable[[Line], Line] | None = None, now: Callable[[], datetime] = right_now) -> None:
        self._now = now
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.write = write or (lambda line: result_of(line, "Otters hold hands."))
        self.took: Callable[[list[Line]], None] = lambda lines: None
        self.is_held = False
        self.broken: int | None = None
        self.keys: list[str] = []
        self._about: dict[str, dict[str, Any]] = {}
        self._count = 0

    async def answer(self, connection: Connection) -> None:
        """Answer a request (a script of `RudeProvider`)."""
        status, content = self.respond(connection.method, connection.path, connection.headers, connection.content)
        await connection.begin(f"{status} Answer", f"Content-Length: {len(content)}", media="application/json")
        await connection.send(content)

    def respond(self, method: str, path: str, headers: Mapping[str, str], content: bytes) -> tuple[int, bytes]:
        """Return the status and the body of an answer."""
        self.keys.append(headers["authorization"].removeprefix("Bearer "))
        if self.broken is not None:
            return self.broken, b"{}"
        kind, *names = urlsplit(path).path.removeprefix("/v1/").split("/")
        serve = self._file if kind == "files" else self._batch
        status, body = serve(method, names, headers, content)
        return status, body if isinstance(body, bytes) else json.dumps(body).encode()

    def lines(self, batch: Mapping[str, Any]) -> list[Line]:
        """The prompts of a batch."""
        return [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]

    def end(self, batch: dict[str, Any], status: str, output: list[Line], errors: list[Line]) -> None:
        """Let a batch end with these results."""
        batch["status"] = status
        for name, lines in (("output_file_id", output), ("error_file_id", errors)):
            if lines:
                content = b"\n".join(json.dumps(line).encode() for line in lines)
                batch[name] = self.keep("results.jsonl", content, "batch_output")

    def keep(self, filename: str, content: bytes, purpose: str) -> str:
        """Keep a file. Returns its name."""
        self._count += 1
        name = f"file-{self._count}"
        self.files[name] = content
        about = {
            "object": "file",
            "bytes": len(content),
            "created_at": int(self._now().timestamp()),
            "status": "processed",
        }
        self._about[name] = {"id": name, "filename": filename, "purpose": purpose, **about}
        return name

    def _file(self, method: str, names: list[str], headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        if method == "POST":
            filename, content = _form(headers, body)
            return 200, self._about[self.keep(filename, content, "batch")]
        if not names:
            return 200, _list([self._about[name] for name in self.files if self._about[name]["purpose"] == "batch"])
        if names[0] not in self.files:
            return 404, {"error": {"message": "There is no such file."}}
        if method == "DELETE":
            del self.files[names[0]]
            return 200, {"id": names[0], "object": "file", "deleted": True}
        return 200, self.files[names[0]]

    def _batch(self, method: str, names: list[str], headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        if method == "GET":
            for batch in self.batches.values():
                self._go_on(batch)
            return 200, _list([*self.batches.values()])
        if names:
            batch = self.batches[names[0]]
            if batch["status"] not in ("validating", "in_progress"):
                return 409, {"error": {"message": "It has ended."}}
            batch["status"] = "cancelling"
            return 200, batch
        self._count += 1
        id = f"batch-{self._count}"
        batch = {"id": id, "object": "batch", "created_at": int(self._now().timestamp()), "status": "validating"}
        self.batches[id] = batch | json.loads(body)
        self.took(self.lines(self.batches[id]))
        return 200, self.batches[id]

    def _go_on(self, batch: dict[str, Any]) -> None:
        if batch["status"] == "cancelling":
            self.end(
                batch, "cancelled", [], [failed(line["custom_id"], "batch_cancelled") for line in self.lines(batch)]
            )
        elif batch["status"] == "validating" and not self.is_held:
            self.end(batch, "completed", [self.write(line) for line in self.lines(batch)], [])


def _form(headers: Mapping[str, str], body: bytes) -> tuple[str, bytes]:
    """The name and the content of the file of a form."""
    boundary = headers["content-type"].partition("boundary=")[2].encode()
    for part in body.split(b"--" + boundary):
        head, _, content = part.partition(b"\r\n\r\n")
        if b'filename="' in head:
            return head.partition(b'filename="')[2].partition(b'"')[0].decode(), content.removesuffix(b"\r\n")
    raise AssertionError("no file")


def _list(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "data": items[::-1], "has_more": False}


@asynccontextmanager
async def batches_at(url: str, owner: str = OWNER) -> AsyncIterator[OpenAIBatches]:
    """Batches at an address, closed at the end."""
    batches = OpenAIBatches(ProviderAccount(url, KEY), CATALOGUE, clock, owner)
    try:
        yield batches
    finally:
        await batches.close()


class ServerTransport(httpx2.AsyncBaseTransport):
    """Asks the server in memory, in place of the network."""

    def __init__(self, server: BatchServer) -> None:
        self._server = server

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        content = await request.aread()
        status, body = self._server.respond(request.method, request.url.raw_path.decode(), request.headers, content)
        return httpx2.Response(status, content=body, headers={"content-type": "application/json"})
