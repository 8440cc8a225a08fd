"""Redaction: no log line carries a secret or personal data, whichever library wrote it."""

import re
import traceback
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any

from structlog.typing import EventDict

SECRET_WORDS = ("password", "passwd", "secret", "token", "authorization", "cookie", "api_key", "private_key", "dsn")
PERSONAL_WORDS = ("email", "full_name", "display_name", "title", "content", "body", "phone")
REDACTED = "[redacted]"
MAX_DEPTH = 6
QUOTED = re.compile("""['"`([{\u00ab\u2018-\u201e].*""")
"""Everything from the first quotation mark or bracket on. The quotation may contain such marks: its end is unknown."""


def redact(_: Any, __: str, event: EventDict) -> EventDict:
    """Replace the values of fields whose names indicate secrets or personal data. A safety net: do not log them."""
    event.pop("color_message", None)  # uvicorn's message again, with colours
    return {name: value if name == "event" else _clean(name, value, 0) for name, value in event.items()}


def _clean(name: str, value: Any, depth: int) -> Any:
    if _is_sensitive(name):
        return REDACTED
    if depth < MAX_DEPTH and isinstance(value, MutableMapping):
        return {key: _clean(str(key), inner, depth + 1) for key, inner in value.items()}
    if depth < MAX_DEPTH and isinstance(value, list | tuple):
        return [_clean("", inner, depth + 1) for inner in value]
    return value


@lru_cache(maxsize=4096)
def _is_sensitive(name: str) -> bool:
    lowered = name.lower().replace("-", "_")
    return any(word in lowered for word in SECRET_WORDS) or lowered in PERSONAL_WORDS or lowered.endswith("_email")


def describe_error(error: BaseException) -> str:
    """Type and traceback of an error and its causes, without quoted values and local variables."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    parts = [describe_error(cause), "which led to\n"] if cause else []
    parts += traceback.format_tb(error.__traceback__)
    parts.append(f"{type(error).__qualname__}: {_without_values(str(error))}\n")
    if isinstance(error, BaseExceptionGroup):
        parts += [f"together with\n{describe_error(each)}" for each in error.exceptions]
    return "".join(parts)


def _without_values(message: str) -> str:
    """The first line up to a possible quotation; later lines give details."""
    return QUOTED.sub("…", message.partition("\n")[0])
