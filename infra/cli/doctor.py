"""`palimpsest doctor`: checks everything an installation needs and says how to correct what is wrong."""

import asyncio
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import psycopg
import redis
from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from redis.backoff import NoBackoff
from redis.retry import Retry

from application.ports import PromptRefused, Unavailable
from infra.bootstrap.mail import check_server, mail_folder
from infra.bootstrap.provider import check_moderation, check_provider, open_models
from infra.cache.rights import lacking, server_of, surplus
from infra.cli.finding import Finding
from infra.cli.repeated_erasures import examine_erasures
from infra.cli.server_versions import ServerVersion, parsed, upgrade, written
from infra.cli.siem_finding import examine_siem
from infra.cli.terminal import Terminal
from infra.cli.tree_finding import examine_tree
from infra.cli.up import is_ready
from infra.cli.witness_finding import examine_witnesses
from infra.jobs.inspection import dead_by_kind, queues_without_worker
from infra.jobs.resources import list_resources
from infra.kafka.client.config import connection
from infra.local.servers.kafka_jars import java
from infra.local.servers.process import ServerError, is_own_address, port_is_free
from infra.postgres.connect import as_part, connect
from infra.postgres.migrate import pending, reason
from infra.postgres.rights import Deviation, grant_deviations, role_deviations
from infra.sealing.check_values import MAX_SIGNING_KEY_DAYS, SELECT_KEYS, SIGNING_KEY_DAYS, RecordedKey, problems
from infra.sealing.key_ring import KeyKind
from infra.sealing.key_source import KeySource
from infra.sealing.rotation import is_unfinished
from infra.settings.database import PARTS, Part, role_of
from infra.settings.display import misspelt, without_password
from infra.settings.errors import SettingsError
from infra.settings.keys import KeySettings
from infra.settings.load import data_folder, load, load_for_migration
from infra.settings.model import MigrationSettings, Settings
from infra.settings.redis import CACHE_RIGHTS
from infra.settings.tls import is_on_this_machine

MIN_FREE_BYTES = 1_000_000_000
MIN_POSTGRES = 14
MISSING_PARTITIONS = """
SELECT name
FROM unnest(ARRAY['sessions', 'security_log']) AS parent, generate_series(0, 1) AS month,
    to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => month), '"_"YYYY_MM') AS ending,
    concat(parent, ending) AS name
WHERE to_regclass('palimpsest.' || name) IS NULL ORDER BY name
"""
MAKE_PARTITIONS = (
    "SELECT palimpsest.keep_session_partitions(now(), now() - interval '90 days'), palimpsest.keep_security_log();"
)
REDIS_SETTINGS = {"save": "", "appendonly": "no"}
"""Settings of a Redis that writes nothing to disk."""


def doctor() -> bool:
    """Print all findings; returns whether all is well."""
    console = Terminal()
    findings = list(_findings())
    for finding in findings:
        mark, colour = ("✗", "red") if finding.is_failure else ("!", "yellow") if finding.is_warning else ("✓", "green")
        console.print(mark, style=colour, end="")
        console.print(f" {finding.subject:<13}{finding.state}")
        if finding.advice:
            console.print(f"{'':<16}{finding.advice}", style="yellow")
    return not any(finding.is_failure for finding in findings)


def _findings() -> Iterator[Finding]:
    yield Finding("Python", sys.version.split()[0])
    yield from _folder()
    for sentence in misspelt():
        yield Finding("Settings", sentence, "Correct or remove it.")
    try:
        settings, migration = load(), load_for_migration()
    except SettingsError as error:
        for line in str(error).splitlines():
            yield Finding("Settings", line, "Correct it, or start with: palimpsest up")
        return
    yield Finding("Settings", "complete")
    yield from _postgres(settings, migration)
    yield from _redis(settings)
    yield _kafka(settings)
    yield _mail(settings)
    yield _provider(settings)
    yield _moderation(settings)
    yield _api(settings)


def _folder() -> Iterator[Finding]:
    folder = data_folder()
    existing = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    free = shutil.disk_usage(existing).free
    advice = "" if free >= MIN_FREE_BYTES else "Free disk space: PostgreSQL stops when the disk is full."
    yield Finding("Disk", f"{free / 1e9:.1f} GB free for {folder}", advice)


