"""Generations on real servers: asked over HTTP, written by a worker, read back by lists, watchers and budgets."""

from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from application.commands import Command
from application.generation.attempts import EndAttempt, StartAttempt
from application.generation.queueing import GenerateText
from application.jobs import perform
from application.known_roots import KnownRoots
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


def work(api: Api, path: str, *, is_sandbox: bool = False) -> ScriptedProvider:
    """Let a worker write a generation."""
    provider = ScriptedProvider()
    provider.scripts = [[TEXT[:7], TEXT[7:], AnswerEnd("complete", Usage(100, 10), is_sandbox)]]

    async def send_as_user(command: Command[Any], key: str, user_id: UUID, _: KnownRoots) -> Any:
        # The API sends no known aggregates: the command loads its own.
        return (await api.deps.send(command, CommandContext(Actor(user_id), uuid7(), idempotency_key=key))).answer

    ports = {
        "events": api.deps.history,
        "provider": provider,
        "moderation": PlainModeration(),
        "tokens": PlainTokens(),
        "digests": BlindIndex(bytes(32)),
        "partial_texts": MemoryPartialTexts(),  # the role of the API may not write them
        "send_as_user": send_as_user,
        "queue": api.deps.queue,
    }
    api.run(perform(GenerateText(generation_id=id_of(path), round=1), ports))
    return provider


def id_of(path: str) -> UUID:
    return UUID(path.rpartition("/")[2])


def test_a_text_that_was_asked_for_is_written_and_shown_everywhere(api: Api) -> None:
    owner = api.account("pro")
    document = owner.document("Notes", "The river.")
    path = asked(owner, document)
    queued = owner.read(path)
    assert (queued["status"], queued["place"], queued["plan"]) == ("queued", 1, "pro")
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


def test_blame_names_the_model_of_its_text_and_the_people_of_the_rest(api: Api) -> None:
    owner = api.account("pro")
    document = owner.document("Notes", "The river.")
    path = asked(owner, document)
    work(api, path)
    edited = f"The river.\n\n{TEXT[:7]}often {TEXT[7:]}"
    owner.write("PUT", document, json={"title": "Notes", "content": edited, "status": "draft"})
    found = owner.read(f"{document}/versions/blame")["passages"]
    names = ("start", "end", "version", "model", "generation_id", "is_sandbox")
    people, model = (None, None, None), (owner.read(path)["model"], str(id_of(path)), False)
    assert [tuple(each[name] for name in names) for each in found] == [
        (0, 10, 1, *people),
        (10, 12, 2, *people),
        (12, 19, 2, *model),
        (19, 25, 3, *people),
        (25, len(edited), 2, *model),
    ]


def test_what_the_sandbox_wrote_is_marked_everywhere(api: Api) -> None:
    owner = api.account("pro")
    document = owner.document()
    path = asked(owner, document)
    work(api, path, is_sandbox=True)
    owner.write("PUT", f"{document}/tags", 204, json={"tags": ["river"]})
    [passage] = owner.read(f"{document}/generated-passages")
    blamed = owner.read(f"{document}/versions/blame")["passages"][-1]
    for seen in (owner.read(path), owner.read(f"{path}/receipt"), passage, blamed):
        assert seen["is_sandbox"] is True
    assert '"is_sandbox":true' in owner.client.get(f"{path}/events").text


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


def test_one_of_several_texts_is_accepted_and_cites_what_a_reader_may_read(api: Api) -> None:
    owner, reader = api.account("pro"), api.account()
    document, source = owner.document(), owner.document("Source", "Herons wait.")
    owner.write("POST", f"{document}/shares", json={"email": reader.email, "role": "viewer"})
    named = {"document_id": str(id_of(source)), "version": 1}
    path = asked(owner, document, variants=2, sources=[named])
    provider = work(api, path)
    assert all("Herons wait." in prompt.messages[1].text for prompt in provider.asked)
    draft = owner.read(path)
    assert (draft["texts"], draft["result"], draft["sources"]) == ([TEXT, "Otters."], "draft", [named])
    owner.write("POST", f"{path}/accept", json={"variant": 2})
    [passage] = owner.read(f"{document}/generated-passages")
    written = owner.read(f"{document}/versions/2")["content"]
    assert written[passage["start"] : passage["end"]] == "Otters."
    assert passage["sources"] == [named]
    reader.client.headers["Consistency-Token"] = owner.client.headers["Consistency-Token"]
    assert reader.read(f"{document}/generated-passages")[0]["sources"] == []
    [listed] = owner.read("/v1/generations")["items"]
    assert (listed["variants"], listed["result"]) == (2, "written")


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


