"""The states of policies: loaded and stored once for each batch, in the transaction of the checkpoint."""

from collections.abc import Collection, Mapping
from uuid import UUID

import msgspec

from application.policy import Policy
from infra.postgres.arrays import Blobs, Uuids
from infra.postgres.locks import POLICY_STATES
from infra.postgres.projector_connection import Connection

# In one order, or two workers would wait for each other. A state that does not exist yet has no row to lock.
LOCK = """
SELECT pg_advisory_xact_lock(%s, name) FROM (
    SELECT DISTINCT hashtext(%s || key) AS name FROM unnest(%b::uuid[]::text[]) AS key ORDER BY name
) AS sorted
"""
LOAD = "SELECT key, state FROM policy_states WHERE policy = %s AND key = ANY(%b)"
STORE = """
INSERT INTO policy_states (policy, key, state) SELECT %s, * FROM unnest(%b::uuid[], %b::bytea[])
ON CONFLICT (policy, key) DO UPDATE SET state = EXCLUDED.state
"""
DELETE = "DELETE FROM policy_states WHERE policy = %s AND key = ANY(%b)"

_encode = msgspec.msgpack.Encoder().encode


def encode(state: msgspec.Struct | None) -> bytes | None:
    """Return the state as it is stored. None: there is none."""
    return None if state is None else _encode(state)


def decode(policy: Policy, stored: bytes | None) -> msgspec.Struct | None:
    """Return the state.

    Raises:
        msgspec.ValidationError: the class has changed, and does not fit what is stored.
    """
    if stored is None or policy.state is None:
        return None
    return msgspec.msgpack.decode(stored, type=policy.state)


async def load(connection: Connection, policy: str, keys: Collection[UUID]) -> dict[UUID, bytes | None]:
    """Return the stored states by key, locked until the transaction ends; None: there is none.

    Fed by Kafka, two workers may have streams of different partitions that share a state.
    """
    await connection.execute(LOCK, [POLICY_STATES.key, policy, Uuids(keys)])
    cursor = connection.cursor(binary=True)
    await cursor.execute(LOAD, [policy, Uuids(keys)])
    return {**dict.fromkeys(keys), **dict(await cursor.fetchall())}


async def store(connection: Connection, policy: str, states: Mapping[UUID, bytes | None]) -> None:
    """Store the states by key, and delete those that are None."""
    kept = {key: state for key, state in states.items() if state is not None}
    gone = [key for key, state in states.items() if state is None]
    if kept:
        await connection.execute(STORE, [policy, Uuids(kept), Blobs(kept.values())])
    if gone:
        await connection.execute(DELETE, [policy, Uuids(gone)])
