"""Port for blind ids of email addresses."""

from typing import Protocol
from uuid import UUID


class EmailIndex(Protocol):
    """Computes blind ids of email addresses."""

    def address_id(self, email: str) -> UUID:
        """Return the id of an address in its normal form (`domain.text.email_address`); meaningless without our key."""
