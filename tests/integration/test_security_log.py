"""The security log in a real PostgreSQL: partitions, rights, erasure, floods, and a database that does not answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from application.ports import Client, EntryFilter, SecurityEntry, Unavailable
from domain.identity.user import User
from infra.bootstrap.write_side import utc_now
from infra.postgres.connect import as_part
from infra.security_log import postgres_security_log
from infra.security_log.folding import SINGLE
from infra.security_log.postgres_security_log import PostgresSecurityLog
from infra.settings.database import Part
from tests.support.personal_data import columns_with
from tests.support.servers import Database, PostgresForTests
from tests.support.stores import CALL, Opened, destroy_keys, open_store, rows

CLIENT = Client("192.0.2.77", "canary-browser")
ALL = EntryFilter(100)
PARTS: list[Part] = ["api", "worker"]
KEEP = "SELECT palimpsest.keep_security_log()"
PARTITIONS = """
SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'palimpsest.security_log'::regclass ORDER BY relname
"""
COUNT = "SELECT count(*), coalesce(sum(count), 0) FROM security_log"


@dataclass
class Scene:
    """A log with one user in a store. `lost`: the numbers of entries that were lost."""

    opened: Opened
    log: PostgresSecurityLog
    user: User
    lost: list[int] = field(default_factory=list)

    async def clients(self) -> list[Client | None]:
        """Return the clients of the user's entries."""
        return [found.entry.client for found in await self.log.entries(self.user.id, ALL)]

    async def erase_user(self) -> None:
        """Erase the user."""
        self.user.erase(now=utc_now())
        await self.opened.store.append([self.user], CALL, None)


@asynccontextmanager
async def opened_scene(url: str) -> AsyncIterator[Scene]:
    async with open_store(url) as opened:
        user = User.register(id=uuid7(), email="a@example.org", name="Ada", password_hash="", now=utc_now())
        await opened.store.append([user], CALL, None)
        lost: list[int] = []
        log = PostgresSecurityLog(opened.database, opened.keyring, opened.blind, utc_now, uuid7, lost.append)
        yield Scene(opened, log, user, lost)
        await log.stop()


@pytest.fixture
async def scene(database: Database) -> AsyncIterator[Scene]:
    async with opened_scene(database.part_url("api")) as opened:
        yield opened


def login(user_id: UUID | None) -> SecurityEntry:
    return SecurityEntry("log_in", "done", uuid7(), CLIENT, user_id)


def failed(user_id: UUID | None = None) -> SecurityEntry:
    return SecurityEntry("log_in", "refused", uuid7(), CLIENT, user_id, reason="wrong_password")


def month(moment: datetime, later: int = 0) -> str:
    """Return the name of the partition of a month."""
    number = moment.year * 12 + moment.month - 1 + later
    return f"security_log_{number // 12}_{number % 12 + 1:02}"


def test_partitions_reach_from_the_last_month_to_the_third_from_now(database: Database) -> None:
    expected = [month(utc_now(), n) for n in range(-1, 4)]
    assert [name for (name,) in rows(database.admin_url, PARTITIONS)] == expected
    rows(database.admin_url, f"DROP TABLE {expected[-1]}")
    rows(database.part_url("worker"), KEEP)
    assert [name for (name,) in rows(database.admin_url, PARTITIONS)] == expected


def test_only_partitions_whose_entries_are_all_older_than_400_days_are_dropped(database: Database) -> None:
    last = utc_now() - timedelta(days=400)
    for later in (-1, 0):
        start = f"date_trunc('month', now() - interval '400 days') + interval '{later} months'"
        [(first,), (end,)] = rows(
            database.admin_url, f"SELECT {start} UNION ALL SELECT {start} + interval '1 month' ORDER BY 1"
        )
        make = f"CREATE TABLE {month(last, later)} PARTITION OF security_log FOR VALUES FROM ('{first}') TO ('{end}')"
        rows(database.admin_url, make)
    rows(database.part_url("worker"), KEEP)
    names = [name for (name,) in rows(database.admin_url, PARTITIONS)]
    assert month(last) in names
    assert month(last, -1) not in names


def test_a_query_reads_only_the_partitions_of_its_time(database: Database) -> None:
    query = postgres_security_log.SELECT.replace("%(actions)s::text[]", "NULL::text[]")
    params = {"user_id": UUID(int=1), "since": utc_now(), "until": None, "before": None, "before_id": None, "limit": 9}
    with psycopg.connect(database.part_url("api")) as connection:
        plan = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {query}".encode(), params))
    assert month(utc_now()) in plan
    assert month(utc_now(), -1) not in plan
    assert "Seq Scan" not in plan or "security_log_by_user" in plan


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "statement", ["UPDATE security_log SET reason = ''", "DELETE FROM security_log", "TRUNCATE security_log"]
)
def test_no_part_changes_or_deletes_an_entry(database: Database, part: Part, statement: str) -> None:
    for table in ("security_log", month(utc_now())):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(database.part_url(part), statement.replace("security_log", table))


@pytest.mark.parametrize("part", ["projector", "relay", "auditor"])
def test_other_parts_see_nothing_of_it(database: Database, part: Part) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(database.part_url(part), "SELECT FROM security_log")


