"""The event store port on PostgreSQL: loads and appends aggregates, and seals their personal data."""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import aclosing, suppress
from typing import Any, cast
from uuid import UUID

from cryptography.exceptions import InvalidTag
from eventsourcing.utils import get_topic
from uuid_utils import uuid7

from application.ports import (
    A,
    ClaimTaken,
    CommandContext,
    EventPlace,
    Idempotency,
    StoredResponse,
    Unavailable,
    Undecodable,
    VersionConflict,
)
from domain.kernel import Claim, NotFound, Root
from infra.postgres.database import Database
from infra.sealing import receipts
from infra.sealing.blind_index import BlindIndex
from infra.sealing.keyring import DataKey, FetchWrapped, KeyErased, Keyring, Keys, SubjectNumber, WrappedKey
from infra.sealing.store_keys import Damage
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
from infra.store.codec import EventLayout, decode_clear, layout_of, subjects_in, subjects_of, unseal
from infra.store.group_commit import GroupCommitter
from infra.store.log_rows import EVENT_COLUMNS, decode_rows
from infra.store.snapshot_codec import decode_snapshot, encode_snapshot, is_personal
from infra.store.stream_reader import LATEST, StoredEvent, StoredSnapshot, StreamGap, StreamReader

WRAPPED_KEYS = "SELECT subject_id, wrapped FROM data_keys WHERE subject_id = ANY(%s) AND wrapped IS NOT NULL"
EVENTS_AT = f"""
SELECT {EVENT_COLUMNS} FROM unnest(%s::uuid[], %s::bigint[]) WITH ORDINALITY AS wanted (stream_id, version, place)
JOIN stored_events ON originator_id = stream_id AND originator_version = version ORDER BY place
"""  # noqa: S608
LAST_POSITION = """
SELECT notification_id FROM stored_events WHERE originator_id = %s AND (%s OR topic = ANY(%s))
ORDER BY originator_version DESC LIMIT 1
"""
CLAIMED_BY = "SELECT originator_id FROM claims WHERE kind = %s AND digest = %s"
INSERT_SNAPSHOT = """
INSERT INTO snapshots (originator_id, originator_version, topic, state, snapshot_version)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
# Removes a snapshot that cannot be used, so that one of the same version can be inserted. A newer shape is kept.
DELETE_UNUSABLE = (
    "DELETE FROM snapshots WHERE originator_id = %s AND originator_version = %s AND snapshot_version <= %s"
)
DELETE_OLDER = "DELETE FROM snapshots WHERE originator_id = %s AND originator_version < %s"

SNAPSHOT_AFTER_EVENTS = 100
MAX_REKEY_ATTEMPTS = 3


class PostgresEventStore:
    """Implements `application.ports.EventStore`."""

    def __init__(
        self,
        database: Database,
        reader: StreamReader,
        committer: GroupCommitter,
        keyring: Keyring,
        blind: BlindIndex,
    ) -> None:
        self._database = database
        self._reader = reader
        self._committer = committer
        self._keyring = keyring
        self._blind = blind
        self._snapshot_tasks: set[asyncio.Task[None]] = set()

    async def load(self, kind: type[A], id: UUID, *, version: int | None = None) -> A | None:
        """The aggregate now, or as it was at `version`; None if no stream has that kind and version."""
        if version is None:
            return await self._latest(kind, id)
        root = await self._from_history(kind, id, version)
        return root if root is not None and root.version == version else None

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
            NotFound: the key that seals the response has been erased since.
        """
        stored = await self._reader.stored_answer(key)
        if stored is None:
            return None
        subject_key = await self._keyring.get(stored.subject_id)
        try:
            if subject_key is None:
                raise KeyErased
            return StoredResponse(stored.fingerprint, subject_key.unseal(stored.answer, key), stored.position)
        except KeyErased:
            raise NotFound("What this Idempotency-Key was used for has been erased.") from None

    async def last_position(self, stream_id: UUID, topics: Collection[str] | None = None) -> int:
        """The position of the stream's last event of these topics; 0 where it has none."""
        rows = await self._database.rows(LAST_POSITION, [stream_id, topics is None, list(topics or ())])
        return rows[0][0] if rows else 0

    async def append(
        self, changes: Sequence[Root], call: CommandContext, idempotency: Idempotency | None
    ) -> int | StoredResponse:
        """See `application.ports.EventStore.append`."""
        events: list[Root.Event] = []
        expected: dict[StreamKey, int] = {}
        for root in changes:
            pending = cast(list[Root.Event], root.pending_events)
            events += pending
            expected[root.id.int] = root.version - len(pending)
        drops = self._keyring.cache.drops
        for _ in range(MAX_REKEY_ATTEMPTS):
            keys, minted = await self._keys(changes, expected, events, idempotency)
            request = self._request(expected, events, call, idempotency, keys, minted)
            outcome = await self._committer.append(request)
            if outcome.status is not AppendStatus.REKEY:
                break
            # Another process has just stored a key for the same address: seal again, under that key.
        if outcome.status is AppendStatus.REPLAYED:
            assert idempotency is not None
            earlier = await self.stored_response(idempotency.key)
            assert earlier is not None
            return earlier
        self._check_outcome(changes, outcome)
        for erasure in request.erasures:
            self._keyring.cache.drop(erasure.subject_id)
        for wrapped in minted:
            self._keyring.cache.add(wrapped.subject_id, keys[wrapped.subject_id.int], drops)
        for root in changes:
            root.collect_events()
        return outcome.position

    def _check_outcome(self, changes: Sequence[Root], outcome: AppendOutcome) -> None:
        """Raise the error of an outcome other than OK.

        Raises:
            ClaimTaken: another stream holds a claim.
            VersionConflict: a stream is not at its expected version, or other processes kept storing new data keys.
        """
        if outcome.status is AppendStatus.TAKEN:
            raise ClaimTaken(outcome.claim_kind)
        if outcome.status is not AppendStatus.OK:
            raise VersionConflict([root.id for root in changes])

    def _request(
        self,
        expected: dict[StreamKey, int],
        events: Sequence[Root.Event],
        call: CommandContext,
        idempotency: Idempotency | None,
        keys: Keys,
        minted: list[WrappedKey],
    ) -> AppendRequest:
        record = None
        if idempotency is not None:
            sealed = keys[idempotency.subject_id.int].seal(idempotency.answer, idempotency.key)
            record = IdempotencyRecord(idempotency.key, idempotency.fingerprint, idempotency.subject_id, sealed)
        return AppendRequest(
            expected=expected,
            events=[self._new_event(event, layout_of(type(event)), keys) for event in events],
            claims=[claim for event in events if layout_of(type(event)).has_claims for claim in self._claims(event)],
            keys=minted,
            record=record,
            erasures=[self._erasure(event) for event in events if event.erases],
            actor_id=call.actor.user_id if call.actor else None,
            correlation_id=call.correlation_id,
            causation_id=call.causation_id,
        )

    def _new_event(self, event: Root.Event, layout: EventLayout, keys: Keys) -> NewEvent:
        stream_id, version, state = event.originator_id, event.originator_version, layout.encode(event, keys)
        return NewEvent(uuid7().bytes, stream_id, version, layout.topic, layout.version, state)

    def _erasure(self, event: Root.Event) -> KeyErasure:
        receipt = receipts.receipt(self._keyring.stamps, event.originator_id, event.timestamp)
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
        """The data keys of all subjects of the events and the answer, and the wrapped form of the new ones among them.

        Raises:
            NotFound: one of the aggregates has been erased.
        """
        keys: dict[SubjectNumber, DataKey] = {}
        minted = []
        subjects = [subject_id for event in events for subject_id in subjects_of(event)]
        if idempotency is not None:
            subjects.append(idempotency.subject_id)
        for subject_id in subjects:
            number = subject_id.int
            if number in keys:
                continue
            key = None
            # A new stream has no key yet: do not query.
            if expected.get(number) != 0:
                key = self._keyring.kept(subject_id) or await self._keyring.get(subject_id)
            if key is None:
                if any(root.id.int == number and expected[number] and is_personal(type(root)) for root in changes):
                    raise NotFound("This has been erased.")
                key, wrapped = self._keyring.mint(subject_id)
                minted.append(wrapped)
            keys[number] = key
        return keys, minted

    async def _latest(self, kind: type[A], id: UUID) -> A | None:
        stream = await self._reader.stream(id)
        snapshot = None if stream.snapshot is None else await self._from_snapshot(kind, id, stream.snapshot)
        unusable = stream.snapshot is not None and snapshot is None
        if unusable:
            root = await self._from_history(kind, id)
        else:
            root = await self._replay(kind, id, snapshot, stream.events)
        if root is not None and (unusable or len(stream.events) >= SNAPSHOT_AFTER_EVENTS):
            self._keep_snapshot(root)
        return root

    async def _from_history(self, kind: type[A], id: UUID, last: int = LATEST) -> A | None:
        root: A | None = None
        async with aclosing(self._reader.history(id, last)) as pages:
            async for events in pages:
                root = await self._replay(kind, id, root, events)
                if root is None:
                    break
        return root

    async def _replay(self, kind: type[A], id: UUID, root: A | None, events: Sequence[StoredEvent]) -> A | None:
        """The aggregate after `events`, which follow `root`."""
        versions = [version for version, _, _ in events]
        first = Root.INITIAL_VERSION if root is None else root.version + 1
        if events and (versions[0], versions[-1]) != (first, first + len(events) - 1):
            raise StreamGap(f"stream {id}: versions {first} to {versions[-1]} hold {len(events)} events")
        partly = [decode_clear(topic, stored, id) for _, topic, stored in events]
        keys = await self._keyring.all(subjects_in(partly))
        return evolve(kind, root, unseal(partly, versions, keys))

    async def _from_snapshot(self, kind: type[A], id: UUID, stored: StoredSnapshot) -> A | None:
        """None if the snapshot is unusable: of another shape or kind, or sealed by a key that is erased."""
        key = await self._keyring.get(id) if is_personal(kind) else None
        usable = stored.topic == get_topic(kind) and stored.shape == kind.snapshot_version
        if not usable or (key is None and is_personal(kind)):
            return None
        try:
            return decode_snapshot(kind, id, stored.version, stored.state, key)
        except (KeyErased, InvalidTag):
            return None

    def _keep_snapshot(self, root: Root) -> None:
        """Write a snapshot in the background, so that the next load replays less."""
        key = self._keyring.kept(root.id)
        if key is None and is_personal(type(root)):
            return
        values = [root.id, root.version, get_topic(type(root)), encode_snapshot(root, key), root.snapshot_version]
        task = asyncio.create_task(self._write_snapshot(values))
        self._snapshot_tasks.add(task)
        task.add_done_callback(self._snapshot_tasks.discard)

    async def _write_snapshot(self, values: list[Any]) -> None:
        # A snapshot only saves time: without it the next load replays the events.
        with suppress(Unavailable):
            await self._database.rows(DELETE_UNUSABLE, [*values[:2], values[-1]])
            await self._database.rows(INSERT_SNAPSHOT, values)
            await self._database.rows(DELETE_OLDER, values[:2])

    async def drain(self) -> None:
        """Wait for the snapshots that are being written."""
        await asyncio.gather(*self._snapshot_tasks)


def evolve(kind: type[A], root: Root | None, events: Sequence[Root.Event]) -> A | None:
    """The aggregate after `events`, which follow `root`; None if they are of another kind, or if there are none."""
    for event in events:
        if root is None:
            if event.root is not kind:
                return None
            root = kind.shell(event)
        event.apply(root)
    if root is not None and events:
        root._version = events[-1].originator_version
        root._modified_on = events[-1].timestamp
    return cast("A | None", root)


def keys_reader(database: Database) -> FetchWrapped:
    """The function that fetches wrapped data keys for a `Keyring`."""

    async def fetch(subject_ids: list[UUID]) -> dict[UUID, bytes]:
        return dict(await database.rows(WRAPPED_KEYS, [subject_ids]))

    return fetch
