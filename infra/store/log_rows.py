"""Rows of the log (`stored_events`): the column lists that readers select, and the decoding of rows into events."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from application.ports import RecordedEvent, Undecodable
from domain.kernel import Root
from infra.sealing.damage import report_damage
from infra.sealing.keyring import Keyring, Keys
from infra.sealing.store_keys import Damage, StoreKeys
from infra.store.codec import PartlyDecoded, decode, decode_clear, decode_without_keys, subjects_in, unseal
from infra.store.event_bytes import Metadata, actor_of, metadata_of

LIBRARY_COLUMNS = "notification_id, originator_id, originator_version, topic, state"
"""The columns of the `eventsourcing` library, in the order of its `Notification`."""
EVENT_COLUMNS = f"{LIBRARY_COLUMNS}, recorded_at"
"""All columns, in the order that `decode_rows` and `infra.kafka.client.record_format.EventRow` take."""
EVENT_AT = f"SELECT {EVENT_COLUMNS} FROM stored_events WHERE notification_id = %s"  # noqa: S608
"""The event at a position."""
HEAD = "SELECT coalesce(max(notification_id), 0) FROM stored_events"
"""The last position; 0 in an empty log."""
PAGE_BYTES = 4 * 1024 * 1024
"""Bytes of the stored events of a page: a page ends with the event that reaches them."""
APPENDED_CHANNEL = "palimpsest_appended"
"""The channel on which `append_events` notifies after each batch."""

LogRow = tuple[Any, ...]

T = TypeVar("T")


def page_of(query: str, order: str = "notification_id", most: str = "%s") -> str:
    """Return a query for the first rows of `query`, until their bytes reach one more parameter, `most`, the last.

    `query` selects all columns of the log, in this order, with a limit. At least one row comes, if there is any. The
    bytes of a large event are counted without reading it. Counting takes about 1 ms for 2,000 small events, 2 % of a
    read with decoding.
    """
    return f"""
    SELECT {EVENT_COLUMNS} FROM (
        SELECT *, sum(octet_length(state)) OVER (ORDER BY {order} ROWS UNBOUNDED PRECEDING)
            - octet_length(state) AS bytes_before
        FROM ({query}) AS page
    ) AS measured
    WHERE bytes_before < {most} ORDER BY {order}
    """  # noqa: S608


def read_in_clear(row: LogRow, stamps: StoreKeys, make: Callable[[PartlyDecoded, Metadata], T]) -> T | Undecodable:
    """What `make` makes of an event without its personal fields, and of its metadata; its stamp is checked.

    An event for which that fails becomes `Undecodable`, as in `decode_rows`.
    """
    position, stream_id, version, topic, stored, _ = row
    try:
        return make(decode_clear(topic, stored, stream_id, version, stamps, position), metadata_of(stored))
    except Exception as error:
        return undecodable(error, position)


async def decode_rows(rows: Sequence[LogRow], keyring: Keyring, source: str = "event") -> list[RecordedEvent]:
    """The events of rows with `EVENT_COLUMNS`.

    An event that cannot be decoded becomes `Undecodable`, and its reader decides: it must not stop the others.
    One that was changed since it was stored is counted, too, as damage of `source`.
    """
    stamps = keyring.stamps
    partly: list[PartlyDecoded] = []
    undecoded: dict[int, Undecodable] = {}
    for position, stream_id, version, topic, stored, _ in rows:
        try:
            partly.append(decode_clear(topic, stored, stream_id, version, stamps, position))
        except Exception as error:
            undecoded[position] = undecodable(error, position, source)
    # Outside of the `try`: an error of the keyring is not the fault of an event.
    keys = await keyring.all(subjects_in(partly))
    decoded: Sequence[Root.Event | Undecodable]
    try:
        decoded = unseal(partly, keys)
    except Exception:
        decoded = [_decode_row(row, keyring, keys, source) for row in rows if row[0] not in undecoded]
    if undecoded:
        others = iter(decoded)
        decoded = [undecoded.get(row[0]) or next(others) for row in rows]
    return [
        RecordedEvent(position, stream_id, version, topic, recorded_at, actor_of(stored), data, len(stored))
        if type(data) is not Undecodable
        else RecordedEvent(position, stream_id, version, topic, recorded_at, None, data, len(stored))
        for (position, stream_id, version, topic, stored, recorded_at), data in zip(rows, decoded, strict=True)
    ]


def decode_rows_without_keys(rows: Iterable[LogRow]) -> list[RecordedEvent]:
    """The events of rows with `EVENT_COLUMNS`, with all personal fields as erased, and stamps unchecked.

    An event that cannot be decoded becomes `Undecodable`.
    """
    return [_without_keys(*row) for row in rows]


def _without_keys(
    position: int, stream_id: UUID, version: int, topic: str, stored: bytes, recorded_at: datetime
) -> RecordedEvent:
    data: Root.Event | Undecodable
    try:
        data, actor_id = decode_without_keys(topic, stored, stream_id, version), actor_of(stored)
    except Exception as error:
        data, actor_id = Undecodable(type(error).__name__), None
    return RecordedEvent(position, stream_id, version, topic, recorded_at, actor_id, data, len(stored))


def undecodable(error: Exception, position: int, source: str = "event") -> Undecodable:
    """What stands for an event whose decoding failed. Damage is counted and logged: a program has changed something."""
    if isinstance(error, Damage):
        report_damage(source, position=position, reason=str(error))
    return Undecodable(type(error).__name__)


def _decode_row(row: LogRow, keyring: Keyring, keys: Keys, source: str) -> Root.Event | Undecodable:
    position, stream_id, version, topic, stored, _ = row
    try:
        return decode(topic, stored, stream_id, version, keys, keyring.stamps, position)
    except Exception as error:
        return undecodable(error, position, source)
