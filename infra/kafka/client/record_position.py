"""The log position of a record: in the private records' header, or in the CloudEvents attribute `sequence`."""

from collections.abc import Callable
from typing import Any

from infra.kafka.client import record_format

SEQUENCE = "ce_sequence"
MAX_DIGITS = 19
"""Digits of the largest position that a database can hold."""

PositionOf = Callable[[Any], int | None]
"""The log position of a consumer's record; None if the record has none."""


def position_of(record: Any) -> int:
    """The log position of a private or public record; 0 for a foreign record."""
    for name, value in record.headers:
        if name == SEQUENCE:
            return parse_sequence(value) or 0
    try:
        return record_format.decode_record(record).position
    except record_format.ForeignRecord:
        return 0


def parse_sequence(value: bytes | None) -> int | None:
    """The position in the value of the header `ce_sequence`; None if it holds none."""
    return int(value) if value and len(value) <= MAX_DIGITS and value.isdigit() else None
