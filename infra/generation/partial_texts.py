"""Texts that are being written, in PostgreSQL: sealed pieces under the data key of their generation."""

from uuid import UUID

from infra.postgres.database import Database
from infra.sealing.keyring import DataKey, KeyErased, Keyring
from infra.sealing.store_keys import Purpose, framed

# A statement may run twice; a generation whose key is gone keeps nothing (`erase_keys.sql`).
INSERT = """
INSERT INTO partial_texts (generation_id, attempt, start, sealed)
SELECT %(id)s, %(attempt)s, %(start)s, %(sealed)s
WHERE NOT EXISTS (SELECT FROM data_keys WHERE subject_id = %(id)s AND wrapped IS NULL)
ON CONFLICT DO NOTHING
"""
SELECT = """
SELECT start, sealed FROM partial_texts WHERE generation_id = %(id)s AND attempt = %(attempt)s AND start >= coalesce((
    SELECT max(start) FROM partial_texts WHERE generation_id = %(id)s AND attempt = %(attempt)s AND start <= %(start)s
), 0) ORDER BY start
"""
DELETE = "DELETE FROM partial_texts WHERE generation_id = %s AND attempt <= %s"


class PostgresPartialTexts:
    """Implements `application.ports.PartialTexts`."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    async def append(self, generation_id: UUID, attempt: int, start: int, text: str) -> bool:
        """See `PartialTexts.append`."""
        key = await self._keyring.get(generation_id)
        if not isinstance(key, DataKey):
            return False
        sealed = key.seal(text.encode(), _bound(generation_id, attempt, start))
        params = {"id": generation_id, "attempt": attempt, "start": start, "sealed": sealed}
        await self._database.rows(INSERT, params)
        return True

    async def read(self, generation_id: UUID, attempt: int, start: int) -> str:
        """See `PartialTexts.read`."""
        rows = await self._database.rows(SELECT, {"id": generation_id, "attempt": attempt, "start": start})
        key = await self._keyring.get(generation_id) if rows else None
        if key is None:
            return ""
        text, first = "", rows[0][0]
        try:
            for at, sealed in rows:
                if at != first + len(text):
                    break
                text += key.unseal(sealed, _bound(generation_id, attempt, at)).decode()
        except KeyErased:
            return ""
        return text[start - first :] if start >= first else ""

    async def remove(self, generation_id: UUID, last_attempt: int) -> None:
        """See `PartialTexts.remove`."""
        await self._database.rows(DELETE, [generation_id, last_attempt])


def _bound(generation_id: UUID, attempt: int, start: int) -> bytes:
    return framed(Purpose.PARTIAL_TEXT, generation_id.bytes, attempt.to_bytes(4, "big"), start.to_bytes(4, "big"))
