"""Port for password hashing."""

from typing import Protocol


class Passwords(Protocol):
    """Hashes and checks passwords, off the event loop."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Return whether the password is right. Without a hash (None): false, after the same time."""

    def is_outdated(self, hashed: str) -> bool:
        """Return whether a hash of another kind or cost is to be replaced, once its password is known."""

    async def weakness(self, password: str, *known: str) -> str | None:
        """Return why the password is too weak, for its user; None: it is strong. `known`: words it may not contain."""
