"""Texts that are being written, in PostgreSQL: sealed pieces under the data key of their generation.

Writes that come while one runs share the next statement, and so do reads: many texts grow at a time.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from application.ports import AttemptText
from infra.coalesce import Coalescer
from infra.generation.text_signals import CHANNEL
from infra.postgres.database import Database, ResultRow
from infra.sealing.keyring import DataKey, KeyErased, Keyring
from infra.sealing.store_keys import Purpose, framed

# A statement may run twice, and one that seemed to fail may have run: then a longer piece comes for the same place.
# A generation whose key is gone keeps nothing (`erase_keys.sql`). Commits do not wait for the disk: after a crash of
# PostgreSQL a text may have a gap, which its watchers see filled at the end.
INSERT = f"""
WITH kept AS (
    INSERT INTO partial_texts (generation_id, attempt, variant, start, sealed)
    SELECT piece.* FROM unnest(%s::uuid[], %s::int[], %s::int[], %s::int[], %s::bytea[])
        AS piece (generation_id, attempt, variant, start, sealed)
    WHERE NOT EXISTS (SELECT FROM data_keys WHERE subject_id = piece.generation_id AND wrapped IS NULL)
    ON CONFLICT (generation_id, attempt, variant, start) DO UPDATE SET sealed = EXCLUDED.sealed
        WHERE length(EXCLUDED.sealed) > length(partial_texts.sealed)
    RETURNING generation_id
)
SELECT pg_notify('{CHANNEL}', generation_id::text), set_config('synchronous_commit', 'off', true)
FROM (SELECT DISTINCT generation_id FROM kept) AS changed
"""  # noqa: S608
# The inner ORDER BY keeps the inner query as it is: joined freely, it reads each text from its beginning.
SELECT = """
SELECT number, piece.start, sealed
FROM unnest(%s::uuid[], %s::int[], %s::int[], %s::int[]) WITH ORDINALITY
    AS wanted (generation_id, attempt, variant, start, number)
CROSS JOIN LATERAL (
    SELECT start, sealed FROM partial_texts AS later
    WHERE (later.generation_id, later.attempt, later.variant)
        = (wanted.generation_id, wanted.attempt, wanted.variant) AND later.start >= (
            SELECT coalesce(max(start), 0) FROM partial_texts AS earlier
            WHERE (earlier.generation_id, earlier.attempt, earlier.variant)
                = (wanted.generation_id, wanted.attempt, wanted.variant) AND earlier.start <= wanted.start
        )
    ORDER BY later.start
) AS piece
ORDER BY number, piece.start
"""
# Commits do not wait for the disk here either: what a crash of PostgreSQL brings back is purged after a day.
DELETE = f"""
WITH ended AS (SELECT * FROM unnest(%s::uuid[], %s::int[]) AS ended (generation_id, last)),
gone AS (
    DELETE FROM partial_texts AS piece USING ended
    WHERE piece.generation_id = ended.generation_id AND piece.attempt <= ended.last
)
SELECT pg_notify('{CHANNEL}', generation_id::text), set_config('synchronous_commit', 'off', true) FROM ended
"""  # noqa: S608
MAX_TOGETHER = 64
"""Texts that one statement reads or writes."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a text; for a piece that is written, with the piece."""

    of: AttemptText
    start: int
    text: str = field(default="", repr=False)


class PostgresPartialTexts:
    """Implements `application.ports.PartialTexts`."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring
        self._writes: Coalescer[_Place, bool] = Coalescer(self._write, limit=MAX_TOGETHER)
        self._reads: Coalescer[_Place, str] = Coalescer(self._read, limit=MAX_TOGETHER)
        self._removals: Coalescer[tuple[UUID, int], None] = Coalescer(self._remove, limit=MAX_TOGETHER)

    async def append(self, of: AttemptText, start: int, text: str) -> bool:
        """See `PartialTexts.append`. A cancellation does not stop the statement."""
        return await self._writes.get(_Place(of, start, text)) or False

    async def read(self, of: AttemptText, start: int) -> str:
        """See `PartialTexts.read`."""
        return await self._reads.get(_Place(of, start)) or ""

    async def remove(self, generation_id: UUID, last_attempt: int) -> None:
        """See `PartialTexts.remove`."""
        await self._removals.get((generation_id, last_attempt))

    async def _write(self, pieces: list[_Place]) -> Mapping[_Place, bool]:
        """Keep pieces, unless their generations have been erased. Returns those that were."""
        keys = {piece: await self._keyring.get(piece.of.generation_id) for piece in pieces}
        sealed = {
            piece: key.seal(piece.text.encode(), _bound(piece.of, piece.start))
            for piece, key in keys.items()
            if isinstance(key, DataKey)
        }
        if sealed:
            await self._database.rows(INSERT, [*_columns([*sealed]), [*sealed.values()]])
        return dict.fromkeys(sealed, True)

    async def _remove(self, ended: list[tuple[UUID, int]]) -> Mapping[tuple[UUID, int], None]:
        await self._database.rows(DELETE, [list(column) for column in zip(*ended, strict=True)])
        return {}

    async def _read(self, places: list[_Place]) -> Mapping[_Place, str]:
        found = defaultdict[int, list[ResultRow]](list)
        for number, start, sealed in await self._database.rows(SELECT, _columns(places)):
            found[number - 1].append((start, sealed))
        return {places[number]: await self._text(places[number], pieces) for number, pieces in found.items()}

    async def _text(self, place: _Place, pieces: Sequence[ResultRow]) -> str:
        """Return the text from a place on, out of the pieces that begin there or reach there."""
        key = await self._keyring.get(place.of.generation_id)
        if key is None:
            return ""
        text, first = "", pieces[0][0]
        try:
            for start, sealed in pieces:
                if start != first + len(text):
                    break
                text += key.unseal(sealed, _bound(place.of, start)).decode()
        except KeyErased:
            return ""
        return text[place.start - first :] if place.start >= first else ""


def _columns(places: Sequence[_Place]) -> list[list[object]]:
    """Return generations, attempts, variants and starts."""
    found = [(each.of.generation_id, each.of.attempt, each.of.variant, each.start) for each in places]
    return [list(column) for column in zip(*found, strict=True)]


def _bound(of: AttemptText, start: int) -> bytes:
    numbers = (number.to_bytes(4, "big") for number in (of.attempt, of.variant, start))
    return framed(Purpose.PARTIAL_TEXT, of.generation_id.bytes, *numbers)
