"""Appends, before the database: what is asked of it, with which data keys, and what each of its answers means."""

from collections.abc import Sequence
from typing import Any, cast
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest

from application.ports import ClaimTaken, Copy, Idempotency, StoredResponse, Unavailable, VersionConflict
from domain.kernel import NotFound, Root
from infra.sealing.blind_index import BlindIndex
from infra.sealing.check_values import WrongKey
from infra.sealing.keyring import DataKey, StoredKey, WrappedKey
from infra.sealing.receipts import receipt
from infra.sealing.store_keys import Damage
from infra.store.append_batch import AppendOutcome, AppendRequest, AppendStatus, ClaimChange, KeyErasure
from infra.store.codec import decode
from infra.store.event_store import POSITION, PostgresEventStore
from tests.support.note import NOW, Note
from tests.support.stores import BLIND_KEY, CALL, STAMPS, keyring_of

NOTE, ADDRESS, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
BLIND = BlindIndex(BLIND_KEY)
OK = AppendOutcome(AppendStatus.OK, 5)
REKEY = AppendOutcome(AppendStatus.REKEY)


class Opened:
    """A store whose database answers appends with these outcomes, and has the rows `keys`."""

    def __init__(self, *outcomes: AppendOutcome, check_keys: Any = None) -> None:
        self.outcomes = list(outcomes or [OK])
        self.requests: list[AppendRequest] = []
        self.keys: dict[UUID, StoredKey] = {}
        self.asked: list[list[UUID]] = []
        self.checks = check_keys or AsyncMock()
        self.keyring = keyring_of(self._fetch)
        self.database = Mock(rows=AsyncMock(return_value=[(77,)]))
        self.store = PostgresEventStore(self.database, Mock(), cast(Any, self), self.keyring, BLIND, self.checks)

    async def append(self, request: AppendRequest) -> AppendOutcome:
        self.requests.append(request)
        return self.outcomes.pop(0)

    async def _fetch(self, subject_ids: list[UUID]) -> dict[UUID, StoredKey]:
        self.asked.append(subject_ids)
        return {id: self.keys[id] for id in subject_ids if id in self.keys}

    def keep(self, id: UUID, *, erased_by: int | None = None) -> None:
        """Store a data key of the subject, or the receipt of its erasure."""
        if erased_by is None:
            _, wrapped = self.keyring.mint(id)
            self.keys[id] = StoredKey(id, wrapped.wrapped, wrapped.kek_id, None, None)
        else:
            self.keys[id] = StoredKey(id, None, "kek", NOW, receipt(STAMPS, id, NOW, erased_by))

    async def send(self, *changes: Root, **more: Any) -> int | StoredResponse:
        return await self.store.append(changes, CALL, more.pop("record", None), **more)


def stored(id: UUID = NOTE) -> Note:
    """A note of one event that the log has."""
    note = Note.write(id, "text", label="old")
    note.collect_events()
    return note


def subjects(keys: Sequence[WrappedKey]) -> list[UUID]:
    return [key.subject_id for key in keys]


async def test_a_new_stream_brings_its_key_and_asks_for_none() -> None:
    opened, note = Opened(), Note.write(NOTE, "text", label="mine")
    note.extend("line")
    assert await opened.send(note) == 5
    [request] = opened.requests
    assert (request.expected, request.judged_by, request.record, request.erasures) == ({1: 0}, {}, None, [])
    assert [(event.stream_id, event.version, event.topic) for event in request.events] == [
        (NOTE, 1, "note.written"),
        (NOTE, 2, "note.extended"),
    ]
    assert request.claims == [ClaimChange("note_label", BLIND.claim("note_label", "mine"), NOTE, release=False)]
    assert (subjects(request.keys), opened.asked) == ([NOTE], [])
    assert not note.pending_events
    key = opened.keyring.kept(NOTE)
    assert key is not None
    read = decode("note.extended", request.events[1].state, NOTE, 2, {1: key}, STAMPS, 1)
    assert isinstance(read, Note.Extended)
    assert read.line == "line"


async def test_the_key_of_a_stored_stream_is_read_once() -> None:
    opened, note = Opened(OK, OK), stored()
    opened.keep(NOTE)
    for line in ("a", "b"):
        note.extend(line)
        await opened.send(note)
    assert [request.expected for request in opened.requests] == [{1: 1}, {1: 2}]
    assert [request.keys for request in opened.requests] == [[], []]
    assert opened.asked == [[NOTE]]


async def test_a_missing_key_of_a_stored_stream_is_damage_and_nothing_is_sent() -> None:
    opened, note = Opened(), stored()
    note.extend("line")
    with pytest.raises(Damage, match="the data key of a stream is missing"):
        await opened.send(note)
    assert opened.requests == []


async def test_a_stream_that_was_erased_takes_no_more_personal_data() -> None:
    opened, note = Opened(), stored()
    opened.keep(NOTE, erased_by=1)
    note.extend("line")
    with pytest.raises(NotFound, match="erased"):
        await opened.send(note)
    assert opened.requests == []


@pytest.mark.parametrize("erased_by", [None, 4])
async def test_an_address_gets_a_key_with_its_first_event_and_another_after_its_erasure(erased_by: int | None) -> None:
    opened, note = Opened(), stored()
    if erased_by is not None:
        opened.keep(ADDRESS, erased_by=erased_by)
    note.show_to(ADDRESS, "ada@example.org")
    await opened.send(note)
    assert subjects(opened.requests[0].keys) == [ADDRESS]
    assert opened.asked == [[ADDRESS]]
    [key] = [opened.keyring.kept(ADDRESS)]
    assert isinstance(key, DataKey)
    assert key.seal(b"text", b"")[:4] == (erased_by or 0).to_bytes(4, "big")