def test_only_the_worker_keeps_partitions(database: Database) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(database.part_url("api"), KEEP)


async def test_no_address_and_no_program_of_a_client_is_readable(scene: Scene, database: Database) -> None:
    await scene.log.record(login(scene.user.id))
    await scene.log.record(login(None))
    for word in (CLIENT.address, CLIENT.user_agent):
        assert [*columns_with(database.admin_url, word)] == []
    assert await scene.clients() == [CLIENT]


async def test_networks_can_be_compared_within_a_day_only(scene: Scene, database: Database) -> None:
    for _ in range(2):
        await scene.log.record(login(None))
    tomorrow = PostgresSecurityLog(
        scene.opened.database, scene.opened.keyring, scene.opened.blind, lambda: utc_now() + timedelta(days=1), uuid7
    )
    await tomorrow.record(login(None))
    found = rows(database.admin_url, "SELECT network FROM security_log ORDER BY at")
    assert found[0] == found[1] != found[2]


async def test_an_erasure_deletes_the_entries_and_makes_them_unreadable(scene: Scene, database: Database) -> None:
    await scene.log.record(login(scene.user.id))
    [(kept,)] = rows(database.admin_url, "SELECT to_jsonb(security_log) FROM security_log")
    await scene.erase_user()
    assert rows(database.admin_url, COUNT) == [(0, 0)]
    rows(
        database.admin_url,
        "INSERT INTO security_log SELECT * FROM jsonb_populate_record(NULL::security_log, %s)",
        Jsonb(kept),
    )
    scene.opened.keyring.cache.drop(scene.user.id)
    assert await scene.clients() == [None]


async def test_nothing_more_is_kept_about_an_erased_user(scene: Scene, database: Database) -> None:
    await scene.log.record(login(scene.user.id))  # its key is in memory now
    await scene.erase_user()
    await scene.log.record(login(scene.user.id))
    scene.log.note(failed(scene.user.id))
    await scene.log.settle()
    assert rows(database.admin_url, COUNT) == [(0, 0)]


async def test_an_entry_that_was_written_while_its_user_was_erased_is_deleted_by_the_job(
    scene: Scene, database: Database
) -> None:
    await scene.log.record(login(scene.user.id))
    destroy_keys(database.admin_url, scene.user.id)
    rows(database.part_url("worker"), KEEP)
    assert rows(database.admin_url, COUNT) == [(0, 0)]


async def test_a_changed_entry_is_shown_without_its_client(scene: Scene, database: Database) -> None:
    await scene.log.record(failed(scene.user.id))
    rows(database.admin_url, "UPDATE security_log SET reason = 'account_closed'")
    with capture_logs() as lines:
        assert await scene.clients() == [None]
    assert {line["log_level"] for line in lines} == {"error"}


async def test_a_hundred_thousand_failures_from_one_network_take_a_few_rows(scene: Scene, database: Database) -> None:
    for _ in range(50_000):
        scene.log.note(failed())
        scene.log.note(failed(scene.user.id))
    await scene.log.stop()
    assert rows(database.admin_url, COUNT) == [(2 * (SINGLE + 1), 100_000)]
    [latest, *_] = await scene.log.entries(scene.user.id, ALL)
    assert latest.entry.count == 50_000 - SINGLE


async def test_each_entry_is_a_log_line_without_personal_data(scene: Scene) -> None:
    entry = failed(scene.user.id)
    with capture_logs() as lines:
        scene.log.note(entry)
        await scene.log.record(login(None))
    assert lines[0] == {
        "event": "security",
        "log_level": "info",
        "action": "log_in",
        "outcome": "refused",
        "reason": "wrong_password",
        "user_id": str(scene.user.id),
        "request_id": str(entry.request_id),
    }
    assert len(lines) == 2
    assert CLIENT.address not in str(lines)


async def test_a_missing_partition_keeps_no_user_out(scene: Scene, database: Database) -> None:
    rows(database.admin_url, f"DROP TABLE {month(utc_now())}")
    with capture_logs() as lines:
        await scene.log.record(login(scene.user.id))
    assert scene.lost == [1]
    assert ("error", "security log cannot be written") in [(line["log_level"], line["event"]) for line in lines]


async def test_without_the_database_a_login_is_unavailable_and_what_is_noted_waits(
    own_postgres: PostgresForTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_security_log, "RETRY_SECONDS", 0.05)
    async with opened_scene(as_part(own_postgres.app_url, "api")) as scene:
        own_postgres.kill()
        scene.log.note(failed(scene.user.id))
        with pytest.raises(Unavailable):
            await scene.log.record(login(scene.user.id))
        own_postgres.start()
        await scene.log.settle()
        assert [found.entry.outcome for found in await scene.log.entries(scene.user.id, ALL)] == ["refused"]
        assert scene.lost == []


async def test_what_waits_for_the_database_is_bounded_and_its_loss_is_counted(
    own_postgres: PostgresForTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_security_log, "MAX_WAITING", 3)
    async with opened_scene(as_part(own_postgres.app_url, "api")) as scene:
        own_postgres.kill()
        for _ in range(SINGLE):
            scene.log.note(failed(scene.user.id))
        assert sum(scene.lost) == SINGLE - 3
        await scene.log.stop()
        assert sum(scene.lost) == SINGLE
