"""Pages of lists. A cursor names the last item of a page; items that are added or removed do not shift it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from domain.kernel import Invalid

T = TypeVar("T")
C = TypeVar("C")

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
ADVICE = "Leave the cursor out to start from the beginning, or send the value of `next`."


class BadCursor(Invalid):
    """A cursor did not come from a page of the same list."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list, and the cursor of the next page; None: this is the last one."""

    items: list[T]
    next: str | None


def page_of(found: list[T], limit: int, cursor_of: Callable[[T], object]) -> Page[T]:
    """Return a page from at most `limit + 1` items. `cursor_of` returns the content of a cursor for the last item."""
    if len(found) <= limit:
        return Page(found, None)
    shown = found[:limit]
    return Page(shown, write_cursor(cursor_of(shown[-1])))


def write_cursor(content: object) -> str:
    """Return a cursor with this content, which consists of plain values."""
    return urlsafe_b64encode(msgspec.json.encode(content)).rstrip(b"=").decode()


def read_cursor(cursor: str, kind: type[C]) -> C:
    """Return the content of a cursor.

    Raises:
        BadCursor: it is not a cursor of this kind.
    """
    try:
        raw = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        # Without escaped backslashes, so that six characters of a text are not taken for an escape.
        if b"\\u0000" in raw.replace(b"\\\\", b""):
            raise ValueError("PostgreSQL's text cannot hold NUL")
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, msgspec.DecodeError):
        raise BadCursor(ADVICE) from None


def read_moment(text: str) -> datetime:
    """Return a time from a cursor, as `str` wrote it.

    Raises:
        BadCursor: the text is not a time with a time zone.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadCursor(ADVICE)
    return moment


def limited(size: int) -> str:
    """Return the LIMIT of a query for a page, and the one row that tells whether there is another page.

    It is a number, no parameter: PostgreSQL keeps no plan of a query whose limit it does not know, and planning the
    lists of documents takes ten times as long as reading them.
    """
    return f"LIMIT {size + 1:d}"


def bounded(limit: int | None) -> int:
    """Return a page size within bounds: 50 by default, 100 at most."""
    return DEFAULT_LIMIT if limit is None else max(1, min(limit, MAX_LIMIT))
