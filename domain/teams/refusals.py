"""Refusals of commands that concern teams."""

from domain.kernel import Conflict, Forbidden, Invalid, NotFound


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


class NoSuchJoinRequest(NotFound):
    """The user does not ask to join the team now, or the team does not see it."""


class NoSuchDomain(NotFound):
    """The team has not named the domain."""


class DomainNotProved(Conflict):
    """The record that proves a domain was not found."""


class DomainLinkNotValid(Forbidden):
    """The link of a mail that proves a domain was never sent, was used, or has ended."""


class DomainOfAll(Invalid):
    """Everybody can get an address of the domain."""


class TooManyDomains(Conflict):
    """The team has the maximum number of domains."""


class NoSuchOffer(Conflict):
    """The ownership is not offered to the person."""


class NoSuchMember(NotFound):
    """The user is not a member of the team."""
