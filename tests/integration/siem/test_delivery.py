"""The delivery to a SIEM, on a real log and a real HTTPS server that fails in all ways."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from adapters import siem
from adapters.siem import HttpsSiem, signature
from application.ports import NotDelivered
from domain.audit.audit_read import AuditRead
from domain.identity.user import User
from infra.siem import delivery, lag
from infra.siem.delivery import SiemDelivery
from tests.support.given import NOW
from tests.support.roles import running
from tests.support.servers import PROJECT, Database
from tests.support.siem_server import SiemServer, siem_server
from tests.support.stores import CALL, Opened, open_store, rows
from tests.support.waiting import until

SECRET = "thirty-two characters or more !!"
EVENTS = 7
PAGES = """
import asyncio, os, signal, sys
from tests.integration.siem.test_delivery import delivering
from infra.siem import delivery

async def deliver(method, url, siem_url, cafile):
    async with delivering(url, siem_url, cafile) as (_, made):
        moved = made._database.rows
        async def die_before_the_checkpoint(query, params):
            if query in (delivery.MOVE, delivery.MOVE_SECURITY):
                os.kill(os.getpid(), signal.SIGKILL)
            return await moved(query, params)
        made._database.rows = die_before_the_checkpoint
        await getattr(made, method)()

asyncio.run(deliver(*sys.argv[1:]))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SiemServer]:
    with siem_server(tmp_path) as state:
        yield state


@asynccontextmanager
async def delivering(url: str, siem_url: str, cafile: Path | None) -> AsyncIterator[tuple[Opened, SiemDelivery]]:
    """A store, and the delivery of its log."""
    sender = HttpsSiem(siem_url, SECRET, lambda: NOW, cafile)
    async with open_store(url) as opened:
        try:
            yield opened, SiemDelivery(url, opened.database, opened.keyring, sender)
        finally:
            await sender.close()


async def fill(opened: Opened) -> None:
    """Append events: of a user with a name, and of an auditor's read."""
    ada = User.register(id=UUID(int=0xADA), email="ada@example.org", name="Ada Canary", password_hash="hash", now=NOW)
    for n in range(EVENTS - 2):
        ada.change_profile(name=f"Ada Canary {n}", avatar_url=None, now=NOW)
    read = AuditRead.record(
        id=UUID(int=0x4EAD),
        auditor_id=UUID(int=7),
        operation="audit_user_history",
        topic="user",
        aggregate_id=ada.id,
        filters={},
        user_ids=[ada.id],
        team_ids=[],
        now=NOW,
    )
    await opened.store.append([ada, read], CALL, None)


