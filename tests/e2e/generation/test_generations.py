"""Generations on real servers: asked over HTTP, written by a worker, read back by lists, watchers and budgets."""

from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from application.commands import Command
from application.generation.generation_jobs import GenerateText
from application.jobs import perform
from application.ports import Actor, AnswerEnd, CommandContext, Usage
from application.privacy.erasure import EraseDocument, EraseUser
from infra.sealing.blind_index import BlindIndex
from tests.support.api import Account, Api
from tests.support.generations import MemoryPartialTexts, PlainModeration, PlainTokens, ScriptedProvider

TEXT = "Otters swim \U0001f9a6 here."


def asked(owner: Account, document: str, **wish: Any) -> str:
    """The path of a new generation."""
    answer = owner.write("POST", f"{document}/generate", 202, json={"prompt": "Describe the river.", **wish})
    return str(answer.headers["Location"])


def work(api: Api, path: str) -> ScriptedProvider:
    """Let a worker write a generation."""
    provider = ScriptedProvider()
    provider.scripts = [[TEXT[:7], TEXT[7:], AnswerEnd("complete", Usage(100, 10))]]

    async def send_as_user(command: Command[Any], key: str, user_id: UUID) -> Any:
        return (await api.deps.send(command, CommandContext(Actor(user_id), uuid7(), idempotency_key=key))).answer

    ports = {
        "events": api.deps.history,
        "provider": provider,
        "moderation": PlainModeration(),
        "tokens": PlainTokens(),
        "digests": BlindIndex(bytes(32)),
        "partial_texts": MemoryPartialTexts(),  # the role of the API may not write them
        "send_as_user": send_as_user,
    }
    api.run(perform(GenerateText(generation_id=id_of(path), round=1), ports))
    return provider


def id_of(path: str) -> UUID:
    return UUID(path.rpartition("/")[2])


def test_a_text_that_was_asked_for_is_written_and_shown_everywhere(api: Api) -> None:
    owner = api.account("pro")
    document = owner.document("Notes", "The river.")
    path = asked(owner, document)
    provider = work(api, path)
    assert "The river." in provider.asked[0].messages[1].text
    done = owner.read(path)
    assert (done["status"], done["result"], done["text"], done["cost_micros"] > 0) == ("done", "written", TEXT, True)
    written = owner.read(f"{document}/versions/2")
    assert written["content"] == f"The river.\n\n{TEXT}"
    assert written["content"][done["start"] : done["end"]] == TEXT
    usage = owner.read("/v1/analytics/usage")
    assert (usage["tokens"]["used"], usage["tokens"]["reserved"]) == (110, 0)
    owner.write("PUT", f"{document}/tags", 204, json={"tags": ["river"]})
    [listed] = owner.read("/v1/generations?status=done")["items"]
    assert (listed["id"], listed["cost_micros"], listed["result"]) == (done["id"], done["cost_micros"], "written")
    assert owner.read("/v1/generations?status=queued")["items"] == []
    [passage] = owner.read(f"{document}/generated-passages")
    assert (passage["version"], passage["start"], passage["end"]) == (2, done["start"], done["end"])
    assert passage["model"] == done["model"]


def test_a_watcher_gets_the_whole_text(api: Api) -> None:
    owner = api.account("pro")
    path = asked(owner, owner.document())
    work(api, path)
    answer = owner.client.get(f"{path}/events")
    assert [line for line in answer.text.splitlines() if line.startswith("event")] == [
        "event: attempt",
        "event: text",
        "event: end",
    ]
    assert TEXT in answer.text


def test_readers_of_a_document_see_which_model_wrote_what_and_nothing_else(api: Api) -> None:
    owner, reader = api.account("pro"), api.account()
    document = owner.document()
    owner.write("POST", f"{document}/shares", json={"email": reader.email, "role": "viewer"})
    path = asked(owner, document)
    work(api, path)
    owner.write("PUT", f"{document}/tags", 204, json={"tags": ["river"]})
    reader.client.headers["Consistency-Token"] = owner.client.headers["Consistency-Token"]
    [passage] = reader.read(f"{document}/generated-passages")
    assert passage["generation_id"] == str(id_of(path))
    assert reader.client.get(path).status_code == 404
    assert reader.read("/v1/generations")["items"] == []


def test_an_erased_document_takes_the_generations_for_it_along(api: Api) -> None:
    owner = api.account("pro")
    document = owner.document()
    path = asked(owner, document, place={"target": "draft"})
    work(api, path)
    assert owner.read(path)["text"] == TEXT
    step = api.send(EraseDocument(id=id_of(document)))
    assert (step.complete, step.unread) == (True, [])
    assert owner.client.get(path).status_code == 404
    assert owner.read("/v1/generations")["items"] == []


def test_an_erased_user_takes_prompts_and_drafts_along_from_documents_of_others(api: Api) -> None:
    owner, editor = api.account("pro"), api.account("pro")
    document = owner.document()
    owner.write("POST", f"{document}/shares", json={"email": editor.email, "role": "editor"})
    editor.client.headers["Consistency-Token"] = owner.client.headers["Consistency-Token"]
    path = asked(editor, document, place={"target": "draft"})
    work(api, path)
    assert api.send(EraseUser(id=editor.id)).complete
    assert owner.read(f"{document}/generated-passages") == []
    generation = api.run(api.deps.history.events([(id_of(path), 1)]))[0]
    assert generation.prompt == "[erased]"  # type: ignore[attr-defined]
