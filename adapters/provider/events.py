"""The events of both APIs, chat completions and responses, as pieces of text and an end.

Each API has a `Reading`: it takes the events of one answer, and knows in the end how the answer ended. The SDK does not
check the form of events, so it is checked here: wrong ones raise `ValueError`, `TypeError` or `AttributeError`.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from adapters.provider.failures import meaning_of_code
from application.ports import Usage

EndingReason = Literal["complete", "length", "filtered"]

MAX_TOKENS = 100_000_000
"""Counts above this cannot be."""

CHAT_ENDS: Mapping[str, EndingReason] = {
    "stop": "complete",
    "tool_calls": "complete",
    "function_call": "complete",
    "length": "length",
    "content_filter": "filtered",
}
INCOMPLETE: Mapping[str, EndingReason] = {"max_output_tokens": "length", "content_filter": "filtered"}


class Reading(Protocol):
    """What was read of an answer. `reason`: None until it has ended; `usage`: None while it is unknown."""

    reason: EndingReason | None
    usage: Usage | None

    def text_of(self, event: Any) -> str:
        """Take the next event, and return its text, which may be empty.

        Raises:
            ValueError, TypeError, AttributeError, LookupError: it is malformed.
            FilterRefusal, PromptRefused, Unavailable: it says that the answer has failed.
        """


class ChatReading:
    """The events of chat completions."""

    def __init__(self) -> None:
        self.reason: EndingReason | None = None
        self.usage: Usage | None = None
        self._is_refusal = False

    def text_of(self, event: Any) -> str:
        """See `Reading.text_of`."""
        if event.usage is not None:
            self.usage = usage_of(event.usage.prompt_tokens, event.usage.completion_tokens)
        if not event.choices:
            return ""
        choice = event.choices[0]
        if choice.finish_reason is not None:
            self.reason = "filtered" if self._is_refusal else CHAT_ENDS[choice.finish_reason]
        if choice.delta.refusal:
            self._is_refusal = True
        return _text(choice.delta.content or "")


class ResponsesReading:
    """The events of the Responses API."""

    def __init__(self) -> None:
        self.reason: EndingReason | None = None
        self.usage: Usage | None = None
        self._is_refusal = False

    def text_of(self, event: Any) -> str:
        """See `Reading.text_of`."""
        match event.type:
            case "response.output_text.delta":
                return _text(event.delta)
            case "response.refusal.delta":
                self._is_refusal = True
            case "response.completed":
                self._end("filtered" if self._is_refusal else "complete", event.response.usage)
            case "response.incomplete":
                self._end(INCOMPLETE[event.response.incomplete_details.reason], event.response.usage)
            case "response.failed":
                raise meaning_of_code(event.response.error.code)
            case "error":
                raise meaning_of_code(event.code)
        return ""

    def _end(self, reason: EndingReason, usage: Any) -> None:
        self.reason = reason
        self.usage = None if usage is None else usage_of(usage.input_tokens, usage.output_tokens)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def usage_of(input_tokens: object, output_tokens: object) -> Usage | None:
    """Return what the provider counted; None: it cannot be. Every prompt has tokens."""
    if not (type(input_tokens) is int and type(output_tokens) is int):
        return None
    possible = 0 < input_tokens <= MAX_TOKENS and 0 <= output_tokens <= MAX_TOKENS
    return Usage(input_tokens, output_tokens) if possible else None
