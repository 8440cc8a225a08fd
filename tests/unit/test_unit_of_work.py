"""A unit of work: what one attempt of a command has loaded and staged."""

from uuid import UUID

import pytest

from application.ports import Actor, CommandContext
from application.unit_of_work import UnitOfWork
from domain.content.document import Document
from domain.identity.suspension import request_deletion
from domain.identity.user import User
from domain.kernel import NotFound
from tests.support.given import ID, NOW
from tests.support.memory_store import MemoryEventStore


def notes(owner: int = 1) -> Document:
    return Document.create(id=ID, owner_id=UUID(int=owner), title="Notes", content="", now=NOW)


async def test_an_aggregate_is_as_the_command_leaves_it() -> None:
    unit = UnitOfWork(MemoryEventStore(), lambda: NOW)
    staged = notes()
    unit.save(staged)
    assert unit.current(Document, ID) is staged
    assert unit.events == list(staged.pending_events)


@pytest.mark.parametrize(("kind", "id"), [(Document, UUID(int=5)), (User, ID)])
async def test_an_aggregate_that_the_command_has_not_loaded_is_an_error(
    kind: type[Document] | type[User], id: UUID
) -> None:
    unit = UnitOfWork(MemoryEventStore(), lambda: NOW)
    unit.save(notes())
    with pytest.raises(LookupError, match=f"this {kind.__name__}$"):
        unit.current(kind, id)


async def test_what_does_not_exist_is_not_found() -> None:
    with pytest.raises(NotFound, match=r"^There is no such document\.$"):
        await UnitOfWork(MemoryEventStore(), lambda: NOW).get(Document, ID)


async def test_what_is_not_shown_to_the_actor_is_not_kept_in_memory() -> None:
    """A command that goes on after a refusal counts only the texts of the documents that it gets."""
    owner = User.register(id=UUID(int=1), email="ada@example.org", name="Ada", password_hash="x", now=NOW)
    request_deletion(owner, now=NOW)
    events = MemoryEventStore()
    await events.append([notes(), owner], CommandContext(None, UUID(int=8)), None)
    unit = UnitOfWork(events, lambda: NOW, actor=Actor(UUID(int=2)))
    with pytest.raises(NotFound):
        await unit.get(Document, ID)
    assert unit.loaded == []
