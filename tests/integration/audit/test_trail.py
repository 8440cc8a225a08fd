"""The log for auditors on a real PostgreSQL: any event, any aggregate at any version, and what a request caused."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from uuid_utils.compat import uuid7

from application.ports import (
    Actor,
    CommandContext,
    EventFilter,
    HistoryTooLarge,
    LoggedEvent,
    Point,
    SearchTooWide,
    Unreadable,
)
from application.travel.causes import caused_by
from application.travel.kinds import NoSuchTopic
from application.travel.views import difference_of, event_views, state_at
from domain.content import sharing
from domain.content.document import Document
from domain.kernel import Root
from infra.audit import search
from infra.audit.trail import PostgresAuditTrail
from infra.audit.tree import leaf_hash
from infra.bootstrap.audit import open_audit_trail
from infra.bootstrap.write_side import WriteSide, open_write_side, utc_now
from infra.settings.model import Settings
from infra.store import sealed_loading
from tests.support.sealing import entries, execute
from tests.support.servers import Database
from tests.support.stores import KEYS, destroy_keys

ADA, BOB = Actor(UUID(int=0xADA), UUID(int=0xA)), Actor(UUID(int=0xB0B), UUID(int=0xB))
FIRST, SECOND = CommandContext(ADA, UUID(int=0xF1)), CommandContext(BOB, UUID(int=0xF2))


@pytest.fixture
async def core(database: Database) -> AsyncIterator[WriteSide]:
    """The write side with the rights of the API."""
    settings = Settings.from_variables({"DATABASE_URL": database.app_url, **KEYS})
    async with open_write_side(settings, "api") as opened:
        yield opened


@pytest.fixture
def trail(core: WriteSide) -> PostgresAuditTrail:
    return open_audit_trail(core)


def document(text: str = "Otters.") -> Document:
    return Document.create(id=uuid7(), owner_id=ADA.user_id, title="Secret", content=text, now=utc_now())


async def edited(core: WriteSide) -> Document:
    """A document that Ada writes in one request, and changes and shares in another one."""
    written = document()
    await core.store.append([written], FIRST, None)
    written.change(title="Secret", content="Beavers.", status="published", by=ADA, now=utc_now())
    sharing.share(written, address_id=uuid4(), email="bob@example.org", role="viewer", by=ADA, now=utc_now())
    await core.store.append([written], replace(SECOND, actor=ADA), None)
    return written


async def found(trail: PostgresAuditTrail, **wanted: object) -> list[int]:
    """The positions of all events that a search finds, by pages of two."""
    positions: list[int] = []
    while page := await trail.search(EventFilter(**wanted), positions[-1] if positions else 0, 2):  # type: ignore[arg-type]
        assert len(page) <= 2
        positions += [event.position for event in page]
    return positions


async def test_events_are_found_by_everything_that_they_say(core: WriteSide, trail: PostgresAuditTrail) -> None:
    first = await edited(core)
    await core.store.append([document()], SECOND, None)
    assert await found(trail) == [1, 2, 3, 4]
    assert await found(trail, stream_id=first.id) == [1, 2, 3]
    assert await found(trail, actor_id=ADA.user_id) == [1, 2, 3]
    assert await found(trail, actor_id=BOB.user_id) == [4]
    assert await found(trail, correlation_id=FIRST.correlation_id) == [1]
    assert await found(trail, type="document.created") == [1, 4]
    assert await found(trail, topic="document", actor_id=ADA.user_id, type="document.shared") == [3]
    assert await found(trail, topic="user") == []
    moments = [event.recorded_at for event in await trail.search(EventFilter(), 0, 10)]
    assert await found(trail, since=moments[1], until=moments[3]) == [2, 3]
    assert await found(trail, since=moments[3] + timedelta(microseconds=1)) == []
    with pytest.raises(NoSuchTopic):
        await found(trail, topic="otter")


async def test_an_event_is_shown_with_its_origin_and_leaf_but_no_word_of_a_person(
    core: WriteSide, trail: PostgresAuditTrail, database: Database
) -> None:
    written = await edited(core)
    views = await event_views(trail, await trail.search(EventFilter(), 0, 10))
    assert [view.leaf_hash for view in views] == [leaf_hash(entry).hex() for entry in entries(database)]
    [created, _, shared] = views
    assert (created.topic, created.aggregate_id, created.version) == ("document", written.id, 1)
    assert (created.actor_id, created.correlation_id) == (ADA.user_id, FIRST.correlation_id)
    assert (created.tenant_kind, created.tenant_id) == ("user", ADA.user_id)
    assert created.fields["title_length"] == 6
    assert created.sealed == ["/title", "/content"]
    assert shared.sealed == ["/email"]
    assert "Secret" not in repr(views)
    assert "example.org" not in repr(views)


async def test_a_point_is_a_version_a_position_or_an_instant(core: WriteSide, trail: PostgresAuditTrail) -> None:
    await core.store.append([document()], FIRST, None)
    written = await edited(core)

    async def version(**point: object) -> int | None:
        event = await trail.event_at(written.id, Point(**point))  # type: ignore[arg-type]
        return None if event is None else event.version

    events = await trail.search(EventFilter(stream_id=written.id), 0, 10)
    assert [await version(version=number) for number in (0, 1, 3, 4)] == [None, 1, 3, None]
    assert [await version(position=number) for number in (1, 2, 3, 99)] == [None, 1, 2, 3]
    just_before = events[0].recorded_at - timedelta(microseconds=1)
    assert [await version(instant=each) for each in (just_before, events[0].recorded_at, utc_now())] == [None, 1, 3]


async def test_a_state_is_sealed_unless_it_is_unsealed(core: WriteSide, trail: PostgresAuditTrail) -> None:
    written = await edited(core)
    sealed = await state_at(core.store, trail, "document", written.id, Point(version=2))
    assert sealed is not None
    assert (sealed.version, sealed.event.position, sealed.state["revision"]) == (2, 2, 2)
    assert (sealed.state["title"], sealed.sealed) == ("[sealed]", ["/title", "/content"])
    unsealed = await state_at(core.store, trail, "document", written.id, Point(version=2), unseal=True)
    assert unsealed is not None
    assert (unsealed.state["content"], unsealed.sealed) == ("Beavers.", [])
    assert await state_at(core.store, trail, "user", written.id, Point(version=2)) is None
    assert await state_at(core.store, trail, "document", uuid4(), Point(version=1)) is None


async def test_what_is_erased_is_shown_as_forgotten(
    core: WriteSide, trail: PostgresAuditTrail, database: Database
) -> None:
    written = await edited(core)
    destroy_keys(database.admin_url, written.id)
    core.keyring.cache.drop(written.id)
    state = await state_at(core.store, trail, "document", written.id, Point(version=1), unseal=True)
    assert state is not None
    assert (state.state["title"], state.sealed) == ("[forgotten]", [])
    assert state.forgotten == ["/title", "/content"]
    assert state.event.forgotten == ["/title", "/content"]
    [_, _, shared] = await event_views(trail, await trail.search(EventFilter(), 0, 10))
    assert (shared.sealed, shared.forgotten) == (["/email"], [])


async def test_difference_of_differ_where_they_do(core: WriteSide, trail: PostgresAuditTrail) -> None:
    written = await edited(core)
    points = Point(version=1), Point(version=3)
    states = await difference_of(core.store, trail, "document", written.id, *points, unseal=True)
    assert states is not None
    changes = {change.path: change for change in states.changes}
    assert (changes["/content"].before, changes["/content"].after) == ("Otters.", "Beavers.")
    assert (changes["/status"].before, changes["/status"].after) == ("draft", "published")
    sealed = await difference_of(core.store, trail, "document", written.id, *points)
    assert sealed is not None
    assert sealed.not_compared == ["/title", "/content"]
    assert await difference_of(core.store, trail, "document", written.id, points[0], Point(version=9)) is None


async def test_states_that_are_kept_answer_as_the_log_does(
    core: WriteSide, trail: PostgresAuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_loading, "INTERVAL_EVENTS", 1)
    monkeypatch.setattr(sealed_loading, "MAX_KEPT", 2)
    documents = [await edited(core) for _ in range(3)]
    for written in [*documents, *documents]:
        for version in (3, 1, 2, 3):
            state = await trail.sealed(Document, written.id, version)
            assert state is not None
            assert (state.version, state.revision) == (version, min(version, 2))


async def test_a_history_that_is_too_long_is_refused(core: WriteSide) -> None:
    written = await edited(core)
    narrow = open_audit_trail(core, max_events=2)
    assert await narrow.sealed(Document, written.id, 2) is not None
    with pytest.raises(HistoryTooLarge):
        await narrow.sealed(Document, written.id, 3)


async def test_a_search_that_takes_too_long_is_ended(
    core: WriteSide, trail: PostgresAuditTrail, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SEARCH_SECONDS", 0.1)
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("LOCK TABLE stored_events IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SearchTooWide):
            await trail.search(EventFilter(), 0, 1)
    assert await trail.search(EventFilter(), 0, 1) == []


async def test_a_damaged_event_is_shown_as_such_beside_the_others(
    core: WriteSide, trail: PostgresAuditTrail, database: Database
) -> None:
    written = await edited(core)
    execute(database, "UPDATE stored_events SET state = set_byte(state, 100, 1) WHERE notification_id = 2")
    execute(database, "UPDATE stored_events SET recorded_at = 'infinity' WHERE notification_id = 3")
    events: Sequence[LoggedEvent] = await trail.search(EventFilter(), 0, 10)
    [whole, damaged, timeless] = await event_views(trail, events)
    assert (whole.error, damaged.error, damaged.fields, damaged.actor_id) == (None, "Damage", {}, None)
    assert (damaged.leaf_hash is None, timeless.leaf_hash) == (False, None)
    with pytest.raises(Unreadable):
        await trail.sealed(Document, written.id, 3)


async def test_what_a_request_caused_is_a_tree(core: WriteSide, trail: PostgresAuditTrail) -> None:
    written = await edited(core)
    [cause] = await trail.search(EventFilter(correlation_id=FIRST.correlation_id), 0, 10)
    assert cause.origin is not None
    effect: Root = document()
    caused = CommandContext(None, FIRST.correlation_id, causation_id=cause.origin.event_id)
    await core.store.append([effect], caused, None)
    tree = await caused_by(core.store, trail, FIRST.correlation_id)
    assert tree is not None
    assert [(each.depth, each.caused_by, each.event.aggregate_id) for each in tree.events] == [
        (0, None, written.id),
        (1, 1, effect.id),
    ]
    assert tree.complete
    assert await caused_by(core.store, trail, uuid4()) is None


VALUES = {
    "actor_id": r"'\x01'",
    "correlation_id": r"'\x01'",
    "topic": "'{otter.seen,otter.fed}'",
    "type": "'otter.seen'",
    "since": "'2020-01-01'",
    "until": "'2020-01-02'",
}


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_search_uses_the_index(database: Database, name: str) -> None:
    condition = search.CONDITIONS[name].replace("%s", VALUES[name])
    with psycopg.connect(database.part_url("api")) as connection:
        connection.execute(search.PLAN.encode())
        query = f"EXPLAIN SELECT 1 FROM stored_events WHERE {condition}"
        plan = "\n".join(row for (row,) in connection.execute(query.encode()))
    assert "Bitmap Index Scan on stored_events_search" in plan


async def test_a_search_goes_on_from_window_to_window(
    core: WriteSide, trail: PostgresAuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FIRST_WINDOW", 1)
    monkeypatch.setattr(search, "GROWTH", 2)
    for number in range(20):
        await core.store.append([document()], FIRST if number in (3, 17) else SECOND, None)
    assert await found(trail, actor_id=ADA.user_id) == [4, 18]
    assert await found(trail) == [*range(1, 21)]


async def test_a_page_ends_at_its_bytes(
    core: WriteSide, trail: PostgresAuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        await core.store.append([document("x" * 1_000)], FIRST, None)
    monkeypatch.setattr(search, "FIRST_WINDOW", 2)
    monkeypatch.setattr(search, "PAGE_BYTES", 3_000)
    assert [event.position for event in await trail.search(EventFilter(), 0, 10)] == [1, 2, 3]
    monkeypatch.setattr(search, "PAGE_BYTES", 1)
    assert [event.position for event in await trail.search(EventFilter(), 3, 10)] == [4]


async def test_what_is_found_in_time_is_answered(
    core: WriteSide, trail: PostgresAuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await core.store.append([document()], FIRST, None)
    monkeypatch.setattr(search, "FIRST_WINDOW", 1)
    moments = iter([0.0, 0.0, 9.0])
    monkeypatch.setattr(search, "monotonic", lambda: next(moments))
    assert [event.position for event in await trail.search(EventFilter(), 0, 10)] == [1]
