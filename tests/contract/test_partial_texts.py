"""Every adapter of partial texts keeps the port's promise: the stand-in of unit tests, and the one in PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest

from application.ports import PartialTexts
from domain.content.document import Document
from domain.generation.generation import Generation
from domain.generation.placement import Placement
from infra.generation.partial_texts import PostgresPartialTexts
from tests.support.generations import MemoryPartialTexts
from tests.support.given import NOW
from tests.support.lives.generation.generation import asked, river
from tests.support.servers import Database
from tests.support.stores import CALL, open_store, rows

OTHER = UUID(int=0x07)


@dataclass
class Subject:
    """Partial texts, and a generation that is stored."""

    texts: PartialTexts
    id: UUID


def generation() -> Generation:
    document: Document = river()
    return asked(document, Placement())


@pytest.fixture(params=["memory", "postgres"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "memory":
        yield Subject(MemoryPartialTexts(), generation().id)
        return
    database: Database = request.getfixturevalue("database")
    async with open_store(database.part_url("worker")) as opened:
        stored = generation()
        await opened.store.append([stored], CALL, None)
        yield Subject(PostgresPartialTexts(opened.database, opened.keyring), stored.id)


async def test_pieces_are_read_as_one_text_from_any_character(subject: Subject) -> None:
    for start, text in ((0, "Otters "), (7, "sw\u00efm \U0001f9a6"), (13, ".")):
        assert await subject.texts.append(subject.id, 1, start, text)
    whole = "Otters sw\u00efm \U0001f9a6."
    assert [await subject.texts.read(subject.id, 1, start) for start in range(15)] == [
        whole[start:] for start in range(15)
    ]


async def test_a_piece_that_comes_again_is_kept_once(subject: Subject) -> None:
    for _ in range(2):
        await subject.texts.append(subject.id, 1, 0, "Otters")
    assert await subject.texts.read(subject.id, 1, 0) == "Otters"


async def test_attempts_and_generations_are_apart(subject: Subject) -> None:
    await subject.texts.append(subject.id, 1, 0, "Otters")
    await subject.texts.append(subject.id, 2, 0, "Herons")
    assert await subject.texts.read(subject.id, 2, 0) == "Herons"
    assert await subject.texts.read(subject.id, 3, 0) == ""
    assert await subject.texts.read(OTHER, 1, 0) == ""


async def test_a_text_ends_at_a_gap(subject: Subject) -> None:
    await subject.texts.append(subject.id, 1, 0, "Otters")
    await subject.texts.append(subject.id, 1, 9, "swim")
    assert await subject.texts.read(subject.id, 1, 2) == "ters"


async def test_removed_texts_are_gone_and_those_of_a_later_attempt_stay(subject: Subject) -> None:
    for attempt in (1, 2, 3):
        await subject.texts.append(subject.id, attempt, 0, "Otters")
    await subject.texts.remove(subject.id, 2)
    assert [await subject.texts.read(subject.id, attempt, 0) for attempt in (1, 2, 3)] == ["", "", "Otters"]


async def test_an_erasure_takes_what_is_kept_and_what_comes_later(database: Database) -> None:
    async with open_store(database.part_url("worker")) as opened:
        stored = generation()
        await opened.store.append([stored], CALL, None)
        texts = PostgresPartialTexts(opened.database, opened.keyring)
        await texts.append(stored.id, 1, 0, "Otters")
        [(sealed,)] = rows(database.admin_url, "SELECT sealed FROM partial_texts")
        assert b"Otters" not in sealed
        stored.erase(now=NOW)
        await opened.store.append([stored], CALL, None)
        assert rows(database.admin_url, "SELECT FROM partial_texts") == []
        opened.keyring.cache.drop(stored.id)
        assert not await texts.append(stored.id, 1, 6, " swim")
        assert rows(database.admin_url, "SELECT FROM partial_texts") == []
        assert await texts.read(stored.id, 1, 0) == ""
