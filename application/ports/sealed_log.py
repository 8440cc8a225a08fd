"""Port to the audit tree, with which others check the history. It gives hashes and signatures, and no event."""

from typing import Protocol

from domain.kernel import Invalid, NotFound


class NotSealedYet(NotFound):
    """No checkpoint covers so many events yet. Get the last checkpoint, and ask again a second later."""


class NoSuchTile(NotFound):
    """The tree has no tile at this path, or has not so much of it yet. Its checkpoint says which tiles there are."""


class NotContinued(Invalid):
    """A log cannot continue one with more events. Ask from the smaller number to the larger one."""


class SealedLog(Protocol):
    """The tree as it is sealed. Texts and tiles are in the formats of C2SP (c2sp.org)."""

    async def checkpoint(self) -> str:
        """Return the last checkpoint, a signed note with the cosignatures of witnesses. Without any it is the newest.

        Raises:
            NotSealedYet: nothing is sealed yet.
            Unavailable: the database does not answer.
        """

    async def tile(self, path: str) -> bytes:
        """Return the hashes of a tile, full or partial. `path`: below `tile/`.

        Raises:
            NoSuchTile
            Unavailable: the database does not answer.
        """

    async def inclusion(self, position: int) -> str:
        """Return a proof (tlog-proof) that a leaf is in the tree of a checkpoint that covers it, without the leaf.

        Raises:
            NotSealedYet: the position comes after the last checkpoint.
            Unreadable: the tree is damaged.
            Unavailable: the database does not answer.
        """

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the hashes that prove: the tree of `new` leaves begins with the tree of `old` leaves (RFC 9162).

        Raises:
            NotContinued: `old` is larger than `new`.
            NotSealedYet: the last checkpoint covers fewer than `new`.
            Unreadable: the tree is damaged.
            Unavailable: the database does not answer.
        """
