"""Fills a log quickly, past the group commit: events as our aggregates decide them, encoded and sealed."""

from collections.abc import Iterator
from typing import Any

import psycopg
from uuid_utils.compat import uuid7

from domain.content.document import Document
from domain.kernel import Party, Root
from infra.bootstrap.write_side import WriteSide, utc_now
from infra.sealing.keyring import WrappedKey
from infra.store.codec import layout_of
from infra.store.event_bytes import call_header, tenant_bytes
from tests.bench import ours
from tests.bench.harness import TEXT

EVENTS = """
COPY stored_events (originator_id, originator_version, topic, state, notification_id,
                    recorded_at) FROM STDIN (FORMAT binary)
"""
EVENT_TYPES = ["uuid", "int8", "text", "bytea", "int8", "timestamptz"]
KEYS = "COPY data_keys (subject_id, wrapped, kek_id) FROM STDIN (FORMAT binary)"
KEY_TYPES = ["uuid", "bytea", "text"]
HEAD = "SELECT coalesce(max(notification_id), 0) FROM stored_events"

TOGETHER = 1_000
"""Documents whose events take turns in the log."""

Row = tuple[Any, ...]


def fill(core: WriteSide, admin_url: str, documents: int, versions: int) -> list[Document]:
    """Append `documents` with `versions` events each to the log; answers them."""
    everything: list[Document] = []
    with psycopg.connect(admin_url) as connection:
        row = connection.execute(HEAD).fetchone()
        position = row[0] if row else 0
        while len(everything) < documents:
            number = min(TOGETHER, documents - len(everything))
            crowd = [ours.new_document(TEXT) for _ in range(number)]
            for version in range(2, versions + 1):
                for document in crowd:
                    ours.retitle(document, f"{version:08}{TEXT}")
            position = _copy(core, connection, crowd, versions, position)
            everything += crowd
        connection.execute("ANALYZE")
    return everything


def _copy(core: WriteSide, connection: psycopg.Connection, crowd: list[Document], versions: int, position: int) -> int:
    minted = {document.id: core.keyring.mint(document.id) for document in crowd}
    keys = {id.int: key for id, (key, _) in minted.items()}
    turns = (document.pending_events[version] for version in range(versions) for document in crowd)
    events = (event for event in turns if isinstance(event, Root.Event))
    shared, tenant = call_header(ours.CALL), tenant_bytes(Party("user", ours.OWNER.user_id))

    def state(event: Root.Event) -> bytes:
        layout = layout_of(type(event))
        return layout.encode(event, uuid7().bytes, tenant, shared, keys, core.keyring.stamps)

    rows = (_row(event, state(event), n) for n, event in enumerate(events, position + 1))
    _send(connection, KEYS, KEY_TYPES, (_key_row(wrapped) for _, wrapped in minted.values()))
    _send(connection, EVENTS, EVENT_TYPES, rows)
    for document in crowd:
        document.collect_events()
    return position + len(crowd) * versions


def _send(connection: psycopg.Connection, query: str, types: list[str], rows: Iterator[Row]) -> None:
    with connection.cursor().copy(query) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def _row(event: Root.Event, state: bytes, position: int) -> Row:
    topic = layout_of(type(event)).topic
    return event.originator_id, event.originator_version, topic, state, position, utc_now()


def _key_row(wrapped: WrappedKey) -> Row:
    return wrapped.subject_id, wrapped.wrapped, wrapped.kek_id
