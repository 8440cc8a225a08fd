"""Replays: read models as of a position, in a schema of their own."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from application.discovery import import_all
from application.ports import RecordedEvent
from infra.bootstrap.write_side import open_for_command, part_url
from infra.errors import SetupError
from infra.postgres.connect import Connection, as_part, connect
from infra.postgres.locks import REBUILD
from infra.progress import Progress
from infra.replay import schemas
from infra.replay.code_version import code_version
from infra.replay.digest_fold import decode_without_keys
from infra.replay.table_fold import fold_into_tables
from infra.settings.model import MigrationSettings, Settings
from infra.store.log_rows import HEAD, LogRow, decode_rows
from projections.kernel import ReadModel, read_models

LOCK = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"


@contextmanager
def owner_session(settings: MigrationSettings) -> Iterator[Connection]:
    """A session of the owner, in autocommit."""
    url = as_part(settings.owner.url.get_secret_value(), "owner")
    with connect(url, autocommit=True) as connection:
        yield connection


def replay(
    settings: Settings, owner: Connection, schema: str, position: int, unsealed: bool, progress: Progress
) -> schemas.ReplaySchema:
    """Fill a new schema with all read models as they are at a position.

    `unsealed`: with personal fields; else they read as erased. A schema that was not finished is replaced.

    Raises:
        SetupError: the log ends before the position; or a schema of this name is finished, or being filled.
        Unavailable: the database does not answer.
    """
    import_all("application")
    models = read_models()
    [(head,)] = owner.execute(HEAD).fetchall()
    if position > head:
        raise SetupError(f"The log ends at position {head}.")
    if owner.execute(LOCK, [REBUILD.key, schemas.require_name(schema)]).fetchone() != (True,):
        raise SetupError(f"Another process is filling {schema}; wait until it ends.")
    schemas.create(owner, schema, position, unsealed, code_version())
    asyncio.run(_fill(settings, schema, models, position, unsealed, progress))
    schemas.finish(owner, schema)
    return schemas.describe(owner, schema)


async def _fill(
    settings: Settings, schema: str, models: Sequence[ReadModel], last: int, unsealed: bool, progress: Progress
) -> None:
    if not unsealed:
        url = part_url(settings, schemas.part_of(unsealed))
        await fold_into_tables(url, schema, models, last, decode_without_keys, progress)
        return
    async with open_for_command(settings, schemas.part_of(unsealed)) as core:
        await core.guard.require()

        async def decode(rows: Sequence[LogRow]) -> list[RecordedEvent]:
            return await decode_rows(rows, core.keyring)

        await fold_into_tables(core.url, schema, models, last, decode, progress)
