"""`palimpsest audit at`, `diff`, `events` and `caused`, on a pipe and on a terminal."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import cast
from uuid import UUID, uuid4

import pytest
from uuid_utils.compat import uuid7

from application.ports import Actor, CommandContext
from domain.audit.audit_read import AuditRead
from domain.content.document import Document
from infra.bootstrap.write_side import load_use_cases, utc_now
from infra.cli import audit_travel
from infra.cli.main import main
from infra.cli.terminal import Terminal
from tests.support.auditors import OLGA, OLGA_ID, appoint
from tests.support.environment import unset_settings
from tests.support.servers import Database
from tests.support.stores import KEYS, destroy_keys, open_store, rows

ADA = Actor(UUID(int=0xADA))
FIRST, SECOND = CommandContext(ADA, UUID(int=0xF1)), CommandContext(ADA, UUID(int=0xF2))

Run = Callable[..., str]

PLACES = """
SELECT originator_id, originator_version FROM stored_events WHERE topic = 'audit.history_read' ORDER BY notification_id
"""


async def edited(url: str) -> Document:
    """A document that is written by one request and changed by another one; and one that the first request caused."""
    written = Document.create(id=uuid7(), owner_id=ADA.user_id, title="Otters", content="One.", now=utc_now())
    async with open_store(url) as opened:
        await opened.store.append([written], FIRST, None)
        written.change(title="Otters", content="Two.", status="published", by=ADA, now=utc_now())
        await opened.store.append([written], SECOND, None)
        [(cause,)] = await opened.database.rows("SELECT substring(state FROM 29 FOR 16) FROM stored_events LIMIT 1", [])
        other = Document.create(id=uuid7(), owner_id=ADA.user_id, title="T", content="\x1b[2J", now=utc_now())
        await opened.store.append([other], replace(FIRST, actor=None, causation_id=UUID(bytes=cause)), None)
    return written


@pytest.fixture
def written(database: Database, monkeypatch: pytest.MonkeyPatch) -> Document:
    unset_settings(monkeypatch)
    for name, value in {"DATABASE_URL": database.app_url, **KEYS}.items():
        monkeypatch.setenv(name, value)
    load_use_cases()
    document = asyncio.run(edited(database.app_url))
    appoint(database)
    return document


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `palimpsest audit`, and returns what it prints. Olga is who unseals."""

    def ended(*words: object, code: int = 0) -> str:
        words = (*words, "--by", OLGA) if "--unseal" in words else words
        monkeypatch.setattr("sys.argv", ["palimpsest", "audit", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        assert (end.value.code, "Traceback" in printed.err) == (code, False), printed
        return printed.err if code else printed.out

    return ended


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the commands write to a terminal."""
    monkeypatch.setattr(Terminal, "is_terminal", True)


def test_events_whose_key_is_damaged_are_shown_without_personal_fields_and_all_others_with_them(
    written: Document, run: Run, database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = run("events", "--topic", "document", "--unseal").splitlines()
    assert len(lines) == 3
    query = "UPDATE data_keys SET wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1) WHERE subject_id = %s"
    rows(database.admin_url, query, written.id)
    monkeypatch.setattr(
        "sys.argv", ["palimpsest", *["audit", "events", "--topic", "document", "--unseal", "--by"], OLGA]
    )
    with pytest.raises(SystemExit, match="1"):
        main()
    printed = capsys.readouterr()
    damaged = [json.loads(line) for line in printed.out.splitlines()]
    assert [each["error"] is None for each in damaged] == [False, False, True]
    assert damaged[0]["sealed"] == ["/title", "/content"]
    assert damaged[2] == json.loads(lines[2])
    assert "The personal fields cannot be read, of 2 events" in " ".join(printed.err.split())


def test_an_aggregate_is_shown_at_each_kind_of_point(written: Document, run: Run) -> None:
    first = json.loads(run("at", "document", written.id, "--version", 1))
    assert (first["version"], first["state"]["status"], first["state"]["title"]) == (1, "draft", "[sealed]")
    assert first["sealed"] == ["/title", "/content"]
    moment = first["event"]["recorded_at"]
    for words in (["--position", 1], ["--instant", moment]):
        assert json.loads(run("at", "document", written.id, *words)) == first
    assert json.loads(run("at", "document", written.id))["version"] == 2
    unsealed = json.loads(run("at", "document", written.id, "--unseal"))
    assert (unsealed["state"]["content"], unsealed["sealed"]) == ("Two.", [])


def reads(database: Database) -> list[AuditRead.HistoryRead]:
    """What was recorded."""

    async def found() -> list[AuditRead.HistoryRead]:
        async with open_store(database.app_url) as opened:
            places = await opened.database.rows(PLACES, [])
            return [cast(AuditRead.HistoryRead, event) for event in await opened.store.events(places)]

    return asyncio.run(found())


def test_each_read_with_an_account_is_recorded_and_names_whom_it_is_about(
    written: Document, run: Run, database: Database
) -> None:
    run("at", "document", written.id, "--unseal")
    run("diff", "document", written.id, "1", "2", "--unseal")
    run("events", "--topic", "document", "--limit", 2, "--unseal")
    run("caused", FIRST.correlation_id, "--by", OLGA)
    found = reads(database)
    assert [read.operation for read in found] == [
        f"palimpsest audit {name}" for name in ("at", "diff", "events", "caused")
    ]
    assert {read.auditor_id for read in found} == {OLGA_ID}
    assert all(str(ADA.user_id) in read.user_ids for read in found)
    assert found[0].filters == {"unsealed": "True"}
    assert (found[2].filters["topic"], found[2].filters["events"]) == ("document", "2")
    run("at", "document", written.id)
    run("events")
    assert len(reads(database)) == 4


def test_all_events_are_listed_once_although_the_read_is_one_more(written: Document, run: Run) -> None:
    listed = [json.loads(line)["type"] for line in run("events", "--unseal").splitlines()]
    assert listed.count("audit.history_read") == 1
    assert listed.count("document.created") == 2


@pytest.mark.parametrize("command", ["tail", "show"])
def test_events_are_shown_with_personal_fields_once_the_read_is_recorded(
    written: Document,
    database: Database,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    words = ["palimpsest", "events", command, *([str(written.id)] if command == "show" else []), "--unseal"]
    for by, code in ([], 2), (["--by", "ada@example.org"], 2), (["--by", OLGA], 0):
        monkeypatch.setattr("sys.argv", [*words, *by])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == code
        assert ("Otters" in capsys.readouterr().out) == (code == 0)
    [read] = reads(database)
    assert read.operation == f"palimpsest events {command}"
    assert str(ADA.user_id) in read.user_ids


def test_what_is_erased_stays_forgotten_with_unseal(written: Document, run: Run, database: Database) -> None:
    destroy_keys(database.admin_url, written.id)
    found = json.loads(run("at", "document", written.id, "--unseal"))
    assert (found["state"]["title"], found["forgotten"]) == ("[forgotten]", ["/title", "/content"])


def test_two_points_are_compared(written: Document, run: Run) -> None:
    changes = {each["path"]: each for each in json.loads(run("diff", "document", written.id, "1", "@2"))["changes"]}
    assert (changes["/status"]["before"], changes["/status"]["after"]) == ("draft", "published")
    assert "/content" not in changes
    unsealed = json.loads(run("diff", "document", written.id, "1", "2", "--unseal"))["changes"]
    assert "/content" in {each["path"] for each in unsealed}


def test_events_are_json_lines_on_a_pipe(written: Document, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_travel, "PAGE_EVENTS", 1)
    lines = [json.loads(line) for line in run("events", "--topic", "document").splitlines()]
    assert [(each["position"], each["actor_id"]) for each in lines] == [
        (1, str(ADA.user_id)),
        (2, str(ADA.user_id)),
        (3, None),
    ]
    assert "Otters" not in json.dumps(lines)
    [second] = run("events", "--aggregate-id", written.id, "--after", 1, "--limit", 1, "--unseal").splitlines()
    assert json.loads(second)["fields"]["delta"] != "[sealed]"
    assert run("events", "--until", "2020-01-01T00:00:00Z") == ""


@pytest.mark.usefixtures("terminal")
def test_events_are_lines_on_a_terminal(written: Document, run: Run) -> None:
    first = run("events", "--request", FIRST.correlation_id, "--unseal").splitlines()
    assert [line.split()[0] for line in first] == ["1", "3"]
    assert f"{written.id} v1 document.created by {ADA.user_id} title=Otters" in first[0]
    assert "\x1b[2J" not in first[1]


def test_what_a_request_caused_is_json_on_a_pipe(written: Document, run: Run) -> None:
    tree = json.loads(run("caused", FIRST.correlation_id))
    assert [(each["depth"], each["caused_by"], each["event"]["position"]) for each in tree["events"]] == [
        (0, None, 1),
        (1, 1, 3),
    ]


@pytest.mark.usefixtures("terminal")
def test_what_a_request_caused_is_a_tree_on_a_terminal(written: Document, run: Run) -> None:
    lines = run("caused", FIRST.correlation_id).splitlines()
    assert lines[0] == f"request {FIRST.correlation_id}"
    assert lines[1].startswith("└── 1 ")
    assert lines[2].startswith("    └── 3 ")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["at", "otter", uuid4()], 2, "There are these aggregates"),
        (["at", "document", uuid4()], 1, "had no event there"),
        (["at", "document", uuid4(), "--version", 1, "--position", 2], 2, "only one of them"),
        (["at", "document", uuid4(), "--instant", "2026-11-22"], 2, "A time has a date"),
        (["diff", "document", uuid4(), "1", "noon"], 2, "Name a version (7)"),
        (["diff", "document", uuid4(), "1", "2"], 1, "no event at one of these points"),
        (["caused", uuid4()], 1, "has no event of the request"),
        (["caused", uuid4(), "--by", "eve@example.org"], 2, "No account has this email address"),
    ],
)
@pytest.mark.usefixtures("written")
def test_a_wrong_question_is_answered_in_a_sentence(run: Run, words: list[object], code: int, sentence: str) -> None:
    assert sentence in " ".join(run(*words, code=code).replace("│", " ").split())
