"""What stands for personal data that is not unsealed: it remembers whose key sealed it, wherever an event puts it."""

from typing import NamedTuple, Self
from uuid import UUID

SEALED = "[sealed]"
FORGOTTEN = "[forgotten]"


class Seal(NamedTuple):
    """The key that sealed a value: its subject, and the subject's last erasure before it was made (0: none)."""

    subject_id: UUID
    erasure: int


class SealedText(str):
    """Stands for a sealed text. Each reads as `SEALED`."""

    __slots__ = ("seal",)
    seal: Seal

    def __new__(cls, seal: Seal) -> Self:
        mark = super().__new__(cls, SEALED)
        mark.seal = seal
        return mark


class SealedList(list[object]):
    """Stands for a sealed list. Each is empty, as an erased one is."""

    __slots__ = ("seal",)

    def __init__(self, seal: Seal) -> None:
        super().__init__()
        self.seal = seal
