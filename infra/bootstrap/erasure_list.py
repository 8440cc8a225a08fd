"""The list of erasures, compared with the database, and carried out again after a restore."""

from collections.abc import Iterable, Sequence
from typing import Any

from eventsourcing.utils import get_topic
from uuid_utils.compat import uuid7

from application.bus import Bus
from application.ports import CommandContext, Files
from application.privacy.erasing import ERASERS
from application.privacy.erasure_list import FOLDER, ListedErasure, RepeatErasure
from domain.kernel import Root, events_of
from domain.privacy.address import Address
from infra.bootstrap.write_side import WriteSide
from infra.postgres.connect import as_part
from infra.postgres.database import Database
from infra.postgres.locks import LOCK_APPENDS
from infra.postgres.projector_connection import connect
from infra.sealing import receipts

KEPT = """
SELECT listed.id FROM unnest(%s::uuid[], %s::timestamptz[]) AS listed (id, moment)
JOIN data_keys ON subject_id = listed.id
WHERE wrapped IS NOT NULL AND (erased_at IS NULL OR erased_at < listed.moment)
"""
"""Those whose data key is there, although it was destroyed at that moment."""
MISSING = """
SELECT listed.id FROM unnest(%s::uuid[], %s::timestamptz[]) AS listed (id, moment)
WHERE NOT EXISTS (SELECT FROM data_keys WHERE subject_id = listed.id) AND NOT EXISTS (
    SELECT FROM stored_events
    WHERE originator_id = listed.id AND topic = ANY(%s) AND recorded_at >= listed.moment - interval '5 minutes'
)
"""
"""Those without a data key whose erasure the log does not know: it is that of a backup, too. Clocks may differ."""
ERASING_EVENT = "SELECT max(originator_version) FROM stored_events WHERE originator_id = %s AND topic = ANY(%s)"
ERASE_KEYS = "SELECT palimpsest.erase_keys(ARRAY[%s]::uuid[], ARRAY[%s]::timestamptz[], ARRAY[%s]::bytea[])"


async def listed(files: Files) -> list[ListedErasure]:
    """The last erasure of each stream on the list.

    Raises:
        Unavailable: the store of files does not answer.
    """
    found = [ListedErasure.parse(info.key) async for info in files.list(FOLDER)]
    return [*{each.stream_id: each for each in sorted(found, key=lambda each: each.erased_at)}.values()]


async def undone(files: Files, database: Database) -> list[ListedErasure]:
    """The listed erasures that the database does not know any more: its data keys are those of a backup.

    Raises:
        Unavailable: the database or the store of files does not answer.
    """
    found = {each.stream_id: each for each in await listed(files)}
    kept = await database.rows(KEPT, kept_parameters(found.values()))
    return [found[id] for (id,) in kept]


def kept_parameters(found: Iterable[ListedErasure]) -> list[Any]:
    """The parameters of `KEPT`."""
    each = [*found]
    return [[one.stream_id for one in each], [one.erased_at for one in each]]


async def repeat_missing(core: WriteSide, files: Files) -> int:
    """Carry out again, by events, what the log does not know and has no data key; return how many streams there were.

    Before data keys are restored: then the log says of each stream whose key must stay destroyed.

    Raises:
        Unavailable: the database or the store of files does not answer.
        Unreadable: not one event of a stream can be read.
    """
    found = {each.stream_id: each for each in await listed(files)}
    missing = await core.database.rows(MISSING, [*kept_parameters(found.values()), erasing_topics()])
    bus = core.bus({"holdings": None})
    for (id,) in missing:
        await _repeat_by_event(bus, found[id])
    return len(missing)


def erasing_topics() -> list[str]:
    """The topics of all events that erase a stream."""
    roots: list[type[Root]] = [Address, *(root for root, _ in ERASERS.values())]
    return [get_topic(event) for root in roots for event in events_of(root) if event.erases]


async def repeat(core: WriteSide, found: Sequence[ListedErasure], owner_url: str) -> None:
    """Carry out erasures again: by events where the log knows nothing of them, else by the data keys alone.

    Raises:
        Unavailable: the database does not answer.
        Unreadable: not one event of a stream can be read.
    """
    bus = core.bus({"holdings": None})
    for each in found:
        version = await _erased_in_log(core, each)
        if version is None:
            await _repeat_by_event(bus, each)
        else:
            await _destroy_key(core, each, version, owner_url)


async def _repeat_by_event(bus: Bus, each: ListedErasure) -> None:
    command = RepeatErasure(stream_kind=each.stream_kind, stream_id=each.stream_id)
    await bus.send(command, CommandContext(actor=None, correlation_id=uuid7()))


async def _erased_in_log(core: WriteSide, each: ListedErasure) -> int | None:
    """The version of the event that erased the stream; None: the log has none, it is that of a backup, too."""
    if each.stream_kind == Address.TOPIC:
        return None  # each erasure of an address is an event, so one more does no harm
    topics = [get_topic(event) for event in events_of(ERASERS[each.stream_kind][0]) if event.erases]
    [(version,)] = await core.database.rows(ERASING_EVENT, [each.stream_id, topics])
    return None if version is None else int(version)


async def _destroy_key(core: WriteSide, each: ListedErasure, version: int, owner_url: str) -> None:
    """Destroy a data key that was restored apart from the log. Only the owner may do it without an event."""
    receipt = receipts.receipt(core.keyring.stamps, each.stream_id, each.erased_at, version)
    async with await connect(as_part(owner_url, "owner")) as connection, connection.transaction():
        await connection.execute(LOCK_APPENDS)
        await connection.execute(ERASE_KEYS, [each.stream_id, each.erased_at, receipt])
    core.keyring.cache.drop(each.stream_id)
