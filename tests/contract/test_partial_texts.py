"""Every adapter of partial texts keeps the port's promise: the stand-in of unit tests, and the one in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest

from application.ports import AttemptText, PartialTexts, TextSignals
from domain.content.document import Document
from domain.generation.generation import Generation
from domain.generation.placement import Placement
from infra.bootstrap.lifetime import started
from infra.generation.partial_texts import SELECT, PostgresPartialTexts
from infra.generation.text_signals import CHANNEL, PostgresTextSignals
from tests.support.generations import MemoryPartialTexts
from tests.support.given import NOW
from tests.support.lives.generation.generation import asked, river
from tests.support.servers import Database
from tests.support.stores import CALL, disconnect, open_store, rows

OTHER = UUID(int=0x07)


@dataclass
class Subject:
    """Partial texts, their signals, and a generation that is stored."""

    texts: PartialTexts
    signals: TextSignals
    id: UUID


def generation() -> Generation:
    document: Document = river()
    return asked(document, Placement())


@pytest.fixture(params=["memory", "postgres"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "memory":
        texts = MemoryPartialTexts()
        yield Subject(texts, texts, generation().id)
        return
    database: Database = request.getfixturevalue("database")
    async with open_store(database.part_url("worker")) as opened, listening(database) as signals:
        stored = generation()
        await opened.store.append([stored], CALL, None)
        yield Subject(PostgresPartialTexts(opened.database, opened.keyring), signals, stored.id)


@asynccontextmanager
async def listening(database: Database) -> AsyncIterator[PostgresTextSignals]:
    """Signals as an API process has them, which listens."""
    signals = PostgresTextSignals(database.part_url("api"))
    async with started(signals):
        with signals.watched(OTHER) as listens:
            await listens.wait()
        yield signals


async def test_pieces_are_read_as_one_text_from_any_character(subject: Subject) -> None:
    for start, text in ((0, "Otters "), (7, "sw\u00efm \U0001f9a6"), (13, ".")):
        assert await subject.texts.append(AttemptText(subject.id, 1), start, text)
    whole = "Otters sw\u00efm \U0001f9a6."
    assert [await subject.texts.read(AttemptText(subject.id, 1), start) for start in range(15)] == [
        whole[start:] for start in range(15)
    ]


async def test_a_piece_that_comes_again_is_kept_once(subject: Subject) -> None:
    for _ in range(2):
        await subject.texts.append(AttemptText(subject.id, 1), 0, "Otters")
    assert await subject.texts.read(AttemptText(subject.id, 1), 0) == "Otters"


async def test_a_piece_that_comes_again_with_more_is_kept_with_it(subject: Subject) -> None:
    for text in ("Otters", "Otters swim", "Otters"):
        await subject.texts.append(AttemptText(subject.id, 1), 0, text)
    assert await subject.texts.read(AttemptText(subject.id, 1), 0) == "Otters swim"


async def test_attempts_and_generations_are_apart(subject: Subject) -> None:
    await subject.texts.append(AttemptText(subject.id, 1), 0, "Otters")
    await subject.texts.append(AttemptText(subject.id, 2), 0, "Herons")
    assert await subject.texts.read(AttemptText(subject.id, 2), 0) == "Herons"
    assert await subject.texts.read(AttemptText(subject.id, 3), 0) == ""
    assert await subject.texts.read(AttemptText(OTHER, 1), 0) == ""


async def test_a_text_ends_at_a_gap(subject: Subject) -> None:
    await subject.texts.append(AttemptText(subject.id, 1), 0, "Otters")
    await subject.texts.append(AttemptText(subject.id, 1), 9, "swim")
    assert await subject.texts.read(AttemptText(subject.id, 1), 2) == "ters"


async def test_removed_texts_are_gone_and_those_of_a_later_attempt_stay(subject: Subject) -> None:
    for attempt in (1, 2, 3):
        await subject.texts.append(AttemptText(subject.id, attempt), 0, "Otters")
    await subject.texts.remove(subject.id, 2)
    assert [await subject.texts.read(AttemptText(subject.id, attempt), 0) for attempt in (1, 2, 3)] == [
        "",
        "",
        "Otters",
    ]


async def test_a_piece_and_the_end_wake_who_watches_that_generation(subject: Subject) -> None:
    with subject.signals.watched(subject.id) as changed, subject.signals.watched(OTHER) as other:
        await subject.texts.append(AttemptText(subject.id, 1), 0, "Otters")
        await changed.wait()
        changed.clear()
        await subject.texts.remove(subject.id, 1)
        await changed.wait()
        assert not other.is_set()


async def test_many_texts_grow_at_a_time(subject: Subject) -> None:
    texts = [AttemptText(subject.id, attempt) for attempt in range(1, 101)]
    for start, piece in ((0, "Otters "), (7, "swim.")):
        assert all(await asyncio.gather(*[subject.texts.append(of, start, piece) for of in texts]))
    found = await asyncio.gather(*[subject.texts.read(of, of.attempt % 12) for of in texts])
    assert found == ["Otters swim."[of.attempt % 12 :] for of in texts]


async def test_a_piece_whose_writer_is_stopped_is_kept(subject: Subject) -> None:
    writing = asyncio.create_task(subject.texts.append(AttemptText(subject.id, 1), 0, "Otters"))
    await asyncio.sleep(0)
    writing.cancel()
    await subject.texts.append(AttemptText(subject.id, 1), 6, " swim.")
    assert await subject.texts.read(AttemptText(subject.id, 1), 0) == "Otters swim."


async def test_a_connection_that_is_lost_wakes_all_watchers_and_garbage_ends_nothing(database: Database) -> None:
    async with listening(database) as signals:
        with signals.watched(OTHER) as changed:
            rows(database.app_url, "SELECT pg_notify(%s, 'garbage')", CHANNEL)
            rows(database.app_url, "SELECT pg_notify(%s, %s)", CHANNEL, str(OTHER))
            await changed.wait()
            changed.clear()
            disconnect(database.admin_url, statement="LISTEN%")
            await changed.wait()


async def test_an_erasure_takes_what_is_kept_and_what_comes_later(database: Database) -> None:
    async with open_store(database.part_url("worker")) as opened:
        stored = generation()
        await opened.store.append([stored], CALL, None)
        texts = PostgresPartialTexts(opened.database, opened.keyring)
        await texts.append(AttemptText(stored.id, 1), 0, "Otters")
        [(sealed,)] = rows(database.admin_url, "SELECT sealed FROM partial_texts")
        assert b"Otters" not in sealed
        stored.erase(now=NOW)
        await opened.store.append([stored], CALL, None)
        assert rows(database.admin_url, "SELECT FROM partial_texts") == []
        opened.keyring.cache.drop(stored.id)
        assert not await texts.append(AttemptText(stored.id, 1), 6, " swim")
        assert rows(database.admin_url, "SELECT FROM partial_texts") == []
        assert await texts.read(AttemptText(stored.id, 1), 0) == ""


async def test_the_end_of_a_long_text_is_read_without_its_beginning(database: Database) -> None:
    """Watchers read after each piece: a plan that reads from the beginning makes each one slower than the last."""
    pieces = 200
    async with open_store(database.part_url("worker")) as opened:
        stored = generation()
        await opened.store.append([stored], CALL, None)
        texts = PostgresPartialTexts(opened.database, opened.keyring)
        for number in range(pieces):
            await texts.append(AttemptText(stored.id, 1), number, "o")
    wanted = [[stored.id], [1], [1], [pieces - 1]]
    lines = rows(database.admin_url, f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {SELECT}", *wanted)
    scans = [line for (line,) in lines if "partial_texts" in line]
    assert len(scans) == 2, lines
    assert all("(actual rows=1.00 loops=1)" in line for line in scans), lines
