"""The port `AuditTrail` on PostgreSQL: events with metadata and leaf, found by index, and states without data keys."""

from collections.abc import Collection
from hashlib import sha256
from uuid import UUID

from msgspec import structs

from application.ports import A, EventFilter, EventOrigin, LoggedEvent, Point, Undecodable
from application.travel.seals import Seal
from domain.kernel import Root
from infra.audit.search import LogSearch
from infra.audit.tree import leaf_hash
from infra.postgres.connect import Pool
from infra.sealing.keyring import Keyring, destroyed
from infra.store.audit_leaf import NoLeaf, leaf
from infra.store.codec import PartlyDecoded
from infra.store.event_bytes import Metadata
from infra.store.log_rows import LogRow, read_in_clear
from infra.store.sealed_loading import SealedLoader
from infra.store.withholding import withhold


class PostgresAuditTrail:
    """Reads the log for auditors. `max_events`: the most that are replayed for one state."""

    def __init__(self, pool: Pool, keyring: Keyring, loader: SealedLoader, max_events: int) -> None:
        self._search = LogSearch(pool)
        self._keyring = keyring
        self._loader = loader
        self._max_events = max_events

    async def event_at(self, stream_id: UUID, point: Point) -> LoggedEvent | None:
        """See `application.ports.AuditTrail.event_at`."""
        row = await self._search.at(stream_id, point)
        return None if row is None else self._event(row)

    async def sealed(self, kind: type[A], id: UUID, version: int) -> A | None:
        """See `application.ports.AuditTrail.sealed`."""
        return await self._loader.load(kind, id, version, self._max_events)

    async def erased(self, seals: Collection[Seal]) -> set[Seal]:
        """See `application.ports.AuditTrail.erased`."""
        keys = await self._keyring.all({seal.subject_id for seal in seals})
        return {seal for seal in seals if destroyed(keys.get(seal.subject_id.int), seal.erasure)}

    async def head(self) -> int:
        """See `application.ports.AuditTrail.head`."""
        return await self._search.head()

    async def search(self, wanted: EventFilter, after: int, limit: int) -> list[LoggedEvent]:
        """See `application.ports.AuditTrail.search`."""
        return [self._event(row) for row in await self._search.find(wanted, after, limit)]

    def _event(self, row: LogRow) -> LoggedEvent:
        position, stream_id, version, type, stored, recorded_at = row
        found = read_in_clear(row, self._keyring.stamps, _readable)
        origin, data, error = (None, None, found.error) if isinstance(found, Undecodable) else (*found, None)
        return LoggedEvent(
            position,
            stream_id,
            version,
            type,
            recorded_at,
            len(stored),
            sha256(stored).digest(),
            _leaf_hash(row),
            origin,
            data,
            error,
        )


def _readable(partly: PartlyDecoded, found: Metadata) -> tuple[EventOrigin, Root.Event]:
    return EventOrigin(**structs.asdict(found)), withhold([partly])[0]


def _leaf_hash(row: LogRow) -> bytes | None:
    try:
        return leaf_hash(leaf(*row))
    except NoLeaf:
        return None
