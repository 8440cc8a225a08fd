"""What the commands of users refuse."""

from domain.kernel import Conflict, Forbidden


class UserIsDeactivated(Forbidden):
    """The account was closed."""


class AccountIsSuspended(Forbidden):
    """The account is locked, or waits for its deletion."""


class SameAddress(Conflict):
    """The account has this address already."""


class EmailChangeTooSoon(Conflict):
    """The address was changed lately, or a change has just been requested."""


class NotAnAuditor(Forbidden):
    """The user may not read the history of others."""
