"""An audit tree in memory, of entries that a test gives."""

from application.ports import NoSuchTile, NotContinued, NotSealedYet
from infra.audit.growing_tree import GrowingTree
from infra.audit.notes import CheckpointSigner
from infra.audit.proving import consistency_from, proof_from
from infra.audit.tiles import ENTRIES, narrowed, parse_path


class MemorySealedLog:
    """Implements `SealedLog`. Without entries nothing is sealed."""

    def __init__(self, signer: CheckpointSigner, entries: list[bytes]) -> None:
        self._signer = signer
        self._tree = GrowingTree()
        self._tree.extend(entries)

    async def checkpoint(self) -> str:
        """See `SealedLog`."""
        self._require(1)
        return self._signer.sign(self._tree.size, self._tree.root())

    async def tile(self, path: str) -> bytes:
        """See `SealedLog`."""
        try:
            tile, width = parse_path(path)
        except ValueError as error:
            raise NoSuchTile(str(error)) from None
        found = narrowed(self._tree.tiles().get(tile, b""), width)
        if found is None or tile.level == ENTRIES:
            raise NoSuchTile(path)
        return found

    async def inclusion(self, position: int) -> str:
        """See `SealedLog`."""
        self._require(position)
        proof = proof_from(self._tree.tiles(), position - 1, await self.checkpoint())
        return str(proof._replace(entry=None))

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """See `SealedLog`."""
        self._require(new)
        if old > new:
            raise NotContinued(f"no proof from {old} to {new}")
        return consistency_from(self._tree.tiles(), old, new)

    def _require(self, size: int) -> None:
        if size > self._tree.size:
            raise NotSealedYet(f"{size} events are not sealed")
