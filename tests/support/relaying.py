"""Runs relays in tests, and reads all that they have published."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from threading import Thread
from typing import Any
from uuid import UUID

import psycopg
from kafka import KafkaConsumer, TopicPartition

from adapters.integration_events.cloudevents import CloudEvents
from domain.kernel import Root
from infra.kafka.client import record_format
from infra.kafka.client.config import ClientConfig
from infra.kafka.client.record_format import EventRecord, EventRow
from infra.kafka.client.topics import AGGREGATES, Topics
from infra.kafka.relay.relay import Relay
from infra.sealing.keyring import StoredKey
from infra.store.log_rows import EVENT_COLUMNS
from infra.store.partitioner import partition_of
from tests.support.history import History
from tests.support.stores import CALL, keyring_of, open_store
from tests.support.waiting import wait_until

PATIENCE = 30.0

PRIVATE_EVENTS = {
    "access_request.asked",
    "access_request.asked_again",
    "access_request.granted",
    "access_request.refused",
    "access_request.withdrawn",
    "address.erased",
    "address.erased_again",
    "audit.history_read",
    "budget.attributed",
    "budget.charged",
    "budget.notice_reached",
    "budget.opened",
    "budget.released",
    "budget.reserved",
    "budget.settled",
    "document.filed",
    "document.share_bound",
    "document.version_named",
    "document.version_unnamed",
    "erasure_record.hold_asked",
    "erasure_record.hold_lifted",
    "erasure_record.hold_placed",
    "erasure_record.opened",
    "folder_tree.erased",
    "folder_tree.folder_created",
    "folder_tree.folder_deleted",
    "folder_tree.folder_moved",
    "folder_tree.folder_renamed",
    "folder_tree.started",
    "generation.answered",
    "generation.attempt_ended",
    "generation.attempt_started",
    "generation.cancelled",
    "generation.draft_accepted",
    "generation.draft_discarded",
    "generation.erased",
    "generation.failed",
    "generation.given_up",
    "generation.own_key_chosen",
    "generation.requested",
    "generation.requested_again",
    "generation.stand_in_chosen",
    "generation.text_refused",
    "generation.variants_answered",
    "join_request.accepted",
    "join_request.asked",
    "join_request.asked_again",
    "join_request.declined",
    "join_request.shown",
    "join_request.withdrawn",
    "key_choice.changed",
    "key_choice.ended",
    "key_choice.made",
    "legal_hold.asked",
    "legal_hold.declined",
    "legal_hold.erased",
    "legal_hold.lifted",
    "legal_hold.lifting_asked",
    "legal_hold.lifting_declined",
    "legal_hold.placed",
    "link_guest.joined",
    "link_guest.joined_again",
    "link_guest.left",
    "provider_key.erased",
    "provider_key.saved",
    "publication.published",
    "publication.started",
    "publication.withdrawn",
    "share_links.created",
    "share_links.erased",
    "share_links.revoked",
    "share_links.started",
    "star.placed",
    "star.placed_again",
    "star.removed",
    "team.budget_limited",
    "team.domain_added",
    "team.domain_found_again",
    "team.domain_lost",
    "team.domain_mail_requested",
    "team.domain_missed",
    "team.domain_proved",
    "team.domain_proved_by_mail",
    "team.domain_removed",
    "user.auditor_appointed",
    "user.auditor_dismissed",
    "user.deletion_reminded",
    "user.email_change_confirmed",
    "user.email_change_requested",
    "user.email_change_undone",
    "user.email_changed",
    "user.former_email_released",
    "user.lockdown_link_issued",
    "user.locked_down",
    "user.password_changed",
    "user.password_rehashed",
    "user.password_reset_requested",
    "user.registration_repeated",
    "user.sessions_ended",
    "user.token_reused",
    "user.verification_requested",
}
"""The topics of the events that are not published."""

ROWS = f"SELECT {EVENT_COLUMNS} FROM stored_events ORDER BY notification_id"


def live(url: str, history: History, changes: int = 60) -> None:
    """Append changes of all kinds to the log."""
    asyncio.run(_append(url, history.changes(changes)))


async def _append(url: str, changes: Iterable[list[Root]]) -> None:
    async with open_store(url) as opened:
        for roots in changes:
            await opened.store.append(roots, CALL, None)


async def _never(_: list[UUID]) -> dict[UUID, StoredKey]:
    raise AssertionError("the relay reads keys by itself")


def new_relay(url: str, kafka: ClientConfig, names: Topics) -> Relay:
    """A relay with a keyring of its own."""
    return Relay(url, kafka, names, CloudEvents(), keyring_of(_never))


@contextmanager
def running(relay: Relay) -> Iterator[Relay]:
    """Run the relay in a thread, and stop it at the end."""
    thread = Thread(target=relay.run, daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        relay.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def until_published(relay: Relay, url: str) -> None:
    """Wait until Kafka has acknowledged the whole log.

    Raises:
        TimeoutError: Kafka does not.
    """
    head = len(stored(url))
    wait_until(lambda: (relay.position or 0) >= head)


def publish_all(url: str, kafka: ClientConfig, names: Topics) -> None:
    """Run a relay until it has published the whole log."""
    with running(new_relay(url, kafka, names)) as relay:
        until_published(relay, url)


def stored(url: str) -> list[EventRow]:
    """The whole log."""
    with psycopg.connect(url) as connection:
        connection.execute("SET timezone = 'UTC'")
        return [EventRow(*row) for row in connection.execute(ROWS)]


def records_of(kafka: ClientConfig, *topics: str) -> list[Any]:
    """All records of topics, one partition after the other; none of a topic that does not exist."""
    quick = {**kafka, "retry_backoff_ms": 10}
    with closing(KafkaConsumer(**quick, group_id=None, enable_auto_commit=False)) as consumer:
        partitions = [
            TopicPartition(topic, number)
            for topic in topics
            for number in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        if not partitions:
            return []
        found: dict[TopicPartition, list[Any]] = {each: [] for each in partitions}
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(each) < ends[each] for each in partitions):
            for partition, records in consumer.poll(200).items():
                found[partition] += records
        return [record for records in found.values() for record in records]


def by_partition(records: Sequence[Any]) -> dict[int, list[Any]]:
    """Group the records of a topic by partition, in order."""
    found: dict[int, list[Any]] = {}
    for record in records:
        found.setdefault(record.partition, []).append(record)
    return found


def require_private_complete(url: str, kafka: ClientConfig, names: Topics) -> int:
    """Check that the private topic holds the log: each event in its partition, in order, as stored, without a gap.

    Returns the number of repeated records.
    """
    found: dict[int, EventRow] = {}
    repeats = 0
    for partition, records in by_partition(records_of(kafka, names.internal)).items():
        reached = 0
        for record in records:
            read = record_format.decode_record(record)
            if read.position <= reached:
                repeats += 1
                continue
            assert read.previous <= reached, f"a gap before {read.position}"
            reached = read.position
            if isinstance(read, EventRecord):
                assert partition == partition_of(record.key, names.partitions)
                found[read.position] = read.row
    assert [found[position] for position in sorted(found)] == stored(url)
    return repeats


def sequence_of(record: Any) -> int:
    """The position of a public record."""
    return int(dict(record.headers)["ce_sequence"])


def public_positions(kafka: ClientConfig, names: Topics) -> list[int]:
    """The positions of all public events, without repeats. Each partition is checked to be in order."""
    found: list[int] = []
    reached: dict[tuple[str, int], int] = {}
    for record in records_of(kafka, *map(names.public, AGGREGATES)):
        partition = (record.topic, record.partition)
        if sequence_of(record) > reached.get(partition, 0):
            reached[partition] = sequence_of(record)
            found.append(reached[partition])
    return sorted(found)


def expected_public(url: str) -> list[int]:
    """The positions of all events in the log that are published."""
    return [row.position for row in stored(url) if row.topic not in PRIVATE_EVENTS]


def watermarks(kafka: ClientConfig, names: Topics) -> dict[int, int]:
    """The position up to which each partition of the private topic is known to be complete."""
    reached: dict[int, int] = {}
    for partition, records in by_partition(records_of(kafka, names.internal)).items():
        reached[partition] = max(record_format.decode_record(record).position for record in records)
    return reached
