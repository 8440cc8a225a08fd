"""Auditors: users whom operators let read the history of others. Each read of theirs is recorded."""

from datetime import datetime

from domain.access import AddressNotVerified
from domain.identity.refusals import NotAnAuditor
from domain.identity.user import User
from domain.text import single_line

REASON_LENGTH = 500


def appoint_auditor(user: User, *, reason: str, now: datetime) -> None:
    """Let the user read the history of others. A user who is an auditor already stays one: there is no event.

    Raises:
        UserIsDeactivated, AccountIsSuspended: the account is not open.
        AddressNotVerified: the user has not verified their address.
        UnusableText: the reason is not valid.
    """
    reason = single_line(reason, "A reason", REASON_LENGTH)
    user.require_open()
    if not user.email_verified:
        raise AddressNotVerified("The address of the account is not verified; its user must verify it first.")
    if not user.auditor:
        user.trigger_event(User.AuditorAppointed, now=now, reason=reason)


def dismiss_auditor(user: User, *, reason: str, now: datetime) -> None:
    """End what `appoint_auditor` began, and the sessions of the user. Of a user who is no auditor there is no event.

    Raises:
        UnusableText: the reason is not valid.
    """
    reason = single_line(reason, "A reason", REASON_LENGTH)
    if user.auditor:
        user.trigger_event(User.AuditorDismissed, now=now, reason=reason)


def require_auditor(user: User) -> None:
    """Refuse a user who may not read the history of others at present.

    Raises:
        UserIsDeactivated, AccountIsSuspended: the account is not open.
        NotAnAuditor: the user is no auditor.
    """
    user.require_open()
    if not user.auditor:
        raise NotAnAuditor("Only auditors may read this; operators appoint them: palimpsest audit appoint.")