async def test_each_event_is_delivered_once_in_order_signed_and_without_words(
    database: Database, server: SiemServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAGE_EVENTS", 3)
    async with delivering(database.app_url, server.url, server.authority) as (opened, made):
        await fill(opened)
        while await made.deliver_page():
            pass
    assert server.positions == [*range(1, EVENTS + 1)]
    assert len(server.requests) == 3
    for headers, body in server.requests:
        time = str(int(NOW.timestamp()))
        assert headers["Palimpsest-Signature"] == f"t={time},v1={signature(SECRET.encode(), time, body)}"
        assert headers["Content-Type"] == "application/jsonl"
        assert b"canary" not in body.lower()
        assert b"example.org" not in body
    first, *_, last = server.confirmed
    assert (first["type"], first["tenant_id"], first["correlation_id"]) == (
        "user.registered",
        str(UUID(int=0xADA)),
        str(CALL.correlation_id),
    )
    assert "data" not in first
    assert last["data"]["user_ids"] == [str(UUID(int=0xADA))]
    assert last["data"]["operation"] == "audit_user_history"


@pytest.mark.parametrize("fault", [500, 302, 404, "cut", "stall"])
async def test_what_is_not_confirmed_comes_again(
    database: Database, server: SiemServer, monkeypatch: pytest.MonkeyPatch, fault: int | str
) -> None:
    monkeypatch.setattr(siem, "SECONDS", 0.5)
    server.behaviour.append(fault)
    async with delivering(database.app_url, server.url, server.authority) as (opened, made):
        await fill(opened)
        with pytest.raises(NotDelivered):
            await made.deliver_page()
        assert rows(database.admin_url, delivery.CHECKPOINT) == [(0,)]
        assert await made.deliver_page()
        assert not await made.deliver_page()
    assert server.positions == [*range(1, EVENTS + 1)]


async def test_a_server_with_an_unknown_certificate_gets_nothing(database: Database, server: SiemServer) -> None:
    async with delivering(database.app_url, server.url, None) as (opened, made):
        await fill(opened)
        with pytest.raises(NotDelivered, match="ConnectError"):
            await made.deliver_page()
    assert server.requests == []


async def killed_before_the_checkpoint(method: str, database: Database, server: SiemServer) -> None:
    """Let another process deliver a page, and kill it when the server has confirmed it."""
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", PAGES, method, database.app_url, server.url, str(server.authority)],
        cwd=PROJECT,
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr


async def test_a_process_that_is_killed_before_the_checkpoint_repeats_and_leaves_no_gap(
    database: Database, server: SiemServer
) -> None:
    async with delivering(database.app_url, server.url, server.authority) as (opened, made):
        await fill(opened)
        await killed_before_the_checkpoint("deliver_page", database, server)
        assert server.positions == [*range(1, EVENTS + 1)]
        assert rows(database.admin_url, delivery.CHECKPOINT) == [(0,)]
        assert await made.deliver_page()
    assert server.positions == [*range(1, EVENTS + 1)] * 2
    assert rows(database.admin_url, delivery.CHECKPOINT) == [(EVENTS,)]


async def test_one_of_two_delivers_and_goes_on_after_failures(
    database: Database, server: SiemServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "POLL_SECONDS", 0.05)
    server.behaviour += [503, "cut"]
    async with (
        delivering(database.app_url, server.url, server.authority) as (opened, one),
        delivering(database.app_url, server.url, server.authority) as (
            _,
            other,
        ),
    ):
        tasks = [asyncio.create_task(made.run()) for made in (one, other)]
        await fill(opened)
        await until(lambda: rows(database.admin_url, delivery.CHECKPOINT) == [(EVENTS,)])
        await lag.measure(opened.database)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert server.positions == [*range(1, EVENTS + 1)]
    assert lag.events_gauge._value.get() == 0
    assert lag.position_gauge._value.get() == EVENTS


async def test_the_worker_delivers(
    database: Database, server: SiemServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("URL", server.url), ("SECRET", SECRET), ("CAFILE", str(server.authority))):
        monkeypatch.setenv(f"PALIMPSEST_SIEM_{name}", value)
    async with open_store(database.app_url) as opened:
        await fill(opened)
    with running(database, None, tmp_path, "worker"):
        await until(lambda: rows(database.admin_url, delivery.CHECKPOINT) == [(EVENTS,)])
    assert server.positions == [*range(1, EVENTS + 1)]


async def test_a_damaged_event_has_a_line_too(database: Database, server: SiemServer) -> None:
    async with delivering(database.app_url, server.url, server.authority) as (opened, made):
        await fill(opened)
        rows(database.admin_url, "UPDATE stored_events SET state = state || '\\x00' WHERE notification_id = 2")
        await made.deliver_page()
    assert server.positions == [*range(1, EVENTS + 1)]
    assert [line.get("error") for line in server.confirmed[:3]] == [None, "Damage", None]
    assert json.dumps(server.confirmed[1]).find("actor_id") == -1


ENTRY = """
INSERT INTO security_log (at, id, user_id, request_id, action, outcome, reason, count, network, sealed)
VALUES (now(), gen_random_uuid(), %s, gen_random_uuid(), 'log_in', 'refused', 'wrong_password', 1, %s, %s)
"""
WAITING = "SELECT FROM pg_locks WHERE relation = 'palimpsest.security_log_lock'::regclass AND NOT granted"
NUMBERS = "SELECT number FROM security_log ORDER BY number"


def enter(database: Database, number: int) -> list[int]:
    """Write entries about a user, with what is personal of the client. Returns the numbers of all."""
    for _ in range(number):
        rows(database.part_url("api"), ENTRY, UUID(int=0xADA), b"Canary network", b"Canary client")
    return [number for (number,) in rows(database.admin_url, NUMBERS)]


def security_numbers(server: SiemServer) -> list[int]:
    return [line["security_number"] for line in server.confirmed]


async def test_each_entry_of_the_security_log_is_delivered_once_in_order_without_the_client(
    database: Database, server: SiemServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAGE_EVENTS", 2)
    numbers = enter(database, 3)
    async with delivering(database.app_url, server.url, server.authority) as (opened, made):
        await lag.measure(opened.database)
        assert lag.security_seconds_gauge._value.get() > 0
        while await made.deliver_entries():
            pass
        numbers = enter(database, 1)
        assert await made.deliver_entries()
        assert not await made.deliver_page()
        await lag.measure(opened.database)
    assert security_numbers(server) == numbers
    assert lag.security_seconds_gauge._value.get() == 0
    assert len(server.requests) == 3
    [line, *_] = server.confirmed
    assert (line["user_id"], line["action"], line["outcome"]) == (str(UUID(int=0xADA)), "log_in", "refused")
    assert (line["reason"], line["count"], "session_id" in line) == ("wrong_password", 1, False)
    assert not any(b"Canary" in body or b"network" in body for _, body in server.requests)


async def test_entries_that_are_not_confirmed_come_again_after_a_kill_too(
    database: Database, server: SiemServer
) -> None:
    numbers = enter(database, 3)
    server.behaviour.append(500)
    async with delivering(database.app_url, server.url, server.authority) as (_, made):
        with pytest.raises(NotDelivered):
            await made.deliver_entries()
        await killed_before_the_checkpoint("deliver_entries", database, server)
        assert rows(database.admin_url, delivery.SECURITY_CHECKPOINT) == [(0,)]
        assert await made.deliver_entries()
    assert security_numbers(server) == numbers * 2
    assert rows(database.admin_url, delivery.SECURITY_CHECKPOINT) == [(numbers[-1],)]


async def test_an_entry_that_is_committed_late_is_not_passed_over(database: Database, server: SiemServer) -> None:
    """An entry that is written waits for those that were written before it, so no number comes behind another."""
    async with delivering(database.app_url, server.url, server.authority) as (_, made):
        with psycopg.connect(database.part_url("api")) as slow:
            slow.execute(ENTRY, [UUID(int=1), None, None])
            quick = asyncio.create_task(asyncio.to_thread(enter, database, 1))
            await until(lambda: bool(rows(database.admin_url, WAITING)))
            assert not await made.deliver_entries()
            slow.commit()
        numbers = await quick
        assert await made.deliver_entries()
    assert security_numbers(server) == numbers
    assert [line["user_id"] for line in server.confirmed] == [str(UUID(int=1)), str(UUID(int=0xADA))]


async def test_the_writer_of_an_entry_does_not_choose_its_number(database: Database) -> None:
    [number] = enter(database, 1)
    copied = (
        "INSERT INTO security_log SELECT now(), gen_random_uuid(), user_id, session_id, request_id, action, outcome, "
    )
    copied += "reason, count, network, sealed, 1000000 FROM security_log"
    rows(database.part_url("api"), copied)
    assert rows(database.admin_url, NUMBERS) == [(number,), (number + 1,)]