def _postgres(settings: Settings, migration: MigrationSettings) -> Iterator[Finding]:
    address = without_password(settings.database.url)
    try:
        with connect(settings.database.url.get_secret_value()) as connection:
            yield _version(connection, address)
            yield from _superuser(connection)
        with connect(as_part(migration.owner.url.get_secret_value(), "owner")) as connection:
            schema = _schema(connection)
            yield schema
            if not schema.advice:
                yield from _rights(connection)
                yield from _keys(connection, settings.keys)
                yield _partitions(connection)
                yield examine_tree(connection, settings)
                yield from examine_witnesses(connection, settings.audit)
                yield examine_siem(connection, settings.siem)
                yield examine_erasures(connection, settings)
                yield from _jobs(connection, list(settings.jobs.queues))
        yield from _logins()
    except psycopg.Error as error:
        yield Finding(
            "PostgreSQL", f"{address}: {reason(error)}", "Start it with `palimpsest up`, or correct DATABASE_URL."
        )


def _version(connection: psycopg.Connection, address: str) -> Finding:
    version = divmod(connection.info.server_version, 10_000)
    state = f"{address}, version {written(version)}"
    if version[0] < MIN_POSTGRES:
        return Finding("PostgreSQL", state, f"Upgrade it to version {MIN_POSTGRES} or later.")
    if connection.info.parameter_status("server_encoding") != "UTF8":
        return Finding("PostgreSQL", state, "Create the database with ENCODING 'UTF8'.")
    return _judged("PostgreSQL", version, state, [connection.info.hostaddr or connection.info.host])


def _judged(server: str, version: ServerVersion, state: str, hosts: Sequence[str], subject: str = "") -> Finding:
    """A server by its version: known holes are a warning on this machine, and a failure elsewhere."""
    advice = upgrade(server, version)
    return Finding(subject or server, state, advice, bool(advice) and all(map(is_on_this_machine, hosts)))


def _schema(connection: psycopg.Connection) -> Finding:
    try:
        files = pending(connection)
    except psycopg.errors.UndefinedTable:
        connection.rollback()
        return Finding("Schema", "never migrated", "Run: palimpsest migrate")
    if files:
        return Finding("Schema", f"{len(files)} migrations missing", "Run: palimpsest migrate")
    return Finding("Schema", "up to date")


def _superuser(connection: psycopg.Connection) -> Iterator[Finding]:
    if connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = session_user").fetchone() == (True,):
        yield Finding(
            "Login",
            f"{connection.info.user} is a superuser: a session can leave the role of its part",
            "Set DATABASE_URL with another login; infra/postgres/administrator.sql says how.",
            is_warning=True,
        )


def _rights(connection: psycopg.Connection) -> Iterator[Finding]:
    """Every deviation between the rights that are declared and those in the database."""
    grants, roles = grant_deviations(connection), list(role_deviations(connection))
    yield from _deviating("as palimpsest_owner", grants)
    yield from _deviating("as a superuser", roles)
    if not grants and not roles:
        yield Finding("Rights", "as declared")


def _deviating(who: str, deviations: Sequence[Deviation]) -> Iterator[Finding]:
    for deviation in sorted(deviations):
        yield Finding("Rights", deviation.found, f"Run {who}: {deviation.mend};")


def _logins() -> Iterator[Finding]:
    """Every part must be able to log in."""
    for part in PARTS:
        if part != "owner":
            yield from _login(part)


def _login(part: Part) -> Iterator[Finding]:
    try:
        connect(as_part(load(part=part).database.url.get_secret_value(), part)).close()
    except psycopg.OperationalError as error:
        yield Finding(
            "Login",
            f"{part}: {reason(error)}",
            f"Give the login of its DATABASE_URL the role: GRANT {role_of(part)} TO the_login;",
        )


def _keys(connection: psycopg.Connection, settings: KeySettings) -> Iterator[Finding]:
    """The keys must be those that the database was written with; a signing key should not grow old."""
    source = KeySource(settings)
    try:
        ring = source.read()
        rows = [RecordedKey(*row) for row in connection.execute(SELECT_KEYS)]
    except SettingsError as error:
        yield Finding("Keys", source.place, str(error))
        return
    except psycopg.errors.UndefinedTable:
        connection.rollback()
        return
    wrong = list(problems(ring, rows))
    for problem in wrong:
        yield Finding("Keys", source.place, problem)
    if not wrong:
        yield Finding("Keys", f"{source.place}: {'they fit this database' if rows else 'not used yet'}")
    for kind in KeyKind:
        if is_unfinished(ring, rows, kind):
            yield Finding(
                "Keys", f"the rotation of the {kind} key is not finished", f"Run: palimpsest keys rotate {kind}"
            )
    for (days,) in connection.execute(SIGNING_KEY_DAYS):
        if days > MAX_SIGNING_KEY_DAYS:
            state = f"the signing key is {days} days old, more than {MAX_SIGNING_KEY_DAYS}"
            yield Finding("Keys", state, "Run: palimpsest keys rotate signing", is_warning=True)


