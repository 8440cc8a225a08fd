"""Who asks, as far as rules care."""

from typing import Protocol
from uuid import UUID

from domain.kernel import Forbidden


class Person(Protocol):
    """A user, with the blind id of their verified email address (None: not verified yet)."""

    @property
    def user_id(self) -> UUID: ...

    @property
    def address_id(self) -> UUID | None: ...


class RoleTooLow(Forbidden):
    """The actor may see the thing, but not do this with it."""
