"""Refusals of commands that concern documents."""

from domain.kernel import Conflict, Forbidden, Invalid, NotFound


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


class TeamsDoNotLend(Conflict):
    """A document of a team was to be lent to a team."""


class TooManyTeamShares(Conflict):
    """The document is lent to the maximum number of teams."""


class OfferedToOneself(Invalid):
    """The owner offered the document to their own address."""


class DocumentNotOffered(Conflict):
    """The document is not offered to the person, or the offer is over."""


class TooManyShares(Conflict):
    """The document has the maximum number of shares."""


class TooManyTags(Invalid):
    """The document would have more tags than it may."""


class TooManyNames(Conflict):
    """The document has the maximum number of named versions."""


class NoSuchShare(NotFound):
    """The document is not shared with that address."""


class UnusableEdits(Invalid):
    """Edits are out of order, overlap, or reach beyond the content."""


class HistoryTooLong(Conflict):
    """The history of a content has more steps than can be composed."""


class NoSuchFolder(NotFound):
    """The tree of folders has no such folder."""


class FolderInItself(Conflict):
    """The folder would be in itself, or in a folder that is in it."""


class TooManyFolders(Conflict):
    """The tree has the maximum number of folders."""


class TooManyLinks(Conflict):
    """The document has the maximum number of share links."""


class ExpiresInThePast(Invalid):
    """The time at which a share link is to end is over."""


class ShareLinkNotValid(NotFound):
    """A share link was never created, or is over, or its document is not to be seen."""


class WrongLinkPassword(Forbidden):
    """The share link takes a password, and it was not given, or another one."""


class AddressIsBound(Conflict):
    """The address has a share that belongs to another user, who held it before."""


class NoSuchAccessRequest(NotFound):
    """The user does not ask for access to the document now."""
