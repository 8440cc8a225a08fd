"""Batches of the sandbox: files and batches in the memory of the process. A batch has ended when it is asked for."""

import json
from collections.abc import Callable, Mapping
from email import message_from_bytes
from itertools import count
from time import time
from typing import Any

import httpx2

WriteAnswer = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Returns the body of an answer, to the path and the body of a request."""

ENDINGS = {"validating": "completed", "cancelling": "cancelled"}
"""What a batch is the next time."""


class SandboxBatches:
    """Answers requests about files and batches. `answer`: writes the texts."""

    def __init__(self, answer: WriteAnswer) -> None:
        self._answer = answer
        self._numbers = count(1)
        self._files: dict[str, tuple[dict[str, Any], bytes]] = {}
        self._batches: dict[str, dict[str, Any]] = {}

    def respond(self, method: str, path: str, content_type: str, body: bytes) -> httpx2.Response:
        """Answer a request. `path`: from `/files` or `/batches` on."""
        kind, *names = path.strip("/").split("/")
        found = (self._file if kind == "files" else self._batch)(method, names, content_type, body)
        return found or httpx2.Response(404, json={"error": {"message": "The sandbox has no such thing."}})

    def _file(self, method: str, names: list[str], content_type: str, body: bytes) -> httpx2.Response | None:
        match (method, *names):
            case ("POST",):
                return httpx2.Response(200, json=self._upload(content_type, body))
            case ("GET",):
                return _page([file for file, _ in self._files.values() if file["purpose"] == "batch"])
            case "GET", name, "content" if name in self._files:
                return httpx2.Response(200, content=self._files[name][1])
            case "DELETE", name if name in self._files:
                del self._files[name]
                return httpx2.Response(200, json={"id": name, "object": "file", "deleted": True})
        return None

    def _batch(self, method: str, names: list[str], content_type: str, body: bytes) -> httpx2.Response | None:
        match (method, *names):
            case ("POST",):
                return httpx2.Response(200, json=self._begin(json.loads(body)))
            case ("GET",):
                return _page([self._look(batch) for batch in self._batches.values()])
            case "POST", name, "cancel" if name in self._batches:
                return self._cancel(self._batches[name])
        return None

    def _keep(self, filename: str, content: bytes, purpose: str) -> dict[str, Any]:
        name = f"file-{next(self._numbers)}"
        file = {"id": name, "object": "file", "bytes": len(content), "created_at": int(time())}
        self._files[name] = ({**file, "filename": filename, "purpose": purpose, "status": "processed"}, content)
        return self._files[name][0]

    def _upload(self, content_type: str, body: bytes) -> dict[str, Any]:
        """Keep the file of a form (RFC 7578)."""
        form = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
        for part in form.walk():
            if (filename := part.get_filename()) is not None:
                content = part.get_payload(decode=True)
                assert isinstance(content, bytes)
                return self._keep(filename, content, "batch")
        raise AssertionError("The form has no file.")

    def _begin(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        name = f"batch-{next(self._numbers)}"
        self._batches[name] = {
            "id": name,
            "object": "batch",
            "created_at": int(time()),
            "status": "validating",
            "completion_window": asked["completion_window"],
            "endpoint": asked["endpoint"],
            "input_file_id": asked["input_file_id"],
            "metadata": asked["metadata"],
        }
        return self._batches[name]

    def _look(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return a batch as it is now: what was begun has ended."""
        seen = dict(batch)
        batch["status"] = ENDINGS.get(batch["status"], batch["status"])
        if batch["status"] == "completed" and "output_file_id" not in batch:
            _, content = self._files[batch["input_file_id"]]
            lines = [json.dumps(self._result(json.loads(line))) for line in content.splitlines()]
            output = self._keep("output.jsonl", "\n".join(lines).encode(), "batch_output")
            batch["output_file_id"] = output["id"]
        return seen

    def _result(self, line: Mapping[str, Any]) -> dict[str, Any]:
        body = self._answer(line["url"], line["body"])
        response = {"status_code": 200, "request_id": line["custom_id"], "body": body}
        return {"id": line["custom_id"], "custom_id": line["custom_id"], "response": response, "error": None}

    def _cancel(self, batch: dict[str, Any]) -> httpx2.Response:
        if batch["status"] not in ENDINGS:
            return httpx2.Response(409, json={"error": {"message": "This batch has ended."}})
        batch["status"] = "cancelling"
        return httpx2.Response(200, json=batch)


def _page(items: list[dict[str, Any]]) -> httpx2.Response:
    """Return all items as one page, the newest first."""
    return httpx2.Response(200, json={"object": "list", "data": items[::-1], "has_more": False})
