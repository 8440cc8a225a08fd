"""The audit tree for readers from outside: checkpoint, tiles and proofs, from the tables of the sealer."""

from collections.abc import Iterable

from application.ports import NoSuchTile, NotContinued, NotSealedYet, Unreadable
from infra.audit.cosigned_rows import PUBLISHED
from infra.audit.notes import LogCheckpoint, NoteRefused
from infra.audit.proving import consistency_from, proof_from, tiles_for_proof
from infra.audit.tables import LAST_CHECKPOINT, TILES, tile_parameters
from infra.audit.tiles import ENTRIES, TileId, narrowed, parse_path, tiles_for
from infra.audit.tree import ProofRefused, consistency_ranges
from infra.postgres.database import Database

NO_TILE = "The log has no tile at this path; /v1/log/checkpoint says how many events it has."
"""Also what is said of bundles of entries, which are not public."""


class PostgresSealedLog:
    """Implements `SealedLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def checkpoint(self) -> str:
        """See `SealedLog`."""
        return await self._note(PUBLISHED, 1)

    async def tile(self, path: str) -> bytes:
        """See `SealedLog`."""
        try:
            tile, width = parse_path(path)
        except ValueError:
            raise NoSuchTile(NO_TILE) from None
        content = None
        if tile.level != ENTRIES:
            content = narrowed((await self._tiles([tile])).get(tile, b""), width)
        if content is None:
            raise NoSuchTile(NO_TILE)
        return content

    async def inclusion(self, position: int) -> str:
        """See `SealedLog`."""
        note = await self._note(PUBLISHED, position)
        try:
            size = LogCheckpoint.of(note).size
            require_sealed(position, size)
            tiles = await self._tiles(tiles_for_proof(position - 1, size))
            return str(proof_from(tiles, position - 1, note)._replace(entry=None))
        except (NoteRefused, ProofRefused) as error:
            raise Unreadable(f"the audit tree is damaged: {error}") from None

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """See `SealedLog`."""
        try:
            require_sealed(new, LogCheckpoint.of(await self._note(LAST_CHECKPOINT)).size)
            if old > new:
                raise NotContinued(f"A log of {new} events cannot continue one of {old}.")
            return consistency_from(await self._tiles(tiles_for(consistency_ranges(old, new))), old, new)
        except (NoteRefused, ProofRefused) as error:
            raise Unreadable(f"the audit tree is damaged: {error}") from None

    async def _note(self, query: str, *parameters: int) -> str:
        found = await self._database.rows(query, parameters)
        if not found:
            raise NotSealedYet("Nothing is sealed yet; try again in a moment.")
        return str(found[0][1])

    async def _tiles(self, wanted: Iterable[TileId]) -> dict[TileId, bytes]:
        found = await self._database.rows(TILES, tile_parameters(wanted))
        return {TileId(level, number): content for level, number, content in found}


def require_sealed(position: int, size: int) -> None:
    """Check that a tree of this size has a position.

    Raises:
        NotSealedYet: it has not.
    """
    if position > size:
        raise NotSealedYet(f"{size} events are sealed; try again in a moment.")
