"""Requests of texts, as both APIs of OpenAI take them."""

from typing import Any

from adapters.provider.catalogue import CatalogueModel
from application.ports import Prompt

MAX_ANSWER_LENGTH = 1_000_000
"""Characters of an answer: those of a document. A longer one is cut there, and the provider is stopped."""


def request_body(entry: CatalogueModel, prompt: Prompt) -> dict[str, Any]:
    """Return the body of a request, but for how its answer is to come."""
    messages = [{"role": message.author, "content": message.text} for message in prompt.messages]
    body: dict[str, Any] = {"model": entry.provider_name or entry.name}
    if prompt.temperature is not None:
        body["temperature"] = prompt.temperature
    if entry.api == "chat":
        return {**body, "messages": messages, "max_completion_tokens": prompt.max_output_tokens}
    return {**body, "input": messages, "max_output_tokens": prompt.max_output_tokens, "store": False}
