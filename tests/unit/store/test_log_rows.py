"""An event of the log that cannot be decoded does not affect the others."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from application.ports import Undecodable
from infra.bootstrap.write_side import load_use_cases
from infra.sealing.damage import damage_counter
from infra.sealing.keyring import StoredKey
from infra.store.log_rows import decode_rows
from tests.support.stored import by_hand
from tests.support.stores import keyring_of

NOW = datetime(2026, 11, 22, tzinfo=UTC)
STREAM = uuid4()


async def no_keys(_: list[UUID]) -> dict[UUID, StoredKey]:
    return {}


def row(position: int, topic: str, **state: object) -> tuple[object, ...]:
    return (position, STREAM, position, topic, by_hand(topic, STREAM, position, {"timestamp": NOW, **state}), NOW)


async def test_an_event_without_its_subject_or_its_class_is_undecodable_alone() -> None:
    load_use_cases()
    rows = [
        row(1, "document.trashed"),
        row(2, "document.shared", role="editor"),
        row(3, "document.unheard_of"),
        row(4, "document.trashed"),
    ]
    events = await decode_rows(rows, keyring_of(no_keys))
    assert [isinstance(event.data, Undecodable) for event in events] == [False, True, True, False]


async def test_damage_is_counted_by_where_it_was_found() -> None:
    load_use_cases()
    *place, state, moment = row(1, "document.trashed")
    assert isinstance(state, bytes)
    kinds = ("event", "record")
    before = [damage_counter.labels(kind)._value.get() for kind in kinds]
    await decode_rows([(*place, state + b"\0", moment)], keyring_of(no_keys), "record")
    assert [damage_counter.labels(kind)._value.get() for kind in kinds] == [before[0], before[1] + 1]
