"""Each part may do in the database what it needs, and nothing else: tried for real, with the rights of its role."""

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from infra.errors import SetupError
from infra.postgres.connect import SEARCH_PATH, connect
from infra.postgres.migrate import ADMINISTRATOR, migrate
from infra.postgres.rights import grant_deviations, role_deviations
from infra.settings.database import PARTS, Part, role_of
from tests.support.servers import Cluster, Database
from tests.support.stores import rows

CREATE_READ_MODEL = "CREATE TABLE read.example__next (x int); ALTER TABLE read.example__next RENAME TO example"
CALL = """
DO $$ BEGIN
    EXECUTE (SELECT format('SELECT append_events(0 %s)', repeat(', ''{}''', pronargs - 1))
             FROM pg_proc WHERE proname = 'append_events');
END $$
"""
ACTIONS = {
    "read the log": "SELECT FROM stored_events",
    "read the log with its metadata": "SELECT FROM events",
    "write the log": "INSERT INTO stored_events SELECT * FROM stored_events",
    "change the log": "UPDATE stored_events SET state = ''",
    "shorten the log": "DELETE FROM stored_events",
    "empty the log": "TRUNCATE stored_events",
    "append": CALL,
    "replace append_events": "CREATE OR REPLACE FUNCTION append_events() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "read claims": "SELECT FROM claims",
    "release claims": "DELETE FROM claims",
    "read data keys": "SELECT FROM data_keys",
    "store data keys": "INSERT INTO data_keys SELECT * FROM data_keys",
    "change data keys": "UPDATE data_keys SET wrapped = ''",
    "delete data keys": "DELETE FROM data_keys",
    "read check values of keys": "SELECT FROM keys",
    "record a key": "SELECT record_key('store', '00', '')",
    "retire a key": "UPDATE keys SET state = 'retired'",
    "read snapshots": "SELECT FROM snapshots",
    "keep snapshots": "INSERT INTO snapshots SELECT * FROM snapshots",
    "change snapshots": "UPDATE snapshots SET state = ''",
    "delete snapshots": "DELETE FROM snapshots",
    "read answers": "SELECT FROM idempotency",
    "write answers": "INSERT INTO idempotency SELECT * FROM idempotency",
    "cut answers": "UPDATE idempotency SET answer = ''",
    "delete answers": "DELETE FROM idempotency",
    "read checkpoints": "SELECT FROM projections",
    "move checkpoints": "UPDATE projections SET position = 1",
    "read the quarantine": "SELECT FROM projection_quarantine",
    "release from quarantine": "DELETE FROM projection_quarantine",
    "skip events": "INSERT INTO projection_skips SELECT * FROM projection_skips",
    "move checkpoints in partitions": "UPDATE projection_partitions SET position = 1",
    "move the policies' checkpoints": "UPDATE policies SET position = 1",
    "delete the policies' checkpoints": "DELETE FROM policies",
    "release from the policies' quarantine": "DELETE FROM policy_quarantine",
    "skip events of a policy": "INSERT INTO policy_skips SELECT * FROM policy_skips",
    "move the policies' checkpoints in partitions": "UPDATE policy_partitions SET position = 1",
    "change states of policies": "UPDATE policy_states SET state = ''",
    "move the checkpoint of the SIEM": "UPDATE siem_checkpoint SET position = 1",
    "add a checkpoint of the SIEM": "INSERT INTO siem_checkpoint SELECT * FROM siem_checkpoint",
    "read the relay's checkpoints": "SELECT FROM relays",
    "move the relay's checkpoints": "UPDATE relays SET position = 1",
    "read the audit tree": "SELECT FROM log_tiles, log_edges, log_checkpoints",
    "add tiles of the audit tree": "INSERT INTO log_tiles SELECT * FROM log_tiles",
    "change tiles of the audit tree": "UPDATE log_tiles SET content = ''",
    "delete tiles of the audit tree": "DELETE FROM log_tiles",
    "move the edge of the audit tree": "UPDATE log_edges SET content = ''",
    "delete the edge of the audit tree": "DELETE FROM log_edges",
    "add checkpoints of the audit tree": "INSERT INTO log_checkpoints SELECT * FROM log_checkpoints",
    "change checkpoints of the audit tree": "UPDATE log_checkpoints SET note = ''",
    "delete checkpoints of the audit tree": "DELETE FROM log_checkpoints",
    "read cosignatures": "SELECT FROM log_cosignatures",
    "add cosignatures": "INSERT INTO log_cosignatures SELECT * FROM log_cosignatures",
    "change cosignatures": "UPDATE log_cosignatures SET line = ''",
    "delete cosignatures": "DELETE FROM log_cosignatures",
    "read what witnesses say": "SELECT FROM log_witnesses",
    "change what witnesses say": "UPDATE log_witnesses SET refusal = ''",
    "delete what witnesses say": "DELETE FROM log_witnesses",
    "read a read model": "SELECT FROM read.example",
    "write a read model": "INSERT INTO read.example VALUES (1)",
    "change a read model": "ALTER TABLE read.example ADD y int",
    "drop a read model": "DROP TABLE read.example",
    "create a read model": "CREATE TABLE read.another (x int)",
    "read migrations": "SELECT FROM migrations",
    "create in our schema": "CREATE TABLE palimpsest.another (x int)",
    "create in public": "CREATE TABLE public.another (x int)",
    "create a temporary table": "CREATE TEMP TABLE another (x int)",
    "create a schema": "CREATE SCHEMA another",
    "create a role": "CREATE ROLE palimpsest_another",
    "read jobs": "SELECT FROM jobs.procrastinate_jobs",
    "take jobs": "SELECT FROM jobs.fetch_job('default', 0)",
    "delete jobs": "DELETE FROM jobs.procrastinate_jobs",
    "read errors of jobs": "SELECT FROM jobs.job_errors",
    "create in the schema of the queue": "CREATE TABLE jobs.another (x int)",
    "ask for a place in the queue": "SELECT queue_place('default', 'swift 1', 'a', 'b')",
    "enqueue jobs": "SELECT enqueue_jobs('{default}', '{0}', '{NULL}', '{\"{}\"}', '{NULL}')",
    "read sessions": "SELECT FROM sessions",
    "write sessions": "UPDATE sessions SET ended_at = NULL",
    "read a month of sessions": "SELECT FROM sessions_1999_12",
    "read cuts of sessions": "SELECT FROM session_cuts",
    "begin a session": "SELECT begin_session(gen_random_uuid(), gen_random_uuid(), 1, NULL, 'bearer', now(), now(),"
    " now(), '', '', NULL, NULL, 1, '', 0, NULL, '{}', NULL) WHERE false",
    "rotate a token": "SELECT rotate_session(gen_random_uuid(), '', '', now(), now(), '')",
    "end sessions": "SELECT end_sessions(gen_random_uuid(), '{}', now(), '')",
    "end sessions of users": "SELECT end_sessions_of_users('{}', '{}', '{}', now())",
    "drop old sessions": "SELECT keep_session_partitions(now(), now())",
    "act as the owner": "SET ROLE palimpsest_owner",
    "act as the projector": "SET ROLE palimpsest_projector",
}
MAY: dict[Part, set[str]] = {
    "api": {
        "read the log",
        "read the audit tree",
        "read cosignatures",
        "append",
        "ask for a place in the queue",
        "enqueue jobs",
        "read claims",
        "read data keys",
        "read check values of keys",
        "record a key",
        "read snapshots",
        "keep snapshots",
        "delete snapshots",
        "read answers",
        "read checkpoints",
        "read the quarantine",
        "read a read model",
        "read sessions",
        "begin a session",
        "rotate a token",
        "end sessions",
        "end sessions of users",
    },
    "projector": {
        "read the log",
        "read data keys",
        "read check values of keys",
        "record a key",
        "read checkpoints",
        "move checkpoints",
        "read the quarantine",
        "release from quarantine",
        "skip events",
        "move checkpoints in partitions",
        "read a read model",
        "write a read model",
        "change a read model",
        "drop a read model",
        "create a read model",
        "act as the projector",
    },
    "relay": {
        "read the log",
        "read data keys",
        "read check values of keys",
        "record a key",
        "read snapshots",
        "keep snapshots",
        "delete snapshots",
        "read the relay's checkpoints",
        "move the relay's checkpoints",
    },
    "worker": {
        "read the log",
        "append",
        "read claims",
        "read data keys",
        "read check values of keys",
        "record a key",
        "read snapshots",
        "keep snapshots",
        "delete snapshots",
        "read answers",
        "cut answers",
        "delete answers",
        "ask for a place in the queue",
        "enqueue jobs",
        "read jobs",
        "take jobs",
        "delete jobs",
        "read errors of jobs",
        "move the policies' checkpoints",
        "release from the policies' quarantine",
        "skip events of a policy",
        "move the policies' checkpoints in partitions",
        "change states of policies",
        "move the checkpoint of the SIEM",
        "read checkpoints",
        "read the quarantine",
        "read a read model",
        "end sessions",
        "end sessions of users",
        "drop old sessions",
    },
    "sealer": {
        "read the log",
        "read check values of keys",
        "record a key",
        "read the audit tree",
        "add tiles of the audit tree",
        "move the edge of the audit tree",
        "add checkpoints of the audit tree",
        "read cosignatures",
        "add cosignatures",
        "read what witnesses say",
        "change what witnesses say",
    },
    "auditor": {"read the log", "read the log with its metadata", "read the audit tree", "read cosignatures"},
}


