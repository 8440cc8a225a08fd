"""Settings: an error names the variable, says what is wrong, and shows no secret."""

from pathlib import Path

import pytest

from adapters.files.local_files import LocalFiles
from adapters.files.s3_bucket import S3Bucket
from adapters.files.s3_files import S3Files
from infra.audit.cosignatures import WitnessKey
from infra.bootstrap.files import open_files
from infra.bootstrap.sealer import witnesses_of
from infra.kafka.client.config import NoKafka, connection, topics
from infra.kafka.client.topics import Topics
from infra.settings.database import PARTS
from infra.settings.display import misspelt, shown
from infra.settings.errors import SettingsError
from infra.settings.keys import KEYS_FILE
from infra.settings.load import (
    DATABASE_FOLDER,
    SERVERS_FILE,
    database_file,
    load,
    load_for_mail,
    load_for_migration,
    load_for_reading,
)
from infra.settings.model import MigrationSettings, Settings, variables
from tests.support.environment import unset_settings
from tests.support.stores import make_key_file

SECRET = "hunter2-canary"
DATABASE_URL = f"postgresql://app:{SECRET}@db.example:5432/palimpsest?sslmode=verify-full"
WITNESS = f"{WitnessKey('w.example', bytes(32))}"
MANY_WITNESSES = ",".join(f"w{number}{WITNESS} https://w.example/{SECRET}" for number in range(17))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    monkeypatch.setenv("DATABASE_URL", DATABASE_URL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_key_file(tmp_path)
    return tmp_path


def test_a_database_and_the_keys_are_enough(folder: Path) -> None:
    settings = load(folder)
    assert settings.redis.url is None
    assert settings.http.port == 8000


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        (None, None, "http://127.0.0.1:8000"),
        (None, "8123", "http://127.0.0.1:8123"),
        ("0.0.0.0", "8123", "http://127.0.0.1:8123"),
        ("::", "8123", "http://127.0.0.1:8123"),
        ("::1", "8123", "http://[::1]:8123"),
        ("app.example", "80", "http://app.example:80"),
    ],
)
def test_case_8_links_name_the_port_and_host_that_the_api_listens_on_unless_another_address_is_set(
    folder: Path, host: str | None, port: str | None, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(folder, {"PALIMPSEST_HOST": host, "PALIMPSEST_PORT": port}).http.public_url == url
    monkeypatch.setenv("PALIMPSEST_PUBLIC_URL", "https://api.example")
    assert load(folder, {"PALIMPSEST_HOST": host, "PALIMPSEST_PORT": port}).http.public_url == "https://api.example"


def test_every_missing_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(SettingsError) as caught:
        load(tmp_path)
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines] == ["DATABASE_URL"]
    assert all("palimpsest up" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATABASE_URL", f"mysql://app:{SECRET}@localhost/x", "postgresql://"),
        ("DATABASE_URL", f"postgresql://app:{SECRET}@db:nonsense/x", "postgresql://"),
        ("DATABASE_URL", f"postgres//app:{SECRET}@localhost/x", "postgresql://"),
        ("DATABASE_URL", f"postgresql://app:%ZZ{SECRET}@localhost/x", "percent-encode"),
        ("DATABASE_URL", f"postgresql://app:a@{SECRET}@localhost/x", "percent-encode"),
        ("DATABASE_URL", f"postgresql://app:12#{SECRET}@localhost/x", "percent-encode"),
        ("REDIS_URL", f"http://:{SECRET}@cache", "redis://"),
        ("KAFKA_BOOTSTRAP_SERVERS", f"kafka://app:{SECRET}@one:9092", "broker1:9092"),
        ("KAFKA_BOOTSTRAP_SERVERS", "one:9092,two", "broker1:9092"),
        ("KAFKA_SSL_CAFILE", "/nonexistent", "file"),
        ("PALIMPSEST_SMTP_URL", f"http://app:{SECRET}@mail", "smtp://"),
        ("PALIMPSEST_SMTP_URL", f"smtp://app:{SECRET}@localhost?tls=yes", "?starttls=yes"),
        ("PALIMPSEST_SMTP_URL", f"smtps://app:{SECRET}@mail?starttls=yes", "?starttls=yes"),
        ("PALIMPSEST_SMTP_CAFILE", "/nonexistent", "file"),
        ("PALIMPSEST_SMTP_TIMEOUT", "0", "1"),
        ("PALIMPSEST_MAIL_FROM", "Palimpsest", "Palimpsest <no-reply@example.org>"),
        ("PALIMPSEST_LINK_URL", "https://app.example.org/{purpose}", "{purpose}#token={token}"),
        ("PALIMPSEST_LINK_URL", "app.example.org/{purpose}#{token}", "https://"),
        ("PALIMPSEST_FILES_URL", "https://files.example/bucket", "s3://"),
        ("PALIMPSEST_S3_ENDPOINT", f"https://app:{SECRET}@files.example", "https?://"),
        ("PALIMPSEST_S3_SECRET_KEY", SECRET, "PALIMPSEST_S3_ACCESS_KEY"),
        ("PALIMPSEST_PROVIDER_KEY", f"{SECRET}\n", "is no key"),
        ("PALIMPSEST_PROVIDER_URL", f"https://app:{SECRET}@models.example/v1", "https?://"),
        ("PALIMPSEST_PROVIDER_URL", "http://models.example/v1", "write https://"),
        ("PALIMPSEST_PROVIDER_REQUESTS", "0", "1"),
        ("PALIMPSEST_MODELS", "/nonexistent", "file"),
        ("PALIMPSEST_SIEM_URL", f"ftp://app:{SECRET}@siem.example", "https://"),
        ("PALIMPSEST_SIEM_SECRET", "short", "32"),
        ("PALIMPSEST_SIEM_CAFILE", "/nonexistent", "file"),
        ("PALIMPSEST_LOG_WITNESSES", f"https://app:{SECRET}@witness.example", "name+id+key https://"),
        ("PALIMPSEST_LOG_WITNESSES", f"{WITNESS} https://w.example?token={SECRET}", "name+id+key https://"),
        ("PALIMPSEST_LOG_WITNESSES", f"{WITNESS} ftp://app:{SECRET}@w.example", "https://"),
        ("PALIMPSEST_LOG_WITNESSES", f"{WITNESS} https://a.example/{SECRET}, {WITNESS} https://b.example", "twice"),
        ("PALIMPSEST_LOG_WITNESSES", MANY_WITNESSES, "more than 16"),
        ("PALIMPSEST_LOG_WITNESS_CAFILE", "/nonexistent", "file"),
        ("PALIMPSEST_PORT", "70000", "65535"),
        ("PALIMPSEST_TOKEN_TTL", "60", "900"),
        ("PALIMPSEST_TOKEN_TTL", "86400", "3600"),
        ("PALIMPSEST_LOG_LEVEL", "loud", "'INFO'"),
        ("PALIMPSEST_CORS_ORIGINS", "https://a.example, b.example", "b.example"),
        ("PALIMPSEST_TRUSTED_PROXIES", "10.1.0.0/16, proxy.example", "proxy.example"),
        ("PALIMPSEST_TRUSTED_PROXIES", "10.1.2.3/16", "10.1.0.0/16"),
        ("PALIMPSEST_TRUSTED_PROXIES", "::/0", "every client"),
        ("PALIMPSEST_TRUSTED_PROXIES", "*", "network"),
    ],
)
def test_a_wrong_value_is_explained_and_no_secret_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load(folder)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(name)
    assert words in line
    assert SECRET not in line
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("value", "networks"),
    [
        (None, []),
        ("", []),
        ("10.1.0.0/16, 192.0.2.1,2001:DB8::/32", ["10.1.0.0/16", "192.0.2.1/32", "2001:db8::/32"]),
    ],
)
def test_trusted_proxies_are_networks_and_none_unless_set(
    folder: Path, value: str | None, networks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv("PALIMPSEST_TRUSTED_PROXIES", value)
    assert load(folder).http.trusted_proxies == networks


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://localhost", ("localhost", 25, "none", None, None)),
        ("smtp://[::1]:2525", ("::1", 2525, "none", None, None)),
        ("smtp://app:p%40ss@mail.example?starttls=yes", ("mail.example", 587, "starttls", "app", "p@ss")),
        ("smtps://app:pw@mail.example", ("mail.example", 465, "tls", "app", "pw")),
        ("smtps://mail.example:2465", ("mail.example", 2465, "tls", None, None)),
    ],
)
def test_a_mail_server_is_an_address(
    folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, server: tuple[object, ...]
) -> None:
    monkeypatch.setenv("PALIMPSEST_SMTP_URL", url)
    monkeypatch.setenv("PALIMPSEST_MAIL_FROM", "Palimpsest <no-reply@palimpsest.example>")
    found = load(folder).mail.server()
    assert found is not None
    assert (found.host, found.port, found.security, found.user, found.password) == server
    assert found.greeting_name == "palimpsest.example"