def _partitions(connection: psycopg.Connection) -> Finding:
    """The tables with a partition a month need those of this and the next month: else logins will fail."""
    missing = ", ".join(name for (name,) in connection.execute(MISSING_PARTITIONS))
    if not missing:
        return Finding("Partitions", "those of this and the next month are there")
    advice = f"Run as palimpsest_owner: {MAKE_PARTITIONS} Then start a worker, which makes them each night."
    return Finding("Partitions", f"missing: {missing}", advice)


def _jobs(connection: psycopg.Connection, queues: Sequence[str]) -> Iterator[Finding]:
    """Dead jobs and paused models wait for an operator, and the jobs of a queue for a worker."""
    dead = ", ".join(f"{number} of {kind}" for kind, number in dead_by_kind(connection).items())
    if dead:
        advice = "See why: palimpsest jobs list --status dead. Then retry or discard them."
        yield Finding("Jobs", f"dead jobs: {dead}", advice, is_warning=True)
    unserved = ", ".join(queues_without_worker(connection, queues))
    if unserved:
        advice = "Start a worker: palimpsest worker, or everything: palimpsest up"
        yield Finding("Jobs", f"no worker serves: {unserved}", advice, is_warning=True)
    paused = ", ".join(each.name for each in list_resources(connection, []) if each.paused_at is not None)
    if paused:
        advice = "Let their generations go on: palimpsest models resume NAME"
        yield Finding("Jobs", f"paused models: {paused}", advice, is_warning=True)
    if not dead and not unserved and not paused:
        yield Finding("Jobs", "all queues are served, no job is dead, no model is paused")


def _redis(settings: Settings) -> Iterator[Finding]:
    if settings.redis.url is None:
        yield Finding("Redis", "not set: reads go to PostgreSQL")
        return
    address = without_password(settings.redis.url)
    client = redis.Redis.from_url(
        settings.redis.url.get_secret_value(), socket_timeout=3, socket_connect_timeout=3, retry=Retry(NoBackoff(), 0)
    )
    with client:
        try:
            name, version = server_of(client)
            target = client.get_connection_kwargs()
            state, hosts = f"{address}, {name} {version}", [target.get("host", target.get("path", ""))]
            yield _judged(name.capitalize(), parsed(version), state, hosts, "Redis")
            if not _is_embedded(settings, target.get("path", "")):
                yield from _redis_files(client)
            yield from _cache_rights(client)
        except redis.RedisError as error:
            yield Finding("Redis", f"{address}: {error}", "Start it with `palimpsest up`, or correct REDIS_URL.")


def _is_embedded(settings: Settings, socket: str) -> bool:
    """Whether `palimpsest up` starts the Redis behind this socket, with settings of its own."""
    return Path(socket).is_relative_to(settings.installation.data_dir.absolute())


def _redis_files(client: redis.Redis) -> Iterator[Finding]:
    """The cache must write nothing to disk: an erasure does not reach its files."""
    advice = "Set save '' and appendonly no, and delete its files: they keep what is erased."
    try:
        found = {name: client.config_get(name).get(name) for name in REDIS_SETTINGS}
    except redis.ResponseError:
        yield Finding("Redis", "unknown whether it writes to disk: it refuses CONFIG GET", advice, is_warning=True)
        return
    for name, wanted in REDIS_SETTINGS.items():
        if found[name] != wanted:
            yield Finding("Redis", f"it writes to disk: {name} is '{found[name]}'", advice)


def _cache_rights(client: "redis.Redis") -> Iterator[Finding]:
    advice = f"Give it a login of its own: ACL SETUSER palimpsest on >PASSWORD {CACHE_RIGHTS}"
    if refusal := lacking(client):
        yield Finding("Redis", f"the login may not do what the cache does: {refusal}", advice)
    elif found := ", ".join(surplus(client)):
        yield Finding("Redis", f"the login may also {found}", advice, is_warning=True)


