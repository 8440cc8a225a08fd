"""Port to text records of domains (DNS)."""

from typing import Protocol


class TextRecords(Protocol):
    """Looks up text records (RFC 1035, 3.3.14)."""

    async def texts(self, name: str) -> list[str]:
        """Return the texts of the records at a name in ASCII, each joined from its strings; none: there are none.

        Bytes that are no UTF-8 become replacement characters.

        Raises:
            Unavailable: no resolver has answered, or the servers of the domain do not; a repeat may help.
        """