@pytest.fixture
def made(database: Database) -> Database:
    """A database with a read model, which the projector swapped in after a rebuild, and an old month of sessions."""
    rows(database.part_url("projector"), CREATE_READ_MODEL)
    rows(database.part_url("worker"), "SELECT keep_session_partitions('1999-12-01', '1999-01-01')")
    return database


def may(connection: psycopg.Connection, statement: str) -> bool:
    """Whether the session is allowed to run the statement. Nothing is changed."""
    with connection.transaction(force_rollback=True):
        try:
            connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            return False
    return True


@pytest.mark.parametrize("part", MAY)
def test_a_part_may_do_what_it_needs_and_nothing_else(made: Database, part: Part) -> None:
    """Finding M2: the application's role could delete all data keys and change every read model."""
    with psycopg.connect(made.admin_url, autocommit=True) as connection:
        connection.execute(f"SET SESSION AUTHORIZATION {role_of(part)}".encode())
        connection.execute(f"SET search_path = {SEARCH_PATH}".encode())
        allowed = {action for action, statement in ACTIONS.items() if may(connection, statement)}
    assert allowed == MAY[part]


def test_the_rights_of_a_migrated_database_are_as_declared(made: Database) -> None:
    with connect(made.admin_url) as connection:
        assert grant_deviations(connection) == []
        assert list(role_deviations(connection)) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("GRANT DELETE ON data_keys TO palimpsest_api", "palimpsest_api has DELETE on palimpsest.data_keys"),
        ("GRANT SELECT (wrapped) ON data_keys TO palimpsest_auditor", "palimpsest_auditor has SELECT"),
        ("GRANT SELECT ON claims TO palimpsest_api WITH GRANT OPTION", "palimpsest_api has GRANT OPTION FOR SELECT"),
        ("GRANT SELECT ON read.example TO PUBLIC", "PUBLIC has SELECT on read.example"),
        ("GRANT CREATE ON SCHEMA palimpsest TO palimpsest_tests", "palimpsest_tests has CREATE on palimpsest"),
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", "PUBLIC has CREATE on public"),
        ("GRANT EXECUTE ON FUNCTION append_events TO PUBLIC", "PUBLIC has EXECUTE on palimpsest.append_events"),
        ("GRANT SELECT ON jobs.procrastinate_jobs TO palimpsest_api", "palimpsest_api has SELECT on jobs."),
        ("REVOKE USAGE ON SCHEMA jobs FROM palimpsest_worker", "palimpsest_worker lacks USAGE on jobs"),
        ("REVOKE SELECT ON stored_events FROM palimpsest_relay", "palimpsest_relay lacks SELECT"),
        ("REVOKE SELECT ON read.example FROM palimpsest_api", "palimpsest_api lacks SELECT on read.example"),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE palimpsest_projector IN SCHEMA read"
            " REVOKE SELECT ON TABLES FROM palimpsest_api",
            "palimpsest_api lacks SELECT on TABLES",
        ),
    ],
)
def test_a_changed_right_is_found_and_the_next_migration_mends_it(made: Database, change: str, found: str) -> None:
    rows(made.admin_url, change)
    with connect(made.admin_url) as connection:
        [deviation] = grant_deviations(connection)
    assert deviation.found.startswith(found)
    migrate(made.admin_url)
    with connect(made.admin_url) as connection:
        assert grant_deviations(connection) == []


