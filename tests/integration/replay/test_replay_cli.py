"""`palimpsest audit replay`: read models as of a position, in a schema of their own."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import psycopg
import pytest
from typer.testing import CliRunner

from infra.cli import audit, projections
from infra.errors import SetupError
from infra.postgres.locks import REBUILD
from infra.postgres.rights import grant_deviations
from infra.replay.code_version import PACKAGES, folder_of
from infra.replay.table_digest import table_digests
from infra.settings.database import PARTS, Part
from projections.kernel import read_models
from tests.support.auditors import OLGA, appoint
from tests.support.projecting import projecting
from tests.support.replaying import digests_of, lived
from tests.support.roles import environment
from tests.support.sealing import execute, seal
from tests.support.servers import Cluster, Database
from tests.support.stores import open_store, rows

Palimpsest = Callable[..., "Finished"]


@pytest.fixture(scope="module")
def projected(cluster: Cluster) -> Iterator[Database]:
    """A log with the events of all aggregates, and the read models as a projector has made them; to be copied."""

    async def live(database: Database) -> None:
        await lived(database)
        async with open_store(database.app_url) as opened:
            feed = opened.feed()
            await feed.start()
            async with projecting(read_models(), feed, database.part_url("projector")) as running:
                await running.reached()
            await feed.stop()

    with cluster.database() as database:
        appoint(database)
        asyncio.run(live(database))
        yield database


@pytest.fixture
def database(cluster: Cluster, projected: Database) -> Iterator[Database]:
    """A copy of them, of the test's own."""
    with cluster.database(projected.name) as copy:
        yield copy


class Finished(NamedTuple):
    """What a command has printed."""

    stdout: str
    stderr: str


@pytest.fixture
def palimpsest(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Finished]:
    """Runs `palimpsest` in this process."""
    for name, value in {
        **environment(database, None, 8000, tmp_path),
        "DATABASE_ADMIN_URL": database.admin_url,
    }.items():
        monkeypatch.setenv(name, value)

    def run(group: str, *words: str, code: int = 0) -> Finished:
        words = (*words, "--by", OLGA) if "--unseal" in words else words
        done = CliRunner().invoke({"audit": audit.app, "projections": projections.app}[group], words)
        said = Finished(done.stdout, done.stderr)
        if isinstance(done.exception, SetupError):
            # `main` says it.
            assert code == 2, done.exception
            return said._replace(stderr=str(done.exception))
        assert done.exit_code == code, (said, done.exception)
        return said

    return run


HEAD = "SELECT max(notification_id) FROM stored_events"
OTHERS = """
SELECT
    (SELECT array_agg((name, position, version) ORDER BY name) FROM projections WHERE name !~ '^replay_'),
    (SELECT array_agg((oid, relfilenode) ORDER BY oid) FROM pg_class WHERE relnamespace = 'read'::regnamespace),
    (SELECT count(*) FROM stored_events), (SELECT count(*) FROM projection_quarantine),
    (SELECT array_agg(nspname ORDER BY oid) FROM pg_namespace WHERE nspname !~ '^replay_')
"""
LAST_TOPIC = "SELECT topic FROM stored_events ORDER BY notification_id DESC LIMIT 1"
HELD = "SELECT name, position FROM projections WHERE name ~ '^replay_'"
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^replay_' ORDER BY 1"


FIRST = "id = (SELECT id FROM read.document ORDER BY id LIMIT 1)"


def schemas_in(database: Database) -> list[str]:
    return [name for (name,) in rows(database.admin_url, SCHEMAS)]


def test_the_tables_are_those_of_the_position(database: Database, palimpsest: Palimpsest) -> None:
    before = rows(database.admin_url, OTHERS)
    done = palimpsest("audit", "replay", "--to", "100")
    assert "replay_100 has the read models as of position 100." in done.stdout
    assert "events: 100 of 100" in done.stderr
    found = asyncio.run(table_digests(database.part_url("auditor"), "replay_100", read_models()))
    assert {table.name: table for table in found} == asyncio.run(digests_of(database, 100))
    assert rows(database.part_url("auditor"), "SELECT max(position) <= 100 FROM replay_100.document") == [(True,)]
    assert rows(database.part_url("auditor"), "SELECT DISTINCT title FROM replay_100.document") == [("[erased]",)]
    assert rows(database.admin_url, OTHERS) == before
    assert "replay_100" in palimpsest("audit", "replay", "--list").stdout
    assert palimpsest("audit", "replay", "--drop", "replay_100").stdout == "replay_100 is dropped.\n"
    assert rows(database.admin_url, OTHERS) == before
    assert schemas_in(database) == []