def test_witnesses_are_keys_with_addresses(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(folder).audit.witness_addresses == []
    second = WitnessKey("two.example", bytes(32))
    monkeypatch.setenv(
        "PALIMPSEST_LOG_WITNESSES", f"{WITNESS} https://w.example/{SECRET},\n {second}  https://two.example,"
    )
    one, two = witnesses_of(load(folder).audit)
    assert (str(one.key), one.url) == (WITNESS, f"https://w.example/{SECRET}")
    assert (two.key, two.url) == (second, "https://two.example")
    monkeypatch.setenv("PALIMPSEST_LOG_WITNESSES", f"x{WITNESS} https://w.example/{SECRET}")
    with pytest.raises(SettingsError, match="PALIMPSEST_LOG_WITNESSES has a wrong key: the id of the key") as caught:
        witnesses_of(load(folder).audit)
    assert SECRET not in str(caught.value)


def test_a_mail_server_needs_a_sender(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALIMPSEST_SMTP_URL", f"smtps://app:{SECRET}@mail.example")
    with pytest.raises(SettingsError) as caught:
        load(folder)
    assert str(caught.value) == "PALIMPSEST_MAIL_FROM is not set, and PALIMPSEST_SMTP_URL needs it."


def test_a_siem_needs_a_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(folder).siem.url is None
    monkeypatch.setenv("PALIMPSEST_SIEM_URL", "https://siem.example/history")
    with pytest.raises(SettingsError, match="PALIMPSEST_SIEM_SECRET must be set where PALIMPSEST_SIEM_URL is"):
        load(folder)


def test_files_are_in_a_bucket_or_in_the_data_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_files(load(folder).files, load(folder).installation), LocalFiles)
    for name, value in {
        "PALIMPSEST_FILES_URL": "s3://palimpsest-files/production/eu",
        "PALIMPSEST_S3_ENDPOINT": "https://files.example:9000",
        "PALIMPSEST_S3_REGION": "eu-central-1",
        "PALIMPSEST_S3_ACCESS_KEY": "AKIA",
        "PALIMPSEST_S3_SECRET_KEY": SECRET,
    }.items():
        monkeypatch.setenv(name, value)
    settings = load(folder)
    assert settings.files.bucket() == S3Bucket(
        "palimpsest-files", "production/eu", "https://files.example:9000", "eu-central-1", "AKIA", SECRET
    )
    assert isinstance(open_files(settings.files, settings.installation), S3Files)
    assert SECRET not in f"{settings!r} {list(shown(settings))} {settings.files.bucket()!r}"


def test_mail_needs_no_database_and_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    settings = load_for_mail()
    assert settings.mail.server() is None
    assert settings.installation.data_dir == tmp_path


def test_kafka_needs_a_login_where_it_is_asked_for_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("KAFKA_SSL_CERTFILE", str(folder / KEYS_FILE))
    with pytest.raises(SettingsError) as caught:
        load(folder)
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines] == ["KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD", "KAFKA_SSL_KEYFILE"]
    assert "KAFKA_SECURITY_PROTOCOL=SASL_SSL needs it" in lines[0]