@pytest.mark.parametrize(
    ("change", "undo", "found"),
    [
        (
            "ALTER TABLE data_keys OWNER TO palimpsest_api",
            "ALTER TABLE palimpsest.data_keys OWNER TO palimpsest_owner",
            "palimpsest_api owns palimpsest.data_keys",
        ),
        (
            "ALTER SCHEMA palimpsest OWNER TO postgres",
            "ALTER SCHEMA palimpsest OWNER TO palimpsest_owner",
            "postgres owns palimpsest",
        ),
    ],
)
def test_an_object_of_another_owner_is_found(made: Database, change: str, undo: str, found: str) -> None:
    rows(made.admin_url, change)
    with connect(made.admin_url) as connection:
        [deviation] = role_deviations(connection)
    assert deviation == (found, undo)


def test_a_role_that_may_do_more_than_its_part_is_found(database: Database) -> None:
    with connect(database.admin_url) as connection:
        connection.execute("ALTER ROLE palimpsest_owner SUPERUSER")
        connection.execute("GRANT palimpsest_owner TO palimpsest_api")
        found = [deviation.found for deviation in role_deviations(connection)]
        # Roles belong to all databases of the cluster.
        connection.rollback()
    assert found == ["palimpsest_owner may do more than its part", "palimpsest_api may act as palimpsest_owner"]


