"""Points in the life of an aggregate, as people write them: `7`, `@4711`, `2026-11-22T12:00:00Z`."""

import re
from datetime import UTC, datetime

from application.ports import Point
from domain.kernel import Invalid

POINT = re.compile(
    r"[1-9][0-9]{0,17}|@[1-9][0-9]{0,17}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
MAX_POINT_LENGTH = 40
"""More characters than any point has."""


class NoSuchPoint(Invalid):
    """A text names neither a version nor a position nor a time."""


def point_of(text: str) -> Point:
    """Return a point: a version, a position after an @, or a time as in RFC 3339, with its zone.

    Raises:
        NoSuchPoint: it is none.
    """
    if not POINT.fullmatch(text):
        raise NoSuchPoint("Name a version (7), a position (@4711) or a time with its zone (2026-11-22T12:00:00Z).")
    if text.isdigit():
        return Point(version=int(text))
    if text.startswith("@"):
        return Point(position=int(text[1:]))
    return Point(instant=instant_of(text))


def instant_of(text: str) -> datetime:
    """Return a time with its zone, in UTC.

    Raises:
        NoSuchPoint: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise NoSuchPoint("A time has a date, a time of the day and a zone, such as 2026-11-22T12:00:00Z.")
