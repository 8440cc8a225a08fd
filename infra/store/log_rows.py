"""Rows of the log (`stored_events`): the column lists that readers select, and the decoding of rows into events."""

from collections.abc import Sequence
from typing import Any

from application.ports import RecordedEvent, Undecodable
from domain.kernel import Root
from infra.sealing.keyring import Keyring, Keys
from infra.store.codec import PartlyDecoded, decode, decode_clear, subjects_in, unseal

LIBRARY_COLUMNS = "notification_id, originator_id, originator_version, topic, state"
"""The columns of the `eventsourcing` library, in the order of its `Notification`."""
EVENT_COLUMNS = f"{LIBRARY_COLUMNS}, recorded_at, actor_id"
"""The columns that `decode_rows` takes."""
ALL_COLUMNS = f"{LIBRARY_COLUMNS}, event_id, class_version, recorded_at, actor_id, correlation_id, causation_id"
"""All columns, in the order of `infra.kafka.client.record_format.EventRow`."""
HEAD = "SELECT coalesce(max(notification_id), 0) FROM stored_events"
"""The last position; 0 in an empty log."""
APPENDED_CHANNEL = "palimpsest_appended"
"""The channel on which `append_events` notifies after each batch, with the last position as payload."""

Row = tuple[Any, ...]


async def decode_rows(rows: Sequence[Row], keyring: Keyring) -> list[RecordedEvent]:
    """The events of rows with `EVENT_COLUMNS`.

    An event that cannot be decoded becomes `Undecodable`, and its reader decides: it must not stop the others.
    """
    partly: list[PartlyDecoded | Undecodable] = []
    for _, stream_id, _, topic, stored, _, _ in rows:
        try:
            partly.append(decode_clear(topic, stored, stream_id))
        except Exception as error:
            partly.append(Undecodable(type(error).__name__))
    # Outside of the `try`: an error of the keyring is not the fault of an event.
    keys = await keyring.all(subjects_in([each for each in partly if type(each) is tuple]))
    return [
        RecordedEvent(position, stream_id, version, topic, recorded_at, actor_id, data)
        for (position, stream_id, version, topic, _, recorded_at, actor_id), data in zip(
            rows, _unseal_rows(rows, partly, keys), strict=True
        )
    ]


def _unseal_rows(
    rows: Sequence[Row], partly: Sequence[PartlyDecoded | Undecodable], keys: Keys
) -> Sequence[Root.Event | Undecodable]:
    """All rows in one call, or one by one if that fails."""
    decodable = [(each, row[2]) for each, row in zip(partly, rows, strict=True) if type(each) is tuple]
    try:
        events = iter(unseal([each for each, _ in decodable], [version for _, version in decodable], keys))
        return [each if isinstance(each, Undecodable) else next(events) for each in partly]
    except Exception:
        return [_decode_row(row, keys) for row in rows]


def _decode_row(row: Row, keys: Keys) -> Root.Event | Undecodable:
    _, stream_id, version, topic, stored, _, _ = row
    try:
        return decode(topic, stored, stream_id, version, keys)
    except Exception as error:
        return Undecodable(type(error).__name__)