VERIFIED = "postgresql://app@db.example/x?sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca-certificates.crt"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://app@db.example/x"),
        ("DATABASE_URL", "postgresql://app@db.example/x?sslmode=require"),
        ("DATABASE_URL", "postgresql://app@localhost,db.example/x"),
        ("DATABASE_URL", "postgresql://app@localhost/x?hostaddr=192.0.2.1"),
        ("DATABASE_URL", "postgresql:///x?host=/run/postgresql,db.example"),
        ("DATABASE_URL", "postgresql:///x?service=elsewhere"),
        ("DATABASE_URL", "postgresql://app@0.0.0.0/x"),
        ("REDIS_URL", "redis://cache.example/0"),
        ("REDIS_URL", "redis:///0?host=cache.example"),
        ("REDIS_URL", "rediss://cache.example/0?ssl_cert_reqs=none"),
        ("REDIS_URL", "rediss://cache.example/0?ssl_check_hostname=false"),
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092,one.example:9092"),
        ("PALIMPSEST_SMTP_URL", "smtp://mail.example"),
        ("PALIMPSEST_SMTP_URL", "smtp://192.0.2.1:2525"),
        ("PALIMPSEST_S3_ENDPOINT", "http://files.example:9000"),
        ("PALIMPSEST_SIEM_URL", "http://siem.example/history"),
        ("PALIMPSEST_LOG_WITNESSES", f"{WITNESS} http://witness.example"),
    ],
)
def test_m9_a_server_on_another_machine_needs_verified_tls_unless_the_network_is_said_to_be_safe(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("PALIMPSEST_MAIL_FROM", "no-reply@palimpsest.example")
    monkeypatch.setenv("PALIMPSEST_SIEM_SECRET", SECRET * 8)
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load(folder)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("KAFKA_SECURITY_PROTOCOL" if name.startswith("KAFKA") else name)
    assert "PALIMPSEST_SERVER_TLS=optional" in line
    monkeypatch.setenv("PALIMPSEST_SERVER_TLS", "optional")
    load(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", VERIFIED),
        ("DATABASE_URL", "postgresql://app@[::1]:5432/x"),
        ("DATABASE_URL", "postgresql:///x?host=/run/postgresql"),
        ("REDIS_URL", "rediss://:pw@cache.example/0"),
        ("REDIS_URL", "redis://127.8.8.8/0"),
        ("REDIS_URL", "unix://palimpsest:pw@/run/redis.sock"),
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092,[::1]:9093"),
        ("PALIMPSEST_SMTP_URL", "smtp://localhost:2525"),
        ("PALIMPSEST_SMTP_URL", "smtp://mail.example?starttls=yes"),
        ("PALIMPSEST_SMTP_URL", "smtps://app:pw@mail.example"),
        ("PALIMPSEST_S3_ENDPOINT", "http://127.0.0.1:9000"),
        ("PALIMPSEST_S3_ENDPOINT", "https://files.example:9000"),
        ("PALIMPSEST_SIEM_URL", "https://siem.example/history"),
        ("PALIMPSEST_SIEM_URL", "http://127.0.0.1:9000/history"),
        ("PALIMPSEST_LOG_WITNESSES", f"{WITNESS} https://witness.example, x{WITNESS} http://[::1]:9000/path"),
    ],
)
def test_m9_verified_tls_loopback_and_unix_sockets_are_fine(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("PALIMPSEST_MAIL_FROM", "no-reply@palimpsest.example")
    monkeypatch.setenv("PALIMPSEST_SIEM_SECRET", SECRET * 8)
    monkeypatch.setenv(name, value)
    load(folder)


def test_m9_a_host_from_the_drivers_own_variables_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql:///x?user=app")
    load(folder)
    monkeypatch.setenv("PGHOST", "db.example")
    with pytest.raises(SettingsError, match="DATABASE_URL would reach another machine"):
        load(folder)
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    load(folder)


def test_m9_the_address_for_migrations_and_the_brokers_of_a_reader_are_checked_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(folder))
    monkeypatch.setenv("DATABASE_ADMIN_URL", "postgresql://owner@db.example/x")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "one.example:9092")
    with pytest.raises(SettingsError, match="DATABASE_ADMIN_URL would reach another machine"):
        load_for_migration(folder)
    with pytest.raises(SettingsError, match="KAFKA_SECURITY_PROTOCOL would reach another machine"):
        load_for_reading()
    monkeypatch.setenv("PALIMPSEST_SERVER_TLS", "optional")
    load_for_migration(folder)
    load_for_reading()


