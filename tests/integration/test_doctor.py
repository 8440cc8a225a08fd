"""`palimpsest doctor` finds what is wrong and says what to do."""

from pathlib import Path

import psycopg
import pytest
import redis

from infra.audit import cosigned_rows
from infra.audit.cosignatures import WitnessKey
from infra.audit.known_checkpoint import FILE_NAME
from infra.cli import doctor as checks
from infra.cli.doctor import doctor
from infra.local.servers.kafka import EmbeddedKafka
from infra.local.servers.process import free_port
from infra.local.servers.redis import EmbeddedRedis
from infra.private_file import write_private
from infra.sealing.check_values import COMPARED, RECORD_KEY, values_of
from infra.sealing.key_ring import KeyKind, KeyRing
from infra.settings.keys import KEYS_FILE
from tests.support.environment import unset_settings
from tests.support.given import NOW
from tests.support.sealing import SIGNER, execute, fill, seal
from tests.support.servers import Database, RedisForTests, redis_admin
from tests.support.smtp import running_smtp
from tests.support.stores import KEY_RING, make_key_file


@pytest.fixture(autouse=True)
def well(database: Database, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    make_key_file(tmp_path)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PALIMPSEST_PORT", str(free_port()))
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("DATABASE_ADMIN_URL", database.admin_url)
    monkeypatch.setenv("REDIS_URL", redis_url)


@pytest.mark.parametrize("is_relative", [False, True])
def test_what_is_well_is_called_well(
    redis_server: RedisForTests, is_relative: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a Redis in the data folder, which may have a relative path, it is known that it writes nothing to disk."""
    folder = redis_server.folder.parent
    make_key_file(folder)
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", folder.name if is_relative else str(folder))
    assert doctor()
    output = capsys.readouterr().out
    assert "✗" not in output
    assert "✓ Redis" in output
    assert "valkey 9." in output
    assert "! Redis" not in output


def test_m8_a_login_of_redis_with_more_rights_than_the_cache_needs_is_a_warning(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_admin(redis_url))
    assert doctor()
    output = capsys.readouterr().out
    assert "may also read keys that are not ours, administer the server" in output
    assert "ACL SETUSER palimpsest on >PASSWORD ~palimpsest:*" in output


def test_m8_a_login_of_redis_that_may_not_do_what_the_cache_does_is_found(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with redis.Redis.from_url(redis_admin(redis_url)) as admin:
        admin.acl_setuser("weak", enabled=True, passwords=["+pw"], keys=["palimpsest:*"], commands=["+get", "+mget"])
    monkeypatch.setenv("REDIS_URL", f"unix://weak:pw@{redis_url.partition('@')[2]}")
    assert not doctor()
    assert "the login may not do what the cache does" in capsys.readouterr().out


def test_m8_a_server_with_known_holes_is_a_warning_here_and_refused_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "server_of", lambda _: ("redis", "6.2.14"))
    assert doctor()
    assert "Upgrade to 6.2.23 or later" in capsys.readouterr().out
    monkeypatch.setattr(checks, "is_on_this_machine", lambda _: False)
    assert not doctor()
    assert "CVE-2026-12087" in capsys.readouterr().out


def test_servers_that_do_not_answer_are_named_without_their_passwords(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = f"canary@127.0.0.1:{free_port()}"
    monkeypatch.setenv("DATABASE_URL", f"postgresql://app:{nowhere}/x")
    monkeypatch.setenv("REDIS_URL", f"redis://:{nowhere}/0")
    assert not doctor()
    output = capsys.readouterr().out
    assert "correct DATABASE_URL" in output
    assert "correct REDIS_URL" in output
    assert "canary" not in output


@pytest.mark.parametrize(("setting", "value"), [("save", "3600 1"), ("appendonly", "yes")])
def test_h7_a_cache_that_writes_to_disk_is_found(
    own_redis: EmbeddedRedis,
    setting: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Texts that are erased would stay in its files."""
    monkeypatch.setenv("REDIS_URL", redis_admin(own_redis.url))
    assert doctor()
    with redis.Redis.from_url(redis_admin(own_redis.url)) as client:
        client.config_set(setting, value)
    assert not doctor()
    output = capsys.readouterr().out
    assert f"it writes to disk: {setting} is '{value}'" in output
    assert "save ''" in output


def test_h7_a_cache_that_does_not_tell_its_settings_is_a_warning(
    own_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with redis.Redis.from_url(redis_admin(own_redis.url)) as client:
        client.execute_command("ACL", "SETUSER", "part", "on", ">pw", "~*", "+@all", "-config")
    monkeypatch.setenv("REDIS_URL", f"unix://part:pw@{own_redis.url.partition('@')[2]}")
    assert doctor()
    assert "unknown whether it writes to disk" in capsys.readouterr().out


def test_a_missing_migration_is_found(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("DELETE FROM migrations")
    assert not doctor()
    assert "palimpsest migrate" in capsys.readouterr().out


@pytest.mark.parametrize("table", ["sessions", "security_log"])
def test_a_table_without_a_partition_for_next_month_is_found(
    database: Database, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        query = "SELECT to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month', 'YYYY_MM')"
        row = connection.execute(query).fetchone()
        assert row is not None
        connection.execute(f"DROP TABLE palimpsest.{table}_{row[0]}".encode())
    assert not doctor()
    output = capsys.readouterr().out
    assert f"missing: {table}_{row[0]}" in output
    assert "palimpsest.keep_security_log();" in output
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(checks.MAKE_PARTITIONS.encode())
    assert doctor()


def test_a_function_of_another_version_is_found(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("UPDATE migrations SET name = 'append_events.sql 0' WHERE name LIKE 'append_events.sql%'")
    assert not doctor()
    assert "palimpsest migrate" in capsys.readouterr().out


def test_a_database_that_was_never_migrated_is_found(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("DROP TABLE migrations")
    assert not doctor()
    assert "never migrated" in capsys.readouterr().out


def test_a_part_that_could_rewrite_history_is_found_with_what_mends_it(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("GRANT UPDATE ON stored_events TO palimpsest_api")
    assert not doctor()
    output = capsys.readouterr().out
    assert "Run as palimpsest_owner: REVOKE UPDATE ON TABLE palimpsest.stored_events FROM palimpsest_api;" in output


def test_an_object_of_a_superuser_is_found(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("ALTER TABLE data_keys OWNER TO postgres")
    assert not doctor()
    output = capsys.readouterr().out
    assert "Run as a superuser: ALTER TABLE palimpsest.data_keys OWNER TO palimpsest_owner;" in output


def test_a_login_that_may_not_act_as_the_owner_is_found(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_ADMIN_URL", database.app_url)
    assert not doctor()
    assert "permission denied" in capsys.readouterr().out


def test_a_login_that_may_not_act_as_a_part_is_found(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(database.admin_url) as connection:
        connection.execute(f"CREATE ROLE {database.name} LOGIN PASSWORD 'pw' IN ROLE palimpsest_api")
    try:
        login = database.app_url.partition("@")[2]
        monkeypatch.setenv("DATABASE_URL", f"postgresql://{database.name}:pw@{login}")
        assert not doctor()
    finally:
        with psycopg.connect(database.admin_url) as connection:
            connection.execute(f"DROP ROLE {database.name}")
    output = capsys.readouterr().out
    assert output.count("Give the login of its DATABASE_URL the role") == 5
    assert "GRANT palimpsest_relay TO" in output


def test_a_superuser_as_login_is_a_warning(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Finding L5: such a session can leave the role of its part."""
    monkeypatch.setenv("DATABASE_URL", database.admin_url)
    assert doctor()
    assert "! Login" in (output := capsys.readouterr().out)
    assert "is a superuser" in output


def test_a_host_of_another_machine_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PALIMPSEST_HOST", "192.0.2.1")
    assert not doctor()
    assert "not an address of this machine" in capsys.readouterr().out


def test_a_misspelt_variable_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PALIMPSEST_METRIC_PORT", "1")
    assert not doctor()
    assert "PALIMPSEST_METRICS_PORT is." in capsys.readouterr().out


def test_keys_that_others_can_read_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_key_file(tmp_path).chmod(0o644)
    assert not doctor()
    assert "chmod 600" in capsys.readouterr().out


def test_a_broker_that_answers_is_counted(
    kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.address)
    assert doctor()
    assert f"{kafka.address} (PLAINTEXT), 1 broker, version 4.3\n" in capsys.readouterr().out


def test_a_broker_that_does_not_answer_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    assert not doctor()
    assert "correct KAFKA_BOOTSTRAP_SERVERS" in capsys.readouterr().out


def test_more_copies_than_there_are_brokers_are_found(
    kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.address)
    monkeypatch.setenv("PALIMPSEST_KAFKA_REPLICATION", "3")
    assert not doctor()
    assert "PALIMPSEST_KAFKA_REPLICATION=1" in capsys.readouterr().out


def test_the_requirements_of_a_local_broker_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert doctor()
    assert "needs Java 17" in capsys.readouterr().out


def test_wrong_settings_are_all_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PALIMPSEST_LOG_LEVEL", "loud")
    monkeypatch.setenv("PALIMPSEST_TOKEN_TTL", "1")
    assert not doctor()
    output = capsys.readouterr().out
    assert "PALIMPSEST_LOG_LEVEL" in output
    assert "PALIMPSEST_TOKEN_TTL" in output


def test_without_a_mail_server_mails_are_files_which_production_does_not_want(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor()
    assert "Mail         not set: mails are files in" in capsys.readouterr().out
    monkeypatch.setenv("PALIMPSEST_ENVIRONMENT", "production")
    assert not doctor()
    assert "Set PALIMPSEST_SMTP_URL" in capsys.readouterr().out


def test_a_mail_server_is_asked_for_its_greeting_and_takes_our_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PALIMPSEST_MAIL_FROM", "no-reply@palimpsest.example")
    with running_smtp(tmp_path) as server:
        monkeypatch.setenv("PALIMPSEST_SMTP_URL", server.url)
        assert doctor()
        assert f"{server.port} (none) answers. It sends as no-reply@palimpsest.example" in capsys.readouterr().out
        monkeypatch.setenv("PALIMPSEST_SMTP_URL", server.url.replace("//", "//app:canary@"))
        assert not doctor()
        output = capsys.readouterr().out
        assert "Mail         127.0.0.1" in output
        assert "canary" not in output
    assert not doctor()
    assert "Start it, or correct PALIMPSEST_SMTP_URL." in capsys.readouterr().out


def test_a_sealed_log_is_called_well_with_its_key(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    fill(database, 5)
    seal(database)
    assert doctor()
    assert f"✓ Audit        5 events are sealed under {SIGNER.key}" in capsys.readouterr().out


def test_a_sealer_that_catches_up_is_no_warning(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    fill(database, 5)
    seal(database)
    fill(database, 5)
    assert doctor()
    assert "✓ Audit        5 events are sealed" in capsys.readouterr().out
    execute(database, "UPDATE log_checkpoints SET signed_at = signed_at - interval '2 minutes'")
    assert doctor()
    assert "If one runs, see its log." in capsys.readouterr().out


def test_a_tree_that_does_not_continue_the_kept_checkpoint_is_a_failure(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(database, 5)
    (tmp_path / FILE_NAME).write_text(SIGNER.sign(7, bytes(32)))
    seal(database)
    assert not doctor()
    assert "the checkpoint of size 7 was signed, and is not in the database" in capsys.readouterr().out


def test_a_log_without_a_sealer_is_a_warning(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    fill(database, 5)
    assert doctor()
    output = capsys.readouterr().out
    assert "! Audit        0 events are sealed" in output
    assert "Start a sealer" in output


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE stored_events SET state = ''::bytea WHERE notification_id = 5",
        "DELETE FROM stored_events WHERE notification_id > 3",
        "UPDATE log_edges SET content = sha256('') WHERE level = 0",
        "UPDATE stored_events SET recorded_at = 'infinity' WHERE notification_id = 5",
        "UPDATE stored_events SET originator_version = -1 WHERE notification_id = 6",
    ],
)
def test_a_history_that_is_not_the_one_that_was_signed_is_a_failure(
    database: Database, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(database, 5)
    seal(database)
    fill(database, 1)
    execute(database, change)
    assert not doctor()
    output = capsys.readouterr().out
    assert "✗ Audit        the history is not the one that was signed" in output
    assert "Run: palimpsest audit verify" in output


def test_a_key_document_without_a_log_key_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = tuple(key for key in KEY_RING.keys if key.kind is not KeyKind.LOG)
    write_private(tmp_path / KEYS_FILE, KeyRing(keys).document())
    assert doctor()
    assert "! Audit        no key for the log" in capsys.readouterr().out


def test_the_default_name_of_the_log_is_a_warning_in_production_until_events_are_sealed_under_it(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PALIMPSEST_ENVIRONMENT", "production")
    doctor()
    assert "Set PALIMPSEST_LOG_ORIGIN before the first event" in capsys.readouterr().out
    monkeypatch.setenv("PALIMPSEST_LOG_ORIGIN", "api.example.com/v1/log")
    doctor()
    assert "Set PALIMPSEST_LOG_ORIGIN" not in capsys.readouterr().out
    fill(database, 5)
    seal(database)
    doctor()
    output = capsys.readouterr().out
    assert "✗ Audit        the settings do not fit the log" in output
    assert "Set PALIMPSEST_LOG_ORIGIN=palimpsest.localhost/log" in output
    monkeypatch.delenv("PALIMPSEST_LOG_ORIGIN")
    doctor()
    output = capsys.readouterr().out
    assert "✓ Audit        5 events are sealed" in output
    assert "PALIMPSEST_LOG_ORIGIN" not in output


def test_witnesses_that_do_not_cosign_or_know_another_history_are_named(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = WitnessKey("w.example", bytes(32))
    fill(database, 5)
    seal(database)
    doctor()
    assert "✓ Witnesses    none; PALIMPSEST_LOG_WITNESSES names some" in capsys.readouterr().out
    monkeypatch.setenv("PALIMPSEST_LOG_WITNESSES", f"x{key} https://w.example/secret")
    doctor()
    assert "✗ Witnesses    the settings are wrong" in capsys.readouterr().out
    monkeypatch.setenv("PALIMPSEST_LOG_WITNESSES", f"{key} https://w.example/secret")
    doctor()
    assert "✓ Witnesses    w.example has cosigned 0 events\n" in capsys.readouterr().out
    execute(database, "UPDATE log_checkpoints SET signed_at = signed_at - interval '6 minutes'")
    execute(database, cosigned_rows.SAY, str(key), "it does not know the log", False)
    doctor()
    output = capsys.readouterr().out
    assert (
        "! Witnesses    w.example has cosigned 0 events, and none of the later ones within 5 minutes; now it" in output
    )
    execute(database, cosigned_rows.ADD, 5, str(key), "", NOW)
    execute(database, cosigned_rows.SAY, str(key), None, False)
    doctor()
    assert "✓ Witnesses    w.example has cosigned 5 events\n" in capsys.readouterr().out
    execute(database, cosigned_rows.SAY, str(key), "it is another history", True)
    doctor()
    output = capsys.readouterr().out
    assert "✗ Witnesses    w.example has cosigned 5 events; now it is another history" in output
    assert "secret" not in output


def test_a_siem_that_has_not_confirmed_the_log_for_minutes_is_a_warning(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(database, 1)
    doctor()
    assert "✓ SIEM         none; PALIMPSEST_SIEM_URL names one" in capsys.readouterr().out
    monkeypatch.setenv("PALIMPSEST_SIEM_URL", "https://siem.example/history")
    monkeypatch.setenv("PALIMPSEST_SIEM_SECRET", "thirty-two characters or more !!")
    doctor()
    assert "! SIEM         it has confirmed the log up to position 0; the next event waits" in capsys.readouterr().out
    execute(database, "UPDATE stored_events SET recorded_at = clock_timestamp()")
    doctor()
    assert "✓ SIEM         it has confirmed the log up to position 0" in capsys.readouterr().out
    entry = "INSERT INTO security_log (at, id, request_id, action, outcome, count) "
    execute(
        database,
        entry + "SELECT now() - interval '6 minutes', id, id, 'log_in', 'done', 1 FROM gen_random_uuid() AS id",
    )
    doctor()
    assert "the next entry of the security log waits for over 5 minutes" in capsys.readouterr().out


@pytest.mark.parametrize(("days", "warns"), [(90, False), (91, True)])
def test_a_signing_key_that_was_not_rotated_for_a_quarter_is_a_warning(
    database: Database, capsys: pytest.CaptureFixture[str], days: int, warns: bool
) -> None:
    old = "UPDATE keys SET recorded_at = clock_timestamp() - make_interval(days => %s)"
    with psycopg.connect(database.admin_url) as connection:
        for kind in COMPARED:
            connection.execute(RECORD_KEY, values_of(KEY_RING.current(kind)))
        connection.execute(old, [days])
    assert doctor()
    output = capsys.readouterr().out
    assert ("! Keys         the signing key is 91 days old" in output) == warns
    assert ("palimpsest keys rotate signing" in output) == warns
