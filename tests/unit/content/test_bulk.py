"""One change of many documents, with an outcome for each."""

from typing import get_args
from uuid import UUID

import msgspec
import pytest

from application.content import bulk
from application.content.bulk import MAX_DOCUMENTS, BulkAction, BulkOutcome, BulkResult, ChangeDocuments
from application.content.document import CreateDocument, ShareDocument, TrashDocument
from application.content.filing import TagDocument, document_filing
from application.content.folder import CreateFolder
from application.idempotency import MAX_COPY_BYTES
from application.ports import Actor
from domain.text import UnusableText
from tests.support.given import NOW
from tests.support.use_cases import CommandRunner

NOTHING = UUID(int=9)


async def several(runner: CommandRunner) -> tuple[Actor, list[UUID]]:
    """Bob, and documents: his own, one that he may edit, one that he may read, one in his trash, and none."""
    ada, bob = await runner.actor("ada@example.org"), await runner.actor("bob@example.org")
    own, trashed = [(await runner.ask(CreateDocument(title=title), bob)).id for title in ("own", "trashed")]
    await runner.ask(TrashDocument(id=trashed), bob)
    edited, read = [(await runner.ask(CreateDocument(title=title), ada)).id for title in ("edited", "read")]
    await runner.ask(ShareDocument(id=edited, email="bob@example.org", role="editor"), ada)
    await runner.ask(ShareDocument(id=read, email="bob@example.org", role="viewer"), ada)
    return bob, [own, edited, read, trashed, NOTHING]


@pytest.mark.parametrize(
    ("action", "outcomes", "events"),
    [
        ("archive", ["done", "done", "role_too_low", "document_is_trashed", "not_found"], ["share_bound", "saved"]),
        ("unarchive", ["done", "done", "role_too_low", "document_is_trashed", "not_found"], ["share_bound"]),
        ("trash", ["done", "role_too_low", "role_too_low", "done", "not_found"], ["trashed"]),
        ("restore", ["done", "role_too_low", "role_too_low", "done", "not_found"], ["restored_from_trash"]),
        ("move", ["done", "role_too_low", "role_too_low", "document_is_trashed", "not_found"], []),
        ("tag", ["done", "done", "role_too_low", "document_is_trashed", "not_found"], ["tagged", "share_bound"]),
    ],
)
async def test_each_document_has_an_outcome_and_a_refusal_stops_no_other(
    action: BulkAction, outcomes: list[str], events: list[str]
) -> None:
    runner = CommandRunner()
    bob, ids = await several(runner)
    before = len(runner.happened())
    result = await runner.ask(ChangeDocuments(ids=[*ids, ids[0]], action=action, tags=("otter",)), bob)
    assert result.outcomes == [*outcomes, outcomes[0]]
    assert {topic.removeprefix("document.") for topic in runner.happened()[before:]} == set(events)


async def test_a_repeat_with_the_same_key_changes_nothing_and_answers_alike() -> None:
    runner = CommandRunner()
    bob, ids = await several(runner)
    command = ChangeDocuments(ids=ids, action="tag", tags=("otter",))
    first = await runner.send(command, bob, "key")
    log = runner.happened()
    again = await runner.send(command, bob, "key")
    assert (again.answer, again.replayed, runner.happened()) == (first.answer, True, log)


async def test_the_answer_of_as_many_documents_as_possible_is_kept_for_repeats() -> None:
    longest = max(get_args(BulkOutcome), key=len)
    assert len(msgspec.msgpack.encode(BulkResult([longest] * MAX_DOCUMENTS))) <= MAX_COPY_BYTES
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    own = (await runner.ask(CreateDocument(title="own"), ada)).id
    ids = [own, *(UUID(int=number) for number in range(1, MAX_DOCUMENTS))]
    command = ChangeDocuments(ids=ids, action="archive")
    first = await runner.send(command, ada, "key")
    assert first.answer.outcomes == ["done", *["not_found"] * (MAX_DOCUMENTS - 1)]
    assert (await runner.send(command, ada, "key")).answer == first.answer


async def test_tags_are_added_and_documents_are_moved() -> None:
    runner = CommandRunner()
    bob, [own, *_] = await several(runner)
    await runner.ask(TagDocument(id=own, tags=["heron"]), bob)
    folder = await runner.ask(CreateFolder(name="Rivers"), bob)
    await runner.ask(ChangeDocuments(ids=[own], action="tag", tags=("Otter",)), bob)
    await runner.ask(ChangeDocuments(ids=[own], action="move", folder_id=folder.id), bob)
    view = (await document_filing(runner.store, bob, own, NOW)).view
    assert (view.tags, view.folder_id) == (["heron", "otter"], folder.id)
    many = [str(number) for number in range(20)]
    result = await runner.ask(ChangeDocuments(ids=[own], action="tag", tags=tuple(many)), bob)
    assert result.outcomes == ["too_many_tags"]


async def test_a_folder_that_the_owner_of_a_document_does_not_have_is_the_outcome_for_this_one() -> None:
    runner = CommandRunner()
    bob, ids = await several(runner)
    result = await runner.ask(ChangeDocuments(ids=ids[:1], action="move", folder_id=NOTHING), bob)
    assert result.outcomes == ["no_such_folder"]


async def test_what_is_wrong_with_the_request_itself_is_refused_as_a_whole() -> None:
    runner = CommandRunner()
    bob, ids = await several(runner)
    with pytest.raises(UnusableText):
        await runner.ask(ChangeDocuments(ids=ids, action="tag", tags=("\n",)), bob)


async def test_texts_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_CHARACTERS", 10)
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    ids = [(await runner.ask(CreateDocument(title="A", content="x" * 6), ada)).id for _ in range(3)]
    result = await runner.ask(ChangeDocuments(ids=ids, action="trash"), ada)
    assert result.outcomes == ["done", "done", "too_much_text"]


async def test_texts_of_refused_documents_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_CHARACTERS", 10)
    runner = CommandRunner()
    ada, bob = await runner.actor("ada@example.org"), await runner.actor("bob@example.org")
    ids = [(await runner.ask(CreateDocument(title="A", content="x" * 6), ada)).id for _ in range(3)]
    result = await runner.ask(ChangeDocuments(ids=ids, action="trash"), bob)
    assert result.outcomes == ["not_found", "not_found", "too_much_text"]
