"""The checkpoints of policies: where new ones begin, and which idempotency records they may still need."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from application.policy import POLICIES, Policy
from infra.postgres.connect import Connection as SyncConnection
from infra.postgres.connect import connect
from infra.postgres.projector_connection import Connection
from infra.projector.checkpoints import Checkpoints, TableNames
from infra.projector.lag import LagGauges
from infra.settings.database import role_of

VERSION = 1
"""The version of every policy: a policy is never rebuilt."""

POLICY_CHECKPOINTS = Checkpoints(TableNames("policy", "policies", notifies=False))
POLICY_GAUGES = LagGauges(POLICY_CHECKPOINTS.names)

REGISTER = """
INSERT INTO policies (name, version, position)
SELECT name, %s, CASE WHEN whole THEN 0 ELSE (SELECT coalesce(max(notification_id), 0) FROM stored_events) END
FROM unnest(%s::text[], %s::boolean[]) AS new (name, whole) ON CONFLICT DO NOTHING
"""
# The commands about later events were sent after this event was recorded.
OLDEST_NEEDED = """
SELECT recorded_at FROM stored_events WHERE notification_id = (
    SELECT min(position) FROM (
        SELECT position + 1 AS position FROM policies WHERE name = ANY(%s)
        UNION ALL
        SELECT position FROM policy_quarantine WHERE policy = ANY(%s)
    ) AS unfinished
)
"""


async def ensure_checkpoints(connection: Connection, policies: Iterable[Policy]) -> None:
    """Create the missing checkpoints: at the end of the log, or at its beginning if the policy says so."""
    wanted = {policy.name: policy for policy in policies}
    if not wanted.keys() <= (await POLICY_CHECKPOINTS.read(connection, wanted)).keys():
        await connection.execute(REGISTER, _values(wanted.values()))


def register_policies(url: str, policies: Iterable[Policy]) -> None:
    """As `ensure_checkpoints`, as palimpsest_owner: so a policy exists before the first request.

    Raises:
        psycopg.Error: the database does not answer, or refuses.
    """
    with connect(url, autocommit=True) as connection:
        _register(connection, policies)


def _register(connection: SyncConnection, policies: Iterable[Policy]) -> None:
    connection.execute(f"SET ROLE {role_of('owner')}")
    connection.execute(REGISTER, _values(policies))


def _values(policies: Iterable[Policy]) -> list[Any]:
    found = list(policies)
    return [VERSION, [policy.name for policy in found], [policy.since == "beginning" for policy in found]]


async def oldest_needed(connection: Connection, policies: Iterable[str] = POLICIES) -> datetime | None:
    """Return the time before which no idempotency record of a policy's command is needed any more; None: none is.

    A record is needed until the checkpoint of its policy has passed the event, and no stream in quarantine contains
    it. Policies whose code was removed send nothing any more.
    """
    names = list(policies)
    cursor = await connection.execute(OLDEST_NEEDED, [names, names])
    row = await cursor.fetchone()
    return None if row is None else row[0]
