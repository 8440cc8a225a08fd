"""The event store port on PostgreSQL: appends aggregates and seals their personal data; `loading.py` loads them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol, cast
from uuid import UUID

from uuid_utils import uuid7

from application.ports import (
    A,
    ClaimTaken,
    CommandContext,
    Copy,
    EventPlace,
    HistoryFilter,
    Idempotency,
    StoredResponse,
    TraceSlice,
    Unavailable,
    Undecodable,
    VersionConflict,
)
from domain.kernel import Claim, NotFound, Root
from infra.postgres.database import Database
from infra.sealing import receipts
from infra.sealing.blind_index import BlindIndex
from infra.sealing.check_values import WrongKey
from infra.sealing.keyring import (
    DataKey,
    ErasedKey,
    FetchWrapped,
    Keyring,
    SealingKeys,
    StoredKey,
    SubjectNumber,
    WrappedKey,
)
from infra.sealing.store_keys import Damage
from infra.store.answers import AnswerCodec
from infra.store.append_batch import (
    AppendOutcome,
    AppendRequest,
    AppendStatus,
    ClaimChange,
    IdempotencyRecord,
    KeyErasure,
    NewEvent,
)
from infra.store.append_queue import StreamKey
from infra.store.codec import layout_of, reusable_subjects_of, subjects_of
from infra.store.event_bytes import call_header, tenant_bytes
from infra.store.group_commit import GroupCommitter
from infra.store.loading import AggregateLoader
from infra.store.log_rows import EVENT_COLUMNS, decode_rows
from infra.store.snapshot_codec import is_personal
from infra.store.snapshots import Snapshots
from infra.store.stream_history import stream_history
from infra.store.stream_reader import StreamReader

WRAPPED_KEYS = "SELECT subject_id, wrapped, kek_id, erased_at, receipt FROM data_keys WHERE subject_id = ANY(%s)"
"""Rows of `StoredKey`."""
EVENTS_AT = f"""
SELECT {EVENT_COLUMNS} FROM unnest(%s::uuid[], %s::bigint[]) WITH ORDINALITY AS wanted (stream_id, version, place)
JOIN stored_events ON originator_id = stream_id AND originator_version = version ORDER BY place
"""  # noqa: S608
LAST_POSITION = """
SELECT notification_id FROM stored_events WHERE originator_id = %s AND (%s OR topic = ANY(%s))
ORDER BY originator_version DESC LIMIT 1
"""
POSITION = "SELECT notification_id FROM stored_events WHERE originator_id = %s AND originator_version = %s"
CLAIMED_BY = "SELECT originator_id FROM claims WHERE kind = %s AND digest = %s"
MAX_REKEY_ATTEMPTS = 3
WRITING = "Writing"


class CheckKeys(Protocol):
    """Compares the keys with the database, unless that was done; with `again` also takes up a changed key document.

    Raises WrongKey if they do not fit.
    """

    async def __call__(self, *, again: bool = False) -> None: ...


async def _keys_unchecked(*, again: bool = False) -> None:
    """For stores whose keys are right by construction."""


class PostgresEventStore:
    """Implements `application.ports.EventStore`. `check_keys` is called before each append."""

    def __init__(
        self,
        database: Database,
        reader: StreamReader,
        committer: GroupCommitter,
        keyring: Keyring,
        blind: BlindIndex,
        check_keys: CheckKeys = _keys_unchecked,
    ) -> None:
        self._database = database
        self._reader = reader
        self._committer = committer
        self._keyring = keyring
        self._blind = blind
        self._check_keys = check_keys
        self.snapshots = Snapshots(database, keyring)
        self._loader = AggregateLoader(reader, keyring, self.snapshots)
        self._answers = AnswerCodec(keyring)

    async def load(self, kind: type[A], id: UUID, *, version: int | None = None) -> A | None:
        """The aggregate now, or as it was at `version`; None if no stream has that kind and version."""
        return await self._loader.load(kind, id, version)

    async def shell(self, kind: type[A], id: UUID) -> A | None:
        """The aggregate without its state, as far as any of its events can be read; None if no stream has that kind."""
        return await self._loader.shell(kind, id)

    async def claimed_by(self, claim: Claim) -> UUID | None:
        """The stream that holds the claim."""
        rows = await self._database.rows(CLAIMED_BY, [claim.kind, self._blind.claim(claim.kind, claim.value)])
        return rows[0][0] if rows else None

    async def events(self, places: Sequence[EventPlace]) -> list[Root.Event]:
        """The events at these places, in their order.

        Raises:
            Damage: an event cannot be read.
        """
        streams, versions = [stream_id for stream_id, _ in places], [version for _, version in places]
        found = await decode_rows(await self._database.rows(EVENTS_AT, [streams, versions]), self._keyring)
        damaged = [event for event in found if isinstance(event.data, Undecodable)]
        if damaged or len(found) < len(places):
            raise Damage(f"{len(damaged)} of {len(places)} events are unreadable, {len(places) - len(found)} missing")
        return [cast(Root.Event, event.data) for event in found]

    async def stored_response(self, key: bytes) -> StoredResponse | None:
        """The response to an earlier request with this key (a digest, 32 bytes).

        Raises:
            NotFound: the subject of the answer has been erased since.
            Damage: the record is not as it was written, or a data key is missing or damaged.
        """
        stored = await self._reader.stored_answer(key)
        return None if stored is None else await self._answers.decode(stored)

    async def history(self, stream_id: UUID, wanted: HistoryFilter, before: int, count: int) -> TraceSlice:
        """See `application.ports.EventStore.history`."""
        return await stream_history(self._database, self._keyring.stamps, stream_id, wanted, before, count)

    async def last_position(self, stream_id: UUID, topics: Collection[str] | None = None) -> int:
        """The position of the stream's last event of these topics; 0 where it has none."""
        rows = await self._database.rows(LAST_POSITION, [stream_id, topics is None, list(topics or ())])
        return rows[0][0] if rows else 0

    async def append(
        self,
        changes: Sequence[Root],
        call: CommandContext,
        idempotency: Idempotency | None,
        judged_by: Mapping[UUID, int] | None = None,
    ) -> int | StoredResponse:
        """See `application.ports.EventStore.append`."""
        events: list[Root.Event] = []
        expected: dict[StreamKey, int] = {}
        for root in changes:
            pending = cast(list[Root.Event], root.pending_events)
            events += pending
            expected[root.id.int] = root.version - len(pending)
        await self._require_keys()
        drops = self._keyring.cache.drops
        for _ in range(MAX_REKEY_ATTEMPTS):
            keys, minted = await self._keys(changes, expected, events, idempotency)
            request = self._request(changes, expected, judged_by or {}, events, call, idempotency, keys, minted)
            outcome = await self._committer.append(request)
            if outcome.status is not AppendStatus.REKEY:
                break
            # Another process has just stored a key for the same address, or a key of this process has been closed.
            await self._require_keys(again=True)
        if outcome.status is AppendStatus.REPLAYED:
            assert idempotency is not None
            earlier = await self.stored_response(idempotency.key)
            assert earlier is not None
            return earlier
        self._check_outcome([root.id for root in changes] or [*(judged_by or ())], outcome)
        for erasure in request.erasures:
            self._keyring.cache.drop(erasure.subject_id)
        for wrapped in minted:
            self._keyring.cache.add(wrapped.subject_id, keys[wrapped.subject_id.int], drops)
        for root in changes:
            root.collect_events()
        if idempotency is not None and not events:
            return await self._position(idempotency.stream_id, idempotency.version)
        return outcome.position

    async def _require_keys(self, *, again: bool = False) -> None:
        """Check the keys.

        Raises:
            Unavailable: the database does not answer, or the keys do not fit it: one of this process was replaced.
        """
        try:
            await self._check_keys(again=again)
        except WrongKey as error:
            raise Unavailable(WRITING) from error

    async def _position(self, stream_id: UUID, version: int) -> int:
        [(position,)] = await self._database.rows(POSITION, [stream_id, version])
        return cast(int, position)

    def _check_outcome(self, stream_ids: Sequence[UUID], outcome: AppendOutcome) -> None:
        """Raise the error of an outcome other than OK. `stream_ids`: for which the next try is to wait in turn.

        Raises:
            ClaimTaken: another stream holds a claim.
            VersionConflict: a stream is not at its expected version, or other processes kept storing new data keys.
        """
        if outcome.status is AppendStatus.TAKEN:
            raise ClaimTaken(outcome.claim_kind)
        if outcome.status is not AppendStatus.OK:
            raise VersionConflict(stream_ids)

    def _request(
        self,
        changes: Sequence[Root],
        expected: dict[StreamKey, int],
        judged_by: Mapping[UUID, int],
        events: Sequence[Root.Event],
        call: CommandContext,
        idempotency: Idempotency | None,
        keys: SealingKeys,
        minted: list[WrappedKey],
    ) -> AppendRequest:
        record = None
        if idempotency is not None:
            record = IdempotencyRecord(
                idempotency.key,
                idempotency.fingerprint,
                idempotency.subject_id,
                idempotency.stream_id,
                idempotency.version,
                self._answers.encode(idempotency, keys.get(idempotency.subject_id.int)),
            )
        return AppendRequest(
            expected=expected,
            judged_by={id.int: version for id, version in judged_by.items() if expected.get(id.int) != version},
            events=self._new_events(changes, call, keys),
            claims=[claim for event in events if layout_of(type(event)).has_claims for claim in self._claims(event)],
            keys=minted,
            record=record,
            erasures=[self._erasure(event) for event in events if event.erases],
        )

    def _new_events(self, changes: Sequence[Root], call: CommandContext, keys: SealingKeys) -> list[NewEvent]:
        shared, new = call_header(call), []
        for root in changes:
            tenant = tenant_bytes(root.tenant)
            for event in cast(list[Root.Event], root.pending_events):
                layout = layout_of(type(event))
                state = layout.encode(event, uuid7().bytes, tenant, shared, keys, self._keyring.stamps)
                new.append(NewEvent(root.id, event.originator_version, layout.topic, state))
        return new

    def _erasure(self, event: Root.Event) -> KeyErasure:
        stamps, erasure = self._keyring.stamps, event.originator_version
        receipt = receipts.receipt(stamps, event.originator_id, event.timestamp, erasure)
        return KeyErasure(event.originator_id, event.timestamp, receipt)

    def _claims(self, event: Root.Event) -> Iterator[ClaimChange]:
        for claim in event.claims():
            yield self._claim_change(event, claim, release=False)
        for claim in event.releases():
            yield self._claim_change(event, claim, release=True)

    def _claim_change(self, event: Root.Event, claim: Claim, *, release: bool) -> ClaimChange:
        return ClaimChange(claim.kind, self._blind.claim(claim.kind, claim.value), event.originator_id, release)

    async def _keys(
        self,
        changes: Sequence[Root],
        expected: dict[StreamKey, int],
        events: Sequence[Root.Event],
        idempotency: Idempotency | None,
    ) -> tuple[dict[SubjectNumber, DataKey], list[WrappedKey]]:
        """The data keys of the subjects of the events and of a copied answer, and the wrapped form of the new ones.

        Raises:
            NotFound: a subject that may not be used again has been erased.
            Damage: a data key is missing or damaged.
        """
        keys: dict[SubjectNumber, DataKey] = {}
        minted = []
        subjects = [subject_id for event in events for subject_id in subjects_of(event)]
        if idempotency is not None and isinstance(idempotency.answer, Copy):
            subjects.append(idempotency.subject_id)
        for subject_id in subjects:
            if subject_id.int in keys:
                continue
            key = await self._present_key(subject_id, changes, expected)
            if not isinstance(key, DataKey):
                if key is not None and all(subject_id not in reusable_subjects_of(event) for event in events):
                    raise NotFound("This has been erased.")
                key, wrapped = self._keyring.mint(subject_id, key)
                minted.append(wrapped)
            keys[subject_id.int] = key
        return keys, minted

    async def _present_key(
        self, subject_id: UUID, changes: Sequence[Root], expected: dict[StreamKey, int]
    ) -> DataKey | ErasedKey | None:
        """The data key that a subject has; None: it has none yet.

        Raises:
            Damage: the key of a stream is missing or damaged.
        """
        version = expected.get(subject_id.int)
        if version == 0:
            return None  # a new stream: do not query
        key = self._keyring.kept(subject_id) or await self._keyring.get(subject_id)
        if key is None and version and any(root.id == subject_id and is_personal(type(root)) for root in changes):
            raise Damage("the data key of a stream is missing")
        return key

    async def drain(self) -> None:
        """Wait for the snapshots that are being written."""
        await self.snapshots.drain()


def keys_reader(database: Database) -> FetchWrapped:
    """The function that fetches data keys for a `Keyring`."""

    async def fetch(subject_ids: list[UUID]) -> dict[UUID, StoredKey]:
        return {row[0]: StoredKey(*row) for row in await database.rows(WRAPPED_KEYS, [subject_ids])}

    return fetch
