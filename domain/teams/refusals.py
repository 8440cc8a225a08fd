"""Refusals of commands that concern teams."""

from domain.kernel import Conflict, NotFound


class TeamIsFull(Conflict):
    """All seats are taken by members or held by open invitations."""


class TeamIsDissolved(Conflict):
    """The team was dissolved."""


class DissolutionIsRequested(Conflict):
    """The team is about to be dissolved."""


class LastOwner(Conflict):
    """The team would have no owner."""


class AlreadyAMember(Conflict):
    """The person is a member of the team."""


class InvitationExpired(Conflict):
    """The invitation has expired."""


class InvitedRecently(Conflict):
    """The invitation was sent a short time ago."""


class NoSuchInvitation(NotFound):
    """The address is not invited to the team."""


class NoSuchOffer(Conflict):
    """The ownership is not offered to the person."""


class NoSuchMember(NotFound):
    """The user is not a member of the team."""
