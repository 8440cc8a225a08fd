"""Retention: which versions of a document the plan of its owner shows. It hides versions, and destroys nothing.

A plan shows what the document was within some time before now. So a version is hidden once it has not been the present
one for that time; a save hides nothing at once. The first version and named ones are always shown.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.kernel import Forbidden


class VersionHidden(Forbidden):
    """The plan of the document's owner does not show versions that are so old. Nothing of them is lost."""


@dataclass(frozen=True, slots=True)
class ShownHistory:
    """How much of the history of a document its owner's plan shows at a time. `span`: None is all of it."""

    span: timedelta | None
    now: datetime

    @property
    def since(self) -> datetime | None:
        """The time from which on all states of the document are shown; None: from its creation on."""
        return None if self.span is None else self.now - self.span

    @property
    def advice(self) -> str:
        """What is shown, and how to see more, in sentences."""
        assert self.span is not None
        return (
            f"The plan of the document's owner shows its versions of the last {self.span.days} days, and named ones."
            " Nothing is lost: with a larger plan of its owner older versions are shown again."
        )

    def hides(self, version: int, *, named: bool, replaced_at: datetime | None) -> bool:
        """Return whether a version is hidden. `replaced_at`: when the next one was saved; None: it is the current."""
        if self.since is None or version == 1 or named or replaced_at is None:
            return False
        return replaced_at < self.since

    def require(self, version: int, *, named: bool, replaced_at: datetime | None) -> None:
        """Refuse a version that is hidden. Raises `VersionHidden`."""
        if self.hides(version, named=named, replaced_at=replaced_at):
            raise VersionHidden(self.advice)