async def test_one_key_serves_all_events_of_a_subject() -> None:
    opened, note = Opened(), stored()
    for _ in range(2):
        note.show_to(ADDRESS, "ada@example.org")
    await opened.send(note)
    assert subjects(opened.requests[0].keys) == [ADDRESS]


async def test_a_claim_is_taken_before_another_is_released() -> None:
    opened, note = Opened(), stored()
    opened.keep(NOTE)
    note.relabel("new")
    await opened.send(note)
    assert opened.requests[0].claims == [
        ClaimChange("note_label", BLIND.claim("note_label", "new"), NOTE, release=False),
        ClaimChange("note_label", BLIND.claim("note_label", "old"), NOTE, release=True),
    ]


async def test_an_erasure_destroys_the_key_and_leaves_a_receipt() -> None:
    opened, note = Opened(OK, OK), Note.write(NOTE, "text")
    await opened.send(note)
    note.erase()
    await opened.send(note)
    assert opened.requests[1].erasures == [KeyErasure(NOTE, NOW, receipt(STAMPS, NOTE, NOW, 2))]
    assert opened.keyring.kept(NOTE) is None


async def test_streams_that_an_append_was_judged_by_are_named_unless_it_writes_them_at_that_version() -> None:
    opened, note = Opened(OK, OK), stored()
    opened.keep(NOTE)
    note.extend("a")
    await opened.send(note, judged_by={NOTE: 1, OTHER: 6})
    note.extend("b")
    await opened.send(note, judged_by={NOTE: 1})
    assert [request.judged_by for request in opened.requests] == [{3: 6}, {1: 1}]


def record(answer: Copy | None) -> Idempotency:
    return Idempotency(b"k" * 32, b"f" * 32, NOTE, NOTE, 1, NOW, answer)


async def test_a_record_names_its_event_and_seals_a_copied_answer() -> None:
    opened = Opened()
    await opened.send(Note.write(NOTE, "text"), record=record(Copy(b"secret answer")))
    kept = opened.requests[0].record
    assert kept is not None
    assert (kept.key, kept.fingerprint, kept.subject_id, kept.stream_id, kept.version) == (
        b"k" * 32,
        b"f" * 32,
        NOTE,
        NOTE,
        1,
    )
    assert len(kept.answer) > len(b"secret answer")
    assert b"secret answer" not in kept.answer


@pytest.mark.parametrize(("answer", "asked"), [(None, []), (Copy(b"x"), [[NOTE]])])
async def test_a_command_without_events_is_at_the_position_of_the_state_that_it_found(
    answer: Copy | None, asked: list[list[UUID]]
) -> None:
    opened = Opened()
    opened.keep(NOTE)
    assert await opened.send(record=record(answer)) == 77
    opened.database.rows.assert_awaited_once_with(POSITION, [NOTE, 1])
    assert (opened.asked, opened.requests[0].keys) == (asked, [])


async def test_a_repeat_is_answered_by_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, note = Opened(AppendOutcome(AppendStatus.REPLAYED)), Note.write(NOTE, "text")
    earlier = Mock(spec=StoredResponse)
    found = AsyncMock(return_value=earlier)
    monkeypatch.setattr(opened.store, "stored_response", found)
    assert await opened.send(note, record=record(None)) is earlier
    found.assert_awaited_once_with(b"k" * 32)
    assert opened.keyring.kept(NOTE) is None


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (AppendOutcome(AppendStatus.TAKEN, claim_kind="note_label"), ClaimTaken),
        (AppendOutcome(AppendStatus.CONFLICT), VersionConflict),
    ],
)
async def test_what_was_not_written_leaves_no_trace(outcome: AppendOutcome, error: type[Exception]) -> None:
    opened, note = Opened(outcome), Note.write(NOTE, "text")
    with pytest.raises(error) as raised:
        await opened.send(note)
    assert getattr(raised.value, "kind", "note_label") == "note_label"
    assert getattr(raised.value, "stream_ids", [NOTE]) == [NOTE]
    assert (len(note.pending_events), opened.keyring.kept(NOTE)) == (1, None)


async def test_a_conflict_with_a_judgement_alone_names_the_streams_it_was_judged_by() -> None:
    opened = Opened(AppendOutcome(AppendStatus.CONFLICT))
    with pytest.raises(VersionConflict) as raised:
        await opened.send(judged_by={OTHER: 6})
    assert raised.value.stream_ids == [OTHER]


async def test_keys_that_another_process_has_stored_are_read_again() -> None:
    opened, note = Opened(REKEY, OK), stored()
    note.show_to(ADDRESS, "ada@example.org")
    assert await opened.send(note) == 5
    assert [subjects(request.keys) for request in opened.requests] == [[ADDRESS], [ADDRESS]]
    assert opened.asked == [[ADDRESS], [ADDRESS]]
    assert [call.kwargs for call in opened.checks.await_args_list] == [{"again": False}, {"again": True}]


async def test_after_three_times_new_keys_the_append_is_a_conflict() -> None:
    opened, note = Opened(REKEY, REKEY, REKEY, OK), stored()
    note.show_to(ADDRESS, "ada@example.org")
    with pytest.raises(VersionConflict):
        await opened.send(note)
    assert len(opened.requests) == 3


async def test_nothing_is_written_with_keys_that_do_not_fit() -> None:
    opened = Opened(check_keys=AsyncMock(side_effect=WrongKey("another")))
    with pytest.raises(Unavailable, match="Writing"):
        await opened.send(Note.write(NOTE, "text"))
    assert opened.requests == []
