"""Text records in memory, for tests of use cases."""

from application.ports import Unavailable


class MemoryRecords:
    """Implements `application.ports.TextRecords`. `broken`: names whose servers do not answer."""

    def __init__(self) -> None:
        self.records: dict[str, list[str]] = {}
        self.broken: set[str] = set()

    async def texts(self, name: str) -> list[str]:
        if name.lower() in self.broken:
            raise Unavailable("DNS")
        return [*self.records.get(name.lower(), [])]
