"""Verifies with the keys of the installation that each event opens: its stamp, and its personal fields by data keys.

The tree says nothing of data keys: an erasure destroys them, and changes no leaf. So a data key that was exchanged,
changed or removed shows only here. What an erasure has destroyed, with a receipt, opens as erased.
"""

from application.ports import RecordedEvent, Undecodable
from infra.audit.differences import WrongPosition
from infra.postgres.database import Database
from infra.progress import Progress
from infra.sealing.keyring import Keyring
from infra.store.feed import READ_AFTER
from infra.store.log_rows import HEAD, PAGE_BYTES, decode_rows

PAGE_EVENTS = 2_000


async def verify_unsealing(database: Database, keyring: Keyring, progress: Progress) -> int:
    """Verify that each event opens, up to the one that is the last now. Returns its position.

    Raises:
        WrongPosition: an event does not open.
        Unavailable: the database does not answer.
    """
    [(head,)] = await database.rows(HEAD, [])
    last = 0
    while last < head and (rows := await database.rows(READ_AFTER, [last, PAGE_EVENTS, PAGE_BYTES])):
        for event in await decode_rows(rows, keyring):
            require_opened(event)
        last = rows[-1][0]
        progress(min(last, head), head)
    return last


def require_opened(event: RecordedEvent) -> None:
    """Check that an event was decoded.

    Raises:
        WrongPosition: it was not.
    """
    if isinstance(event.data, Undecodable):
        what = f"{event.topic}, version {event.version} of the stream {event.stream_id}"
        raise WrongPosition(
            event.position,
            f"the event does not open with the keys of this installation ({event.data.error}): {what}. "
            "Its bytes, or a data key, were changed; or it was written by a later release",
        )
