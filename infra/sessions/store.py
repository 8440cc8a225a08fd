"""Sessions in PostgreSQL. The functions in `infra/postgres/functions/sessions.sql` write them; these call them.

IP address and user agent are sealed under the data key of the user, so an erasure makes them unreadable. What
identifies the device, its browser and system, is also kept as a keyed hash, to recognise it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

import msgspec

from application.cause import present_cause
from application.jobs import Job
from application.ports import (
    IDLE_LIFETIME,
    MAX_SESSIONS,
    SESSION_LIFETIME,
    Beginning,
    Client,
    Clock,
    DeviceNames,
    EndReason,
    NewSession,
    NotSettled,
    RefreshToken,
    Session,
    SessionDetails,
    SessionEnding,
    Unavailable,
)
from domain.kernel import NotFound
from infra.jobs.queue import ENQUEUING, MAX_ATTEMPTS, PostgresJobQueue
from infra.postgres.cache_lease import until_dropped
from infra.postgres.database import Database
from infra.sealing.blind_index import BlindIndex
from infra.sealing.keyring import DataKey, KeyErased, Keyring
from infra.sealing.store_keys import Damage, Purpose, framed

DROP_TIMEOUT = 5.0
"""The longest that the end of a session waits for all processes, in seconds. Their leases end earlier."""
MAX_USER_AGENT = 512
"""The characters of a user agent that are kept."""

BEGIN = "SELECT begin_session(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
ROTATE = "SELECT rotate_session(%s, %s, %s, %s, %s, %s)"
END = "SELECT end_sessions(%s, %s, %s, %s)"
END_ALL = "SELECT end_sessions_of_users(%s, %s, %s, %s)"
ONE = """
SELECT id, user_id, user_version, mode, created_at, idle_ends_at, ends_at, ended_at, family_digest, token_digest,
    previous_digest, clock_timestamp() - rotated_at
FROM sessions WHERE id = %s
"""
OWN = """
SELECT id, mode, created_at, last_used_at, least(idle_ends_at, ends_at), client FROM sessions
WHERE user_id = %s AND ended_at IS NULL AND least(idle_ends_at, ends_at) > %s ORDER BY id DESC
"""


class _SealedClient(msgspec.Struct, frozen=True, array_like=True):
    """What is sealed of a client. Fields are only ever added, at the end."""

    address: str
    user_agent: str
    device: str


class PostgresSessions:
    """Implements `application.ports.Sessions`. `device_names`: says what device a client is."""

    def __init__(
        self,
        database: Database,
        queue: PostgresJobQueue,
        keyring: Keyring,
        blind: BlindIndex,
        device_names: DeviceNames,
        clock: Clock,
    ) -> None:
        self._database = database
        self._queue = queue
        self._keyring = keyring
        self._blind = blind
        self._device_names = device_names
        self._clock = clock

    async def begin(self, session: NewSession, job: Job) -> Beginning:
        """See `application.ports.Sessions.begin`."""
        now, token = session.created_at, session.token
        device = self._device_names(session.client.user_agent)
        digest = self._blind(b"device", session.user_id.bytes, device.encode())
        client = await self._sealed(session.id, session.user_id, session.client, device)
        values = [
            *(session.id, session.user_id, session.user_version, session.address_id, session.mode),
            *(now, now + IDLE_LIFETIME, now + SESSION_LIFETIME, token.family, token.digest),
            *(client, digest, MAX_SESSIONS),
        ]
        for attempt in range(MAX_ATTEMPTS):
            [encoded] = await self._queue.encoded([job], [present_cause()], again=attempt > 0)
            of_job = (encoded.queue, encoded.priority, encoded.lock, encoded.args, encoded.not_before)
            [(beginning,)] = await self._database.rows(BEGIN, [*values, *of_job])
            if beginning != "closed_key":
                return cast(Beginning, beginning)
        raise Unavailable(ENQUEUING)

    async def get(self, session_id: UUID) -> Session | None:
        """See `application.ports.Sessions.get`."""
        rows = await self._database.rows(ONE, [session_id])
        return Session(*rows[0]) if rows else None

    async def rotate(self, session: Session, token: RefreshToken, client: Client, now: datetime) -> bool:
        """See `application.ports.Sessions.rotate`."""
        device = self._device_names(client.user_agent)
        sealed = await self._sealed(session.id, session.user_id, client, device)
        [(rotated,)] = await self._database.rows(
            ROTATE, [session.id, session.digest, token.digest, now, now + IDLE_LIFETIME, sealed]
        )
        return bool(rotated)

    async def of(self, user_id: UUID, now: datetime) -> list[SessionDetails]:
        """See `application.ports.Sessions.of`."""
        rows = await self._database.rows(OWN, [user_id, now])
        key = await self._keyring.get(user_id) if rows else None
        found = []
        for id, mode, created_at, last_used_at, ends_at, sealed in rows:
            client = _unsealed(key, id, sealed)
            found.append(SessionDetails(id, mode, created_at, last_used_at, ends_at, client.device, client.address))
        return found

    async def end(self, user_id: UUID, session_ids: Sequence[UUID], why: EndReason) -> int:
        """See `application.ports.Sessions.end`."""
        [(owned,)] = await self._database.rows(END, [user_id, list(session_ids), self._clock(), why])
        if owned and not await until_dropped(self._database, DROP_TIMEOUT):
            raise NotSettled
        return int(owned)

    async def end_all(self, endings: Sequence[SessionEnding]) -> bool:
        """See `application.ports.Sessions.end_all`."""
        users, versions = [each.user_id for each in endings], [each.version for each in endings]
        kept = [each.kept_session_id for each in endings]
        await self._database.rows(END_ALL, [users, versions, kept, self._clock()])
        return await until_dropped(self._database, DROP_TIMEOUT)

    async def _sealed(self, session_id: UUID, user_id: UUID, client: Client, device: str) -> bytes:
        key = await self._keyring.get(user_id)
        if not isinstance(key, DataKey):
            raise NotFound("There is no such user.")
        sealed = _SealedClient(client.address, client.user_agent[:MAX_USER_AGENT], device)
        return key.seal(msgspec.msgpack.encode(sealed), _context(session_id))


def _unsealed(key: object, session_id: UUID, sealed: bytes | None) -> _SealedClient:
    """Return what is known of a session's client; nothing, where it cannot be read."""
    try:
        if sealed is not None and isinstance(key, DataKey):
            return msgspec.msgpack.decode(key.unseal(sealed, _context(session_id)), type=_SealedClient)
    except (Damage, KeyErased):
        pass
    return _SealedClient("", "", "")


def _context(session_id: UUID) -> bytes:
    return framed(Purpose.SESSION, session_id.bytes)
