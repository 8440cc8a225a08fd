"""Lists come in pages. A cursor says after which item the next one begins; items that come or go do not shift it."""

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
MOST = 100
ADVICE = "Leave the cursor out to start anew, or send the one that came as `next`."


class BadCursor(Invalid):
    """A cursor is not one that came with a page of the same list."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list, and the cursor of the next page; None: there is none."""

    items: list[T]
    next: str | None


def page_of(found: list[T], limit: int, cursor_of: Callable[[T], object]) -> Page[T]:
    """The page made of at most `limit + 1` items; `cursor_of` makes a cursor's content of the last item shown."""
    if len(found) <= limit:
        return Page(found, None)
    shown = found[:limit]
    return Page(shown, write_cursor(cursor_of(shown[-1])))


def write_cursor(content: object) -> str:
    """A cursor with this content: plain values only."""
    return urlsafe_b64encode(msgspec.json.encode(content)).rstrip(b"=").decode()


def read_cursor(cursor: str, kind: type[C]) -> C:
    """The content of a cursor.

    Raises:
        BadCursor: it is none of this kind.
    """
    try:
        raw = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        if b"\\u0000" in raw:
            raise ValueError("PostgreSQL's text cannot hold NUL")
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, msgspec.DecodeError):
        raise BadCursor(ADVICE) from None


def read_moment(text: str) -> datetime:
    """A time in a cursor, as `str` wrote it.

    Raises:
        BadCursor: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadCursor(ADVICE)
    return moment


def bounded(limit: int | None) -> int:
    """A page size within bounds: 50 unless told, 100 at most."""
    return DEFAULT_LIMIT if limit is None else max(1, min(limit, MOST))
