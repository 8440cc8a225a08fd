"""Events at places in the log: all of them, or none."""

from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest

from application.ports import RecordedEvent, Undecodable
from infra.sealing.store_keys import Damage
from infra.store import event_store
from infra.store.event_store import EVENTS_AT, PostgresEventStore
from tests.support.note import Note

ONE, TWO = UUID(int=1), UUID(int=2)
READ = [SimpleNamespace(data=event) for event in Note.write(ONE, "text").pending_events]


async def events(monkeypatch: pytest.MonkeyPatch, found: list[Any], *places: tuple[UUID, int]) -> list[Any]:
    """The events at these places, of which the log has `found`."""
    database = SimpleNamespace(rows=AsyncMock(return_value="rows"))
    decode = AsyncMock(return_value=cast(list[RecordedEvent], found))
    monkeypatch.setattr(event_store, "decode_rows", decode)
    store = PostgresEventStore(cast(Any, database), Mock(), Mock(), keyring := Mock(), Mock())
    answer = await store.events(places)
    database.rows.assert_awaited_once_with(EVENTS_AT, [[ONE], [7]])
    decode.assert_awaited_once_with("rows", keyring)
    return answer


async def test_events_are_read_by_stream_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await events(monkeypatch, READ, (ONE, 7)) == [READ[0].data]


async def test_an_event_that_is_missing_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Damage, match="0 of 2 events are unreadable, 1 missing"):
        await events(monkeypatch, READ, (ONE, 7), (TWO, 1))


async def test_an_event_that_cannot_be_read_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Damage, match="1 of 1 events are unreadable, 0 missing"):
        await events(monkeypatch, [SimpleNamespace(data=Mock(spec=Undecodable))], (ONE, 7))