def test_other_parts_may_not_read_a_replay(database: Database, palimpsest: Palimpsest) -> None:
    palimpsest("audit", "replay", "--schema", "replay_blank")
    palimpsest("audit", "replay", "--schema", "replay_clear", "--unseal")
    owners: dict[str, Part] = {"replay_blank": "auditor", "replay_clear": "projector"}
    for schema, part in owners.items():
        assert rows(database.part_url(part), f"SELECT count(*) > 0 FROM {schema}.document") == [(True,)]
        for other in PARTS:
            if other not in (part, "owner"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    rows(database.part_url(other), f"SELECT FROM {schema}.document")
    with psycopg.connect(database.admin_url) as connection:
        assert grant_deviations(connection) == []


def test_an_erasure_waits_for_unsealed_fields_until_they_are_dropped(
    database: Database, palimpsest: Palimpsest
) -> None:
    palimpsest("audit", "replay", "--schema", "replay_blank")
    assert rows(database.admin_url, HELD) == []
    palimpsest("audit", "replay", "--schema", "replay_clear", "--to", "200", "--unseal")
    assert rows(database.admin_url, HELD) == [("replay_clear", 200)]
    refused = palimpsest("projections", "drop", "replay_clear", code=1)
    assert "palimpsest audit replay --drop replay_clear" in refused.stderr
    palimpsest("audit", "replay", "--drop", "replay_clear")
    assert rows(database.admin_url, HELD) == []


def test_what_was_interrupted_begins_again(database: Database, palimpsest: Palimpsest) -> None:
    palimpsest("audit", "replay", "--to", "50", "--schema", "replay_one")
    refused = palimpsest("audit", "replay", "--to", "60", "--schema", "replay_one", code=2)
    assert "replay_one is there already" in refused.stderr
    rows(database.admin_url, "UPDATE replay_one.about SET finished_at = NULL")
    assert "unfinished" in palimpsest("audit", "replay", "--list").stdout
    with psycopg.connect(database.admin_url) as other:
        other.execute("SELECT pg_advisory_lock(%s, hashtext('replay_one'))", [REBUILD.key])
        assert "Another process" in palimpsest("audit", "replay", "--schema", "replay_one", code=2).stderr
    palimpsest("audit", "replay", "--to", "60", "--schema", "replay_one")
    assert rows(database.admin_url, "SELECT position, finished_at IS NULL FROM replay_one.about") == [(60, False)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "9999"], "The log ends at position"),
        (["--schema", "read"], "The name of the schema is replay_"),
        (["--schema", "replay_a; DROP SCHEMA read"], "The name of the schema is replay_"),
        (["--drop", "read"], "The name of the schema is replay_"),
        (["--drop", "replay_none"], "There is no schema replay_none"),
        (["--compare", "replay_none"], "There is no schema replay_none"),
    ],
)
def test_what_cannot_be_is_said(database: Database, palimpsest: Palimpsest, words: list[str], said: str) -> None:
    assert said in palimpsest("audit", "replay", *words, code=2).stderr
    assert schemas_in(database) == []


def test_a_changed_row_of_the_read_models_is_found(database: Database, palimpsest: Palimpsest) -> None:
    palimpsest("audit", "replay", "--schema", "replay_clear", "--unseal")
    [(head,)] = rows(database.admin_url, HEAD)
    [(topic,)] = rows(database.admin_url, LAST_TOPIC)
    assert topic == "audit.history_read", "the replay was recorded before it began"
    same = palimpsest("audit", "replay", "--compare", "replay_clear").stdout.splitlines()
    assert same == [f"{model.name}: no difference" for model in read_models()]
    changes = [
        f"UPDATE read.document SET content = content || '!' WHERE {FIRST}",
        f"DELETE FROM read.team WHERE {FIRST.replace('document', 'team')}",
        "INSERT INTO read.team_settings (id, \"join\", version, position) VALUES (gen_random_uuid(), 'admins', 1, 1)",
        f"UPDATE read.subscription SET position = {head + 1} WHERE {FIRST.replace('document', 'subscription')}",
    ]
    [(document,)] = rows(database.admin_url, "SELECT id FROM read.document ORDER BY id LIMIT 1")
    for change in changes:
        rows(database.admin_url, change)
    found = palimpsest("audit", "replay", "--compare", "replay_clear", code=1).stdout.splitlines()
    differing = dict(line.split(": ", 1) for line in found if "no difference" not in line)
    assert differing["document"] == f"1 rows differ; first: {document}"
    assert differing["team"].startswith("1 rows are only in replay_clear; first:")
    assert differing["team_settings"].startswith("1 rows are only in read; first:")
    assert len(differing) == 3
    assert "subscription: no difference; 1 rows of read have changed after the position" in found