def _kafka(settings: Settings) -> Finding:
    if settings.kafka.bootstrap_servers is None:
        try:
            here = f"Java found: {java()}"
        except ServerError as error:
            here = str(error)
        return Finding("Kafka", f"not set: events are not published. For `palimpsest up --kafka`: {here}")
    address = f"{settings.kafka.bootstrap_servers} ({settings.kafka.security_protocol})"
    try:
        with closing(KafkaAdminClient(**connection(settings.kafka), bootstrap_timeout_ms=5_000)) as admin:
            brokers = [broker["broker_id"] for broker in admin.describe_cluster()["brokers"]]
            version = min(admin.get_broker_version_data(broker).broker_version for broker in brokers)
    except (KafkaError, OSError) as error:
        advice = "Start it with `palimpsest kafka`, or correct KAFKA_BOOTSTRAP_SERVERS and the login settings."
        return Finding("Kafka", f"{address}: {type(error).__name__}", advice)
    state = f"{address}, {len(brokers)} broker{'s' if len(brokers) > 1 else ''}, version {written(version)}"
    if len(brokers) < settings.kafka.replication:
        return Finding("Kafka", state, f"Set PALIMPSEST_KAFKA_REPLICATION={len(brokers)}.")
    hosts = [server.rpartition(":")[0] for server in settings.kafka.bootstrap_servers.split(",")]
    return _judged("Kafka", version, state, hosts)


def _mail(settings: Settings) -> Finding:
    """The mail server must answer, be the one of its certificate, and take our login."""
    server = settings.mail.server()
    if server is None:
        state = f"not set: mails are files in {mail_folder(settings.installation)}"
        is_needed = settings.installation.environment == "production"
        return Finding("Mail", state, "Set PALIMPSEST_SMTP_URL: no mail reaches a person." if is_needed else "")
    address = f"{server.host}, port {server.port} ({server.security})"
    try:
        asyncio.run(check_server(server, settings.mail, settings.http))
    except Unavailable as error:
        return Finding("Mail", f"{address}: {error}", "Start it, or correct PALIMPSEST_SMTP_URL.")
    return Finding("Mail", f"{address} answers. It sends as {settings.mail.sender}")


def _provider(settings: Settings) -> Finding:
    """The provider must answer and take our key, and the catalogue of models must be one."""
    try:
        models = open_models(settings.provider)
    except SettingsError as error:
        return Finding("Provider", "its catalogue of models is wrong", str(error))
    if settings.provider.key is None:
        state = "not set: a sandbox answers, no model"
        is_needed = settings.installation.environment == "production"
        return Finding("Provider", state, "Set PALIMPSEST_PROVIDER_KEY: no model writes." if is_needed else "")
    try:
        asyncio.run(check_provider(settings.provider, models))
    except (Unavailable, PromptRefused) as error:
        advice = "Correct PALIMPSEST_PROVIDER_KEY or PALIMPSEST_PROVIDER_URL."
        return Finding("Provider", f"{settings.provider.address}: {error}", advice)
    return Finding("Provider", f"{settings.provider.address} answers; {len(models.all())} models")


def _moderation(settings: Settings) -> Finding:
    """Moderation must answer and take its key, unless it is switched off."""
    if settings.provider.moderation == "off":
        is_needed = settings.installation.environment == "production"
        advice = "Set PALIMPSEST_MODERATION: prompts and answers are not judged." if is_needed else ""
        return Finding("Moderation", "off", advice)
    try:
        asyncio.run(check_moderation(settings.provider))
    except Unavailable as error:
        effect = "generations wait" if settings.provider.moderation == "required" else "texts pass without it"
        return Finding(
            "Moderation", f"{error}: {effect}", "Correct PALIMPSEST_MODERATION_URL or PALIMPSEST_MODERATION_KEY."
        )
    return Finding("Moderation", f"answers; {settings.provider.moderation}")


def _api(settings: Settings) -> Finding:
    address = f"{settings.http.host}:{settings.http.port}"
    if is_ready(f"http://{address}"):
        return Finding("API", f"http://{address} is ready")
    if not is_own_address(settings.http.host):
        return Finding("API", f"{settings.http.host} is not an address of this machine", "Correct PALIMPSEST_HOST.")
    if port_is_free(settings.http.port, settings.http.host):
        return Finding("API", f"not running; {address} is free")
    return Finding(
        "API", f"{address} is taken, and not by a ready API", "See its log, or choose another port: PALIMPSEST_PORT"
    )
