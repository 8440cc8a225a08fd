"""The lines of batches: each prompt is one of a file that we send, and each result one of a file that we get."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from adapters.provider.catalogue import ApiName, CatalogueModel
from adapters.provider.events import CHAT_ENDS, INCOMPLETE, EndingReason, usage_of
from adapters.provider.failures import LATER_SECONDS, FilterRefusal, meaning_of_code, meaning_of_status
from adapters.provider.requests import MAX_ANSWER_LENGTH, request_body
from adapters.provider.surrogates import Surrogates
from application.ports import AnswerCut, AnswerEnd, BatchAnswer, BatchResult, Prompt, PromptRefused, Unavailable

ENDPOINTS: dict[ApiName, str] = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}
"""Where the provider sends the prompts of a batch, by the API of the model."""
REQUEST_NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9]+(-[0-9]+)?")
MALFORMED = "The text of a batch (malformed)"


def encode_prompts(entry: CatalogueModel, prompts: Sequence[Prompt]) -> bytes:
    """Return the file of the prompts of a batch."""
    return b"".join(_line(entry, prompt) for prompt in prompts)


def _line(entry: CatalogueModel, prompt: Prompt) -> bytes:
    url, body = ENDPOINTS[entry.api], request_body(entry, prompt)
    line = {"custom_id": prompt.request_id, "method": "POST", "url": url, "body": body}
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"  # escaped, a character may take three times the bytes


def decode_results(files: Iterable[bytes], *, is_sandbox: bool) -> dict[str, BatchResult]:
    """Return what files of results say, by the name of the request. Lines without a name of ours are left out."""
    return {name: result for file in files for name, result in _results(file, is_sandbox)}


def _results(file: bytes, is_sandbox: bool) -> Iterator[tuple[str, BatchResult]]:
    for line in file.splitlines():
        try:
            found = json.loads(line)
            name = found["custom_id"]
            is_ours = REQUEST_NAME.fullmatch(name) is not None
        except (ValueError, TypeError, LookupError, RecursionError):
            continue
        if is_ours:
            yield name, _result(found, is_sandbox)


def _result(line: Mapping[str, Any], is_sandbox: bool) -> BatchResult:
    try:
        if line.get("error"):
            return _failure(meaning_of_code(line["error"]["code"]), is_sandbox)
        status, body = line["response"]["status_code"], line["response"]["body"]
        if status == 200:
            return _answer(body, is_sandbox)
        code = body["error"].get("code")
        return _failure(meaning_of_status(status, code, LATER_SECONDS), is_sandbox)
    except (TypeError, ValueError, LookupError, AttributeError):
        # It may have been written, and billed.
        return AnswerCut(MALFORMED)


def _failure(meaning: PromptRefused | Unavailable | FilterRefusal, is_sandbox: bool) -> BatchResult:
    if isinstance(meaning, FilterRefusal):
        return BatchAnswer("", AnswerEnd("filtered", None, is_sandbox))
    return meaning


def _answer(body: Mapping[str, Any], is_sandbox: bool) -> BatchResult:
    """Return the answer of one of both APIs. Raises as `_result` catches."""
    if "choices" in body:
        [choice] = body["choices"]
        message, used = choice["message"], body.get("usage") or {}
        text, refusal = message.get("content") or "", message.get("refusal")
        reason, counts = CHAT_ENDS[choice["finish_reason"]], (used.get("prompt_tokens"), used.get("completion_tokens"))
    else:
        parts = [part for item in body["output"] if item["type"] == "message" for part in item["content"]]
        text = "".join(part["text"] for part in parts if part["type"] == "output_text")
        refusal, used = any(part["type"] == "refusal" for part in parts), body.get("usage") or {}
        if body["status"] == "failed":
            return _failure(meaning_of_code(body["error"]["code"]), is_sandbox)
        reason, counts = _reason(body), (used.get("input_tokens"), used.get("output_tokens"))
    surrogates = Surrogates()
    text = surrogates.joined(text) + surrogates.rest()
    usage = usage_of(*counts)
    if len(text) > MAX_ANSWER_LENGTH:
        return BatchAnswer(text[:MAX_ANSWER_LENGTH], AnswerEnd("length", usage, is_sandbox))
    return BatchAnswer(text, AnswerEnd("filtered" if refusal else reason, usage, is_sandbox))


def _reason(body: Mapping[str, Any]) -> EndingReason:
    """Return how an answer of the Responses API ended."""
    if body["status"] == "completed":
        return "complete"
    return INCOMPLETE[body["incomplete_details"]["reason"]]
