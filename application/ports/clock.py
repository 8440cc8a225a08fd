"""Ports for time and ids, which the domain takes as parameters."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    """Returns the current time, with its time zone."""

    def __call__(self) -> datetime: ...


class NewId(Protocol):
    """Makes ids that sort by time (UUIDv7, RFC 9562)."""

    def __call__(self) -> UUID: ...
