"""What a failure of the provider means. Texts of the provider are left out: they often repeat the prompt."""

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import httpx2
from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError

from adapters.provider.bounded import TooLong
from application.ports import Clock, KeyRefused, PromptRefused, Unavailable

LATER_SECONDS = 5
"""When to ask again after a refusal that is not final and names no time."""
MAX_WAIT_SECONDS = 3600
"""The longest wait that a provider can ask for."""
TRY_AGAIN = frozenset({408, 409, 425, 429})
"""Statuses of clients' faults (4xx) that are none: time and order."""
KEY_REFUSED = frozenset({401, 403})
FILTERED = frozenset({"content_filter", "content_policy_violation", "moderation_blocked", "cyber_policy"})
"""Codes of the provider's filter."""
OVERLOADED = frozenset({"rate_limit_exceeded", "server_error", "overloaded_error", "server_overloaded", "timeout"})
FOR_GOOD = frozenset({"invalid_prompt", "invalid_request_error", "context_length_exceeded", "model_not_found"})
"""Codes of prompts that are no better the next time."""
KNOWN = FILTERED | OVERLOADED | FOR_GOOD
NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
"""Causes of a failed connection before the provider knew of the request."""
SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?")


class FilterRefusal(Exception):
    """The provider's filter has refused the prompt."""


FAILURES = (
    *(APIError, OSError, TooLong, FilterRefusal, PromptRefused, Unavailable),
    *(EOFError, ValueError, TypeError, AttributeError, LookupError),
)
"""What goes wrong while an answer is read. The last ones: it has another form than it should."""


def meaning_of(error: Exception, clock: Clock) -> PromptRefused | Unavailable | FilterRefusal:
    """Return what a failure before the first text means."""
    if isinstance(error, FilterRefusal | PromptRefused | Unavailable):
        return error
    code = error.code if isinstance(error, APIError) else None
    if code in FILTERED:
        return FilterRefusal()
    if isinstance(error, APIStatusError):
        return meaning_of_status(error.status_code, error.code, retry_after(error.response.headers, clock))
    return meaning_of_code(code) if code in KNOWN else Unavailable(f"The provider ({reason(error)})")


def is_lost(error: Exception) -> bool:
    """Return whether the request was sent, and nothing says what became of it: the provider may have begun to write."""
    if isinstance(error, APIConnectionError):
        return not isinstance(error.__cause__, NOT_SENT)
    return isinstance(error, OSError | EOFError)


def meaning_of_code(code: object) -> PromptRefused | Unavailable | FilterRefusal:
    """Return what an error code in a stream means; codes that we do not know are not repeated."""
    if code in FILTERED:
        return FilterRefusal()
    return PromptRefused(str(code)) if code in FOR_GOOD else Unavailable(f"The provider ({known(code)})")


def known(code: object) -> str:
    """Return a code if it is one of those that we know: others may contain anything."""
    return str(code) if code in KNOWN else "failed"


def reason(error: Exception) -> str:
    """Return a short reason without any text of the provider."""
    if isinstance(error, APIStatusError):
        return str(error.status_code)
    if isinstance(error, PromptRefused | Unavailable):
        return "failed"
    if isinstance(error, APITimeoutError | TimeoutError):
        return "too slow"
    if isinstance(error, APIConnectionError | OSError):
        return "not reached"
    if isinstance(error, APIError):
        return known(error.code)
    return "too much" if isinstance(error, TooLong) else "malformed"


def retry_after(headers: Mapping[str, str], clock: Clock) -> int:
    """Return the whole seconds that a provider wants to be left alone (`retry-after-ms`, or RFC 9110, 10.2.3)."""
    for name, scale in (("retry-after-ms", 1000), ("retry-after", 1)):
        if SECONDS.fullmatch(headers.get(name, "")):
            return _bounded(float(headers[name]) / scale)
    try:
        return _bounded((parsedate_to_datetime(headers.get("retry-after", "")) - clock()).total_seconds())
    except (ValueError, TypeError):
        return LATER_SECONDS


def _bounded(seconds: float) -> int:
    return math.ceil(min(max(seconds, 1.0), MAX_WAIT_SECONDS))


def meaning_of_status(status: int, code: object, wait: int) -> PromptRefused | Unavailable:
    """Return what a status that is a failure means. `wait`: seconds after which a repeat may help."""
    if status in KEY_REFUSED:
        return KeyRefused(f"status {status}")
    if 400 <= status < 500 and status not in TRY_AGAIN:
        return PromptRefused(f"status {status}" + (f", {code}" if code in FOR_GOOD else ""))
    return Unavailable(f"The provider ({status})", wait)
