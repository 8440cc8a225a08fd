"""Every check is seen to catch faults in data: they are planted into a copy of what a real run has left.

A check that has never failed proves nothing. Beside the plants stands the run without them, and there all hold.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from application.ports import CommandContext
from domain.billing.subscription import Subscription
from domain.content.document import Document
from infra.postgres.projector_connection import connect
from infra.projector.table_writer import TableWriter
from projections.billing.subscription import Subscriptions
from tests.chaos import invariants as checks
from tests.chaos.evidence import SETUP, Evidence, Logged, Shown, collect
from tests.chaos.invariants import FREE_DOCUMENTS
from tests.chaos.ledger import Answered, Asked, Attempt, Ledger
from tests.chaos.real import Real, Spoil, followed, needs_rebuilt, violated
from tests.chaos.verdicts import Check
from tests.support.servers import Database
from tests.support.stores import open_store, rows


def test_every_check_holds_and_has_something_to_look_at_where_nothing_is_planted(real: Real) -> None:
    assert violated(real.outcome.evidence) == set()
    assert {finding.words for finding in real.outcome.findings if not finding.examined} == set()


def lose_an_acknowledged_event(real: Real, database: Database) -> None:
    rows(database.admin_url, "DELETE FROM stored_events WHERE notification_id = %s", acknowledged(real).position)


def lose_one_and_close_the_gap(real: Real, database: Database) -> None:
    position = acknowledged(real).position
    assert position is not None
    rows(database.admin_url, "DELETE FROM stored_events WHERE notification_id = %s", position)
    shift(database, position, -1)


def skip_a_position(real: Real, database: Database) -> None:
    shift(database, len(real.outcome.evidence.log) // 2, 1)


def skip_a_version(real: Real, database: Database) -> None:
    last = "SELECT max(notification_id) FROM stored_events WHERE topic = 'subscription.quota_used'"
    skip = "UPDATE stored_events SET originator_version = originator_version + 1"
    rows(database.admin_url, f"{skip} WHERE notification_id = ({last})")


def lose_a_release_of_quota(real: Real, database: Database) -> None:
    """Somebody who has used up their quota gives a document back and writes another; then that was not so."""

    async def write() -> None:
        async with open_store(database.app_url) as opened:
            used = [event.stream_id for event in log(real) if event.topic == "subscription.quota_used"]
            full = next(stream_id for stream_id in used if used.count(stream_id) == FREE_DOCUMENTS)
            subscription = await opened.store.load(Subscription, full)
            assert subscription is not None
            subscription.release(min(subscription.used), now=subscription.modified_on)
            new = Document.create(
                id=uuid4(), owner_id=subscription.payer_id, title="x", content="", now=subscription.modified_on
            )
            subscription.use(new.id, now=subscription.modified_on)
            await opened.store.append([subscription, new], CommandContext(None, SETUP), None)

    asyncio.run(write())
    assert checks.quotas_are_never_exceeded not in violated(evidence_of(real, database, rebuilding=False))
    rows(database.admin_url, "DELETE FROM stored_events WHERE topic = 'subscription.quota_released'")


def change_a_row(real: Real, database: Database) -> None:
    rows(database.admin_url, "UPDATE read.document SET title = 'Another' WHERE id = %s", acknowledged(real).stream_id)


def lose_a_row(real: Real, database: Database) -> None:
    lose = "DELETE FROM read.document_version WHERE version = 1 AND document_id = %s"
    rows(database.admin_url, lose, acknowledged(real).stream_id)


def apply_a_batch_twice(real: Real, database: Database) -> None:
    """As a projector would that did not commit its position together with the rows."""

    async def apply() -> None:
        async with open_store(database.app_url) as opened, await connect(database.app_url) as connection:
            used = next(event for event in log(real) if event.topic == "subscription.quota_used")
            events = await opened.feed().read(used.position - 1, 1)
            async with connection.transaction():
                await TableWriter(Subscriptions()).apply(connection, events)

    asyncio.run(apply())


CAUGHT_BY: dict[Callable[[Real, Database], None], set[Check]] = {
    lose_an_acknowledged_event: {
        checks.what_was_acknowledged_is_in_the_log,
        checks.acknowledged_answers_follow_from_the_log,
        checks.positions_have_no_gaps,
        checks.a_feed_shows_every_event_once_in_order,
        checks.a_key_has_one_effect_and_one_answer,
    },
    lose_one_and_close_the_gap: {checks.what_was_acknowledged_is_in_the_log},
    skip_a_position: {checks.positions_have_no_gaps, checks.what_was_acknowledged_is_in_the_log},
    skip_a_version: {checks.versions_have_no_gaps},
    lose_a_release_of_quota: {checks.quotas_are_never_exceeded},
    change_a_row: {checks.rebuilt_read_models_equal_live_ones},
    lose_a_row: {checks.rebuilt_read_models_equal_live_ones, checks.read_models_count_every_event_once},
    apply_a_batch_twice: {checks.rebuilt_read_models_equal_live_ones, checks.read_models_count_every_event_once},
}


@pytest.mark.parametrize("plant", CAUGHT_BY, ids=lambda plant: plant.__name__)
def test_a_fault_in_the_database_is_caught(plant: Callable[[Real, Database], None], real: Real) -> None:
    with real.copy() as database:
        plant(real, database)
        evidence = evidence_of(real, database, rebuilding=needs_rebuilt(CAUGHT_BY[plant]))
        assert CAUGHT_BY[plant] <= violated(evidence)


def log(real: Real) -> list[Logged]:
    """The log of the real run."""
    return real.outcome.evidence.log


def acknowledged(real: Real) -> Answered:
    """The answer to somebody who created a document that was not changed since."""
    last = {event.stream_id: event.version for event in log(real)}
    answers = real.outcome.evidence.ledger.acknowledged()
    return next(
        answer
        for attempt, answer in answers
        if attempt.asked.kind == "create" and answer.stream_id and last[answer.stream_id] == 1
    )


def shift(database: Database, after: int, by: int) -> None:
    """Move all positions after one; in two steps, as they are unique at every moment."""
    for step in (10**9, by - 10**9):
        move = "UPDATE stored_events SET notification_id = notification_id + %s WHERE notification_id > %s"
        rows(database.admin_url, move, step, after)
    rows(database.admin_url, "UPDATE projections SET position = (SELECT max(notification_id) FROM stored_events)")


def evidence_of(real: Real, database: Database, *, rebuilding: bool) -> Evidence:
    """The content of a copy now, with the answers that clients got and the events that the feed has shown."""
    told = real.outcome.evidence
    urls = (database.app_url, database.admin_url)
    return asyncio.run(collect(*urls, told.ledger, told.fed, told.work, rebuilding=rebuilding))


@pytest.mark.parametrize(
    ("spoil", "holds"),
    [
        (lambda events: events, True),
        (lambda events: [*events, *events[-3:]], False),
        (lambda events: events[1:], False),
        (lambda events: [events[1], events[0], *events[2:]], False),
    ],
    ids=["as it is", "some twice", "one lost", "two the wrong way round"],
)
def test_a_fault_in_the_feed_is_caught(spoil: Spoil, holds: bool, real: Real) -> None:
    fed = followed(real.database, spoil)
    found = violated(replace(real.outcome.evidence, fed=fed))
    assert (checks.a_feed_shows_every_event_once_in_order not in found) == holds


def test_a_lost_restoration_is_caught_although_the_save_before_it_has_its_tag() -> None:
    """Three requests saved, trashed and restored a document, and were acknowledged."""
    document = uuid4()
    attempts = [
        Attempt(
            Asked(attempt=uuid4(), operation=kind, kind=kind, user_id=None, request=kind),
            Answered(attempt=uuid4(), status=200, stream_id=document, version=1, tag=tag, position=position),
        )
        for position, kind, tag in ((1, "create", "1"), (2, "trash", "1-trashed"), (3, "untrash", "1"))
    ]
    log = [
        Logged(n, document, n, "document", attempt.asked.attempt, None, Shown(1, answer.tag, ""))
        for n, attempt in enumerate(attempts, 1)
        if (answer := attempt.answered)
    ]
    ledger = Ledger({attempt.asked.attempt: attempt for attempt in attempts})

    def verdicts(log: list[Logged]) -> list[object]:
        return [*checks.what_was_acknowledged_is_in_the_log(Evidence(log, ledger, [], {}, {}, 0))]

    assert verdicts(log) == [True, True, True]
    assert verdicts(log[:2]) == [True, True, "untrash untrash at 3: the log shows 1-trashed there"]
    again = replace(log[2], attempt=uuid4())
    assert verdicts([*log[:2], again]) == [True, True, True], "another request had restored it"
    assert verdicts([*log[:2], replace(again, position=4)]) != [True, True, True]