def test_a_database_that_is_not_prepared_is_refused_with_what_an_administrator_runs(cluster: Cluster) -> None:
    with cluster.database("template0") as empty:
        rows(empty.admin_url, f"ALTER DATABASE {empty.name} OWNER TO postgres")
        with pytest.raises(SetupError) as caught:
            migrate(empty.admin_url)
        assert ADMINISTRATOR.read_text() in str(caught.value)
        assert str(conninfo_to_dict(empty.admin_url)["password"]) not in str(caught.value)
        with psycopg.connect(empty.admin_url, autocommit=True) as administrator:
            administrator.execute(ADMINISTRATOR.read_bytes())
        assert migrate(empty.admin_url) != []


def test_a_login_that_may_not_act_as_the_owner_is_refused_by_name(database: Database) -> None:
    with pytest.raises(SetupError, match='GRANT palimpsest_owner TO "palimpsest_tests"'):
        migrate(database.app_url)


def test_the_administrator_makes_the_role_of_every_part() -> None:
    [words] = [line for line in ADMINISTRATOR.read_text().splitlines() if "FOREACH part IN" in line]
    assert [part for part in PARTS if f"'{part}'" in words] == list(PARTS)


def test_migrations_need_no_superuser(database: Database) -> None:
    """Finding H5: no login becomes a superuser by a function, because its owner is none."""
    query = "SELECT rolsuper FROM pg_proc JOIN pg_roles r ON r.oid = proowner WHERE proname = 'append_events'"
    assert rows(database.admin_url, query) == [(False,)]