def test_replays_with_and_without_personal_fields_are_not_compared(database: Database, palimpsest: Palimpsest) -> None:
    palimpsest("audit", "replay", "--schema", "replay_blank")
    assert "has personal fields" in palimpsest("audit", "replay", "--compare", "replay_blank", code=1).stderr


@pytest.fixture
def other_code(tmp_path: Path) -> Path:
    """A copy of the packages that fold, with one read model that shows roles in capitals."""
    for package in PACKAGES:
        shutil.copytree(folder_of(package), tmp_path / "code" / package, ignore=shutil.ignore_patterns("__pycache__"))
    roster = tmp_path / "code/projections/teams/team_roster.py"
    text = roster.read_text()
    assert 'role="owner"' in text
    roster.write_text(text.replace('role="owner"', 'role="OWNER"'))
    return tmp_path / "code"


def wheel_of(code: Path) -> Path:
    """The packages as a wheel."""
    file = code.with_name("other-1.0-py3-none-any.whl")
    with ZipFile(file, "w") as wheel:
        for each in code.rglob("*"):
            wheel.write(each, each.relative_to(code))
    return file


@pytest.mark.parametrize("is_wheel", [False, True])
def test_other_code_is_replayed_beside_and_compared(
    database: Database, palimpsest: Palimpsest, other_code: Path, is_wheel: bool
) -> None:
    before = rows(database.admin_url, OTHERS)
    code = wheel_of(other_code) if is_wheel else other_code
    palimpsest("audit", "replay", "--schema", "replay_ours")
    palimpsest("audit", "replay", "--schema", "replay_theirs", "--code", str(code))
    done = palimpsest("audit", "replay", "--compare", "replay_ours", "--with", "replay_theirs", code=1)
    assert [line.split(";")[0] for line in done.stdout.splitlines() if "no difference" not in line] == [
        f"team_roster: {owners(database)} rows differ"
    ]
    assert rows(
        database.admin_url,
        "SELECT count(DISTINCT code) FROM (TABLE replay_ours.about UNION ALL "
        "TABLE replay_theirs.about) AS both_of_them",
    ) == [(2,)]
    assert rows(database.admin_url, OTHERS) == before
    assert not list(other_code.rglob("__pycache__"))


def owners(database: Database) -> int:
    """The number of members that own their team now."""
    [(number,)] = rows(database.admin_url, "SELECT count(*) FROM replay_theirs.team_roster WHERE role = 'OWNER'")
    assert number
    return int(number)


def test_code_that_cannot_be_run_is_said(database: Database, palimpsest: Palimpsest, other_code: Path) -> None:
    (other_code / "projections/teams/team_roster.py").write_text("raise SystemExit('broken')")
    replay = ("audit", "replay", "--schema", "replay_theirs", "--code")
    assert "has not replayed the log" in palimpsest(*replay, str(other_code), code=1).stderr
    assert schemas_in(database) == []
    shutil.rmtree(other_code / "domain")
    assert "has no package domain" in palimpsest(*replay, str(other_code), code=2).stderr
    file = other_code / "file.whl"
    file.write_text("no wheel")
    assert "neither a checkout nor a wheel" in palimpsest(*replay, str(file), code=2).stderr
    assert schemas_in(database) == []


def test_a_replay_is_checked_against_a_certificate(database: Database, palimpsest: Palimpsest, tmp_path: Path) -> None:
    seal(database)
    file = str(tmp_path / "certificate")
    palimpsest("audit", "certificate", "--to", "300", file)
    palimpsest("audit", "replay", "--to", "300", "--schema", "replay_one")
    check = ("audit", "certificate", "--check", file, "--schema")
    assert "are those of the certificate" in palimpsest(*check, "replay_one").stdout
    execute(database, "UPDATE replay_one.team_roster SET role = 'admin' WHERE role = 'owner'")
    assert "team_roster: version" in palimpsest(*check, "replay_one", code=1).stderr
    execute(database, "DROP TABLE replay_one.document")
    assert 'document: relation "replay_one.document" does not exist' in palimpsest(*check, "replay_one", code=1).stderr
    palimpsest("audit", "replay", "--to", "299", "--schema", "replay_two")
    assert "replay_two is of position 299" in palimpsest(*check, "replay_two", code=1).stderr
    palimpsest("audit", "replay", "--to", "300", "--schema", "replay_clear", "--unseal")
    assert "has personal fields" in palimpsest(*check, "replay_clear", code=2).stderr