def test_a_generation_that_wrote_nothing_is_deleted_for_good(api: Api) -> None:
    owner = api.account("pro")
    path = asked(owner, owner.document())
    owner.write("POST", f"{path}/cancel", 200)
    [listed] = owner.read("/v1/generations?status=cancelled")["items"]
    assert listed["id"] == str(id_of(path))
    owner.write("DELETE", path, 204)
    assert owner.read("/v1/generations")["items"] == []
    assert owner.client.get(path).status_code == 404
    assert owner.client.delete(path).status_code == 404
    event = api.run(api.deps.history.events([(id_of(path), 1)]))[0]
    assert event.prompt == "[erased]"  # type: ignore[attr-defined]


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


def test_a_text_that_is_erased_while_it_is_written_is_on_the_statement(api: Api) -> None:
    owner = api.account("pro")
    document = owner.document()
    id = id_of(asked(owner, document))

    def perform_as_owner(command: Command[Any], key: str) -> None:
        api.run(api.deps.send(command, CommandContext(Actor(owner.id), uuid7(), idempotency_key=key)))

    perform_as_owner(StartAttempt(generation_id=id, round=1, lost_tokens=0, prompt_tokens=200), f"{id}:start")
    assert api.send(EraseDocument(id=id_of(document))).complete
    end = EndAttempt(generation_id=id, attempt=1, failure="cancelled", input_tokens=200, output_tokens=7)
    for _ in range(2):
        perform_as_owner(end, f"{id}:end")
    usage = owner.read("/v1/analytics/usage")
    assert (usage["tokens"]["used"], usage["tokens"]["reserved"]) == (207, 0)
    [line] = owner.read(f"/v1/analytics/usage/statements/{usage['month']}")["items"]
    assert (line["generation_id"], line["document_id"], line["tokens"]) == (str(id), None, 207)


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


def test_a_text_is_on_its_receipt_and_on_the_statement_of_its_month(api: Api) -> None:
    owner = api.account("pro")
    document = owner.document()
    path = asked(owner, document)
    work(api, path)
    owner.write("PUT", f"{document}/tags", 204, json={"tags": ["river"]})
    receipt = owner.read(f"{path}/receipt")
    [attempt] = receipt["attempts"]
    assert (attempt["input_tokens"], attempt["output_tokens"], attempt["payer_id"]) == (100, 10, str(owner.id))
    assert receipt["cost_micros"] == attempt["cost_micros"] > 0
    statement = owner.read(f"/v1/analytics/usage/statements/{attempt['month']}")
    [line] = statement["items"]
    assert (line["generation_id"], line["micros"]) == (str(id_of(path)), receipt["cost_micros"])
    assert (statement["tokens"], statement["micros"]) == (110, receipt["cost_micros"])


def test_each_line_of_a_statement_names_the_model_that_was_asked_then(api: Api) -> None:
    owner = api.account("pro")
    document = owner.document()
    path = asked(owner, document, model="gpt-4.1")
    start = StartAttempt(generation_id=id_of(path), round=1, lost_tokens=0, prompt_tokens=200, model="gpt-4.1-mini")
    cut = EndAttempt(generation_id=id_of(path), attempt=1, failure="cut", input_tokens=200, output_tokens=3)
    for command in (start, cut):
        api.run(api.deps.send(command, CommandContext(Actor(owner.id), uuid7())))
    work(api, path)
    owner.write("PUT", f"{document}/tags", 204, json={"tags": ["river"]})
    month = owner.read("/v1/analytics/usage")["month"]
    lines = owner.read(f"/v1/analytics/usage/statements/{month}")["items"]
    assert [(line["model"], line["tokens"]) for line in lines] == [("gpt-4.1-mini", 203), ("gpt-4.1", 110)]
    attempts = owner.read(f"{path}/receipt")["attempts"]
    assert [(line["model"], line["cost_micros"]) for line in attempts] == [
        (line["model"], line["micros"]) for line in lines
    ]


def test_a_text_for_a_document_of_a_team_is_charged_to_the_team_and_shown_with_its_user(api: Api) -> None:
    owner = api.account("pro")
    team = str(owner.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": uuid7().hex}).headers["Location"])
    body = {"title": "Notes", "team_id": team.rpartition("/")[2]}
    document = str(owner.write("POST", "/v1/documents", 201, json=body).headers["Location"])
    path = asked(owner, document)
    work(api, path)
    owner.write("PUT", f"{document}/tags", 204, json={"tags": ["river"]})
    budget = owner.read(f"{team}/budget")
    [user] = budget["users"]
    assert (user["user_id"], user["tokens"]["used"], budget["usage"]["tokens"]["used"]) == (str(owner.id), 110, 110)
    statement = owner.read(f"{team}/budget/statements/{budget['usage']['month']}")
    [line] = statement["items"]
    assert (line["asker_id"], line["tokens"], statement["payer_kind"]) == (str(owner.id), 110, "team")
    assert owner.read(f"/v1/analytics/usage/statements/{budget['usage']['month']}")["items"] == []
