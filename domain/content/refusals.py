"""Refusals of commands that concern documents."""

from domain.kernel import Conflict, Invalid, NotFound


class DocumentIsTrashed(Conflict):
    """The document is in the trash."""


class DocumentIsArchived(Conflict):
    """The document is archived and so read-only."""


class NoLongerADraft(Conflict):
    """A published or archived document does not become a draft again."""


class OwnerHasNoShare(Conflict):
    """The owner wanted to leave the document."""


class SharedWithOneself(Invalid):
    """The owner gave their own address."""


class TooManyShares(Conflict):
    """The document has the maximum number of shares."""


class NoSuchShare(NotFound):
    """The document is not shared with that address."""