def test_m9_a_password_for_kafka_stays_on_this_machine_or_goes_through_tls(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    monkeypatch.setenv("KAFKA_SASL_USERNAME", "app")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", SECRET)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092,127.0.0.1:9093")
    assert load(folder).kafka.security_protocol == "SASL_PLAINTEXT"
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092,one.example:9092")
    with pytest.raises(SettingsError, match="use SSL or SASL_SSL"):
        load(folder)


def test_settings_become_what_kafkas_clients_take(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = str(folder / KEYS_FILE)
    for name, value in {
        "KAFKA_BOOTSTRAP_SERVERS": "one.example:9092, two.example:9093",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": "app",
        "KAFKA_SASL_PASSWORD": SECRET,
        "KAFKA_SSL_CAFILE": certificate,
    }.items():
        monkeypatch.setenv(name, value)
    settings = load(folder)
    assert connection(settings.kafka) == {
        "bootstrap_servers": ["one.example:9092", "two.example:9093"],
        "client_id": "palimpsest",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "app",
        "sasl_plain_password": SECRET,
        "ssl_cafile": certificate,
    }
    assert SECRET not in f"{settings!r} {list(shown(settings))}"


def test_without_a_password_kafkas_clients_are_given_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", SECRET)
    assert set(connection(load(folder).kafka)) == {"bootstrap_servers", "client_id", "security_protocol"}


def test_without_brokers_the_error_says_how_to_get_one(folder: Path) -> None:
    with pytest.raises(NoKafka, match="palimpsest kafka"):
        connection(load(folder).kafka)


def test_topics_are_named_and_spread_as_they_are_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALIMPSEST_KAFKA_PREFIX", "acme")
    monkeypatch.setenv("PALIMPSEST_KAFKA_PARTITIONS", "3")
    monkeypatch.setenv("PALIMPSEST_KAFKA_REPLICATION", "2")
    assert topics(load(folder).kafka) == Topics("acme", 3, 2)


def test_what_is_shown_masks_keys_and_passwords(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", f"rediss://:{SECRET}@cache:6379/0")
    monkeypatch.setenv("DATABASE_ADMIN_URL", f"postgresql:///x?host=localhost&password={SECRET}")
    monkeypatch.setenv("PALIMPSEST_SMTP_URL", f"smtp://app:{SECRET}@mail.example?starttls=yes")
    monkeypatch.setenv("PALIMPSEST_MAIL_FROM", "no-reply@palimpsest.example")
    monkeypatch.setenv("PALIMPSEST_KEYS", SECRET)
    monkeypatch.setenv("PALIMPSEST_KEYS_COMMAND", f"vault read -address=https://vault -token={SECRET} keys")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", f"a://{SECRET}")
    settings = load(folder)
    values = {name: value for name, value, _ in shown(settings)}
    assert values["DATABASE_URL"] == "postgresql://app:****@db.example:5432/palimpsest?sslmode=verify-full"
    assert values["PALIMPSEST_SMTP_URL"] == "smtp://app:****@mail.example?starttls=yes"
    assert values["REDIS_URL"] == "rediss://:****@cache:6379/0"
    assert SECRET not in f"{values} {settings!r} {settings}"


def test_the_environment_wins_over_the_files_and_the_caller_over_both(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / SERVERS_FILE).write_text(
        "PALIMPSEST_PORT='9001'\nPALIMPSEST_HOST='filehost'\nREDIS_URL='redis://localhost/1'\n"
    )
    monkeypatch.setenv("PALIMPSEST_PORT", "9002")
    monkeypatch.setenv("PALIMPSEST_HOST", "envhost")
    settings = load(folder, {"PALIMPSEST_PORT": 9003})
    assert (settings.http.port, settings.http.host) == (9003, "envhost")
    assert settings.redis.url
    assert settings.redis.url.get_secret_value() == "redis://localhost/1"


def test_a_process_reads_the_address_of_its_own_part_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding L5 of the security review."""
    monkeypatch.delenv("DATABASE_URL")
    (folder / DATABASE_FOLDER).mkdir()
    for part in PARTS:
        (folder / database_file(part)).write_text(f"DATABASE_URL='postgresql://{part}:pw@localhost/x'\n")
    urls = {part: load(folder, part=part).database.url.get_secret_value() for part in PARTS}
    assert urls == {part: f"postgresql://{part}:pw@localhost/x" for part in PARTS}
    assert load_for_migration(folder).owner.url.get_secret_value() == urls["owner"]


def test_migrations_use_an_address_of_their_own_or_else_the_database(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_for_migration(folder).owner.url.get_secret_value() == DATABASE_URL
    monkeypatch.setenv("DATABASE_ADMIN_URL", "postgresql://owner@localhost/x")
    assert load_for_migration(folder).owner.url.get_secret_value() == "postgresql://owner@localhost/x"
    monkeypatch.setenv("DATABASE_ADMIN_URL", f"postgresql://app:12?{SECRET}@localhost/x")
    with pytest.raises(SettingsError, match=r"DATABASE_ADMIN_URL .*percent-encode") as caught:
        load_for_migration(folder)
    assert SECRET not in str(caught.value)


def test_migrations_without_an_address_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(SettingsError, match="DATABASE_ADMIN_URL is not set"):
        load_for_migration(folder)


def test_an_empty_variable_is_not_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "")
    assert load(folder).redis.url is None


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("PALIMPSEST_METRIC_PORT", "PALIMPSEST_METRICS_PORT"),
        ("PALIMPSEST_DATABASE_URL", "DATABASE_URL"),
        ("PALIMPSEST_TOKENTTL", "PALIMPSEST_TOKEN_TTL"),
    ],
)
def test_a_misspelt_variable_is_found_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, wrong: str, right: str
) -> None:
    monkeypatch.setenv(wrong, "1")
    monkeypatch.setenv("palimpsest_port", "9001")
    assert list(misspelt()) == [f"{wrong} is not a setting; {right} is."]


def test_a_variable_like_no_other_is_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALIMPSEST_XYZZY", "1")
    assert list(misspelt()) == ["PALIMPSEST_XYZZY is not a setting."]


def test_every_setting_has_a_variable_and_a_description_of_its_own() -> None:
    subjects = [*Settings.subjects().values(), *MigrationSettings.subjects().values()]
    fields = [info for subject in subjects for info in subject.model_fields.values()]
    assert len(set(variables())) == len(fields)
    assert all(info.description for info in fields)


def test_a_reader_of_the_stream_needs_no_database_and_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
    assert load_for_reading().kafka.bootstrap_servers == "localhost:9092"
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "localhost")
    with pytest.raises(SettingsError, match="KAFKA_BOOTSTRAP_SERVERS is not a list"):
        load_for_reading()


def test_the_errors_of_all_subjects_come_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = ["REDIS_URL", "KAFKA_BOOTSTRAP_SERVERS", "PALIMPSEST_PORT", "PALIMPSEST_TOKEN_TTL", "PALIMPSEST_LOG_LEVEL"]
    for name in wrong:
        monkeypatch.setenv(name, "0")
    with pytest.raises(SettingsError) as caught:
        load(folder)
    assert [line.split()[0] for line in str(caught.value).splitlines()] == wrong
