"""Histories to replay, and what others do to them."""

from infra.replay.certificate import CertifiedTable
from infra.replay.digest_fold import digests
from projections.kernel import ReadModel, read_models
from tests.support.history import History
from tests.support.notes import note
from tests.support.projecting import append
from tests.support.sealing import execute
from tests.support.servers import Database
from tests.support.stores import open_store, rows

LOG = "SELECT * FROM stored_events ORDER BY md5(originator_id::text || originator_version::text)"
INSERT = "INSERT INTO stored_events VALUES (%s, %s, %s, %s, %s, %s)"
REPLACE = """
UPDATE stored_events SET state = overlay(state PLACING %s FROM position(%s::bytea IN state))
WHERE notification_id = (
    SELECT min(notification_id) FROM stored_events WHERE topic = %s AND position(%s::bytea IN state) > 0
)
RETURNING notification_id
"""


async def lived(database: Database) -> int:
    """Append a history through all aggregates. Returns the last position."""
    async with open_store(database.app_url) as opened:
        return await append(opened, History(22).changes(300))


async def lengthened(database: Database) -> int:
    """Append some events more. Returns the last position."""
    async with open_store(database.app_url) as opened:
        return await append(opened, [[note(number, "a")] for number in range(1, 4)])


async def digests_of(database: Database, last: int, *models: ReadModel) -> dict[str, CertifiedTable]:
    """Fold a log into digests, by read model; without models, of all."""
    found = await digests(database.part_url("auditor"), models or read_models(), last)
    return {table.name: table for table in found}


def copy_log(source: Database, target: Database) -> None:
    """Copy the events alone into an empty database, in an order by chance: neither keys nor anything else."""
    for row in rows(source.admin_url, LOG):
        execute(target, INSERT, *row)


def replace_in_event(database: Database, topic: str, old: bytes, new: bytes) -> int:
    """Change bytes of the first event of a topic that has them, as a superuser. Returns its position."""
    [(position,)] = rows(database.admin_url, REPLACE, new, old, topic, old)
    return int(position)
