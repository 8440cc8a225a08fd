"""Generations over HTTP: ask, read, wait, watch, cancel, accept."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any
from uuid import UUID

import pytest

from adapters.http.generation import generation_stream
from application.generation.attempts import EndAttempt, RecordAnswer, StartAttempt, TextUse, VariantAnswer
from application.generation.moderating import WithholdText
from application.generation.queueing import GenerateText
from application.jobs import Job
from application.ports import Actor, AttemptText, CommandContext, Unavailable
from domain.generation.events import RefusalReason
from domain.generation.refusing import VariantRefusal
from tests.support.http import HttpApi
from tests.support.waiting import until

WISH = {"prompt": "Describe the river."}

Headers = dict[str, str]


class Page:
    """A user with a document and a generation, and the worker that writes it."""

    def __init__(self, api: HttpApi, user_id: UUID, headers: Headers, document: str, at: str) -> None:
        self.api, self.headers, self.document, self.at = api, headers, document, at
        self.id = UUID(at.rpartition("/")[2])
        self._actor = Actor(user_id)

    async def start(self, batch_id: UUID | None = None) -> None:
        command = StartAttempt(generation_id=self.id, round=1, lost_tokens=0, prompt_tokens=200, batch_id=batch_id)
        await self._send(command)

    async def cut(self, attempt: int = 1, refusals: Sequence[VariantRefusal] = ()) -> None:
        command = EndAttempt(
            generation_id=self.id, attempt=attempt, failure="cut", input_tokens=1, output_tokens=1, refusals=refusals
        )
        await self._send(command)

    async def keep(self, start: int, text: str, attempt: int = 1, variant: int = 1) -> None:
        await self.api.partial_texts.append(AttemptText(self.id, attempt, variant), start, text)

    async def refuse(self, refused: RefusalReason, *categories: str) -> None:
        """Withhold the text. What was kept of it is still there."""
        used = [TextUse(10, 2)]
        await self._send(
            WithholdText(generation_id=self.id, attempt=1, refused=refused, categories=categories, used=used)
        )

    async def finish(
        self, *texts: str, attempt: int = 1, refusals: Sequence[VariantRefusal] = (), is_sandbox: bool = False
    ) -> None:
        """Answer the attempt: one text for each variant; an empty one has failed."""
        answers = [VariantAnswer(text, "complete", 10, 2, is_sandbox) if text else TextUse(0, 0) for text in texts]
        await self._send(RecordAnswer(generation_id=self.id, attempt=attempt, answers=answers, refusals=refusals))
        await self.api.partial_texts.remove(self.id, attempt)

    async def events(self, last: str | None = None, wait: int = 0) -> list[tuple[str, str, Any]]:
        """Watch: the id, the name and the data of each event."""
        more = {} if last is None else {"Last-Event-ID": last}
        answer = await self.api.client.get(f"{self.at}/events?wait={wait}", headers={**self.headers, **more})
        assert answer.status_code == 200, answer.text
        found = []
        for block in answer.text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "event" in fields:
                found.append((fields["id"], fields["event"], json.loads(fields["data"])))
        return found

    async def _send(self, command: Any) -> None:
        await self.api.bus.send(command, CommandContext(self._actor, UUID(int=1)))


async def ask(api: HttpApi, by: str = "ada", **wish: Any) -> Page:
    user_id, headers = await api.account(by)
    made = await api.client.post("/v1/documents", headers=headers, json={"title": "Notes", "content": "The river."})
    document = made.headers["Location"]
    answer = await api.client.post(f"{document}/generate", headers=headers, json={**WISH, **wish})
    assert answer.status_code == 202, answer.text
    return Page(api, user_id, headers, document, answer.headers["Location"])


async def test_a_request_is_accepted_with_its_place_and_its_estimate(api: HttpApi, token: Headers) -> None:
    made = await api.client.post("/v1/documents", headers=token, json={"title": "Notes"})
    answer = await api.client.post(f"{made.headers['Location']}/generate", headers=token, json=WISH)
    body = answer.json()
    assert (answer.status_code, body["status"]) == (202, "queued")
    assert answer.headers["Location"] == f"/v1/generations/{body['id']}"
    assert (body["place"], body["plan"]) == (1, "free")
    assert body["estimated_micros"] == body["estimated_tokens"] + 2 * body["max_output_tokens"]


async def test_a_request_that_is_sent_again_asks_once(api: HttpApi, token: Headers) -> None:
    made = await api.client.post("/v1/documents", headers=token, json={"title": "Notes"})
    keyed = {**token, "Idempotency-Key": "once"}
    first, second = [
        await api.client.post(f"{made.headers['Location']}/generate", headers=keyed, json=WISH) for _ in range(2)
    ]
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"


async def test_a_repeated_request_answers_as_the_first_but_has_no_place_once_its_text_is_done(api: HttpApi) -> None:
    user_id, headers = await api.account("ada")
    made = await api.client.post("/v1/documents", headers=headers, json={"title": "Notes"})
    keyed = {**headers, "Idempotency-Key": "once"}

    async def send() -> Any:
        return (await api.client.post(f"{made.headers['Location']}/generate", headers=keyed, json=WISH)).json()

    first = await send()
    page = Page(api, user_id, headers, made.headers["Location"], f"/v1/generations/{first['id']}")
    await page.start()
    await page.finish("Otters.")
    assert await send() == {**first, "place": None}
    assert (first["place"], first["status"]) == (1, "queued")


async def test_a_prompt_that_is_too_long_is_refused_with_the_numbers(api: HttpApi, token: Headers) -> None:
    made = await api.client.post("/v1/documents", headers=token, json={"title": "Notes", "content": "x" * 100_000})
    answer = await api.client.post(f"{made.headers['Location']}/generate", headers=token, json=WISH)
    assert (answer.status_code, answer.json()["code"]) == (422, "prompt_too_long")
    assert "20000" in answer.json()["detail"]


async def test_an_exceeded_budget_says_what_is_left(api: HttpApi, token: Headers) -> None:
    made = await api.client.post("/v1/documents", headers=token, json={"title": "Notes"})
    wish = {**WISH, "max_output_tokens": 4_000}
    codes = []
    for _ in range(60):
        answer = await api.client.post(f"{made.headers['Location']}/generate", headers=token, json=wish)
        codes.append((answer.status_code, answer.json().get("code")))
        if answer.status_code != 202:
            break
    assert codes[-1] == (409, "budget_exceeded")
    usage = (await api.client.get("/v1/analytics/usage", headers=token)).json()
    assert usage["tokens"]["remaining"] < 4_100
    assert usage["tokens"]["used"] == 0
    assert f"{usage['tokens']['remaining']} tokens" in answer.json()["detail"]


async def test_a_generation_shows_its_text_so_far(api: HttpApi) -> None:
    page = await ask(api)
    await page.start()
    await page.keep(0, "Otters ")
    await page.keep(7, "swim")
    shown = (await api.client.get(page.at, headers=page.headers)).json()
    assert (shown["status"], shown["text"], shown["prompt"]) == ("running", "Otters swim", WISH["prompt"])


async def test_a_generation_shows_its_place_while_it_is_queued(api: HttpApi) -> None:
    page = await ask(api)
    job = GenerateText(generation_id=UUID(int=1), round=1, payer_id=UUID(int=2), model="swift")
    await api.jobs.enqueue(job)
    assert (await api.client.get(page.at, headers=page.headers)).json()["place"] == 2
    await page.start()
    assert (await api.client.get(page.at, headers=page.headers)).json()["place"] is None


async def test_a_place_that_cannot_be_told_now_is_left_out(api: HttpApi, monkeypatch: pytest.MonkeyPatch) -> None:
    async def place(job: Job) -> int:
        raise Unavailable("The database")

    monkeypatch.setattr(api.jobs, "place", place)
    page = await ask(api)
    answer = (await api.client.get(page.at, headers=page.headers)).json()
    assert (answer["status"], answer["place"]) == ("queued", None)


async def test_a_read_may_wait_for_the_end(api: HttpApi) -> None:
    page = await ask(api)
    await page.start()
    waiting = asyncio.create_task(api.client.get(page.at, headers={**page.headers, "Prefer": "wait=30"}))
    await asyncio.sleep(0)
    await page.finish("Otters swim.")
    shown = (await waiting).json()
    assert (shown["status"], shown["result"], shown["text"]) == ("done", "written", "Otters swim.")


async def test_strangers_find_no_generation(api: HttpApi) -> None:
    page = await ask(api)
    _, eve = await api.account("eve")
    for path in (page.at, f"{page.at}/events"):
        assert (await api.client.get(path, headers=eve)).status_code == 404


async def test_a_watcher_gets_the_attempt_the_text_and_the_end(api: HttpApi) -> None:
    page = await ask(api)
    assert await page.events() == []
    await page.start()
    await page.keep(0, "Otters ")
    assert await page.events() == [
        ("1-0", "attempt", {"attempt": 1, "provisional": True}),
        ("1-7", "text", {"variant": 1, "text": "Otters "}),
    ]
    await page.finish("Otters swim.")
    [text, end] = await page.events("1-7")
    assert text == ("1-12", "text", {"variant": 1, "text": "swim."})
    assert (end[0], end[1], end[2]["status"], end[2]["result"]) == ("1-12", "end", "done", "written")
    assert not end[2]["is_sandbox"]


async def test_the_end_of_the_stream_says_that_no_model_wrote_the_text(api: HttpApi) -> None:
    page = await ask(api)
    await page.start()
    await page.finish("Otters swim.", is_sandbox=True)
    assert (await page.events())[-1][2]["is_sandbox"]


async def test_a_watcher_who_reconnects_gets_each_character_of_an_attempt_once(api: HttpApi) -> None:
    page = await ask(api)
    await page.start()
    text = "Otters swim. \U0001f9a6 Herons wait."
    got, last = "", None
    for start in range(0, len(text), 3):
        await page.keep(start, text[start : start + 3])
        for id, name, data in await page.events(last):
            last = id
            got += data["text"] if name == "text" else ""
    assert got == text
    await page.finish(text)
    assert [name for _, name, _ in await page.events(last)] == ["end"]


async def test_another_attempt_is_announced_and_begins_anew(api: HttpApi) -> None:
    page = await ask(api)
    await page.start()
    await page.keep(0, "Otters")
    await page.cut()
    await page.start()
    await page.keep(0, "He", attempt=2)
    assert await page.events("1-6") == [
        ("2-0", "attempt", {"attempt": 2, "provisional": True}),
        ("2-2", "text", {"variant": 1, "text": "He"}),
    ]


async def test_a_watcher_is_woken_when_text_comes_and_when_it_ends(api: HttpApi, monkeypatch: Any) -> None:
    monkeypatch.setattr(generation_stream, "POLL_SECONDS", 600.0)
    page = await ask(api)
    await page.start()
    watching = asyncio.create_task(page.events(wait=60))
    for start, piece in ((0, "Ott"), (3, "ers")):
        await page.keep(start, piece)
        await asyncio.sleep(0)
    await page.finish("Otters.")
    seen = await watching
    assert "".join(data["text"] for _, name, data in seen if name == "text") == "Otters."
    assert [name for _, name, _ in seen][-1] == "end"


async def test_a_watcher_whose_signals_are_lost_looks_from_time_to_time(api: HttpApi, monkeypatch: Any) -> None:
    monkeypatch.setattr(generation_stream, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(api.partial_texts, "watched", lambda _: nullcontext(asyncio.Event()))
    page = await ask(api)
    watching = asyncio.create_task(page.events(wait=60))
    await page.start()
    await page.keep(0, "Ott")
    await page.finish("Otters.")
    assert [name for _, name, _ in await watching][-1] == "end"


async def test_a_watcher_reads_what_it_is_told_of_and_no_more(api: HttpApi, monkeypatch: Any) -> None:
    monkeypatch.setattr(generation_stream, "POLL_SECONDS", 600.0)
    page, other = await ask(api), await ask(api, "bob")
    await page.start()
    watching = asyncio.create_task(page.events(wait=600))
    await until(lambda: api.partial_texts.reads == 1)
    loads: list[object] = []
    load = api.store.load

    async def counted(*args: Any, **options: Any) -> Any:
        loads.append(args)
        return await load(*args, **options)

    monkeypatch.setattr(api.store, "load", counted)
    for number in range(1, 4):
        await other.keep(number, ".")
        await page.keep(number - 1, ".")
        await until(lambda number=number: api.partial_texts.reads == 1 + number)  # type: ignore[misc]
    assert loads == []
    watching.cancel()


async def test_a_last_id_of_another_stream_is_refused(api: HttpApi) -> None:
    page = await ask(api)
    answer = await api.client.get(f"{page.at}/events", headers={**page.headers, "Last-Event-ID": "4711"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


async def test_a_cancelled_generation_ends_for_its_watchers(api: HttpApi) -> None:
    page = await ask(api)
    cancelled = await api.client.post(f"{page.at}/cancel", headers=page.headers)
    assert cancelled.json()["status"] == "cancelled"
    [(_, name, data)] = await page.events()
    assert (name, data["status"], data["failure"]) == ("end", "cancelled", "cancelled")
    retried = await api.client.post(f"{page.at}/retry", headers=page.headers)
    assert (retried.status_code, retried.json()["status"]) == (202, "queued")


async def test_a_draft_is_accepted_at_a_place_or_discarded(api: HttpApi) -> None:
    page = await ask(api, place={"target": "draft"})
    await page.start()
    await page.finish("Otters.")
    place = {"target": "insert", "version": 1, "start": 0}
    accepted = await api.client.post(f"{page.at}/accept", headers=page.headers, json={"place": place})
    assert (accepted.status_code, accepted.json()["result"]) == (200, "written")
    refused = await api.client.post(f"{page.at}/discard", headers=page.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "no_draft")


async def test_a_version_that_no_document_has_is_refused(api: HttpApi, token: Headers) -> None:
    made = await api.client.post("/v1/documents", headers=token, json={"title": "Notes"})
    wish = {**WISH, "place": {"target": "replace", "version": 10**40}}
    headers = {**token, "Idempotency-Key": '"k"'}
    answer = await api.client.post(f"{made.headers['Location']}/generate", headers=headers, json=wish)
    assert answer.status_code == 422


async def test_variants_are_streamed_side_by_side_and_each_character_comes_once(api: HttpApi) -> None:
    page = await ask(api, variants=2)
    await page.start()
    await page.keep(0, "Otters")
    assert await page.events() == [
        ("1-0.0", "attempt", {"attempt": 1, "provisional": True}),
        ("1-6.0", "text", {"variant": 1, "text": "Otters"}),
    ]
    await page.keep(0, "Her", variant=2)
    assert await page.events("1-6.0") == [("1-6.3", "text", {"variant": 2, "text": "Her"})]
    await page.finish("Otters.", "Herons.")
    one, two, end = await page.events("1-6.3")
    assert one == ("1-7.3", "text", {"variant": 1, "text": "."})
    assert two == ("1-7.7", "text", {"variant": 2, "text": "ons."})
    assert (end[0], end[2]["result"], end[2]["draft_reason"]) == ("1-7.7", "draft", "asked")


async def test_a_variant_is_read_and_accepted(api: HttpApi) -> None:
    page = await ask(api, variants=2)
    await page.start()
    await page.keep(0, "Her", variant=2)
    shown = (await api.client.get(page.at, headers=page.headers)).json()
    assert (shown["variants"], shown["text"], shown["texts"]) == (2, "", ["", "Her"])
    await page.finish("Otters.", "Herons.")
    accepted = await api.client.post(f"{page.at}/accept", headers=page.headers, json={"variant": 2})
    assert (accepted.status_code, accepted.json()["text"], accepted.json()["revision"]) == (200, "Herons.", 2)
    document = (await api.client.get(f"{page.document}/versions/2", headers=page.headers)).json()
    assert document["content"] == "The river.\n\nHerons."


async def test_a_last_id_with_another_number_of_variants_is_refused(api: HttpApi) -> None:
    page = await ask(api, variants=2)
    answer = await api.client.get(f"{page.at}/events", headers={**page.headers, "Last-Event-ID": "1-6"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


async def test_a_text_that_moderation_refuses_is_withdrawn(api: HttpApi) -> None:
    page = await ask(api)
    await page.start()
    await page.keep(0, "Otters ")
    [attempt, text] = await page.events()
    assert attempt[2]["provisional"] is True
    await page.keep(7, "fight")
    await page.refuse("unsafe_text", "violence")
    withdrawn, end = await page.events(text[0])
    assert withdrawn == ("1-7", "withdrawn", {"variant": 1, "refused": "unsafe_text"})
    assert (end[1], end[2]["refused"], end[2]["categories"]) == ("end", "unsafe_text", ["violence"])
    shown = (await api.client.get(page.at, headers=page.headers)).json()
    assert (shown["text"], shown["texts"], shown["refused"]) == ("", [""], "unsafe_text")


async def test_a_client_that_has_seen_nothing_of_a_refused_text_never_does(api: HttpApi) -> None:
    page = await ask(api)
    await page.start()
    await page.keep(0, "Otters fight")
    await page.refuse("leaked_rules")
    assert [name for _, name, _ in await page.events()] == ["attempt", "end"]


async def test_variants_that_are_refused_or_fail_are_withdrawn_and_the_others_stay(api: HttpApi) -> None:
    page = await ask(api, variants=3)
    await page.start()
    for variant in (1, 2, 3):
        await page.keep(0, "Otter", variant=variant)
    last = (await page.events())[-1][0]
    await page.finish("", "Otters.", "", refusals=[VariantRefusal(1, "unsafe_text", ("violence",))])
    text, first, third, end = await page.events(last)
    assert (text[1], text[2]) == ("text", {"variant": 2, "text": "s."})
    assert (first[1], first[2]) == ("withdrawn", {"variant": 1, "refused": "unsafe_text"})
    assert (third[1], third[2]) == ("withdrawn", {"variant": 3, "refused": None})
    assert (end[1], end[2]["result"]) == ("end", "draft")
    shown = (await api.client.get(page.at, headers=page.headers)).json()
    assert shown["texts"] == ["", "Otters.", ""]
    assert shown["variant_refusals"] == ["unsafe_text", None, None]


async def test_a_variant_that_is_refused_beside_one_that_was_cut_is_withdrawn_at_the_end(api: HttpApi) -> None:
    page = await ask(api, variants=2)
    await page.start()
    await page.keep(0, "Ott", variant=1)
    await page.keep(0, "Otters fight", variant=2)
    last = (await page.events())[-1][0]
    await page.cut(refusals=[VariantRefusal(2, "unsafe_text", ("violence",))])
    assert [data for _, name, data in await page.events() if name == "text"] == [{"variant": 1, "text": "Ott"}]
    assert (await api.client.get(page.at, headers=page.headers)).json()["texts"] == ["Ott", ""]
    await api.client.post(f"{page.at}/cancel", headers=page.headers)
    withdrawn, end = await page.events(last)
    assert (withdrawn[1], withdrawn[2]) == ("withdrawn", {"variant": 2, "refused": "unsafe_text"})
    assert (end[1], end[2]["status"]) == ("end", "cancelled")


async def test_documents_to_draw_on_are_named_and_cited(api: HttpApi, token: Headers) -> None:
    made = await api.client.post("/v1/documents", headers=token, json={"title": "Notes", "content": "The river."})
    source = {"document_id": made.headers["Location"].rpartition("/")[2], "version": 1}
    asked = await api.client.post(
        f"{made.headers['Location']}/generate", headers=token, json={**WISH, "sources": [source]}
    )
    assert (asked.status_code, asked.json()["sources"]) == (202, [source])
    unknown = {"document_id": str(UUID(int=1)), "version": 1}
    refused = await api.client.post(
        f"{made.headers['Location']}/generate", headers=token, json={**WISH, "sources": [unknown]}
    )
    assert refused.status_code == 404


async def test_a_watcher_of_a_text_for_a_batch_sees_where_it_is(api: HttpApi) -> None:
    page = await ask(api, urgency="batch")
    [(_, name, data)] = await page.events()
    assert (name, data["status"], data["batch"]) == ("batch", "queued", "waiting")
    await page.start(batch_id=UUID(int=0xBA7C))
    seen = await page.events()
    assert [(name, data.get("batch")) for _, name, data in seen] == [("batch", "submitted"), ("attempt", None)]
    got = (await api.client.get(page.at, headers=page.headers)).json()
    assert (got["status"], got["urgency"], got["batch"], got["place"]) == ("queued", "batch", "submitted", None)
    assert got["latest_at"] == seen[0][2]["latest_at"]
    await page.finish("Otters.")
    assert [name for _, name, _ in await page.events()][-1] == "end"
