"""The contract of event stores: the fake of unit tests and the real one."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from application.ports import (
    Actor,
    ClaimTaken,
    CommandContext,
    Copy,
    EventStore,
    HistoryFilter,
    Idempotency,
    KeptAnswer,
    Reference,
    StoredResponse,
    VersionConflict,
)
from domain.kernel import ERASED, Claim, Root
from tests.support.memory_store import MemoryEventStore
from tests.support.note import NOW, Note
from tests.support.stores import CALL, open_store


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[EventStore]:
    if request.param == "memory":
        yield MemoryEventStore()
        return
    async with open_store(request.getfixturevalue("database").app_url) as opened:
        yield opened.store


class Diary(Root):
    """Another kind of aggregate."""


def note(text: str = "text", label: str = "") -> Note:
    return Note.write(uuid4(), text, label)


def keyed(root: Note, version: int = 1, answer: KeptAnswer = None) -> Idempotency:
    """A record that names the root at the version."""
    return Idempotency(b"k" * 32, b"f" * 32, root.id, root.id, version, NOW, answer)


async def test_what_was_appended_is_loaded_again(store: EventStore) -> None:
    written = note("first")
    written.extend("second")
    assert await store.append([written], CALL, None) == 2
    loaded = await store.load(Note, written.id)
    assert loaded == written
    assert loaded is not None
    assert loaded.lines == ["first", "second"]
    assert loaded.version == 2


async def test_a_change_conflicts_when_a_stream_that_it_was_judged_by_has_changed(store: EventStore) -> None:
    lender, written = note("lender"), note("written")
    await store.append([lender, written], CALL, None)
    written.extend("in time")
    assert await store.append([written], CALL, None, {lender.id: 1}) == 3
    lender.extend("changed")
    await store.append([lender], CALL, None)
    written.extend("late")
    with pytest.raises(VersionConflict) as conflict:
        await store.append([written], CALL, None, {lender.id: 1})
    assert conflict.value.stream_ids == [written.id]
    assert await store.append([written], CALL, None, {lender.id: 2}) == 5


async def test_an_unknown_stream_is_nothing(store: EventStore) -> None:
    assert await store.load(Note, uuid4()) is None


async def test_a_stream_is_loaded_as_it_was_at_a_version(store: EventStore) -> None:
    written = note("first")
    written.extend("second")
    await store.append([written], CALL, None)
    then = await store.load(Note, written.id, version=1)
    assert then is not None
    assert then.lines == ["first"]
    assert await store.load(Note, written.id, version=3) is None


async def test_only_one_of_many_wins_a_version(store: EventStore) -> None:
    written = note()
    await store.append([written], CALL, None)
    rivals = [await store.load(Note, written.id) for _ in range(20)]
    for rival in rivals:
        assert rival is not None
        rival.extend("me")
    outcomes = await asyncio.gather(
        *(store.append([rival], CALL, None) for rival in rivals if rival), return_exceptions=True
    )
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [2]
    assert sum(isinstance(outcome, VersionConflict) for outcome in outcomes) == 19


async def test_a_claim_has_one_holder(store: EventStore) -> None:
    outcomes = await asyncio.gather(
        *(store.append([note(label="mine")], CALL, None) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
    taken = [outcome for outcome in outcomes if isinstance(outcome, ClaimTaken)]
    assert {outcome.kind for outcome in taken} == {"note_label"}
    assert len(taken) == 9


async def test_a_released_claim_can_be_taken_again(store: EventStore) -> None:
    first, second = note(label="mine"), note(label="mine")
    await store.append([first], CALL, None)
    first.relabel("yours")
    await store.append([first], CALL, None)
    assert await store.claimed_by(Claim("note_label", "yours")) == first.id
    await store.append([second], CALL, None)
    assert await store.claimed_by(Claim("note_label", "mine")) == second.id


@pytest.mark.parametrize("releasing_first", [True, False])
async def test_one_append_hands_a_claim_from_a_stream_to_another(store: EventStore, releasing_first: bool) -> None:
    first, second = note(label="mine"), note(label="mine")
    await store.append([first], CALL, None)
    first.relabel("yours")
    await store.append([first, second] if releasing_first else [second, first], CALL, None)
    assert await store.claimed_by(Claim("note_label", "yours")) == first.id
    assert await store.claimed_by(Claim("note_label", "mine")) == second.id


async def test_a_stream_that_does_not_hold_a_claim_cannot_hand_it_over(store: EventStore) -> None:
    holder, other, third = note(label="mine"), note(label="theirs"), note(label="mine")
    await store.append([holder], CALL, None)
    await store.append([other], CALL, None)
    other.relabel("yours")
    with pytest.raises(ClaimTaken):
        await store.append([other, third], CALL, None)


@pytest.mark.parametrize("answer", [None, Reference(Note, uuid4(), 7), Copy(b"42"), Copy(b"token", secret=True)])
async def test_a_repeated_key_gets_the_first_answer(store: EventStore, answer: KeptAnswer) -> None:
    first = note() if not isinstance(answer, Reference) else Note.write(answer.id, "text")
    position = await store.append([first], CALL, keyed(first, answer=answer))
    second = note()
    earlier = await store.append([second], CALL, keyed(second))
    assert earlier == StoredResponse(b"f" * 32, answer, NOW, 1)
    assert position == 1
    assert await store.load(Note, second.id) is None
    assert await store.stored_response(b"k" * 32) == earlier
    assert await store.stored_response(b"x" * 32) is None


async def test_a_key_keeps_its_answer_where_nothing_was_new(store: EventStore) -> None:
    first = note()
    await store.append([first], CALL, None)
    assert await store.append([], CALL, keyed(first)) == 1
    assert await store.append([note()], CALL, None) == 2
    assert await store.append([], CALL, keyed(first)) == StoredResponse(b"f" * 32, None, NOW, 1)


async def test_answers_keep_the_position_that_they_were_given_also_without_news(store: EventStore) -> None:
    first = note()
    await store.append([first], CALL, None)
    roots = [first, note(), first, note(), first]
    keys = [replace(keyed(root), key=bytes([n]) * 32) for n, root in enumerate(roots)]
    told = await asyncio.gather(
        *(store.append([] if root is first else [root], CALL, key) for root, key in zip(roots, keys, strict=True)),
    )
    kept = [await store.stored_response(key.key) for key in keys]
    assert told == [earlier and earlier.position for earlier in kept]
    assert told == [1, 2, 1, 3, 1]


async def test_an_append_to_several_streams_is_all_or_nothing(store: EventStore) -> None:
    first, second = note(), note()
    await store.append([first], CALL, None)
    with pytest.raises(VersionConflict):
        await store.append([second, Note.write(first.id, "again")], CALL, None)
    assert await store.load(Note, second.id) is None


async def test_the_last_position_of_some_topics_is_known_for_each_stream(store: EventStore) -> None:
    written, other = note("first"), note("other")
    await store.append([written], CALL, None)
    written.extend("second")
    extended = await store.append([written], CALL, None)
    written.relabel("later")
    other.extend("not this one")
    await store.append([written, other], CALL, None)
    assert await store.last_position(written.id, {"note.extended"}) == extended
    assert await store.last_position(written.id, {"note.none"}) == 0
    assert await store.last_position(written.id) > extended


async def test_the_history_of_a_stream_says_who_by_which_request_and_nothing_else(store: EventStore) -> None:
    calls = [CommandContext(Actor(uuid4()), uuid4()), CommandContext(None, uuid4(), on_behalf_of=uuid4()), CALL]
    written = note("first")
    await store.append([written, note("another stream")], calls[0], None)
    for call in calls[1:]:
        written.extend("more")
        await store.append([written], call, None)

    async def found(count: int = 9, before: int = 99, **wanted: Any) -> list[int]:
        part = await store.history(written.id, HistoryFilter(**wanted), before, count)
        return [trace.version for trace in part.traces]

    part = await store.history(written.id, HistoryFilter(), 99, 9)
    assert [(trace.version, trace.type) for trace in part.traces] == [
        (3, "note.extended"),
        (2, "note.extended"),
        (1, "note.written"),
    ]
    first = part.traces[-1]
    assert calls[0].actor is not None
    assert (first.position, first.actor_id, first.request_id) == (1, calls[0].actor.user_id, calls[0].correlation_id)
    assert (part.traces[1].actor_id, part.traces[1].on_behalf_of) == (None, calls[1].on_behalf_of)
    assert await found(type="note.written") == [1]
    assert await found(actor_id=first.actor_id) == await found(request_id=first.request_id) == [1]
    assert await found(before=part.traces[1].position) == [1]
    day = timedelta(days=1)
    assert await found(since=first.at - day, until=first.at + day) == [3, 2, 1]
    for nothing in ({"since": first.at + day}, {"until": first.at - day}, {"actor_id": uuid4()}):
        assert await found(**nothing) == []


async def test_a_history_is_searched_part_by_part(store: EventStore) -> None:
    written = note("first")
    for _ in range(4):
        written.extend("more")
    await store.append([written], CALL, None)
    versions, before = [], 99
    while before:
        part = await store.history(written.id, HistoryFilter(), before, 2)
        versions += [trace.version for trace in part.traces]
        before = part.reached
    assert versions == [5, 4, 3, 2, 1]


async def test_an_erased_stream_reads_as_erased_and_its_claim_is_free(store: EventStore) -> None:
    written = note("secret", "mine")
    written.show_to(uuid4(), "ada@example.org")
    await store.append([written], CALL, None)
    written.erase()
    await store.append([written], CALL, None)
    loaded = await store.load(Note, written.id)
    assert loaded is not None
    assert (loaded.lines, loaded.label, loaded.erased) == ([ERASED], ERASED, True)
    _, shown = await store.events([(written.id, 1), (written.id, 2)])
    assert shown.email == "ada@example.org"  # type: ignore[attr-defined]
    await store.append([note(label="mine")], CALL, None)


async def test_a_shell_has_the_identity_of_a_stream_and_no_state(store: EventStore) -> None:
    written = note("first")
    written.extend("second")
    await store.append([written], CALL, None)
    shell = await store.shell(Note, written.id)
    assert shell is not None
    assert (shell.id, shell.version, shell.tenant, shell.erased) == (written.id, 2, written.tenant, False)
    assert not hasattr(shell, "lines")
    assert await store.shell(Note, uuid4()) is None
    assert await store.shell(Diary, written.id) is None


async def test_a_stream_is_erased_by_its_shell_alone_and_once(store: EventStore) -> None:
    written = note("secret", "mine")
    await store.append([written], CALL, None)
    for pending in (1, 0):
        shell = await store.shell(Note, written.id)
        assert shell is not None
        shell.erase_unread(now=NOW)
        assert len(shell.pending_events) == pending
        await store.append([shell], CALL, None)
    loaded = await store.load(Note, written.id)
    assert loaded is not None
    assert (loaded.version, loaded.lines, loaded.erased) == (2, [ERASED], True)
    await store.append([note(label="mine")], CALL, None)


async def test_an_append_that_is_refused_erases_nothing(store: EventStore) -> None:
    written = note("kept")
    await store.append([written], CALL, None)
    stale = await store.load(Note, written.id)
    assert stale is not None
    written.extend("newer")
    await store.append([written], CALL, None)
    stale.erase()
    with pytest.raises(VersionConflict):
        await store.append([stale], CALL, None)
    loaded = await store.load(Note, written.id)
    assert loaded is not None
    assert loaded.lines == ["kept", "newer"]
